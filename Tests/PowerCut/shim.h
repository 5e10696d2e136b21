// The power cut inside stationd: shim.c counts and cuts, disk.c knows what a medium that loses power may lose.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { NAME = 64 };

// What of the unsynced writes is lost at the cut.
enum drop { DROP_NONE, DROP_ALL, DROP_SOME };

// A regular file of the data directory, by its inode: it keeps its history when it is renamed or removed.
struct file;

// Files --------------------------------------------------------------------------------------------------------------

// The record of the file behind an open descriptor, made if need be.
struct file *disk_file(int descriptor, const char *path, const char *name);
const char *disk_name(const struct file *file);
// Writes with a record of what was there before; returns what pwrite returns.
ssize_t disk_write(struct file *file, int descriptor, const void *bytes, size_t count, off_t offset);
int disk_truncate(struct file *file, int descriptor, off_t size);
// A flush begins: the writes so far are durable when disk_synced is called with the mark.
size_t disk_mark(const struct file *file);
void disk_synced(struct file *file, size_t mark);

// Names in the data directory; to be called while the name is still as it was ------------------------------------------

void disk_created(const char *name);
int disk_rename(const char *from, const char *to);
int disk_unlink(const char *name);
size_t disk_names_mark(void);
void disk_names_synced(size_t mark);

// The cut --------------------------------------------------------------------------------------------------------------

struct loss {
  unsigned writes, lost_writes, names, lost_names;
};

// Takes back what was not durable: all of it, or what chance says.
struct loss disk_drop(enum drop drop, uint64_t seed);
// Takes back the writes of this file that were not durable; for a station that writes later than it should.
void disk_take_back(struct file *file);

// `directory`: the data directory; `graveyard`: where removed files are kept, on the same file system.
void disk_open(const char *directory, const char *graveyard);
