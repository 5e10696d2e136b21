"""Block B, resets: of the station and of one EVSE (B11, B12)."""

import pytest

from checks import QUIET_SECONDS, connectors, everything_answered
from csms import ABSENT, NO_ANSWER
from rig import Rig, not_applicable
from states import Session, booted, connector_status, startup_security_event, unavailable

requirement = pytest.mark.requirement

#: Shipped stations whose EVSEs can, and cannot, be reset on their own.
RESETTABLE = "ac-two-bays"
NOT_RESETTABLE = ["ac-two-evse", "ac-one-evse"]


async def ask(rig: Rig, type: str, status: str, evse: int | None = None) -> None:
    answer = await rig.csms.call("Reset", {"type": type} | ({"evseId": evse} if evse is not None else {}))
    answer.check({"status": status}, "step 2")


def again(rig: Rig) -> None:
    """What comes from now on is the restarted station's."""
    rig.csms.forget()
    rig.reported.clear()


async def allow_reset(rig: Rig, wanted: bool) -> None:
    if (await rig.value(f"EVSE@{rig.evse_id}/AllowReset") == "true") != wanted:
        not_applicable(f"resetting one EVSE is {'not ' if wanted else ''}supported")


# The station


@requirement("B11.FR.01", "B11.FR.03", "B11.FR.04", "B01.FR.03")
@pytest.mark.parametrize("type", ["OnIdle", "Immediate"])
async def test_TC_B_20_CS(rig: Rig, type: str):
    """Reset of an idle station"""
    await rig.start()
    again(rig)
    await ask(rig, type, "Accepted")
    await booted(rig, boot={"reason": "RemoteReset"})
    await startup_security_event(rig)


@requirement("B12.FR.01", "B12.FR.03", "B11.FR.07")
@pytest.mark.parametrize("stop_point", ["Authorized", "EVConnected"])
async def test_TC_B_21_CS(rig: Rig, stop_point: str):
    """OnIdle reset during a transaction: it waits until the transaction has ended"""
    await rig.start({"TxCtrlr/TxStopPoint": stop_point}, arguments=["--simulation-state", "keep"])
    session = Session(rig)
    await session.energy_transfer_started()
    await ask(rig, "OnIdle", "Scheduled")
    for evse, connector in await connectors(rig):
        if evse != session.evse:  # G01: other connectors of an EVSE in use are not reported
            await connector_status(rig, evse, connector, "Unavailable")
    await session.stop_authorized()
    plugged = session.ended
    if not plugged:
        await session.ev_connected_post_session()
        await rig.csms.expect_none("BootNotification", seconds=QUIET_SECONDS)
        await session.ev_disconnected()
    mine = (session.evse, session.connector)
    await booted(rig, {mine: "Occupied"} if plugged else None, {"reason": "ScheduledReset"})
    await startup_security_event(rig)


@requirement("B12.FR.02", "B12.FR.04", "B01.FR.03")
async def test_TC_B_22_CS(rig: Rig):
    """Immediate reset during a transaction: it ends, then the station restarts"""
    await rig.start(arguments=["--simulation-state", "keep"])
    session = Session(rig)
    await session.energy_transfer_started()
    await ask(rig, "Immediate", "Accepted")
    await session.event(
        {
            "eventType": "Ended",
            "triggerReason": "ResetCommand",
            "transactionInfo.chargingState": "EVConnected",
            "transactionInfo.stoppedReason": "ImmediateReset",
            "idToken": ABSENT,
        },
        "step 3",
    )
    await booted(rig, {(session.evse, session.connector): "Occupied"}, {"reason": "RemoteReset"})


@requirement("B11.FR.01", "B11.FR.02", "B11.FR.03", "B11.FR.04", "B12.FR.06", "B01.FR.03")
async def test_TC_B_23_CS(rig: Rig):
    """A connector that the CSMS has made Unavailable is so after a reset"""
    await rig.start()
    await unavailable(rig, rig.evse_id, rig.connector_id)
    again(rig)
    await ask(rig, "OnIdle", "Accepted")
    await booted(rig, {(rig.evse_id, rig.connector_id): "Unavailable"}, {"reason": "RemoteReset"})


@requirement("B11.FR.05")
async def test_TC_B_24_CS(rig: Rig):
    """A reserved connector is Reserved after a reset"""
    await rig.start()
    if await rig.value("ReservationCtrlr/Available") != "true":
        not_applicable("reservations are not supported (certification profile Reservation)")
    raise AssertionError("reservations are supported: this case has to be written")


@requirement("B12.FR.01", "B12.FR.03")
@pytest.mark.parametrize("stop_point", ["Authorized", "EVConnected"])
async def test_TC_B_41_CS(rig: Rig, stop_point: str):
    """OnIdle reset during two transactions: it waits for both"""
    await rig.start({"TxCtrlr/TxStopPoint": stop_point}, arguments=["--simulation-state", "keep"])
    evses = list(await rig.station.topology())[:2]
    if len(evses) < 2:
        not_applicable("there is one EVSE only")
    first, second = (Session(rig, evse=evse, token=token) for evse, token in zip(evses, (rig.token, rig.other_token)))
    for session in (first, second):
        await session.energy_transfer_started()
    await ask(rig, "OnIdle", "Scheduled")
    await first.ev_disconnected()
    await first.parking_bay_unoccupied()
    assert first.ended
    await rig.csms.expect_none("BootNotification", seconds=QUIET_SECONDS)
    await second.stop_authorized()
    plugged = second.ended
    if not plugged:
        await second.ev_connected_post_session()
        await second.ev_disconnected()
    mine = (second.evse, second.connector)
    await booted(rig, {mine: "Occupied"} if plugged else None, {"reason": "ScheduledReset"})


