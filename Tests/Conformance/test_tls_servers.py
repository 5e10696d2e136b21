"""What is ours: servers that a station must not trust, one after the other, and servers that are only unusual (A00). Each bad
one ends in connections that are refused, tried again with back-off, and told once there is a good one; none in a dead station.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import ssl
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from checks import faster
from csms import Csms, Event, Front
from csms.fronts import answering, refusing, silence, stapling
from csms.pki import Authority, self_signed, server_context
from rig import Rig
from secure import (
    SERIAL,
    Certificates,
    attempts_after,
    last_event,
    presented,
    reconnected,
    refusals,
    renew_charging_station_certificate,
    security_events,
    start,
    still_works,
)
from states import booted
from station_adapter import ROOT, station_binary

requirement = pytest.mark.requirement

TLS10, TLS11 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

#: Time passes so many times as fast.
SCALE = 10


def chain(made: Certificates) -> Front:
    server = made.issuing.issue()
    server.between.clear()
    return server_context(server)


def revoked(made: Certificates) -> Front:
    return stapling(made.server, made.issuing.staple(made.server.certificate, revoked=True), 9)


def below(kind: str = "ec", **named: object) -> Callable[[Certificates], Front]:
    """The certificate of a sub-CA that is not as it should be."""
    return lambda made: server_context(Authority("Bad Sub CA", made.root, kind=kind, **named).issue())


def only(suites: str) -> Callable[[Certificates], Front]:
    return lambda made: refusing(server_context(made.server, maximum=TLS12, ciphers=suites + ":@SECLEVEL=0"))


#: Name -> what stands at the CSMS' port, and the security event.
BAD: dict[str, tuple[Callable[[Certificates], Front], str | None]] = {
    "expired": (lambda made: server_context(made.issuing.issue(days=(-30, -1))), "InvalidCsmsCertificate"),
    "not yet valid": (lambda made: server_context(made.issuing.issue(days=(5, 30))), "InvalidCsmsCertificate"),
    "expired sub-CA": (below(days=(-30, -1)), "InvalidCsmsCertificate"),
    "wrong host": (
        lambda made: server_context(made.issuing.issue("csms.example", hosts=("csms.example",))),
        "InvalidCsmsCertificate",
    ),
    "wrong address": (
        lambda made: server_context(made.issuing.issue("127.0.0.1", hosts=("127.0.0.2", "localhost"))),
        "InvalidCsmsCertificate",
    ),
    "wrong CA": (lambda made: server_context(Authority("Stranger").issue()), "InvalidCsmsCertificate"),
    "CA of the same name": (lambda made: server_context(Authority("CSMS Root").issue()), "InvalidCsmsCertificate"),
    "self-signed": (lambda made: server_context(self_signed()), "InvalidCsmsCertificate"),
    "issued by a server": (lambda made: server_context(issued_by_a_server(made)), "InvalidCsmsCertificate"),
    "a station's certificate": (lambda made: server_context(made.station), "InvalidCsmsCertificate"),
    "weak key": (lambda made: server_context(made.issuing.issue(kind="rsa1024")), "InvalidCsmsCertificate"),
    "weak key of the sub-CA": (below("rsa1024"), "InvalidCsmsCertificate"),
    "SHA-1": (lambda made: server_context(made.issuing.issue(sha1=True)), "InvalidCsmsCertificate"),
    "revoked": (revoked, "InvalidCsmsCertificate"),
    "missing intermediate": (chain, "InvalidCsmsCertificate"),
    "TLS 1.0": (lambda made: refusing(server_context(made.server, minimum=TLS10, maximum=TLS10)), "InvalidTLSVersion"),
    "TLS 1.1": (lambda made: refusing(server_context(made.server, minimum=TLS11, maximum=TLS11)), "InvalidTLSVersion"),
    "bad suites": (only("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384"), "InvalidTLSCipherSuite"),
    "no encryption": (only("ECDHE-ECDSA-NULL-SHA"), "InvalidTLSCipherSuite"),
    "anonymous": (only("AECDH-AES128-SHA"), "InvalidTLSCipherSuite"),
    "plain HTTP": (lambda made: None, None),
    "a web server": (lambda made: answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), None),
    "garbage": (lambda made: answering(bytes(range(256)) * 64), None),
    "closes at once": (lambda made: answering(b""), None),
}


def issued_by_a_server(made: Certificates) -> object:
    """A certificate that the key of another server certificate has signed."""
    authority = Authority("x", made.issuing)
    authority.key, authority.certificate = made.server.key, made.server.certificate
    return authority.issue()


@requirement("A00.FR.308", "A00.FR.309", "A00.FR.310", "A00.FR.311", "A00.FR.316", "A00.FR.320", "A00.FR.323")
@pytest.mark.parametrize("bad", BAD)
async def test_bad_server(rig: Rig, bad: str):
    """Refused, with back-off; told once when the good server is back; then all is as before"""
    make, event = BAD[bad]
    made = await start(rig, 2, arguments=faster(SCALE))
    csms = rig.csms
    await csms.put(make(made))
    before, connected = last_event(rig, "accepted"), last_event(rig, "connected")
    await csms.link.close(1001)
    accepted = await refusals(csms, 3, before)
    assert not attempts_after(csms, connected), "the station sent its request to a server it must not trust"
    gaps = [(after.at - first.at) * SCALE for first, after in zip(accepted, accepted[1:])]
    assert gaps[0] >= 1 and gaps[1] >= 1.9, f"attempts {gaps} s apart, RetryBackOffWaitMinimum is 1 s and doubled"
    await csms.put(made.front(2))
    await reconnected(rig, connected, timeout=2 * csms.patience)
    if event:
        await csms.expect("SecurityEventNotification", {"type": event})
    await still_works(rig)
    wanted = [event] if event else []
    assert [one for one in security_events(rig) if one.startswith("Invalid")] == wanted


@requirement("A00.FR.309", "A00.FR.311", "A00.FR.316")
@pytest.mark.parametrize("bad", ["self-signed", "TLS 1.1", "plain HTTP", "closes at once"])
async def test_bad_server_at_the_first_start(rig: Rig, bad: str):
    """The first server that a station ever meets is a bad one"""
    make, event = BAD[bad]
    made = Certificates()
    await start(rig, 2, made=made, front=make(made), booted=False, arguments=faster(SCALE))
    await refusals(rig.csms, 2)
    await rig.csms.put(made.front(2))
    await booted(rig)
    if event:
        await rig.csms.expect("SecurityEventNotification", {"type": event})
    await still_works(rig)


async def just_switched_on(rig: Rig, bad: str) -> tuple[Certificates, str, list[Event]]:
    """A station that nobody has told the time yet, and two refusals of this certificate."""
    made = Certificates()
    make, event = BAD[bad]
    settings = {
        "OCPPCommCtrlr/NetworkProfileConnectionAttempts": "2",
        "OCPPCommCtrlr/RetryBackOffRepeatTimes": "0",
        "OCPPCommCtrlr/RetryBackOffRandomRange": "0",
    }
    await start(rig, 2, settings, made=made, front=make(made), booted=False)
    return made, event, await refusals(rig.csms, 2)


def check_no_request_before(rig: Rig, refused: Event) -> None:
    attempts = rig.csms.record.events("attempt")
    assert attempts[0].number > refused.number, "the station sent its request to a server it must not trust"


@requirement("A00.FR.308", "A00.FR.310")
async def test_an_expired_certificate_is_refused_by_any_clock(rig: Rig):
    """Also by a station just switched on: a clock that may be behind does not make it valid"""
    made, event, accepted = await just_switched_on(rig, "expired")
    accepted += await refusals(rig.csms, 3, accepted[-1])
    await rig.csms.put(made.front(2))
    await booted(rig)
    check_no_request_before(rig, accepted[-1])
    await rig.csms.expect("SecurityEventNotification", {"type": event})
    await still_works(rig)


@requirement("A00.FR.308")
async def test_a_clock_that_is_behind(rig: Rig):
    """Just switched on, the station takes a certificate that has not begun after some refusals, and learns the time"""
    later = datetime.now(UTC) + timedelta(days=10)
    rig.csms.respond("BootNotification", {"currentTime": later.isoformat(), "interval": 300, "status": "Accepted"})
    _, event, accepted = await just_switched_on(rig, "not yet valid")
    await booted(rig)
    check_no_request_before(rig, accepted[-1])
    await rig.csms.expect("SecurityEventNotification", {"type": event})
    await rig.csms.expect("SecurityEventNotification", {"type": "SettingSystemTime"})
    await still_works(rig)


@requirement("A00.FR.310", "A00.FR.311")
async def test_a_certificate_that_has_not_begun_by_the_csms_own_time(rig: Rig):
    """Taken once for want of a time, it ends the connection when the time is known, and is refused from then on"""
    made, event, accepted = await just_switched_on(rig, "not yet valid")
    await rig.csms.expect("BootNotification")
    check_no_request_before(rig, accepted[-1])
    taken = last_event(rig, "connected")
    await rig.csms.expect_event("disconnected", after=taken)
    await refusals(rig.csms, 4, last_event(rig, "accepted"))
    assert last_event(rig, "connected") == taken
    await rig.csms.put(made.front(2))
    await reconnected(rig, taken)
    await rig.csms.expect("SecurityEventNotification", {"type": event})
    await still_works(rig)


@requirement("A04.FR.02", "A00.FR.310")
async def test_the_event_survives_a_power_cut(rig: Rig):
    """InvalidCsmsCertificate is told although the power failed before there was anybody to tell it"""
    made = await start(rig, 2, arguments=faster(SCALE))
    before, connected = last_event(rig, "accepted"), last_event(rig, "connected")
    await rig.csms.put(server_context(self_signed()))
    await rig.csms.link.close(1001)
    await refusals(rig.csms, 2, before)
    rig.csms.forget()
    rig.reported.clear()
    await rig.station.kill()
    await rig.csms.put(made.front(2))
    await rig.station.start()
    await reconnected(rig, connected)
    await rig.csms.expect("SecurityEventNotification", {"type": "InvalidCsmsCertificate"})


async def test_a_server_that_never_answers(rig: Rig):
    """A server that takes the connection and says nothing is given up in time"""
    made = await start(rig, 2, arguments=faster(20))
    before, connected = last_event(rig, "accepted"), last_event(rig, "connected")
    await rig.csms.put(silence)
    await rig.csms.link.close(1001)
    await refusals(rig.csms, 2, before)
    await rig.csms.put(made.front(2))
    await reconnected(rig, connected)
    assert not [one for one in security_events(rig) if one.startswith("Invalid")]
    await still_works(rig)


# Servers that are good, if unusual


def rsa(made: Certificates, **named: object) -> Front:
    return server_context(made.issuing.issue(kind="rsa2048"), **named)


GOOD: dict[str, Callable[[Certificates], Front]] = {
    "TLS 1.3": lambda made: server_context(made.server, minimum=TLS13),
    "RSA certificate in TLS 1.3": lambda made: rsa(made, minimum=TLS13),
    "ECDHE-ECDSA-AES128-GCM-SHA256": lambda made: server_context(
        made.server, maximum=TLS12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"
    ),
    "ECDHE-ECDSA-AES256-GCM-SHA384": lambda made: server_context(
        made.server, maximum=TLS12, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"
    ),
    "AES128-GCM-SHA256": lambda made: rsa(made, maximum=TLS12, ciphers="AES128-GCM-SHA256"),
    "AES256-GCM-SHA384": lambda made: rsa(made, maximum=TLS12, ciphers="AES256-GCM-SHA384"),
    "a certificate of the root itself": lambda made: server_context(made.root.issue()),
    "no extended key usage": lambda made: server_context(made.issuing.issue(restricted=False)),
    "a long chain": lambda made: server_context(
        Authority("C", Authority("B", Authority("A", made.issuing))).issue(kind="rsa3072")
    ),
}


@requirement("A00.FR.308", "A00.FR.317", "A00.FR.319", "A00.FR.422")
@pytest.mark.parametrize("good", GOOD)
async def test_good_server(rig: Rig, good: str):
    """Every version and cipher suite that Part 2 names, EC and RSA"""
    made = Certificates()
    await start(rig, 2, made=made, front=GOOD[good](made))
    tls = rig.csms.link.tls
    if "GCM" in good:
        assert tls.cipher()[0] == good
    await still_works(rig)


@requirement("A00.FR.308")
@pytest.mark.parametrize("how", ["good", "none"])
async def test_a_stapled_answer(rig: Rig, how: str):
    """OCSP stapling with a good answer, or none at all"""
    made = Certificates()
    inner = await rig.another_csms()
    inner.passwords = None
    response = made.issuing.staple(made.server.certificate) if how == "good" else b""
    await start(rig, 2, made=made, front=stapling(made.server, response, inner.port), booted=False)
    rig.csms = inner
    await booted(rig)
    await still_works(rig)


@requirement("A00.FR.308")
async def test_an_intermediate_on_disk(rig: Rig):
    """A server that leaves out its sub-CA is trusted when the installer has put it on the station"""
    made = Certificates()
    await start(rig, 2, made=made, front=chain(made), certificates={"ca/csms/sub.pem": made.issuing.pem})
    await still_works(rig)


@requirement("A00.FR.308", "A00.FR.309", "A00.FR.412")
@pytest.mark.parametrize("hosts", [("localhost",), ()], ids=["subjectAltName", "common name"])
async def test_by_name(rig: Rig, hosts: tuple[str, ...]):
    """A URL with a host name is checked against the names of the certificate, and the name is sent (SNI)"""
    names: list[str | None] = []
    made = Certificates()
    front = server_context(made.issuing.issue("localhost", hosts=hosts))
    front.sni_callback = lambda _socket, name, _context: names.append(name)
    rig.csms = NamedCsms(passwords=rig.csms.passwords, patience=rig.csms.patience)
    rig.csmses = [rig.csms]
    await start(rig, 2, made=made, front=front)
    assert names == ["localhost"]
    await still_works(rig)


class NamedCsms(Csms):
    """Told to the station by name."""

    @property
    def url(self) -> str:
        return super().url.replace("127.0.0.1", "localhost")


@requirement("A00.FR.430")
async def test_an_expired_client_certificate_is_shown(rig: Rig):
    """Profile 3 with an expired certificate: whether it counts is the CSMS' decision, which has it renewed"""
    made = Certificates()
    made.station = made.issuing.issue(SERIAL, client=True, days=(-30, -1))
    front = server_context(made.server, client_root=made.root)
    front.verify_flags |= ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME
    await start(rig, 3, made=made, front=front, booted=False)
    await booted(rig)
    assert presented(rig) == made.station.certificate
    await rig.csms.put(made.front(3))
    # The station asks of its own accord.
    await renew_charging_station_certificate(rig, made.issuing, triggered=False)
    await still_works(rig)


