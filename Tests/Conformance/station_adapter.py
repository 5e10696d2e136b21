"""What the suite needs of a charging station, and how ours gives it.

Another station is plugged in by CONFORMANCE_ADAPTER=module:Class, a subclass of StationAdapter.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Launch:
    """How a station is started for one test."""

    #: Endpoint of the CSMS without the station id, `ws://...`.
    csms_url: str
    station_id: str
    #: Folder of this test: data, certificates and logs of the station go there.
    folder: Path
    #: Factory values, `"TxCtrlr/TxStartPoint": "Authorized"`; see `parse_setting` for instances and EVSEs.
    settings: dict[str, str] = field(default_factory=dict)
    #: Name of the device model below DeviceModel/, or a path.
    configuration: str = "ac-two-evse"
    #: Further command line arguments, for adapters that have a command line.
    arguments: list[str] = field(default_factory=list)
    #: A command that executes the station's command line, which follows it; for adapters that have one.
    wrapper: list[str] = field(default_factory=list)
    #: Security profile of the network connection profile (slot 1) that holds the URL; None: the URL decides.
    security_profile: int | None = None
    #: What the installer has put into the certificate folder: path, as in `ca/csms/CSMS_ROOT_CA.pem` -> PEM.
    certificates: dict[str, str] = field(default_factory=dict)


class StationFailed(Exception):
    """The station did not start, crashed or refused a stimulus."""


class StationAdapter(ABC):
    """Starts one station and acts as its surroundings: driver, EV, installer, power supply."""

    def __init__(self, launch: Launch):
        self.launch = launch
        #: When the power was cut, by the monotonic clock.
        self.power_cuts: list[float] = []

    # What this station can do. A test that needs what is missing is not applicable.

    #: A driver can start locally with a token (RFID or alike).
    local_start_possible = True
    #: The connector stays locked until somebody is authorized, so that no EV can be plugged in before.
    locked_before_authorization = False

    #: There is a parking-bay sensor that `park` can trigger.
    @property
    def has_parking_bay_sensor(self) -> bool:
        return False

    # Life

    @abstractmethod
    async def start(self) -> None:
        """Starts the station; returns when it takes stimuli, whether or not it has reached the CSMS."""

    @abstractmethod
    async def stop(self) -> None:
        """Orderly end, as by the installer's switch."""

    @abstractmethod
    async def kill(self) -> None:
        """Power loss."""

    async def restart(self, orderly: bool = True) -> None:
        await (self.stop() if orderly else self.kill())
        await self.start()

    @abstractmethod
    async def close(self) -> list[str]:
        """End of the test: everything this adapter started is ended. Returns what went wrong, such as a crash."""

    # Surroundings

    @abstractmethod
    async def topology(self) -> dict[int, list[int]]:
        """EVSE id -> connector ids."""

    @abstractmethod
    async def plug_in(self, evse: int, connector: int = 1, **ev: Any) -> None: ...

    @abstractmethod
    async def plug_out(self, evse: int, connector: int = 1) -> None: ...

    @abstractmethod
    async def swipe(self, token: str, type: str = "ISO14443", evse: int | None = None) -> None:
        """Presents a token; with `evse` at the reader of that EVSE."""

    @abstractmethod
    async def ev(self, evse: int, state: str, soc: float | None = None) -> None:
        """The EV demands energy (`charging`), pauses (`suspended`) or has finished (`stopped`)."""

    @abstractmethod
    async def fault(
        self, action: str, fault: str, evse: int = 0, connector: int | None = None, severity: str = "high"
    ) -> None:
        """`raise` or `clear` a hardware fault."""

    @abstractmethod
    async def network(self, online: bool) -> None:
        """Cuts or restores the uplink."""

    @abstractmethod
    async def meter(self, evse: int, **readings: Any) -> None: ...

    async def park(self, evse: int, occupied: bool) -> None:
        """A vehicle drives into the parking bay, or out of it; only with `has_parking_bay_sensor`."""
        raise NotImplementedError

    async def select(self, evses: list[int] | None = None) -> None:
        """Somebody with a master pass selects at the UI what it stops: these EVSEs, or all."""
        raise NotImplementedError

    @abstractmethod
    async def lock(self, evse: int, connector: int = 1, *, stuck: bool) -> None:
        """Whether the connector lock refuses to open."""

    async def state(self) -> dict:
        """A snapshot in the adapter's own words, for reports only; verdicts are made on the wire."""
        return {}

    def log(self) -> str:
        """What the station printed, for reports."""
        return ""


