#include "include/x509_certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void x509_free(struct x509_bytes *bytes) {
  free(bytes->data);
  bytes->data = NULL;
  bytes->count = 0;
}

// One certificate that takes all of the bytes, or NULL. Leaves nothing in the queue of errors.
static X509 *parse(const unsigned char *der, size_t count) {
  if (count == 0 || count > LONG_MAX) return NULL;
  const unsigned char *at = der;
  X509 *certificate = d2i_X509(NULL, &at, (long)count);
  if (certificate != NULL && at != der + count) {
    X509_free(certificate);
    certificate = NULL;
  }
  ERR_clear_error();
  return certificate;
}

static int copy(struct x509_bytes *out, const unsigned char *data, size_t count) {
  // A size of zero may give NULL.
  out->data = malloc(count + 1);
  if (out->data == NULL) return -1;
  if (count > 0) memcpy(out->data, data, count);
  out->count = count;
  return 0;
}

static int copy_name(struct x509_bytes *out, const X509_NAME *name) {
  unsigned char *der = NULL;
  int count = i2d_X509_NAME(name, &der);
  if (count < 0) return -1;
  int result = copy(out, der, (size_t)count);
  OPENSSL_free(der);
  return result;
}

static int name_text(const X509_NAME *name, char *out, size_t size) {
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio == NULL) return -1;
  unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
  int result = -1;
  if (X509_NAME_print_ex(bio, name, 0, flags) >= 0) {
    char *text = NULL;
    long count = BIO_get_mem_data(bio, &text);
    size_t used = count < 0 ? 0 : (size_t)count < size ? (size_t)count : size - 1;
    if (used > 0) memcpy(out, text, used);
    out[used] = '\0';
    result = 0;
  }
  BIO_free(bio);
  return result;
}

static int unix_time(const ASN1_TIME *time, int64_t *out) {
  struct tm parts;
  if (time == NULL || !ASN1_TIME_to_tm(time, &parts)) return -1;
  *out = timegm(&parts);
  return 0;
}

static int serial_text(const ASN1_INTEGER *serial, char *out, size_t size) {
  BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
  if (number == NULL) return -1;
  char *text = BN_bn2hex(number);
  BN_free(number);
  if (text == NULL) return -1;
  const char *from = text;
  size_t used = 0;
  if (*from == '-' && size > 1) out[used++] = *from++;
  while (*from == '0' && from[1] != '\0') from++;
  while (*from != '\0' && used + 1 < size) {
    char c = *from++;
    out[used++] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
  }
  out[used] = '\0';
  int fits = *from == '\0';
  OPENSSL_free(text);
  return fits ? 0 : -1;
}

static void set_text(char *out, size_t size, const char *text) {
  size_t count = text == NULL ? 0 : strlen(text);
  if (count >= size) count = size - 1;
  if (count > 0) memcpy(out, text, count);
  out[count] = '\0';
}

static const char *read_facts(X509 *certificate, struct x509_facts *facts) {
  facts->version = (int)X509_get_version(certificate) + 1;
  uint32_t flags = X509_get_extension_flags(certificate);
  if (flags & EXFLAG_INVALID) return "its extensions are broken";
  if (unix_time(X509_get0_notBefore(certificate), &facts->not_before) ||
      unix_time(X509_get0_notAfter(certificate), &facts->not_after))
    return "its dates are broken";
  if (serial_text(X509_get0_serialNumber(certificate), facts->serial, sizeof facts->serial))
    return "its serial number is broken or too long";
  facts->is_self_issued = (flags & EXFLAG_SI) != 0;
  facts->is_ca = flags & EXFLAG_BCONS ? (flags & EXFLAG_CA) != 0 : -1;
  facts->path_length = X509_get_pathlen(certificate);
  facts->key_usage = X509_get_key_usage(certificate);
  facts->extended_key_usage = X509_get_extended_key_usage(certificate);

  int digest = NID_undef, key = NID_undef, bits = 0;
  uint32_t signature_flags = 0;
  if (X509_get_signature_info(certificate, &digest, &key, &bits, &signature_flags)) facts->signature_security_bits = bits;
  set_text(
      facts->signature_algorithm, sizeof facts->signature_algorithm, OBJ_nid2ln(X509_get_signature_nid(certificate)));

  EVP_PKEY *public_key = X509_get0_pubkey(certificate);
  if (public_key == NULL) return "its public key is broken or of an unknown kind";
  set_text(facts->key_algorithm, sizeof facts->key_algorithm, EVP_PKEY_get0_type_name(public_key));
  facts->key_bits = EVP_PKEY_get_bits(public_key);
  facts->key_security_bits = EVP_PKEY_get_security_bits(public_key);
  size_t group = 0;
  if (!EVP_PKEY_get_group_name(public_key, facts->key_group, sizeof facts->key_group, &group))
    facts->key_group[0] = '\0';

  const ASN1_BIT_STRING *bit_string = X509_get0_pubkey_bitstr(certificate);
  if (bit_string == NULL || name_text(X509_get_subject_name(certificate), facts->subject, sizeof facts->subject) ||
      name_text(X509_get_issuer_name(certificate), facts->issuer, sizeof facts->issuer) ||
      copy_name(&facts->subject_name, X509_get_subject_name(certificate)) ||
      copy_name(&facts->issuer_name, X509_get_issuer_name(certificate)) ||
      copy(&facts->public_key, ASN1_STRING_get0_data(bit_string), (size_t)ASN1_STRING_length(bit_string)))
    return "its names are broken";
  return NULL;
}

