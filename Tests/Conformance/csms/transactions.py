"""The transactions as the CSMS sees them: TransactionEvents by transactionId, and what must hold over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .message import CALL, Message
from .validation import parse_time


class Transaction:
    def __init__(self, id: str):
        self.id = id
        self.events: list[Message] = []

    @property
    def in_order(self) -> list[Message]:
        """One message for each seqNo, in the order of the numbers; retransmissions left out."""
        by_number: dict[int, Message] = {}
        for event in self.events:
            by_number.setdefault(event["seqNo"], event)
        return [by_number[number] for number in sorted(by_number)]

    @property
    def ended(self) -> bool:
        return any(event["eventType"] == "Ended" for event in self.events)

    def problems(self) -> Iterator[str]:
        """Where the events contradict E01, E02 and the block's introduction: numbering, first, last, order in time.

        A gap is a problem at once; a suite that still waits for queued events asks later.
        """
        events = self.in_order
        name = f"transaction {self.id}"
        numbers = [event["seqNo"] for event in events]
        gaps = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
        if gaps:
            yield f"{name}: seqNo {', '.join(map(str, gaps))} missing"
        for event in self.events:
            first = next(one for one in events if one["seqNo"] == event["seqNo"])
            if first is not event and _without_offline(first) != _without_offline(event):
                yield f"{name}: seqNo {event['seqNo']} sent twice with different content"
        if events[0]["eventType"] != "Started":
            yield f"{name}: first event is {events[0]['eventType']}, not Started"
        if sum(event["eventType"] == "Started" for event in events) > 1:
            yield f"{name}: Started more than once"
        if any(event["eventType"] == "Ended" for event in events[:-1]):
            yield f"{name}: events after Ended"
        times = [parse_time(event["timestamp"]) for event in events]
        for before, after, event in zip(times, times[1:], events[1:]):
            if before and after and after < before:
                yield f"{name}: timestamp of seqNo {event['seqNo']} is before that of its predecessor"


def _without_offline(event: Message) -> dict:
    return {key: value for key, value in event.payload.items() if key != "offline"}


def transactions(messages: Iterable[Message]) -> dict[str, Transaction]:
    """The transactions in these messages, in order of appearance. Events that break their schema are left out."""
    found: dict[str, Transaction] = {}
    for message in messages:
        if (
            message.direction == "in"
            and message.kind == CALL
            and message.action == "TransactionEvent"
            and not message.violations
        ):
            id = message["transactionInfo.transactionId"]
            found.setdefault(id, Transaction(id)).events.append(message)
    return found
