"""Block B, provisioning: setting and getting variables (B05, B06)."""

import pytest

from csms import ABSENT, Message
from csms.answers import now
from device_model import Inventory
from rig import NO_ERROR, Rig, address, find_result

requirement = pytest.mark.requirement

THRESHOLD = "OCPPCommCtrlr/OfflineThreshold"
LOCAL_OFFLINE = "AuthCtrlr/LocalAuthorizeOffline"


async def get_variables(rig: Rig, *names: str, attribute: str | None = None) -> Message:
    asked = [address(name) | ({"attributeType": attribute} if attribute else {}) for name in names]
    return await rig.csms.call("GetVariables", {"getVariableData": asked})


async def set_variables(rig: Rig, values: dict[str, str], attribute: str | None = None) -> Message:
    data = [
        address(name) | {"attributeValue": value} | ({"attributeType": attribute} if attribute else {})
        for name, value in values.items()
    ]
    return await rig.csms.call("SetVariables", {"setVariableData": data})


def echo(name: str, list: str, index: int = 0) -> dict:
    """What a result repeats of the request: component and variable."""
    asked = address(name)
    at = f"{list}[{index}]"
    return {f"{at}.component": asked["component"], f"{at}.variable": asked["variable"]}


# Getting


@requirement("B06.FR.01", "B06.FR.02", "B06.FR.03", "B06.FR.04", "B06.FR.10", "B06.FR.11")
async def test_TC_B_06_CS(rig: Rig):
    """Get one variable"""
    await rig.start()
    await rig.configure({THRESHOLD: "300"})
    answer = await get_variables(rig, THRESHOLD, attribute="Actual")
    assert len(answer["getVariableResult"]) == 1
    result = find_result(answer["getVariableResult"], THRESHOLD)
    assert_result(
        result, attributeStatus="Accepted", attributeType="Actual", attributeValue="300", attributeStatusInfo=NO_ERROR
    )


@requirement("B06.FR.01", "B06.FR.02", "B06.FR.03", "B06.FR.04", "B06.FR.10")
async def test_TC_B_07_CS(rig: Rig):
    """Get two variables"""
    await rig.start()
    await rig.configure({THRESHOLD: "300", LOCAL_OFFLINE: "true"})
    answer = await get_variables(rig, THRESHOLD, LOCAL_OFFLINE, attribute="Actual")
    assert len(answer["getVariableResult"]) == 2
    for name, value in ((THRESHOLD, "300"), (LOCAL_OFFLINE, "true")):
        result = find_result(answer["getVariableResult"], name)
        assert_result(
            result,
            attributeStatus="Accepted",
            attributeType="Actual",
            attributeValue=value,
            attributeStatusInfo=NO_ERROR,
        )


@requirement("B06.FR.06")
async def test_TC_B_32_CS(rig: Rig):
    """Get a variable of an unknown component"""
    await rig.start()
    name = "UnknownComponent/OfflineThreshold"
    answer = await get_variables(rig, name)
    answer.check(
        {"getVariableResult[0].attributeStatus": "UnknownComponent", "getVariableResult[0].attributeValue": ABSENT}
        | echo(name, "getVariableResult")
    )


@requirement("B06.FR.07")
async def test_TC_B_33_CS(rig: Rig):
    """Get an unknown variable"""
    await rig.start()
    name = "OCPPCommCtrlr/UnknownVariable"
    answer = await get_variables(rig, name)
    answer.check(
        {"getVariableResult[0].attributeStatus": "UnknownVariable", "getVariableResult[0].attributeValue": ABSENT}
        | echo(name, "getVariableResult")
    )


@requirement("B06.FR.08")
async def test_TC_B_34_CS(rig: Rig):
    """Get an attribute type that the variable does not have"""
    await rig.start()
    answer = await get_variables(rig, THRESHOLD, attribute="Target")
    answer.check(
        {
            "getVariableResult[0].attributeStatus": "NotSupportedAttributeType",
            "getVariableResult[0].attributeType": "Target",
            "getVariableResult[0].attributeValue": ABSENT,
        }
        | echo(THRESHOLD, "getVariableResult")
    )


# Setting


@requirement("B05.FR.01", "B05.FR.02", "B05.FR.03", "B05.FR.10", "B05.FR.12")
async def test_TC_B_09_CS(rig: Rig):
    """Set one variable"""
    await rig.start()
    answer = await set_variables(rig, {THRESHOLD: "300"}, "Actual")
    assert len(answer["setVariableResult"]) == 1
    result = find_result(answer["setVariableResult"], THRESHOLD)
    assert_result(result, attributeStatus="Accepted", attributeType="Actual", attributeStatusInfo=NO_ERROR)
    assert await rig.value(THRESHOLD) == "300"


