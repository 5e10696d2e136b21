"""Block C, authorization cache (C10-C12)."""

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
    local_start,
    not_stopped_by_the_group,
    reconnect,
    refused_attempts,
    stopped_by_the_group,
    until_ended,
)
from csms import ABSENT
from rig import Rig
from states import Session, id_token_cached, id_token_local_auth_list, listed, offline, rebooted
from test_c_authorization import MASTER, master_pass, without_input

requirement = pytest.mark.requirement

START_POINTS = ["Authorized", "EVConnected", "PowerPathClosed"]
each_start_point = pytest.mark.parametrize("start_point", START_POINTS)
each_stop_point = pytest.mark.parametrize("stop_point", ["EVConnected", "Authorized"])


async def start(
    rig: Rig,
    start_point: str = "Authorized",
    stop_point: str = "EVConnected",
    *,
    values: Mapping[str, str] | None = None,
    arguments: list[str] | None = None,
) -> None:
    """A station whose cache decides where it can, and the further variables of the case, as far as implemented."""
    settings = {
        "TxCtrlr/TxStartPoint": start_point,
        "TxCtrlr/TxStopPoint": stop_point,
        "OCPPCommCtrlr/RetryBackOffRepeatTimes": "0",
    }
    await rig.start(settings, arguments=arguments)
    local_start(rig)
    await authorization_cache(rig)
    cached = {"AuthCacheCtrlr/Enabled": "true", "AuthCtrlr/LocalPreAuthorize": "true"}
    await configure_implemented(rig, cached | dict(values or {}))


async def never_asked(rig: Rig) -> None:
    await rig.csms.expect_none("Authorize", seconds=0)


# What the cache says of a token (C12)


@requirement("C10.FR.01", "C10.FR.04", "C12.FR.02", "C12.FR.04")
@each_start_point
async def test_TC_C_08_CS(rig: Rig, start_point: str):
    """A token cached as Accepted charges, the CSMS is not asked"""
    await start(rig, start_point)
    cable_first(rig)
    await id_token_cached(rig)
    session = Session(rig, known=True)
    await session.ev_connected_pre_session()
    await session.authorized()
    await session.energy_transfer_started()
    await never_asked(rig)


async def asked_again_and_refused(rig: Rig, status: str, start_point: str) -> None:
    """A token is cached as `status`: the CSMS is asked again, and it stays at a no."""
    await start(rig, start_point, values={"AuthCacheCtrlr/DisablePostAuthorize": "false"})
    cable_first(rig)
    await id_token_cached(rig, status=status)
    session = Session(rig)
    await session.ev_connected_pre_session()
    await session.swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


@requirement("C10.FR.03", "C12.FR.05")
@each_start_point
async def test_TC_C_09_CS(rig: Rig, start_point: str):
    """A token cached as Invalid is asked about, and is Invalid still"""
    await asked_again_and_refused(rig, "Invalid", start_point)


@requirement("C10.FR.03", "C12.FR.05")
async def test_TC_C_10_CS(rig: Rig):
    """A token cached as Blocked is asked about, and is Blocked still"""
    await asked_again_and_refused(rig, "Blocked", "Authorized")


@requirement("C10.FR.03", "C12.FR.05")
async def test_TC_C_11_CS(rig: Rig):
    """A token cached as Expired is asked about, and is Expired still"""
    await asked_again_and_refused(rig, "Expired", "Authorized")


@requirement("C10.FR.03", "C12.FR.05")
@each_start_point
async def test_TC_C_12_CS(rig: Rig, start_point: str):
    """A token cached as Invalid is asked about, and is Accepted now"""
    await start(rig, start_point, values={"AuthCacheCtrlr/DisablePostAuthorize": "false"})
    cable_first(rig)
    await id_token_cached(rig, status="Invalid")
    session = Session(rig)
    await session.ev_connected_pre_session()
    rig.csms.tokens.set(rig.token.id, "Accepted")
    await session.authorized()
    await session.energy_transfer_started()


@requirement("C12.FR.02", "C12.FR.04")
@each_start_point
async def test_TC_C_13_CS(rig: Rig, start_point: str):
    """A token cached as Accepted charges when the cable comes later"""
    await start(rig, start_point)
    await id_token_cached(rig)
    session = Session(rig, known=True)
    await session.authorized()
    await rig.csms.expect_none("TransactionEvent", {"transactionInfo.chargingState": "Charging"}, seconds=QUIET_SECONDS)
    await session.ev_connected_pre_session()
    await session.energy_transfer_started()
    await never_asked(rig)


