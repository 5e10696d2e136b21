#include <relay_loop.h>

#include <time.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

// relayd on lines that are bytes of a file, which is the chip: what is written stays there when the process is gone, as it does
// with chips that keep their outputs. The test watches the same bytes. Layout, SLOTS times:
//
//   0..47  name, ends with a zero     48  level of an output, or of an input that does not follow
//   49     1: the input follows a slot 50  which        51  1: inverted        52  1: cannot be had

enum { SLOTS = 32, SIZE = 64, LEVEL = 48, FOLLOWS = 49, WHICH = 50, INVERTED = 51, REFUSED = 52 };

struct fake {
  volatile unsigned char *table;
  volatile unsigned char *slot;
  int fd;
  int last;
};

// The chip's name is the file; each stays mapped until the end.
static volatile unsigned char *table_of(const char *chip) {
  static char known[100];
  static volatile unsigned char *table;
  if (table && strcmp(known, chip) == 0) return table;
  int file = open(chip, O_RDWR | O_CLOEXEC);
  void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, SLOTS * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  if (mapped == MAP_FAILED) return NULL;
  table = mapped;
  snprintf(known, sizeof known, "%s", chip);
  return table;
}

static volatile unsigned char *slot_of(const struct relay_line *line) {
  volatile unsigned char *table = table_of(line->chip);
  for (int i = 0; table && i < SLOTS; i++) {
    volatile unsigned char *slot = table + i * SIZE;
    if (slot[0] && strcmp((const char *)slot, line->name) == 0) return slot;
  }
  return NULL;
}

static int level(const struct fake *fake) {
  volatile unsigned char *slot = fake->slot;
  if (!slot[FOLLOWS]) return slot[LEVEL];
  return (fake->table + slot[WHICH] * SIZE)[LEVEL] ^ slot[INVERTED];
}

static struct fake *request(const struct relay_line *line, char *error, size_t size) {
  volatile unsigned char *slot = slot_of(line);
  if (!slot || slot[REFUSED]) {
    snprintf(error, size, "cannot take line %s", line->name);
    return NULL;
  }
  struct fake *fake = calloc(1, sizeof *fake);
  if (!fake) return NULL;
  fake->table = table_of(line->chip);
  fake->slot = slot;
  fake->fd = -1;
  return fake;
}

static void *request_output(const struct relay_line *line, char *error, size_t size) {
  struct fake *fake = request(line, error, size);
  if (fake) fake->slot[LEVEL] = 0;
  return fake;
}

static void *request_input(const struct relay_line *line, char *error, size_t size) {
  struct fake *fake = request(line, error, size);
  if (!fake) return NULL;
  // There is no interrupt: looked at every millisecond.
  struct itimerspec every = {.it_interval = {.tv_nsec = 1000000}, .it_value = {.tv_nsec = 1000000}};
  fake->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  timerfd_settime(fake->fd, 0, &every, NULL);
  fake->last = level(fake);
  return fake;
}

static void release(void *line) {
  struct fake *fake = line;
  if (fake->fd >= 0) close(fake->fd);
  free(fake);
}

static int set(void *line, int active) {
  ((struct fake *)line)->slot[LEVEL] = (unsigned char)active;
  return 0;
}

static int get(void *line) { return ((struct fake *)line)->slot[REFUSED] ? -1 : level(line); }
static int descriptor(void *line) { return ((struct fake *)line)->fd; }

static int next_edge(void *line, int *active, int64_t *time) {
  struct fake *fake = line;
  uint64_t ticks;
  (void)!read(fake->fd, &ticks, sizeof ticks);
  int now = level(fake);
  if (now == fake->last) return 0;
  struct timespec stamp;
  clock_gettime(CLOCK_MONOTONIC, &stamp);
  *active = fake->last = now;
  *time = (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
  return 1;
}

static int label(const char *chip, char *text, size_t size) {
  snprintf(text, size, "%s", chip);
  return 0;
}

static int find(const struct relay_line *line, char *error, size_t size) {
  if (slot_of(line)) return 0;
  snprintf(error, size, "there is no line %s", line->name);
  return -1;
}

int main(int argc, char **argv) {
  static const struct relay_line_ops ops = {
      request_output, request_input, release, set, get, descriptor, next_edge, label, find,
  };
  return relay_main(argc, argv, &ops);
}
