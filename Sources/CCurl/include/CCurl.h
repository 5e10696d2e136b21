#ifndef CCURL_H
#define CCURL_H

#include <stddef.h>
#include <stdint.h>

// One file by libcurl: one attempt, blocking. What is allowed is decided here and by the caller, never by an environment
// variable, a configuration file or the server.

// What the server says of the file, before its first byte. `etag` is empty, `modified` and `total` are -1 when it does not.
typedef struct {
  char etag[256];
  int64_t modified;
  int64_t total;
} curl_remote;

typedef enum {
  CURL_DONE,
  // The offset is beyond the file, or the server cannot begin there: begin at 0.
  CURL_NOT_RESUMABLE,
  // `began` or `write` did not want it.
  CURL_STOPPED,
  // Not reached, cut, too slow.
  CURL_NETWORK,
  // The server has a problem of its own.
  CURL_SERVER,
  // Login or permission.
  CURL_REFUSED,
  CURL_NOT_FOUND,
  // Certificate or host key.
  CURL_UNTRUSTED,
  CURL_TOO_LARGE,
  // The local file.
  CURL_STORAGE,
  CURL_UNSUPPORTED,
  // What the server says is not the protocol, or it finds that of what it is asked.
  CURL_BAD_MESSAGE,
} curl_failure;

typedef struct {
  // Without user name and password.
  const char *url;
  // Decoded; NULL when there is none.
  const char *user;
  const char *password;
  // FTP with TLS from the AUTH command on.
  int explicit_tls;
  int upload;
  // Only what the server says of the file, no content: FTP and SFTP.
  int only_look;
  // A part of the file, `first-last`; NULL: all of it.
  const char *range;
  // Download: where to begin. Upload: bytes that the server has already; FTP and SFTP.
  int64_t offset;
  // Upload: bytes of the file.
  int64_t size;
  // Download: most bytes of the whole file.
  int64_t limit;
  // HTTP upload: the Content-Disposition header, whole; NULL: none.
  const char *disposition;
  long connect_seconds, stall_seconds, total_seconds, redirects;
  // Roots, PEM, which may be empty; `system_roots`: those of the system count too.
  const void *roots;
  size_t roots_size;
  int system_roots;

  void *context;
  // Before the first byte of a download, and for `only_look`. Not 0: stop.
  int (*began)(void *context, const curl_remote *remote);
  // Content of a download. Not 0: stop.
  int (*write)(void *context, const void *bytes, size_t size);
  // Content of an upload: bytes read at `position`, -1 when that failed.
  int64_t (*read)(void *context, int64_t position, void *buffer, size_t size);
  // SFTP: 0 when the server's key is to be trusted (a blob as of RFC 4253, 6.6).
  int (*host_key)(void *context, const void *key, size_t size);
  // Bytes of this attempt, and how many it has in all: 0 when that is not known.
  void (*progress)(void *context, int64_t done, int64_t total);
} curl_transfer;

typedef struct {
  curl_failure failure;
  // HTTP status or FTP reply, 0 without one.
  long status;
  // What libcurl says; never with user name or password.
  char text[256];
} curl_outcome;

// Once in the process, before threads. 0: libcurl is as it has to be; else `text` says what is missing.
int curl_prepare(char *text, size_t size);
curl_outcome curl_perform(const curl_transfer *transfer);

#endif
