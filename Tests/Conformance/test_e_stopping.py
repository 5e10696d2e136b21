"""Block E, transactions: how they stop, by the driver, the CSMS or the EV (E06, E07, E09, E10)."""

import pytest

from checks import QUIET_SECONDS, is_captive, local_start, points, reconnect, refused_attempts, until_ended
from csms import ABSENT
from rig import Rig, not_applicable
from states import Session, connector_status, offline

requirement = pytest.mark.requirement

STOP_POINTS = ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"]

#: The EV side of the cable was pulled.
UNPLUGGED = {"triggerReason": "EVCommunicationLost", "transactionInfo.chargingState": "Idle"}


def setting(stop: str, *, stop_on_disconnect: bool | None = None, unlock: bool | None = None) -> dict[str, str]:
    settings = {"TxCtrlr/TxStopPoint": stop}
    if stop_on_disconnect is not None:
        settings["TxCtrlr/StopTxOnEVSideDisconnect"] = str(stop_on_disconnect).lower()
    if unlock is not None:
        settings["OCPPCommCtrlr/UnlockOnEVSideDisconnect"] = str(unlock).lower()
    return settings


async def unplug(session: Session) -> None:
    """The EV side of the cable is pulled; a plug that is locked stays in its socket."""
    await session.rig.station.plug_out(session.evse, session.connector)
    session.connected = False


# Stopped by the driver or the CSMS


@requirement("E07.FR.04", "E07.FR.01", "E07.FR.02", "E06.FR.15", "C01.FR.03")
@pytest.mark.parametrize("stop", STOP_POINTS)
async def test_TC_E_06_CS(rig: Rig, stop: str):
    """The driver stops with the token and unplugs"""
    await rig.start(setting(stop))
    local_start(rig)
    session = Session(rig)
    await session.energy_transfer_started()
    await session.stop_authorized()
    await session.ev_connected_post_session()
    await session.ev_disconnected()
    await session.parking_bay_unoccupied()
    assert session.ended


@requirement("E06.FR.06", "E06.FR.15")
async def test_TC_E_07_CS(rig: Rig):
    """TxStopPoint PowerPathClosed: the token ends the transaction"""
    await rig.start(setting("PowerPathClosed"))
    await points(rig, "TxStopPoint", {"PowerPathClosed"}, {"Authorized"})
    session = Session(rig)
    await session.energy_transfer_started()
    await session.stop_authorized()
    assert session.ended


@requirement("E06.FR.06", "E06.FR.15", "F03.FR.03", "F03.FR.07")
async def test_TC_E_35_CS(rig: Rig):
    """TxStopPoint PowerPathClosed: RequestStopTransaction ends the transaction"""
    await rig.start(setting("PowerPathClosed"))
    await points(rig, "TxStopPoint", {"PowerPathClosed"}, {"Authorized"})
    session = Session(rig)
    await session.energy_transfer_started()
    answer = await rig.csms.call("RequestStopTransaction", {"transactionId": session.transaction_id})
    answer.check({"status": "Accepted"}, "step 2")
    events = await until_ended(session)
    assert "RemoteStop" in [event["triggerReason"] for event in events]
    events[-1].check({"transactionInfo.stoppedReason": "Remote"}, "step 3")


@requirement("E06.FR.03", "E06.FR.15", "E07.FR.01", "E07.FR.02", "E07.FR.05")
async def test_TC_E_15_CS(rig: Rig):
    """TxStopPoint Authorized: the token ends the transaction"""
    await rig.start(setting("Authorized"))
    local_start(rig)
    await points(rig, "TxStopPoint", {"Authorized"}, {"PowerPathClosed"})
    session = Session(rig)
    await session.energy_transfer_started()
    await rig.station.swipe(rig.token.id, rig.token.type, session.evse)
    await session.event(
        {"triggerReason": "StopAuthorized", "transactionInfo.stoppedReason": "Local", "eventType": "Ended"}, "step 1"
    )


