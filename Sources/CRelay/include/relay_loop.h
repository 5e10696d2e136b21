#ifndef RELAY_LOOP_H
#define RELAY_LOOP_H

#include "relay_config.h"

#include <stddef.h>
#include <stdint.h>

// GPIO lines as the loop sees them. `station-relayd` passes those of CGPIOD, the tests their own.
struct relay_line_ops {
  // An output that is off from the request on, or an input with both edges. NULL with a text of why not.
  void *(*request_output)(const struct relay_line *line, char *error, size_t size);
  void *(*request_input)(const struct relay_line *line, char *error, size_t size);
  void (*release)(void *line);
  // The rest neither allocates nor blocks. `set` is safe in a signal handler.
  int (*set)(void *line, int active);
  // 0, 1, or -1.
  int (*get)(void *line);
  int (*fd)(void *line);
  // 1: an edge, with its value and time (CLOCK_MONOTONIC, ns); 0: none; -1: failed.
  int (*next_edge)(void *line, int *active, int64_t *time);
  // The chip's label; 0 or -1.
  int (*label)(const char *chip, char *label, size_t size);
  // Whether a line is there, without taking it; 0 or -1.
  int (*find)(const struct relay_line *line, char *error, size_t size);
};

enum relay_exit {
  // The client is gone, or a signal asked for the end: every power line is off.
  RELAY_EXIT_OK = 0,
  // Something that must not happen did. The lines were set off.
  RELAY_EXIT_FAILURE = 1,
  RELAY_EXIT_USAGE = 2,
  RELAY_EXIT_CONFIGURATION = 3,
  // --all-off, --check: a line cannot be had.
  RELAY_EXIT_LINES = 4,
  RELAY_EXIT_SOCKET = 5,
};

// All of the program: arguments to exit code. See `--help`.
int relay_main(int argc, char **argv, const struct relay_line_ops *ops);

#endif
