"""Block L: firmware updates, fetched from real servers and installed by the shipped installer."""

import asyncio

import pytest

import fileservers
import firmware
from checks import QUIET_SECONDS
from csms import ABSENT
from csms.pki import Authority
from firmware import NEW, OLD, ask, image, installed, request, told
from rig import Rig, not_applicable
from states import Session, connector_status

requirement = pytest.mark.requirement
limit = pytest.mark.limit


@requirement(
    "L01.FR.01", "L01.FR.04", "L01.FR.05", "L01.FR.09", "L01.FR.10", "L01.FR.12", "L01.FR.20", "L01.FR.21",
    "L01.FR.28", "L01.FR.31", "L01.FR.32", "L01.FR.08",
)  # fmt: skip
@pytest.mark.parametrize("protocol", fileservers.PROTOCOLS)
@limit(90)
async def test_TC_L_01_CS(rig: Rig, protocol: str):
    """Installation successful"""
    servers = Authority("File Servers")
    machine = await firmware.start(rig, roots=servers.pem)
    content = image()
    with fileservers.serve(protocol, rig.folder / "files", servers) as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing")
        await installed(rig, machine, id)
    assert fileservers.PASSWORD not in rig.station.log()


@requirement("L01.FR.04", "L01.FR.12")
@limit(90)
async def test_rsa_pss(rig: Rig):
    """A signature by RSA-PSS"""
    machine = await firmware.start(rig, key="rsa3072")
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing")
        await installed(rig, machine, id)


@requirement("L01.FR.01", "L01.FR.05", "L01.FR.30")
@pytest.mark.parametrize("protocol", fileservers.PROTOCOLS)
@limit(90)
async def test_cut_and_resumed(rig: Rig, protocol: str):
    """The network is cut in the middle of the download: it goes on where it was"""
    servers = Authority("File Servers")
    machine = await firmware.start(rig, roots=servers.pem)
    content = image(size=2_000_000)
    with fileservers.serve(protocol, rig.folder / "files", servers) as server:
        (server.directory / "fw.tar").write_bytes(content)
        server.cut_after = 1_000_000
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer, retries=1, retryInterval=1))
        await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing")
        assert server.cuts == 1
        assert resumed_at(server.requests) > 500_000, server.requests
        await installed(rig, machine, id)


def resumed_at(requests: list[str]) -> int:
    """Where the second of two downloads began."""
    starts = [int(one.split("bytes=")[1].rstrip("-")) for one in requests if "bytes=" in one]
    starts += [int(one.removeprefix("REST ")) for one in requests if one.startswith("REST ")]
    if not starts:
        second = len(requests) - 1 - requests[::-1].index("read /fw.tar")
        starts = [int(one.removeprefix("read at ")) for one in requests[second:] if one.startswith("read at ")][:1]
    return starts[-1]


@requirement("L01.FR.01", "L01.FR.10", "L01.FR.16", "L01.FR.20")
@limit(90)
async def test_TC_L_02_CS(rig: Rig):
    """InstallScheduled: the installation waits for its time"""
    machine = await firmware.start(rig)
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer, install=5))
        scheduled = await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled")
        installing = await told(rig, id, "Installing")
        assert installing.at - scheduled.at > 2
        await installed(rig, machine, id)


@requirement("L01.FR.01", "L01.FR.10", "L01.FR.13", "L01.FR.20")
@limit(90)
async def test_TC_L_03_CS(rig: Rig):
    """DownloadScheduled: the download waits for its time"""
    machine = await firmware.start(rig)
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer, retrieve=5))
        scheduled = await told(rig, id, "DownloadScheduled")
        downloading = await told(rig, id, "Downloading")
        assert downloading.at - scheduled.at > 2
        await told(rig, id, "Downloaded", "SignatureVerified", "Installing")
        await installed(rig, machine, id)


@requirement("L01.FR.02", "L01.FR.12", "L01.FR.21", "L01.FR.22")
@pytest.mark.parametrize("kind", ["another root", "expired", "no certificate"])
async def test_TC_L_05_CS(rig: Rig, kind: str):
    """InvalidCertificate"""
    machine = await firmware.start(rig)
    signer = {
        "another root": lambda: Authority("Somebody").issue("Firmware Signing"),
        "expired": lambda: machine.root.issue("Firmware Signing", days=(-10, -1)),
        "no certificate": lambda: machine.signer,
    }[kind]()
    payload = request("http://127.0.0.1:9/fw.tar", b"", signer)
    if kind == "no certificate":
        payload["firmware"]["signingCertificate"] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    await ask(rig, payload, "InvalidCertificate")
    await firmware.security_event(rig, "InvalidFirmwareSigningCertificate")
    await rig.csms.expect_none("FirmwareStatusNotification", seconds=QUIET_SECONDS)


