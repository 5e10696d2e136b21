#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

static EVP_PKEY *make_key(const char *kind) {
  if (strncmp(kind, "RSA:", 4) == 0) return EVP_RSA_gen((unsigned)atoi(kind + 4));
  return EVP_EC_gen(strncmp(kind, "EC:", 3) == 0 ? kind + 3 : "P-256");
}

static int extend(X509 *certificate, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509V3_set_ctx_nodb(&context);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  int ok = extension != NULL && X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return ok;
}

tlspeer_identity *tlspeer_make(const struct tlspeer_wish *wish, const tlspeer_identity *issuer) {
  tlspeer_identity *made = calloc(1, sizeof *made);
  made->key = make_key(wish->key);
  X509 *certificate = made->certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  unsigned char serial[8];
  RAND_bytes(serial, sizeof serial);
  serial[0] = (serial[0] & 0x3F) | 0x40;
  BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  time_t now = time(NULL);
  ASN1_TIME_set(X509_getm_notBefore(certificate), now + wish->not_before);
  ASN1_TIME_set(X509_getm_notAfter(certificate), now + wish->not_after);
  X509_NAME *name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Test", -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)wish->common_name, -1, -1, 0);
  X509 *by = issuer != NULL ? issuer->certificate : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(by));
  X509_set_pubkey(certificate, made->key);
  int ok = extend(certificate, by, NID_basic_constraints, wish->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           extend(certificate, by, NID_key_usage,
                  wish->is_ca ? "critical,keyCertSign,cRLSign,digitalSignature" : "critical,digitalSignature,keyEncipherment") &&
           extend(certificate, by, NID_subject_key_identifier, "hash");
  if (issuer != NULL) ok = ok && extend(certificate, by, NID_authority_key_identifier, "keyid");
  if (wish->alternative_names != NULL) ok = ok && extend(certificate, by, NID_subject_alt_name, wish->alternative_names);
  if (wish->extended_key_usage != NULL) ok = ok && extend(certificate, by, NID_ext_key_usage, wish->extended_key_usage);
  if (wish->must_staple) ok = ok && extend(certificate, by, NID_tlsfeature, "status_request");
  ok = ok && X509_sign(certificate, issuer != NULL ? issuer->key : made->key, EVP_get_digestbyname(wish->digest)) > 0;
  if (ok) return made;
  ERR_print_errors_fp(stderr);
  tlspeer_free(made);
  return NULL;
}

void tlspeer_free(tlspeer_identity *identity) {
  if (identity == NULL) return;
  X509_free(identity->certificate);
  EVP_PKEY_free(identity->key);
  free(identity);
}

static char *text_of(BIO *bio) {
  char *data = NULL;
  long count = BIO_get_mem_data(bio, &data);
  char *text = strndup(data, (size_t)count);
  BIO_free(bio);
  return text;
}

char *tlspeer_certificate_pem(const tlspeer_identity *identity) {
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, identity->certificate);
  return text_of(bio);
}

char *tlspeer_key_pem(const tlspeer_identity *identity, const char *password) {
  BIO *bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, identity->key, password != NULL ? EVP_aes_256_cbc() : NULL, password,
                                password != NULL ? (int)strlen(password) : 0, NULL, NULL);
  return text_of(bio);
}

void tlspeer_free_text(char *text) { free(text); }

size_t tlspeer_ocsp(
    const tlspeer_identity *identity, const tlspeer_identity *issuer, const tlspeer_identity *signer, int status, int error,
    const char *digest, int64_t this_update, int64_t next_update, uint8_t **der) {
  time_t now = time(NULL);
  ASN1_TIME *begins = ASN1_GENERALIZEDTIME_set(NULL, now + this_update);
  ASN1_TIME *ends = ASN1_GENERALIZEDTIME_set(NULL, now + next_update);
  OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
  OCSP_CERTID *id = OCSP_cert_to_id(EVP_get_digestbyname(digest), identity->certificate, issuer->certificate);
  static const int statuses[] = {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED, V_OCSP_CERTSTATUS_UNKNOWN};
  OCSP_basic_add1_status(basic, id, statuses[status], OCSP_REVOKED_STATUS_KEYCOMPROMISE, status == 1 ? begins : NULL, begins, ends);
  OCSP_basic_sign(basic, signer->certificate, signer->key, EVP_sha256(), NULL, 0);
  OCSP_RESPONSE *response = error ? OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL)
                                  : OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
  unsigned char *made = NULL;
  int count = i2d_OCSP_RESPONSE(response, &made);
  *der = malloc((size_t)count);
  memcpy(*der, made, (size_t)count);
  OPENSSL_free(made);
  OCSP_RESPONSE_free(response);
  OCSP_CERTID_free(id);
  OCSP_BASICRESP_free(basic);
  ASN1_TIME_free(begins);
  ASN1_TIME_free(ends);
  return (size_t)count;
}
