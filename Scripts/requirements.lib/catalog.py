"""What there is to prove: Tests/Requirements/requirements.csv and features.csv."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

IDENTIFIER = re.compile(r"^[A-P]\d\d\.FR\.\d{2,3}$")

BINDS = {
    "CS": "the charging station",
    "CSMS": "the CSMS",
    "EV": "the vehicle",
    "LC": "a local controller",
    "OP": "people: operator, manufacturer",
}

#: Why a requirement that binds the station needs no proof, or cannot have one.
REASONS = {
    "no text": "the specification has an id without a sentence",
    "hardware absent": "needs hardware that no shipped station has",
    "recommendation not taken": "a SHOULD or RECOMMENDED that the station does not follow, for the reason given",
    "option not used": "a MAY that the station does not make use of",
    "no behaviour": "defines a term or restates another rule; there is nothing of its own to observe",
}


class CatalogError(Exception):
    """A list is wrong: file, line, what was found, what was expected."""


@dataclass(frozen=True)
class Requirement:
    id: str
    binds: str
    #: A feature of features.csv; with `!` in front, the requirement counts when the feature is not advertised.
    feature: str
    #: Of REASONS, or empty.
    reason: str
    #: The id whose text is the same: a proof of that one counts.
    same: str
    note: str

    @property
    def block(self) -> str:
        return self.id[0]


@dataclass(frozen=True)
class Feature:
    name: str
    advertised: bool
    note: str


def _rows(path: Path, columns: list[str]) -> list[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != columns:
            raise CatalogError(f"{path.name}:1: columns {reader.fieldnames}, expected {columns}")
        rows = []
        for row in reader:
            if None in row or None in row.values():
                raise CatalogError(f"{path.name}:{reader.line_num}: expected {len(columns)} cells")
            rows.append((reader.line_num, row))
    return rows


def requirements(path: Path, features: dict[str, Feature]) -> list[Requirement]:
    found: dict[str, Requirement] = {}
    lines: dict[str, int] = {}
    for line, row in _rows(path, ["id", "binds", "feature", "reason", "same", "note"]):
        place = f"{path.name}:{line}"
        one = Requirement(**row)
        if not IDENTIFIER.match(one.id):
            raise CatalogError(f"{place}: {one.id!r} is no requirement id")
        if one.id in found:
            raise CatalogError(f"{place}: {one.id} is there twice, also in line {lines[one.id]}")
        if one.binds not in BINDS:
            raise CatalogError(f"{place}: binds {one.binds!r}, expected one of {', '.join(BINDS)}")
        if one.reason and one.reason not in REASONS:
            raise CatalogError(f"{place}: reason {one.reason!r}, expected one of {', '.join(REASONS)}")
        if one.reason and one.reason != "no text" and not one.note:
            raise CatalogError(f"{place}: reason {one.reason!r} without a note that says why")
        if one.feature.removeprefix("!") not in features:
            raise CatalogError(f"{place}: feature {one.feature!r} is not in features.csv")
        found[one.id], lines[one.id] = one, line
    for one in found.values():
        if one.same and (one.same not in found or found[one.same].same):
            raise CatalogError(f"{path.name}:{lines[one.id]}: same as {one.same!r}, which is not there or refers on")
    return list(found.values())


def features(path: Path, models: Path) -> dict[str, Feature]:
    """Advertised is `yes`, `no`, a component, or a Component/Variable that is true (no text: that is there) in a shipped station."""
    shipped = _shipped_variables(models)
    found = {}
    for line, row in _rows(path, ["feature", "advertised", "note"]):
        where = row["advertised"]
        if where in ("yes", "no"):
            advertised = where == "yes"
        elif where in shipped:
            advertised = shipped[where]
        elif re.fullmatch(r"[A-Z]\w+(/[A-Z]\w+)?", where):
            advertised = False
        else:
            raise CatalogError(f"{path.name}:{line}: {where!r}, expected yes, no, Component or Component/Variable")
        found[row["feature"]] = Feature(row["feature"], advertised, row["note"])
    return found


def _shipped_variables(models: Path) -> dict[str, bool]:
    """Component and Component/Variable of all shipped stations; true unless the value is false everywhere."""
    found: dict[str, bool] = {}
    for path in sorted(models.glob("*/**/*.json")):
        if path.parts[len(models.parts)] == "meters":
            continue
        component = json.loads(path.read_text(encoding="utf-8"))
        found[component["name"]] = True
        for variable in component.get("properties", {}).values():
            name = f"{component['name']}/{variable['variable_name']}"
            values = [attribute.get("value") for attribute in variable.get("attributes", [])]
            found[name] = found.get(name, False) or not (values and str(values[0]).lower() in ("false", "none"))
    return found
