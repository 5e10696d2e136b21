#include "internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void relay_notify_open(struct relay_notify *notify) {
  notify->fd = -1;
  notify->interval = 0;
  notify->next = INT64_MAX;
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path) return;
  memcpy(address.sun_path, path, strlen(path));
  // An abstract name begins with a zero byte and ends with its length.
  if (path[0] == '@') address.sun_path[0] = 0;
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + (path[0] == '/'));
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  if (connect(fd, (struct sockaddr *)&address, size) != 0) {
    relay_print("NOTIFY_SOCKET %s: %s", path, strerror(errno));
    close(fd);
    return;
  }
  notify->fd = fd;
  const char *process = getenv("WATCHDOG_PID");
  const char *span = getenv("WATCHDOG_USEC");
  if (!span || (process && atoll(process) != (long long)getpid())) return;
  long long microseconds = atoll(span);
  if (microseconds < 2000 || microseconds > 86400LL * 1000000) return;
  notify->interval = microseconds * 1000 / 2;
  notify->next = relay_now();
}

void relay_notify_send(const struct relay_notify *notify, const char *text) {
  // A systemd that does not read loses this one; the next may arrive.
  if (notify->fd >= 0) (void)send(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

int64_t relay_notify_feed(struct relay_notify *notify, int64_t now) {
  if (notify->interval > 0 && now >= notify->next) {
    relay_notify_send(notify, "WATCHDOG=1");
    notify->next = now + notify->interval;
  }
  return notify->next;
}
