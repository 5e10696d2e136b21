"""A machine with RAUC: the real program and its service, on a bus of its own, slots in files, and a boot loader that counts as
U-Boot does. Needs root, loop devices and squashfs; what RAUC mounts is seen by it alone and goes with it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from csms.pki import Authority, Identity
from firmware import OLD
from rig import Rig

PROGRAMS = {
    "rauc": "rauc", "dbus-daemon": "dbus-daemon", "mksquashfs": "squashfs-tools", "unshare": "util-linux",
    "setpriv": "util-linux", "systemctl": "systemd"
}  # fmt: skip
COMPATIBLE = "station"
#: Starts that the boot loader gives to a slot before it takes the other one.
ATTEMPTS = 3
PRIVATE = ["unshare", "--mount", "--propagation", "private"]
#: A test that is killed leaves nobody behind.
WITH_US = ["setpriv", "--pdeathsig", "TERM"]

SYSTEM = """[system]
compatible={compatible}
bootloader=custom
statusfile={folder}/status
mountprefix={folder}/mount
bundle-formats=plain verity
[handlers]
bootloader-custom-backend={folder}/boot-loader
pre-install={folder}/wait
[keyring]
path={folder}/keyring.pem
[slot.rootfs.0]
device={folder}/slots/A
type=raw
bootname=A
[slot.rootfs.1]
device={folder}/slots/B
type=raw
bootname=B
"""

#: What a factory leaves in a status file that both slots see.
STATUS = f"""[slot.rootfs.0]
bundle.compatible={COMPATIBLE}
bundle.version={OLD}
status=ok
"""

BUS = """<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>
"""

BOOT_LOADER = """cd {folder}/boot || exit 1
put() {{ echo "$2" >new && mv new "$1"; }}
echo "$*" >>log
case "$1" in
get-primary)
  for slot in $(cat order); do [ "$(cat "$slot")" -gt 0 ] && echo "$slot" && exit 0; done
  exit 1 ;;
set-primary)
  if [ "$2" = A ]; then put order "A B"; else put order "B A"; fi
  put "$2" {attempts} ;;
get-state) if [ "$(cat "$2")" -gt 0 ]; then echo good; else echo bad; fi ;;
set-state)
  if [ "$3" = good ]; then put "$2" {attempts}; exit; fi
  put order "$(sed "s/$2//" order)"
  put "$2" 0 ;;
