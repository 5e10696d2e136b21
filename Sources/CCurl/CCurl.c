#include "include/CCurl.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// One attempt and what is known of it.
struct attempt {
  const curl_transfer *transfer;
  CURL *curl;
  curl_remote remote;
  int64_t position;
  bool began, stopped, storage_failed, untrusted;
};

static const char *const schemes = "http,https,ftp,ftps,sftp";

int curl_prepare(char *text, size_t size) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    snprintf(text, size, "libcurl cannot be initialized");
    return -1;
  }
  const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
  for (const char *scheme = schemes; *scheme; ) {
    size_t length = strcspn(scheme, ",");
    bool known = false;
    for (const char *const *one = version->protocols; *one && !known; one++)
      known = strlen(*one) == length && strncasecmp(*one, scheme, length) == 0;
    if (!known) {
      snprintf(text, size, "libcurl %s does not speak %.*s", version->version, (int)length, scheme);
      return -1;
    }
    scheme += length + (scheme[length] == ',');
  }
  return 0;
}

static bool is_http(const char *url) { return strncasecmp(url, "http", 4) == 0; }

static bool tell_begin(struct attempt *attempt) {
  if (attempt->began) return true;
  attempt->began = true;
  curl_off_t modified = -1, length = -1;
  curl_easy_getinfo(attempt->curl, CURLINFO_FILETIME_T, &modified);
  curl_easy_getinfo(attempt->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  attempt->remote.modified = modified;
  attempt->remote.total = length < 0 ? -1 : length + attempt->transfer->offset;
  if (attempt->transfer->began && attempt->transfer->began(attempt->transfer->context, &attempt->remote) != 0)
    attempt->stopped = true;
  return !attempt->stopped;
}

static size_t take(char *bytes, size_t size, size_t count, void *context) {
  struct attempt *attempt = context;
  size_t all = size * count;
  if (all == 0) return 0;
  // Libcurl makes headers of what an FTP server says of the file.
  if (attempt->transfer->only_look) return all;
  if (!tell_begin(attempt)) return 0;
  attempt->position += (int64_t)all;
  if (attempt->position > attempt->transfer->limit) return 0;
  if (attempt->transfer->write && attempt->transfer->write(attempt->transfer->context, bytes, all) != 0) {
    attempt->storage_failed = true;
    return 0;
  }
  return all;
}

static size_t give(char *buffer, size_t size, size_t count, void *context) {
  struct attempt *attempt = context;
  int64_t read =
    attempt->transfer->read(attempt->transfer->context, attempt->position, buffer, size * count);
  if (read < 0) {
    attempt->storage_failed = true;
    return CURL_READFUNC_ABORT;
  }
  attempt->position += read;
  return (size_t)read;
}

static int seek(void *context, curl_off_t offset, int origin) {
  struct attempt *attempt = context;
  if (origin != SEEK_SET) return CURL_SEEKFUNC_FAIL;
  attempt->position = offset;
  return CURL_SEEKFUNC_OK;
}

static size_t header(char *line, size_t size, size_t count, void *context) {
  struct attempt *attempt = context;
  size_t all = size * count;
  if (all >= 5 && strncasecmp(line, "HTTP/", 5) == 0) attempt->remote.etag[0] = 0;
  if (all > 5 && strncasecmp(line, "ETag:", 5) == 0) {
    size_t from = 5, to = all;
    while (from < to && (line[from] == ' ' || line[from] == '\t')) from++;
    while (to > from && strchr("\r\n \t", line[to - 1])) to--;
    // A weak one says nothing of bytes (RFC 9110, 8.8.1).
    if (to - from < sizeof attempt->remote.etag && strncmp(line + from, "W/", 2) != 0) {
      memcpy(attempt->remote.etag, line + from, to - from);
      attempt->remote.etag[to - from] = 0;
    }
  }
  return all;
}

static int progress(
  void *context, curl_off_t expected_down, curl_off_t down, curl_off_t expected_up, curl_off_t up) {
  struct attempt *attempt = context;
  const curl_transfer *transfer = attempt->transfer;
  if (transfer->progress)
    transfer->progress(transfer->context, transfer->upload ? up : down, transfer->upload ? expected_up : expected_down);
  return 0;
}

static int host_key(void *context, int type, const char *key, size_t size) {
  struct attempt *attempt = context;
  (void)type;
  if (attempt->transfer->host_key(attempt->transfer->context, key, size) == 0) return CURLKHMATCH_OK;
  attempt->untrusted = true;
  return CURLKHMATCH_MISMATCH;
}

static curl_failure of_status(long status, bool upload) {
  switch (status) {
  case 400: case 415: return CURL_BAD_MESSAGE;
  case 401: case 403: case 407: return CURL_REFUSED;
  case 404: case 410: return CURL_NOT_FOUND;
  case 413: return CURL_TOO_LARGE;
  case 416: return CURL_NOT_RESUMABLE;
  // Every server has GET: a gateway in between says so, and for a while.
  case 405: return upload ? CURL_UNSUPPORTED : CURL_REFUSED;
  case 501: return upload ? CURL_UNSUPPORTED : CURL_SERVER;
  default: return CURL_SERVER;
  }
}

static bool was_connected(CURL *curl) {
  const char *address = NULL;
  return curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address != NULL && address[0] != 0;
}

static bool was_redirected(CURL *curl) {
  long count = 0;
  return curl_easy_getinfo(curl, CURLINFO_REDIRECT_COUNT, &count) == CURLE_OK && count > 0;
}

static curl_failure failure(CURLcode code, const struct attempt *attempt, long status) {
  const curl_transfer *transfer = attempt->transfer;
  if (attempt->stopped) return CURL_STOPPED;
  if (attempt->untrusted) return CURL_UNTRUSTED;
  if (attempt->storage_failed) return CURL_STORAGE;
  switch (code) {
  // A range that cannot be is not an error for libcurl.
  case CURLE_OK: return status == 416 ? CURL_NOT_RESUMABLE : CURL_DONE;
  case CURLE_RANGE_ERROR: case CURLE_BAD_DOWNLOAD_RESUME: case CURLE_FTP_COULDNT_USE_REST: return CURL_NOT_RESUMABLE;
  // libcurl says so too when what answers is no HTTP; a redirect to what is refused is none of that.
  case CURLE_UNSUPPORTED_PROTOCOL:
    return was_connected(attempt->curl) && !was_redirected(attempt->curl) ? CURL_BAD_MESSAGE : CURL_UNSUPPORTED;
  case CURLE_URL_MALFORMAT: case CURLE_NOT_BUILT_IN: return CURL_UNSUPPORTED;
  case CURLE_WEIRD_SERVER_REPLY: case CURLE_FTP_WEIRD_PASS_REPLY: case CURLE_FTP_WEIRD_PASV_REPLY:
  case CURLE_FTP_WEIRD_227_FORMAT: case CURLE_BAD_CONTENT_ENCODING: return CURL_BAD_MESSAGE;
  case CURLE_FILESIZE_EXCEEDED: return CURL_TOO_LARGE;
  case CURLE_WRITE_ERROR: return attempt->position > transfer->limit ? CURL_TOO_LARGE : CURL_STORAGE;
  case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CACERT_BADFILE: case CURLE_SSL_ISSUER_ERROR:
  case CURLE_USE_SSL_FAILED: return CURL_UNTRUSTED;
  case CURLE_LOGIN_DENIED: case CURLE_REMOTE_ACCESS_DENIED: case CURLE_UPLOAD_FAILED: return CURL_REFUSED;
  case CURLE_REMOTE_FILE_NOT_FOUND: case CURLE_FTP_COULDNT_RETR_FILE: return CURL_NOT_FOUND;
  case CURLE_HTTP_RETURNED_ERROR: return of_status(status, transfer->upload);
  case CURLE_TOO_MANY_REDIRECTS: return CURL_SERVER;
  default: return CURL_NETWORK;
  }
}

static void describe(const curl_transfer *transfer, struct attempt *attempt, struct curl_slist **headers) {
  CURL *curl = attempt->curl;
  bool http = is_http(transfer->url);
  curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
  curl_easy_setopt(curl, CURLOPT_USERNAME, transfer->user);
  curl_easy_setopt(curl, CURLOPT_PASSWORD, transfer->password);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, schemes);
  curl_easy_setopt(
    curl, CURLOPT_REDIR_PROTOCOLS_STR, strncasecmp(transfer->url, "https:", 6) == 0 ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, http ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, transfer->redirects);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_FILETIME, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  curl_easy_setopt(curl, CURLOPT_SSH_AUTH_TYPES, (long)(CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "station-transfer");
  if (transfer->user) curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST));
  if (!transfer->upload) {
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)transfer->limit);
    if (transfer->range) curl_easy_setopt(curl, CURLOPT_RANGE, transfer->range);
    else curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->offset);
    if (transfer->only_look) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    return;
  }
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)transfer->size);
  if (http) {
    *headers = curl_slist_append(*headers, "Content-Type: application/octet-stream");
    if (transfer->disposition) *headers = curl_slist_append(*headers, transfer->disposition);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
  } else {
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->offset);
  }
}

