"""The station of DeviceModel/ac-gpio-modbus in the machine: relays on kernel lines, a meter on Modbus, a safety controller and a
card reader on serial lines, against the CSMS on the host. Nothing is simulated but what is around the station."""

import asyncio
import os
import random
import signal
import sys

import pytest

import inside

ROOT = inside.ROOT
PATIENCE = float(os.environ.get("RIG_PATIENCE", "1"))
TRIALS = int(os.environ.get("RIG_SESSION_TRIALS", "12"))
FOLDER = "ac-gpio-modbus"
CARD = "04A1B2C3"
#: The station killed, stopped or hung: issue 4.
STATION_LIMIT_MS = 500
SAFETY_LIMIT_MS = 50
#: Contactor model: travel after the coil.
TRAVEL = {"close_ms": 15, "open_ms": 10}

SETTINGS = {"TxCtrlr/TxStartPoint": "PowerPathClosed", "TxCtrlr/TxStopPoint": "EVConnected,Authorized",
            "SampledDataCtrlr/TxUpdatedInterval": "2"}


class Charger:
    """guest/charger.py, and the contactor model behind the relay's line."""

    def __init__(self, bench):
        self.bench, self.machine = bench, bench.machine
        for line in ("ESTOP", "RCD"):
            self.machine.pull(line, "up")  # closed at rest
        self.contactor = bench.contactor("RELAY1", mirror="MIRROR1", **TRAVEL)
        self.pid = bench.spawn(sys.executable, ROOT / "Tests/HardwareRig/guest/charger.py", bench.file("RELAY1", "value"))
        self.machine.wait_output(self.pid, "ready", within=60)

    def say(self, text):
        since = len(self.machine.output(self.pid))
        self.machine.write(self.pid, text + "\n")
        return self.machine.wait_output(self.pid, " " + text.split()[0], since=since, within=20)["text"]

    def report(self):
        return {name: float(value) for name, value in (part.split("=") for part in self.say("report").split()[2:])}

    def coil(self, on, since=0, within=30):
        """When the coil went on or off (ns)."""
        text = self.machine.wait_output(self.contactor, f"coil {int(on)}", since=since, within=within)["text"]
        return int(text.split()[0])

    @property
    def count(self):
        return len(self.machine.output(self.contactor))


@pytest.fixture
def charger(bench):
    made = Charger(bench)
    yield made
    bench.machine.run("umount", "/sys/class/thermal", check=False)


async def do(what, *arguments, **fields):
    return await asyncio.to_thread(what, *arguments, **fields)


async def charging(rig, charger):
    """From nothing to energy that flows; returns the Started event."""
    since = charger.count
    await do(charger.say, "car B")
    await do(charger.say, f"card {CARD}")
    await rig.csms.expect("Authorize")
    await do(charger.say, "card none")
    await do(charger.say, "car C")
    started = await rig.csms.expect("TransactionEvent", {"eventType": "Started"}, timeout=30)
    await do(charger.coil, True, since)
    return started


def register(event, context=None):
    """The import register in an event's meter values, of all phases together, Wh."""
    found = [sample["value"] for value in event.payload.get("meterValue", []) for sample in value["sampledValue"]
             if sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register"
             and "phase" not in sample and context in (None, sample.get("context"))]
    return float(found[-1]) if found else None


def test_the_bill_of_a_session_on_real_drivers_is_what_the_meter_counted(bench, charger, station_inside):
    async def body(rig):
        await rig.start(SETTINGS)
        state = await rig.station.state()
        assert state["station"]["hardware"] == "real", state["station"]
        before = await do(charger.report)
        started = await charging(rig, charger)
        await asyncio.sleep(6)
        flowing = await do(charger.report)
        assert flowing["amperes"] > 6, flowing
        await do(charger.say, f"card {CARD}")
        ended = await rig.csms.expect("TransactionEvent", {"eventType": "Ended"}, timeout=60)
        await do(charger.say, "card none")
        after = await do(charger.report)
        billed = register(ended, "Transaction.End") - register(started, "Transaction.Begin")
        counted = after["wh"] - before["wh"]
        print(f"session: {counted:.2f} Wh counted by the meter, {billed:.2f} Wh billed, {flowing['amperes']:.1f} A a phase")
        # The register goes out in kWh as float32, whose step at 10 MWh is 1 Wh... at 10 kWh it is 1 mWh.
        assert counted > 5 and abs(billed - counted) < 0.2, (billed, counted)
        assert (await rig.station.state())["evses"][0]["contactorClosed"] is False
        (transaction,) = rig.csms.transactions.values()
        assert transaction.ended and not list(transaction.problems())

    station_inside(body, FOLDER)