@requirement("E06.FR.03", "E06.FR.15", "F03.FR.03", "F03.FR.07", "F03.FR.09")
async def test_TC_E_21_CS(rig: Rig):
    """TxStopPoint Authorized: RequestStopTransaction ends the transaction"""
    await rig.start(setting("Authorized"))
    await points(rig, "TxStopPoint", {"Authorized"}, {"PowerPathClosed"})
    session = Session(rig)
    await session.energy_transfer_started()
    answer = await rig.csms.call("RequestStopTransaction", {"transactionId": session.transaction_id})
    answer.check({"status": "Accepted"}, "step 2")
    await session.event(
        {"triggerReason": "RemoteStop", "transactionInfo.stoppedReason": "Remote", "eventType": "Ended"}, "step 3"
    )


@requirement("E06.FR.07", "E06.FR.15")
async def test_TC_E_08_CS(rig: Rig):
    """TxStopPoint EnergyTransfer: the transaction ends when the token has stopped the energy"""
    await rig.start(setting("EnergyTransfer"))
    await points(rig, "TxStopPoint", {"EnergyTransfer"}, {"Authorized", "PowerPathClosed"})
    session = Session(rig)
    await session.energy_transfer_started()
    await session.stop_authorized()
    assert session.ended


@requirement("E06.FR.04", "E06.FR.15", "C15.FR.04", "E05.FR.10", "E08.FR.07")
async def test_TC_E_16_CS(rig: Rig):
    """A token that is Invalid after all ends the transaction that began offline"""
    settings = {
        "AuthCtrlr/OfflineTxForUnknownIdEnabled": "true",
        "TxCtrlr/StopTxOnInvalidId": "true",
        "OCPPCommCtrlr/RetryBackOffRepeatTimes": "0",
    }
    await rig.start(setting("Authorized") | settings)
    local_start(rig)
    await points(rig, "TxStopPoint", {"Authorized", "PowerPathClosed"}, {"EnergyTransfer", "DataSigned"})
    session = Session(rig)
    await session.parking_bay_occupied()
    await offline(rig)
    await rig.station.swipe(rig.token.id, rig.token.type, session.evse)
    await rig.station.plug_in(session.evse, session.connector)
    await refused_attempts(rig)
    rig.csms.tokens.set(rig.token.id, "Invalid")
    await reconnect(rig)
    events = await until_ended(session)
    assert len(events) > 1, "nothing was queued"
    for event in events[:-1]:
        event.check({"offline": True}, "step 1")
    assert any(event["idToken.idToken"] == rig.token.id for event in events[:-1]), "no event has the idToken"
    events[-1].check(
        {
            "triggerReason": "Deauthorized",
            "transactionInfo.stoppedReason": "DeAuthorized",
            "offline": (ABSENT, False),
        },
        "step 3",
    )


# Stopped by the EV


@requirement("E06.FR.07", "E06.FR.15")
async def test_TC_E_22_CS(rig: Rig):
    """TxStopPoint EnergyTransfer: the transaction ends when the EV stops taking energy"""
    await rig.start(setting("EnergyTransfer"))
    await points(rig, "TxStopPoint", {"EnergyTransfer"})
    session = Session(rig)
    await session.energy_transfer_started()
    await rig.station.ev(session.evse, "suspended")
    event = await session.event({"triggerReason": "ChargingStateChanged"}, "step 1")
    if event["eventType"] == "Updated":
        event.check({"transactionInfo.chargingState": "SuspendedEV"}, "step 1")
        event = await session.event({"eventType": "Ended"}, "E06.FR.07")
    event.check(
        {"transactionInfo.chargingState": "EVConnected", "transactionInfo.stoppedReason": "StoppedByEV"}, "step 1"
    )


@requirement("E06.FR.06", "E06.FR.15")
async def test_TC_E_37_CS(rig: Rig):
    """TxStopPoint PowerPathClosed: the transaction ends when the EV is disconnected"""
    await rig.start(setting("PowerPathClosed", stop_on_disconnect=False))
    await points(rig, "TxStopPoint", {"PowerPathClosed"}, {"EnergyTransfer", "EVConnected", "DataSigned"})
    session = Session(rig)
    await session.energy_transfer_suspended()
    await unplug(session)
    reasons = ("EVDisconnected", "StoppedByEV")
    await session.event(UNPLUGGED | {"eventType": "Ended", "transactionInfo.stoppedReason": reasons}, "step 1")


