"""Block C, authorization, as far as it needs neither cache nor local list."""

import asyncio

import pytest

from checks import GROUP, QUIET_SECONDS, local_start
from csms import ABSENT
from rig import PATIENCE, Rig, Token, not_applicable
from states import Session, offline
from station_adapter import StationFailed

requirement = pytest.mark.requirement

#: The shipped station whose socket is locked before authorization (Part 5, AQ-2).
LOCKED = "ac-locked-socket"


async def authorization_on(rig: Rig) -> None:
    """The configuration state of the refusal cases: authorization is asked of the CSMS."""
    enabled, disabled = await rig.get("AuthCtrlr/Enabled", "AuthCtrlr/DisableRemoteAuthorization")
    if enabled.exists and enabled.value != "true":
        await rig.configure({"AuthCtrlr/Enabled": "true"})
    if disabled.exists and disabled.value != "false":
        await rig.configure({"AuthCtrlr/DisableRemoteAuthorization": "false"})


async def refused(rig: Rig, status: str, start_point: str, cable: bool = True) -> None:
    """A token that the CSMS answers with `status` starts nothing."""
    await rig.start({"TxCtrlr/TxStartPoint": start_point})
    local_start(rig)
    if cable == rig.station.locked_before_authorization:
        not_applicable(
            "the connector is locked before authorization" if cable else "the connector is free before authorization"
        )
    await authorization_on(rig)
    session = Session(rig)
    if cable:
        await session.ev_connected_pre_session()
    rig.csms.tokens.set(rig.token.id, status)
    await session.swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


@requirement("C01.FR.02", "C06.FR.02")
@pytest.mark.parametrize("start_point", ["Authorized", "EVConnected", "PowerPathClosed"])
async def test_TC_C_02_CS(rig: Rig, start_point: str):
    """A token that is Invalid starts nothing"""
    await refused(rig, "Invalid", start_point)


@requirement("C01.FR.02", "C06.FR.02")
async def test_TC_C_05_CS(rig: Rig):
    """A token that is Invalid, presented at a locked connector, starts nothing"""
    rig.configuration = LOCKED
    await refused(rig, "Invalid", "Authorized", cable=False)
    connector = (await rig.station.state())["evses"][rig.evse_id - 1]["connectors"][rig.connector_id - 1]
    assert connector["locked"], "the token opened the lock"
    with pytest.raises(StationFailed, match="is locked without a plug"):
        await rig.station.plug_in(rig.evse_id)


@requirement("C01.FR.02", "E03.FR.01")
async def test_the_locked_socket_opens_for_who_is_authorized(rig: Rig):
    """No plug goes in before; it is locked again for the next driver"""
    rig.configuration = LOCKED
    await rig.start({"TxCtrlr/TxStopPoint": "EVConnected"})
    await until_barred(rig)
    rig.csms.forget()
    session = Session(rig)
    await session.authorized()
    await until_lock(rig, False)
    await rig.station.plug_in(rig.evse_id)
    await rig.csms.expect("TransactionEvent", {"transactionInfo.chargingState": "Charging"})
    await until_lock(rig, True)
    await rig.station.plug_out(rig.evse_id)
    await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
    await until_barred(rig)


async def until_lock(rig: Rig, locked: bool) -> None:
    async with asyncio.timeout(10 * PATIENCE):
        while (await rig.station.state())["evses"][0]["connectors"][0]["locked"] != locked:
            await asyncio.sleep(0.02)


async def until_barred(rig: Rig) -> None:
    """The lock has come to where no plug goes in; as long as it moves, one that did is pulled again."""
    async with asyncio.timeout(10 * PATIENCE):
        while True:
            try:
                await rig.station.plug_in(rig.evse_id)
            except StationFailed as refusal:
                assert "is locked without a plug" in str(refusal)
                return
            await rig.station.plug_out(rig.evse_id)
            await asyncio.sleep(0.3)


@requirement("C01.FR.02")
@pytest.mark.parametrize("start_point", ["Authorized", "EVConnected"])
async def test_TC_C_06_CS(rig: Rig, start_point: str):
    """A token that is Blocked starts nothing"""
    await refused(rig, "Blocked", start_point)


@requirement("C01.FR.02")
async def test_TC_C_07_CS(rig: Rig):
    """A token that is Expired starts nothing"""
    await refused(rig, "Expired", "Authorized")


