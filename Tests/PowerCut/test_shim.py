"""The shim against a program of a few lines: what it counts, and what is left of a file when the power is cut."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import shim

#: Opens the data directory's files as a database would; `d` is the directory.
PRELUDE = """
import os, sys
d = sys.argv[1]
def file(name, flags=os.O_RDWR | os.O_CREAT): return os.open(d + "/" + name, flags, 0o600)
def flush_directory():
    directory = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(directory)
    os.close(directory)
"""

#: A file with two durable pages of which one is overwritten, one appended.
PAGES = """
f = file("f")
os.pwrite(f, b"A" * 4096 + b"B" * 4096, 0)
os.fsync(f)
flush_directory()
os.pwrite(f, b"C" * 4096, 4096)
os.pwrite(f, b"D" * 4096, 8192)
os.ftruncate(f, 12300)
os.truncate(d + "/../outside", 0)
"""


class Program:
    def __init__(self, folder: Path):
        self.data = folder / "data"
        self.data.mkdir()
        (folder / "outside").write_text("x")
        shim.build()
        self.shim = shim.Shim(folder, self.data, program="/" + Path(sys.executable).resolve().name)

    def run(self, text: str, **options: object) -> int:
        environment = os.environ | self.shim.environment(sync_us=0, **options)  # type: ignore[arg-type]
        command = [str(Path(sys.executable).resolve()), "-c", PRELUDE + text, str(self.data)]
        return subprocess.run(command, env=environment, timeout=20).returncode

    def content(self, name: str = "f") -> bytes:
        return (self.data / name).read_bytes()

    def names(self) -> set[str]:
        return {one.name for one in self.data.iterdir()}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_calls_are_counted(program: Program):
    assert program.run(PAGES) == 0
    assert [f"{one.kind} {one.name}" for one in program.shim.calls] == [
        "create f", "write f", "sync f", "sync .", "write f", "write f", "truncate f",
    ]  # fmt: skip
    assert not program.shim.is_cut


@pytest.mark.parametrize(
    "at, when, size",
    [(5, "before", 8192), (5, "after", 8192), (6, "before", 8192), (6, "after", 12288), (6, "torn", 10240)],
)
def test_a_kill_loses_nothing(program: Program, at: int, when: str, size: int):
    assert program.run(PAGES, at=at, when=when) == -signal.SIGKILL
    assert program.shim.is_cut and len(program.shim.calls) == at
    second = b"B" if (at, when) == (5, "before") else b"C"
    assert program.content()[:8192] == b"A" * 4096 + second * 4096
    assert len(program.content()) == size


def test_half_a_write(program: Program):
    assert program.run(PAGES, at=5, when="torn") == -signal.SIGKILL
    assert program.content() == b"A" * 4096 + b"C" * 2048 + b"B" * 2048


@pytest.mark.parametrize("at", [5, 6, 7])
def test_what_was_not_flushed_is_lost(program: Program, at: int):
    assert program.run(PAGES, at=at, when="after", drop="all") == -signal.SIGKILL
    assert program.content() == b"A" * 4096 + b"B" * 4096


def test_what_was_flushed_is_kept(program: Program):
    text = PAGES + "\nos.fdatasync(f)\nos.pwrite(f, b'E', 0)\n"
    assert program.run(text, at=9, when="after", drop="all") == -signal.SIGKILL
    assert program.content() == b"A" * 4096 + b"C" * 4096 + b"D" * 4096 + bytes(12)


def test_a_flush_that_was_not_finished_keeps_nothing(program: Program):
    assert program.run(PAGES, at=3, when="before", drop="all") == -signal.SIGKILL
    assert "f" not in program.names()


def test_a_part_is_lost(tmp_path: Path):
    """Pages are lost each on its own and in any order, also parts of a page; flushed ones never"""
    seen = set()
    for seed in range(24):
        folder = tmp_path / str(seed)
        folder.mkdir()
        program = Program(folder)
        assert program.run(PAGES, at=6, when="after", drop="some", seed=seed) == -signal.SIGKILL
        content = program.content()
        assert content[:4096] == b"A" * 4096
        second, third = set(content[4096:8192]), set(content[8192:])
        assert second <= set(b"BC") and third <= set(b"D\0")
        seen.add((frozenset(second), frozenset(third)))
    old, new, both = (frozenset(one) for one in (b"B", b"C", b"BC"))
    grown = frozenset(b"D")
    assert {(old, frozenset()), (old, grown), (new, frozenset()), (new, grown)} <= seen
    assert any(second == both for second, _ in seen)


NAMES = """
for name in ("kept", "replaced", "removed"):
    f = file(name)
    os.write(f, name.encode())
    os.fsync(f)
    os.close(f)
flush_directory()
f = file("new")
os.write(f, b"new")
os.fsync(f)
os.rename(d + "/new", d + "/replaced")
os.unlink(d + "/removed")
"""


def test_names_without_a_flush_of_the_directory_are_lost(program: Program):
    assert program.run(NAMES, at=15, when="after", drop="all") == -signal.SIGKILL
    assert program.names() == {"kept", "replaced", "removed"}
    assert (program.content("replaced"), program.content("removed")) == (b"replaced", b"removed")


def test_names_are_lost_from_the_end(tmp_path: Path):
    seen = set()
    for seed in range(20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        program = Program(folder)
        assert program.run(NAMES, at=15, when="after", drop="some", seed=seed) == -signal.SIGKILL
        seen.add((program.content("replaced"), tuple(sorted(program.names() - {"kept", "replaced"}))))
    old, new = b"replaced", b"new"
    assert seen == {(old, ("removed",)), (old, ("new", "removed")), (new, ("removed",)), (new, ())}


def test_names_with_a_flush_of_the_directory_are_kept(program: Program):
    assert program.run(NAMES + "\nflush_directory()\n", at=16, when="after", drop="all") == -signal.SIGKILL
    assert program.names() == {"kept", "replaced"}
    assert program.content("replaced") == b"new"


def test_a_database_survives(tmp_path: Path):
    """SQLite itself, cut at every other call with every kind of loss: what was committed is there, what was not is not"""
    text = """
import sqlite3
base = sqlite3.connect(d + "/base", isolation_level=None)
base.execute("PRAGMA journal_mode = WAL")
base.execute("PRAGMA synchronous = FULL")
base.execute("CREATE TABLE t (n INTEGER)")
for n in range(3):
    base.execute("INSERT INTO t VALUES (?)", (n,))
    done = os.open(d + "/../done", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(done, str(n + 1).encode())
"""
    first = tmp_path / "count"
    first.mkdir()
    counting = Program(first)
    assert counting.run(text) == 0
    calls = counting.shim.calls
    assert {one.name for one in calls} == {"base", "base-wal", "base-journal", "."}
    for call in calls[::2]:
        for drop in shim.DROPS[1:]:
            folder = tmp_path / f"{call.number}-{drop}"
            folder.mkdir()
            program = Program(folder)
            program.run(
                text, at=call.number, when=call.variants[call.number % len(call.variants)], drop=drop, seed=call.number
            )
            for one in program.data.glob("*-shm"):
                one.unlink()
            done = int((folder / "done").read_text()) if (folder / "done").exists() else 0
            with sqlite3.connect(program.data / "base") as base:
                rows = [n for (n,) in base.execute("SELECT n FROM t")] if done else []
            assert rows in ([*range(done)], [*range(done + 1)]) or not done, (call, drop, rows, done)
