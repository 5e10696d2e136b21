"""Token readers on pseudo-terminals, and temperatures in files."""

import time

import pytest

from pn532 import PN532


@pytest.fixture
def rig(device, watch_on):
    chip = device(PN532)
    watch = watch_on({"TokenReader": {"kind": "pn532-serial", "device": chip.link, "rearmMs": 600}})
    end = time.monotonic() + 5
    while 0x4A not in chip.asked:
        assert time.monotonic() < end, chip.asked
        time.sleep(0.01)
    return chip, watch


def tokens(watch, since=0):
    return [r["token"] for r in watch.reports[since:] if "token" in r]


def test_one_presentation_a_placement(rig):
    chip, watch = rig
    assert chip.asked[:2] == [0x02, 0x14]
    chip.card = bytes.fromhex("04a1b2c3d4e5f6")
    report = watch.expect(token="04A1B2C3D4E5F6", type="ISO14443")
    assert report["evses"] == [1]
    time.sleep(1.5)
    assert len(tokens(watch)) == 1
    # Away for less than the time of rearming.
    chip.card = None
    time.sleep(0.3)
    chip.card = bytes.fromhex("04a1b2c3d4e5f6")
    time.sleep(1)
    assert len(tokens(watch)) == 1
    chip.card = None
    time.sleep(1.2)
    chip.card = bytes.fromhex("04a1b2c3d4e5f6")
    time.sleep(1)
    assert len(tokens(watch)) == 2
    chip.card = bytes.fromhex("deadbeef")
    watch.expect(token="DEADBEEF")


@pytest.mark.parametrize("fault", ["silence", "ack-only", "checksum", "half"])
def test_faults(rig, fault):
    chip, watch = rig
    chip.fault = fault
    mark = watch.mark
    chip.card = bytes.fromhex("01020304")
    watch.expect_raised("TokenReaderFailure", timeout=15)
    assert not tokens(watch, mark)
    chip.fault = None
    watch.expect_cleared("TokenReaderFailure", timeout=15)
    watch.expect(token="01020304")


def test_noise_between_frames_costs_nothing(rig):
    chip, watch = rig
    chip.fault = "garbage-between"
    chip.card = bytes.fromhex("01020304")
    watch.expect(token="01020304")
    assert not [r for r in watch.reports if r["raised"]]


def test_unplugged_and_plugged_in(rig):
    chip, watch = rig
    chip.unplug()
    watch.expect_raised("TokenReaderFailure")
    chip.awake = chip.configured = False
    chip.buffer = b""
    chip.plug()
    watch.expect_cleared("TokenReaderFailure", timeout=8)
    chip.card = bytes.fromhex("0a0b0c0d")
    watch.expect(token="0A0B0C0D")


def test_an_input_device_that_is_not_there_is_a_fault(watch_on):
    watch = watch_on({"TokenReader": {"kind": "evdev", "device": "fffe:fffd"}})
    raised = watch.expect_raised("TokenReaderFailure")
    assert "no input device is fffe:fffd" in raised["why"]


def test_temperature(watch_on, tmp_path):
    file = tmp_path / "temp1_input"
    file.write_text("41500\n")
    watch = watch_on({"TemperatureSensor": {
        "kind": "sysfs-temperature", "path": str(file), "pollIntervalMs": 100, "staleAfterMs": 600}})
    watch.expect(milliCelsius=41500)
    file.write_text("55250\n")
    watch.expect(milliCelsius=55250)
    # A sensor that is torn off.
    file.write_text("-127000\n")
    lost = watch.expect_raised("TemperatureSensorFailure")
    assert lost["quality"] == "unknown" and "expected -40 to 150" in lost["why"]
    last = [r for r in watch.reports if "milliCelsius" in r][-1]
    assert lost["acquiredAt"] == last["acquiredAt"], "unknown since the last good reading"
    file.write_text("40000\n")
    watch.expect_cleared("TemperatureSensorFailure")
    watch.expect(milliCelsius=40000)
