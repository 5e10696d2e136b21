"""`station meter probe`, and what `read` says of buses and meters that are not right."""

import json
import subprocess
import time

import pytest

import slaves
from conftest import BIN, meter


@pytest.mark.parametrize("transport", ["rtu", "tcp"])
def test_finds_unit_and_model(slaves_on, transport):
    bus = slaves_on(transport, "models")
    import encoder

    names = encoder.models()
    wanted = {name: names.index(name) + 1 for name in ("abb-b23", "bauer-bsm-ws36a", "eastron-sdm630")}
    units = ",".join(map(str, [*wanted.values(), 200]))
    code, out, err = meter("probe", *bus.options, "--units", units, "--timeout-ms", 300, "--json", timeout=240)
    assert code == 0, err
    answer = json.loads(out)
    assert answer["complete"] is True
    found = {finding["unit"]: [c["model"] for c in finding["candidates"]] for finding in answer["findings"]}
    match = {finding["unit"]: finding["candidates"][0]["match"] for finding in answer["findings"] if finding["candidates"]}
    # The BSM and the ABB answer register 0 with a refusal: that counts as being there.
    assert set(found) == set(wanted.values()), found
    for name in ("abb-b23", "bauer-bsm-ws36a"):
        assert found[wanted[name]][0] == name and match[wanted[name]] == "identified"
    # All Eastron meters share one map: the one that fits is among them.
    assert "eastron-sdm630" in found[wanted["eastron-sdm630"]]
    assert "what is it?" in err, "no progress was shown"


def test_finds_nothing_in_bounded_time(slaves_on):
    bus = slaves_on("rtu", "fault", "silent")
    code, out, err = meter("probe", *bus.options, "--units", "30-40", "--timeout-ms", 100, "--json")
    assert code == 1
    assert json.loads(out) == {"findings": [], "failures": [], "complete": True}
    # The first unit never answers: two questions of 1.5 s; those behind it are refused within milliseconds.
    units = f"{slaves.FAULTY}-247"
    code, out, err = meter("probe", *bus.options, "--units", units, "--timeout-ms", 1500, "--limit-s", 2, "--json")
    assert code == 1
    assert json.loads(out)["complete"] is False
    assert "2 s was over" in err


def test_a_bus_that_is_lost_is_told(slaves_on):
    """An adapter is pulled out in the middle: what was not asked is not "not there"."""
    bus = slaves_on("rtu", "fault", "silent")
    units = f"{slaves.FAULTY}-247"
    command = [str(BIN), "meter", "probe", *bus.options, "--units", units, "--timeout-ms", "1000", "--limit-s", "30", "--json"]
    probe = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "units" in probe.stderr.readline()
    time.sleep(0.5)
    bus.processes[0].kill()
    out, err = probe.communicate(timeout=20)
    answer = json.loads(out)
    assert probe.returncode == 2 and answer["complete"] is False and len(answer["failures"]) == 1, (out, err)
    assert answer["failures"][0] in err


def test_errors_name_what_is_wrong(slaves_on, tmp_path):
    bus = slaves_on("tcp", "fault", "exception")
    missing = tmp_path / "ttyNONE"
    for arguments, expected, words in [
        (["read", "--bus", missing, "--model", "eastron-sdm630"], 2, [str(missing), "No such file"]),
        (["read", *bus.options, "--unit", 50, "--model", "eastron-sdm630", "--limit-s", 3], 1, ["unit 50"]),
        (["read", *bus.options, "--unit", slaves.FAULTY, "--model", "eastron-sdm630"], 1, ["device failure"]),
        (["read", *bus.options, "--model", "eastron-sdm603"], 2, ["eastron-sdm603", "did you mean \"eastron-sdm630\""]),
        (["read", *bus.options, "--unit", 300, "--model", "eastron-sdm630"], 64, ["--unit 300", "0 to 255"]),
        (["read", "--model", "eastron-sdm630"], 64, ["--bus DEVICE or --host HOST"]),
        (["probe", "--bus", missing, "--baud", "9601"], 64, ["9601", "9600"]),
        (["probe", *bus.options, "--units", "5-3"], 64, ["5-3"]),
        (["list", "--meters-dir", tmp_path / "none"], 2, []),
    ]:
        code, out, err = meter(*arguments)
        assert code == expected, (arguments, code, err)
        for word in words:
            assert word in err, (arguments, err)


def test_a_serial_bus_has_one_owner(slaves_on):
    """A second process is told so, and does not disturb the first."""
    import fcntl
    import os

    bus = slaves_on("rtu", "fault", "slow")
    held = os.open(bus.device, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, _, err = meter("read", *bus.options, "--unit", 1, "--model", "eastron-sdm630")
        assert code == 2 and "in use by another process" in err, err
    finally:
        os.close(held)
    code, _, err = meter("read", *bus.options, "--unit", 1, "--model", "eastron-sdm630")
    assert code == 0, err
