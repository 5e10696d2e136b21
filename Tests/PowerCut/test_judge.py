"""The judge against records of stations that lose, repeat and invent."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from judge import KINDS, Evidence, judge
from world import Promise

ID = "11111111-2222-4333-8444-555555555555"


def event(number: int, kind: str, register: int, second: int, **more: Any) -> dict[str, Any]:
    value = {"timestamp": f"2030-01-01T00:00:{second:02}.000Z", "sampledValue": [{"value": register}]}
    return {
        "eventType": kind, "seqNo": number, "timestamp": value["timestamp"], "triggerReason": "Trigger",
        "transactionInfo": {"transactionId": ID}, "evse": {"id": 1, "connectorId": 1}, "meterValue": [value],
    } | more  # fmt: skip


def sound() -> Evidence:
    """One transaction of 100 Wh at EVSE 1, all of it seen, one event sent twice."""
    started = event(0, "Started", 1000, 10, idToken={"idToken": "DEADBEEF", "type": "ISO14443"})
    updated = event(1, "Updated", 1050, 20)
    events = [started, updated, updated | {"offline": True}, event(2, "Ended", 1100, 30)]
    world = SimpleNamespace(
        csms=SimpleNamespace(transaction_events=events), starts={1: 1, 2: 0}, shown={1: 1100, 2: 1000},
        variables={"TxCtrlr/EVConnectionTimeOut": Promise(["10"])}, operative={2: Promise([False])},
        place=Promise(["/second"]),
    )  # fmt: skip
    seen = {"event": "transaction", "evse": 1, "id": ID, "seqNo": 1, "type": "Updated"}
    start = 1893456000.0  # 2030-01-01T00:00:00Z
    return Evidence(
        world,
        [seen],
        [(1, start + 12)],
        3,
        {1: 1100.0, 2: 1000.0},
        {1: True, 2: False},
        {"TxCtrlr/EVConnectionTimeOut": "10"},
        "/second",
    )  # type: ignore[arg-type]


def test_a_sound_record():
    assert judge(sound()) == []


def without(index: int):
    return lambda evidence, events: events.pop(index)


def changed(index: int, **fields: Any):
    return lambda evidence, events: events.__setitem__(index, copy.deepcopy(events[index]) | fields)


def register(index: int, value: int):
    return lambda evidence, events: events[index]["meterValue"][0]["sampledValue"][0].update(value=value)


def evidence(**fields: Any):
    return lambda evidence, events: evidence.__dict__.update(fields)


def world(**fields: Any):
    return lambda evidence, events: evidence.world.__dict__.update(fields)


def gone(evidence: Evidence, events: list) -> None:
    events.clear()


def other_transaction(evidence: Evidence, events: list) -> None:
    more = [copy.deepcopy(one) for one in events]
    for one in more:
        one["transactionInfo"]["transactionId"] = ID.replace("1", "2")
    events += more


def gap(evidence: Evidence, events: list) -> None:
    events[1:3] = []


CASES = {
    "Started is missing": (without(0), "lost"),
    "Ended is missing": (without(3), "lost"),
    "a gap": (gap, "lost"),
    "out of order": (lambda _, events: events.insert(0, events.pop()), "lost"),
    "nothing arrived": (gone, "lost"),
    "energy not billed": (evidence(registers={1: 1151.0, 2: 1000.0}), "lost"),
    "no register at the end": (changed(3, meterValue=[]), "lost"),
    "a resend differs": (changed(2, triggerReason="Other"), "conflicting"),
    "a sequence number twice": (changed(3, seqNo=1), "conflicting"),
    "Started twice": (changed(3, eventType="Started"), "conflicting"),
    "the register goes back": (register(3, 1040), "conflicting"),
    "an event seen and not delivered": (evidence(events=[{"event": "transaction", "evse": 1, "id": ID, "seqNo": 3, "type": "Updated"}]), "lost"),
    "a second transaction": (other_transaction, "invented"),
    "nobody asked": (world(starts={1: 0, 2: 0}), "invented"),
    "somebody else's token": (changed(0, idToken={"idToken": "OTHER", "type": "ISO14443"}), "invented"),
    "energy that no meter showed": (register(3, 1101), "invented"),
    "a variable is lost": (evidence(variables={"TxCtrlr/EVConnectionTimeOut": "60"}), "forgotten"),
    "availability is lost": (evidence(operative={1: True, 2: True}), "forgotten"),
    "a network profile is lost": (evidence(place=""), "forgotten"),
    "the contactor closed before": (evidence(closings=[(1, 1893456009.0)]), "unsafe"),
    "the contactor of another EVSE": (evidence(closings=[(2, 1893456012.0)]), "unsafe"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_found(name: str):
    spoil, kind = CASES[name]
    spoiled = sound()
    spoil(spoiled, spoiled.world.csms.transaction_events)
    assert kind in {one.kind for one in judge(spoiled)}, judge(spoiled)


def test_every_kind_is_shown():
    assert {kind for _, kind in CASES.values()} | {"stuck"} == set(KINDS)
