#include "include/CTestPKI.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(BIO *bio) {
  char *data = NULL;
  long count = BIO_get_mem_data(bio, &data);
  char *text = malloc((size_t)count + 1);
  if (text != NULL) {
    memcpy(text, data, (size_t)count);
    text[count] = '\0';
  }
  BIO_free(bio);
  return text;
}

static BIO *reader(const char *text) { return BIO_new_mem_buf(text, -1); }

static EVP_PKEY *read_key(const char *pem) {
  BIO *bio = reader(pem);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  BIO_free(bio);
  return key;
}

static EVP_PKEY *make_key(const char *kind) {
  if (strncmp(kind, "RSA-", 4) == 0) return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)atoi(kind + 4));
  if (strncmp(kind, "P-", 2) == 0) return EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
  return EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

static void add_name(X509_NAME *name, const char *field, const char *value) {
  if (value != NULL)
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0);
}

static int add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
  if (value == NULL) return 1;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  if (extension == NULL) return 0;
  int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added;
}

static int set_serial(X509 *certificate, const char *hexadecimal) {
  BIGNUM *number = NULL;
  if (hexadecimal != NULL) {
    if (!BN_hex2bn(&number, hexadecimal)) return 0;
  } else {
    number = BN_new();
    if (number == NULL || !BN_rand(number, 64, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY)) return 0;
  }
  ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
  int result = serial != NULL && X509_set_serialNumber(certificate, serial);
  ASN1_INTEGER_free(serial);
  BN_free(number);
  return result;
}

char *test_pki_issue(
    const struct test_pki_request *request, const char *issuer_pem, const char *issuer_key_pem, const char *csr_pem,
    const char *own_key, char **key_out) {
  EVP_PKEY *key = NULL, *signer = NULL;
  X509 *certificate = X509_new(), *issuer = NULL;
  X509_REQ *csr = NULL;
  char *result = NULL;
  if (csr_pem != NULL) {
    BIO *bio = reader(csr_pem);
    csr = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    BIO_free(bio);
    key = csr == NULL ? NULL : X509_REQ_get_pubkey(csr);
    if (key == NULL || X509_REQ_verify(csr, key) != 1) goto out;
  } else {
    key = own_key != NULL ? read_key(own_key) : make_key(request->key);
  }
  if (key == NULL) goto out;
  if (issuer_pem != NULL) {
    BIO *bio = reader(issuer_pem);
    issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    signer = read_key(issuer_key_pem);
    if (issuer == NULL || signer == NULL) goto out;
  }
  X509_set_version(certificate, request->version - 1);
  if (!set_serial(certificate, request->serial)) goto out;
  ASN1_TIME_set(X509_getm_notBefore(certificate), request->not_before);
  ASN1_TIME_set(X509_getm_notAfter(certificate), request->not_after);
  X509_set_pubkey(certificate, key);
  X509_NAME *name = X509_get_subject_name(certificate);
  if (csr != NULL && request->common_name == NULL) {
    X509_set_subject_name(certificate, X509_REQ_get_subject_name(csr));
  } else {
    add_name(name, "C", request->country);
    add_name(name, "O", request->organization);
    add_name(name, "CN", request->common_name);
  }
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer == NULL ? certificate : issuer));
  X509 *authority = issuer == NULL ? certificate : issuer;
  if (request->version == 3 && (!add_extension(certificate, authority, NID_basic_constraints, request->basic_constraints) ||
                                !add_extension(certificate, authority, NID_key_usage, request->key_usage) ||
                                !add_extension(certificate, authority, NID_ext_key_usage, request->extended_key_usage) ||
                                !add_extension(certificate, authority, NID_subject_alt_name, request->subject_alt_name)))
    goto out;
  EVP_PKEY *signing = signer == NULL ? key : signer;
  int without_digest = EVP_PKEY_is_a(signing, "ED25519");
  if (!X509_sign(certificate, signing, without_digest ? NULL : EVP_get_digestbyname(request->digest))) goto out;
  BIO *out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, certificate);
  result = text_of(out);
  if (key_out != NULL && csr == NULL) {
    out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    *key_out = text_of(out);
  }
out:
  X509_free(certificate);
  X509_free(issuer);
  X509_REQ_free(csr);
  EVP_PKEY_free(key);
  EVP_PKEY_free(signer);
  return result;
}

char *test_pki_encrypt(const char *pem, const char *password) {
  EVP_PKEY *key = read_key(pem);
  if (key == NULL) return NULL;
  BIO *out = BIO_new(BIO_s_mem());
  char *result = NULL;
  if (PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), password, (int)strlen(password), NULL, NULL))
    result = text_of(out);
  else
    BIO_free(out);
  EVP_PKEY_free(key);
  return result;
}
