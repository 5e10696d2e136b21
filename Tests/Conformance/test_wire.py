"""OCPP-J on the wire (Part 4): bad frames, bad payloads, crossing calls, bad links. Whatever comes, the station answers as
Part 4 says and goes on working.
"""

from __future__ import annotations

import json
import uuid

import pytest

from checks import two_evses
from csms import NO_ANSWER, NO_SUBPROTOCOL, RESET, After, CallError, Drop, Event, Message, Raw
from csms.message import CALL, CALLERROR, CALLRESULT
from rig import PASSWORD, Rig

requirement = pytest.mark.requirement

GET = {"getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}}]}

#: The message timeout is a read-only variable for the CSMS; as a factory value it is short here.
MESSAGE_TIMEOUT = {"OCPPCommCtrlr/MessageTimeout[Default]": "1"}

#: Answers to a frame in which no call can be made out.
FRAMEWORK = ("RpcFrameworkError", "FormatViolation", "ProtocolError", "MessageTypeNotSupported")


def frame(action: str, payload: object, id: str = "wire-1", kind: int = CALL) -> str:
    return json.dumps([kind, id, action, payload])


async def still_works(rig: Rig, links: int = 1) -> None:
    """The station answers a request, on its connection number `links`, without having booted again."""
    answer = await rig.csms.request("GetVariables", GET)
    assert answer.kind == CALLRESULT and answer["getVariableResult[0].attributeStatus"] == "Accepted", answer.raw
    assert rig.csms.link.number == links
    assert sum(one.action == "BootNotification" and one.kind == CALL for one in rig.csms.record.messages("in")) == 1


def error(answer: Message, *codes: str) -> None:
    assert answer.kind == CALLERROR, f"expected a CALLERROR, got {answer.raw}"
    assert answer.error_code in codes, f"expected {' or '.join(codes)}, got {answer.raw}"


# Frames


@requirement("Part4.4.2.3")
@pytest.mark.parametrize(
    "raw, ids",
    [
        pytest.param("", ["-1"], id="empty"),
        pytest.param("hello", ["-1"], id="no JSON"),
        pytest.param('{"a":1}', ["-1"], id="object"),
        pytest.param("17", ["-1"], id="number"),
        pytest.param("null", ["-1"], id="null"),
        pytest.param("[]", ["-1"], id="empty array"),
        pytest.param("[2]", ["-1"], id="type only"),
        pytest.param('["2","wire-1","GetVariables",{}]', ["-1", "wire-1"], id="type is text"),
        pytest.param('[2,17,"GetVariables",{}]', ["-1"], id="id is a number"),
        pytest.param('[2,null,"GetVariables",{}]', ["-1"], id="id is null"),
        pytest.param('[2,"wire-1"]', ["wire-1"], id="no action"),
        pytest.param('[2,"wire-1","GetVariables"]', ["wire-1"], id="no payload"),
        pytest.param('[2,"wire-1",17,{}]', ["wire-1"], id="action is a number"),
        pytest.param(frame("GetVariables", GET)[:-40], ["-1", "wire-1"], id="cut in half"),
        pytest.param(frame("GetVariables", GET) + "]", ["-1", "wire-1"], id="one bracket too many"),
        pytest.param("[" * 10_000, ["-1"], id="10,000 deep"),
        pytest.param("[" * 10_000 + "]" * 10_000, ["-1"], id="10,000 deep and closed"),
        pytest.param('{"a":' * 10_000 + "1" + "}" * 10_000, ["-1"], id="10,000 objects deep"),
        pytest.param(
            '[2,"wire-1","GetVariables",{"getVariableData":[],"x":\x01}]', ["-1", "wire-1"], id="control character"
        ),
    ],
)
async def test_unreadable_frame(rig: Rig, raw: str, ids: list[str]):
    """A frame that is not a call gets a CALLERROR with its id, or -1, and the connection stays"""
    await rig.start()
    answer = await exchange(rig, raw, ids)
    error(answer, *FRAMEWORK)
    await still_works(rig)


async def exchange(rig: Rig, raw: str, ids: list[str]) -> Message:
    """Sends `raw`; returns the CALLERROR that answers it with one of `ids`."""
    start = len(rig.csms.record.entries)
    link = rig.csms.link
    for id in ids:
        link.calls[id] = Message("out", raw, link.station, link.number, kind=CALL, id=id)
    await link.send_raw(raw)

    def look() -> Message | None:
        messages = [one for one in rig.csms.record.messages("in") if one.number >= start]
        return next((one for one in messages if one.kind in (CALLRESULT, CALLERROR)), None)

    answer = await rig.csms.record.wait(look, rig.csms.patience)
    assert answer, f"no answer to {raw[:100]!r}"
    assert answer.id in ids, f"answered with id {answer.id}, expected {' or '.join(ids)}: {answer.raw}"
    return answer


@requirement("Part4.4.1.4", "Part4.4.2.3")
async def test_message_id_too_long(rig: Rig):
    """A message id of 37 characters is refused"""
    await rig.start()
    answer = await exchange(rig, frame("GetVariables", GET, "x" * 37), ["-1"])
    error(answer, *FRAMEWORK)
    await still_works(rig)


@requirement("Part4.4.1.4")
async def test_message_id_of_full_length(rig: Rig):
    """A message id of 36 characters, of any kind, comes back as it was"""
    await rig.start()
    id = 'ä"\\/\u2028 ' + "x" * 30
    assert len(id) == 36
    answer = await rig.csms.request("GetVariables", GET, id=id)
    assert (answer.kind, answer.id) == (CALLRESULT, id)


@requirement("Part4.4.1.3", "Part4.4.4")
@pytest.mark.parametrize("kind", [0, 1, 6, 7, -1, 99])  # a 5 is never answered
async def test_unknown_message_type(rig: Rig, kind: int):
    """A message type that OCPP 2.0.1 does not have gets MessageTypeNotSupported"""
    await rig.start()
    answer = await exchange(rig, frame("GetVariables", GET, kind=kind), ["wire-1"])
    error(answer, "MessageTypeNotSupported")
    await still_works(rig)


@requirement("Part4.4.2.3")
@pytest.mark.parametrize("action", ["Frobnicate", "getVariables", "GetVariablesRequest", "", "Heartbeat"])
async def test_unknown_action(rig: Rig, action: str):
    """An action that the station does not take gets NotImplemented (or NotSupported, for one that is known)"""
    await rig.start()
    error(
        await rig.csms.exchange(frame(action, {}), "wire-1"),
        *(["NotImplemented"] if action != "Heartbeat" else ["NotImplemented", "NotSupported"]),
    )
    await still_works(rig)


@requirement("Part4.4.1.1")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param('[3,"never-sent",{}]', id="result"),
        pytest.param('[4,"never-sent","InternalError","",{}]', id="error"),
        pytest.param('[3,"never-sent"]', id="result cut short"),
        pytest.param('[4,"never-sent"]', id="error cut short"),
        pytest.param("[3,17,{}]", id="result with a number as id"),
        pytest.param("[3]", id="result without id"),
    ],
)
async def test_unknown_answer(rig: Rig, raw: str):
    """An answer to nothing is dropped without an answer"""
    await rig.start()
    before = rig.csms.record.entries[-1].number
    await rig.csms.link.send_raw(raw)
    await still_works(rig)
    extra = [one for one in rig.csms.record.messages("in") if one.number > before and one.kind == CALLERROR]
    assert not extra, f"answered: {extra[0].raw}"


