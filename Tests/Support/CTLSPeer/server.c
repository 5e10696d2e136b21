#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct tlspeer_context {
  SSL_CTX *ssl;
  uint8_t *ocsp;
  size_t ocsp_count;
};

struct tlspeer_server {
  SSL *ssl;
  BIO *input, *output;
  char error[256];
};

static int staple(SSL *ssl, void *argument) {
  tlspeer_context *context = argument;
  if (context->ocsp == NULL) return SSL_TLSEXT_ERR_NOACK;
  unsigned char *copy = OPENSSL_memdup(context->ocsp, context->ocsp_count);
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)context->ocsp_count);
  return SSL_TLSEXT_ERR_OK;
}

tlspeer_context *tlspeer_context_new(const struct tlspeer_settings *settings) {
  tlspeer_context *context = calloc(1, sizeof *context);
  SSL_CTX *ssl = context->ssl = SSL_CTX_new(TLS_server_method());
  // A server may be as weak as it likes.
  SSL_CTX_set_security_level(ssl, 0);
  SSL_CTX_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);
  int ok = SSL_CTX_set_min_proto_version(ssl, settings->min_version) &&
           SSL_CTX_set_max_proto_version(ssl, settings->max_version) &&
           SSL_CTX_set_cipher_list(ssl, settings->cipher_list != NULL ? settings->cipher_list : "ALL:@SECLEVEL=0") &&
           SSL_CTX_use_certificate(ssl, settings->identity->certificate) &&
           SSL_CTX_use_PrivateKey(ssl, settings->identity->key);
  if (settings->intermediate != NULL) ok = ok && SSL_CTX_add1_chain_cert(ssl, settings->intermediate->certificate);
  SSL_CTX_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Nothing more than what was asked for is sent: no chain is completed.
  SSL_CTX_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"peer", 4);
  if (settings->client_authority != NULL) {
    ok = ok && X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), settings->client_authority->certificate);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_add_client_CA(ssl, settings->client_authority->certificate);
  }
  if (settings->ocsp_count > 0) {
    context->ocsp = malloc(settings->ocsp_count);
    memcpy(context->ocsp, settings->ocsp, settings->ocsp_count);
    context->ocsp_count = settings->ocsp_count;
  }
  SSL_CTX_set_tlsext_status_cb(ssl, staple);
  SSL_CTX_set_tlsext_status_arg(ssl, context);
  if (ok) return context;
  ERR_print_errors_fp(stderr);
  tlspeer_context_free(context);
  return NULL;
}

void tlspeer_context_free(tlspeer_context *context) {
  if (context == NULL) return;
  SSL_CTX_free(context->ssl);
  free(context->ocsp);
  free(context);
}

tlspeer_server *tlspeer_server_new(tlspeer_context *context) {
  tlspeer_server *server = calloc(1, sizeof *server);
  server->ssl = SSL_new(context->ssl);
  server->input = BIO_new(BIO_s_mem());
  server->output = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(server->input, -1);
  BIO_set_mem_eof_return(server->output, -1);
  SSL_set_bio(server->ssl, server->input, server->output);
  SSL_set_accept_state(server->ssl);
  return server;
}

void tlspeer_server_free(tlspeer_server *server) {
  if (server == NULL) return;
  SSL_free(server->ssl);
  free(server);
}

void tlspeer_feed(tlspeer_server *server, const uint8_t *bytes, size_t count) {
  size_t written;
  BIO_write_ex(server->input, bytes, count, &written);
}

size_t tlspeer_output_count(tlspeer_server *server) { return BIO_ctrl_pending(server->output); }

size_t tlspeer_take_output(tlspeer_server *server, uint8_t *bytes, size_t size) {
  size_t count = 0;
  return BIO_read_ex(server->output, bytes, size, &count) ? count : 0;
}

static void note(tlspeer_server *server) {
  ERR_error_string_n(ERR_peek_error(), server->error, sizeof server->error);
  ERR_clear_error();
}

int tlspeer_handshake(tlspeer_server *server) {
  ERR_clear_error();
  int result = SSL_do_handshake(server->ssl);
  if (result == 1) return 1;
  if (SSL_get_error(server->ssl, result) == SSL_ERROR_WANT_READ) return 0;
  note(server);
  return -1;
}

long tlspeer_read(tlspeer_server *server, uint8_t *bytes, size_t size) {
  ERR_clear_error();
  size_t count = 0;
  int result = SSL_read_ex(server->ssl, bytes, size, &count);
  if (result == 1) return (long)count;
  switch (SSL_get_error(server->ssl, result)) {
    case SSL_ERROR_WANT_READ: return 0;
    case SSL_ERROR_ZERO_RETURN: return -1;
    default: note(server); return -2;
  }
}

int tlspeer_write(tlspeer_server *server, const uint8_t *bytes, size_t count) {
  ERR_clear_error();
  size_t written = 0;
  return count == 0 || SSL_write_ex(server->ssl, bytes, count, &written);
}

void tlspeer_close(tlspeer_server *server) { SSL_shutdown(server->ssl); }

int tlspeer_renegotiate(tlspeer_server *server) {
  ERR_clear_error();
  int asked = SSL_version(server->ssl) == TLS1_3_VERSION ? SSL_key_update(server->ssl, SSL_KEY_UPDATE_REQUESTED)
                                                         : SSL_renegotiate(server->ssl);
  if (!asked) return 0;
  SSL_do_handshake(server->ssl);
  ERR_clear_error();
  return 1;
}

int tlspeer_was_resumed(tlspeer_server *server) { return SSL_session_reused(server->ssl); }

void tlspeer_client_name(tlspeer_server *server, char *out, size_t size) {
  out[0] = '\0';
  X509 *certificate = SSL_get1_peer_certificate(server->ssl);
  if (certificate == NULL) return;
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, out, (int)size);
  X509_free(certificate);
}

const char *tlspeer_server_name(tlspeer_server *server) {
  const char *name = SSL_get_servername(server->ssl, TLSEXT_NAMETYPE_host_name);
  return name != NULL ? name : "";
}

int tlspeer_fragment_length(tlspeer_server *server) {
  int code = SSL_SESSION_get_max_fragment_length(SSL_get0_session(server->ssl));
  return code >= 1 && code <= 4 ? 256 << code : 0;
}

const char *tlspeer_error(tlspeer_server *server) { return server->error; }
