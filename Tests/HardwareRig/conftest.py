"""One machine for all tests of a run; its lines are as at boot before each. What was measured is printed at the end."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

os.environ["CONFORMANCE_PATIENCE"] = os.environ.get("CONFORMANCE_PATIENCE", "4")
os.environ["CONFORMANCE_ADAPTER"] = "inside:InsideStation"

import inside  # noqa: E402
import measure  # noqa: E402
from rig import Rig  # noqa: E402
from vm import Machine, RigError  # noqa: E402

LINES = HERE / "guest/lines.py"
CHIP = "/run/rig/chip"
MACHINE_LIMIT = 1800
SESSION_LIMIT = 400


class Bench:
    """The machine with what the tests need of it."""

    def __init__(self, machine, tools):
        self.machine = machine
        self.tools = tools
        self.started = []

    def file(self, line, what):
        return f"{CHIP}/sim_gpio{self.machine.lines.index(line)}/{what}"

    def spawn(self, *command, **fields):
        pid = self.machine.spawn(*command, **fields)
        self.started.append(pid)
        return pid

    def lines(self, *words, **fields):
        """Starts guest/lines.py inside."""
        return self.spawn(sys.executable, LINES, *words, **fields)

    def contactor(self, *coils, mirror=None, heartbeat=None, **options):
        """Starts the contactor model; options as in guest/contactor.c, e.g. open_ms=10."""
        words = [part for coil in coils for part in ("--coil", self.file(coil, "value"))]
        if mirror:
            words += ["--mirror", self.file(mirror, "pull")]
        if heartbeat:
            words += ["--heartbeat", self.file(heartbeat, "value")]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        pid = self.spawn(self.tools / "contactor", *words)
        self.machine.wait_output(pid, "coil")
        return pid

    def clear(self):
        """Ends what was started, and takes every line low: the holders' leavings too."""
        for pid in self.started:
            try:
                self.machine.signal(pid, signal.SIGKILL)
            except Exception as error:  # noqa: BLE001
                if "ProcessLookupError" not in str(error):
                    raise
            self.machine.ended(pid)
        self.started.clear()
        self.machine.call("keep", on=True)
        for line in self.machine.lines:
            self.machine.pull(line, "down")
            assert self.machine.value(line) == 0, f"{line} is held by somebody that no test knows"


@pytest.fixture(scope="session")
def tools(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", folder / "contactor", HERE / "guest/contactor.c"], check=True)
    return folder


# Where the machine's host port leads to inside: used by whoever talks to a server in the guest.
@pytest.fixture(scope="session")
def machine(tools, tmp_path_factory, request):
    with Machine(tools.parent, limit=MACHINE_LIMIT) as started:
        request.config.boot = {"seconds": started.boot["seconds"], "guest uptime": started.boot["uptime"], "kernel": started.boot["kernel"]}
        print(f"\nrig: {started.boot['kernel']} ready after {started.boot['seconds']:.1f} s", flush=True)
        yield started


@pytest.fixture
def bench(machine, tools):
    bench = Bench(machine, tools)
    bench.clear()
    yield bench
    bench.clear()


@pytest.fixture
def measured(request):
    """Takes what was measured: `measured(name, values in ms)`; its distribution, which is printed and written at the end."""
    def take(name, values):
        row = measure.distribution(values)
        request.config.measured[name] = row
        return row
    return take


@pytest.fixture
def station_inside(bench, tmp_path):
    """Runs an async test body with a rig whose station is inside; what went wrong on the wire fails the test."""
    inside.InsideStation.machine = bench.machine

    def run(body, configuration="ac-two-evse"):
        async def whole():
            rig = Rig(tmp_path, configuration)
            try:
                async with asyncio.timeout(SESSION_LIMIT):
                    await body(rig)
                problems = rig.problems()
            finally:
                misbehaved = await rig.close()
            assert not problems, problems
            assert not misbehaved, misbehaved
        asyncio.run(whole())
    return run


def pytest_configure(config):
    config.measured = {}
    config.boot = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure comes with what the program under test said last."""
    report = yield
    station = getattr(item, "funcargs", {}).get("station")
    if report.when == "call" and report.failed and station:
        try:
            report.sections.append(("the drivers' last words", station.last_words()))
        except RigError as error:
            report.sections.append(("the drivers' last words", f"none: {error}"))
    return report


def pytest_terminal_summary(terminalreporter, config):
    if config.boot:
        terminalreporter.section("Hardware rig")
        boot = config.boot
        terminalreporter.write_line(f"machine: {boot['kernel']}, ready after {boot['seconds']:.1f} s (guest's own count {boot['guest uptime']:.1f} s)")
    if config.measured:
        for line in measure.table(config.measured):
            terminalreporter.write_line(line)
        measure.write(config.measured, config.boot)
