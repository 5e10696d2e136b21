"""Part 6's reusable states and memory states: bringing a station somewhere, checking the wire on the way.

`Session` is one charging session at one connector. Its methods are the states, named as Part 6 names them; each first goes
through the states it needs. What is expected depends on TxStartPoint and TxStopPoint, which are read from the station.
"""

from __future__ import annotations

from typing import Any

from csms import ABSENT, Message
from rig import Rig, Token

#: TransactionEvents that only carry meter values may come between any two steps.
METER_REASONS = ("MeterValueClock", "MeterValuePeriodic")


def is_connector_status(message: Message, evse: int | None, connector: int | None, status: str | None) -> bool:
    """Whether this is a StatusNotification or a NotifyEvent about the AvailabilityState of this connector."""
    return any(
        evse in (None, found[0]) and connector in (None, found[1]) and status in (None, found[2])
        for found in connector_statuses(message)
    )


def connector_statuses(message: Message) -> list[tuple[int, int, str]]:
    """(EVSE id, connector id, status) for each connector this message reports."""
    if message.action == "StatusNotification":
        return [(message["evseId"], message["connectorId"], message["connectorStatus"])]
    if message.action != "NotifyEvent":
        return []
    found = []
    for event in message.payload.get("eventData", []):
        evse = event["component"].get("evse", {})
        if event["component"]["name"] == "Connector" and event["variable"]["name"] == "AvailabilityState":
            found.append((evse.get("id"), evse.get("connectorId"), event.get("actualValue")))
    return found


async def connector_status(rig: Rig, evse: int, connector: int, status: str, timeout: float | None = None) -> Message:
    """The next report about this connector, which must say `status`: StatusNotification or NotifyEvent, either will do.

    A station may send both: the second report of the status it reported last is not the next one.
    """
    place = (evse, connector)

    def look() -> Message | None:
        for message in rig.csms.untaken():
            reported = [found[2] for found in connector_statuses(message) if found[:2] == place]
            if not reported:
                continue
            before = rig.reported.get(place)
            if before and before[0] != message.action and before[1] == reported[-1]:
                message.taken = True
            else:
                return message
        return None

    timeout = rig.csms.patience if timeout is None else timeout
    message = await rig.csms.record.wait(look, timeout)
    assert message, f"connector {connector} of EVSE {evse} not reported {status} within {timeout:g} s"
    message.taken = True
    rig.reported[place] = (str(message.action), status)
    reported = [found[2] for found in connector_statuses(message) if found[:2] == place]
    assert reported == [status], (
        f"connector {connector} of EVSE {evse} reported {reported}, not {status}: {message.raw!r}"
    )
    if message.action == "NotifyEvent":
        message.check({"eventData[0].trigger": "Delta"}, "report of a connector")
    return message


async def all_connectors(
    rig: Rig, expected: dict[tuple[int, int], str] | None = None, timeout: float | None = None
) -> None:
    """A report for every connector: Available, or as `expected` says."""
    for evse, connectors in (await rig.station.topology()).items():
        for connector in connectors:
            await connector_status(rig, evse, connector, (expected or {}).get((evse, connector), "Available"), timeout)


# Provisioning


async def booted(
    rig: Rig, expected: dict[tuple[int, int], str] | None = None, boot: dict[str, Any] | None = None
) -> Message:
    """Booted, from the BootNotification on: accepted, every connector reported. Returns the BootNotification."""
    message = await rig.csms.expect("BootNotification", timeout=2 * rig.csms.patience)
    message.check(boot or {}, "Booted")
    await all_connectors(rig, expected)
    return message


async def startup_security_event(rig: Rig) -> Message:
    """Booted, step 7."""
    event = await rig.csms.expect("SecurityEventNotification", {"type": ("StartupOfTheDevice", "ResetOrReboot")})
    return event


async def reset(rig: Rig, type: str = "Immediate", status: str = "Accepted") -> None:
    """Booting: the CSMS resets the station."""
    answer = await rig.csms.call("Reset", {"type": type})
    answer.check({"status": status}, "Reset")


