#include "shared.h"

#if CGPIO_V1

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct cgpio_line {
  struct gpiod_chip *chip;
  struct gpiod_line *line;
  int fd;
};

int cgpio_api(void) { return 1; }
const char *cgpio_version(void) { return gpiod_version_string(); }
int cgpio_debounces(void) { return 0; }

void cgpio_label(struct gpiod_chip *chip, char *label, size_t size) {
  snprintf(label, size, "%s", gpiod_chip_label(chip));
}

unsigned cgpio_line_count(struct gpiod_chip *chip) { return gpiod_chip_num_lines(chip); }

static struct gpiod_line *find(struct gpiod_chip *chip, const char *name, unsigned offset) {
  errno = 0;
  struct gpiod_line *line = name ? gpiod_chip_find_line(chip, name) : gpiod_chip_get_line(chip, offset);
  if (!line && errno == 0) errno = ENOENT;
  return line;
}

int cgpio_find(const char *chip_name, const char *name, unsigned offset, char *error, size_t size) {
  struct gpiod_chip *chip = cgpio_open_chip(chip_name, error, size);
  if (!chip) return -1;
  struct gpiod_line *line = find(chip, name, offset);
  int found = line ? (int)gpiod_line_offset(line) : -1;
  if (!line) cgpio_say(error, size, "there is no", chip_name, name, offset);
  gpiod_chip_close(chip);
  return found;
}

static int flags(const struct cgpio_config *config) {
  int flags = config->active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0;
  switch (config->bias) {
  case CGPIO_BIAS_AS_IS: break;
  case CGPIO_BIAS_PULL_UP: flags |= GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP; break;
  case CGPIO_BIAS_PULL_DOWN: flags |= GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN; break;
  case CGPIO_BIAS_DISABLED: flags |= GPIOD_LINE_REQUEST_FLAG_BIAS_DISABLE; break;
  }
  switch (config->drive) {
  case CGPIO_PUSH_PULL: break;
  case CGPIO_OPEN_DRAIN: flags |= GPIOD_LINE_REQUEST_FLAG_OPEN_DRAIN; break;
  case CGPIO_OPEN_SOURCE: flags |= GPIOD_LINE_REQUEST_FLAG_OPEN_SOURCE; break;
  }
  return flags;
}

static cgpio_line *request(const struct cgpio_config *config, int output, int value, char *error, size_t size) {
  struct gpiod_chip *chip = cgpio_open_chip(config->chip, error, size);
  if (!chip) return NULL;
  cgpio_line *line = calloc(1, sizeof *line);
  struct gpiod_line *found = find(chip, config->name, config->offset);
  if (!line || !found) {
    cgpio_say(error, size, "there is no", config->chip, config->name, config->offset);
    goto fail;
  }
  line->fd = -1;
  int result = output
                   ? gpiod_line_request_output_flags(found, config->consumer, flags(config), value)
                   : gpiod_line_request_both_edges_events_flags(found, config->consumer, flags(config));
  if (result != 0) {
    cgpio_say(error, size, output ? "cannot take output" : "cannot take input", config->chip, config->name,
              config->offset);
    goto fail;
  }
  line->chip = chip;
  line->line = found;
  if (!output) {
    line->fd = gpiod_line_event_get_fd(found);
    if (line->fd < 0 || cgpio_nonblocking(line->fd) != 0) {
      cgpio_say(error, size, "cannot watch", config->chip, config->name, config->offset);
      goto fail;
    }
  }
  return line;

fail:;
  int code = errno;
  gpiod_chip_close(chip);
  free(line);
  errno = code;
  return NULL;
}

cgpio_line *cgpio_request_output(const struct cgpio_config *config, int value, char *error, size_t size) {
  return request(config, 1, value, error, size);
}

cgpio_line *cgpio_request_input(const struct cgpio_config *config, char *error, size_t size) {
  return request(config, 0, 0, error, size);
}

void cgpio_release(cgpio_line *line) {
  if (!line) return;
  // Releases its lines.
  gpiod_chip_close(line->chip);
  free(line);
}

int cgpio_get(cgpio_line *line) { return gpiod_line_get_value(line->line); }
int cgpio_set(cgpio_line *line, int value) { return gpiod_line_set_value(line->line, value); }
int cgpio_fd(const cgpio_line *line) { return line->fd; }

int cgpio_next_edge(cgpio_line *line, struct cgpio_edge *edge) {
  struct gpiod_line_event event;
  if (gpiod_line_event_read(line->line, &event) != 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  edge->active = event.event_type == GPIOD_LINE_EVENT_RISING_EDGE;
  edge->time = cgpio_edge_time((int64_t)event.ts.tv_sec * 1000000000 + event.ts.tv_nsec);
  return 1;
}

#endif