# Payloads

OCCURRENCE = ("OccurrenceConstraintViolation", "OccurenceConstraintViolation")


def variable(**changes: object) -> dict:
    return {"getVariableData": [GET["getVariableData"][0] | changes]}


@requirement("Part4.4.3")
@pytest.mark.parametrize(
    "action, payload, codes",
    [
        pytest.param("GetVariables", {}, OCCURRENCE, id="required field missing"),
        pytest.param("GetVariables", {"getVariableData": []}, OCCURRENCE, id="too few items"),
        pytest.param("GetVariables", variable(variable={}), OCCURRENCE, id="required field missing inside"),
        pytest.param("GetVariables", GET | {"extra": 1}, (*OCCURRENCE, "FormatViolation"), id="additional field"),
        pytest.param("GetVariables", {"getVariableData": {}}, ("TypeConstraintViolation",), id="object for array"),
        pytest.param("GetVariables", {"getVariableData": "x"}, ("TypeConstraintViolation",), id="text for array"),
        pytest.param("GetVariables", variable(component=None), ("TypeConstraintViolation",), id="null for object"),
        pytest.param(
            "GetVariables", None, ("TypeConstraintViolation", "FormatViolation", *OCCURRENCE), id="null for payload"
        ),
        pytest.param(
            "GetVariables", [], ("TypeConstraintViolation", "FormatViolation", "ProtocolError"), id="array for payload"
        ),
        pytest.param(
            "GetVariables", variable(variable={"name": 17}), ("TypeConstraintViolation",), id="number for text"
        ),
        pytest.param(
            "GetVariables",
            variable(attributeType="Purple"),
            ("PropertyConstraintViolation",),
            id="not in the enumeration",
        ),
        pytest.param(
            "GetVariables",
            variable(attributeType=17),
            ("TypeConstraintViolation", "PropertyConstraintViolation"),
            id="number for enumeration",
        ),
        pytest.param(
            "GetVariables", variable(variable={"name": "x" * 51}), ("PropertyConstraintViolation",), id="text too long"
        ),
        pytest.param(
            "GetBaseReport",
            {"requestId": "1", "reportBase": "FullInventory"},
            ("TypeConstraintViolation",),
            id="text for integer",
        ),
        pytest.param(
            "GetBaseReport",
            {"requestId": 1.5, "reportBase": "FullInventory"},
            ("TypeConstraintViolation",),
            id="fraction for integer",
        ),
        pytest.param(
            "GetBaseReport",
            {"requestId": 10**40, "reportBase": "FullInventory"},
            ("PropertyConstraintViolation", "TypeConstraintViolation", "FormatViolation"),
            id="huge integer",
        ),
        pytest.param("GetVariables", GET | {"customData": {}}, OCCURRENCE, id="customData without vendorId"),
    ],
)
async def test_payload_against_schema(rig: Rig, action: str, payload: object, codes: tuple[str, ...]):
    """A payload that its schema refuses gets the CALLERROR for its fault"""
    await rig.start()
    error(await rig.csms.exchange(frame(action, payload), "wire-1"), *codes)
    await still_works(rig)


