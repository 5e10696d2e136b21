"""Measures the release binaries; `Scripts/bench` builds them and calls this."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Tests" / "Conformance"))

from csms.pki import Authority, server_context  # noqa: E402

# By then what starting and connecting needed is given back (CodeMemory).
SETTLED_SECONDS = 6
SAMPLE = ROOT / "Tests" / "Samples" / "TransactionEventRequest.json"


class Peer:
    """A WebSocket server that does next to nothing, so that the station's part is what is measured."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(20)
        self.port = self.server.getsockname()[1]
        self.buffer = b""

    def accept(self) -> None:
        try:
            self.link, _ = self.server.accept()
        except TimeoutError:
            raise SystemExit("bench: the station does not connect") from None
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.link = self.tls.wrap_socket(self.link, server_side=True)
        request = b""
        while b"\r\n\r\n" not in request:
            request += self.link.recv(4096)
        key = next(line.split(b":", 1)[1].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.link.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept + b"\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n"
        )  # fmt: skip

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            data = self.link.recv(1 << 16)
            if not data:
                raise SystemExit("bench: the station closed the connection")
            self.buffer += data
            # What TLS has decrypted already would not wake a select.
            while isinstance(self.link, ssl.SSLSocket) and self.link.pending():
                self.buffer += self.link.recv(1 << 16)
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def receive(self) -> list:
        while (message := self.frame()) is None:
            pass
        return message

    def frame(self) -> list | None:
        """The next message, or nothing for any other frame; a ping is answered."""
        first, second = self._take(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._take(8))
        mask = self._take(4)
        data = self._take(length)
        number = int.from_bytes(data, "big") ^ int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        data = number.to_bytes(length, "big")
        if first & 0x0F == 1:
            return json.loads(data)
        if first & 0x0F == 9:
            self._send(0x8A, data)
        return None

    def _send(self, opcode: int, data: bytes) -> None:
        length = len(data)
        head = bytes([opcode, length]) if length < 126 else struct.pack(">BBH", opcode, 126, length) if length < 65536 else struct.pack(">BBQ", opcode, 127, length)  # fmt: skip
        self.link.sendall(head + data)

    def send(self, message: list) -> None:
        self._send(0x81, json.dumps(message).encode())

    def answer(self, call: list) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        payloads = {"BootNotification": {"currentTime": now, "interval": 86400, "status": "Accepted"}, "Heartbeat": {"currentTime": now}}
        payloads["Authorize"] = {"idTokenInfo": {"status": "Accepted"}}
        self.send([3, call[1], payloads.get(call[2], {})])

    def settle(self) -> None:
        """Answers until the station has been quiet for half a second; 2 s at most, as with scaled time it never is."""
        end = time.monotonic() + 2
        self._answer_until(lambda: min(0.5, end - time.monotonic()))

    def serve(self, seconds: float) -> None:
        """Answers calls and pings for so long."""
        end = time.monotonic() + seconds
        self._answer_until(lambda: end - time.monotonic())

    def _answer_until(self, patience: Callable[[], float]) -> None:
        """Answers until no message has begun for `patience()` seconds, asked anew before each."""
        while (left := patience()) > 0:
            if not self.buffer and not select.select([self.link], [], [], left)[0]:
                return
            message = self.frame()
            if message and message[0] == 2:
                self.answer(message)

    def call(self, number: int, action: str, payload: dict) -> None:
        self.send([2, f"bench-{number}", action, payload])
        while (message := self.receive())[0] != 3:
            self.answer(message)


