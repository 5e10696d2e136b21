"""The units, judged by systemd's own programs: no service manager has to run."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[2] / "Packaging"
UNITS = ["station.service", "station-relayd.service"]
#: systemd-analyze's exposure, 0 to 100. Both units are at 15 or below; an unprotected service has 96.
EXPOSURE_LIMIT = 20


def tool(name):
    found = shutil.which(name)
    assert found, f"{name} is missing: Scripts/setup installs the package systemd"
    return found


@pytest.fixture
def units(tmp_path):
    """The units with programs that exist here: verify looks for them."""
    for name in UNITS:
        text = (PACKAGING / "systemd" / name).read_text()
        (tmp_path / name).write_text(re.sub(r"/usr/bin/station(-relayd)?\b", "/bin/true", text))
    return tmp_path


def verify(folder):
    """Everything that `systemd-analyze verify` has to say of the units in this folder."""
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", "--recursive-errors=one", *(str(folder / name) for name in UNITS)],
        capture_output=True, text=True, timeout=60, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:"})
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if any(name in line for name in UNITS)]
    return done.returncode, complaints


def read(name):
    """Section -> key -> values in order."""
    values = {}
    section = None
    for line in (PACKAGING / "systemd" / name).read_text().splitlines():
        if line.startswith("["):
            section = values.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return values


def test_systemd_has_nothing_to_say_against_them(units):
    assert verify(units) == (0, [])


@pytest.mark.parametrize("wrong", ["WatchdogSignal=SIGNONE", "CPUSchedulingPolicy=soon", "Unknown=1", "ExecStop=/no/such/program"])
def test_systemd_would_say_so_if_there_were(units, wrong):
    path = units / UNITS[1]
    path.write_text(path.read_text().replace("[Install]", f"{wrong}\n\n[Install]"))
    code, complaints = verify(units)
    assert code != 0 or complaints, f"{wrong} was not noticed"


@pytest.mark.parametrize("name", UNITS)
def test_they_are_shut_in(units, name):
    command = [tool("systemd-analyze"), "security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", str(units / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_they_are_watched_and_never_given_up(name):
    unit = read(name)
    service = unit["Service"]
    assert service["Type"] == ["notify"] and service["NotifyAccess"] == ["main"]
    assert service["Restart"] == ["always"] and unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert float(service["WatchdogSec"][0]) > 0


def test_the_relays_are_taken_off_after_every_end():
    service = read("station-relayd.service")["Service"]
    assert service["WatchdogSignal"] == ["SIGKILL"]
    (start,), (off,) = service["ExecStart"], service["ExecStopPost"]
    config = re.search(r"--config (\S+)", start).group(1)
    assert off == f"/usr/bin/station-relayd --all-off {config}"
    assert service["DeviceAllow"] == ["char-gpiochip rw"]


def test_the_station_reaches_the_socket_of_relayd():
    station, relayd = (read(name)["Service"] for name in UNITS)
    assert relayd["Group"] == station["Group"] == ["station"]
    # relayd makes its socket for user and group; the folder has to let the group in.
    assert int(relayd["RuntimeDirectoryMode"][0], 8) & 0o010


def test_the_users_and_groups_of_the_units_are_made(tmp_path):
    folder = tmp_path / "usr/lib/sysusers.d"
    folder.mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    shutil.copy(PACKAGING / "sysusers.d/station.conf", folder)
    done = subprocess.run([tool("systemd-sysusers"), f"--root={tmp_path}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    users = {line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    groups = {line.split(":")[0] for line in (tmp_path / "etc/group").read_text().splitlines()}
    for name in UNITS:
        service = read(name)["Service"]
        assert set(service["User"]) <= users
        assert set(service["Group"]) | set(service["SupplementaryGroups"][0].split()) <= groups


def test_nobody_else_reads_the_stations_files():
    service = read("station.service")["Service"]
    assert service["UMask"] == ["0077"]
    assert service["StateDirectoryMode"] == ["0700"]
    assert service["LimitCORE"] == ["0"]
    assert service["NoNewPrivileges"] == ["yes"]
    assert service["CapabilityBoundingSet"] == [""]
