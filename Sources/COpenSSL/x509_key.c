#include "include/x509_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <limits.h>
#include <string.h>

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
