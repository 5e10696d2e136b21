"""The power cut as a library preloaded into stationd: how it is built, told what to do, and read afterwards."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = [HERE / "shim.c", HERE / "disk.c"]
LIBRARY = ROOT / "out" / "powercut" / "shim.so"

#: How a call can be cut: before it, in the middle of it (writes and sends only), after it.
WHEN = ("before", "torn", "after")
#: What of the unsynced writes is lost: none (the process is only killed), all, a random part.
DROPS = ("none", "all", "some")
#: Mistakes that the rig must find: what the station is made to do wrong.
MISTAKES = ("no-log-sync", "no-database-sync", "no-directory-sync", "send-before-commit")


def build() -> Path:
    """Builds the library with the system's C compiler when it is older than its source."""
    sources = [*SOURCES, HERE / "shim.h"]
    if LIBRARY.exists() and LIBRARY.stat().st_mtime > max(one.stat().st_mtime for one in sources):
        return LIBRARY
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    unfinished = LIBRARY.with_suffix(f".{os.getpid()}")
    command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(unfinished)]
    subprocess.run([*command, *map(str, SOURCES), "-ldl", "-lpthread"], check=True)
    unfinished.rename(LIBRARY)
    return LIBRARY


@dataclass(frozen=True)
class Call:
    """One call that the station made, as the shim saw it."""

    number: int
    kind: str
    name: str
    size: int

    @property
    def variants(self) -> tuple[str, ...]:
        return WHEN if self.kind in ("write", "send") and self.size > 1 else ("before", "after")

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.size} bytes)" if self.size else f"{self.kind} {self.name}"


class Shim:
    """The shim of one cut point. Its call numbers go on over the processes of one session."""

    _STATE = struct.Struct("=7I")

    def __init__(self, folder: Path, data: Path, *, program: str = "/stationd"):
        self.trace = folder / "trace"
        self._state = folder / "state"
        self._state.write_bytes(bytes(4096))
        graves = folder / "graves"
        graves.mkdir()
        self._paths = {
            "POWERCUT_PROGRAM": program,
            "POWERCUT_DIR": str(data),
            "POWERCUT_STATE": str(self._state),
            "POWERCUT_TRACE": str(self.trace),
            "POWERCUT_GRAVES": str(graves),
        }

    def environment(
        self,
        *,
        at: int = 0,
        when: str = "before",
        drop: str = "none",
        seed: int = 0,
        port: int = 0,
        sync_us: int = 200,
        clock_ms: int = 0,
        mistake: str = "",
    ) -> dict[str, str]:
        """Variables for the process. `at` 0 only counts; `clock_ms` sets its wall clock forward."""
        values = {"AT": at, "WHEN": when, "DROP": drop, "SEED": seed, "PORT": port, "SYNC_US": sync_us}
        values |= {"CLOCK_MS": clock_ms, "BREAK": mistake}
        return (
            {"LD_PRELOAD": str(LIBRARY)} | self._paths | {f"POWERCUT_{name}": str(one) for name, one in values.items()}
        )

    def _read(self) -> tuple[int, ...]:
        with open(self._state, "rb") as file, mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_READ) as shared:
            return self._STATE.unpack(shared[: self._STATE.size])

    @property
    def is_cut(self) -> bool:
        return self._read()[1] == 1

    @property
    def lost_directory(self) -> bool:
        """The data directory itself had not been made durable: the driver removes it."""
        return self._read()[2] == 1

    @property
    def calls(self) -> list[Call]:
        if not self.trace.exists():
            return []
        lines = (line.split() for line in self.trace.read_text().splitlines() if not line.startswith("#"))
        return [Call(int(number), kind, name, int(size)) for number, kind, name, size in lines]

    @property
    def story(self) -> str:
        """The call that was cut and what was lost."""
        lines = self.trace.read_text().splitlines() if self.trace.exists() else []
        return "; ".join(lines[-2:])