class Measured:
    """A process that is connected to a Peer."""

    peer: Peer
    process: subprocess.Popen

    def cpu(self) -> float:
        """CPU time of all threads, seconds."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class PackageClient(Measured):
    """The minimal station of bench_client.py."""

    def __init__(self, inventory: Path, items: int):
        self.peer = Peer()
        program = [sys.executable, str(ROOT / "Scripts" / "bench_client.py"), f"ws://127.0.0.1:{self.peer.port}/bench", str(inventory)]
        self.process = subprocess.Popen([*program, str(items)], stdin=subprocess.DEVNULL)
        self.peer.accept()
        self.peer.answer(self.peer.receive())
        self.peer.settle()

    def stop(self) -> None:
        self.peer.link.close()
        self.process.terminate()
        self.process.wait(10)


class Running(Measured):
    """A station with its own directory, connected to a Peer."""

    def __init__(self, binary: Path, folder: Path, *options: str, tls: ssl.SSLContext | None = None):
        self.folder = folder
        self.peer = Peer(tls)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("STATION_")}
        arguments = [str(binary / "station"), "run", "--config-dir", str(ROOT / "DeviceModel/ac-two-evse"), "--data-dir", str(folder)]
        scheme = "wss" if tls else "ws"
        arguments += ["--csms-url", f"{scheme}://127.0.0.1:{self.peer.port}", "--log-level", "error", *options]
        self.start = time.monotonic()
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, env=environment)
        self.peer.accept()
        boot = self.peer.receive()
        self.boot_seconds = time.monotonic() - self.start
        assert boot[2] == "BootNotification", boot
        self.peer.answer(boot)
        self.peer.settle()

    def status(self, name: str) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + ":")))

    def private_dirty(self) -> int:
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("Private_Dirty:")))

    def control(self, *commands: dict) -> list[dict]:
        """The answers of the control socket, one per command."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.folder / "control.sock"))
            lines = client.makefile("rb")
            answers = []
            for command in commands:
                client.sendall(json.dumps(command).encode() + b"\n")
                answers.append(json.loads(lines.readline()))
                if answers[-1]["ok"] is not True:
                    raise SystemExit(f"bench: {command}: {answers[-1]}")
            return answers

    def written(self) -> int:
        """Bytes that the ledger has handed to the file system since the start."""
        return self.control({"cmd": "state"})[0]["ledger"]["bytesWritten"]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.peer.link.close()
        if self.process.wait(10) != 0:
            raise SystemExit("bench: the station did not end with 0")


def best_of(rounds: int, calls: int, body: Callable[[], object]) -> float:
    """Thread CPU time of a call, nanoseconds, best of so many rounds."""
    body()
    best = float("inf")
    for _ in range(rounds):
        start = time.thread_time_ns()
        for _ in range(calls):
            body()
        best = min(best, (time.thread_time_ns() - start) / calls)
    return best


def python_package() -> float:
    """The sample through the PyPI package `ocpp` as its ChargePoint does it, nanoseconds: unpack and validate what comes,
    validate and pack what goes."""
    from ocpp import messages

    # Validation in this thread, so that its time is in the figure.
    messages.ASYNC_VALIDATION = False
    text = json.dumps([2, "1", "TransactionEvent", json.loads(SAMPLE.read_text())])

    def run(coroutine: Coroutine[None, None, None]) -> None:
        try:
            coroutine.send(None)
        except StopIteration:
            return
        raise SystemExit("bench: the package validates elsewhere")

    def once() -> None:
        call = messages.unpack(text)
        run(messages.validate_payload(call, "2.0.1"))
        answer = messages.Call(unique_id="1", action="TransactionEvent", payload=call.payload)
        run(messages.validate_payload(answer, "2.0.1"))
        answer.to_json()

    return best_of(5, 100, once)


def python_json() -> float:
    """The sample through Python's own `json`, nanoseconds: what other machines can be compared by."""
    text = SAMPLE.read_text()
    return best_of(7, 1000, lambda: json.dumps(json.loads(text)))


