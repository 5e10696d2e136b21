#include "relay_machine.h"

#include <string.h>

#define MS 1000000LL

static void note(struct relay_channel *channel) { channel->report = 1; }

static void go(struct relay_channel *channel, enum relay_state state, int64_t now) {
  channel->state = state;
  channel->state_since = now;
  note(channel);
}

static void raise_fault(struct relay_channel *channel, enum relay_fault fault) {
  if (channel->faults & fault) return;
  channel->faults |= fault;
  note(channel);
}

static void clear_fault(struct relay_channel *channel, uint32_t faults) {
  if (!(channel->faults & faults)) return;
  channel->faults &= ~faults;
  note(channel);
}

static uint32_t microseconds(int64_t from, int64_t to) {
  int64_t span = (to - from) / 1000;
  return span < 1 ? 1 : span > 4000000 ? 4000000 : (uint32_t)span;
}

// The coil goes off, whatever the state; without a mirror that is all there is to know.
static void switch_off(struct relay_channel *channel, enum relay_cause cause, int64_t now) {
  if (!channel->output) return;
  channel->output = 0;
  channel->switched = now;
  channel->cause = cause;
  go(channel, channel->config->has_mirror ? RELAY_IS_OPENING : RELAY_IS_OPEN, now);
}

static void switch_on(struct relay_channel *channel, int64_t now) {
  channel->output = 1;
  channel->switched = now;
  go(channel, channel->config->has_mirror ? RELAY_IS_CLOSING : RELAY_IS_CLOSED, now);
}

// The mirror's settled value and the time that has passed, together: what they say of the contactor.
static void judge(struct relay_channel *channel, int64_t now) {
  if (!channel->config->has_mirror) return;
  const int64_t travelled = now - channel->switched - RELAY_SETTLE_NS;
  switch (channel->state) {
  case RELAY_IS_CLOSING:
    if (channel->mirror == RELAY_MIRROR_CLOSED) {
      channel->closing_us = microseconds(channel->switched, channel->mirror_raw_since);
      clear_fault(channel, RELAY_FAULT_NOT_CLOSED | RELAY_FAULT_DROPPED_OUT);
      go(channel, RELAY_IS_CLOSED, now);
    } else if (travelled >= channel->config->closing_ms * MS) {
      raise_fault(channel, RELAY_FAULT_NOT_CLOSED);
      switch_off(channel, RELAY_CAUSE_FAULT, now);
    }
    break;
  case RELAY_IS_CLOSED:
    if (channel->mirror != RELAY_MIRROR_CLOSED) {
      if (channel->mirror == RELAY_MIRROR_OPEN) raise_fault(channel, RELAY_FAULT_DROPPED_OUT);
      switch_off(channel, RELAY_CAUSE_FAULT, now);
    }
    break;
  case RELAY_IS_OPENING:
    if (channel->mirror == RELAY_MIRROR_OPEN) {
      if (channel->mirror_raw_since > channel->switched)
        channel->opening_us = microseconds(channel->switched, channel->mirror_raw_since);
      go(channel, RELAY_IS_OPEN, now);
    } else if (travelled >= channel->config->opening_ms * MS) {
      // Unreadable is a fault of its own; only a mirror that says so makes a welded contactor.
      if (channel->mirror == RELAY_MIRROR_CLOSED) raise_fault(channel, RELAY_FAULT_WELDED);
      go(channel, RELAY_IS_OPEN, now);
    }
    break;
  case RELAY_IS_OPEN:
    if (channel->mirror == RELAY_MIRROR_CLOSED) raise_fault(channel, RELAY_FAULT_WELDED);
    break;
  }
}

static void settle(struct relay_channel *channel, int64_t now) {
  if (channel->mirror != channel->mirror_raw && now - channel->mirror_raw_since >= RELAY_SETTLE_NS) {
    channel->mirror = channel->mirror_raw;
    note(channel);
  }
  judge(channel, now);
}

