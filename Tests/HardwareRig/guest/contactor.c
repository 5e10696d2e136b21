/* A power contactor, as far as a GPIO chip can see it: watches its coil, moves its mirror contact some milliseconds
 * later, and can be welded or jammed. Also plays the external circuit that takes the coil's supply away when the
 * heartbeat line stops toggling. Real time priority, no busy loop: the rig's gpio-sim wakes poll() on a change.
 *
 *   contactor --coil FILE [--coil FILE] --mirror FILE [--mirror-open up|down] [--close-ms N] [--open-ms N]
 *             [--heartbeat FILE --heartbeat-ms N]
 *
 * FILE: sim_gpioN/value of an output (the coil is on when all of them are 1), sim_gpioN/pull of an input.
 * Commands on stdin: "weld 0|1" (does not open), "jam 0|1" (does not close). Each event is a line "NS WHAT" on stdout,
 * stamped with CLOCK_MONOTONIC: coil 0|1, contact closed|open, heartbeat on|lost, weld N, jam N.
 * What a measurement wants is "coil 0": when a real contactor would begin to fall. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COILS = 4 };
#define NEVER INT64_MAX
#define MS INT64_C(1000000)

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void fail(const char *what, const char *name) {
  fprintf(stderr, "contactor: %s %s: %s\n", what, name, strerror(errno));
  exit(2);
}

static void tell(int64_t at, const char *format, ...) {
  char line[128];
  int n = snprintf(line, sizeof line, "%lld ", (long long)at);
  va_list rest;
  va_start(rest, format);
  n += vsnprintf(line + n, sizeof line - n - 1, format, rest);
  va_end(rest);
  line[n++] = '\n';
  if (write(1, line, n) != n) exit(0); /* nobody listens any more */
}

static int open_value(const char *file) {
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("cannot open", file);
  return fd;
}

static bool level(int fd) {
  char c = 0;
  if (pread(fd, &c, 1, 0) != 1) fail("cannot read", "a line");
  return c == '1';
}

static long number(const char *text, long most) {
  char *end;
  long n = strtol(text, &end, 10);
  if (*end || end == text || n < 0 || n > most) { errno = EINVAL; fail("not a number in range:", text); }
  return n;
}

int main(int count, char **words) {
  int coils[MAX_COILS], coil_count = 0, mirror = -1, heartbeat = -1;
  long close_ms = 15, open_ms = 10, heartbeat_ms = 0;
  bool open_is_up = true;
  for (int i = 1; i < count; i += 2) {
    if (i + 1 == count) { errno = EINVAL; fail("no value of", words[i]); }
    const char *name = words[i], *value = words[i + 1];
    if (!strcmp(name, "--coil") && coil_count < MAX_COILS) coils[coil_count++] = open_value(value);
    else if (!strcmp(name, "--mirror")) {
      mirror = open(value, O_WRONLY | O_CLOEXEC);
      if (mirror < 0) fail("cannot open", value);
    } else if (!strcmp(name, "--mirror-open")) open_is_up = !strcmp(value, "up");
    else if (!strcmp(name, "--close-ms")) close_ms = number(value, 10000);
    else if (!strcmp(name, "--open-ms")) open_ms = number(value, 10000);
    else if (!strcmp(name, "--heartbeat")) heartbeat = open_value(value);
    else if (!strcmp(name, "--heartbeat-ms")) heartbeat_ms = number(value, 100000);
    else { errno = EINVAL; fail("unknown option", name); }
  }
  if (!coil_count || (heartbeat >= 0) != (heartbeat_ms > 0)) { errno = EINVAL; fail("needs", "--coil, and both of --heartbeat*"); }
  struct sched_param priority = {.sched_priority = 60};
  if (sched_setscheduler(0, SCHED_FIFO, &priority) || mlockall(MCL_CURRENT | MCL_FUTURE)) fail("no", "real time");

  bool coil = false, closed = false, beat = false, alive = false, welded = false, jammed = false;
  int64_t moves_at = NEVER, dies_at = NEVER;
  bool known = false, first = true; /* the coil was read; the mirror contact was moved */
  char command[64];
  size_t have = 0;
  for (;;) {
    /* Read before waiting, so that no change between the two is missed: poll() reports what came after the read. */
    int64_t at = now();
    if (heartbeat >= 0) {
      bool level_now = level(heartbeat);
      if (known && level_now != beat) {
        dies_at = at + heartbeat_ms * MS;
        if (!alive) tell(at, "heartbeat on");
        alive = true;
      }
      beat = level_now;
      if (alive && at >= dies_at) {
        alive = false;
        dies_at = NEVER;
        tell(at, "heartbeat lost");
      }
    }
    bool on = heartbeat < 0 || alive;
    for (int i = 0; i < coil_count; i++) on = level(coils[i]) && on;
    if (on != coil || !known) {
      known = true;
      coil = on;
      tell(at, "coil %d", on);
      moves_at = at + (on ? close_ms : open_ms) * MS;
    }
    if (at >= moves_at) {
      moves_at = NEVER;
      bool target = coil ? (closed || !jammed) : (closed && welded);
      if (target != closed || first) {
        closed = target;
        tell(at, closed ? "contact closed" : "contact open");
      }
      if (mirror >= 0) {
        const char *pull = closed != open_is_up ? "pull-up" : "pull-down";
        if (pwrite(mirror, pull, strlen(pull), 0) < 0) fail("cannot drive", "the mirror line");
      }
      first = false;
      continue;
    }

    struct pollfd wait[MAX_COILS + 2];
    int n = 0;
    for (int i = 0; i < coil_count; i++) wait[n++] = (struct pollfd){coils[i], POLLPRI, 0};
    if (heartbeat >= 0) wait[n++] = (struct pollfd){heartbeat, POLLPRI, 0};
    wait[n] = (struct pollfd){0, POLLIN, 0};
    int64_t next = moves_at < dies_at ? moves_at : dies_at, left = next == NEVER ? 0 : next - now();
    if (left < 0) left = 0;
    struct timespec timeout = {left / 1000000000, left % 1000000000};
    if (ppoll(wait, n + 1, next == NEVER ? NULL : &timeout, NULL) < 0 && errno != EINTR) fail("cannot wait", "for lines");
    if (wait[n].revents & (POLLHUP | POLLERR)) return 0;
    if (wait[n].revents & POLLIN) {
      ssize_t got = read(0, command + have, sizeof command - 1 - have);
      if (got <= 0) return 0;
      have += got;
      command[have] = 0;
      for (char *end; (end = strchr(command, '\n'));) {
        *end = 0;
        int on_off;
        if (sscanf(command, "weld %d", &on_off) == 1) welded = on_off;
        else if (sscanf(command, "jam %d", &on_off) == 1) jammed = on_off;
        else { errno = EINVAL; fail("unknown command", command); }
        tell(now(), "%s", command);
        if (moves_at == NEVER) moves_at = now(); /* a released weld opens, a released jam closes */
        have -= end + 1 - command;
        memmove(command, end + 1, have + 1);
      }
      if (have == sizeof command - 1) { errno = E2BIG; fail("command too long", command); }
    }
  }
}
