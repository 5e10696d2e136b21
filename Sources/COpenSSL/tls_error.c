#include "include/tls_error.h"

#include <openssl/err.h>
#include <stdio.h>

void tls_take_errors(char *out, size_t size) {
  size_t used = 0;
  out[0] = '\0';
  const char *data;
  int flags;
  unsigned long code;
  while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
    const char *reason = ERR_reason_error_string(code);
    char number[32];
    if (reason == NULL) {
      snprintf(number, sizeof number, "error %lX", code);
      reason = number;
    }
    int has_data = (flags & ERR_TXT_STRING) != 0 && data != NULL && data[0] != '\0';
    int count = snprintf(out + used, size - used, "%s%s%s%s%s", used > 0 ? "; " : "", reason, has_data ? " (" : "",
                         has_data ? data : "", has_data ? ")" : "");
    // The rest of the queue is emptied even when there is no room for it.
    if (count > 0) used += (size_t)count < size - used ? (size_t)count : size - used - 1;
  }
}
