// The C side of TLS and of certificates, by itself, so that valgrind can watch it: handshakes that come about, are refused,
// damaged and broken off; keys and certificates, good and bad. Swift's runtime with its threads is nothing for valgrind; the
// Swift tests run with AddressSanitizer.
//
//     tls-drill [ROUNDS]
//
// Exit code 0 when everything came out as it should.
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tls_client.h"
#include "tls_error.h"
#include "tls_key.h"
#include "tls_library.h"
#include "tlspeer_server.h"
#include "x509_certificate.h"
#include "x509_key.h"

#define EXPECT(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "tls-drill: line %d: expected " #condition "\n", __LINE__); \
      exit(1); \
    } \
  } while (0)

struct der {
  unsigned char *bytes;
  size_t count;
};

static struct der der_of(const tlspeer_identity *identity) {
  char *pem = tlspeer_certificate_pem(identity);
  BIO *bio = BIO_new_mem_buf(pem, -1);
  X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  struct der der = {NULL, 0};
  der.count = (size_t)i2d_X509(certificate, &der.bytes);
  X509_free(certificate);
  BIO_free(bio);
  tlspeer_free_text(pem);
  EXPECT(der.bytes != NULL);
  return der;
}

static tlspeer_identity *make(const char *name, const char *names, const char *key, int days, int is_ca,
                              const tlspeer_identity *issuer) {
  struct tlspeer_wish wish = {name, names, key, "SHA256", -172800, days * 86400L, is_ca, NULL, 0};
  tlspeer_identity *identity = tlspeer_make(&wish, issuer);
  EXPECT(identity != NULL);
  return identity;
}

// What everybody needs, made once.
static tlspeer_identity *root, *stranger, *server, *client;
static struct der root_der, stranger_der, server_der, client_der;

static EVP_PKEY *key_of(const tlspeer_identity *identity, const char *written_with, const char *password) {
  char *pem = tlspeer_key_pem(identity, written_with), error[256];
  EVP_PKEY *key = tls_key_open(pem, strlen(pem), password, error, sizeof error);
  EXPECT((key != NULL) == (error[0] == '\0'));
  tlspeer_free_text(pem);
  return key;
}

// MARK: Connections

struct plan {
  int version;
  const tlspeer_identity *identity;
  const char *host;
  const struct der *root;
  int with_client;
  int ocsp;  // -1: none
  // The byte of the server's first flight that is changed; -1: none.
  long damaged;
  // Broken off after so many exchanges; 0: not.
  int patience;
  enum tls_problem problem;
};

static int move(tls_client *from, tlspeer_server *to, long *damaged) {
  unsigned char bytes[4096];
  size_t count;
  int moved = 0;
  while ((count = tls_client_take_output(from, bytes, sizeof bytes)) > 0) tlspeer_feed(to, bytes, count), moved = 1;
  // Its alert leaves too when it fails.
  (void)tlspeer_handshake(to);
  while ((count = tlspeer_take_output(to, bytes, sizeof bytes)) > 0) {
    if (*damaged >= 0 && (size_t)*damaged < count) bytes[*damaged] ^= 0x41, *damaged = -1;
    EXPECT(tls_client_feed(from, bytes, count));
    moved = 1;
  }
  return moved;
}

static void connect_once(const struct plan *plan, tlspeer_context *context, SSL_SESSION **session, int is_resumed) {
  struct tls_client_options options = {plan->host, 0, 0, (int64_t)time(NULL), 0, 0};
  tls_client *own = tls_client_new(&options);
  tlspeer_server *peer = tlspeer_server_new(context);
  EXPECT(own != NULL && peer != NULL);
  EXPECT(tls_client_add_root(own, plan->root->bytes, plan->root->count));
  EXPECT(tls_client_add_intermediate(own, stranger_der.bytes, stranger_der.count));
  if (plan->with_client) {
    EVP_PKEY *key = key_of(client, NULL, NULL);
    EXPECT(tls_client_use_certificate(own, client_der.bytes, client_der.count, key) == 1);
    EXPECT(tls_client_add_chain_certificate(own, root_der.bytes, root_der.count));
    EVP_PKEY_free(key);
  }
  if (*session != NULL) EXPECT(tls_client_set_session(own, *session));
  SSL_SESSION_free(*session);
  *session = NULL;

  long damaged = plan->damaged;
  int result = TLS_WANTS_INPUT, exchanges = 0, is_moving = 1;
  while (is_moving && (plan->patience == 0 || exchanges < plan->patience)) {
    exchanges++;
    if (result == TLS_WANTS_INPUT) result = tls_client_handshake(own);
    is_moving = move(own, peer, &damaged);
  }
  if (plan->patience == 0 && plan->damaged < 0) {
    EXPECT(tls_client_problem(own) == plan->problem);
    EXPECT((result == 0) == (plan->problem == TLS_PROBLEM_NONE));
  }
  if (result == 0 && plan->patience == 0 && plan->damaged < 0) {
    unsigned char bytes[8192];
    EXPECT(tls_client_was_resumed(own) == is_resumed);
    EXPECT(tls_client_write(own, (const uint8_t *)"hello", 5) == 1);
    move(own, peer, &damaged);
    EXPECT(tlspeer_read(peer, bytes, sizeof bytes) == 5);
    EXPECT(tlspeer_write(peer, (const uint8_t *)"there", 5) > 0);
    move(own, peer, &damaged);
    EXPECT(tls_client_read(own, bytes, sizeof bytes) == 5);
    if (!is_resumed) {
      int count = 0;
      uint8_t *der;
      while (tls_client_chain(own, count, &der) > 0) tls_client_free_der(der), count++;
      EXPECT(count == 2);
    }
    EXPECT(tls_client_read(own, bytes, sizeof bytes) == TLS_WANTS_INPUT);
    *session = tls_client_take_session(own);
    EXPECT(*session != NULL || (is_resumed && plan->version == 0x0303));
    tlspeer_close(peer);
    move(own, peer, &damaged);
    EXPECT(tls_client_read(own, bytes, sizeof bytes) == TLS_CLOSED);
    tls_client_close(own);
    move(own, peer, &damaged);
  }
  tls_client_free(own);
  tlspeer_server_free(peer);
}

