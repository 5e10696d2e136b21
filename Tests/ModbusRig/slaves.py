"""Modbus slaves on the PyPI package pymodbus, with faults put in on the wire.

  python slaves.py tcp:PORT|rtu:DEVICE models            every meter model, the n-th of encoder.models() as unit n + 1
  python slaves.py tcp:PORT|rtu:DEVICE fault FAULT       SDM630s: units 1 and 20 are sound, unit 2 has the fault

Prints "ready" when it serves. Of the faulty bus, the total power is the time of the answer (CLOCK_MONOTONIC in
milliseconds, modulo 10 million), so that a reader can tell when a value was made; all else is by `true_values`.
"""

import asyncio
import logging
import struct
import sys
import time

from pymodbus import FramerType
from pymodbus.datastore import ModbusServerContext  # noqa: F401  (a version without it is too old)
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

import encoder

logging.disable(logging.CRITICAL)

SOUND = (1, 20)
FAULTY = 2

#: What is wrong, and what a poller must make of it: values (right ones), or none.
FAULTS = {
    "silent": ("none", "never answers"),
    "exception": ("none", "refuses with exception 4"),
    "busy": ("none", "refuses with exception 6"),
    "slow": ("values", "answers after 200 ms, within the time-out of 300 ms"),
    "late": ("none", "answers after 700 ms, always"),
    "late-in-order": ("none", "answers after 450 ms, one after the other, as a queueing gateway does"),
    "late-once": ("values", "every third answer comes after 450 ms, the others at once"),
    "late-seldom": ("values", "every twelfth answer comes after 450 ms, the others at once"),
    "half": ("none", "sends half a frame; on TCP it closes then"),
    "garbled": ("none", "wrong checksum, on TCP the wrong transaction"),
    "garbled-once": ("values", "every third answer is garbled"),
    "noise": ("none", "noise before every frame"),
    "noise-once": ("values", "noise before every third frame"),
    "other-unit": ("none", "answers as unit 99, with a right checksum"),
    "sound-unit": ("none", "answers as unit 1, with its own values and a right checksum"),
    "long": ("none", "says and sends one register more than asked"),
    "short": ("none", "says and sends one register less than asked"),
    "trickle": ("none", "sends a byte every 100 ms"),
    "other-function": ("none", "answers with the other function code"),
    "protocol": ("none", "TCP: another protocol number; RTU: a function code that does not exist"),
    "flood": ("none", "answers, then sends 500 bytes of noise"),
    "echo": ("none", "echoes the request instead of answering"),
}


def true_values(unit):
    """Volt, ampere, hertz and kWh of a unit on the faulty bus; no two are the same."""
    return {"voltage": [230.0 + unit, 231.25 + unit, 229.5 + unit], "current": [16.0 + unit, 15.5 + unit, 14.25 + unit],
            "frequency": 49.875 + unit / 64, "energyImport": 1234.5 + 64 * unit, "energyExport": 12.25 + unit}


def f32(value):
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def now_ms():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000 % 10_000_000


def device(unit, registers, action=None):
    def blocks(space):
        entries = []
        for place in sorted(space):
            if entries and entries[-1][0] + len(entries[-1][1]) == place:
                entries[-1][1].append(space[place])
            else:
                entries.append((place, [space[place]]))
        if not entries:
            entries = [(65535, [0])]
        return [SimData(place, values=values, datatype=DataType.REGISTERS) for place, values in entries]

    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    return SimDevice(unit, simdata=(bits, list(bits), blocks(registers[3]), blocks(registers[4])), action=action)