@requirement("A00.FR.401", "A00.FR.416")
async def test_a_client_certificate_that_is_refused(rig: Rig):
    """Profile 3 at a server that trusts another authority: attempts with back-off, no false alarm, then all is well"""
    made = await start(rig, 3, arguments=faster(SCALE))
    before, connected = last_event(rig, "accepted"), last_event(rig, "connected")
    await rig.csms.put(server_context(made.server, client_root=Authority("Stranger")))
    await rig.csms.link.close(1001)
    await refusals(rig.csms, 3, before)
    assert not attempts_after(rig.csms, connected)
    await rig.csms.put(made.front(3))
    await reconnected(rig, connected)
    await still_works(rig)
    assert not [one for one in security_events(rig) if one.startswith("Invalid")]


async def test_the_command_that_the_csms_program_prints(rig: Rig, tmp_path: Path):
    """`python -m csms --tls --profile 3` prints a station's command line that works, and signs what the station asks for"""
    (tmp_path / "DeviceModel").symlink_to(ROOT / "DeviceModel")
    (tmp_path / "station-data").mkdir()
    arguments = ["--port", "0", "--tls", "--profile", "3", "--pki", "pki", "--socket", str(rig.folder / "s"), "--json"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("STATION_")}
    csms = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "csms", *arguments),
        cwd=tmp_path,
        stdout=PIPE,
        stderr=PIPE,
        env=environment | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    station = None
    try:
        for _ in range(3):
            line = (await csms.stderr.readline()).decode()
        command = shlex.split(line)
        assert command[:2] == ["station", "run"]
        station = await asyncio.create_subprocess_exec(
            str(station_binary()), *command[1:], cwd=tmp_path, stderr=DEVNULL, env=environment
        )
        await called(rig, {"wait": "BootNotification"})
        trigger = {"action": "TriggerMessage", "payload": {"requestedMessage": "SignChargingStationCertificate"}}
        assert (await called(rig, trigger))["result"] == {"status": "Accepted"}
        await called(rig, {"wait": "SignCertificate"})
        while line := json.loads(await csms.stdout.readline()):
            if line.get("action") == "CertificateSigned" and line["dir"] == "fromStation":
                assert json.loads(line["frame"])[2]["status"] == "Accepted"
                break
    finally:
        for process in (station, csms):
            if process:
                process.terminate()
                await process.communicate()
    assert csms.returncode == 0, "violations"


async def called(rig: Rig, command: dict) -> dict:
    """The answer to a command on the program's socket."""
    reader, writer = await asyncio.open_unix_connection(str(rig.folder / "s"))
    writer.write(json.dumps(command).encode() + b"\n")
    answer = json.loads(await reader.readline())
    writer.close()
    assert answer["ok"], answer
    return answer
