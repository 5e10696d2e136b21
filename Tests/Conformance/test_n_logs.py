"""Block N, logs (N01): GetLog against real file servers, and the security log."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fileservers
from checks import QUIET_SECONDS, not_applicable, supported, time_of
from csms import Message, present
from csms.pki import Authority
from rig import Rig
from station_adapter import OurStation, station_binary
from test_disk import wrapper

requirement = pytest.mark.requirement

FAILURES = ("UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation")


def log_request(url: str, id: int = 1, type: str = "DiagnosticsLog", **fields: object) -> dict:
    window = {key: fields.pop(key) for key in ("oldestTimestamp", "latestTimestamp") if key in fields}
    return {"logType": type, "requestId": id, "log": {"remoteLocation": url, **window}, **fields}


async def get_log(rig: Rig, url: str, id: int = 1, type: str = "DiagnosticsLog", **fields: object) -> Message:
    return await supported(rig, "GetLog", log_request(url, id, type, **fields))


async def status(rig: Rig, status: str | tuple[str, ...], id: int = 1, timeout: float | None = None) -> Message:
    """The next LogStatusNotification, which must be this one."""
    message = await rig.csms.expect("LogStatusNotification", timeout=timeout)
    return message.check({"status": status, "requestId": id})


@contextlib.contextmanager
def server(rig: Rig, protocol: str = "HTTP") -> Iterator[fileservers.Server]:
    with fileservers.serve(protocol, rig.folder / "uploads") as running:
        yield running


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# The test cases


@requirement(
    "N01.FR.01", "N01.FR.02", "N01.FR.04", "N01.FR.07", "N01.FR.08", "N01.FR.09", "N01.FR.13", "N01.FR.14", "N01.FR.21"
)  # fmt: skip
async def test_TC_N_25_CS(rig: Rig):
    """GetLog: the diagnostics log is uploaded"""
    await rig.start()
    with server(rig) as files:
        answer = (await get_log(rig, files.url(""))).check({"status": "Accepted", "filename": present}, "step 2")
        await status(rig, "Uploading")
        await status(rig, "Uploaded")
        found = lines(files.directory / answer["filename"])
    # The frames, and what the station said of them.
    frames = [one["frame"] for one in found if "dir" in one]
    assert any(frame[0] == 2 and frame[2] == "BootNotification" for frame in frames)
    assert any(frame[0] == 2 and frame[2] == "GetLog" for frame in frames)
    assert any("level" in one and "text" in one for one in found)
    assert [one["ts"] for one in found] == sorted(one["ts"] for one in found)


@requirement("N01.FR.01", "N01.FR.02", "N01.FR.04", "N01.FR.07", "N01.FR.08", "N01.FR.10", "N01.FR.13")
async def test_TC_N_26_CS(rig: Rig):
    """GetLog: the upload fails, and is tried three times more"""
    await rig.start()
    interval = 2
    with server(rig) as files:
        files.status = 503
        answer = await get_log(rig, files.url(""), retries=3, retryInterval=interval)
        answer.check({"status": "Accepted"}, "step 2")
        first = await status(rig, "Uploading")
        for attempt in range(4):
            if attempt:
                await status(rig, "Uploading", timeout=interval + 3)
            last = await status(rig, FAILURES)
        await rig.csms.expect_none("LogStatusNotification", seconds=interval + 1)
        assert len(files.requests) == 4, files.requests
    took = last.at - first.at
    assert 3 * interval - 0.5 <= took <= 3 * interval + 1.5, took


@requirement("N01.FR.05")
async def test_TC_N_34_CS(rig: Rig):
    """GetLog: nothing is there from that time"""
    await rig.start()
    with server(rig) as files:
        for id, type in enumerate(("DiagnosticsLog", "SecurityLog"), 1):
            answer = await get_log(rig, files.url(""), id, type, latestTimestamp="2020-01-01T00:00:00Z")
            answer.check({"status": "Rejected"}, type)
        await rig.csms.expect_none("LogStatusNotification", seconds=QUIET_SECONDS)
        assert not files.requests


@requirement("N01.FR.01", "N01.FR.02", "N01.FR.03", "N01.FR.07", "N01.FR.08", "N01.FR.09", "N01.FR.13", "A04.FR.04")
async def test_TC_N_35_CS(rig: Rig):
    """GetLog: the security log is uploaded; its chain holds"""
    await rig.start()
    with server(rig) as files:
        answer = (await get_log(rig, files.url(""), type="SecurityLog")).check({"status": "Accepted"}, "step 2")
        await status(rig, "Uploading")
        await status(rig, "Uploaded")
        path = files.directory / answer["filename"]
    check_chain(path)
    assert "StartupOfTheDevice" in [one["type"] for one in lines(path)]


def check_chain(path: Path) -> None:
    """By somebody else's code: the hash of each entry, which the next one holds."""
    previous = "0" * 64
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        entry = json.loads(line)
        body = line[: line.rindex(b',"hash":')]
        assert (entry["n"], entry["previous"]) == (number, previous)
        assert entry["hash"] == hashlib.sha256(body).hexdigest()
        previous = entry["hash"]


