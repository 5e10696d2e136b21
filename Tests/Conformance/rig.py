"""One test's set-up: a CSMS, a station, and what both sides have agreed on."""

from __future__ import annotations

import importlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from csms import ABSENT, Csms, Front, Message
from csms.printer import line
from csms.validation import parse_time
from station_adapter import Launch, StationAdapter, parse_setting

#: Multiplies every waiting time, for slow machines.
PATIENCE = float(os.environ.get("CONFORMANCE_PATIENCE", "1"))

PASSWORD = "correct horse battery"

#: Factory values of every test: quiet, so that only what a test asks for is on the wire.
QUIET = {
    "SecurityCtrlr/BasicAuthPassword": PASSWORD,
    "SecurityCtrlr/SecurityProfile": "1",
    "OCPPCommCtrlr/RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr/RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr/HeartbeatInterval": "3600",
    "AlignedDataCtrlr/Interval": "0",
    "AlignedDataCtrlr/TxEndedInterval": "0",
    "SampledDataCtrlr/TxUpdatedInterval": "0",
    "SampledDataCtrlr/TxEndedInterval": "0",
    "TxCtrlr/TxStartPoint": "Authorized",
    "TxCtrlr/TxStopPoint": "EVConnected",
    "AuthCtrlr/LocalPreAuthorize": "false",
}


@dataclass(frozen=True)
class Token:
    id: str
    type: str = "ISO14443"

    @property
    def json(self) -> dict[str, str]:
        return {"idToken": self.id, "type": self.type}


@dataclass(frozen=True)
class Variable:
    """A GetVariables result."""

    status: str
    value: str | None

    @property
    def exists(self) -> bool:
        return self.status in ("Accepted", "Rejected")

    @property
    def members(self) -> set[str]:
        """Of a list."""
        return {one.strip() for one in (self.value or "").split(",") if one.strip()}


def _is_no_error(info: Any) -> bool:
    """reasonCode NoError"""
    return info.get("reasonCode") == "NoError"


#: For a statusInfo that may only be there to say that all is well.
NO_ERROR = (ABSENT, _is_no_error)


def not_applicable(reason: str) -> NoReturn:
    """Ends a test whose precondition the station does not advertise; it shows as "not applicable" with this reason."""
    pytest.skip(f"not applicable: {reason}")


def adapter_class() -> type[StationAdapter]:
    module, _, name = os.environ.get("CONFORMANCE_ADAPTER", "station_adapter:OurStation").partition(":")
    return getattr(importlib.import_module(module), name)


def component(name: str, instance: str | None = None, evse: int | None = None, connector: int | None = None) -> dict:
    """An OCPP ComponentType."""
    found: dict[str, Any] = {"name": name}
    if instance is not None:
        found["instance"] = instance
    if evse is not None:
        found["evse"] = {"id": evse} if connector is None else {"id": evse, "connectorId": connector}
    return found


def address(setting: str) -> dict[str, dict]:
    """`Component[instance]@evse.connector/Variable[instance]` as the component and variable members of OCPP messages."""
    parts = parse_setting(setting)
    variable = {"name": parts["variable"]}
    if "variableInstance" in parts:
        variable["instance"] = parts["variableInstance"]
    return {
        "component": component(parts["component"], parts.get("instance"), parts.get("evse"), parts.get("connector")),
        "variable": variable,
    }


