"""Runs driver-watch on a folder of components and gathers what it reports."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("STATION_BIN", ROOT / ".build/debug/station")).parent / "driver-watch"


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def component(name, evse=None, driver=None, connector=None):
    """A component file in the station's format."""
    available = {"variable_name": "Available", "characteristics": {"dataType": "boolean", "supportsMonitoring": False},
                 "attributes": [{"type": "Actual", "value": True}]}
    place = ({"evse_id": evse} if evse else {}) | ({"connector_id": connector} if connector else {})
    return {"name": name, **place} | ({"driver": driver} if driver else {}) | {"properties": {"Available": available}}


class Watch:
    """A station of one EVSE with these drivers, by component name."""

    def __init__(self, folder, drivers):
        custom = folder / "custom"
        custom.mkdir(parents=True)
        parts = [component("EVSE", 1), component("Connector", 1, connector=1)]
        parts += [component(name, 1, driver) for name, driver in drivers.items()]
        for part in parts:
            (custom / f"{part['name']}.json").write_text(json.dumps(part))
        self.reports = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [str(BIN), str(folder), str(ROOT / "DeviceModel/meters")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.reports.append(json.loads(line))
                self.changed.notify_all()

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def wait(self, check, timeout=10, since=0):
        """The first report since an index for which `check` holds."""
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                for report in self.reports[since:]:
                    if check(report):
                        return report
                left = end - time.monotonic()
                assert left > 0, f"not within {timeout} s: {self.reports[-8:]}"
                assert self.process.poll() is None, self.process.stderr.read()
                self.changed.wait(left)

    def has(self, since=0, **fields):
        return any(all(report.get(k) == v for k, v in fields.items()) for report in self.reports[since:])

    def expect(self, timeout=10, since=0, **fields):
        return self.wait(lambda r: all(r.get(k) == v for k, v in fields.items()), timeout, since)

    def expect_raised(self, name, timeout=10, since=0):
        return self.wait(lambda r: name in r.get("raised", []), timeout, since)

    def expect_cleared(self, name, timeout=10, since=0):
        return self.wait(lambda r: name in r.get("cleared", []), timeout, since)

    @property
    def mark(self):
        return len(self.reports)

    def end(self):
        """Stops the drivers in order; all reports."""
        if self.process.poll() is None:
            self.process.stdin.close()
            code = self.process.wait(20)
            self.thread.join(5)
            assert code == 0, f"driver-watch ended with {code}: {self.process.stderr.read()}"
        return self.reports

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
