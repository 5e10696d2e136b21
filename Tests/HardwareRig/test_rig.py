"""The rig itself: what it can show and, above all, that a test of a fail-safe can fail on it."""

import http.server
import os
import signal
import sys
import threading
import time

import pytest

from conftest import LINES

TRIALS = 60
#: Multiplies the limits, for a host that does other things too.
PATIENCE = float(os.environ.get("RIG_PATIENCE", "1"))


def hold(bench, line, value=1):
    pid = bench.lines("hold", line, value)
    bench.machine.wait_output(pid, "held")
    return pid


def events(lines):
    """(ns, what) of a program that prints `NS WHAT`."""
    return [(int(stamp), what) for stamp, what in (line.split(" ", 1) for line in lines)]


def test_an_output_of_a_killed_process_stays_as_on_real_chips(bench):
    pid = hold(bench, "RELAY1")
    assert bench.machine.value("RELAY1") == 1
    bench.machine.signal(pid, signal.SIGKILL)
    assert bench.machine.ended(pid) == -signal.SIGKILL
    time.sleep(0.5)
    assert bench.machine.value("RELAY1") == 1, "the line fell by itself: every fail-safe would pass here"


def test_the_next_owner_of_a_kept_output_can_take_it_low(bench):
    bench.machine.signal(hold(bench, "RELAY1"), signal.SIGKILL)
    hold(bench, "RELAY1", 0)
    assert bench.machine.value("RELAY1") == 0


def test_an_output_taken_over_as_an_input_follows_its_pull(bench):
    pid = hold(bench, "RELAY1")
    bench.machine.signal(pid, signal.SIGKILL)
    bench.machine.ended(pid)
    assert bench.machine.run(sys.executable, LINES, "get", "RELAY1")["out"] == "0\n"


def test_in_drop_mode_the_output_falls_to_its_pull(bench):
    bench.machine.call("keep", on=False)
    pid = hold(bench, "RELAY1")
    bench.machine.signal(pid, signal.SIGKILL)
    bench.machine.ended(pid)
    assert bench.machine.value("RELAY1") == 0


def test_a_held_line_is_refused_to_others(bench):
    hold(bench, "RELAY1")
    answer = bench.machine.run(sys.executable, LINES, "get", "RELAY1", check=False)
    assert answer["code"] != 0 and "busy" in answer["err"], answer


@pytest.mark.parametrize("level", ["up", "down"])
def test_an_input_follows_its_pull_and_its_bias(bench, level):
    bench.machine.pull("ESTOP", level)
    expected = "1\n" if level == "up" else "0\n"
    assert bench.machine.run(sys.executable, LINES, "get", "ESTOP")["out"] == expected
    assert bench.machine.run(sys.executable, LINES, "get", "ESTOP", "up")["out"] == "1\n"
    assert bench.machine.value("ESTOP") == 1


def test_edges_come_in_order_with_the_kernel_s_time(bench, measured):
    watcher = bench.lines("edges", "ESTOP", TRIALS)
    bench.machine.wait_output(watcher, "ready")
    driven = [(bench.machine.pull("ESTOP", "up" if number % 2 == 0 else "down"), "rising" if number % 2 == 0 else "falling")
              for number in range(TRIALS)]
    assert bench.machine.ended(watcher) == 0
    seen = events(bench.machine.output(watcher, 1))
    assert [what for _, what in seen] == [what for _, what in driven]
    delays = [(stamp - at) / 1e6 for (stamp, _), (at, _) in zip(seen, driven)]
    assert min(delays) >= 0, f"an edge has a time before its cause: {min(delays)} ms"
    row = measured("rig: line pulled to edge time stamp", delays)
    assert row["median"] < 50 * PATIENCE, row


def test_the_contactor_model_follows_its_coil(bench, measured):
    contactor = bench.contactor("RELAY1", mirror="MIRROR1", close_ms=20, open_ms=10)
    first = len(bench.machine.output(contactor))
    toggling = bench.lines("toggle", "RELAY1", TRIALS, 60)
    assert bench.machine.ended(toggling, within=60) == 0
    set_at = events(bench.machine.output(toggling))
    time.sleep(0.5)
    # What the model tells of its start may arrive late: it is not an answer to the first change.
    seen = [(stamp, what) for stamp, what in events(bench.machine.output(contactor, first)) if stamp >= set_at[0][0]]
    coil = [(stamp, what) for stamp, what in seen if what.startswith("coil")]
    assert [what for _, what in coil] == [f"coil {what}" for _, what in set_at]
    delays = [(stamp - at) / 1e6 for (stamp, _), (at, _) in zip(coil, set_at)]
    row = measured("rig: output set to contactor model", delays)
    assert row["median"] < 20 * PATIENCE, f"the model is too slow to judge 50 ms by: {row}"
    moves = [(stamp, what) for stamp, what in seen if what.startswith("contact")]
    assert [what for _, what in moves[:2]] == ["contact closed", "contact open"]
    for (stamp, what), (at, _) in zip(moves, coil):
        assert stamp - at >= (20 if what == "contact closed" else 10) * 1_000_000, (what, stamp - at)