@requirement("L01.FR.01", "L01.FR.03", "L01.FR.04", "L01.FR.10", "L01.FR.20")
async def test_TC_L_06_CS(rig: Rig):
    """InvalidSignature"""
    machine = await firmware.start(rig)
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content + b"!", machine.signer))
        await told(rig, id, "Downloading", "Downloaded", "InvalidSignature")
        await firmware.security_event(rig, "InvalidFirmwareSignature")
    await rig.csms.expect_none("FirmwareStatusNotification", seconds=QUIET_SECONDS)
    assert machine.running == OLD
    assert not firmware.transferred(rig), "the file is kept"


@requirement("L01.FR.01", "L01.FR.10", "L01.FR.20", "L01.FR.30")
async def test_TC_L_07_CS(rig: Rig):
    """DownloadFailed, after all retries"""
    machine = await firmware.start(rig)
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        id = await ask(rig, request(server.url("none.tar"), b"", machine.signer, retries=2, retryInterval=1))
        await told(rig, id, "Downloading", "DownloadFailed")
        assert server.requests == ["GET /none.tar"] * 3


@requirement("L01.FR.30")
@pytest.mark.parametrize("status", [405, 501, 503])
@limit(90)
async def test_server_that_cannot_for_a_while(rig: Rig, status: int):
    """A gateway answers that it cannot: the next attempt finds the file"""
    machine = await firmware.start(rig)
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        server.status = status
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer, retries=1, retryInterval=3))
        await told(rig, id, "Downloading")
        while not server.requests:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # it is answered
        server.status = None
        await told(rig, id, "Downloaded", "SignatureVerified", "Installing")
        await installed(rig, machine, id)
        assert server.requests == ["GET /fw.tar"] * 2


@requirement("L01.FR.01", "L01.FR.10", "L01.FR.12", "L01.FR.20", "L01.FR.29")
@pytest.mark.parametrize("kind", ["no archive", "no version"])
async def test_TC_L_08_CS(rig: Rig, kind: str):
    """InstallVerificationFailed: what is signed is no image for this machine"""
    machine = await firmware.start(rig)
    content = b"no archive" * 1000 if kind == "no archive" else image("")
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallVerificationFailed")
    for status in ("Unavailable", "Available"):
        await connector_status(rig, 1, 1, status)
    assert machine.running == OLD


@requirement("L01.FR.01", "L01.FR.10", "L01.FR.20", "L01.FR.24")
@limit(90)
async def test_TC_L_10_CS(rig: Rig):
    """AcceptedCanceled: a new request takes the place of one that downloads"""
    machine = await firmware.start(rig)
    content = image(size=1_000_000)
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        server.pace = 1
        first = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, first, "Downloading")
        second = await ask(rig, request(server.url("fw.tar"), content, machine.signer), "AcceptedCanceled")
        server.pace = 0
        await told(rig, second, "Downloading", "Downloaded", "SignatureVerified", "Installing")
        await installed(rig, machine, second)


async def test_TC_L_11_CS(rig: Rig):
    """Unable to cancel"""
    not_applicable("the station cancels an update that downloads or waits")


@requirement("L01.FR.27", "L02.FR.18")
@limit(90)
async def test_installation_is_not_cancelled(rig: Rig):
    """A new request while firmware is being installed is rejected; so is a reset"""
    machine = await firmware.start(rig)
    content = image(size=1_000_000)
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        with machine.held():
            id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
            await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing")
            await ask(rig, request(server.url("fw.tar"), content, machine.signer), "Rejected")
            answer = await rig.csms.call("Reset", {"type": "Immediate"})
            answer.check({"status": "Rejected", "statusInfo.reasonCode": "FwUpdateInProgress"})
        await installed(rig, machine, id)


@requirement("L01.FR.06", "L01.FR.07", "L01.FR.10", "L01.FR.13", "L01.FR.20")
@pytest.mark.parametrize("allows_new", [True, False])
@limit(120)
async def test_TC_L_12_CS_TC_L_13_CS(rig: Rig, allows_new: bool):
    """A station that fetches nothing during a transaction: DownloadScheduled until it ends"""
    await during_transaction(rig, allows_new, downloads=False)


