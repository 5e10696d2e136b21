"""Block L: firmware updates installed by a real RAUC, with a boot loader that counts starts."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import fileservers
import firmware
import rauc_machine
from csms.answers import boot_response
from csms.pki import Authority
from firmware import NEW, OLD, ask, request, told
from rauc_machine import ATTEMPTS, RaucMachine
from rig import Rig
from states import all_connectors, connector_statuses

requirement = pytest.mark.requirement
limit = pytest.mark.limit

BUSY = "already processing a different method"


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[RaucMachine]:
    if reason := rauc_machine.missing():
        pytest.skip(reason)
    machine = RaucMachine(getattr(request, "param", None))
    yield machine
    machine.close()


async def start(rig: Rig, machine: RaucMachine, settings: dict[str, str] | None = None) -> None:
    machine.boot()
    await rig.start(
        settings, arguments=["--installer", f"rauc:{machine.program}"], wrapper=machine.wrapper,
        certificates={"ca/mf/MF_ROOT_CA.pem": machine.root.pem},
    )  # fmt: skip
    # The factory's firmware is confirmed as any other.
    await machine.until_left("A", ATTEMPTS)


async def update(rig: Rig, machine: RaucMachine, content: bytes, *statuses: str) -> int:
    """Signed by the manufacturer for the CSMS, whoever signed the bundle for RAUC. The states after that are `statuses`."""
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.raucb").write_bytes(content)
        id = await ask(rig, request(server.url("fw.raucb"), content, machine.signer))
        await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing", *statuses)
    return id


async def new_one_boots(rig: Rig, machine: RaucMachine, id: int) -> None:
    """Installed, and not marked good before the CSMS has accepted it."""
    await told(rig, id, "InstallRebooting")
    rig.csms.respond_once("BootNotification", boot_response("Pending", 1))
    await machine.reboots(rig)
    assert machine.booted == "B"
    boot = await rig.csms.expect("BootNotification")
    await rig.csms.answered(boot)
    boot.check({"reason": "FirmwareUpdate", "chargingStation.firmwareVersion": NEW})
    # That they were withdrawn, and what a start before this one said of them.
    for message in rig.csms.untaken():
        message.taken = message.taken or message.number < boot.number and bool(connector_statuses(message))
    rig.reported.clear()
    await rig.settle()
    assert machine.left("B") == ATTEMPTS - 1
    assert (machine.folder / "slots/B").read_bytes()[:100].strip(b"\0"), "the slot is empty"
    await rig.csms.expect("BootNotification")
    await all_connectors(rig)
    await told(rig, id, "Installed")
    (await rig.csms.expect("SecurityEventNotification", {"type": "FirmwareUpdated"})).check({"techInfo": NEW})
    assert (machine.left("B"), machine.next) == (ATTEMPTS, "B")


@requirement("L01.FR.01", "L01.FR.20", "L01.FR.28", "L01.FR.31", "L01.FR.32")
@limit(90)
async def test_rauc_installs(rig: Rig, machine: RaucMachine):
    """Installed, and marked good when the CSMS has accepted it; from then on the new one boots, also where the CSMS cannot be reached"""
    await start(rig, machine)
    id = await update(rig, machine, machine.bundle(NEW))
    await new_one_boots(rig, machine, id)
    rig.csms.respond("BootNotification", boot_response("Rejected", 3600))
    for _ in range(2):
        await machine.restart(rig)
        assert machine.booted == "B"
        await machine.until_left("B", ATTEMPTS)


@requirement("L01.FR.01", "L01.FR.10", "L01.FR.29")
@pytest.mark.parametrize("kind", ["another root", "another machine", "cut", "changed", "none"])
async def test_rauc_refuses(rig: Rig, machine: RaucMachine, kind: str):
    """InstallVerificationFailed: what is signed for the CSMS is no bundle for this machine"""
    await start(rig, machine)
    content = {
        "another root": lambda: machine.bundle(NEW, signer=Authority("Somebody").issue("Signer", restricted=False)),
        "another machine": lambda: machine.bundle(NEW, compatible="fridge"),
        "cut": lambda: machine.bundle(NEW)[:100_000],
        "changed": lambda: bytes(5000) + machine.bundle(NEW)[5000:],
        "none": lambda: b"no bundle" * 1000,
    }[kind]()
    await update(rig, machine, content, "InstallVerificationFailed")
    assert (machine.next, machine.left("A")) == ("A", ATTEMPTS)


@requirement("L01.FR.01", "L01.FR.10")
@pytest.mark.parametrize("machine", [128 << 10], indirect=True, ids=["small"])
async def test_no_room(rig: Rig, machine: RaucMachine):
    """A slot that is too small is not called a bad bundle; what was half written does not boot"""
    await start(rig, machine)
    await update(rig, machine, machine.bundle(NEW), "InstallationFailed")
    assert (machine.next, machine.left("A"), machine.left("B")) == ("A", ATTEMPTS, 0)


@requirement("L01.FR.01")
@limit(90)
async def test_rolled_back(rig: Rig, machine: RaucMachine):
    """The CSMS never accepts the new firmware: the old one comes back, and is what is reported"""
    await start(rig, machine, {"InternalCtrlr/FirmwareTrialTime": "10"})
    id = await update(rig, machine, machine.bundle(NEW), "InstallRebooting")
    rig.csms.respond("BootNotification", firmware.only_old)
    await machine.reboots(rig)
    await rig.csms.expect("BootNotification", {"chargingStation.firmwareVersion": NEW})
    await machine.reboots(rig)
    assert (machine.booted, machine.left("B")) == ("A", 0)
    boot = await rig.csms.expect("BootNotification", {"chargingStation.firmwareVersion": OLD})
    boot.check({"reason": "FirmwareUpdate"})
    await told(rig, id, "InstallationFailed")
    assert machine.next == "A"


@requirement("L01.FR.01", "L01.FR.28")
@limit(90)
async def test_cannot_go_back(rig: Rig, machine: RaucMachine):
    """The new one is to be taken back, and the machine does not reboot: accepted after that it is Installed, and boots again"""
    await start(rig, machine, {"InternalCtrlr/FirmwareTrialTime": "10"})
    id = await update(rig, machine, machine.bundle(NEW), "InstallRebooting")
    rig.csms.respond("BootNotification", boot_response("Rejected", 1))
    await machine.reboots(rig)
    machine.stick()
    await machine.until_left("B", 0)
    assert machine.next == "A"
    rig.csms.respond_default("BootNotification")
    await told(rig, id, "Installed")
    assert (machine.next, machine.left("B")) == ("B", ATTEMPTS)


@requirement("L01.FR.01", "L01.FR.28")
@limit(90)
async def test_killed_while_it_installs(rig: Rig, machine: RaucMachine):
    """The station is killed, RAUC's service installs on, and answers nobody meanwhile: it is installed once more"""
    await start(rig, machine)
    machine.hold()
    id = await update(rig, machine, machine.bundle(NEW))
    await machine.until_installing()
    firmware.kill_children(rig)
    await rig.station.kill()
    for arguments in (["status"], ["status", "mark-active", "booted"], ["install", str(machine.folder / "status")]):
        done = machine.rauc(*arguments)
        assert done.returncode and BUSY in done.stdout.lower(), done
    machine.release()
    machine.until(lambda: machine.next == "B" and not machine.rauc("status").returncode, "the service")
    await rig.station.start()
    (await rig.csms.expect("BootNotification")).check({"reason": "PowerUp", "chargingStation.firmwareVersion": OLD})
    await new_one_boots(rig, machine, id)


@requirement("L01.FR.01", "L01.FR.10")
@limit(90)
async def test_what_is_installed_without_the_station_does_not_boot(rig: Rig, machine: RaucMachine):
    """`rauc install` ends, and RAUC's service does not: the failure is told when the service is done and the old one stays"""
    await start(rig, machine)
    machine.hold()
    id = await update(rig, machine, machine.bundle(NEW))
    await machine.until_installing()
    (client,) = Path(f"/proc/{rig.station.process_id}/task/{rig.station.process_id}/children").read_text().split()
    os.kill(int(client), signal.SIGKILL)
    await rig.csms.expect_none("FirmwareStatusNotification", seconds=2)
    machine.release()
    await told(rig, id, "InstallationFailed", timeout=20)
    assert machine.next == "A"
    assert "set-primary B\n" in (machine.folder / "boot/log").read_text(), "the service did not install"
