"""Modbus EVSE controllers: a session, and the fault matrix of the meters, on the real driver.

Whatever the fault, a state that is reported as good was the controller's between the question and the report; a controller that
cannot be read is unknown and a fault; and what is withdrawn is off in the controller as soon as it can be reached.
"""

import time

import pytest

import slaves

MODELS = [("rtu", "evse-din"), ("tcp", "evse-din"), ("tcp", "phoenix-em-cp-pp-eth"), ("tcp", "phoenix-ev-cc-ac1-eth")]


def pilots(watch, since=0):
    return [r for r in watch.reports[since:] if r["component"].startswith("CPPWMController")]


def check_truth(rig, slack_ms=0):
    """Every good pilot and contactor report was true at some time between its question and its report."""
    watch, states = rig.watch, list(rig.states)
    checked = 0
    for report in watch.reports:
        for key, name in (("pilot", "state"), ("closed", "closed")):
            if report.get("quality") != "good" or key not in report:
                continue
            if report["raised"] or report["cleared"]:
                continue  # A fault goes with the last reading, which is not told as new.
            asked, told = report["acquiredAt"] - slack_ms * 1_000_000, report["at"]
            then = [s for i, s in enumerate(states)
                    if s["at"] <= told and (i + 1 == len(states) or states[i + 1]["at"] >= asked)]
            assert any(s[name] == report[key] for s in then), f"{report} was never so: {then}"
            checked += 1
    return checked


@pytest.mark.parametrize("transport,model", MODELS)
def test_session(controller_on, transport, model):
    rig = controller_on(transport, model)
    watch = rig.watch
    watch.expect(pilot="A")
    watch.expect(closed=False)
    rig.expect(on=False)
    rig.tell("car B")
    watch.expect(pilot="B")
    if model != "phoenix-ev-cc-ac1-eth":
        watch.expect(cable=32 if model == "evse-din" else 20)
    rig.tell("car C")
    watch.say("offer 1 16900")
    assert rig.expect(on=True, limit=16, state="C", closed=True)
    watch.expect(pilot="C")
    watch.expect(closed=True)
    watch.say("contactor 1 close")
    watch.say("offer 1 10000")
    rig.expect(limit=10, closed=True)
    # Opened by the station, offer or not; and closed again when it says so.
    begun = time.monotonic()
    watch.say("contactor 1 open")
    rig.expect(on=False, closed=False)
    opened = time.monotonic() - begun
    mark = watch.mark
    watch.expect(closed=False, since=mark - 1)
    watch.say("contactor 1 close")
    rig.expect(on=True, limit=10, closed=True)
    # More than 32 A is not written.
    watch.say("offer 1 63000")
    rig.expect(limit=32)
    watch.say("offer 1 none")
    rig.expect(on=False, closed=False)
    watch.say("offer 1 16000")
    rig.expect(on=True, closed=True)
    rig.tell("car A")
    watch.expect(pilot="A", since=mark)
    # The end is a safe state.
    rig.tell("car C")
    rig.expect(closed=True)
    watch.end()
    rig.expect(on=False, closed=False, timeout=3)
    assert check_truth(rig) >= 6
    assert opened < 1.5, f"opening took {opened:.2f} s"
    assert not [r["raised"] for r in watch.reports if r.get("raised")]


@pytest.mark.parametrize("transport,model", [MODELS[0], MODELS[2]])
@pytest.mark.parametrize("fault", slaves.FAULTS)
def test_fault(controller_on, transport, model, fault, record_property):
    rig = controller_on(transport, model, fault)
    watch = rig.watch
    rig.tell("car B")
    watch.say("offer 1 16000")
    end = time.monotonic() + 7
    car = "B"
    while time.monotonic() < end:
        time.sleep(0.9)
        car = {"A": "B", "B": "A"}[car]
        rig.tell(f"car {car}")
    good = [r for r in pilots(watch) if r["quality"] == "good"]
    raised = [name for r in watch.reports for name in r.get("raised", [])]
    # The fault goes, and all is well within the bounds of the back-off.
    mark = watch.mark
    rig.tell("fault none")
    rig.tell("car C")
    rig.expect(on=True, limit=16, closed=True, timeout=20)
    watch.expect(pilot="C", closed=None, since=0, timeout=20)
    watch.wait(lambda r: r.get("closed") is True, timeout=20)
    watch.say("offer 1 none")
    rig.expect(on=False, closed=False)
    watch.end()
    check_truth(rig)
    expected, _ = slaves.FAULTS[fault]
    outcome = f"{len(good)} right states"
    if expected == "values":
        assert good, "no state at all"
        assert "CommunicationFault" not in raised, raised
    else:
        assert not good, good
        assert raised.count("CommunicationFault") == 1, raised
        assert any("CommunicationFault" in r.get("cleared", []) for r in watch.reports[mark:]), "it never came back"
        outcome = "unknown, CommunicationFault, back"
    meters = [r for r in watch.reports if r["component"].startswith("FiscalMetering") and r["quality"] == "good"]
    assert len(meters) >= 5, "the meter on the bus was starved"
    record_property("matrix", (transport, f"{fault} ({model})", outcome, "", "", ""))


