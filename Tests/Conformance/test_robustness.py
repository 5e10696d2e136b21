"""What happens in the field: impatient drivers, slow CSMSs, nonsense ids, calls at the wrong moment. Not Part 6."""

from __future__ import annotations

import asyncio

import pytest

from checks import QUIET_SECONDS, held, two_evses, until_ended
from csms import NO_ANSWER, After, Message
from csms.message import CALLERROR, CALLRESULT
from rig import Rig, address
from states import Session, booted, connector_status
from test_b_provisioning import boot_response

requirement = pytest.mark.requirement

START = {"TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "Authorized"}
UNKNOWN_IDS = [99, 2**31 - 1, -1]


async def swipe(rig: Rig, token=None, evse: int | None = None) -> None:
    token = token or rig.token
    await rig.station.swipe(token.id, token.type, evse or rig.evse_id)


def only_transaction(rig: Rig):
    (transaction,) = rig.csms.transactions.values()
    return transaction


# Tokens


@requirement("C01.FR.02", "C01.FR.03")
async def test_double_swipe_while_the_csms_is_asked(rig: Rig):
    """A token shown twice before the CSMS has answered is one presentation: one question, one transaction, which goes on"""
    await rig.start(START)
    await rig.station.plug_in(rig.evse_id)
    async with held(rig, "Authorize"):
        for _ in range(3):
            await swipe(rig)
        await rig.csms.expect("Authorize")
        await rig.csms.expect_none("Authorize", seconds=QUIET_SECONDS)
    await rig.csms.expect("TransactionEvent", {"transactionInfo.chargingState": "Charging"})
    assert not only_transaction(rig).ended


@requirement("C01.FR.03", "E07.FR.01")
@pytest.mark.parametrize("times", [2, 3, 5])
async def test_swipes_in_quick_succession(rig: Rig, times: int):
    """Swipes as fast as the reader takes them start and stop in turn: every transaction is whole, nothing is stuck"""
    await rig.start(START)
    await rig.station.plug_in(rig.evse_id)
    for _ in range(times):
        await swipe(rig)
    await rig.settle()
    await rig.csms.expect("TransactionEvent", {"eventType": "Started"})
    await asyncio.sleep(0.5)
    # Whatever the last one did, the driver can leave and the next one come.
    await rig.station.plug_out(rig.evse_id)
    for status in ("Occupied", "Available"):
        await connector_status(rig, rig.evse_id, rig.connector_id, status)
    session = Session(rig, token=rig.other_token)
    for id in list(rig.csms.transactions):
        await rig.csms.expect("TransactionEvent", {"eventType": "Ended", "transactionInfo.transactionId": id})
    rig.csms.forget()
    await session.authorized()
    await session.energy_transfer_started()


@requirement("C01.FR.02", "E02.FR.01", "E03.FR.01")
@pytest.mark.parametrize("first", ["token", "cable"])
async def test_the_next_driver_comes_at_once(rig: Rig, first: str):
    """Whoever comes while the last transaction still waits for its contactor and its meter begins the next one"""
    await rig.start({"TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "EVConnected"})
    for token, other in ((rig.token, rig.other_token), (rig.other_token, rig.token)):
        if not rig.csms.transactions:
            await rig.station.plug_in(rig.evse_id)
            await swipe(rig, token)
        await rig.csms.expect("TransactionEvent", {"transactionInfo.chargingState": "Charging"})
        last = list(rig.csms.transactions)[-1]
        await rig.station.plug_out(rig.evse_id)
        if first == "cable":
            await rig.station.plug_in(rig.evse_id)
        await swipe(rig, other)
        if first == "token":
            await rig.station.plug_in(rig.evse_id)
        ended = {"eventType": "Ended", "transactionInfo.transactionId": last}
        await rig.csms.expect("TransactionEvent", ended)
        started = await rig.csms.expect("TransactionEvent", {"eventType": "Started", "idToken.idToken": other.id})
        assert started["transactionInfo.transactionId"] != last
    await rig.csms.expect("TransactionEvent", {"transactionInfo.chargingState": "Charging"})
    assert len(rig.csms.transactions) == 3


@requirement("C01.FR.02", "Part4.4.1.1")
async def test_swipes_while_the_csms_is_slow(rig: Rig):
    """Two drivers at two EVSEs, and a CSMS that takes its time: each is asked about once and served in turn"""
    await rig.start(START)
    await two_evses(rig)
    rig.csms.respond("Authorize", After(1.0, {"idTokenInfo": {"status": "Accepted"}}))
    for evse in (1, 2):
        await rig.station.plug_in(evse)
    await swipe(rig, rig.token, 1)
    await swipe(rig, rig.other_token, 2)
    await swipe(rig, rig.token, 1)
    for evse, token in ((1, rig.token), (2, rig.other_token)):
        started = await rig.csms.expect("TransactionEvent", {"eventType": "Started", "evse.id": evse})
        started.check({"idToken.idToken": token.id})
    asked = [one["idToken.idToken"] for one in rig.csms.record.messages("in") if one.action == "Authorize"]
    assert asked == [rig.token.id, rig.other_token.id]


@requirement("E03.FR.05", "C01.FR.02")
@pytest.mark.parametrize("comes_back", [True, False])
async def test_unplugged_during_authorization(rig: Rig, comes_back: bool):
    """The EV is unplugged while the CSMS is asked, and comes back or does not"""
    await rig.start(START | {"TxCtrlr/EVConnectionTimeOut": "1"})
    await rig.station.plug_in(rig.evse_id)
    async with held(rig, "Authorize"):
        await swipe(rig)
        await rig.csms.expect("Authorize")
        await rig.station.plug_out(rig.evse_id)
        if comes_back:
            await rig.station.plug_in(rig.evse_id)
    session = Session(rig)
    if comes_back:
        await session.event({"eventType": "Started"})
        await session.until_charging("charging")
    else:
        (*_, ended) = await until_ended(session)
        ended.check({"transactionInfo.stoppedReason": "Timeout", "triggerReason": "EVConnectTimeout"})


@requirement("F01.FR.13", "C01.FR.02")
async def test_remote_start_while_a_token_is_asked_about(rig: Rig):
    """The driver's token and a remote start for another one meet: who is authorized first gets the EVSE, once"""
    await rig.start(START | {"AuthCtrlr/AuthorizeRemoteStart": "true"})
    await rig.station.plug_in(rig.evse_id)
    remote = {"idToken": rig.other_token.json, "evseId": rig.evse_id, "remoteStartId": 1}
    async with held(rig, "Authorize"):
        await swipe(rig)
        (await rig.csms.expect("Authorize")).check({"idToken.idToken": rig.token.id})
        (await rig.csms.call("RequestStartTransaction", remote)).check({"status": "Accepted"})
    await rig.csms.expect("Authorize", {"idToken.idToken": rig.other_token.id})
    await rig.csms.expect("TransactionEvent", {"transactionInfo.chargingState": "Charging"})
    await rig.settle()
    started = only_transaction(rig).in_order[0]
    assert started.payload["idToken"]["idToken"] == rig.token.id
    assert "remoteStartId" not in started.payload["transactionInfo"]
    (await rig.csms.call("RequestStartTransaction", remote | {"remoteStartId": 2})).check({"status": "Rejected"})


@requirement("F02.FR.01", "C01.FR.02")
async def test_token_after_a_remote_start_that_is_not_asked_about(rig: Rig):
    """A remote start that needs no question overtakes the driver's token, which then starts nothing"""
    await rig.start(START | {"AuthCtrlr/AuthorizeRemoteStart": "false"})
    await rig.station.plug_in(rig.evse_id)
    remote = {"idToken": rig.other_token.json, "evseId": rig.evse_id, "remoteStartId": 1}
    async with held(rig, "Authorize"):
        await swipe(rig)
        await rig.csms.expect("Authorize")
        (await rig.csms.call("RequestStartTransaction", remote)).check({"status": "Accepted"})
    event = await rig.csms.expect("TransactionEvent", {"eventType": "Started"})
    event.check({"idToken.idToken": rig.other_token.id, "transactionInfo.remoteStartId": 1})
    await rig.csms.expect("TransactionEvent", {"transactionInfo.chargingState": "Charging"})
    await rig.settle()
    assert not only_transaction(rig).ended


@requirement("F03.FR.08")
async def test_request_stop_of_a_transaction_just_ended(rig: Rig):
    """RequestStopTransaction crosses the driver's own stop: rejected, and no event comes after Ended"""
    await rig.start(START)
    session = Session(rig)
    await session.energy_transfer_started()
    await swipe(rig)
    answers = [
        await rig.csms.call("RequestStopTransaction", {"transactionId": session.transaction_id}) for _ in range(3)
    ]
    await until_ended(session)
    answers.append(await rig.csms.call("RequestStopTransaction", {"transactionId": session.transaction_id}))
    assert {one["status"] for one in answers} == {"Rejected"}
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)


# Variables and reports


@requirement("B05.FR.01", "B05.FR.02", "B05.FR.03", "B05.FR.04", "B05.FR.05", "B05.FR.07", "B05.FR.09")
async def test_set_variables_of_50_items(rig: Rig):
    """50 items with every verdict in one SetVariables: each gets its own, in order; what was accepted survives a power cut"""
    await rig.start()
    good = [("OCPPCommCtrlr/OfflineThreshold", 100 + number, "Accepted") for number in range(10)]
    readable = [("OCPPCommCtrlr/MessageTimeout[Default]", 5, "Rejected")] * 10
    wrong = [("TxCtrlr/EVConnectionTimeOut", "soon", "Rejected"), ("TxCtrlr/EVConnectionTimeOut", -1, "Rejected")] * 5
    absent = [("NoSuchCtrlr/Interval", 1, "UnknownComponent"), ("TxCtrlr/NoSuchVariable", 1, "UnknownVariable")] * 5
    typed = [("TxCtrlr/EVConnectionTimeOut", 1, "NotSupportedAttributeType")] * 10
    items, expected = [], []
    for group in zip(good, readable, wrong, absent, typed):
        for name, value, status in group:
            item = address(name) | {"attributeValue": str(value)}
            if status == "NotSupportedAttributeType":
                item["attributeType"] = "MaxSet"
            items.append(item)
            expected.append(status)
    assert len(items) == 50
    limit = int(await rig.value("DeviceDataCtrlr/ItemsPerMessage[SetVariables]") or 0)
    assert limit >= 50
    answer = await rig.csms.call("SetVariables", {"setVariableData": items})
    results = answer["setVariableResult"]
    assert [one["attributeStatus"] for one in results] == expected
    for item, one in zip(items, results):
        assert one["component"]["name"] == item["component"]["name"], "results are in another order"
        assert one["variable"]["name"] == item["variable"]["name"]
    assert await rig.value("OCPPCommCtrlr/OfflineThreshold") == "109"
    await rig.station.restart(orderly=False)
    await booted(rig)
    assert await rig.value("OCPPCommCtrlr/OfflineThreshold") == "109"
    await rig.csms.answered(await rig.csms.expect("SecurityEventNotification"))


@requirement("B08.FR.17", "B06.FR.16")
@pytest.mark.parametrize("action", ["GetReport", "GetVariables", "SetVariables"])
async def test_more_items_than_items_per_message(rig: Rig, action: str):
    """One item more than ItemsPerMessage is refused as a whole; as many are answered"""
    await rig.start({f"DeviceDataCtrlr/ItemsPerMessage[{action}]": "4"})
    item = address("OCPPCommCtrlr/OfflineThreshold")

    def payload(count: int) -> dict:
        if action == "GetReport":
            return {"requestId": 1, "componentVariable": [item] * count}
        if action == "GetVariables":
            return {"getVariableData": [item] * count}
        return {"setVariableData": [item | {"attributeValue": "77"}] * count}

    answer = await rig.csms.request(action, payload(5))
    assert (answer.kind, answer.error_code) == (CALLERROR, "OccurrenceConstraintViolation"), answer.raw
    assert await rig.value("OCPPCommCtrlr/OfflineThreshold") != "77"
    answer = await rig.csms.request(action, payload(4))
    assert answer.kind == CALLRESULT, answer.raw
    if action == "GetReport":
        await rig.notify_reports(1)


@requirement("B07.FR.04", "B12.FR.02")
@pytest.mark.parametrize("type, reason", [("Immediate", "RemoteReset"), ("OnIdle", "ScheduledReset")])
async def test_report_and_reset(rig: Rig, type: str, reason: str):
    """A report is finished before an OnIdle reset; an Immediate one cuts it off, and it is not gone on with afterwards"""
    await rig.start({"OCPPCommCtrlr/MessageTimeout[Default]": "2"})
    rig.csms.message_timeout = 2
    rig.csms.respond_once("NotifyReport", NO_ANSWER if type == "Immediate" else After(0.5, {}))
    await rig.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    first = await rig.csms.expect("NotifyReport", {"seqNo": 0})
    answer = await rig.csms.call("Reset", {"type": type})
    answer.check({"status": "Accepted" if type == "Immediate" else "Scheduled"})
    if type == "OnIdle":
        parts = [first]
        while parts[-1].payload.get("tbc"):
            parts.append(await rig.csms.expect("NotifyReport", {"requestId": 1, "seqNo": len(parts)}))
    await rig.csms.expect("BootNotification", {"reason": reason}, timeout=2 * rig.csms.patience)
    rig.csms.forget()
    await rig.settle()
    await rig.csms.expect_none("NotifyReport", seconds=QUIET_SECONDS)
    _, items = await rig.report("GetBaseReport", {"requestId": 2, "reportBase": "FullInventory"})
    assert items


# Ids that do not exist


@requirement("F05.FR.03", "F01.FR.03", "B06.FR.06")
@pytest.mark.parametrize("id", UNKNOWN_IDS)
async def test_unknown_evse_and_connector_ids(rig: Rig, id: int):
    """EVSEs and connectors that do not exist, in every message that names one"""
    await rig.start({"EVSE@1/AllowReset": "true"})
    token = rig.token.json
    calls = [
        ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": id}}, "Rejected"),
        ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": id}}, "Rejected"),
        ("RequestStartTransaction", {"idToken": token, "remoteStartId": 1, "evseId": id}, "Rejected"),
        ("UnlockConnector", {"evseId": id, "connectorId": 1}, "UnknownConnector"),
        ("UnlockConnector", {"evseId": 1, "connectorId": id}, "UnknownConnector"),
        ("UnlockConnector", {"evseId": 1, "connectorId": 0}, "UnknownConnector"),
        ("Reset", {"type": "Immediate", "evseId": id}, "Rejected"),
        (
            "TriggerMessage",
            {"requestedMessage": "StatusNotification", "evse": {"id": id, "connectorId": 1}},
            "Rejected",
        ),
        (
            "TriggerMessage",
            {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": id}},
            "Rejected",
        ),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": id}}, "Rejected"),
        ("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": id}}, "Rejected"),
    ]
    for action, payload, status in calls:
        answer = await rig.csms.request(action, payload)
        assert answer.kind == CALLRESULT and answer["status"] == status, f"{action} {payload}: {answer.raw}"
    for one in ({"id": id}, {"id": 1, "connectorId": id}):
        item = {"component": {"name": "Connector", "evse": one}, "variable": {"name": "AvailabilityState"}}
        answer = await rig.csms.call("GetVariables", {"getVariableData": [item]})
        answer.check({"getVariableResult[0].attributeStatus": "UnknownComponent"})
        answer = await rig.csms.call("SetVariables", {"setVariableData": [item | {"attributeValue": "Faulted"}]})
        answer.check({"setVariableResult[0].attributeStatus": "UnknownComponent"})
    await rig.csms.expect_none("StatusNotification", seconds=QUIET_SECONDS)
    await Session(rig).energy_transfer_started()


# Calls at any time

NOW = "2026-01-01T00:00:00Z"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "00", "issuerKeyHash": "00", "serialNumber": "1"}
VARIABLE = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}}
TOKEN = {"idToken": "ABCD", "type": "ISO14443"}
SCHEDULE = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}]}
PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [SCHEDULE],
}
DISPLAY = {"id": 1, "priority": "NormalCycle", "message": {"format": "UTF8", "content": "x"}}