void relay_machine_init(struct relay_machine *machine, const struct relay_config *config, int64_t now) {
  memset(machine, 0, sizeof *machine);
  machine->config = config;
  machine->lease_until = INT64_MIN;
  machine->heartbeat_at = now;
  for (int i = 0; i < config->channel_count; i++) {
    struct relay_channel *channel = &machine->channels[i];
    channel->config = &config->channels[i];
    channel->switched = now;
    channel->state_since = now;
    channel->mirror_raw_since = now;
    // The lines have just been taken as off: the mirror has the usual time to say open.
    channel->state = channel->config->has_mirror ? RELAY_IS_OPENING : RELAY_IS_OPEN;
    channel->mirror = channel->config->has_mirror ? RELAY_MIRROR_UNKNOWN : RELAY_MIRROR_NONE;
    channel->mirror_raw = channel->mirror;
  }
}

void relay_machine_connected(struct relay_machine *machine, int64_t now) {
  relay_machine_disconnected(machine, RELAY_CAUSE_DISCONNECTED, now);
  machine->connected = 1;
  machine->sequence = 0;
  for (int i = 0; i < machine->config->channel_count; i++) {
    machine->channels[i].refusal = RELAY_REFUSED_NOT;
    machine->channels[i].report = 1;
  }
}

void relay_machine_disconnected(struct relay_machine *machine, enum relay_cause cause, int64_t now) {
  machine->connected = 0;
  machine->lease_until = INT64_MIN;
  machine->answer = 0;
  for (int i = 0; i < machine->config->channel_count; i++) switch_off(&machine->channels[i], cause, now);
}

static int lease_is_valid(const struct relay_machine *machine, int64_t now) {
  return machine->connected && now < machine->lease_until;
}

static void close_channel(struct relay_machine *machine, struct relay_channel *channel, int64_t now) {
  // It is on its way, or there.
  if (channel->output) return;
  if (!lease_is_valid(machine, now)) channel->refusal = RELAY_REFUSED_LEASE;
  else if (channel->faults) channel->refusal = RELAY_REFUSED_FAULT;
  else if (channel->state != RELAY_IS_OPEN) channel->refusal = RELAY_REFUSED_BUSY;
  else if (channel->config->has_mirror &&
           (channel->mirror != RELAY_MIRROR_OPEN || channel->mirror_raw != RELAY_MIRROR_OPEN))
    channel->refusal = RELAY_REFUSED_MIRROR;
  else switch_on(channel, now);
}

static void recheck(struct relay_channel *channel, int64_t now) {
  settle(channel, now);
  if (channel->output) return;
  if (channel->faults & (RELAY_FAULT_LINE | RELAY_FAULT_MIRROR)) channel->retry = 1;
  if (channel->config->has_mirror && channel->mirror == RELAY_MIRROR_OPEN && channel->mirror_raw == RELAY_MIRROR_OPEN)
    clear_fault(channel, RELAY_FAULT_WELDED | RELAY_FAULT_NOT_CLOSED | RELAY_FAULT_DROPPED_OUT);
}

void relay_machine_receive(struct relay_machine *machine, const void *bytes, size_t size, int64_t now) {
  struct relay_message message;
  struct relay_channel *channel = NULL;
  int valid = machine->connected && relay_message_from_station(bytes, size, &message) &&
              message.sequence > machine->sequence;
  if (valid && message.evse != 0) {
    for (int i = 0; i < machine->config->channel_count; i++)
      if (machine->channels[i].config->evse == message.evse) channel = &machine->channels[i];
    valid = channel != NULL;
  }
  if (!valid) {
    if (machine->rejected < UINT32_MAX) machine->rejected++;
    return;
  }
  machine->sequence = message.sequence;
  // Nobody can vouch for more than one lease ahead.
  const int64_t most = now + machine->config->lease_ms * MS;
  machine->lease_until = message.time < most ? message.time : most;
  switch (message.kind) {
  case RELAY_RENEW: machine->answer |= message.flag == 1; break;
  case RELAY_OPEN:
    channel->refusal = RELAY_REFUSED_NOT;
    switch_off(channel, RELAY_CAUSE_COMMAND, now);
    note(channel);
    break;
  case RELAY_CLOSE:
    channel->refusal = RELAY_REFUSED_NOT;
    close_channel(machine, channel, now);
    note(channel);
    break;
  case RELAY_RECHECK:
    recheck(channel, now);
    note(channel);
    break;
  default: break;
  }
  relay_machine_tick(machine, now);
}

