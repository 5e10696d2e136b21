"""The station as a process under the shim, and its control socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shim import ROOT

Event = dict[str, Any]

#: How many times as fast as real time the station's clock runs: a session of a minute is short, and the station's
#: shortest timeouts are still long for a busy machine.
TIME_SCALE = 100

#: Factory values of every session. Timers that are not part of it are long; 1 s is 10 ms of real time.
SETTINGS = {
    "SecurityCtrlr/BasicAuthPassword": "correct horse battery",
    "SecurityCtrlr/SecurityProfile": "1",
    "OCPPCommCtrlr/RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr/RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr/HeartbeatInterval": "86400",
    "OCPPCommCtrlr/OfflineThreshold": "600",
    "OCPPCommCtrlr/WebSocketPingInterval": "0",
    "OCPPCommCtrlr/MessageTimeout.Default": "600",
    "OCPPCommCtrlr/MessageAttemptInterval.TransactionEvent": "1",
    "AlignedDataCtrlr/Interval": "0",
    "AlignedDataCtrlr/TxEndedInterval": "0",
    "SampledDataCtrlr/TxStartedMeasurands": "Energy.Active.Import.Register",
    "SampledDataCtrlr/TxUpdatedMeasurands": "Energy.Active.Import.Register",
    "SampledDataCtrlr/TxEndedMeasurands": "Energy.Active.Import.Register",
    "SampledDataCtrlr/TxUpdatedInterval": "2",
    "SampledDataCtrlr/TxEndedInterval": "0",
    "TxCtrlr/TxStartPoint": "Authorized",
    "TxCtrlr/TxStopPoint": "EVConnected,Authorized",
    "TxCtrlr/EVConnectionTimeOut": "3000",
    "AuthCtrlr/OfflineTxForUnknownIdEnabled": "true",
}


class PowerCut(Exception):
    """The station was killed by the shim."""


class Crashed(Exception):
    """The station ended in another way."""


def _end(process: subprocess.Popen) -> asyncio.Future[int]:
    """The exit code, once there is one."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()
    descriptor = os.pidfd_open(process.pid)

    def gone() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        ended.set_result(process.wait())

    loop.add_reader(descriptor, gone)
    return ended


class Station:
    """One process at a time on one data directory."""

    def __init__(self, binary: Path, folder: Path, url: str, settings: dict[str, str]):
        self.folder = folder
        self.data = folder / "data"
        self.events: list[Event] = []
        self._binary = binary
        self._url = url
        self._settings = SETTINGS | settings
        self._socket = folder / "control"
        self._process: subprocess.Popen | None = None
        self._ended: asyncio.Future[int] | None = None
        self._reader: asyncio.Task | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._answers: asyncio.Queue[Event] = asyncio.Queue()
        self._changed = asyncio.Event()

    def command_line(self, *, keeps: bool, journal: str) -> list[str]:
        words = [str(self._binary), "run", "--config-dir", str(ROOT / "DeviceModel" / "ac-two-evse")]
        words += ["--data-dir", str(self.data), "--certs-dir", str(self.folder / "certs")]
        words += ["--control-socket", str(self._socket), "--csms-url", self._url, "--station-id", "cp001"]
        words += ["--time-scale", str(TIME_SCALE), "--simulation-state", "keep" if keeps else "fresh"]
        words += ["--journal", str(self.folder / journal)]
        for name, value in self._settings.items():
            words += ["--set", f"{name}={value}"]
        return words

    async def start(self, environment: dict[str, str], *, keeps: bool = False, journal: str = "journal") -> None:
        """Starts the process; returns when its control socket answers."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("STATION_", "POWERCUT_"))}
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self.command_line(keeps=keeps, journal=journal),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean | environment,
            )  # fmt: skip
        self._ended = _end(self._process)
        async with asyncio.timeout(10):
            while True:
                try:
                    reader, self._writer = await asyncio.open_unix_connection(str(self._socket), limit=1 << 22)
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    self._check_running()
                    await asyncio.wait({self._ended}, timeout=0.003)
        self._answers = asyncio.Queue()
        self._reader = asyncio.ensure_future(self._read(reader))
        await self.command("subscribe", events=["transaction", "connector"])

    def setting(self, name: str) -> str:
        return self._settings[name]

    def _check_running(self) -> None:
        if self._ended is None or not self._ended.done():
            return
        code = self._ended.result()
        if code == -signal.SIGKILL:
            raise PowerCut
        raise Crashed(f"the station ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Until the process is gone: answers and events."""
        try:
            while text := await reader.readline():
                try:
                    line = json.loads(text)
                except ValueError:
                    break  # cut in the middle of a line
                if "event" in line:
                    self.events.append(line)
                    self._changed.set()
                else:
                    self._answers.put_nowait(line)
        except OSError:
            pass

    async def first(self, awaitable: Any, seconds: float) -> Any:
        """The result, unless the process ends before."""
        task = asyncio.ensure_future(awaitable)
        assert self._ended is not None
        await asyncio.wait({task, self._ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            if isinstance(task.exception(), ConnectionError):
                # The other side of a process that is just ending.
                await asyncio.wait({self._ended}, timeout=1)
                self._check_running()
            return task.result()
        task.cancel()
        # What it ran into is of no interest any more.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._check_running()
        raise TimeoutError

    async def command(self, cmd: str, **fields: Any) -> Event:
        assert self._writer is not None
        self._check_running()
        try:
            self._writer.write(json.dumps({"id": 1, "cmd": cmd} | fields).encode() + b"\n")
            answer = await self.first(self._answers.get(), 10)
        except TimeoutError:
            raise TimeoutError(f"the station does not answer {cmd}") from None
        if not answer.get("ok"):
            raise Crashed(f"{cmd} {fields} was refused: {answer.get('error')}")
        return answer

    async def event(self, condition: Callable[[Event], bool], what: str, seconds: float = 10) -> Event:
        """The first event that matches, among those that have come and those to come."""
        seen = 0
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            for one in self.events[seen:]:
                if condition(one):
                    return one
            seen = len(self.events)
            self._changed.clear()
            try:
                await self.first(self._changed.wait(), deadline - loop.time())
            except TimeoutError:
                raise TimeoutError(f"no {what}") from None

    async def until(self, condition: Callable[[Event], bool], what: str, seconds: float = 10) -> Event:
        """The first answer to `state` that matches."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition(state := await self.command("state")):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"not {what}: {json.dumps(state)}")
            await asyncio.sleep(0.004)
        return state

    async def stop(self) -> None:
        """Orderly, as by its supervisor."""
        assert self._process is not None and self._ended is not None
        self._check_running()
        self._process.terminate()
        code = await asyncio.wait_for(asyncio.shield(self._ended), 10)
        if code != 0:
            self._check_running()
        await self._hang_up()

    async def kill(self) -> None:
        if self._process and self._ended and not self._ended.done():
            self._process.kill()
            await self._ended
        await self._hang_up()

    async def _hang_up(self) -> None:
        if self._reader:
            await asyncio.wait({self._reader}, timeout=1)
            self._reader.cancel()
            self._reader = None
        if self._writer:
            self._writer.close()
            self._writer = None

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""