_SETTING = re.compile(r"([^\[\]@/]+)(?:\[([^\]]*)\])?(?:@(\d+)(?:\.(\d+))?)?/([^\[\]@/]+)(?:\[([^\]]*)\])?")


def parse_setting(name: str) -> dict[str, Any]:
    """`Component[instance]@evse.connector/Variable[instance]`, the parts in brackets and after @ optional."""
    match = _SETTING.fullmatch(name)
    if not match:
        raise ValueError(f"{name!r} is not Component/Variable")
    keys = ("component", "instance", "evse", "connector", "variable", "variableInstance")
    found = {key: value for key, value in zip(keys, match.groups()) if value is not None}
    return {key: int(value) if key in ("evse", "connector") else value for key, value in found.items()}


def connection_data(url: str, security_profile: int, message_timeout: int = 30) -> dict[str, Any]:
    """connectionData of a network connection profile."""
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": message_timeout,
        "securityProfile": security_profile,
        "ocppInterface": "Wired0",
    }


def station_binary() -> Path:
    """STATION_BIN, else the newer one of the debug and release builds."""
    if path := os.environ.get("STATION_BIN"):
        return Path(path)
    built = [ROOT / ".build" / kind / "station" for kind in ("debug", "release")]
    built = sorted((one for one in built if one.exists()), key=lambda one: one.stat().st_mtime)
    if not built:
        raise StationFailed("no station binary: run `swift build` or set STATION_BIN")
    return built[-1]


