"""Block F, remote control: start and stop (F01-F04), unlock (F05), TriggerMessage (F06)."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from checks import (
    ENERGY,
    QUIET_SECONDS,
    cable_first,
    check_measurands,
    contexts,
    is_captive,
    points,
    samples_of,
    supported,
    triggered,
)
from csms import ABSENT, Message, present
from rig import Rig, Token, not_applicable
from states import Session, connector_status

requirement = pytest.mark.requirement


# RequestStartTransaction


@requirement("F01.FR.03", "F01.FR.04", "F01.FR.05", "F01.FR.13", "F01.FR.17", "F01.FR.19", "F01.FR.25", "F02.FR.01")
@pytest.mark.parametrize("start_point", ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"])
async def test_TC_F_01_CS(rig: Rig, start_point: str):
    """The cable first, then RequestStartTransaction: the EV charges"""
    await rig.start({"TxCtrlr/TxStartPoint": start_point})
    cable_first(rig)
    session = Session(rig, remote=True)
    await session.ev_connected_pre_session()
    await session.authorized()
    await session.energy_transfer_started()


@requirement("F02.FR.01", "F01.FR.01")
async def test_TC_F_02_CS(rig: Rig):
    """RequestStartTransaction first, the CSMS is asked about its token: the EV charges"""
    await remote_start_first(rig, "true")


@requirement("F02.FR.01", "F01.FR.02")
async def test_TC_F_03_CS(rig: Rig):
    """RequestStartTransaction first, its token is taken as it is: the EV charges"""
    await remote_start_first(rig, "false")
    await rig.csms.expect_none("Authorize", seconds=0)


async def remote_start_first(rig: Rig, ask: str) -> None:
    await rig.start({"AuthCtrlr/AuthorizeRemoteStart": ask})
    if await rig.value("AuthCtrlr/AuthorizeRemoteStart") != ask:
        not_applicable(f"AuthorizeRemoteStart is not {ask}")
    session = Session(rig, remote=True)
    await session.authorized()
    await session.energy_transfer_started()


@requirement("F02.FR.01", "F02.FR.07", "E03.FR.01", "E03.FR.05")
async def test_TC_F_04_CS(rig: Rig):
    """No EV within EVConnectionTimeOut of a remote start: the transaction ends, the EVSE is free again"""
    await rig.start({"TxCtrlr/EVConnectionTimeOut": "1"})
    await points(rig, "TxStartPoint", {"Authorized", "ParkingBayOccupancy"})
    session = Session(rig, remote=True)
    await session.authorized()
    await session.event({"triggerReason": "EVConnectTimeout", "eventType": "Ended"}, "step 1")
    session = Session(rig, remote=True)
    session.remote_start_id += 1
    await session.authorized()


# RequestStopTransaction


@requirement("F03.FR.02", "F03.FR.03", "F03.FR.07", "F03.FR.09")
@pytest.mark.parametrize("stop_point", ["EVConnected", "Authorized"])
async def test_TC_F_08_CS(rig: Rig, stop_point: str):
    """RequestStopTransaction stops the energy, and the transaction where that is a stop point"""
    await rig.start({"TxCtrlr/TxStopPoint": stop_point})
    session = Session(rig)
    await session.energy_transfer_started()
    session.remote = True
    await session.stop_authorized()
    await session.ev_connected_post_session()
    assert session.ended == (stop_point == "Authorized")


@requirement("F03.FR.08")
async def test_TC_F_09_CS(rig: Rig):
    """RequestStopTransaction of another transaction is rejected and stops nothing"""
    await rig.start()
    session = Session(rig)
    await session.energy_transfer_started()
    answer = await rig.csms.call("RequestStopTransaction", {"transactionId": str(uuid.uuid4())})
    answer.check({"status": "Rejected"}, "step 2")
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


# UnlockConnector


async def unlock(rig: Rig, status: str, connector: int | None = None) -> None:
    payload = {"evseId": rig.evse_id, "connectorId": rig.connector_id if connector is None else connector}
    answer = await supported(rig, "UnlockConnector", payload)
    answer.check({"status": status}, "step 2")


async def with_lock(rig: Rig) -> None:
    if await is_captive(rig):
        not_applicable("no connector lock, the cable is attached to the station")


@requirement("F05.FR.01", "F05.FR.02")
async def test_TC_F_05_CS(rig: Rig):
    """UnlockConnector during a transaction that is authorized is refused"""
    await rig.start()
    await with_lock(rig)
    session = Session(rig)
    await session.energy_transfer_started()
    await unlock(rig, "OngoingAuthorizedTransaction")


@requirement("F05.FR.01", "F05.FR.04")
async def test_TC_F_06_CS(rig: Rig):
    """UnlockConnector unlocks a plug that was kept locked"""
    await rig.start({"OCPPCommCtrlr/UnlockOnEVSideDisconnect": "false"})
    await with_lock(rig)
    session = Session(rig)
    await session.energy_transfer_started()
    await rig.station.plug_out(session.evse, session.connector)
    await session.event({"triggerReason": "EVCommunicationLost", "eventType": "Ended"})
    await unlock(rig, "Unlocked")
    await connector_status(rig, session.evse, session.connector, "Available")


@requirement("F05.FR.01", "F05.FR.06")
async def test_TC_F_07_CS(rig: Rig):
    """UnlockConnector without a cable"""
    await rig.start()
    await with_lock(rig)
    await unlock(rig, "Unlocked")


@requirement("F05.FR.03")
async def test_TC_F_10_CS(rig: Rig):
    """UnlockConnector of a connector that does not exist"""
    await rig.start()
    await with_lock(rig)
    await unlock(rig, "UnknownConnector", 999)


# TriggerMessage


def after(answer: Message, message: Message) -> Message:
    """F06.FR.04: the response comes before the message."""
    assert message.number > answer.number, f"{message.action} was sent before the TriggerMessageResponse"
    return message


MEASURANDS = {"AlignedDataCtrlr/Measurands": f"{ENERGY},Voltage"}


def check_meter_values(message: Message) -> None:
    message.check({"meterValue[0].sampledValue[0].context": "Trigger"}, "step 3")
    assert contexts(samples_of(message)) == {"Trigger"}


@requirement("F06.FR.02", "F06.FR.04", "F06.FR.05", "F06.FR.06", "F06.FR.10")
async def test_TC_F_11_CS(rig: Rig):
    """TriggerMessage MeterValues of one EVSE"""
    await rig.start(MEASURANDS)
    answer = await triggered(rig, "MeterValues", {"id": rig.evse_id})
    message = after(answer, await rig.csms.expect("MeterValues"))
    message.check({"evseId": rig.evse_id}, "step 3")
    check_meter_values(message)
    check_measurands(samples_of(message), {ENERGY, "Voltage"})
    await rig.csms.expect_none("MeterValues", {"evseId": lambda id: id != rig.evse_id}, seconds=0.2)


@requirement("F06.FR.04", "F06.FR.05", "F06.FR.06", "F06.FR.10", "F06.FR.11")
async def test_TC_F_12_CS(rig: Rig):
    """TriggerMessage MeterValues of all EVSEs"""
    await rig.start(MEASURANDS)
    answer = await triggered(rig, "MeterValues")
    for evse in await rig.station.topology():
        message = after(answer, await rig.csms.expect("MeterValues", {"evseId": evse}, step=f"EVSE {evse}"))
        check_meter_values(message)
        check_measurands(samples_of(message), {ENERGY, "Voltage"})


UPDATED_MEASURANDS = {"SampledDataCtrlr/TxUpdatedMeasurands": f"{ENERGY},Power.Active.Import"}


def check_transaction(message: Message, evse: object) -> None:
    """Step 3 of the two cases about TransactionEvent."""
    message.check(
        {
            "evse.id": evse,
            "triggerReason": "Trigger",
            "transactionInfo.chargingState": "Charging",
            "meterValue": present,
            "meterValue[0].sampledValue[0].context": "Trigger",
        },
        "step 3",
    )
    check_measurands(samples_of(message), {ENERGY, "Power.Active.Import"})


@requirement("F06.FR.02", "F06.FR.04", "F06.FR.05", "F06.FR.07", "F06.FR.10")
async def test_TC_F_13_CS(rig: Rig):
    """TriggerMessage TransactionEvent of one EVSE"""
    await rig.start(UPDATED_MEASURANDS)
    session = Session(rig)
    await session.energy_transfer_started()
    answer = await triggered(rig, "TransactionEvent", {"id": session.evse})
    check_transaction(after(answer, await session.event()), (ABSENT, session.evse))


@requirement("F06.FR.04", "F06.FR.05", "F06.FR.07", "F06.FR.10", "F06.FR.11")
async def test_TC_F_14_CS(rig: Rig):
    """TriggerMessage TransactionEvent of all EVSEs"""
    await rig.start(UPDATED_MEASURANDS)
    sessions = []
    for evse, connectors in (await rig.station.topology()).items():
        session = Session(rig, evse=evse, connector=connectors[0], token=Token(f"DEADBEEF{evse:02}"))
        await session.energy_transfer_started()
        sessions.append(session)
    answer = await triggered(rig, "TransactionEvent")
    for session in sessions:
        check_transaction(after(answer, await session.event()), session.evse)


@requirement("F06.FR.04", "F06.FR.05", "F06.FR.10", "F06.FR.15")
async def test_TC_F_15_CS(rig: Rig):
    """TriggerMessage LogStatusNotification while nothing is uploaded"""
    await rig.start()
    answer = await triggered(rig, "LogStatusNotification")
    after(answer, await rig.csms.expect("LogStatusNotification")).check({"status": "Idle"}, "step 3")


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """URL of a file server that takes connections and never answers."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/file"
    finally:
        server.close()


