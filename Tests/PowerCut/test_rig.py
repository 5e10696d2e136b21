"""The rig finds what it is for: the same cuts that a sound station survives convict one that leaves out a flush, or sends
before it has committed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from point import Outcome, Point
from powercut import Workers, count_calls
from shim import ROOT, Call

#: Cut points after which a mistake that was not found counts as overlooked.
ENOUGH = 60


def binary() -> Path:
    """POWERCUT_BIN (a folder), else the newest build."""
    if folder := os.environ.get("POWERCUT_BIN"):
        return (ROOT / folder / "station").resolve()
    built = [ROOT / one / "station" for one in (".build/debug", ".build-release/release")]
    built = sorted((one for one in built if one.exists()), key=lambda one: one.stat().st_mtime)
    if not built:
        pytest.fail("no station binary: run `swift build`, or Scripts/powercut once")
    return built[-1].resolve()


def outcomes(mistake: str, points: list[Point]) -> Iterator[Outcome]:
    workers = Workers(binary(), 4, mistake)
    try:
        yield from workers.run(points)
    finally:
        workers.close()


@pytest.fixture(scope="module")
def calls() -> dict[str, list[Call]]:
    workers = Workers(binary(), 4)
    try:
        found, failed = count_calls(workers, ["online", "configured", "stopped"])
        assert not failed, [str(one) for outcome in failed for one in outcome.verdicts]
        return found
    finally:
        workers.close()


def after_sends(call: Call) -> bool:
    return call.kind == "send"


def while_charging(call: Call) -> bool:
    return call.kind in ("send", "sync") and call.number > 40


def at_the_checkpoint(call: Call) -> bool:
    return call.kind in ("truncate", "unlink") and call.name == "ledger.sqlite-wal"


def spread(made: list[Call], which: Callable[[Call], bool], count: int) -> list[Call]:
    """`count` of those calls, evenly; some more than once when there are fewer."""
    chosen = [one for one in made if which(one)]
    assert chosen
    return [chosen[index * len(chosen) // count] for index in range(count)]


MISTAKES = [
    ("send-before-commit", "online", after_sends, "none", {"lost", "conflicting"}),
    ("send-before-commit", "configured", after_sends, "none", {"forgotten"}),
    ("no-log-sync", "online", while_charging, "all", {"lost"}),
    ("no-log-sync", "online", while_charging, "some", {"lost"}),
    ("no-directory-sync", "online", while_charging, "all", {"lost"}),
    ("no-database-sync", "stopped", at_the_checkpoint, "some", {"lost", "stuck", "conflicting"}),
]


@pytest.mark.parametrize(
    "mistake, session, which, drop, kinds", MISTAKES, ids=[f"{one[0]}, {one[1]}, {one[3]}" for one in MISTAKES]
)
def test_a_mistake_is_found(
    calls: dict[str, list[Call]], mistake: str, session: str, which: Callable, drop: str, kinds: set[str]
):
    points = [
        Point(session, call.number, "after", drop, keeps=index % 2 == 0, resumes=index % 3 == 0, seed=index)
        for index, call in enumerate(spread(calls[session], which, ENOUGH))
    ]
    # The same cuts do no harm to the station as it is ...
    for outcome in outcomes("", points[::4]):
        assert not outcome.verdicts, f"{outcome.point}: {', '.join(map(str, outcome.verdicts))}"
    # ... and some of them convict the one with the mistake.
    tried = 0
    for outcome in outcomes(mistake, points):
        tried += outcome.is_cut
        if kinds & {one.kind for one in outcome.verdicts}:
            return
    pytest.fail(f"{mistake} was not found in {tried} cuts of the session {session}")


@pytest.mark.parametrize(
    "text", ["online:1:after:all:keep:resume", "nowhere:1:after:all:keep:resume:1", "online:1:later:all:keep:resume:1"]
)
def test_a_point_that_does_not_exist(text: str):
    with pytest.raises(ValueError, match="expected session:call:when:drop"):
        Point.parse(text)


def test_a_point_is_what_its_name_says():
    point = Point("offline", 57, "torn", "some", False, True, 99)
    assert Point.parse(str(point)) == point