@requirement(
    "N01.FR.01", "N01.FR.02", "N01.FR.04", "N01.FR.07", "N01.FR.08", "N01.FR.09", "N01.FR.12", "N01.FR.13", "N01.FR.20"
)  # fmt: skip
async def test_TC_N_36_CS(rig: Rig):
    """GetLog during an upload cancels it"""
    await rig.start()
    with server(rig) as slow, fileservers.serve("HTTP", rig.folder / "second") as files:
        slow.pace = 30
        (await get_log(rig, slow.url(""), 1)).check({"status": "Accepted"}, "step 2")
        await status(rig, "Uploading", 1)
        answer = (await get_log(rig, files.url(""), 2)).check({"status": "AcceptedCanceled"}, "step 6")
        await status(rig, "AcceptedCanceled", 1)
        await status(rig, "Uploading", 2)
        await status(rig, "Uploaded", 2)
        assert (files.directory / answer["filename"]).stat().st_size > 0


# Protocols


@requirement("N01.FR.02", "N01.FR.09", "N01.FR.14", "N01.FR.15", "N01.FR.21")
@pytest.mark.parametrize("protocol", fileservers.PROTOCOLS)
async def test_upload_by(rig: Rig, protocol: str):
    """The log is uploaded by every protocol, TLS verified against the CSMS roots; no password is in it"""
    pki = Authority("File root")
    await rig.start(certificates={"ca/csms/CSMS_ROOT_CA.pem": pki.pem})
    protocols = await rig.value("OCPPCommCtrlr/FileTransferProtocols") or ""
    if protocol not in protocols.split(","):
        not_applicable(f"FileTransferProtocols does not have {protocol}")
    with fileservers.serve(protocol, rig.folder / "uploads", pki) as files:
        answer = (await get_log(rig, files.url(""))).check({"status": "Accepted"})
        await status(rig, "Uploading")
        await status(rig, "Uploaded")
        text = (files.directory / answer["filename"]).read_text()
    assert "BootNotification" in text
    assert fileservers.PASSWORD not in text
    # A location without a slash at its end is the name.
    with fileservers.serve(protocol, rig.folder / "uploads", pki) as files:
        (await get_log(rig, files.url("my.log"), 2)).check({"status": "Accepted"})
        await status(rig, "Uploading", 2)
        await status(rig, "Uploaded", 2)
        assert (files.directory / "my.log").stat().st_size > 0
    nothing_left(rig)


def nothing_left(rig: Rig) -> None:
    assert not list((rig.folder / "data" / "transfers").glob("*"))


@requirement("N01.FR.15", "N01.FR.10")
async def test_unknown_server(rig: Rig):
    """A server that no installed root vouches for gets nothing"""
    await rig.start(certificates={"ca/csms/CSMS_ROOT_CA.pem": Authority("Another root").pem})
    with fileservers.serve("HTTPS", rig.folder / "uploads", Authority("File root")) as files:
        (await get_log(rig, files.url(""))).check({"status": "Accepted"})
        await status(rig, "Uploading")
        await status(rig, FAILURES)
        assert not list(files.directory.iterdir())


