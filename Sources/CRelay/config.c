#include "relay_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
  char *rest;
  char *error;
  size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int fail(struct reader *reader, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reader->error, reader->error_size, format, arguments);
  va_end(arguments);
  return -1;
}

// The next word of the line, or NULL at its end.
static char *word(struct reader *reader) {
  char *start = reader->rest + strspn(reader->rest, " \t");
  if (*start == 0) return NULL;
  char *end = start + strcspn(start, " \t");
  reader->rest = *end ? end + 1 : end;
  *end = 0;
  return start;
}

static int number(struct reader *reader, const char *what, const char *text, int low, int high, int *value) {
  char *end = NULL;
  long found = text && *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
  if (!end || *end != 0 || found < low || found > high)
    return fail(reader, "%s is %.40s, expected a whole number from %d to %d", what, text ? text : "missing", low, high);
  *value = (int)found;
  return 0;
}

static int choice(struct reader *reader, const char *what, const char *text, const char *const *names, int *value) {
  for (int i = 0; names[i]; i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *value = i;
    return 0;
  }
  return fail(reader, "%s is %.40s, which is none of its values", what, text);
}

static const char *const levels[] = {"high", "low", NULL};
static const char *const biases[] = {"as-is", "pull-up", "pull-down", "disabled", NULL};
static const char *const drives[] = {"push-pull", "open-drain", "open-source", NULL};
static const char *const contacts[] = {"NO", "NC", NULL};

