#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char help[] =
    "station-relayd holds the power lines of a charging station on a lease: without renewal everything goes off.\n"
    "\n"
    "  station-relayd --config FILE --fd N          serve the client at the other end of the socket N, until it is gone\n"
    "  station-relayd --config FILE --socket PATH   serve one client after the other\n"
    "  station-relayd --config FILE --check         say whether the configuration is right and the lines are there\n"
    "  station-relayd --all-off FILE                take every power line as an output that is off, and let it go\n"
    "  station-relayd --help\n"
    "\n"
    "FILE may be fd:N, a descriptor that is open. Its form:\n"
    "\n"
    "  relayd 1\n"
    "  lease 350\n"
    "  heartbeat 50 gpiochip0 active=high drive=push-pull name=HEARTBEAT\n"
    "  evse 1 opening=100 closing=200\n"
    "  power 1 gpiochip0 active=high drive=push-pull name=RELAY1\n"
    "  mirror 1 gpiochip0 contact=NC active=high bias=pull-up offset=17\n"
    "\n"
    "Times are milliseconds. `station` writes it from the device model.\n"
    "\n"
    "Exit codes: 0 done, all lines off; 1 failure; 2 arguments; 3 configuration; 4 a line cannot be had; 5 socket.\n";

void relay_print(const char *format, ...) {
  char text[600];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text - 1, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  if ((size_t)length > sizeof text - 2) length = sizeof text - 2;
  text[length] = '\n';
  static const char prefix[] = "station-relayd: ";
  // One call a line, and no buffer of stdio's that allocates.
  char line[sizeof prefix + sizeof text];
  memcpy(line, prefix, sizeof prefix - 1);
  memcpy(line + sizeof prefix - 1, text, (size_t)length + 1);
  (void)!write(STDERR_FILENO, line, sizeof prefix - 1 + (size_t)length + 1);
}

static int usage(const char *what) {
  relay_print("%s; see --help", what);
  return RELAY_EXIT_USAGE;
}

static int descriptor(const char *text) {
  char *end = NULL;
  long value = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
  return end && *end == 0 && value <= 65535 ? (int)value : -1;
}

static int read_config(const char *path, struct relay_config *config) {
  static char text[RELAY_CONFIG_BYTES_MAX + 1];
  char error[300];
  size_t size = 0;
  int fd = strncmp(path, "fd:", 3) == 0 ? descriptor(path + 3) : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    relay_print("%s: %s", path, strerror(errno));
    return RELAY_EXIT_CONFIGURATION;
  }
  while (size < sizeof text) {
    ssize_t got = read(fd, text + size, sizeof text - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      relay_print("%s: %s", path, strerror(errno));
      close(fd);
      return RELAY_EXIT_CONFIGURATION;
    }
    if (got == 0) break;
    size += (size_t)got;
  }
  close(fd);
  int line = relay_config_parse(text, size, config, error, sizeof error);
  if (line == 0) return RELAY_EXIT_OK;
  relay_print("%s:%d: %s", path, line, error);
  return RELAY_EXIT_CONFIGURATION;
}

// Chips whose outputs stay driven when their process is gone: nothing but another process then opens the contactor.
static void warn_of_persisting_outputs(const struct relay_config *config, const struct relay_line_ops *ops) {
  const char *last = "";
  for (int i = 0; i < config->channel_count; i++) {
    for (int j = 0; j < config->channels[i].line_count; j++) {
      char label[100] = "";
      const char *chip = config->channels[i].lines[j].chip;
      if (strcmp(chip, last) == 0 || ops->label(chip, label, sizeof label) != 0) continue;
      last = chip;
      if (strncmp(label, "pinctrl-bcm2", 12) != 0 && strncmp(label, "pinctrl-rp1", 11) != 0 &&
          strncmp(label, "raspberrypi", 11) != 0)
        continue;
      relay_print("warning: %s (%s): kernels of Raspberry Pi OS keep outputs driven after the death of their process; "
                  "use --all-off in ExecStopPost= and a heartbeat circuit",
                  chip, label);
    }
  }
}

static int all_off(const struct relay_config *config, const struct relay_line_ops *ops) {
  char error[400];
  int failed = 0;
  for (int i = 0; i < config->channel_count; i++) {
    for (int j = 0; j < config->channels[i].line_count; j++) {
      void *line = ops->request_output(&config->channels[i].lines[j], error, sizeof error);
      if (line) ops->release(line);
      else relay_print("EVSE %d: %s", config->channels[i].evse, error);
      failed |= line == NULL;
    }
  }
  return failed ? RELAY_EXIT_LINES : RELAY_EXIT_OK;
}