@requirement("N01.FR.16")
async def test_server_known_to_the_system(rig: Rig):
    """A server that an authority of the operating system vouches for, beside the CSMS roots that are installed"""
    public = Authority("Public root")
    system = rig.folder / "system"
    system.mkdir()
    (system / "public.pem").write_text(public.pem)
    (system / "ca-certificates.crt").write_text(public.pem)
    subprocess.run(["openssl", "rehash", str(system)], check=True, capture_output=True)
    script = 'mount --bind "$0" /etc/ssl/certs && exec env STATION_DEBUGGABLE=1 "$@"'
    other = {"ca/csms/CSMS_ROOT_CA.pem": Authority("Another root").pem}
    await rig.start(certificates=other, wrapper=wrapper(script, system))
    with fileservers.serve("HTTPS", rig.folder / "uploads", public) as files:
        answer = (await get_log(rig, files.url(""))).check({"status": "Accepted"})
        await status(rig, "Uploading")
        await status(rig, "Uploaded")
        assert (files.directory / answer["filename"]).stat().st_size > 0


@requirement("N01.FR.10")
@pytest.mark.parametrize("protocol", ("HTTP", "FTP", "SFTP"))
async def test_permission_denied(rig: Rig, protocol: str):
    """A server that refuses: PermissionDenied"""
    await rig.start()
    with fileservers.serve(protocol, rig.folder / "uploads") as files:
        files.status = 403
        (await get_log(rig, files.url("", password="wrong"))).check({"status": "Accepted"})
        await status(rig, "Uploading")
        await status(rig, "PermissionDenied")


@requirement("N01.FR.10")
@pytest.mark.parametrize("status_code", (400, 405, 501, None))
async def test_not_what_was_asked(rig: Rig, status_code: int | None):
    """A server that cannot do it: NotSupportedOperation; one that does not understand, or speaks another protocol: BadMessage"""
    await rig.start()
    with fileservers.serve("HTTP" if status_code else "FTP", rig.folder / "uploads") as files:
        files.status = status_code
        (await get_log(rig, f"http://127.0.0.1:{files.port}/")).check({"status": "Accepted"})
        await status(rig, "Uploading")
        await status(rig, "NotSupportedOperation" if status_code in (405, 501) else "BadMessage")


@requirement("N01.FR.10")
@pytest.mark.parametrize("location", ("ftp://127.0.0.1/log", "file:///log"))
async def test_redirected_to_what_is_refused(rig: Rig, location: str):
    """A redirect to a protocol that is not followed: NotSupportedOperation"""
    await rig.start()
    with fileservers.serve("HTTP", rig.folder / "uploads") as files:
        files.status, files.redirect = 307, location
        (await get_log(rig, files.url(""))).check({"status": "Accepted"})
        await status(rig, "Uploading")
        await status(rig, "NotSupportedOperation")


@requirement("N01.FR.05")
async def test_protocol_not_supported(rig: Rig):
    """A location of no protocol that the station has is Rejected"""
    await rig.start()
    for id, url in enumerate(("gopher://127.0.0.1/x/", "file:///etc/passwd", "nonsense"), 1):
        (await get_log(rig, url, id)).check({"status": "Rejected"}, url)


@pytest.mark.parametrize("protocol", ("FTP", "SFTP"))
async def test_cut_and_resumed(rig: Rig, protocol: str):
    """The network is cut in the middle of an upload; the next attempt goes on where it was"""
    await rig.start()
    await fill_log(rig)
    with fileservers.serve(protocol, rig.folder / "uploads") as files:
        files.cut_after = 60_000
        answer = await get_log(rig, files.url(""), retries=2, retryInterval=1)
        answer.check({"status": "Accepted"})
        await status(rig, "Uploading")
        await status(rig, "UploadFailure")
        assert files.cuts == 1
        await status(rig, "Uploading", timeout=4)
        await status(rig, "Uploaded", timeout=20)
        found = lines(files.directory / answer["filename"])
    assert [one["ts"] for one in found] == sorted(one["ts"] for one in found)
    assert sum("dir" in one for one in found) > 100


async def fill_log(rig: Rig) -> None:
    """Some 200 kB of frames."""
    for _ in range(40):
        await rig.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "SummaryInventory"})
        await rig.csms.call(
            "GetVariables",
            {"getVariableData": [
                {"component": {"name": "ChargingStation"}, "variable": {"name": "AvailabilityState"}}
            ] * 20},
        )  # fmt: skip
    await rig.settle()


