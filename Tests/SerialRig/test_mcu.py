"""The driver of a safety microcontroller against a model of one: sessions and faults."""

import time

import pytest

from mcu import MCU

PART = {"kind": "controller"}


@pytest.fixture
def rig(device, watch_on):
    mcu = device(MCU)
    watch = watch_on({
        "CPPWMController": {"kind": "mcu-serial", "device": mcu.link, "keepAliveMs": 300, "lossAfterMs": 1200, "socket": True},
        "PowerContactor": PART, "ConnectorPlugRetentionLock": PART, "RCD": PART, "EmergencyStopSensor": PART})
    watch.expect(pilot="A")
    return mcu, watch


def until(check, what, timeout=5):
    end = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.005)


def charge(mcu, watch):
    mcu.car = "B"
    watch.expect(pilot="B")
    watch.say("offer 1 16000")
    until(lambda: mcu.signal == 1, "PWM")
    mcu.car = "C"
    watch.expect(pilot="C")
    watch.say("contactor 1 close")
    watch.expect(closed=True)


@pytest.mark.parametrize("classified", [False, True])
def test_session(rig, classified):
    mcu, watch = rig
    mcu.classified = classified
    for first in ({"closed": False}, {"locked": False}, {"cable": 0}):
        watch.expect(**first)
    mcu.car = "B"
    watch.expect(cable=32)
    watch.say("lock 1 on")
    watch.expect(locked=True)
    watch.say("offer 1 16000")
    until(lambda: (mcu.signal, mcu.duty) == (1, 2666), "16 A is 26.66 %")
    asked = time.monotonic()
    mcu.car = "C"
    watch.expect(pilot="C")
    assert 0.45 < time.monotonic() - asked < 1.5, "500 ms of debounce"
    watch.say("contactor 1 close")
    watch.expect(closed=True)
    mark = watch.mark
    mcu.car = "B"
    watch.expect(pilot="B", since=mark)
    watch.expect(closed=False, since=mark)
    watch.say("offer 1 none")
    until(lambda: mcu.signal == 0, "steady pilot")
    watch.say("unavailable 1 on")
    until(lambda: mcu.signal == 2, "state F")
    watch.expect(pilot="F")
    watch.say("unavailable 1 off")
    until(lambda: mcu.signal == 0, "steady pilot")
    watch.say("lock 1 off")
    watch.expect(locked=False, since=mark)
    mcu.car = "A"
    watch.expect(pilot="A", since=mark)
    watch.end()
    assert not [r for r in watch.reports if r.get("raised")]


def test_no_diode_no_c(rig):
    mcu, watch = rig
    mcu.car, mcu.diode = "B", False
    watch.say("offer 1 16000")
    until(lambda: mcu.signal == 1, "PWM")
    mcu.car = "C"
    watch.expect_raised("DiodeFault")
    watch.say("contactor 1 close")
    time.sleep(0.5)
    assert not watch.has(pilot="C") and not mcu.closed and mcu.commands(0x11).count(b"\1") == 0


def test_the_station_opens_when_the_microcontroller_does_not(rig):
    """Both know the vehicle has left C; here only the station acts."""
    mcu, watch = rig
    charge(mcu, watch)
    mcu.open = lambda why: setattr(mcu, "closed", False) if why == "told" else None
    mcu.car = "B"
    until(lambda: not mcu.closed, "opened on the station's word", timeout=1)


def test_withdrawn_under_load_opens_after_six_seconds(rig):
    mcu, watch = rig
    charge(mcu, watch)
    begun = time.monotonic()
    watch.say("offer 1 none")
    watch.expect_raised("InvalidVehicleMode", timeout=5)
    until(lambda: not mcu.closed, "opened", timeout=8)
    assert 5.8 < time.monotonic() - begun < 7.5


def test_trips(rig):
    mcu, watch = rig
    charge(mcu, watch)
    mark = watch.mark
    mcu.estop = True
    watch.wait(lambda r: r["component"].startswith("Emergency") and r.get("tripped") is True)
    watch.expect(closed=False, since=mark)
    mcu.estop = False
    watch.wait(lambda r: r["component"].startswith("Emergency") and r.get("tripped") is False, since=mark)
    watch.say("rcd-test 1")
    watch.wait(lambda r: r["component"].startswith("RCD") and r.get("tripped") is True)
    watch.say("rcd-reset 1")
    watch.wait(lambda r: r["component"].startswith("RCD") and r.get("tripped") is False, since=mark)
    mcu.test_failed = True
    watch.expect_raised("RCDSelfTestFailed")
    mcu.welded = True
    watch.expect_raised("ContactorWelded")
    mcu.lock_stuck = True
    watch.expect(lockFailed=True)


