#ifndef COPENSSL_X509_CERTIFICATE_H
#define COPENSSL_X509_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

// Certificates as bytes. Nothing here keeps memory or an OpenSSL object beyond a call, `x509_path` excepted.

// A piece of memory that the caller frees with `x509_free`.
struct x509_bytes {
  unsigned char *data;
  size_t count;
};

struct x509_facts {
  int version;  // 1 to 3
  // Unix time in seconds.
  int64_t not_before;
  int64_t not_after;
  // OpenSSL's short name of the key's algorithm ("RSA", "EC", "ED25519", ...) and of the curve, "" when there is none.
  char key_algorithm[32];
  char key_group[64];
  int key_bits;
  // Of the key, and of the signature that the certificate bears, as a symmetric key's length; 0 when not known.
  int key_security_bits;
  int signature_security_bits;
  // "ecdsa-with-SHA256", "RSASSA-PSS", ...
  char signature_algorithm[64];
  // Subject and issuer are the same name.
  int is_self_issued;
  // basicConstraints: -1 when absent, else cA; pathLenConstraint or -1.
  int is_ca;
  long path_length;
  // X509v3_KU_* and XKU_*; UINT32_MAX when absent.
  uint32_t key_usage;
  uint32_t extended_key_usage;
  // Hexadecimal in lower case without leading zeros.
  char serial[256];
  // RFC 4514 in UTF-8, cut to the size.
  char subject[1024];
  char issuer[1024];
  struct x509_bytes subject_name;  // DER
  struct x509_bytes issuer_name;   // DER
  struct x509_bytes public_key;    // content of the BIT STRING subjectPublicKey, without the number of unused bits
};

void x509_free(struct x509_bytes *bytes);

// Reads one DER certificate, which must take all of the bytes. NULL when it is one, and then `x509_free` the three
// members; else what is wrong with it.
const char *x509_read(const unsigned char *der, size_t count, struct x509_facts *facts);

// The attribute (NID_commonName, ...) of the subject, number `index` from 0, in UTF-8. Returns its length, or -1 when there is
// no such attribute or it is longer than `size`.
long x509_subject_attribute(const unsigned char *der, size_t count, int nid, int index, unsigned char *out, size_t size);

// The digest ("SHA256", "SHA384", "SHA512") of the bytes. Returns its length, 0 when OpenSSL refuses. `out` takes 64.
size_t x509_digest(const char *name, const unsigned char *data, size_t count, unsigned char *out);

// 1 when `issuer` is named as the issuer and its key made the signature.
int x509_is_issued_by(
    const unsigned char *der, size_t count, const unsigned char *issuer, size_t issuer_count);

// Looks for a path from a leaf to a root.
typedef struct x509_path x509_path;
x509_path *x509_path_new(void);  // NULL: no memory
void x509_path_free(x509_path *path);
// 0, or -1.
int x509_path_add_root(x509_path *path, const unsigned char *der, size_t count);
int x509_path_add_intermediate(x509_path *path, const unsigned char *der, size_t count);
// Every root counts, also one that is not self-signed. `at`: Unix time in seconds; INT64_MIN: dates are not checked. Keys and
// signatures (the root's own excepted) below 112 bits of security are refused. Returns NULL when there is a path, else
// why not; `depth` is then which certificate it is about, 0 for the leaf.
const char *x509_path_verify(x509_path *path, const unsigned char *leaf, size_t count, int64_t at, int *depth);
// After a verification that succeeded: the path, leaf first.
size_t x509_path_count(const x509_path *path);
struct x509_bytes x509_path_certificate(const x509_path *path, size_t index);

#endif