@pytest.mark.parametrize("transport,model", [MODELS[0], MODELS[2]])
def test_silence_while_charging(controller_on, transport, model):
    """Nothing is stamped anew; what is withdrawn meanwhile is off at once when the controller answers again."""
    rig = controller_on(transport, model)
    watch = rig.watch
    rig.tell("car C")
    watch.say("offer 1 16000")
    rig.expect(closed=True)
    watch.expect(closed=True)
    time.sleep(0.5)
    rig.tell("fault silent")
    silent_at = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    unknown = watch.expect(quality="unknown", timeout=6)
    assert unknown["acquiredAt"] <= silent_at + 50_000_000
    assert "CommunicationFault" in unknown["raised"]
    # As long as it takes for the back-off to grow.
    time.sleep(6)
    mark = watch.mark
    watch.say("offer 1 none")
    time.sleep(1)
    assert not [r for r in watch.reports[mark:] if r["component"].startswith(("CPP", "Power")) and r["quality"] == "good"]
    rig.tell("fault none")
    begun = time.monotonic()
    rig.expect(on=False, closed=False, timeout=5)
    assert time.monotonic() - begun < 3, "a command waits a second at most for a silent unit"
    watch.expect_cleared("CommunicationFault", since=mark)


@pytest.mark.parametrize("transport,model", [MODELS[0], MODELS[2]])
def test_a_limit_that_is_not_taken_is_a_fault(controller_on, transport, model):
    """The controller says yes and does nothing: only reading back shows it."""
    rig = controller_on(transport, model)
    watch = rig.watch
    watch.expect(pilot="A")
    rig.expect(on=False)
    time.sleep(1)
    rig.tell("stuck on")
    watch.say("offer 1 16000")
    watch.expect_raised("EVSEControllerRefuses")
    rig.tell("stuck off")
    watch.expect_cleared("EVSEControllerRefuses")
    rig.expect(on=True, limit=16)


def test_failures_of_the_controller(controller_on):
    rig = controller_on("rtu", "evse-din")
    watch = rig.watch
    rig.tell("car C")
    watch.say("offer 1 16000")
    watch.expect(closed=True)
    rig.tell("rcd on")
    watch.expect_raised("GroundFailure")
    rig.tell("rcd off")
    watch.expect_cleared("GroundFailure")
    rig.tell("fail on")
    watch.expect_raised("EVSEControllerFailure")
    watch.expect(pilot="E")
    rig.tell("fail off")
    watch.expect_cleared("EVSEControllerFailure")
    rig.tell("car D")
    watch.expect_raised("VentilationNotAvailable")
    rig.expect(on=False, closed=False)


def test_the_limit_is_written_again(controller_on):
    """A wallbox falls back by itself when Modbus is silent: what it forgot is written anew."""
    rig = controller_on("rtu", "evse-din")
    watch = rig.watch
    rig.tell("car B")
    watch.say("offer 1 16000")
    rig.expect(on=True, limit=16)
    mark = len(rig.states)
    # Restarted: off, 6 A.
    rig.tell("limit off")
    rig.tell("on off")
    end = time.monotonic() + 5
    while not any(s["limit"] == 16 and s["on"] for s in rig.states[mark + 1:]):
        assert time.monotonic() < end, rig.states[mark:]
        time.sleep(0.02)


def test_probe(controller_on):
    rig = controller_on("rtu", "evse-din")
    rig.watch.say("probe")
    answer = rig.watch.wait(lambda r: "probe" in r and "found" in r["probe"])
    assert "firmware 18" in answer["probe"]