@requirement("Part4.4.1.5", "Part4.4.3")
async def test_payload_nested_10000_deep(rig: Rig):
    """Vendor data nested 10,000 deep inside a readable call is refused or taken, never fatal"""
    await rig.start()
    raw = '[2,"wire-1","DataTransfer",{"vendorId":"x","data":' + "[" * 10_000 + "]" * 10_000 + "}]"
    answer = await exchange(rig, raw, ["-1", "wire-1"])
    assert answer.kind == CALLERROR, answer.raw
    await still_works(rig)


@requirement("Part4.4.1.5")
async def test_custom_data_is_allowed(rig: Rig):
    """customData with any content changes nothing"""
    await rig.start()
    payload = GET | {"customData": {"vendorId": "com.example", "x": [1, {"y": None}], "emoji": "\U0001f50c"}}
    answer = await rig.csms.request("GetVariables", payload)
    assert answer.kind == CALLRESULT, answer.raw


@requirement("Part4.4.1.5")
async def test_whitespace_and_escapes(rig: Rig):
    """White space and escapes of JSON are no hindrance"""
    await rig.start()
    raw = ' [ 2 , "wire-1" ,\n"\\u0047etVariables"\t, { "getVariableData" : [ {"component":{"name":"\\u004fCPPCommCtrlr"},"variable":{"name":"OfflineThreshold"}} ] } ]\r\n'
    answer = await rig.csms.exchange(raw, "wire-1", "GetVariables")
    assert answer["getVariableResult[0].attributeStatus"] == "Accepted", answer.raw


@requirement("Part4.4.1.4")
async def test_text_comes_back_as_sent(rig: Rig):
    """Any Unicode in a name is echoed unchanged"""
    await rig.start()
    name = 'Ünknöwn "\\ 名 \U0001f50c'
    payload = {"getVariableData": [{"component": {"name": name}, "variable": {"name": "x\ty"}}]}
    answer = await rig.csms.call("GetVariables", payload)
    answer.check({"getVariableResult[0].component.name": name, "getVariableResult[0].variable.name": "x\ty"})


# WebSocket messages


async def reconnected(rig: Rig, link: int) -> Event:
    """The connection `link` ended and another was made; returns the end of the first."""
    ended = await rig.csms.record.wait(
        lambda: next((one for one in rig.csms.record.events("disconnected") if one.link == link), None),
        rig.csms.patience,
    )
    assert ended, "the connection was not closed"
    again = await rig.csms.record.wait(
        lambda: next((one for one in rig.csms.record.events("connected") if one.link > link), None), rig.csms.patience
    )
    assert again, "the station did not come back"
    return ended


@requirement("RFC6455.7.4.1")
async def test_oversized_message(rig: Rig):
    """A message beyond the limit is answered by close code 1009 and a reconnection"""
    await rig.start()
    await rig.csms.link.send_raw(frame("DataTransfer", {"vendorId": "x", "data": "x" * 2**24}))
    ended = await reconnected(rig, 1)
    assert ended.code == 1009, f"closed with {ended.code}"
    await still_works(rig, 2)


