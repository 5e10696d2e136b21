"""The command socket of the CSMS program: a unix socket, one JSON object per line each way.

-> {"action": "RequestStartTransaction", "payload": {...}, "station": "cp001"}     station may be left out
<- {"ok": true, "result": {...}}   or   {"ok": false, "error": "NotImplemented", "description": "..."}
-> {"wait": "TransactionEvent", "where": {"eventType": "Ended"}, "timeout": 60}
<- {"ok": true, "payload": {...}}                                                   the first such call since the CSMS runs
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from .message import CALLRESULT
from .server import Csms


async def serve_commands(csms: Csms, path: str) -> asyncio.AbstractServer:
    """Listens at `path`; a socket left there by a process that is gone is replaced."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while text := await reader.readline():
                writer.write(json.dumps(await execute(csms, text)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    if os.path.exists(path):
        os.unlink(path)
    server = await asyncio.start_unix_server(client, path, limit=2**20)
    os.chmod(path, 0o600)
    return server


async def execute(csms: Csms, text: bytes) -> dict[str, Any]:
    try:
        command = json.loads(text)
        timeout = float(command.get("timeout", 30))
        if "wait" in command:
            return await _wait(csms, command["wait"], command.get("where"), timeout)
        action, payload = command["action"], command.get("payload", {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return {"ok": False, "error": "BadCommand", "description": str(error)}
    links = csms.links
    link = links.get(command["station"]) if "station" in command else next(iter(links.values()), None)
    if link is None:
        return {
            "ok": False,
            "error": "NotConnected",
            "description": f"connected stations: {', '.join(links) or 'none'}",
        }
    try:
        answer = await link.call(action, payload, timeout)
    except ValueError as error:
        return {"ok": False, "error": "BadPayload", "description": str(error)}
    if answer is None:
        return {"ok": False, "error": "NoAnswer", "description": f"no answer to {action} within {timeout:g} s"}
    if answer.kind == CALLRESULT:
        return {"ok": True, "result": answer.payload}
    return {"ok": False, "error": answer.error_code, "description": answer.error_description}


async def _wait(csms: Csms, action: str, where: dict | None, timeout: float) -> dict[str, Any]:
    def look() -> Any:
        found = (one for one in csms.record.messages("in") if one.action == action and one.payload is not None)
        return next((one for one in found if one.call is None and one.matches(where)), None)

    message = await csms.record.wait(look, timeout)
    if message is None:
        return {"ok": False, "error": "Timeout", "description": f"no such {action} within {timeout:g} s"}
    return {"ok": True, "payload": message.payload}