@requirement("C01.FR.02")
async def test_TC_C_56_CS(rig: Rig):
    """A token that is Unknown starts nothing"""
    await refused(rig, "Unknown", "Authorized")


@requirement("C01.FR.02", "C01.FR.03")
async def test_TC_C_04_CS(rig: Rig):
    """Another token does not stop a transaction"""
    await rig.start()
    local_start(rig)
    await authorization_on(rig)
    session = Session(rig)
    await session.energy_transfer_started()
    await present_other(rig, rig.other_token)
    await rig.csms.expect_none("TransactionEvent", {"idToken.idToken": rig.other_token.id}, seconds=QUIET_SECONDS)
    await rig.csms.expect_none("TransactionEvent", {"eventType": "Ended"}, seconds=0)


async def present_other(rig: Rig, token: Token) -> None:
    """Presents a token at the reader of the EVSE; the CSMS is asked about it."""
    await rig.station.swipe(token.id, token.type, rig.evse_id)
    message = await rig.csms.expect("Authorize")
    message.check({"idToken.idToken": token.id, "idToken.type": token.type})
    await rig.csms.answered(message)
    await rig.settle()


# Groups


async def charging_with_group(rig: Rig, other_status: str) -> Session:
    """A token of a group charges; the other token of the group is `other_status`."""
    rig.csms.tokens.set(rig.token.id, groupIdToken=GROUP)
    rig.csms.tokens.set(rig.other_token.id, other_status, groupIdToken=GROUP)
    await rig.start()
    local_start(rig)
    session = Session(rig)
    await session.ev_connected_pre_session()
    await session.energy_transfer_started()
    return session


@requirement("C09.FR.02", "C09.FR.03", "C09.FR.05")
async def test_TC_C_39_CS(rig: Rig):
    """Another token of the same group stops the transaction"""
    session = await charging_with_group(rig, "Accepted")
    await present_other(rig, rig.other_token)
    await session.event(
        {
            "triggerReason": "StopAuthorized",
            "idToken.idToken": rig.other_token.id,
            "idToken.type": rig.other_token.type,
        },
        "step 8",
    )
    session.stop_authorized_done = True
    session.charging = False
    await session.ev_connected_post_session()
    await session.ev_disconnected()
    await session.parking_bay_unoccupied()
    assert session.ended


@requirement("C09.FR.11")
async def test_TC_C_42_CS(rig: Rig):
    """A token of the same group that is Invalid does not stop the transaction"""
    await charging_with_group(rig, "Invalid")
    await present_other(rig, rig.other_token)
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


# Master pass

MASTER = Token("0BADF00D")
MASTER_GROUP = "MASTERPASS"


async def master_pass(rig: Rig) -> None:
    (group,) = await rig.get("AuthCtrlr/MasterPassGroupId")
    if not group.exists:
        not_applicable("no master pass: AuthCtrlr.MasterPassGroupId does not exist")
    await rig.configure({"AuthCtrlr/MasterPassGroupId": MASTER_GROUP})
    rig.csms.tokens.set(MASTER.id, groupIdToken={"idToken": MASTER_GROUP, "type": "Central"})


async def without_input(rig: Rig) -> None:
    """A master pass stops all transactions only where nobody can select."""
    if await rig.value("UIInput/Enabled") == "true":
        not_applicable("the station has a user interface with input (C-08)")


@requirement("C16.FR.03")
async def test_TC_C_45_CS(rig: Rig):
    """A master pass does not start a transaction"""
    await rig.start({"TxCtrlr/TxStartPoint": "Authorized"})
    local_start(rig)
    await master_pass(rig)
    session = Session(rig, token=MASTER)
    await session.swipe()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
    await session.ev_connected_pre_session()
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


@requirement("C16.FR.02")
async def test_TC_C_49_CS(rig: Rig):
    """A master pass stops all transactions of a station without user interface"""
    await rig.start({"TxCtrlr/TxStopPoint": "Authorized"})
    local_start(rig)
    await without_input(rig)
    await master_pass(rig)
    tokens = [rig.token, rig.other_token]
    evses = list(await rig.station.topology())[:2]
    sessions = [Session(rig, evse=evse, token=token) for evse, token in zip(evses, tokens)]
    for session in sessions:
        await session.energy_transfer_started()
    await present_other(rig, MASTER)
    for session in sessions:
        event = await session.event(
            {"idToken.idToken": (ABSENT, MASTER.id), "idToken.type": (ABSENT, MASTER.type)}, "step 3"
        )
        while not session.ended:
            event = await session.event({}, "step 3")
        event.check({"transactionInfo.stoppedReason": "MasterPass"}, "step 3")
        session.stop_authorized_done = True
        await session.ev_disconnected()


