"""The record: everything that happened at the CSMS, in order, and waiting for what is yet to happen."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .message import Message

T = TypeVar("T")


@dataclass
class Event:
    """Something that is not a message: `accepted` (TCP), `attempt` (HTTP), `connected`, `disconnected`, `ping`, `pong` or `violation`."""

    what: str
    station: str
    details: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    at: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.details[name]
        except KeyError:
            raise AttributeError(name) from None


Entry = Message | Event

#: The record forgets its oldest entries beyond this number.
LIMIT = 200_000


class Record:
    def __init__(self, listener: Callable[[Entry], None] | None = None):
        self.entries: deque[Entry] = deque(maxlen=LIMIT)
        self._count = 0
        self._listener = listener
        self._waiting: set[asyncio.Future[None]] = set()

    def add(self, entry: Entry) -> None:
        entry.number = self._count
        self._count += 1
        self.entries.append(entry)
        if self._listener:
            self._listener(entry)
        self.wake()

    def wake(self) -> None:
        """Lets every `wait` look again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, look: Callable[[], T | None], timeout: float) -> T | None:
        """What `look` finds, called again after every new entry, or None when `timeout` seconds have passed."""
        deadline = time.monotonic() + timeout
        loop = asyncio.get_running_loop()
        while (found := look()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            waiter = loop.create_future()
            self._waiting.add(waiter)
            try:
                await asyncio.wait([waiter], timeout=left)
            finally:
                self._waiting.discard(waiter)
        return found

    def messages(self, direction: str | None = None) -> Iterator[Message]:
        for entry in self.entries:
            if isinstance(entry, Message) and direction in (None, entry.direction):
                yield entry

    def events(self, what: str, station: str | None = None) -> list[Event]:
        return [
            entry
            for entry in self.entries
            if isinstance(entry, Event) and entry.what == what and station in (None, entry.station)
        ]


def as_json(entry: Entry) -> str:
    """The entry as one JSON line."""
    line: dict[str, Any] = {
        "ts": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(entry.wall)) + f".{int(entry.wall * 1000) % 1000:03}Z"
    }
    line["station"] = entry.station
    if isinstance(entry, Message):
        raw = entry.raw if isinstance(entry.raw, str) else entry.raw.hex()
        line |= {"dir": "fromStation" if entry.direction == "in" else "toStation", "action": entry.action, "frame": raw}
        if entry.violations:
            line["violations"] = entry.violations
    else:
        line |= {"event": entry.what, **entry.details}
    return json.dumps(line, ensure_ascii=False, default=str)
