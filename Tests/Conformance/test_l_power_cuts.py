"""A firmware update by the shipped installer survives power cuts in every phase, at random moments of it: never two versions
claimed, never none that boots, and the CSMS learns how each update ended."""

import asyncio
import contextlib
import os
import random

import pytest

import fileservers
import firmware
import secure
from csms import NO_ANSWER
from csms.message import CALL
from firmware import ask, image, request
from rig import Rig

#: Cuts of one run; FIRMWARE_CUTS changes it.
CUTS = int(os.environ.get("FIRMWARE_CUTS", "50"))
SEED = int(os.environ.get("FIRMWARE_SEED", "1"))
WORKERS = 5

LAST = ("Installed", "InstallationFailed")
#: What the cuts of a part take in turn: what the CSMS has heard when one comes, and the most seconds after that. At the first three
#: the update is held there, so that the cut comes in this phase on every machine; at the others it goes on meanwhile.
MOMENTS = (
    ("Downloading", 0.3),
    ("Installing", 0.1),
    ("restarted", 0.1),
    ("Downloaded", 0.1),
    ("Installing", 0.2),
    ("InstallRebooting", 0.2),
    ("restarted", 0.05),
)
HELD = 3


@pytest.mark.requirement("L01.FR.01", "L01.FR.28")
@pytest.mark.limit(300)
@pytest.mark.parametrize("part", range(WORKERS))
async def test_power_cuts(rig: Rig, part: int):
    """Power cuts in every phase of an update"""
    dice = random.Random(SEED * WORKERS + part)
    machine = await firmware.start(rig)
    ends: list[str] = []
    phases: list[str] = []
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        for number in range(CUTS // WORKERS):
            version = f"{number + 2}.0.{part}"
            content = image(version, size=500_000)
            (server.directory / f"{version}.tar").write_bytes(content)
            before = machine.running
            moment = number % len(MOMENTS)
            server.pace = 1 if moment == 0 else 0.02
            with contextlib.ExitStack() as held:
                if moment == 1:
                    held.enter_context(machine.held())
                if moment == 2:
                    rig.csms.respond_once("BootNotification", NO_ANSWER)
                id = await ask(rig, request(server.url(f"{version}.tar"), content, machine.signer, retryInterval=1))
                await until(rig, id, version, MOMENTS[moment][0])
                delay = dice.uniform(0, MOMENTS[moment][1])
                await asyncio.sleep(delay)
                firmware.kill_children(rig)
                await rig.station.kill()
            phases.append(heard(rig, id, version)[-1])
            server.pace = 0.02
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
            where = f"part {part}, cut {number} {delay:.3f} s after {MOMENTS[moment][0]}, in {phases[-1]}"
            assert machine.running == machine.good == (version if last["status"] == "Installed" else before), where
            ends.append(last["status"])
            boots(rig, {before, version}, machine.running, where)
            # A message whose answer the station did not hear comes again as it was, with its message id.
            told = statuses(rig, id)
            assert len(set(told.values())) == len(told), f"{where}: {told}"
            rig.csms.forget()
            rig.reported.clear()
    assert "Installed" in ends
    # Should there be fewer cuts than moments, those that there were.
    expected = [moment for moment, _ in MOMENTS[: min(HELD, len(phases))]]
    assert phases[: len(expected)] == expected, phases


def statuses(rig: Rig, id: int) -> dict[str, str]:
    """What the CSMS heard of this update, by message id; a message that comes again counts once."""
    return {
        one.id: one["status"]
        for one in rig.csms.record.messages("in")
        if one.kind == CALL and one.action == "FirmwareStatusNotification" and one["requestId"] == id
    }


def heard(rig: Rig, id: int, version: str) -> list[str]:
    """The phases of this update that the CSMS has heard of: its statuses, and that the new version was started."""
    found = list(statuses(rig, id).values()) or ["accepted"]
    has_booted = any(
        one.kind == CALL and one.action == "BootNotification" and one["chargingStation.firmwareVersion"] == version
        for one in rig.csms.record.messages("in")
    )
    if has_booted:
        found.insert(len(found) - (found[-1] in LAST), "restarted")
    return found


async def until(rig: Rig, id: int, version: str, phase: str) -> None:
    found = await rig.csms.record.wait(lambda: phase in heard(rig, id, version) or None, 3 * rig.csms.patience)
    assert found, f"{phase} is not reached: {heard(rig, id, version)}"


def boots(rig: Rig, known: set[str], running: str, where: str) -> None:
    """What the station claimed to run since the last update: the last claim is what runs."""
    claimed = [
        one["chargingStation"]["firmwareVersion"] for one in rig.csms.untaken() if one.action == "BootNotification"
    ]
    assert claimed and set(claimed) <= known and claimed[-1] == running, f"{where}: {claimed}"
