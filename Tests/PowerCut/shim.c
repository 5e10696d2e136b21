// Preloaded into stationd: counts what it does to its data directory and sends to the CSMS, and cuts the power at the
// call that it is told. The process ends by SIGKILL; what was not durable is taken back before (disk.c). The variables
// and the state that it shares with the driver: shim.py.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

enum { DESCRIPTORS = 4096, LATE_NS = 5000000 };

enum kind { OTHER, DATA, HARDWARE, DIRECTORY, PARENT, CSMS };
enum when { BEFORE, TORN, AFTER };

struct descriptor {
  enum kind kind;
  struct file *file;
};

// Shared with the driver, which reads it when the process is gone.
struct state {
  uint32_t calls;
  uint32_t cut;
  uint32_t directory_lost;
  struct loss loss;
};

static struct {
  int active;
  char directory[PATH_MAX], parent[PATH_MAX];
  size_t directory_length;
  struct state *state;
  int trace;
  uint32_t at;
  enum when when;
  enum drop drop;
  uint64_t seed;
  uint16_t port;
  long sync_us;
  int64_t clock_ns;
  const char *broken;
} cut;

static struct descriptor descriptors[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int directory_is_new;

// The commit of a station that has been broken so that it sends first.
static struct {
  struct file *file;
  size_t mark;
  int64_t since;
} late;

#define REAL(name) (__typeof__(&name)) dlsym(RTLD_NEXT, #name)

static int64_t now_ns(void) {
  struct timespec time;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static const char *option(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static int ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && is(text + a - b, end);
}

__attribute__((constructor)) static void start(void) {
  char program[PATH_MAX] = "";
  if (readlink("/proc/self/exe", program, sizeof program - 1) < 0 || !ends_with(program, option("POWERCUT_PROGRAM")))
    return;
  snprintf(cut.directory, sizeof cut.directory, "%s", option("POWERCUT_DIR"));
  if (!*cut.directory) return;
  cut.directory_length = strlen(cut.directory);
  snprintf(cut.parent, sizeof cut.parent, "%s", cut.directory);
  *strrchr(cut.parent, '/') = 0;
  cut.at = (uint32_t)atol(option("POWERCUT_AT"));
  const char *when = option("POWERCUT_WHEN"), *drop = option("POWERCUT_DROP");
  cut.when = is(when, "torn") ? TORN : is(when, "after") ? AFTER : BEFORE;
  cut.drop = is(drop, "all") ? DROP_ALL : is(drop, "some") ? DROP_SOME : DROP_NONE;
  cut.seed = strtoull(option("POWERCUT_SEED"), NULL, 10);
  cut.port = (uint16_t)atoi(option("POWERCUT_PORT"));
  cut.sync_us = atol(option("POWERCUT_SYNC_US"));
  cut.clock_ns = atoll(option("POWERCUT_CLOCK_MS")) * 1000000;
  cut.broken = option("POWERCUT_BREAK");
  disk_open(cut.directory, option("POWERCUT_GRAVES"));
  int file = open(option("POWERCUT_STATE"), O_RDWR | O_CLOEXEC);
  cut.state = mmap(NULL, sizeof *cut.state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  cut.trace = open(option("POWERCUT_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0 || cut.state == MAP_FAILED || cut.trace < 0) {
    perror("powercut");
    abort();
  }
  close(file);
  // Nobody is left behind by a driver that dies.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  cut.active = 1;
}

// The cut

static void trace(const char *text) { syscall(SYS_write, cut.trace, text, strlen(text)); }

static void settle_late(int after_send) {
  if (!late.file || (!after_send && now_ns() - late.since < LATE_NS)) return;
  disk_synced(late.file, late.mark);
  late.file = NULL;
}

__attribute__((noreturn)) static void cut_power(void) {
  char line[200];
  settle_late(0);
  if (late.file && cut.drop == DROP_NONE) disk_take_back(late.file);
  struct loss loss = disk_drop(cut.drop, cut.seed);
  cut.state->directory_lost =
      directory_is_new && (cut.drop == DROP_ALL || (cut.drop == DROP_SOME && loss.lost_names == loss.names));
  cut.state->loss = loss;
  cut.state->cut = 1;
  snprintf(line, sizeof line, "# power cut: %u of %u unsynced writes and %u of %u names lost%s\n", loss.lost_writes,
           loss.writes, loss.lost_names, loss.names, cut.state->directory_lost ? ", and the directory" : "");
  trace(line);
  for (;;) syscall(SYS_kill, getpid(), SIGKILL);
}

// Counts a call; true when it is the one to be cut. Cuts at once when that is to be before it.
static int counted(const char *what, const char *name, size_t size) {
  char line[200];
  uint32_t number = ++cut.state->calls;
  snprintf(line, sizeof line, "%u %s %s %zu\n", number, what, name, size);
  trace(line);
  if (number != cut.at) return 0;
  if (cut.when == BEFORE) cut_power();
  return 1;
}

static void finish(int chosen) {
  if (chosen) cut_power();
}

// Names

static enum kind kind_of_name(const char *name) {
  if (ends_with(name, "-shm")) return OTHER;
  return strncmp(name, "simulation.json", 15) == 0 ? HARDWARE : DATA;
}

// The name of a path directly in the data directory, else NULL.
static const char *name_in_directory(const char *path) {
  if (!cut.active || !path || strncmp(path, cut.directory, cut.directory_length) != 0) return NULL;
  const char *rest = path + cut.directory_length;
  if (*rest != '/' || strchr(rest + 1, '/') || !rest[1] || is(rest, "/.") || is(rest, "/..")) return NULL;
  return strlen(rest + 1) < NAME ? rest + 1 : NULL;
}

static enum kind kind_of_directory(const char *path) {
  if (!cut.active || strncmp(path, cut.parent, strlen(cut.parent)) != 0) return OTHER;
  if (is(path, cut.directory)) return DIRECTORY;
  if (is(path, cut.parent)) return PARENT;
  const char *rest = path + cut.directory_length;
  return strncmp(path, cut.directory, cut.directory_length) == 0 && is(rest, "/..") ? PARENT : OTHER;
}

static struct descriptor *described(int number) {
  return cut.active && number >= 0 && number < DESCRIPTORS ? &descriptors[number] : NULL;
}

static int opened(int number, const char *path, const char *name, enum kind kind) {
  if (number < 0 || number >= DESCRIPTORS) return number;
  struct descriptor *one = &descriptors[number];
  *one = (struct descriptor){.kind = kind};
  if (kind == DATA && !(one->file = disk_file(number, path, name))) one->kind = OTHER;
  return number;
}

static int open_any(const char *path, int flags, mode_t mode) {
  static int (*real)(const char *, int, ...);
  if (!real) real = REAL(open64);
  if (!cut.active) return real(path, flags, mode);
  const char *name = name_in_directory(path);
  enum kind kind = name ? kind_of_name(name) : kind_of_directory(path);
  if (kind == OTHER) return real(path, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat status;
  int exists = lstat(path, &status) == 0;
  int number;
  if (!name || ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT))) {
    number = real(path, flags, mode);
    // Reading a file that nobody has written needs no record; flushing a directory does.
    if (!name && number >= 0) opened(number, path, "", kind);
  } else {
    int creates = (flags & O_CREAT) && !exists, truncates = (flags & O_TRUNC) && exists && status.st_size > 0;
    int chosen = creates ? counted("create", name, 0) : 0;
    number = real(path, kind == DATA ? flags & ~O_TRUNC : flags, mode);
    if (number >= 0) {
      if (creates && kind == DATA) disk_created(name);
      opened(number, path, name, kind);
      if (truncates) {
        chosen |= counted("truncate", name, 0);
        if (kind == DATA) disk_truncate(descriptors[number].file, number, 0);
      }
    }
    finish(chosen);
  }
  pthread_mutex_unlock(&lock);
  return number;
}

#define MODE(flags)                   \
  mode_t mode = 0;                    \
  if (flags & O_CREAT) {              \
    va_list list;                     \
    va_start(list, flags);            \
    mode = va_arg(list, mode_t);      \
    va_end(list);                     \
  }

int open(const char *path, int flags, ...) {
  MODE(flags)
  return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  MODE(flags)
  return open_any(path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
  MODE(flags)
  if (directory == AT_FDCWD || path[0] == '/') return open_any(path, flags, mode);
  return (REAL(openat))(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
  MODE(flags)
  if (directory == AT_FDCWD || path[0] == '/') return open_any(path, flags, mode);
  return (REAL(openat64))(directory, path, flags, mode);
}

int close(int number) {
  static int (*real)(int);
  if (!real) real = REAL(close);
  struct descriptor *one = described(number);
  if (one) *one = (struct descriptor){0};
  return real(number);
}

int mkdir(const char *path, mode_t mode) {
  int (*real)(const char *, mode_t) = REAL(mkdir);
  if (!cut.active || !is(path, cut.directory) || access(path, F_OK) == 0) return real(path, mode);
  pthread_mutex_lock(&lock);
  int chosen = counted("mkdir", ".", 0), result = real(path, mode);
  directory_is_new = result == 0;
  finish(chosen);
  pthread_mutex_unlock(&lock);
  return result;
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = REAL(rename);
  const char *old = name_in_directory(from), *new = name_in_directory(to);
  if (!old || !new) return real(from, to);
  pthread_mutex_lock(&lock);
  int chosen = counted("rename", new, 0);
  int result = kind_of_name(new) == DATA ? disk_rename(old, new) : real(from, to);
  int error = errno;
  finish(chosen);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

int unlink(const char *path) {
  int (*real)(const char *) = REAL(unlink);
  const char *name = name_in_directory(path);
  if (!name || kind_of_name(name) == OTHER || access(path, F_OK) != 0) return real(path);
  pthread_mutex_lock(&lock);
  int chosen = counted("unlink", name, 0);
  int result = kind_of_name(name) == DATA ? disk_unlink(name) : real(path);
  int error = errno;
  finish(chosen);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

// Writes and sends

static ssize_t write_data(struct descriptor *one, int number, const void *bytes, size_t count, off_t offset, int moves) {
  pthread_mutex_lock(&lock);
  int chosen = counted("write", one->file ? disk_name(one->file) : "simulation.json.new", count);
  if (chosen && cut.when == TORN) count = count >= 1024 ? count / 1024 * 512 : count / 2;
  ssize_t written = one->kind == DATA ? disk_write(one->file, number, bytes, count, offset)
                                      : syscall(SYS_pwrite64, number, bytes, count, offset);
  finish(chosen);
  if (moves && written > 0) lseek(number, offset + written, SEEK_SET);
  pthread_mutex_unlock(&lock);
  return written;
}

static int is_file(const struct descriptor *one) { return one && (one->kind == DATA || one->kind == HARDWARE); }

static ssize_t write_at_end(struct descriptor *one, int number, const void *bytes, size_t count) {
  int appends = fcntl(number, F_GETFL) & O_APPEND;
  return write_data(one, number, bytes, count, lseek(number, 0, appends ? SEEK_END : SEEK_CUR), 1);
}

// Sends as one text what a call gives in pieces; `half`: the cut is in the middle of it.
static ssize_t send_pieces(int number, const struct iovec *pieces, int count) {
  size_t size = 0;
  for (int i = 0; i < count; i++) size += pieces[i].iov_len;
  pthread_mutex_lock(&lock);
  int chosen = counted("send", "csms", size);
  ssize_t sent;
  if (chosen && cut.when == TORN) {
    size_t left = size / 2;
    for (int i = 0; i < count && left > 0; i++) {
      size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;
      syscall(SYS_sendto, number, pieces[i].iov_base, part, MSG_NOSIGNAL, NULL, 0);
      left -= part;
    }
    sent = -1;
  } else {
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
    sent = syscall(SYS_sendmsg, number, &message, MSG_NOSIGNAL);
  }
  int error = errno;
  finish(chosen);
  settle_late(1);
  pthread_mutex_unlock(&lock);
  errno = error;
  return sent;
}

static int is_csms(int number) {
  struct descriptor *one = described(number);
  return one && one->kind == CSMS;
}

ssize_t write(int number, const void *bytes, size_t count) {
  struct descriptor *one = described(number);
  if (is_file(one)) return write_at_end(one, number, bytes, count);
  if (is_csms(number)) return send_pieces(number, &(struct iovec){(void *)bytes, count}, 1);
  return syscall(SYS_write, number, bytes, count);
}

ssize_t writev(int number, const struct iovec *pieces, int count) {
  struct descriptor *one = described(number);
  if (is_csms(number)) return send_pieces(number, pieces, count);
  if (!is_file(one)) return syscall(SYS_writev, number, pieces, count);
  ssize_t written = 0;
  for (int i = 0; i < count; i++) written += write_at_end(one, number, pieces[i].iov_base, pieces[i].iov_len);
  return written;
}

ssize_t pwrite(int number, const void *bytes, size_t count, off_t offset) {
  struct descriptor *one = described(number);
  if (is_file(one)) return write_data(one, number, bytes, count, offset, 0);
  return syscall(SYS_pwrite64, number, bytes, count, offset);
}

ssize_t pwrite64(int number, const void *bytes, size_t count, off64_t offset) {
  return pwrite(number, bytes, count, offset);
}

ssize_t send(int number, const void *bytes, size_t count, int flags) {
  if (is_csms(number)) return send_pieces(number, &(struct iovec){(void *)bytes, count}, 1);
  return syscall(SYS_sendto, number, bytes, count, flags, NULL, 0);
}

ssize_t sendmsg(int number, const struct msghdr *message, int flags) {
  if (is_csms(number)) return send_pieces(number, message->msg_iov, (int)message->msg_iovlen);
  return syscall(SYS_sendmsg, number, message, flags);
}

int connect(int number, const struct sockaddr *address, socklen_t length) {
  struct descriptor *one = described(number);
  if (one && address->sa_family == AF_INET && ((const struct sockaddr_in *)address)->sin_port == htons(cut.port))
    *one = (struct descriptor){.kind = CSMS};
  return (int)syscall(SYS_connect, number, address, length);
}

int ftruncate(int number, off_t size) {
  struct descriptor *one = described(number);
  if (!is_file(one) || one->kind != DATA) return (int)syscall(SYS_ftruncate, number, size);
  pthread_mutex_lock(&lock);
  int chosen = counted("truncate", disk_name(one->file), (size_t)size);
  int result = disk_truncate(one->file, number, size);
  finish(chosen);
  pthread_mutex_unlock(&lock);
  return result;
}

int ftruncate64(int number, off64_t size) { return ftruncate(number, size); }

// Flushes. Nothing is really flushed: what is durable is what the record says. It takes as long as a medium would.

static void wait_for_medium(void) {
  struct timespec time = {cut.sync_us / 1000000, cut.sync_us % 1000000 * 1000};
  if (cut.sync_us > 0) nanosleep(&time, NULL);
}

static void sync_file(struct file *file, size_t mark) {
  const char *name = disk_name(file);
  if (is(cut.broken, "no-log-sync") && ends_with(name, "-wal")) return;
  if (is(cut.broken, "no-database-sync") && is(name, "ledger.sqlite")) return;
  if (is(cut.broken, "send-before-commit") && ends_with(name, "-wal")) {
    settle_late(0);
    late.file = file;
    late.mark = mark;
    late.since = now_ns();
    return;
  }
  disk_synced(file, mark);
}

static int sync_any(int number, long call) {
  struct descriptor *one = described(number);
  enum kind kind = one ? one->kind : OTHER;
  if (kind != DATA && kind != DIRECTORY && kind != PARENT) return kind == HARDWARE ? 0 : (int)syscall(call, number);
  struct file *file = one->file;
  pthread_mutex_lock(&lock);
  int chosen = counted("sync", kind == DATA ? disk_name(file) : kind == DIRECTORY ? "." : "..", 0);
  size_t mark = kind == DATA ? disk_mark(file) : disk_names_mark();
  pthread_mutex_unlock(&lock);
  wait_for_medium();
  pthread_mutex_lock(&lock);
  if (kind == DATA) sync_file(file, mark);
  if (!is(cut.broken, "no-directory-sync")) {
    if (kind == DIRECTORY) disk_names_synced(mark);
    if (kind == PARENT) directory_is_new = 0;
  }
  finish(chosen);
  pthread_mutex_unlock(&lock);
  return 0;
}

int fsync(int number) { return sync_any(number, SYS_fsync); }
int fdatasync(int number) { return sync_any(number, SYS_fdatasync); }

// The wall clock of a restarted station goes on where its time scale had brought the one before.
int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = REAL(clock_gettime);
  int result = real(clock, time);
  if (cut.active && clock == CLOCK_REALTIME && cut.clock_ns) {
    int64_t wall = time->tv_sec * 1000000000LL + time->tv_nsec + cut.clock_ns;
    time->tv_sec = wall / 1000000000;
    time->tv_nsec = wall % 1000000000;
  }
  return result;
}