@requirement("Part4.4.1.3")
async def test_binary_message(rig: Rig):
    """A binary message is no OCPP: refused by an error or by closing, and the station works on"""
    await rig.start()
    await rig.csms.link.send_raw(frame("GetVariables", GET).encode())
    await survives(rig)


@requirement("RFC6455.8.1")
async def test_invalid_utf8(rig: Rig):
    """Text that is not UTF-8 is refused by an error or by closing, and the station works on"""
    await rig.start()
    await rig.csms.link.send_text_bytes(b'[2,"wire-1","GetVariables",{"x":"\xff\xfe"}]')
    await survives(rig)


async def survives(rig: Rig) -> None:
    """The message was refused by CALLERROR, or the link closed and made again; then the station works."""

    def refused() -> bool | None:
        answers = any(one.kind == CALLERROR for one in rig.csms.record.messages("in"))
        return answers or bool(rig.csms.record.events("disconnected")) or None

    rig.csms.link.calls["wire-1"] = Message("out", "", rig.station_id, 1, kind=CALL, id="wire-1")
    assert await rig.csms.record.wait(refused, rig.csms.patience), "neither refused nor closed"
    assert not any(one.kind == CALLRESULT for one in rig.csms.record.messages("in")), "executed"
    if rig.csms.record.events("disconnected") or not rig.csms.links:
        await reconnected(rig, 1)
    await still_works(rig, rig.csms.link.number)


@requirement("RFC6455.5.4")
async def test_fragmented_message(rig: Rig):
    """A message in many fragments is one message"""
    await rig.start()
    text = frame("GetVariables", GET)
    link = rig.csms.link
    call = Message("out", text, link.station, link.number, kind=CALL, id="wire-1", action="GetVariables")
    link.calls["wire-1"] = call
    await link.send_fragments([text[start : start + 7] for start in range(0, len(text), 7)])
    answer = await link.answer_to(call, rig.csms.patience)
    assert answer and answer.kind == CALLRESULT


@requirement("RFC6455.5.5.2")
async def test_ping_of_the_csms_is_answered(rig: Rig):
    """A ping gets its pong"""
    await rig.start()
    await rig.csms.link.socket.ping(b"probe")
    await rig.csms.expect_event("pong")


# Calls in both directions


@requirement("Part4.4.1.1")
async def test_calls_cross(rig: Rig):
    """While its own call is open, the station answers calls of the CSMS, and sends no second one"""
    await rig.start()
    await two_evses(rig)
    rig.csms.respond_once("Authorize", After(0.5, {"idTokenInfo": {"status": "Accepted"}}))
    await rig.station.swipe(rig.token.id)
    authorize = await rig.csms.expect("Authorize")
    await rig.station.plug_in(2)
    answer = await rig.csms.call("GetVariables", GET)
    assert authorize.answer is None and answer.kind == CALLRESULT
    await rig.csms.answered(authorize)
    await rig.csms.expect("TransactionEvent")


@requirement("Part4.4.1.1")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(CallError("InternalError", "no"), id="error"),
        pytest.param(CallError("Nonsense", "no"), id="unknown error code"),
        pytest.param(Raw('[3,"{id}",{"idTokenInfo":{"status":"Purple"}}]'), id="wrong value"),
        pytest.param(Raw('[3,"{id}",{}]'), id="field missing"),
        pytest.param(Raw('[3,"{id}",17]'), id="not an object"),
        pytest.param(Raw('[3,"{id}"]'), id="no payload"),
        pytest.param(Raw('[4,"{id}","InternalError"]'), id="error cut short"),
    ],
)
async def test_bad_answer_to_a_call_of_the_station(rig: Rig, answer: object):
    """A call of the station that gets no usable answer authorizes nobody, and the next one works"""
    await rig.start(MESSAGE_TIMEOUT)
    rig.csms.message_timeout = 0
    rig.csms.respond_once("Authorize", answer)
    await rig.station.swipe(rig.token.id, evse=1)
    await rig.csms.answered(await rig.csms.expect("Authorize"))
    await rig.csms.expect_none("TransactionEvent", seconds=0.3)
    await still_works(rig)
    await rig.station.swipe(rig.token.id, evse=1)
    await rig.csms.expect("Authorize")
    await rig.csms.expect("TransactionEvent", {"eventType": "Started"})


