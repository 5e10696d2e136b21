"""Block N, monitoring (N07, N08): the events that monitors tell."""

import pytest

from checks import check_intervals, not_applicable, supported, time_of
from csms import present
from device_model import setting_name
from monitors import (
    CONNECTOR,
    EVSE,
    POWER,
    SEVERITY,
    event,
    events_of,
    meter,
    monitor,
    no_event,
    report,
    set_base,
    set_monitors,
    watched,
)
from rig import Rig, address, find_result
from states import Session, rebooted

requirement = pytest.mark.requirement

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
    message.check(
        {"generatedAt": rig.is_now, "seqNo": 0, "eventData[0].eventNotificationType": "HardWiredNotification"}
    )
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
