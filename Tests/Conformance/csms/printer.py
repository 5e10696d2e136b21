"""The record as text for people: one line for each message."""

from __future__ import annotations

import time
from typing import Any

from .message import CALL, CALLERROR, CALLRESULT, Message
from .record import Entry


def line(entry: Entry) -> str:
    """One line: time, station, direction, message in short, violations."""
    clock = time.strftime("%H:%M:%S", time.localtime(entry.wall)) + f".{int(entry.wall * 1000) % 1000:03}"
    head = f"{clock}  {entry.station or '-'}"
    if not isinstance(entry, Message):
        details = "  ".join(f"{key}={value}" for key, value in entry.details.items() if key != "authorization")
        return f"{head}  --  {entry.what}  {details}".rstrip()
    arrow = "->" if entry.direction == "in" else "<-"
    text = f"{head}  {arrow}  {summary(entry)}"
    return text + "".join(f"\n{' ' * 14}!! {violation}" for violation in entry.violations)


def summary(message: Message) -> str:
    name = message.action or "?"
    if message.kind == CALL and message.action:
        return f"{name}  {brief(name, message.payload)}".rstrip()
    if message.kind == CALLRESULT:
        return f"{name} answered  {brief(name, message.payload)}".rstrip()
    if message.kind == CALLERROR:
        return f"{name} refused  {message.error_code} {message.error_description or ''}".rstrip()
    raw = message.raw if isinstance(message.raw, str) else f"{len(message.raw)} bytes"
    return raw if len(raw) <= 200 else f"{raw[:200]}... ({len(raw)} characters)"


def brief(action: str, payload: Any) -> str:
    """What a person wants to know of a payload."""
    if not isinstance(payload, dict):
        return repr(payload)
    if action == "TransactionEvent" and "eventType" in payload:
        return _transaction_event(payload)
    if action == "StatusNotification" and "connectorStatus" in payload:
        return f"EVSE {payload.get('evseId')} connector {payload.get('connectorId')} {payload['connectorStatus']}"
    if action in ("NotifyReport", "NotifyMonitoringReport"):
        count = len(payload.get("reportData", payload.get("monitor", [])))
        return f"request {payload.get('requestId')} seqNo {payload.get('seqNo')}: {count} items" + (
            ", more to come" if payload.get("tbc") else ""
        )
    return _flat(payload)


def _transaction_event(event: dict) -> str:
    info = event.get("transactionInfo", {})
    evse = event.get("evse")
    parts = [
        f"{info.get('transactionId', '?')[:8]}#{event.get('seqNo')}",
        event["eventType"],
        event.get("triggerReason", ""),
        info.get("chargingState", ""),
        f"EVSE {evse.get('id')}" if evse else "",
        f"token {event['idToken'].get('idToken')}" if "idToken" in event else "",
        f"stopped by {info['stoppedReason']}" if "stoppedReason" in info else "",
        _energy(event),
        "offline" if event.get("offline") else "",
    ]
    return "  ".join(part for part in parts if part)


def _energy(event: dict) -> str:
    for meter_value in reversed(event.get("meterValue", [])):
        for sample in meter_value.get("sampledValue", []):
            if (
                sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register"
                and "phase" not in sample
            ):
                unit = sample.get("unitOfMeasure", {})
                value = sample.get("value", 0) * 10 ** unit.get("multiplier", 0)
                return f"{value:.10g} {unit.get('unit', 'Wh')}"
    return ""


def _flat(value: Any, depth: int = 0) -> str:
    if isinstance(value, dict):
        text = " ".join(f"{key}={_flat(item, depth + 1)}" for key, item in value.items())
        return f"{{{text}}}" if depth else text
    if isinstance(value, list):
        shown = ", ".join(_flat(item, depth + 1) for item in value[:4])
        return f"[{shown}{f', ... {len(value)} in all' if len(value) > 4 else ''}]"
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
