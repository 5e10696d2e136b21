"""Block N, monitoring (N02-N06): monitors set, cleared, reported."""

from pathlib import Path

import pytest

from checks import supported
from csms import ABSENT
from csms.message import CALLERROR
from monitors import (
    CONNECTOR,
    EVSE,
    POWER,
    STATION,
    event,
    meter,
    monitor,
    named,
    no_event,
    report,
    set_base,
    set_monitors,
    watched,
    with_monitors,
)
from rig import NO_ERROR, Rig, address
from states import Session, connector_status

requirement = pytest.mark.requirement

# Reports (N02)


@requirement(
    "N02.FR.01", "N02.FR.03", "N02.FR.04", "N02.FR.05", "N02.FR.06", "N02.FR.09", "N02.FR.12", "N02.FR.13", "N02.FR.14"
)
async def test_TC_N_01_CS(rig: Rig):
    """Report of monitors by criteria: thresholds, deltas, periodic ones"""
    await rig.start()
    await watched(
        rig,
        monitor(POWER, "LowerThreshold", 0),
        monitor(POWER, "UpperThreshold", 22000),
        monitor(EVSE),
        monitor(EVSE, "Periodic", 3600),
        monitor(EVSE, "PeriodicClockAligned", 3600),
    )
    for number, (criteria, types) in enumerate(
        (
            (["ThresholdMonitoring"], {"UpperThreshold", "LowerThreshold"}),
            (["ThresholdMonitoring", "DeltaMonitoring"], {"UpperThreshold", "LowerThreshold", "Delta"}),
            (["DeltaMonitoring", "PeriodicMonitoring"], {"Delta", "Periodic", "PeriodicClockAligned"}),
        )
    ):
        answer, found = await report(rig, number, monitoringCriteria=criteria)
        answer.check({"status": "Accepted"})
        assert {one["type"] for one in found} == types


@requirement("N02.FR.01", "N02.FR.03", "N02.FR.04", "N02.FR.05", "N02.FR.08", "N02.FR.09", "N02.FR.16")
async def test_TC_N_02_CS(rig: Rig):
    """Report of the monitors of named variables, and of all of a component"""
    await rig.start()
    await watched(rig, monitor(STATION), monitor(EVSE), monitor(POWER, "Periodic", 3600), monitor(CONNECTOR))
    _, found = await report(rig, 9, componentVariable=[address(STATION), {"component": address(EVSE)["component"]}])
    assert {(one["name"], one["type"]) for one in found} == {
        (STATION, "Delta"), (EVSE, "Delta"), (POWER, "Periodic"),
    }  # fmt: skip


@requirement("N02.FR.01", "N02.FR.03", "N02.FR.04", "N02.FR.05", "N02.FR.09", "N02.FR.10", "N02.FR.13")
async def test_TC_N_03_CS(rig: Rig):
    """Report by criteria and variables: both must hold, nothing found is EmptyResultSet"""
    await rig.start()
    await watched(rig, monitor("ChargingStation/Power", "Periodic", 3600), monitor(STATION), monitor(EVSE))
    answer, _ = await report(rig, 1, monitoringCriteria=["ThresholdMonitoring"], componentVariable=named(STATION, EVSE))
    answer.check({"status": "EmptyResultSet", "statusInfo.reasonCode": (ABSENT, "NotFound")}, "step 2")
    _, found = await report(rig, 2, monitoringCriteria=["DeltaMonitoring"], componentVariable=named(STATION, EVSE))
    assert {(one["name"], one["type"]) for one in found} == {(STATION, "Delta"), (EVSE, "Delta")}
    await rig.csms.expect_none("NotifyMonitoringReport", {"requestId": 1}, seconds=0)


async def refused_or(rig: Rig, action: str, payload: dict) -> None:
    """A value that the schema does not have: NotSupported, or refused by the schema."""
    answer = await rig.csms.request(action, payload, check=False)
    if answer.kind == CALLERROR:
        assert answer.error_code in ("PropertyConstraintViolation", "FormatViolation", "TypeConstraintViolation"), (
            answer.raw
        )
    else:
        answer.check({"status": "NotSupported", "statusInfo.reasonCode": (ABSENT, "UnsupportedParam", "InvalidValue")})


