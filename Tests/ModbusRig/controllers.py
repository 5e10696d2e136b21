"""Modbus EVSE controllers on the PyPI package pymodbus, beside sound meters, with the faults of slaves.py.

  python controllers.py tcp:PORT|rtu:DEVICE MODEL [FAULT]

Unit 2 is the controller (evse-din, phoenix-em-cp-pp-eth, phoenix-ev-cc-ac1-eth), units 1 and 20 are sound SDM630s. Commands
on the standard input: `car A|B|C|D` (what the vehicle does: none, plugged in, asks when it is offered current, asks for
ventilation), `fail on|off`, `rcd on|off`, `stuck on|off` (takes no writes but says so), `fault NAME|none`. Prints "ready",
then a line of JSON for every change of what the controller does, with the time (CLOCK_MONOTONIC, ns).
"""

import asyncio
import json
import sys
import threading
import time

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

import slaves


class Controller:
    """What all models share: the car, the limit, the switch."""

    def __init__(self):
        self.car = "A"
        self.limit = 0
        self.on = False
        self.failed = self.rcd = self.stuck = False
        self.told = None

    @property
    def offers(self):
        return self.on and self.limit >= 6 and not self.failed and not self.rcd

    @property
    def state(self):
        """The pilot's state: the vehicle asks only for what it is offered."""
        if self.car in "CD" and not self.offers:
            return "B"
        return self.car

    @property
    def closed(self):
        return self.offers and self.state in "CD"

    def tell(self):
        now = {"state": self.state, "limit": self.limit, "on": self.on, "closed": self.closed}
        if now != self.told:
            self.told = now
            print(json.dumps({"at": time.clock_gettime_ns(time.CLOCK_MONOTONIC), **now}), flush=True)

    def wrote(self, function, address, value):
        if not self.stuck:
            self.take(function, address, value)
        self.tell()


class EVSEDIN(Controller):
    """Registers 1000 to 1007 and 2000 to 2007 as SimpleEVSE-WiFi and openWB use them, firmware 18."""

    def __init__(self):
        super().__init__()
        self.configuration = 0

    def take(self, function, address, value):
        if address == 1000:
            self.limit = value / 100 if self.configuration & 128 else value
        elif address == 1004:
            self.on = not value & 1
        elif address == 2005:
            self.configuration = value

    def image(self, function):
        fine = 100 if self.configuration & 128 else 1
        state = 5 if self.failed else {"A": 1, "B": 2, "C": 3, "D": 4}[self.state]
        output = round(self.limit * fine) if self.offers else 0
        registers = [round(self.limit * fine), output, state, 0 if self.car == "A" else 32, int(not self.on), 18,
                     2 if self.offers else 3, int(self.rcd)]
        return {1000 + i: value for i, value in enumerate(registers)} | {2005: self.configuration}

    def device(self, action):
        bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        holding = [SimData(1000, values=[0] * 8, datatype=DataType.REGISTERS),
                   SimData(2000, values=[0] * 8, datatype=DataType.REGISTERS)]
        unused = [SimData(65535, values=[0], datatype=DataType.REGISTERS)]
        return SimDevice(slaves.FAULTY, simdata=(bits, list(bits), holding, unused), action=action)


class Phoenix(Controller):
    """EM-CP-PP-ETH: status 100, cable 101, limit 300, enable 400. The EV-CC-AC1-ETH has its limit at 528."""

    def __init__(self, limit_at):
        super().__init__()
        self.limit_at = limit_at
        self.limit = 13

    def take(self, function, address, value):
        if function in (5, 15) and address == 400:
            self.on = bool(value)
        elif function in (6, 16) and address == self.limit_at:
            self.limit = value

    def image(self, function):
        if function in (1, 5, 15):
            return {400: int(self.on)}
        if function == 4:
            return {100: ord("F" if self.failed else self.state), 101: 0 if self.car == "A" else 20}
        return {self.limit_at: self.limit}

    def device(self, action):
        coils = [SimData(400, values=[False] * 16, datatype=DataType.BITS)]
        bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        holding = [SimData(self.limit_at, values=[0], datatype=DataType.REGISTERS)]
        inputs = [SimData(100, values=[0] * 8, datatype=DataType.REGISTERS)]
        return SimDevice(slaves.FAULTY, simdata=(coils, bits, holding, inputs), action=action)


MODELS = {
    "evse-din": EVSEDIN, "phoenix-em-cp-pp-eth": lambda: Phoenix(300), "phoenix-ev-cc-ac1-eth": lambda: Phoenix(528)}


class ControllerBus(slaves.FaultyBus):
    def __init__(self, tcp, model, fault):
        super().__init__(tcp, fault)
        self.controller = MODELS[model]()

    def devices(self):
        meters = [device for device in super().devices() if device.id != slaves.FAULTY]
        return meters + [self.controller.device(self.access)]

    async def access(self, function, start, address, count, registers, values):
        if values is not None:
            for offset, value in enumerate(values):
                self.controller.wrote(function, address + offset, int(value))
            if self.controller.stuck:
                values[:] = registers[address - start:address - start + len(values)]
        for place, value in self.controller.image(function).items():
            if start <= place < start + len(registers):
                registers[place - start] = value
        return None

    def spoil(self, data, body):
        return data if self.fault == "none" else super().spoil(data, body)

    def command(self, line):
        word, value = line.split()
        if word == "car":
            self.controller.car = value
        elif word == "fault":
            self.fault = value
        else:
            setattr(self.controller, {"fail": "failed"}.get(word, word), value == "on")
        self.controller.tell()


async def main():
    kind, place = sys.argv[1].split(":", 1)
    bus = ControllerBus(kind == "tcp", sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "none")
    options = dict(ignore_missing_devices=True, trace_packet=bus.packet)
    if bus.tcp:
        server = ModbusTcpServer(bus.devices(), address=("127.0.0.1", int(place)), **options)
    else:
        server = ModbusSerialServer(bus.devices(), framer=FramerType.RTU, port=place, baudrate=9600, **options)
    bus.server = server
    await server.serve_forever(background=True)
    print("ready", flush=True)
    bus.controller.tell()
    loop = asyncio.get_running_loop()

    def listen():
        for line in sys.stdin:
            loop.call_soon_threadsafe(bus.command, line)

    threading.Thread(target=listen, daemon=True).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
