"""Block A, security: Basic authentication (A00, A01), TLS and its certificates (A00), renewal of the station's certificate
(A02), security profiles (A05). TC_A_12 and TC_A_13 wait for ISO 15118.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from checks import faster
from csms import ABSENT
from csms.fronts import refusing
from csms.pki import Authority, new_key, self_signed, server_context
from rig import Rig
from secure import (
    ROOTS,
    SERIAL,
    SETTINGS,
    Certificates,
    attempts_after,
    booted_at,
    certificate_installed,
    certificate_signed,
    check_cipher_suites,
    check_key,
    expect_security_event,
    last_event,
    presented,
    reconnected,
    refusals,
    renew_charging_station_certificate,
    set_network_profile,
    set_priority,
    set_variable,
    sign_certificate,
    start,
    still_works,
    two_slots,
)
from states import booted, reset, startup_security_event
from station_adapter import connection_data

requirement = pytest.mark.requirement
#: Time passes so many times as fast where back-off is waited for.
SCALE = 5

profiles = pytest.mark.parametrize("profile", [1, 2], ids=["profile 1", "profile 2"])
secured = pytest.mark.parametrize("profile", [2, 3], ids=["profile 2", "profile 3"])

OLD = SETTINGS["SecurityCtrlr/BasicAuthPassword"]
NEW = "new-password_0987654321"


def credentials(rig: Rig, password: str) -> str:
    return "Basic " + base64.b64encode(f"{rig.station_id}:{password}".encode()).decode()


# Basic authentication


@requirement("A00.FR.202", "A00.FR.203", "A00.FR.204", "A00.FR.205", "A00.FR.301", "A00.FR.302", "A00.FR.304")
@requirement("B01.FR.01", "B01.FR.05", "B01.FR.09")
@profiles
async def test_TC_A_01_CS(rig: Rig, profile: int):
    """Basic authentication: identity and password with the first request, no 401 needed"""
    await start(rig, profile)
    (attempt,) = rig.csms.record.events("attempt")
    assert attempt.authorization == credentials(rig, OLD)
    assert attempt.path.rsplit("/", 1)[-1] == rig.station_id


@requirement("A01.FR.01", "A01.FR.11", "A01.FR.12", "B01.FR.01")
@profiles
async def test_TC_A_09_CS(rig: Rig, profile: int):
    """A new BasicAuthPassword is used at once, and nowhere to be read"""
    await start(rig, profile)
    await change_password(rig, NEW)
    (answer,) = await rig.get("SecurityCtrlr/BasicAuthPassword")
    assert (answer.status, answer.value) == ("Rejected", None), "a write-only variable was read"
    connected = last_event(rig, "connected")
    rig.csms.forget()
    rig.reported.clear()
    await rig.station.restart(orderly=False)
    await reconnected(rig, connected)
    await booted(rig)
    assert last_event(rig, "attempt").authorization == credentials(rig, NEW)
    for password in (OLD, NEW):
        assert password not in rig.station.log(), "a password is in the log"


async def change_password(rig: Rig, password: str) -> None:
    """The CSMS pushes a new password, which from then on is the only one it takes; the station comes back with it."""
    connected = last_event(rig, "connected")
    status = await set_variable(rig, "SecurityCtrlr", "BasicAuthPassword", password)
    assert status in ("Accepted", "RebootRequired"), status
    rig.csms.passwords = {rig.station_id: password}
    if status == "RebootRequired":
        rig.csms.forget()
        rig.reported.clear()
        await reset(rig)
    await reconnected(rig, connected)
    assert last_event(rig, "attempt").authorization == credentials(rig, password)
    if status == "RebootRequired":
        await booted(rig)
    await rig.settle()


@requirement("A01.FR.01", "A01.FR.11", "A01.FR.12")
@profiles
async def test_TC_A_10_CS(rig: Rig, profile: int):
    """A BasicAuthPassword of less than 16 characters is rejected, the old one stays"""
    await start(rig, profile)
    assert await set_variable(rig, "SecurityCtrlr", "BasicAuthPassword", "fifteen-letters") == "Rejected"
    connected = last_event(rig, "connected")
    rig.csms.forget()
    rig.reported.clear()
    await reset(rig)
    await reconnected(rig, connected)
    await booted(rig)
    assert last_event(rig, "attempt").authorization == credentials(rig, OLD)


CUTS = pytest.mark.parametrize("cut", ["", "power cut at once", "power cut while refused"])


@requirement("A01.FR.01", "A01.FR.04", "A01.FR.11", "A01.FR.12")
@profiles
@CUTS
async def test_a_wrong_password_is_survived(rig: Rig, profile: int, cut: str):
    """A password that the CSMS has set and does not take: the station comes back with the old one, and tells of it"""
    await start(rig, profile, arguments=faster(SCALE))
    before, connected = last_event(rig, "attempt"), last_event(rig, "connected")
    assert await set_variable(rig, "SecurityCtrlr", "BasicAuthPassword", NEW) == "Accepted"
    if cut == "power cut while refused":
        before = await rig.csms.expect_event("attempt", after=before)
    if cut:
        rig.csms.forget()
        rig.reported.clear()
        await rig.station.kill()
        await rig.station.start()
    await reconnected(rig, connected, timeout=30)
    if cut:
        await booted(rig)
    tried = [one.authorization for one in attempts_after(rig.csms, before)]
    assert tried[-1] == credentials(rig, OLD)
    assert cut == "power cut while refused" or credentials(rig, NEW) in tried, "the new password was never tried"
    await expect_security_event(rig, "ReconfigurationOfSecurityParameters")
    await still_works(rig)
    await works_after_a_power_cut(rig)
    assert NEW not in rig.station.log()


async def works_after_a_power_cut(rig: Rig, *, at_once: bool = False) -> None:
    if not at_once:
        await rig.settle()
    connected = last_event(rig, "connected")
    rig.csms.forget()
    rig.reported.clear()
    await rig.station.restart(orderly=False)
    await reconnected(rig, connected)
    await booted(rig)
    await still_works(rig)


@requirement("A01.FR.03")
@profiles
async def test_a_password_that_the_csms_takes_late(rig: Rig, profile: int):
    """The CSMS takes the password that it has set only after the station has gone back to the old one"""
    await start(rig, profile, arguments=faster(SCALE))
    connected = last_event(rig, "connected")
    assert await set_variable(rig, "SecurityCtrlr", "BasicAuthPassword", NEW) == "Accepted"
    await reconnected(rig, connected, timeout=30)
    connected = last_event(rig, "connected")
    rig.csms.passwords = {rig.station_id: NEW}
    await rig.csms.link.close(1001)
    await reconnected(rig, connected, timeout=30)
    assert last_event(rig, "attempt").authorization == credentials(rig, NEW)
    await works_after_a_power_cut(rig)


@requirement("A00.FR.205", "A01.FR.12")
@pytest.mark.parametrize("password", ["x" * 65, "with a blank 0123456", "ünïcödé-0123456789", "tab\t0123456789012345"])
async def test_a_password_that_cannot_be(rig: Rig, password: str):
    """A password that is too long, or with characters that it may not have, is rejected and nowhere repeated"""
    await start(rig, 1)
    data = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    answer = await rig.csms.call("SetVariables", {"setVariableData": [data | {"attributeValue": password}]})
    answer.check({"setVariableResult[0].attributeStatus": "Rejected"})
    assert password not in answer.raw and password not in rig.station.log()
    connected = last_event(rig, "connected")
    await rig.csms.link.close(1001)
    await reconnected(rig, connected)
    assert last_event(rig, "attempt").authorization == credentials(rig, OLD)


# TLS


@requirement("A00.FR.309", "A00.FR.312", "A00.FR.313", "A00.FR.319", "A00.FR.321", "A00.FR.412", "A00.FR.422")
@secured
async def test_TC_A_04_CS(rig: Rig, profile: int):
    """A valid server certificate: TLS 1.2 or above, the cipher suites of Part 2, and the station boots"""
    await start(rig, profile)
    check_cipher_suites(rig.csms.link.tls)
    (attempt,) = rig.csms.record.events("attempt")
    assert bool(attempt.authorization) == (profile == 2)


@requirement("A00.FR.309", "A00.FR.310", "A00.FR.311", "A00.FR.412", "A00.FR.413", "A00.FR.414")
@secured
@pytest.mark.parametrize("invalid", ["unknown", "expired", "other name"])
async def test_TC_A_05_CS(rig: Rig, profile: int, invalid: str):
    """An invalid server certificate: no connection, InvalidCsmsCertificate when there is one again"""
    made = await start(rig, profile, {"OCPPCommCtrlr/NetworkProfileConnectionAttempts": "2"})
    bad = {
        "unknown": self_signed,
        "expired": lambda: made.issuing.issue(days=(-30, -1)),
        "other name": lambda: made.issuing.issue("csms.example", hosts=("csms.example",)),
    }[invalid]()
    rig.reported.clear()
    await rig.csms.put(server_context(bad, client_root=made.root if profile == 3 else None))
    before, connected = last_event(rig, "accepted"), last_event(rig, "connected")
    await reset(rig)
    rig.csms.forget()
    (refused,) = await refusals(rig.csms, after=before)
    assert not attempts_after(rig.csms, connected), "the station sent its request over a connection it must not trust"
    await rig.csms.put(made.front(profile))
    await booted(rig)
    assert last_event(rig, "attempt").number > refused.number
    event = await expect_security_event(rig, "InvalidCsmsCertificate")
    event.check({"timestamp": rig.is_now})


@requirement("A00.FR.314", "A00.FR.316", "A00.FR.416", "A00.FR.417", "A00.FR.419")
@secured
async def test_TC_A_06_CS(rig: Rig, profile: int):
    """A server with TLS 1.1 only: no connection, InvalidTLSVersion when there is one again"""
    made = await start(rig, profile, {"OCPPCommCtrlr/NetworkProfileConnectionAttempts": "1"})
    low = server_context(made.server, minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1_1)
    await rig.csms.put(refusing(low))
    before, connected = last_event(rig, "accepted"), last_event(rig, "connected")
    rig.reported.clear()
    rig.csms.forget()
    await rig.station.restart(orderly=False)
    await refusals(rig.csms, after=before)
    assert not attempts_after(rig.csms, connected)
    await rig.csms.put(made.front(profile))
    await booted(rig)
    await startup_security_event(rig)
    await expect_security_event(rig, "InvalidTLSVersion")


@requirement("A00.FR.401", "A00.FR.402", "A00.FR.415", "A00.FR.416", "A00.FR.422", "A00.FR.502", "A00.FR.503")
@requirement("A00.FR.507", "A00.FR.508", "A00.FR.511")
async def test_TC_A_07_CS(rig: Rig):
    """Profile 3: the station shows its certificate, and sends no password"""
    made = await start(rig, 3, booted=False)
    boot = await booted(rig)
    check_cipher_suites(rig.csms.link.tls)
    shown = presented(rig)
    assert shown == made.station.certificate
    check_key(shown.public_key())
    assert shown.serial_number > 0
    (name,) = shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert boot["chargingStation.serialNumber"] in (ABSENT, name.value)
    (attempt,) = rig.csms.record.events("attempt")
    assert attempt.authorization is None, "a password was sent in profile 3"


# Renewal of the station's certificate


@requirement("A02.FR.02", "A02.FR.03", "A02.FR.06", "A02.FR.08", "A02.FR.10", "F06.FR.04", "F06.FR.05", "F06.FR.10")
async def test_TC_A_11_CS(rig: Rig):
    """The station asks for a certificate, and comes back with the one it got; the old one is gone"""
    made = await start(rig, 3)
    chain = await renew_charging_station_certificate(rig, made.issuing)
    new = x509.load_pem_x509_certificate(chain.encode())
    assert presented(rig) == new
    (name,) = new.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == SERIAL
    await rig.settle()
    connected = last_event(rig, "connected")
    rig.csms.forget()
    rig.reported.clear()
    await rig.station.restart(orderly=False)
    await reconnected(rig, connected)
    await booted(rig)
    assert presented(rig) == new


def _with_key(kind: str) -> Callable[[Certificates, str], str]:
    """A certificate for a key that the station does not have."""
    subject_of = x509.load_pem_x509_csr
    return lambda made, csr: made.issuing.certify(new_key(kind).public_key(), subject_of(csr.encode()).subject)


#: What a station must not take for the answer to its request.
WRONG_CHAINS: dict[str, Callable[[Certificates, str], str]] = {
    "unknown authority": lambda made, csr: Authority("Somebody else").sign(csr),
    "another key": _with_key("ec"),
    "weak key": _with_key("rsa1024"),
    "another name": lambda made, csr: made.issuing.sign(csr, name="SN-9999"),
    "expired": lambda made, csr: made.issuing.sign(csr, days=(-30, -1)),
    "not yet valid": lambda made, csr: made.issuing.sign(csr, days=(5, 30)),
    "no PEM": lambda made, csr: "hello",
    "empty": lambda made, csr: "",
    "cut short": lambda made, csr: made.issuing.sign(csr)[:300],
    "a signing request": lambda made, csr: csr,
}


@requirement("A02.FR.06", "A02.FR.07", "A02.FR.20", "A03.FR.07")
@pytest.mark.parametrize("wrong", WRONG_CHAINS)
async def test_TC_A_14_CS(rig: Rig, wrong: str):
    """An invalid certificate in CertificateSigned: rejected, InvalidChargingStationCertificate, the old one stays"""
    made = await start(rig, 3, {"SecurityCtrlr/CertSigningWaitMinimum": "1"})
    request = await sign_certificate(rig)
    await certificate_signed(rig, WRONG_CHAINS[wrong](made, request["csr"]), "Rejected")
    await expect_security_event(rig, "InvalidChargingStationCertificate")
    await rig.csms.expect_none("SignCertificate", seconds=1.3)
    connected = last_event(rig, "connected")
    assert connected.number < request.number, "the station has reconnected"
    await rig.csms.link.close(1001)
    await reconnected(rig, connected)
    assert presented(rig) == made.station.certificate
    await still_works(rig)


@requirement("A02.FR.12")
async def test_TC_A_15_CS(rig: Rig):
    """SignCertificate is rejected: the station goes on as it was"""
    made = await start(rig, 3, {"SecurityCtrlr/CertSigningWaitMinimum": "1"})
    rig.csms.respond_once("SignCertificate", {"status": "Rejected"})
    await sign_certificate(rig)
    await rig.csms.expect_none("SignCertificate", seconds=1.3)
    assert presented(rig) == made.station.certificate
    await still_works(rig)


@requirement("A02.FR.17", "A02.FR.18", "A02.FR.19")
async def test_TC_A_23_CS(rig: Rig):
    """No CertificateSigned comes: SignCertificate is sent again after the wait, and after twice the wait, then no more"""
    wait = 1
    made = await start(rig, 3)
    await rig.configure(
        {"SecurityCtrlr/CertSigningWaitMinimum": str(wait), "SecurityCtrlr/CertSigningRepeatTimes": "1"}
    )
    first = await sign_certificate(rig, step="step 3")
    second = await sign_certificate(rig, triggered=False, step="step 6")
    third = await sign_certificate(rig, triggered=False, step="step 9")
    waits = [second.at - first.at, third.at - second.at]
    assert waits[0] >= wait - 0.05 and waits[1] >= 2 * wait - 0.05, f"sent again after {waits} s"
    await certificate_signed(rig, made.issuing.sign(third["csr"]))


@requirement("A02.FR.08", "A02.FR.28", "A02.FR.29")
@pytest.mark.parametrize("cut", ["", "power cut"])
async def test_a_certificate_that_the_csms_does_not_take(rig: Rig, cut: str):
    """A valid new certificate with which no connection comes about: the station goes back to the old one, and tells of it"""
    other = Authority("Other CSMS Root")
    made = Certificates()
    roots = {ROOTS["CSMSRootCertificate"]: made.root.pem + other.pem}
    settings = {"OCPPCommCtrlr/NetworkProfileConnectionAttempts": "2"}
    await start(rig, 3, settings, made=made, certificates=roots, arguments=faster(SCALE))
    request = await sign_certificate(rig)
    before, connected = last_event(rig, "accepted"), last_event(rig, "connected")
    await certificate_signed(rig, other.sign(request["csr"]))
    if cut:
        await refusals(rig.csms, after=before)
        await rig.station.kill()
        rig.csms.forget()
        rig.reported.clear()
        await rig.station.start()
    await reconnected(rig, connected, timeout=30)
    assert presented(rig) == made.station.certificate
    if cut:
        await booted(rig)
    await expect_security_event(rig, "DiscardedRenewedClientCertificate")
    await works_after_a_power_cut(rig)


@requirement("A02.FR.08", "A02.FR.10")
@pytest.mark.parametrize("moment", ["after SignCertificate", "after CertificateSigned"])
async def test_power_cuts_during_a_renewal(rig: Rig, moment: str):
    """Killed while the certificate is on its way, or when it has come: the station has one that works"""
    made = await start(rig, 3)
    request = await sign_certificate(rig)
    if moment == "after CertificateSigned":
        chain = made.issuing.sign(request["csr"])
        await certificate_signed(rig, chain)
    await works_after_a_power_cut(rig, at_once=True)
    if moment == "after CertificateSigned":
        assert presented(rig) == x509.load_pem_x509_certificate(chain.encode())
    else:
        await renew_charging_station_certificate(rig, made.issuing)
    await still_works(rig)


@requirement("A03.FR.02", "A03.FR.03")
async def test_renewal_before_expiry(rig: Rig):
    """A certificate that ends in 20 days: the station asks for a new one by itself, and takes it"""
    made = Certificates()
    made.station = made.issuing.issue(SERIAL, client=True, days=(-345, 20))
    await start(rig, 3, made=made)
    request = await sign_certificate(rig, triggered=False)
    connected = last_event(rig, "connected")
    chain = made.issuing.sign(request["csr"])
    await certificate_signed(rig, chain)
    await reconnected(rig, connected)
    assert presented(rig) == x509.load_pem_x509_certificate(chain.encode())
    rig.csms.forget("SignCertificate")
    await works_after_a_power_cut(rig)
    await rig.csms.expect_none("SignCertificate", seconds=0)


@pytest.mark.parametrize("days", [20, 10, 3])
async def test_what_expires_is_told(rig: Rig, days: int):
    """The CSMS hears once of what expires in 30, 14 and 7 days: what it presents itself, and a root"""
    made = Certificates()
    made.server = made.issuing.issue(days=(-10, days + 0.5))
    ending = Authority("Ending Root", days=(-10, days + 0.5))
    roots = {ROOTS["CSMSRootCertificate"]: made.root.pem + ending.pem}
    await start(rig, 2, made=made, certificates=roots, booted=False)
    await booted(rig)
    told = 0
    while told < 2:
        message = await rig.csms.expect("NotifyEvent", {"eventData[0].variable.name": "CertificateExpiry"})
        for event in message["eventData"]:
            assert f"{days} days" in event["techInfo"], message.raw
            told += 1
        await rig.csms.answered(message)
    await rig.settle()
    await works_after_a_power_cut(rig)
    await rig.csms.expect_none("NotifyEvent", {"eventData[0].variable.name": "CertificateExpiry"}, seconds=0.2)


# Security profiles


async def upgrade(rig: Rig, made: Certificates, profile: int) -> None:
    """Part 6's memory state for an upgrade from this profile, as the CSMS brings it about."""
    if profile == 1:
        await certificate_installed(rig, made.root)
    else:
        await renew_charging_station_certificate(rig, made.issuing, reconnects=False)


