"""The device model as a station reports it, and the variables that Part 2 requires of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

LISTS = ("OptionList", "SequenceList", "MemberList")

#: Required of every station: "Component/Variable" or "Component/Variable[instance]"; those of EVSE and Connector for each of them.
REQUIRED = """
    AlignedDataCtrlr/Interval AlignedDataCtrlr/Measurands AlignedDataCtrlr/TxEndedInterval AlignedDataCtrlr/TxEndedMeasurands
    AuthCtrlr/AuthorizeRemoteStart AuthCtrlr/LocalAuthorizeOffline AuthCtrlr/LocalPreAuthorize
    ChargingStation/AvailabilityState ChargingStation/Available ChargingStation/SupplyPhases
    ClockCtrlr/DateTime ClockCtrlr/TimeSource
    DeviceDataCtrlr/BytesPerMessage[GetReport] DeviceDataCtrlr/BytesPerMessage[GetVariables]
    DeviceDataCtrlr/BytesPerMessage[SetVariables] DeviceDataCtrlr/ItemsPerMessage[GetReport]
    DeviceDataCtrlr/ItemsPerMessage[GetVariables] DeviceDataCtrlr/ItemsPerMessage[SetVariables]
    OCPPCommCtrlr/FileTransferProtocols OCPPCommCtrlr/MessageTimeout[Default]
    OCPPCommCtrlr/MessageAttemptInterval[TransactionEvent] OCPPCommCtrlr/MessageAttempts[TransactionEvent]
    OCPPCommCtrlr/NetworkConfigurationPriority OCPPCommCtrlr/NetworkProfileConnectionAttempts OCPPCommCtrlr/OfflineThreshold
    OCPPCommCtrlr/ResetRetries OCPPCommCtrlr/UnlockOnEVSideDisconnect
    SampledDataCtrlr/TxEndedInterval SampledDataCtrlr/TxEndedMeasurands SampledDataCtrlr/TxStartedMeasurands
    SampledDataCtrlr/TxUpdatedInterval SampledDataCtrlr/TxUpdatedMeasurands
    SecurityCtrlr/CertificateEntries SecurityCtrlr/OrganizationName SecurityCtrlr/SecurityProfile
    TxCtrlr/EVConnectionTimeOut TxCtrlr/StopTxOnEVSideDisconnect TxCtrlr/StopTxOnInvalidId TxCtrlr/TxStartPoint
    TxCtrlr/TxStopPoint
""".split()
REQUIRED_OF_EVSE = ("AvailabilityState", "Available", "Power", "SupplyPhases")
REQUIRED_OF_CONNECTOR = ("Available", "ConnectorType", "SupplyPhases")

#: Required when the controller says that its feature is Available.
REQUIRED_IF_AVAILABLE = {
    "DisplayMessageCtrlr": ["DisplayMessages", "SupportedFormats", "SupportedPriorities"],
    "ISO15118Ctrlr": ["ContractValidationOffline"],
    "LocalAuthListCtrlr": ["BytesPerMessage", "Entries", "ItemsPerMessage"],
    "MonitoringCtrlr": ["BytesPerMessage[SetVariableMonitoring]", "ItemsPerMessage[SetVariableMonitoring]"],
    "SmartChargingCtrlr": [
        "Entries[ChargingProfiles]",
        "LimitChangeSignificance",
        "PeriodsPerSchedule",
        "ProfileStackLevel",
        "RateUnit",
    ],
    "TariffCostCtrlr": ["Currency", "TariffFallbackMessage", "TotalCostFallbackMessage"],
}

#: Of the required ones, those that the CSMS must be able to write.
WRITABLE = """
    AlignedDataCtrlr/Interval AlignedDataCtrlr/Measurands AlignedDataCtrlr/TxEndedInterval AlignedDataCtrlr/TxEndedMeasurands
    AuthCtrlr/LocalAuthorizeOffline AuthCtrlr/LocalPreAuthorize ClockCtrlr/TimeSource
    OCPPCommCtrlr/MessageAttemptInterval[TransactionEvent] OCPPCommCtrlr/MessageAttempts[TransactionEvent]
    OCPPCommCtrlr/NetworkConfigurationPriority OCPPCommCtrlr/NetworkProfileConnectionAttempts OCPPCommCtrlr/OfflineThreshold
    OCPPCommCtrlr/ResetRetries
    SampledDataCtrlr/TxEndedInterval SampledDataCtrlr/TxEndedMeasurands SampledDataCtrlr/TxStartedMeasurands
    SampledDataCtrlr/TxUpdatedInterval SampledDataCtrlr/TxUpdatedMeasurands
    SecurityCtrlr/OrganizationName TxCtrlr/EVConnectionTimeOut TxCtrlr/StopTxOnInvalidId
