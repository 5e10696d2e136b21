"""What a CSMS answers by default, and the kinds of answer a test can put in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .message import Message

#: The answer is withheld: the station runs into its message timeout.
NO_ANSWER = type("NoAnswer", (), {"__repr__": lambda self: "no answer"})()


@dataclass
class CallError:
    """Answers with a CALLERROR."""

    code: str
    description: str = ""
    details: dict = field(default_factory=dict)


@dataclass
class Raw:
    """Answers with this text, `{id}` replaced by the message id; nothing is checked."""

    text: str


@dataclass
class After:
    """Answers `seconds` later; meanwhile the CSMS goes on reading."""

    seconds: float
    answer: Any


@dataclass
class Drop:
    """Cuts the connection in place of an answer."""


def now() -> str:
    wall = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall)) + f".{int(wall * 1000) % 1000:03}Z"


def boot_response(status: str, interval: int) -> Callable[[Message], dict[str, Any]]:
    """To BootNotification."""
    return lambda _: {"currentTime": now(), "interval": interval, "status": status}


class Tokens:
    """The CSMS' knowledge of idTokens: idToken -> IdTokenInfo. With `accept_all`, an unknown token is Accepted."""

    def __init__(self, infos: dict[str, dict] | None = None, accept_all: bool = True):
        self.infos = dict(infos or {})
        self.accept_all = accept_all

    def set(self, token: str, status: str = "Accepted", **info: Any) -> None:
        self.infos[token] = {"status": status, **info}

    def info(self, token: dict) -> dict:
        # Compared without regard to case, as identifierString asks.
        for known, info in self.infos.items():
            if known.lower() == token["idToken"].lower():
                return info
        return {"status": "Accepted" if self.accept_all or token["type"] == "NoAuthorization" else "Unknown"}


def defaults(tokens: Tokens, interval: Callable[[], int]) -> dict[str, Callable[[Message], dict]]:
    """Action -> response of a CSMS that welcomes the station and stores what it sends."""

    def boot(_: Message) -> dict:
        return {"currentTime": now(), "interval": interval(), "status": "Accepted"}

    def transaction(message: Message) -> dict:
        token = message.payload.get("idToken")
        return {"idTokenInfo": tokens.info(token)} if token else {}

    def empty(_: Message) -> dict:
        return {}

    silent = """ClearedChargingLimit FirmwareStatusNotification LogStatusNotification MeterValues NotifyChargingLimit
        NotifyCustomerInformation NotifyDisplayMessages NotifyEvent NotifyMonitoringReport NotifyReport
        PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate SecurityEventNotification
        StatusNotification"""
    return {
        "BootNotification": boot,
        "Heartbeat": lambda _: {"currentTime": now()},
        "Authorize": lambda message: {"idTokenInfo": tokens.info(message.payload["idToken"])},
        "TransactionEvent": transaction,
        "DataTransfer": lambda _: {"status": "UnknownVendorId"},
        "NotifyEVChargingNeeds": lambda _: {"status": "Accepted"},
        "NotifyEVChargingSchedule": lambda _: {"status": "Accepted"},
        "SignCertificate": lambda _: {"status": "Accepted"},
        "GetCertificateStatus": lambda _: {"status": "Failed"},
        "Get15118EVCertificate": lambda _: {"status": "Failed", "exiResponse": ""},
        **{action: empty for action in silent.split()},
    }
