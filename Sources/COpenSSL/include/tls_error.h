#ifndef COPENSSL_TLS_ERROR_H
#define COPENSSL_TLS_ERROR_H

#include <stddef.h>

// Empties OpenSSL's queue of errors of this thread and writes what stood in it to `out` as one line, the first cause
// first, parts separated by "; ", cut to `size` - 1 bytes and ended by a zero. "" when the queue was empty.
// `size` must not be 0.
void tls_take_errors(char *out, size_t size);

#endif
