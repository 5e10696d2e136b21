"""What is secret stays on the station and is the owner's only, seen from outside the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from csms import CallError
from csms.message import CALLERROR
from rig import PATIENCE, Rig, not_applicable
from station_adapter import OurStation
from test_b_variables import get_variables, set_variables
from test_station import options, run, station_binary
from test_wire import exchange

requirement = pytest.mark.requirement

PASSWORD = "BasicAuthPassword"
#: Each secret by where it comes from; all of the characters that a password may have.
SECRETS = {
    "factory password": "factory-Secret-0001",
    "new password": "renewed-Secret-0002",
    "profile password": "profile-Secret-0003",
    "APN password": "apn-Secret-0004",
    "VPN password": "vpn-Secret-0005",
    "VPN key": "vpnkey-Secret-0006",
    "refused password": "refused Secret%0007",
}


def found_in(where: str, text: str) -> list[str]:
    found = [f"{what} in {where}" for what, secret in SECRETS.items() if secret in text]
    return found + ([f"a private key in {where}"] if "PRIVATE KEY" in text else [])


def profile(url: str) -> dict:
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": 1,
        "ocppInterface": "Wired0",
        "apn": {"apn": "internet", "apnPassword": SECRETS["APN password"], "apnAuthentication": "CHAP"},
        "vpn": {
            "server": "vpn.example",
            "user": "cp001",
            "password": SECRETS["VPN password"],
            "key": SECRETS["VPN key"],
            "type": "IKEv2",
        },
    }


@pytest.mark.limit(120)
@requirement("A01.FR.11", "A01.FR.12", "A02.FR.05", "B09.FR.01")
async def test_nothing_tells_a_secret(rig: Rig):
    """Passwords and keys are in no log, journal, state, report or frame that the station sends"""
    rig.csms.passwords = {rig.station_id: SECRETS["factory password"]}
    away = profile("ws://away.example") | {"basicAuthPassword": SECRETS["profile password"]}
    profiles = [
        {"configurationSlot": 1, "connectionData": profile("ws://csms.example")},
        {"configurationSlot": 3, "connectionData": away},
    ]
    journal = rig.folder / "journal.jsonl"
    await rig.start(
        {
            "SecurityCtrlr/" + PASSWORD: SECRETS["factory password"],
            "OCPPCommCtrlr/NetworkConfigurationPriority": "1",
            "InternalCtrlr/NetworkConnectionProfiles": json.dumps(profiles),
        },
        arguments=["--journal", str(journal), "--log-level", "trace"],
    )
    assert isinstance(rig.station, OurStation)
    connected = rig.csms.record.events("connected")[-1]
    told = json.dumps((await get_variables(rig, "SecurityCtrlr/" + PASSWORD)).payload)
    told += json.dumps((await get_variables(rig, "InternalCtrlr/NetworkConnectionProfiles")).payload)
    await set_variables(rig, {"SecurityCtrlr/" + PASSWORD: SECRETS["refused password"]})
    await rig.csms.call("SetNetworkProfile", {"configurationSlot": 2, "connectionData": profile(rig.csms.url)})
    await rig.csms.call("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})
    await rig.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    await asyncio.sleep(1)
    rig.csms.passwords = {rig.station_id: SECRETS["new password"]}
    await set_variables(rig, {"SecurityCtrlr/" + PASSWORD: SECRETS["new password"]})
    await rig.csms.expect_event("connected", after=connected)
    told += json.dumps((await get_variables(rig, "InternalCtrlr/NetworkConnectionProfiles")).payload)
    state = json.dumps(await rig.station.state())
    lost = json.dumps(await rig.station.command("undelivered"))
    sent = "\n".join(str(one.raw) for one in rig.csms.record.messages("in"))
    command_line = Path(f"/proc/{rig.station.process_id}/cmdline").read_text()
    await rig.station.stop()
    folder = rig.folder
    outlets = {
        "the log": rig.station.log(),
        "the message log": (folder / "messages.jsonl").read_text(),
        "the journal": journal.read_text(),
        "the state": state,
        "the undelivered messages": lost,
        "GetVariables": told,
        "what the station sent": sent,
        "its command line": command_line,
    }
    for where, text in outlets.items():
        assert len(text) > 10, f"nothing in {where}"
    assert [one for where, text in outlets.items() for one in found_in(where, text)] == []
    # They are where they belong: the ledger, which has to hold them (A01.FR.10).
    ledger = sqlite3.connect(folder / "data" / "ledger.sqlite")
    dump = "\n".join(ledger.iterdump())
    ledger.close()
    stored = bytes.fromhex("".join(part for part in dump.split("'") if len(part) % 2 == 0 and is_hexadecimal(part)))
    assert SECRETS["new password"].encode() in stored + dump.encode()


@requirement("C04.FR.04", "C04.FR.03")
async def test_key_codes_are_in_no_log(rig: Rig):
    """A key code goes to the CSMS and into the ledger, and is in no log, journal, state or export"""
    code, journal = "47110815", rig.folder / "journal.jsonl"
    await rig.start(
        {
            "TxCtrlr/TxStartPoint": "Authorized",
            "OCPPCommCtrlr/MessageAttempts[TransactionEvent]": "1",
            "AuthCacheCtrlr/Enabled": "true",
        },
        arguments=["--journal", str(journal), "--log-level", "trace"],
    )
    assert isinstance(rig.station, OurStation)
    rig.csms.respond("TransactionEvent", CallError("InternalError"))
    await rig.station.swipe(code, "KeyCode", rig.evse_id)
    asked = await rig.csms.expect("Authorize")
    asked.check({"idToken.idToken": code, "idToken.type": "KeyCode"})
    await rig.csms.expect("TransactionEvent", {"idToken.idToken": code})
    async with asyncio.timeout(10 * PATIENCE):
        while not (lost := await rig.station.command("undelivered"))["messages"]:
            await asyncio.sleep(0.05)
    # What the CSMS asks about it, it is told; a frame that is broken behind it is no way out either.
    token = {"idToken": code, "type": "KeyCode"}
    question = {"requestId": 1, "report": True, "clear": False, "idToken": token}
    (await rig.csms.call("CustomerInformation", question)).check({"status": "Accepted"})
    told = (await rig.csms.expect("NotifyCustomerInformation"))["data"]
    assert "Authorization cache" in told and code in told
    entry = {"idToken": token, "idTokenInfo": {"status": "Accepted"}}
    listed = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    await rig.settle()
    answer = await exchange(rig, json.dumps([2, "broken", "SendLocalList", listed])[:-1], ["broken"])
    assert answer.kind == CALLERROR and code not in answer.raw, answer.raw
    state = json.dumps(await rig.station.state())
    await rig.station.stop()
    outlets = {
        "the log": rig.station.log(),
        "the message log": (rig.folder / "messages.jsonl").read_text(),
        "the diagnostics log": "".join(path.read_text() for path in (rig.folder / "data" / "logs").iterdir()),
        "the journal": journal.read_text(),
        "the state": state,
        "the undelivered messages": json.dumps(lost),
    }
    for where, text in outlets.items():
        assert len(text) > 10, f"nothing in {where}"
        assert code not in text, f"the key code is in {where}"
    assert '"type":"KeyCode"' in outlets["the journal"].replace("\\", "")
    with sqlite3.connect(rig.folder / "data" / "ledger.sqlite") as ledger:
        cached = ledger.execute("SELECT value FROM record WHERE collection = 'authorizationCache'").fetchall()
    assert any(code.encode() in bytes(value) for (value,) in cached), "it is in the cache"
    replay = await asyncio.create_subprocess_exec(str(station_binary()), "replay", str(journal))
    assert await replay.wait() == 0, "the journal without it replays all the same"


def is_hexadecimal(text: str) -> bool:
    return all(one in "0123456789abcdefABCDEF" for one in text)


async def test_files_are_the_owners_only(rig: Rig):
    """Whatever the umask is, nobody else reads a file or connects to the socket"""
    old = os.umask(0)
    try:
        await rig.start(arguments=["--journal", str(rig.folder / "journal.jsonl")])
        await rig.csms.call("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})
        await rig.station.stop()
        await rig.station.start()
    finally:
        os.umask(old)
    assert isinstance(rig.station, OurStation)
    data, certs = rig.folder / "data", rig.folder / "certs"
    everything = [*data.rglob("*"), *certs.rglob("*"), rig.folder / "messages.jsonl", rig.folder / "journal.jsonl"]
    everything += [rig.folder / "journal.jsonl.previous", rig.station.control_socket]
    assert len(everything) > 6
    wrong = {str(one): oct(stat.S_IMODE(one.stat().st_mode)) for one in everything if one.stat().st_mode & 0o077}
    assert wrong == {}


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def test_privileges_are_given_up(rig: Rig):
    """No new privileges, and of root's capabilities only those that a relayd started by the station needs"""
    await rig.start()
    assert isinstance(rig.station, OurStation)
    found = status(rig.station.process_id)
    assert found["NoNewPrivs"] == "1"
    # CAP_DAC_OVERRIDE, CAP_IPC_LOCK, CAP_SYS_NICE
    allowed = 1 << 1 | 1 << 14 | 1 << 23
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(found[name], 16) & ~allowed == 0, f"{name} {found[name]}"
    if os.geteuid() == 0:
        assert int(found["CapBnd"], 16) & ~allowed == 0, found["CapBnd"]


