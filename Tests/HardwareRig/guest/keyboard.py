"""A keyboard of the kernel's uinput, as a card reader is one: types each line of stdin, with ENTER behind it.

    keyboard.py VENDOR:PRODUCT NAME       numbers in hexadecimal; prints `NS ready`, and `NS typed` after each line
"""

import fcntl
import os
import struct
import sys
import time

SET_EVENTS, SET_KEY, SETUP, CREATE = 0x40045564, 0x40045565, 0x405C5503, 0x5501
SYNC, KEY, USB = 0, 1, 3
ENTER = 28
KEYS = {str(digit): digit + 1 for digit in range(1, 10)} | {"0": 11, "a": 30, "b": 48, "c": 46, "d": 32, "e": 18, "f": 33}


def say(what):
    print(time.monotonic_ns(), what, flush=True)


def main(identity, name):
    vendor, product = (int(part, 16) for part in identity.split(":"))
    device = os.open("/dev/uinput", os.O_WRONLY)
    fcntl.ioctl(device, SET_EVENTS, KEY)
    for key in [*KEYS.values(), ENTER]:
        fcntl.ioctl(device, SET_KEY, key)
    fcntl.ioctl(device, SETUP, struct.pack("=HHHH80sI", USB, vendor, product, 1, name.encode(), 0))
    fcntl.ioctl(device, CREATE)
    say("ready")

    def press(key):
        for value in (1, 0):
            for kind, code, level in ((KEY, key, value), (SYNC, 0, 0)):
                os.write(device, struct.pack("=qqHHi", 0, 0, kind, code, level))

    for line in sys.stdin:
        for letter in line.strip().lower():
            press(KEYS[letter])
        press(ENTER)
        say("typed")


if __name__ == "__main__":
    main(*sys.argv[1:])