static int check(const struct relay_config *config, const struct relay_line_ops *ops) {
  char error[400];
  int failed = 0;
  for (int i = 0; i < config->channel_count; i++) {
    const struct relay_channel_config *channel = &config->channels[i];
    for (int j = 0; j <= channel->line_count; j++) {
      if (j == channel->line_count && !channel->has_mirror) continue;
      if (ops->find(j < channel->line_count ? &channel->lines[j] : &channel->mirror, error, sizeof error) == 0) continue;
      relay_print("EVSE %d: %s", channel->evse, error);
      failed = 1;
    }
    if (!channel->has_mirror)
      relay_print("warning: EVSE %d has no mirror contact: a welded contactor is not noticed", channel->evse);
  }
  if (config->has_heartbeat && ops->find(&config->heartbeat, error, sizeof error) != 0) {
    relay_print("heartbeat: %s", error);
    failed = 1;
  }
  warn_of_persisting_outputs(config, ops);
  return failed ? RELAY_EXIT_LINES : RELAY_EXIT_OK;
}

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    relay_print("%s: the path of a socket has at most %zu bytes", path, sizeof address.sun_path - 1);
    return -1;
  }
  strcpy(address.sun_path, path);
  struct stat found;
  if (lstat(path, &found) == 0) {
    // Only a socket is removed, and only one that nobody serves.
    int probe = S_ISSOCK(found.st_mode) ? socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) : -1;
    int served = probe < 0 || connect(probe, (struct sockaddr *)&address, sizeof address) == 0;
    if (probe >= 0) close(probe);
    if (served) {
      relay_print("%s: is there already, and is no socket or is in use", path);
      return -1;
    }
    unlink(path);
  }
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // The station and root may connect: the group is the station's by the unit.
  mode_t before = umask(0117);
  int bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0;
  umask(before);
  if (bound) return fd;
  relay_print("%s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  return -1;
}

static int run(const struct relay_config *config, const struct relay_line_ops *ops, int client, const char *path) {
  static struct relay_machine machine;
  static struct relay_hands hands;
  char error[400];
  int kind = 0, listener = -1;
  socklen_t size = sizeof kind;
  if (client >= 0 && (getsockopt(client, SOL_SOCKET, SO_TYPE, &kind, &size) != 0 || kind != SOCK_SEQPACKET)) {
    relay_print("descriptor %d is no SOCK_SEQPACKET socket", client);
    return RELAY_EXIT_SOCKET;
  }
  hands.ops = ops;
  hands.config = config;
  relay_machine_init(&machine, config, relay_now());
  // The power lines first: of a relayd that died they may still be on, and the first edge of the heartbeat gives the
  // external circuit its power back.
  for (int i = 0; i < config->channel_count; i++) relay_hands_take(&hands, &machine, i);
  if (config->has_heartbeat) {
    hands.heartbeat = ops->request_output(&config->heartbeat, error, sizeof error);
    // Without it the external circuit keeps everything off, which is safe and of no use.
    if (!hands.heartbeat) {
      relay_print("heartbeat: %s", error);
      return RELAY_EXIT_LINES;
    }
  }
  if (path && (listener = listen_at(path)) < 0) return RELAY_EXIT_SOCKET;
  warn_of_persisting_outputs(config, ops);
  int result = relay_serve(&hands, &machine, client, listener);
  relay_hands_release(&hands);
  if (path) unlink(path);
  return result;
}

int relay_main(int argc, char **argv, const struct relay_line_ops *ops) {
  static struct relay_config config;
  const char *file = NULL, *path = NULL, *off = NULL;
  int client = -1, only_check = 0;
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
      (void)!write(STDOUT_FILENO, help, sizeof help - 1);
      return RELAY_EXIT_OK;
    }
    if (strcmp(name, "--check") == 0) {
      only_check = 1;
      continue;
    }
    const char **value = strcmp(name, "--config") == 0    ? &file
                         : strcmp(name, "--socket") == 0  ? &path
                         : strcmp(name, "--all-off") == 0 ? &off
                                                          : NULL;
    if (!value && strcmp(name, "--fd") != 0) return usage("unknown argument");
    if (++i == argc) return usage("an argument has no value");
    if (value) *value = argv[i];
    else if ((client = descriptor(argv[i])) < 0) return usage("--fd is no descriptor");
  }
  const int modes = (client >= 0) + (path != NULL) + only_check + (off != NULL);
  if (modes != 1 || (off != NULL) == (file != NULL))
    return usage("expected --config with one of --fd, --socket, --check; or --all-off alone");
  int result = read_config(off ? off : file, &config);
  if (result != RELAY_EXIT_OK) return result;
  if (off) return all_off(&config, ops);
  return only_check ? check(&config, ops) : run(&config, ops, client, path);
}
