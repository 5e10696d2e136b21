"""Block B, provisioning: boot (B01-B03), status after offline (B04), reconnection (Part 4, 5.3)."""

import pytest

from csms import Csms, Event
from csms.answers import boot_response
from rig import Rig
from states import all_connectors, booted, connector_status, is_connector_status, offline, startup_security_event

requirement = pytest.mark.requirement

#: How much earlier than its timer the CSMS may see a message, for clocks of different grain.
EARLY = 0.05


@requirement("B01.FR.01", "B01.FR.05", "B01.FR.09")
async def test_TC_B_01_CS(rig: Rig):
    """Cold boot, accepted: every connector is reported"""
    await rig.start(booted=False)
    await booted(rig)
    await startup_security_event(rig)


@requirement("B02.FR.01", "B02.FR.02", "B02.FR.04", "B02.FR.05", "B02.FR.06", "B02.FR.08", "F06.FR.17")
async def test_TC_B_02_CS(rig: Rig):
    """Cold boot, pending: variables and reports are served, nothing else happens, a triggered boot is accepted"""
    csms = rig.csms
    csms.respond_once("BootNotification", boot_response("Pending", 60))
    await rig.start(booted=False)
    await csms.answered(await csms.expect("BootNotification"))
    await rig.configure({"OCPPCommCtrlr/OfflineThreshold": "300"})
    (threshold,) = await rig.get("OCPPCommCtrlr/OfflineThreshold")
    assert (threshold.status, threshold.value) == ("Accepted", "300")
    answer, items = await rig.report("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    answer.check({"status": "Accepted"}, "step 8")
    assert items
    start = await csms.call(
        "RequestStartTransaction", {"idToken": rig.token.json, "evseId": rig.evse_id, "remoteStartId": 1}
    )
    start.check({"status": "Rejected"}, "step 12")
    assert not csms.untaken(), f"sent while pending: {[one.raw for one in csms.untaken()]}"

    trigger = await csms.call("TriggerMessage", {"requestedMessage": "BootNotification"})
    trigger.check({"status": ("Accepted", "NotImplemented")}, "step 14")
    patience = csms.patience if trigger["status"] == "Accepted" else 60 + csms.patience
    boot = await csms.expect("BootNotification", timeout=patience)
    if trigger["status"] == "Accepted":
        boot.check({"reason": "Triggered"}, "step 15")
    await all_connectors(rig)
    assert len(csms.record.events("connected")) == 1, "the connection was closed while pending"


@requirement("B03.FR.02", "B03.FR.04", "B03.FR.06")
async def test_TC_B_03_CS(rig: Rig):
    """Cold boot, rejected: silence for the interval, then another BootNotification"""
    csms = rig.csms
    csms.respond_once("BootNotification", boot_response("Rejected", 1))
    await rig.start(booted=False)
    first = await csms.answered(await csms.expect("BootNotification"))
    second = await csms.expect("BootNotification")
    assert second.at - first.at >= 1 - EARLY, f"sent again after {second.at - first.at:.2f} s, the interval is 1 s"
    between = [one for one in csms.record.messages("in") if first.number < one.number < second.number]
    assert not between, f"sent while rejected: {[one.raw for one in between]}"
    await all_connectors(rig)


@requirement("B03.FR.08")
async def test_TC_B_30_CS(rig: Rig):
    """Cold boot, rejected: a request of the CSMS gets SecurityError"""
    csms = rig.csms
    csms.respond("BootNotification", boot_response("Rejected", 60))
    await rig.start(booted=False)
    answered = await csms.answered(await csms.expect("BootNotification"))
    if csms.record.events("disconnected"):
        return  # The station may leave until it boots again.
    answer = await csms.request("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    assert answer.error_code == "SecurityError", f"answered by {answer.raw}"
    await csms.expect_none(seconds=0.3)
    assert answered.number < answer.number


# Status changes while offline


@requirement("B04.FR.01")
async def test_TC_B_51_CS(rig: Rig):
    """Offline for longer than OfflineThreshold: the status of every connector is reported"""
    await rig.start()
    await rig.configure(
        {
            "OCPPCommCtrlr/OfflineThreshold": "1",
            "OCPPCommCtrlr/RetryBackOffWaitMinimum": "2",
            "OCPPCommCtrlr/RetryBackOffRandomRange": "0",
        }
    )
    await offline(rig)
    await rig.station.plug_in(rig.evse_id, rig.connector_id)
    rig.csms.admit()
    await all_connectors(rig, {(rig.evse_id, rig.connector_id): "Occupied"})


@requirement("B04.FR.02")
async def test_TC_B_52_CS(rig: Rig):
    """Offline for less than OfflineThreshold: only connectors whose status changed are reported"""
    await rig.start()
    await rig.configure(
        {
            "OCPPCommCtrlr/OfflineThreshold": "300",
            "OCPPCommCtrlr/RetryBackOffWaitMinimum": "1",
            "OCPPCommCtrlr/RetryBackOffRandomRange": "0",
        }
    )
    await offline(rig)
    await rig.station.plug_in(rig.evse_id, rig.connector_id)
    rig.csms.admit()
    await connector_status(rig, rig.evse_id, rig.connector_id, "Occupied")
    await rig.settle()
    others = [one for one in rig.csms.untaken() if is_connector_status(one, None, None, None)]
    others = [one for one in others if not is_connector_status(one, rig.evse_id, rig.connector_id, "Occupied")]
    assert not others, f"reported without a change: {[one.raw for one in others]}"


# Reconnection


async def lose_connection(csms: Csms) -> Event:
    """The CSMS closes the connection; returns the moment."""
    last = csms.record.entries[-1]
    await csms.link.close(1001)
    return await csms.expect_event("disconnected", after=last)


@pytest.mark.limit(120)
@requirement("Part4.5.3")
async def test_TC_B_57_CS(rig: Rig):
    """Reconnection: the back-off starts at its minimum, doubles after a failure, starts again after success"""
    csms, minimum = rig.csms, 1
    await rig.start()
    await rig.configure(
        {
            "OCPPCommCtrlr/RetryBackOffRepeatTimes": "2",
            "OCPPCommCtrlr/RetryBackOffRandomRange": "0",
            "OCPPCommCtrlr/RetryBackOffWaitMinimum": str(minimum),
        }
    )
    lost = await lose_connection(csms)
    attempt = await csms.expect_event("attempt", after=lost)
    waited = attempt.at - lost.at
    assert minimum - EARLY <= waited < minimum + csms.patience / 2, f"step 2: reconnected after {waited:.2f} s"
    await csms.expect_event("connected", after=attempt)
    assert attempt.subprotocols == ["ocpp2.0.1"] and attempt.authorization

    lost = await lose_connection(csms)
    csms.admit(503)
    refused = await csms.expect_event("attempt", after=lost)
    waited = refused.at - lost.at
    assert minimum - EARLY <= waited < minimum + csms.patience / 2, f"step 5: reconnected after {waited:.2f} s"
    csms.admit()
    again = await csms.expect_event("attempt", after=refused)
    waited = again.at - refused.at
    assert waited >= 2 * minimum - EARLY, f"step 7: reconnected after {waited:.2f} s"
    await csms.expect_event("connected", after=again)
    await rig.settle()
    assert len([one for one in csms.record.messages("in") if one.action == "BootNotification"]) == 1