@requirement("N01.FR.04")
async def test_window(rig: Rig):
    """Only what is from the time asked for is uploaded"""
    await rig.start()
    await rig.settle()
    await asyncio.sleep(0.05)
    begin = time.time()
    stamp = lambda at: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"  # noqa: E731
    await rig.settle()
    with server(rig) as files:
        answer = await get_log(rig, files.url(""), oldestTimestamp=stamp(begin), latestTimestamp=stamp(begin + 3600))
        answer.check({"status": "Accepted"})
        await status(rig, "Uploading")
        await status(rig, "Uploaded")
        found = lines(files.directory / answer["filename"])
    assert found and all(time_of(one["ts"]).timestamp() >= begin - 0.002 for one in found)
    assert "BootNotification" not in json.dumps(found)


# Power cuts, the state, the security log


@requirement("N01.FR.10", "N01.FR.09")
@pytest.mark.parametrize("retries", (0, 1))
async def test_power_cut_during_upload(rig: Rig, retries: int):
    """After a power cut the upload goes on, or the CSMS hears that it has failed"""
    await rig.start()
    with server(rig) as files:
        files.pace = 30
        (await get_log(rig, files.url(""), retries=retries)).check({"status": "Accepted"})
        await rig.csms.answered(await status(rig, "Uploading"))
        await rig.settle()
        await rig.station.kill()
        files.pace = 0
        await rig.station.start()
        if retries:
            await status(rig, "Uploading")
            await status(rig, "Uploaded")
        else:
            await status(rig, "UploadFailure")
    await rig.settle()
    nothing_left(rig)


@requirement("N10.FR.01", "N10.FR.06", "N01.FR.10")
async def test_clearing_ends_an_upload(rig: Rig):
    """A customer is cleared while the diagnostics log is uploaded: the upload ends for good, and its file goes"""
    await rig.start()
    with server(rig) as files:
        files.pace = 30
        answer = await get_log(rig, files.url(""), retries=5, retryInterval=1)
        answer.check({"status": "Accepted"})
        await status(rig, "Uploading")
        request = {"requestId": 1, "report": False, "clear": True, "idToken": rig.token.json}
        (await supported(rig, "CustomerInformation", request)).check({"status": "Accepted"})
        await status(rig, "UploadFailure")
        await rig.csms.expect("NotifyCustomerInformation", {"requestId": 1, "seqNo": 0})
        await rig.csms.expect_none("LogStatusNotification", seconds=2)
        files.pace = 0
    await rig.settle()
    nothing_left(rig)


async def test_progress_in_state(rig: Rig):
    """`state` shows the upload while it goes on"""
    await rig.start()
    if not isinstance(rig.station, OurStation):
        not_applicable("another station")
    with server(rig) as files:
        files.pace = 30
        answer = await get_log(rig, files.url(""), 7)
        await status(rig, "Uploading", 7)
        upload = (await rig.station._command("state"))["station"]["logUpload"]
        assert upload["requestId"] == 7 and upload["file"] == answer["filename"] and upload["status"] == "Uploading"
        assert 0 <= upload["sent"] <= upload["bytes"]
        files.pace = 0


@requirement("A04.FR.04")
async def test_security_log_over_restarts(rig: Rig):
    """Every event is in it, over power cuts; `station security-log` shows and verifies it, and finds what was changed"""
    await rig.start()
    if not isinstance(rig.station, OurStation):
        not_applicable("another station")
    for _ in range(2):
        await rig.station.kill()
        await rig.station.start()
        # Where the power is cut before the station has told anybody that it runs, it may know nothing of it either.
        await rig.csms.expect("BootNotification")
    command = [str(station_binary()), "security-log"]
    socket = ["--control-socket", str(rig.station.control_socket)]
    shown = subprocess.run([*command, "show", "--json", *socket], capture_output=True, text=True, check=True)
    path = rig.folder / "security.jsonl"
    path.write_text(shown.stdout)
    check_chain(path)
    assert [one["type"] for one in lines(path)].count("StartupOfTheDevice") == 3
    assert subprocess.run([*command, "verify", *socket], capture_output=True).returncode == 0
    assert subprocess.run([*command, "verify", str(path)], capture_output=True).returncode == 0
    path.write_text(shown.stdout.replace("StartupOfTheDevice", "StartupOfTheDevicf", 1))
    found = subprocess.run([*command, "verify", "--json", str(path)], capture_output=True, text=True)
    assert found.returncode == 1
    assert json.loads(found.stdout)["problems"] == ["entry 1 was changed"]
