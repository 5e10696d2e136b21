#include <CGPIOD.h>
#include <relay_loop.h>

// relayd on real lines: what `relay_main` does with them is in CRelay.

static struct cgpio_config resolve(const struct relay_line *line) {
  return (struct cgpio_config){
      .chip = line->chip,
      .name = line->name[0] ? line->name : NULL,
      .offset = line->offset,
      .active_low = line->active_low,
      .bias = (enum cgpio_bias)line->bias,
      .drive = (enum cgpio_drive)line->drive,
      .consumer = "station-relayd",
  };
}

static void *request_output(const struct relay_line *line, char *error, size_t size) {
  struct cgpio_config config = resolve(line);
  return cgpio_request_output(&config, 0, error, size);
}

static void *request_input(const struct relay_line *line, char *error, size_t size) {
  struct cgpio_config config = resolve(line);
  return cgpio_request_input(&config, error, size);
}

static void release(void *line) { cgpio_release(line); }
static int set(void *line, int active) { return cgpio_set(line, active); }
static int get(void *line) { return cgpio_get(line); }
static int descriptor(void *line) { return cgpio_fd(line); }

static int next_edge(void *line, int *active, int64_t *time) {
  struct cgpio_edge edge = {0};
  int result = cgpio_next_edge(line, &edge);
  *active = edge.active;
  *time = edge.time;
  return result;
}

static int label(const char *chip, char *text, size_t size) {
  unsigned lines = 0;
  char error[400];
  return cgpio_chip(chip, text, size, &lines, error, sizeof error);
}

static int find(const struct relay_line *line, char *error, size_t size) {
  return cgpio_find(line->chip, line->name[0] ? line->name : NULL, line->offset, error, size) < 0 ? -1 : 0;
}

int main(int argc, char **argv) {
  static const struct relay_line_ops ops = {
      .request_output = request_output,
      .request_input = request_input,
      .release = release,
      .set = set,
      .get = get,
      .fd = descriptor,
      .next_edge = next_edge,
      .label = label,
      .find = find,
  };
  return relay_main(argc, argv, &ops);
}
