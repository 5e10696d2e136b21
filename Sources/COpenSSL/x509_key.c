#include "include/x509_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int no_password(char *buffer, int size, int writing, void *asked) {
  (void)buffer;
  (void)size;
  (void)writing;
  *(int *)asked = 1;
  return -1;
}

// The first block is a private key's, or a block that is broken.
static int holds_key_text(BIO *bio) {
  char *name = NULL, *header = NULL;
  unsigned char *data = NULL;
  long count = 0;
  ERR_clear_error();
  if (!PEM_read_bio(bio, &name, &header, &data, &count)) {
    unsigned long error = ERR_peek_last_error();
    return !(ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE);
  }
  int result = strstr(name, "PRIVATE KEY") != NULL;
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_clear_free(data, (size_t)count);
  return result;
}

int x509_key_fits(int file, const unsigned char *der, size_t count) {
  int result = -1;
  X509 *certificate = NULL;
  EVP_PKEY *key = NULL;
  BIO *bio = BIO_new_fd(file, BIO_NOCLOSE);
  if (bio == NULL || count > LONG_MAX) goto out;
  const unsigned char *at = der;
  certificate = d2i_X509(NULL, &at, (long)count);
  if (certificate == NULL) goto out;
  // The file may begin with other blocks: the certificate, parameters of the curve.
  int asked = 0;
  key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &asked);
  if (key != NULL)
    result = EVP_PKEY_eq(X509_get0_pubkey(certificate), key) == 1;
  else if (!asked)
    result = BIO_seek(bio, 0) == 0 && holds_key_text(bio) ? 0 : -1;
out:
  EVP_PKEY_free(key);
  X509_free(certificate);
  BIO_free_all(bio);
  ERR_clear_error();
  return result;
}

int x509_key_is_of(const EVP_PKEY *key, const unsigned char *der, size_t count) {
  if (count > LONG_MAX) return 0;
  const unsigned char *at = der;
  X509 *certificate = d2i_X509(NULL, &at, (long)count);
  EVP_PKEY *public_key = certificate == NULL ? NULL : X509_get0_pubkey(certificate);
  int result = public_key != NULL && EVP_PKEY_eq(public_key, key) == 1;
  X509_free(certificate);
  ERR_clear_error();
  return result;
}

EVP_PKEY *x509_key_make(size_t rsa_bits) {
  EVP_PKEY *key =
      rsa_bits > 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", rsa_bits) : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
  ERR_clear_error();
  return key;
}

int x509_key_write(EVP_PKEY *key, int file, const char *password) {
  // This kind of memory is wiped when it is given back.
  BIO *bio = BIO_new(BIO_s_secmem());
  if (bio == NULL) return ENOMEM;
  int result = EINVAL;
  int length = password == NULL ? 0 : (int)strlen(password);
  const EVP_CIPHER *cipher = password == NULL ? NULL : EVP_aes_256_cbc();
  if (PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, password, length, NULL, NULL)) {
    char *text = NULL;
    long count = BIO_get_mem_data(bio, &text);
    result = 0;
    for (long at = 0; at < count && result == 0;) {
      ssize_t written = write(file, text + at, (size_t)(count - at));
      if (written > 0)
        at += written;
      else if (written == 0)
        result = ENOSPC;
      else if (errno != EINTR)
        result = errno;
    }
  }
  BIO_free(bio);
  ERR_clear_error();
  return result;
}

static int add_name(X509_NAME *name, const char *field, const char *value) {
  return value == NULL ||
         X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0);
}

struct x509_bytes x509_key_request(
    EVP_PKEY *key, const char *common_name, const char *organization, const char *country, const char **problem) {
  struct x509_bytes bytes = {NULL, 0};
  *problem = "the request cannot be made";
  X509_REQ *request = X509_REQ_new();
  BIO *bio = BIO_new(BIO_s_mem());
  if (request == NULL || bio == NULL) goto out;
  X509_NAME *name = X509_REQ_get_subject_name(request);
  // The lengths are those of RFC 5280, appendix A.1.
  if (!add_name(name, "C", country)) {
    *problem = "the country is not of two letters";
  } else if (!add_name(name, "O", organization)) {
    *problem = "the organization name is empty or has more than 64 characters";
  } else if (!add_name(name, "CN", common_name)) {
    *problem = "the common name is empty or has more than 64 characters";
  } else if (
      X509_REQ_set_version(request, 0) && X509_REQ_set_pubkey(request, key) &&
      X509_REQ_sign(request, key, EVP_sha256()) && PEM_write_bio_X509_REQ(bio, request)) {
    char *text = NULL;
    long count = BIO_get_mem_data(bio, &text);
    bytes.data = malloc((size_t)count + 1);
    if (bytes.data != NULL) {
      memcpy(bytes.data, text, (size_t)count);
      bytes.count = (size_t)count;
    }
  }
out:
  BIO_free(bio);
  X509_REQ_free(request);
  ERR_clear_error();
  return bytes;
}

struct x509_bytes x509_key_sign(EVP_PKEY *key, const unsigned char *data, size_t count) {
  struct x509_bytes bytes = {NULL, 0};
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  size_t most = 0;
  if (context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
      EVP_DigestSign(context, NULL, &most, data, count) == 1 && (bytes.data = malloc(most)) != NULL) {
    bytes.count = most;
    if (EVP_DigestSign(context, bytes.data, &bytes.count, data, count) != 1) x509_free(&bytes);
  }
  EVP_MD_CTX_free(context);
  ERR_clear_error();
  return bytes;
}

struct x509_bytes x509_key_public(EVP_PKEY *key) {
  struct x509_bytes bytes = {NULL, 0};
  unsigned char *der = NULL;
  int count = i2d_PUBKEY(key, &der);
  if (count > 0 && (bytes.data = malloc((size_t)count)) != NULL) {
    memcpy(bytes.data, der, (size_t)count);
    bytes.count = (size_t)count;
  }
  OPENSSL_free(der);
  ERR_clear_error();
  return bytes;
}
