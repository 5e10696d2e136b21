#ifndef COPENSSL_X509_KEY_H
#define COPENSSL_X509_KEY_H

#include <openssl/evp.h>
#include <stddef.h>

#include "x509_certificate.h"

// Key files. No key leaves these functions except into a file.

// Compares the PEM key in the file with the certificate's: 1 the same, 0 another or a broken one, -1 cannot be told, because
// the key is encrypted or the file names a key elsewhere (no PEM in it). Reads from the file's position on.
int x509_key_fits(int file, const unsigned char *der, size_t count);

// 1 when the key is the one of the certificate.
int x509_key_is_of(const EVP_PKEY *key, const unsigned char *der, size_t count);

// A new key: RSA of so many bits, or with 0 EC P-256. NULL when OpenSSL fails.
EVP_PKEY *x509_key_make(size_t rsa_bits);

// Writes the key to the file as PEM, PKCS #8; with a password encrypted (PBES2, AES-256). 0, or an errno.
int x509_key_write(EVP_PKEY *key, int file, const char *password);

// A certificate signing request (PKCS #10, RFC 2986) in PEM, signed with SHA-256. Attributes of the subject: NULL leaves one
// out. NULL and a line in `problem` when it cannot be made, for instance of a name that is too long; else `x509_free`.
struct x509_bytes x509_key_request(
    EVP_PKEY *key, const char *common_name, const char *organization, const char *country, const char **problem);

// Does the signature, made with the key of the certificate over SHA-256 of the file (from its position on), fit? RSA keys: PSS with a
// salt of any length; EC keys: ECDSA in DER. 1: it does; 0: it does not, or the key is of another kind; -1: the file cannot be
// read, with errno.
int x509_file_verify(
    const unsigned char *der, size_t count, int file, const unsigned char *signature, size_t signature_count);

#endif
