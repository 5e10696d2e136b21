"""Block E, transactions: offline, retries, and what the CSMS can ask about them (E08, E11-E14)."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from checks import (
    GROUP,
    authorization_cache,
    everything_answered,
    faster,
    held,
    local_list,
    local_start,
    reconnect,
    refused_attempts,
    time_of,
    transaction_status,
    until_ended,
)
from csms import ABSENT, NO_ANSWER, CallError, Message, present
from rig import PATIENCE, Rig, Token
from states import (
    Session,
    id_token_cached,
    id_token_local_auth_list,
    listed,
    offline,
    transaction_events_in_queue_ended,
)

requirement = pytest.mark.requirement

#: The station's clock runs so much faster in the tests that wait for its intervals and attempts.
SCALE = 4

#: Attempts to reconnect come at even intervals.
ATTEMPTS = {"OCPPCommCtrlr/RetryBackOffWaitMinimum": "1", "OCPPCommCtrlr/RetryBackOffRepeatTimes": "0"}

#: Meter values every second, and an offline time of several.
SAMPLES = {
    "SampledDataCtrlr/TxUpdatedInterval": "1",
    "SampledDataCtrlr/TxUpdatedMeasurands": "Energy.Active.Import.Register",
    "OCPPCommCtrlr/RetryBackOffWaitMinimum": "4",
    "OCPPCommCtrlr/OfflineThreshold": "64",
}

PERIODIC_OFFLINE = {"eventType": "Updated", "meterValue": present, "offline": True}


# GetTransactionStatus


@requirement("E14.FR.01")
async def test_TC_E_28_CS(rig: Rig):
    """GetTransactionStatus of a transaction that never was"""
    await rig.start()
    answer = await transaction_status(rig, str(uuid.uuid4()))
    answer.check({"ongoingIndicator": False, "messagesInQueue": False}, "step 2")


@requirement("E14.FR.02", "E14.FR.04")
async def test_TC_E_29_CS(rig: Rig):
    """GetTransactionStatus of an ongoing transaction with queued messages"""
    await rig.start(SAMPLES, arguments=faster(SCALE))
    session = Session(rig)
    await session.energy_transfer_started()
    async with after_offline_samples(rig):
        answer = await transaction_status(rig, session.transaction_id)
        answer.check({"ongoingIndicator": True, "messagesInQueue": True}, "step 4")
    await queued_samples(rig, session)


@requirement("E14.FR.06", "E14.FR.07")
async def test_TC_E_33_CS(rig: Rig):
    """GetTransactionStatus without transactionId while messages are queued"""
    await rig.start(SAMPLES, arguments=faster(SCALE))
    session = Session(rig)
    await session.energy_transfer_started()
    async with after_offline_samples(rig):
        answer = await transaction_status(rig, None)
        answer.check({"ongoingIndicator": ABSENT, "messagesInQueue": True}, "step 4")
    await queued_samples(rig, session)


@asynccontextmanager
async def after_offline_samples(rig: Rig) -> AsyncIterator[None]:
    """An offline time in which meter values are sampled; inside, the station is back and the CSMS does not take them yet."""
    await everything_answered(rig, "TransactionEvent")
    await offline(rig)
    rig.csms.forget("TransactionEvent")
    async with held(rig, "TransactionEvent"):
        # The first attempt comes after the back-off, so after several samples.
        await reconnect(rig)
        yield


async def queued_samples(rig: Rig, session: Session) -> None:
    """Step 5: the queue holds meter values, marked as offline."""
    for _ in range(2):
        event = await rig.csms.expect("TransactionEvent", step="step 5")
        event.check(PERIODIC_OFFLINE | {"transactionInfo.transactionId": session.transaction_id}, "step 5")


@requirement("E14.FR.02", "E14.FR.05")
async def test_TC_E_30_CS(rig: Rig):
    """GetTransactionStatus of an ongoing transaction, nothing queued"""
    await rig.start()
    session = Session(rig)
    await session.energy_transfer_started()
    await everything_answered(rig, "TransactionEvent")
    answer = await transaction_status(rig, session.transaction_id)
    answer.check({"ongoingIndicator": True, "messagesInQueue": False}, "step 2")


@requirement("E14.FR.03", "E14.FR.04")
async def test_TC_E_31_CS(rig: Rig):
    """GetTransactionStatus of a transaction that ended offline, its messages queued"""
    await rig.start(ATTEMPTS, arguments=faster(2))
    local_start(rig)
    session = Session(rig)
    await session.energy_transfer_started()
    await everything_answered(rig, "TransactionEvent")
    await stop_offline(rig, session)
    async with held(rig, "TransactionEvent"):
        await reconnect(rig)
        answer = await transaction_status(rig, session.transaction_id)
        answer.check({"ongoingIndicator": False, "messagesInQueue": True}, "step 2")
    stopped, *others, last = await until_ended(session)
    stopped.check({"triggerReason": "StopAuthorized", "idToken.idToken": (ABSENT, rig.token.id)}, "StopAuthorized")
    assert len(others) == 1, f"{len(others)} events between StopAuthorized and Ended, expected EVConnectedPostSession"
    expected = {"triggerReason": "ChargingStateChanged", "transactionInfo.chargingState": "EVConnected"}
    others[0].check(expected, "EVConnectedPostSession")
    last.check(
        {
            "triggerReason": "EVCommunicationLost",
            "transactionInfo.chargingState": "Idle",
            "transactionInfo.stoppedReason": ("Local", ABSENT),
        },
        "EVDisconnected",
    )


async def stop_offline(rig: Rig, session: Session, token: Token | None = None) -> None:
    """Offline, the driver stops with the token, or this one, and unplugs when the energy has stopped. Ends offline."""
    token = token or session.token
    await offline(rig)
    await rig.station.swipe(token.id, token.type, session.evse)
    await refused_attempts(rig)
    await rig.station.plug_out(session.evse, session.connector)
    await refused_attempts(rig)


@requirement("E14.FR.03", "E14.FR.05")
async def test_TC_E_32_CS(rig: Rig):
    """GetTransactionStatus of an ended transaction, nothing queued"""
    await rig.start()
    session = Session(rig)
    await session.energy_transfer_started()
    await session.parking_bay_unoccupied()
    await everything_answered(rig, "TransactionEvent")
    answer = await transaction_status(rig, session.transaction_id)
    answer.check({"ongoingIndicator": False, "messagesInQueue": False}, "step 2")


@requirement("E14.FR.06", "E14.FR.08")
async def test_TC_E_34_CS(rig: Rig):
    """GetTransactionStatus without transactionId, nothing queued"""
    await rig.start()
    answer = await transaction_status(rig, None)
    answer.check({"ongoingIndicator": ABSENT, "messagesInQueue": False}, "step 2")


# Offline


@requirement("E11.FR.01", "E11.FR.02", "E11.FR.06", "E11.FR.03")
async def test_TC_E_40_CS(rig: Rig):
    """Meter values of an offline time are sent afterwards, marked as such"""
    await rig.start(SAMPLES | {"OCPPCommCtrlr/RetryBackOffWaitMinimum": "2"})
    session = Session(rig)
    await session.energy_transfer_started()
    await everything_answered(rig, "TransactionEvent")
    await offline(rig)
    left = await rig.csms.expect_event("disconnected")
    rig.csms.forget("TransactionEvent")
    await reconnect(rig)
    back = await rig.csms.expect_event("connected", after=left)
    # Until a sample that was taken online has come.
    queued = 0
    while True:
        event = await rig.csms.expect("TransactionEvent", step="step 3")
        event.check({"transactionInfo.transactionId": session.transaction_id}, "step 3")
        moment = time_of(event["timestamp"]).timestamp()
        if moment > back.wall + MARGIN:
            event.check({"offline": (ABSENT, False)}, "online again")
            break
        if left.wall + MARGIN < moment < back.wall - MARGIN:
            event.check(PERIODIC_OFFLINE, "step 3")
            queued += 1
    assert queued, "no message was queued"


#: How near, in seconds, to the loss of the connection and its return an event may count as online and as offline.
MARGIN = 0.2


@requirement("E12.FR.01", "E12.FR.02", "E12.FR.06")
async def test_TC_E_43_CS(rig: Rig):
    """A whole transaction while offline is told afterwards"""
    await rig.start(ATTEMPTS | {"AuthCtrlr/OfflineTxForUnknownIdEnabled": "true"}, arguments=faster(2))
    local_start(rig)
    await transaction_events_in_queue_ended(rig)
    await refused_attempts(rig)
    await reconnect(rig)
    session = Session(rig)
    events = await until_ended(session)
    for event in events:
        event.check({"offline": True}, "step 1")
    events[0].check({"eventType": "Started"}, "step 1")


@requirement("E08.FR.01", "E08.FR.04", "E08.FR.05", "E08.FR.06", "E08.FR.07", "E08.FR.08")
async def test_TC_E_44_CS(rig: Rig):
    """A transaction that is stopped offline is told afterwards"""
    await rig.start(ATTEMPTS, arguments=faster(2))
    local_start(rig)
    session = Session(rig)
    await session.energy_transfer_started()
    await everything_answered(rig, "TransactionEvent")
    await stop_offline(rig, session)
    await reconnect(rig)
    for event in await until_ended(session):
        event.check({"offline": True}, "step 3")


@requirement("E08.FR.02", "E08.FR.04", "E08.FR.05", "E08.FR.06", "E08.FR.07", "E08.FR.08", "C09.FR.07")
@pytest.mark.parametrize("memory", ["cache", "list", "cache and list"])
async def test_TC_E_45_CS(rig: Rig, memory: str):
    """A transaction that another token of the group stops offline is told afterwards"""
    await rig.start(ATTEMPTS | {"OCPPCommCtrlr/OfflineThreshold": "61"}, arguments=faster(2))
    local_start(rig)
    rig.csms.tokens.set(rig.token.id, groupIdToken=GROUP)
    if "cache" in memory:
        await authorization_cache(rig)
        await id_token_cached(rig, rig.other_token, groupIdToken=GROUP)
    if "list" in memory:
        await local_list(rig)
        await id_token_local_auth_list(rig, listed(rig.other_token, groupIdToken=GROUP))
    session = Session(rig)
    await session.authorized()
    await session.energy_transfer_started()
    await everything_answered(rig, "TransactionEvent")
    await stop_offline(rig, session, rig.other_token)
    await reconnect(rig)
    events = await until_ended(session)
    for event in events:
        event.check({"offline": True}, "step 3")
    expected = {"triggerReason": "StopAuthorized", "idToken.idToken": (ABSENT, rig.other_token.id)}
    events[0].check(expected, "E08.FR.02")
    await rig.csms.expect_none("Authorize", seconds=0)


# Retries (E13)

ATTEMPT_INTERVAL = "OCPPCommCtrlr/MessageAttemptInterval[TransactionEvent]"
MAX_ATTEMPTS = "OCPPCommCtrlr/MessageAttempts[TransactionEvent]"
TIMEOUT = "OCPPCommCtrlr/MessageTimeout[Default]"


class Retries:
    """The event in which charging starts is not taken at first; counts and times its transmissions.

    `answers` are the CSMS' answers to them, in order, the last one to all that follow.
    """

    def __init__(self, rig: Rig, attempts: int, *answers: object, scale: int = 1):
        self.rig = rig
        self.attempts = attempts
        self.answers = answers
        self.scale = scale
        #: Station seconds.
        self.interval = 1.0
        self.timeout = 2.0
        self.seen: list[Message] = []

    async def start(self) -> None:
        settings = {MAX_ATTEMPTS: str(self.attempts), ATTEMPT_INTERVAL: "1", TIMEOUT: "2"}
        await self.rig.start(settings, arguments=faster(self.scale))
        interval, timeout = await self.rig.get(ATTEMPT_INTERVAL, TIMEOUT)
        assert interval.value and timeout.value, "MessageAttemptInterval and MessageTimeout are required"
        self.interval, self.timeout = float(interval.value), float(timeout.value)
        self.rig.csms.message_timeout = self.timeout / self.scale - 0.05
        self.rig.csms.respond("TransactionEvent", self._answer)
        session = Session(self.rig)
        await session.authorized()
        await session.ev_connected_pre_session()

    def _answer(self, message: Message) -> object:
        if message["transactionInfo.chargingState"] != "Charging":
            return self.rig.csms.default_answer(message)
        self.seen.append(message)
        return self.answers[min(len(self.seen), len(self.answers)) - 1]

    async def expect(self, count: int, wait_for_timeout: bool) -> None:
        """So many transmissions of the same event, at the intervals of E13.FR.03, then no more."""
        waits = [self._wait(number, wait_for_timeout) for number in range(1, count + 1)]
        for number in range(1, count + 1):
            patience = 10 * PATIENCE if number == 1 else waits[number - 2] + PATIENCE
            where = {"transactionInfo.chargingState": "Charging"}
            event = await self.rig.csms.expect(
                "TransactionEvent", where, timeout=patience, step=f"transmission {number}"
            )
            event.check({"seqNo": self.seen[0]["seqNo"], "timestamp": self.seen[0]["timestamp"]}, "step 5")
        for wait, before, after in zip(waits, self.seen, self.seen[1:]):
            # The station counts from the CALLERROR; or from its own frame, which a busy machine may show us late.
            gap, late = (after.at - before.answer.at, 0.02) if before.answer else (after.at - before.at, 0.4)
            assert gap >= wait - late, f"transmitted again after {gap:.2f} s, expected {wait} s"
        # The interval in which a further transmission would come.
        await self.rig.csms.expect_none(
            "TransactionEvent", {"seqNo": self.seen[0]["seqNo"]}, seconds=waits[-1] + 0.2 * PATIENCE
        )

    def _wait(self, transmissions: int, wait_for_timeout: bool) -> float:
        """Seconds from a transmission to the next, when there have been so many."""
        return (transmissions * self.interval + (self.timeout if wait_for_timeout else 0)) / self.scale


@requirement("E13.FR.01", "E13.FR.02", "E13.FR.03", "E13.FR.04")
async def test_TC_E_41_CS(rig: Rig):
    """An event without an answer is sent MessageAttempts times"""
    retries = Retries(rig, 2, NO_ANSWER, scale=2)
    await retries.start()
    await retries.expect(2, wait_for_timeout=True)


@requirement("E13.FR.01", "E13.FR.02", "E13.FR.03")
async def test_TC_E_42_CS(rig: Rig):
    """An event without an answer is sent again until it is answered"""
    retries = Retries(rig, 3, NO_ANSWER, {}, scale=2)
    await retries.start()
    await retries.expect(2, wait_for_timeout=True)


@requirement("E13.FR.01", "E13.FR.02", "E13.FR.03", "E13.FR.04")
async def test_TC_E_50_CS(rig: Rig):
    """An event that is answered by a CALLERROR is sent MessageAttempts times"""
    retries = Retries(rig, 2, CallError("InternalError"), scale=2)
    await retries.start()
    await retries.expect(2, wait_for_timeout=False)


@requirement("E13.FR.01", "E13.FR.02", "E13.FR.03")
async def test_TC_E_51_CS(rig: Rig):
    """An event that is answered by a CALLERROR is sent again until it is accepted"""
    retries = Retries(rig, 3, CallError("InternalError"), {}, CallError("InternalError"), scale=2)
    await retries.start()
    await retries.expect(2, wait_for_timeout=False)
