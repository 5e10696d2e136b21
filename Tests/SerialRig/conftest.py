"""Drivers on pseudo-terminals, with models of their devices on the other end."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Support/driver-watch"))

from watch import Watch  # noqa: E402


@pytest.fixture
def watch_on(tmp_path):
    made = []

    def start(drivers):
        watch = Watch(tmp_path / "station", drivers)
        made.append(watch)
        return watch

    yield start
    for watch in made:
        watch.kill()


@pytest.fixture
def device(tmp_path):
    made = []

    def start(kind):
        made.append(kind(tmp_path))
        return made[-1]

    yield start
    for one in made:
        one.stop()
