"""The station's GPIO drivers on the kernel's chip: inputs to contactors, the lease held by the product's own client."""

import json
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("STATION_BIN", ROOT / ".build/debug/station")).resolve().parent
DRIVERS, RELAYD = BIN / "gpio-drivers", BIN / "station-relayd"
PATIENCE = float(os.environ.get("RIG_PATIENCE", "1"))
TRIPS = int(os.environ.get("RIG_TRIPS", "48"))

#: An input that trips to the coil without current; issue 4.
SAFETY_LIMIT_MS = 50
#: The station's process killed, stopped or hung.
STATION_LIMIT_MS = 500


def component(name, driver=None, evse=None, connector=None):
    available = {"variable_name": "Available", "characteristics": {"dataType": "boolean", "supportsMonitoring": False},
                 "attributes": [{"type": "Actual", "value": True}]}
    place = {key: value for key, value in (("evse_id", evse), ("connector_id", connector), ("driver", driver)) if value is not None}
    return {"name": name, **place, "properties": {"Available": available}}


def contactor(number):
    return {"kind": "gpio", "chip": "gpiochip0", "line": f"RELAY{number}", "openingMs": 100, "closingMs": 1000,
            "mirror": {"line": f"MIRROR{number}", "contact": "NC"}}


def contact(line):
    return {"kind": "gpio", "chip": "gpiochip0", "line": line, "contact": "NC", "debounceMs": 20}


STATION = [
    component("EVSE", evse=1), component("Connector", evse=1, connector=1), component("PowerContactor", contactor(1), 1),
    component("EVSE", evse=2), component("Connector", evse=2, connector=1), component("PowerContactor", contactor(2), 2),
    component("EmergencyStopSensor", contact("ESTOP")), component("RCD", contact("RCD"), 1),
    component("CaseAccessSensor", contact("DOOR")), component("ELVSupply", contact("SUPPLY")),
]
INPUTS = {"ESTOP": "EmergencyStopSensor", "RCD": "RCD", "DOOR": "CaseAccessSensor", "SUPPLY": "ELVSupply"}


class Station:
    """gpio-drivers inside, with two contactor models."""

    def __init__(self, bench, folder):
        self.bench = bench
        custom = folder / "model/custom"
        custom.mkdir(parents=True)
        for number, one in enumerate(STATION):
            (custom / f"{number}.json").write_text(json.dumps(one))
        self.model = custom.parent
        self.log = folder / "drivers.log"
        for line in INPUTS:
            bench.machine.pull(line, "up")  # contacts that are closed at rest
        self.contactors = [bench.contactor(f"RELAY{number}", mirror=f"MIRROR{number}", close_ms=15, open_ms=10) for number in (1, 2)]
        self.start()

    def start(self):
        self.pid = self.bench.spawn(DRIVERS, self.model, RELAYD, log=str(self.log))
        self.relayd = int(self.heard(" relayd ").split()[-1])
        for number in (1, 2):
            self.heard(f" PowerContactor {number} open")

    def heard(self, text, since=0, within=30):
        return self.bench.machine.wait_output(self.pid, text, within=within, since=since)["text"]

    def last_words(self):
        return "\n".join([*self.bench.machine.output(self.pid)[-30:], self.log.read_text()[-2000:]])

    def count(self, program=None):
        return len(self.bench.machine.output(program or self.pid))

    def say(self, text):
        self.bench.machine.write(self.pid, text + "\n")

    def close(self):
        """Both contactors closed, as their coils and the drivers have it."""
        since, coils = self.count(), [self.count(one) for one in self.contactors]
        for number, (one, before) in enumerate(zip(self.contactors, coils), 1):
            self.say(f"close {number}")
            self.bench.machine.wait_output(one, "coil 1", since=before)
            self.heard(f" PowerContactor {number} closed", since)

    def coils_off(self, before):
        """When each coil went off (ns); `before`: lines of each contactor that are old."""
        return [int(self.bench.machine.wait_output(one, "coil 0", since=since)["text"].split()[0])
                for one, since in zip(self.contactors, before)]