def test_the_mirror_contact_tells_welded_and_jammed(bench):
    contactor = bench.contactor("RELAY1", mirror="MIRROR1", close_ms=5, open_ms=5)
    eventually(bench, "MIRROR1", 1)
    bench.machine.write(contactor, "jam 1\n")
    bench.machine.wait_output(contactor, "jam 1")
    holder = hold(bench, "RELAY1")
    bench.machine.wait_output(contactor, "coil 1")
    time.sleep(0.3)
    assert bench.machine.value("MIRROR1") == 1, "a jammed contactor closed"
    bench.machine.write(contactor, "jam 0\nweld 1\n")
    eventually(bench, "MIRROR1", 0)
    bench.machine.signal(holder, signal.SIGKILL)
    bench.machine.ended(holder)
    since = len(bench.machine.output(contactor))
    hold(bench, "RELAY1", 0)
    bench.machine.wait_output(contactor, "coil 0", since=since)
    time.sleep(0.3)
    assert bench.machine.value("MIRROR1") == 0, "a welded contactor opened"
    bench.machine.write(contactor, "weld 0\n")
    eventually(bench, "MIRROR1", 1)


def test_the_external_circuit_opens_when_the_heartbeat_stops(bench, measured):
    delays = []
    hold(bench, "RELAY1")
    contactor = bench.contactor("RELAY1", heartbeat="HEARTBEAT", heartbeat_ms=300)
    for _ in range(5):
        since = len(bench.machine.output(contactor))
        beating = bench.lines("toggle", "HEARTBEAT", 1000, 20)
        bench.machine.wait_output(contactor, "coil 1", since=since)
        stopped = bench.machine.signal(beating, signal.SIGSTOP)
        line = bench.machine.wait_output(contactor, "coil 0", since=since)
        delays.append((int(line["text"].split()[0]) - stopped) / 1e6)
        bench.machine.signal(beating, signal.SIGKILL)
        bench.machine.ended(beating)
    row = measured("rig: heartbeat stopped to external circuit (300 ms)", delays)
    assert 200 < row["min"] and row["max"] < 600 * PATIENCE, row


def test_the_guest_reaches_a_server_on_the_host(bench):
    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from the host")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        program = f"import urllib.request as u; print(u.urlopen('http://10.0.2.2:{server.server_port}/', timeout=20).read().decode())"
        assert bench.machine.run(sys.executable, "-c", program)["out"] == "from the host\n"
    finally:
        server.shutdown()
        server.server_close()


def test_files_of_the_shared_folder_arrive_and_others_are_not_changed(bench, tools):
    here = tools.parent / "from-the-guest"
    bench.machine.run("sh", "-c", f"echo hello >{here}; echo changed >>/etc/hostname; cat /etc/hostname")
    assert here.read_text() == "hello\n"
    assert "changed" not in open("/etc/hostname", encoding="utf-8").read()


def eventually(bench, line, value, within=10):
    end = time.monotonic() + within
    while bench.machine.value(line) != value:
        assert time.monotonic() < end, f"{line} did not become {value} within {within} s"
        time.sleep(0.05)


def test_a_card_reader_that_is_a_keyboard_can_be_played(bench):
    keyboard = bench.spawn(sys.executable, LINES.parent / "keyboard.py", "ffff:0035", "Rig card reader")
    bench.machine.wait_output(keyboard, "ready")
    program = (
        "import glob, os, struct, sys\n"
        "path = next(os.path.dirname(os.path.dirname(name)) for name in glob.glob('/sys/class/input/event*/device/name')\n"
        "            if open(name).read() == 'Rig card reader\\n')\n"
        "device = open('/dev/input/' + os.path.basename(path), 'rb', buffering=0)\n"
        "print('reading', flush=True)\n"
        "while True:\n"
        "    *_, kind, code, value = struct.unpack('=qqHHi', device.read(24))\n"
        "    if (kind, value) == (1, 1): print('key', code, flush=True)\n")
    reader = bench.spawn(sys.executable, "-c", program)
    bench.machine.wait_output(reader, "reading")
    bench.machine.write(keyboard, "0123AF\n")
    bench.machine.wait_output(reader, "key 28")
    assert bench.machine.output(reader, 1) == [f"key {code}" for code in (11, 2, 3, 4, 30, 33, 28)]
