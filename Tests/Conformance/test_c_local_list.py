"""Block C, what the local authorization list says of a token, offline (C13) and online (C14)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from checks import (
    GROUP,
    QUIET_SECONDS,
    authorization_cache,
    cable_first,
    configure_implemented,
    faster,
    has,
    local_list,
    local_start,
    not_stopped_by_the_group,
    reconnect,
    refused_attempts,
    stopped_by_the_group,
    until_ended,
)
from rig import Rig
from states import Session, id_token_cached, id_token_local_auth_list, listed, offline

requirement = pytest.mark.requirement

each_start_point = pytest.mark.parametrize("start_point", ["Authorized", "EVConnected", "PowerPathClosed"])

#: What the cases of C13 set.
OFFLINE = {
    "AuthCtrlr/OfflineTxForUnknownIdEnabled": "false",
    "AuthCtrlr/LocalAuthorizeOffline": "true",
    "OCPPCommCtrlr/OfflineThreshold": "61",
}


async def start(
    rig: Rig,
    start_point: str = "Authorized",
    *,
    values: Mapping[str, str] | None = None,
    arguments: list[str] | None = None,
) -> None:
    """A station whose list decides where it can, and the further variables of the case, as far as implemented."""
    settings = {"TxCtrlr/TxStartPoint": start_point, "OCPPCommCtrlr/RetryBackOffRepeatTimes": "0"}
    await rig.start(settings, arguments=arguments)
    local_start(rig)
    await local_list(rig)
    enabled = {"LocalAuthListCtrlr/Enabled": "true", "AuthCtrlr/LocalPreAuthorize": "true"}
    await configure_implemented(rig, enabled | dict(values or {}))


# Online (C14)

ASK_AGAIN = {"LocalAuthListCtrlr/DisablePostAuthorize": "false"}


@requirement("C14.FR.02", "C14.FR.04")
@each_start_point
async def test_TC_C_27_CS(rig: Rig, start_point: str):
    """A listed token charges, the CSMS is not asked"""
    await start(rig, start_point)
    await id_token_local_auth_list(rig, listed(rig.token))
    session = Session(rig, known=True)
    await session.authorized()
    await session.ev_connected_pre_session()
    await session.energy_transfer_started()
    await rig.csms.expect_none("Authorize", seconds=0)


async def asked_and_refused(rig: Rig, status: str, cable: bool) -> None:
    """A token is listed as `status`: the CSMS is asked and refuses it."""
    await start(rig, values=ASK_AGAIN)
    await id_token_local_auth_list(rig, listed(rig.token, status))
    rig.csms.tokens.set(rig.token.id, status)
    session = Session(rig)
    if cable:
        cable_first(rig)
        await session.ev_connected_pre_session()
    await session.swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


@requirement("C14.FR.03")
async def test_TC_C_28_CS(rig: Rig):
    """A token listed as Invalid is asked about and is refused"""
    await asked_and_refused(rig, "Invalid", cable=False)


@requirement("C14.FR.03")
async def test_TC_C_29_CS(rig: Rig):
    """A token listed as Blocked is asked about and is refused"""
    await asked_and_refused(rig, "Blocked", cable=True)


@requirement("C14.FR.03")
async def test_TC_C_30_CS(rig: Rig):
    """A token listed as Expired is asked about and is refused"""
    await asked_and_refused(rig, "Expired", cable=True)


@requirement("C14.FR.03")
@each_start_point
async def test_TC_C_31_CS(rig: Rig, start_point: str):
    """A token listed as Invalid is asked about and charges when the CSMS accepts it"""
    await start(rig, start_point, values=ASK_AGAIN)
    await id_token_local_auth_list(rig, listed(rig.token, "Invalid"))
    session = Session(rig)
    await session.authorized()
    await session.ev_connected_pre_session()
    await session.energy_transfer_started()


@requirement("C14.FR.03")
async def test_TC_C_58_CS(rig: Rig):
    """DisablePostAuthorize: a token listed as Invalid is refused, the CSMS is not asked"""
    await start(rig)
    await has(rig, "LocalAuthListCtrlr/DisablePostAuthorize")
    await rig.configure({"LocalAuthListCtrlr/DisablePostAuthorize": "true"})
    await id_token_local_auth_list(rig, listed(rig.token, "Invalid"))
    await Session(rig, known=True).swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
    await rig.csms.expect_none("Authorize", seconds=0)


# Groups (C09)


async def charging_with_listed_group(rig: Rig, start_point: str, other_status: str) -> Session:
    """Both tokens of a group are listed, the other one as `other_status`; the first one charges."""
    await start(rig, start_point)
    cable_first(rig)
    for token, status in ((rig.token, "Accepted"), (rig.other_token, other_status)):
        rig.csms.tokens.set(token.id, status, groupIdToken=GROUP)
    await id_token_local_auth_list(
        rig, listed(rig.token, groupIdToken=GROUP), listed(rig.other_token, other_status, groupIdToken=GROUP)
    )
    session = Session(rig, known=True)
    await session.ev_connected_pre_session()
    await session.authorized()
    await session.energy_transfer_started()
    return session


@requirement("C09.FR.02", "C09.FR.03", "C09.FR.07")
@each_start_point
async def test_TC_C_40_CS(rig: Rig, start_point: str):
    """Another listed token of the group stops the transaction, the CSMS is not asked"""
    await stopped_by_the_group(await charging_with_listed_group(rig, start_point, "Accepted"))


@requirement("C09.FR.02", "C09.FR.03", "C09.FR.11", "C14.FR.03")
@each_start_point
async def test_TC_C_43_CS(rig: Rig, start_point: str):
    """A token of the group that is listed as Invalid does not stop the transaction"""
    await not_stopped_by_the_group(await charging_with_listed_group(rig, start_point, "Invalid"))


# Offline (C13)


@requirement("C13.FR.02", "C13.FR.03", "C13.FR.05", "C15.FR.02")
@each_start_point
async def test_TC_C_21_CS(rig: Rig, start_point: str):
    """Offline a listed token charges, and stops"""
    await start(rig, start_point, values=OFFLINE, arguments=faster(2))
    await id_token_local_auth_list(rig, listed(rig.token))
    session = Session(rig)
    await offline(rig)
    await rig.station.swipe(rig.token.id, rig.token.type, session.evse)
    await rig.station.plug_in(session.evse, session.connector)
    await refused_attempts(rig)
    await reconnect(rig)
    await rig.station.swipe(rig.token.id, rig.token.type, session.evse)
    await rig.station.plug_out(session.evse, session.connector)
    events = await until_ended(session)
    reasons = [event["triggerReason"] for event in events]
    assert "StopAuthorized" in reasons, f"StopAuthorized is not among {reasons}"
    before = events[: reasons.index("StopAuthorized")]
    assert before, "nothing was queued"
    for event in before:
        event.check({"offline": True}, "step 1")
    assert any(event["transactionInfo.chargingState"] == "Charging" for event in before), "no energy while offline"
    assert any(event["idToken.idToken"] == rig.token.id for event in before), "no event has the idToken"


async def refused_offline(rig: Rig, status: str) -> None:
    """Offline a token that is listed as `status` starts nothing."""
    await start(rig, values=OFFLINE, arguments=faster(2))
    await id_token_local_auth_list(rig, listed(rig.token, status))
    await offline(rig)
    await rig.station.swipe(rig.token.id, rig.token.type, rig.evse_id)
    await reconnect(rig)
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
    await rig.csms.expect_none("Authorize", seconds=0)


@requirement("C13.FR.02", "C13.FR.05")
async def test_TC_C_22_CS(rig: Rig):
    """Offline a token listed as Invalid starts nothing"""
    await refused_offline(rig, "Invalid")


@requirement("C13.FR.02", "C13.FR.05")
async def test_TC_C_23_CS(rig: Rig):
    """Offline a token listed as Blocked starts nothing"""
    await refused_offline(rig, "Blocked")


@requirement("C13.FR.02", "C13.FR.05")
async def test_TC_C_24_CS(rig: Rig):
    """Offline a token listed as Expired starts nothing"""
    await refused_offline(rig, "Expired")


@requirement("C13.FR.01", "C13.FR.04", "C13.FR.06", "C14.FR.01")
@each_start_point
async def test_TC_C_25_CS(rig: Rig, start_point: str):
    """Offline the list, which says Invalid, goes before the cache, which says Accepted"""
    unknown = {"AuthCtrlr/OfflineTxForUnknownIdEnabled": "true", "TxCtrlr/StopTxOnInvalidId": "false"}
    await start(rig, start_point, values=OFFLINE | unknown, arguments=faster(2))
    await authorization_cache(rig)
    await has(rig, "AuthCtrlr/OfflineTxForUnknownIdEnabled")
    cable_first(rig)
    await id_token_cached(rig)
    await id_token_local_auth_list(rig, listed(rig.token, "Invalid"))
    session = Session(rig)
    await session.ev_connected_pre_session()
    await offline(rig)
    await rig.station.swipe(rig.token.id, rig.token.type, session.evse)
    await refused_attempts(rig)
    await reconnect(rig)
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
