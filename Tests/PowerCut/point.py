"""One cut point: a session, the cut, the restart, the verdict."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csms import Csms
from judge import Evidence, Verdict, judge
from sessions import SESSIONS
from shim import DROPS, WHEN, Call, Shim
from station import TIME_SCALE, Crashed, PowerCut, Station
from world import EVSES, World


@dataclass(frozen=True)
class Point:
    """Where the power is cut, and what the world is like then. `str` is what `--replay` takes."""

    session: str
    #: The number of the call, from 1; 0: the session to its end, and then a kill.
    at: int = 0
    when: str = "before"
    drop: str = "none"
    #: The simulated hardware keeps cable and EV over the cut.
    keeps: bool = True
    #: InternalCtrlr.ResumeTransactionsOnBoot
    resumes: bool = True
    #: Of what is lost when `drop` is `some`.
    seed: int = 0

    @property
    def mode(self) -> str:
        return "kill" if self.drop == "none" else "drop"

    def __str__(self) -> str:
        hardware, boot = ("keep" if self.keeps else "fresh"), ("resume" if self.resumes else "end")
        return f"{self.session}:{self.at}:{self.when}:{self.drop}:{hardware}:{boot}:{self.seed}"

    @classmethod
    def parse(cls, text: str) -> Point:
        try:
            session, at, when, drop, hardware, boot, seed = text.split(":")
            if session not in SESSIONS or when not in WHEN or drop not in DROPS:
                raise ValueError
            if hardware not in ("keep", "fresh") or boot not in ("resume", "end"):
                raise ValueError
            return cls(session, int(at), when, drop, hardware == "keep", boot == "resume", int(seed))
        except ValueError:
            raise ValueError(f"{text}: expected session:call:when:drop:keep|fresh:resume|end:seed") from None

    @classmethod
    def draw(cls, session: str, call: Call, mode: str, chance: random.Random) -> Point:
        """A cut at this call, the rest by chance."""
        drop = "none" if mode == "kill" else chance.choice(["all", "some"])
        when = chance.choice(call.variants)
        return cls(
            session, call.number, when, drop, chance.random() < 0.5, chance.random() < 0.5, chance.getrandbits(32)
        )


@dataclass
class Outcome:
    point: Point
    #: False: the session was over before the call came (calls are not quite the same in every run).
    is_cut: bool
    verdicts: list[Verdict]
    seconds: float
    calls: list[Call] = field(default_factory=list)
    #: What was cut.
    story: str = ""
    #: Where the data directory, log, journals and record are, when they are kept.
    folder: str = ""


class Bench:
    """Runs points one after the other, with one CSMS."""

    def __init__(self, binary: Path, scratch: Path, *, mistake: str = "", keeps_all: bool = False):
        self._binary = binary
        self._scratch = scratch
        self._mistake = mistake
        self._keeps_all = keeps_all
        self._csms = Csms()

    async def start(self) -> None:
        await self._csms.start()

    async def stop(self) -> None:
        await self._csms.stop()

    async def run(self, point: Point) -> Outcome:
        began = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="pc-", dir=self._scratch))
        one = _Run(point, folder, self._binary, self._csms, self._mistake)
        try:
            verdicts = await one.verdicts()
        finally:
            await one.close()
        keeps = self._keeps_all or bool(verdicts)
        outcome = Outcome(point, one.shim.is_cut, verdicts, time.monotonic() - began, one.calls, one.story)
        if keeps:
            outcome.folder = str(folder)
            (folder / "record.json").write_text(json.dumps(one.record(), indent=1))
        else:
            shutil.rmtree(folder)
        return outcome


class _Run:
    def __init__(self, point: Point, folder: Path, binary: Path, csms: Csms, mistake: str):
        self.point = point
        self.folder = folder
        self.csms = csms
        self.mistake = mistake
        self.session = SESSIONS[point.session]
        resumes = {"InternalCtrlr/ResumeTransactionsOnBoot": "true" if point.resumes else "false"}
        url = f"ws://127.0.0.1:{csms.port}"
        self.station = Station(binary, folder, url, self.session.settings | resumes)
        self.shim = Shim(folder, self.station.data)
        self.world = World(self.station, csms)
        self.world.start_again = self.launch
        self.evidence = Evidence(self.world)
        self.calls: list[Call] = []
        self.story = ""
        self._launches = 0
        self._began = time.monotonic()

    async def launch(self) -> None:
        await self._launch(at=self.point.at, drop=self.point.drop, mistake=self.mistake, keeps=True)

    async def _launch(self, *, keeps: bool, at: int = 0, drop: str = "none", mistake: str = "") -> None:
        self._launches += 1
        elapsed = time.monotonic() - self._began
        environment = self.shim.environment(
            at=at, when=self.point.when, drop=drop, seed=self.point.seed, port=self.csms.port,
            clock_ms=int(elapsed * (TIME_SCALE - 1) * 1000), mistake=mistake,
        )  # fmt: skip
        await self.station.start(environment, keeps=keeps, journal=f"journal-{self._launches}")

    async def verdicts(self) -> list[Verdict]:
        self.csms.begin(self.session.manners())
        try:
            await self.launch()
            await self.session.act(self.world)
            await self.station.kill()
        except PowerCut:
            if not self.shim.is_cut:
                return [Verdict("stuck", "the station was killed by somebody else")]
        except (Crashed, TimeoutError, AssertionError, ConnectionError) as error:
            return [Verdict("stuck", f"before the cut: {error}")]
        await self._take_over()
        try:
            await self._recover()
        except PowerCut:
            return [Verdict("stuck", "the restarted station was killed by somebody else")]
        except (Crashed, TimeoutError, ConnectionError) as error:
            return [Verdict("stuck", f"after the restart: {error}"), *judge(self.evidence, complete=False)]
        return judge(self.evidence)

    async def _take_over(self) -> None:
        """The power is gone: what is known by now, and what is left."""
        await self.station.kill()
        await self.csms.idle()
        self.calls, self.story = self.shim.calls, self.shim.story
        if self.shim.lost_directory:
            shutil.rmtree(self.station.data)
        elif self.point.drop != "none":
            for one in self.station.data.glob("*-shm"):
                one.unlink()
        self.world.keep_meters()
        self.evidence.take_first_life(self.folder, self.csms, self.station.events)
        self.csms.manners = type(self.csms.manners)()

    async def _recover(self) -> None:
        """The station starts again, ends what was open when the car leaves, and delivers everything."""
        await self._launch(keeps=self.point.keeps)
        await self.station.until(
            lambda state: state["station"]["csms"]["registration"] == "Accepted", "accepted after the restart"
        )
        try:
            await self.station.until(_is_settled, "settled", 0.15)
        except TimeoutError:
            pass  # a transaction that waits for the car to leave
        for evse in EVSES:
            await self.station.command("plugOut", evse=evse)
        state = await self.station.until(
            lambda state: (
                state["station"]["csms"]["connected"]
                and not state["station"]["queuedMessages"]
                and not any(one["transaction"] for one in state["evses"])
            ),
            "delivered after the restart",
        )
        self.evidence.operative = {one["id"]: one["operative"] for one in state["evses"]}
        self.evidence.registers = {one["id"]: one["meter"]["energyWh"] for one in state["evses"]}
        self.evidence.place = self.csms.place
        for name in self.world.variables:
            self.evidence.variables[name] = await self._get(name)
        await self.station.kill()
        await self.csms.idle()

    async def _get(self, name: str) -> str | None:
        component, variable = name.split("/")
        asked = {"component": {"name": component}, "variable": {"name": variable}}
        answer = await self.world.call("GetVariables", {"getVariableData": [asked]})
        return answer["getVariableResult"][0].get("attributeValue")

    async def close(self) -> None:
        await self.station.kill()
        await self.csms.idle()

    def record(self) -> dict[str, Any]:
        """For whoever looks into a failing point."""
        calls = [
            {"connection": one.connection, "action": one.action, "payload": one.payload} for one in self.csms.received
        ]
        first = {"events": self.evidence.events, "contactor": self.evidence.closings}
        return {"point": str(self.point), "csms": calls, "first life": first, "registers": self.evidence.registers}


def _is_settled(state: dict[str, Any]) -> bool:
    return all(
        one["transaction"] is None or one["transaction"]["chargingState"] == "Charging" for one in state["evses"]
    )
