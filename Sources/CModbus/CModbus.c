#include "CModbus.h"

#include <errno.h>
#include <sys/file.h>

int cmodbus_connect_exclusive(modbus_t *context) {
  if (modbus_connect(context) != 0) return -1;
  if (flock(modbus_get_socket(context), LOCK_EX | LOCK_NB) == 0) return 0;
  modbus_close(context);
  errno = EBUSY;
  return -1;
}

const char *cmodbus_error(int code) { return modbus_strerror(code); }
