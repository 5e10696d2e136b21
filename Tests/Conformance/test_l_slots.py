"""The shipped installer alone: what it answers, and what it leaves where it fails."""

import resource
import subprocess
from pathlib import Path

import pytest

from firmware import INSTALLER, NEW, OLD, Machine, image


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def installer(
    machine: Machine, *arguments: str, largest: int = resource.RLIM_INFINITY, boots: str = ""
) -> subprocess.CompletedProcess:
    """Runs one command. `largest`: bytes of a file that it can write, as if the medium were full then."""
    environment = {
        "PATH": "/usr/bin:/bin", "STATION_INSTALLER_DIR": str(machine.folder), "STATION_INSTALLER_BOOTS": boots
    }  # fmt: skip
    return subprocess.run(
        [INSTALLER, *arguments], env=environment, capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY)),
    )  # fmt: skip


def written(folder: Path, content: bytes) -> str:
    (folder / "image.tar").write_bytes(content)
    return str(folder / "image.tar")


@pytest.mark.parametrize("kind", ["none", "cut", "no version"])
def test_no_image(machine: Machine, tmp_path: Path, kind: str):
    """What is no image for this machine: 20"""
    content = {"none": b"no archive" * 1000, "cut": image()[:100_000], "no version": image("")}[kind]
    assert installer(machine, "install", written(tmp_path, content)).returncode == 20
    assert not (machine.folder / "slots/.B.new").exists()


def test_no_room(machine: Machine, tmp_path: Path):
    """An image that there is no room for is not called a bad one"""
    done = installer(machine, "install", written(tmp_path, image()), largest=100_000)
    assert done.returncode == 1, done
    assert "unpacked" in done.stdout
    assert not (machine.folder / "slots/.B.new").exists()


def test_kept(machine: Machine, tmp_path: Path):
    """What was to be put in force, and is not: the old one boots, however often"""
    assert installer(machine, "install", written(tmp_path, image())).returncode == 10
    assert installer(machine, "activate").returncode == 10
    assert installer(machine, "keep").returncode == 0
    for _ in range(2):
        machine.boots()
        assert machine.running == machine.good == OLD


def test_kept_where_nothing_is(machine: Machine):
    """Asked again, and where nothing was installed"""
    for _ in range(2):
        assert installer(machine, "keep").returncode == 0


def test_boot_fails(machine: Machine, tmp_path: Path):
    """`activate` that cannot put it in force leaves nothing behind"""
    assert installer(machine, "install", written(tmp_path, image())).returncode == 10
    # The link cannot take its place.
    (machine.folder / "running").unlink()
    (machine.folder / "running").mkdir()
    assert installer(machine, "activate", boots="activate").returncode == 1
    assert not (machine.folder / "next").exists() and not (machine.folder / "tried").exists()
    (machine.folder / "running").rmdir()
    machine.boots()
    assert machine.running == machine.good == OLD


def test_put_in_force(machine: Machine, tmp_path: Path):
    """The way on which nothing fails"""
    assert installer(machine, "install", written(tmp_path, image())).returncode == 10
    assert installer(machine, "activate", boots="activate").returncode == 10
    assert (machine.running, machine.good) == (NEW, OLD)
    assert installer(machine, "mark-good").returncode == 0
    machine.boots()
    assert machine.running == machine.good == NEW
