#ifndef RELAY_MACHINE_H
#define RELAY_MACHINE_H

#include "relay_config.h"
#include "relay_message.h"

// What station-relayd decides, without a clock, a line or a socket: time comes in as nanoseconds of CLOCK_MONOTONIC,
// what is to happen is left in `output` and `report`. Nothing here allocates.
//
// What holds after every function: `output` of a channel is 1 only while the lease is valid, a client is connected, and
// the channel has no fault of a power line and is not known to be welded.

// A mirror contact bounces: its value counts once it has kept it so long.
#define RELAY_SETTLE_NS (10 * 1000000LL)

struct relay_channel {
  const struct relay_channel_config *config;
  enum relay_state state;
  // What the coil is to be. Whoever changes the line does so right after each function below.
  int output;
  // What the mirror says: settled, and at its last edge.
  enum relay_mirror mirror;
  enum relay_mirror mirror_raw;
  int64_t mirror_raw_since;
  // When the coil was switched last.
  int64_t switched;
  int64_t state_since;
  uint32_t faults;
  enum relay_cause cause;
  enum relay_refusal refusal;
  uint32_t closing_us;
  uint32_t opening_us;
  // A STATE is to be sent.
  int report;
  // The lines of this channel are to be asked for again.
  int retry;
};

struct relay_machine {
  const struct relay_config *config;
  int connected;
  int64_t lease_until;
  uint32_t sequence;
  uint32_t rejected;
  int64_t heartbeat_at;
  int heartbeat;
  // An ALIVE is to be sent.
  int answer;
  struct relay_channel channels[RELAY_CHANNELS_MAX];
};

void relay_machine_init(struct relay_machine *machine, const struct relay_config *config, int64_t now);

// A client is there, with a count of its own, and no lease yet.
void relay_machine_connected(struct relay_machine *machine, int64_t now);
// Everything off.
void relay_machine_disconnected(struct relay_machine *machine, enum relay_cause cause, int64_t now);
// Bytes of the client. What is not a message, or not a new one, is counted and changes nothing.
void relay_machine_receive(struct relay_machine *machine, const void *bytes, size_t size, int64_t now);
// The mirror's line has this value (logical: 1 is a closed contact, -1 unreadable) since `time`.
void relay_machine_mirror(struct relay_machine *machine, int channel, int active, int64_t time, int64_t now);
// A power line could not be had or set (1), or could (0).
void relay_machine_line(struct relay_machine *machine, int channel, int failed, int64_t now);
// Time passes: the lease may end, a contactor may be late, the heartbeat may be due. To be called before anything that
// came in is handled.
void relay_machine_tick(struct relay_machine *machine, int64_t now);
// When `tick` is to be called at the latest; INT64_MAX: nothing waits.
int64_t relay_machine_deadline(const struct relay_machine *machine);

struct relay_message relay_machine_state(const struct relay_machine *machine, int channel, uint32_t sequence);
struct relay_message relay_machine_hello(const struct relay_machine *machine, uint32_t sequence, int64_t now);

#endif
