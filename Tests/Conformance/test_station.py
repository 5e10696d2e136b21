"""What is ours and not Part 6: power cuts, two stations side by side, data directories that cannot be used."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat

import pytest

from rig import Rig
from states import Session
from station_adapter import station_binary

requirement = pytest.mark.requirement

POINTS = {"TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"}


@requirement("E01.FR.02", "E01.FR.08", "B01.FR.08")
@pytest.mark.parametrize("resumes", [True, False], ids=["resumed", "ended"])
@pytest.mark.parametrize("keeps", [True, False], ids=["cable stays", "cable gone"])
async def test_killed_during_a_session(rig: Rig, resumes: bool, keeps: bool):
    """SIGKILL while charging, then started again: the transaction has no gap, it is ended or resumed as configured"""
    settings = POINTS | {"InternalCtrlr/ResumeTransactionsOnBoot": "true" if resumes else "false"}
    await rig.start(settings, arguments=["--simulation-state", "keep"] if keeps else [])
    session = Session(rig)
    await session.energy_transfer_started()
    await rig.station.kill()
    await rig.station.start()
    if resumes and keeps:
        await rig.csms.expect("TransactionEvent", {"transactionInfo.chargingState": "Charging"})
        await rig.station.plug_out(1)
        reason = "EVDisconnected"
    else:
        reason = "PowerLoss"
    ended = await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
    ended.check({"transactionInfo.stoppedReason": reason})
    begins = keeps and not resumes
    if begins:
        # The vehicle is still there (E01.FR.02).
        await rig.csms.expect("TransactionEvent", {"eventType": "Started", "triggerReason": "CablePluggedIn"})
    transaction, *others = rig.csms.transactions.values()
    assert transaction.ended
    assert len(others) == int(begins)
    assert not list(transaction.problems())
    assert [event["seqNo"] for event in transaction.in_order] == list(range(len(transaction.in_order)))


async def run(*arguments: str, prefix: list[str] | None = None) -> tuple[int, str]:
    """Exit code and output of `station` with these arguments, executed by `prefix`."""
    process = await asyncio.create_subprocess_exec(
        *(prefix or []),
        str(station_binary()),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    return process.returncode or 0, output.decode()


def options(rig: Rig, data: object) -> list[str]:
    model = station_binary().parent
    while not (model / "DeviceModel").is_dir():
        model = model.parent
    return [
        "--config-dir",
        str(model / "DeviceModel" / "ac-two-evse"),
        "--data-dir",
        str(data),
        "--csms-url",
        rig.csms.url,
    ]


async def test_second_process_is_refused(rig: Rig):
    """A data directory serves one process; the second one says which process has it, and ends"""
    await rig.start()
    data = rig.station.launch.folder / "data"
    code, output = await run("run", *options(rig, data), "--control-socket", str(data / "second.sock"))
    assert (code, len(output.strip().splitlines())) == (3, 1), output
    assert str(data) in output


async def test_unusable_data_directories(rig: Rig, tmp_path):
    """A data directory that is a file, or whose ledger is another program's, is reported in one line and left as it is"""
    await rig.start()
    file = tmp_path / "file"
    file.write_text("not a directory")
    code, output = await run("run", *options(rig, file))
    assert (code, len(output.strip().splitlines())) == (3, 1), output
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    with sqlite3.connect(foreign / "ledger.sqlite") as other:
        other.execute("CREATE TABLE somebody_elses (x)")
    before = (foreign / "ledger.sqlite").read_bytes()
    code, output = await run("run", *options(rig, foreign))
    assert (code, len(output.strip().splitlines())) == (3, 1), output
    assert (foreign / "ledger.sqlite").read_bytes() == before


@requirement("E12.FR.01", "E12.FR.02")
async def test_damaged_ledger(rig: Rig):
    """A ledger whose first pages are overwritten is kept aside; what was queued in it is delivered, the CSMS is told"""
    await rig.start(POINTS | {"AuthCtrlr/OfflineTxForUnknownIdEnabled": "true"})
    await rig.station.network(False)
    for _ in range(20):
        await rig.station.plug_in(1)
        await rig.station.plug_out(1)
    await rig.station.stop()
    data = rig.station.launch.folder / "data"
    with open(data / "ledger.sqlite", "r+b") as file:
        file.write(b"\xa5" * 4096)
    rig.csms.forget()
    await rig.station.start()
    for _ in range(20):
        await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
    await rig.csms.expect("NotifyEvent", {"eventData[0].techCode": "LedgerDamaged"})
    assert any("damaged" in one.name for one in data.iterdir())
    assert len(rig.csms.transactions) == 20


async def test_control_socket_is_the_owners(rig: Rig):
    """The control socket has mode 0600"""
    await rig.start()
    mode = os.stat(rig.station.control_socket).st_mode
    assert stat.S_IMODE(mode) == 0o600
