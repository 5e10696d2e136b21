"""A data directory that is full or read-only, at the start and while a car charges.

The station runs in a mount namespace of its own, where its data directory is a small file system in memory.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from rig import PATIENCE, Rig, not_applicable
from states import Session
from station_adapter import OurStation
from test_station import POINTS, options, run

NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]


def wrapper(script: str, directory: Path) -> list[str]:
    """Runs `script` in a namespace of its own; $0 is the directory, "$@" what follows."""
    tried = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    if tried.returncode != 0:
        not_applicable("no right to mount a file system: " + tried.stderr.decode().strip())
    return [*NAMESPACE, "sh", "-c", script, str(directory)]


class Disk:
    """The small file system of a running station, seen from outside of its namespace."""

    def __init__(self, rig: Rig):
        assert isinstance(rig.station, OurStation)
        data = rig.station.launch.folder / "data"
        self.filling = Path(f"/proc/{rig.station.process_id}/root{data}/filling")

    def fill(self) -> None:
        with open(self.filling, "wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 4096):
                    pass
            except OSError:
                return

    def free(self) -> None:
        self.filling.unlink()


async def start_on_small_disk(rig: Rig) -> Disk:
    small = wrapper('mount -t tmpfs -o size=2m tmpfs "$0" && exec env STATION_DEBUGGABLE=1 "$@"', rig.folder / "data")
    await rig.start(POINTS, wrapper=small)
    return Disk(rig)


def contents(folder: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


async def refused(rig: Rig, data: Path, script: str) -> str:
    """`station run` with the data directory as the script prepares it: refused in one line, and nothing in it changed."""
    before = contents(data)
    code, output = await run("run", *options(rig, data), prefix=wrapper(script, data))
    assert (code, len(output.strip().splitlines())) == (3, 1), output
    assert contents(data) == before
    return output


async def stopped(rig: Rig) -> Path:
    """The data directory of a station that has run and was stopped."""
    await rig.start()
    await rig.station.stop()
    return rig.station.launch.folder / "data"


async def test_read_only_data_directory(rig: Rig, tmp_path: Path):
    """A data directory on a read-only file system is reported in one line that says what to do"""
    for data in (await stopped(rig), tmp_path / "empty"):
        data.mkdir(exist_ok=True)
        output = await refused(rig, data, 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"')
        assert "read-only" in output and "remount it writable" in output, output


FILL = 'head -c 1m /dev/zero >"$0/filling" 2>/dev/null; '


async def test_full_new_data_directory(rig: Rig, tmp_path: Path):
    """A new data directory without space is reported in one line that says what to do"""
    output = await refused(rig, tmp_path, f'mount -t tmpfs -o size=64k tmpfs "$0" && {{ {FILL} exec "$@"; }}')
    assert "no space left" in output and "free some space" in output, output


async def test_full_data_directory_in_use_before(rig: Rig):
    """With a ledger on a medium that is full the station starts, delivers what is queued and reports MemoryExhaustion"""
    await rig.start(POINTS)
    await rig.station.network(False)
    await rig.station.plug_in(1)
    await rig.station.plug_out(1)
    await rig.station.stop()
    rig.csms.forget()
    script = 'set -e; cp -a "$0" "$0.kept"; rm "$0.kept/reserve"; mount -t tmpfs -o size=128k tmpfs "$0"; '
    script += 'cp -a "$0.kept/." "$0"; set +e; ' + FILL + 'exec "$@"'
    rig.station.launch.wrapper[:] = wrapper(script, rig.station.launch.folder / "data")
    await rig.station.start()
    await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
    await rig.csms.expect("SecurityEventNotification", {"type": "MemoryExhaustion"})


async def until_it_is_full(rig: Rig, disk: Disk) -> None:
    """Cuts the uplink, fills the disk, and the room in the ledger's own files with sessions at EVSE 2 that wait there."""
    await rig.station.network(False)
    disk.fill()
    for _ in range(200):
        await rig.station.plug_in(2)
        await rig.station.plug_out(2)
        if "no space left" in rig.station.log():
            return
    raise AssertionError("the disk does not get full")


async def until(condition: Callable[[dict], bool], rig: Rig, seconds: float = 5) -> None:
    """Until the state of EVSE 1 is so."""
    async with asyncio.timeout(seconds * PATIENCE):
        while not condition((await rig.station.state())["evses"][0]):
            await asyncio.sleep(0.02)


async def test_disk_full_before_a_session(rig: Rig):
    """No session begins that could not be recorded; with space again all that waited is told, and cars charge as ever"""
    disk = await start_on_small_disk(rig)
    await until_it_is_full(rig, disk)
    await rig.station.plug_in(1)
    await until(lambda evse: evse["status"] == "Occupied", rig)
    await until(lambda evse: not evse["transaction"] and not evse["contactorClosed"], rig)
    await rig.station.plug_out(1)
    disk.free()
    await rig.station.network(True)
    await healthy(rig)
    rig.csms.forget()
    await Session(rig).energy_transfer_started()


async def test_disk_full_during_a_session(rig: Rig):
    """A session whose end cannot be recorded ends all the same, and is told without a gap when there is space again"""
    disk = await start_on_small_disk(rig)
    await Session(rig).energy_transfer_started()
    await until_it_is_full(rig, disk)
    await rig.station.plug_out(1)
    await until(lambda evse: not evse["transaction"] and not evse["contactorClosed"], rig)
    disk.free()
    await rig.station.network(True)
    ended = await rig.csms.expect("TransactionEvent", {"eventType": "Ended", "evse.id": 1}, timeout=50 * PATIENCE)
    ended.check({"transactionInfo.stoppedReason": "EVDisconnected"})


async def healthy(rig: Rig) -> None:
    """Until everything is in the ledger again; it tries every 10 s."""
    async with asyncio.timeout(30 * PATIENCE):
        while not (await rig.station.state())["station"]["storageHealthy"]:
            await asyncio.sleep(0.1)