async def rebooted(rig: Rig, how: str, expected: dict[tuple[int, int], str] | None = None) -> None:
    """Booting and Booted: by a `reset` of the CSMS, or after a `power loss`."""
    await rig.settle()
    rig.csms.forget()
    rig.reported.clear()
    if how == "reset":
        await reset(rig)
    else:
        await rig.station.restart(orderly=False)
    await booted(rig, expected)
    await startup_security_event(rig)


# Availability


async def unavailable(rig: Rig, evse: int | None = None, connector: int | None = None) -> None:
    """Unavailable: set Inoperative, every connector concerned reports it."""
    payload: dict[str, Any] = {"operationalStatus": "Inoperative"}
    if evse is not None:
        payload["evse"] = {"id": evse} if connector is None else {"id": evse, "connectorId": connector}
    answer = await rig.csms.call("ChangeAvailability", payload)
    answer.check({"status": "Accepted"}, "Unavailable")
    for one, connectors in (await rig.station.topology()).items():
        for other in connectors:
            if evse in (None, one) and connector in (None, other):
                await connector_status(rig, one, other, "Unavailable")


# Charging


class Session:
    def __init__(
        self,
        rig: Rig,
        *,
        evse: int | None = None,
        connector: int | None = None,
        token: Token | None = None,
        remote: bool = False,
        common_reader: bool = False,
        known: bool = False,
    ):
        self.rig = rig
        #: The token is presented at a reader that serves all EVSEs, so that only the cable tells which one it is for.
        self.common_reader = common_reader
        #: Cache or local list tell the station enough: it does not ask the CSMS about the token.
        self.known = known
        self.evse = rig.evse_id if evse is None else evse
        self.connector = rig.connector_id if connector is None else connector
        self.token = token or rig.token
        #: Authorize and stop by RequestStart/StopTransaction instead of a swipe.
        self.remote = remote
        self.remote_start_id = 4711
        self.start_points: set[str] = set()
        self.stop_points: set[str] = set()
        self.transaction_id: str | None = None
        self.parked = False
        self.connected = False
        self.is_authorized = False
        self.charging = False
        #: What the connector is when the vehicle has gone.
        self.released = "Available"
        self.stop_authorized_done = False
        self.ended = False
        self._remote_start_pending = False
        self._token_pending = False
        self._evse_pending = False

    @property
    def started(self) -> bool:
        return self.transaction_id is not None

    async def _points(self) -> None:
        if not self.start_points:
            start, stop = await self.rig.get("TxCtrlr/TxStartPoint", "TxCtrlr/TxStopPoint")
            self.start_points, self.stop_points = start.members, stop.members

    def _is_mine(self, message: Message) -> bool:
        if message["triggerReason"] in METER_REASONS:
            return False
        if self.transaction_id is not None:
            return message["transactionInfo.transactionId"] == self.transaction_id
        return message["eventType"] == "Started" and message["evse.id"] in (ABSENT, self.evse)

    async def event(
        self, expected: dict[str, Any] | None = None, step: str = "", timeout: float | None = None
    ) -> Message:
        """The next TransactionEvent of this session that is not about meter values alone, in the order of arrival; checked, also
        against the general rules of Part 6: eventType of the first event, evse after plugging in, idToken after a swipe, remoteStartId."""
        timeout = self.rig.csms.patience if timeout is None else timeout
        mine = lambda: next((one for one in self.rig.csms.untaken("TransactionEvent") if self._is_mine(one)), None)  # noqa: E731
        message = await self.rig.csms.record.wait(mine, timeout)
        assert message, f"{step}: no TransactionEvent within {timeout:g} s"
        message.taken = True
        checks = dict(expected or {})
        if not self.started:
            self.transaction_id = message["transactionInfo.transactionId"]
            checks.setdefault("eventType", "Started")
        if self._remote_start_pending:
            self._remote_start_pending = False
            checks |= {"triggerReason": "RemoteStart", "transactionInfo.remoteStartId": self.remote_start_id}
        if self._token_pending:
            self._token_pending = False
            checks |= {"idToken.idToken": self.token.id, "idToken.type": self.token.type}
        if self._evse_pending:
            self._evse_pending = False
            checks |= {"evse.id": self.evse, "evse.connectorId": self.connector}
        message.check(checks, step)
        if message["eventType"] == "Ended":
            self.ended = True
            self.last = message
        return message

    async def authorize_request(self, token: Token | None = None) -> Message:
        token = token or self.token
        return (await self.rig.csms.expect("Authorize", step="Authorized")).check(
            {"idToken.idToken": token.id, "idToken.type": token.type}, "Authorized"
        )

    # The states

    async def parking_bay_occupied(self) -> None:
        """ParkingBayOccupied is optional: only where a sensor sees the car, and its word starts or stops the transaction."""
        await self._points()
        matters = "ParkingBayOccupancy" in self.start_points | self.stop_points
        if self.parked or not matters or not self.rig.station.has_parking_bay_sensor:
            return
        await self.rig.station.park(self.evse, True)
        self.parked = True
        if not self.started and "ParkingBayOccupancy" in self.start_points:
            await self.event({"eventType": "Started", "triggerReason": "EVDetected"}, "ParkingBayOccupied")

    async def ev_connected_pre_session(self, **ev: Any) -> None:
        """EVConnectedPreSession: the EV is connected before, or after, authorization, and no energy flows yet."""
        await self.parking_bay_occupied()
        await self.plug_in(**ev)
        begins = not self.started and (
            "EVConnected" in self.start_points or ("PowerPathClosed" in self.start_points and self.is_authorized)
        )
        if self.started or begins:
            states = {"EVConnected", "SuspendedEVSE", "Charging"} if self.is_authorized else {"EVConnected"}
            await self.event(
                {
                    "eventType": "Started" if begins else "Updated",
                    "triggerReason": ("CablePluggedIn", "ChargingStateChanged", "RemoteStart"),
                    "transactionInfo.chargingState": frozenset(states),
                },
                "EVConnectedPreSession",
            )

    async def plug_in(self, **ev: Any) -> None:
        """Connects the EV; the connector is reported Occupied."""
        await self.rig.station.plug_in(self.evse, self.connector, **ev)
        self.connected = self._evse_pending = True
        await connector_status(self.rig, self.evse, self.connector, "Occupied")

    async def authorized(self) -> None:
        """Authorized, by a swipe (A) or by RequestStartTransaction (B)."""
        await self.parking_bay_occupied()
        await (self.start_remotely() if self.remote else self.swipe())
        self.is_authorized = True
        begins = not self.started and self._authorization_starts()
        if self.started or begins:
            reason = "RemoteStart" if self.remote else "Authorized"
            await self.event({"eventType": "Started" if begins else "Updated", "triggerReason": reason}, "Authorized")

    def _authorization_starts(self) -> bool:
        # Authorization also closes the power path of a connected EV: that event is looked at in EnergyTransferStarted, step 7.
        return bool(self.start_points & {"Authorized", "ParkingBayOccupancy"})

    async def swipe(self) -> None:
        """Presents the token; the station asks the CSMS about it and has its answer, unless the token is `known`."""
        await self.rig.station.swipe(self.token.id, self.token.type, None if self.common_reader else self.evse)
        if not self.known:
            await self.rig.csms.answered(await self.authorize_request())
        await self.rig.settle()
        if self.known:
            await self.rig.csms.expect_none("Authorize", seconds=0)
        self._token_pending = True

    async def start_remotely(self) -> Message:
        """RequestStartTransaction, accepted; an Authorize follows when AuthorizeRemoteStart asks for it."""
        (authorize,) = await self.rig.get("AuthCtrlr/AuthorizeRemoteStart")
        answer = await self.rig.csms.call(
            "RequestStartTransaction",
            {"idToken": self.token.json, "evseId": self.evse, "remoteStartId": self.remote_start_id},
        )
        answer.check(
            {"status": "Accepted"} | ({"transactionId": self.transaction_id} if self.started else {}), "Authorized"
        )
        if authorize.value == "true":
            await self.rig.csms.answered(await self.authorize_request())
            await self.rig.settle()
        self._remote_start_pending = self._token_pending = True
        return answer

    async def energy_transfer_started(self) -> None:
        """EnergyTransferStarted: authorized, connected, energy flows."""
        if not self.is_authorized:
            await self.authorized()
        if not self.connected:
            await self.plug_in()
            begins = not self.started and "EVConnected" in self.start_points
            if self.started or begins:
                await self.event(
                    {"triggerReason": "CablePluggedIn", "transactionInfo.chargingState": "EVConnected"},
                    "EnergyTransferStarted step 3",
                )
        if not self.started and "PowerPathClosed" in self.start_points:
            # The last precondition of energy transfer may itself be given as the reason.
            event = await self.event(
                {
                    "triggerReason": ("ChargingStateChanged", "CablePluggedIn", "Authorized"),
                    "transactionInfo.chargingState": ("EVConnected", "SuspendedEVSE", "SuspendedEV", "Charging"),
                },
                "EnergyTransferStarted step 7",
            )
            if event["transactionInfo.chargingState"] == "Charging":
                self.charging = True
                return
        if not self.started and "DataSigned" in self.start_points:
            # As TC_E_11 has it: nothing is offered before the meter has signed.
            expected = {"triggerReason": ("SignedDataReceived", "RemoteStart")}
            await self.event(
                expected | {"transactionInfo.chargingState": "EVConnected"}, "EnergyTransferStarted step 7"
            )
        await self.until_charging("EnergyTransferStarted step 9")

    async def until_charging(self, step: str) -> Message:
        """Charging is reported; other charging states may be reported before."""
        while True:
            event = await self.event({"triggerReason": ("ChargingStateChanged", "RemoteStart")}, step)
            if event["transactionInfo.chargingState"] == "Charging":
                self.charging = True
                return event
            event.check({"transactionInfo.chargingState": ("EVConnected", "SuspendedEV", "SuspendedEVSE")}, step)

    async def energy_transfer_suspended(self) -> None:
        """EnergyTransferSuspended: the EV pauses."""
        if not self.charging:
            await self.energy_transfer_started()
        await self.rig.station.ev(self.evse, "suspended")
        self.charging = False
        event = await self.event(
            {"transactionInfo.chargingState": ("EVConnected", "SuspendedEV"), "eventType": ("Ended", "Updated")},
            "EnergyTransferSuspended",
        )
        if event["transactionInfo.chargingState"] == "SuspendedEV":
            event.check({"triggerReason": "ChargingStateChanged"}, "EnergyTransferSuspended")
        if self.ended:
            event.check({"transactionInfo.stoppedReason": "StoppedByEV"}, "EnergyTransferSuspended")

    async def stop_authorized(self) -> None:
        """StopAuthorized, by the same token (A) or by RequestStopTransaction (B)."""
        if not self.charging:
            await self.energy_transfer_started()
        self.stop_authorized_done = True
        self.charging = False
        if self.remote:
            answer = await self.rig.csms.call("RequestStopTransaction", {"transactionId": self.transaction_id})
            answer.check({"status": "Accepted"}, "StopAuthorized")
            event = await self.event({"triggerReason": "RemoteStop"}, "StopAuthorized")
        else:
            await self.rig.station.swipe(self.token.id, self.token.type, self.evse)
            event = await self.event({"triggerReason": "StopAuthorized"}, "StopAuthorized step 1")
            event.check(
                {"idToken.idToken": (ABSENT, self.token.id), "idToken.type": (ABSENT, self.token.type)},
                "StopAuthorized step 1",
            )
        if self.stop_points & {"Authorized", "PowerPathClosed", "EnergyTransfer"} and not self.ended:
            event = await self.event(
                {
                    "eventType": "Ended",
                    "triggerReason": "ChargingStateChanged",
                    "transactionInfo.chargingState": "EVConnected",
                },
                "StopAuthorized step 3",
            )
        if self.ended:
            event.check({"transactionInfo.stoppedReason": self.stopped_reason}, "StopAuthorized")

    @property
    def stopped_reason(self) -> Any:
        """What the last event may give as stoppedReason after a stop that was asked for."""
        return "Remote" if self.remote else (ABSENT, "Local")

    async def ev_connected_post_session(self) -> None:
        """EVConnectedPostSession: energy has stopped; the cable is still connected."""
        if not self.stop_authorized_done:
            await self.stop_authorized()
        if not self.ended:
            await self.event(
                {"triggerReason": "ChargingStateChanged", "transactionInfo.chargingState": "EVConnected"},
                "EVConnectedPostSession",
            )

    async def ev_disconnected(self) -> None:
        """EVDisconnected: the cable is unplugged."""
        if not self.stop_authorized_done:
            await self.ev_connected_post_session()
        await self.plug_out()
        if not self.ended:
            ends = "EVConnected" in self.stop_points
            event = await self.event(
                {
                    "triggerReason": "EVCommunicationLost",
                    "transactionInfo.chargingState": "Idle",
                    "eventType": "Ended" if ends else "Updated",
                },
                "EVDisconnected",
            )
            if ends:
                event.check({"transactionInfo.stoppedReason": self.stopped_reason}, "EVDisconnected")

    async def plug_out(self) -> None:
        """Disconnects the EV; the connector is reported Available, or as `released` says."""
        await self.rig.station.plug_out(self.evse, self.connector)
        self.connected = False
        await connector_status(self.rig, self.evse, self.connector, self.released)

    async def parking_bay_unoccupied(self) -> None:
        """ParkingBayUnoccupied: everything is as before the session."""
        if self.connected:
            await self.ev_disconnected()
        if self.parked:
            await self.rig.station.park(self.evse, False)
            self.parked = False
        if not self.ended and "ParkingBayOccupancy" in self.stop_points:
            event = await self.event({"eventType": "Ended", "triggerReason": "EVDeparted"}, "ParkingBayUnoccupied")
            event.check({"transactionInfo.stoppedReason": self.stopped_reason}, "ParkingBayUnoccupied")


