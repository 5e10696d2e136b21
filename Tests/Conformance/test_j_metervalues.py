"""Block J, meter values: clock-aligned (J01) and sampled (J02)."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from checks import (
    ENERGY,
    cable_first,
    check_intervals,
    check_measurands,
    contexts,
    faster,
    moments,
    points,
    samples_of,
    time_of,
)
from csms import Message
from ocmf import SIGNED, public_key, verify
from rig import PATIENCE, Rig, not_applicable
from states import Session, booted

requirement = pytest.mark.requirement

MEASURANDS = {ENERGY, "Power.Active.Import", "Current.Import", "Voltage"}
LIST = ",".join(sorted(MEASURANDS))

#: Station seconds between clock-aligned values, how fast the station's clock runs then, and how exact the moments are
#: (Part 6 allows 4 s).
ALIGNED, ALIGNED_SCALE, ALIGNED_EXACT = 10, 6, 3.0
#: The same for sampled values.
SAMPLED, SAMPLED_SCALE, SAMPLED_EXACT = 2, 2, 0.9

CLOCK = {"triggerReason": "MeterValueClock"}
PERIODIC = {"triggerReason": "MeterValuePeriodic"}


def value_times(messages: list[Message]) -> list:
    return [time_of(value["timestamp"]) for message in messages for value in message.payload["meterValue"]]


async def aligned_station(rig: Rig, settings: dict[str, str]) -> None:
    defaults = {"AlignedDataCtrlr/Interval": str(ALIGNED), "AlignedDataCtrlr/Measurands": LIST}
    await rig.start(defaults | settings, arguments=faster(ALIGNED_SCALE))
    if await rig.value("AlignedDataCtrlr/Interval") != str(ALIGNED):
        not_applicable("no clock-aligned meter values")


async def supply_phases(rig: Rig) -> int | None:
    value = await rig.value(f"EVSE@{rig.evse_id}/SupplyPhases")
    return int(value) if value else None


def check_clock(message: Message) -> None:
    message.check({"meterValue[0].sampledValue[0].context": "Sample.Clock"}, str(message.action))
    assert contexts(samples_of(message)) == {"Sample.Clock"}, f"contexts in {message.raw!r}"


async def check_aligned(rig: Rig, intervals: int, evses: list[int], phases: int | None = None) -> list[Message]:
    """MeterValues of these EVSEs come in so many intervals and one, with all measurands; the main meter's may come too."""
    if not evses:
        return []
    seen: dict[int, list[Message]] = {evse: [] for evse in evses}
    messages = []
    while any(len(moments(value_times(found), ALIGNED_EXACT)) <= intervals for found in seen.values()):
        message = await rig.csms.expect("MeterValues", step="step 1")
        check_clock(message)
        messages.append(message)
        if message["evseId"] in seen:
            seen[message["evseId"]].append(message)
        else:
            assert message["evseId"] == 0, f"MeterValues of EVSE {message['evseId']}"
    for found in seen.values():
        for moment in moments(value_times(found), ALIGNED_EXACT)[:intervals]:
            at = [one for one in found if abs((value_times([one])[0] - moment).total_seconds()) <= ALIGNED_EXACT]
            check_measurands([sample for one in at for sample in samples_of(one)], MEASURANDS, phases)
        check_intervals(value_times(found), ALIGNED, ALIGNED_EXACT)
    check_intervals(value_times(messages), ALIGNED, ALIGNED_EXACT)
    return messages


@requirement(
    *("J01.FR.01", "J01.FR.02", "J01.FR.03", "J01.FR.06", "J01.FR.07", "J01.FR.08", "J01.FR.14", "J01.FR.15"),
)
async def test_TC_J_01_CS(rig: Rig):
    """Clock-aligned meter values of every EVSE"""
    await aligned_station(rig, {})
    await check_aligned(rig, 2, list(await rig.station.topology()))


@requirement(
    *("J01.FR.01", "J01.FR.02", "J01.FR.03", "J01.FR.06", "J01.FR.07", "J01.FR.08", "J01.FR.14", "J01.FR.15"),
    "J01.FR.22",
)
async def test_TC_J_02_CS(rig: Rig):
    """Clock-aligned meter values during a transaction"""
    await aligned_station(rig, {"AlignedDataCtrlr/SendDuringIdle": "false"})
    phases = await supply_phases(rig)
    session = Session(rig)
    await session.energy_transfer_started()
    rig.csms.forget("MeterValues")
    # The EVSE with the transaction reports by TransactionEvents, or like the others by MeterValues.
    events = []
    for _ in range(3):
        event = await rig.csms.expect("TransactionEvent", CLOCK, step="step 3")
        check_clock(event)
        event.check({"transactionInfo.transactionId": session.transaction_id}, "step 3")
        check_measurands(samples_of(event), MEASURANDS, phases)
        events.append(event)
    check_intervals([time_of(event["timestamp"]) for event in events], ALIGNED, ALIGNED_EXACT)
    check_intervals(value_times(events), ALIGNED, ALIGNED_EXACT)
    others = [evse for evse in await rig.station.topology() if evse != session.evse]
    await check_aligned(rig, 1, others, phases)