@requirement("F06.FR.04", "F06.FR.05", "F06.FR.10", "F06.FR.14")
async def test_TC_F_16_CS(rig: Rig):
    """TriggerMessage LogStatusNotification during an upload"""
    await rig.start()
    async with silent_server() as url:
        log = {"logType": "DiagnosticsLog", "requestId": 1, "log": {"remoteLocation": url}}
        (await supported(rig, "GetLog", log)).check({"status": "Accepted"}, "step 2")
        (await rig.csms.expect("LogStatusNotification")).check({"status": "Uploading"}, "step 3")
        answer = await triggered(rig, "LogStatusNotification")
        after(answer, await rig.csms.expect("LogStatusNotification")).check({"status": "Uploading"}, "step 7")


@requirement("F06.FR.03", "F06.FR.04", "F06.FR.05", "F06.FR.10")
async def test_TC_F_17_CS(rig: Rig):
    """TriggerMessage FirmwareStatusNotification with an EVSE, which does not matter"""
    await firmware_status_idle(rig, {"id": rig.evse_id})


@requirement("F06.FR.04", "F06.FR.05", "F06.FR.10", "F06.FR.16", "L01.FR.25")
async def test_TC_F_18_CS(rig: Rig):
    """TriggerMessage FirmwareStatusNotification while no firmware is downloaded"""
    await firmware_status_idle(rig, None)


