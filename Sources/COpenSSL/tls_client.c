#include "include/tls_client.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/tls_error.h"
#include "tls_internal.h"

// OCPP 2.0.1 Part 2, A00.FR.318-320, 421-423: forward secrecy first, the two without it last, for a CSMS that has
// nothing better.
static const char suites12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                               "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"
                               "AES128-GCM-SHA256:AES256-GCM-SHA384";
static const char suites13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
static const char signatures[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
                                 "RSA+SHA256:RSA+SHA384:RSA+SHA512";
static const char groups[] = "X25519:P-256:P-384:P-521";

// MARK: Callbacks

static int asked_for_certificate(SSL *ssl, void *argument) {
  (void)ssl;
  tls_client *client = argument;
  client->was_asked = 1;
  return 1;
}

static int has_new_session(SSL *ssl, SSL_SESSION *session) {
  tls_client *client = SSL_get_app_data(ssl);
  SSL_SESSION_free(client->session);
  client->session = session;
  return 1;  // the reference is ours
}

// MARK: Life

static int configure(tls_client *client, const struct tls_client_options *options) {
  SSL_CTX *context = client->context;
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, has_new_session);
  SSL_CTX_set_cert_cb(context, asked_for_certificate, client);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_cert_verify_callback(context, tls_verify_server, client);
  SSL_CTX_set_tlsext_status_cb(context, tls_check_ocsp);
  SSL_CTX_set_tlsext_status_arg(context, client);
  if (!SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) || !SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) ||
      !SSL_CTX_set_cipher_list(context, suites12) || !SSL_CTX_set_ciphersuites(context, suites13) ||
      !SSL_CTX_set1_sigalgs_list(context, signatures) || !SSL_CTX_set1_groups_list(context, groups))
    return 0;

  X509_STORE *store = SSL_CTX_get_cert_store(context);
  X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
  X509_VERIFY_PARAM_set_time(param, (time_t)client->time);
  X509_VERIFY_PARAM_set_auth_level(param, 2);
  // What is installed as a root is trusted as one, also where another authority has signed it.
  if (!X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST)) return 0;
  X509_STORE_set_verify_cb(store, tls_judge);
  if (!tls_bind_store(store, client)) return 0;

  client->ssl = SSL_new(context);
  if (client->ssl == NULL) return 0;
  SSL_set_app_data(client->ssl, client);
  client->input = BIO_new(BIO_s_mem());
  client->output = BIO_new(BIO_s_mem());
  if (client->input == NULL || client->output == NULL) {
    BIO_free(client->input);
    BIO_free(client->output);
    return 0;
  }
  BIO_set_mem_eof_return(client->input, -1);
  BIO_set_mem_eof_return(client->output, -1);
  SSL_set_bio(client->ssl, client->input, client->output);
  SSL_set_connect_state(client->ssl);
  if (!SSL_set_tlsext_status_type(client->ssl, TLSEXT_STATUSTYPE_ocsp)) return 0;
  if (!client->host_is_address && !SSL_set_tlsext_host_name(client->ssl, client->host)) return 0;
  int fragment = options->max_fragment_length;
  int code = fragment == 512 ? TLSEXT_max_fragment_length_512 : fragment == 1024 ? TLSEXT_max_fragment_length_1024
             : fragment == 2048 ? TLSEXT_max_fragment_length_2048
             : fragment == 4096 ? TLSEXT_max_fragment_length_4096 : 0;
  return code == 0 || SSL_set_tlsext_max_fragment_length(client->ssl, (uint8_t)code);
}

tls_client *tls_client_new(const struct tls_client_options *options) {
  tls_client *client = calloc(1, sizeof *client);
  if (client == NULL) return NULL;
  client->host = strdup(options->host);
  client->host_is_address = options->host_is_address;
  client->allow_wildcards = options->allow_wildcards;
  client->time = options->time;
  client->time_is_floor = options->time_is_floor;
  client->intermediates = sk_X509_new_null();
  client->context = SSL_CTX_new(TLS_client_method());
  if (client->host == NULL || client->intermediates == NULL || client->context == NULL || !configure(client, options)) {
    tls_client_free(client);
    return NULL;
  }
  return client;
}

void tls_client_free(tls_client *client) {
  if (client == NULL) return;
  // Without this an end that was not told by close_notify would spoil the session, which is shared, for resumption: a lost
  // connection is the very one to resume. After a failure it is spoilt, as it must be.
  if (client->ssl != NULL && client->problem == TLS_PROBLEM_NONE && SSL_is_init_finished(client->ssl))
    SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(client->ssl);
  SSL_CTX_free(client->context);
  SSL_SESSION_free(client->session);
  sk_X509_pop_free(client->intermediates, X509_free);
  free(client->host);
  free(client);
}