def dumps_core(rig: Rig, name: str, **environment: str) -> bool:
    """The station, killed by the signal of a crash, asks the kernel for a core dump and gets one."""
    folder = rig.folder / name
    folder.mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("STATION_")}
    command = [str(station_binary()), "run", *options(rig, folder / "data"), "--control-socket", str(folder / "s")]
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -c unlimited && cd "$0" && exec "$@"', str(folder), *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Swift's own crash report, where a toolchain is installed, would take the place of the signal's effect.
        env=clean | {"SWIFT_BACKTRACE": "enable=no"} | environment,
    )
    while not (folder / "s").exists():
        assert process.poll() is None, "the station ended"
        time.sleep(0.01)
    process.send_signal(signal.SIGABRT)
    _, result = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(result) if os.WIFSIGNALED(result) else os.WEXITSTATUS(result)
    assert os.WIFSIGNALED(result), f"exit code {process.returncode}"
    return os.WCOREDUMP(result)


async def test_no_core_dump(rig: Rig):
    """A crash leaves no image of the memory, in which passwords and keys are"""
    await rig.csms.start()
    if not dumps_core(rig, "debuggable", STATION_DEBUGGABLE="1"):
        not_applicable("this system makes no core dumps")
    assert not dumps_core(rig, "ordinary")


