#ifndef CGPIOD_SHARED_H
#define CGPIOD_SHARED_H

#include "CGPIOD.h"

#include <gpiod.h>

// Only the header of version 1 has macros.
#ifdef GPIOD_LINE_BULK_MAX_LINES
#define CGPIO_V1 1
#else
#define CGPIO_V1 0
#endif

// Opens a chip by its name, path or label.
struct gpiod_chip *cgpio_open_chip(const char *chip, char *error, size_t size);
// The label of an open chip into a buffer.
void cgpio_label(struct gpiod_chip *chip, char *label, size_t size);
unsigned cgpio_line_count(struct gpiod_chip *chip);
// The time of an edge, or now when its stamp is not of the monotonic clock.
int64_t cgpio_edge_time(int64_t stamp);
void cgpio_say(char *error, size_t size, const char *what, const char *chip, const char *name, unsigned offset);
int cgpio_nonblocking(int fd);

#endif