async def test_TC_N_04_CS(rig: Rig):
    """Report by a criterion that does not exist"""
    await rig.start()
    await refused_or(rig, "GetMonitoringReport", {"requestId": 1, "monitoringCriteria": ["DeltaMonitoring", "Purple"]})
    await rig.csms.expect_none("NotifyMonitoringReport", seconds=0.3)


@requirement("N02.FR.01", "N02.FR.11")
async def test_TC_N_47_CS(rig: Rig):
    """Report of all monitors"""
    await rig.start()
    ids = await watched(rig, monitor(STATION), monitor(EVSE))
    _, found = await report(rig)
    assert set(ids) <= {one["id"] for one in found}
    assert {(STATION, "Delta"), (EVSE, "Delta")} <= {(one["name"], one["type"]) for one in found}


# Base (N03)


@requirement("N03.FR.01", "N03.FR.03", "N03.FR.04", "N03.FR.05")
async def test_TC_N_05_CS(rig: Rig):
    """All three monitoring bases"""
    await rig.start()
    for base in ("All", "FactoryDefault", "HardWiredOnly"):
        await set_base(rig, base)


@requirement("N03.FR.01", "N03.FR.05")
async def test_TC_N_06_CS(rig: Rig):
    """HardWiredOnly removes custom monitors"""
    await rig.start()
    await watched(rig, monitor(STATION))
    _, found = await report(rig, 1, componentVariable=named(STATION))
    assert [(one["name"], one["type"]) for one in found] == [(STATION, "Delta")]
    await set_base(rig, "HardWiredOnly")
    answer, _ = await report(rig, 2, componentVariable=named(STATION))
    answer.check({"status": "EmptyResultSet", "statusInfo.reasonCode": (ABSENT, "NotFound")}, "step 8")


async def test_TC_N_07_CS(rig: Rig):
    """A base that does not exist"""
    await rig.start()
    await refused_or(rig, "SetMonitoringBase", {"monitoringBase": "Purple"})


@requirement("N03.FR.04", "N04.FR.15")
async def test_TC_N_41_CS(rig: Rig, tmp_path: Path):
    """FactoryDefault brings a preconfigured monitor back that was replaced"""
    entry = {"config_type": "PreconfiguredMonitor", "type": "Delta", "value": 1, "severity": 6}
    with_monitors(rig, tmp_path, {EVSE: [entry]})
    await rig.start()
    asked = {"componentVariable": named(EVSE), "monitoringCriteria": ["DeltaMonitoring"]}
    _, before = await report(rig, 1, **asked)
    assert [one["severity"] for one in before] == [6]
    id = before[0]["id"]
    assert await watched(rig, monitor(EVSE, severity=7, id=id)) == [id]
    _, found = await report(rig, 2, **asked)
    assert [(one["id"], one["severity"]) for one in found] == [(id, 7)]
    await set_base(rig, "FactoryDefault")
    _, found = await report(rig, 3, **asked)
    assert [(one["id"], one["severity"]) for one in found] == [(id, 6)]


# Setting (N04)


@requirement("N04.FR.01", "N04.FR.02", "N04.FR.08", "N04.FR.11")
async def test_TC_N_08_CS(rig: Rig):
    """One monitor is set and reported"""
    await rig.start()
    (id,) = await watched(rig, monitor(EVSE, severity=8))
    _, found = await report(rig, componentVariable=named(EVSE))
    assert (id, EVSE, "Delta") in [(one["id"], one["name"], one["type"]) for one in found]


@requirement("N04.FR.01", "N04.FR.02", "N04.FR.08", "N04.FR.11")
async def test_TC_N_09_CS(rig: Rig):
    """Monitors of two variables are set and reported"""
    await rig.start()
    ids = await watched(rig, monitor(EVSE, severity=8), monitor(STATION, severity=8))
    _, found = await report(rig, componentVariable=named(EVSE, STATION))
    assert set(ids) <= {one["id"] for one in found}


@requirement("N04.FR.01", "N04.FR.02", "N04.FR.08", "N04.FR.11")
async def test_TC_N_10_CS(rig: Rig):
    """Two monitors of one variable, of different severity"""
    await rig.start()
    await watched(rig, monitor(EVSE, severity=8), monitor(EVSE, severity=7))


