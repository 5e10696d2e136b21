"""Starts slaves and the buses that they sit on; ends what it started."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Support/driver-watch"))
BIN = Path(os.environ.get("STATION_BIN", HERE.parents[1] / ".build/debug/station"))
POLL = BIN.parent / "modbus-poll"
WAIT = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(process, check, what):
    end = time.monotonic() + WAIT
    while not check():
        assert process.poll() is None, f"{what} ended with {process.returncode}"
        assert time.monotonic() < end, f"{what}: not ready within {WAIT} s"
        time.sleep(0.02)


class Bus:
    """Slaves on a TCP port, or on one end of a pair of pseudo-terminals made by socat."""

    def __init__(self, transport, folder, arguments, program="slaves.py"):
        self.transport = transport
        self.folder = folder
        self.stations = 0
        self.processes = []
        try:
            if transport == "tcp":
                self.port = free_port()
                place = f"tcp:{self.port}"
                self.driver = {"kind": "modbus-tcp", "host": "127.0.0.1", "port": self.port}
                self.options = ["--host", "127.0.0.1", "--port", str(self.port)]
            else:
                assert shutil.which("socat"), "the program socat is missing: Scripts/setup installs it"
                self.device = str(folder / "station")
                other = str(folder / "bus")
                pair = self.start(["socat", f"pty,raw,echo=0,link={self.device}", f"pty,raw,echo=0,link={other}"])
                wait_for(pair, lambda: os.path.exists(self.device) and os.path.exists(other), "socat")
                place = f"rtu:{other}"
                self.driver = {"kind": "modbus-rtu", "bus": self.device, "baud": 9600, "parity": "N", "stopBits": 1}
                self.options = ["--bus", self.device, "--baud", "9600", "--parity", "N"]
            self.command = [sys.executable, str(HERE / program), place, *arguments]
            self.start_slaves()
        except BaseException:
            self.stop()
            raise

    def start_slaves(self):
        slaves = self.slaves = self.start(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = slaves.stdout.readline()
        assert line == b"ready\n", f"the slaves did not start: {line!r}"

    def start(self, command, **options):
        process = subprocess.Popen(command, **options)
        self.processes.append(process)
        return process

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def slaves_on(tmp_path):
    buses = []

    def start(transport, *arguments):
        bus = Bus(transport, tmp_path, arguments)
        buses.append(bus)
        return bus

    yield start
    for bus in buses:
        bus.stop()


class ControllerRig:
    """An EVSE controller as unit 2 of a bus with meters, and the station's drivers on it."""

    def __init__(self, bus, model, folder):
        from watch import Watch

        self.bus = bus
        self.states = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        place = {k: v for k, v in bus.driver.items() if k != "kind"}
        kind = bus.driver["kind"].replace("modbus-", "modbus-evse-")
        quick = {"timeoutMs": 300, "pauseMs": 20}
        pilot = {"kind": kind, **place, "unit": 2, "model": model, "pollIntervalMs": 200, "staleAfterMs": 3000,
                 "limitIntervalMs": 2000, **quick}
        if model != "phoenix-ev-cc-ac1-eth":
            pilot["socket"] = True
        meter = {**bus.driver, "unit": 1, "model": "eastron-sdm630", "pollIntervalMs": 250, "staleAfterMs": 5000,
                 "maxPowerW": 10_000_000, **quick}
        self.watch = Watch(
            folder / "watched",
            {"CPPWMController": pilot, "PowerContactor": {"kind": "controller"}, "FiscalMetering": meter})

    def read(self):
        for line in self.bus.slaves.stdout:
            self.states.append(json.loads(line))

    def tell(self, command):
        self.bus.slaves.stdin.write(command.encode() + b"\n")
        self.bus.slaves.stdin.flush()

    def expect(self, timeout=10, **fields):
        """Waits until the controller is so; its state line."""
        end = time.monotonic() + timeout
        while not (self.states and all(self.states[-1][k] == v for k, v in fields.items())):
            assert time.monotonic() < end, f"not {fields} within {timeout} s: {self.states[-4:]}, {self.watch.reports[-6:]}"
            time.sleep(0.01)
        return self.states[-1]


@pytest.fixture
def controller_on(tmp_path):
    made = []

    def start(transport, model, *fault):
        bus = Bus(transport, tmp_path, [model, *fault], program="controllers.py")
        made.append(bus)
        rig = ControllerRig(bus, model, tmp_path)
        made.append(rig.watch)
        return rig

    yield start
    for one in reversed(made):
        one.kill() if hasattr(one, "kill") else one.stop()


def meter(*arguments, timeout=90):
    """Runs `station meter`; its exit code, output and errors."""
    done = subprocess.run([str(BIN), "meter", *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout, done.stderr


def component(name, evse, driver=None, connector=None):
    """A component file in the station's format."""
    available = {"variable_name": "Available", "characteristics": {"dataType": "boolean", "supportsMonitoring": False},
                 "attributes": [{"type": "Actual", "value": True}]}
    place = {"evse_id": evse} | ({"connector_id": connector} if connector else {}) | ({"driver": driver} if driver else {})
    return {"name": name, **place, "properties": {"Available": available}}


def write_station(folder, drivers):
    """A device-model folder with an EVSE and a meter for each driver."""
    custom = folder / "custom"
    custom.mkdir(parents=True, exist_ok=True)
    for evse, driver in enumerate(drivers, 1):
        files = {
            f"EVSE_{evse}": component("EVSE", evse), f"Connector_{evse}_1": component("Connector", evse, connector=1),
            f"FiscalMetering_{evse}": component("FiscalMetering", evse, driver)}
        for name, content in files.items():
            (custom / f"{name}.json").write_text(json.dumps(content))


def poll(bus, seconds, units, model="eastron-sdm630", **fields):
    """Runs the drivers of a station with these units; their reports, and the bus's statistics."""
    settings = {"pollIntervalMs": 250, "staleAfterMs": 2000, "timeoutMs": 300, "maxPowerW": 10_000_000, "pauseMs": 0}
    drivers = [{**bus.driver, "unit": unit, "model": model, **settings, **fields} for unit in units]
    bus.stations += 1
    folder = bus.folder / f"station{bus.stations}"
    write_station(folder, drivers)
    done = subprocess.run(
        [str(POLL), str(folder), str(HERE.parents[1] / "DeviceModel/meters"), str(seconds)],
        capture_output=True, text=True, timeout=seconds + 30)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for report in lines[:-1]:
        report["unit"] = units[report["evse"] - 1]
    return lines[:-1], lines[-1]


def pytest_terminal_summary(terminalreporter):
    """The fault matrix, also of a run on several workers."""
    rows = sorted(
        row for reports in terminalreporter.stats.values() for report in reports
        for name, row in getattr(report, "user_properties", []) if name == "matrix" and report.when == "call")
    if not rows:
        return
    head = ("bus", "fault of unit 2", "what became of it", "longest gap", "late", "reported as")
    table = [head, *map(tuple, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    terminalreporter.section("Modbus fault matrix")
    for row in table:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    terminalreporter.write_line("longest gap: between two good readings of a sound unit on the same bus, polled every 250 ms")
