"""A firmware update by the shipped installer survives power cuts at random moments: never two versions claimed, never none that
boots, and the CSMS learns how each update ended."""

import asyncio
import os
import random

import pytest

import fileservers
import firmware
import secure
from firmware import ask, image, request
from rig import Rig

#: Cuts of one run; FIRMWARE_CUTS changes it.
CUTS = int(os.environ.get("FIRMWARE_CUTS", "50"))
SEED = int(os.environ.get("FIRMWARE_SEED", "1"))
WORKERS = 5

#: Seconds in which an update is done here.
DURATION = 0.7
LAST = ("Installed", "InstallationFailed")


@pytest.mark.requirement("L01.FR.01", "L01.FR.28")
@pytest.mark.limit(300)
@pytest.mark.parametrize("part", range(WORKERS))
async def test_power_cuts(rig: Rig, part: int):
    """Power cuts at random moments of an update"""
    dice = random.Random(SEED * WORKERS + part)
    machine = await firmware.start(rig)
    ends: list[str] = []
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        server.pace = 0.02
        for number in range(CUTS // WORKERS):
            version = f"{number + 2}.0.{part}"
            content = image(version, size=500_000)
            (server.directory / f"{version}.tar").write_bytes(content)
            before = machine.running
            id = await ask(rig, request(server.url(f"{version}.tar"), content, machine.signer, retryInterval=1))
            moment = dice.uniform(0, DURATION)
            await asyncio.sleep(moment)
            firmware.kill_children(rig)
            await rig.station.kill()
            # One boots whatever happened, and it is one of the two.
            assert machine.good in (before, version)
            machine.boots()
            assert machine.running in (before, version)
            connections = secure.last_event(rig, "connected")
            await rig.station.start()
            await secure.reconnected(rig, connections)
            last = await rig.csms.expect(
                "FirmwareStatusNotification", {"requestId": id, "status": LAST}, timeout=3 * rig.csms.patience
            )
            where = f"part {part}, cut {number} after {moment:.3f} s"
            assert machine.running == machine.good == (version if last["status"] == "Installed" else before), where
            ends.append(last["status"])
            boots(rig, {before, version}, machine.running, where)
            # A message whose answer the station did not hear comes again as it was, with its message id.
            told = {one.id: one["status"] for one in rig.csms.untaken() if one.action == "FirmwareStatusNotification"}
            assert len(set(told.values())) == len(told), f"{where}: {told}"
            rig.csms.forget()
            rig.reported.clear()
    assert "Installed" in ends


def boots(rig: Rig, known: set[str], running: str, where: str) -> None:
    """What the station claimed to run since the last update: the last claim is what runs."""
    claimed = [
        one["chargingStation"]["firmwareVersion"] for one in rig.csms.untaken() if one.action == "BootNotification"
    ]
    assert claimed and set(claimed) <= known and claimed[-1] == running, f"{where}: {claimed}"
