#include "include/CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 4, FIRST_FILE = 3, ABOVE = 16 };

// A file of the memory with `bytes`, at its beginning, above the descriptors of the child; -1 with errno.
static int memory_file(const void *bytes, size_t size) {
  int fd = memfd_create("input", MFD_CLOEXEC);
  if (fd < 0) return -1;
  size_t written = 0;
  while (written < size) {
    ssize_t count = write(fd, (const char *)bytes + written, size - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      close(fd);
      return -1;
    }
    written += (size_t)count;
  }
  int above = lseek(fd, 0, SEEK_SET) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, ABOVE) : -1;
  close(fd);
  return above;
}

static int spawn(
  const char *program, char *const arguments[], char *const variables[], int input, int output, const int *files,
  int count, int errors_too, pid_t *process) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (errors_too) posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  else posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  for (int index = 0; index < count; index++)
    posix_spawn_file_actions_adddup2(&actions, files[index], FIRST_FILE + index);
  posix_spawn_file_actions_addclosefrom_np(&actions, FIRST_FILE + count);
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  int code = posix_spawn(process, program, &actions, &attributes, arguments, variables);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

int process_start(
  const char *program, char *const arguments[], char *const variables[], const void *input, size_t input_size,
  const int *files, int count, int errors_too, pid_t *process, int *output) {
  if (count < 0 || count > FILES_MAX) return EINVAL;
  int ends[2] = {-1, -1}, theirs = -1, moved[FILES_MAX], kept = 0, code = 0;
  int memory = memory_file(input, input_size);
  if (memory < 0 || pipe2(ends, O_CLOEXEC) != 0 || (theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, ABOVE)) < 0) code = errno;
  // Above all that the child gets, so that none is overwritten before it is in its place.
  while (code == 0 && kept < count) {
    moved[kept] = fcntl(files[kept], F_DUPFD_CLOEXEC, ABOVE);
    if (moved[kept] < 0) code = errno;
    else kept++;
  }
  if (code == 0) code = spawn(program, arguments, variables, memory, theirs, moved, count, errors_too, process);
  while (kept > 0) close(moved[--kept]);
  if (memory >= 0) close(memory);
  if (theirs >= 0) close(theirs);
  if (ends[1] >= 0) close(ends[1]);
  if (code == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0) *output = ends[0];
  else if (ends[0] >= 0) close(ends[0]);
  return code;
}

int process_ended(pid_t process, int *exit_code) {
  int status = 0;
  pid_t result = waitpid(process, &status, WNOHANG);
  if (result == 0 || (result < 0 && errno == EINTR)) return 0;
  *exit_code = result < 0 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return 1;
}
