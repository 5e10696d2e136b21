"""What the CSMS' record, the meters and the contactors say about the station."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from csms import Csms, Payload
from station import Event
from world import EVSES, FIRST_WH, STEP_WH, TOKEN, World

#: Kinds of verdict, in the order of the table.
KINDS = {
    "lost": "a transaction, an event of it, or energy is missing",
    "conflicting": "two events with one sequence number differ, or registers go back",
    "invented": "a transaction that nobody asked for, or energy that no meter showed",
    "forgotten": "a variable, availability or network profile that the CSMS was told is set, is not",
    "unsafe": "a contactor was closed before its transaction was durable",
    "stuck": "the station does not start again, does not deliver, or crashed",
}

REGISTER = "Energy.Active.Import.Register"
#: Registers are compared to the milliwatt-hour.
EXACT = 0.0011


@dataclass(frozen=True)
class Verdict:
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass
class Evidence:
    world: World
    #: Events of the control socket before the cut.
    events: list[Event] = field(default_factory=list)
    #: Contactors that closed before the cut: EVSE and station time.
    closings: list[tuple[int, float]] = field(default_factory=list)
    #: How many TransactionEvents the CSMS had received at the cut.
    received_before: int = 0
    #: After the restart, when everything was delivered.
    registers: dict[int, float] = field(default_factory=dict)
    operative: dict[int, bool] = field(default_factory=dict)
    variables: dict[str, str | None] = field(default_factory=dict)
    place: str = ""

    def take_first_life(self, folder: Path, csms: Csms, events: list[Event]) -> None:
        self.events = list(events)
        self.received_before = len(csms.transaction_events)
        for path in sorted(folder.glob("journal-*")):
            self.closings += _closings(path)


def _closings(journal: Path) -> Iterator[tuple[int, float]]:
    """Mirror contacts in a station's journal, whose last line may be torn."""
    closed: set[int] = set()
    for line in journal.read_bytes().split(b"\n"):
        if b'{"contactor"' not in line or not line.endswith(b"}"):
            continue
        entry = json.loads(line)
        contact = entry["in"].get("hardware", {}).get("contactor") if isinstance(entry["in"], dict) else None
        if contact is None:
            continue
        if not contact["closed"]:
            closed.discard(contact["evse"])
        elif contact["evse"] not in closed:
            closed.add(contact["evse"])
            yield contact["evse"], entry["at"][1] / 1000


def judge(evidence: Evidence, *, complete: bool = True) -> list[Verdict]:
    """Every way in which the station failed. Not `complete`: it never delivered all, which has been said already."""
    transactions = _by_transaction(evidence.world.csms.transaction_events)
    found = [verdict for id, events in transactions.items() for verdict in _sequence(id, events, complete)]
    if complete:
        found += _known(evidence, transactions)
        found += _promises(evidence)
        if not any(one.kind == "lost" for one in found):
            found += _energy(evidence, transactions)
    found += _starts(evidence, transactions)
    return found


def _by_transaction(events: list[Payload]) -> dict[str, list[Payload]]:
    transactions: dict[str, list[Payload]] = {}
    for event in events:
        transactions.setdefault(event["transactionInfo"]["transactionId"], []).append(event)
    return transactions


def _unique(events: list[Payload]) -> dict[int, Payload]:
    """The first of each sequence number."""
    unique: dict[int, Payload] = {}
    for event in events:
        unique.setdefault(event["seqNo"], event)
    return unique


def _sequence(id: str, events: list[Payload], complete: bool) -> Iterator[Verdict]:
    unique = _unique(events)
    for event in events:
        first = unique[event["seqNo"]]
        differing = [
            name
            for name in sorted(first.keys() | event.keys())
            if name != "offline" and first.get(name) != event.get(name)
        ]
        if differing:
            shown = "; ".join(f"{name} {first.get(name)} and {event.get(name)}" for name in differing)
            yield Verdict("conflicting", f"transaction {id}, seqNo {event['seqNo']} twice: {shown}")
    numbers = list(unique)
    if numbers != sorted(numbers):
        yield Verdict("lost", f"transaction {id}: out of order: {numbers}")
    numbers.sort()
    if missing := set(range(numbers[-1] + 1)) - set(numbers):
        yield Verdict("lost", f"transaction {id}: events {sorted(missing)} of {numbers[-1] + 1} are missing")
    types = [unique[number]["eventType"] for number in numbers]
    if numbers[0] == 0 and types[0] != "Started":
        yield Verdict("lost", f"transaction {id} begins with {types[0]}")
    if "Started" in types[1:] or "Ended" in types[:-1]:
        yield Verdict("conflicting", f"transaction {id}: {', '.join(types)}")
    if complete and types[-1] != "Ended":
        yield Verdict("lost", f"transaction {id} is not ended: {', '.join(types)}")
    last = 0.0
    for number in numbers:
        for register in _registers(unique[number]):
            # The Ended event tells the course of its transaction again.
            if unique[number]["eventType"] != "Ended" and register < last - EXACT:
                yield Verdict(
                    "conflicting", f"transaction {id}, seqNo {number}: the register goes back to {register} Wh"
                )
            last = max(last, register) if unique[number]["eventType"] != "Ended" else last
    ended = [one for one in _registers(unique[numbers[-1]])] if types[-1] == "Ended" else []
    if ended and (ended != sorted(ended) or ended[-1] < last - EXACT):
        yield Verdict(
            "conflicting", f"transaction {id}: the registers of the Ended event go back: {ended}, before {last}"
        )