@requirement("Part4.4.1.2")
async def test_call_without_answer_times_out(rig: Rig):
    """A call that is never answered is given up after the message timeout"""
    await rig.start(MESSAGE_TIMEOUT)
    await two_evses(rig)
    rig.csms.message_timeout = 0.95
    rig.csms.respond_once("Authorize", NO_ANSWER)
    await rig.station.swipe(rig.token.id, evse=1)
    await rig.csms.expect("Authorize")
    await rig.station.plug_in(2)
    await rig.csms.expect("StatusNotification", {"evseId": 2, "connectorStatus": "Occupied"})


@requirement("Part4.4.1.4")
async def test_message_ids_across_connections(rig: Rig):
    """No message id comes twice, over connections and restarts (checked by the CSMS for every frame)"""
    await rig.start()
    await two_evses(rig)
    for orderly in (True, False):
        await rig.station.restart(orderly)
        boot = await rig.csms.expect("BootNotification", timeout=2 * rig.csms.patience)
        await rig.csms.expect("StatusNotification", {"evseId": 2})
        await rig.csms.answered(boot)
        rig.csms.forget()
    assert len({one.id for one in rig.csms.record.messages("in") if one.kind == CALL}) >= 9


# Handshake


@requirement("A00.FR.203", "A00.FR.204", "Part4.3.1.1", "Part4.3.1.2")
async def test_handshake(rig: Rig):
    """URL, subprotocol and Basic credentials of the first attempt"""
    await rig.start()
    attempt = rig.csms.record.events("attempt")[0]
    assert attempt.path == f"/{rig.station_id}"
    assert attempt.subprotocols == ["ocpp2.0.1"]
    assert attempt.outcome == "accepted", "credentials come with the first attempt, without waiting for a 401"


@requirement("Part4.5.3")
@pytest.mark.parametrize("policy", [401, 404, 500, 503, RESET, NO_SUBPROTOCOL])
async def test_refused_connection_is_tried_again(rig: Rig, policy: object):
    """Refused in whatever way, the station tries again and boots when it is let in"""
    rig.csms.admit(policy)
    await rig.start(booted=False)
    first = await rig.csms.expect_event("attempt")
    second = await rig.csms.expect_event("attempt", after=first, timeout=15)
    assert not rig.csms.untaken(), "sent over a connection without a common version"
    rig.csms.admit()
    await rig.csms.expect("BootNotification", timeout=20)
    assert second.at - first.at >= 0.95


@requirement("A00.FR.202")
async def test_wrong_password_is_tried_again(rig: Rig):
    """Refused for its password, the station keeps trying, with its password each time"""
    rig.csms.passwords = {rig.station_id: "something else"}
    await rig.start(booted=False)
    first = await rig.csms.expect_event("attempt")
    assert first.outcome == "401, wrong password"
    rig.csms.passwords = {rig.station_id: PASSWORD}
    await rig.csms.expect("BootNotification", timeout=20)


@requirement("Part4.5.3")
@pytest.mark.parametrize("how", ["abort", "close 1001", "close 1011", "drop in a call"])
async def test_lost_link_is_made_again(rig: Rig, how: str):
    """However the link dies, the station comes back, does not boot again, and works"""
    await rig.start()
    if how == "abort":
        rig.csms.link.abort()
    elif how == "drop in a call":
        rig.csms.respond_once("Authorize", Drop())
        await rig.station.swipe(str(uuid.uuid4()))
    else:
        await rig.csms.link.close(int(how.split()[1]))
    await reconnected(rig, 1)
    await still_works(rig, 2)


@requirement("Part4.5.2")
@pytest.mark.limit(90)
async def test_silent_peer_is_left(rig: Rig):
    """Pings go out at WebSocketPingInterval; a peer that answers none is left and called again"""
    await rig.start({"OCPPCommCtrlr/WebSocketPingInterval": "1"} | MESSAGE_TIMEOUT)
    first = await rig.csms.expect_event("ping")
    second = await rig.csms.expect_event("ping", after=first)
    assert 0.8 <= second.at - first.at < 3, f"pinged after {second.at - first.at:.2f} s"
    rig.csms.link.freeze()
    frozen = rig.csms.record.entries[-1]
    again = await rig.csms.expect_event("connected", after=frozen, timeout=30)
    assert again.link == 2
    await still_works(rig, 2)


@requirement("Part4.5.2")
async def test_no_ping_when_the_interval_is_zero(rig: Rig):
    """With WebSocketPingInterval 0 the station sends no ping"""
    await rig.start({"OCPPCommCtrlr/WebSocketPingInterval": "0"})
    assert await rig.csms.record.wait(lambda: rig.csms.record.events("ping") or None, 1.5) is None
