"""Block M, certificates: install (M05), list (M03), delete (M04), for CSMS and manufacturer roots."""

from __future__ import annotations

import asyncio

import pytest
from cryptography import x509

from csms.pki import Authority, hash_data, self_signed, server_context
from rig import Rig, address, not_applicable
from secure import (
    ROOTS,
    certificate_installed,
    get_installed_certificates,
    installed,
    is_among,
    last_event,
    reconnected,
    renew_charging_station_certificate,
    start,
    still_works,
)
from states import booted

requirement = pytest.mark.requirement
secured = pytest.mark.parametrize("profile", [2, 3], ids=["profile 2", "profile 3"])

CSMS_ROOT, MANUFACTURER_ROOT, MO_ROOT = "CSMSRootCertificate", "ManufacturerRootCertificate", "MORootCertificate"
CHECK = {"SecurityCtrlr/AdditionalRootCertificateCheck": "true"}


async def additional_check(rig: Rig) -> None:
    if await rig.value("SecurityCtrlr/AdditionalRootCertificateCheck") != "true":
        not_applicable("AdditionalRootCertificateCheck is not true")


# Installing


@requirement("M05.FR.01", "M05.FR.02", "M03.FR.01", "M03.FR.03", "M03.FR.04")
@secured
async def test_TC_M_01_CS(rig: Rig, profile: int):
    """A second CSMS root is installed and listed"""
    made = await start(rig, profile)
    second = Authority("CSMS Root 2")
    await certificate_installed(rig, second)
    entries = await get_installed_certificates(rig, (CSMS_ROOT, second))
    assert is_among(entries, made.root.certificate, CSMS_ROOT)


@requirement("M05.FR.01", "M05.FR.02", "M03.FR.01", "M03.FR.03", "M03.FR.04")
@pytest.mark.parametrize("kind", ["ec", "rsa2048"])
async def test_TC_M_02_CS(rig: Rig, kind: str):
    """A manufacturer root is installed and listed, also after a power cut"""
    await start(rig, 2)
    root = Authority("Manufacturer Root", kind=kind)
    await certificate_installed(rig, root, MANUFACTURER_ROOT)
    await get_installed_certificates(rig, (MANUFACTURER_ROOT, root))
    rig.csms.forget()
    rig.reported.clear()
    await rig.station.restart(orderly=False)
    await booted(rig)
    await get_installed_certificates(rig, (MANUFACTURER_ROOT, root))


@requirement("M05.FR.01", "M05.FR.07")
@pytest.mark.parametrize("invalid", ["expired", "not yet valid", "no authority", "weak key", "no PEM", "empty"])
async def test_TC_M_07_CS(rig: Rig, invalid: str):
    """An invalid root is rejected and not listed"""
    made = await start(rig, 2)
    text = {
        "expired": lambda: Authority("Expired", days=(-30, -1)).pem,
        "not yet valid": lambda: Authority("Not yet", days=(5, 30)).pem,
        "no authority": lambda: self_signed().chain,
        "weak key": lambda: Authority("Weak", kind="rsa1024").pem,
        "no PEM": lambda: "hello",
        "empty": lambda: "",
    }[invalid]()
    answer = await rig.csms.call("InstallCertificate", {"certificateType": CSMS_ROOT, "certificate": text})
    answer.check({"status": "Rejected"}, "step 2")
    entries = await get_installed_certificates(rig, (CSMS_ROOT, made.root))
    assert len(entries) == 1, f"listed: {entries}"
    await still_works(rig)


@requirement("M05.FR.09", "M05.FR.10", "M05.FR.11")
async def test_TC_M_09_CS(rig: Rig):
    """AdditionalRootCertificateCheck: a root that the old one has not signed is rejected"""
    made = await start(rig, 2, CHECK)
    await additional_check(rig)
    await certificate_installed(rig, Authority("Other Root"), status="Rejected")
    entries = await get_installed_certificates(rig, (CSMS_ROOT, made.root))
    assert len(entries) == 1


@requirement("M05.FR.10", "M05.FR.12", "M05.FR.13")
@secured
async def test_TC_M_30_CS(rig: Rig, profile: int):
    """AdditionalRootCertificateCheck: a connection with the new root, then the old one is gone"""
    made = await start(rig, profile, CHECK)
    await additional_check(rig)
    new = Authority("CSMS Root 2", made.root)
    await certificate_installed(rig, new)
    if profile == 3:
        await renew_charging_station_certificate(rig, made.issuing)
    await rig.settle()
    # The server sends neither the new root nor the old one: the chain ends at what is installed.
    server = new.issue()
    server.between.clear()
    await rig.csms.put(server_context(server, client_root=made.root if profile == 3 else None))
    await reset_on_idle(rig)
    await booted(rig)
    entries = await get_installed_certificates(rig, (CSMS_ROOT, new))
    assert not is_among(entries, made.root.certificate, CSMS_ROOT), "the old root is still there"