# Memory states


async def set_charging_profile(rig: Rig, profile: dict, evse: int = 0) -> None:
    """SetChargingProfile."""
    answer = await rig.csms.call("SetChargingProfile", {"evseId": evse, "chargingProfile": profile})
    answer.check({"status": "Accepted"}, "SetChargingProfile")


def listed(token: Token, status: str | None = "Accepted", **info: Any) -> dict[str, Any]:
    """An entry of a local authorization list; without `status` one that takes the token off it."""
    return {"idToken": token.json} | ({"idTokenInfo": {"status": status, **info}} if status else {})


async def send_local_list(
    rig: Rig, update: str, version: int, *entries: dict[str, Any], status: str = "Accepted", step: str = ""
) -> None:
    """SendLocalList, `update` Full or Differential, answered with `status`."""
    payload: dict[str, Any] = {"versionNumber": version, "updateType": update}
    if entries:
        payload["localAuthorizationList"] = list(entries)
    (await rig.csms.call("SendLocalList", payload)).check({"status": status}, step)


async def id_token_local_auth_list(rig: Rig, *entries: dict[str, Any], version: int = 1) -> None:
    """IdTokenLocalAuthList: a full list with these entries."""
    await send_local_list(rig, "Full", version, *entries, step="IdTokenLocalAuthList")


