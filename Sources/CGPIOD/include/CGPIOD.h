#ifndef CGPIOD_H
#define CGPIOD_H

#include <stddef.h>
#include <stdint.h>

// GPIO lines through libgpiod, of which Debian 12 has the API of version 1 and Debian 13 that of version 2: which one is
// there decides the header at compile time, and nothing above this file can tell the difference, but for the debounce.
//
// Values are logical: 1 is active, which is the low level with `active_low`. No function below `cgpio_request` allocates.

enum cgpio_bias { CGPIO_BIAS_AS_IS, CGPIO_BIAS_PULL_UP, CGPIO_BIAS_PULL_DOWN, CGPIO_BIAS_DISABLED };
enum cgpio_drive { CGPIO_PUSH_PULL, CGPIO_OPEN_DRAIN, CGPIO_OPEN_SOURCE };

struct cgpio_config {
  // "gpiochip0", an absolute path, or the label of a chip (the first one that has it).
  const char *chip;
  // The line's name, or NULL: then `offset` counts.
  const char *name;
  unsigned offset;
  int active_low;
  enum cgpio_bias bias;
  enum cgpio_drive drive;
  // Of an input, in the kernel; with API 1 it has no effect (see cgpio_debounces).
  unsigned debounce_us;
  // What gpioinfo shows as the user of the line.
  const char *consumer;
};

struct cgpio_edge {
  // The value after the edge.
  int active;
  // CLOCK_MONOTONIC in nanoseconds, by the kernel; the time of reading where the kernel's stamp is of another clock
  // (before 5.7).
  int64_t time;
};

typedef struct cgpio_line cgpio_line;

// 1 or 2, and the library's version as text.
int cgpio_api(void);
const char *cgpio_version(void);
// Whether `debounce_us` has an effect.
int cgpio_debounces(void);

// An output that has `value` from the request on: there is no moment at which it is driven otherwise. NULL on failure,
// with errno and a text of what could not be done to what.
cgpio_line *cgpio_request_output(const struct cgpio_config *config, int value, char *error, size_t size);
// An input that reports both edges.
cgpio_line *cgpio_request_input(const struct cgpio_config *config, char *error, size_t size);
void cgpio_release(cgpio_line *line);

// 0, 1, or -1 with errno.
int cgpio_get(cgpio_line *line);
// 0, or -1 with errno. Safe in a signal handler.
int cgpio_set(cgpio_line *line, int value);
// Readable while edges wait.
int cgpio_fd(const cgpio_line *line);
// The next edge: 1; 0 when none waits; -1 with errno. Never blocks.
int cgpio_next_edge(cgpio_line *line, struct cgpio_edge *edge);

// The label of a chip ("pinctrl-bcm2711"), and how many lines it has. 0, or -1 with errno and a text.
int cgpio_chip(const char *chip, char *label, size_t label_size, unsigned *lines, char *error, size_t size);
// Whether the line is there, without taking it: its offset, or -1 with errno and a text.
int cgpio_find(const char *chip, const char *name, unsigned offset, char *error, size_t size);

// A descriptor that becomes readable when 8 bytes, a number, are written to it (eventfd), or -1.
int cgpio_wake_descriptor(void);

#endif
