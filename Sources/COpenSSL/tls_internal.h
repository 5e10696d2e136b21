#ifndef COPENSSL_TLS_INTERNAL_H
#define COPENSSL_TLS_INTERNAL_H

#include "include/tls_client.h"

#define TLS_TEXT_SIZE 512

struct tls_client {
  SSL_CTX *context;
  SSL *ssl;
  // Owned by `ssl`.
  BIO *input, *output;
  STACK_OF(X509) * intermediates;
  SSL_SESSION *session;
  char *host;
  int host_is_address, allow_wildcards, time_is_floor;
  int64_t time;
  int was_asked, has_certificate, was_closed;
  enum tls_problem problem;
  char text[TLS_TEXT_SIZE];
  // "" when no answer was stapled.
  char ocsp[TLS_TEXT_SIZE];
};

// Notes the first problem; later ones are its consequences.
void tls_fail(tls_client *client, enum tls_problem problem, const char *format, ...) __attribute__((format(printf, 3, 4)));

// The client whose trust store this is.
tls_client *tls_client_of_store(X509_STORE *store);
int tls_bind_store(X509_STORE *store, tls_client *client);

// For X509_STORE_set_verify_cb.
int tls_judge(int ok, X509_STORE_CTX *context);
// For SSL_CTX_set_cert_verify_callback.
int tls_verify_server(X509_STORE_CTX *context, void *client);
// For SSL_CTX_set_tlsext_status_cb: 1 goes on, 0 refuses.
int tls_check_ocsp(SSL *ssl, void *client);

// Subject, issuer and validity of a certificate in one line.
void tls_describe_certificate(X509 *certificate, char *out, size_t size);

#endif