def _registers(event: Payload) -> list[float]:
    return [
        float(sample["value"])
        for value in event.get("meterValue", [])
        for sample in value["sampledValue"]
        if sample.get("measurand", REGISTER) == REGISTER and "phase" not in sample
    ]


def _known(evidence: Evidence, transactions: dict[str, list[Payload]]) -> Iterator[Verdict]:
    """Transactions that somebody has seen, and contactors that closed, must be with the CSMS."""
    seen = {one["id"]: one for one in evidence.events if one["event"] == "transaction"}
    for id, event in seen.items():
        if id not in transactions:
            yield Verdict("lost", f"transaction {id} at EVSE {event['evse']} was announced and is not with the CSMS")
        elif event["seqNo"] not in _unique(transactions[id]):
            yield Verdict("lost", f"transaction {id}: event {event['seqNo']} was announced and is not with the CSMS")
    over = {one["id"] for one in evidence.events if one["event"] == "transaction" and one["type"] == "Ended"}
    over |= {
        event["transactionInfo"]["transactionId"]
        for event in evidence.world.csms.transaction_events[: evidence.received_before]
        if event["eventType"] == "Ended"
    }
    for evse, time in evidence.closings:
        if not any(_covers(_unique(events), id in over, evse, time) for id, events in transactions.items()):
            yield Verdict("unsafe", f"the contactor of EVSE {evse} closed, and no transaction of that time is known")


def _covers(events: dict[int, Payload], is_over: bool, evse: int, time: float) -> bool:
    """The transaction was under way then. One that ended after the restart has an end that is no limit."""
    ordered = [events[number] for number in sorted(events)]
    if not any(one.get("evse", {}).get("id") == evse for one in ordered) or _seconds(ordered[0]) > time + 0.05:
        return False
    return not is_over or _seconds(ordered[-1]) >= time - 0.05


def _seconds(event: Payload) -> float:
    return datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).timestamp()


def _starts(evidence: Evidence, transactions: dict[str, list[Payload]]) -> Iterator[Verdict]:
    counts: Counter[int] = Counter()
    for id, events in transactions.items():
        evse = next((one["evse"]["id"] for one in events if "evse" in one), 0)
        counts[evse] += 1
        tokens = {one["idToken"]["idToken"] for one in events if "idToken" in one}
        if tokens - {TOKEN}:
            yield Verdict("invented", f"transaction {id} is of {', '.join(sorted(tokens))}, whom nobody knows")
    for evse, count in counts.items():
        if count > evidence.world.starts.get(evse, 0):
            asked = evidence.world.starts.get(evse, 0)
            yield Verdict("invented", f"EVSE {evse}: {count} transactions, asked for {asked}")


def _energy(evidence: Evidence, transactions: dict[str, list[Payload]]) -> Iterator[Verdict]:
    """The bill is what the meter counted, but for the step that the cut may have come before the recording of."""
    for evse in EVSES:
        billed = 0.0
        for id, events in transactions.items():
            unique = _unique(events)
            if not any(one.get("evse", {}).get("id") == evse for one in unique.values()):
                continue
            begin, end = _registers(unique[0]), _registers(unique[max(unique)])
            if not begin or not end:
                yield Verdict("lost", f"transaction {id}: no register at its {'begin' if not begin else 'end'}")
                return
            billed += end[-1] - begin[0]
        shows = max(evidence.registers[evse], float(evidence.world.shown[evse]))
        counted = max(0.0, shows - FIRST_WH)
        if billed > counted + EXACT:
            yield Verdict("invented", f"EVSE {evse}: {billed:.3f} Wh billed, the meter counted {counted:.3f} Wh")
        elif counted - billed > STEP_WH + EXACT:
            yield Verdict("lost", f"EVSE {evse}: {billed:.3f} Wh billed, the meter counted {counted:.3f} Wh")


def _promises(evidence: Evidence) -> Iterator[Verdict]:
    for name, promise in evidence.world.variables.items():
        if (value := evidence.variables.get(name)) not in promise.possible:
            yield Verdict(
                "forgotten", f"{name} is {value}, the CSMS was told {' or '.join(map(str, promise.possible))}"
            )
    for evse, promise in evidence.world.operative.items():
        if (operative := evidence.operative.get(evse)) not in promise.possible:
            yield Verdict("forgotten", f"EVSE {evse}: operative is {operative}, the CSMS was told the contrary")
    if evidence.place not in evidence.world.place.possible:
        told = " or ".join(f'"{one}"' for one in evidence.world.place.possible)
        yield Verdict("forgotten", f'the station is at "{evidence.place}", the CSMS was told {told}')


def summary(kinds: Counter[str]) -> dict[str, Any]:
    return {kind: kinds[kind] for kind in KINDS}
