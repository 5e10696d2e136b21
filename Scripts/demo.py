"""A charging session against the CSMS of the conformance suite, told as a timeline. `Scripts/run` calls it after building."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Tests" / "Conformance"))

TOKEN = "DEADBEEF"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Scripts/run", description="Charges a car: CSMS, station and session in one go.")
    parser.add_argument("--stay", action="store_true", help="leave CSMS and station running until Ctrl-C, to play with `station ctl`")
    parser.add_argument("--minutes", type=float, default=20, help="how long the car charges, station time (default: 20)")
    parser.add_argument("--time-scale", type=float, default=60, help="how much faster the station's clock runs (default: 60)")
    parser.add_argument("--config-dir", default="DeviceModel/ac-two-evse", help="device model (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of the CSMS (default: a free one)")
    parser.add_argument("--bin", default=".build/debug", help=argparse.SUPPRESS)
    return parser.parse_args()


class Demo:
    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.folder = ROOT / ".station" / "demo"
        self.socket = self.folder / "control.sock"
        self.station = Path(options.bin) / "station"
        self.process: asyncio.subprocess.Process | None = None

    async def ctl(self, *words: str) -> None:
        """`station ctl ...`, shown as a person would type it."""
        say("$ station ctl " + " ".join(words))
        process = await asyncio.create_subprocess_exec(
            str(self.station), "ctl", "--control-socket", str(self.socket), *words, stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait() != 0:
            raise SystemExit(f"run: `station ctl {' '.join(words)}` failed; the station's log is {self.folder / 'station.log'}")

    async def start(self, url: str) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        log = open(self.folder / "station.log", "wb")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("STATION_")}
        self.process = await asyncio.create_subprocess_exec(
            *(str(self.station), "run", "--config-dir", str(ROOT / self.options.config_dir)),
            *("--data-dir", str(self.folder / "data"), "--certs-dir", str(self.folder / "certs")),
            *("--control-socket", str(self.socket), "--csms-url", url, "--station-id", "cp001"),
            *("--time-scale", str(self.options.time_scale), "--message-log", str(self.folder / "messages.jsonl")),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
        )  # fmt: skip

    async def stop(self) -> int:
        if not self.process:
            return 1
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.process.wait(), 10)
        except TimeoutError:
            self.process.kill()
            return 1


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def describe(action: str, payload: dict) -> str | None:
    """What a message means to a person; None for those that are only chatter."""
    if action == "BootNotification":
        station = payload["chargingStation"]
        return f"station boots: {station['vendorName']} {station['model']}, {payload['reason']}"
    if action == "StatusNotification":
        return f"EVSE {payload['evseId']} connector {payload['connectorId']} is {payload['connectorStatus']}"
    if action == "Authorize":
        return f"may {payload['idToken']['idToken']} charge?"
    if action != "TransactionEvent":
        return None
    info = payload["transactionInfo"]
    parts = [f"transaction {payload['eventType'].lower()}", payload["triggerReason"], info.get("chargingState", "")]
    if register := energy(payload):
        parts.append(f"meter {register / 1000:.3f} kWh")
    if power := sample(payload, "Power.Active.Import"):
        parts.append(f"{power / 1000:.1f} kW")
    return ", ".join(part for part in parts if part)


def sample(payload: dict, measurand: str) -> float | None:
    for value in reversed(payload.get("meterValue", [])):
        for one in value["sampledValue"]:
            if one.get("measurand", "Energy.Active.Import.Register") == measurand and "phase" not in one:
                return float(one["value"])
    return None


def energy(payload: dict) -> float | None:
    return sample(payload, "Energy.Active.Import.Register")


def first_energy(events: list[dict]) -> float:
    for event in events:
        for value in event.get("meterValue", []):
            for one in value["sampledValue"]:
                if one.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register":
                    return float(one["value"])
    raise SystemExit("run: the transaction has no meter values")


def moment(event: dict) -> datetime:
    return datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))


async def main(options: argparse.Namespace) -> int:
    from csms.message import CALL, Message
    from csms.server import Csms

    events: list[dict] = []

    def tell(entry: object) -> None:
        if not isinstance(entry, Message) or entry.direction != "in" or entry.kind != CALL or not entry.payload:
            return
        if entry.action == "TransactionEvent":
            events.append(entry.payload)
        if text := describe(entry.action or "", entry.payload):
            stamp = entry.payload.get("timestamp")
            say(f"{stamp[11:19] if stamp else '        '}  {text}")

    csms = Csms(listener=tell)
    csms.tokens.accept_all = True
    await csms.start("127.0.0.1", options.port)
    demo = Demo(options)
    try:
        await demo.start(csms.url)
        await csms.connected(30)
        await csms.expect("BootNotification", timeout=30)
        await csms.expect("SecurityEventNotification", timeout=30)
        await demo.ctl("plug-in", "--evse", "1", "--phases", "3", "--max-current-a", "16")
        await csms.expect("StatusNotification", {"connectorStatus": "Occupied"}, timeout=30)
        await demo.ctl("swipe", TOKEN)
        await csms.expect("TransactionEvent", {"transactionInfo.chargingState": "Charging"}, timeout=60)
        await asyncio.sleep(options.minutes * 60 / options.time_scale)
        await demo.ctl("swipe", TOKEN)
        await csms.expect("TransactionEvent", {"eventType": "Ended"}, timeout=60)
        await demo.ctl("plug-out", "--evse", "1")
        await csms.expect("StatusNotification", {"connectorStatus": "Available", "evseId": 1}, timeout=30)
        ok = summary(events)
        if options.stay:
            await stay(demo, csms.url)
        code = await demo.stop()
        if csms.violations:
            print("\n".join(f"violation: {one}" for one in csms.violations), file=sys.stderr)
        return 0 if ok and code == 0 and not csms.violations else 1
    finally:
        await demo.stop()
        await csms.stop()


def summary(events: list[dict]) -> bool:
    started, ended = events[0], events[-1]
    gapless = [event["seqNo"] for event in events] == list(range(len(events)))
    used = (energy(ended) or 0) - first_energy(events)
    duration = moment(ended) - moment(started)
    print(
        f"\nSession {started['transactionInfo']['transactionId']}\n"
        f"  energy    {used / 1000:.3f} kWh\n"
        f"  duration  {str(duration).split('.')[0]}\n"
        f"  stopped   {ended['transactionInfo'].get('stoppedReason', 'Local')}\n"
        f"  events    {len(events)}, {'in order, none missing' if gapless else 'WITH GAPS'}",
        flush=True,
    )
    return gapless and used > 0


async def stay(demo: Demo, url: str) -> None:
    station = Path(demo.options.bin) / "station"
    print(
        f"\nThe CSMS at {url} and the station go on; Ctrl-C ends both. In another shell:\n"
        f"  export STATION_CONTROL_SOCKET={demo.socket}\n"
        f"  {station} ctl state\n  {station} ctl plug-in --evse 2\n  {station} ctl swipe {TOKEN}\n  {station} ctl --help",
        flush=True,
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


if __name__ == "__main__":
    chosen = arguments()
    sys.exit(asyncio.run(main(chosen)))