@requirement("A05.FR.04", "A05.FR.05", "A05.FR.06")
@profiles
async def test_TC_A_19_CS(rig: Rig, profile: int):
    """The next higher security profile, at another address: used after a reset, the lower one is forgotten"""
    made = await start(rig, profile)
    await two_slots(rig)
    await upgrade(rig, made, profile)
    target = await rig.another_csms(made.front(profile + 1))
    target.passwords = rig.csms.passwords if profile == 1 else None
    await set_network_profile(rig, 2, connection_data(target.url, profile + 1))
    status = await set_priority(rig, 2, 1)
    assert status in ("Accepted", "RebootRequired"), status
    await rig.settle()
    rig.reported.clear()
    (await rig.csms.call("Reset", {"type": "OnIdle"})).check({"status": "Accepted"}, "step 6")
    await booted_at(rig, target)
    assert await rig.value("SecurityCtrlr/SecurityProfile") == str(profile + 1)
    (priority,) = await rig.get("OCPPCommCtrlr/NetworkConfigurationPriority")
    assert priority.members == {"2"}, f"NetworkConfigurationPriority is {priority.value}"
    await still_works(rig)


@requirement("A05.FR.05", "A05.FR.06", "B10.FR.07")
@pytest.mark.parametrize("cut", ["", "power cut"])
@profiles
async def test_an_upgrade_that_fails(rig: Rig, profile: int, cut: str):
    """No connection comes about in the higher security profile: everything is as before, and it can be tried again"""
    made = await start(rig, profile, {"OCPPCommCtrlr/NetworkProfileConnectionAttempts": "2"}, arguments=faster(SCALE))
    await two_slots(rig)
    await upgrade(rig, made, profile)
    stranger = Authority("Stranger")
    bad = server_context(stranger.issue() if profile == 1 else made.server, client_root=stranger)
    old, target = rig.csms, await rig.another_csms(bad)
    target.passwords = old.passwords if profile == 1 else None
    await set_network_profile(rig, 2, connection_data(target.url, profile + 1))
    assert await set_priority(rig, 2, 1) in ("Accepted", "RebootRequired")
    connected = last_event(rig, "connected")
    await rig.settle()
    rig.csms.forget()
    rig.reported.clear()
    if cut:
        await rig.station.restart(orderly=False)
        await refusals(target)
        await rig.station.restart(orderly=False)
    else:
        await reset(rig)
    await reconnected(rig, connected, timeout=30)
    await booted(rig)
    assert await rig.value("SecurityCtrlr/SecurityProfile") == str(profile)
    assert await rig.value("OCPPCommCtrlr/NetworkConfigurationPriority") == "2,1"
    await still_works(rig)
    await target.put(made.front(profile + 1))
    rig.reported.clear()
    await reset(rig)
    await booted_at(rig, target, timeout=30)
    assert await rig.value("SecurityCtrlr/SecurityProfile") == str(profile + 1)