const char *x509_read(const unsigned char *der, size_t count, struct x509_facts *facts) {
  memset(facts, 0, sizeof *facts);
  X509 *certificate = parse(der, count);
  if (certificate == NULL) return "it is not an X.509 certificate";
  const char *problem = read_facts(certificate, facts);
  X509_free(certificate);
  ERR_clear_error();
  if (problem != NULL) {
    x509_free(&facts->subject_name);
    x509_free(&facts->issuer_name);
    x509_free(&facts->public_key);
  }
  return problem;
}

long x509_subject_attribute(const unsigned char *der, size_t count, int nid, int index, unsigned char *out, size_t size) {
  X509 *certificate = parse(der, count);
  if (certificate == NULL) return -1;
  long result = -1;
  const X509_NAME *name = X509_get_subject_name(certificate);
  int at = -1;
  for (int i = 0; i <= index; i++) {
    at = X509_NAME_get_index_by_NID(name, nid, at);
    if (at < 0) break;
  }
  if (at >= 0) {
    unsigned char *text = NULL;
    int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (length >= 0) {
      if ((size_t)length <= size) {
        if (length > 0) memcpy(out, text, (size_t)length);
        result = length;
      }
      OPENSSL_free(text);
    }
  }
  X509_free(certificate);
  ERR_clear_error();
  return result;
}

size_t x509_digest(const char *name, const unsigned char *data, size_t count, unsigned char *out) {
  size_t length = 0;
  if (!EVP_Q_digest(NULL, name, NULL, data, count, out, &length)) length = 0;
  ERR_clear_error();
  return length;
}

int x509_is_issued_by(
    const unsigned char *der, size_t count, const unsigned char *issuer, size_t issuer_count) {
  X509 *subject = parse(der, count);
  X509 *signer = parse(issuer, issuer_count);
  int result = 0;
  if (subject != NULL && signer != NULL && X509_check_issued(signer, subject) == X509_V_OK) {
    EVP_PKEY *key = X509_get0_pubkey(signer);
    result = key != NULL && X509_verify(subject, key) == 1;
  }
  X509_free(subject);
  X509_free(signer);
  ERR_clear_error();
  return result;
}

struct x509_path {
  X509_STORE *roots;
  STACK_OF(X509) *intermediates;
  STACK_OF(X509) *found;
};

x509_path *x509_path_new(void) {
  x509_path *path = calloc(1, sizeof *path);
  if (path == NULL) return NULL;
  path->roots = X509_STORE_new();
  path->intermediates = sk_X509_new_null();
  if (path->roots != NULL && path->intermediates != NULL) return path;
  x509_path_free(path);
  return NULL;
}

void x509_path_free(x509_path *path) {
  if (path == NULL) return;
  X509_STORE_free(path->roots);
  sk_X509_pop_free(path->intermediates, X509_free);
  sk_X509_pop_free(path->found, X509_free);
  free(path);
}

int x509_path_add_root(x509_path *path, const unsigned char *der, size_t count) {
  X509 *certificate = parse(der, count);
  if (certificate == NULL) return -1;
  int added = X509_STORE_add_cert(path->roots, certificate);
  X509_free(certificate);
  ERR_clear_error();
  return added ? 0 : -1;
}

int x509_path_add_intermediate(x509_path *path, const unsigned char *der, size_t count) {
  X509 *certificate = parse(der, count);
  if (certificate == NULL) return -1;
  if (sk_X509_push(path->intermediates, certificate) > 0) return 0;
  X509_free(certificate);
  return -1;
}

const char *x509_path_verify(x509_path *path, const unsigned char *leaf, size_t count, int64_t at, int *depth) {
  *depth = 0;
  sk_X509_pop_free(path->found, X509_free);
  path->found = NULL;
  X509 *certificate = parse(leaf, count);
  if (certificate == NULL) return "it is not an X.509 certificate";
  const char *problem = "out of memory";
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  if (context != NULL && X509_STORE_CTX_init(context, path->roots, certificate, path->intermediates)) {
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST;
    if (at == INT64_MIN) flags |= X509_V_FLAG_NO_CHECK_TIME;
    X509_VERIFY_PARAM_set_flags(param, flags);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    X509_VERIFY_PARAM_set_depth(param, 6);
    if (at != INT64_MIN) X509_VERIFY_PARAM_set_time(param, (time_t)at);
    if (X509_verify_cert(context) == 1) {
      problem = NULL;
      path->found = X509_STORE_CTX_get1_chain(context);
      if (path->found == NULL) problem = "out of memory";
    } else {
      int error = X509_STORE_CTX_get_error(context);
      *depth = X509_STORE_CTX_get_error_depth(context);
      problem = error == X509_V_OK ? "it cannot be verified" : X509_verify_cert_error_string(error);
    }
  }
  X509_STORE_CTX_free(context);
  X509_free(certificate);
  ERR_clear_error();
  return problem;
}

size_t x509_path_count(const x509_path *path) { return path->found == NULL ? 0 : (size_t)sk_X509_num(path->found); }

struct x509_bytes x509_path_certificate(const x509_path *path, size_t index) {
  struct x509_bytes bytes = {NULL, 0};
  if (index >= x509_path_count(path)) return bytes;
  unsigned char *der = NULL;
  int count = i2d_X509(sk_X509_value(path->found, (int)index), &der);
  if (count < 0) return bytes;
  copy(&bytes, der, (size_t)count);
  OPENSSL_free(der);
  return bytes;
}
