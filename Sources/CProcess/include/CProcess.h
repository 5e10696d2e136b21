#ifndef CPROCESS_H
#define CPROCESS_H

#include <stddef.h>
#include <stdint.h>

// What Swift cannot call: variadic functions and bare system calls about the process. 0, or an errno.

// The name of this thread as `top -H` shows it, cut to 15 bytes.
int process_name_thread(const char *name);

// No program that this process starts gets more rights than it has, by set-user-id bits or file capabilities.
int process_no_new_privileges(void);

// No core dump, no debugger of the same user, and what /proc tells of memory and environment is root's.
int process_no_dumps(void);

// Gives up every capability, for good and for child processes too, except those whose bit is set in `kept` (CAP_* numbers).
int process_keep_capabilities(uint64_t kept);

// Lets go of the code and constants of the program and its libraries: what is needed comes back, from the page cache or the
// disk, page by page; what only the start or a TLS handshake needed no longer counts as this process' memory, and is the first
// to go when memory is short. How many bytes are mapped that way. Text relocations would be lost: a program must not have any.
size_t process_release_code(void);

#define PROCESS_CAP_DAC_OVERRIDE 1
#define PROCESS_CAP_IPC_LOCK 14
#define PROCESS_CAP_SYS_NICE 23

#endif
