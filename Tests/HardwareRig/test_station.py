"""The station's own program inside the machine, its CSMS on the host: a whole session over the machine's network."""

import asyncio
import sys

import inside
from states import Session
from station_adapter import station_binary


def test_a_session_of_the_station_inside_reaches_the_csms_on_the_host(station_inside):
    async def body(rig):
        await rig.start({"TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"})
        session = Session(rig)
        await session.energy_transfer_started()
        await asyncio.sleep(2)
        await rig.station.plug_out(1)
        ended = await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
        ended.check({"transactionInfo.stoppedReason": "EVDisconnected"})
        (transaction,) = rig.csms.transactions.values()
        assert transaction.ended and not list(transaction.problems())

    station_inside(body)


def test_a_station_killed_inside_keeps_its_transaction(station_inside):
    async def body(rig):
        await rig.start({"TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"})
        await Session(rig).energy_transfer_started()
        await rig.station.kill()
        await rig.station.start()
        ended = await rig.csms.expect("TransactionEvent", {"eventType": "Ended"})
        ended.check({"transactionInfo.stoppedReason": "PowerLoss"})
        (transaction,) = rig.csms.transactions.values()
        assert [event["seqNo"] for event in transaction.in_order] == list(range(len(transaction.in_order)))

    station_inside(body)


def test_the_station_inside_reads_a_meter_whose_slave_is_inside_too(bench):
    """The Modbus rig's slaves run in the machine as well: a session on real drivers has both there."""
    slaves = bench.spawn(sys.executable, inside.ROOT / "Tests/ModbusRig/slaves.py", "tcp:1502", "fault", "silent")
    bench.machine.wait_output(slaves, "ready", within=60)
    common = ["meter", "read", "--host", "127.0.0.1", "--port", 1502, "--model", "eastron-sdm630", "--unit"]
    answer = bench.machine.run(station_binary(), *common, 1, cwd=str(inside.ROOT))
    assert "kWh" in answer["out"] or "Wh" in answer["out"], answer
    silent = bench.machine.run(station_binary(), *common, 2, cwd=str(inside.ROOT), check=False)
    assert silent["code"] != 0, silent
