#include "relay_client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

enum { VARIABLES_MAX = 500, CHILD_SOCKET = 3, CHILD_CONFIG = 4, ABOVE = 10 };

// A descriptor of the configuration at its beginning, above those of the child; -1 with errno.
static int config_file(const void *config, size_t size) {
  int fd = memfd_create("relayd.conf", MFD_CLOEXEC);
  if (fd < 0) return -1;
  if (write(fd, config, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0) {
    close(fd);
    errno = EIO;
    return -1;
  }
  int above = fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
  close(fd);
  return above;
}

static int spawn(const char *program, int socket, int config, pid_t *process) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  char *variables[VARIABLES_MAX + 1];
  int count = 0;
  for (char **one = environ; *one && count < VARIABLES_MAX; one++) {
    if (strncmp(*one, "NOTIFY_SOCKET=", 14) == 0 || strncmp(*one, "WATCHDOG_", 9) == 0) continue;
    variables[count++] = *one;
  }
  variables[count] = NULL;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket, CHILD_SOCKET);
  posix_spawn_file_actions_adddup2(&actions, config, CHILD_CONFIG);
  // Not everything that the station has open closes by itself: a connection that relayd held would look alive to its peer.
  posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_CONFIG + 1);
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  char *const arguments[] = {(char *)program, "--config", "fd:4", "--fd", "3", NULL};
  int code = posix_spawn(process, program, &actions, &attributes, arguments, variables);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

int relay_spawn(const char *program, const void *config, size_t size, int *ours, pid_t *process) {
  int ends[2] = {-1, -1}, theirs = -1, file = config_file(config, size);
  int code = 0;
  if (file < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0 ||
      (theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, ABOVE)) < 0)
    code = errno;
  else
    code = spawn(program, theirs, file, process);
  if (file >= 0) close(file);
  if (theirs >= 0) close(theirs);
  if (ends[1] >= 0) close(ends[1]);
  if (code == 0) *ours = ends[0];
  else if (ends[0] >= 0) close(ends[0]);
  return code;
}

int relay_connect(const char *path, int *ours) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return ENAMETOOLONG;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    int code = errno;
    close(fd);
    return code;
  }
  *ours = fd;
  return 0;
}