@requirement(
    *("J01.FR.01", "J01.FR.02", "J01.FR.03", "J01.FR.06", "J01.FR.07", "J01.FR.08", "J01.FR.14", "J01.FR.15"),
    *("E06.FR.11", "E07.FR.08", "E08.FR.09", "E09.FR.05", "E10.FR.04", "E12.FR.07"),
)
async def test_TC_J_03_CS(rig: Rig):
    """Clock-aligned meter values in the Ended event"""
    settings = {
        "AlignedDataCtrlr/TxEndedInterval": str(ALIGNED),
        "AlignedDataCtrlr/TxEndedMeasurands": LIST,
        "AlignedDataCtrlr/SendDuringIdle": "false",
        "SampledDataCtrlr/TxEndedMeasurands": "",
    }
    await aligned_station(rig, settings)
    ended = await after_intervals(rig, CLOCK)
    assert contexts(samples_of(ended)) == {"Sample.Clock"}, f"contexts in {ended.raw!r}"
    check_each_value(ended)
    check_intervals(value_times([ended]), ALIGNED, ALIGNED_EXACT)


async def after_intervals(rig: Rig, tick: dict[str, str]) -> Message:
    """The Ended event of a transaction that has gone on for three intervals, told by events like `tick`."""
    session = Session(rig)
    await session.energy_transfer_started()
    for _ in range(3):
        await rig.csms.expect("TransactionEvent", tick)
    await session.parking_bay_unoccupied()
    assert session.ended
    session.last.check({"meterValue": lambda values: len(values) > 1}, "Ended")
    return session.last


def check_each_value(message: Message) -> None:
    for value in message.payload["meterValue"]:
        check_measurands(value["sampledValue"], MEASURANDS)


@requirement("J01.FR.21")
@pytest.mark.parametrize("keys", ["Never", "OncePerTransaction", "EveryMeterValue"])
async def test_TC_J_04_CS(rig: Rig, keys: str):
    """Clock-aligned meter values in the Ended event, signed"""
    rig.configuration = SIGNED
    settings = {
        "AlignedDataCtrlr/TxEndedInterval": str(ALIGNED),
        "AlignedDataCtrlr/TxEndedMeasurands": ENERGY,
        "AlignedDataCtrlr/SendDuringIdle": "false",
        "SampledDataCtrlr/TxEndedMeasurands": "",
    }
    await aligned_station(rig, settings)
    await signed(rig, "AlignedDataCtrlr", keys, CLOCK)


@requirement("J01.FR.19", "J01.FR.20")
async def test_TC_J_06_CS(rig: Rig):
    """With SendDuringIdle no clock-aligned meter values during a transaction"""
    settings = {
        "AlignedDataCtrlr/SendDuringIdle": "true",
        "SampledDataCtrlr/TxStartedMeasurands": "",
        "SampledDataCtrlr/TxEndedMeasurands": "",
    }
    await aligned_station(rig, settings)
    if not (await rig.get("AlignedDataCtrlr/SendDuringIdle"))[0].exists:
        not_applicable("SendDuringIdle is not implemented")
    evses = list(await rig.station.topology())
    await check_aligned(rig, 1, evses)
    session = Session(rig)
    await session.energy_transfer_started()
    rig.csms.forget("MeterValues")
    await rig.csms.expect_none("MeterValues", seconds=(ALIGNED + 5) / ALIGNED_SCALE)
    await session.parking_bay_unoccupied()
    started, *_, ended = rig.csms.transactions[str(session.transaction_id)].in_order
    for message in list(rig.csms.record.messages("in")):
        if started.number <= message.number <= ended.number:
            assert message.action != "MeterValues", f"during the transaction: {message.raw!r}"
            assert not samples_of(message) or message.action != "TransactionEvent", f"meter values: {message.raw!r}"
    rig.csms.forget("MeterValues")
    await check_aligned(rig, 1, evses)


# Sampled


