"""Block E, transactions: how they start (E01-E05)."""

import pytest

from checks import QUIET_SECONDS, cable_first, faster, local_start, points, samples_of
from csms import present
from ocmf import SIGNED, public_key, verify
from rig import Rig, not_applicable
from states import Session, connector_status

requirement = pytest.mark.requirement

#: The shipped station with sensors in its parking bays.
BAYS = "ac-two-bays"
START_POINTS = ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"]


@requirement("E01.FR.05", "E01.FR.07", "E01.FR.10", "E01.FR.15", "E01.FR.16")
async def test_TC_E_01_CS(rig: Rig):
    """TxStartPoint PowerPathClosed: the transaction starts when a user is authorized and the EV connected"""
    await rig.start({"TxCtrlr/TxStartPoint": "PowerPathClosed"})
    await points(
        rig, "TxStartPoint", {"PowerPathClosed"}, {"ParkingBayOccupancy", "EVConnected", "Authorized", "DataSigned"}
    )
    session = Session(rig)
    await session.authorized()
    assert not rig.csms.untaken("TransactionEvent"), "started before the EV was connected"
    await session.ev_connected_pre_session()


@requirement("E01.FR.06", "E01.FR.07", "E01.FR.10", "E01.FR.15", "E01.FR.16")
async def test_TC_E_02_CS(rig: Rig):
    """TxStartPoint EnergyTransfer: the transaction starts when energy flows"""
    await rig.start({"TxCtrlr/TxStartPoint": "EnergyTransfer"})
    others = {"ParkingBayOccupancy", "EVConnected", "Authorized", "DataSigned", "PowerPathClosed"}
    await points(rig, "TxStartPoint", {"EnergyTransfer"}, others)
    session = Session(rig)
    await session.authorized()
    await session.plug_in()
    await session.event(
        {
            "eventType": "Started",
            "triggerReason": ("ChargingStateChanged", "Authorized"),
            "idToken.idToken": rig.token.id,
            "idToken.type": rig.token.type,
            "evse.id": present,
            "evse.connectorId": present,
            "transactionInfo.chargingState": "Charging",
        },
        "step 3",
    )


@requirement("E01.FR.02", "E01.FR.07", "E01.FR.10", "E01.FR.15", "E01.FR.16")
async def test_TC_E_09_CS(rig: Rig):
    """TxStartPoint EVConnected: the transaction starts when the EV is connected"""
    await rig.start({"TxCtrlr/TxStartPoint": "EVConnected"})
    cable_first(rig)
    await points(rig, "TxStartPoint", {"EVConnected"}, {"ParkingBayOccupancy"})
    session = Session(rig)
    await session.parking_bay_occupied()
    await session.plug_in()
    await session.event(
        {
            "eventType": "Started",
            "triggerReason": ("CablePluggedIn", "ChargingStateChanged"),
            "evse.id": present,
            "evse.connectorId": present,
            "transactionInfo.chargingState": "EVConnected",
        },
        "step 3",
    )


@requirement("E01.FR.03", "E01.FR.07", "E01.FR.10", "E01.FR.15", "E01.FR.16", "C01.FR.02", "C02.FR.01", "C06.FR.02")
async def test_TC_E_10_CS(rig: Rig):
    """TxStartPoint Authorized: the transaction starts with the token"""
    await rig.start({"TxCtrlr/TxStartPoint": "Authorized"})
    local_start(rig)
    await points(rig, "TxStartPoint", {"Authorized"})
    session = Session(rig)
    await session.swipe()
    expected = {"idToken.idToken": rig.token.id, "idToken.type": rig.token.type}
    await session.event({"eventType": "Started", "triggerReason": "Authorized"} | expected, "step 3")


@requirement("E01.FR.04", "E01.FR.07", "E01.FR.10", "E01.FR.15", "E01.FR.16")
async def test_TC_E_11_CS(rig: Rig):
    """TxStartPoint DataSigned: the transaction starts when a signed meter value has been read"""
    rig.configuration = SIGNED
    await rig.start({"OCPPCommCtrlr/PublicKeyWithSignedMeterValue": "EveryMeterValue"})
    await rig.configure({"TxCtrlr/TxStartPoint": "DataSigned", "SampledDataCtrlr/SignReadings": "true"})
    session = Session(rig)
    await session.authorized()
    await session.plug_in()
    first = await session.event(
        {"triggerReason": "SignedDataReceived", "idToken.idToken": rig.token.id, "evse.connectorId": present}, "step 3"
    )
    first.check({"eventType": "Started", "seqNo": 0, "idToken.type": rig.token.type}, "step 3")
    begin = [one for one in samples_of(first) if one.get("context") == "Transaction.Begin"]
    verify(begin, public_key(begin[0]["signedMeterValue"]["publicKey"]))
    await session.until_charging("step 5")
    (transaction,) = rig.csms.transactions.values()
    assert [one["seqNo"] for one in transaction.events] == list(range(len(transaction.events)))


@requirement("E01.FR.01", "E01.FR.07", "E01.FR.10", "E01.FR.15", "E01.FR.16")
async def test_TC_E_12_CS(rig: Rig):
    """TxStartPoint ParkingBayOccupancy: the transaction starts when a vehicle drives into the bay"""
    rig.configuration = BAYS
    await rig.start({"TxCtrlr/TxStartPoint": "ParkingBayOccupancy"})
    await points(rig, "TxStartPoint", {"ParkingBayOccupancy"})
    await rig.station.park(rig.evse_id, True)
    session = Session(rig)
    await session.event({"eventType": "Started", "triggerReason": "EVDetected", "evse.id": rig.evse_id}, "step 1")


