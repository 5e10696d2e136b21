#ifndef COPENSSL_TLS_CLIENT_H
#define COPENSSL_TLS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

// One TLS connection as a client, between two buffers in memory: it touches no socket and never waits. What is fixed
// here and cannot be configured: TLS 1.2 and 1.3, the suites below, security level 2 (112 bits: RSA and DH from 2048
// bits, EC from 224, no SHA-1 and no MD5 signature), no renegotiation, no compression, a stapled OCSP answer asked for.
//
// The certificates at hand decide, never those of the system: `tls_client_add_root`.

typedef struct tls_client tls_client;

// Why it failed.
enum tls_problem {
  TLS_PROBLEM_NONE,
  TLS_PROBLEM_SERVER_CERTIFICATE,
  TLS_PROBLEM_VERSION,
  TLS_PROBLEM_CIPHER_SUITE,
  TLS_PROBLEM_CLIENT_CERTIFICATE,
  TLS_PROBLEM_OTHER,
};

// Results below 0; others are counts of bytes.
enum { TLS_WANTS_INPUT = -1, TLS_CLOSED = -2, TLS_FAILED = -3 };

struct tls_client_options {
  // Name or address of the server, without brackets and without a final dot.
  const char *host;
  int host_is_address;
  // A name in the certificate may begin with "*.".
  int allow_wildcards;
  // What counts as now for the validity of certificates, seconds since 1970.
  int64_t time;
  // `time` is just the earliest that it can be: a certificate that begins later is taken.
  int time_is_floor;
  // 512, 1024, 2048 or 4096: asks for records of at most so many bytes (RFC 6066); any other value does not ask.
  int max_fragment_length;
};

// NULL when the library fails; the error is in its queue. Copies what it needs of `options`.
tls_client *tls_client_new(const struct tls_client_options *options);
void tls_client_free(tls_client *client);

// MARK: Before the first byte. Certificates are DER. 1, or 0 with an error in the queue.

// A trust anchor, whether self-signed or not.
int tls_client_add_root(tls_client *client, const uint8_t *der, size_t count);
// Completes chains, trusted for nothing.
int tls_client_add_intermediate(tls_client *client, const uint8_t *der, size_t count);
// The certificate to send when the server asks for one. Takes a reference to the key.
int tls_client_use_certificate(tls_client *client, const uint8_t *der, size_t count, EVP_PKEY *key);
// What is sent behind it.
int tls_client_add_chain_certificate(tls_client *client, const uint8_t *der, size_t count);
// Offers to resume. Only for a session that was verified with the same trust.
int tls_client_set_session(tls_client *client, SSL_SESSION *session);

// MARK: The connection

// Takes what came from the server. 1, or 0 when there is no memory.
int tls_client_feed(tls_client *client, const uint8_t *bytes, size_t count);
// How many bytes wait to be sent to the server.
size_t tls_client_output_count(tls_client *client);
// Takes at most `size` of them.
size_t tls_client_take_output(tls_client *client, uint8_t *bytes, size_t size);

// Goes on with the handshake: 0 when it is done, TLS_WANTS_INPUT or TLS_FAILED.
int tls_client_handshake(tls_client *client);
// Up to `size` bytes of what the server sent. TLS_CLOSED: it has ended its side with close_notify.
long tls_client_read(tls_client *client, uint8_t *bytes, size_t size);
// Encrypts all of it: 1, or TLS_FAILED.
int tls_client_write(tls_client *client, const uint8_t *bytes, size_t count);
// Ends our side with close_notify; nothing is written after it. Does nothing during the handshake or after a failure.
void tls_client_close(tls_client *client);

// MARK: What became of it

enum tls_problem tls_client_problem(const tls_client *client);
// One line of printable ASCII; "" as long as nothing failed.
const char *tls_client_problem_text(const tls_client *client);
// What became of a stapled OCSP answer: "good", "ignored: " and why; NULL when none came.
const char *tls_client_ocsp(const tls_client *client);
// The server has asked for a certificate.
int tls_client_was_asked_for_certificate(const tls_client *client);
int tls_client_was_resumed(const tls_client *client);
const char *tls_client_version(const tls_client *client);
const char *tls_client_cipher(const tls_client *client);
// Of the verified chain, leaf first, the trust anchor last, the one at `index` as DER, which the caller frees with
// `tls_client_free_der`; its length. 0 behind the end and for a resumed session.
size_t tls_client_chain(const tls_client *client, int index, uint8_t **der);
void tls_client_free_der(uint8_t *der);
// The newest session that can be resumed later, owned by the caller; NULL when there is none since the last call.
SSL_SESSION *tls_client_take_session(tls_client *client);

#endif
