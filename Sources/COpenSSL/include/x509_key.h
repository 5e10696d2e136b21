#ifndef COPENSSL_X509_KEY_H
#define COPENSSL_X509_KEY_H

#include <stddef.h>

// Key files. No key leaves these functions except into a file.

// Compares the PEM key in the file with the certificate's: 1 the same, 0 another or a broken one, -1 cannot be told, because
// the key is encrypted or the file names a key elsewhere (no PEM in it). Reads from the file's position on.
int x509_key_fits(int file, const unsigned char *der, size_t count);

#endif
