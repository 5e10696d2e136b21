"""Block B, provisioning: boot (B01-B03)."""

import pytest

from rig import Rig
from states import booted, startup_security_event

requirement = pytest.mark.requirement


@requirement("B01.FR.01", "B01.FR.05", "B01.FR.09")
async def test_TC_B_01_CS(rig: Rig):
    """Cold boot, accepted: every connector is reported"""
    await rig.start(booted=False)
    await booted(rig)
    await startup_security_event(rig)


@requirement("B03.FR.08")
async def test_TC_B_30_CS(rig: Rig):
    """Cold boot, rejected: a request of the CSMS gets SecurityError"""
    rig.csms.respond("BootNotification", lambda _: {"currentTime": "2026-03-14T09:26:53Z", "interval": 60, "status": "Rejected"})
    await rig.start(booted=False)
    await rig.csms.answered(await rig.csms.expect("BootNotification"))
    answer = await rig.csms.request("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    assert answer.error_code == "SecurityError", f"answered by {answer.raw}"
    await rig.csms.expect_none()
