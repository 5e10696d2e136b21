"""A model of a safety microcontroller, written from docs/mcu-protocol.md and not from the station's code."""

import binascii
import os
import random
import struct
import time

from line import Line


def crc(data):
    return binascii.crc_hqx(data, 0xFFFF) ^ 0xFFFF


def cobs(data):
    out, block = bytearray(), bytearray()
    for byte in data + b"\0":
        if byte:
            block.append(byte)
        else:
            out += bytes([len(block) + 1]) + block
            block.clear()
    return bytes(out)


def uncobs(data):
    out, at = bytearray(), 0
    while at < len(data):
        count = data[at]
        if count == 0 or at + count > len(data):
            return None
        out += data[at + 1:at + count]
        at += count
        if at < len(data):
            out.append(0)
    return bytes(out)


def frame(message):
    return cobs(message + struct.pack(">H", crc(message))) + b"\0"


#: Volts of the high half for what the car does.
LEVELS = {"A": 12000, "B": 9000, "C": 6000, "D": 3000, "E": 0}


class MCU(Line):
    def __init__(self, folder, name="mcu"):
        self.log = []
        self.boots = 0
        self.car, self.diode, self.fault = "A", True, None
        self.rcd = self.estop = self.welded = self.lock_stuck = False
        self.cable = 32
        self.classified = False
        self.outgoing = []
        self.sent = 0
        self.acknowledges = True
        self.version = 1
        self.boot()
        super().__init__(folder, name)

    def boot(self):
        self.boots += 1
        self.boot_id = random.getrandbits(32)
        self.started = time.monotonic()
        self.sequence = 0
        self.buffer = b""
        self.signal, self.duty = 0, 0
        self.closed = self.locked = False
        self.token = 0
        self.loss = 2.0
        self.heard = None
        self.lost = True
        self.last_sequence = None
        self.next_state = 0
        self.told = None
        self.test_failed = False

    def reboot(self):
        with self.lock:
            self.boot()
            self.hello()

    @property
    def asks(self):
        return self.car in "CD" and self.signal == 1 and self.diode

    # What the station hears

    def send(self, kind, body):
        self.sequence = (self.sequence + 1) % 256
        data = frame(bytes([kind, self.sequence]) + body)
        if self.fault == "silence":
            return
        if self.fault == "crc":
            broken = bytearray(bytes([kind, self.sequence]) + body)
            data = cobs(bytes(broken) + struct.pack(">H", crc(bytes(broken)) ^ 0x0100)) + b"\0"
        if self.fault == "half":
            data = data[: len(data) // 2]
        # Not by chance: it takes the next frame with it, and three in a row would be a silence.
        self.sent += 1
        if self.fault == "half-sometimes" and self.sent % 7 == 0:
            data = data[: len(data) // 2]
        if self.fault == "garbage":
            data = os.urandom(40)
        if self.fault == "garbage-between":
            data = os.urandom(random.randrange(60)) + b"\0" + data
        if self.fault == "double":
            data = data + data
        if self.fault == "late":
            self.outgoing.append((time.monotonic() + 1.5, data))
        else:
            self.write(data)

    def hello(self):
        self.send(0x81, bytes([self.version]) + struct.pack(">I", self.boot_id) + b"rig 1.0")

    def state(self):
        high = -12000 if self.signal == 2 else LEVELS[self.car]
        low = (-12000 if self.diode else -high) if self.signal == 1 else -32768
        flags = (self.closed << 0 | self.locked << 1 | self.rcd << 2 | self.estop << 3 | self.welded << 4
                 | self.lock_stuck << 5 | self.test_failed << 6 | self.lost << 7)
        if self.classified:
            number = 5 if self.signal == 2 else "ABCDE".index(self.car)
            pilot = struct.pack(">Bhh", 1, number, (1 if self.diode else 0) if self.signal == 1 else 2)
        else:
            pilot = struct.pack(">Bhh", 0, high, low)
        stamp = int((time.monotonic() - self.started) * 1000) & 0xFFFFFFFF
        body = pilot + struct.pack(">HB", flags, self.cable if self.car != "A" else 0)
        if body != self.told or time.monotonic() >= self.next_state:
            self.told = body
            self.next_state = time.monotonic() + 0.25
            self.send(0x82, struct.pack(">IH", stamp, self.token) + body)

    # What it does by itself

    def open(self, why):
        if self.closed and not self.welded:
            self.closed = False
            self.log.append((time.monotonic(), "opened", why))

    def tick(self, data):
        now = time.monotonic()
        while self.outgoing and self.outgoing[0][0] <= now:
            self.write(self.outgoing.pop(0)[1])
        self.buffer += data
        *frames, self.buffer = self.buffer.split(b"\0")
        for one in frames:
            self.receive(one)
        if self.heard and now - self.heard > self.loss and not self.lost:
            self.lost = True
            self.signal = 0
            self.open("station silent")
        if self.closed and (not (self.car in "CD" and self.diode) or self.rcd or self.estop):
            self.open("by itself")
        self.state()

    def receive(self, data):
        message = uncobs(data) if data else None
        if not message or len(message) < 4 or crc(message[:-2]) != struct.unpack(">H", message[-2:])[0]:
            return
        kind, sequence, body = message[0], message[1], message[2:-2]
        if sequence == self.last_sequence:
            return
        self.last_sequence = sequence
        self.heard = time.monotonic()
        if kind == 0x01 and len(body) == 3:
            self.loss = struct.unpack(">H", body[1:])[0] / 1000
            self.lost = False
            return self.hello()
        if kind == 0x02 and len(body) == 2:
            self.token = struct.unpack(">H", body)[0]
            return
        self.log.append((self.heard, kind, body))
        outcome = 0
        if kind == 0x10:
            self.signal, self.duty = struct.unpack(">BH", body)
        elif kind == 0x11 and body == b"\1":
            may = self.asks and not (self.closed or self.rcd or self.estop or self.welded or self.lost)
            outcome = 0 if may else 2
            if may:
                self.closed = True
                self.log.append((self.heard, "closed", ""))
        elif kind == 0x11:
            self.open("told")
        elif kind == 0x12:
            if not self.lock_stuck:
                self.locked = body == b"\1"
        elif kind == 0x13:
            self.rcd = True
        elif kind == 0x14:
            self.rcd = False
        if self.acknowledges:
            self.send(0x83, bytes([kind, sequence, outcome]))

    def commands(self, kind):
        with self.lock:
            return [entry[2] for entry in self.log if entry[1] == kind]
