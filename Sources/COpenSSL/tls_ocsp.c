#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "include/tls_error.h"
#include "tls_internal.h"

// A stapled OCSP answer (RFC 6066, 6960). What is decided here:
// - signed by the issuer or by whom it authorized, and it says revoked or unknown: refused. Revoked also when the answer
//   is out of date, because a revocation does not end.
// - one that proves nothing (not readable, not signed by the right one, out of date, about another certificate, an error
//   of the responder) counts as none: whoever holds a revoked key would leave it out, so refusing it would protect
//   nobody and could leave the station without its CSMS. The session tells that it was ignored.
// - a certificate that demands the staple (RFC 7633) and comes without one that says good: refused.

static void ignore(tls_client *client, const char *why) {
  snprintf(client->ocsp, sizeof client->ocsp, "ignored: %s", why);
}

static OCSP_SINGLERESP *answer_about(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer) {
  for (int i = 0; i < OCSP_resp_count(basic); i++) {
    OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
    const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT *algorithm = NULL;
    if (!OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, (OCSP_CERTID *)id)) continue;
    const EVP_MD *digest = EVP_get_digestbyobj(algorithm);
    OCSP_CERTID *ours = digest != NULL ? OCSP_cert_to_id(digest, leaf, issuer) : NULL;
    int is_same = ours != NULL && OCSP_id_cmp(ours, (OCSP_CERTID *)id) == 0;
    OCSP_CERTID_free(ours);
    if (is_same) return single;
  }
  return NULL;
}

// Minutes by which clocks may differ.
enum { tolerance = 300 };

static int is_in_time(const tls_client *client, const ASN1_TIME *this_update, const ASN1_TIME *next_update) {
  time_t now = (time_t)client->time;
  if (next_update != NULL && ASN1_TIME_cmp_time_t(next_update, now - tolerance) < 0) return 0;
  return client->time_is_floor || ASN1_TIME_cmp_time_t(this_update, now + tolerance) <= 0;
}

static int refuse(tls_client *client, X509 *leaf, const char *why) {
  char text[TLS_TEXT_SIZE];
  tls_describe_certificate(leaf, text, sizeof text);
  tls_fail(client, TLS_PROBLEM_SERVER_CERTIFICATE, "the server's certificate is refused: %s; %s", why, text);
  return 0;
}

static int demands_staple(X509 *leaf) {
  TLS_FEATURE *features = X509_get_ext_d2i(leaf, NID_tlsfeature, NULL, NULL);
  int demands = 0;
  for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
    demands |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == TLSEXT_TYPE_status_request;
  sk_ASN1_INTEGER_pop_free(features, ASN1_INTEGER_free);
  return demands;
}

// 0: refused. 1: good. 2: nothing proved, `ocsp` says why.
static int judge(tls_client *client, const unsigned char *bytes, long count, STACK_OF(X509) * chain, X509 *leaf, X509 *issuer) {
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &bytes, count);
  if (response == NULL) {
    ignore(client, "it cannot be read");
    return 2;
  }
  int verdict = 2;
  OCSP_BASICRESP *basic = NULL;
  int status = OCSP_response_status(response);
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    ignore(client, OCSP_response_status_str(status));
  } else if ((basic = OCSP_response_get1_basic(response)) == NULL) {
    ignore(client, "it is of an unknown kind");
  } else if (OCSP_basic_verify(basic, chain, SSL_CTX_get_cert_store(client->context), 0) != 1) {
    ignore(client, "its signature cannot be verified");
  } else {
    OCSP_SINGLERESP *single = answer_about(basic, leaf, issuer);
    ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
    int about = single != NULL ? OCSP_single_get0_status(single, NULL, NULL, &this_update, &next_update) : -1;
    if (single == NULL)
      ignore(client, "it is about another certificate");
    else if (about == V_OCSP_CERTSTATUS_REVOKED)
      verdict = refuse(client, leaf, "it is revoked, by the stapled OCSP answer");
    else if (this_update == NULL || !is_in_time(client, this_update, next_update))
      ignore(client, "it is out of date");
    else if (about != V_OCSP_CERTSTATUS_GOOD)
      verdict = refuse(client, leaf, "its issuer does not know it, by the stapled OCSP answer");
    else {
      snprintf(client->ocsp, sizeof client->ocsp, "good");
      verdict = 1;
    }
  }
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  return verdict;
}

int tls_check_ocsp(SSL *ssl, void *argument) {
  tls_client *client = argument;
  // A resumed session was checked when it began; nothing is stapled to it.
  if (SSL_session_reused(ssl)) return 1;
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  if (chain == NULL || sk_X509_num(chain) == 0) {
    tls_fail(client, TLS_PROBLEM_OTHER, "TLS: no verified chain to check the OCSP answer with");
    return 0;
  }
  X509 *leaf = sk_X509_value(chain, 0);
  X509 *issuer = sk_X509_value(chain, sk_X509_num(chain) > 1 ? 1 : 0);
  const unsigned char *bytes = NULL;
  long count = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
  int verdict = bytes != NULL && count > 0 ? judge(client, bytes, count, chain, leaf, issuer) : 2;
  ERR_clear_error();
  if (verdict == 2 && demands_staple(leaf))
    return refuse(client, leaf, "it demands a stapled OCSP answer that says good, and there is none");
  return verdict != 0;
}