async def select_at_the_ui(rig: Rig, selected: list[int] | None) -> None:
    """All EVSEs charge; a master pass is shown, and its owner selects what it stops."""
    rig.configuration = "ac-two-bays"
    await rig.start({"TxCtrlr/TxStopPoint": "Authorized"})
    local_start(rig)
    if await rig.value("UIInput/Enabled") != "true":
        not_applicable("the station has no user interface with input (C-07)")
    await master_pass(rig)
    sessions = [
        Session(rig, evse=evse, token=token)
        for evse, token in zip(await rig.station.topology(), [rig.token, rig.other_token])
    ]
    for session in sessions:
        await session.energy_transfer_started()
    await present_other(rig, MASTER)
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
    await rig.station.select(selected)
    stopped = [one for one in sessions if selected is None or one.evse in selected]
    for session in stopped:
        event = await session.event(
            {"idToken.idToken": (ABSENT, MASTER.id), "idToken.type": (ABSENT, MASTER.type)}, "step 3"
        )
        event.check({"eventType": "Ended", "transactionInfo.stoppedReason": "MasterPass"}, "step 3")
        session.stop_authorized_done = True
        await session.ev_disconnected()
        await session.parking_bay_unoccupied()
    for session in sessions:
        if session not in stopped:
            state = await rig.csms.call("GetTransactionStatus", {"transactionId": session.transaction_id})
            state.check({"ongoingIndicator": True}, "post scenario")
            await session.stop_authorized()


@requirement("C16.FR.01", "C16.FR.07", "C16.FR.08")
async def test_TC_C_47_CS(rig: Rig):
    """A master pass at a station with user interface: all transactions are selected and stopped"""
    await select_at_the_ui(rig, None)


@requirement("C16.FR.01", "C16.FR.07", "C16.FR.08")
async def test_TC_C_48_CS(rig: Rig):
    """A master pass at a station with user interface: one transaction is selected and stopped, the other goes on"""
    await select_at_the_ui(rig, [1])


# Offline


@requirement("C13.FR.04", "C15.FR.02", "C15.FR.06", "C15.FR.08")
async def test_TC_C_26_CS(rig: Rig):
    """Offline, an unknown token may start; refused later, it gets no energy and may still stop"""
    await rig.start()
    local_start(rig)
    names = ["AuthCtrlr/OfflineTxForUnknownIdEnabled", "TxCtrlr/MaxEnergyOnInvalidId", "LocalAuthListCtrlr/Available"]
    unknown, energy, local_list = await rig.get(*names)
    if not unknown.exists:
        not_applicable("AuthCtrlr.OfflineTxForUnknownIdEnabled does not exist")
    values = {
        names[0]: "true",
        "AuthCtrlr/LocalAuthorizeOffline": "true",
        "AuthCtrlr/LocalPreAuthorize": "true",
        "TxCtrlr/StopTxOnInvalidId": "false",
    }
    if energy.exists:
        values[names[1]] = "0"
    if local_list.value == "true":
        values["LocalAuthListCtrlr/Enabled"] = "true"
    await rig.configure(values)
    rig.csms.tokens.set(rig.token.id, "Invalid")
    await offline(rig)
    await rig.station.swipe(rig.token.id, rig.token.type, rig.evse_id)
    await rig.station.plug_in(rig.evse_id, rig.connector_id)
    rig.csms.admit()

    session = Session(rig)
    first = await session.event({"eventType": "Started", "offline": True}, "step 1")
    refused_at = None
    event = first
    while event["transactionInfo.chargingState"] != "SuspendedEVSE":
        if "idToken" in event.payload:
            refused_at = (await rig.csms.answered(event)).number
        event = await session.event({}, "step 1")
        if refused_at is None:
            event.check({"offline": True}, "step 1")
    await rig.station.swipe(rig.token.id, rig.token.type, rig.evse_id)
    await rig.station.plug_out(rig.evse_id, rig.connector_id)
    while event["triggerReason"] != "StopAuthorized":
        event = await session.event({}, "step 3")