class OurStation(StationAdapter):
    """`station run` with directories and a control socket of its own. A station that exits with 0 unasked has reset itself
    and is started again, as its supervisor would."""

    READY_SECONDS = 20.0

    def __init__(self, launch: Launch):
        super().__init__(launch)
        # Paths of unix sockets are short (108 bytes); the folder of the test may not be.
        self._sockets = Path(tempfile.mkdtemp(prefix="station-"))
        self.control_socket = self._sockets / "control"
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task | None = None
        self._control: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._commanding = asyncio.Lock()
        self._wanted = False
        self._provisioned = False
        self._problems: list[str] = []
        self._log = launch.folder / "station.log"

    @property
    def _model(self) -> Path:
        model = Path(self.launch.configuration)
        return model if model.is_absolute() else ROOT / "DeviceModel" / model

    @property
    def has_parking_bay_sensor(self) -> bool:
        return any(self._model.glob("*/BayOccupancySensor*.json"))

    @property
    def locked_before_authorization(self) -> bool:
        return any(self._model.glob("*/ConnectorProtectionRelease*.json"))

    # Life

    def command_line(self) -> list[str]:
        launch, folder, model = self.launch, self.launch.folder, self._model
        settings, address = launch.settings, ["--csms-url", launch.csms_url]
        if launch.security_profile is not None:
            data = connection_data(launch.csms_url, launch.security_profile)
            profiles = json.dumps([{"configurationSlot": 1, "connectionData": data}])
            settings = {"InternalCtrlr/NetworkConnectionProfiles": profiles} | settings
            address = []
        overrides = folder / "overrides.json"
        overrides.write_text(json.dumps([parse_setting(name) | {"value": value} for name, value in settings.items()]))
        return [
            *launch.wrapper,
            str(station_binary()),
            "run",
            "--config-dir",
            str(model),
            "--data-dir",
            str(folder / "data"),
            "--certs-dir",
            str(folder / "certs"),
            "--control-socket",
            str(self.control_socket),
            *address,
            "--station-id",
            launch.station_id,
            "--overrides",
            str(overrides),
            "--log-level",
            "debug",
            "--message-log",
            str(folder / "messages.jsonl"),
            *launch.arguments,
        ]

    async def start(self) -> None:
        for name in ("data", "certs"):
            (self.launch.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._provisioned:
            self._provision()
        await self._spawn()
        await self._until_ready()

    def _provision(self) -> None:
        """Once: what the station does with its certificates later is its own."""
        self._provisioned = True
        for name, text in self.launch.certificates.items():
            file = self.certificates / name
            for folder in reversed(file.parents):
                folder.mkdir(mode=0o700, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(text)

    @property
    def certificates(self) -> Path:
        return self.launch.folder / "certs"

    async def _spawn(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("STATION_")}
        with open(self._log, "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command_line(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        self._wanted = True
        self._supervisor = asyncio.get_running_loop().create_task(self._supervise(self._process))

    async def _supervise(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        await self._hang_up()
        if not self._wanted:
            return
        if code == 0:
            await self._spawn()
        else:
            self._problems.append(
                f"the station ended with {'signal ' + str(-code) if code < 0 else 'exit code ' + str(code)}"
            )

    async def _until_ready(self) -> None:
        deadline = asyncio.get_running_loop().time() + self.READY_SECONDS
        while True:
            try:
                await self._command("state")
                return
            except (OSError, EOFError):
                pass
            if self._problems:
                raise StationFailed(f"{self._problems[-1]} at start:\n{self.log()[-2000:]}")
            if asyncio.get_running_loop().time() > deadline:
                raise StationFailed(f"control socket not ready after {self.READY_SECONDS:g} s")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        if process := self._leave():
            process.terminate()
            try:
                code = await asyncio.wait_for(process.wait(), 6)
            except TimeoutError:
                self._problems.append("the station did not end within 5 s of SIGTERM")
                process.kill()
                code = await process.wait()
            else:
                if code != 0:
                    self._problems.append(f"the station ended with {code} after SIGTERM")
        await self._hang_up()

    async def kill(self) -> None:
        if process := self._leave():
            self.power_cuts.append(time.monotonic())
            process.kill()
            await process.wait()
        await self._hang_up()

    @property
    def process_id(self) -> int:
        assert self._process, "not started"
        return self._process.pid

    def _leave(self) -> asyncio.subprocess.Process | None:
        """The running process, from now on allowed to end."""
        self._wanted = False
        return self._process if self._process and self._process.returncode is None else None

    async def close(self) -> list[str]:
        await self.kill()
        if self._supervisor:
            await self._supervisor
        shutil.rmtree(self._sockets, ignore_errors=True)
        return self._problems

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    # Control socket

    async def command(self, cmd: str, **fields: Any) -> dict:
        """One command of the control socket; a station that is just restarting is waited for."""
        for _ in range(200):
            try:
                answer = await self._command(cmd, **fields)
                break
            except (OSError, EOFError):
                if self._problems:
                    raise StationFailed(self._problems[-1]) from None
                await asyncio.sleep(0.02)
        else:
            raise StationFailed("control socket gone")
        if not answer.get("ok"):
            raise StationFailed(f"{cmd} {fields}: {answer.get('error')}")
        return answer

    async def _command(self, cmd: str, **fields: Any) -> dict:
        async with self._commanding:
            if self._control is None:
                self._control = await asyncio.open_unix_connection(str(self.control_socket), limit=2**22)
            reader, writer = self._control
            try:
                line = {"id": 1, "cmd": cmd} | {key: value for key, value in fields.items() if value is not None}
                writer.write(json.dumps(line).encode() + b"\n")
                await writer.drain()
                text = await reader.readline()
            except OSError:
                self._control = None
                raise
            if not text:
                self._control = None
                raise EOFError
            return json.loads(text)

    async def _hang_up(self) -> None:
        if self._control:
            self._control[1].close()
            self._control = None

    async def state(self) -> dict:
        return await self.command("state")

    async def topology(self) -> dict[int, list[int]]:
        state = await self.state()
        return {evse["id"]: [one["id"] for one in evse["connectors"]] for evse in state["evses"]}

    async def plug_in(self, evse: int, connector: int = 1, **ev: Any) -> None:
        await self.command("plugIn", evse=evse, connector=connector, ev={"chargeDelayMs": 20} | ev)

    async def plug_out(self, evse: int, connector: int = 1) -> None:
        await self.command("plugOut", evse=evse, connector=connector)

    async def swipe(self, token: str, type: str = "ISO14443", evse: int | None = None) -> None:
        await self.command("swipe", idToken=token, type=type, evses=[evse] if evse else None)

    async def ev(self, evse: int, state: str, soc: float | None = None) -> None:
        await self.command("ev", evse=evse, state=state, soc=soc)

    async def fault(
        self, action: str, fault: str, evse: int = 0, connector: int | None = None, severity: str = "high"
    ) -> None:
        await self.command("fault", action=action, fault=fault, evse=evse, connector=connector, severity=severity)

    async def network(self, online: bool) -> None:
        await self.command("network", online=online)

    async def park(self, evse: int, occupied: bool) -> None:
        await self.command("park", evse=evse, occupied=occupied)

    async def select(self, evses: list[int] | None = None) -> None:
        await self.command("select", evses=evses)

    async def meter(self, evse: int, **readings: Any) -> None:
        await self.command("meter", evse=evse, **readings)

    async def lock(self, evse: int, connector: int = 1, *, stuck: bool) -> None:
        await self.command("lock", evse=evse, connector=connector, stuck=stuck)