static void connect_by(struct plan plan) {
  uint8_t *ocsp = NULL;
  size_t count = 0;
  if (plan.ocsp >= 0) count = tlspeer_ocsp(plan.identity, root, root, plan.ocsp, 0, "SHA1", -3600, 3600, &ocsp);
  struct tlspeer_settings settings = {
      plan.identity, NULL, plan.version, plan.version, NULL, plan.with_client ? root : NULL, ocsp, count};
  tlspeer_context *context = tlspeer_context_new(&settings);
  EXPECT(context != NULL);
  SSL_SESSION *session = NULL;
  connect_once(&plan, context, &session, 0);
  if (session != NULL) connect_once(&plan, context, &session, 1);
  SSL_SESSION_free(session);
  tlspeer_context_free(context);
  free(ocsp);
}

static void connections(int round) {
  tlspeer_identity *expired = make("a.example", NULL, "EC", -1, 0, root);
  tlspeer_identity *weak = make("a.example", NULL, "RSA:1024", 30, 0, root);
  for (int version = 0x0303; version <= 0x0304; version++) {
    struct plan good = {version, server, "a.example", &root_der, 0, -1, -1, 0, TLS_PROBLEM_NONE}, plan = good;
    connect_by(plan);
    plan.ocsp = 0, connect_by(plan);
    plan.with_client = 1, connect_by(plan);
    plan = good, plan.ocsp = 1, plan.problem = TLS_PROBLEM_SERVER_CERTIFICATE, connect_by(plan);
    plan.ocsp = -1, plan.host = "b.example", connect_by(plan);
    plan.host = "a.example", plan.root = &stranger_der, connect_by(plan);
    plan.root = &root_der, plan.identity = expired, connect_by(plan);
    plan.identity = weak, plan.damaged = -1;
    // The peer itself may refuse to show such a key.
    plan.patience = 6, connect_by(plan);
    for (plan = good, plan.patience = 1; plan.patience < 4; plan.patience++) connect_by(plan);
    for (plan = good, plan.damaged = round % 16; plan.damaged < 1200; plan.damaged += 16) connect_by(plan);
  }
  struct plan old = {0x0302, server, "a.example", &root_der, 0, -1, -1, 0, TLS_PROBLEM_VERSION};
  connect_by(old);
  tlspeer_free(expired);
  tlspeer_free(weak);
}

// MARK: Keys and certificates

