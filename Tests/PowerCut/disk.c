// What a file system may lose when the power goes: every write since the file's last flush, each on its own and in any
// order, whole or in part (sectors of 512 bytes); and, from the end, every name created, changed or removed since the
// directory's last flush (a journaling file system keeps the order of names).
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

// The kernel's own calls: those of this name are counted (shim.c).
#define open(path, flags) (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0)
#define link(from, to) (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0)
#define rename(from, to) (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0)
#define unlink(path) (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0)
#define ftruncate(descriptor, size) (int)syscall(SYS_ftruncate, descriptor, size)
#define pwrite(descriptor, bytes, count, offset) syscall(SYS_pwrite64, descriptor, bytes, count, offset)

enum { SECTOR = 512, FILES = 64 };

struct op {
  int truncates;
  off_t offset, size_before;
  size_t length, old_length;
  uint8_t *old, *new;
};

struct file {
  dev_t device;
  ino_t inode;
  int descriptor;
  char name[NAME];
  struct op *ops;
  size_t count, capacity;
  size_t forgotten;  // operations that were durable and are gone from `ops`
};

enum change { CREATED, RENAMED, UNLINKED };

struct name_op {
  enum change change;
  char from[NAME], to[NAME];
  unsigned grave;  // the file that `to` (renamed) or `from` (unlinked) was; 0: none
};

static char root[4096], graves[4096];
static struct file files[FILES];
static size_t file_count;
static struct name_op *names;
static size_t name_count, name_capacity, names_forgotten;
static unsigned grave_count;

static void fail(const char *what) {
  perror(what);
  abort();
}

static void *grow(void *array, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) return array;
  *capacity = *capacity ? 2 * *capacity : 64;
  array = realloc(array, *capacity * size);
  if (!array) fail("powercut: realloc");
  return array;
}

void disk_open(const char *directory, const char *graveyard) {
  snprintf(root, sizeof root, "%s", directory);
  snprintf(graves, sizeof graves, "%s", graveyard);
}

static const char *in_root(const char *name, char *path) {
  snprintf(path, 4200, "%s/%s", root, name);
  return path;
}

static const char *in_graves(unsigned number, char *path) {
  snprintf(path, 4200, "%s/%d-%u", graves, (int)getpid(), number);
  return path;
}

// Files

struct file *disk_file(int descriptor, const char *path, const char *name) {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
  for (size_t i = 0; i < file_count; i++)
    if (files[i].inode == status.st_ino && files[i].device == status.st_dev) {
      snprintf(files[i].name, NAME, "%s", name);
      return &files[i];
    }
  if (file_count == FILES) fail("powercut: too many files");
  struct file *file = &files[file_count++];
  *file = (struct file){.device = status.st_dev, .inode = status.st_ino};
  snprintf(file->name, NAME, "%s", name);
  // Never closed: that would release the process's own locks on the file. It also keeps the inode from being reused.
  file->descriptor = open(path, O_RDWR | O_CLOEXEC);
  if (file->descriptor < 0) fail(path);
  return file;
}

const char *disk_name(const struct file *file) { return file->name; }

static off_t size_of(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) fail("powercut: fstat");
  return status.st_size;
}

static struct op *add_op(struct file *file, off_t offset, size_t old_length) {
  file->ops = grow(file->ops, file->count, &file->capacity, sizeof *file->ops);
  struct op *op = &file->ops[file->count++];
  *op = (struct op){.offset = offset, .size_before = size_of(file->descriptor), .old_length = old_length};
  if (old_length > 0) {
    op->old = malloc(old_length);
    if (!op->old || pread(file->descriptor, op->old, old_length, offset) != (ssize_t)old_length)
      fail("powercut: pread");
  }
  return op;
}

static size_t overlap(off_t offset, size_t length, off_t size) {
  if (offset >= size) return 0;
  return (off_t)length < size - offset ? length : (size_t)(size - offset);
}

ssize_t disk_write(struct file *file, int descriptor, const void *bytes, size_t count, off_t offset) {
  struct op *op = add_op(file, offset, overlap(offset, count, size_of(file->descriptor)));
  op->length = count;
  op->new = malloc(count ? count : 1);
  if (!op->new) fail("powercut: malloc");
  memcpy(op->new, bytes, count);
  ssize_t written = pwrite(descriptor, bytes, count, offset);
  if (written != (ssize_t)count) fail("powercut: pwrite");
  return written;
}

int disk_truncate(struct file *file, int descriptor, off_t size) {
  off_t before = size_of(file->descriptor);
  struct op *op = add_op(file, size, size < before ? (size_t)(before - size) : 0);
  op->truncates = 1;
  return ftruncate(descriptor, size);
}

size_t disk_mark(const struct file *file) { return file->forgotten + file->count; }

