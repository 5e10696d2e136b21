"""A small scripted charging station in Python, to try the suite itself without a product under test.

It charges, reports and reconnects like a simple OCPP 2.0.1 station; `CONFORMANCE_ADAPTER=selftest.fake_station:FakeAdapter` runs
the suite against it. It implements TxStartPoint/TxStopPoint by one rule each, and no persistence but its device model.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from typing import Any

import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from csms.answers import now
from csms.validation import actions, payload_violations
from station_adapter import Launch, StationAdapter, parse_setting

#: Component/Variable -> (data type, mutability, value, valuesList)
MODEL: dict[str, tuple[str, str, str, str | None]] = {
    "OCPPCommCtrlr/OfflineThreshold": ("integer", "ReadWrite", "60", None),
    "OCPPCommCtrlr/MessageTimeout[Default]": ("integer", "ReadOnly", "30", None),
    "OCPPCommCtrlr/RetryBackOffWaitMinimum": ("integer", "ReadWrite", "1", None),
    "OCPPCommCtrlr/RetryBackOffRandomRange": ("integer", "ReadWrite", "0", None),
    "OCPPCommCtrlr/RetryBackOffRepeatTimes": ("integer", "ReadWrite", "2", None),
    "AuthCtrlr/Enabled": ("boolean", "ReadWrite", "true", None),
    "AuthCtrlr/AuthorizeRemoteStart": ("boolean", "ReadWrite", "true", None),
    "AuthCtrlr/LocalAuthorizeOffline": ("boolean", "ReadWrite", "true", None),
    "TxCtrlr/TxStartPoint": (
        "MemberList",
        "ReadWrite",
        "Authorized",
        "EVConnected,Authorized,PowerPathClosed,EnergyTransfer",
    ),
    "TxCtrlr/TxStopPoint": (
        "MemberList",
        "ReadWrite",
        "EVConnected",
        "EVConnected,Authorized,PowerPathClosed,EnergyTransfer",
    ),
    "TxCtrlr/EVConnectionTimeOut": ("integer", "ReadWrite", "60", None),
    "DeviceDataCtrlr/ItemsPerMessage[GetReport]": ("integer", "ReadOnly", "4", None),
    "DeviceDataCtrlr/ItemsPerMessage[GetVariables]": ("integer", "ReadOnly", "10", None),
    "SecurityCtrlr/BasicAuthPassword": ("string", "WriteOnly", "", None),
}

STATUSES = "Available,Occupied,Reserved,Unavailable,Faulted"


class Evse:
    def __init__(self, id: int):
        self.id = id
        self.plugged = False
        self.token: dict | None = None
        self.transaction: str | None = None
        self.number = 0
        self.remote_start: int | None = None
        self.charging = False
        self.token_reported = False

    @property
    def status(self) -> str:
        return "Occupied" if self.plugged else "Available"


class FakeStation:
    def __init__(self, url: str, id: str, password: str, model: dict[str, list[Any]]):
        self.url, self.id, self.password, self.model = url, id, password, model
        self.evses = {1: Evse(1), 2: Evse(2)}
        self.registration = "Pending"
        self.boot_reason = "PowerUp"
        self._socket: Any = None
        self._calling = asyncio.Lock()
        self._answers: dict[str, asyncio.Future] = {}
        self._queue: asyncio.Queue[tuple[str, dict]] = asyncio.Queue()
        self._changed: set[int] = set()
        self._tasks: set[asyncio.Task] = set()

    # Connection

    async def run(self) -> None:
        attempt = 0
        while True:
            try:
                await self._connection()
                attempt = 0
            except (OSError, InvalidHandshake, ConnectionClosed):
                pass
            self._socket = None
            minimum = int(self.value("OCPPCommCtrlr/RetryBackOffWaitMinimum"))
            await asyncio.sleep(minimum * 2 ** min(attempt, int(self.value("OCPPCommCtrlr/RetryBackOffRepeatTimes"))))
            attempt += 1

    async def _connection(self) -> None:
        credentials = base64.b64encode(f"{self.id}:{self.password}".encode()).decode()
        async with websockets.connect(
            f"{self.url}/{self.id}",
            subprotocols=["ocpp2.0.1"],
            additional_headers={"Authorization": f"Basic {credentials}"},
            ping_interval=None,
            open_timeout=5,
            compression=None,
            max_size=2**16,
        ) as socket:
            self._socket = socket
            worker = self._spawn(self._work())
            try:
                async for text in socket:
                    await self._receive(text)
            finally:
                worker.cancel()

    def _spawn(self, work: Any) -> asyncio.Task:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self) -> None:
        if self.registration != "Accepted":
            await self.boot(self.boot_reason)
        for id in sorted(self._changed):
            await self.report_status(self.evses[id])
        self._changed.clear()
        while True:
            action, payload = await self._queue.get()
            await self.call(action, payload)

    async def boot(self, reason: str) -> None:
        while True:
            answer = await self.call(
                "BootNotification", {"reason": reason, "chargingStation": {"model": "Fake", "vendorName": "Suite"}}
            )
            if answer and answer["status"] == "Accepted":
                break
            self.registration = answer["status"] if answer else "Pending"
            if self.registration == "Pending" and reason == "Triggered":
                return
            await asyncio.sleep(answer["interval"] if answer else 1)
            if self.registration == "Accepted":
                return
        self.registration = "Accepted"
        for evse in self.evses.values():
            await self.report_status(evse)
        event = {"type": "StartupOfTheDevice", "timestamp": now()}
        await self.call("SecurityEventNotification", event)

    async def call(self, action: str, payload: dict) -> dict | None:
        async with self._calling:
            id = str(uuid.uuid4())
            self._answers[id] = asyncio.get_running_loop().create_future()
            await self._socket.send(json.dumps([2, id, action, payload]))
            try:
                return await asyncio.wait_for(
                    self._answers[id], int(self.value("OCPPCommCtrlr/MessageTimeout[Default]"))
                )
            except TimeoutError:
                return None

    async def _receive(self, text: str) -> None:
        try:
            frame = json.loads(text)
            assert isinstance(frame, list) and len(frame) >= 3
        except (ValueError, RecursionError, AssertionError):
            return await self._socket.send(json.dumps([4, "-1", "RpcFrameworkError", "not an OCPP-J frame", {}]))
        if frame[0] == 2:
            await self._handle(*frame[1:4])
        elif frame[0] in (3, 4):
            if frame[0] == 3 and frame[2].get("status") in ("Pending", "Rejected"):
                self.registration = frame[2]["status"]
            answer = self._answers.pop(frame[1], None)
            if answer and not answer.done():
                answer.set_result(frame[2] if frame[0] == 3 else None)
        else:
            await self._socket.send(json.dumps([4, frame[1], "MessageTypeNotSupported", "", {}]))

    async def _handle(self, id: str, action: str, payload: dict) -> None:
        handler = getattr(self, f"on_{action}", None)
        error = None
        if action not in actions("2.0.1") or handler is None:
            error = "NotImplemented"
        elif self.registration == "Rejected":
            error = "SecurityError"
        elif any(payload_violations(2, action, payload, "2.0.1")):
            error = "FormatViolation"
        if error or handler is None:
            return await self._socket.send(json.dumps([4, id, error, "", {}]))
        answer, then = handler(payload)
        await self._socket.send(json.dumps([3, id, answer]))
        if then:
            self._spawn(then)

    # Device model

    def value(self, name: str) -> str:
        return self.model[name][2]

    def _variables(self) -> list[tuple[dict, dict, list[Any]]]:
        found = [(*_address(name), entry) for name, entry in self.model.items()]
        for evse in self.evses.values():
            entry = ["OptionList", "ReadOnly", evse.status, STATUSES]
            found.append(({"name": "EVSE", "evse": {"id": evse.id}}, {"name": "AvailabilityState"}, entry))
            found.append(
                ({"name": "Connector", "evse": {"id": evse.id, "connectorId": 1}}, {"name": "AvailabilityState"}, entry)
            )
        return found

    def _find(self, item: dict) -> tuple[str, list[Any] | None]:
        variables = self._variables()
        same = [one for one in variables if one[0] == item["component"]]
        if not same:
            return "UnknownComponent", None
        entry = next((one[2] for one in same if one[1] == item["variable"]), None)
        if entry is None:
            return "UnknownVariable", None
        return ("Accepted" if item.get("attributeType", "Actual") == "Actual" else "NotSupportedAttributeType"), entry

    def on_GetVariables(self, payload: dict) -> tuple[dict, Any]:
        results = []
        for item in payload["getVariableData"]:
            status, entry = self._find(item)
            if status == "Accepted" and entry and entry[1] == "WriteOnly":
                status = "Rejected"
            result = {"attributeStatus": status, "attributeType": item.get("attributeType", "Actual"), **_names(item)}
            results.append(result | ({"attributeValue": entry[2]} if status == "Accepted" and entry else {}))
        return {"getVariableResult": results}, None

    def on_SetVariables(self, payload: dict) -> tuple[dict, Any]:
        results = []
        for item in payload["setVariableData"]:
            status, entry = self._find(item)
            if status == "Accepted" and entry:
                if entry[1] == "ReadOnly" or not _parses(entry, item["attributeValue"]):
                    status = "Rejected"
                else:
                    entry[2] = item["attributeValue"]
            results.append(
                {"attributeStatus": status, "attributeType": item.get("attributeType", "Actual"), **_names(item)}
            )
        return {"setVariableResult": results}, None

    def on_GetBaseReport(self, payload: dict) -> tuple[dict, Any]:
        if payload["reportBase"] == "SummaryInventory":
            return {"status": "NotSupported"}, None
        inventory = payload["reportBase"] == "FullInventory"
        chosen = [one for one in self._variables() if inventory or one[2][1] != "ReadOnly"]
        return {"status": "Accepted"}, self._report(payload["requestId"], chosen)

    def on_GetReport(self, payload: dict) -> tuple[dict, Any]:
        chosen = self._variables()
        if "componentCriteria" in payload and "Problem" in payload["componentCriteria"]:
            chosen = []
        if wanted := payload.get("componentVariable"):
            chosen = [one for one in chosen if any(_selects(item, one) for item in wanted)]
        if not chosen:
            return {"status": "EmptyResultSet"}, None
        return {"status": "Accepted"}, self._report(payload["requestId"], chosen)

    async def _report(self, request: int, chosen: list[tuple[dict, dict, list[Any]]]) -> None:
        items = []
        for component, variable, (kind, mutability, value, values) in chosen:
            attribute = {"type": "Actual", "mutability": mutability} | (
                {} if mutability == "WriteOnly" else {"value": value}
            )
            characteristics = {"dataType": kind, "supportsMonitoring": False} | (
                {"valuesList": values} if values else {}
            )
            items.append(
                {
                    "component": component,
                    "variable": variable,
                    "variableAttribute": [attribute],
                    "variableCharacteristics": characteristics,
                }
            )
        parts = [items[start : start + 4] for start in range(0, len(items), 4)]
        for number, part in enumerate(parts):
            more = {"tbc": True} if number + 1 < len(parts) else {}
            report = {"requestId": request, "seqNo": number, "generatedAt": now(), "reportData": part, **more}
            await self.call("NotifyReport", report)

    # Other requests

    def on_TriggerMessage(self, payload: dict) -> tuple[dict, Any]:
        if payload["requestedMessage"] != "BootNotification":
            return {"status": "NotImplemented"}, None
        return {"status": "Accepted"}, self.boot("Triggered")

    def on_RequestStartTransaction(self, payload: dict) -> tuple[dict, Any]:
        evse = self.evses.get(payload.get("evseId", 1))
        if self.registration != "Accepted" or evse is None or evse.token:
            return {"status": "Rejected"}, None
        evse.remote_start = payload["remoteStartId"]
        same = {"transactionId": evse.transaction} if evse.transaction else {}
        return {"status": "Accepted", **same}, self._authorize(evse, payload["idToken"])

    def on_RequestStopTransaction(self, payload: dict) -> tuple[dict, Any]:
        evse = next((one for one in self.evses.values() if one.transaction == payload["transactionId"]), None)
        if evse is None:
            return {"status": "Rejected"}, None
        return {"status": "Accepted"}, self._stop(evse, "RemoteStop", "Remote")

    def on_Reset(self, payload: dict) -> tuple[dict, Any]:
        return {"status": "Accepted"}, self._reset()

    async def _reset(self) -> None:
        self.registration, self.boot_reason = "Pending", "RemoteReset"
        await self._socket.close(1001)

    # Charging

    async def report_status(self, evse: Evse) -> None:
        payload = {"timestamp": now(), "evseId": evse.id, "connectorId": 1, "connectorStatus": evse.status}
        await self.call("StatusNotification", payload)

    def send(self, action: str, payload: dict) -> None:
        self._queue.put_nowait((action, payload))

    def status_changed(self, evse: Evse) -> None:
        if self._socket is None:
            self._changed.add(evse.id)
        else:
            payload = {"timestamp": now(), "evseId": evse.id, "connectorId": 1, "connectorStatus": evse.status}
            self.send("StatusNotification", payload)

    def event(
        self, evse: Evse, reason: str, state: str, kind: str = "Updated", stopped: str | None = None, **more: Any
    ) -> None:
        points = set(self.value("TxCtrlr/TxStartPoint").split(","))
        if evse.transaction is None:
            begins = {
                "Authorized": evse.token,
                "EVConnected": evse.plugged,
                "PowerPathClosed": evse.token and evse.plugged,
            }
            begins["EnergyTransfer"] = state == "Charging"
            if not any(begins.get(point) for point in points):
                return
            evse.transaction, evse.number, kind = str(uuid.uuid4()), 0, "Started"
        info = {"transactionId": evse.transaction, "chargingState": state}
        if stopped and kind == "Ended":
            info["stoppedReason"] = stopped
        if evse.token and not evse.token_reported:
            evse.token_reported = True
            more["idToken"] = evse.token
        if evse.remote_start is not None and evse.token:
            reason, info["remoteStartId"], evse.remote_start = "RemoteStart", evse.remote_start, None
        payload = {
            "eventType": kind,
            "timestamp": now(),
            "triggerReason": reason,
            "seqNo": evse.number,
            "transactionInfo": info,
            "evse": {"id": evse.id, "connectorId": 1},
            **more,
        }
        if self._socket is None:
            payload["offline"] = True
        evse.number += 1
        if kind == "Ended":
            evse.transaction = evse.token = None
        self.send("TransactionEvent", payload)

    async def _authorize(self, evse: Evse, token: dict) -> None:
        answer = (
            await self.call("Authorize", {"idToken": token})
            if self._socket
            else {"idTokenInfo": {"status": "Accepted"}}
        )
        if answer and answer["idTokenInfo"]["status"] == "Accepted":
            evse.token, evse.token_reported = token, False
            self.event(evse, "Authorized", "EVConnected" if evse.plugged else "Idle")
            self._charge(evse)

    def _charge(self, evse: Evse) -> None:
        if evse.plugged and evse.token and not evse.charging:
            evse.charging = True
            self.event(evse, "ChargingStateChanged", "Charging")

    async def _stop(self, evse: Evse, reason: str, stopped: str, **more: Any) -> None:
        evse.charging = False
        self.event(evse, reason, "Charging", **more)
        ends = set(self.value("TxCtrlr/TxStopPoint").split(",")) & {"Authorized", "PowerPathClosed", "EnergyTransfer"}
        self.event(evse, "ChargingStateChanged", "EVConnected", "Ended" if ends else "Updated", stopped)
        evse.stopped = stopped  # type: ignore[attr-defined]

    async def swipe(self, token: dict, id: int | None) -> None:
        evse = self.evses[id or 1]
        if evse.token is None:
            await self._authorize(evse, token)
        elif evse.token == token:
            await self._stop(evse, "StopAuthorized", "Local", idToken=token)

    def plug(self, id: int, plugged: bool) -> None:
        evse = self.evses[id]
        evse.plugged = plugged
        self.status_changed(evse)
        if plugged:
            self.event(evse, "CablePluggedIn", "EVConnected")
            self._charge(evse)
        elif evse.transaction:
            evse.charging = False
            self.event(evse, "EVCommunicationLost", "Idle", "Ended", getattr(evse, "stopped", "EVDisconnected"))


def _address(name: str) -> tuple[dict, dict]:
    parts = parse_setting(name)
    instance = {"instance": parts["variableInstance"]} if "variableInstance" in parts else {}
    return {"name": parts["component"]}, {"name": parts["variable"], **instance}


def _names(item: dict) -> dict:
    return {"component": item["component"], "variable": item["variable"]}


def _selects(item: dict, one: tuple[dict, dict, list[Any]]) -> bool:
    component, variable, _ = one
    wanted = item.get("variable", {})
    return (
        component["name"] == item["component"]["name"]
        and item["component"].get("evse", component.get("evse")) == component.get("evse")
        and wanted.get("name", variable["name"]) == variable["name"]
        and wanted.get("instance", variable.get("instance")) == variable.get("instance")
    )


def _parses(entry: list[Any], text: str) -> bool:
    kind, values = entry[0], entry[3]
    if kind == "integer":
        return text.lstrip("-").isdigit()
    if kind == "boolean":
        return text in ("true", "false")
    return values is None or all(one in values.split(",") for one in text.split(","))


class FakeAdapter(StationAdapter):
    """The fake station in the process of the test."""

    def __init__(self, launch: Launch):
        super().__init__(launch)
        self.model = {name: list(entry) for name, entry in MODEL.items()}
        for name, value in launch.settings.items():
            if name in self.model:
                self.model[name][2] = value
        self.station: FakeStation
        self._task: asyncio.Task | None = None

    async def start(self) -> None:
        password = self.launch.settings.get("SecurityCtrlr/BasicAuthPassword", "")
        self.station = FakeStation(self.launch.csms_url, self.launch.station_id, password, self.model)
        self._task = asyncio.get_running_loop().create_task(self.station.run())

    async def stop(self) -> None:
        if self._task:
            for task in (self._task, *self.station._tasks):
                task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    kill = stop

    async def close(self) -> list[str]:
        await self.stop()
        return []

    async def topology(self) -> dict[int, list[int]]:
        return {id: [1] for id in self.station.evses}

    async def plug_in(self, evse: int, connector: int = 1, **ev: Any) -> None:
        self.station.plug(evse, True)

    async def plug_out(self, evse: int, connector: int = 1) -> None:
        self.station.plug(evse, False)

    async def swipe(self, token: str, type: str = "ISO14443", evse: int | None = None) -> None:
        self.station._spawn(self.station.swipe({"idToken": token, "type": type}, evse))

    async def ev(self, evse: int, state: str, soc: float | None = None) -> None:
        names = {"charging": "Charging", "suspended": "SuspendedEV", "stopped": "SuspendedEV"}
        self.station.event(self.station.evses[evse], "ChargingStateChanged", names[state])

    async def fault(
        self, action: str, fault: str, evse: int = 0, connector: int | None = None, severity: str = "high"
    ) -> None:
        raise NotImplementedError

    async def network(self, online: bool) -> None:
        raise NotImplementedError

    async def meter(self, evse: int, **readings: Any) -> None:
        raise NotImplementedError

    async def lock(self, evse: int, connector: int = 1, *, stuck: bool) -> None:
        raise NotImplementedError
