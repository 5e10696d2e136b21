#ifndef RELAY_MESSAGE_H
#define RELAY_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

// What the station and station-relayd say to each other: messages of one size over a Unix socket that keeps their
// bounds (SOCK_SEQPACKET), in the byte order of the machine that both run on.

#define RELAY_MAGIC 0x31594C52u  // "RLY1"
#define RELAY_VERSION 1

enum relay_kind {
  // From the station. Each carries the lease: `time` is until when the station vouches for itself.
  RELAY_RENEW = 1,
  RELAY_OPEN = 2,
  RELAY_CLOSE = 3,
  // Faults of the EVSE are looked at again: what is gone is forgotten, a line that could not be had is asked for again.
  RELAY_RECHECK = 4,
  // From relayd.
  RELAY_HELLO = 64,
  // The answer to a RENEW that asked for one (`flag`).
  RELAY_ALIVE = 65,
  // The state of one EVSE: after every change, after every command for it, and after HELLO.
  RELAY_STATE = 66,
};

enum relay_state { RELAY_IS_OPEN = 1, RELAY_IS_CLOSING = 2, RELAY_IS_CLOSED = 3, RELAY_IS_OPENING = 4 };

enum relay_mirror { RELAY_MIRROR_NONE = 0, RELAY_MIRROR_UNKNOWN = 1, RELAY_MIRROR_OPEN = 2, RELAY_MIRROR_CLOSED = 3 };

// Bits of `faults`.
enum relay_fault {
  // The mirror says closed while the coil is off.
  RELAY_FAULT_WELDED = 1,
  // The mirror did not follow the coil in time.
  RELAY_FAULT_NOT_CLOSED = 2,
  // The mirror fell away while the coil was on.
  RELAY_FAULT_DROPPED_OUT = 4,
  // A power line cannot be had or set.
  RELAY_FAULT_LINE = 8,
  // The mirror's line cannot be had or read.
  RELAY_FAULT_MIRROR = 16,
};

// Why the coil went off last.
enum relay_cause {
  RELAY_CAUSE_START = 0,
  RELAY_CAUSE_COMMAND = 1,
  RELAY_CAUSE_LEASE = 2,
  RELAY_CAUSE_DISCONNECTED = 3,
  RELAY_CAUSE_FAULT = 4,
  RELAY_CAUSE_STOPPING = 5,
};

// Why a CLOSE was not carried out.
enum relay_refusal {
  RELAY_REFUSED_NOT = 0,
  RELAY_REFUSED_LEASE = 1,
  RELAY_REFUSED_MIRROR = 2,
  RELAY_REFUSED_FAULT = 3,
  // The contactor is still opening.
  RELAY_REFUSED_BUSY = 4,
};

struct relay_message {
  uint32_t magic;
  uint8_t version;
  uint8_t kind;
  // 0 where the message is not of one EVSE.
  uint16_t evse;
  // Counts up by sender; a message whose number is not higher than the last is rejected.
  uint32_t sequence;
  // From relayd: the highest sequence number taken.
  uint32_t acknowledged;
  // CLOCK_MONOTONIC, nanoseconds. From the station: the end of the lease. STATE: when it began. Otherwise: now.
  int64_t time;
  uint8_t state;
  uint8_t mirror;
  uint8_t cause;
  uint8_t refusal;
  uint32_t faults;
  // The last closing and opening, from the switching of the coil to the mirror's last edge; 0: not known yet.
  uint32_t closing_us;
  uint32_t opening_us;
  // HELLO: checksum of the configuration.
  uint64_t configuration;
  // HELLO, ALIVE: messages that were not understood since the start.
  uint32_t rejected;
  // HELLO: the longest lease that is given, milliseconds.
  uint16_t lease_ms;
  // HELLO: number of EVSEs. RENEW: 1 asks for an answer.
  uint16_t flag;
};

_Static_assert(sizeof(struct relay_message) == 56, "the message has one size");

// Makes a message of the station's.
struct relay_message relay_message_make(enum relay_kind kind, uint16_t evse, uint32_t sequence, int64_t time);
// Whether `bytes` are one whole message of the station's: size, magic, version, kind, and nothing set that is not its
// kind's. Copies it to `message`.
int relay_message_from_station(const void *bytes, size_t size, struct relay_message *message);
// The same for a message of relayd's.
int relay_message_from_relayd(const void *bytes, size_t size, struct relay_message *message);

int64_t relay_now(void);

#endif