void disk_synced(struct file *file, size_t mark) {
  if (mark <= file->forgotten) return;
  size_t durable = mark - file->forgotten;
  for (size_t i = 0; i < durable; i++) {
    free(file->ops[i].old);
    free(file->ops[i].new);
  }
  memmove(file->ops, file->ops + durable, (file->count - durable) * sizeof *file->ops);
  file->count -= durable;
  file->forgotten = mark;
}

// Names

static struct name_op *add_name(enum change change, const char *from, const char *to) {
  names = grow(names, name_count, &name_capacity, sizeof *names);
  struct name_op *op = &names[name_count++];
  *op = (struct name_op){.change = change};
  snprintf(op->from, NAME, "%s", from);
  snprintf(op->to, NAME, "%s", to);
  return op;
}

// Keeps the file behind a name that is about to go.
static unsigned bury(const char *name) {
  char path[4200], grave[4200];
  if (link(in_root(name, path), in_graves(grave_count + 1, grave)) != 0) return 0;
  return ++grave_count;
}

void disk_created(const char *name) { add_name(CREATED, name, ""); }

int disk_rename(const char *from, const char *to) {
  char old[4200], new[4200];
  unsigned grave = bury(to);
  if (rename(in_root(from, old), in_root(to, new)) != 0) return -1;
  add_name(RENAMED, from, to)->grave = grave;
  for (size_t i = 0; i < file_count; i++)
    if (strcmp(files[i].name, from) == 0) snprintf(files[i].name, NAME, "%s", to);
  return 0;
}

int disk_unlink(const char *name) {
  char path[4200];
  unsigned grave = bury(name);
  if (unlink(in_root(name, path)) != 0) return -1;
  add_name(UNLINKED, name, "")->grave = grave;
  return 0;
}

size_t disk_names_mark(void) { return names_forgotten + name_count; }

void disk_names_synced(size_t mark) {
  if (mark <= names_forgotten) return;
  size_t durable = mark - names_forgotten;
  memmove(names, names + durable, (name_count - durable) * sizeof *names);
  name_count -= durable;
  names_forgotten = mark;
}

static void take_back_name(const struct name_op *op) {
  char from[4200], to[4200], grave[4200];
  in_root(op->from, from);
  in_root(op->to, to);
  if (op->grave) in_graves(op->grave, grave);
  switch (op->change) {
    case CREATED:
      (void)unlink(from);
      break;
    case RENAMED:
      if (rename(to, from) != 0) fail("powercut: taking back a rename");
      if (op->grave && link(grave, to) != 0) fail("powercut: taking back a replaced file");
      break;
    case UNLINKED:
      if (op->grave && link(grave, from) != 0) fail("powercut: taking back a removal");
      break;
  }
}

// The cut

static uint64_t chance(uint64_t *state) {
  // splitmix64
  uint64_t z = (*state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

static void put(int descriptor, const void *bytes, size_t count, off_t offset) {
  if (count > 0 && pwrite(descriptor, bytes, count, offset) != (ssize_t)count) fail("powercut: restoring");
}

static void undo_all(struct file *file) {
  for (size_t i = file->count; i-- > 0;) {
    const struct op *op = &file->ops[i];
    if (ftruncate(file->descriptor, op->size_before) != 0) fail("powercut: restoring");
    put(file->descriptor, op->old, op->old_length, op->offset);
  }
}

// Does an operation again, on a file on which others may be missing. A write may be torn between sectors.
static int redo(struct file *file, const struct op *op, uint64_t *state) {
  uint64_t draw = chance(state) % 8;
  if (draw < 4) return 0;
  if (op->truncates) {
    if (ftruncate(file->descriptor, op->offset) != 0) fail("powercut: truncating again");
    return 1;
  }
  size_t length = op->length, sectors = (length + SECTOR - 1) / SECTOR;
  if (draw == 4 && sectors > 1) {
    for (size_t i = 0; i < sectors; i++) {
      size_t from = i * SECTOR, count = length - from < SECTOR ? length - from : SECTOR;
      if (chance(state) & 1) put(file->descriptor, op->new + from, count, op->offset + (off_t)from);
    }
    return 0;
  }
  put(file->descriptor, op->new, length, op->offset);
  return 1;
}

void disk_take_back(struct file *file) {
  undo_all(file);
  file->count = 0;
}

struct loss disk_drop(enum drop drop, uint64_t seed) {
  struct loss loss = {.names = (unsigned)name_count};
  if (drop == DROP_NONE) return loss;
  for (size_t i = 0; i < file_count; i++) {
    loss.writes += (unsigned)files[i].count;
    loss.lost_writes += (unsigned)files[i].count;
    undo_all(&files[i]);
    if (drop == DROP_SOME)
      for (size_t k = 0; k < files[i].count; k++) loss.lost_writes -= (unsigned)redo(&files[i], &files[i].ops[k], &seed);
  }
  size_t kept = drop == DROP_SOME ? chance(&seed) % (name_count + 1) : 0;
  loss.lost_names = (unsigned)(name_count - kept);
  while (name_count > kept) take_back_name(&names[--name_count]);
  return loss;
}
