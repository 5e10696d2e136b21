#!/usr/bin/env python3
"""A small virtual machine with a GPIO chip of the kernel, for programs built on this host.

    vm.py run [--line NAME]... [--forward HOST:GUEST]... [--watchdog] [--limit S] -- COMMAND...

Inside, the host's file system is there read-only, changes stay in memory, and one folder (`shared`) is written through. The
host's loopback is 10.0.2.2. Emulation is QEMU's TCG: no /dev/kvm is needed. All times that the machine reports are of its
own monotonic clock, in nanoseconds: how slow the emulation is does not count twice.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEFAULT_LINES = ["RELAY1", "RELAY2", "MIRROR1", "MIRROR2", "HEARTBEAT", "ESTOP", "RCD", "SUPPLY", "DOOR", "LOCK", "SPARE1", "SPARE2"]
MAX_LINES = 64
PREPARE_LIMIT = 900
BOOT_LIMIT = 120
CONSOLE_LINES = 2000


class RigError(Exception):
    """The rig itself does not work: nothing is known about what was to be tested."""


def prepare():
    """The folder with the kernel and the initial file system; makes it if it is not there."""
    try:
        done = subprocess.run([str(HERE / "prepare")], stdout=subprocess.PIPE, timeout=PREPARE_LIMIT, text=True)
    except subprocess.TimeoutExpired:
        raise RigError(f"{HERE / 'prepare'} did not end within {PREPARE_LIMIT} s") from None
    if done.returncode != 0:
        raise RigError(f"{HERE / 'prepare'} failed with {done.returncode}: the hardware is NOT tested")
    return Path(done.stdout.strip())


class Machine:
    """Boots with `start`; every method waits for the guest's answer and raises `RigError` without one."""

    def __init__(self, shared, lines=None, forwards=(), watchdog=False, limit=600, cpus=2, memory_mb=1024):
        self.shared = Path(shared).resolve()
        self.lines = list(lines or DEFAULT_LINES)
        if len(self.lines) > MAX_LINES:
            raise RigError(f"{len(self.lines)} lines: at most {MAX_LINES}")
        self.forwards = dict(forwards)  # guest port: host port
        self.watchdog = watchdog
        self.limit = limit
        self.cpus = cpus
        self.memory_mb = memory_mb
        self.console = []
        self.boot = {}
        self._answers = {}
        self._arrived = threading.Condition()
        self._next = 0
        self._closed = None
        self._process = None
        self._socket = None
        self._writing = threading.Lock()
        self._folder = None

    def start(self):
        cache = prepare()
        began = time.monotonic()
        self._folder = tempfile.mkdtemp(prefix="rig-")
        control = f"{self._folder}/control"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(control)
        listener.listen(1)
        # A virtual environment's interpreter: the guest has the same file system.
        options = {"lines": len(self.lines), "names": ",".join(self.lines), "shared": self.shared,
                   "python": sys.executable, "agent": HERE / "guest/agent.py", "watchdog": int(self.watchdog)}
        network = "user,id=network" + "".join(
            f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for guest, host in self.forwards.items())
        share = "security_model=none,multidevs=remap"
        arguments = [
            "timeout", "--kill-after=5", str(self.limit),
            "qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(self.cpus),
            "-m", str(self.memory_mb), "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", str(cache / "kernel/vmlinux"), "-initrd", str(cache / "initrd.gz"),
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=control,path={control}",
            "-device", "virtserialport,chardev=control,name=rig",
            "-netdev", network, "-device", "virtio-net-pci,netdev=network,romfile=",
            "-virtfs", f"local,path=/,mount_tag=root,readonly=on,{share}",
            "-virtfs", f"local,path={self.shared},mount_tag=shared,{share}",
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable "
            + " ".join(f"rig.{name}={value}" for name, value in options.items()),
        ]
        if self.watchdog:
            arguments += ["-device", "i6300esb", "-action", "watchdog=reset"]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._read_console, daemon=True).start()
        listener.settimeout(10)
        try:
            self._socket, _ = listener.accept()
        except TimeoutError:
            self.stop()
            raise RigError(f"QEMU did not start: {self.console_tail()}") from None
        finally:
            listener.close()
        threading.Thread(target=self._read_answers, daemon=True).start()
        try:
            self.boot = self._await(0, BOOT_LIMIT, "the boot")
        except RigError:
            self.stop()
            raise
        self.boot["seconds"] = time.monotonic() - began
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self._process and self._process.poll() is None and self._socket:
            try:
                self.send({"id": -1, "do": "poweroff"})
                self._process.wait(10)
            except (RigError, subprocess.TimeoutExpired):
                pass
        if self._process and self._process.poll() is None:
            self._process.terminate()  # `timeout` hands it on
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if self._process:
            self._process.wait()
        if self._socket:
            self._socket.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def console_tail(self):
        return "\n".join(self.console[-15:]) or "no output of the machine"

    # The guest's agent

    def call(self, do, within=30, **fields):
        """Asks the agent; its answer. An error that it reports is a `RigError`."""
        with self._arrived:
            self._next += 1
            number = self._next
        self.send({"id": number, "do": do, **fields})
        answer = self._await(number, within, do)
        if "error" in answer:
            raise RigError(f"{do} {fields}: {answer['error']}")
        return answer

    def run(self, *command, within=60, check=True, **fields):
        """Runs a program inside to its end; `code`, `out`, `err`, `began` and `ended` (ns)."""
        answer = self.call("run", within + 5, command=[str(part) for part in command], limit=within, **fields)
        if check and answer["code"] != 0:
            raise RigError(f"{' '.join(map(str, command))}: ended with {answer['code']}: {answer['err'][-2000:]}")
        return answer

    def spawn(self, *command, **fields):
        """Starts a program inside that goes on; its process id. Its output lines: `output`."""
        return self.call("spawn", command=[str(part) for part in command], **fields)["pid"]

    def output(self, pid, since=0):
        """The lines that a spawned program has written, from number `since` on."""
        return self.call("output", pid=pid, since=since)["lines"]

    def wait_output(self, pid, text, within=30, since=0):
        """The first line from `since` on with this text in it."""
        return self.call("await", within + 5, pid=pid, text=text, since=since, limit=within)["line"]

    def write(self, pid, text):
        self.call("write", pid=pid, text=text)

    def signal(self, pid, number):
        """Sends a signal; the moment just before (ns)."""
        return self.call("signal", pid=pid, signal=int(number))["at"]

    def ended(self, pid, within=30):
        """Waits for a spawned program to end; its exit code, negative for a signal."""
        return self.call("ended", within + 5, pid=pid, limit=within)["code"]

    def pull(self, line, level):
        """Drives an input line "up" or "down"; the moment just before (ns)."""
        return self.call("pull", line=line, level=level)["at"]

    def value(self, line):
        """The level of a line, input or output, as the chip has it."""
        return self.call("value", line=line)["value"]

    def send(self, message):
        try:
            with self._writing:
                self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise RigError(f"the machine is gone ({error}): {self.console_tail()}") from None

    def _await(self, number, within, what):
        end = time.monotonic() + within
        with self._arrived:
            while number not in self._answers:
                if self._closed:
                    raise RigError(f"{what}: the machine is gone ({self._closed}): {self.console_tail()}")
                left = end - time.monotonic()
                if left <= 0:
                    raise RigError(f"{what}: no answer of the machine within {within} s: {self.console_tail()}")
                self._arrived.wait(left)
            return self._answers.pop(number)

    def _read_answers(self):
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    answer = json.loads(line)
                    with self._arrived:
                        self._answers[answer["id"]] = answer
                        self._arrived.notify_all()
            reason = "it closed the connection"
        except (OSError, ValueError) as error:
            reason = str(error)
        with self._arrived:
            self._closed = reason
            self._arrived.notify_all()

    def _read_console(self):
        for line in self._process.stdout:
            self.console.append(line.decode(errors="replace").rstrip())
            del self.console[:-CONSOLE_LINES]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    run = commands.add_parser("run", help="boot, run a command inside, end with its exit code")
    run.add_argument("--line", action="append", help="name of a line, in order (default: those of the tests)")
    run.add_argument("--forward", action="append", default=[], help="HOST:GUEST, a TCP port of 127.0.0.1")
    run.add_argument("--shared", default=os.getcwd(), help="the folder that is written through (default: this one)")
    run.add_argument("--watchdog", action="store_true", help="with a watchdog device, which resets the machine")
    run.add_argument("--limit", type=int, default=300, help="seconds until the machine is ended")
    run.add_argument("command", nargs="+")
    options = parser.parse_args()
    try:
        forwards = {int(guest): int(host) for host, guest in (pair.split(":") for pair in options.forward)}
    except ValueError:
        parser.error("--forward: expected HOST:GUEST, two port numbers")
    try:
        with Machine(options.shared, options.line, forwards, options.watchdog, options.limit) as machine:
            print(f"rig: ready after {machine.boot['seconds']:.1f} s", file=sys.stderr)
            answer = machine.run(*options.command, within=options.limit, check=False, cwd=options.shared)
            sys.stdout.write(answer["out"])
            sys.stderr.write(answer["err"])
            return answer["code"]
    except RigError as error:
        print(f"hardware rig: {error}", file=sys.stderr)
        return 125


if __name__ == "__main__":
    sys.exit(main())
