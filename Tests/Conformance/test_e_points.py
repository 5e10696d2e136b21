"""Block E, every start point with every stop point, alone and together, in all shipped stations: one whole session each."""

import itertools

import pytest

from checks import is_captive
from ocmf import SIGNED
from rig import Rig
from states import Session

requirement = pytest.mark.requirement

BAY = "ParkingBayOccupancy"
POINTS = [BAY, "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"]
#: The stations without a sensor in the parking bay.
PLAIN = ["ac-two-evse", "ac-one-evse", "ac-two-connectors"]

SINGLE = [(one,) for one in POINTS]
#: Each with the next, the ends, all.
TOGETHER = list(zip(POINTS, POINTS[1:])) + [(BAY, "EnergyTransfer"), tuple(POINTS)]
#: TxStartPoint DataSigned, alone with every stop point, and beside points that are reached before and after it.
DATA_SIGNED = list(itertools.product([("DataSigned",)], SINGLE[1:])) + [
    (("DataSigned", "EnergyTransfer"), ("EnergyTransfer",)),
    (("EVConnected", "DataSigned"), ("EVConnected", "Authorized")),
]
PAIRS = list(itertools.product(SINGLE, SINGLE)) + list(itertools.product(TOGETHER, TOGETHER))


async def whole_session(
    rig: Rig, order: str, starts: tuple, stops: tuple, connector: int = 1, settings: dict[str, str] | None = None
) -> None:
    points = {"TxCtrlr/TxStartPoint": ",".join(starts), "TxCtrlr/TxStopPoint": ",".join(stops)}
    await rig.start(points | (settings or {}))
    session = Session(rig, connector=connector)
    if order == "cable first":
        await session.ev_connected_pre_session()
    else:
        await session.authorized()
    await session.energy_transfer_started()
    await session.stop_authorized()
    await session.ev_connected_post_session()
    if set(stops) - {BAY, "EVConnected"}:
        assert session.ended, "the stop reached a stop point"
    await session.ev_disconnected()
    if set(stops) != {BAY}:
        assert session.ended, "the unplugging reached a stop point"
    await session.parking_bay_unoccupied()
    assert session.ended
    (transaction,) = rig.csms.transactions.values()
    assert transaction.ended and not list(transaction.problems())


REQUIREMENTS = requirement(
    *("E01.FR.01", "E01.FR.02", "E01.FR.03", "E01.FR.05", "E01.FR.06", "E01.FR.15", "E01.FR.16"),
    *("E06.FR.01", "E06.FR.02", "E06.FR.03", "E06.FR.06", "E06.FR.07", "E06.FR.15"),
)


@REQUIREMENTS
@pytest.mark.parametrize("order", ["cable first", "token first"])
@pytest.mark.parametrize("starts, stops", PAIRS, ids=lambda one: "+".join(one))
async def test_start_and_stop_points(rig: Rig, order: str, starts: tuple, stops: tuple):
    """A session with these start and stop points is one whole transaction"""
    rig.configuration = "ac-two-bays"
    await whole_session(rig, order, starts, stops)


@REQUIREMENTS
@pytest.mark.parametrize("configuration", PLAIN)
@pytest.mark.parametrize("start, stop", list(itertools.product(POINTS[1:], POINTS[1:])))
async def test_start_and_stop_points_of_every_station(rig: Rig, configuration: str, start: str, stop: str):
    """Sockets and attached cables, one EVSE and two, at each connector of an EVSE"""
    rig.configuration = configuration
    connector = 2 if configuration == "ac-two-connectors" and start in ("EVConnected", "EnergyTransfer") else 1
    await whole_session(rig, "cable first", (start,), (stop,), connector)
    rig.connector_id = connector
    assert await is_captive(rig) == (connector == 1 and configuration != "ac-two-evse")


@requirement("E01.FR.04", "E01.FR.15", "E01.FR.16", "E06.FR.02", "E06.FR.03", "E06.FR.06", "E06.FR.07", "E06.FR.15")
@pytest.mark.parametrize("order", ["cable first", "token first"])
@pytest.mark.parametrize("starts, stops", DATA_SIGNED, ids=lambda one: "+".join(one))
async def test_start_point_data_signed(rig: Rig, order: str, starts: tuple, stops: tuple):
    """A session that begins with a signed meter value, at the latest, is one whole transaction"""
    rig.configuration = SIGNED
    await whole_session(rig, order, starts, stops, settings={"SampledDataCtrlr/SignReadings": "true"})
