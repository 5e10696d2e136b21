#ifndef RELAY_CLIENT_H
#define RELAY_CLIENT_H

#include <stddef.h>
#include <sys/types.h>

// The station's end of relayd's socket.

// Starts `program` as a child with this configuration, and a socket to it. The child has its own process group, so that
// a Ctrl-C reaches the station alone, and neither the station's descriptors nor its NOTIFY_SOCKET and watchdog.
// 0 or an errno; nothing is left open then.
int relay_spawn(const char *program, const void *config, size_t size, int *socket, pid_t *process);
// Connects to a relayd that runs already. 0 or an errno.
int relay_connect(const char *path, int *socket);

#endif
