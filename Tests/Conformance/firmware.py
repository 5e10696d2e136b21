"""Firmware updates: a machine with two slots, images, their signatures, and what the CSMS hears."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import io
import itertools
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from csms import Message
from csms.pki import Authority, Identity
from rig import Rig
from states import all_connectors, connector_statuses

INSTALLER = Path(__file__).parents[2] / "Packaging/firmware/station-install-slots"
OLD = "1.0.0"
NEW = "2.0.0"

_request_ids = itertools.count(100)


class Machine:
    """What station-install-slots works on: the old version runs, and a manufacturer that signs new ones."""

    def __init__(self, folder: Path, key: str = "ec") -> None:
        self.folder = folder
        (folder / "slots/A").mkdir(parents=True)
        (folder / "slots/A/version").write_text(OLD + "\n")
        (folder / "good").write_text("A\n")
        (folder / "running").symlink_to("slots/A")
        self.root = Authority("Manufacturer Root")
        self.signer = self.root.issue("Firmware Signing", kind=key, restricted=False)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """The installer waits meanwhile: somebody else has its lock."""
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @property
    def running(self) -> str:
        return (self.folder / "running/version").read_text().strip()

    def boots(self) -> None:
        """What the machine does before it starts the station."""
        environment = os.environ | {"STATION_INSTALLER_DIR": str(self.folder)}
        subprocess.run([INSTALLER, "boot"], env=environment, check=True)

    @property
    def good(self) -> str:
        slot = (self.folder / "good").read_text().strip()
        return (self.folder / "slots" / slot / "version").read_text().strip()


def image(version: str = NEW, size: int = 300_000) -> bytes:
    """A tar archive with the version, and noise that nothing can compress."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (("version", (version + "\n").encode()), ("data", os.urandom(size))):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def signature(content: bytes, signer: Identity) -> str:
    """RSA-PSS or ECDSA, both over SHA-256."""
    if isinstance(signer.key, ec.EllipticCurvePrivateKey):
        made = signer.key.sign(content, ec.ECDSA(hashes.SHA256()))
    else:
        made = signer.key.sign(content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return base64.b64encode(made).decode()


def moment(seconds: float = -7200) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")


def request(url: str, content: bytes | None, signer: Identity | None, **more: Any) -> dict[str, Any]:
    """An UpdateFirmwareRequest; `retrieve` and `install` in seconds from now, `retries`, `retryInterval`."""
    firmware = {"location": url, "retrieveDateTime": moment(more.pop("retrieve", -7200))}
    if (install := more.pop("install", -7200)) is not None:
        firmware["installDateTime"] = moment(install)
    if signer:
        firmware["signingCertificate"] = signer.chain
    if signer and content is not None:
        firmware["signature"] = signature(content, signer)
    return {"requestId": next(_request_ids), "firmware": firmware} | more


async def start(
    rig: Rig, settings: Mapping[str, str] | None = None, *, key: str = "ec", roots: str = "", **more: Any
) -> Machine:
    """A station on a machine that runs version 1.0.0. `roots`: further CSMS roots (PEM), for the TLS of file servers."""
    machine = Machine(rig.folder / "machine", key)
    environment = [f"STATION_INSTALLER_DIR={machine.folder}", "STATION_INSTALLER_BOOTS=activate"]
    certificates = {"ca/mf/MF_ROOT_CA.pem": machine.root.pem}
    if roots:
        certificates["ca/csms/CSMS_ROOT_CA.pem"] = roots
    arguments = ["--installer", str(INSTALLER)] + more.pop("arguments", [])
    await rig.start(settings, arguments=arguments, wrapper=["env", *environment], certificates=certificates, **more)
    return machine


async def ask(rig: Rig, payload: dict[str, Any], status: str | tuple[str, ...] = "Accepted") -> int:
    """Sends UpdateFirmware; returns its request id."""
    answer = await rig.csms.call("UpdateFirmware", payload)
    answer.check({"status": status}, "UpdateFirmwareResponse")
    return payload["requestId"]


async def told(rig: Rig, request_id: int, *statuses: str, timeout: float | None = None) -> Message:
    """The next states of the update are these, in this order and no other between them."""
    message = None
    for status in statuses:
        message = await rig.csms.expect("FirmwareStatusNotification", timeout=timeout)
        message.check({"status": status, "requestId": request_id}, f"FirmwareStatusNotification {status}")
    assert message
    return message


async def installed(rig: Rig, machine: Machine, request_id: int, version: str = NEW) -> None:
    """From InstallRebooting on."""
    await told(rig, request_id, "InstallRebooting")
    await restarted(rig, machine, request_id, version)


async def restarted(rig: Rig, machine: Machine, request_id: int, version: str = NEW) -> None:
    """The station restarts, tells its new version, and that it is installed."""
    boot = await rig.csms.expect("BootNotification", timeout=2 * rig.csms.patience)
    boot.check({"reason": "FirmwareUpdate", "chargingStation.firmwareVersion": version})
    withdrawn_before(rig, boot)
    await all_connectors(rig)
    await told(rig, request_id, "Installed")
    event = await rig.csms.expect("SecurityEventNotification", {"type": "FirmwareUpdated"})
    event.check({"techInfo": version})
    assert machine.running == machine.good == version


def withdrawn_before(rig: Rig, boot: Message) -> None:
    """What connectors told before the restart: that they were withdrawn (L01.FR.07)."""
    for message in rig.csms.untaken():
        statuses = connector_statuses(message)
        if statuses and message.number < boot.number:
            message.taken = True
            assert {found[2] for found in statuses} == {"Unavailable"}, message.raw
    rig.reported.clear()


def kill_children(rig: Rig) -> None:
    """Everything that the station has started ends with it, as in a power cut; the station stands still until it is killed."""
    process = rig.station.process_id
    os.kill(process, signal.SIGSTOP)
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(child), signal.SIGKILL)


async def power_cut(rig: Rig) -> None:
    kill_children(rig)
    await rig.station.kill()
    await rig.station.start()
    (await rig.csms.expect("BootNotification", timeout=2 * rig.csms.patience)).check({"reason": "PowerUp"})
    await all_connectors(rig)


async def until_downloaded(rig: Rig, size: int) -> None:
    """So many bytes are in the data directory."""
    async with asyncio.timeout(30):
        while sum(one.stat().st_size for one in transferred(rig)) < size:
            await asyncio.sleep(0.02)


def transferred(rig: Rig) -> list[Path]:
    """Files of firmware that the station has."""
    return sorted((rig.folder / "data/transfers").glob("firmware-*"))


def only_old(message: Message) -> dict[str, Any]:
    """A CSMS that does not want the new firmware: an answer to BootNotification."""
    version = (message.payload or {})["chargingStation"].get("firmwareVersion")
    return {"currentTime": moment(0), "interval": 3600, "status": "Accepted" if version == OLD else "Rejected"}


async def security_event(rig: Rig, type: str) -> None:
    await rig.csms.expect("SecurityEventNotification", {"type": type})