static void bound(const curl_transfer *transfer, CURL *curl) {
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, transfer->connect_seconds);
  curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, transfer->stall_seconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, transfer->stall_seconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, transfer->total_seconds);
}

static void secure(const curl_transfer *transfer, CURL *curl) {
  struct curl_blob roots = {(void *)transfer->roots, transfer->roots_size, CURL_BLOB_NOCOPY};
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!transfer->system_roots) {
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
  }
  // In place of the system's bundle; the system's directory, which holds the same, stays.
  if (transfer->roots_size > 0) curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &roots);
  if (transfer->explicit_tls) curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
}

curl_outcome curl_perform(const curl_transfer *transfer) {
  curl_outcome outcome = {CURL_NETWORK, 0, ""};
  char text[CURL_ERROR_SIZE] = "";
  struct curl_slist *headers = NULL;
  CURL *curl = curl_easy_init();
  if (!curl) {
    snprintf(outcome.text, sizeof outcome.text, "libcurl has no memory");
    return outcome;
  }
  struct attempt attempt = {transfer, curl, {"", -1, -1}, transfer->offset, false, false, false, false};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &attempt);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
  curl_easy_setopt(curl, CURLOPT_READDATA, &attempt);
  curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek);
  curl_easy_setopt(curl, CURLOPT_SEEKDATA, &attempt);
  // FTP's replies come here too, and would pass for headers.
  if (is_http(transfer->url)) {
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &attempt);
  }
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &attempt);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_SSH_HOSTKEYFUNCTION, host_key);
  curl_easy_setopt(curl, CURLOPT_SSH_HOSTKEYDATA, &attempt);
  describe(transfer, &attempt, &headers);
  bound(transfer, curl);
  secure(transfer, curl);

  CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &outcome.status);
  // An empty file has no first byte.
  if (code == CURLE_OK && outcome.status != 416 && !transfer->upload) tell_begin(&attempt);
  outcome.failure = failure(code, &attempt, outcome.status);
  if (outcome.failure != CURL_DONE)
    snprintf(outcome.text, sizeof outcome.text, "%s", text[0] ? text : curl_easy_strerror(code));
  curl_easy_cleanup(curl);
  curl_slist_free_all(headers);
  return outcome;
}
