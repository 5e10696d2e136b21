"""Pytest plugin: the results as `cases.json`, as tables in `cases.md` and `cases.html`, and on the terminal. `Scripts/requirements`
makes `conformance.json` and `conformance.html` of them and of the Swift tests: what is proved of each requirement.

Works with and without pytest-xdist: workers hand their results to the controller in the test reports.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

VERDICTS = ("pass", "fail", "error", "not applicable", "skipped")


def pytest_addoption(parser: pytest.Parser) -> None:
    default = Path(__file__).resolve().parents[2] / "out" / "conformance"
    parser.addoption("--results", default=str(default), help="folder for cases.json, .md and .html (%(default)s)")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(Path(config.getoption("--results"))), "conformance-results")


def identity(name: str) -> str:
    """The Part 6 id in a test's name, `test_TC_B_01_CS[...]` -> `TC_B_01_CS`; the plain name for others."""
    match = re.match(r"test_(TC_[A-Z]+_\d+_CS)", name)
    return match[1] if match else name.removeprefix("test_")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    about = {
        "id": identity(item.name),
        "title": (getattr(item, "obj", None).__doc__ or "").strip().split("\n")[0].rstrip("."),
        "requirements": sorted({id for marker in item.iter_markers("requirement") for id in marker.args}),
        "config": item.config.getoption("--configuration"),
    }
    callspec = getattr(item, "callspec", None)
    if callspec:
        about["variant"] = callspec.id
    item.user_properties.append(("conformance", json.dumps(about)))


def configured(item: pytest.Item, name: str) -> None:
    """The test ran with this configuration."""
    about = json.loads(dict(item.user_properties)["conformance"])
    others = [one for one in item.user_properties if one[0] != "conformance"]
    item.user_properties[:] = [*others, ("conformance", json.dumps(about | {"config": name}))]


class Results:
    def __init__(self, folder: Path):
        self.folder = folder
        self.results: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        about = dict(report.user_properties).get("conformance")
        if about is None:
            return
        result = self.results.setdefault(
            report.nodeid, json.loads(about) | {"verdict": None, "duration": 0.0, "reason": ""}
        )
        result["config"] = json.loads(about)["config"]
        result["duration"] = round(result["duration"] + report.duration, 3)
        if report.failed:
            result["verdict"] = "fail" if report.when == "call" else "error"
            result["reason"] = _crash_line(report)
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reason = reason.removeprefix("Skipped: ")
            applicable = not reason.startswith("not applicable: ")
            result["verdict"] = "skipped" if applicable else "not applicable"
            result["reason"] = reason.removeprefix("not applicable: ")
        elif report.when == "call" and result["verdict"] is None:
            result["verdict"] = "pass"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        if not self.results:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = self.rows()
        (self.folder / "cases.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        (self.folder / "cases.md").write_text(markdown(rows))
        (self.folder / "cases.html").write_text(page(rows))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        rows = self.rows()
        if not rows:
            return
        terminalreporter.section("conformance")
        for row in rows:
            if row["verdict"] != "pass":
                terminalreporter.line(f"{name(row):28} {row['verdict']:15} {row['reason'][:160]}")
        terminalreporter.line(totals(rows))
        terminalreporter.line(f"results in {self.folder}")

    def rows(self) -> list[dict[str, Any]]:
        order = ("id", "variant", "title", "verdict", "requirements", "duration", "config", "reason")
        rows = [{key: row[key] for key in order if key in row} for row in self.results.values()]
        return sorted(rows, key=lambda row: (not row["id"].startswith("TC_"), row["id"], row.get("variant", "")))


def _crash_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return " ".join(text.split())[:500]


def name(row: dict[str, Any]) -> str:
    return row["id"] + (f" [{row['variant']}]" if "variant" in row else "")


def totals(rows: list[dict[str, Any]]) -> str:
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS}
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    cases = {row["id"] for row in rows if row["id"].startswith("TC_") and row["verdict"] == "pass"}
    return f"{', '.join(parts)}; {len(cases)} test cases of Part 6 passed"


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        name(row),
        row["title"],
        row["verdict"] or "",
        f"{row['duration']:.1f}",
        ", ".join(row["requirements"]),
        row["reason"],
    ]


HEAD = ["Test case", "What", "Verdict", "s", "Requirements", "Reason"]


def markdown(rows: list[dict[str, Any]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    lines = ["# Conformance", "", totals(rows), "", line(HEAD), "|" + " --- |" * len(HEAD)]
    return "\n".join([*lines, *(line(_cells(row)) for row in rows)]) + "\n"


def page(rows: list[dict[str, Any]]) -> str:
    style = """body{font:14px system-ui;margin:2em} table{border-collapse:collapse} td,th{padding:.3em .6em;text-align:left;
    border-bottom:1px solid #ddd;vertical-align:top} .pass{color:#16794b} .fail,.error{color:#b3261e;font-weight:bold}
    .not,.skipped{color:#777}"""
    body = "\n".join(
        f'<tr class="{(row["verdict"] or "error").split()[0]}">'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(row))
        + "</tr>"
        for row in rows
    )
    head = "".join(f"<th>{cell}</th>" for cell in HEAD)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Conformance</title><style>{style}</style>'
        f"<h1>Conformance</h1><p>{totals(rows)}</p><table><tr>{head}</tr>\n{body}\n</table></html>\n"
    )