""".split()
WRITABLE_IF_AVAILABLE = {
    "ISO15118Ctrlr": ["ContractValidationOffline"],
    "SmartChargingCtrlr": ["LimitChangeSignificance"],
    "TariffCostCtrlr": ["Currency", "TariffFallbackMessage", "TotalCostFallbackMessage"],
}


def setting_name(item: dict) -> str:
    """The variable of a report item or Get/SetVariables result as `Component[instance]@evse.connector/Variable[instance]`."""
    component, variable = item["component"], item["variable"]
    evse = component.get("evse", {})
    place = f"@{evse['id']}" + (f".{evse['connectorId']}" if "connectorId" in evse else "") if evse else ""
    return _with_instance(component) + place + "/" + _with_instance(variable)


def _with_instance(part: dict) -> str:
    return part["name"] + (f"[{part['instance']}]" if "instance" in part else "")


class Inventory:
    """The items of a report by name."""

    def __init__(self, items: list[dict]):
        self.items = items
        self.by_name = {setting_name(item): item for item in items}

    def attribute(self, name: str, type: str = "Actual") -> dict | None:
        item = self.by_name.get(name)
        attributes = item["variableAttribute"] if item else []
        return next((one for one in attributes if one.get("type", "Actual") == type), None)

    def value(self, name: str) -> str | None:
        attribute = self.attribute(name)
        return attribute.get("value") if attribute else None

    def writable(self, name: str) -> bool:
        attribute = self.attribute(name)
        return attribute is not None and attribute.get("mutability", "ReadWrite") != "ReadOnly"

    def available(self, controller: str) -> bool:
        names = (name for name in self.by_name if name.split("/")[0] == controller)
        return any(name.split("/")[1].startswith("Available") and self.value(name) == "true" for name in names)

    def required(self, topology: dict[int, list[int]]) -> Iterator[str]:
        yield from REQUIRED
        for evse, connectors in topology.items():
            yield from (f"EVSE@{evse}/{name}" for name in REQUIRED_OF_EVSE)
            yield from (
                f"Connector@{evse}.{connector}/{name}" for connector in connectors for name in REQUIRED_OF_CONNECTOR
            )
        for controller, names in REQUIRED_IF_AVAILABLE.items():
            if self.available(controller):
                yield from (f"{controller}/{name}" for name in names)

    def problems(self) -> Iterator[str]:
        """What is wrong with the items one by one: characteristics, lists, write-only values, doubles."""
        for name, count in Counter(setting_name(item) for item in self.items).items():
            if count > 1:
                yield f"{name} is reported {count} times"
        for name, item in self.by_name.items():
            characteristics = item.get("variableCharacteristics")
            if characteristics is None:
                yield f"{name} has no variableCharacteristics"
                continue
            values = [one.strip() for one in characteristics.get("valuesList", "").split(",") if one.strip()]
            is_list = characteristics["dataType"] in LISTS
            if is_list and not values:
                yield f"{name} is a {characteristics['dataType']} without valuesList"
            for attribute in item["variableAttribute"]:
                value = attribute.get("value")
                if attribute.get("mutability") == "WriteOnly" and value is not None:
                    yield f"{name} is WriteOnly but its value is reported"
                members = [value] if characteristics["dataType"] == "OptionList" else (value or "").split(",")
                wrong = [one for one in members if one and one.strip() not in values]
                if is_list and value and wrong:
                    yield f"{name} is {value!r}, {', '.join(wrong)} not in {values}"