async def sampled_station(rig: Rig, settings: dict[str, str]) -> None:
    defaults = {
        "SampledDataCtrlr/TxUpdatedInterval": str(SAMPLED),
        "SampledDataCtrlr/TxUpdatedMeasurands": LIST,
    }
    await rig.start(defaults | settings, arguments=faster(SAMPLED_SCALE))


STARTED_MEASURANDS = {"SampledDataCtrlr/TxStartedMeasurands": LIST}


def check_begin(message: Message) -> None:
    """The values of the start, with all measurands."""
    message.check({"meterValue[0].sampledValue[0].context": "Transaction.Begin"}, "Transaction.Begin")
    values = [one for one in samples_of(message) if one.get("context") == "Transaction.Begin"]
    check_measurands(values, MEASURANDS)


@requirement(
    *("J02.FR.01", "J02.FR.02", "J02.FR.03", "J02.FR.04", "J02.FR.10"),
    *("E01.FR.09", "E02.FR.09", "E03.FR.07", "E04.FR.05", "E05.FR.05"),
)
async def test_TC_J_07_CS(rig: Rig):
    """Meter values in the Started event, the EVSE known"""
    await rig.start(STARTED_MEASURANDS | {"TxCtrlr/TxStartPoint": "EVConnected"})
    cable_first(rig)
    await points(rig, "TxStartPoint", {"EVConnected"}, {"ParkingBayOccupancy"})
    session = Session(rig)
    await session.ev_connected_pre_session()
    await session.energy_transfer_started()
    started = rig.csms.transactions[str(session.transaction_id)].in_order[0]
    check_begin(started.check({"eventType": "Started"}))


@requirement(
    *("J02.FR.01", "J02.FR.02", "J02.FR.03", "J02.FR.04", "J02.FR.10"),
    *("E01.FR.16", "E01.FR.17", "E03.FR.11", "E04.FR.11", "E05.FR.08"),
)
async def test_TC_J_08_CS(rig: Rig):
    """Meter values of the start as soon as the EVSE is known, and when charging starts"""
    await rig.start(STARTED_MEASURANDS)
    await points(rig, "TxStartPoint", {"Authorized", "ParkingBayOccupancy"}, {"EVConnected"})
    session = Session(rig, common_reader=True)
    await session.energy_transfer_started()
    events = rig.csms.transactions[str(session.transaction_id)].in_order
    if events[0]["evse.id"] == session.evse:
        not_applicable("the EVSE is known from the start")
    # Part 6 asks for them in the first event that names the EVSE, E01.FR.17 in the one in which charging starts.
    check_begin(next(event for event in events if event["evse.id"] == session.evse))
    check_begin(next(event for event in events if event["transactionInfo.chargingState"] == "Charging"))


@requirement(
    *("J02.FR.01", "J02.FR.02", "J02.FR.03", "J02.FR.04", "J02.FR.10", "J02.FR.11", "J02.FR.14"),
    *("E02.FR.10", "E02.FR.11", "E03.FR.08", "E03.FR.09", "E04.FR.06", "E04.FR.09", "E11.FR.03", "E11.FR.06"),
    *("E12.FR.03", "E12.FR.06"),
)
async def test_TC_J_09_CS(rig: Rig):
    """Meter values at every TxUpdatedInterval"""
    await sampled_station(rig, {})
    session = Session(rig)
    await session.energy_transfer_started()
    events = []
    for _ in range(3):
        event = await rig.csms.expect("TransactionEvent", PERIODIC, step="step 1")
        event.check({"meterValue[0].sampledValue[0].context": "Sample.Periodic", "eventType": "Updated"}, "step 1")
        assert contexts(samples_of(event)) == {"Sample.Periodic"}, f"contexts in {event.raw!r}"
        check_measurands(samples_of(event), MEASURANDS)
        moment = time_of(event["timestamp"])
        for time in value_times([event]):
            assert 0 <= (moment - time).total_seconds() < SAMPLED, f"values of {time} in the event of {moment}"
        events.append(event)
    check_intervals([time_of(event["timestamp"]) for event in events], SAMPLED, SAMPLED_EXACT * PATIENCE)