async def firmware_status_idle(rig: Rig, evse: dict | None) -> None:
    await rig.start()
    answer = await triggered(rig, "FirmwareStatusNotification", evse)
    after(answer, await rig.csms.expect("FirmwareStatusNotification")).check({"status": "Idle"}, "step 3")


@requirement("F06.FR.04", "F06.FR.05", "F06.FR.10")
async def test_TC_F_20_CS(rig: Rig):
    """TriggerMessage Heartbeat"""
    await rig.start()
    answer = await triggered(rig, "Heartbeat")
    after(answer, await rig.csms.expect("Heartbeat"))


@requirement("F06.FR.02", "F06.FR.04", "F06.FR.05", "F06.FR.10")
async def test_TC_F_23_CS(rig: Rig):
    """TriggerMessage StatusNotification of a connector that is Available"""
    await rig.start()
    await status_triggered(rig, "Available")


@requirement("F06.FR.02", "F06.FR.04", "F06.FR.05", "F06.FR.10")
async def test_TC_F_24_CS(rig: Rig):
    """TriggerMessage StatusNotification of a connector that is Occupied"""
    await rig.start()
    session = Session(rig)
    await session.ev_connected_pre_session()
    await status_triggered(rig, "Occupied")


async def status_triggered(rig: Rig, status: str) -> None:
    await rig.settle()
    rig.csms.forget()
    evse = {"id": rig.evse_id, "connectorId": rig.connector_id}
    answer = await triggered(rig, "StatusNotification", evse)
    after(answer, await connector_status(rig, rig.evse_id, rig.connector_id, status))


@requirement("F06.FR.04", "F06.FR.05", "F06.FR.17")
async def test_TC_F_26_CS(rig: Rig):
    """TriggerMessage BootNotification of a station that is accepted already"""
    await rig.start()
    answer = await supported(rig, "TriggerMessage", {"requestedMessage": "BootNotification"})
    if answer["status"] == "NotImplemented":
        not_applicable("TriggerMessage does not give BootNotification")
    answer.check({"status": "Rejected"}, "step 2")
    await rig.csms.expect_none("BootNotification", seconds=0.2)


@requirement("F06.FR.08")
async def test_TC_F_27_CS(rig: Rig):
    """TriggerMessage of something that is not implemented"""
    await rig.start()
    answer = await supported(rig, "TriggerMessage", {"requestedMessage": "SignCombinedCertificate"})
    if answer["status"] == "Accepted":
        not_applicable("SignCombinedCertificate is implemented")
    answer.check({"status": "NotImplemented"}, "step 2")