async def refused(rig: Rig, asked: dict, status: tuple[str, ...], *reasons: str) -> None:
    (result,) = await set_monitors(rig, asked)
    assert "id" not in result and result["status"] in status, result
    if "statusInfo" in result:
        assert result["statusInfo"]["reasonCode"] in reasons, result


@requirement("N04.FR.03")
async def test_TC_N_11_CS(rig: Rig):
    """An EVSE and a component that do not exist"""
    await rig.start()
    await refused(
        rig, monitor("EVSE@99/AvailabilityState"), ("UnknownComponent", "Rejected"), "UnknownEVSE", "NotFound"
    )
    await refused(
        rig, monitor("NonExistent/Power", "UpperThreshold", 1234.0), ("UnknownComponent", "UnknownVariable"), "NotFound"
    )


@requirement("N04.FR.14")
async def test_TC_N_12_CS(rig: Rig):
    """A delta below zero"""
    await rig.start()
    await refused(rig, monitor(EVSE, value=-1), ("Rejected",), "ValueOutOfRange", "ValuePositiveOnly")


@requirement("N04.FR.06")
async def test_TC_N_13_CS(rig: Rig):
    """A threshold beyond maxLimit"""
    await rig.start()
    await refused(rig, monitor(POWER, "UpperThreshold", 1_000_000), ("Rejected",), "ValueOutOfRange")


@requirement("N04.FR.10")
async def test_TC_N_15_CS(rig: Rig):
    """A second monitor of the same type and severity is a Duplicate"""
    await rig.start()
    results = await set_monitors(rig, monitor(EVSE), monitor(EVSE))
    assert [one["status"] for one in results] == ["Accepted", "Duplicate"]
    assert "id" in results[0]
    assert results[1].get("statusInfo", {}).get("reasonCode", "InvalidValue") == "InvalidValue"


@requirement("N04.FR.04")
async def test_TC_N_37_CS(rig: Rig):
    """A variable that does not exist"""
    await rig.start()
    await refused(rig, monitor("EVSE@1/unknownVariable"), ("UnknownVariable",), "NotFound")
    await refused(rig, monitor("EVSE/unknownVariable"), ("UnknownVariable",), "NotFound")


@requirement("N04.FR.05")
async def test_TC_N_38_CS(rig: Rig):
    """A threshold for a variable that is no number"""
    await rig.start()
    await refused(rig, monitor(EVSE, "UpperThreshold", 1), ("UnsupportedMonitorType", "Rejected"), "UnsupportedParam")


@requirement("N04.FR.16")
async def test_TC_N_39_CS(rig: Rig):
    """An id with another variable than its monitor's"""
    await rig.start()
    (id,) = await watched(rig, monitor(EVSE))
    (result,) = await set_monitors(rig, monitor("ChargingStation/Power", "UpperThreshold", 1, id=id))
    assert result["status"] == "Rejected"
    _, found = await report(rig)
    assert (id, EVSE, "Delta") in [(one["id"], one["name"], one["type"]) for one in found]


@requirement("N04.FR.12")
async def test_TC_N_40_CS(rig: Rig):
    """A monitor is replaced by its id"""
    await rig.start()
    (id,) = await watched(rig, monitor(EVSE, severity=5))
    assert await watched(rig, monitor(EVSE, severity=4, id=id)) == [id]
    _, found = await report(rig, componentVariable=named(EVSE), monitoringCriteria=["DeltaMonitoring"])
    assert [(one["id"], one["severity"]) for one in found] == [(id, 4)]


@requirement("N04.FR.01", "N04.FR.14")
async def test_TC_N_43_CS(rig: Rig):
    """The second of three monitors is out of range, the others are set"""
    await rig.start()
    results = await set_monitors(
        rig, monitor(POWER, "UpperThreshold", 20000), monitor(POWER, "Delta", -1.0), monitor(POWER, "LowerThreshold", 0)
    )
    assert {one["type"]: one["status"] for one in results} == {
        "UpperThreshold": "Accepted", "Delta": "Rejected", "LowerThreshold": "Accepted",
    }  # fmt: skip


