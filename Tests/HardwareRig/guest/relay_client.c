/* A client of station-relayd that can misbehave: relay_client SOCKET EVSE...
 *
 * Vouches for itself every 100 ms. Commands on stdin:
 *   close | open         to every EVSE
 *   be well              renews (the beginning)
 *   be hung              keeps the socket and sends nothing
 *   be garbage           sends bytes that are no message, as fast as they are taken
 *   be flood             sends well-formed messages whose lease is over, as fast as they are taken
 *   be replay            sends its last valid renewal again and again
 *   be gone              closes the socket and lives on
 * Says "NS hello" and "NS state EVSE STATE MIRROR FAULTS CAUSE REFUSAL" (numbers of relay_message.h). Only the layout of the
 * messages is the product's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "relay_message.h"

enum { RENEW_MS = 100, EVSES_MAX = 16 };
#define MS INT64_C(1000000)

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int fd = -1;
static uint32_t sequence;
static uint16_t lease_ms;
static struct relay_message last;

static struct relay_message make(int kind, uint16_t evse, int64_t until) {
  struct relay_message m;
  memset(&m, 0, sizeof m);
  m.magic = RELAY_MAGIC;
  m.version = RELAY_VERSION;
  m.kind = (uint8_t)kind;
  m.evse = evse;
  m.sequence = ++sequence;
  m.time = until;
  return m;
}

static void give(const void *bytes, size_t size, int flags) {
  if (fd >= 0 && send(fd, bytes, size, flags | MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
    printf("%lld lost\n", (long long)now());
    close(fd);
    fd = -1;
  }
}

static void take(void) {
  struct relay_message m;
  ssize_t got = recv(fd, &m, sizeof m, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    printf("%lld lost\n", (long long)now());
    close(fd);
    fd = -1;
    return;
  }
  if (got != sizeof m || m.magic != RELAY_MAGIC) {
    fprintf(stderr, "relay_client: %zd bytes that are no message\n", got);
    exit(3);
  }
  if (m.kind == RELAY_HELLO) {
    lease_ms = m.lease_ms;
    printf("%lld hello\n", (long long)now());
  }
  if (m.kind == RELAY_STATE)
    printf("%lld state %u %u %u %u %u %u\n", (long long)now(), m.evse, m.state, m.mirror, m.faults, m.cause, m.refusal);
}

int main(int count, char **words) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  uint16_t evses[EVSES_MAX];
  int evse_count = 0;
  if (count < 3 || count > 2 + EVSES_MAX || strlen(words[1]) >= sizeof address.sun_path) {
    fprintf(stderr, "usage: relay_client SOCKET EVSE...\n");
    return 2;
  }
  strcpy(address.sun_path, words[1]);
  for (int i = 2; i < count; i++) evses[evse_count++] = (uint16_t)atoi(words[i]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
    fprintf(stderr, "relay_client: %s: %s\n", words[1], strerror(errno));
    return 1;
  }
  srand((unsigned)now());
  char mode[16] = "well", command[64];
  size_t have = 0;
  int64_t next = now();
  for (;;) {
    int fast = !strcmp(mode, "garbage") || !strcmp(mode, "flood") || !strcmp(mode, "replay");
    struct pollfd wait[2] = {{0, POLLIN, 0}, {fd, POLLIN, 0}};
    int64_t left = next - now();
    int timeout = fast ? 1 : left <= 0 ? 0 : (int)(left / MS) + 1;
    poll(wait, 2, timeout);
    if (wait[1].revents) take();
    if (wait[0].revents) {
      ssize_t got = read(0, command + have, sizeof command - 1 - have);
      if (got <= 0) return 0;
      have += (size_t)got;
      command[have] = 0;
      for (char *end; (end = strchr(command, '\n'));) {
        *end = 0;
        if (!strcmp(command, "close") || !strcmp(command, "open"))
          for (int i = 0; i < evse_count; i++) {
            struct relay_message m = make(command[0] == 'c' ? RELAY_CLOSE : RELAY_OPEN, evses[i], now() + lease_ms * MS);
            give(&m, sizeof m, 0);
          }
        else if (sscanf(command, "be %15s", mode) != 1) return 2;
        if (!strcmp(mode, "gone") && fd >= 0) {
          close(fd);
          fd = -1;
        }
        have -= (size_t)(end + 1 - command);
        memmove(command, end + 1, have + 1);
      }
      if (have == sizeof command - 1) return 2;
    }
    if (!strcmp(mode, "well") && lease_ms && now() >= next) {
      next = now() + RENEW_MS * MS;
      last = make(RELAY_RENEW, 0, now() + lease_ms * MS);
      give(&last, sizeof last, MSG_DONTWAIT);
    }
    if (strcmp(mode, "well")) next = now() + RENEW_MS * MS;
    if (!strcmp(mode, "garbage"))
      for (int n = 0; n < 16; n++) {
        unsigned char bytes[128];
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)rand();
        /* Half of them look like a message at first sight. */
        if (n & 1) memcpy(bytes, &last, 6);
        give(bytes, n & 2 ? sizeof last : 1 + (size_t)rand() % sizeof bytes, MSG_DONTWAIT);
      }
    if (!strcmp(mode, "flood"))
      for (int n = 0; n < 16; n++) {
        struct relay_message m = make(RELAY_RENEW, 0, now() - 1);
        give(&m, sizeof m, MSG_DONTWAIT);
      }
    if (!strcmp(mode, "replay"))
      for (int n = 0; n < 16; n++) {
        last.time = now() + lease_ms * MS; /* forged, but with a number that was used */
        give(&last, sizeof last, MSG_DONTWAIT);
      }
  }
}
