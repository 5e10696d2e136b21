#ifndef TLSPEER_SERVER_H
#define TLSPEER_SERVER_H

#include "tlspeer_pki.h"

// A TLS server between two buffers in memory, with every vice a test may ask for. Nothing is shared with the client
// under test but the library.

typedef struct tlspeer_context tlspeer_context;
typedef struct tlspeer_server tlspeer_server;

struct tlspeer_settings {
  const tlspeer_identity *identity;
  // Sent behind it; NULL: none.
  const tlspeer_identity *intermediate;
  // 0x0301 to 0x0304.
  int min_version, max_version;
  // NULL: all that the library has.
  const char *cipher_list;
  // When not NULL a client certificate that this one issued is demanded.
  const tlspeer_identity *client_authority;
  const uint8_t *ocsp;
  size_t ocsp_count;
};

// Sessions can be resumed within a context.
tlspeer_context *tlspeer_context_new(const struct tlspeer_settings *settings);
void tlspeer_context_free(tlspeer_context *context);

tlspeer_server *tlspeer_server_new(tlspeer_context *context);
void tlspeer_server_free(tlspeer_server *server);

void tlspeer_feed(tlspeer_server *server, const uint8_t *bytes, size_t count);
size_t tlspeer_output_count(tlspeer_server *server);
size_t tlspeer_take_output(tlspeer_server *server, uint8_t *bytes, size_t size);

// 1 done, 0 wants input, -1 failed.
int tlspeer_handshake(tlspeer_server *server);
// Bytes, 0 wants input, -1 close_notify, -2 failed.
long tlspeer_read(tlspeer_server *server, uint8_t *bytes, size_t size);
int tlspeer_write(tlspeer_server *server, const uint8_t *bytes, size_t count);
// close_notify.
void tlspeer_close(tlspeer_server *server);
// Asks for a renegotiation (TLS 1.2) or new keys of both sides (TLS 1.3).
int tlspeer_renegotiate(tlspeer_server *server);
// Whether the client resumed a session; the common name of its certificate, "" without one; the name it asked for by
// SNI, "" without one; the most bytes of a record it agreed to (RFC 6066), 0 without agreement.
int tlspeer_was_resumed(tlspeer_server *server);
void tlspeer_client_name(tlspeer_server *server, char *out, size_t size);
const char *tlspeer_server_name(tlspeer_server *server);
int tlspeer_fragment_length(tlspeer_server *server);
// What failed, zero-terminated.
const char *tlspeer_error(tlspeer_server *server);

#endif
