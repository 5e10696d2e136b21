"""Runs `async def` tests, provides the rig, attaches logs to failures. Results: conformance_report.py."""

from __future__ import annotations

import asyncio
import inspect
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rig import PATIENCE, Rig  # noqa: E402

pytest_plugins = ["conformance_report"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--configuration", default="ac-two-evse", help="device model below DeviceModel/, or a path")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(*ids): requirements of Part 2 and 4 that this test proves")
    config.addinivalue_line("markers", "limit(seconds): time limit of an async test (60)")


@pytest.fixture
def runner():
    """One event loop for the test and its fixtures."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def rig(runner: asyncio.Runner, tmp_path: Path, request: pytest.FixtureRequest):
    rig = Rig(tmp_path, request.config.getoption("--configuration"))
    yield rig
    problems = runner.run(rig.close())
    if problems:
        pytest.fail("; ".join(problems))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    marker = pyfuncitem.get_closest_marker("limit")
    seconds = (marker.args[0] if marker else 60) * PATIENCE

    async def run() -> None:
        async with asyncio.timeout(seconds):
            await pyfuncitem.obj(**arguments)
        if rig := arguments.get("rig"):
            problems = rig.problems()
            assert not problems, "\n".join(problems)

    pyfuncitem._request.getfixturevalue("runner").run(run())
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    rig = getattr(item, "funcargs", {}).get("rig")
    if isinstance(rig, Rig):
        report_plugin = item.config.pluginmanager.get_plugin("conformance_report")
        report_plugin.configured(item, rig.configuration)  # a test may have chosen its own
    report = (yield).get_result()
    if report.failed and isinstance(rig, Rig):
        report.sections.append(("messages", rig.transcript()))
        if rig._started:
            report.sections.append(("station log", rig.station.log()[-20_000:]))
