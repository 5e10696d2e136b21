#include "include/x509_key.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <unistd.h>

// Feeds the whole file. 1, 0 when OpenSSL refuses, -1 with errno.
static int digest_file(EVP_MD_CTX *context, int file) {
  unsigned char buffer[64 * 1024];
  for (;;) {
    ssize_t count = read(file, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) return 1;
    if (EVP_DigestVerifyUpdate(context, buffer, (size_t)count) != 1) return 0;
  }
}

int x509_file_verify(
    const unsigned char *der, size_t count, int file, const unsigned char *signature, size_t signature_count) {
  int result = 0;
  EVP_PKEY_CTX *options = NULL;
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  const unsigned char *at = der;
  X509 *certificate = count > LONG_MAX ? NULL : d2i_X509(NULL, &at, (long)count);
  EVP_PKEY *key = certificate == NULL ? NULL : X509_get0_pubkey(certificate);
  if (context == NULL || key == NULL) goto out;
  int kind = EVP_PKEY_get_base_id(key);
  int is_rsa = kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS;
  if (!is_rsa && kind != EVP_PKEY_EC) goto out;
  if (EVP_DigestVerifyInit(context, &options, EVP_sha256(), NULL, key) != 1) goto out;
  if (is_rsa && (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
                 EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_AUTO) != 1))
    goto out;
  result = digest_file(context, file);
  if (result == 1) result = EVP_DigestVerifyFinal(context, signature, signature_count) == 1;
out:
  EVP_MD_CTX_free(context);
  X509_free(certificate);
  ERR_clear_error();
  return result;
}
