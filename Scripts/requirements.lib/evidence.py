"""What was proved: which tests cite which ids, and how their last run ended."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

REQUIREMENT = re.compile(r"\b[A-P]\d\d\.FR\.\d+\b")
FUNCTION = re.compile(r"\bfunc\s+(\w+|`[^`]+`)")
SUITE = re.compile(r"^(?:@\w+(?:\(.*\))?\s+)*(?:private |public |final )*(?:struct|class|actor|extension|enum)\s+(\w+)")


class EvidenceError(Exception):
    """Results are missing, or a citation belongs to no test."""


@dataclass(frozen=True)
class CitedTest:
    """One test, what it cites, and its verdict: `pass`, `fail`, `skipped`, `not applicable` or `not run`."""

    name: str
    verdict: str
    requirements: frozenset[str]


# Swift: a comment `// Proves: B01.FR.01, ...` above the test function.


def cited_swift_tests(tests: Path, results: Path) -> list[CitedTest]:
    verdicts = swift_results(results)
    cited = []
    for path in sorted(tests.glob("*/**/*.swift")):
        module = path.relative_to(tests).parts[0]
        for suite, function, ids in citations(path.read_text(encoding="utf-8"), path):
            verdict = verdicts.get((module, suite, function), "not run")
            cited.append(CitedTest(f"{module}.{suite}.{function}", verdict, frozenset(ids)))
    return cited


def citations(text: str, path: Path = Path("?")) -> list[tuple[str, str, list[str]]]:
    """(suite, function, ids) of each `Proves:` comment."""
    found = []
    suite = ""
    pending: list[str] = []
    first = 0
    is_inside = False
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith("//"):
            if bare.lstrip("/ ").startswith("Proves:"):
                is_inside, first = True, first or number
            if is_inside:
                pending += REQUIREMENT.findall(bare)
            continue
        is_inside = False
        if line[:1].strip() and (match := SUITE.match(line)):
            suite = match[1]
        if first and (match := FUNCTION.search(line)):
            found.append((suite, match[1].strip("`"), pending))
            pending, first = [], 0
    if first:
        raise EvidenceError(f"{path}:{first}: what is proved here belongs to no test function")
    return found


def swift_results(folder: Path) -> dict[tuple[str, str, str], str]:
    """Of the xUnit files of `swift test`; a function with arguments passes when all of them do."""
    verdicts: dict[tuple[str, str, str], str] = {}
    for path in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            module, _, suite = case.get("classname", "").partition(".")
            key = (module, suite.split(".")[-1], case.get("name", "").split("(")[0].strip("`"))
            verdict = "pass"
            if case.find("failure") is not None or case.find("error") is not None:
                verdict = "fail"
            elif case.find("skipped") is not None:
                verdict = "skipped"
            if verdicts.get(key) != "fail":
                verdicts[key] = verdict
    return verdicts


# Python: the marker `requirement(...)`, in the results of the conformance suite.


def case_results(folder: Path) -> list[dict]:
    """The rows of every cases.json in the folder: one for each run of the suite, with the configuration in it."""
    rows = []
    for path in sorted(folder.glob("**/cases.json")):
        rows += json.loads(path.read_text(encoding="utf-8"))
    return rows


def cited_cases(rows: list[dict]) -> list[CitedTest]:
    cited = []
    for row in rows:
        name = row["id"] + (f"[{row['variant']}]" if row.get("variant") else "") + f" {row['config']}"
        verdict = "fail" if row["verdict"] == "error" else row["verdict"] or "not run"
        ids = frozenset(id for id in row["requirements"] if REQUIREMENT.fullmatch(id))
        if ids:
            cited.append(CitedTest(name, verdict, ids))
    return cited
