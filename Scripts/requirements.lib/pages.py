"""The ledger as JSON, as a page, on the terminal, and what of it is committed (docs/requirements.md, README.md)."""

from __future__ import annotations

import html
import json
from pathlib import Path

from catalog import REASONS, Feature
from ledger import BLOCKS, Entry, totals

BEGIN, END = "<!-- requirements: Scripts/requirements --write -->", "<!-- end -->"

#: Columns of the totals; the rest is in the last one.
COLUMNS = ["proved", "failed", "unproved", "not advertised", "hardware absent", "not the station's", "other reasons"]


def _column(verdict: str) -> str:
    if verdict in COLUMNS:
        return verdict
    return "not the station's" if verdict.endswith(" only") else "other reasons"


def _table(entries: list[Entry]) -> list[list[str]]:
    rows = []
    sums = dict.fromkeys(COLUMNS, 0)
    for block, verdicts in totals(entries).items():
        row = dict.fromkeys(COLUMNS, 0)
        for verdict, count in verdicts.items():
            row[_column(verdict)] += count
        for column in COLUMNS:
            sums[column] += row[column]
        rows.append([f"{block} {BLOCKS[block]}", *(str(row[column] or "") for column in COLUMNS)])
    return [["block", *COLUMNS], *rows, ["all", *(str(sums[column]) for column in COLUMNS)]]


def terminal(entries: list[Entry]) -> str:
    table = _table(entries)
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(zip(row, widths)))
        for row in table
    )


def json_text(entries: list[Entry], features: dict[str, Feature], cases: list[dict]) -> str:
    """`totals` by block and verdict, `requirements` with their tests, `features`, and `cases`, the rows of the conformance suite."""
    content = {
        "totals": totals(entries),
        "features": {one.name: one.advertised for one in features.values()},
        "requirements": [
            {
                "id": entry.id,
                "block": BLOCKS[entry.requirement.block],
                "verdict": entry.verdict,
                "feature": entry.requirement.feature,
                "same": entry.requirement.same,
                "note": entry.requirement.note,
                "tests": [{"name": test.name, "verdict": test.verdict} for test in entry.tests],
            }
            for entry in entries
        ],
        "cases": cases,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


STYLE = """body{font:14px system-ui;margin:2em} table{border-collapse:collapse;margin-bottom:2em} td,th{padding:.3em .6em;
text-align:left;border-bottom:1px solid #ddd;vertical-align:top} .proved,.pass{color:#16794b}
.failed,.unproved,.fail,.error{color:#b3261e;font-weight:bold} small{color:#777}"""


def _html_table(rows: list[list[str]], marks: list[str] | None = None) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "\n".join(
        f'<tr class="{marks[index] if marks else ""}">' + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for index, row in enumerate(rows[1:])
    )
    return f"<table><tr>{head}</tr>\n{body}\n</table>\n"


def html_text(entries: list[Entry], features: dict[str, Feature], cases: list[dict]) -> str:
    parts = ["<h1>Conformance</h1><h2>Requirements of OCPP 2.0.1</h2>", _html_table(_table(entries))]
    for block, name in BLOCKS.items():
        rows, marks = [["Requirement", "Verdict", "Why", "Tests"]], []
        for entry in entries:
            if entry.requirement.block != block:
                continue
            one = entry.requirement
            why = "; ".join(filter(None, [one.note, f"as {one.same}" if one.same else "", _feature(entry, features)]))
            tests = ", ".join(
                test.name + ("" if test.verdict == "pass" else f" ({test.verdict})") for test in sorted(entry.tests, key=lambda t: t.name)
            )
            rows.append([entry.id, entry.verdict, why, tests])
            marks.append(entry.verdict.split()[0])
        parts.append(f"<h2>{block} {name}</h2>" + _html_table(rows, marks))
    rows = [["Test case", "Configuration", "What", "Verdict", "Requirements", "Reason"]]
    for case in cases:
        name = case["id"] + (f" [{case['variant']}]" if case.get("variant") else "")
        rows.append([name, case["config"], case["title"], case["verdict"] or "", ", ".join(case["requirements"]), case["reason"]])
    parts.append("<h2>Test cases</h2>" + _html_table(rows, [(case["verdict"] or "error").split()[0] for case in cases]))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Conformance</title><style>{STYLE}</style>\n'
        + "".join(parts)
        + "</html>\n"
    )


def _feature(entry: Entry, features: dict[str, Feature]) -> str:
    name = entry.requirement.feature
    if entry.verdict != "not advertised":
        return ""
    if name.startswith("!"):
        return f"holds only without {name[1:]}"
    return f"{name}: {features[name].note}" if features[name].note else name


def documents(entries: list[Entry], features: dict[str, Feature], root: Path) -> dict[Path, str]:
    """What is committed: the requirements that need no proof, which depends on the lists alone, and the totals."""
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if mark:
        text = f"{before}{BEGIN}\n{_readme(entries)}\n{END}{after}"
    return {root / "docs" / "requirements.md": _exempt(entries, features), readme: text}


def _readme(entries: list[Entry]) -> str:
    return _markdown(_table(entries))


def _markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "| --- |" + " ---: |" * (len(rows[0]) - 1), *lines[1:]])


def _exempt(entries: list[Entry], features: dict[str, Feature]) -> str:
    lines = [
        "# Requirements that no test proves, and why",
        "",
        "Written by `Scripts/requirements --write` from `Tests/Requirements/requirements.csv`, `features.csv` and the shipped stations in",
        "`DeviceModel/`; all other requirements of OCPP 2.0.1 are proved by tests that cite them, or `Scripts/requirements` fails.",
        "",
    ]
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if not entry.is_due:
            groups.setdefault(entry.verdict, []).append(entry)
    for reason, meaning in REASONS.items():
        group = groups.pop(reason, [])
        lines += [f"## {reason.capitalize()} ({len(group)})", "", f"{meaning[0].upper()}{meaning[1:]}.", ""]
        if reason == "no text":
            lines += [", ".join(entry.id for entry in group) + ".", ""]
            continue
        by_note: dict[str, list[str]] = {}
        for entry in group:
            by_note.setdefault(entry.requirement.note, []).append(entry.id)
        lines += [f"* {', '.join(ids)}: {note}" for note, ids in by_note.items()] + [""]
    absent = groups.pop("not advertised", [])
    lines += [f"## Not advertised ({len(absent)})", "", "The shipped stations do not have the feature, and say so.", ""]
    by_feature: dict[str, list[str]] = {}
    for entry in absent:
        by_feature.setdefault(entry.requirement.feature, []).append(entry.id)
    for name, ids in by_feature.items():
        why = features[name.removeprefix("!")].note
        lines.append(f"* {'without ' if name.startswith('!') else ''}{name.removeprefix('!')} ({why}): {_short(ids)}")
    lines.append("")
    for verdict, group in sorted(groups.items()):
        lines += [f"## {verdict} ({len(group)})", "", _short([entry.id for entry in group]) + ".", ""]
    return "\n".join(lines)


def _short(ids: list[str]) -> str:
    """`A01.FR.03-05, A01.FR.08`: runs of one use case in one."""
    parts: list[str] = []
    run: list[str] = []
    for id in [*ids, ""]:
        if run and id[:4] == run[-1][:4] and int(id[7:]) == int(run[-1][7:]) + 1:
            run.append(id)
            continue
        if run:
            parts.append(run[0] if len(run) == 1 else f"{run[0]}-{run[-1][7:]}")
        run = [id]
    return ", ".join(parts)