@requirement("E06.FR.02", "E06.FR.15")
async def test_TC_E_14_CS(rig: Rig):
    """TxStopPoint EVConnected: the transaction ends when the cable is unplugged after the stop"""
    await rig.start(setting("EVConnected"))
    others = {"EnergyTransfer", "PowerPathClosed", "DataSigned", "Authorized"}
    await points(rig, "TxStopPoint", {"EVConnected"}, others)
    session = Session(rig)
    await session.ev_connected_post_session()
    await session.plug_out()
    reasons = ("Local", "EVDisconnected", ABSENT)
    await session.event(UNPLUGGED | {"eventType": "Ended", "transactionInfo.stoppedReason": reasons}, "step 3")


@requirement("E06.FR.02", "E06.FR.15")
async def test_TC_E_20_CS(rig: Rig):
    """TxStopPoint EVConnected: the transaction ends when the EV side is unplugged"""
    await rig.start(setting("EVConnected", stop_on_disconnect=False))
    await points(rig, "TxStopPoint", {"EVConnected"}, {"EnergyTransfer", "PowerPathClosed"})
    session = Session(rig)
    await session.energy_transfer_suspended()
    await unplug(session)
    expected = {"eventType": "Ended", "transactionInfo.stoppedReason": "EVDisconnected"}
    await session.event(UNPLUGGED | expected, "step 1")


@requirement("E06.FR.02", "E06.FR.15")
async def test_TC_E_54_CS(rig: Rig):
    """TxStopPoint EVConnected, ISO 15118: the transaction ends when the EV side is unplugged"""
    await rig.start(setting("EVConnected", stop_on_disconnect=False))
    if await rig.value(f"ISO15118Ctrlr@{rig.evse_id}/Enabled") != "true":
        not_applicable("no high-level communication")
    await points(rig, "TxStopPoint", {"EVConnected"}, {"EnergyTransfer", "PowerPathClosed"})
    session = Session(rig)
    await session.energy_transfer_suspended()
    await unplug(session)
    reasons = ("StoppedByEV", "EVDisconnected")
    await session.event(UNPLUGGED | {"eventType": "Ended", "transactionInfo.stoppedReason": reasons}, "step 1")


# The cable at the EV's side (E09, E10)


async def fetch_cable(rig: Rig, session: Session, locked: bool) -> None:
    """Steps 3 and 4: the driver takes the plug out of the socket, if it is locked after showing the token again."""
    if locked:
        # E09.FR.03: the lock holds until the driver is known to be the owner.
        available = {"connectorStatus": "Available", "evseId": session.evse}
        await rig.csms.expect_none("StatusNotification", available, seconds=QUIET_SECONDS)
        await rig.csms.expect_none("NotifyEvent", {"eventData[0].actualValue": "Available"}, seconds=0)
        await rig.station.swipe(session.token.id, session.token.type, session.evse)
    await connector_status(rig, session.evse, session.connector, "Available")


@requirement("E06.FR.04", "E06.FR.15", "E09.FR.01", "E09.FR.03")
async def test_TC_E_17_CS(rig: Rig):
    """TxStopPoint Authorized: the transaction ends when the EV side is unplugged, the cable stays locked"""
    await rig.start(setting("Authorized", stop_on_disconnect=True, unlock=False))
    await points(rig, "TxStopPoint", {"Authorized"}, {"EVConnected", "PowerPathClosed", "EnergyTransfer"})
    session = Session(rig)
    await session.energy_transfer_suspended()
    await unplug(session)
    expected = {"eventType": "Ended", "transactionInfo.stoppedReason": "EVDisconnected"}
    await session.event(UNPLUGGED | expected, "step 1")
    await fetch_cable(rig, session, locked=not await is_captive(rig))


@requirement("E09.FR.01", "E09.FR.02", "E09.FR.04")
async def test_TC_E_24_CS(rig: Rig):
    """Unplugged at the EV's side: deauthorized, the cable is unlocked"""
    await rig.start(setting("EVConnected", stop_on_disconnect=True, unlock=True))
    if await is_captive(rig):
        not_applicable("the cable is attached to the station")
    session = Session(rig)
    await session.energy_transfer_suspended()
    await unplug(session)
    await session.event(UNPLUGGED, "step 1")
    await fetch_cable(rig, session, locked=False)


