"""Prerequisites, scripted interruptions and comparisons that several blocks share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from csms import Message
from csms.message import CALL, CALLERROR
from csms.validation import parse_time
from rig import Rig, not_applicable
from states import Session, connector_statuses

#: How long to wait for what must not come.
QUIET_SECONDS = 0.5

ENERGY = "Energy.Active.Import.Register"


def faster(scale: int) -> list[str]:
    """Arguments that let the clock of our station run `scale` times as fast."""
    return ["--time-scale", str(scale)]


# Prerequisites


async def points(rig: Rig, name: str, wanted: Iterable[str], without: Iterable[str] = ()) -> None:
    """The test needs TxStartPoint or TxStopPoint (`name`) to hold one of `wanted` and none of `without`."""
    members = (await rig.get(f"TxCtrlr/{name}"))[0].members
    if not members & set(wanted) or members & set(without):
        not_applicable(f"{name} is {', '.join(sorted(members))}")


def local_start(rig: Rig) -> None:
    if not rig.station.local_start_possible:
        not_applicable("no local start with a token")


def cable_first(rig: Rig) -> None:
    if rig.station.locked_before_authorization:
        not_applicable("the connector is locked before authorization")


async def authorization_cache(rig: Rig) -> None:
    if await rig.value("AuthCacheCtrlr/Available") != "true":
        not_applicable("no authorization cache: AuthCacheCtrlr.Available is not true")


async def local_list(rig: Rig) -> None:
    if await rig.value("LocalAuthListCtrlr/Available") != "true":
        not_applicable("no local authorization list: LocalAuthListCtrlr.Available is not true")


async def has(rig: Rig, name: str) -> None:
    """The test needs this variable."""
    if not (await rig.get(name))[0].exists:
        not_applicable(f"{name.replace('/', '.')} does not exist")


async def configure_implemented(rig: Rig, values: Mapping[str, str]) -> None:
    """A configuration state of variables that a station need not have: sets those it has."""
    found = await rig.get(*values)
    await rig.configure({name: value for (name, value), one in zip(values.items(), found) if one.exists})


async def two_evses(rig: Rig) -> None:
    if len(await rig.station.topology()) < 2:
        not_applicable("there is one EVSE only")


async def is_captive(rig: Rig) -> bool:
    """Whether the cable is attached to the station: a ConnectorType such as cType2."""
    kind = await rig.value(f"Connector@{rig.evse_id}.{rig.connector_id}/ConnectorType")
    return (kind or "").startswith("c")


async def supported(rig: Rig, action: str, payload: dict) -> Message:
    """The CALLRESULT; not applicable if the station does not have this message."""
    answer = await rig.csms.request(action, payload)
    if answer.kind == CALLERROR and answer.error_code in ("NotImplemented", "NotSupported"):
        not_applicable(f"{action} is not supported")
    assert answer.kind != CALLERROR, f"{action} answered by {answer.raw!r}"
    return answer


async def triggered(rig: Rig, message: str, evse: dict | None = None) -> Message:
    """TriggerMessage, accepted; not applicable if the station does not send this message when asked."""
    payload = {"requestedMessage": message} | ({"evse": evse} if evse else {})
    answer = await supported(rig, "TriggerMessage", payload)
    if answer["status"] == "NotImplemented":
        not_applicable(f"TriggerMessage does not give {message}")
    return answer.check({"status": "Accepted"}, message)


# Interruptions


@asynccontextmanager
async def held(rig: Rig, action: str) -> AsyncIterator[None]:
    """Inside, calls of `action` wait for their answer; at the end they get the usual one."""
    release = asyncio.Event()

    async def later(message: Message) -> object:
        await release.wait()
        return rig.csms.default_answer(message)

    rig.csms.respond(action, later)
    try:
        yield
    finally:
        rig.csms.respond_default(action)
        release.set()


async def refused_attempts(rig: Rig, count: int = 2) -> None:
    """Waits while the station tries to connect so often; with 2, at least a whole back-off has passed."""
    attempts = rig.csms.record.events("attempt")
    last = attempts[-1] if attempts else None
    for _ in range(count):
        last = await rig.csms.expect_event("attempt", after=last)


async def reconnect(rig: Rig) -> None:
    """Lets the station in again and waits until it is connected."""
    last = rig.csms.record.events("connected")[-1]
    rig.csms.admit()
    await rig.csms.expect_event("connected", after=last)


async def everything_answered(rig: Rig, action: str) -> None:
    """Waits until the CSMS has answered every call of `action` so far."""
    for message in list(rig.csms.record.messages("in")):
        if message.kind == CALL and message.action == action:
            await rig.csms.answered(message)


# Looking at what came


async def until_ended(session: Session) -> list[Message]:
    """The events of the session that have not been looked at, up to Ended."""
    events = []
    while not session.ended:
        events.append(await session.event())
    return events


async def transaction_status(rig: Rig, id: str | None) -> Message:
    """GetTransactionStatus."""
    return await supported(rig, "GetTransactionStatus", {"transactionId": id} if id else {})


def last_statuses(rig: Rig) -> dict[tuple[int, int], str]:
    """Connector -> what the station has reported about it last, since it runs."""
    found = {}
    for message in rig.csms.record.messages("in"):
        if message.kind == CALL and not message.violations:
            found |= {(evse, connector): status for evse, connector, status in connector_statuses(message)}
    return found


async def connectors(rig: Rig, evse: int | None = None) -> list[tuple[int, int]]:
    """The connectors of the station, or of one EVSE."""
    topology = await rig.station.topology()
    return [(one, connector) for one, ids in topology.items() if evse in (None, one) for connector in ids]


# Meter values


def time_of(text: str) -> datetime:
    stamp = parse_time(text)
    assert stamp, f"{text!r} is not a time stamp"
    return stamp


def samples_of(message: Message) -> list[dict]:
    """All sampledValues of a MeterValues or TransactionEvent."""
    return [sample for value in message.payload.get("meterValue", []) for sample in value["sampledValue"]]


def contexts(samples: Iterable[dict]) -> set[str]:
    return {sample.get("context", "Sample.Periodic") for sample in samples}


def check_measurands(samples: Sequence[dict], measurands: Iterable[str], phases: int | None = None) -> None:
    """A sample for every measurand, for all phases if for one; and nothing measured at the EV but its state of charge."""
    seen: dict[str, set[str]] = {}
    for sample in samples:
        measurand = sample.get("measurand", ENERGY)
        assert sample.get("location") != "EV" or measurand == "SoC", f"measured at the EV: {sample}"
        seen.setdefault(measurand, set()).update({sample["phase"]} if "phase" in sample else set())
    missing = set(measurands) - set(seen)
    assert not missing, f"measurands {', '.join(sorted(missing))} missing in {list(samples)}"
    for measurand, found in seen.items():
        assert not found or phases is None or len(found) >= phases, f"{measurand} for {found} of {phases} phases only"


def moments(times: Iterable[datetime], tolerance: float) -> list[datetime]:
    """Times that differ by no more than `tolerance` seconds are one moment; returns the moments in order."""
    found: list[datetime] = []
    for time in sorted(times):
        if not found or time - found[-1] > timedelta(seconds=tolerance):
            found.append(time)
    return found


def check_intervals(times: Iterable[datetime], interval: float, tolerance: float) -> None:
    """The moments follow each other at `interval` seconds."""
    found = moments(times, tolerance)
    assert len(found) > 1, f"one moment only: {found}"
    gaps = [(after - before).total_seconds() for before, after in zip(found, found[1:])]
    assert all(abs(gap - interval) <= tolerance for gap in gaps), f"intervals {gaps} s, expected {interval} s"


# Tokens of a group

#: A groupIdToken.
GROUP = {"idToken": "GROUP-1", "type": "Central"}


async def stopped_by_the_group(session: Session) -> None:
    """The other token of the group, which the station knows, stops the transaction; the session goes on to its end."""
    rig, token = session.rig, session.rig.other_token
    await rig.station.swipe(token.id, token.type, session.evse)
    expected = {"triggerReason": "StopAuthorized", "idToken.idToken": token.id, "idToken.type": token.type}
    await session.event(expected | {"eventType": "Updated"}, "step 4")
    session.stop_authorized_done = True
    session.charging = False
    await session.ev_connected_post_session()
    await session.ev_disconnected()
    await session.parking_bay_unoccupied()
    assert session.ended
    await rig.csms.expect_none("Authorize", seconds=0)


async def not_stopped_by_the_group(session: Session) -> None:
    """The other token of the group, which the CSMS does not accept, is asked about and stops nothing."""
    rig, token = session.rig, session.rig.other_token
    await rig.station.swipe(token.id, token.type, session.evse)
    message = await session.authorize_request(token)
    await rig.csms.answered(message)
    await rig.settle()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
