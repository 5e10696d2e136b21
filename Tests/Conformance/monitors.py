"""What the tests of monitoring (N02-N08) share: monitors, reports of them, and the events they tell."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from checks import QUIET_SECONDS, supported
from csms import Message
from csms.message import CALL
from device_model import setting_name
from rig import NO_ERROR, Rig, address
from station_adapter import ROOT

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


async def set_base(rig: Rig, base: str) -> None:
    answer = await supported(rig, "SetMonitoringBase", {"monitoringBase": base})
    answer.check({"status": "Accepted", "statusInfo": NO_ERROR})
