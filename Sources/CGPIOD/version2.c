#include "shared.h"

#if !CGPIO_V1

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct cgpio_line {
  struct gpiod_line_request *request;
  struct gpiod_edge_event_buffer *events;
  unsigned offset;
  int fd;
};

int cgpio_api(void) { return 2; }
const char *cgpio_version(void) { return gpiod_api_version(); }
int cgpio_debounces(void) { return 1; }

void cgpio_label(struct gpiod_chip *chip, char *label, size_t size) {
  struct gpiod_chip_info *info = gpiod_chip_get_info(chip);
  snprintf(label, size, "%s", info ? gpiod_chip_info_get_label(info) : "");
  if (info) gpiod_chip_info_free(info);
}

unsigned cgpio_line_count(struct gpiod_chip *chip) {
  struct gpiod_chip_info *info = gpiod_chip_get_info(chip);
  unsigned count = info ? (unsigned)gpiod_chip_info_get_num_lines(info) : 0;
  if (info) gpiod_chip_info_free(info);
  return count;
}

static int find(struct gpiod_chip *chip, const char *name, unsigned offset) {
  if (name) return gpiod_chip_get_line_offset_from_name(chip, name);
  struct gpiod_line_info *info = gpiod_chip_get_line_info(chip, offset);
  if (!info) return -1;
  gpiod_line_info_free(info);
  return (int)offset;
}

int cgpio_find(const char *chip_name, const char *name, unsigned offset, char *error, size_t size) {
  struct gpiod_chip *chip = cgpio_open_chip(chip_name, error, size);
  if (!chip) return -1;
  int found = find(chip, name, offset);
  if (found < 0) cgpio_say(error, size, "there is no", chip_name, name, offset);
  gpiod_chip_close(chip);
  return found;
}

// 0, or -1: a value that the library does not take.
static int apply(const struct cgpio_config *config, struct gpiod_line_settings *settings, int output, int value) {
  int failed = gpiod_line_settings_set_direction(
      settings, output ? GPIOD_LINE_DIRECTION_OUTPUT : GPIOD_LINE_DIRECTION_INPUT);
  gpiod_line_settings_set_active_low(settings, config->active_low != 0);
  if (output) {
    failed |= gpiod_line_settings_set_output_value(settings, value ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
  } else {
    failed |= gpiod_line_settings_set_edge_detection(settings, GPIOD_LINE_EDGE_BOTH);
    failed |= gpiod_line_settings_set_event_clock(settings, GPIOD_LINE_CLOCK_MONOTONIC);
    gpiod_line_settings_set_debounce_period_us(settings, config->debounce_us);
  }
  switch (config->bias) {
  case CGPIO_BIAS_AS_IS: break;
  case CGPIO_BIAS_PULL_UP: failed |= gpiod_line_settings_set_bias(settings, GPIOD_LINE_BIAS_PULL_UP); break;
  case CGPIO_BIAS_PULL_DOWN: failed |= gpiod_line_settings_set_bias(settings, GPIOD_LINE_BIAS_PULL_DOWN); break;
  case CGPIO_BIAS_DISABLED: failed |= gpiod_line_settings_set_bias(settings, GPIOD_LINE_BIAS_DISABLED); break;
  }
  switch (config->drive) {
  case CGPIO_PUSH_PULL: break;
  case CGPIO_OPEN_DRAIN: failed |= gpiod_line_settings_set_drive(settings, GPIOD_LINE_DRIVE_OPEN_DRAIN); break;
  case CGPIO_OPEN_SOURCE: failed |= gpiod_line_settings_set_drive(settings, GPIOD_LINE_DRIVE_OPEN_SOURCE); break;
  }
  return failed ? -1 : 0;
}

static cgpio_line *request(const struct cgpio_config *config, int output, int value, char *error, size_t size) {
  struct gpiod_chip *chip = cgpio_open_chip(config->chip, error, size);
  if (!chip) return NULL;
  cgpio_line *line = calloc(1, sizeof *line);
  struct gpiod_line_settings *settings = gpiod_line_settings_new();
  struct gpiod_line_config *lines = gpiod_line_config_new();
  struct gpiod_request_config *options = gpiod_request_config_new();
  if (!line || !settings || !lines || !options) {
    errno = ENOMEM;
    cgpio_say(error, size, "no memory for", config->chip, config->name, config->offset);
    goto done;
  }
  line->fd = -1;
  int offset = find(chip, config->name, config->offset);
  if (offset < 0) {
    cgpio_say(error, size, "there is no", config->chip, config->name, config->offset);
    goto done;
  }
  line->offset = (unsigned)offset;
  gpiod_request_config_set_consumer(options, config->consumer);
  // As many as wait while the machine is busy; the value is read anew after them.
  if (!output) gpiod_request_config_set_event_buffer_size(options, 64);
  if (apply(config, settings, output, value) != 0 ||
      gpiod_line_config_add_line_settings(lines, &line->offset, 1, settings) != 0 ||
      !(line->request = gpiod_chip_request_lines(chip, options, lines))) {
    cgpio_say(error, size, output ? "cannot take output" : "cannot take input", config->chip, config->name,
              config->offset);
    goto done;
  }
  if (!output) {
    line->fd = gpiod_line_request_get_fd(line->request);
    line->events = gpiod_edge_event_buffer_new(1);
    if (!line->events || cgpio_nonblocking(line->fd) != 0) {
      cgpio_say(error, size, "cannot watch", config->chip, config->name, config->offset);
      gpiod_line_request_release(line->request);
      line->request = NULL;
    }
  }

done:;
  int code = errno;
  if (options) gpiod_request_config_free(options);
  if (lines) gpiod_line_config_free(lines);
  if (settings) gpiod_line_settings_free(settings);
  gpiod_chip_close(chip);
  if (line && !line->request) {
    if (line->events) gpiod_edge_event_buffer_free(line->events);
    free(line);
    line = NULL;
  }
  errno = code;
  return line;
}

cgpio_line *cgpio_request_output(const struct cgpio_config *config, int value, char *error, size_t size) {
  return request(config, 1, value, error, size);
}

cgpio_line *cgpio_request_input(const struct cgpio_config *config, char *error, size_t size) {
  return request(config, 0, 0, error, size);
}

void cgpio_release(cgpio_line *line) {
  if (!line) return;
  gpiod_line_request_release(line->request);
  if (line->events) gpiod_edge_event_buffer_free(line->events);
  free(line);
}

int cgpio_get(cgpio_line *line) {
  enum gpiod_line_value value = gpiod_line_request_get_value(line->request, line->offset);
  return value == GPIOD_LINE_VALUE_ERROR ? -1 : value == GPIOD_LINE_VALUE_ACTIVE;
}

int cgpio_set(cgpio_line *line, int value) {
  return gpiod_line_request_set_value(line->request, line->offset,
                                      value ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
}

int cgpio_fd(const cgpio_line *line) { return line->fd; }

int cgpio_next_edge(cgpio_line *line, struct cgpio_edge *edge) {
  int count = gpiod_line_request_read_edge_events(line->request, line->events, 1);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  if (count == 0) return 0;
  struct gpiod_edge_event *event = gpiod_edge_event_buffer_get_event(line->events, 0);
  if (!event) return -1;
  edge->active = gpiod_edge_event_get_event_type(event) == GPIOD_EDGE_EVENT_RISING_EDGE;
  edge->time = cgpio_edge_time((int64_t)gpiod_edge_event_get_timestamp_ns(event));
  return 1;
}

#endif
