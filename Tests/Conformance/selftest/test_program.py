"""The CSMS as a program, and the results of a run, each as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import websockets

HERE = Path(__file__).resolve().parents[1]


async def test_the_program_serves_a_station(runner, tmp_path):
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-u",
            "-m",
            "csms",
            "--port",
            "0",
            "--socket",
            str(tmp_path / "s"),
            "--log",
            str(tmp_path / "log"),
        ),
        *("--token", "GOOD", "--password", "cp001=secret"),
        cwd=HERE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        url = (await process.stderr.readline()).decode().split()[-1]
        header = {"Authorization": "Basic Y3AwMDE6c2VjcmV0"}
        options = {"subprotocols": ["ocpp2.0.1"], "additional_headers": header, "proxy": None}
        async with websockets.connect(f"{url}/cp001", **options) as socket:
            for token, status in (("GOOD", "Accepted"), ("BAD", "Unknown")):
                await socket.send(json.dumps([2, token, "Authorize", {"idToken": {"idToken": token, "type": "Local"}}]))
                assert json.loads(await socket.recv()) == [3, token, {"idTokenInfo": {"status": status}}]
            call = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "csms.call", "--socket", str(tmp_path / "s"), "ClearCache"),
                cwd=HERE,
                stdout=asyncio.subprocess.PIPE,
            )
            id = json.loads(await socket.recv())[1]
            await socket.send(json.dumps([3, id, {"status": "Accepted"}]))
            output, _ = await call.communicate()
            assert call.returncode == 0 and json.loads(output)["result"] == {"status": "Accepted"}
    finally:
        process.terminate()
        output, errors = await process.communicate()
    assert process.returncode == 0, errors
    text = output.decode()
    assert "cp001  ->  Authorize  idToken={idToken=GOOD type=Local}" in text
    assert "cp001  <-  Authorize answered  idTokenInfo={status=Unknown}" in text
    entries = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [one["action"] for one in entries if "frame" in one] == ["Authorize"] * 4 + ["ClearCache"] * 2


async def test_the_program_reports_violations(runner, tmp_path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "csms", "--port", "0", "--json"),
        cwd=HERE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        url = (await process.stderr.readline()).decode().split()[-1]
        async with websockets.connect(f"{url}/cp001", subprotocols=["ocpp2.0.1"], proxy=None) as socket:
            await socket.send('[2,"1","Heartbeat",{"x":1}]')
            assert json.loads(await socket.recv())[:3] == [4, "1", "FormatViolation"]
    finally:
        process.terminate()
        output, errors = await process.communicate()
    assert process.returncode == 1 and b"Additional properties" in errors
    assert any("violations" in json.loads(line) for line in output.splitlines())


TESTS = '''
import pytest
from rig import not_applicable

@pytest.mark.requirement("B01.FR.01", "A00.FR.01")
def test_TC_X_01_CS():
    """It passes."""

def test_TC_X_02_CS():
    """It fails."""
    assert False, "as it should"

def test_TC_X_03_CS():
    not_applicable("no such thing")

@pytest.mark.parametrize("point", ["a", "b"])
def test_TC_X_04_CS(point):
    pass

@pytest.fixture
def broken():
    raise RuntimeError("no set-up")

def test_other(broken):
    pass
'''


def test_results_are_written_by_xdist_workers_too(tmp_path):
    (tmp_path / "test_sample.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        "-c",
        str(HERE / "pytest.ini"),
    ]
    command += ["-p", "conformance_report", "-p", "conftest", "--results", str(tmp_path / "out"), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    results = json.loads((tmp_path / "out" / "cases.json").read_text())
    found = [(one["id"], one["verdict"], one["reason"]) for one in results]
    assert found[0] == ("TC_X_01_CS", "pass", "")
    assert found[1][:2] == ("TC_X_02_CS", "fail") and "as it should" in found[1][2]
    assert found[2] == ("TC_X_03_CS", "not applicable", "no such thing")
    assert [one[:2] for one in found[3:5]] == [("TC_X_04_CS", "pass")] * 2
    assert found[5][:2] == ("other", "error") and "no set-up" in found[5][2]
    assert results[0]["requirements"] == ["A00.FR.01", "B01.FR.01"] and results[0]["title"] == "It passes"
    assert results[3]["variant"] == "a" and results[0]["config"] == "ac-two-evse" and results[0]["duration"] >= 0
    assert "3 pass, 1 fail, 1 error, 1 not applicable; 2 test cases of Part 6 passed" in run.stdout
    for name in ("cases.md", "cases.html"):
        assert "TC_X_03_CS" in (tmp_path / "out" / name).read_text()