@requirement("B05.FR.01", "B05.FR.02", "B05.FR.03", "B05.FR.10", "B05.FR.12")
async def test_TC_B_10_CS(rig: Rig):
    """Set two variables"""
    await rig.start()
    values = {THRESHOLD: "300", LOCAL_OFFLINE: "true"}
    answer = await set_variables(rig, values, "Actual")
    assert len(answer["setVariableResult"]) == 2
    for name, value in values.items():
        result = find_result(answer["setVariableResult"], name)
        assert_result(result, attributeStatus="Accepted", attributeType="Actual", attributeStatusInfo=NO_ERROR)
        assert await rig.value(name) == value


@requirement("B05.FR.04")
async def test_TC_B_35_CS(rig: Rig):
    """Set a variable of an unknown component"""
    await rig.start()
    name = "UnknownComponent/OfflineThreshold"
    answer = await set_variables(rig, {name: "300"})
    answer.check({"setVariableResult[0].attributeStatus": "UnknownComponent"} | echo(name, "setVariableResult"))


@requirement("B05.FR.05")
async def test_TC_B_36_CS(rig: Rig):
    """Set an unknown variable"""
    await rig.start()
    name = "OCPPCommCtrlr/UnknownVariable"
    answer = await set_variables(rig, {name: "300"})
    answer.check({"setVariableResult[0].attributeStatus": "UnknownVariable"} | echo(name, "setVariableResult"))


@requirement("B05.FR.06")
async def test_TC_B_37_CS(rig: Rig):
    """Set an attribute type that the variable does not have"""
    await rig.start()
    answer = await set_variables(rig, {THRESHOLD: "300"}, "Target")
    answer.check(
        {
            "setVariableResult[0].attributeStatus": "NotSupportedAttributeType",
            "setVariableResult[0].attributeType": "Target",
        }
        | echo(THRESHOLD, "setVariableResult")
    )


@requirement("B05.FR.09")
async def test_TC_B_39_CS(rig: Rig):
    """Set a read-only variable"""
    await rig.start()
    name = "OCPPCommCtrlr/MessageTimeout[Default]"
    before = await rig.value(name)
    answer = await set_variables(rig, {name: "77"})
    answer.check({"setVariableResult[0].attributeStatus": "Rejected"} | echo(name, "setVariableResult"))
    assert await rig.value(name) == before


#: Variable -> the one kind of value, of those tried, that its data type takes beside others; and when it is tried.
FORMATS = {
    THRESHOLD: ("integer", lambda model, name: True),
    "SmartChargingCtrlr/LimitChangeSignificance": ("decimal", lambda model, name: model.writable(name)),
    "AuthCtrlr/AuthorizeRemoteStart": ("boolean", lambda model, name: model.writable(name)),
    "ClockCtrlr/NextTimeOffsetTransitionDateTime": ("dateTime", lambda model, name: model.writable(name)),
}


@requirement("B05.FR.07")
async def test_TC_B_11_CS(rig: Rig):
    """Set variables of each data type to values of each format: what does not parse is rejected and changes nothing"""
    await rig.start()
    _, items = await rig.report("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    model = Inventory(items)
    values = {"60": {"integer", "decimal"}, "60.1": {"decimal"}, "true": {"boolean"}, now(): {"dateTime"}, "abc": set()}
    wrong = []
    for value, types in values.items():
        for name, (type, applies) in FORMATS.items():
            if not applies(model, name):
                continue
            answer = await set_variables(rig, {name: value})
            expected = "Accepted" if type in types else "Rejected"
            answer.check({"setVariableResult[0].attributeType": (ABSENT, "Actual")} | echo(name, "setVariableResult"))
            status = answer["setVariableResult[0].attributeStatus"]
            reason = answer["setVariableResult[0].attributeStatusInfo.reasonCode"]
            if status != expected or reason not in (ABSENT, "InvalidValue" if expected == "Rejected" else "NoError"):
                wrong.append(f"{name} = {value!r}: {status}, {reason}")
    assert not wrong, "; ".join(wrong)
    assert await rig.value(THRESHOLD) == "60"


def assert_result(result: dict, **expected) -> None:
    """Each named member of a result is as expected."""
    Message("in", repr(result), "", 0, action="result", payload=result).check(expected)