@requirement("E09.FR.01", "E09.FR.03", "E09.FR.04")
async def test_TC_E_25_CS(rig: Rig):
    """Unplugged at the EV's side: deauthorized, the cable stays locked for its owner"""
    await rig.start(setting("EVConnected", stop_on_disconnect=True, unlock=False))
    session = Session(rig)
    await session.energy_transfer_suspended()
    await unplug(session)
    await session.event(UNPLUGGED, "step 1")
    await fetch_cable(rig, session, locked=not await is_captive(rig))


@requirement("E10.FR.01", "E10.FR.03")
@pytest.mark.parametrize("configuration", ["ac-two-evse", "ac-one-evse"], ids=["socket", "attached"])
async def test_TC_E_26_CS(rig: Rig, configuration: str):
    """Unplugged at the EV's side and plugged in again: the transaction goes on"""
    rig.configuration = configuration
    await rig.start(setting("Authorized", stop_on_disconnect=False, unlock=False))
    others = {"EnergyTransfer", "PowerPathClosed", "DataSigned", "EVConnected"}
    await points(rig, "TxStopPoint", {"Authorized", "ParkingBayOccupancy"}, others)
    captive = await is_captive(rig)
    session = Session(rig)
    await session.energy_transfer_suspended()
    await unplug(session)
    await session.event(UNPLUGGED | {"eventType": "Updated"}, "step 1")
    if captive:
        await connector_status(rig, session.evse, session.connector, "Available")
    await rig.station.plug_in(session.evse, session.connector)
    if captive:
        await connector_status(rig, session.evse, session.connector, "Occupied")
    await session.event(
        {
            "triggerReason": "CablePluggedIn",
            "transactionInfo.chargingState": "EVConnected",
            "eventType": "Updated",
        },
        "step 5",
    )
    await session.event(
        {
            "triggerReason": "ChargingStateChanged",
            "transactionInfo.chargingState": "Charging",
            "eventType": "Updated",
        },
        "step 7",
    )


@requirement("E06.FR.01", "E06.FR.15")
@pytest.mark.parametrize("remote", [False, True], ids=["token", "remote"])
async def test_TC_E_19_CS(rig: Rig, remote: bool):
    """TxStopPoint ParkingBayOccupancy: the transaction ends when the vehicle leaves the bay"""
    rig.configuration = "ac-two-bays"
    await rig.start({"TxCtrlr/TxStopPoint": "ParkingBayOccupancy"})
    session = Session(rig, remote=remote)
    await session.ev_disconnected()
    assert session.parked and not session.ended
    await rig.station.park(session.evse, False)
    event = await session.event({"eventType": "Ended", "triggerReason": "EVDeparted"}, "step 1")
    event.check({"transactionInfo.stoppedReason": "Remote" if remote else "Local"}, "step 1")


@requirement("E10.FR.02", "E10.FR.03")
async def test_TC_E_27_CS(rig: Rig):
    """Attached cable unplugged at the EV's side: the transaction ends after EVConnectionTimeOut"""
    rig.configuration = "ac-one-evse"
    settings = setting("Authorized", stop_on_disconnect=False, unlock=False) | {"TxCtrlr/EVConnectionTimeOut": "1"}
    await rig.start(settings)
    if not await is_captive(rig):
        not_applicable("the cable is not attached to the station")
    others = {"EnergyTransfer", "PowerPathClosed", "DataSigned", "EVConnected"}
    await points(rig, "TxStopPoint", {"Authorized"}, others)
    session = Session(rig)
    await session.energy_transfer_suspended()
    await unplug(session)
    await session.event(UNPLUGGED | {"eventType": "Updated"}, "step 1")
    await connector_status(rig, session.evse, session.connector, "Available")
    expected = {"eventType": "Ended", "transactionInfo.stoppedReason": "Timeout"}
    await session.event({"triggerReason": "EVConnectTimeout"} | expected, "step 5")
