#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tls_internal.h"

// MARK: The client of a store

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int store_index = -1;

static void make_index(void) { store_index = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, NULL); }

int tls_bind_store(X509_STORE *store, tls_client *client) {
  pthread_once(&once, make_index);
  return store_index >= 0 && X509_STORE_set_ex_data(store, store_index, client);
}

tls_client *tls_client_of_store(X509_STORE *store) {
  return store != NULL && store_index >= 0 ? X509_STORE_get_ex_data(store, store_index) : NULL;
}

// MARK: In words

static void print_name(BIO *out, const X509_NAME *name) {
  if (name == NULL || X509_NAME_entry_count(name) == 0)
    BIO_puts(out, "(empty)");
  else
    X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
}

void tls_describe_certificate(X509 *certificate, char *out, size_t size) {
  out[0] = '\0';
  BIO *text = BIO_new(BIO_s_mem());
  if (text == NULL) return;
  BIO_puts(text, "subject ");
  print_name(text, X509_get_subject_name(certificate));
  BIO_puts(text, ", issuer ");
  print_name(text, X509_get_issuer_name(certificate));
  BIO_puts(text, ", valid from ");
  ASN1_TIME_print_ex(text, X509_get0_notBefore(certificate), ASN1_DTFLGS_ISO8601);
  BIO_puts(text, " to ");
  ASN1_TIME_print_ex(text, X509_get0_notAfter(certificate), ASN1_DTFLGS_ISO8601);
  int count = BIO_read(text, out, (int)size - 1);
  out[count > 0 ? count : 0] = '\0';
  BIO_free(text);
}

// The names a certificate is for, as far as there is room.
static void describe_names(X509 *certificate, char *out, size_t size) {
  size_t used = 0;
  out[0] = '\0';
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    char text[256] = "";
    if (name->type == GEN_DNS) {
      int length = ASN1_STRING_length(name->d.dNSName);
      snprintf(text, sizeof text, "%.*s", length < 200 ? length : 200, (const char *)ASN1_STRING_get0_data(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const unsigned char *a = ASN1_STRING_get0_data(name->d.iPAddress);
      int length = ASN1_STRING_length(name->d.iPAddress);
      if (length == 4) {
        snprintf(text, sizeof text, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
      } else if (length == 16) {
        for (int k = 0; k < 8; k++)
          snprintf(text + strlen(text), sizeof text - strlen(text), "%s%x", k > 0 ? ":" : "", a[2 * k] << 8 | a[2 * k + 1]);
      }
    }
    if (text[0] == '\0') continue;
    int count = snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "", text);
    if (count < 0 || (size_t)count >= size - used) break;
    used += (size_t)count;
  }
  GENERAL_NAMES_free(names);
  char common[128] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common, sizeof common);
  if (common[0] != '\0' && used < size) snprintf(out + used, size - used, "%sCN %s", used > 0 ? ", " : "", common);
}

// MARK: The chain

int tls_judge(int ok, X509_STORE_CTX *context) {
  if (ok) return 1;
  tls_client *client = tls_client_of_store(X509_STORE_CTX_get0_store(context));
  // The time is later than we know: what has not begun by then may be valid all the same. What has ended by then has.
  if (client != NULL && client->time_is_floor && X509_STORE_CTX_get_error(context) == X509_V_ERR_CERT_NOT_YET_VALID) {
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
  }
  return 0;
}

static int has_address_name(X509 *certificate) {
  int found = 0;
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) found |= sk_GENERAL_NAME_value(names, i)->type == GEN_IPADD;
  GENERAL_NAMES_free(names);
  return found;
}

// A00.FR.309, 412 ask for the common name, TLS for the subject alternative name: either will do.
static int is_for_host(const tls_client *client, X509 *certificate) {
  if (!client->host_is_address) {
    unsigned flags = X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    if (!client->allow_wildcards) flags |= X509_CHECK_FLAG_NO_WILDCARDS;
    return X509_check_host(certificate, client->host, 0, flags, NULL) == 1;
  }
  if (X509_check_ip_asc(certificate, client->host, 0) == 1) return 1;
  if (has_address_name(certificate)) return 0;
  char common[64] = "";
  int length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common, sizeof common);
  return length > 0 && (size_t)length == strlen(common) && strcmp(common, client->host) == 0;
}

static const char *explain(int error) {
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "its issuer is neither an installed CSMS root nor an intermediate at hand";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return "its chain ends in a root that is not an installed CSMS root";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "it is self-signed and not an installed CSMS root";
    case X509_V_ERR_CA_MD_TOO_WEAK: return "it is signed with a digest that is too weak";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL: return "its key is too weak";
    default: return X509_verify_cert_error_string(error);
  }
}

static int refuse(tls_client *client, X509_STORE_CTX *context, int error, const char *why) {
  X509 *certificate = X509_STORE_CTX_get_current_cert(context);
  int depth = X509_STORE_CTX_get_error_depth(context);
  char text[TLS_TEXT_SIZE] = "no certificate";
  if (certificate != NULL) tls_describe_certificate(certificate, text, sizeof text);
  tls_fail(client, TLS_PROBLEM_SERVER_CERTIFICATE, "%s is refused: %s; %s",
           depth > 0 ? "a certificate in the server's chain" : "the server's certificate", why, text);
  X509_STORE_CTX_set_error(context, error);
  return 0;
}

int tls_verify_server(X509_STORE_CTX *context, void *argument) {
  tls_client *client = argument;
  // What the server sent and what lies here, trusted for nothing, both.
  STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(context);
  STACK_OF(X509) *all = sent != NULL ? sk_X509_dup(sent) : sk_X509_new_null();
  if (all == NULL) return refuse(client, context, X509_V_ERR_OUT_OF_MEM, "out of memory");
  for (int i = 0; i < sk_X509_num(client->intermediates); i++) {
    if (sk_X509_push(all, sk_X509_value(client->intermediates, i)) <= 0) {
      sk_X509_free(all);
      return refuse(client, context, X509_V_ERR_OUT_OF_MEM, "out of memory");
    }
  }
  X509_STORE_CTX_set0_untrusted(context, all);
  X509_STORE_CTX_set_verify_cb(context, tls_judge);
  X509_STORE_CTX_set_time(context, 0, (time_t)client->time);
  int ok = X509_verify_cert(context);
  X509_STORE_CTX_set0_untrusted(context, sent);
  sk_X509_free(all);

  X509 *leaf = X509_STORE_CTX_get0_cert(context);
  if (ok != 1) {
    int error = X509_STORE_CTX_get_error(context);
    return refuse(client, context, error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED, explain(error));
  }
  if (leaf == NULL || !is_for_host(client, leaf)) {
    char names[256] = "nobody", why[384];
    if (leaf != NULL) describe_names(leaf, names, sizeof names);
    snprintf(why, sizeof why, "it is not for %.200s but for %.160s", client->host, names);
    X509_STORE_CTX_set_current_cert(context, leaf);
    X509_STORE_CTX_set_error_depth(context, 0);
    return refuse(
        client, context, client->host_is_address ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH, why);
  }
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}
