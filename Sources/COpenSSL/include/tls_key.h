#ifndef COPENSSL_TLS_KEY_H
#define COPENSSL_TLS_KEY_H

#include <stddef.h>

#include <openssl/evp.h>

// Opens a private key through OpenSSL's store. `content` is what the key file holds: PEM (PKCS#8, encrypted or not, or
// one of the older forms), or a pkcs11: URI (RFC 7512). A URI goes to the pkcs11 provider when there is one (Debian 13),
// else to the engine (Debian 12: libengine-pkcs11-openssl), which asks p11-kit for the token's module, or takes the one
// in PKCS11_MODULE_PATH.
//
// `password`: decrypts the PEM, or is the PIN of the token where the URI gives none (pin-value, pin-source); NULL when
// there is none. Nobody is ever asked on a terminal.
//
// NULL on failure, with one line in `error` (of `error_size` bytes, not 0) that contains no secret: neither content nor
// password.
EVP_PKEY *tls_key_open(const char *content, size_t count, const char *password, char *error, size_t error_size);

#endif
