"""One OCPP-J frame as it went over the wire, and ways to look into it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6

#: What `get` returns where a path leads nowhere; differs from JSON null, which is None.
ABSENT = type("Absent", (), {"__repr__": lambda self: "absent", "__bool__": lambda self: False})()


def get(payload: Any, path: str) -> Any:
    """The value at `path`, such as `transactionInfo.chargingState` or `eventData[0].component.name`, or ABSENT."""
    value = payload
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if name:
            if not isinstance(value, dict) or name not in value:
                return ABSENT
            value = value[name]
        else:
            if not isinstance(value, list) or int(index) >= len(value):
                return ABSENT
            value = value[int(index)]
    return value


def accepts(expected: Any, value: Any) -> bool:
    """Whether `value` is what a check asks for: a callable decides, a set or tuple lists alternatives, else equality."""
    if callable(expected):
        return value is not ABSENT and bool(expected(value))
    if isinstance(expected, (set, frozenset, tuple)):
        return any(accepts(one, value) for one in expected)
    if expected is ABSENT or value is ABSENT:
        return expected is value
    return type(expected) is type(value) and expected == value if isinstance(expected, bool) else expected == value


def mismatches(payload: Any, expected: Mapping[str, Any]) -> list[str]:
    """One line for each path of `expected` whose value differs."""
    lines = []
    for path, wanted in expected.items():
        value = get(payload, path)
        if not accepts(wanted, value):
            text = getattr(wanted, "__doc__", None) if callable(wanted) else None
            lines.append(f"{path} is {value!r}, expected {text or repr(wanted)}")
    return lines


def present(value: Any) -> bool:
    """any value"""
    return True


Where = Mapping[str, Any] | Callable[[dict], bool] | None


@dataclass(eq=False)
class Message:
    """A frame with its direction ("in": sent by the station), time and place in the record."""

    direction: str
    raw: str | bytes
    station: str
    link: int
    number: int = 0
    #: Monotonic seconds, for intervals.
    at: float = field(default_factory=time.monotonic)
    #: Seconds since 1970, for people and for comparison with time stamps of the station.
    wall: float = field(default_factory=time.time)
    kind: int | None = None
    id: str | None = None
    action: str | None = None
    payload: Any = None
    error_code: str | None = None
    error_description: str | None = None
    error_details: Any = None
    violations: list[str] = field(default_factory=list)
    #: Set when an `expect` has taken this message.
    taken: bool = False
    #: The sender went on to its next CALL on the same connection: it had the answer to this one, or gave it up.
    followed: bool = False
    #: The CALL that this frame answers, and the answer to this CALL.
    call: Message | None = None
    answer: Message | None = None

    def __getitem__(self, path: str) -> Any:
        return get(self.payload, path)

    def matches(self, where: Where) -> bool:
        if where is None:
            return True
        if callable(where):
            return bool(where(self.payload))
        return not mismatches(self.payload, where)

    def check(self, expected: Mapping[str, Any], step: str = "") -> Message:
        """Fails the test with every difference at once; returns the message."""
        lines = mismatches(self.payload, expected)
        if lines:
            title = f"{self.action}" + (f" ({step})" if step else "")
            raise AssertionError("\n  ".join([f"{title}:", *lines, f"in {self.raw!r}"]))
        return self
