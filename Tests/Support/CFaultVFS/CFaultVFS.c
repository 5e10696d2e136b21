#define _GNU_SOURCE
#include "CFaultVFS.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

// One write that has not been flushed, with what it replaced.
typedef struct pending {
  struct pending *older;
  sqlite3_int64 offset, size_before;
  int length;
  char *replaced;
} pending;

typedef struct fault_file {
  sqlite3_file base;
  struct fault_file *next;
  pending *newest;
  int pending_count;
  sqlite3_file *real;
} fault_file;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs fault_vfs;
static fault_file *open_files;
static long operations, flushes;
static long kill_operation, fail_operation, fail_count;
static int kill_loses, fail_code, fail_errno;
static void (*before_kill)(void);
static uint64_t kill_seed;

static uint64_t draw(void) {
  kill_seed ^= kill_seed << 13;
  kill_seed ^= kill_seed >> 7;
  kill_seed ^= kill_seed << 17;
  return kill_seed;
}

static void forget(fault_file *file) {
  while (file->newest) {
    pending *older = file->newest->older;
    free(file->newest->replaced);
    free(file->newest);
    file->newest = older;
  }
  file->pending_count = 0;
}

static void lose_unflushed(fault_file *file) {
  int lost = file->pending_count ? (int)(draw() % (uint64_t)(file->pending_count + 1)) : 0;
  for (; lost > 0; lost--) {
    pending *write = file->newest;
    // The oldest of the lost writes is torn at a sector.
    int kept = lost == 1 ? (int)(draw() % (uint64_t)(write->length / 512 + 1)) * 512 : 0;
    if (write->offset + write->length > write->size_before) {
      sqlite3_int64 end = write->offset + kept;
      file->real->pMethods->xTruncate(file->real, end > write->size_before ? end : write->size_before);
    }
    sqlite3_int64 old_length = write->size_before - write->offset;
    if (old_length > write->length) old_length = write->length;
    if (old_length > kept) {
      file->real->pMethods->xWrite(
          file->real, write->replaced + kept, (int)old_length - kept, write->offset + kept);
    }
    file->newest = write->older;
    free(write->replaced);
    free(write);
  }
}

// Counts an operation. Returns what it has to fail with, or SQLITE_OK.
static int step(void) {
  operations++;
  if (operations == kill_operation) {
    if (kill_loses) {
      for (fault_file *file = open_files; file; file = file->next) lose_unflushed(file);
      if (before_kill) before_kill();
    }
    raise(SIGKILL);
  }
  if (fail_operation && operations >= fail_operation && operations < fail_operation + fail_count) {
    errno = fail_errno;
    return fail_code;
  }
  return SQLITE_OK;
}

#define FILE_OF(p) ((fault_file *)(p))
#define REAL(p) (FILE_OF(p)->real)
#define CALL(p, method, ...) REAL(p)->pMethods->method(REAL(p), ##__VA_ARGS__)

static int fault_close(sqlite3_file *p) {
  forget(FILE_OF(p));
  for (fault_file **link = &open_files; *link; link = &(*link)->next) {
    if (*link == FILE_OF(p)) {
      *link = FILE_OF(p)->next;
      break;
    }
  }
  return CALL(p, xClose);
}

static int fault_read(sqlite3_file *p, void *to, int n, sqlite3_int64 at) { return CALL(p, xRead, to, n, at); }

static int fault_write(sqlite3_file *p, const void *from, int n, sqlite3_int64 at) {
  int code = step();
  if (code) return code;
  if (kill_loses) {
    pending *write = calloc(1, sizeof *write);
    if (!write || CALL(p, xFileSize, &write->size_before)) abort();
    write->replaced = calloc(1, (size_t)n);
    if (!write->replaced) abort();
    write->offset = at;
    write->length = n;
    if (at < write->size_before) CALL(p, xRead, write->replaced, n, at);
    write->older = FILE_OF(p)->newest;
    FILE_OF(p)->newest = write;
    FILE_OF(p)->pending_count++;
  }
  return CALL(p, xWrite, from, n, at);
}

static int fault_truncate(sqlite3_file *p, sqlite3_int64 size) {
  int code = step();
  if (code) return code;
  forget(FILE_OF(p));
  return CALL(p, xTruncate, size);
}

static int fault_sync(sqlite3_file *p, int flags) {
  int code = step();
  if (code) return code;
  flushes++;
  forget(FILE_OF(p));
  return CALL(p, xSync, flags);
}

static int fault_size(sqlite3_file *p, sqlite3_int64 *size) { return CALL(p, xFileSize, size); }
static int fault_lock(sqlite3_file *p, int level) { return CALL(p, xLock, level); }
static int fault_unlock(sqlite3_file *p, int level) { return CALL(p, xUnlock, level); }
static int fault_reserved(sqlite3_file *p, int *result) { return CALL(p, xCheckReservedLock, result); }
static int fault_control(sqlite3_file *p, int op, void *argument) { return CALL(p, xFileControl, op, argument); }
static int fault_sector(sqlite3_file *p) { return CALL(p, xSectorSize); }
static int fault_traits(sqlite3_file *p) { return CALL(p, xDeviceCharacteristics); }
static int fault_shm_map(sqlite3_file *p, int page, int size, int extend, void volatile **to) {
  return CALL(p, xShmMap, page, size, extend, to);
}
static int fault_shm_lock(sqlite3_file *p, int offset, int n, int flags) { return CALL(p, xShmLock, offset, n, flags); }
static void fault_shm_barrier(sqlite3_file *p) { CALL(p, xShmBarrier); }
static int fault_shm_unmap(sqlite3_file *p, int remove) { return CALL(p, xShmUnmap, remove); }

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_traits,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *p, int flags, int *out) {
  fault_file *file = FILE_OF(p);
  memset(file, 0, sizeof *file);
  file->real = (sqlite3_file *)(file + 1);
  int code = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
  if (code) return code;
  file->base.pMethods = &methods;
  file->next = open_files;
  open_files = file;
  return SQLITE_OK;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync) {
  int code = step();
  return code ? code : real_vfs->xDelete(real_vfs, name, sync);
}

int faultvfs_install(void) {
  real_vfs = sqlite3_vfs_find(0);
  if (!real_vfs) return SQLITE_ERROR;
  fault_vfs = *real_vfs;
  fault_vfs.pNext = 0;
  fault_vfs.zName = "fault";
  fault_vfs.szOsFile = (int)sizeof(fault_file) + real_vfs->szOsFile;
  fault_vfs.xOpen = fault_open;
  fault_vfs.xDelete = fault_delete;
  return sqlite3_vfs_register(&fault_vfs, 1);
}

void faultvfs_kill_at(long operation, int lose, uint64_t seed) {
  kill_operation = operation;
  kill_loses = lose;
  kill_seed = seed * 2 + 1;
}

void faultvfs_before_kill(void (*callback)(void)) { before_kill = callback; }

void faultvfs_step(void) { step(); }

void faultvfs_fail_at(long operation, long count, int code, int error) {
  fail_operation = operation;
  fail_count = count;
  fail_code = code;
  fail_errno = error;
}

long faultvfs_operations(void) { return operations; }
long faultvfs_flushes(void) { return flushes; }

int faultvfs_mount_small(const char *directory, const char *options) {
  if (unshare(CLONE_NEWNS) || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0)) return -1;
  return mount("tmpfs", directory, "tmpfs", 0, options);
}
