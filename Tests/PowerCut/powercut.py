"""Cuts the power of the station at every write, flush, rename and send of a set of sessions. `Scripts/powercut` builds the
station and calls this."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import shim
from judge import KINDS
from point import Bench, Outcome, Point
from sessions import SESSIONS

ROOT = shim.ROOT
FAILURES = ROOT / "out" / "powercut" / "failures"
KEPT_FAILURES = 20
QUICK_POINTS = 800
COUNTING_RUNS = 3

# Workers ----------------------------------------------------------------------------------------------------------------

_runner: asyncio.Runner
_bench: Bench


def _start_worker(binary: Path, scratch: Path, mistake: str) -> None:
    global _runner, _bench
    _runner = asyncio.Runner()
    _bench = Bench(binary, scratch, mistake=mistake)
    _runner.run(_bench.start())


def _work(point: Point) -> Outcome:
    return _runner.run(_bench.run(point))


class Workers:
    """Processes that run one point at a time each."""

    def __init__(self, binary: Path, jobs: int, mistake: str = ""):
        shim.build()
        memory = Path("/dev/shm")
        self.scratch = Path(tempfile.mkdtemp(prefix="powercut-", dir=memory if os.access(memory, os.W_OK) else None))
        self._jobs = jobs
        self._pool = ProcessPoolExecutor(jobs, initializer=_start_worker, initargs=(binary, self.scratch, mistake))

    def run(self, points: Iterable[Point]) -> Iterator[Outcome]:
        """Outcomes in the order in which they come."""
        waiting = iter(points)
        running: set[Future[Outcome]] = set()
        while True:
            while len(running) < self._jobs and (point := next(waiting, None)) is not None:
                running.add(self._pool.submit(_work, point))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                yield one.result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self.scratch, ignore_errors=True)


# Plan -------------------------------------------------------------------------------------------------------------------


def plan(calls: dict[str, list[shim.Call]], modes: list[str], seed: int, count: int | None) -> list[Point]:
    """Every call of every session once per mode; or `count` points, evenly over sessions, modes and kinds of call."""
    chance = random.Random(seed)
    groups: dict[tuple[str, str, str], list[shim.Call]] = {}
    for session, made in calls.items():
        for mode in modes:
            for call in made:
                groups.setdefault((session, mode, call.kind), []).append(call)
    everything = sum(map(len, groups.values()))
    points: list[Point] = []
    left: dict[tuple[str, str, str], list[shim.Call]] = {}
    while len(points) < (count or everything):
        if not any(left.values()):
            left = {key: chance.sample(made, len(made)) for key, made in groups.items()}
        for (session, mode, _), made in left.items():
            if made:
                points.append(Point.draw(session, made.pop(), mode, chance))
    points = points[: count or everything]
    chance.shuffle(points)
    return points


# Results ----------------------------------------------------------------------------------------------------------------


class Results:
    def __init__(self) -> None:
        self.points: Counter[tuple[str, str]] = Counter()
        self.missed: Counter[tuple[str, str]] = Counter()
        #: Points with at least one verdict of a kind.
        self.kinds: Counter[tuple[str, str, str]] = Counter()
        self.failures: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        key = (outcome.point.session, outcome.point.mode)
        (self.points if outcome.is_cut else self.missed)[key] += 1
        for kind in {one.kind for one in outcome.verdicts}:
            self.kinds[(*key, kind)] += 1
        if outcome.verdicts:
            self.failures.append(outcome)
            self._keep(outcome)

    def _keep(self, outcome: Outcome) -> None:
        source = Path(outcome.folder)
        if len(self.failures) <= KEPT_FAILURES:
            target = FAILURES / str(outcome.point).replace(":", "-")
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("control", "graves"))
            outcome.folder = str(target.relative_to(ROOT))
        else:
            outcome.folder = ""
        shutil.rmtree(source, ignore_errors=True)

    def rows(self, calls: dict[str, list[shim.Call]]) -> list[list[str]]:
        keys = sorted(self.points.keys() | self.missed.keys(), key=lambda key: (list(SESSIONS).index(key[0]), key[1]))
        rows = []
        for session, mode in keys:
            counts = [self.points[session, mode], *(self.kinds[session, mode, kind] for kind in KINDS)]
            rows.append([session, mode, str(len(calls.get(session, []))), *map(str, counts)])
        total = [sum(self.points.values()), *(self._total(kind) for kind in KINDS)]
        rows.append(["all", "", str(sum(map(len, calls.values()))), *map(str, total)])
        return rows

    def _total(self, kind: str) -> int:
        return sum(count for (_, _, one), count in self.kinds.items() if one == kind)

    def table(self, calls: dict[str, list[shim.Call]]) -> str:
        head = ["session", "mode", "calls", "points", *KINDS]
        rows = [head, *self.rows(calls)]
        widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
        lines = []
        for row in rows:
            cells = [
                cell.ljust(width) if index < 2 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths))
            ]
            lines.append("| " + " | ".join(cells) + " |")
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(lines)

    def json(self, calls: dict[str, list[shim.Call]], **more: object) -> dict:
        sessions = [
            {"session": session, "mode": mode, "calls": len(calls.get(session, [])), "points": self.points[session, mode],
             "missed": self.missed[session, mode], **{kind: self.kinds[session, mode, kind] for kind in KINDS}}
            for session, mode in sorted(self.points.keys() | self.missed.keys())
        ]  # fmt: skip
        failures = [
            {"replay": str(one.point), "cut": one.story, "verdicts": list(map(str, one.verdicts)), "folder": one.folder}
            for one in self.failures
        ]
        total = {"points": sum(self.points.values()), "missed": sum(self.missed.values())}
        return more | {
            "total": total | {kind: self._total(kind) for kind in KINDS},
            "sessions": sessions,
            "failures": failures,
        }


def describe(outcome: Outcome, mistake: str = "") -> str:
    lines = [f"{outcome.point}", *(f"  {verdict}" for verdict in outcome.verdicts), f"  cut: {outcome.story}"]
    if outcome.folder:
        lines.append(f"  kept: {outcome.folder}")
    with_mistake = f" --mistake {mistake}" if mistake else ""
    return "\n".join([*lines, f"  again: Scripts/powercut --skip-build{with_mistake} --replay {outcome.point}"])


class Progress:
    """A line that is written over on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int):
        self._total = total
        self._began = time.monotonic()
        self._next = 0.0
        self._is_terminal = sys.stderr.isatty()

    def show(self, done: int, failed: int) -> None:
        now = time.monotonic()
        if now < self._next and done < self._total:
            return
        self._next = now + (0.5 if self._is_terminal else 20)
        rate = done / max(now - self._began, 0.001)
        left = (self._total - done) / rate if done else 0
        text = f"{done} of {self._total} points, {failed} failed, {rate:.1f} per second, {left:.0f} s left"
        print(
            f"\r{text}   " if self._is_terminal else text,
            end="" if self._is_terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        if self._is_terminal:
            print(file=sys.stderr)


# Command ----------------------------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    sessions = "\n".join(f"  {one.name:22} {one.about}" for one in SESSIONS.values())
    kinds = "\n".join(f"  {kind:12} {text}" for kind, text in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="Scripts/powercut",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Cuts the power of the release binary at every write, flush, rename and send of a set of sessions, starts it\n"
        "again, and lets the record of the CSMS, the meters and the contactors judge.",
        epilog=f"sessions:\n{sessions}\n\nverdicts:\n{kinds}\n\nExit codes: 0 no verdict against the station, 1 some, 2 wrong use, 3 the rig does not work.",
    )
    parser.add_argument(
        "--mode",
        choices=["kill", "drop", "both"],
        default="both",
        help="kill the process; also drop what it had not flushed (default: both)",
    )
    parser.add_argument(
        "--points",
        type=int,
        metavar="N",
        help="this many cut points, evenly spread (default: every call once per mode)",
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_POINTS} points, for a test run")
    parser.add_argument("--seed", type=int, default=1, help="what is cut how, with which hardware (default: 1)")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="stations at a time (default: 4)")
    parser.add_argument(
        "--session", action="append", choices=list(SESSIONS), metavar="NAME", help="only this one; repeatable"
    )
    parser.add_argument("--replay", metavar="POINT", help="one cut point, as a failure names it")
    parser.add_argument(
        "--times",
        type=int,
        default=1,
        metavar="N",
        help="with --replay: as often as this (calls are not quite the same in every run)",
    )
    parser.add_argument(
        "--mistake", choices=shim.MISTAKES, default="", help="break the station in this way: the rig must find it"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the results as JSON")
    parser.add_argument("--skip-build", action="store_true", help="use what is built")
    parser.add_argument("--bin", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.points is not None and options.points < 1 or options.jobs < 1 or options.times < 1:
        parser.error("--points, --jobs and --times are at least 1")
    if options.replay:
        try:
            options.replay = Point.parse(options.replay)
        except ValueError as error:
            parser.error(str(error))
    if options.quick and options.points is None:
        options.points = QUICK_POINTS
    return options


def count_calls(workers: Workers, sessions: Iterable[str]) -> tuple[dict[str, list[shim.Call]], list[Outcome]]:
    """Runs every session to its end, some times, as no two runs make quite the same calls; the run of middling length
    counts. Also the outcomes of sessions that fail without any cut."""
    runs: dict[str, list[list[shim.Call]]] = {name: [] for name in sessions}
    failed = []
    for outcome in workers.run([Point(name) for name in runs for _ in range(COUNTING_RUNS)]):
        runs[outcome.point.session].append(outcome.calls)
        if outcome.verdicts:
            failed.append(outcome)
    return {name: sorted(made, key=len)[len(made) // 2] for name, made in runs.items()}, failed


def run(options: argparse.Namespace, workers: Workers) -> int:
    began = time.monotonic()
    results = Results()
    calls: dict[str, list[shim.Call]] = {}
    if options.replay:
        points = [options.replay] * options.times
    else:
        calls, failed = count_calls(workers, options.session or list(SESSIONS))
        for one in failed:
            results.add(one)
            print(describe(one, options.mistake), file=sys.stderr)
        modes = ["kill", "drop"] if options.mode == "both" else [options.mode]
        points = plan(calls, modes, options.seed, options.points)
        shown = ", ".join(f"{name} {len(made)}" for name, made in calls.items())
        print(f"calls that can be cut: {shown}; {len(points)} points, seed {options.seed}", file=sys.stderr)
    progress = Progress(len(points))
    for done, outcome in enumerate(workers.run(points), 1):
        results.add(outcome)
        if outcome.verdicts:
            print(f"\n{describe(outcome, options.mistake)}", file=sys.stderr)
        elif options.replay:
            print(f"{outcome.point}: no verdict; {outcome.story if outcome.is_cut else 'the session was over before'}")
        progress.show(done, len(results.failures))
    progress.end()
    print(results.table(calls))
    seconds = time.monotonic() - began
    missed = sum(results.missed.values())
    print(f"{sum(results.points.values())} cut points in {seconds:.0f} s, {len(results.failures)} with a verdict against the station"
          + (f"; {missed} came after the end of their session" if missed else ""))  # fmt: skip
    if options.json:
        more = {"seed": options.seed, "mode": options.mode, "mistake": options.mistake, "seconds": round(seconds, 1)}
        Path(options.json).write_text(json.dumps(results.json(calls, **more), indent=1, ensure_ascii=False) + "\n")
    return 1 if results.failures else 0


def main() -> int:
    options = arguments()
    binary = Path(options.bin).resolve() / "station"
    if not binary.exists():
        print(f"powercut: {options.bin}/station is not built; leave --skip-build out", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        workers = Workers(binary, options.jobs, options.mistake)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"powercut: the shim cannot be built: {error}", file=sys.stderr)
        return 3
    try:
        return run(options, workers)
    except BrokenProcessPool as error:
        print(f"powercut: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    finally:
        workers.close()


if __name__ == "__main__":
    sys.exit(main())