static void keys(void) {
  EVP_PKEY *key = key_of(client, NULL, NULL), *encrypted = key_of(client, "secret", "secret");
  EXPECT(EVP_PKEY_eq(key, encrypted) == 1);
  EXPECT(key_of(client, "secret", "wrong") == NULL);
  EXPECT(key_of(client, "secret", NULL) == NULL);
  EVP_PKEY_free(encrypted);
  const char *bad[] = {
      "", " \n", "nonsense", "pkcs11:a\nb", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
      "-----BEGIN PRIVATE KEY-----\n",
  };
  char error[64];
  for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
    EXPECT(tls_key_open(bad[index], strlen(bad[index]), "x", error, sizeof error) == NULL);
    EXPECT(error[0] != '\0');
  }
  EXPECT(x509_key_is_of(key, client_der.bytes, client_der.count) == 1);
  EXPECT(x509_key_is_of(key, server_der.bytes, server_der.count) == 0);
  EVP_PKEY_free(key);

  EVP_PKEY *made[] = {x509_key_make(0), x509_key_make(2048)};
  for (int index = 0; index < 2; index++) {
    EXPECT(made[index] != NULL);
    const char *problem;
    struct x509_bytes request = x509_key_request(made[index], "cp001", "Example", "NL", &problem);
    EXPECT(request.data != NULL);
    x509_free(&request);
    char name[100];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    request = x509_key_request(made[index], name, NULL, NULL, &problem);
    EXPECT(request.data == NULL && problem != NULL);
    for (int with_password = 0; with_password < 2; with_password++) {
      FILE *file = tmpfile();
      EXPECT(file != NULL && x509_key_write(made[index], fileno(file), with_password ? "secret" : NULL) == 0);
      EXPECT(lseek(fileno(file), 0, SEEK_SET) == 0);
      EXPECT(x509_key_fits(fileno(file), client_der.bytes, client_der.count) == (with_password ? -1 : 0));
      fclose(file);
    }
    EVP_PKEY_free(made[index]);
  }
}

static void certificates(void) {
  struct x509_facts facts;
  for (size_t count = 0; count <= server_der.count; count++) {
    // As short as memory can be, so that a byte too many shows.
    unsigned char *copy = malloc(count > 0 ? count : 1);
    EXPECT(copy != NULL);
    memcpy(copy, server_der.bytes, count);
    const char *problem = x509_read(copy, count, &facts);
    EXPECT((problem == NULL) == (count == server_der.count));
    if (problem == NULL) x509_free(&facts.subject_name), x509_free(&facts.issuer_name), x509_free(&facts.public_key);
    free(copy);
  }
  for (size_t index = 0; index < server_der.count; index++) {
    server_der.bytes[index] ^= 0x15;
    if (x509_read(server_der.bytes, server_der.count, &facts) == NULL)
      x509_free(&facts.subject_name), x509_free(&facts.issuer_name), x509_free(&facts.public_key);
    (void)x509_is_issued_by(server_der.bytes, server_der.count, root_der.bytes, root_der.count);
    server_der.bytes[index] ^= 0x15;
  }
  unsigned char text[64];
  EXPECT(x509_subject_attribute(server_der.bytes, server_der.count, NID_commonName, 0, text, sizeof text) == 9);
  EXPECT(x509_subject_attribute(server_der.bytes, server_der.count, NID_commonName, 7, text, sizeof text) == -1);
  EXPECT(x509_digest("SHA384", server_der.bytes, server_der.count, text) == 48);
  EXPECT(x509_digest("none", server_der.bytes, server_der.count, text) == 0);
  EXPECT(x509_is_issued_by(server_der.bytes, server_der.count, root_der.bytes, root_der.count) == 1);

  x509_path *path = x509_path_new();
  int depth;
  EXPECT(path != NULL && x509_path_add_root(path, root_der.bytes, root_der.count) == 0);
  EXPECT(x509_path_add_root(path, root_der.bytes, 7) == -1);
  EXPECT(x509_path_add_intermediate(path, stranger_der.bytes, stranger_der.count) == 0);
  EXPECT(x509_path_verify(path, server_der.bytes, server_der.count, INT64_MIN, &depth) == NULL);
  EXPECT(x509_path_count(path) == 2);
  struct x509_bytes found = x509_path_certificate(path, 1);
  EXPECT(found.count == root_der.count);
  x509_free(&found);
  EXPECT(x509_path_verify(path, server_der.bytes, server_der.count, 1, &depth) != NULL);
  EXPECT(x509_path_verify(path, server_der.bytes, 9, INT64_MIN, &depth) != NULL);
  x509_path_free(path);
}

int main(int count, char **arguments) {
  int rounds = count > 1 ? atoi(arguments[1]) : 1;
  EXPECT(rounds > 0 && tls_library_begin() == 1);
  root = make("root", NULL, "EC", 30, 1, NULL);
  stranger = make("stranger", NULL, "EC", 30, 1, NULL);
  server = make("a.example", "DNS:a.example", "EC", 30, 0, root);
  client = make("cp001", NULL, "EC", 30, 0, root);
  root_der = der_of(root), stranger_der = der_of(stranger), server_der = der_of(server), client_der = der_of(client);
  for (int round = 0; round < rounds; round++) {
    connections(round);
    keys();
    certificates();
  }
  OPENSSL_free(root_der.bytes), OPENSSL_free(stranger_der.bytes);
  OPENSSL_free(server_der.bytes), OPENSSL_free(client_der.bytes);
  tlspeer_free(root), tlspeer_free(stranger), tlspeer_free(server), tlspeer_free(client);
  char left[256];
  tls_take_errors(left, sizeof left);
  printf("tls-drill: %d rounds\n", rounds);
  return 0;
}