static X509 *certificate_of(const uint8_t *der, size_t count) {
  return count <= LONG_MAX ? d2i_X509(NULL, &der, (long)count) : NULL;
}

int tls_client_add_root(tls_client *client, const uint8_t *der, size_t count) {
  X509 *certificate = certificate_of(der, count);
  int ok = certificate != NULL && X509_STORE_add_cert(SSL_CTX_get_cert_store(client->context), certificate);
  X509_free(certificate);
  return ok;
}

int tls_client_add_intermediate(tls_client *client, const uint8_t *der, size_t count) {
  X509 *certificate = certificate_of(der, count);
  if (certificate != NULL && sk_X509_push(client->intermediates, certificate) > 0) return 1;
  X509_free(certificate);
  return 0;
}

int tls_client_use_certificate(tls_client *client, const uint8_t *der, size_t count, EVP_PKEY *key) {
  X509 *certificate = certificate_of(der, count);
  client->has_certificate = certificate != NULL && SSL_use_certificate(client->ssl, certificate) == 1 &&
                            SSL_use_PrivateKey(client->ssl, key) == 1;
  X509_free(certificate);
  return client->has_certificate;
}

int tls_client_add_chain_certificate(tls_client *client, const uint8_t *der, size_t count) {
  X509 *certificate = certificate_of(der, count);
  int ok = certificate != NULL && SSL_add1_chain_cert(client->ssl, certificate) == 1;
  X509_free(certificate);
  return ok;
}

int tls_client_set_session(tls_client *client, SSL_SESSION *session) { return SSL_set_session(client->ssl, session); }

// MARK: Problems

void tls_fail(tls_client *client, enum tls_problem problem, const char *format, ...) {
  if (client->problem != TLS_PROBLEM_NONE) return;
  client->problem = problem;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(client->text, sizeof client->text, format, arguments);
  va_end(arguments);
  // Parts of it come from the peer.
  for (char *c = client->text; *c != '\0'; c++)
    if (*c < 0x20 || *c == 0x7F) *c = '?';
}

// An alert of the server: the number is that of RFC 8446, 6.
static void fail_by_alert(tls_client *client, int alert) {
  const char *name = SSL_alert_desc_string_long(alert);
  // It has seen our certificate, or that we have none, only after it asked.
  if (client->was_asked) switch (alert) {
      case SSL_AD_HANDSHAKE_FAILURE:
      case SSL_AD_BAD_CERTIFICATE:
      case SSL_AD_UNSUPPORTED_CERTIFICATE:
      case SSL_AD_CERTIFICATE_REVOKED:
      case SSL_AD_CERTIFICATE_EXPIRED:
      case SSL_AD_CERTIFICATE_UNKNOWN:
      case SSL_AD_UNKNOWN_CA:
      case SSL_AD_ACCESS_DENIED:
      case SSL_AD_CERTIFICATE_REQUIRED:
      case SSL_AD_DECRYPT_ERROR:
        tls_fail(client, TLS_PROBLEM_CLIENT_CERTIFICATE, "%s: alert \"%s\" (%d)",
                 client->has_certificate ? "the server refused the client certificate"
                                         : "the server asked for a client certificate, none was sent",
                 name, alert);
        return;
      default: break;
    }
  switch (alert) {
    case SSL_AD_PROTOCOL_VERSION:
      tls_fail(client, TLS_PROBLEM_VERSION, "the server speaks neither TLS 1.2 nor 1.3: alert \"%s\" (%d)", name, alert);
      return;
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_INSUFFICIENT_SECURITY:
      // Only in answer to our ClientHello does it say that there is nothing in common.
      if (SSL_get_current_cipher(client->ssl) == NULL) {
        tls_fail(client, TLS_PROBLEM_CIPHER_SUITE, "no cipher suite in common with the server: alert \"%s\" (%d)", name, alert);
        return;
      }
      break;
    default: break;
  }
  tls_fail(client, TLS_PROBLEM_OTHER, "alert of the server: \"%s\" (%d)", name, alert);
}