@requirement("N07.FR.11")
async def test_TC_N_51_CS(rig: Rig):
    """A threshold that is lowered below the value alerts"""
    await rig.start()
    (limit,) = [one["variableCharacteristics"]["maxLimit"] for one in (await characteristics(rig, POWER))]
    (id,) = await watched(rig, monitor(POWER, "UpperThreshold", limit - 1))
    session = Session(rig)
    await session.energy_transfer_started()
    await meter(rig, 5000)
    assert await watched(rig, monitor(POWER, "UpperThreshold", 0.0, id=id)) == [id]
    found = await event(rig, id, {"trigger": "Alerting"})
    assert float(found["actualValue"]) > 0


async def characteristics(rig: Rig, name: str) -> list[dict]:
    _, items = await rig.report("GetReport", {"requestId": 99, "componentVariable": named(name)})
    return items


@requirement("N07.FR.12")
async def test_TC_N_52_CS(rig: Rig):
    """A monitor that is cleared does not tell that its threshold is no longer exceeded"""
    await rig.start()
    (id,) = await watched(rig, monitor(POWER, "UpperThreshold", 0.0))
    session = Session(rig)
    await session.energy_transfer_started()
    await event(rig, id, {"trigger": "Alerting"})
    answer = await supported(rig, "ClearVariableMonitoring", {"id": [id]})
    answer.check({"clearMonitoringResult[0].status": "Accepted", "clearMonitoringResult[0].id": id}, "step 2")
    answer, _ = await report(rig, componentVariable=named(POWER), monitoringCriteria=["ThresholdMonitoring"])
    answer.check({"status": "EmptyResultSet"}, "step 4")
    await session.stop_authorized()
    await meter(rig, 0)
    await no_event(rig, id)


# Level (N05)


@requirement("N05.FR.01", "N05.FR.03", "N07.FR.15")
async def test_TC_N_16_CS(rig: Rig):
    """A monitor that is less severe than the level is silent"""
    await rig.start()
    (id,) = await watched(rig, monitor(EVSE, severity=8))
    answer = await supported(rig, "SetMonitoringLevel", {"severity": 7})
    answer.check({"status": "Accepted", "statusInfo": NO_ERROR}, "step 2")
    await rig.station.plug_in(rig.evse_id)
    await connector_status(rig, rig.evse_id, rig.connector_id, "Occupied")
    await no_event(rig, id)


@requirement("N05.FR.02")
async def test_TC_N_17_CS(rig: Rig):
    """A level out of range"""
    await rig.start()
    for severity, reason in ((10, "ValueTooHigh"), (-1, "ValueTooLow")):
        answer = await supported(rig, "SetMonitoringLevel", {"severity": severity})
        answer.check({"status": "Rejected", "statusInfo.reasonCode": (ABSENT, "ValueOutOfRange", reason)})


# Clearing (N06)


async def clear(rig: Rig, *ids: int) -> dict[int, str]:
    """ClearVariableMonitoring: the status of each id."""
    answer = await supported(rig, "ClearVariableMonitoring", {"id": list(ids)})
    assert len(answer["clearMonitoringResult"]) == len(ids)
    return {one["id"]: one["status"] for one in answer["clearMonitoringResult"]}


@requirement("N06.FR.01", "N06.FR.05")
async def test_TC_N_18_CS(rig: Rig):
    """Two monitors are cleared"""
    await rig.start()
    ids = await watched(rig, monitor(STATION), monitor(EVSE))
    assert await clear(rig, *ids) == {id: "Accepted" for id in ids}
    answer, _ = await report(rig, componentVariable=named(STATION, EVSE))
    answer.check({"status": "EmptyResultSet", "statusInfo.reasonCode": (ABSENT, "NotFound")}, "step 4")


@requirement("N06.FR.02")
async def test_TC_N_19_CS(rig: Rig):
    """A monitor that does not exist"""
    await rig.start()
    _, found = await report(rig)
    id = max((one["id"] for one in found), default=123455) + 1
    assert await clear(rig, id) == {id: "NotFound"}


@requirement("N06.FR.03")
async def test_TC_N_44_CS(rig: Rig, tmp_path: Path):
    """A hard-wired monitor cannot be cleared"""
    entry = {"config_type": "HardWiredMonitor", "type": "Delta", "value": 1, "severity": 2}
    with_monitors(rig, tmp_path, {EVSE: [entry]})
    await rig.start()
    _, found = await report(rig)
    assert await clear(rig, found[0]["id"]) == {found[0]["id"]: "Rejected"}
    assert [one["id"] for one in (await report(rig, 2))[1]] == [one["id"] for one in found]
