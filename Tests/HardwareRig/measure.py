"""Distributions of what was measured: a table for people, JSON for machines."""

import json
import math
from pathlib import Path

OUT = Path(__file__).resolve().parents[2] / "out/hardware-rig.json"


def percentile(sorted_values, part):
    """The smallest value that at least `part` of the values do not exceed."""
    return sorted_values[max(0, math.ceil(part * len(sorted_values)) - 1)]


def distribution(values_ms):
    values = sorted(values_ms)
    if not values:
        raise ValueError("nothing was measured")
    return {"count": len(values), "min": values[0], "median": percentile(values, 0.5), "p95": percentile(values, 0.95),
            "p99": percentile(values, 0.99), "max": values[-1]}


def table(rows):
    """Lines of a table; `rows`: name to distribution, in milliseconds."""
    columns = ("count", "min", "median", "p95", "p99", "max")
    width = max(map(len, rows), default=0)
    lines = [f"{'ms, guest time':{width}}" + "".join(f"{column:>10}" for column in columns)]
    for name, row in rows.items():
        lines.append(f"{name:{width}}{row['count']:>10}" + "".join(f"{row[column]:>10.2f}" for column in columns[1:]))
    return lines


def write(rows, boot):
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"boot": boot, "unit": "ms", "distributions": rows}, indent=2) + "\n", encoding="utf-8")