@requirement("L01.FR.06", "L01.FR.07", "L01.FR.10", "L01.FR.20", "L01.FR.34")
@limit(120)
async def test_TC_L_14_CS(rig: Rig):
    """Installation waits for the transactions; new sessions are allowed"""
    await during_transaction(rig, True, downloads=True)


@requirement("L01.FR.06", "L01.FR.07", "L01.FR.10", "L01.FR.20", "L01.FR.34")
@limit(120)
async def test_TC_L_15_CS(rig: Rig):
    """Installation waits for the transaction; the free EVSEs are Unavailable"""
    await during_transaction(rig, False, downloads=True)


async def during_transaction(rig: Rig, allows_new: bool, downloads: bool) -> None:
    settings = {
        "ChargingStation/AllowNewSessionsPendingFirmwareUpdate": str(allows_new).lower(),
        "InternalCtrlr/DownloadDuringTransactions": str(downloads).lower(),
    }
    machine = await firmware.start(rig, settings)
    session = Session(rig)
    await session.energy_transfer_started()
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        if downloads:
            await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled")
        else:
            await told(rig, id, "DownloadScheduled")
        other = 2
        if allows_new:
            rig.evse_id, rig.token = other, rig.other_token
            second = Session(rig)
            await second.energy_transfer_started()
            await session.parking_bay_unoccupied()
            await rig.csms.expect_none("FirmwareStatusNotification", seconds=QUIET_SECONDS)
            await second.parking_bay_unoccupied()
        else:
            await connector_status(rig, other, 1, "Unavailable")
            await rig.station.swipe(rig.other_token.id, evse=other)
            await rig.station.plug_in(other)
            await rig.csms.expect_none("TransactionEvent", {"eventType": "Started"}, seconds=QUIET_SECONDS)
            await rig.station.plug_out(other)
            session.released = "Unavailable"
            await session.parking_bay_unoccupied()
        if not downloads:
            await told(rig, id, "Downloading", "Downloaded", "SignatureVerified")
        await told(rig, id, "Installing")
        await installed(rig, machine, id)


@requirement("L01.FR.01", "L01.FR.10", "L01.FR.14", "L01.FR.20", "L02.FR.08")
@limit(120)
async def test_download_pauses(rig: Rig):
    """A transaction begins while firmware is fetched, and the station fetches nothing meanwhile: DownloadPaused until it ends"""
    machine = await firmware.start(rig, {"InternalCtrlr/DownloadDuringTransactions": "false"})
    content = image(size=2_000_000)
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        server.pace = 1
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, id, "Downloading")
        await firmware.until_downloaded(rig, 1)
        session = Session(rig)
        await session.energy_transfer_started()
        await told(rig, id, "DownloadPaused")
        await connector_status(rig, 2, 1, "Unavailable")
        server.pace = 0
        size = sum(one.stat().st_size for one in firmware.transferred(rig))
        await rig.csms.expect_none("FirmwareStatusNotification", seconds=QUIET_SECONDS)
        assert size == sum(one.stat().st_size for one in firmware.transferred(rig)) < len(content)
        session.released = "Unavailable"
        await session.parking_bay_unoccupied()
        await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing")
        await installed(rig, machine, id)


@requirement("L01.FR.01", "L01.FR.10", "L01.FR.20", "L01.FR.33")
@limit(120)
async def test_TC_L_16_CS(rig: Rig):
    """A station that installs during a transaction, and puts it in force after that"""
    machine = await firmware.start(rig, {"InternalCtrlr/InstallDuringTransactions": "true"})
    session = Session(rig)
    await session.energy_transfer_started()
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting")
        await rig.csms.expect_none("BootNotification", seconds=QUIET_SECONDS)
        assert machine.running == OLD
        session.released = "Unavailable"
        await session.parking_bay_unoccupied()
        await firmware.restarted(rig, machine, id)


@requirement("L01.FR.09")
@pytest.mark.parametrize("missing", ["both", "signature", "certificate"])
async def test_TC_L_18_CS(rig: Rig, missing: str):
    """Certificate and signature are missing"""
    machine = await firmware.start(rig)
    payload = request("http://127.0.0.1:9/fw.tar", b"", machine.signer)
    if missing in ("both", "signature"):
        del payload["firmware"]["signature"]
    if missing in ("both", "certificate"):
        del payload["firmware"]["signingCertificate"]
    await ask(rig, payload, ("Rejected", "InvalidCertificate"))
    await rig.csms.expect_none("FirmwareStatusNotification", seconds=QUIET_SECONDS)


