"""A scriptable CSMS: accepts stations, checks and records every frame, answers as told."""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote

from websockets.asyncio.server import Server, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from . import answers
from .answers import Tokens
from .link import Connection, Link
from .message import CALL, CALLERROR, CALLRESULT, Message, Where
from .record import LIMIT, Entry, Event, Record
from .transactions import Transaction, transactions

#: The medium of a station has what it did with an answer, seconds: it writes at once, but not before it sends.
ANSWER_ON_MEDIUM_SECONDS = 1.0

#: How a CSMS can treat a connection attempt, beside an HTTP status code.
ACCEPT, RESET, NO_SUBPROTOCOL = "accept", "reset", "no-subprotocol"

#: What stands at the CSMS' port: `None` is plain HTTP, an SSLContext TLS as it says, a coroutine function gets each TCP
#: connection for itself.
Front = ssl.SSLContext | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None


class ExpectationFailed(AssertionError):
    """What a test waited for did not come; says what came instead."""


class CallFailed(AssertionError):
    """A CALL of the CSMS was answered by a CALLERROR."""

    def __init__(self, message: Message):
        super().__init__(f"{message.action} answered by CALLERROR {message.error_code}: {message.error_description!r}")
        self.code = message.error_code
        self.message = message


class Csms:
    """`await start()`, hand `url` to a station, then script. All timeouts are in seconds."""

    def __init__(
        self,
        *,
        passwords: dict[str, str] | None = None,
        subprotocols: Sequence[str] = ("ocpp2.0.1",),
        listener: Callable[[Entry], None] | None = None,
        refuse_invalid: bool = False,
        patience: float = 10,
    ):
        self.record = Record(listener)
        #: Station id -> password for Basic authentication. None: no check.
        self.passwords = passwords
        #: Versions this CSMS speaks, in its order of preference.
        self.subprotocols = list(subprotocols)
        #: Answers a frame that breaks a rule by CALLERROR; a test rather goes on and reports it.
        self.refuse_invalid = refuse_invalid
        #: The station's message timeout: after this long without an answer it may send its next call.
        self.message_timeout = 30.0
        #: Default timeout of `expect` and `call`.
        self.patience = patience
        self.boot_interval = 300
        self.tokens = Tokens()
        self.links: dict[str, Link] = {}
        self.port = 0
        self._host = "127.0.0.1"
        self._front: Front = None
        #: Told to stations in `url`; None: as the front is.
        self.scheme: str | None = None
        self._listening: socket.socket | None = None
        self._servers: list[Server | asyncio.Server] = []
        self._links = 0
        self._policy: str | int = ACCEPT
        self._defaults = answers.defaults(self.tokens, lambda: self.boot_interval)
        self._answers: dict[str, Any] = {}
        self._once: dict[str, deque[Any]] = {}
        self._ids: dict[tuple[str, str], Message] = {}
        #: When the station's power was cut, by the monotonic clock; the rig's list.
        self.power_cuts: list[float] = []

    # Life

    async def start(self, host: str = "127.0.0.1", port: int = 0, front: Front = None) -> None:
        """Listens; with port 0 on a free one, see `port`."""
        self._host = host
        self._listening = socket.create_server((host, port), backlog=128)
        self.port = self._listening.getsockname()[1]
        await self.put(front)

    async def put(self, front: Front) -> None:
        """From now on new connections meet `front`; the port stays open, and so do the connections that there are."""
        if self._servers:
            self._servers[-1].close(**({"close_connections": False} if isinstance(self._servers[-1], Server) else {}))
        self._front = front
        assert self._listening, "not started"
        # Each server closes the socket that it is given.
        sock = self._listening.dup()
        if callable(front):
            self._servers.append(await asyncio.start_server(self._raw(front), sock=sock))
            return
        server = await serve(
            self._serve,
            sock=sock,
            ssl=front,
            process_request=self._process_request,
            select_subprotocol=self._select_subprotocol,
            create_connection=self._accepted,
            compression=None,
            ping_interval=None,
            close_timeout=1,
            max_size=2**20,
        )
        self._servers.append(server)

    async def stop(self) -> None:
        """Closes every connection and stops listening; `start(port=csms.port)` listens again."""
        for link in list(self.links.values()):
            link.abort()
        if self._listening:
            self._listening.close()
            self._listening = None
        for server in self._servers:
            server.close()
        for server in self._servers:
            if isinstance(server, Server):
                await server.wait_closed()
        self._servers.clear()

    @property
    def url(self) -> str:
        """The endpoint for a station, without its id."""
        scheme = self.scheme or ("ws" if self._front is None else "wss")
        return f"{scheme}://{self._host}:{self.port}"

    def _accepted(self, *arguments: Any, **named: Any) -> Connection:
        """A TCP connection; with TLS the handshake is still to come."""
        self.record.add(Event("accepted", "", {"tls": self._front is not None}))
        return Connection(*arguments, **named)

    def _raw(self, front: Any) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.record.add(Event("accepted", "", {"tls": True}))
            try:
                await front(reader, writer)
            except (OSError, EOFError, ssl.SSLError):
                pass
            finally:
                writer.close()

        return client

    def admit(self, policy: str | int = ACCEPT) -> None:
        """How connection attempts are treated from now on: ACCEPT, an HTTP status such as 404, RESET, or NO_SUBPROTOCOL."""
        self._policy = policy
        self.record.wake()

    # Handshake

    def _process_request(self, connection: Connection, request: Request) -> Response | None:
        station = unquote(request.path.rsplit("/", 1)[-1])
        header = request.headers.get("Authorization")
        attempt = Event(
            "attempt",
            station,
            {
                "path": request.path,
                "subprotocols": [
                    part.strip()
                    for value in request.headers.get_all("Sec-WebSocket-Protocol")
                    for part in value.split(",")
                ],
                "authorization": header,
                "outcome": "accepted",
            },
        )
        if self._policy == RESET:
            attempt.details["outcome"] = "reset"
            connection.transport.abort()
            response = None
        elif isinstance(self._policy, int):
            attempt.details["outcome"] = str(self._policy)
            response = connection.respond(self._policy, "")
        elif self.passwords is not None and (problem := self._refusal(station, header)):
            attempt.details["outcome"] = f"401, {problem}"
            response = connection.respond(401, problem)
            response.headers["WWW-Authenticate"] = 'Basic realm="csms"'
        else:
            response = None
        self.record.add(attempt)
        return response

    def _refusal(self, station: str, header: str | None) -> str | None:
        """Why these credentials are refused."""
        if not header or not header.startswith("Basic "):
            return "no Basic credentials"
        try:
            user, _, password = base64.b64decode(header[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "credentials are not base64 of UTF-8"
        if user != station:
            return f"user {user!r} is not the station of the URL, {station!r}"
        if (self.passwords or {}).get(station) != password:
            return "wrong password"
        return None

    def _select_subprotocol(self, _: Connection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        if self._policy == NO_SUBPROTOCOL:
            return None
        return next((Subprotocol(one) for one in self.subprotocols if one in offered), None)

    async def _serve(self, socket: Connection) -> None:
        station = unquote(socket.request.path.rsplit("/", 1)[-1])
        self._links += 1
        link = Link(self, socket, station, self._links)
        if socket.subprotocol is None and self._policy != NO_SUBPROTOCOL:
            return await link.close(1002, "no common subprotocol")
        if previous := self.links.get(station):
            previous.abort()
        self.links[station] = link
        self.record.add(Event("connected", station, {"link": link.number, "subprotocol": socket.subprotocol}))
        await link.run()
        if self.links.get(station) is link:
            del self.links[station]
        details = {"link": link.number, "code": socket.close_code, "reason": socket.close_reason}
        self.record.add(Event("disconnected", station, details))

    def claim_id(self, station: str, message: Message) -> bool:
        """False if the station used this message id before, on any connection, for anything but this same message.

        A retry may keep its id (Part 4, 4.1.4 with its erratum): without an answer, after a CALLERROR, or on another
        connection when the answer may have been lost with the first: this was the last call on it, or the power failed before
        the answer was on the station's medium.
        """
        first = self._ids.setdefault((station, message.id or ""), message)
        if len(self._ids) > LIMIT:
            del self._ids[next(iter(self._ids))]
        if first is message:
            return True
        failed = first.answer is None or first.answer.kind == CALLERROR
        cut = any(first.at <= at <= first.at + ANSWER_ON_MEDIUM_SECONDS for at in self.power_cuts)
        failed = failed or (first.link != message.link and (cut or not first.followed))
        return failed and first.raw == message.raw

    # Scripting the answers

    def respond(self, action: str, answer: Any) -> None:
        """Answers `action` so from now on: a payload, a callable of the Message (may be async), NO_ANSWER, CallError, Raw, After, Drop."""
        self._answers[action] = answer

    def respond_once(self, action: str, *queue: Any) -> None:
        """The next calls of `action` get these answers, one each; then it is as before."""
        self._once.setdefault(action, deque()).extend(queue)

    def respond_default(self, action: str) -> None:
        """Back to the answer of `csms.answers.defaults`."""
        self._answers.pop(action, None)
        self._once.pop(action, None)

    def answer_for(self, message: Message) -> Any:
        action = message.action or ""
        if queue := self._once.get(action):
            return queue.popleft()
        if action in self._answers:
            return self._answers[action]
        return self.default_answer(message)

    def default_answer(self, message: Message) -> Any:
        """What this message is answered unless `respond` says otherwise."""
        action = message.action or ""
        return self._defaults.get(action, answers.CallError("NotImplemented", f"{action} is not known to this CSMS"))

    # Expecting

    def untaken(self, action: str | None = None, where: Where = None, station: str | None = None) -> list[Message]:
        """Calls of the station that no `expect` has taken yet, oldest first."""
        return [
            message
            for message in self.record.messages("in")
            if message.kind == CALL
            and not message.taken
            and action in (None, message.action)
            and station in (None, message.station)
            and message.matches(where)
        ]

    async def expect(self, action: str, where: Where = None, timeout: float | None = None, step: str = "") -> Message:
        """The oldest call of `action` that satisfies `where` and was not taken before; takes it.

        Waits for it if it has not come yet, so nothing is lost by asking late. `where` maps paths to values, alternatives
        or predicates, or is a predicate over the payload.
        """
        timeout = self.patience if timeout is None else timeout
        found = await self.record.wait(lambda: next(iter(self.untaken(action, where)), None), timeout)
        if found is None:
            wanted = f"{action} {where if isinstance(where, dict) else ''}".rstrip()
            raise ExpectationFailed(
                f"{step + ': ' if step else ''}no {wanted} within {timeout:g} s. Not taken so far:\n"
                + self._untaken_text()
            )
        found.taken = True
        return found

    async def answered(self, message: Message, timeout: float | None = None) -> Message:
        """Waits until this CSMS has answered a call it received; returns the answer."""
        answer = await self.record.wait(lambda: message.answer, self.patience if timeout is None else timeout)
        if answer is None:
            raise ExpectationFailed(f"{message.action} was not answered by the CSMS")
        return answer

    async def expect_none(self, action: str | None = None, where: Where = None, seconds: float = 0.5) -> None:
        """Nothing of this kind is waiting and none comes within `seconds`. Heartbeats do not count unless asked for."""

        def unwanted() -> Message | None:
            return next((one for one in self.untaken(action, where) if action or one.action != "Heartbeat"), None)

        if found := await self.record.wait(unwanted, seconds):
            raise ExpectationFailed(f"unexpected {found.action}: {found.raw!r}")

    def forget(self, action: str | None = None) -> None:
        """Marks what has come so far as taken: the next `expect` is about the future."""
        for message in self.untaken(action):
            message.taken = True

    async def expect_event(self, what: str, timeout: float | None = None, after: Entry | None = None) -> Event:
        """The first `attempt`, `connected`, `disconnected`, `ping` or `pong` after the entry `after`."""
        timeout = self.patience if timeout is None else timeout
        start = -1 if after is None else after.number

        def look() -> Event | None:
            return next((event for event in self.record.events(what) if event.number > start), None)

        found = await self.record.wait(look, timeout)
        if found is None:
            raise ExpectationFailed(f"no {what} within {timeout:g} s")
        return found

    def _untaken_text(self) -> str:
        return "\n".join(f"  {message.raw!r}" for message in self.untaken()[-20:]) or "  nothing"

    # Acting

    @property
    def link(self) -> Link:
        """The connection of the one station; an error if there is none."""
        if not self.links:
            raise ExpectationFailed("the station is not connected")
        return next(reversed(self.links.values()))

    async def connected(self, timeout: float | None = None) -> Link:
        """Waits until a station is connected."""
        timeout = self.patience if timeout is None else timeout
        if not await self.record.wait(lambda: next(iter(self.links), None), timeout):
            raise ExpectationFailed(f"no station connected within {timeout:g} s")
        return self.link

    async def request(
        self,
        action: str,
        payload: dict | None = None,
        *,
        timeout: float | None = None,
        check: bool = True,
        id: str | None = None,
    ) -> Message:
        """Sends a CALL and returns the answering frame, CALLRESULT or CALLERROR."""
        timeout = self.patience if timeout is None else timeout
        answer = await self.link.call(action, payload or {}, timeout, check, id)
        if answer is None:
            raise ExpectationFailed(f"no answer to {action} within {timeout:g} s, or the connection was lost")
        return answer

    async def call(self, action: str, payload: dict | None = None, *, timeout: float | None = None) -> Message:
        """Sends a CALL and returns the CALLRESULT; a CALLERROR raises CallFailed."""
        answer = await self.request(action, payload, timeout=timeout)
        if answer.kind != CALLRESULT:
            raise CallFailed(answer)
        return answer

    async def exchange(
        self, raw: str | bytes, id: str = "-1", action: str | None = None, timeout: float | None = None
    ) -> Message:
        """Sends `raw` unchecked and returns the answer to it: a frame with message id `id`."""
        timeout = self.patience if timeout is None else timeout
        link = self.link
        call = Message("out", raw, link.station, link.number, kind=CALL, id=id, action=action)
        await link.send_call(call)
        answer = await link.answer_to(call, timeout)
        if answer is None:
            raise ExpectationFailed(f"no answer with id {id} within {timeout:g} s to {raw[:200]!r}")
        return answer

    # Looking back

    @property
    def transactions(self) -> dict[str, Transaction]:
        return transactions(self.record.messages("in"))

    @property
    def violations(self) -> list[str]:
        """Everything a station did against the rules so far, one line each."""
        return [
            f"{violation} in {str(message.raw)[:400]}"
            for message in self.record.messages("in")
            for violation in message.violations
        ]
