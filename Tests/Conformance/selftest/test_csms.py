"""The CSMS detects violations: each rule is broken once by a client that would otherwise be fine."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from csms import ACCEPT, NO_ANSWER, NO_SUBPROTOCOL, RESET, After, CallError, CallFailed, Csms, ExpectationFailed, Raw
from csms.control import execute
from csms.printer import line
from csms.record import as_json

BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


@asynccontextmanager
async def connection(csms: Csms, user: str = "cp001", password: str = "secret", **options):
    if not csms.port:
        await csms.start()
    header = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    options = {
        "subprotocols": ["ocpp2.0.1"],
        "additional_headers": header,
        "ping_interval": None,
        "proxy": None,
    } | options
    async with websockets.connect(f"{csms.url}/cp001", **options) as socket:
        yield socket


async def ask(socket, *frame, answers: bool = True):
    await socket.send(frame[0] if isinstance(frame[0], (str, bytes)) else json.dumps(frame))
    if answers:
        return json.loads(await asyncio.wait_for(socket.recv(), 5))


async def finish(csms: Csms, *patterns: str) -> None:
    """The violations found are these, in this order, and no others."""
    await csms.stop()
    found = csms.violations
    assert len(found) == len(patterns), found
    for pattern, violation in zip(patterns, found):
        assert pattern in violation


def transaction_event(number: int, kind: str = "Updated", time: str = "2026-03-14T09:26:53.589Z", **more) -> dict:
    return {
        "eventType": kind,
        "timestamp": time,
        "triggerReason": "ChargingStateChanged",
        "seqNo": number,
        "transactionInfo": {"transactionId": "t1"},
        **more,
    }


async def test_a_correct_conversation_has_no_violation(runner):
    csms = Csms()
    async with connection(csms) as socket:
        answer = await ask(socket, 2, "1", "BootNotification", BOOT)
        assert answer[0:2] == [3, "1"] and answer[2]["status"] == "Accepted"
        assert await ask(
            socket,
            2,
            "2",
            "TransactionEvent",
            transaction_event(0, "Started", idToken={"idToken": "A", "type": "Local"}),
        ) == [
            3,
            "2",
            {"idTokenInfo": {"status": "Accepted"}},
        ]
    (await csms.expect("BootNotification")).check({"reason": "PowerUp", "chargingStation.model": "M"})
    await finish(csms)


@pytest.mark.parametrize(
    "frame, violation",
    [
        ('[2,"1","Heartbeat",{}', "not JSON"),
        ("[" * 10_000, "not JSON"),
        ('[2,"1","DataTransfer",{"vendorId":"v","data":NaN}]', "NaN is not JSON"),
        ('[2,"1","Heartbeat",{"customData":{"vendorId":"a","x":1,"x":2}}]', "occurs twice"),
        (b'[2,"1","Heartbeat",{}]', "binary"),
        ("{}", "not an array"),
        ("[]", "not an array"),
        ('[true,"1","Heartbeat",{}]', "not an array"),
        ('[7,"1","Heartbeat",{}]', "message type 7"),
        ('[2,1,"Heartbeat",{}]', "not a string"),
        (f'[2,"{"x" * 37}","Heartbeat",{{}}]', "37 characters"),
        ('[2,"","Heartbeat",{}]', "0 characters"),
        ('[2,"1","Heartbeat"]', "has 4 elements, this has 3"),
        ('[2,"1","Heartbeat",null]', "None is not of type 'object'"),
        ('[2,"1","heartbeat",{}]', "heartbeat is not an action"),
        ('[2,"1","NotifyQRCodeScanned",{}]', "not an action of OCPP 2.0.1"),
        ('[2,"1","Heartbeat",{"extra":1}]', "Additional properties"),
        ('[2,"1","BootNotification",{"reason":"PowerUp"}]', "'chargingStation' is a required property"),
        ('[2,"1","Authorize",{"idToken":{"idToken":"A","type":"Card"}}]', "AuthorizeRequest.idToken.type: 'Card'"),
        (f'[2,"1","Authorize",{{"idToken":{{"idToken":"{"A" * 37}","type":"Local"}}}}]', "is too long"),
        (
            '[2,"1","StatusNotification",{"timestamp":"2026-03-14 09:26","evseId":1,"connectorId":1,"connectorStatus":"Available"}]',
            "timestamp",
        ),
        (
            '[2,"1","StatusNotification",{"timestamp":"2026-03-14T09:26:53.5891Z","evseId":1,"connectorId":1,"connectorStatus":"Available"}]',
            "timestamp",
        ),
        (
            '[2,"1","StatusNotification",{"timestamp":"2026-13-14T09:26:53Z","evseId":1,"connectorId":1,"connectorStatus":"Available"}]',
            "timestamp",
        ),
        ('[3,"1",{}]', "which the CSMS never sent"),
        ('[4,"1","NotImplemented","",{}]', "which the CSMS never sent"),
        ('[4,"-1","Nonsense","",{}]', "not in the table"),
        ('[4,"-1","NotImplemented",null,{}]', "description is not a string"),
        (f'[4,"-1","NotImplemented","{"x" * 256}",{{}}]', "256 characters"),
        ('[4,"-1","NotImplemented","",null]', "details are not an object"),
        ('[4,"-1","NotImplemented",""]', "has 5 elements, this has 4"),
    ],
)
async def test_a_wrong_frame_is_a_violation(runner, frame, violation):
    csms = Csms()
    async with connection(csms) as socket:
        await socket.send(frame)
        await csms.record.wait(lambda: next(csms.record.messages("in"), None), 5)
    await finish(csms, violation)


async def test_a_message_id_is_never_used_twice_across_connections(runner):
    csms = Csms()
    async with connection(csms) as socket:
        await ask(socket, 2, "same", "Heartbeat", {})
        await ask(socket, 2, "next", "Heartbeat", {})
    async with connection(csms) as socket:
        await ask(socket, 2, "same", "Heartbeat", {})
    async with connection(csms) as socket:
        await ask(socket, 2, "next", "BootNotification", BOOT)
    await finish(csms, "message id same was used before", "message id next was used before")


async def test_a_call_whose_answer_may_be_lost_may_be_repeated_with_its_id(runner):
    csms = Csms()
    for _ in range(2):
        async with connection(csms) as socket:
            await ask(socket, 2, "same", "Heartbeat", {})
    await finish(csms)


async def test_an_unanswered_call_may_be_repeated_with_its_id(runner):
    csms = Csms()
    csms.respond_once("Heartbeat", NO_ANSWER)
    async with connection(csms) as socket:
        await ask(socket, 2, "same", "Heartbeat", {}, answers=False)
        await csms.expect("Heartbeat")
    async with connection(csms) as socket:
        await ask(socket, 2, "same", "Heartbeat", {})
    await finish(csms)


async def test_a_call_while_another_is_open_is_a_violation(runner):
    csms = Csms()
    csms.respond_once("Heartbeat", After(0.05, {"currentTime": "2026-03-14T09:26:53Z"}))
    async with connection(csms) as socket:
        await ask(socket, 2, "1", "Heartbeat", {}, answers=False)
        await ask(socket, 2, "2", "Heartbeat", {})
    await finish(csms, "has no answer and no time-out")


@pytest.mark.parametrize("patience, violations", [(0.0, []), (10.0, ["has no answer and no time-out"])])
async def test_a_call_after_the_message_timeout_is_fine(runner, patience, violations):
    csms = Csms()
    csms.message_timeout = patience
    csms.respond_once("Heartbeat", NO_ANSWER)
    async with connection(csms) as socket:
        await ask(socket, 2, "1", "Heartbeat", {}, answers=False)
        await csms.expect("Heartbeat")
        await ask(socket, 2, "2", "Heartbeat", {})
    await finish(csms, *violations)


async def call_and_answer(csms: Csms, make_answers, action="ClearCache", payload=None):
    async with connection(csms) as socket:
        await csms.connected()
        calling = asyncio.ensure_future(csms.request(action, payload))
        frame = json.loads(await socket.recv())
        assert frame[0] == 2 and frame[2] == action
        for answer in make_answers(frame[1]):
            await socket.send(json.dumps(answer))
        message = await calling
        await ask(socket, 2, "last", "Heartbeat", {})
        return message


async def test_a_call_gets_its_answer(runner):
    csms = Csms()
    message = await call_and_answer(csms, lambda id: [[3, id, {"status": "Accepted"}]])
    assert message["status"] == "Accepted" and message.call.action == "ClearCache"
    await finish(csms)


async def test_a_response_is_checked_against_the_schema_of_its_call(runner):
    csms = Csms()
    await call_and_answer(csms, lambda id: [[3, id, {"status": "Fine"}]])
    await finish(csms, "ClearCacheResponse.status: 'Fine'")


async def test_a_second_answer_is_a_violation(runner):
    csms = Csms()
    await call_and_answer(csms, lambda id: [[3, id, {"status": "Accepted"}], [4, id, "InternalError", "", {}]])
    await finish(csms, "second answer")


async def test_a_call_error_is_raised_with_its_code(runner):
    csms = Csms()
    async with connection(csms) as socket:
        await csms.connected()
        calling = asyncio.ensure_future(csms.call("ClearCache"))
        id = json.loads(await socket.recv())[1]
        await socket.send(json.dumps([4, id, "NotSupported", "no cache", {}]))
        with pytest.raises(CallFailed, match="NotSupported: 'no cache'"):
            await calling
    await finish(csms)


async def test_a_call_that_is_not_answered_fails(runner):
    csms = Csms()
    async with connection(csms):
        await csms.connected()
        with pytest.raises(ExpectationFailed, match="no answer to ClearCache"):
            await csms.call("ClearCache", timeout=0.05)
    await finish(csms)


async def test_the_csms_does_not_send_what_its_schema_refuses(runner):
    csms = Csms()
    async with connection(csms):
        await csms.connected()
        with pytest.raises(ValueError, match="'reportBase' is a required property"):
            await csms.call("GetBaseReport", {"requestId": 1})
    await finish(csms)


async def test_answers_can_be_scripted(runner):
    csms = Csms()
    csms.respond_once(
        "Heartbeat",
        CallError("InternalError", "no"),
        Raw('[3,"{id}",{"odd":1}]'),
        lambda message: {"currentTime": message.id},
    )
    async with connection(csms) as socket:
        assert await ask(socket, 2, "1", "Heartbeat", {}) == [4, "1", "InternalError", "no", {}]
        assert await ask(socket, 2, "2", "Heartbeat", {}) == [3, "2", {"odd": 1}]
        assert await ask(socket, 2, "3", "Heartbeat", {}) == [3, "3", {"currentTime": "3"}]
        assert (await ask(socket, 2, "4", "Heartbeat", {}))[2]["currentTime"].endswith("Z")
    await finish(csms)


async def test_expect_takes_each_message_once_in_any_order(runner):
    csms = Csms()
    async with connection(csms) as socket:
        for number, kind in enumerate(["Started", "Updated", "Ended"]):
            await ask(socket, 2, str(number), "TransactionEvent", transaction_event(number, kind))
        assert (await csms.expect("TransactionEvent", {"eventType": ("Ended", "Updated")}))["seqNo"] == 1
        assert (await csms.expect("TransactionEvent"))["seqNo"] == 0
        assert (await csms.expect("TransactionEvent", lambda payload: payload["seqNo"] > 1))["eventType"] == "Ended"
        with pytest.raises(ExpectationFailed, match="no TransactionEvent within"):
            await csms.expect("TransactionEvent", timeout=0.05)
        await csms.expect_none(seconds=0.05)
        await ask(socket, 2, "9", "Heartbeat", {})
        await csms.expect_none(seconds=0.05)
        with pytest.raises(ExpectationFailed, match="unexpected Heartbeat"):
            await csms.expect_none("Heartbeat", seconds=0.05)
    await finish(csms)


async def test_check_names_every_difference(runner):
    csms = Csms()
    async with connection(csms) as socket:
        await ask(socket, 2, "1", "BootNotification", BOOT)
    message = await csms.expect("BootNotification")
    with pytest.raises(AssertionError) as failure:
        message.check(
            {"reason": ("Watchdog", "RemoteReset"), "chargingStation.model": "M", "chargingStation.modem.iccid": "1"},
            "step 3",
        )
    text = str(failure.value)
    assert (
        "step 3" in text
        and "reason is 'PowerUp'" in text
        and "chargingStation.modem.iccid is absent" in text
        and "model" not in text.split("in ")[0]
    )
    await finish(csms)


@pytest.mark.parametrize(
    "events, problem",
    [
        ([(0, "Started"), (2, "Ended")], "seqNo 1 missing"),
        ([(0, "Updated"), (1, "Ended")], "first event is Updated"),
        ([(0, "Started"), (1, "Ended"), (2, "Updated")], "events after Ended"),
        ([(0, "Started"), (1, "Started")], "Started more than once"),
        ([(0, "Started"), (1, "Updated"), (1, "Ended")], "seqNo 1 sent twice"),
        ([(0, "Started"), (1, "Ended", "2026-03-14T09:26:52Z")], "timestamp of seqNo 1 is before"),
        ([(0, "Started"), (2, "Ended"), (1, "Updated")], None),
        ([(7, "Started"), (8, "Ended"), (8, "Ended")], None),
    ],
)
async def test_a_transaction_is_checked_as_a_whole(runner, events, problem):
    csms = Csms()
    async with connection(csms) as socket:
        for number, event in enumerate(events):
            await ask(socket, 2, str(number), "TransactionEvent", transaction_event(*event))
    problems = list(csms.transactions["t1"].problems())
    assert (len(problems) == 1 and problem in problems[0]) if problem else not problems
    await finish(csms)


@pytest.mark.parametrize(
    "user, password, outcome",
    [
        ("cp001", "secret", "accepted"),
        ("cp001", "wrong", "401, wrong password"),
        ("cp002", "secret", "401, user 'cp002'"),
    ],
)
async def test_basic_authentication(runner, user, password, outcome):
    csms = Csms(passwords={"cp001": "secret"})
    try:
        async with connection(csms, user, password):
            assert outcome == "accepted"
    except InvalidStatus as error:
        assert outcome != "accepted" and error.response.status_code == 401
    assert csms.record.events("attempt")[0].outcome.startswith(outcome)
    await finish(csms)


async def test_missing_credentials_are_refused(runner):
    csms = Csms(passwords={"cp001": "secret"})
    with pytest.raises(InvalidStatus):
        async with connection(csms, additional_headers={}):
            pass
    await finish(csms)


async def test_admission_of_connections(runner):
    csms = Csms()
    await csms.start()
    csms.admit(404)
    with pytest.raises(InvalidStatus):
        async with connection(csms):
            pass
    csms.admit(RESET)
    with pytest.raises((websockets.WebSocketException, OSError)):
        async with connection(csms):
            pass
    csms.admit(NO_SUBPROTOCOL)
    async with connection(csms) as socket:
        assert socket.subprotocol is None
    csms.admit(ACCEPT)
    async with connection(csms) as socket:
        assert socket.subprotocol == "ocpp2.0.1"
    assert [event.outcome for event in csms.record.events("attempt")] == ["404", "reset", "accepted", "accepted"]
    assert csms.record.events("attempt")[0].subprotocols == ["ocpp2.0.1"]
    await finish(csms)


async def test_the_csms_prefers_its_own_order_of_versions(runner):
    csms = Csms(subprotocols=["ocpp2.1", "ocpp2.0.1"])
    async with connection(csms, subprotocols=["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]) as socket:
        assert socket.subprotocol == "ocpp2.1"
    await finish(csms)


async def test_a_station_without_a_common_version_is_closed(runner):
    csms = Csms()
    with pytest.raises(ConnectionClosed):
        async with connection(csms, subprotocols=["ocpp1.6"]) as socket:
            await socket.recv()
    await finish(csms)


async def test_pings_and_disconnections_are_recorded(runner):
    csms = Csms()
    async with connection(csms) as socket:
        await socket.ping()
        await csms.expect_event("ping")
        await socket.close(1001, "going")
    event = await csms.expect_event("disconnected")
    assert (event.code, event.reason) == (1001, "going")
    await finish(csms)


async def test_the_command_socket_speaks(runner):
    csms = Csms()
    assert (await execute(csms, b'{"action":"ClearCache"}'))["error"] == "NotConnected"
    assert (await execute(csms, b"{"))["error"] == "BadCommand"
    async with connection(csms) as socket:
        await csms.connected()
        assert (await execute(csms, b'{"action":"GetBaseReport"}'))["error"] == "BadPayload"
        command = asyncio.ensure_future(execute(csms, b'{"action":"ClearCache"}'))
        id = json.loads(await socket.recv())[1]
        await socket.send(json.dumps([3, id, {"status": "Rejected"}]))
        assert await command == {"ok": True, "result": {"status": "Rejected"}}
        await ask(socket, 2, "1", "BootNotification", BOOT)
        waiting = await execute(csms, b'{"wait":"BootNotification","where":{"reason":"PowerUp"}}')
        assert waiting == {"ok": True, "payload": BOOT}
    await finish(csms)


async def test_every_entry_prints(runner):
    csms = Csms()
    async with connection(csms) as socket:
        await ask(socket, 2, "1", "BootNotification", BOOT)
        await ask(socket, 2, "2", "TransactionEvent", transaction_event(0, "Started"))
        await socket.send("nonsense")
        await csms.record.wait(lambda: csms.violations or None, 5)
    assert line(csms.record.entries[0]).endswith("accepted  tls=False")
    for entry in list(csms.record.entries)[1:]:
        assert line(entry) and json.loads(as_json(entry))["station"] == "cp001"
    text = "\n".join(line(entry) for entry in csms.record.entries)
    assert "-> BootNotification" in text.replace("  ", " ") and "t1#0" in text and "!! not JSON" in text
    await finish(csms, "not JSON")