def flush(binary: Path, folder: Path, events: int) -> float:
    """Queued TransactionEvents per second that leave after a reconnection, to a CSMS that answers at once."""
    running = Running(binary, folder, "--set", "TxCtrlr/TxStartPoint=EVConnected", "--set", "TxCtrlr/TxStopPoint=EVConnected")
    running.control({"cmd": "network", "online": False})
    session = ({"cmd": "plugIn", "evse": 1}, {"cmd": "plugOut", "evse": 1})  # Started and Ended
    running.control(*session * (events // 2))
    running.peer.link.close()
    running.peer.buffer = b""
    running.control({"cmd": "network", "online": True})
    running.peer.accept()
    seen: set[tuple[str, int]] = set()
    start = 0.0
    while len(seen) < events:
        message = running.peer.receive()
        if message[2] == "TransactionEvent":
            start = start or time.monotonic()
            seen.add((message[3]["transactionInfo"]["transactionId"], message[3]["seqNo"]))
        running.peer.answer(message)
    seconds = time.monotonic() - start
    running.peer.settle()
    running.stop()
    return events / seconds


def connections(running: Running, count: int) -> tuple[float, bool]:
    """CPU time of the station for one connection, from the uplink's return to the first answered call, in seconds; and
    whether the last one was resumed."""
    resumed = False
    start = running.cpu()
    for number in range(count):
        running.control({"cmd": "network", "online": False})
        running.peer.link.close()
        running.peer.buffer = b""
        running.control({"cmd": "network", "online": True})
        running.peer.accept()
        running.peer.call(number, "GetLocalListVersion", {})
        resumed = isinstance(running.peer.link, ssl.SSLSocket) and bool(running.peer.link.session_reused)
    return (running.cpu() - start) / count, resumed


def tls(binary: Path, folder: Path, plain: dict[str, float], quick: bool) -> dict[str, tuple[float, str, str]]:
    """What TLS costs: the handshake, beside a connection without it, calls, and memory. `plain`: the same without TLS."""
    figures: dict[str, tuple[float, str, str]] = {}
    count = 20 if quick else 100
    for key in ("ec", "rsa2048"):
        root = Authority("Bench Root", kind=key)
        identity = root.issue(kind=key)
        certs = folder / f"certs-{key}"
        (certs / "ca/csms").mkdir(parents=True)
        (certs / "ca/csms/CSMS_ROOT_CA.pem").write_text(root.pem)
        for minimum, name in ((ssl.TLSVersion.TLSv1_2, "1.2"), (ssl.TLSVersion.TLSv1_3, "1.3")):
            for resume in (False, True):
                context = server_context(identity, minimum=minimum, maximum=minimum)
                if not resume:
                    context.options |= ssl.OP_NO_TICKET
                    context.num_tickets = 0
                data = folder / f"{key}-{name}-{resume}"
                running = Running(binary, data, "--certs-dir", str(certs), tls=context)
                seconds, resumed = connections(running, count)
                if resumed != resume:
                    raise SystemExit(f"bench: TLS {name}, {key}: expected resumed to be {resume}")
                kind = "resumed" if resume else "full"
                cost = (seconds - plain["connection"]) * 1e6
                figures[f"TLS {name} handshake, {key}, {kind}, CPU beside a plain connection"] = (cost, "µs", "")
                if not resume and key == "ec" and name == "1.3":
                    running.peer.serve(SETTLED_SECONDS)
                    figures["idle RSS with TLS"] = (running.status("VmRSS") / 1024, "MiB", "< 20")
                    figures["idle private dirty with TLS"] = (running.private_dirty() / 1024, "MiB", "")
                    figures["largest RSS with TLS"] = (running.status("VmHWM") / 1024, "MiB", "")
                    calls = calls_cpu(running, 10_000, 1, 200 if quick else 2000)
                    figures["GetVariables, 1 item, CPU per call beside plain"] = ((calls - plain["call"]) * 1e6, "µs", "")
                running.stop()
    return figures


def calls_cpu(running: Measured, first: int, items: int, calls: int) -> float:
    """CPU time of the station for a GetVariables of so many items, seconds."""
    return call_cost(running, first, items, calls)[0]


def call_cost(running: Measured, first: int, items: int, calls: int) -> tuple[float, float]:
    """CPU time of the station for a GetVariables of so many items, and the round trip, seconds."""
    item = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
    payload = {"getVariableData": [item] * items}
    for number in range(50):
        running.peer.call(first + number, "GetVariables", payload)
    before, start = running.cpu(), time.monotonic()
    for number in range(calls):
        running.peer.call(first + 50 + number, "GetVariables", payload)
    return (running.cpu() - before) / calls, (time.monotonic() - start) / calls


def report(running: Measured, number: int) -> list[list[dict]]:
    """A GetBaseReport FullInventory: the data of each NotifyReport, all of them answered."""
    peer = running.peer
    peer.send([2, f"bench-report-{number}", "GetBaseReport", {"requestId": number, "reportBase": "FullInventory"}])
    parts: list[list[dict]] = []
    more = True
    while more:
        message = peer.receive()
        if message[0] == 2:
            peer.answer(message)
            if message[2] == "NotifyReport":
                parts.append(message[3]["reportData"])
                more = message[3].get("tbc", False)
    return parts


def report_cost(running: Measured, rounds: int) -> tuple[float, float]:
    """CPU time of the station for one FullInventory, and the time until the last NotifyReport has come, seconds."""
    report(running, 1)
    running.peer.settle()
    before, wall = running.cpu(), 0.0
    for number in range(rounds):
        start = time.monotonic()
        report(running, 2 + number)
        wall += time.monotonic() - start
    running.peer.settle()
    return (running.cpu() - before) / rounds, wall / rounds


def messages(running: Running, folder: Path, quick: bool) -> dict[str, tuple[float, str, str]]:
    """GetVariables and FullInventory, the station beside a client on the PyPI package that does the same and nothing else."""
    figures: dict[str, tuple[float, str, str]] = {}
    parts = report(running, 0)
    entries = sum(map(len, parts))
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps([one for part in parts for one in part]))
    client = PackageClient(inventory, len(parts[0]))
    calls = {1: 200 if quick else 2000, 50: 50 if quick else 200}
    for name, station, want in (("", running, {1: "< 50", 50: "< 200"}), (", PyPI package", client, {})):
        for items in (1, 50):
            count = calls[items] if station is client else 200 if quick else 2000
            cpu, trip = call_cost(station, 1000 * items, items, count)
            what = f"GetVariables, {items} item{'s' * (items > 1)}"
            figures[f"{what}, CPU per call{name}"] = (cpu * 1e6, "µs", want.get(items, ""))
            figures[f"{what}, round trip{name}"] = (trip * 1e6, "µs", "")
        cpu, wall = report_cost(station, 5 if quick else 20)
        what = f"FullInventory, {entries} variables in {len(parts)} messages"
        figures[f"{what}, CPU{name}"] = (cpu * 1e3, "ms", "" if name else "< 4")
        figures[f"{what}, until the last{name}"] = (wall * 1e3, "ms", "")
    client.stop()
    return figures


def wear(binary: Path, folder: Path, quick: bool) -> tuple[float, float]:
    """Bytes that the ledger writes in a session of 10 minutes with a meter value a minute, and in an idle day."""
    scale = 120 if quick else 60
    running = Running(binary, folder, "--time-scale", str(scale), "--set", "SampledDataCtrlr/TxUpdatedInterval=60")
    before = running.written()
    running.control({"cmd": "plugIn", "evse": 1}, {"cmd": "swipe", "idToken": "DEADBEEF"})
    running.peer.serve(600 / scale)
    running.control({"cmd": "swipe", "idToken": "DEADBEEF"}, {"cmd": "plugOut", "evse": 1})
    running.peer.settle()
    session = running.written() - before
    running.stop()
    # Faster, and the station would find its CSMS slow. An hour or four stand for the day.
    scale, hours = 240, 1 if quick else 4
    running = Running(binary, folder, "--time-scale", str(scale))
    before = running.written()
    running.peer.serve(hours * 3600 / scale)
    idle = (running.written() - before) * 24 / hours
    running.stop()
    return session, idle


def monitoring(binary: Path, folder: Path, quick: bool) -> tuple[float, float]:
    """With 1,000 monitors: CPU in 60 s idle, milliseconds; and what a change of a variable with ten of them costs beyond the
    same change without, microseconds."""
    running = Running(binary, folder)
    peer = running.peer

    def change(calls: int) -> float:
        """CPU per SetVariables that changes a value, with all that follows from it, microseconds."""
        peer.settle()
        before = running.cpu()
        for number in range(calls):
            value = str(600 if number % 2 else 60)
            item = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}, "attributeValue": value}
            peer.call(number, "SetVariables", {"setVariableData": [item]})
        peer.settle()
        return (running.cpu() - before) / calls * 1e6

    calls = 50 if quick else 500
    change(calls)
    without = change(calls)
    entries = [one for part in report(running, 1) for one in part]
    entries = [one for one in entries if one["variableCharacteristics"]["supportsMonitoring"]]
    entries.sort(key=lambda one: one["variable"]["name"] != "OfflineThreshold")
    monitors = [
        {"component": one["component"], "variable": one["variable"], "type": "Delta", "value": 1, "severity": severity}
        for one in entries
        for severity in range(10)
    ][:1000]
    for start in range(0, len(monitors), 50):
        peer.call(start, "SetVariableMonitoring", {"setMonitoringData": monitors[start : start + 50]})
    request = {"getVariableData": [{"component": {"name": "MonitoringCtrlr"}, "variable": {"name": "ActiveMonitors"}}]}
    peer.send([2, "bench-count", "GetVariables", request])
    while (message := peer.receive())[0] != 3:
        peer.answer(message)
    count = int(message[2]["getVariableResult"][0]["attributeValue"])
    if count < 1000:
        raise SystemExit(f"bench: {count} monitors instead of 1,000")
    peer.settle()
    seconds = 10 if quick else 60
    before = running.cpu()
    peer.serve(seconds)
    idle = (running.cpu() - before) * 1000 * 60 / seconds
    change(calls)
    cost = change(calls) - without
    running.stop()
    return idle, cost