@pytest.mark.parametrize("fault", ["silence", "garbage", "half", "crc", "late"])
def test_faults_that_make_it_unknown(rig, fault):
    mcu, watch = rig
    charge(mcu, watch)
    mark = watch.mark
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    with mcu.lock:
        mcu.fault = fault
        mcu.car = "B"
    unknown = watch.wait(
        lambda r: r["component"].startswith("CPP") and r["quality"] == "unknown", since=mark, timeout=6)
    assert unknown["acquiredAt"] <= began + 20_000_000, "stamped anew"
    assert unknown["at"] - began < 2_500_000_000, "later than its bound"
    assert "CommunicationFault" in unknown["raised"]
    time.sleep(2)
    assert not [r for r in watch.reports[mark:] if r["quality"] == "good"], "a value out of a fault"
    # It comes back, with what it is then; the contactor is closed by nobody but the core.
    with mcu.lock:
        mcu.fault, mcu.outgoing = None, []
    mark = watch.mark
    watch.expect_cleared("CommunicationFault", since=mark, timeout=12)
    watch.expect(pilot="B", since=mark, timeout=5)
    watch.expect(closed=False, since=mark, timeout=5)
    assert not mcu.closed


@pytest.mark.parametrize("fault", ["garbage-between", "half-sometimes", "double"])
def test_faults_that_cost_nothing(rig, fault):
    mcu, watch = rig
    charge(mcu, watch)
    mark = watch.mark
    mcu.fault = fault
    time.sleep(4)
    assert not [r for r in watch.reports[mark:] if r.get("raised") or r["quality"] != "good"], watch.reports[mark:]
    assert mcu.closed
    mcu.car = "B"
    watch.expect(pilot="B", since=mark)


def test_reboot_while_charging(rig):
    mcu, watch = rig
    charge(mcu, watch)
    mark = watch.mark
    mcu.log.clear()
    mcu.reboot()
    watch.expect(closed=False, since=mark)
    # The offer is told again, closing is not.
    until(lambda: (mcu.signal, mcu.duty) == (1, 2666), "the offer again")
    time.sleep(1)
    assert mcu.commands(0x11).count(b"\1") == 0 and not mcu.closed
    watch.say("contactor 1 close")
    watch.expect(closed=True, since=mark)


def test_a_reboot_that_does_not_say_so(rig):
    mcu, watch = rig
    charge(mcu, watch)
    mark = watch.mark
    with mcu.lock:
        mcu.boot()
    watch.expect(closed=False, since=mark, timeout=8)
    until(lambda: mcu.signal == 1, "the offer again", timeout=8)


def test_the_microcontroller_opens_when_the_station_dies(rig):
    mcu, watch = rig
    charge(mcu, watch)
    watch.process.kill()
    begun = time.monotonic()
    until(lambda: not mcu.closed, "opened by itself", timeout=3)
    assert 0.8 < time.monotonic() - begun < 2


def test_stopping_is_safe(rig):
    mcu, watch = rig
    charge(mcu, watch)
    watch.end()
    until(lambda: not mcu.closed and mcu.signal == 0, "safe")


def test_unplugged_and_plugged_in(rig):
    mcu, watch = rig
    charge(mcu, watch)
    mark = watch.mark
    mcu.unplug()
    watch.expect_raised("CommunicationFault", since=mark, timeout=2)
    time.sleep(1)
    mark = watch.mark
    with mcu.lock:
        mcu.boot()
        mcu.plug()
    watch.expect_cleared("CommunicationFault", since=mark, timeout=8)
    watch.expect(closed=False, since=mark)
    assert not mcu.closed


def test_commands_that_are_not_acknowledged(rig):
    mcu, watch = rig
    mcu.acknowledges = False
    watch.say("offer 1 16000")
    watch.expect_raised("EVSEControllerRefuses")
    assert 2 <= len(mcu.commands(0x10)) <= 6
    mcu.acknowledges = True
    watch.say("offer 1 none")
    watch.expect_cleared("EVSEControllerRefuses")


def test_another_version(device, watch_on):
    mcu = device(MCU)
    mcu.version = 2
    watch = watch_on({"CPPWMController": {"kind": "mcu-serial", "device": mcu.link}})
    raised = watch.expect_raised("EVSEControllerFailure")
    assert "version 2" in raised["health"]
    assert not watch.has(quality="good")


def test_probe(rig):
    mcu, watch = rig
    watch.say("probe")
    watch.wait(lambda r: "rig 1.0" in r.get("probe", ""))
