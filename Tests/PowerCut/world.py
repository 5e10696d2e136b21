"""What a session acts on, and what is known of it from outside: who started what, what the meters showed, what the CSMS
was promised. The judge holds the station to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from csms import Csms
from station import Event, Station

#: What the meters show when a session begins, and how much more with every step, Wh.
FIRST_WH = 1000
STEP_WH = 50
EVSES = (1, 2)
TOKEN = "DEADBEEF"


@dataclass
class Promise:
    """Something the CSMS asks for; in force for good once it is accepted."""

    #: The values that may be in force: the one accepted last, and those sent since.
    possible: list[Any] = field(default_factory=list)


class World:
    """One EV driver, one operator, and the meters of both EVSEs."""

    def __init__(self, station: Station, csms: Csms):
        self.station = station
        self.csms = csms
        #: Times that somebody asked for a transaction, by EVSE.
        self.starts = dict.fromkeys(EVSES, 0)
        #: What the meters have been told to show, and what the station has confirmed, Wh.
        self.shown = dict.fromkeys(EVSES, 0)
        self.confirmed = dict.fromkeys(EVSES, 0)
        self.variables: dict[str, Promise] = {}
        self.operative: dict[int, Promise] = {}
        #: Where the station goes when it starts: the path of the network profile that comes first.
        self.place = Promise([""])
        self._transactions: dict[int, Event] = {}

        #: Starts the station again; set by who runs the session.
        self.start_again: Callable[[], Awaitable[None]]

    # Driver and car

    async def booted(self) -> None:
        """Accepted by the CSMS, with both meters at their first value."""
        await self.station.until(
            lambda state: state["station"]["csms"]["registration"] == "Accepted" and not state["station"]["queuedMessages"],
            "accepted by the CSMS",
        )  # fmt: skip
        await self.meters()

    async def meters(self) -> None:
        """Takes the meters over: from now on they count in steps."""
        for evse in EVSES:
            await self._show(evse, max(FIRST_WH, self.shown[evse]))

    async def _show(self, evse: int, energy: int) -> None:
        # A real meter keeps what it has counted whatever happens to the station: it is told before, and kept by
        # `keep_meters`.
        self.shown[evse] = energy
        await self.station.command("meter", evse=evse, energyWh=energy, hold=True)
        self.confirmed[evse] = energy

    async def plug_in(self, evse: int = 1) -> None:
        await self.station.command("plugIn", evse=evse, ev={"chargeDelayMs": 20, "maxCurrentA": 16, "phases": 3})

    async def plug_out(self, evse: int = 1) -> None:
        await self.station.command("plugOut", evse=evse)

    async def car(self, state: str, evse: int = 1) -> None:
        """`charging` or `suspended`"""
        await self.station.command("ev", evse=evse, state=state)
        await self.charging(evse, "Charging" if state == "charging" else "SuspendedEV")

    async def swipe_to_start(self, evse: int = 1) -> None:
        self.starts[evse] += 1
        await self.station.command("swipe", idToken=TOKEN, evses=[evse])
        await self.started(evse)

    async def swipe_to_stop(self, evse: int = 1) -> None:
        await self.station.command("swipe", idToken=TOKEN, evses=[evse])
        await self.ended(evse)

    async def started(self, evse: int = 1) -> None:
        former = self._transactions.get(evse, {}).get("id")
        self._transactions[evse] = await self.station.event(
            lambda event: event["event"] == "transaction" and event["evse"] == evse and event["id"] != former,
            f"transaction at EVSE {evse}",
        )

    async def ended(self, evse: int = 1) -> None:
        id = self._transactions[evse]["id"]
        await self.station.event(
            lambda event: event["event"] == "transaction" and event["id"] == id and event["type"] == "Ended",
            f"end of the transaction at EVSE {evse}",
        )

    async def charging(self, evse: int = 1, wanted: str = "Charging") -> None:
        await self.station.until(
            lambda state: (_evse(state, evse)["transaction"] or {}).get("chargingState") == wanted,
            f"{wanted} at EVSE {evse}",
        )

    async def energy(self, steps: int = 1, evse: int = 1) -> None:
        """The car takes energy; after each step the station has recorded the reading."""
        id = self._transactions[evse]["id"]
        for _ in range(steps):
            await self._show(evse, self.shown[evse] + STEP_WH)
            # Events may be on their way that were made before.
            state = await self.station.command("state")
            await self._event_after((_evse(state, evse)["transaction"] or {}).get("seqNo", -1), id, evse)

    async def _event_after(self, number: int, id: str, evse: int) -> None:
        await self.station.event(
            lambda event: event["event"] == "transaction" and event["id"] == id and event["seqNo"] > number,
            f"reading at EVSE {evse}",
        )

    async def is_open(self, evse: int = 1) -> bool:
        """After a restart: whether the transaction goes on."""
        state = await self.station.until(
            lambda state: (_evse(state, evse)["transaction"] or {}).get("chargingState") in (None, "SuspendedEV"),
            "what becomes of the transaction",
        )
        return _evse(state, evse)["transaction"] is not None

    def transaction(self, evse: int = 1) -> str:
        return self._transactions[evse]["id"]

    # Network and operator

    async def network(self, online: bool) -> None:
        await self.station.command("network", online=online)
        await self.station.until(
            lambda state: state["station"]["csms"]["connected"] == online, "online" if online else "offline"
        )

    async def delivered(self) -> None:
        await self.station.until(
            lambda state: state["station"]["csms"]["connected"] and not state["station"]["queuedMessages"], "delivered"
        )

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A CALL of the CSMS; when the power is cut meanwhile, no answer is waited for."""
        task = asyncio.ensure_future(self.csms.call(action, payload))
        return await self.station.first(task, 10)

    async def set_variable(self, component: str, variable: str, value: str, status: str = "Accepted") -> None:
        name = f"{component}/{variable}"
        promise = self.variables.setdefault(name, Promise([self.station.setting(name)]))
        promise.possible.append(value)
        data = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
        answer = await self.call("SetVariables", {"setVariableData": [data]})
        assert answer["setVariableResult"][0]["attributeStatus"] == status, answer

        promise.possible = [value]

    async def set_password(self, password: str) -> None:
        """From the station's answer on nothing else is let in; until then, nothing but the old one (A01.FR.04)."""
        if self.csms.password is None:
            self.csms.password = self.station.setting("SecurityCtrlr/BasicAuthPassword")
        links = self.csms.links
        data = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
        answer = await self.call("SetVariables", {"setVariableData": [data | {"attributeValue": password}]})
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted", answer
        self.csms.password = password
        await self.station.until(
            lambda state: self.csms.links > links and state["station"]["csms"]["connected"], "there by the new password"
        )

    async def move(self, place: str) -> None:
        """A network profile in slot 2 that leads to another path, and is to be tried first from the next start on."""
        data = {
            "ocppCsmsUrl": f"ws://127.0.0.1:{self.csms.port}{place}",
            "securityProfile": 1,
            "messageTimeout": 600,
            "ocppInterface": "Wired0",
            "ocppTransport": "JSON",
            "ocppVersion": "OCPP20",
        }
        answer = await self.call("SetNetworkProfile", {"configurationSlot": 2, "connectionData": data})
        assert answer["status"] == "Accepted", answer
        self.place.possible.append(place)
        await self.set_variable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1", "RebootRequired")
        self.place.possible = [place]

    async def change_availability(self, evse: int, operative: bool) -> None:
        promise = self.operative.setdefault(evse, Promise([True]))
        promise.possible.append(operative)
        status = "Operative" if operative else "Inoperative"
        answer = await self.call("ChangeAvailability", {"operationalStatus": status, "evse": {"id": evse}})
        assert answer["status"] in ("Accepted", "Scheduled"), answer
        promise.possible = [operative]

    async def start_remotely(self, evse: int = 1) -> None:
        self.starts[evse] += 1
        token = {"idToken": TOKEN, "type": "Central"}
        answer = await self.call("RequestStartTransaction", {"evseId": evse, "idToken": token, "remoteStartId": 77})
        assert answer["status"] == "Accepted", answer
        await self.started(evse)

    async def stop_remotely(self, evse: int = 1) -> None:
        answer = await self.call("RequestStopTransaction", {"transactionId": self.transaction(evse)})
        assert answer["status"] == "Accepted", answer
        await self.ended(evse)

    # The meters while the station is down

    def keep_meters(self) -> None:
        """Meters have power of their own: after a cut they show what they were told to show, whatever the station had
        stored of it."""
        path = self.station.data / "simulation.json"
        if not path.exists():
            return
        saved = json.loads(path.read_text())
        for evse in saved["evses"]:
            register = evse["meter"]
            register["milliwattHours"] = max(register["milliwattHours"], self.shown[evse["id"]] * 1000)
        path.write_text(json.dumps(saved))


def _evse(state: Event, evse: int) -> Event:
    return next(one for one in state["evses"] if one["id"] == evse)