@requirement("C12.FR.09", "C16.FR.02", "C16.FR.03", "C16.FR.08")
@each_stop_point
async def test_TC_C_14_CS(rig: Rig, stop_point: str):
    """A master pass in the cache stops the transaction"""
    await start(rig, stop_point=stop_point)
    await without_input(rig)
    await master_pass(rig)
    await Session(rig, token=MASTER).swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=0)
    session = Session(rig)
    await session.energy_transfer_started()
    await rig.station.swipe(MASTER.id, MASTER.type, session.evse)
    await session.event(
        {"triggerReason": "StopAuthorized", "idToken.idToken": MASTER.id, "idToken.type": MASTER.type}, "step 1"
    )
    if not session.ended:
        await session.event({"transactionInfo.chargingState": "EVConnected"}, "step 3")
    await session.plug_out()
    await until_ended(session)
    session.last.check({"transactionInfo.stoppedReason": "MasterPass"}, "C16.FR.08")


@requirement("C10.FR.03", "C12.FR.05")
@each_start_point
async def test_TC_C_57_CS(rig: Rig, start_point: str):
    """DisablePostAuthorize: a token cached as Invalid is refused, the CSMS is not asked"""
    await start(rig, start_point)
    await has(rig, "AuthCacheCtrlr/DisablePostAuthorize")
    cable_first(rig)
    await rig.configure({"AuthCacheCtrlr/DisablePostAuthorize": "true"})
    await id_token_cached(rig, status="Invalid")
    session = Session(rig, known=True)
    await session.ev_connected_pre_session()
    await session.swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
    await never_asked(rig)


# Accepted in the cache while offline, refused by the CSMS later (C12, C15)


async def refused_later(rig: Rig, start_point: str, stop_point: str, in_list: bool, values: dict[str, str]) -> Session:
    """A known token is authorized offline at a connected EV; when the station is back, the CSMS says Invalid.

    Returns the session after its queued events.
    """
    common = {"AuthCtrlr/OfflineTxForUnknownIdEnabled": "true", "OCPPCommCtrlr/OfflineThreshold": "61"}
    await start(rig, start_point, stop_point, values=common | values, arguments=faster(2))
    if values["TxCtrlr/MaxEnergyOnInvalidId"] != "0":
        await has(rig, "TxCtrlr/MaxEnergyOnInvalidId")
    cable_first(rig)
    await id_token_cached(rig)
    if in_list and await rig.value("LocalAuthListCtrlr/Available") == "true":
        await configure_implemented(rig, {"LocalAuthListCtrlr/Enabled": "true"})
        await id_token_local_auth_list(rig, listed(rig.token))
    session = Session(rig)
    await session.ev_connected_pre_session()
    await offline(rig)
    await rig.station.swipe(rig.token.id, rig.token.type, session.evse)
    await refused_attempts(rig)
    rig.csms.tokens.set(rig.token.id, "Invalid")
    await reconnect(rig)
    events = []
    while not events or events[-1]["transactionInfo.chargingState"] != "Charging":
        events.append(await session.event({"offline": True}, "step 3"))
    token = {"triggerReason": "Authorized", "idToken.idToken": rig.token.id, "idToken.type": rig.token.type}
    events[0].check(token, "step 3")
    events[-1].check({"triggerReason": "ChargingStateChanged"}, "step 3")
    return session


each_memory = pytest.mark.parametrize("in_list", [False, True], ids=["cache", "cache and list"])


@requirement("C12.FR.02", "C12.FR.04", "C15.FR.02", "C15.FR.07")
@each_start_point
async def test_TC_C_15_CS(rig: Rig, start_point: str):
    """A cached token, refused later, goes on charging until MaxEnergyOnInvalidId"""
    allowed = 10_000
    values = {
        "AuthCtrlr/LocalAuthorizeOffline": "true",
        "TxCtrlr/StopTxOnInvalidId": "false",
        "TxCtrlr/MaxEnergyOnInvalidId": str(allowed),
    }
    session = await refused_later(rig, start_point, "EVConnected", True, values)
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
    await rig.station.meter(session.evse, energyWh=10 * allowed)
    expected = {"triggerReason": "ChargingStateChanged", "transactionInfo.chargingState": "SuspendedEVSE"}
    await session.event(expected | {"eventType": "Updated"}, "C15.FR.07")