@requirement("E01.FR.03", "F01.FR.03", "F01.FR.04", "F01.FR.06", "F01.FR.19", "F02.FR.01")
@pytest.mark.parametrize("ask", ["true", "false"], ids=["authorized", "unasked"])
async def test_TC_E_13_CS(rig: Rig, ask: str):
    """TxStartPoint Authorized: the transaction starts with RequestStartTransaction"""
    await rig.start({"TxCtrlr/TxStartPoint": "Authorized", "AuthCtrlr/AuthorizeRemoteStart": ask})
    await points(rig, "TxStartPoint", {"Authorized"})
    session = Session(rig, remote=True)
    await session.start_remotely()
    await session.event(
        {
            "eventType": "Started",
            "triggerReason": "RemoteStart",
            "idToken.idToken": rig.token.id,
            "idToken.type": rig.token.type,
            "transactionInfo.remoteStartId": present,
        },
        "step 5",
    )


@requirement(
    *("E02.FR.01", "E02.FR.05", "E02.FR.06", "E02.FR.07", "E02.FR.13", "E02.FR.15", "E02.FR.16", "E02.FR.17"),
    *("E01.FR.16", "C01.FR.02", "C02.FR.01", "C06.FR.02"),
)
@pytest.mark.parametrize("start_point", START_POINTS)
async def test_TC_E_03_CS(rig: Rig, start_point: str):
    """The cable first, then the token: the EV charges"""
    await rig.start({"TxCtrlr/TxStartPoint": start_point})
    local_start(rig)
    cable_first(rig)
    session = Session(rig)
    await session.ev_connected_pre_session()
    await session.authorized()
    await session.energy_transfer_started()


@requirement("E03.FR.01", "E03.FR.06", "E03.FR.12", "E01.FR.16", "C01.FR.02", "C02.FR.01", "C06.FR.02")
@pytest.mark.parametrize("start_point", START_POINTS)
async def test_TC_E_04_CS(rig: Rig, start_point: str):
    """The token first, then the cable: the EV charges"""
    await rig.start({"TxCtrlr/TxStartPoint": start_point})
    local_start(rig)
    session = Session(rig)
    await session.authorized()
    await session.energy_transfer_started()


@requirement(
    *("E03.FR.01", "E03.FR.05", "E03.FR.06", "E03.FR.12", "C01.FR.02", "C01.FR.26", "C02.FR.01", "C06.FR.02"),
)
async def test_TC_E_05_CS(rig: Rig):
    """No EV within EVConnectionTimeOut: the transaction ends, and the EVSE is free for the next one"""
    settings = {"TxCtrlr/TxStopPoint": "Authorized", "TxCtrlr/EVConnectionTimeOut": "2"}
    await rig.start(settings, arguments=faster(2))
    local_start(rig)
    await points(rig, "TxStartPoint", {"Authorized"})
    await points(rig, "TxStopPoint", {"Authorized"})
    session = Session(rig)
    await session.authorized()
    expected = {"eventType": "Ended", "transactionInfo.stoppedReason": "Timeout"}
    await session.event({"triggerReason": "EVConnectTimeout"} | expected, "step 1")
    session = Session(rig)
    await session.authorized()
    await session.energy_transfer_started()


@requirement("E06.FR.04", "E06.FR.15", "E03.FR.05", "C01.FR.26")
async def test_TC_E_39_CS(rig: Rig):
    """An EV that comes after EVConnectionTimeOut is not charged"""
    settings = {"TxCtrlr/TxStopPoint": "Authorized", "TxCtrlr/EVConnectionTimeOut": "2"}
    await rig.start(settings, arguments=faster(2))
    await points(rig, "TxStartPoint", {"Authorized"})
    await points(rig, "TxStopPoint", {"Authorized"})
    session = Session(rig)
    await session.authorized()
    expected = {"eventType": "Ended", "transactionInfo.stoppedReason": "Timeout"}
    await session.event({"triggerReason": "EVConnectTimeout"} | expected, "step 1")
    await rig.station.plug_in(session.evse, session.connector)
    await connector_status(rig, session.evse, session.connector, "Occupied")
    # The ended transaction cannot have further events, and no other point to start at is reached.
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


@requirement("E01.FR.18", "E01.FR.19")
async def test_TC_E_38_CS(rig: Rig):
    """An EV that does not ask for energy yet is reported as SuspendedEV"""
    await rig.start(arguments=faster(4))
    await points(rig, "TxStartPoint", START_POINTS, {"EnergyTransfer"})
    session = Session(rig)
    await session.authorized()
    await session.ev_connected_pre_session(chargeDelayMs=600_000)
    expected = {"triggerReason": "ChargingStateChanged", "transactionInfo.chargingState": "SuspendedEV"}
    await session.event(expected, "step 2")


@requirement("C01.FR.02", "C01.FR.05")
async def test_TC_E_52_CS(rig: Rig):
    """With DisableRemoteAuthorization a token that is not known here is refused without asking the CSMS"""
    await rig.start()
    local_start(rig)
    (disable,) = await rig.get("AuthCtrlr/DisableRemoteAuthorization")
    if not disable.exists:
        not_applicable("DisableRemoteAuthorization is not implemented")
    await rig.configure({"AuthCtrlr/DisableRemoteAuthorization": "true"})
    await rig.station.swipe(rig.token.id, rig.token.type, rig.evse_id)
    await rig.station.plug_in(rig.evse_id, rig.connector_id)
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
    await rig.csms.expect_none("Authorize", seconds=0)