def test_a_meter_that_falls_silent_suspends_and_gives_no_value(bench, charger, station_inside):
    async def body(rig):
        await rig.start(SETTINGS)
        await charging(rig, charger)
        since = await do(lambda: charger.count)
        await do(charger.say, "meter off")
        await do(charger.coil, False, since, 40)
        await rig.csms.expect("NotifyEvent", lambda one: one["eventData"][0].get("techCode") == "PowerMeterFailure", timeout=30)
        last = register(await rig.csms.expect("TransactionEvent", {"triggerReason": "AbnormalCondition"}, timeout=30))
        assert last is None, "no value is told anew"
        since = await do(lambda: charger.count)
        await do(charger.say, "meter on")
        # A unit that did not answer is left alone for up to 30 s, and must then answer more than once.
        await do(charger.coil, True, since, 150)

    station_inside(body, FOLDER)


def test_an_emergency_stop_opens_at_once_and_ends_the_session(bench, charger, station_inside, measured):
    async def body(rig):
        await rig.start(SETTINGS)
        await charging(rig, charger)
        since = await do(lambda: charger.count)
        at = await do(bench.machine.pull, "ESTOP", "down")
        off = await do(charger.coil, False, since)
        measured("stationd: emergency stop to coil off", [(off - at) / 1e6])
        assert (off - at) / 1e6 < SAFETY_LIMIT_MS * PATIENCE
        ended = await rig.csms.expect("TransactionEvent", {"eventType": "Ended"}, timeout=30)
        ended.check({"transactionInfo.stoppedReason": "EmergencyStop"})
        await do(charger.say, "car A")
        await do(bench.machine.pull, "ESTOP", "up")

    station_inside(body, FOLDER)


def test_heat_derates(bench, charger, station_inside):
    async def body(rig):
        await rig.start(SETTINGS)
        await charging(rig, charger)
        cool = (await do(charger.report))["duty"]
        await do(charger.say, "celsius 70")
        deadline = asyncio.get_running_loop().time() + 30
        while (await do(charger.report))["duty"] >= cool:
            assert asyncio.get_running_loop().time() < deadline, "the duty cycle does not follow the temperature"
            await asyncio.sleep(0.5)
        since = await do(lambda: charger.count)
        await do(charger.say, "celsius 85")
        await do(charger.coil, False, since, 30)
        await do(charger.say, "celsius 40")
        await do(charger.coil, True, since, 60)

    station_inside(body, FOLDER)


def test_a_station_killed_or_stopped_while_charging_lets_go_of_the_contactor(bench, charger, station_inside, measured):
    async def body(rig):
        dice = random.Random(os.environ.get("RIG_SEED", "1"))
        times = {signal.SIGKILL: [], signal.SIGSTOP: [], signal.SIGTERM: []}
        await rig.start(SETTINGS | {"InternalCtrlr/ResumeTransactionsOnBoot": "false"})
        for number in range(TRIALS):
            if number:
                await rig.station.start()
            await do(charger.say, "car A")
            await asyncio.sleep(1)
            rig.csms.forget()
            await charging(rig, charger)
            await asyncio.sleep(dice.random())
            since, kind = charger.count, [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM][number % 3]
            at = (await do(bench.machine.signal, rig.station.process_id, kind))
            off = await do(charger.coil, False, since)
            times[kind].append((off - at) / 1e6)
            print(f"session: {kind.name} to coil off {times[kind][-1]:.1f} ms", flush=True)
            if kind == signal.SIGTERM:
                await rig.station.stop()
            else:
                await rig.station.kill()
        for kind, values in times.items():
            measured(f"stationd: {kind.name} to coil off", values)
        worst = max(value for values in times.values() for value in values)
        assert worst < STATION_LIMIT_MS * PATIENCE, times

    station_inside(body, FOLDER)