static const char *after(const char *text, const char *prefix) {
  size_t length = strlen(prefix);
  return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

// The chip and what follows it. `contact` NULL: the line is an output.
static int line(struct reader *reader, struct relay_line *line, int *contact) {
  char *chip = word(reader);
  int has_line = 0;
  if (!chip || strlen(chip) > RELAY_TEXT_MAX)
    return fail(reader, "the chip is %s, expected 1 to %d characters", chip ? "too long" : "missing", RELAY_TEXT_MAX);
  memset(line, 0, sizeof *line);
  strcpy(line->chip, chip);
  for (;;) {
    // A name may have spaces: it takes the rest.
    char *start = reader->rest + strspn(reader->rest, " \t");
    const char *name = after(start, "name=");
    if (name) {
      if (has_line || *name == 0 || strlen(name) > RELAY_TEXT_MAX)
        return fail(reader, "name is empty, too long (more than %d) or beside an offset", RELAY_TEXT_MAX);
      strcpy(line->name, name);
      reader->rest += strlen(reader->rest);
      has_line = 1;
      continue;
    }
    char *next = word(reader);
    const char *value;
    int offset = 0;
    if (!next) break;
    if ((value = after(next, "offset="))) {
      if (number(reader, "offset", value, 0, 65535, &offset) != 0) return -1;
      line->offset = (unsigned)offset;
      has_line = 1;
    } else if ((value = after(next, "active="))) {
      if (choice(reader, "active", value, levels, &line->active_low) != 0) return -1;
    } else if ((value = after(next, "bias="))) {
      if (choice(reader, "bias", value, biases, &line->bias) != 0) return -1;
    } else if (!contact && (value = after(next, "drive="))) {
      if (choice(reader, "drive", value, drives, &line->drive) != 0) return -1;
    } else if (contact && (value = after(next, "contact="))) {
      if (choice(reader, "contact", value, contacts, contact) != 0) return -1;
    } else {
      return fail(reader, "unknown word %.40s, expected active=, bias=, %s, offset= or name=", next,
                  contact ? "contact=" : "drive=");
    }
  }
  return has_line ? 0 : fail(reader, "the line is missing, expected offset= or name=");
}

static struct relay_channel_config *channel(struct reader *reader, struct relay_config *config, int *evse, int add) {
  if (number(reader, "the EVSE", word(reader), 1, 65535, evse) != 0) return NULL;
  for (int i = 0; i < config->channel_count; i++) {
    if (config->channels[i].evse != *evse) continue;
    if (!add) return &config->channels[i];
    fail(reader, "EVSE %d is there already", *evse);
    return NULL;
  }
  if (!add) fail(reader, "there is no \"evse %d\" before this line", *evse);
  else if (config->channel_count == RELAY_CHANNELS_MAX) fail(reader, "more than %d EVSEs", RELAY_CHANNELS_MAX);
  else return &config->channels[config->channel_count++];
  return NULL;
}

static int evse(struct reader *reader, struct relay_config *config) {
  int id = 0;
  struct relay_channel_config *added = channel(reader, config, &id, 1);
  if (!added) return -1;
  added->evse = (uint16_t)id;
  added->opening_ms = 100;
  added->closing_ms = 200;
  for (char *next; (next = word(reader));) {
    const char *value;
    if ((value = after(next, "opening="))) {
      if (number(reader, "opening", value, RELAY_TRAVEL_MIN_MS, RELAY_TRAVEL_MAX_MS, &added->opening_ms)) return -1;
    } else if ((value = after(next, "closing="))) {
      if (number(reader, "closing", value, RELAY_TRAVEL_MIN_MS, RELAY_TRAVEL_MAX_MS, &added->closing_ms)) return -1;
    } else {
      return fail(reader, "unknown word %.40s, expected opening= or closing=", next);
    }
  }
  return 0;
}

static int directive(struct reader *reader, struct relay_config *config) {
  int id = 0;
  const char *name = word(reader);
  if (strcmp(name, "lease") == 0)
    return number(reader, "lease", word(reader), RELAY_LEASE_MIN_MS, RELAY_LEASE_MAX_MS, &config->lease_ms);
  if (strcmp(name, "evse") == 0) return evse(reader, config);
  if (strcmp(name, "heartbeat") == 0) {
    if (config->has_heartbeat) return fail(reader, "there is a heartbeat already");
    config->has_heartbeat = 1;
    if (number(reader, "heartbeat", word(reader), RELAY_HEARTBEAT_MIN_MS, RELAY_HEARTBEAT_MAX_MS,
               &config->heartbeat_ms) != 0)
      return -1;
    return line(reader, &config->heartbeat, NULL);
  }
  if (strcmp(name, "power") == 0) {
    struct relay_channel_config *of = channel(reader, config, &id, 0);
    if (!of) return -1;
    if (of->line_count == RELAY_LINES_MAX) return fail(reader, "more than %d power lines of an EVSE", RELAY_LINES_MAX);
    return line(reader, &of->lines[of->line_count++], NULL);
  }
  if (strcmp(name, "mirror") == 0) {
    struct relay_channel_config *of = channel(reader, config, &id, 0);
    int contact = -1;
    if (!of) return -1;
    if (of->has_mirror) return fail(reader, "EVSE %d has a mirror already", id);
    if (line(reader, &of->mirror, &contact) != 0) return -1;
    if (contact < 0) return fail(reader, "contact= is missing, expected NC or NO");
    of->has_mirror = 1;
    of->mirror_normally_closed = contact;
    return 0;
  }
  return fail(reader, "unknown word %.40s, expected lease, heartbeat, evse, power or mirror", name);
}

int relay_config_parse(const char *text, size_t size, struct relay_config *config, char *error, size_t error_size) {
  struct reader reader = {.rest = NULL, .error = error, .error_size = error_size};
  int at = 0, begun = 0;
  memset(config, 0, sizeof *config);
  config->lease_ms = RELAY_LEASE_DEFAULT_MS;
  if (size > RELAY_CONFIG_BYTES_MAX || memchr(text, 0, size)) {
    fail(&reader, "the configuration has a zero byte or more than %d bytes", RELAY_CONFIG_BYTES_MAX);
    return 1;
  }
  config->checksum = relay_checksum(text, size);
  for (size_t start = 0; start < size;) {
    char copy[512];
    const char *end = memchr(text + start, '\n', size - start);
    size_t length = end ? (size_t)(end - text) - start : size - start;
    at++;
    if (length >= sizeof copy) {
      fail(&reader, "the line has more than %zu bytes", sizeof copy - 1);
      return at;
    }
    memcpy(copy, text + start, length);
    copy[length] = 0;
    start += length + 1;
    size_t blank = strspn(copy, " \t");
    if (copy[blank] == 0 || copy[blank] == '#') continue;
    reader.rest = copy;
    if (!begun) {
      if (strcmp(copy, "relayd 1") != 0) {
        fail(&reader, "expected \"relayd 1\" before everything else");
        return at;
      }
      begun = 1;
      continue;
    }
    if (directive(&reader, config) != 0) return at;
    if (reader.rest[strspn(reader.rest, " \t")] != 0) {
      fail(&reader, "nothing is expected at %.40s", reader.rest);
      return at;
    }
  }
  for (int i = 0; i < config->channel_count; i++) {
    if (config->channels[i].line_count > 0) continue;
    fail(&reader, "EVSE %d has no power line", config->channels[i].evse);
    return at + 1;
  }
  if (config->channel_count == 0) {
    fail(&reader, "there is no EVSE");
    return at + 1;
  }
  return 0;
}

uint64_t relay_checksum(const void *bytes, size_t size) {
  const unsigned char *byte = bytes;
  uint64_t sum = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++) sum = (sum ^ byte[i]) * 0x100000001b3u;
  return sum;
}