@requirement("M05.FR.10", "M05.FR.12", "M05.FR.14")
@secured
async def test_TC_M_31_CS(rig: Rig, profile: int):
    """AdditionalRootCertificateCheck: the server still has a certificate of the old root, which is fallen back to and stays"""
    made = await start(rig, profile, CHECK)
    await additional_check(rig)
    new = Authority("CSMS Root 2", made.root)
    await certificate_installed(rig, new)
    await reset_on_idle(rig)
    await booted(rig)
    await get_installed_certificates(rig, (CSMS_ROOT, made.root))
    await still_works(rig)


@requirement("M05.FR.12", "M05.FR.13", "M05.FR.14")
@pytest.mark.parametrize("signed_by", ["old root", "new root"])
async def test_power_cuts_between_two_roots(rig: Rig, signed_by: str):
    """AdditionalRootCertificateCheck: killed with two roots installed, and again on the way; then as without"""
    made = await start(rig, 2, CHECK)
    await additional_check(rig)
    new = Authority("CSMS Root 2", made.root)
    await certificate_installed(rig, new)
    if signed_by == "new root":
        server = new.issue()
        server.between.clear()
        await rig.csms.put(server_context(server))
    for wait in (0.0, 0.05, 0.1):
        await rig.station.kill()
        await rig.station.start()
        await asyncio.sleep(wait)
    await rig.station.kill()
    rig.csms.forget()
    rig.reported.clear()
    connected = last_event(rig, "connected")
    await rig.station.start()
    await reconnected(rig, connected)
    await booted(rig)
    entries = await get_installed_certificates(rig, (CSMS_ROOT, new))
    assert is_among(entries, made.root.certificate, CSMS_ROOT) == (signed_by == "old root")
    await still_works(rig)


async def reset_on_idle(rig: Rig) -> None:
    await rig.settle()
    rig.csms.forget()
    rig.reported.clear()
    (await rig.csms.call("Reset", {"type": "OnIdle"})).check({"status": "Accepted"}, "Reset")


@requirement("M05.FR.17")
async def test_an_installed_root_replaces_itself(rig: Rig):
    """The same root once more is accepted, and listed once"""
    made = await start(rig, 2)
    await certificate_installed(rig, made.root)
    assert len(await installed(rig, CSMS_ROOT)) == 1
    await still_works(rig)


@requirement("M05.FR.06")
async def test_more_certificates_than_there_is_room_for(rig: Rig):
    """CertificateEntries has a limit: the first root beyond it is rejected, and the station works on"""
    await start(rig, 2)
    asked = {"requestId": 1, "componentVariable": [address("SecurityCtrlr/CertificateEntries")]}
    _, items = await rig.report("GetReport", asked)
    limit = items[0]["variableCharacteristics"].get("maxLimit") if items else None
    if not limit or limit > 100:
        not_applicable(f"CertificateEntries.maxLimit is {limit}")
    rejected = 0
    for number in range(int(limit) + 1):
        root = Authority(f"Root {number}")
        answer = await rig.csms.call(
            "InstallCertificate", {"certificateType": MANUFACTURER_ROOT, "certificate": root.pem}
        )
        rejected += answer["status"] == "Rejected"
    assert rejected >= 1
    entries = await installed(rig)
    assert len(entries) == int(limit), f"{len(entries)} installed, the limit is {limit}"
    assert await rig.value("SecurityCtrlr/CertificateEntries") == str(len(entries))


# Listing


@requirement("M03.FR.01", "M03.FR.03", "M03.FR.04")
async def test_TC_M_12_CS(rig: Rig):
    """The CSMS roots"""
    made = await start(rig, 2)
    second = Authority("CSMS Root 2")
    await certificate_installed(rig, second)
    assert len(await get_installed_certificates(rig, (CSMS_ROOT, made.root), (CSMS_ROOT, second))) == 2


@requirement("M03.FR.01", "M03.FR.03", "M03.FR.04")
async def test_TC_M_13_CS(rig: Rig):
    """The manufacturer roots"""
    await start(rig, 2)
    root = Authority("Manufacturer Root")
    await certificate_installed(rig, root, MANUFACTURER_ROOT)
    assert len(await get_installed_certificates(rig, (MANUFACTURER_ROOT, root))) == 1