#: A valid payload for everything that a CSMS may ask of a station, but for Reset.
EVERYTHING = {
    "CancelReservation": {"reservationId": 1},
    "CertificateSigned": {"certificateChain": CERTIFICATE},
    "ChangeAvailability": {"operationalStatus": "Operative"},
    "ClearCache": {},
    "ClearChargingProfile": {"chargingProfileId": 1},
    "ClearDisplayMessage": {"id": 1},
    "ClearVariableMonitoring": {"id": [1]},
    "CostUpdated": {"totalCost": 1.0, "transactionId": "x"},
    "CustomerInformation": {"requestId": 1, "report": True, "clear": False, "customerIdentifier": "x"},
    "DataTransfer": {"vendorId": "x"},
    "DeleteCertificate": {"certificateHashData": HASH},
    "GetBaseReport": {"requestId": 1, "reportBase": "SummaryInventory"},
    "GetChargingProfiles": {"requestId": 1, "chargingProfile": {"stackLevel": 0}},
    "GetCompositeSchedule": {"duration": 60, "evseId": 1},
    "GetDisplayMessages": {"requestId": 1},
    "GetInstalledCertificateIds": {},
    "GetLocalListVersion": {},
    "GetLog": {"log": {"remoteLocation": "ftp://127.0.0.1:1/x"}, "logType": "DiagnosticsLog", "requestId": 1},
    "GetMonitoringReport": {"requestId": 1},
    "GetReport": {"requestId": 2, "componentVariable": [VARIABLE]},
    "GetTransactionStatus": {},
    "GetVariables": {"getVariableData": [VARIABLE]},
    "InstallCertificate": {"certificateType": "CSMSRootCertificate", "certificate": CERTIFICATE},
    "PublishFirmware": {"location": "http://127.0.0.1:1/x", "checksum": "0" * 32, "requestId": 1},
    "RequestStartTransaction": {"idToken": TOKEN, "remoteStartId": 1, "evseId": 99},
    "RequestStopTransaction": {"transactionId": "x"},
    "ReserveNow": {"id": 1, "expiryDateTime": NOW, "idToken": TOKEN},
    "SendLocalList": {"versionNumber": 1, "updateType": "Full"},
    "SetChargingProfile": {"evseId": 1, "chargingProfile": PROFILE},
    "SetDisplayMessage": {"message": DISPLAY},
    "SetMonitoringBase": {"monitoringBase": "All"},
    "SetMonitoringLevel": {"severity": 5},
    "SetVariableMonitoring": {"setMonitoringData": [VARIABLE | {"value": 1.0, "type": "Delta", "severity": 5}]},
    "SetVariables": {"setVariableData": [VARIABLE | {"attributeValue": "60"}]},
    "TriggerMessage": {"requestedMessage": "Heartbeat"},
    "UnlockConnector": {"evseId": 1, "connectorId": 1},
    "UnpublishFirmware": {"checksum": "0" * 32},
}


