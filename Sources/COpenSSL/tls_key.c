#include "include/tls_key.h"

#include <ctype.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/tls_error.h"

struct secret {
  const char *password;
  int was_asked;
};

static int give_password(char *buffer, int size, int for_writing, void *argument) {
  (void)for_writing;
  struct secret *secret = argument;
  secret->was_asked = 1;
  if (secret->password == NULL) return -1;
  size_t length = strlen(secret->password);
  if (length > (size_t)size) return -1;
  memcpy(buffer, secret->password, length);
  return (int)length;
}

// The first private key of a store, which is closed.
static EVP_PKEY *first_key(OSSL_STORE_CTX *store) {
  EVP_PKEY *key = NULL;
  if (store == NULL) return NULL;
  OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
  while (key == NULL && !OSSL_STORE_eof(store) && !OSSL_STORE_error(store)) {
    OSSL_STORE_INFO *info = OSSL_STORE_load(store);
    if (info == NULL) continue;
    if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY) key = OSSL_STORE_INFO_get1_PKEY(info);
    OSSL_STORE_INFO_free(info);
  }
  OSSL_STORE_close(store);
  return key;
}

// MARK: PKCS #11

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static OSSL_PROVIDER *provider;
static ENGINE *engine;

// Opened once and kept: a token is slow to open, and its keys need it as long as they live.
static int has_provider(void) {
  if (provider == NULL) provider = OSSL_PROVIDER_try_load(NULL, "pkcs11", 1);
  return provider != NULL;
}

static int has_engine(const char *pin) {
  if (engine != NULL) return 1;
  ENGINE_load_builtin_engines();
  ENGINE *found = ENGINE_by_id("pkcs11");
  if (found == NULL) return 0;
  // Counts before the engine is initialized; a PIN in a URI goes before this one.
  if (pin != NULL) ENGINE_ctrl_cmd_string(found, "PIN", pin, 0);
  if (ENGINE_init(found)) engine = found;
  ENGINE_free(found);
  return engine != NULL;
}

static EVP_PKEY *key_of_token(const char *uri, UI_METHOD *ui, struct secret *secret, const char **how) {
  EVP_PKEY *key = NULL;
  *how = "";
  pthread_mutex_lock(&lock);
  if (has_provider()) {
    *how = " by the provider";
    key = first_key(OSSL_STORE_open(uri, ui, secret, NULL, NULL));
  } else if (ERR_clear_error(), has_engine(secret->password)) {
    *how = " by the engine";
    key = ENGINE_load_private_key(engine, uri, ui, secret);
  } else {
    *how = ": there is neither the provider nor the engine pkcs11 of OpenSSL (libengine-pkcs11-openssl)";
  }
  pthread_mutex_unlock(&lock);
  return key;
}

// MARK: Opening

EVP_PKEY *tls_key_open(const char *content, size_t count, const char *password, char *error, size_t error_size) {
  error[0] = '\0';
  struct secret secret = {password, 0};
  while (count > 0 && isspace((unsigned char)*content)) content++, count--;
  while (count > 0 && isspace((unsigned char)content[count - 1])) count--;
  if (count == 0) {
    snprintf(error, error_size, "the file is empty; expected a private key in PEM or a pkcs11: URI");
    return NULL;
  }
  ERR_clear_error();
  UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_password, 0);
  if (ui == NULL) {
    snprintf(error, error_size, "out of memory");
    return NULL;
  }
  EVP_PKEY *key = NULL;
  if (count > 7 && strncasecmp(content, "pkcs11:", 7) == 0) {
    // One line; more would be cut by the engine somewhere.
    const char *how = ": more than one line";
    char *uri = memchr(content, '\n', count) == NULL && memchr(content, '\0', count) == NULL ? strndup(content, count) : NULL;
    if (uri != NULL) key = key_of_token(uri, ui, &secret, &how);
    if (uri != NULL) OPENSSL_cleanse(uri, count);
    free(uri);
    // What the library says may repeat the URI, which may hold a PIN.
    if (key == NULL) snprintf(error, error_size, "the key of the pkcs11: URI cannot be opened%s", how);
  } else {
    BIO *file = count <= 1 << 20 ? BIO_new_mem_buf(content, (int)count) : NULL;
    if (file != NULL) key = first_key(OSSL_STORE_attach(file, "file", NULL, NULL, ui, &secret, NULL, NULL, NULL));
    BIO_free(file);
    if (key == NULL) {
      char text[256];
      tls_take_errors(text, sizeof text);
      if (secret.was_asked)
        snprintf(error, error_size, "%s", password == NULL ? "the key is encrypted, and there is no password"
                                                           : "the key is encrypted, and the password does not fit");
      else
        snprintf(error, error_size, "no private key in PEM and no pkcs11: URI%s%s", text[0] != '\0' ? ": " : "", text);
    }
  }
  ERR_clear_error();
  UI_destroy_method(ui);
  return key;
}
