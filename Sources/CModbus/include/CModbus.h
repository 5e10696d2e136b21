#ifndef CMODBUS_H
#define CMODBUS_H

#include <modbus/modbus.h>

// What Swift cannot use of modbus.h as it is.

// Opens the context and takes the serial device for this process alone (flock). 0, or -1 with errno: EBUSY when another
// process has the device.
int cmodbus_connect_exclusive(modbus_t *context);

// The text of an errno of libmodbus or the system.
const char *cmodbus_error(int code);

#endif
