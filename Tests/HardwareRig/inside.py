"""The station inside the machine, as the conformance suite's adapter: its CSMS is on the host, its control socket in the guest.

Stimuli go through the control socket, so they need simulated hardware; on real drivers a test moves lines and slaves instead.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Conformance"))

from station_adapter import OurStation, StationFailed  # noqa: E402

from vm import Machine, RigError  # noqa: E402

#: The host's loopback, seen from inside.
HOST = "10.0.2.2"


class InsideStation(OurStation):
    READY_SECONDS = 60.0
    #: Set by the fixture: adapters are made by the suite.
    machine: Machine

    def __init__(self, launch):
        super().__init__(launch)
        self.home = f"/run/{launch.folder.name}"
        self._pid: int | None = None
        self._talk: int | None = None
        self._said = 0

    async def _do(self, what, *arguments, **fields) -> Any:
        return await asyncio.to_thread(what, *arguments, **fields)

    def command_line(self) -> list[str]:
        """As on the host, but the files are in the guest's memory (SQLite's log needs a real file system there)."""
        url = urlsplit(self.launch.csms_url)
        places = {str(self.launch.folder / name): f"{self.home}/{name}" for name in ("data", "certs", "messages.jsonl")}
        places |= {str(self.control_socket): f"{self.home}/control", self.launch.csms_url: f"ws://{HOST}:{url.port}{url.path}"}
        return [places.get(word, word) for word in super().command_line()]

    async def _spawn(self) -> None:
        await self._do(self.machine.run, "mkdir", "-p", f"{self.home}/data", f"{self.home}/certs")
        self._pid = await self._do(self.machine.spawn, *self.command_line(), log=str(self._log))

    async def _command(self, cmd: str, **fields: Any) -> dict:
        line = {"id": 1, "cmd": cmd} | {key: value for key, value in fields.items() if value is not None}
        async with self._commanding:
            try:
                if self._talk is None:
                    self._talk = await self._do(self.machine.spawn, "socat", "STDIO", f"UNIX-CONNECT:{self.home}/control")
                    self._said = 0
                await self._do(self.machine.write, self._talk, json.dumps(line) + "\n")
                answer = await self._do(self.machine.wait_output, self._talk, '"ok"', within=10, since=self._said)
            except RigError as error:
                self._talk = None
                raise OSError(str(error)) from None
            self._said = answer["number"] + 1
            return json.loads(answer["text"])

    async def _end(self, number: int, expected: int) -> None:
        if self._pid is None:
            return
        pid, self._pid, self._talk = self._pid, None, None
        await self._do(self.machine.signal, pid, number)
        code = await self._do(self.machine.ended, pid)
        if code != expected:
            self._problems.append(f"the station ended with {code} after signal {number}, expected {expected}")

    async def stop(self) -> None:
        await self._end(signal.SIGTERM, 0)

    async def kill(self) -> None:
        await self._end(signal.SIGKILL, -signal.SIGKILL)

    @property
    def process_id(self) -> int:
        if self._pid is None:
            raise StationFailed("not started")
        return self._pid

    async def close(self) -> list[str]:
        await self.stop()
        return self._problems
