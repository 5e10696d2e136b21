import OCPP
import StationCore
import Testing

@Suite("Journal and replay")
struct JournalTests {
  /// A whole session with its boot, recorded and run again: the same actions, byte for byte.
  @Test func aChargingSessionReplaysToTheByte() throws {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "SampledDataCtrlr/TxUpdatedInterval": "60"])
    bench.boot()
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.wait(seconds: 30)
    bench.meter(wattHours: 1100)
    bench.wait(seconds: 40)
    bench.linkDown()
    bench.swipe()
    bench.plugOut()
    bench.wait(seconds: 10)
    bench.linkUp()
    bench.call("GetBaseReport", ["requestId": 1, "reportBase": "FullInventory"])
    bench.input(.network(online: false))
    bench.input(.control(id: 3, .dataTransfer(vendorId: "x", messageId: nil, data: ["a": [1, "2.5", nil]])))
    bench.input(.hardware(.faultRaised(HardwareFault(name: "UnderVoltage", evse: 0))))
    bench.input(
      .commitFailed(
        LedgerFailure(.full, "disk full", keys: [.message(3), .record(.transaction, "1")]), refused: [.ping]))
    bench.input(.storageLow(true))
    bench.input(.ledgerDamaged(LedgerDamage("x", salvagedMessages: 1, salvagedRecords: 2)))
    bench.input(.shutdown)
    let result = try Replay.run(bench.journal)
    #expect(result.difference == nil)
    #expect(result.inputs == bench.inputCount)
    #expect(result.inputs > 40)
  }

  @Test func aChangedInputIsFound() throws {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.plugIn()
    var lines = bench.journal.split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
    let pilot = try #require(lines.firstIndex { $0.contains(#""pilot":"#) })
    let parts = lines[pilot].split(separator: #""state":"B""#, maxSplits: 1)
    lines[pilot] = parts.joined(separator: #""state":"E""#)
    let result = try Replay.run(Array(lines.joined(separator: "\n").utf8))
    #expect(result.difference?.line == pilot + 1)
  }

  @Test func passwordsAreNotRecorded() throws {
    let secret = "correct-horse-battery"
    let bench = StationBench(["SecurityCtrlr/BasicAuthPassword": secret]).boot()
    #expect(bench.connectRequests.first?.basicAuthPassword == secret)
    bench.call(
      "SetVariables",
      [
        "setVariableData": [
          [
            "component": ["name": "SecurityCtrlr"], "variable": ["name": "BasicAuthPassword"],
            "attributeValue": "another-secret-0001",
          ]
        ]
      ])
    let text = String(decoding: bench.journal, as: UTF8.self)
    #expect(!text.contains(secret))
    #expect(!text.contains("another-secret-0001"))
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  @Test(arguments: ["", "nonsense\n", "{}\n", "{\"journal\":99,\"at\":[0,0],\"start\":{}}\n"])
  func whatIsNoJournalIsRefused(text: String) {
    #expect(throws: JournalError.self) { try Replay.run(Array(text.utf8)) }
  }
}
