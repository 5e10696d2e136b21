"""station-relayd on the kernel's GPIO chip: hundreds of random faults, and how long the contactors take to lose their coils.

The chip keeps what a dead process leaves (test_rig.py proves it), so nothing here opens by itself. All times are the
machine's own.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = Path(os.environ.get("STATION_BIN", ROOT / ".build/debug/station")).resolve().parent
RELAYD = BIN / "station-relayd"
UNIT = ROOT / "Packaging/systemd/station-relayd.service"

LEASE_MS = 350
HEARTBEAT_MS = 25
#: The external circuit lets go when the heartbeat has not changed for so long.
CIRCUIT_MS = 150
#: Of the client, whatever becomes of it; the contactor itself not included.
CLIENT_LIMIT_MS = 500
#: Of relayd without an external circuit: 1 s for the watchdog of its unit, the rest for a kill and the start of --all-off in an
#: emulated machine (0.2 to 1.2 s on a busy host).
UNIT_LIMIT_MS = 3000
#: What a machine without real time may add to the external circuit's own time.
CIRCUIT_MARGIN_MS = 150

#: Multiplies the limits, for a host that does other things too.
PATIENCE = float(os.environ.get("RIG_PATIENCE", "1"))

CLIENT = [f"client {what}" for what in ("kill", "stop", "hung", "garbage", "flood", "replay", "gone", "open", "terminate")]
DAEMON = [f"relayd {what}" for what in ("kill", "stop", "terminate", "abort", "crash")]
TRIALS_UNIT = int(os.environ.get("RIG_TRIALS", "170"))
TRIALS_CIRCUIT = max(len(DAEMON), TRIALS_UNIT // 5)
SEED = int(os.environ.get("RIG_SEED", str(int(time.time()))))

# The time that contactors have is long: an emulated machine on a busy host stands still for 100 ms now and then, which is
# not what is measured here.
CONFIG = f"""relayd 1
lease {LEASE_MS}
heartbeat {HEARTBEAT_MS} gpiochip0 active=high drive=push-pull name=HEARTBEAT
evse 1 opening=1000 closing=1000
power 1 gpiochip0 active=high drive=push-pull name=RELAY1
mirror 1 gpiochip0 contact=NC active=high name=MIRROR1
evse 2 opening=1000 closing=1000
power 2 gpiochip0 active=high drive=push-pull name=RELAY2
mirror 2 gpiochip0 contact=NC active=high name=MIRROR2
"""


@pytest.fixture(scope="session")
def relay_client(tools):
    program = tools / "relay_client"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "Sources/CRelay/include", "-o", program,
                    HERE / "guest/relay_client.c"], check=True)
    return program


@pytest.fixture
def plan(bench, tools, relay_client):
    assert RELAYD.exists(), f"{RELAYD} is missing: swift build"
    config = tools.parent / "relayd.conf"
    config.write_text(CONFIG)
    log = tools.parent / "relayd.log"
    log.write_bytes(b"")

    def make(guard, faults, count):
        contactors = []
        for number in (1, 2):
            command = [str(tools / "contactor"), "--coil", bench.file(f"RELAY{number}", "value"), "--mirror",
                       bench.file(f"MIRROR{number}", "pull"), "--close-ms", "15", "--open-ms", "10"]
            if guard == "heartbeat":
                command += ["--heartbeat", bench.file("HEARTBEAT", "value"), "--heartbeat-ms", str(CIRCUIT_MS)]
            contactors.append(command)
        return {"count": count, "seed": SEED, "guard": guard, "faults": faults, "contactors": contactors, "log": str(log),
                "client": str(relay_client), "relayd": str(RELAYD), "unit": str(UNIT), "config": str(config),
                "socket": "/run/rig/relayd"}
    return make


def trials(bench, plan, title):
    """Runs them, printing progress; results by fault."""
    print(f"\n{title}: {plan['count']} trials, seed {SEED}", flush=True)
    pid = bench.spawn(sys.executable, HERE / "guest/relay_trials.py", json.dumps(plan))
    results, since, spoken = [], 0, time.monotonic()
    while not (results and "done" in results[-1]):
        new = bench.machine.output(pid, since)
        since += len(new)
        for line in new:
            assert line.startswith("{"), f"the trials broke off: {new}"
            results.append(json.loads(line))
        if not new:
            time.sleep(0.2)
        if time.monotonic() - spoken > 15:
            spoken = time.monotonic()
            print(f"  {len(results)} of {plan['count']}", flush=True)
    last = results.pop()
    problems = [result for result in results if "problem" in result]
    assert not problems, f"{problems[0]}\nafter {last['done']} good ones, seed {SEED}\n{Path(plan['log']).read_text()[-3000:]}"
    assert last["done"] == plan["count"]
    by_fault = {}
    for result in results:
        by_fault.setdefault(result["fault"], []).extend(result["ms"])
    assert set(by_fault) == set(plan["faults"]), "not every fault was tried"
    return by_fault, last


def test_relayd_opens_whatever_becomes_of_it_or_its_client_under_its_unit(bench, plan, measured):
    by_fault, last = trials(bench, plan("unit", CLIENT + DAEMON, TRIALS_UNIT), "no external circuit, the unit's manager behind relayd")
    for fault, times in sorted(by_fault.items()):
        row = measured(f"unit: {fault}", times)
        limit = PATIENCE * (CLIENT_LIMIT_MS if fault.startswith("client") else UNIT_LIMIT_MS)
        assert row["max"] < limit, f"{fault}: {row['max']:.1f} ms, limit {limit:.0f} ms, seed {SEED}"
    client = measured("unit: all of the client", [ms for fault in by_fault if fault in CLIENT for ms in by_fault[fault]])
    daemon = measured("unit: all of relayd", [ms for fault in by_fault if fault in DAEMON for ms in by_fault[fault]])
    print(f"worst opening: client {client['max']:.1f} ms, relayd {daemon['max']:.1f} ms; {last['watchdog kills']} kills by the watchdog")
    assert last["watchdog kills"] >= 1, "a stopped relayd was never killed by its watchdog: what opened then?"
    # A lease that is over at once would pass all of the above.
    assert min(by_fault["client stop"]) > LEASE_MS - 150, by_fault["client stop"]


def test_the_external_circuit_opens_when_relayd_dies_or_hangs(bench, plan, measured):
    by_fault, _ = trials(bench, plan("heartbeat", DAEMON, TRIALS_CIRCUIT), f"external circuit of {CIRCUIT_MS} ms, nobody behind relayd")
    for fault, times in sorted(by_fault.items()):
        measured(f"circuit: {fault}", times)
    row = measured("circuit: all of relayd", [ms for times in by_fault.values() for ms in times])
    print(f"worst opening by the external circuit: {row['max']:.1f} ms")
    assert row["max"] < PATIENCE * (CIRCUIT_MS + CIRCUIT_MARGIN_MS), row


def test_without_either_a_killed_relayd_leaves_the_contactor_closed(bench, plan, tools, relay_client):
    """What the unit and the circuit are for, and the proof that the two tests above can fail."""
    made = plan("unit", DAEMON, 1)
    relayd = bench.spawn(RELAYD, "--config", made["config"], "--socket", "/run/rig/relayd2", log=made["log"])
    contactor = bench.contactor("RELAY1", mirror="MIRROR1", close_ms=5, open_ms=5)
    bench.contactor("RELAY2", mirror="MIRROR2", close_ms=5, open_ms=5)
    client = client_of(bench, relay_client, "/run/rig/relayd2")
    since = len(bench.machine.output(contactor))
    bench.machine.write(client, "close\n")
    bench.machine.wait_output(contactor, "contact closed", since=since)
    bench.machine.signal(relayd, 9)
    bench.machine.ended(relayd)
    time.sleep(1)
    assert bench.machine.value("RELAY1") == 1
    off = bench.machine.run(RELAYD, "--all-off", made["config"])
    assert bench.machine.value("RELAY1") == 0 and bench.machine.value("RELAY2") == 0, off


def client_of(bench, relay_client, path):
    """A client whose relayd says that both contactors are open."""
    end = time.monotonic() + 20
    while bench.machine.run("test", "-S", path, check=False)["code"] != 0:
        assert time.monotonic() < end, "relayd made no socket within 20 s"
    client = bench.spawn(relay_client, path, "1", "2")
    bench.machine.wait_output(client, "state 1 1 2 0")
    bench.machine.wait_output(client, "state 2 1 2 0")
    return client


@pytest.fixture
def served(bench, plan, relay_client):
    """relayd, two contactor models and a client."""
    made = plan("unit", DAEMON, 1)
    bench.spawn(RELAYD, "--config", made["config"], "--socket", "/run/rig/relayd3", log=made["log"])
    contactors = [bench.contactor(f"RELAY{number}", mirror=f"MIRROR{number}", close_ms=15, open_ms=10) for number in (1, 2)]
    return contactors, client_of(bench, relay_client, "/run/rig/relayd3")


def tell(bench, program, text):
    """Says it; the number of lines that the program had written before."""
    since = len(bench.machine.output(program))
    bench.machine.write(program, text)
    return since


# state EVSE STATE MIRROR FAULTS CAUSE REFUSAL, numbers of relay_message.h
def test_a_welded_contactor_is_said_and_not_closed_again(bench, served):
    (first, _), client = served
    since = tell(bench, client, "close\n")
    bench.machine.wait_output(client, "state 1 3 3 0", since=since)
    tell(bench, first, "weld 1\n")
    since = tell(bench, client, "open\n")
    bench.machine.wait_output(client, "state 1 1 3 1", since=since)
    since = tell(bench, client, "close\n")
    bench.machine.wait_output(client, "state 1 1 3 1 1 3", since=since)
    bench.machine.wait_output(client, "state 2 3 3 0", since=since)
    assert bench.machine.value("RELAY1") == 0, "a welded contactor's coil was switched on"


def test_a_contactor_that_does_not_close_is_said_and_its_coil_goes_off(bench, served):
    (first, _), client = served
    tell(bench, first, "jam 1\n")
    since = tell(bench, client, "close\n")
    bench.machine.wait_output(client, "state 1 1 2 2 4", since=since)
    assert bench.machine.value("RELAY1") == 0
