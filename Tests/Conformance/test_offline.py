"""What is ours and not Part 6: flapping links, deviations of a CSMS, events that are given up."""

from __future__ import annotations

import json

import pytest

from csms import Drop
from csms.answers import now
from rig import Rig
from states import Session
from station_adapter import OurStation
from test_station import run

requirement = pytest.mark.requirement

POINTS = {
    "TxCtrlr/TxStartPoint": "EVConnected",
    "TxCtrlr/TxStopPoint": "EVConnected",
    "OCPPCommCtrlr/RetryBackOffRepeatTimes": "0",
    "OCPPCommCtrlr/MessageAttempts[TransactionEvent]": "3",
    "OCPPCommCtrlr/MessageAttemptInterval[TransactionEvent]": "1",
}


def ours(rig: Rig) -> OurStation:
    if not isinstance(rig.station, OurStation):
        pytest.skip("control socket of our station")
    return rig.station


async def ctl(rig: Rig, *arguments: str) -> tuple[int, str]:
    return await run("ctl", *arguments, "--control-socket", str(ours(rig).control_socket))


@requirement("E04.FR.02", "E04.FR.04", "E11.FR.02", "E11.FR.07")
@pytest.mark.parametrize("how", ["drop", "abort", "close"])
async def test_flapping_link(rig: Rig, how: str):
    """The link is lost again and again in a session, also between an event and its answer: one whole transaction"""
    await rig.start(POINTS)
    session = Session(rig)
    await session.energy_transfer_started()
    rig.csms.forget()
    for state in ("suspended", "charging", "suspended", "charging"):
        connected = rig.csms.record.events("connected")[-1]
        if how == "drop":
            rig.csms.respond_once("TransactionEvent", Drop())
            await rig.station.ev(1, state)
        else:
            await rig.station.ev(1, state)
            if how == "abort":
                rig.csms.link.abort()
            else:
                await rig.csms.link.close()
        await rig.csms.expect_event("connected", after=connected, timeout=20)
    await rig.station.plug_out(1)
    await rig.csms.expect("TransactionEvent", {"eventType": "Ended"}, timeout=20)
    (transaction,) = rig.csms.transactions.values()
    assert transaction.ended
    assert not list(transaction.problems())


@requirement("E13.FR.04")
async def test_given_up_events_are_exported(rig: Rig):
    """What the CSMS answers with nonsense until MessageAttempts are used up is counted, kept over a restart and exported"""
    rig.allow_violation("TransactionEvent")
    await rig.start(POINTS | {"SampledDataCtrlr/TxUpdatedInterval": "0"})
    rig.csms.respond("TransactionEvent", {"nonsense": True})
    await rig.station.plug_in(1)
    for _ in range(3):
        await rig.csms.expect("TransactionEvent", {"eventType": "Started"}, timeout=20)
    await rig.settle()
    assert (await rig.station.state())["station"]["undeliveredMessages"] == 1
    await rig.station.kill()
    await rig.station.start()
    code, text = await ctl(rig, "undelivered")
    assert code == 0
    (line,) = [one for one in text.splitlines() if one.startswith("{")]
    given_up = json.loads(line)
    assert given_up["payload"]["eventType"] == "Started"
    assert given_up["attempts"] == 3
    code, text = await ctl(rig, "undelivered", "--discard")
    assert code == 0 and "total: 1" in text
    code, text = await ctl(rig, "undelivered")
    assert "{" not in text and "total: 1" in text


async def test_quirks_are_listed(rig: Rig):
    """A currentTime without zone, and an answer to nothing, are tolerated by name and counted"""
    rig.allow_violation("currentTime")
    rig.csms.respond(
        "BootNotification",
        lambda message: {"currentTime": now()[:19], "interval": 300, "status": "Accepted"},
    )
    await rig.start()
    await rig.csms.link.send_raw('[3,"nobody",{}]')
    await rig.settle()
    code, text = await ctl(rig, "quirks", "--json")
    assert code == 0
    assert json.loads(text)["quirks"] == {"answerToNoCall": 1, "currentTimeWithoutZone": 1}


@requirement("B01.FR.08")
async def test_boot_is_repeated_on_the_same_connection(rig: Rig):
    """No usable answer to BootNotification: it is sent again, without a new connection"""
    rig.allow_violation("BootNotification")
    rig.csms.respond_once("BootNotification", {"status": "Accepted"})
    await rig.start({"OCPPCommCtrlr/MessageTimeout[Default]": "1"}, booted=False, arguments=["--time-scale", "20"])
    await rig.csms.expect("BootNotification")
    await rig.csms.expect("BootNotification", timeout=10)
    assert len(rig.csms.record.events("connected")) == 1
