#ifndef COPENSSL_TLS_OPENSSL_H
#define COPENSSL_TLS_OPENSSL_H

// OpenSSL 3 itself, for Swift. Macros, which Swift cannot see, have wrappers in the headers beside this one.
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#endif