*) exit 1 ;;
esac
"""


@functools.cache
def missing() -> str:
    """Why there can be no such machine here; empty when there can."""
    packages = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if packages:
        return f"Debian packages missing: {', '.join(packages)} (Scripts/setup)"
    if os.geteuid():
        return "RAUC mounts bundles: that needs root"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "content").mkdir()
        make = ["mksquashfs", f"{folder}/content", f"{folder}/image", "-quiet", "-no-progress"]
        subprocess.run(make, check=True, capture_output=True)
        mount = [*PRIVATE, "mount", "-o", "loop,ro", "-t", "squashfs", f"{folder}/image", f"{folder}/content"]
        done = subprocess.run(mount, capture_output=True, text=True)
    return f"no squashfs on a loop device can be mounted: {done.stderr.strip()}" if done.returncode else ""


class RaucMachine:
    """Slot A runs version 1.0.0. `room`: bytes of the medium of slot B."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        # Short: it has a socket in it.
        self.folder = Path(tempfile.mkdtemp(prefix="rauc-"))
        self.root = Authority("Manufacturer Root")
        self.signer = self.root.issue("Firmware Signing", restricted=False)
        self.booted = ""
        self._bus: subprocess.Popen | None = None
        self._service: subprocess.Popen | None = None
        folder = self.folder
        for name in ("boot", "slots", "mount"):
            (folder / name).mkdir()
        for slot in "AB":
            (folder / "slots" / slot).write_bytes(bytes(1 << 20))
            (folder / "boot" / slot).write_text(f"{ATTEMPTS}\n")
        (folder / "boot/order").write_text("A B\n")
        (folder / "boot/log").touch()
        (folder / "system.conf").write_text(SYSTEM.format(folder=folder, compatible=COMPATIBLE))
        (folder / "status").write_text(STATUS)
        (folder / "keyring.pem").write_text(self.root.pem)
        (folder / "bus.conf").write_text(BUS.format(folder=folder))
        self._script("boot-loader", BOOT_LOADER.format(folder=folder, attempts=ATTEMPTS))
        self._script("wait", f"while [ -e {folder}/held ]; do sleep 0.05; done")
        self._script("systemctl", f'[ ! -e {folder}/stuck ] && echo "$*" >>{folder}/asked')
        bus = f"export DBUS_SYSTEM_BUS_ADDRESS=unix:path={folder}/bus"
        self.program = self._script("rauc", f'{bus}\nexec rauc --conf={folder}/system.conf "$@"')

    def _script(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    # The machine

    def boot(self) -> None:
        """The boot loader takes a slot, and RAUC's service starts there."""
        self._end(self._service)
        self.booted = self.next
        left = self.folder / "boot" / self.booted
        left.write_text(f"{int(left.read_text()) - 1}\n")
        with (self.folder / "service.log").open("ab") as log:
            if not self._bus:
                command = [*WITH_US, "dbus-daemon", "--nofork", "--nopidfile", f"--config-file={self.folder}/bus.conf"]
                self._bus = subprocess.Popen(command, stdout=log, stderr=log)
                self.until((self.folder / "bus").exists, "the bus")
            command = f'exec "{self.program}" --override-boot-slot={self.booted} service'
            if self.room:
                slots = f"{self.folder}/slots"
                command = f"mount -t tmpfs -o size={self.room} tmpfs {slots} && touch {slots}/A {slots}/B && {command}"
            self._service = subprocess.Popen([*WITH_US, *PRIVATE, "sh", "-c", command], stdout=log, stderr=log)
        self.until(lambda: self.rauc("status").returncode == 0, "RAUC's service")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, f"{what}: {self.service_log[-2000:]}"
            time.sleep(0.02)

    @property
    def service_log(self) -> str:
        """What bus and service said, each on its standard error."""
        return (self.folder / "service.log").read_text(errors="replace")

    @staticmethod
    def _end(process: subprocess.Popen | None) -> None:
        if process:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        self.release()
        self._end(self._service)
        self._end(self._bus)
        shutil.rmtree(self.folder)

    async def reboots(self, rig: Rig) -> None:
        """`systemctl reboot` was called, or is: the machine goes down, and up again."""
        asked = self.folder / "asked"
        async with asyncio.timeout(20):
            while not asked.exists() or asked.read_text() != "reboot\n":
                await asyncio.sleep(0.02)
        asked.unlink()
        await self.restart(rig)

    async def restart(self, rig: Rig) -> None:
        await rig.station.stop()
        self.boot()
        await rig.station.start()

    @property
    def wrapper(self) -> list[str]:
        """For the station: `systemctl` is the machine's own."""
        return [
            *PRIVATE, "sh", "-c", 'mount --bind "$0" "$(command -v systemctl)" && exec "$@"',
            str(self.folder / "systemctl")
        ]  # fmt: skip

    # RAUC and the boot loader

    def rauc(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [str(self.program), *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)

    @property
    def next(self) -> str:
        """The slot that would boot now."""
        order = (self.folder / "boot/order").read_text().split()
        return next(slot for slot in order if self.left(slot) > 0)

    def left(self, slot: str) -> int:
        """Starts that this slot has left."""
        return int((self.folder / "boot" / slot).read_text())

    async def until_left(self, slot: str, count: int) -> None:
        async with asyncio.timeout(20):
            while self.left(slot) != count:
                await asyncio.sleep(0.02)

    def hold(self) -> None:
        """Installations wait from now on, before the slot is written."""
        (self.folder / "held").touch()

    def release(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "held").unlink()

    def stick(self) -> None:
        """`systemctl reboot` fails from now on."""
        (self.folder / "stuck").touch()

    async def until_installing(self) -> None:
        """The service has begun, and waits."""
        async with asyncio.timeout(20):
            while "pre install handler" not in self.service_log:
                await asyncio.sleep(0.02)

    def bundle(
        self, version: str, *, compatible: str = COMPATIBLE, signer: Identity | None = None, size: int = 200_000
    ) -> bytes:
        """A bundle with noise that nothing can compress."""
        signer = signer or self.signer
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            (folder / "content").mkdir()
            (folder / "content/rootfs.img").write_bytes(os.urandom(size))
            (folder / "content/manifest.raucm").write_text(
                f"[update]\ncompatible={compatible}\nversion={version}\n[bundle]\nformat=plain\n"
                "[image.rootfs]\nfilename=rootfs.img\n"
            )
            (folder / "cert.pem").write_text(signer.chain)
            (folder / "key.pem").write_text(signer.key_pem)
            command = ["rauc", f"--cert={folder}/cert.pem", f"--key={folder}/key.pem", "bundle"]
            command += [f"{folder}/content", f"{folder}/bundle.raucb"]
            subprocess.run(command, check=True, capture_output=True, timeout=30)
            return (folder / "bundle.raucb").read_bytes()
