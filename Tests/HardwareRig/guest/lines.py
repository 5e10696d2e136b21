"""GPIO lines by the kernel's own interface (linux/gpio.h, version 2), with no library of the station's in between.

    lines.py hold LINE 0|1            takes the line as an output and keeps it until it is killed
    lines.py toggle LINE COUNT MS     sets the line COUNT times, 1 and 0 in turn; prints `NS VALUE`, stamped before each
    lines.py edges LINE COUNT         prints `NS rising|falling` of COUNT edges, with the kernel's time stamps
    lines.py get LINE [up|down]       prints the level, with a bias
"""

import fcntl
import os
import struct
import sys
import time

GET_LINE, GET_VALUES, SET_VALUES = 0xC250B407, 0xC010B40E, 0xC010B40F
INPUT, OUTPUT, RISING, FALLING, UP, DOWN = 4, 8, 16, 32, 256, 512
OUTPUT_VALUES = 2
EVENT = struct.Struct("=QIIII24x")


def request(line, flags, value=0):
    with open("/run/rig/lines", encoding="ascii") as file:
        number = file.read().split().index(line)
    attribute = struct.pack("=IIQQ", OUTPUT_VALUES, 0, value, 1) if flags & OUTPUT else b""
    config = struct.pack("=QI20x240s", flags, 1 if attribute else 0, attribute)
    message = bytearray(struct.pack("=256s32s272sII20xi", struct.pack("=I", number), b"rig", config, 1, 0, 0))
    chip = os.open("/dev/gpiochip0", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(chip, GET_LINE, message)
    os.close(chip)
    return struct.unpack_from("=i", message, len(message) - 4)[0]


def set_value(line, value):
    fcntl.ioctl(line, SET_VALUES, struct.pack("=QQ", value, 1))


def get_value(line):
    values = bytearray(struct.pack("=QQ", 0, 1))
    fcntl.ioctl(line, GET_VALUES, values)
    return struct.unpack("=QQ", values)[0]


def say(*words):
    print(*words, flush=True)


def main(what, name, *rest):
    if what == "hold":
        line = request(name, OUTPUT, int(rest[0]))
        say(time.monotonic_ns(), "held", line)
        while True:
            time.sleep(3600)
    elif what == "toggle":
        line = request(name, OUTPUT, 0)
        for number in range(int(rest[0])):
            time.sleep(float(rest[1]) / 1000)
            at = time.monotonic_ns()
            set_value(line, (number + 1) % 2)
            say(at, (number + 1) % 2)
    elif what == "edges":
        line = request(name, INPUT | RISING | FALLING)
        say("ready")
        for _ in range(int(rest[0])):
            stamp, kind, *_ = EVENT.unpack(os.read(line, EVENT.size))
            say(stamp, "rising" if kind == 1 else "falling")
    elif what == "get":
        bias = {"up": UP, "down": DOWN}[rest[0]] if rest else 0
        say(get_value(request(name, INPUT | bias)))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