@pytest.fixture
def station(bench, tmp_path):
    for program in (DRIVERS, RELAYD):
        assert program.exists(), f"{program} is missing: swift build"
    return Station(bench, tmp_path)


def test_a_safety_input_that_trips_takes_the_coils_off(bench, station, measured):
    whole, edges = {line: [] for line in INPUTS}, []
    for number in range(TRIPS):
        line = list(INPUTS)[number % len(INPUTS)]
        station.close()
        since, before = station.count(), [station.count(one) for one in station.contactors]
        at = bench.machine.pull(line, "down")
        whole[line] += [(off - at) / 1e6 for off in station.coils_off(before)]
        heard = station.heard(f" {INPUTS[line]} ", since)
        assert heard.endswith(" tripped"), heard
        edges.append((int(heard.split()[1]) - at) / 1e6)
        bench.machine.pull(line, "up")
        station.heard(" clear", since)
        for number in (1, 2):
            station.heard(f" PowerContactor {number} open", since)
    assert min(edges) >= 0
    measured("drivers: input pulled to the driver's time stamp", edges)
    for line, times in whole.items():
        measured(f"drivers: {line} to coil off", times)
    row = measured("drivers: all inputs to coil off", [ms for times in whole.values() for ms in times])
    assert row["p99"] < SAFETY_LIMIT_MS * PATIENCE, f"an input takes too long: {row}"


@pytest.mark.parametrize("fault", ["killed", "stopped", "hung"])
def test_the_coils_go_off_when_the_process_of_the_drivers_dies_or_hangs(bench, station, measured, fault):
    times = []
    for _ in range(6):
        station.close()
        time.sleep(random.uniform(0, 0.3))
        before = [station.count(one) for one in station.contactors]
        if fault == "hung":
            at = bench.machine.call("now")["at"]
            station.say("hang")
        else:
            at = bench.machine.signal(station.pid, signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
        times += [(off - at) / 1e6 for off in station.coils_off(before)]
        if fault != "killed":
            bench.machine.signal(station.pid, signal.SIGKILL)
        bench.machine.ended(station.pid)
        gone(bench, station.relayd)
        station.start()
    row = measured(f"drivers: {fault}, to coil off", times)
    assert row["max"] < STATION_LIMIT_MS * PATIENCE, row


def test_a_relayd_that_dies_is_replaced_by_one_that_opens(bench, station, measured):
    times = []
    for _ in range(5):
        station.close()
        since, before = station.count(), [station.count(one) for one in station.contactors]
        at = bench.machine.signal(station.relayd, signal.SIGKILL)
        times += [(off - at) / 1e6 for off in station.coils_off(before)]
        station.relayd = int(station.heard(" relayd ", since).split()[-1])
        for number in (1, 2):
            station.heard(f" PowerContactor {number} open", since)
    row = measured("drivers: relayd killed, no circuit, to coil off by its successor", times)
    assert row["max"] < 2000 * PATIENCE, row


def test_a_welded_contactor_is_a_fault_and_stays_open_by_command(bench, station):
    station.close()
    bench.machine.write(station.contactors[0], "weld 1\n")
    bench.machine.wait_output(station.contactors[0], "weld 1")
    since = station.count()
    station.say("open 1")
    assert re.search(r"PowerContactor 1 closed \+ContactorWelded", station.heard("ContactorWelded", since))
    station.say("close 1")
    time.sleep(0.5)
    assert bench.machine.value("RELAY1") == 0


def gone(bench, pid, within=10):
    end = time.monotonic() + within
    while bench.machine.run("test", "-d", f"/proc/{pid}", check=False)["code"] == 0:
        assert time.monotonic() < end, f"process {pid} (relayd) outlives its station"
        time.sleep(0.05)