async def ask_everything(rig: Rig) -> dict[str, Message]:
    """Each is answered, by a result or by an error that OCPP has for it."""
    answers = {}
    for action, payload in EVERYTHING.items():
        answer = answers[action] = await rig.csms.request(action, payload)
        refused = ("NotSupported", "NotImplemented", "SecurityError")
        assert answer.kind == CALLRESULT or answer.error_code in refused, f"{action}: {answer.raw}"
    return answers


async def in_state(rig: Rig, state: str) -> None:
    session = Session(rig)
    if state == "connected":
        await session.ev_connected_pre_session()
    elif state == "authorized":
        await session.authorized()
    elif state == "charging":
        await session.energy_transfer_started()
    elif state == "suspended":
        await session.energy_transfer_suspended()
    elif state == "stopped":
        await session.stop_authorized()
    elif state == "faulted":
        await rig.station.fault("raise", "GroundFailure", 1)
        await connector_status(rig, 1, 1, "Faulted")
    elif state == "inoperative":
        await rig.csms.call("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 1}})
        await connector_status(rig, 1, 1, "Unavailable")
    elif state == "reset scheduled":
        await session.energy_transfer_started()
        (await rig.csms.call("Reset", {"type": "OnIdle"})).check({"status": "Scheduled"})


STATES = ["idle", "connected", "authorized", "charging", "suspended", "stopped", "faulted", "inoperative"]


@pytest.mark.parametrize("state", [*STATES, "reset scheduled"])
async def test_everything_in_every_state(rig: Rig, state: str):
    """Everything that a CSMS may ask is answered in every state of a session, and the session is none the worse"""
    await rig.start(START)
    await in_state(rig, state)
    answers = await ask_everything(rig)
    if state in ("charging", "suspended", "reset scheduled"):
        unlock = answers["UnlockConnector"]
        assert unlock.kind == CALLERROR or unlock["status"] == "OngoingAuthorizedTransaction", unlock.raw
        status = await rig.csms.call("GetTransactionStatus", {"transactionId": only_transaction(rig).id})
        assert status["ongoingIndicator"] is True
    await rig.settle()


@requirement("B02.FR.05", "B03.FR.08")
@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
async def test_everything_before_registration(rig: Rig, registration: str):
    """Pending answers what it may and starts nothing; Rejected refuses everything"""
    rig.csms.respond("BootNotification", boot_response(registration, 3600))
    await rig.start(START, booted=False)
    await rig.csms.answered(await rig.csms.expect("BootNotification"))
    await rig.station.plug_in(1)
    answers = await ask_everything(rig)
    start = {"idToken": rig.token.json, "remoteStartId": 1, "evseId": 1}
    answer = await rig.csms.request("RequestStartTransaction", start)
    if registration == "Pending":
        assert answer["status"] == "Rejected"
        assert answers["GetVariables"].kind == CALLRESULT
    else:
        assert {one.error_code for one in answers.values()} == {"SecurityError"}
    await rig.csms.expect_none("TransactionEvent", seconds=QUIET_SECONDS)
    await rig.csms.expect_none("StatusNotification", seconds=0)


@pytest.mark.parametrize("how", ["SIGTERM", "reset"])
async def test_everything_during_shutdown(rig: Rig, how: str):
    """Calls while the station goes down are answered or lost with the link; it ends orderly, and the transaction is whole"""
    await rig.start(START)
    session = Session(rig)
    await session.energy_transfer_started()

    async def ask() -> None:
        while True:
            for action, payload in EVERYTHING.items():
                try:
                    await asyncio.wait_for(rig.csms.request(action, payload), 1)
                except Exception:  # noqa: BLE001 - the link is gone, or nobody answers any more
                    await asyncio.sleep(0.01)

    asking = asyncio.create_task(ask())
    try:
        await asyncio.sleep(0.1)
        if how == "SIGTERM":
            await rig.station.stop()
            asking.cancel()
            await rig.station.start()
        else:
            async with held(rig, "TransactionEvent"):
                await rig.csms.request("Reset", {"type": "Immediate"})
                await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
        await rig.csms.expect("BootNotification", timeout=2 * rig.csms.patience)
    finally:
        asking.cancel()
    ended = [one for one in rig.csms.transactions.values()]
    if not ended[0].ended:
        await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
    assert not list(only_transaction(rig).problems())
