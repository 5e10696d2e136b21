#ifndef CFAULTVFS_H
#define CFAULTVFS_H

#include <stdint.h>

// A SQLite VFS for tests: counts what changes files (write, truncate, flush, delete), and at a chosen one fails, or
// kills the process after throwing away what had not been flushed, as a power cut does.

// Makes it the default VFS. To be called before the first connection, with no other thread running.
int faultvfs_install(void);

// Kill the process with SIGKILL instead of carrying out this operation (the first is 1). With `lose`, each file keeps
// only a part, drawn from `seed`, of what was written since its last flush, with the last write torn.
void faultvfs_kill_at(long operation, int lose, uint64_t seed);

// Called before the process is killed with `lose`, to undo what else had not been flushed.
void faultvfs_before_kill(void (*callback)(void));

// Counts an operation on a file that is made without SQLite; kills the process when it is its turn.
void faultvfs_step(void);

// Let `count` operations from this one on fail with an SQLite result code and an errno.
void faultvfs_fail_at(long operation, long count, int code, int error);

// Operations and flushes so far.
long faultvfs_operations(void);
long faultvfs_flushes(void);

// Mounts a file system in memory that only this process sees. To be called before there is another thread; needs root.
int faultvfs_mount_small(const char *directory, const char *options);

#endif
