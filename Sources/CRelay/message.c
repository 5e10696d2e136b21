#include "relay_message.h"

#include <string.h>
#include <time.h>

int64_t relay_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct relay_message relay_message_make(enum relay_kind kind, uint16_t evse, uint32_t sequence, int64_t time) {
  struct relay_message message;
  memset(&message, 0, sizeof message);
  message.magic = RELAY_MAGIC;
  message.version = RELAY_VERSION;
  message.kind = (uint8_t)kind;
  message.evse = evse;
  message.sequence = sequence;
  message.time = time;
  return message;
}

static int framed(const void *bytes, size_t size, struct relay_message *message) {
  if (size != sizeof *message) return 0;
  memcpy(message, bytes, sizeof *message);
  return message->magic == RELAY_MAGIC && message->version == RELAY_VERSION;
}

int relay_message_from_station(const void *bytes, size_t size, struct relay_message *message) {
  if (!framed(bytes, size, message)) return 0;
  struct relay_message only =
      relay_message_make((enum relay_kind)message->kind, message->evse, message->sequence, message->time);
  switch (message->kind) {
  case RELAY_RENEW:
    if (message->evse != 0 || message->flag > 1) return 0;
    only.flag = message->flag;
    break;
  case RELAY_OPEN:
  case RELAY_CLOSE:
  case RELAY_RECHECK:
    if (message->evse == 0) return 0;
    break;
  default: return 0;
  }
  return message->sequence != 0 && message->time >= 0 && memcmp(&only, message, sizeof only) == 0;
}

int relay_message_from_relayd(const void *bytes, size_t size, struct relay_message *message) {
  if (!framed(bytes, size, message) || message->sequence == 0 || message->time < 0) return 0;
  switch (message->kind) {
  case RELAY_HELLO: return message->evse == 0 && message->lease_ms > 0;
  case RELAY_ALIVE: return message->evse == 0;
  case RELAY_STATE:
    return message->evse != 0 && message->state >= RELAY_IS_OPEN && message->state <= RELAY_IS_OPENING &&
           message->mirror <= RELAY_MIRROR_CLOSED && message->cause <= RELAY_CAUSE_STOPPING &&
           message->refusal <= RELAY_REFUSED_BUSY && message->faults < 32;
  default: return 0;
  }
}