@requirement("L02.FR.01", "L02.FR.02", "L02.FR.06", "L02.FR.14", "L02.FR.20", "L02.FR.21")
@limit(90)
async def test_unsigned(rig: Rig):
    """L02, where the station allows it: no signature, no SignatureVerified"""
    machine = await firmware.start(rig, {"InternalCtrlr/AllowUnsignedFirmware": "true"})
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, None))
        await told(rig, id, "Downloading", "Downloaded", "Installing")
        await installed(rig, machine, id)


@requirement("L01.FR.25", "L01.FR.26", "L02.FR.16", "L02.FR.17", "F06.FR.04", "F06.FR.05", "F06.FR.10")
@limit(90)
async def test_TC_F_19_CS(rig: Rig):
    """TriggerMessage FirmwareStatusNotification while downloading, and Idle when it is installed"""
    machine = await firmware.start(rig)
    content = image(size=1_000_000)
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        server.pace = 1
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, id, "Downloading")
        await trigger(rig, {"status": "Downloading", "requestId": id})
        server.pace = 0
        await told(rig, id, "Downloaded", "SignatureVerified", "Installing")
        await installed(rig, machine, id)
    await trigger(rig, {"status": "Idle", "requestId": ABSENT})


async def trigger(rig: Rig, expected: dict) -> None:
    answer = await rig.csms.call("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    answer.check({"status": "Accepted"})
    (await rig.csms.expect("FirmwareStatusNotification")).check(expected)


@pytest.mark.parametrize("location", ["gopher://host/fw", "fw.tar", "http://host:0/"])
async def test_location_that_is_none(rig: Rig, location: str):
    """A location of no protocol that the station has is rejected"""
    machine = await firmware.start(rig)
    await ask(rig, request(location, b"", machine.signer), "Rejected")


async def test_without_installer(rig: Rig):
    """A station that cannot install says so"""
    await rig.start()
    answer = await rig.csms.call("UpdateFirmware", request("http://host/fw.tar", None, None))
    answer.check({"status": "Rejected", "statusInfo.reasonCode": "NotEnabled"})


@pytest.mark.parametrize("action", ["PublishFirmware", "UnpublishFirmware"])
async def test_local_controller(rig: Rig, action: str):
    """What a Local Controller does is not supported"""
    await rig.start()
    payload = {"checksum": "00"} | (
        {"location": "http://host/fw.tar", "requestId": 1} if action == "PublishFirmware" else {}
    )
    answer = await rig.csms.request(action, payload)
    assert answer.error_code == "NotSupported", answer


@requirement("L01.FR.01", "L01.FR.28")
@limit(120)
async def test_power_cut_while_downloading(rig: Rig):
    """Killed in the middle of the download: it goes on after the start, and nothing is told twice"""
    machine = await firmware.start(rig)
    content = image(size=8_000_000)
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        server.pace = 0.05
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, id, "Downloading")
        await firmware.until_downloaded(rig, 5 << 20)
        await firmware.power_cut(rig)
        server.pace = 0
        await told(rig, id, "Downloaded", "SignatureVerified", "Installing")
        assert resumed_at(server.requests) >= 4 << 20
        await installed(rig, machine, id)


@requirement("L01.FR.01")
@limit(120)
async def test_rolled_back(rig: Rig):
    """The CSMS never accepts the new firmware: the old one comes back, and is what is reported"""
    machine = await firmware.start(rig, {"InternalCtrlr/FirmwareTrialTime": "10"})
    content = image()
    with fileservers.serve("HTTP", rig.folder / "files") as server:
        (server.directory / "fw.tar").write_bytes(content)
        id = await ask(rig, request(server.url("fw.tar"), content, machine.signer))
        await told(rig, id, "Downloading", "Downloaded", "SignatureVerified", "Installing")
        rig.csms.respond("BootNotification", firmware.only_old)
        await told(rig, id, "InstallRebooting")
        boot = await rig.csms.expect("BootNotification", {"chargingStation.firmwareVersion": NEW})
        boot.check({"reason": "FirmwareUpdate"})
        again = await rig.csms.expect("BootNotification", {"chargingStation.firmwareVersion": OLD}, timeout=40)
        again.check({"reason": "FirmwareUpdate"})
        await told(rig, id, "InstallationFailed")
    assert machine.running == machine.good == OLD
