"""Block B, network connection profiles: SetNetworkProfile (B09), migration to another CSMS and back (B10). And what is ours:
whatever address the CSMS pushes, the station comes back by itself, power cuts or not.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from checks import faster
from csms.fronts import silence
from csms.pki import Authority, self_signed, server_context
from rig import Rig
from secure import (
    Certificates,
    booted_at,
    certificate_installed,
    get_installed_certificates,
    is_among,
    last_event,
    migrate,
    set_network_profile,
    set_priority,
    set_variable,
    start,
    still_works,
    two_slots,
)
from states import booted
from station_adapter import OurStation, connection_data

requirement = pytest.mark.requirement
profiles = pytest.mark.parametrize("profile", [1, 2], ids=["profile 1", "profile 2"])
secured = pytest.mark.parametrize("profile", [2, 3], ids=["profile 2", "profile 3"])

CSMS_ROOT = "CSMSRootCertificate"
ATTEMPTS = "OCPPCommCtrlr/NetworkProfileConnectionAttempts"
CHECK = {"SecurityCtrlr/AdditionalRootCertificateCheck": "true"}


# SetNetworkProfile


@requirement("B09.FR.02", "B09.FR.05")
async def test_TC_B_43_CS(rig: Rig):
    """A slot that does not exist is rejected"""
    await start(rig, 1)
    await set_network_profile(rig, 999, connection_data(rig.csms.url, 1), "Rejected")


@requirement("B09.FR.02")
@pytest.mark.parametrize(
    "url, profile",
    [
        pytest.param("", 1, id="empty"),
        pytest.param("hello", 1, id="no URL"),
        pytest.param("http://127.0.0.1:9000", 1, id="no WebSocket"),
        pytest.param("ws://", 1, id="no host"),
        pytest.param("ws://127.0.0.1:99999", 1, id="no port"),
        pytest.param("ws://127.0.0.1:9000", 2, id="plain in profile 2"),
        pytest.param("ws://127.0.0.1:9000", 3, id="plain in profile 3"),
        pytest.param("ws://user:secret@127.0.0.1:9000", 1, id="with a password"),
        pytest.param("ws://127.0.0.1:9000/#part", 1, id="with a fragment"),
    ],
)
async def test_a_profile_that_cannot_work_is_rejected(rig: Rig, url: str, profile: int):
    """A URL that no connection can be made to is rejected, and changes nothing"""
    await start(rig, 1)
    await set_network_profile(rig, 2, connection_data(url, profile), "Rejected")
    assert await set_priority(rig, 2, 1) == "Rejected"
    await still_works(rig)


@requirement("B10.FR.02")
@pytest.mark.parametrize("priority", ["2", "1,2", "1,1", "0", "x", "", "999"])
async def test_a_priority_without_profiles_is_rejected(rig: Rig, priority: str):
    """NetworkConfigurationPriority may name slots that hold a profile only"""
    await start(rig, 1)
    assert await set_variable(rig, "OCPPCommCtrlr", "NetworkConfigurationPriority", priority) == "Rejected"
    assert await rig.value("OCPPCommCtrlr/NetworkConfigurationPriority") == "1"


# Migration


@requirement("B09.FR.01", "B10.FR.01", "B10.FR.04", "B10.FR.06", "B10.FR.10")
@profiles
async def test_TC_B_45_CS(rig: Rig, profile: int):
    """Another CSMS: the station leaves the old one and boots at the new one, and stays there over a power cut"""
    made = await start(rig, profile)
    await two_slots(rig)
    old, target = rig.csms, await rig.another_csms(made.front(profile))
    await migrate(rig, target, profile)
    await booted_at(rig, target)
    assert not old.links, "still connected with the old CSMS"
    (active,) = await rig.get("OCPPCommCtrlr/ActiveNetworkProfile")
    assert active.value in (None, "2")
    seen = last_event(rig, "accepted", old)
    rig.csms.forget()
    rig.reported.clear()
    await rig.station.restart(orderly=False)
    await booted(rig)
    assert last_event(rig, "accepted", old) is seen, "the old CSMS was tried although the new one is first"
    await still_works(rig)


@requirement("B10.FR.03", "B10.FR.04")
@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_TC_B_46_CS(rig: Rig, how: str):
    """The other CSMS does not take the station: two attempts, then back to the old one"""
    made = await start(rig, 2, {ATTEMPTS: "2"}, arguments=faster(20) if how == "silent" else None)
    await two_slots(rig)
    target = await rig.another_csms(silence if how == "silent" else made.front(2))
    target.admit(503)
    await migrate(rig, target, 2)
    await booted_at(rig, rig.csms, timeout=30)
    assert len(target.record.events("accepted")) == 2, "NetworkProfileConnectionAttempts is 2"
    await still_works(rig)


@requirement("B10.FR.07", "M05.FR.15", "M05.FR.16")
async def test_TC_B_47_CS(rig: Rig):
    """The other CSMS has a certificate of the old root, the station a new root: back to the old CSMS with the old root"""
    made = await start(rig, 2, {ATTEMPTS: "1"} | CHECK)
    await two_slots(rig)
    await certificate_installed(rig, Authority("CSMS Root 2", made.root))
    target = await rig.another_csms(made.front(2))
    await migrate(rig, target, 2)
    await booted_at(rig, rig.csms)
    assert target.record.events("accepted") and not target.record.events("attempt"), (
        "the new CSMS must be tried, and refused for its certificate"
    )
    await get_installed_certificates(rig, (CSMS_ROOT, made.root))
    await still_works(rig)


@requirement("B10.FR.07", "B10.FR.09")
async def test_TC_B_49_CS(rig: Rig):
    """Neither CSMS takes the station: after the back-off it goes on with the one it was connected with last"""
    settings = {ATTEMPTS: "1", "OCPPCommCtrlr/RetryBackOffRepeatTimes": "0"}
    made = await start(rig, 2, settings)
    await two_slots(rig)
    old, target = rig.csms, await rig.another_csms(made.front(2))
    target.admit(503)
    before = last_event(rig, "attempt")
    await migrate(rig, target, 2)
    old.admit(503)
    await target.expect_event("attempt", timeout=2 * target.patience)
    refused = await old.expect_event("attempt", after=before, timeout=2 * old.patience)
    old.admit()
    accepted = await old.expect_event("attempt", after=refused)
    assert accepted.at - refused.at >= 0.95, "RetryBackOffWaitMinimum is 1 s"
    await booted(rig)
    assert len(target.record.events("attempt")) == 1, "B10.FR.07: the last one that worked, not the list from its start"


@requirement("M05.FR.13", "B10.FR.01", "B10.FR.04")
@secured
@pytest.mark.parametrize("checked", [False, True], ids=["beside the old root", "in place of the old root"])
async def test_TC_B_50_CS(rig: Rig, profile: int, checked: bool):
    """Another CSMS with a certificate of a new root"""
    made = await start(rig, profile, CHECK if checked else None)
    await two_slots(rig)
    new = Authority("CSMS Root 2", made.root if checked else None)
    await certificate_installed(rig, new)
    server = new.issue()
    server.between.clear()
    target = await rig.another_csms(server_context(server, client_root=made.root if profile == 3 else None))
    await migrate(rig, target, profile)
    await booted_at(rig, target)
    entries = await get_installed_certificates(rig, (CSMS_ROOT, new))
    assert is_among(entries, made.root.certificate, CSMS_ROOT) != checked
    await still_works(rig)


# Ours: nothing that the CSMS pushes makes a dead station


async def wrong_target(rig: Rig, made: Certificates, wrong: str) -> tuple[str, int]:
    """URL and security profile of something that is not a CSMS for this station."""
    if wrong == "closed port":
        target = await rig.another_csms(made.front(2))
        url = target.url
        await target.stop()
        return url, 2
    if wrong == "no such host":
        return "wss://csms.invalid:443/ocpp", 2
    front: Any = {
        "stranger's certificate": server_context(self_signed()),
        "silence": silence,
        "plain HTTP": None,
    }.get(wrong, made.front(2))
    target = await rig.another_csms(front)
    if wrong == "not found":
        target.admit(404)
    elif wrong == "wrong password":
        target.passwords = {rig.station_id: "another-password-0000"}
    elif wrong == "no subprotocol":
        target.subprotocols = []
    return f"wss://127.0.0.1:{target.port}", 2


@requirement("B10.FR.03", "B10.FR.07", "B10.FR.09")
@pytest.mark.parametrize(
    "alone, cut",
    [(False, False), (True, False), (True, True)],
    ids=["before the old", "alone", "alone, power cuts"],
)
@pytest.mark.parametrize(
    "wrong",
    [
        "closed port", "no such host", "stranger's certificate", "silence", "plain HTTP", "not found", "wrong password",
        "no subprotocol",
    ],
)  # fmt: skip
@pytest.mark.limit(90)
async def test_a_wrong_address_is_survived(rig: Rig, wrong: str, alone: bool, cut: bool):
    """The CSMS pushes an address that is none, even as the only one: the station comes back, also after power cuts"""
    made = await start(rig, 2, {ATTEMPTS: "2"}, arguments=faster(20))
    await two_slots(rig)
    url, profile = await wrong_target(rig, made, wrong)
    await set_network_profile(rig, 2, connection_data(url, profile))
    if cut:
        await power_cut(rig)
    # All that can be said of it before it is tried is right (B10.FR.01).
    assert await set_priority(rig, *([2] if alone else [2, 1])) in ("Accepted", "RebootRequired")
    connected = last_event(rig, "connected")
    rig.csms.forget()
    rig.reported.clear()
    if cut:
        await rig.station.kill()
        await rig.station.start()
        # In the middle of the attempts that lead nowhere.
        for _ in range(2):
            await asyncio.sleep(0.1)
            await rig.station.kill()
            await rig.station.start()
    else:
        await rig.settle()
        (await rig.csms.call("Reset", {"type": "Immediate"})).check({"status": "Accepted"}, "Reset")
    await rig.csms.expect_event("connected", after=connected, timeout=60)
    await booted(rig)
    await told_of_failure(rig, 2)
    await still_works(rig)


async def told_of_failure(rig: Rig, slot: int) -> None:
    """The wrong address was really tried, and the CSMS hears what came of it; how is this station's own"""
    if not isinstance(rig.station, OurStation):
        return
    event = await rig.csms.expect("SecurityEventNotification", {"type": "NetworkProfileFailed"})
    assert event["techInfo"].startswith(f"slot {slot}, security profile 2: "), event


