#ifndef TLSPEER_PKI_H
#define TLSPEER_PKI_H

#include <stddef.h>
#include <stdint.h>

// Certificates for tests, good and bad, made while they run.

typedef struct tlspeer_identity tlspeer_identity;

struct tlspeer_wish {
  const char *common_name;
  // As in openssl.cnf: "DNS:a.example,IP:127.0.0.1"; NULL: none.
  const char *alternative_names;
  // "EC", "EC:P-192", "RSA:1024".
  const char *key;
  // "SHA256", "SHA1", ...
  const char *digest;
  // Seconds from now.
  int64_t not_before, not_after;
  int is_ca;
  // "serverAuth", ...; NULL: none.
  const char *extended_key_usage;
  // RFC 7633.
  int must_staple;
};

// `issuer` NULL: self-signed. NULL on failure.
tlspeer_identity *tlspeer_make(const struct tlspeer_wish *wish, const tlspeer_identity *issuer);
void tlspeer_free(tlspeer_identity *identity);

// PEM, zero-terminated, freed with `tlspeer_free_text`.
char *tlspeer_certificate_pem(const tlspeer_identity *identity);
// `password` NULL: not encrypted.
char *tlspeer_key_pem(const tlspeer_identity *identity, const char *password);
void tlspeer_free_text(char *text);

// An OCSP answer about `identity`: 0 good, 1 revoked, 2 unknown; `error` 1: the responder says tryLater instead. Times in
// seconds from now. `digest` of the certificate's id. DER, freed with `tlspeer_free_text`; its length.
size_t tlspeer_ocsp(
    const tlspeer_identity *identity, const tlspeer_identity *issuer, const tlspeer_identity *signer, int status, int error,
    const char *digest, int64_t this_update, int64_t next_update, uint8_t **der);

#endif
