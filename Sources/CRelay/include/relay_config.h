#ifndef RELAY_CONFIG_H
#define RELAY_CONFIG_H

#include <stddef.h>
#include <stdint.h>

enum {
  RELAY_CHANNELS_MAX = 16,
  RELAY_LINES_MAX = 4,
  RELAY_TEXT_MAX = 100,
  RELAY_CONFIG_BYTES_MAX = 32 * 1024,
  RELAY_LEASE_MIN_MS = 100,
  // With the longest opening of a contactor (100 ms) and a busy machine still under 500 ms.
  RELAY_LEASE_MAX_MS = 390,
  RELAY_LEASE_DEFAULT_MS = 350,
  RELAY_TRAVEL_MIN_MS = 5,
  RELAY_TRAVEL_MAX_MS = 1000,
  RELAY_HEARTBEAT_MIN_MS = 2,
  RELAY_HEARTBEAT_MAX_MS = 500,
};

// One GPIO line, resolved. `name` empty: `offset` counts.
struct relay_line {
  char chip[RELAY_TEXT_MAX + 1];
  char name[RELAY_TEXT_MAX + 1];
  unsigned offset;
  int active_low;
  // As enum cgpio_bias and cgpio_drive.
  int bias;
  int drive;
};

struct relay_channel_config {
  uint16_t evse;
  // The most that opening and closing may take, by the mirror.
  int opening_ms;
  int closing_ms;
  int line_count;
  struct relay_line lines[RELAY_LINES_MAX];
  int has_mirror;
  // The contact is closed while the contactor is open, so that a broken wire says "closed".
  int mirror_normally_closed;
  struct relay_line mirror;
};

struct relay_config {
  int lease_ms;
  int channel_count;
  struct relay_channel_config channels[RELAY_CHANNELS_MAX];
  int has_heartbeat;
  // Half a period: the line changes its level so often.
  int heartbeat_ms;
  struct relay_line heartbeat;
  // Of the text.
  uint64_t checksum;
};

// Reads a configuration:
//
//     relayd 1
//     lease 350
//     heartbeat 50 gpiochip0 active=high drive=push-pull name=HEARTBEAT
//     evse 1 opening=100 closing=200
//     power 1 gpiochip0 active=high drive=push-pull name=RELAY1
//     mirror 1 gpiochip0 contact=NC active=high bias=pull-up offset=17
//
// One thing a line; `#` begins a comment line; `evse N` stands before its lines; `name=` takes the rest of the line.
// `lease`, `heartbeat`, `mirror`, and all words with a `=` but `name`/`offset` and `contact` may be left out.
// 0, or the number of the line (counted from 1) with a text of what is wrong in it.
int relay_config_parse(const char *text, size_t size, struct relay_config *config, char *error, size_t error_size);

// FNV-1a, 64 bit.
uint64_t relay_checksum(const void *bytes, size_t size);

#endif
