"""Block B, provisioning: base reports and custom reports (B07, B08)."""

import pytest

from csms import ABSENT, Message
from csms.message import CALLERROR
from device_model import WRITABLE, WRITABLE_IF_AVAILABLE, Inventory
from rig import NO_ERROR, Rig, not_applicable

requirement = pytest.mark.requirement

AVAILABILITY = {"Available", "Occupied", "Reserved", "Unavailable", "Faulted"}


async def base_report(rig: Rig, base: str, request: int = 1) -> tuple[Message, Inventory]:
    answer, items = await rig.report("GetBaseReport", {"requestId": request, "reportBase": base})
    return answer, Inventory(items)


async def custom_report(rig: Rig, request: int = 2, **criteria) -> tuple[Message, Inventory]:
    """GetReport with the given componentCriteria and componentVariable; not applicable where custom reports are not offered."""
    payload = {"requestId": request, **criteria}
    answer = await rig.csms.request("GetReport", payload)
    if answer.kind == CALLERROR and answer.error_code in ("NotSupported", "NotImplemented"):
        not_applicable("GetReport is not supported (Advanced Device Management)")
    assert answer.kind != CALLERROR, answer.raw
    items = await rig.notify_reports(request) if answer["status"] == "Accepted" else []
    return answer, Inventory(items)


def accepted(answer: Message) -> None:
    answer.check({"status": "Accepted", "statusInfo": NO_ERROR})


# Base reports


@requirement("B07.FR.01", "B07.FR.03", "B07.FR.04", "B07.FR.07", "B07.FR.10", "B07.FR.12")
async def test_TC_B_12_CS(rig: Rig):
    """ConfigurationInventory: everything the operator can set, and nothing else"""
    await rig.start()
    answer, report = await base_report(rig, "ConfigurationInventory", 4711)
    accepted(answer)
    problems = list(report.problems())
    for name, item in report.by_name.items():
        if not any(
            one.get("mutability", "ReadWrite") in ("ReadWrite", "WriteOnly") for one in item["variableAttribute"]
        ):
            problems.append(f"{name} cannot be set")
    _, full = await base_report(rig, "FullInventory", 4712)
    wanted = list(WRITABLE)
    for controller, names in WRITABLE_IF_AVAILABLE.items():
        wanted += [f"{controller}/{name}" for name in names if full.available(controller)]
    problems += [f"{name} is missing" for name in wanted if name not in report.by_name]
    problems += [f"{name} is missing" for name in full.by_name if full.writable(name) and name not in report.by_name]
    assert not problems, "\n".join(problems)


@requirement("B07.FR.01", "B07.FR.03", "B07.FR.04", "B07.FR.08", "B07.FR.10", "B07.FR.12")
async def test_TC_B_13_CS(rig: Rig):
    """FullInventory: all required variables with their characteristics"""
    await rig.start()
    answer, report = await base_report(rig, "FullInventory", 99)
    accepted(answer)
    problems = list(report.problems())
    problems += [
        f"{name} is missing" for name in report.required(await rig.station.topology()) if name not in report.by_name
    ]
    assert not problems, "\n".join(problems)


@requirement("B07.FR.01", "B07.FR.03", "B07.FR.04", "B07.FR.09", "B07.FR.10", "B07.FR.12")
async def test_TC_B_14_CS(rig: Rig):
    """SummaryInventory: availability of station, EVSEs and connectors"""
    await rig.start()
    answer, report = await base_report(rig, "SummaryInventory", 1)
    if answer["status"] == "NotSupported":
        not_applicable("SummaryInventory is not supported")
    accepted(answer)
    problems = list(report.problems())
    wanted = [
        "ChargingStation/AvailabilityState",
        *(f"EVSE@{evse}/AvailabilityState" for evse in await rig.station.topology()),
    ]
    problems += [f"{name} is missing" for name in wanted if name not in report.by_name]
    assert not problems, "\n".join(problems)


@requirement("B07.FR.02", "B07.FR.05")
async def test_TC_B_15_CS(rig: Rig):
    """A base report that is not supported"""
    await rig.start()
    answer, _ = await base_report(rig, "SummaryInventory")
    if answer["status"] == "Accepted":
        not_applicable("SummaryInventory is supported")
    answer.check({"status": "NotSupported", "statusInfo.reasonCode": (ABSENT, "UnsupportedParam")})
    await rig.csms.expect_none("NotifyReport", seconds=0.5)


@requirement("B07.FR.03", "B07.FR.08", "B07.FR.11")
async def test_TC_B_53_CS(rig: Rig):
    """FullInventory: required variables exist, lists say what they may contain, write-only values stay secret"""
    await rig.start()
    answer, report = await base_report(rig, "FullInventory")
    accepted(answer)
    problems = list(report.problems())
    problems += [
        f"{name} is missing" for name in report.required(await rig.station.topology()) if name not in report.by_name
    ]
    assert not problems, "\n".join(problems)
    password = report.attribute("SecurityCtrlr/BasicAuthPassword")
    if password is not None:
        assert "value" not in password


# Custom reports


def evse_availability(evse: int | None = None) -> dict:
    component = {"name": "EVSE"} | ({"evse": {"id": evse}} if evse else {})
    return {"component": component, "variable": {"name": "AvailabilityState"}}


def is_evse_availability(item: dict) -> None:
    """Checks one report item: AvailabilityState of an EVSE, as Part 2 describes the variable."""
    values = item["variableCharacteristics"].get("valuesList", "")
    assert item["component"]["name"] == "EVSE" and item["variable"] == {"name": "AvailabilityState"}, item
    assert item["variableCharacteristics"]["dataType"] == "OptionList", item
    assert {one.strip() for one in values.split(",")} == AVAILABILITY, item
    assert [(one.get("type", "Actual"), one.get("mutability")) for one in item["variableAttribute"]] == [
        ("Actual", "ReadOnly")
    ], item


