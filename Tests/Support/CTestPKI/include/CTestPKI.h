#ifndef CTESTPKI_H
#define CTESTPKI_H

#include <stdint.h>

// Certificates for tests, good and bad ones.

struct test_pki_request {
  // Attributes of the subject; NULL: left out.
  const char *common_name;
  const char *organization;
  const char *country;
  // "P-256", "P-384", "P-192", "RSA-2048", "ED25519".
  const char *key;
  // "SHA256", "SHA1", ...; not for ED25519.
  const char *digest;
  // Unix time, seconds.
  int64_t not_before;
  int64_t not_after;
  // Hexadecimal; NULL: a random one.
  const char *serial;
  // Extensions in the notation of OpenSSL's configuration; NULL: left out.
  const char *basic_constraints;
  const char *key_usage;
  const char *extended_key_usage;
  const char *subject_alt_name;
  // 3 or 1.
  int version;
};

// Issues a certificate. `issuer` and `issuer_key` (PEM): NULL for one that signs itself. `csr` (PEM): whose key and subject
// it gets; NULL: a key is made. `own_key` (PEM): the key to use in place of a new one; NULL: none.
// Returns the certificate and sets `key` to its private key (not with `csr`), PEM that the caller frees; NULL when something
// failed.
char *test_pki_issue(
    const struct test_pki_request *request, const char *issuer, const char *issuer_key, const char *csr,
    const char *own_key, char **key);

// Encrypts a PEM private key with a password. NULL when it fails.
char *test_pki_encrypt(const char *key, const char *password);

#endif