def measure(binary: Path, quick: bool) -> dict[str, tuple[float, str, str]]:
    """Name -> value, unit, what we want."""
    figures: dict[str, tuple[float, str, str]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for name in ("station", "stationd"):
            stripped = Path(scratch) / name
            shutil.copy(binary / name, stripped)
            subprocess.run(["strip", str(stripped)], check=True)
            figures[f"{name}, stripped"] = (stripped.stat().st_size / 1e6, "MB", "< 20" if name == "stationd" else "")
        binary = Path(scratch)
        first = Running(binary, Path(scratch) / "first")
        figures["exec to BootNotification, new data directory"] = (first.boot_seconds * 1000, "ms", "")
        first.stop()
        boots = []
        for _ in range(5 if quick else 20):
            running = Running(binary, Path(scratch) / "first")
            boots.append(running.boot_seconds * 1000)
            running.stop()
        figures["exec to BootNotification, median"] = (statistics.median(boots), "ms", "< 15")
        running = Running(binary, Path(scratch) / "first")
        running.peer.serve(SETTLED_SECONDS)
        figures["idle RSS"] = (running.status("VmRSS") / 1024, "MiB", "< 16")
        figures["idle private dirty"] = (running.private_dirty() / 1024, "MiB", "< 4")
        figures["threads"] = (running.status("Threads"), "", "<= 4")
        seconds = 10 if quick else 60
        before = running.cpu()
        running.peer.serve(seconds)
        figures["CPU in 60 s idle"] = ((running.cpu() - before) * 1000 * 60 / seconds, "ms", "< 3")
        plain: dict[str, float] = {}
        figures |= messages(running, Path(scratch), quick)
        plain["call"] = figures["GetVariables, 1 item, CPU per call"][0] / 1e6
        plain["connection"], _ = connections(running, 20 if quick else 100)
        figures["plain connection, CPU"] = (plain["connection"] * 1e6, "µs", "")
        running.stop()
        figures |= tls(binary, Path(scratch) / "tls", plain, quick)
        rate = flush(binary, Path(scratch) / "queue", 1000)
        figures["1,000 queued TransactionEvents, flushed"] = (rate, "/s", "> 3000")
        idle, cost = monitoring(binary, Path(scratch) / "monitoring", quick)
        figures["1,000 monitors: CPU in 60 s idle"] = (idle, "ms", "< 3")
        figures["1,000 monitors: CPU of a change that ten of them tell"] = (cost, "µs", "< 1000")
        session, idle = wear(binary, Path(scratch) / "wear", quick)
        figures["written to disk per session of 10 minutes"] = (session / 1024, "KiB", "")
        figures["written to disk per idle day"] = (idle / 1024, "KiB", "")
    codec = json.loads(subprocess.check_output([str(ROOT / ".build-release/release/bench-codec"), str(SAMPLE)]))[0]
    ours = codec["decodeNanoseconds"] + codec["encodeNanoseconds"]
    figures["TransactionEvent decode"] = (codec["decodeNanoseconds"] / 1000, "µs", "")
    figures["TransactionEvent encode"] = (codec["encodeNanoseconds"] / 1000, "µs", "")
    figures["TransactionEvent decode + encode"] = (ours / 1000, "µs", "< 3")
    foundation = json.loads(subprocess.check_output([str(ROOT / ".build-release/release/bench-jsondecoder"), str(SAMPLE)]))
    theirs = foundation["decodeNanoseconds"] + foundation["encodeNanoseconds"]
    figures["the same with JSONDecoder/JSONEncoder, no validation"] = (theirs / 1000, "µs", "")
    package = python_package()
    figures["the same with Python's json, no validation"] = (python_json() / 1000, "µs", "")
    figures["the same with the PyPI package, validated"] = (package / 1000, "µs", "")
    figures["times as fast as JSONDecoder/JSONEncoder"] = (theirs / ours, "x", "")
    figures["times as fast as the PyPI package"] = (package / ours, "x", ">= 300")
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="Scripts/bench")
    parser.add_argument("--bin", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--skip-build", action="store_true", help="measure what is built")
    options = parser.parse_args()
    figures = measure(ROOT / options.bin, options.quick)
    width = max(map(len, figures))
    print(f"| {'what':{width}} | measured   | wanted |\n|{'-' * (width + 2)}|------------|--------|")
    for name, (value, unit, want) in figures.items():
        shown = f"{value:.0f}" if value >= 100 or unit == "" else f"{value:.2f}"
        print(f"| {name:{width}} | {shown + ' ' + unit:10} | {want:6} |")
    if options.json:
        content = {name: {"value": value, "unit": unit, "wanted": want} for name, (value, unit, want) in figures.items()}
        Path(options.json).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
