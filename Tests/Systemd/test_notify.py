"""The station under a service manager that the test plays: a datagram socket, as systemd gives its services."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("STATION_BIN", ROOT / ".build/debug/station"))
INTERVAL = 1.0
WAIT = 20


class Manager:
    """systemd's end."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.name = address.replace("\0", "@", 1)

    def receive(self, within=WAIT):
        """The next message as its lines; None when nothing comes in time."""
        self.socket.settimeout(max(within, 0.001))
        try:
            return self.socket.recv(65536).decode().split("\n")
        except TimeoutError:
            return None

    def until(self, state, within=WAIT):
        """Messages up to and with the one that has this state."""
        end = time.monotonic() + within
        messages = []
        while True:
            message = self.receive(end - time.monotonic())
            assert message is not None, f"no {state} within {within} s, only {messages}"
            messages.append(message)
            if state in message:
                return messages

    def drain(self):
        while self.receive(0.01) is not None:
            pass

    def pings(self, seconds):
        """When WATCHDOG=1 came, during this time."""
        end = time.monotonic() + seconds
        times = []
        while (message := self.receive(end - time.monotonic())) is not None:
            if "WATCHDOG=1" in message:
                times.append(time.monotonic())
        return times


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "path" else f"\0station-test-{os.getpid()}"
    manager = Manager(address)
    yield manager
    manager.socket.close()


@pytest.fixture
def start(tmp_path):
    """Starts the station with this environment; ends it."""
    processes = []

    def starts(*arguments, **environment):
        environment = {name: value for name, value in environment.items() if value is not None}
        process = subprocess.Popen(
            [str(BIN), "run", "--config-dir", str(ROOT / "DeviceModel/ac-one-evse"), "--data-dir", str(tmp_path / "data"),
             "--csms-url", "ws://127.0.0.1:1", "--log-level", "warning", *arguments],
            env=os.environ | environment, stderr=open(tmp_path / "log", "ab"))
        processes.append(process)
        return process

    yield starts
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def watched(manager, interval=INTERVAL):
    return {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": str(int(interval * 1_000_000))}


def test_ready_then_pings_in_time_then_stopping(manager, start, tmp_path):
    process = start(**watched(manager))
    first = manager.until("READY=1")
    assert first[0][0] == "READY=1", f"something came before READY=1: {first}"
    assert any(line.startswith("STATUS=") for line in first[-1])
    # A control client is served from then on.
    done = subprocess.run(
        [str(BIN), "ctl", "state", "--control-socket", str(tmp_path / "data/control.sock")], capture_output=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    times = manager.pings(5 * INTERVAL)
    assert len(times) >= 8, f"{len(times)} pings in {5 * INTERVAL} s, expected one each {INTERVAL / 2} s"
    assert max(after - before for before, after in zip(times, times[1:])) < INTERVAL, "systemd would have killed it"
    process.send_signal(signal.SIGTERM)
    manager.until("STOPPING=1", 5)
    assert process.wait(WAIT) == 0


def test_a_stopped_process_does_not_ping_and_goes_on_when_it_is_let(manager, start):
    process = start(**watched(manager))
    manager.until("READY=1")
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    manager.drain()
    assert manager.pings(3 * INTERVAL) == []
    process.send_signal(signal.SIGCONT)
    manager.until("WATCHDOG=1", INTERVAL)


def test_no_pings_for_the_watchdog_of_another_process(manager, start):
    start(**watched(manager), WATCHDOG_PID=str(os.getpid()))
    manager.until("READY=1")
    assert manager.pings(2 * INTERVAL) == []


def test_no_pings_without_a_watchdog(manager, start):
    start(NOTIFY_SOCKET=manager.name)
    manager.until("READY=1")
    assert manager.pings(2 * INTERVAL) == []


def test_nothing_is_ready_that_does_not_start(manager, start, tmp_path):
    process = start("--set", "No/Such=1", **watched(manager))
    assert process.wait(WAIT) == 2
    assert manager.receive(0.2) is None


def test_without_a_manager_everything_works(start, tmp_path):
    process = start(NOTIFY_SOCKET=None)
    socket_file = tmp_path / "data/control.sock"
    end = time.monotonic() + WAIT
    while not socket_file.exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT) == 0


@pytest.mark.parametrize("environment", [{"NOTIFY_SOCKET": "nowhere"}, {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}])
def test_an_environment_that_makes_no_sense_is_said_and_does_no_harm(start, tmp_path, environment):
    process = start(**environment)
    end = time.monotonic() + WAIT
    while "the service manager is not told anything" not in (tmp_path / "log").read_text():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    name, value = list(environment.items())[-1]
    assert f"{name}={value}: expected" in (tmp_path / "log").read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT) == 0