class Rig:
    #: The EVSE, connector and tokens of the test cases' configuration.
    evse_id = 1
    connector_id = 1
    token = Token("DEADBEEF")
    other_token = Token("CAFEBABE")

    def __init__(self, folder: Path, configuration: str):
        self.folder = folder
        self.configuration = configuration
        self.station_id = "cp001"
        #: The CSMS that the test talks about, and all of them.
        self.csms = Csms(passwords={self.station_id: PASSWORD}, patience=10 * PATIENCE)
        self.csmses = [self.csms]
        self.station: StationAdapter
        self.settings: dict[str, str] = {}
        #: Connector -> action and status of the last report about it that a state has taken.
        self.reported: dict[tuple[int, int], tuple[str, str]] = {}
        self._allowed: list[str] = []
        self._started = False

    # Start and end

    async def start(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        booted: bool = True,
        arguments: list[str] | None = None,
        wrapper: list[str] | None = None,
        security_profile: int | None = None,
        certificates: Mapping[str, str] | None = None,
    ) -> StationAdapter:
        """Starts the CSMS and the station with `settings` on top of QUIET.

        With `booted` (the general precondition): waits until it is accepted and has reported every connector, and forgets
        the messages so far.
        """
        self.settings = QUIET | dict(settings or {})
        if not self.csms.port:
            await self.csms.start()
        self.station = adapter_class()(
            Launch(
                self.csms.url,
                self.station_id,
                self.folder,
                self.settings,
                self.configuration,
                arguments=arguments or [],
                wrapper=wrapper or [],
                security_profile=security_profile,
                certificates=dict(certificates or {}),
            )
        )
        for csms in self.csmses:
            csms.power_cuts = self.station.power_cuts
        self._started = True
        await self.station.start()
        if booted:
            from states import booted as wait_until_booted

            await wait_until_booted(self)
            self.csms.forget()
        return self.station

    async def another_csms(self, front: Front = None) -> Csms:
        """A second CSMS, on another port, that knows the same passwords; its conversation counts in the verdict too."""
        csms = Csms(passwords=self.csms.passwords, patience=self.csms.patience)
        csms.power_cuts = self.csms.power_cuts
        await csms.start(front=front)
        self.csmses.append(csms)
        return csms

    def allow_violation(self, pattern: str) -> None:
        """Violations that match this regular expression are part of the test."""
        self._allowed.append(pattern)

    def problems(self) -> list[str]:
        """What the whole conversation did wrong, beside what the test itself looked at."""
        problems = [f"OCPP violation: {one}" for csms in self.csmses for one in csms.violations]
        problems += [
            problem for csms in self.csmses for one in csms.transactions.values() for problem in one.problems()
        ]
        problems = [one for one in problems if not any(re.search(pattern, one) for pattern in self._allowed)]
        failures = [event for csms in self.csmses for event in csms.record.events("answerFailed")]
        return problems + [f"the CSMS failed to answer: {event.details}" for event in failures]

    async def close(self) -> list[str]:
        """Ends station and CSMS; returns how the station misbehaved as a process."""
        problems = await self.station.close() if self._started else []
        for csms in self.csmses:
            await csms.stop()
        return problems

    def transcript(self) -> str:
        parts = []
        for csms in self.csmses:
            parts += [f"-- CSMS at {csms.url}"] if len(self.csmses) > 1 else []
            parts += [line(entry) for entry in csms.record.entries]
        return "\n".join(parts)

    # The device model over the wire

    async def get(self, *names: str, attribute: str | None = None) -> list[Variable]:
        """Values of `Component/Variable` names by GetVariables, in the order asked."""
        asked = [address(name) | ({"attributeType": attribute} if attribute else {}) for name in names]
        answer = await self.csms.call("GetVariables", {"getVariableData": asked})
        results = (find_result(answer["getVariableResult"], name) for name in names)
        return [Variable(one["attributeStatus"], one.get("attributeValue")) for one in results]

    async def value(self, name: str) -> str | None:
        """The Actual value of a variable, None if the station has no such variable."""
        return (await self.get(name))[0].value

    async def settle(self) -> None:
        """Returns when the station has dealt with everything the CSMS sent before: one round trip."""
        await self.get("OCPPCommCtrlr/OfflineThreshold")

    async def configure(self, values: Mapping[str, str]) -> None:
        """A test case's configuration state: SetVariables that the station must accept."""
        data = [address(name) | {"attributeValue": value} for name, value in values.items()]
        answer = await self.csms.call("SetVariables", {"setVariableData": data})
        refused = [one for one in answer["setVariableResult"] if one["attributeStatus"] != "Accepted"]
        assert not refused, f"configuration refused: {refused}"

    async def report(self, action: str, payload: dict) -> tuple[Message, list[dict]]:
        """Sends GetBaseReport or GetReport; returns the response and the items of all NotifyReports, checked as a series."""
        answer = await self.csms.call(action, payload)
        if answer["status"] != "Accepted":
            return answer, []
        return answer, await self.notify_reports(payload["requestId"])

    async def notify_reports(self, request_id: int) -> list[dict]:
        items: list[dict] = []
        number = 0
        while True:
            part = await self.csms.expect("NotifyReport", {"requestId": request_id})
            part.check({"seqNo": number, "generatedAt": self.is_now})
            items += part.payload.get("reportData", [])
            if not part.payload.get("tbc", False):
                return items
            number += 1

    # Comparing

    @staticmethod
    def is_now(text: str) -> bool:
        """a time stamp within 4 s of now"""
        stamp = parse_time(text)
        return stamp is not None and abs(stamp.timestamp() - time.time()) <= 4 * PATIENCE


def find_result(results: list[dict], name: str) -> dict:
    """The one result of Get- or SetVariables for `Component/Variable`; names compare without case."""
    found = [one for one in results if _key(one) == _key(address(name))]
    assert len(found) == 1, f"{len(found)} results for {name} in {results}"
    return found[0]


def _key(item: dict) -> tuple:
    component, variable = item["component"], item["variable"]
    evse = component.get("evse", {})
    texts = (component["name"], component.get("instance"), variable["name"], variable.get("instance"))
    return tuple(text and text.lower() for text in texts) + (evse.get("id"), evse.get("connectorId"))
