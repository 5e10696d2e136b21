"""Checks one frame against OCPP-J and against the schemas of the PyPI package `ocpp`.

The schemas decide about payloads; what they do not cover (frame shape, error codes, time stamps, message ids) is checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import ocpp
from jsonschema import Draft4Validator, FormatChecker
from ocpp.messages import get_validator

from .message import CALL, CALLERROR, CALLRESULT, Message

#: WebSocket subprotocol -> version name of the `ocpp` package.
VERSIONS = {"ocpp2.0.1": "2.0.1", "ocpp2.1": "2.1"}

#: Part 4, table of RPC error codes. The second spelling of the occurrence violation is the one some requirements of Part 2 use.
ERROR_CODES = frozenset(
    """FormatViolation GenericError InternalError MessageTypeNotSupported NotImplemented NotSupported
    OccurrenceConstraintViolation OccurenceConstraintViolation PropertyConstraintViolation ProtocolError
    RpcFrameworkError SecurityError TypeConstraintViolation""".split()
)

MAX_ID_LENGTH = 36
MAX_DESCRIPTION_LENGTH = 255

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_formats = FormatChecker(formats=())


@_formats.checks("date-time")
def _is_time(value: Any) -> bool:
    return not isinstance(value, str) or parse_time(value) is not None


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time stamp with zone and at most three decimals, else None."""
    match = _TIME.fullmatch(text)
    if not match or len(match[1] or "") > 4:
        return None
    try:
        return datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except ValueError:
        return None


@cache
def actions(version: str) -> frozenset[str]:
    """Names of all messages of a version, without `Request`."""
    folder = Path(ocpp.__file__).parent / ("v" + version.replace(".", "")) / "schemas"
    return frozenset(file.name.removesuffix("Request.json") for file in folder.glob("*Request.json"))


@cache
def _formats_of(kind: int, action: str, version: str) -> Draft4Validator:
    return Draft4Validator(get_validator(kind, action, version).schema, format_checker=_formats)


def payload_violations(kind: int, action: str, payload: Any, version: str) -> Iterator[str]:
    """Everything wrong with a request (CALL) or response (CALLRESULT) payload, one line each with its place."""
    if action not in actions(version):
        yield f"{action} is not an action of OCPP {version}"
        return
    for error in _formats_of(kind, action, version).iter_errors(payload):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        yield f"{action}{'Request' if kind == CALL else 'Response'}{place}: {error.message[:300]}"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice in one object")
    return members


def read(message: Message) -> None:
    """Fills kind, id, action and payload or error of `message` from its raw text and notes what is wrong with the frame's shape."""
    wrong = message.violations.append
    if not isinstance(message.raw, str):
        return wrong("binary WebSocket message; OCPP-J uses text")
    try:
        frame = json.loads(message.raw, parse_constant=_refuse_constant, object_pairs_hook=_unique_members)
    except (ValueError, RecursionError) as error:
        return wrong(f"not JSON: {error}")
    if not isinstance(frame, list) or not frame or not isinstance(frame[0], int) or isinstance(frame[0], bool):
        return wrong("not an array that starts with a message type")
    lengths = {CALL: 4, CALLRESULT: 3, CALLERROR: 5}
    message.kind = frame[0]
    if message.kind not in lengths:
        return wrong(f"message type {message.kind} does not exist in OCPP 2.0.1")
    if len(frame) > 1 and isinstance(frame[1], str):
        message.id = frame[1]
        if not 1 <= len(message.id) <= MAX_ID_LENGTH:
            wrong(f"message id has {len(message.id)} characters, 1 to {MAX_ID_LENGTH} are allowed")
    else:
        wrong("message id is not a string")
    if len(frame) != lengths[message.kind]:
        return wrong(f"message type {message.kind} has {lengths[message.kind]} elements, this has {len(frame)}")
    if message.kind == CALL:
        message.action, message.payload = frame[2], frame[3]
        if not isinstance(message.action, str):
            wrong("action is not a string")
            message.action = None
    elif message.kind == CALLRESULT:
        message.payload = frame[2]
    else:
        message.error_code, message.error_description, message.error_details = frame[2:]
        if message.error_code not in ERROR_CODES:
            wrong(f"error code {message.error_code!r} is not in the table of Part 4")
        if not isinstance(message.error_description, str):
            wrong("error description is not a string")
        elif len(message.error_description) > MAX_DESCRIPTION_LENGTH:
            wrong(
                f"error description has {len(message.error_description)} characters, {MAX_DESCRIPTION_LENGTH} are allowed"
            )
        if not isinstance(message.error_details, dict):
            wrong("error details are not an object")