@requirement(
    "B06.FR.09",
    "B08.FR.01",
    "B08.FR.03",
    "B08.FR.04",
    "B08.FR.07",
    "B08.FR.09",
    "B08.FR.10",
    "B08.FR.12",
    "B08.FR.13",
    "B08.FR.14",
)
async def test_TC_B_16_CS(rig: Rig):
    """Custom report of the components that are Enabled"""
    await rig.start()
    answer, report = await custom_report(rig, componentCriteria=["Enabled"])
    accepted(answer)
    wrong = [
        name
        for name, item in report.by_name.items()
        if item["variable"]["name"] != "Enabled" or report.value(name) != "true"
    ]
    assert not wrong, f"not an Enabled that is true: {wrong}"
    assert not list(report.problems())
    (limit,) = await rig.get("DeviceDataCtrlr/ItemsPerMessage[GetVariables]")
    names, size = list(report.by_name), int(limit.value or 1)
    for start in range(0, len(names), size):
        for name, variable in zip(names[start:], await rig.get(*names[start : start + size])):
            assert (variable.status, variable.value) == ("Accepted", "true"), f"{name}: {variable}"
    _, full = await base_report(rig, "FullInventory")
    enabled = {
        name
        for name, item in full.by_name.items()
        if item["variable"]["name"] == "Enabled" and full.value(name) == "true"
    }
    assert enabled == set(report.by_name), f"differs from FullInventory: {enabled ^ set(report.by_name)}"


@requirement("B08.FR.01", "B08.FR.03", "B08.FR.04", "B08.FR.11", "B08.FR.12", "B08.FR.14")
async def test_TC_B_17_CS(rig: Rig):
    """Custom report of one variable of one EVSE"""
    await rig.start()
    answer, report = await custom_report(rig, componentVariable=[evse_availability(1)])
    accepted(answer)
    assert list(report.by_name) == ["EVSE@1/AvailabilityState"]
    is_evse_availability(report.items[0])


@requirement("B08.FR.01", "B08.FR.03", "B08.FR.04", "B08.FR.05", "B08.FR.11", "B08.FR.12", "B08.FR.14", "B08.FR.15")
async def test_TC_B_18_CS(rig: Rig):
    """Custom report with criteria and variables: both must hold, nothing found is EmptyResultSet"""
    await rig.start()
    answer, report = await custom_report(
        rig, 2, componentCriteria=["Available"], componentVariable=[evse_availability(1)]
    )
    accepted(answer)
    assert list(report.by_name) == ["EVSE@1/AvailabilityState"]
    is_evse_availability(report.items[0])
    answer, _ = await custom_report(rig, 3, componentCriteria=["Problem"], componentVariable=[evse_availability(1)])
    answer.check({"status": "EmptyResultSet", "statusInfo.reasonCode": (ABSENT, "NotFound")}, "step 6")
    await rig.csms.expect_none("NotifyReport", seconds=0.3)


@requirement("B08.FR.02")
async def test_TC_B_19_CS(rig: Rig):
    """Custom report with a criterion that does not exist: NotSupported, or refused by its schema"""
    await rig.start()
    payload = {"requestId": 5, "componentCriteria": ["Available", "Purple"]}
    answer = await rig.csms.request("GetReport", payload, check=False)
    if answer.kind == CALLERROR:
        assert answer.error_code in ("PropertyConstraintViolation", "FormatViolation", "TypeConstraintViolation"), (
            answer.raw
        )
    else:
        answer.check({"status": "NotSupported", "statusInfo.reasonCode": (ABSENT, "UnsupportedParam", "InvalidValue")})
    await rig.csms.expect_none("NotifyReport", seconds=0.3)


def items_per_message(instance: str | None = None) -> dict:
    variable = {"name": "ItemsPerMessage"} | ({"instance": instance} if instance else {})
    return {"component": {"name": "DeviceDataCtrlr"}, "variable": variable}


@requirement("B08.FR.01", "B08.FR.03", "B08.FR.04", "B08.FR.11", "B08.FR.12", "B08.FR.14", "B08.FR.21")
async def test_TC_B_54_CS(rig: Rig):
    """Custom report of a variable without instance: every instance"""
    await rig.start()
    answer, report = await custom_report(rig, componentVariable=[items_per_message()])
    accepted(answer)
    names = set(report.by_name)
    assert {"DeviceDataCtrlr/ItemsPerMessage[GetReport]", "DeviceDataCtrlr/ItemsPerMessage[GetVariables]"} <= names
    assert all(name.startswith("DeviceDataCtrlr/ItemsPerMessage[") for name in names), names


@requirement("B08.FR.01", "B08.FR.03", "B08.FR.04", "B08.FR.11", "B08.FR.12", "B08.FR.14")
async def test_TC_B_55_CS(rig: Rig):
    """Custom report of one instance of a variable"""
    await rig.start()
    answer, report = await custom_report(rig, componentVariable=[items_per_message("GetReport")])
    accepted(answer)
    assert list(report.by_name) == ["DeviceDataCtrlr/ItemsPerMessage[GetReport]"]


@requirement("B08.FR.01", "B08.FR.03", "B08.FR.04", "B08.FR.11", "B08.FR.12", "B08.FR.14", "B08.FR.23")
async def test_TC_B_56_CS(rig: Rig):
    """Custom report of a variable of EVSE without id: every EVSE"""
    await rig.start()
    answer, report = await custom_report(rig, componentVariable=[evse_availability()])
    accepted(answer)
    assert set(report.by_name) == {f"EVSE@{evse}/AvailabilityState" for evse in await rig.station.topology()}
    assert len(report.items) == len(report.by_name)