@requirement("B12.FR.05", "E07.FR.06")
async def test_reset_keeps_what_the_csms_did_not_take(rig: Rig):
    """Immediate reset while the CSMS does not answer: the last event comes again after the restart"""
    await rig.start({"OCPPCommCtrlr/MessageTimeout[Default]": "1"})
    session = Session(rig)
    await session.energy_transfer_started()
    await everything_answered(rig, "TransactionEvent")
    rig.csms.message_timeout = 1
    rig.csms.respond("TransactionEvent", NO_ANSWER)
    await ask(rig, "Immediate", "Accepted")
    first = await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
    await rig.csms.expect("BootNotification", {"reason": "RemoteReset"}, timeout=3 * rig.csms.patience)
    rig.csms.respond_default("TransactionEvent")
    ended = await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
    # Only that it comes late is new.
    assert {**ended.payload, "offline": None} == {**first.payload, "offline": None}
    await rig.csms.answered(ended)


@requirement("B12.FR.02")
async def test_an_immediate_reset_overtakes_a_scheduled_one(rig: Rig):
    """OnIdle, then Immediate while it waits"""
    await rig.start()
    session = Session(rig)
    await session.energy_transfer_started()
    await ask(rig, "OnIdle", "Scheduled")
    await ask(rig, "OnIdle", "Scheduled")
    await ask(rig, "Immediate", "Accepted")
    await session.event({"eventType": "Ended", "transactionInfo.stoppedReason": "ImmediateReset"})
    await rig.csms.expect("BootNotification", {"reason": "RemoteReset"})


# One EVSE


@requirement("B11.FR.01", "B11.FR.08", "B11.FR.10")
async def test_TC_B_25_CS(rig: Rig):
    """Reset of an idle EVSE: it comes back, the station does not restart"""
    rig.configuration = RESETTABLE
    await rig.start()
    await allow_reset(rig, True)
    await ask(rig, "OnIdle", "Accepted", rig.evse_id)
    for status in ("Unavailable", "Available"):
        await connector_status(rig, rig.evse_id, rig.connector_id, status)
    await rig.csms.expect_none("BootNotification", seconds=0)
    await Session(rig).energy_transfer_started()


@requirement("B12.FR.01", "B12.FR.07")
@pytest.mark.parametrize("stop_point", ["Authorized", "EVConnected", "ParkingBayOccupancy"])
async def test_TC_B_26_CS(rig: Rig, stop_point: str):
    """OnIdle reset of an EVSE during its transaction"""
    rig.configuration = RESETTABLE
    await rig.start({"TxCtrlr/TxStopPoint": stop_point})
    await allow_reset(rig, True)
    session = Session(rig)
    await session.parking_bay_occupied()
    await session.energy_transfer_started()
    await ask(rig, "OnIdle", "Scheduled", session.evse)
    await session.stop_authorized()
    if stop_point != "Authorized":
        await session.ev_connected_post_session()
        await session.ev_disconnected()
        await session.parking_bay_unoccupied()
    assert session.ended
    await connector_status(rig, session.evse, session.connector, "Unavailable")
    await rig.csms.expect_none("BootNotification", seconds=0)


@requirement("B12.FR.02", "B12.FR.08")
async def test_TC_B_27_CS(rig: Rig):
    """Immediate reset of an EVSE during its transaction: it ends, another EVSE goes on"""
    rig.configuration = RESETTABLE
    await rig.start()
    await allow_reset(rig, True)
    session = Session(rig)
    await session.energy_transfer_started()
    other = Session(rig, evse=2, token=rig.other_token)
    await other.energy_transfer_started()
    await ask(rig, "Immediate", "Accepted", session.evse)
    await session.event(
        {
            "eventType": "Ended",
            "triggerReason": "ResetCommand",
            "transactionInfo.chargingState": "EVConnected",
            "transactionInfo.stoppedReason": "ImmediateReset",
            "idToken": ABSENT,
        },
        "step 3",
    )
    for status in ("Unavailable", "Occupied"):
        await connector_status(rig, session.evse, session.connector, status)
    await other.stop_authorized()
    await rig.csms.expect_none("BootNotification", seconds=0)


@requirement("B11.FR.01", "B11.FR.09", "B12.FR.01", "B12.FR.09")
@pytest.mark.parametrize("configuration", NOT_RESETTABLE)
async def test_TC_B_28_CS(rig: Rig, configuration: str):
    """Reset of an EVSE where that is not supported"""
    rig.configuration = configuration
    await rig.start()
    await allow_reset(rig, False)
    for type in ("OnIdle", "Immediate"):
        await ask(rig, type, "Rejected", rig.evse_id)


@requirement("B12.FR.01", "B12.FR.09")
@pytest.mark.parametrize("configuration", NOT_RESETTABLE)
async def test_TC_B_29_CS(rig: Rig, configuration: str):
    """Reset of an EVSE during its transaction, where that is not supported: it goes on"""
    rig.configuration = configuration
    await rig.start()
    await allow_reset(rig, False)
    session = Session(rig)
    await session.energy_transfer_started()
    for type in ("OnIdle", "Immediate"):
        await ask(rig, type, "Rejected", session.evse)
    await session.stop_authorized()


@requirement("B11.FR.01")
async def test_reset_of_an_evse_that_does_not_exist(rig: Rig):
    """Reset of an unknown EVSE is rejected"""
    rig.configuration = RESETTABLE
    await rig.start()
    await ask(rig, "Immediate", "Rejected", 99)
    await rig.settle()
    assert rig.csms.untaken("BootNotification") == []