static int fail_by_queue(tls_client *client) {
  unsigned long error = ERR_peek_error();
  int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  char text[TLS_TEXT_SIZE];
  tls_take_errors(text, sizeof text);
  if (reason > SSL_AD_REASON_OFFSET) {
    fail_by_alert(client, reason - SSL_AD_REASON_OFFSET);
    return TLS_FAILED;
  }
  switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNSUPPORTED_SSL_VERSION:
      tls_fail(client, TLS_PROBLEM_VERSION, "the server chose a version below TLS 1.2 (%s)", text);
      break;
    case SSL_R_WRONG_CIPHER_RETURNED:
    case SSL_R_UNKNOWN_CIPHER_RETURNED:
    case SSL_R_DH_KEY_TOO_SMALL:
      tls_fail(client, TLS_PROBLEM_CIPHER_SUITE, "the server chose a cipher suite that was not offered (%s)", text);
      break;
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      tls_fail(client, TLS_PROBLEM_SERVER_CERTIFICATE, "the server's certificate is refused: %s", text);
      break;
    default: tls_fail(client, TLS_PROBLEM_OTHER, "TLS: %s", text[0] != '\0' ? text : "the library failed without a reason");
  }
  return TLS_FAILED;
}

// MARK: The connection

int tls_client_feed(tls_client *client, const uint8_t *bytes, size_t count) {
  size_t written = 0;
  return count == 0 || (BIO_write_ex(client->input, bytes, count, &written) && written == count);
}

size_t tls_client_output_count(tls_client *client) { return BIO_ctrl_pending(client->output); }

size_t tls_client_take_output(tls_client *client, uint8_t *bytes, size_t size) {
  size_t count = 0;
  return size > 0 && BIO_read_ex(client->output, bytes, size, &count) ? count : 0;
}

int tls_client_handshake(tls_client *client) {
  if (client->problem != TLS_PROBLEM_NONE) return TLS_FAILED;
  ERR_clear_error();
  int result = SSL_do_handshake(client->ssl);
  if (result == 1) return 0;
  if (SSL_get_error(client->ssl, result) == SSL_ERROR_WANT_READ) return TLS_WANTS_INPUT;
  return fail_by_queue(client);
}

long tls_client_read(tls_client *client, uint8_t *bytes, size_t size) {
  if (client->problem != TLS_PROBLEM_NONE) return TLS_FAILED;
  ERR_clear_error();
  size_t count = 0;
  int result = SSL_read_ex(client->ssl, bytes, size, &count);
  if (result == 1) return (long)count;
  switch (SSL_get_error(client->ssl, result)) {
    case SSL_ERROR_WANT_READ: return TLS_WANTS_INPUT;
    case SSL_ERROR_ZERO_RETURN: return TLS_CLOSED;
    default: return fail_by_queue(client);
  }
}

int tls_client_write(tls_client *client, const uint8_t *bytes, size_t count) {
  if (client->problem != TLS_PROBLEM_NONE || client->was_closed) return TLS_FAILED;
  if (count == 0) return 1;
  ERR_clear_error();
  size_t written = 0;
  if (SSL_write_ex(client->ssl, bytes, count, &written) == 1) return 1;
  return fail_by_queue(client);
}

void tls_client_close(tls_client *client) {
  if (client->problem != TLS_PROBLEM_NONE || client->was_closed || !SSL_is_init_finished(client->ssl)) return;
  client->was_closed = 1;
  ERR_clear_error();
  SSL_shutdown(client->ssl);
  ERR_clear_error();
}

// MARK: What became of it

enum tls_problem tls_client_problem(const tls_client *client) { return client->problem; }
const char *tls_client_problem_text(const tls_client *client) { return client->text; }
const char *tls_client_ocsp(const tls_client *client) { return client->ocsp[0] != '\0' ? client->ocsp : NULL; }
int tls_client_was_asked_for_certificate(const tls_client *client) { return client->was_asked; }
int tls_client_was_resumed(const tls_client *client) { return SSL_session_reused(client->ssl); }
const char *tls_client_version(const tls_client *client) { return SSL_get_version(client->ssl); }
const char *tls_client_cipher(const tls_client *client) { return SSL_get_cipher_name(client->ssl); }

size_t tls_client_chain(const tls_client *client, int index, uint8_t **der) {
  STACK_OF(X509) *chain = SSL_get0_verified_chain(client->ssl);
  *der = NULL;
  if (chain == NULL || index < 0 || index >= sk_X509_num(chain)) return 0;
  int count = i2d_X509(sk_X509_value(chain, index), der);
  return count > 0 ? (size_t)count : 0;
}

void tls_client_free_der(uint8_t *der) { OPENSSL_free(der); }

SSL_SESSION *tls_client_take_session(tls_client *client) {
  SSL_SESSION *session = client->session;
  client->session = NULL;
  if (session != NULL && !SSL_SESSION_is_resumable(session)) {
    SSL_SESSION_free(session);
    return NULL;
  }
  return session;
}
