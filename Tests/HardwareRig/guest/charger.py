"""What is around the station of DeviceModel/ac-gpio-modbus, inside the machine: car, safety controller, card, meter.

  python charger.py RELAY_VALUE_FILE

Makes /dev/ttyS1 (meter), ttyS2 (safety controller) and ttyS3 (card reader) and a temperature. The meter counts what flows while the
relay's line is on and the car takes it. One command a line: `car A|B|C`, `card HEX|none`, `meter on|off`, `celsius N`,
`report`; each is answered by one line that begins with the machine's monotonic time in ns.
"""

import asyncio
import logging
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in ("SerialRig", "ModbusRig"):
    sys.path.insert(0, str(HERE.parents[1] / folder))

from mcu import MCU  # noqa: E402
from pn532 import PN532  # noqa: E402
from pymodbus import FramerType  # noqa: E402
from pymodbus.server import ModbusSerialServer  # noqa: E402
from pymodbus.simulator import DataType, SimData, SimDevice  # noqa: E402

logging.disable(logging.CRITICAL)

# Of this process alone: the socat of one that was killed removes its links some time later.
PLACE = Path(f"/run/charger-{os.getpid()}")
THERMAL = Path("/sys/class/thermal")
VOLTAGE, PHASES = 230.0, 3
#: Registers of an SDM630 (function 4): value and where it is.
VOLTAGES, CURRENTS, POWER, FREQUENCY, IMPORT, EXPORT = 0, 6, 52, 70, 72, 74


def f32(value):
    return list(struct.unpack(">HH", struct.pack(">f", value)))


class Meter:
    """Counts by itself, and is asked by Modbus."""

    def __init__(self, relay, mcu):
        self.relay, self.mcu = relay, mcu
        self.wh, self.answers, self.current = 10_000.0, True, 0.0
        self.flows_since = None
        threading.Thread(target=self.count, daemon=True).start()

    def count(self):
        before = time.monotonic()
        while True:
            time.sleep(0.005)
            now = time.monotonic()
            self.wh += self.current * VOLTAGE * PHASES * (now - before) / 3600
            before = now
            closed = os.pread(self.relay, 4, 0).strip() == b"1"
            # Amperes of the duty cycle (IEC 61851-1: 10 to 85 % are 0.6 A a percent).
            offered = self.mcu.duty / 100 * 0.6 if self.mcu.signal == 1 else 0.0
            self.current = offered if closed and self.mcu.car == "C" else 0.0

    async def fill(self, function, start, address, count, registers, values):
        if function != 4:
            return None
        now = {POWER: self.current * VOLTAGE * PHASES, IMPORT: self.wh / 1000}
        for phase in range(PHASES):
            now |= {VOLTAGES + 2 * phase: VOLTAGE, CURRENTS + 2 * phase: self.current}
        for place, value in now.items():
            for offset, word in enumerate(f32(value)):
                if start <= place + offset < start + len(registers):
                    registers[place + offset - start] = word
        return None

    def packet(self, sending, data):
        return b"" if sending and not self.answers else data

    async def serve(self, device):
        bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        space = [0] * 400
        space[FREQUENCY:FREQUENCY + 2], space[EXPORT:EXPORT + 2] = f32(50.0), f32(0.0)
        holding = [SimData(64512, values=[0, 4711], datatype=DataType.REGISTERS)]
        unit = SimDevice(
            1, simdata=(bits, list(bits), holding, [SimData(0, values=space, datatype=DataType.REGISTERS)]), action=self.fill)
        server = ModbusSerialServer(
            [unit], framer=FramerType.RTU, port=device, baudrate=9600, ignore_missing_devices=True, trace_packet=self.packet)
        await server.serve_forever(background=True)


def link(name, target):
    path = Path("/dev") / name
    path.unlink(missing_ok=True)
    path.symlink_to(target)


async def main():
    PLACE.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(THERMAL)], check=True)
    zone = THERMAL / "thermal_zone0"
    zone.mkdir()
    temperature = zone / "temp"
    temperature.write_text("25000\n")
    mcu, reader = MCU(PLACE), PN532(PLACE)
    relay = os.open(sys.argv[1], os.O_RDONLY)
    meter = Meter(relay, mcu)
    pair = subprocess.Popen(["socat", f"pty,raw,echo=0,link={PLACE}/meter", f"pty,raw,echo=0,link={PLACE}/slave"])
    while not (PLACE / "slave").exists():
        await asyncio.sleep(0.05)
    await meter.serve(str(PLACE / "slave"))
    link("ttyS1", PLACE / "meter")
    link("ttyS2", mcu.link)
    link("ttyS3", reader.link)
    print(time.monotonic_ns(), "ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, *rest = line.split()
        answer = word
        if word == "car":
            mcu.car = rest[0]
        elif word == "card":
            reader.card = None if rest[0] == "none" else bytes.fromhex(rest[0])
        elif word == "meter":
            meter.answers = rest[0] == "on"
        elif word == "celsius":
            temperature.write_text(f"{int(float(rest[0]) * 1000)}\n")
        elif word == "report":
            answer = f"report wh={meter.wh:.3f} amperes={meter.current:.2f} duty={mcu.duty if mcu.signal == 1 else 0}"
        print(time.monotonic_ns(), answer, flush=True)
    pair.terminate()


if __name__ == "__main__":
    asyncio.run(main())
