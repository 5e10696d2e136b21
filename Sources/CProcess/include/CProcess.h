#ifndef CPROCESS_H
#define CPROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What Swift cannot call: variadic functions and bare system calls about the process. 0, or an errno.

// The name of this thread as `top -H` shows it, cut to 15 bytes.
int process_name_thread(const char *name);

// No program that this process starts gets more rights than it has, by set-user-id bits or file capabilities.
int process_no_new_privileges(void);

// No core dump, no debugger of the same user, and what /proc tells of memory and environment is root's.
int process_no_dumps(void);

// Gives up every capability, for good and for child processes too, except those whose bit is set in `kept` (CAP_* numbers).
int process_keep_capabilities(uint64_t kept);

// Is killed when the thread that started it ends. ESRCH: `parent` is gone already.
int process_die_with_parent(pid_t parent);

// Limits for good: seconds of CPU, bytes of address space, bytes of any file written, open descriptors.
int process_limits(uint64_t cpu, uint64_t memory, uint64_t file, uint64_t descriptors);

// Lets go of the code and constants of the program and its libraries: what is needed comes back, from the page cache or the
// disk, page by page; what only the start or a TLS handshake needed no longer counts as this process' memory, and is the first
// to go when memory is short. How many bytes are mapped that way. Text relocations would be lost: a program must not have any.
size_t process_release_code(void);

#define PROCESS_CAP_DAC_OVERRIDE 1
#define PROCESS_CAP_IPC_LOCK 14
#define PROCESS_CAP_SYS_NICE 23

// Starts `program`, an absolute path, in a process group of its own with exactly these `arguments` (the first is its name)
// and `variables`; both end with NULL. Standard input is `input`, a file of the memory; standard output a pipe whose other
// end is `*output`, not blocking; standard error is /dev/null, or with `errors_too` that pipe. The `count` descriptors of `files` (4 at most) are its 3, 4, ...;
// it gets no other one. Signals are as in a fresh process.
int process_start(
  const char *program, char *const arguments[], char *const variables[], const void *input, size_t input_size,
  const int *files, int count, int errors_too, pid_t *process, int *output);

// Reaps a child. 1: it has ended, `*exit_code` is its exit code, or 128 and the number of the signal that ended it; 0: it runs.
int process_ended(pid_t process, int *exit_code);

#endif
