"""Block D, the local authorization list: sending it (D01) and its version (D02).

What the list holds afterwards is looked at as a driver would: a listed token charges without a question to the CSMS.
"""

from __future__ import annotations

import pytest

from checks import configure_implemented, has, local_list
from rig import Rig
from states import Session, id_token_local_auth_list, listed, rebooted, send_local_list

requirement = pytest.mark.requirement

#: The configured versionNumber.
VERSION = 7


async def start(rig: Rig) -> None:
    """A station with a local authorization list that is switched on."""
    await rig.start()
    await local_list(rig)
    await configure_implemented(rig, {"LocalAuthListCtrlr/Enabled": "true", "AuthCtrlr/LocalPreAuthorize": "true"})


async def start_with_list(rig: Rig) -> None:
    """As `start`, and the list holds the valid token (IdTokenLocalAuthList)."""
    await start(rig)
    await id_token_local_auth_list(rig, listed(rig.token), version=VERSION)


async def version(rig: Rig, expected: int, step: str) -> None:
    (await rig.csms.call("GetLocalListVersion", {})).check({"versionNumber": expected}, step)


async def holds(rig: Rig, *, token: bool, other: bool) -> None:
    """Whether the list has the first token, and the second. To be asked once: afterwards the cache knows both."""
    if not rig.station.local_start_possible:
        return
    for one, is_listed in ((rig.token, token), (rig.other_token, other)):
        session = Session(rig, token=one, known=is_listed)
        await session.authorized()
        await session.ev_connected_pre_session()
        await session.parking_bay_unoccupied()
        assert session.ended
    await rig.csms.expect_none("Authorize", seconds=0)


# SendLocalList


@requirement("D01.FR.01", "D01.FR.02", "D01.FR.15", "D02.FR.01")
async def test_TC_D_01_CS(rig: Rig):
    """A full list replaces what was there"""
    await start(rig)
    await send_local_list(rig, "Full", VERSION, listed(rig.token), step="step 2")
    await version(rig, VERSION, "step 4")
    await send_local_list(rig, "Full", VERSION + 1, listed(rig.other_token), step="D01.FR.15")
    await version(rig, VERSION + 1, "D01.FR.15")
    await holds(rig, token=False, other=True)


@requirement("D01.FR.01", "D01.FR.02", "D01.FR.16", "D02.FR.01")
async def test_TC_D_02_CS(rig: Rig):
    """A differential update adds to the list"""
    await start_with_list(rig)
    await send_local_list(rig, "Differential", VERSION + 1, listed(rig.other_token), step="step 2")
    await version(rig, VERSION + 1, "step 4")
    await holds(rig, token=True, other=True)


@requirement("D01.FR.01", "D01.FR.02", "D01.FR.17", "D02.FR.01")
async def test_TC_D_03_CS(rig: Rig):
    """A differential update without idTokenInfo takes tokens off the list"""
    await start_with_list(rig)
    await send_local_list(rig, "Differential", VERSION + 1, listed(rig.token, None), step="step 2")
    await version(rig, VERSION + 1, "step 4")
    await holds(rig, token=False, other=False)


@requirement("D01.FR.02", "D01.FR.04", "D02.FR.01")
async def test_TC_D_04_CS(rig: Rig):
    """A full list without entries empties the list, which keeps a version"""
    await start_with_list(rig)
    await send_local_list(rig, "Full", VERSION, step="step 2")
    await version(rig, VERSION, "step 4")
    await holds(rig, token=False, other=False)


@requirement("D01.FR.02", "D01.FR.05", "D02.FR.01")
async def test_TC_D_05_CS(rig: Rig):
    """A differential update without entries changes the version only"""
    await start_with_list(rig)
    await send_local_list(rig, "Differential", VERSION + 1, step="step 2")
    await version(rig, VERSION + 1, "step 4")
    await holds(rig, token=True, other=False)


@requirement("D01.FR.19", "D02.FR.01")
@pytest.mark.parametrize("sent", [VERSION - 1, VERSION])
async def test_TC_D_06_CS(rig: Rig, sent: int):
    """A differential update that is not newer than the list is refused"""
    await start_with_list(rig)
    await send_local_list(rig, "Differential", sent, listed(rig.other_token), status="VersionMismatch", step="step 2")
    await version(rig, VERSION, "step 4")
    await holds(rig, token=True, other=False)


@requirement("D01.FR.10", "D02.FR.01")
@pytest.mark.parametrize("how", ["reset", "power loss"])
async def test_TC_D_07_CS(rig: Rig, how: str):
    """The list is kept over a restart"""
    await start_with_list(rig)
    await rebooted(rig, how)
    await version(rig, VERSION, "step 2")
    await holds(rig, token=True, other=False)


# GetLocalListVersion


@requirement("D02.FR.01", "D02.FR.02")
async def test_TC_D_08_CS(rig: Rig):
    """The version of the list; 0 before there was one"""
    await start(rig)
    await version(rig, 0, "D02.FR.02")
    await id_token_local_auth_list(rig, listed(rig.token), version=VERSION)
    await version(rig, VERSION, "step 2")


@requirement("D02.FR.03", "D01.FR.13")
async def test_TC_D_10_CS(rig: Rig):
    """A list that is switched off has version 0"""
    await start_with_list(rig)
    await has(rig, "LocalAuthListCtrlr/Enabled")
    await rig.configure({"LocalAuthListCtrlr/Enabled": "false"})
    await version(rig, 0, "step 2")