@requirement("A05.FR.02")
@pytest.mark.parametrize("target", [2, 3], ids=["to profile 2", "to profile 3"])
async def test_TC_A_20_CS(rig: Rig, target: int):
    """No CSMS root: NetworkConfigurationPriority with a higher security profile is rejected"""
    await start(rig, 1)
    await two_slots(rig)
    await set_network_profile(rig, 2, connection_data("wss" + rig.csms.url[2:], target))
    assert await set_priority(rig, 2, 1) == "Rejected"
    assert await rig.value("OCPPCommCtrlr/NetworkConfigurationPriority") == "1"
    await still_works(rig)


@requirement("A05.FR.03")
@profiles
async def test_TC_A_21_CS(rig: Rig, profile: int):
    """No station certificate: NetworkConfigurationPriority with security profile 3 is rejected"""
    made = Certificates()
    await start(rig, profile, made=made, certificates=made.provisioned(2))
    await two_slots(rig)
    await set_network_profile(rig, 2, connection_data("wss:" + rig.csms.url.partition(":")[2], 3))
    assert await set_priority(rig, 2, 1) == "Rejected"
    assert await rig.value("OCPPCommCtrlr/NetworkConfigurationPriority") == "1"
    await still_works(rig)


@requirement("B09.FR.04")
@pytest.mark.parametrize("profile, lower", [(2, 1), (3, 2), (3, 1)])
async def test_TC_A_22_CS(rig: Rig, profile: int, lower: int):
    """A profile of lower security is rejected"""
    await start(rig, profile)
    await two_slots(rig)
    address = rig.csms.url if lower > 1 else rig.csms.url.replace("wss:", "ws:")
    await set_network_profile(rig, 2, connection_data(address, lower), "Rejected")
    await still_works(rig)
