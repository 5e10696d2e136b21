#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGES_AT_ONCE = 32, RETRY_MS = 50, PRIORITY = 20 };

// For the handler of signals that end the process by themselves.
static struct relay_hands *volatile the_hands;

static void on_fatal_signal(int number) {
  struct relay_hands *hands = the_hands;
  if (hands) relay_hands_all_off(hands);
  // The handler is used up: the signal now does what it does.
  raise(number);
}

static int block_and_catch(void) {
  static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGXCPU, SIGXFSZ, SIGQUIT};
  struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
  sigset_t ends;
  for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) sigaction(fatal[i], &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

// What keeps the loop from being late; a system may forbid it, and then says so once.
static void become_punctual(void) {
  struct sched_param parameters = {.sched_priority = PRIORITY};
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) relay_print("memory is not locked: %s", strerror(errno));
  if (sched_setscheduler(0, SCHED_FIFO, &parameters) != 0)
    relay_print("no real-time priority (LimitRTPRIO=, CAP_SYS_NICE): %s", strerror(errno));
}

struct server {
  struct relay_hands *hands;
  struct relay_machine *machine;
  int client;
  uint32_t sequence;
};

static void send_one(struct server *server, const struct relay_message *message) {
  // A client that does not read loses states; it gets the newest ones as soon as there is room (`report` stays).
  (void)send(server->client, message, sizeof *message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void report(struct server *server) {
  if (server->client < 0) return;
  for (int i = 0; i < server->machine->config->channel_count; i++) {
    struct relay_channel *channel = &server->machine->channels[i];
    if (!channel->report) continue;
    struct relay_message state = relay_machine_state(server->machine, i, server->sequence + 1);
    if (send(server->client, &state, sizeof state, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof state) return;
    server->sequence++;
    channel->report = 0;
  }
  if (!server->machine->answer) return;
  server->machine->answer = 0;
  struct relay_message alive = relay_message_make(RELAY_ALIVE, 0, ++server->sequence, relay_now());
  alive.acknowledged = server->machine->sequence;
  alive.rejected = server->machine->rejected;
  send_one(server, &alive);
}

static void greet(struct server *server, int client) {
  const int64_t now = relay_now();
  server->client = client;
  server->sequence = 0;
  relay_machine_connected(server->machine, now);
  struct relay_message hello = relay_machine_hello(server->machine, ++server->sequence, now);
  send_one(server, &hello);
}

static void lose_client(struct server *server, enum relay_cause cause) {
  relay_machine_disconnected(server->machine, cause, relay_now());
  relay_hands_apply(server->hands, server->machine, relay_now());
  if (server->client >= 0) close(server->client);
  server->client = -1;
}

// What the client sent. -1: it is gone.
static int receive(struct server *server) {
  for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
    // One byte more than a message, so that a longer one is seen to be longer.
    unsigned char bytes[sizeof(struct relay_message) + 1];
    ssize_t size = recv(server->client, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size == 0) return -1;
    if (size < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    relay_machine_receive(server->machine, bytes, (size_t)size, relay_now());
    relay_hands_apply(server->hands, server->machine, relay_now());
  }
  return 0;
}

static struct timespec until(int64_t deadline, int64_t now) {
  const int64_t most = 3600LL * 1000000000;
  int64_t span = deadline <= now ? 0 : deadline - now > most ? most : deadline - now;
  return (struct timespec){.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000};
}

static int64_t next_deadline(struct server *server, int64_t notify, int64_t now) {
  int64_t deadline = relay_machine_deadline(server->machine);
  int64_t again = INT64_MAX;
  for (int i = 0; i < server->machine->config->channel_count; i++) {
    // A line that could not be set off, or a report that did not fit into the socket.
    if (server->hands->applied[i] < 0 || (server->client >= 0 && server->machine->channels[i].report))
      again = now + RETRY_MS * 1000000LL;
  }
  if (again < deadline) deadline = again;
  return notify < deadline ? notify : deadline;
}

int relay_serve(struct relay_hands *hands, struct relay_machine *machine, int client, int listener) {
  struct server server = {.hands = hands, .machine = machine, .client = -1};
  struct relay_notify notify;
  struct pollfd polls[3 + RELAY_CHANNELS_MAX];
  int signals = block_and_catch();
  if (signals < 0) return RELAY_EXIT_FAILURE;
  the_hands = hands;
  relay_notify_open(&notify);
  for (int i = 0; i < machine->config->channel_count; i++) relay_hands_take(hands, machine, i);
  become_punctual();
  if (client >= 0) greet(&server, client);
  relay_notify_send(&notify, "READY=1");

  int result = RELAY_EXIT_OK;
  for (;;) {
    int64_t now = relay_now();
    relay_machine_tick(machine, now);
    relay_hands_apply(hands, machine, now);
    report(&server);
    const int64_t fed = relay_notify_feed(&notify, now);

    polls[0] = (struct pollfd){.fd = signals, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = server.client, .events = POLLIN};
    polls[2] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (int i = 0; i < machine->config->channel_count; i++)
      polls[3 + i] =
          (struct pollfd){.fd = hands->mirror[i] ? hands->ops->fd(hands->mirror[i]) : -1, .events = POLLIN};
    now = relay_now();
    struct timespec timeout = until(next_deadline(&server, fed, now), now);
    if (ppoll(polls, (nfds_t)(3 + machine->config->channel_count), &timeout, NULL) < 0) {
      if (errno == EINTR) continue;
      result = RELAY_EXIT_FAILURE;
      break;
    }
    // Time first: what is late must not be saved by what waited meanwhile.
    now = relay_now();
    relay_machine_tick(machine, now);
    relay_hands_apply(hands, machine, now);

    if (polls[0].revents) break;
    if (polls[1].revents && receive(&server) != 0) {
      lose_client(&server, RELAY_CAUSE_DISCONNECTED);
      if (listener < 0) break;
    }
    if (polls[2].revents) {
      int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
      // One client at a time: whoever is second has no business here while the first lives.
      if (accepted >= 0 && server.client >= 0) close(accepted);
      else if (accepted >= 0) greet(&server, accepted);
    }
    for (int i = 0; i < machine->config->channel_count; i++) {
      if (polls[3 + i].revents) relay_hands_read_mirror(hands, machine, i);
      if (machine->channels[i].retry) {
        // The one place in the loop that may allocate: on request, for an EVSE that is out of service.
        machine->channels[i].retry = 0;
        relay_hands_take(hands, machine, i);
      }
      // A line that broke is polled no more: it is let go, to be asked for again on request.
      if (hands->mirror[i] && (machine->channels[i].faults & RELAY_FAULT_MIRROR)) {
        hands->ops->release(hands->mirror[i]);
        hands->mirror[i] = NULL;
      }
    }
  }
  lose_client(&server, RELAY_CAUSE_STOPPING);
  relay_notify_send(&notify, "STOPPING=1");
  if (relay_hands_all_off(hands) != 0) result = RELAY_EXIT_FAILURE;
  the_hands = NULL;
  return result;
}
