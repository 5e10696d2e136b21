#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum { CHIPS_TRIED = 64 };

static struct gpiod_chip *open_path(const char *path) { return gpiod_chip_open(path); }

struct gpiod_chip *cgpio_open_chip(const char *name, char *error, size_t size) {
  char path[300];
  struct gpiod_chip *chip;
  if (name[0] == '/' || strncmp(name, "gpiochip", 8) == 0) {
    snprintf(path, sizeof path, name[0] == '/' ? "%s" : "/dev/%s", name);
    chip = open_path(path);
    if (!chip) {
      int code = errno;
      snprintf(error, size, "chip %s: %s", name, strerror(code));
      errno = code;
    }
    return chip;
  }
  for (int number = 0; number < CHIPS_TRIED; number++) {
    char label[64];
    snprintf(path, sizeof path, "/dev/gpiochip%d", number);
    chip = open_path(path);
    if (!chip) continue;
    cgpio_label(chip, label, sizeof label);
    if (strcmp(label, name) == 0) return chip;
    gpiod_chip_close(chip);
  }
  snprintf(error, size, "chip %s: no GPIO chip has this label", name);
  errno = ENODEV;
  return NULL;
}

int64_t cgpio_edge_time(int64_t stamp) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t read = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
  return stamp <= read && read - stamp < 10000000000LL ? stamp : read;
}

void cgpio_say(char *error, size_t size, const char *what, const char *chip, const char *name, unsigned offset) {
  int code = errno;
  if (name) snprintf(error, size, "%s line %s of chip %s: %s", what, name, chip, strerror(code));
  else snprintf(error, size, "%s line %u of chip %s: %s", what, offset, chip, strerror(code));
  errno = code;
}

int cgpio_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int cgpio_chip(const char *name, char *label, size_t label_size, unsigned *lines, char *error, size_t size) {
  struct gpiod_chip *chip = cgpio_open_chip(name, error, size);
  if (!chip) return -1;
  cgpio_label(chip, label, label_size);
  *lines = cgpio_line_count(chip);
  gpiod_chip_close(chip);
  return 0;
}

int cgpio_wake_descriptor(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
