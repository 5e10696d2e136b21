"""One WebSocket connection of a station: reads, checks, answers; sends calls and matches their answers."""

from __future__ import annotations

import asyncio
import inspect
import json
import ssl
import time
import uuid
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from . import answers
from .message import CALL, CALLERROR, CALLRESULT, Message
from .record import Event
from .validation import VERSIONS, payload_violations, read

if TYPE_CHECKING:
    from .server import Csms


class Connection(ServerConnection):
    """Adds to the connection of `websockets`: pings and pongs are reported."""

    on_control = None

    def process_event(self, event: Any) -> None:
        if self.on_control and isinstance(event, Frame) and event.opcode in (Opcode.PING, Opcode.PONG):
            self.on_control(event.opcode.name.lower())
        super().process_event(event)


class Link:
    def __init__(self, csms: Csms, socket: Connection, station: str, number: int):
        self.csms = csms
        self.socket = socket
        self.station = station
        self.number = number
        self.version = VERSIONS.get(socket.subprotocol or "", "2.0.1")
        self.opened_at = time.monotonic()
        self.close_code: int | None = None
        self._last_call: Message | None = None
        #: The station's CALL that has no answer yet, and since when it is known that none will come.
        self._open_call: Message | None = None
        self._withheld = False
        #: Our CALLs: id -> message; the lock keeps it to one at a time.
        self.calls: dict[str, Message] = {}
        self.calling = asyncio.Lock()
        self._tasks: set[asyncio.Task] = set()
        socket.on_control = lambda what: csms.record.add(Event(what, station, {"link": number}))

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session: `version()`, `cipher()`, `getpeercert(True)`; None when it is plain."""
        return self.socket.transport.get_extra_info("ssl_object")

    async def run(self) -> None:
        """Reads until the connection is gone."""
        try:
            async for raw in self.socket:
                self._receive(raw)
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self.socket.close_code
            for task in self._tasks:
                task.cancel()

    # Receiving

    def _receive(self, raw: str | bytes) -> None:
        message = Message("in", raw, self.station, self.number)
        read(message)
        if message.kind == CALL:
            self._check_call(message)
        elif message.kind in (CALLRESULT, CALLERROR):
            self._check_answer(message)
        self.csms.record.add(message)
        if message.kind == CALL and message.action and message.id is not None:
            task = asyncio.get_running_loop().create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _check_call(self, message: Message) -> None:
        wrong = message.violations
        if message.action:
            wrong += payload_violations(CALL, message.action, message.payload, self.version)
        if message.id is not None and not self.csms.claim_id(self.station, message):
            wrong.append(f"message id {message.id} was used before for a different message")
        if self._last_call is not None:
            self._last_call.followed = True
        self._last_call = message
        before = self._open_call
        if before is not None:
            waited = message.at - before.at
            if not self._withheld or waited < self.csms.message_timeout:
                wrong.append(
                    f"sent while the {before.action} {before.id} of {waited:.2f} s ago has no answer and no time-out"
                )
        self._open_call = message

    def _check_answer(self, message: Message) -> None:
        call = self.calls.get(message.id) if message.id is not None else None
        if call is None:
            if message.kind == CALLRESULT or message.id != "-1":
                message.violations.append(f"answers {message.id!r}, which the CSMS never sent on this connection")
            return
        if call.answer is not None:
            message.violations.append(f"second answer to {message.id}")
            return
        message.call, message.action, call.answer = call, call.action, message
        if message.kind == CALLRESULT and message.action:
            message.violations += payload_violations(CALLRESULT, message.action, message.payload, self.version)

    # Answering

    async def _answer(self, message: Message) -> None:
        if message.violations and self.csms.refuse_invalid:
            answer: Any = answers.CallError("FormatViolation", message.violations[0][:255])
        else:
            answer = await self._resolve(message, self.csms.answer_for(message))
        if answer is answers.NO_ANSWER:
            if self._open_call is message:
                self._withheld = True
            return
        if isinstance(answer, answers.Drop):
            return self.abort()
        if isinstance(answer, answers.Raw):
            text = answer.text.replace("{id}", message.id or "")
            reply = Message(
                "out", text, self.station, self.number, kind=CALLRESULT, id=message.id, action=message.action
            )
        elif isinstance(answer, answers.CallError):
            reply = self._error(message, answer)
        else:
            reply = self._result(message, answer)
        if self._open_call is message:
            self._open_call, self._withheld = None, False
        reply.call, message.answer = message, reply
        await self._send(reply)

    async def _resolve(self, message: Message, answer: Any) -> Any:
        """Runs delays and callables until the answer itself is left. One that fails becomes a CALLERROR and is recorded."""
        try:
            while True:
                if isinstance(answer, answers.After):
                    await asyncio.sleep(answer.seconds)
                    answer = answer.answer
                elif callable(answer):
                    answer = answer(message)
                elif inspect.isawaitable(answer):
                    answer = await answer
                else:
                    return answer
        except Exception as error:
            if not message.violations:
                details = {"action": message.action, "error": repr(error)}
                self.csms.record.add(Event("answerFailed", self.station, details))
            return answers.CallError("InternalError", repr(error)[:255])

    def _error(self, message: Message, error: answers.CallError) -> Message:
        text = json.dumps([CALLERROR, message.id, error.code, error.description, error.details])
        return Message(
            "out",
            text,
            self.station,
            self.number,
            kind=CALLERROR,
            id=message.id,
            action=message.action,
            error_code=error.code,
            error_description=error.description,
            error_details=error.details,
        )

    def _result(self, message: Message, payload: Any) -> Message:
        text = json.dumps([CALLRESULT, message.id, payload])
        reply = Message(
            "out",
            text,
            self.station,
            self.number,
            kind=CALLRESULT,
            id=message.id,
            action=message.action,
            payload=payload,
        )
        reply.violations += payload_violations(CALLRESULT, message.action or "", payload, self.version)
        return reply

    # Calling

    async def call(
        self, action: str, payload: dict, timeout: float, check: bool = True, id: str | None = None
    ) -> Message | None:
        """Sends a CALL and returns the answer, CALLRESULT or CALLERROR, or None after `timeout` seconds or when the link is gone."""
        if check:
            problems = list(payload_violations(CALL, action, payload, self.version))
            if problems:
                raise ValueError("the CSMS does not send what its own schema refuses: " + "; ".join(problems))
        async with self.calling:
            id = id or str(uuid.uuid4())
            text = json.dumps([CALL, id, action, payload])
            call = Message("out", text, self.station, self.number, kind=CALL, id=id, action=action, payload=payload)
            await self.send_call(call)
            return await self.answer_to(call, timeout)

    async def send_call(self, call: Message) -> None:
        if call.id is not None:
            self.calls[call.id] = call
        await self._send(call)

    async def answer_to(self, call: Message, timeout: float) -> Message | None:
        gone = self.socket.wait_closed
        done = asyncio.ensure_future(gone())
        done.add_done_callback(lambda _: self.csms.record.wake())
        try:
            found = await self.csms.record.wait(lambda: call.answer or (done.done() and "gone") or None, timeout)
        finally:
            done.cancel()
        return found if isinstance(found, Message) else None

    async def send_raw(self, raw: str | bytes) -> None:
        """Sends a WebSocket message as it is: text for str, binary for bytes."""
        await self._send(Message("out", raw, self.station, self.number))

    async def send_text_bytes(self, raw: bytes) -> None:
        """Sends bytes as a text message, whether or not they are UTF-8."""
        self.csms.record.add(Message("out", raw, self.station, self.number))
        await self.socket.send(raw, text=True)

    async def send_fragments(self, parts: list[str]) -> None:
        """Sends one text message in these fragments."""
        self.csms.record.add(Message("out", "".join(parts), self.station, self.number))
        await self.socket.send(iter(parts))

    async def _send(self, message: Message) -> None:
        self.csms.record.add(message)
        try:
            await self.socket.send(message.raw)
        except ConnectionClosed:
            self.csms.record.add(Event("lost", self.station, {"link": self.number, "id": message.id}))

    # Ending

    def abort(self) -> None:
        """Cuts the TCP connection without a close frame."""
        self.socket.transport.abort()

    def freeze(self) -> None:
        """Stops reading: pings and calls stay unanswered while the TCP connection stays up."""
        self.socket.transport.pause_reading()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.socket.close(code, reason)
