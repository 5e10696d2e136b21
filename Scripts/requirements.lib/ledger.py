"""Each requirement with its tests and its verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog import Feature, Requirement
from evidence import CitedTest, EvidenceError

BLOCKS = {
    "A": "Security",
    "B": "Provisioning",
    "C": "Authorization",
    "D": "Local authorization list",
    "E": "Transactions",
    "F": "Remote control",
    "G": "Availability",
    "H": "Reservation",
    "I": "Tariff and cost",
    "J": "Meter values",
    "K": "Smart charging",
    "L": "Firmware management",
    "M": "Certificate management",
    "N": "Diagnostics",
    "O": "Display message",
    "P": "Data transfer",
}


@dataclass
class Entry:
    """`verdict` is `proved`, `failed`, `unproved`, `CSMS only` and the like, `not advertised`, or a reason of the catalog."""

    requirement: Requirement
    verdict: str
    tests: list[CitedTest] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.requirement.id

    @property
    def is_due(self) -> bool:
        return self.verdict in ("proved", "failed", "unproved")

    @property
    def failing(self) -> list[str]:
        return [test.name for test in self.tests if test.verdict == "fail"]


def entries(requirements: list[Requirement], features: dict[str, Feature], tests: list[CitedTest]) -> list[Entry]:
    known = {one.id for one in requirements}
    by_id: dict[str, list[CitedTest]] = {id: [] for id in known}
    for test in tests:
        for id in sorted(test.requirements):
            if id not in known:
                raise EvidenceError(f"{test.name} cites {id}, which does not exist")
            by_id[id].append(test)
    if not any(test.verdict != "not run" for test in tests):
        raise EvidenceError("no results: run Scripts/test first")
    return [_entry(one, features, by_id) for one in requirements]


def _entry(one: Requirement, features: dict[str, Feature], by_id: dict[str, list[CitedTest]]) -> Entry:
    tests = by_id[one.id] + (by_id[one.same] if one.same else [])
    if one.binds != "CS":
        return Entry(one, {"CSMS": "CSMS only", "EV": "vehicle only", "LC": "local controller only"}.get(one.binds, "people only"))
    if one.reason == "no text":
        return Entry(one, one.reason)
    if features[one.feature.removeprefix("!")].advertised == one.feature.startswith("!"):
        return Entry(one, "not advertised", tests)
    if one.reason:
        return Entry(one, one.reason, tests)
    verdicts = {test.verdict for test in tests}
    if "fail" in verdicts:
        return Entry(one, "failed", tests)
    return Entry(one, "proved" if "pass" in verdicts else "unproved", tests)


def totals(entries: list[Entry]) -> dict[str, dict[str, int]]:
    """Counts by block and verdict, blocks in order."""
    table: dict[str, dict[str, int]] = {block: {} for block in BLOCKS}
    for entry in entries:
        row = table[entry.requirement.block]
        row[entry.verdict] = row.get(entry.verdict, 0) + 1
    return table