@requirement(
    *("J02.FR.01", "J02.FR.02", "J02.FR.03", "J02.FR.04", "J02.FR.10"),
    *("E06.FR.11", "E07.FR.08", "E08.FR.09", "E09.FR.05", "E10.FR.04", "E12.FR.07"),
)
async def test_TC_J_10_CS(rig: Rig):
    """Meter values in the Ended event, one for every TxEndedInterval and one of the end"""
    settings = {
        "SampledDataCtrlr/TxEndedInterval": str(SAMPLED),
        "SampledDataCtrlr/TxEndedMeasurands": LIST,
        "AlignedDataCtrlr/TxEndedMeasurands": "",
    }
    await sampled_station(rig, settings)
    ended = await after_intervals(rig, PERIODIC)
    check_each_value(ended)
    values = {context: values_of(ended, context) for context in contexts(samples_of(ended))}
    # The value of the start is one of those that are kept (E06.FR.13); Part 6 does not forbid it.
    assert set(values) | {"Transaction.Begin"} == {"Transaction.Begin", "Sample.Periodic", "Transaction.End"}
    assert len(values["Transaction.End"]) == 1, f"{len(values['Transaction.End'])} values of the end"
    periodic = [time_of(value["timestamp"]) for value in values["Sample.Periodic"]]
    check_intervals(periodic, SAMPLED, SAMPLED_EXACT * PATIENCE)
    last = time_of(values["Transaction.End"][0]["timestamp"])
    assert all(time <= last for time in value_times([ended])), "a value is younger than the one of the end"


def values_of(message: Message, context: str) -> list[dict]:
    """The meterValues whose samples have this context."""
    return [value for value in message.payload["meterValue"] if context in contexts(value["sampledValue"])]


@requirement("J02.FR.21")
@pytest.mark.parametrize("keys", ["Never", "OncePerTransaction", "EveryMeterValue"])
async def test_TC_J_11_CS(rig: Rig, keys: str):
    """Meter values in the Ended event, signed"""
    rig.configuration = SIGNED
    settings = {
        "SampledDataCtrlr/TxEndedInterval": str(SAMPLED),
        "SampledDataCtrlr/TxEndedMeasurands": ENERGY,
        "AlignedDataCtrlr/TxEndedMeasurands": "",
    }
    await sampled_station(rig, settings)
    await signed(rig, "SampledDataCtrlr", keys, PERIODIC)


async def signed(rig: Rig, controller: str, keys: str, tick: dict[str, str]) -> None:
    """With SignReadings every value in the Ended event is signed, and brings the public key as often as configured."""
    key = await known_key(rig, controller)
    await rig.configure({f"{controller}/SignReadings": "true", "OCPPCommCtrlr/PublicKeyWithSignedMeterValue": keys})
    ended = await after_intervals(rig, tick)
    samples = samples_of(ended)
    verify(samples, key)
    sent = [sample["signedMeterValue"]["publicKey"] for sample in samples]
    own = [public_key(text) == key for text in sent if text]
    expected = {"Never": 0, "OncePerTransaction": 1, "EveryMeterValue": len(samples)}[keys]
    assert own == [True] * expected and all(sent[:expected]), f"keys: {sent}"


async def known_key(rig: Rig, controller: str) -> ec.EllipticCurvePublicKey:
    """The meter's public key, as a CSMS gets to know it before: from a short transaction in which the values bring it."""
    every = {f"{controller}/SignReadings": "true", "OCPPCommCtrlr/PublicKeyWithSignedMeterValue": "EveryMeterValue"}
    await rig.configure(every)
    session = Session(rig)
    await session.energy_transfer_started()
    await rig.csms.expect("TransactionEvent", CLOCK if controller == "AlignedDataCtrlr" else PERIODIC)
    await session.parking_bay_unoccupied()
    assert session.last["eventType"] == "Ended"
    return public_key(samples_of(session.last)[0]["signedMeterValue"]["publicKey"])


@requirement("J02.FR.21")
async def test_signed_values_beside_others(rig: Rig):
    """The signature is about the register: the other measurands of the same reading bring none"""
    rig.configuration = SIGNED
    await sampled_station(rig, {"SampledDataCtrlr/SignUpdatedReadings": "true"})
    await rig.configure(
        {"SampledDataCtrlr/SignReadings": "true", "OCPPCommCtrlr/PublicKeyWithSignedMeterValue": "EveryMeterValue"}
    )
    session = Session(rig)
    await session.energy_transfer_started()
    event = await rig.csms.expect("TransactionEvent", PERIODIC)
    check_measurands(samples_of(event), MEASURANDS)
    samples = [sample for sample in samples_of(event) if "signedMeterValue" in sample]
    assert len(samples) == 1
    verify(samples, public_key(samples[0]["signedMeterValue"]["publicKey"]))


@requirement("J02.FR.21")
async def test_the_key_of_a_meter_stays(rig: Rig):
    """A restart makes no other meter of it"""
    rig.configuration = SIGNED
    await sampled_station(rig, {"SampledDataCtrlr/TxEndedInterval": str(SAMPLED)})
    before = await known_key(rig, "SampledDataCtrlr")
    await rig.station.restart()
    await booted(rig)
    assert await known_key(rig, "SampledDataCtrlr") == before
