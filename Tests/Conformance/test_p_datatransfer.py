"""Block P, data transfer (P01) and custom data."""

import pytest

from csms import ABSENT
from rig import Rig, address, not_applicable

requirement = pytest.mark.requirement


@requirement("P01.FR.05", "P01.FR.06")
async def test_TC_P_01_CS(rig: Rig):
    """DataTransfer of an unknown vendor"""
    await rig.start()
    request = {"vendorId": "org.openchargealliance.octt", "messageId": "unused", "data": {"any": ["thing", 1, None]}}
    answer = await rig.csms.call("DataTransfer", request)
    answer.check({"status": ("UnknownVendorId", "UnknownMessageId", "Rejected")}, "step 2")


async def test_TC_P_03_CS(rig: Rig):
    """Requests with custom data are carried out"""
    await rig.start()
    custom = {"customData": {"vendorId": "org.openchargealliance.octt", "note": "Ünïcode", "deep": [{"a": {}}]}}
    name = address("OCPPCommCtrlr/OfflineThreshold")
    where = {"component": name["component"] | custom, "variable": name["variable"] | custom, "attributeType": "Actual"}
    data = where | custom | {"attributeValue": "200"}
    answer = await rig.csms.call("SetVariables", {"setVariableData": [data]} | custom)
    answer.check({"setVariableResult[0].attributeStatus": "Accepted"}, "step 2")
    answer = await rig.csms.call("GetVariables", {"getVariableData": [where | custom]} | custom)
    answer.check(
        {
            "getVariableResult[0].attributeStatus": "Accepted",
            "getVariableResult[0].attributeType": (ABSENT, "Actual"),
            "getVariableResult[0].attributeValue": "200",
        },
        "step 4",
    )


@requirement("K01.FR.01")
async def test_TC_P_04_CS(rig: Rig):
    """customData in a charging profile is taken"""
    await rig.start()
    if await rig.value("SmartChargingCtrlr/Available") != "true":
        not_applicable("smart charging is not supported (certification profile Smart Charging)")
    custom = {"vendorId": "com.example", "note": "x"}
    period = {"startPeriod": 0, "limit": 6.0, "numberPhases": 3, "customData": custom}
    schedule = {"id": 1, "chargingRateUnit": "A", "duration": 300, "chargingSchedulePeriod": [period]}
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
        "customData": custom,
    }
    answer = await rig.csms.call("SetChargingProfile", {"evseId": rig.evse_id, "chargingProfile": profile})
    answer.check({"status": "Accepted"}, "step 2")
