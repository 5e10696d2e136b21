"""A card reader that is a keyboard, on the kernel's uinput: the product's evdev driver takes it for itself, and takes it back."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WATCH = Path(os.environ.get("STATION_BIN", ROOT / ".build/debug/station")).resolve().parent / "driver-watch"
KEYBOARD = ROOT / "Tests/HardwareRig/guest/keyboard.py"
DEVICE = "ffff:0035"

sys.path.insert(0, str(ROOT / "Tests/Support/driver-watch"))
from vm import RigError  # noqa: E402
from watch import component  # noqa: E402


@pytest.fixture
def reader(bench, tmp_path):
    """driver-watch inside, on a station whose token reader is the keyboard; and what starts the keyboard."""
    custom = tmp_path / "model/custom"
    custom.mkdir(parents=True)
    driver = {"kind": "evdev", "device": DEVICE, "idTokenType": "ISO14443", "evses": [1]}
    for number, one in enumerate([component("EVSE", 1), component("Connector", 1, connector=1), component("TokenReader", driver=driver)]):
        (custom / f"{number}.json").write_text(json.dumps(one))

    def plug():
        pid = bench.spawn(sys.executable, KEYBOARD, DEVICE, "Rig card reader")
        bench.machine.wait_output(pid, "ready")
        return pid

    keyboard = plug()
    watch = bench.spawn(WATCH, custom.parent, ROOT / "DeviceModel/meters")
    return bench.machine, watch, keyboard, plug


def hears(machine, watch, keyboard, token, since=0):
    """Types until the driver hears it: nobody says when it has opened the device."""
    for attempt in range(10):
        machine.write(keyboard, token.lower() + "\n")
        try:
            return machine.wait_output(watch, f'"token":"{token}"', within=3, since=since)
        except RigError:
            if attempt == 9:
                raise
    return None


def tokens(machine, watch):
    return [line["token"] for line in map(json.loads, machine.output(watch)) if "token" in line]


def test_a_keyboard_wedge_is_read_and_nobody_else_hears_it(bench, reader):
    machine, watch, keyboard, _ = reader
    hears(machine, watch, keyboard, "C0FFEE00")
    before = len(tokens(machine, watch))
    # Whoever listens to all keyboards, as a console does.
    other = bench.spawn("sh", "-c", "cat /dev/input/event* | od -An -tx1")
    machine.write(keyboard, "04a1b2c3\n")
    machine.wait_output(watch, '"token":"04A1B2C3"', within=20)
    machine.write(keyboard, "0123456789abcd\n")
    machine.wait_output(watch, '"token":"0123456789ABCD"', within=20)
    assert tokens(machine, watch)[before:] == ["04A1B2C3", "0123456789ABCD"]
    assert not machine.output(other), "the reader is grabbed"


def test_a_keyboard_that_is_pulled_and_put_back_goes_on(bench, reader):
    machine, watch, keyboard, plug = reader
    hears(machine, watch, keyboard, "C0FFEE00")
    since = len(machine.output(watch))
    machine.signal(keyboard, signal.SIGKILL)
    machine.wait_output(watch, "TokenReaderFailure", within=30, since=since)
    since = len(machine.output(watch))
    again = plug()
    machine.wait_output(watch, '"cleared":["TokenReaderFailure"]', within=60, since=since)
    hears(machine, watch, again, "04A1B2C3", since)
