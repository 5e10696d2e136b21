"""The reusable states hold with every pair of start and stop points, both orders and both ways of authorization."""

import pytest

from rig import Rig
from states import Session

POINTS = [
    ("Authorized", "EVConnected"),
    ("EVConnected", "Authorized"),
    ("PowerPathClosed", "PowerPathClosed"),
    ("EnergyTransfer", "EnergyTransfer"),
    ("Authorized,EVConnected", "EVConnected,Authorized"),
]


@pytest.mark.parametrize("remote", [False, True], ids=["swipe", "remote"])
@pytest.mark.parametrize("start, stop", POINTS)
@pytest.mark.parametrize("cable_first", [True, False], ids=["cable", "token"])
async def test_a_session_of_the_fake_station(rig: Rig, monkeypatch, start, stop, cable_first, remote):
    monkeypatch.setenv("CONFORMANCE_ADAPTER", "selftest.fake_station:FakeAdapter")
    await rig.start({"TxCtrlr/TxStartPoint": start, "TxCtrlr/TxStopPoint": stop})
    session = Session(rig, remote=remote)
    if cable_first:
        await session.ev_connected_pre_session()
    await session.energy_transfer_started()
    await session.stop_authorized()
    await session.ev_connected_post_session()
    await session.ev_disconnected()
    await session.parking_bay_unoccupied()
    assert session.ended
    await rig.csms.expect_none("TransactionEvent", seconds=0.1)