async def crashing(rig: Rig, name: str, crash: signal.Signals) -> str:
    """What a station prints that is killed by the signal of a crash while its password is in use."""
    secret = SECRETS["factory password"]
    rig.csms.passwords = {name: secret}
    connected = rig.csms.record.events("connected")
    settings = f"SecurityCtrlr/{PASSWORD}={secret}\nSecurityCtrlr/Identity={name}"
    inherited = {key: value for key, value in os.environ.items() if key != "SWIFT_BACKTRACE"}
    process = await asyncio.create_subprocess_exec(
        str(station_binary()),
        "run",
        *options(rig, rig.folder / name),
        env=inherited | {"STATION_SET": settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        # The password has been used, and is in the memory.
        await rig.csms.expect_event("connected", after=connected[-1] if connected else None)
        await rig.csms.expect("BootNotification")
        assert "SWIFT_BACKTRACE=enable=no" in Path(f"/proc/{process.pid}/environ").read_text()
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        core = next(line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], core
        process.send_signal(crash)
        output, _ = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == -crash
    return output.decode(errors="replace")


@pytest.mark.parametrize("crash", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGTRAP])
async def test_a_crash_prints_no_secret(rig: Rig, crash: signal.Signals):
    """What is left of a crash is a log without secrets: no report of registers and memory, no core"""
    await rig.csms.start()
    output = await crashing(rig, f"cp-{crash.name}", crash)
    assert "connected to" in output, "the log is not here, and so a report would not be either"
    assert found_in("the output", output) == []
    # Swift's report begins so; with it would come what the registers point to.
    assert "Crash" not in output and "rax" not in output


async def test_memory_is_nobody_elses(rig: Rig):
    """Also where no core dump would be made: memory and environment are closed to processes of the same user"""
    await rig.csms.start()
    owners = {}
    # /proc shows what may not be dumped as root's: told apart only under another user.
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    for name, more in (("ordinary", {}), ("debuggable", {"STATION_DEBUGGABLE": "1"})):
        with tempfile.TemporaryDirectory(prefix="station-") as folder:
            os.chmod(folder, 0o777)
            process = await asyncio.create_subprocess_exec(
                str(station_binary()),
                "run",
                *options(rig, f"{folder}/data"),
                "--control-socket",
                f"{folder}/s",
                env=os.environ | more,
                stderr=asyncio.subprocess.DEVNULL,
                **user,
            )
            try:
                while not Path(f"{folder}/s").exists():
                    assert process.returncode is None, "the station ended"
                    await asyncio.sleep(0.01)
                owners[name] = os.stat(f"/proc/{process.pid}/mem").st_uid
            finally:
                process.kill()
                await process.wait()
    assert owners["debuggable"] != 0, "the difference does not show"
    assert owners["ordinary"] == 0


async def test_settings_of_the_environment_are_in_no_command_line(rig: Rig):
    """STATION_SET may hold a password; `ps` shows command lines to everybody"""
    await rig.csms.start()
    data = rig.folder / "data"
    secret = SECRETS["factory password"]
    settings = f"SecurityCtrlr/{PASSWORD}={secret}\nSecurityCtrlr/Identity=cp-env"
    rig.csms.passwords = {"cp-env": secret}
    process = await asyncio.create_subprocess_exec(
        str(station_binary()),
        "run",
        *options(rig, data),
        env=os.environ | {"STATION_SET": settings},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        # The password and the identity have come through.
        await rig.csms.expect_event("connected")
        assert secret not in Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        process.terminate()
        await process.wait()


async def test_certs(rig: Rig):
    """`station certs` lists what is in the folder, and its exit code tells whether somebody has to look"""
    code, output = await run("certs")
    assert code == 64 and "--certs-dir" in output
    code, output = await run("certs", "--certs-dir", str(rig.folder), "--json")
    report = json.loads(output)
    assert (code, report["certificates"], report["problems"]) == (0, [], [])
    bundle = rig.folder / "ca" / "csms"
    bundle.mkdir(parents=True)
    (bundle / "CSMS_ROOT_CA.pem").write_text("nothing")
    code, output = await run("certs", "--certs-dir", str(rig.folder))
    assert code == 1
    assert output == (
        "no certificates\n"
        "problem: ca/csms/CSMS_ROOT_CA.pem: there is no certificate in it; expected PEM, BEGIN CERTIFICATE\n"
    )
    code, output = await run("certs", "--certs-dir", str(rig.folder), "--control-socket", str(rig.folder / "none"))
    assert code == 1 and "is the station running" in output
