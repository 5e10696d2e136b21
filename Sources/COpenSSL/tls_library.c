#include "include/tls_library.h"

#include <openssl/crypto.h>

int tls_library_begin(void) { return OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL); }
