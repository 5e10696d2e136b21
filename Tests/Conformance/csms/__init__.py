"""A scriptable CSMS for tests and demonstrations, on the PyPI packages `websockets` and `ocpp`. See server.Csms."""

from .answers import NO_ANSWER, After, CallError, Drop, Raw, Tokens
from .message import ABSENT, Message, get, present
from .record import Event, as_json
from .server import ACCEPT, NO_SUBPROTOCOL, RESET, CallFailed, Csms, ExpectationFailed, Front

__all__ = [
    "ABSENT",
    "ACCEPT",
    "After",
    "CallError",
    "CallFailed",
    "Csms",
    "Drop",
    "Event",
    "ExpectationFailed",
    "Front",
    "Message",
    "NO_ANSWER",
    "NO_SUBPROTOCOL",
    "RESET",
    "Raw",
    "Tokens",
    "as_json",
    "get",
    "present",
]
