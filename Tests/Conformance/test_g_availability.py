"""Block G, availability: status (G01), ChangeAvailability (G03, G04), lock failure (G05)."""

import pytest

from checks import QUIET_SECONDS, cable_first, connectors, last_statuses, points
from csms import Message
from rig import Rig, not_applicable
from states import Session, connector_status, rebooted, unavailable

requirement = pytest.mark.requirement


# Status


@requirement("G01.FR.01", "G01.FR.03", "N07.FR.19")
async def test_TC_G_01_CS(rig: Rig):
    """A connector becomes Occupied"""
    await rig.start()
    await Session(rig).ev_connected_pre_session()


@requirement("G01.FR.01", "G01.FR.04", "N07.FR.19")
async def test_TC_G_02_CS(rig: Rig):
    """A connector becomes Available"""
    await rig.start()
    cable_first(rig)
    session = Session(rig)
    await session.ev_connected_pre_session()
    await session.plug_out()


# ChangeAvailability


async def change(
    rig: Rig, operative: bool, status: str = "Accepted", evse: int | None = None, connector: int | None = None
) -> Message:
    payload: dict = {"operationalStatus": "Operative" if operative else "Inoperative"}
    if evse is not None:
        payload["evse"] = {"id": evse} | ({"connectorId": connector} if connector is not None else {})
    return (await rig.csms.call("ChangeAvailability", payload)).check({"status": status}, "step 2")


async def reported(rig: Rig, status: str, evse: int | None = None, connector: int | None = None) -> None:
    """The next report about every connector meant says `status`."""
    for one, other in await connectors(rig, evse):
        if connector in (None, other):
            await connector_status(rig, one, other, status)


async def all_known(rig: Rig, inoperative: list[tuple[int, int]] | None = None) -> None:
    """Post scenario: every connector has been reported, last these as Unavailable, the others as Available."""
    await rig.settle()
    expected = {one: "Unavailable" if one in (inoperative or []) else "Available" for one in await connectors(rig)}

    def other() -> dict | None:
        return last_statuses(rig) if last_statuses(rig) != expected else None

    assert await rig.csms.record.wait(other, 0.1) is None, f"reported {other()}, expected {expected}"
    rig.csms.forget()


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.04", "G03.FR.06", "G01.FR.07")
async def test_TC_G_03_CS(rig: Rig):
    """An EVSE is set inoperative"""
    await rig.start()
    await unavailable(rig, rig.evse_id)
    await all_known(rig, await connectors(rig, rig.evse_id))


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.04", "G03.FR.07", "G01.FR.07")
async def test_TC_G_04_CS(rig: Rig):
    """An EVSE is set operative again"""
    await rig.start()
    await unavailable(rig, rig.evse_id)
    await change(rig, True, evse=rig.evse_id)
    await reported(rig, "Available", rig.evse_id)
    await all_known(rig)


@requirement("G04.FR.01", "G04.FR.02", "G04.FR.03", "G04.FR.05", "G04.FR.07", "G01.FR.07")
async def test_TC_G_05_CS(rig: Rig):
    """The station is set inoperative"""
    await rig.start()
    await unavailable(rig)
    await all_known(rig, await connectors(rig))


@requirement("G04.FR.01", "G04.FR.02", "G04.FR.03", "G04.FR.05", "G04.FR.08", "G01.FR.07")
async def test_TC_G_06_CS(rig: Rig):
    """The station is set operative again"""
    await rig.start()
    await unavailable(rig)
    await change(rig, True)
    await reported(rig, "Available")
    await all_known(rig)


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.04", "G03.FR.06", "G01.FR.07")
async def test_TC_G_07_CS(rig: Rig):
    """A connector is set inoperative"""
    await rig.start()
    await unavailable(rig, rig.evse_id, rig.connector_id)
    await all_known(rig, [(rig.evse_id, rig.connector_id)])


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.04", "G03.FR.07", "G01.FR.07")
async def test_TC_G_08_CS(rig: Rig):
    """A connector is set operative again"""
    await rig.start()
    await unavailable(rig, rig.evse_id, rig.connector_id)
    await change(rig, True, evse=rig.evse_id, connector=rig.connector_id)
    await reported(rig, "Available", rig.evse_id, rig.connector_id)
    await all_known(rig)


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.03", "G03.FR.04")
async def test_TC_G_09_CS(rig: Rig):
    """An EVSE that is operative is set operative"""
    await rig.start()
    await change(rig, True, evse=rig.evse_id)


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.03", "G03.FR.04")
async def test_TC_G_10_CS(rig: Rig):
    """An EVSE that is inoperative is set inoperative"""
    await rig.start()
    await unavailable(rig, rig.evse_id)
    await change(rig, False, evse=rig.evse_id)
    await all_known(rig, await connectors(rig, rig.evse_id))


@requirement("G04.FR.01", "G04.FR.02", "G04.FR.03", "G04.FR.04", "G04.FR.05")
async def test_TC_G_12_CS(rig: Rig):
    """The station, operative, is set operative"""
    await rig.start()
    await change(rig, True)
    await all_known(rig)


@requirement("G04.FR.01", "G04.FR.02", "G04.FR.03", "G04.FR.04", "G04.FR.05")
async def test_TC_G_13_CS(rig: Rig):
    """The station, inoperative, is set inoperative: it reports its connectors again"""
    await rig.start()
    await unavailable(rig)
    await change(rig, False)
    await reported(rig, "Unavailable")
    await all_known(rig, await connectors(rig))


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.03", "G03.FR.04")
async def test_TC_G_15_CS(rig: Rig):
    """A connector that is operative is set operative"""
    await rig.start()
    await change(rig, True, evse=rig.evse_id, connector=rig.connector_id)
    await all_known(rig)


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.03", "G03.FR.04")
async def test_TC_G_16_CS(rig: Rig):
    """A connector that is inoperative is set inoperative"""
    await rig.start()
    await unavailable(rig, rig.evse_id, rig.connector_id)
    await change(rig, False, evse=rig.evse_id, connector=rig.connector_id)
    await all_known(rig, [(rig.evse_id, rig.connector_id)])


