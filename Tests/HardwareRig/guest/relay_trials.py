"""Random faults of station-relayd and its client: how long until both contactors' coils are off, in guest time.

    relay_trials.py '{"count": N, "seed": S, "guard": "unit"|"heartbeat", "faults": [...], ...}'

Each trial: a client closes both contactors, the fault strikes at a random moment, the contactor models say when the coils went off.
guard "unit": the service manager of supervisor.py stands behind relayd, there is no external circuit. "heartbeat": the external
circuit alone. Prints a JSON object a trial: {"fault", "ms": [each EVSE], "problem"?}, and at the end {"done": trials}.
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from supervisor import Supervisor  # noqa: E402

CLOSED, OPEN = 3, 1
WAIT = 10
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "terminate": signal.SIGTERM, "abort": signal.SIGABRT, "crash": signal.SIGSEGV}


class Tool:
    """A program with commands on stdin and lines `NS WORDS` on stdout, read without threads."""

    def __init__(self, *command, log):
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.rest = b""
        self.events = []

    def tell(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def read(self, within):
        if select.select([self.process.stdout], [], [], max(within, 0))[0]:
            data = self.process.stdout.read() or b""
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                stamp, *words = line.decode().split()
                self.events.append((int(stamp), " ".join(words)))
            if not data:
                time.sleep(0.005)

    def since(self, at, what):
        return next((stamp for stamp, words in self.events if stamp >= at and words == what), None)

    def until(self, check, what, within=WAIT):
        end = time.monotonic() + within
        while not check():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what} within {within} s; the last events: {self.events[-4:]}")
            self.read(min(left, 0.05))

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Trials:
    def __init__(self, plan):
        self.plan = plan
        self.random = random.Random(plan["seed"])
        self.guarded = plan["guard"] == "unit"
        self.log = plan["log"]
        self.contactors = [Tool(*command, log=self.log) for command in plan["contactors"]]
        self.supervisor = Supervisor(plan["unit"], plan["relayd"], plan["config"], plan["socket"], self.log, acts=self.guarded)

    def client(self):
        """A client that has closed both contactors."""
        if not self.supervisor.ready.wait(WAIT):
            raise TimeoutError(f"relayd is not ready within {WAIT} s")
        client = Tool(self.plan["client"], self.plan["socket"], "1", "2", log=self.log)
        try:
            client.until(lambda: client.since(0, "hello"), "no hello of relayd")
            self.states(client, OPEN)
            self.closing_at = time.monotonic_ns()
            client.tell("close")
            self.states(client, CLOSED)
            for contactor in self.contactors:
                contactor.until(lambda: contactor.since(self.closing_at, "coil 1"), "no coil on")
        except BaseException:
            client.end()
            raise
        return client

    @staticmethod
    def states(client, wanted):
        """Waits until the newest state of each EVSE is this one."""
        def reached():
            newest = {words.split()[1]: int(words.split()[2]) for _, words in client.events if words.startswith("state")}
            return newest == {"1": wanted, "2": wanted}
        client.until(reached, f"relayd does not say state {wanted} of both")

    def strike(self, fault, client):
        who, what = fault.split(" ")
        at = time.monotonic_ns()
        if who == "relayd":
            self.supervisor.process.send_signal(SIGNALS[what])
        elif what in SIGNALS:
            client.process.send_signal(SIGNALS[what])
        elif what == "open":
            client.tell("open")
        else:
            client.tell(f"be {what}")
        return at

    def trial(self, fault):
        client = self.client()
        try:
            time.sleep(self.random.uniform(0, 0.25))
            starts = self.supervisor.starts
            at = self.strike(fault, client)
            times = []
            for contactor in self.contactors:
                contactor.until(lambda: contactor.since(at, "coil 0"), f"the coil is still on after {fault}")
                times.append((contactor.since(at, "coil 0") - at) / 1e6)
            # Off stays off: whatever comes back must not close by itself.
            self.recover(fault, client, starts)
            for contactor in self.contactors:
                contactor.read(0)
                again = [words for stamp, words in contactor.events if stamp > at and words == "coil 1"]
                if again:
                    return {"fault": fault, "ms": times, "problem": "a coil went on again by itself"}
                del contactor.events[:-4]
            return {"fault": fault, "ms": times}
        finally:
            client.end()

    def recover(self, fault, client, starts):
        who, what = fault.split(" ")
        supervisor = self.supervisor
        if who == "relayd":
            if not self.guarded:
                if supervisor.process.poll() is None and what == "stop":
                    supervisor.process.kill()
                supervisor.process.wait(WAIT)
                supervisor.start()
            else:
                # The manager starts it again.
                end = time.monotonic() + WAIT
                while supervisor.starts == starts:
                    if time.monotonic() > end:
                        raise TimeoutError("relayd was not started again")
                    time.sleep(0.01)
            if not supervisor.ready.wait(WAIT):
                raise TimeoutError(f"relayd is not ready again within {WAIT} s")
        elif what == "stop":
            # Late renewals of a process that goes on must not close anything.
            client.process.send_signal(signal.SIGCONT)
        time.sleep(0.06)

    def run(self):
        done = 0
        for number in range(self.plan["count"]):
            # Every fault comes, the rest is chance.
            faults = self.plan["faults"]
            fault = faults[number] if number < len(faults) else self.random.choice(faults)
            try:
                result = self.trial(fault)
            except (TimeoutError, subprocess.SubprocessError, OSError) as error:
                result = {"fault": fault, "ms": [], "problem": f"{type(error).__name__}: {error}"}
            print(json.dumps(result), flush=True)
            if "problem" in result:
                break
            done += 1
        print(json.dumps({"done": done, "watchdog kills": self.supervisor.kills}), flush=True)

    def close(self):
        self.supervisor.close()
        for contactor in self.contactors:
            contactor.end()


if __name__ == "__main__":
    trials = Trials(json.loads(sys.argv[1]))
    try:
        trials.run()
    finally:
        trials.close()