@requirement("M03.FR.01", "M03.FR.03", "M03.FR.04")
async def test_TC_M_17_CS(rig: Rig):
    """CSMS and manufacturer roots together"""
    await start(rig, 2)
    roots = [(CSMS_ROOT, Authority("CSMS Root 2")), (MANUFACTURER_ROOT, Authority("Manufacturer Root"))]
    for use, root in roots:
        await certificate_installed(rig, root, use)
    assert len(await get_installed_certificates(rig, *roots)) == 3


@requirement("M03.FR.01", "M03.FR.03", "M03.FR.04")
async def test_TC_M_18_CS(rig: Rig):
    """All types: nothing is left out, nothing is there twice"""
    made = await start(rig, 2)
    roots = [(CSMS_ROOT, Authority("CSMS Root 2")), (MANUFACTURER_ROOT, Authority("Manufacturer Root"))]
    for use, root in roots:
        await certificate_installed(rig, root, use)
    entries = await installed(rig)
    for use, root in [*roots, (CSMS_ROOT, made.root)]:
        assert is_among(entries, root.certificate, use), f"{root.name} is not in {entries}"
    assert len(entries) == 3


@requirement("M03.FR.01", "M03.FR.02")
async def test_TC_M_19_CS(rig: Rig):
    """No certificate of this type"""
    await start(rig, 2)
    assert not await installed(rig, MO_ROOT, status="NotFound")


@requirement("M03.FR.04", "A02.FR.10")
async def test_own_certificates_are_no_roots(rig: Rig):
    """The station's own certificate is not listed as a root; the sub-CA that came with it neither"""
    made = await start(rig, 3)
    entries = await installed(rig)
    for one in (made.station.certificate, made.issuing.certificate):
        for use in ROOTS:
            assert not is_among(entries, one, use, made.root.certificate)


# Deleting


@requirement("M04.FR.01", "M04.FR.02")
@pytest.mark.parametrize("profile", [1, 2], ids=["the only one", "one of two"])
async def test_TC_M_20_CS(rig: Rig, profile: int):
    """A CSMS root is deleted by the hash data that the station has told, and no longer listed"""
    await start(rig, profile)
    root = Authority("CSMS Root 2")
    await certificate_installed(rig, root)
    entries = await get_installed_certificates(rig, (CSMS_ROOT, root))
    (entry,) = [one for one in entries if is_among([one], root.certificate, CSMS_ROOT)]
    await delete(rig, entry["certificateHashData"], "Accepted")
    left = await installed(rig, CSMS_ROOT, status=("Accepted", "NotFound"))
    assert not is_among(left, root.certificate, CSMS_ROOT)
    assert len(left) == len(entries) - 1
    await still_works(rig)


async def delete(rig: Rig, data: dict, *statuses: str) -> None:
    answer = await rig.csms.call("DeleteCertificate", {"certificateHashData": data})
    answer.check({"status": statuses}, "DeleteCertificate")


@requirement("M04.FR.02", "M04.FR.07")
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
async def test_hash_algorithms(rig: Rig, algorithm: str):
    """A certificate is found by the hash data of any algorithm"""
    await start(rig, 2)
    root = Authority("Manufacturer Root", kind="rsa2048")
    await certificate_installed(rig, root, MANUFACTURER_ROOT)
    await delete(rig, hash_data(root.certificate, algorithm=algorithm), "Accepted")
    assert not await installed(rig, MANUFACTURER_ROOT, status="NotFound")


@requirement("M04.FR.01", "M04.FR.04")
async def test_TC_M_22_CS(rig: Rig):
    """A certificate that is not there cannot be deleted"""
    made = await start(rig, 2)
    await get_installed_certificates(rig, (CSMS_ROOT, made.root))
    await delete(rig, hash_data(Authority("Unknown").certificate), "NotFound")
    assert len(await installed(rig, CSMS_ROOT)) == 1


@requirement("M04.FR.01", "M04.FR.06")
async def test_TC_M_23_CS(rig: Rig):
    """The station's own certificate cannot be deleted"""
    made = await start(rig, 3)
    chain = await renew_charging_station_certificate(rig, made.issuing)
    await installed(rig)
    own = x509.load_pem_x509_certificate(chain.encode())
    # The test case takes NotFound too; the requirement does not.
    await delete(rig, hash_data(own, made.issuing.certificate), "Failed")
    connected = last_event(rig, "connected")
    await rig.csms.link.close(1001)
    await reconnected(rig, connected)
    await still_works(rig)
