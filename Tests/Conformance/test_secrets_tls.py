"""What is ours: passwords and private keys stay where they belong (A01.FR.12, A02.FR.05): in no log, journal, report, answer
of the control socket or message, and in files that only their owner reads.
"""

from __future__ import annotations

import asyncio
import base64
import json
import stat
from pathlib import Path

import pytest

from rig import Rig
from secure import (
    SETTINGS,
    certificate_signed,
    last_event,
    reconnected,
    renew_charging_station_certificate,
    set_variable,
    sign_certificate,
    start,
)
from test_offline import ours
from test_station import run

requirement = pytest.mark.requirement

FACTORY = SETTINGS["SecurityCtrlr/BasicAuthPassword"]
TAKEN, REFUSED, INVALID = "Taken-by-the-csms-01", "Refused-by-the-csms-2", "short-Pass"


def outlets(rig: Rig) -> dict[str, str]:
    """Everything that somebody beside the station gets to read, by name."""
    folder = rig.station.launch.folder
    found = {file.name: file.read_text(errors="replace") for file in folder.iterdir() if file.is_file()}
    del found["overrides.json"]  # What the factory has written.
    sent = [str(one.raw) for csms in rig.csmses for one in csms.record.messages("in")]
    return found | {"what the station has sent": "\n".join(sent)}


def check(rig: Rig, secrets: dict[str, str], more: dict[str, str]) -> None:
    places = outlets(rig) | more
    assert {"station.log", "messages.jsonl", "journal"} <= set(places), sorted(places)
    found = [f"{secret} in {place}" for secret, text in secrets.items() for place, all in places.items() if text in all]
    assert not found, "; ".join(found)


def check_modes(folder: Path) -> None:
    """Directories 0700, files 0600: for their owner alone."""
    wrong = []
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            wrong.append(f"{path.relative_to(folder.parent)} has mode {mode:o}")
    assert not wrong, "; ".join(wrong)


async def everything_asked(rig: Rig) -> dict[str, str]:
    """The device model as a whole, and the control socket's snapshot."""
    _, items = await rig.report("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    assert any(one["variable"]["name"] == "BasicAuthPassword" for one in items)
    state = await ours(rig).state()
    return {"FullInventory": json.dumps(items), "state": json.dumps(state)}


@requirement("A01.FR.11", "A01.FR.12", "A01.FR.10")
async def test_passwords_are_nowhere_to_be_read(rig: Rig, tmp_path: Path):
    """Passwords: of the factory, set, refused by the CSMS, refused by the station; also base64 as in the Authorization header"""
    await start(rig, 2, arguments=["--journal", str(tmp_path / "journal")])
    ours(rig)
    connected = last_event(rig, "connected")
    assert await set_variable(rig, "SecurityCtrlr", "BasicAuthPassword", TAKEN) == "Accepted"
    rig.csms.passwords = {rig.station_id: TAKEN}
    await reconnected(rig, connected)
    connected = last_event(rig, "connected")
    assert await set_variable(rig, "SecurityCtrlr", "BasicAuthPassword", REFUSED) == "Accepted"
    await reconnected(rig, connected, timeout=30)
    assert await set_variable(rig, "SecurityCtrlr", "BasicAuthPassword", INVALID) == "Rejected"
    await rig.get("SecurityCtrlr/BasicAuthPassword")
    more = await everything_asked(rig)
    await rig.station.stop()
    secrets = {}
    for password in (FACTORY, TAKEN, REFUSED, INVALID):
        secrets[password] = password
        secrets[f"{password} as credentials"] = base64.b64encode(f"{rig.station_id}:{password}".encode()).decode()
    check(rig, secrets, more)
    check_modes(rig.station.launch.folder / "data")


@requirement("A02.FR.05")
async def test_private_keys_are_nowhere_to_be_read(rig: Rig, tmp_path: Path):
    """Private keys: the installer's, the renewed one, one that waits for its certificate"""
    made = await start(rig, 3, arguments=["--journal", str(tmp_path / "journal")])
    certificates = ours(rig).certificates
    keys = {made.station.key_pem}
    keys |= {file.read_text() for file in certificates.rglob("*.key")}
    request = await sign_certificate(rig)
    keys |= {file.read_text() for file in certificates.rglob("*") if file.is_file() and "PRIVATE" in file.read_text()}
    await certificate_signed(rig, made.issuing.sign(request["csr"], name="SN-9999"), "Rejected")
    await renew_charging_station_certificate(rig, made.issuing)
    keys |= {file.read_text() for file in certificates.rglob("*") if file.is_file() and "PRIVATE" in file.read_text()}
    assert len(keys) >= 2
    more = await everything_asked(rig)
    await rig.station.stop()
    lines = {line for key in keys for line in key.splitlines() if not line.startswith("-") and len(line) >= 24}
    check(rig, {f"a private key, {line[:6]}...": line for line in lines}, more)
    check_modes(certificates)


async def test_the_served_chain_is_shown(rig: Rig):
    """`station certs` shows what the CSMS has presented, from when to when, and keeps it while the CSMS is away"""
    await start(rig, 2)
    station = ours(rig)
    folder = station.launch.folder / "certs"

    async def served() -> list[dict]:
        socket = str(station.control_socket)
        _, output = await run("certs", "--certs-dir", str(folder), "--control-socket", socket, "--json")
        return [one for one in json.loads(output)["certificates"] if one["kind"] == "csms server"]

    online = await served()
    assert len(online) >= 2
    assert all(one["validFrom"] < one["seen"] < one["validTo"] for one in online), online
    await rig.csms.stop()
    while (await station.state())["station"]["csms"]["connected"]:
        await asyncio.sleep(0.02)
    state = await station.state()
    assert state["station"]["csms"]["tls"] is None
    offline = await served()
    assert [{**one, "daysLeft": 0} for one in offline] == [{**one, "daysLeft": 0} for one in online]