async def deauthorized(session: Session) -> None:
    """Step 5: the refusal stops the energy, and the transaction where that is a stop point."""
    event = await session.event({"triggerReason": "Deauthorized", "offline": (ABSENT, False)}, "step 5")
    if "Authorized" in session.stop_points:
        event.check({"eventType": "Ended", "transactionInfo.stoppedReason": "DeAuthorized"}, "C15.FR.04")
    else:
        states = ("EVConnected", "SuspendedEVSE")
        event.check({"eventType": "Updated", "transactionInfo.chargingState": states}, "C15.FR.03")
    await session.rig.csms.expect_none(
        "TransactionEvent", {"transactionInfo.chargingState": "Charging"}, seconds=QUIET_SECONDS
    )


@requirement("C12.FR.02", "C12.FR.04", "C15.FR.02", "C15.FR.03", "C15.FR.04", "E05.FR.09", "E05.FR.10")
@each_start_point
@each_stop_point
async def test_TC_C_16_CS(rig: Rig, start_point: str, stop_point: str):
    """StopTxOnInvalidId: a cached token, refused later, is deauthorized"""
    values = {
        "AuthCtrlr/LocalAuthorizeOffline": "true",
        "TxCtrlr/StopTxOnInvalidId": "true",
        "TxCtrlr/MaxEnergyOnInvalidId": "0",
    }
    await deauthorized(await refused_later(rig, start_point, stop_point, True, values))


@requirement("C12.FR.02", "C12.FR.04", "C15.FR.02", "C15.FR.06")
@each_start_point
@each_memory
async def test_TC_C_17_CS(rig: Rig, start_point: str, in_list: bool):
    """StopTxOnInvalidId false: a cached token, refused later, gets no more energy"""
    values = {"TxCtrlr/StopTxOnInvalidId": "false", "TxCtrlr/MaxEnergyOnInvalidId": "0"}
    session = await refused_later(rig, start_point, "EVConnected", in_list, values)
    expected = {"triggerReason": "ChargingStateChanged", "transactionInfo.chargingState": "SuspendedEVSE"}
    await session.event(expected | {"eventType": "Updated"}, "step 5")
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


@requirement("C12.FR.02", "C12.FR.04", "C15.FR.02", "C15.FR.03", "C15.FR.04", "E05.FR.09", "E05.FR.10")
@each_start_point
@each_stop_point
async def test_TC_C_18_CS(rig: Rig, start_point: str, stop_point: str):
    """StopTxOnInvalidId goes before MaxEnergyOnInvalidId"""
    values = {
        "AuthCtrlr/LocalAuthorizeOffline": "true",
        "TxCtrlr/StopTxOnInvalidId": "true",
        "TxCtrlr/MaxEnergyOnInvalidId": "500",
    }
    await deauthorized(await refused_later(rig, start_point, stop_point, True, values))


# What is stored (C10)


@requirement("C10.FR.02")
@pytest.mark.parametrize("how", ["reset", "power loss"])
async def test_TC_C_32_CS(rig: Rig, how: str):
    """The cache is kept over a restart"""
    await start(rig)
    await id_token_cached(rig)
    await rebooted(rig, how)
    session = Session(rig, known=True)
    await session.authorized()
    await session.ev_connected_pre_session()
    await session.energy_transfer_started()
    await never_asked(rig)


@requirement("C10.FR.01", "C10.FR.04", "C12.FR.06")
@each_start_point
async def test_TC_C_33_CS(rig: Rig, start_point: str):
    """What the CSMS answers to Authorize goes into the cache"""
    await start(rig, start_point, values={"LocalAuthListCtrlr/Enabled": "true"})
    cable_first(rig)
    first = Session(rig)
    await first.ev_connected_pre_session()
    await first.authorized()
    await first.energy_transfer_started()
    await first.parking_bay_unoccupied()
    assert first.ended
    second = Session(rig, known=True)
    await second.ev_connected_pre_session()
    rig.csms.tokens.set(rig.token.id, "Invalid")
    await second.swipe()
    began = second.started
    event = await second.event({"triggerReason": "Authorized"}, "step 12")
    event.check({"eventType": "Updated" if began else "Started"}, "step 12")
    await never_asked(rig)