# During a transaction

STOP_POINTS = ["Authorized", "EVConnected"]


async def scheduled(rig: Rig, stop_point: str, evse: int | None = None, connector: int | None = None) -> None:
    """Inoperative during a transaction: its connectors become Unavailable when it ends, at whichever step that is."""
    await rig.start({"TxCtrlr/TxStopPoint": stop_point})
    session = Session(rig)
    await session.energy_transfer_started()
    await change(rig, False, "Scheduled", evse, connector)
    meant = [one for one in await connectors(rig, evse) if connector in (None, one[1])]
    busy = [one for one in meant if one[0] == session.evse]
    for one in meant:
        if one not in busy:
            await connector_status(rig, *one, "Unavailable")
    await rig.settle()
    known = last_statuses(rig)
    assert known[(session.evse, session.connector)] == "Occupied", "Unavailable during the transaction"
    await session.stop_authorized()
    await session.ev_connected_post_session()
    if session.ended:
        await reported(rig, "Unavailable", session.evse, connector)
    await rig.station.plug_out(session.evse, session.connector)
    if not session.ended:
        expected = {"triggerReason": "EVCommunicationLost", "transactionInfo.chargingState": "Idle"}
        await session.event(expected | {"eventType": "Ended"}, "EVDisconnected")
        await reported(rig, "Unavailable", session.evse, connector)
    await all_known(rig, meant)


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.04", "G03.FR.05", "G01.FR.05")
@pytest.mark.parametrize("stop_point", STOP_POINTS)
async def test_TC_G_11_CS(rig: Rig, stop_point: str):
    """An EVSE is set inoperative during a transaction"""
    await scheduled(rig, stop_point, rig.evse_id)


@requirement("G04.FR.01", "G04.FR.02", "G04.FR.03", "G04.FR.05", "G04.FR.06", "G01.FR.05")
@pytest.mark.parametrize("stop_point", STOP_POINTS)
async def test_TC_G_14_CS(rig: Rig, stop_point: str):
    """The station is set inoperative during a transaction"""
    await scheduled(rig, stop_point)


@requirement("G03.FR.01", "G03.FR.02", "G03.FR.04", "G03.FR.05", "G01.FR.05")
@pytest.mark.parametrize("stop_point", STOP_POINTS)
async def test_TC_G_17_CS(rig: Rig, stop_point: str):
    """A connector is set inoperative during a transaction"""
    await scheduled(rig, stop_point, rig.evse_id, rig.connector_id)


# Restarts

RESTARTS = ["reset", "power loss"]


async def restarted(rig: Rig, how: str, inoperative: list[tuple[int, int]]) -> None:
    """After a restart these connectors are reported Unavailable, the others Available."""
    await rebooted(rig, how, {one: "Unavailable" for one in inoperative})
    await all_known(rig, inoperative)


@requirement("G03.FR.08", "G01.FR.01", "G01.FR.02")
@pytest.mark.parametrize("how", RESTARTS)
async def test_TC_G_18_CS(rig: Rig, how: str):
    """An EVSE that is inoperative is so after a restart"""
    await rig.start()
    await unavailable(rig, rig.evse_id)
    await change(rig, False, evse=rig.evse_id)
    inoperative = await connectors(rig, rig.evse_id)
    await all_known(rig, inoperative)
    await restarted(rig, how, inoperative)


@requirement("G03.FR.08", "G01.FR.02")
@pytest.mark.parametrize("how", RESTARTS)
async def test_TC_G_19_CS(rig: Rig, how: str):
    """A connector that is inoperative is so after a restart"""
    await rig.start()
    await unavailable(rig, rig.evse_id, rig.connector_id)
    await restarted(rig, how, [(rig.evse_id, rig.connector_id)])


@requirement("G04.FR.09", "G01.FR.02")
@pytest.mark.parametrize("how", RESTARTS)
async def test_TC_G_21_CS(rig: Rig, how: str):
    """A station that is inoperative is so after a restart"""
    await rig.start()
    await unavailable(rig)
    await restarted(rig, how, await connectors(rig))


# Lock


@requirement("G05.FR.01", "G05.FR.02")
async def test_TC_G_20_CS(rig: Rig):
    """A plug that cannot be locked is reported and not charged"""
    await rig.start()
    component = f"ConnectorPlugRetentionLock@{rig.evse_id}.{rig.connector_id}"
    (problem,) = await rig.get(f"{component}/Problem")
    if not problem.exists:
        not_applicable("no ConnectorPlugRetentionLock")
    cable_first(rig)
    await points(rig, "TxStartPoint", {"Authorized", "EVConnected"})
    await rig.station.lock(rig.evse_id, rig.connector_id, stuck=True)
    session = Session(rig)
    await session.ev_connected_pre_session()
    await session.authorized()
    lock = "eventData[0].component.name"
    event = await rig.csms.expect("NotifyEvent", {lock: "ConnectorPlugRetentionLock"}, step="step 2")
    event.check(
        {
            "eventData[0].trigger": "Delta",
            "eventData[0].variable.name": "Problem",
            "eventData[0].actualValue": "true",
        },
        "step 2",
    )
    charging = {"transactionInfo.chargingState": "Charging"}
    await rig.csms.expect_none("TransactionEvent", charging, seconds=QUIET_SECONDS)
