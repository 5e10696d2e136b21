"""The host's hand inside the machine: one JSON object a line over a virtual serial port, answered by one.

Runs programs, sends signals, drives lines of the chip and reads them; stamps all with the machine's monotonic clock.
When the host is gone the machine is switched off.
"""

import glob
import json
import os
import subprocess
import sys
import threading
import time

CHIP = "/run/rig/chip"
LINE_LIMIT = 200_000  # lines kept of one program
OUTPUT_LIMIT = 1 << 20  # bytes of a finished program's output in an answer

with open("/run/rig/lines", encoding="ascii") as file:
    NAMES = file.read().split()

port = os.open(glob.glob("/dev/vport*p1")[0], os.O_RDWR)
sending = threading.Lock()
programs = {}


class Program:
    """Something that was spawned: its output with the time at which each line arrived."""

    def __init__(self, command, log=None, **options):
        errors = open(log, "ab") if log else subprocess.STDOUT
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, **options)
        self.lines = []
        self.done = False
        self.arrived = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.arrived:
                if len(self.lines) < LINE_LIMIT:
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.arrived.notify_all()
        with self.arrived:
            self.done = True
            self.arrived.notify_all()

    def find(self, text, since, within):
        """The first line with this text, or None when the time is up or the program has ended without it."""
        end = time.monotonic() + within
        with self.arrived:
            while True:
                for number in range(since, len(self.lines)):
                    if text in self.lines[number]:
                        return {"number": number, "text": self.lines[number]}
                since = len(self.lines)
                left = end - time.monotonic()
                if self.done or left <= 0:
                    return None
                self.arrived.wait(left)


def line_file(line, what):
    number = NAMES.index(line) if line in NAMES else int(line)
    return f"{CHIP}/sim_gpio{number}/{what}"


def environment(request):
    return {**os.environ, **request.get("env", {})}


def run(request):
    began = time.monotonic_ns()
    done = subprocess.run(
        request["command"], capture_output=True, timeout=request["limit"], cwd=request.get("cwd"),
        env=environment(request), stdin=subprocess.DEVNULL)
    ended = time.monotonic_ns()
    text = [part[-OUTPUT_LIMIT:].decode(errors="replace") for part in (done.stdout, done.stderr)]
    return {"code": done.returncode, "out": text[0], "err": text[1], "began": began, "ended": ended}


def spawn(request):
    program = Program(request["command"], request.get("log"), cwd=request.get("cwd"), env=environment(request))
    programs[program.process.pid] = program
    return {"pid": program.process.pid}


def output(request):
    return {"lines": programs[request["pid"]].lines[request["since"]:]}


def await_line(request):
    program = programs[request["pid"]]
    line = program.find(request["text"], request["since"], request["limit"])
    if line is None:
        tail = " / ".join(program.lines[-5:])
        raise ValueError(f"no line with {request['text']!r} within {request['limit']} s; the last ones: {tail}")
    return {"line": line}


def write(request):
    program = programs[request["pid"]]
    program.process.stdin.write(request["text"].encode())
    program.process.stdin.flush()
    return {}


def signal(request):
    at = time.monotonic_ns()
    os.kill(request["pid"], request["signal"])
    return {"at": at}


def ended(request):
    return {"code": programs[request["pid"]].process.wait(request["limit"])}


def pull(request):
    with open(line_file(request["line"], "pull"), "w", encoding="ascii") as file:
        at = time.monotonic_ns()
        file.write(f"pull-{request['level']}")
        file.flush()
    return {"at": at}


def value(request):
    with open(line_file(request["line"], "value"), encoding="ascii") as file:
        return {"value": int(file.read()), "at": time.monotonic_ns()}


def keep(request):
    """Whether outputs keep their level when they are released."""
    with open("/sys/module/gpio_simulator/parameters/keep_released", "w", encoding="ascii") as file:
        file.write("1" if request["on"] else "0")
    return {}


def now(_):
    return {"at": time.monotonic_ns()}


DOES = {"run": run, "spawn": spawn, "output": output, "await": await_line, "write": write, "signal": signal, "ended": ended,
        "pull": pull, "value": value, "keep": keep, "now": now}


def send(answer):
    data = json.dumps(answer).encode() + b"\n"
    with sending:
        while data:
            data = data[os.write(port, data):]


def serve(request):
    try:
        answer = DOES[request["do"]](request)
    except Exception as error:  # whatever went wrong is the host's to judge
        answer = {"error": f"{type(error).__name__}: {error}"}
    send({"id": request["id"], **answer})


def main():
    uptime = float(open("/proc/uptime", encoding="ascii").read().split()[0])
    send({"id": 0, "uptime": uptime, "kernel": os.uname().release, "python": sys.version.split()[0]})
    waiting = b""
    while True:
        data = os.read(port, 65536)
        if not data:
            return  # the host is gone
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["do"] == "poweroff":
                return
            threading.Thread(target=serve, args=(request,), daemon=True).start()


if __name__ == "__main__":
    main()