@requirement("C10.FR.05", "C12.FR.06", "C10.FR.03", "C12.FR.05")
@each_start_point
async def test_TC_C_34_CS(rig: Rig, start_point: str):
    """What the CSMS answers to TransactionEvent goes into the cache"""
    await start(rig, start_point, values={"LocalAuthListCtrlr/Enabled": "true"})
    cable_first(rig)
    await id_token_cached(rig)
    session = Session(rig, known=True)
    await session.ev_connected_pre_session()
    rig.csms.tokens.set(rig.token.id, "Invalid")
    await session.swipe()
    began = session.started
    event = await session.event({"triggerReason": "Authorized"}, "step 1")
    event.check({"eventType": "Updated" if began else "Started"}, "step 1")
    await rig.csms.answered(event)
    await rig.settle()
    await session.plug_out()
    await until_ended(session)
    again = Session(rig)
    await again.ev_connected_pre_session()
    await again.swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


@requirement("C10.FR.11")
async def test_TC_C_36_CS(rig: Rig):
    """LocalPreAuthorize false: the CSMS is asked about a cached token"""
    await start(rig, values={"AuthCtrlr/LocalPreAuthorize": "false"})
    await id_token_cached(rig)
    rig.csms.tokens.set(rig.token.id, "Invalid")
    await Session(rig).swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


@requirement("C10.FR.08", "C10.FR.10")
async def test_TC_C_46_CS(rig: Rig):
    """An entry counts no more when its LifeTime has passed"""
    await start(rig)
    await has(rig, "AuthCacheCtrlr/LifeTime")
    cable_first(rig)
    await rig.configure({"AuthCacheCtrlr/LifeTime": "1"})
    await id_token_cached(rig)
    session = Session(rig)
    await session.ev_connected_pre_session()
    await rig.csms.expect_none(seconds=1.2)
    await session.authorized()


# ClearCache (C11)


@requirement("C11.FR.01", "C11.FR.02", "C11.FR.03")
@each_start_point
async def test_TC_C_37_CS(rig: Rig, start_point: str):
    """A cleared cache knows nobody"""
    await start(rig, start_point)
    await id_token_cached(rig)
    (await rig.csms.call("ClearCache")).check({"status": "Accepted"}, "step 2")
    session = Session(rig)
    await session.ev_connected_pre_session()
    await session.authorized()
    await session.energy_transfer_started()


@requirement("C11.FR.01", "C11.FR.02", "C11.FR.04")
async def test_TC_C_38_CS(rig: Rig):
    """Clearing a cache that is switched off is rejected"""
    await start(rig, values={"AuthCacheCtrlr/Enabled": "false", "AuthCtrlr/LocalPreAuthorize": "false"})
    await has(rig, "AuthCacheCtrlr/Enabled")
    await id_token_cached(rig)
    (await rig.csms.call("ClearCache")).check({"status": "Rejected"}, "step 2")


# Groups (C09)


async def charging_with_cached_group(rig: Rig, start_point: str, other_status: str) -> Session:
    """Both tokens of a group are cached, the other one as `other_status`; the first one charges."""
    await start(rig, start_point, values={"AuthCacheCtrlr/DisablePostAuthorize": "false"})
    cable_first(rig)
    await id_token_cached(rig, groupIdToken=GROUP)
    await id_token_cached(rig, rig.other_token, other_status, groupIdToken=GROUP)
    session = Session(rig, known=True)
    await session.ev_connected_pre_session()
    await session.authorized()
    await session.energy_transfer_started()
    return session


@requirement("C09.FR.02", "C09.FR.03", "C09.FR.07")
@each_start_point
async def test_TC_C_41_CS(rig: Rig, start_point: str):
    """Another cached token of the group stops the transaction, the CSMS is not asked"""
    await stopped_by_the_group(await charging_with_cached_group(rig, start_point, "Accepted"))


@requirement("C09.FR.02", "C09.FR.03", "C09.FR.11", "C10.FR.03")
@each_start_point
async def test_TC_C_44_CS(rig: Rig, start_point: str):
    """A token of the group that is cached as Invalid does not stop the transaction"""
    await not_stopped_by_the_group(await charging_with_cached_group(rig, start_point, "Invalid"))