class FaultyBus:
    def __init__(self, tcp, fault):
        self.tcp = tcp
        self.fault = fault
        self.server = None
        self.unit = 0
        self.request = b""
        self.answers = 0
        self.queue_free = 0.0

    def devices(self):
        result = []
        for unit in (*SOUND, FAULTY):
            true = true_values(unit)
            space = dict.fromkeys(range(0, 400), 0)
            for place, value in [(0, true["voltage"]), (6, true["current"])]:
                for phase in range(3):
                    space.update(zip(range(place + 2 * phase, place + 2 * phase + 2), f32(value[phase])))
            for place, value in [(70, true["frequency"]), (72, true["energyImport"]), (74, true["energyExport"])]:
                space.update(zip(range(place, place + 2), f32(value)))
            result.append(device(unit, {3: {64512: 0, 64513: 1000 + unit}, 4: space}, self.stamp))
        return result

    async def stamp(self, function, start, address, count, registers, values):
        """Puts the time into the registers of the total power before they are read."""
        if function == 4 and start <= 52 < start + len(registers):
            registers[52 - start:54 - start] = f32(float(now_ms()))
        return None

    # What pymodbus gives each packet to; what it returns goes on.
    def packet(self, sending, data):
        offset = 6 if self.tcp else 0
        if not sending:
            if len(data) > offset + 1:
                self.unit, self.request = data[offset], data
            return data
        if self.unit != FAULTY:
            return data
        self.answers += 1
        body = data[offset:] if self.tcp else data[:-2]
        return self.spoil(data, body)

    def frame(self, data, body):
        """The frame of `data` with another body (unit, function, ...)."""
        if self.tcp:
            return data[:4] + struct.pack(">H", len(body)) + body
        return body + crc(body)

    def spoil(self, data, body):
        fault = self.fault
        if fault.endswith(("-once", "-seldom")):
            if self.answers % (3 if fault.endswith("-once") else 12):
                return data
            fault = {"late-once": "late-450", "late-seldom": "late-450"}.get(fault, fault.removesuffix("-once"))
        later = asyncio.get_running_loop().call_later
        if fault == "silent":
            return b""
        if fault in ("exception", "busy"):
            return self.frame(data, bytes([body[0], body[1] | 0x80, 4 if fault == "exception" else 6]))
        if fault in ("slow", "late", "late-450"):
            later({"slow": 0.2, "late": 0.7, "late-450": 0.45}[fault], self.write, data)
            return b""
        if fault == "late-in-order":
            free = max(time.monotonic(), self.queue_free) + 0.45
            self.queue_free = free
            later(free - time.monotonic(), self.write, data)
            return b""
        if fault == "half":
            if self.tcp:
                later(0.05, self.drop)
            return data[: len(data) // 2]
        if fault == "garbled":
            return bytes([data[0] ^ 0xFF]) + data[1:] if self.tcp else data[:-1] + bytes([data[-1] ^ 0x55])
        if fault == "noise":
            return b"\x00\xff\x7e" + data
        if fault == "other-unit":
            return self.frame(data, bytes([99]) + body[1:])
        if fault == "sound-unit":
            return self.frame(data, bytes([1]) + body[1:])
        if fault == "long" and body[1] < 0x80:
            return self.frame(data, bytes([body[0], body[1], (body[2] + 2) % 256]) + body[3:] + b"\x12\x34")
        if fault == "short" and body[1] < 0x80:
            return self.frame(data, bytes([body[0], body[1], (body[2] - 2) % 256]) + body[3:-2])
        if fault == "trickle":
            for index in range(len(data)):
                later(0.1 * index, self.write, data[index:index + 1])
            return b""
        if fault == "other-function":
            return self.frame(data, bytes([body[0], body[1] ^ 7]) + body[2:])
        if fault == "protocol":
            return data[:2] + b"\x00\x01" + data[4:] if self.tcp else self.frame(data, bytes([body[0], 77]) + body[2:])
        if fault == "flood":
            later(0.001, self.write, bytes(range(256)) * 2)
            return self.frame(data, bytes([body[0], body[1], 2]) + b"\x00\x01")
        if fault == "echo":
            return self.request
        return data

    def write(self, data):
        """On every connection there is: a late answer even reaches one that was made after its question."""
        for connection in list(self.server.active_connections.values()):
            if connection.transport:
                connection.transport.write(data)

    def drop(self):
        for connection in list(self.server.active_connections.values()):
            if connection.transport:
                connection.transport.abort()


async def main():
    kind, place = sys.argv[1].split(":", 1)
    tcp = kind == "tcp"
    bus = None
    if sys.argv[2] == "models":
        devices = [device(index + 1, encoder.Image(model).registers) for index, model in enumerate(encoder.models())]
        packet = None
    else:
        bus = FaultyBus(tcp, sys.argv[3])
        devices, packet = bus.devices(), bus.packet
    options = dict(ignore_missing_devices=True, trace_packet=packet)
    if tcp:
        server = ModbusTcpServer(devices, address=("127.0.0.1", int(place)), **options)
    else:
        server = ModbusSerialServer(devices, framer=FramerType.RTU, port=place, baudrate=9600, **options)
    if bus:
        bus.server = server
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
