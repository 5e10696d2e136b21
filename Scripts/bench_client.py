"""A charging station that does no more than answer GetVariables and GetBaseReport, on the PyPI package `ocpp`: what
`Scripts/bench` compares the station with.

  python bench_client.py URL INVENTORY ITEMS

INVENTORY is a JSON list of ReportDataType, what a station has reported; a report has ITEMS of it in each message.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, UTC
from pathlib import Path

import websockets
from ocpp.routing import after, on
from ocpp.v201 import ChargePoint, call, call_result


def key(component: dict, variable: dict) -> tuple:
    """What a variable is found by; names do not regard case."""
    evse = component.get("evse") or {}
    names = (component["name"], component.get("instance"), variable["name"], variable.get("instance"))
    return *(name and name.lower() for name in names), evse.get("id"), evse.get("connector_id", evse.get("connectorId"))


class Station(ChargePoint):
    def __init__(self, connection: websockets.ClientConnection, inventory: list[dict], items: int):
        super().__init__("bench", connection)
        self.inventory, self.items = inventory, items
        self.values = {key(one["component"], one["variable"]): one["variableAttribute"][0].get("value", "") for one in inventory}

    @on("GetVariables")
    async def get_variables(self, get_variable_data: list[dict], **_: object) -> call_result.GetVariables:
        results = []
        for one in get_variable_data:
            component, variable = one["component"], one["variable"]
            value = self.values.get(key(component, variable))
            result = {"component": component, "variable": variable, "attribute_status": "UnknownVariable"}
            if value is not None:
                result |= {"attribute_status": "Accepted", "attribute_type": "Actual", "attribute_value": value}
            results.append(result)
        return call_result.GetVariables(get_variable_result=results)

    @on("GetBaseReport")
    async def get_base_report(self, **_: object) -> call_result.GetBaseReport:
        return call_result.GetBaseReport(status="Accepted")

    @after("GetBaseReport")
    async def report(self, request_id: int, **_: object) -> None:
        now = datetime.now(UTC).isoformat()
        for number, start in enumerate(range(0, len(self.inventory), self.items)):
            data = self.inventory[start : start + self.items]
            more = start + self.items < len(self.inventory)
            await self.call(call.NotifyReport(request_id=request_id, generated_at=now, seq_no=number, report_data=data, tbc=more))


async def main(url: str, inventory: str, items: str) -> None:
    async with websockets.connect(url, subprotocols=["ocpp2.0.1"], compression=None) as connection:
        station = Station(connection, json.loads(Path(inventory).read_text()), int(items))
        running = asyncio.create_task(station.start())
        await station.call(call.BootNotification({"vendor_name": "Bench", "model": "Bench"}, reason="PowerUp"))
        await running


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (websockets.ConnectionClosed, KeyboardInterrupt):
        pass