async def power_cut(rig: Rig) -> None:
    """The station is killed and started again; waits until it is there."""
    connected = last_event(rig, "connected")
    rig.csms.forget()
    rig.reported.clear()
    await rig.station.restart(orderly=False)
    await rig.csms.expect_event("connected", after=connected)
    await booted(rig)


@requirement("B10.FR.03", "B10.FR.07", "B10.FR.09")
@pytest.mark.parametrize("cut", ["", "power cut"])
async def test_a_wrong_address_in_the_slot_in_use_is_survived(rig: Rig, cut: str):
    """The CSMS overwrites the profile that the station is connected with by an address that leads nowhere"""
    made = await start(rig, 2, {ATTEMPTS: "2"}, arguments=faster(10))
    url, profile = await wrong_target(rig, made, "closed port")
    payload = {"configurationSlot": 1, "connectionData": connection_data(url, profile)}
    (await rig.csms.call("SetNetworkProfile", payload)).check({"status": "Accepted"}, "SetNetworkProfile")
    connected = last_event(rig, "connected")
    rig.csms.forget()
    rig.reported.clear()
    if cut:
        await rig.station.restart(orderly=False)
    else:
        await rig.settle()
        (await rig.csms.call("Reset", {"type": "Immediate"})).check({"status": "Accepted"}, "Reset")
    await rig.csms.expect_event("connected", after=connected, timeout=60)
    await booted(rig)
    await told_of_failure(rig, 1)
    await still_works(rig)


@requirement("B10.FR.03", "B10.FR.04")
async def test_power_cuts_all_along_a_migration(rig: Rig):
    """Killed after every step of a migration, and again and again on the way: the station ends up at the new CSMS"""
    made = await start(rig, 2)
    await two_slots(rig)
    target = await rig.another_csms(made.front(2))
    await set_network_profile(rig, 2, connection_data(target.url, 2))
    await power_cut(rig)
    assert await set_priority(rig, 2, 1) in ("Accepted", "RebootRequired")
    for wait in (0.0, 0.02, 0.05, 0.1):
        await rig.station.kill()
        await rig.station.start()
        await asyncio.sleep(wait)
    target.forget()
    rig.reported.clear()
    connected = last_event(rig, "connected", target)
    await rig.station.kill()
    await rig.station.start()
    await target.expect_event("connected", after=connected)
    await booted_at(rig, target)
    await still_works(rig)
