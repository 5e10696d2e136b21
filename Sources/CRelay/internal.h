#ifndef RELAY_INTERNAL_H
#define RELAY_INTERNAL_H

#include "relay_loop.h"
#include "relay_machine.h"

// The lines of a process, and how they are kept in step with what the machine decides.
struct relay_hands {
  const struct relay_line_ops *ops;
  const struct relay_config *config;
  void *power[RELAY_CHANNELS_MAX][RELAY_LINES_MAX];
  void *mirror[RELAY_CHANNELS_MAX];
  void *heartbeat;
  int applied[RELAY_CHANNELS_MAX];
  int heartbeat_level;
};

// Takes what is not taken yet of a channel's lines, power first, and tells the machine. Prints what cannot be had.
void relay_hands_take(struct relay_hands *hands, struct relay_machine *machine, int channel);
// Sets what differs from what the machine wants; a line that cannot be set off is tried again at every call.
void relay_hands_apply(struct relay_hands *hands, struct relay_machine *machine, int64_t now);
void relay_hands_read_mirror(struct relay_hands *hands, struct relay_machine *machine, int channel);
// Every power line off, whatever else; safe in a signal handler. Number of lines that could not be set.
int relay_hands_all_off(struct relay_hands *hands);
void relay_hands_release(struct relay_hands *hands);

// systemd: NOTIFY_SOCKET and WATCHDOG_USEC of the environment.
struct relay_notify {
  int fd;
  // Half of the time after which systemd gives up; 0: no watchdog.
  int64_t interval;
  int64_t next;
};

void relay_notify_open(struct relay_notify *notify);
void relay_notify_send(const struct relay_notify *notify, const char *text);
// Feeds the watchdog when it is due, and says when to call again (INT64_MAX: never).
int64_t relay_notify_feed(struct relay_notify *notify, int64_t now);

// Serves one connected client (`listener` -1), or one after the other. Returns an exit code, with all lines off.
int relay_serve(struct relay_hands *hands, struct relay_machine *machine, int client, int listener);

__attribute__((format(printf, 1, 2))) void relay_print(const char *format, ...);

#endif
