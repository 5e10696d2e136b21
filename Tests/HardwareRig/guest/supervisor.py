"""Plays the service manager for station-relayd inside the machine, by the words of its unit: starts it with a notify
socket, kills it when the watchdog is not fed, runs ExecStopPost after its end, and starts it again.

    Supervisor(unit file, program, config, socket, acts=True)

With acts=False it only starts what it is told to, and nobody stands behind a relayd that dies.
"""

import os
import re
import select
import shlex
import signal
import socket
import subprocess
import threading
import time

SPANS = {"ms": 0.001, "s": 1.0, "": 1.0}


def unit_values(path):
    values = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, found, value = line.strip().partition("=")
            if found and not line.startswith("#"):
                values.setdefault(key, []).append(value)
    return values


def span(text):
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|)", text).groups()
    return float(number) * SPANS[unit]


class Supervisor:
    def __init__(self, unit, program, config, path, log, acts=True):
        values = unit_values(unit)
        self.watchdog = span(values["WatchdogSec"][0])
        self.pause = span(values["RestartSec"][0])
        self.signal = getattr(signal, values["WatchdogSignal"][0])
        self.start_command = self.command(values["ExecStart"][0], program, config, path)
        self.stop_command = self.command(values["ExecStopPost"][0], program, config, path)
        self.priority = int(values["CPUSchedulingPriority"][0])
        self.acts = acts
        self.log = log
        self.notify = f"{path}.notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.notify)
        self.process = None
        self.ready = threading.Event()
        self.closing = False
        self.kills = 0
        self.alive_until = float("inf")
        self.starts = 0
        self.start()
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self.listen, self.watch)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def command(line, program, config, path):
        """The unit's command with what is installed elsewhere here."""
        places = {"/usr/bin/station-relayd": program, "/etc/station/relayd.conf": config, "/run/station-relayd/socket": path}
        words = shlex.split(line)
        assert all(word in places for word in words if word.startswith("/")), f"a path not known here: {line}"
        return [places.get(word, word) for word in words]

    def start(self):
        self.starts += 1
        self.ready.clear()
        self.alive_until = float("inf")
        environment = {**os.environ, "NOTIFY_SOCKET": self.notify, "WATCHDOG_USEC": str(int(self.watchdog * 1_000_000))}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.start_command, env=environment, stderr=log)
        return self.process

    def be_quick(self, priority):
        """For this thread and what it starts: the unit's policy, and a manager that is not slower than a real one."""
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))

    def listen(self):
        """Before the watchdog is judged, everything that has arrived is read, as systemd does it."""
        self.be_quick(self.priority)
        while not self.closing:
            left = max(0.0, min(self.alive_until - time.monotonic(), 0.05))
            while select.select([self.socket], [], [], left)[0]:
                message = self.socket.recv(4096).decode()
                if "WATCHDOG=1" in message or "READY=1" in message:
                    self.alive_until = time.monotonic() + self.watchdog
                if "READY=1" in message:
                    self.ready.set()
                left = 0.0
            if self.acts and time.monotonic() > self.alive_until and self.process.poll() is None:
                self.alive_until = float("inf")
                self.kills += 1
                self.process.send_signal(self.signal)

    def watch(self):
        self.be_quick(self.priority)
        while not self.closing:
            self.process.wait()
            if self.closing:
                return
            if self.acts:
                with open(self.log, "ab") as log:
                    subprocess.run(self.stop_command, stderr=log, timeout=10, check=True)
                time.sleep(self.pause)
                if not self.closing:
                    self.start()
            else:
                time.sleep(0.01)

    def close(self):
        self.closing = True
        if self.process.poll() is None:
            self.process.kill()
        # They use the process and the socket.
        for thread in self.threads:
            thread.join(15)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.socket.close()
        os.unlink(self.notify)