void relay_machine_mirror(struct relay_machine *machine, int index, int active, int64_t time, int64_t now) {
  struct relay_channel *channel = &machine->channels[index];
  if (!channel->config->has_mirror) return;
  if (time > now) time = now;
  // The value before counts as long as it lasted, not until it was read.
  settle(channel, time);
  enum relay_mirror value = RELAY_MIRROR_UNKNOWN;
  if (active >= 0) {
    value = (active == 1) != channel->config->mirror_normally_closed ? RELAY_MIRROR_CLOSED : RELAY_MIRROR_OPEN;
    clear_fault(channel, RELAY_FAULT_MIRROR);
  } else {
    // What cannot be read counts at once.
    raise_fault(channel, RELAY_FAULT_MIRROR);
    channel->mirror = RELAY_MIRROR_UNKNOWN;
  }
  if (value != channel->mirror_raw) {
    channel->mirror_raw = value;
    channel->mirror_raw_since = time;
  }
  settle(channel, now);
}

void relay_machine_line(struct relay_machine *machine, int index, int failed, int64_t now) {
  struct relay_channel *channel = &machine->channels[index];
  if (!failed) return clear_fault(channel, RELAY_FAULT_LINE);
  raise_fault(channel, RELAY_FAULT_LINE);
  switch_off(channel, RELAY_CAUSE_FAULT, now);
}

void relay_machine_tick(struct relay_machine *machine, int64_t now) {
  const int valid = lease_is_valid(machine, now);
  int lines_failed = 0;
  for (int i = 0; i < machine->config->channel_count; i++) {
    struct relay_channel *channel = &machine->channels[i];
    if (!valid) switch_off(channel, RELAY_CAUSE_LEASE, now);
    settle(channel, now);
    lines_failed |= (channel->faults & RELAY_FAULT_LINE) != 0;
  }
  // A line that does not obey may be one that is on: then the external circuit is to cut the coils.
  if (machine->config->has_heartbeat && now >= machine->heartbeat_at) {
    if (!lines_failed) machine->heartbeat = !machine->heartbeat;
    machine->heartbeat_at = now + machine->config->heartbeat_ms * MS;
  }
}

static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t relay_machine_deadline(const struct relay_machine *machine) {
  int64_t deadline = machine->config->has_heartbeat ? machine->heartbeat_at : INT64_MAX;
  for (int i = 0; i < machine->config->channel_count; i++) {
    const struct relay_channel *channel = &machine->channels[i];
    if (channel->output) deadline = sooner(deadline, machine->lease_until);
    if (channel->mirror != channel->mirror_raw)
      deadline = sooner(deadline, channel->mirror_raw_since + RELAY_SETTLE_NS);
    if (channel->state == RELAY_IS_CLOSING)
      deadline = sooner(deadline, channel->switched + channel->config->closing_ms * MS + RELAY_SETTLE_NS);
    if (channel->state == RELAY_IS_OPENING)
      deadline = sooner(deadline, channel->switched + channel->config->opening_ms * MS + RELAY_SETTLE_NS);
  }
  return deadline;
}

struct relay_message relay_machine_state(const struct relay_machine *machine, int index, uint32_t sequence) {
  const struct relay_channel *channel = &machine->channels[index];
  struct relay_message message =
      relay_message_make(RELAY_STATE, channel->config->evse, sequence, channel->state_since);
  message.acknowledged = machine->sequence;
  message.state = (uint8_t)channel->state;
  message.mirror = (uint8_t)channel->mirror;
  message.cause = (uint8_t)channel->cause;
  message.refusal = (uint8_t)channel->refusal;
  message.faults = channel->faults;
  message.closing_us = channel->closing_us;
  message.opening_us = channel->opening_us;
  return message;
}

struct relay_message relay_machine_hello(const struct relay_machine *machine, uint32_t sequence, int64_t now) {
  struct relay_message message = relay_message_make(RELAY_HELLO, 0, sequence, now);
  message.acknowledged = machine->sequence;
  message.configuration = machine->config->checksum;
  message.rejected = machine->rejected;
  message.lease_ms = (uint16_t)machine->config->lease_ms;
  message.flag = (uint16_t)machine->config->channel_count;
  return message;
}
