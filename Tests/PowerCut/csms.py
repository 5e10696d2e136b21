"""A CSMS that answers at once, records everything, and can be told to be slow or rude. Frames are checked by the
conformance suite; here only speed and what the record says count."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Payload = dict[str, Any]


@dataclass(frozen=True)
class Received:
    """A CALL of the station."""

    at: float
    connection: int
    id: str
    action: str
    payload: Payload


@dataclass
class Manners:
    """How the CSMS treats the station, and TransactionEvents by the how-manieth it is (from 1)."""

    #: Refuses connections.
    is_down: bool = False
    delay: float = 0.0
    refuse: set[int] = field(default_factory=set)
    hang_up: set[int] = field(default_factory=set)


def timestamp() -> str:
    wall = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall)) + f".{int(wall * 1000) % 1000:03}Z"


class Csms:
    """One server for many points: `begin` forgets the one before."""

    def __init__(self) -> None:
        self.port = 0
        self._server: Server | None = None
        self._changed = asyncio.Condition()
        self._link: ServerConnection | None = None
        #: Connections so far.
        self.links = 0
        self._open = 0
        self._next_call = 0
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self.begin()

    def begin(self, manners: Manners | None = None) -> None:
        self.manners = manners or Manners()
        #: The only one that is let in; `None`: any is.
        self.password: str | None = None
        #: The path of the last connection without the station's identity.
        self.place = ""
        self.received: list[Received] = []
        self._events_answered = 0

    async def start(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=["ocpp2.0.1"],
            compression=None,
            ping_interval=None,
            process_request=self._admit,
        )  # type: ignore[arg-type]
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    @property
    def transaction_events(self) -> list[Payload]:
        return [one.payload for one in self.received if one.action == "TransactionEvent"]

    async def until(self, condition: Callable[[], Any], seconds: float = 10) -> Any:
        """Waits until something received makes the condition true."""
        async with asyncio.timeout(seconds), self._changed:
            while not (found := condition()):
                await self._changed.wait()
            return found

    async def idle(self) -> None:
        """Waits until the connections of processes that are gone have been read to their end."""
        await self.until(lambda: self._open == 0)

    async def call(self, action: str, payload: Payload, seconds: float = 10) -> Payload:
        """Sends a CALL; returns the CALLRESULT's payload."""
        if self._link is None:
            raise ConnectionError("the station is not connected")
        self._next_call += 1
        id = f"csms-{self._next_call}"
        future = self._pending[id] = asyncio.get_running_loop().create_future()
        try:
            await self._link.send(json.dumps([2, id, action, payload]))
            frame = await asyncio.wait_for(future, seconds)
        except ConnectionClosed:
            raise ConnectionError("the connection is gone") from None
        finally:
            del self._pending[id]
        if frame[0] != 3:
            raise ConnectionError(f"{action} was answered with {frame}")
        return frame[2]

    def _admit(self, link: ServerConnection, request: Request) -> Response | None:
        if self.manners.is_down:
            return link.respond(503, "not now")
        place, _, identity = request.path.rpartition("/")
        expected = base64.b64encode(f"{identity}:{self.password}".encode()).decode()
        if self.password is not None and request.headers.get("Authorization") != f"Basic {expected}":
            return link.respond(401, "who are you")
        self.place = place
        return None

    async def _serve(self, link: ServerConnection) -> None:
        self.links += 1
        self._open += 1
        number = self.links
        self._link = link
        try:
            async for text in link:
                frame = json.loads(text)
                if frame[0] == 2:
                    await self._answer(link, number, frame)
                elif future := self._pending.get(frame[1]):
                    if not future.done():
                        future.set_result(frame)
        except ConnectionClosed:
            pass
        finally:
            async with self._changed:
                self._open -= 1
                self._changed.notify_all()
            if self._link is link:
                self._link = None
                for future in self._pending.values():
                    if not future.done():
                        future.set_exception(ConnectionError("the connection is gone"))

    async def _answer(self, link: ServerConnection, number: int, frame: list) -> None:
        _, id, action, payload = frame
        async with self._changed:
            self.received.append(Received(time.monotonic(), number, id, action, payload))
            self._changed.notify_all()
        if action == "TransactionEvent":
            self._events_answered += 1
            if self.manners.delay:
                await asyncio.sleep(self.manners.delay)
            if self._events_answered in self.manners.hang_up:
                link.transport.abort()
                return
            if self._events_answered in self.manners.refuse:
                return await link.send(json.dumps([4, id, "InternalError", "not now", {}]))
        await link.send(json.dumps([3, id, self._response(action, payload)]))

    @staticmethod
    def _response(action: str, payload: Payload) -> Payload:
        if action == "BootNotification":
            return {"currentTime": timestamp(), "interval": 86400, "status": "Accepted"}
        if action == "Heartbeat":
            return {"currentTime": timestamp()}
        if action == "Authorize" or (action == "TransactionEvent" and "idToken" in payload):
            return {"idTokenInfo": {"status": "Accepted"}}
        return {}