async def id_token_cached(rig: Rig, token: Token | None = None, status: str = "Accepted", **info: Any) -> None:
    """IdTokenCached: the token was presented and the CSMS said `status`; with Accepted a whole session followed (A)."""
    token = token or rig.token
    rig.csms.tokens.set(token.id, status, **info)
    session = Session(rig, token=token)
    if status == "Accepted":
        await session.authorized()
        await session.ev_connected_pre_session()
        await session.parking_bay_unoccupied()
        await rig.csms.answered(session.last)
        await rig.settle()
    else:
        await session.swipe()
        await rig.csms.expect_none("TransactionEvent", seconds=0)
    rig.csms.forget()


async def offline(rig: Rig) -> None:
    """The CSMS closes the connection and accepts none until `csms.admit()`."""
    rig.csms.admit(503)
    await rig.csms.link.close(1001)


async def transaction_events_in_queue_ended(rig: Rig, token: Token | None = None) -> None:
    """TransactionEventsInQueueEnded: a whole transaction while offline. Ends offline; `csms.admit()` lets the station back in."""
    token = token or rig.token
    await offline(rig)
    await rig.station.plug_in(rig.evse_id, rig.connector_id)
    await rig.station.swipe(token.id, token.type, rig.evse_id)
    await rig.station.swipe(token.id, token.type, rig.evse_id)
    await rig.station.plug_out(rig.evse_id, rig.connector_id)
