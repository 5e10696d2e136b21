#ifndef COPENSSL_TLS_LIBRARY_H
#define COPENSSL_TLS_LIBRARY_H

// Before any other use of OpenSSL: what it holds is not torn down at `exit`, when another thread may still be inside it.
// 1, or 0 when OpenSSL cannot begin.
int tls_library_begin(void);

#endif
