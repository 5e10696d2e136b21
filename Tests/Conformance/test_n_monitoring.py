"""Block N, monitoring (N02-N08): monitors, reports of them, and the events they tell."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from checks import QUIET_SECONDS, check_intervals, not_applicable, supported, time_of
from csms import ABSENT, Message, present
from csms.message import CALL, CALLERROR
from device_model import setting_name
from rig import NO_ERROR, Rig, address, find_result
from states import Session, connector_status, rebooted
from station_adapter import ROOT

requirement = pytest.mark.requirement

#: The variables of the test cases: one that every station has, and the one that thresholds are set on.
STATION = "ChargingStation/AvailabilityState"
EVSE = "EVSE@1/AvailabilityState"
CONNECTOR = "Connector@1.1/AvailabilityState"
POWER = "EVSE@1/Power"
SEVERITY = 5


def monitor(name: str, type: str = "Delta", value: float = 1, severity: int = SEVERITY, **fields: Any) -> dict:
    """A SetMonitoringData."""
    return address(name) | {"type": type, "value": value, "severity": severity, **fields}


async def set_monitors(rig: Rig, *monitors: dict) -> list[dict]:
    """SetVariableMonitoring; the results, one for each, with the same component, variable, type and severity (N04.FR.01-02)."""
    answer = await supported(rig, "SetVariableMonitoring", {"setMonitoringData": list(monitors)})
    results = answer["setMonitoringResult"]
    keys = ("component", "variable", "type", "severity")
    given = sorted(json.dumps([one[key] for key in keys], sort_keys=True) for one in monitors)
    assert sorted(json.dumps([one[key] for key in keys], sort_keys=True) for one in results) == given
    return results


async def watched(rig: Rig, *monitors: dict) -> list[int]:
    """The ids of monitors that the station must accept."""
    results = await set_monitors(rig, *monitors)
    assert all(one["status"] == "Accepted" for one in results), results
    assert all(one.get("statusInfo", {}).get("reasonCode", "NoError") == "NoError" for one in results), results
    ids = [one.get("id") for one in results]
    assert all(isinstance(one, int) for one in ids) and len(set(ids)) == len(ids), ids
    return ids


async def report(rig: Rig, request: int = 1, **fields: Any) -> tuple[Message, list[dict]]:
    """GetMonitoringReport and its parts, checked as a series: the answer, and the monitors with component and variable."""
    answer = await supported(rig, "GetMonitoringReport", {"requestId": request, **fields})
    if answer["status"] != "Accepted":
        return answer, []
    answer.check({"statusInfo": NO_ERROR})
    found: list[dict] = []
    number = 0
    while True:
        part = await rig.csms.expect("NotifyMonitoringReport", {"requestId": request})
        part.check({"seqNo": number, "generatedAt": rig.is_now})
        for entry in part.payload.get("monitor", []):
            found += [one | {"name": setting_name(entry)} for one in entry["variableMonitoring"]]
        if not part.payload.get("tbc", False):
            return answer, found
        number += 1


def named(*names: str) -> list[dict]:
    return [address(name) for name in names]


def events_of(message: Message, id: int | None = None) -> list[dict]:
    """The eventData of a NotifyEvent, or those of one monitor."""
    return [one for one in message["eventData"] if id is None or one.get("variableMonitoringId") == id]


def unseen(rig: Rig, id: int) -> tuple[Message, dict] | None:
    """The oldest event of a monitor that no test has looked at; several may share a NotifyEvent."""
    for message in rig.csms.record.messages("in"):
        if message.kind == CALL and message.action == "NotifyEvent" and not message.violations:
            for found in events_of(message, id):
                if found["eventId"] not in SEEN.setdefault(rig, set()):
                    return message, found
    return None


#: Ids of the events that a test has looked at.
SEEN: WeakKeyDictionary[Rig, set[int]] = WeakKeyDictionary()


async def event(rig: Rig, id: int, expected: Mapping[str, Any] | None = None, timeout: float | None = None) -> dict:
    """The next event of a monitor, whose message is checked too."""
    found = await rig.csms.record.wait(lambda: unseen(rig, id), rig.csms.patience if timeout is None else timeout)
    assert found, f"no event of monitor {id}"
    message, one = found
    message.taken = True
    SEEN[rig].add(one["eventId"])
    message.check({"generatedAt": rig.is_now, "seqNo": 0})
    for name, value in (expected or {}).items():
        assert one.get(name) == value, f"{name} is {one.get(name)!r}, expected {value!r}: {one}"
    return one


async def no_event(rig: Rig, id: int, seconds: float = QUIET_SECONDS) -> None:
    found = await rig.csms.record.wait(lambda: unseen(rig, id), seconds)
    assert not found, f"monitor {id} has told {found}"


async def meter(rig: Rig, power: float) -> None:
    await rig.station.meter(rig.evse_id, powerW=power)


def with_monitors(rig: Rig, folder: Path, monitors: dict[str, list[dict]]) -> None:
    """A station whose component files bring these monitors."""
    target = folder / "model"
    shutil.copytree(ROOT / "DeviceModel" / rig.configuration, target)
    for name, entries in monitors.items():
        asked = address(name)
        for path in target.glob("*/*.json"):
            component = json.loads(path.read_text())
            place = asked["component"].get("evse", {})
            if (component["name"], component.get("evse_id"), component.get("connector_id")) != (
                asked["component"]["name"], place.get("id"), place.get("connectorId"),
            ):  # fmt: skip
                continue
            for variable in component["properties"].values():
                if variable["variable_name"] == asked["variable"]["name"]:
                    variable["monitors"] = entries
            path.write_text(json.dumps(component))
    rig.configuration = str(target)


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
    _, found = await report(
        rig, 9, componentVariable=[address(STATION), {"component": address(EVSE)["component"]}]
    )
    assert {(one["name"], one["type"]) for one in found} == {
        (STATION, "Delta"), (EVSE, "Delta"), (POWER, "Periodic"),
    }  # fmt: skip


@requirement("N02.FR.01", "N02.FR.03", "N02.FR.04", "N02.FR.05", "N02.FR.09", "N02.FR.10", "N02.FR.13")
async def test_TC_N_03_CS(rig: Rig):
    """Report by criteria and variables: both must hold, nothing found is EmptyResultSet"""
    await rig.start()
    await watched(rig, monitor("ChargingStation/Power", "Periodic", 3600), monitor(STATION), monitor(EVSE))
    answer, _ = await report(
        rig, 1, monitoringCriteria=["ThresholdMonitoring"], componentVariable=named(STATION, EVSE)
    )
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


async def set_base(rig: Rig, base: str) -> None:
    answer = await supported(rig, "SetMonitoringBase", {"monitoringBase": base})
    answer.check({"status": "Accepted", "statusInfo": NO_ERROR})


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


# Events (N07, N08)


@requirement("N07.FR.02", "N07.FR.06", "N07.FR.07", "N07.FR.16", "N07.FR.17")
async def test_TC_N_20_CS(rig: Rig):
    """Thresholds: exceeded, no longer exceeded, and a lower one passed"""
    await rig.start()
    await set_base(rig, "All")
    (upper,) = await watched(rig, monitor(POWER, "UpperThreshold", 100.0))
    session = Session(rig)
    await session.energy_transfer_started()
    common = {
        "trigger": "Alerting", "eventNotificationType": "CustomMonitor", "transactionId": session.transaction_id,
        **address(POWER),
    }  # fmt: skip
    found = await event(rig, upper, common)
    assert float(found["actualValue"]) > 100 and not found.get("cleared")
    (lower,) = await watched(rig, monitor(POWER, "LowerThreshold", 10.0))
    await session.stop_authorized()
    over = await event(rig, upper, common | {"cleared": True})
    assert float(over["actualValue"]) <= 100
    low = await event(rig, lower, common)
    assert float(low["actualValue"]) < 10 and not low.get("cleared")
    assert len({found["eventId"], over["eventId"], low["eventId"]}) == 3


@requirement("N07.FR.05", "G05.FR.02")
async def test_TC_N_21_CS(rig: Rig):
    """A hard-wired notification"""
    await rig.start()
    await rig.station.fault("raise", "GroundFailure", rig.evse_id)
    message = await rig.csms.expect("NotifyEvent")
    message.check({"generatedAt": rig.is_now, "seqNo": 0, "eventData[0].eventNotificationType": "HardWiredNotification"})
    message.check({"eventData[0].techCode": present, "eventData[0].actualValue": "true"})


@requirement("N07.FR.04")
async def test_TC_N_22_CS(rig: Rig):
    """Events that are severe enough wait while the station is offline"""
    await rig.start()
    await rig.configure({"MonitoringCtrlr/OfflineQueuingSeverity": str(SEVERITY)})
    (id,) = await watched(rig, monitor(EVSE, severity=SEVERITY))
    await rig.station.network(False)
    await rig.station.plug_in(rig.evse_id)
    await rig.csms.expect_none("NotifyEvent", seconds=1)
    await rig.station.network(True)
    message = await rig.csms.expect("NotifyEvent", lambda one: bool(events_of(one, id)))
    (found,) = events_of(message, id)
    assert (found["trigger"], found["actualValue"]) == ("Delta", "Occupied")
    assert {"component": found["component"], "variable": found["variable"]} == address(EVSE)


@requirement("N07.FR.04")
async def test_TC_N_23_CS(rig: Rig):
    """Events that are not severe enough are not queued while the station is offline"""
    await rig.start({"TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "Authorized"})
    await rig.configure({"MonitoringCtrlr/OfflineQueuingSeverity": str(SEVERITY)})
    ids = await watched(rig, monitor(EVSE, severity=SEVERITY + 1), monitor(CONNECTOR, severity=SEVERITY + 1))
    await rig.station.plug_in(rig.evse_id)
    for id in ids:
        await event(rig, id, {"trigger": "Delta", "actualValue": "Occupied"})
    started = await rig.csms.expect("TransactionEvent")
    started.check({"triggerReason": "CablePluggedIn", "transactionInfo.chargingState": "EVConnected"}, "step 3")
    await rig.csms.answered(started)
    await rig.settle()
    await rig.station.network(False)
    await rig.station.plug_out(rig.evse_id)
    await rig.station.plug_in(rig.evse_id)
    await rig.station.network(True)
    await rig.csms.expect("TransactionEvent", {"triggerReason": "EVCommunicationLost"}, step="step 5")
    again = await rig.csms.expect("TransactionEvent", {"triggerReason": "CablePluggedIn"}, step="step 7")
    again.check({"transactionInfo.chargingState": "EVConnected"}, "step 7")
    for id in ids:
        await no_event(rig, id, 0.5)


@requirement("N04.FR.01", "N04.FR.08", "N08.FR.04", "N08.FR.05", "N08.FR.06")
async def test_TC_N_24_CS(rig: Rig):
    """A periodic monitor tells every two seconds"""
    await rig.start()
    _, items = await rig.report("GetBaseReport", {"requestId": 5, "reportBase": "FullInventory"})
    item = next(
        one
        for one in items
        if one["variableCharacteristics"]["supportsMonitoring"]
        and one["variableCharacteristics"]["dataType"] != "dateTime"
        and "instance" not in one["component"]
        and "instance" not in one["variable"]
    )
    (id,) = await watched(rig, monitor(setting_name(item), "Periodic", 2))
    stamps = []
    for _ in range(3):
        found = await event(rig, id, {"trigger": "Periodic", "component": item["component"]}, timeout=4)
        stamps.append(found["timestamp"])
    check_intervals([time_of(one) for one in stamps], 2, 0.5)


@requirement("N07.FR.06", "N07.FR.07", "N07.FR.18")
async def test_TC_N_45_CS(rig: Rig):
    """A number that has changed by more than a delta"""
    await rig.start()
    await meter(rig, 0)
    (id,) = await watched(rig, monitor(POWER, "Delta", 100.0))
    await rig.station.meter(rig.evse_id, hold=False)
    session = Session(rig)
    await session.energy_transfer_started()
    await event(rig, id, {"trigger": "Delta", **address(POWER)})


@requirement("N07.FR.10")
async def test_TC_N_48_CS(rig: Rig):
    """The value of a variable that only can be written is not told"""
    await rig.start()
    results = await set_monitors(rig, monitor("SecurityCtrlr/BasicAuthPassword"))
    if results[0]["status"] != "Accepted":
        not_applicable("no monitors of BasicAuthPassword")
    password = "another-horse-battery"
    answer = await rig.csms.call(
        "SetVariables",
        {"setVariableData": [address("SecurityCtrlr/BasicAuthPassword") | {"attributeValue": password}]},
    )
    status = find_result(answer["setVariableResult"], "SecurityCtrlr/BasicAuthPassword")["attributeStatus"]
    if status == "Rejected":
        not_applicable("BasicAuthPassword cannot be changed")
    assert status in ("Accepted", "RebootRequired")
    rig.csms.passwords[rig.station_id] = password
    await event(rig, results[0]["id"], {"trigger": "Delta", "actualValue": ""})


@requirement("N07.FR.18")
async def test_TC_N_61_CS(rig: Rig):
    """A number that has reached a delta, and then exceeds it"""
    await rig.start()
    name = "OCPPCommCtrlr/OfflineThreshold"
    before = int(await rig.value(name) or 0)
    (id,) = await watched(rig, monitor(name, "Delta", 1))
    await rig.configure({name: str(before + 1)})
    await no_event(rig, id, 0.3)
    await rig.configure({name: str(before + 2)})
    await event(rig, id, {"trigger": "Delta", "actualValue": str(before + 2)})


@requirement("N07.FR.13")
async def test_TC_N_53_CS(rig: Rig):
    """A monitor survives a restart"""
    await rig.start()
    (id,) = await watched(rig, monitor(POWER, "UpperThreshold", 20000))
    await rebooted(rig, "power loss")
    _, found = await report(rig, 3, monitoringCriteria=["ThresholdMonitoring"])
    assert (id, POWER, "UpperThreshold") in [(one["id"], one["name"], one["type"]) for one in found]


@requirement("N07.FR.06", "N07.FR.07", "N07.FR.19")
async def test_TC_N_56_CS(rig: Rig):
    """A text that has changed"""
    await rig.start()
    (id,) = await watched(rig, monitor(EVSE))
    await rig.station.plug_in(rig.evse_id)
    await event(rig, id, {"trigger": "Delta", "actualValue": "Occupied", **address(EVSE)})


# Beyond the test cases


@requirement("N07.FR.14")
async def test_alert_is_cleared_after_power_loss(rig: Rig):
    """A threshold that was exceeded before a power loss is told to be over after it"""
    await rig.start(arguments=[])
    (id,) = await watched(rig, monitor(POWER, "UpperThreshold", 1000))
    await meter(rig, 5000)
    await event(rig, id, {"trigger": "Alerting"})
    await rebooted(rig, "power loss")
    await meter(rig, 0)
    await event(rig, id, {"trigger": "Alerting", "cleared": True})


@requirement("N03.FR.01", "N05.FR.01")
async def test_base_and_level_survive_power_loss(rig: Rig):
    """Monitoring base and level are as they were set"""
    await rig.start()
    await set_base(rig, "FactoryDefault")
    (await supported(rig, "SetMonitoringLevel", {"severity": 3})).check({"status": "Accepted"})
    await rebooted(rig, "power loss")
    base, level = await rig.get("MonitoringCtrlr/ActiveMonitoringBase", "MonitoringCtrlr/ActiveMonitoringLevel")
    assert (base.value, level.value) == ("FactoryDefault", "3")
