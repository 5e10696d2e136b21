import OCPP
import StationCore
import Testing

/// What becomes of a transaction, and of its EVSE, that the power cut found open.
@Suite("A transaction that is resumed or ended after a power cut")
struct ResumeTests {
  private static func settings(_ more: [String: String], resumes: Bool = true) -> [String: String] {
    [
      "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected",
      "InternalCtrlr/ResumeTransactionsOnBoot": resumes ? "true" : "false",
    ].merging(more) { $1 }
  }

  private func charging(_ settings: [String: String], folder: String = "ac-two-evse") -> StationBench {
    let bench = StationBench(settings, folder: folder).boot()
    bench.meter(wattHours: 1000)
    bench.plugIn()
    if settings["AuthCtrlr/Enabled"] != "false" { bench.swipe() }
    bench.pilot(.c)
    bench.wait(seconds: 4)
    #expect(bench.contactorClosed[1] == true)
    return bench
  }

  /// It ends before the hardware has said whether its vehicle is there: the EVSE is the next one's, at any connector.
  // Proves: E06.FR.03, E06.FR.16, F01.FR.23, F03.FR.03
  @Test(arguments: ["EmergencyStop", "Remote", "Local"], [1, 2])
  func whatEndsWhileItsVehicleIsAwaitedIsOver(reason: String, connector: Int) throws {
    let folder = connector == 2 ? "ac-two-connectors" : "ac-two-evse"
    let bench = charging(Self.settings([:]), folder: folder)
    let id = try #require(bench.station.snapshot.evses[0].transaction?.id)
    let again = StationBench(Self.settings([:]), folder: folder, ledger: bench.ledger, wall: bench.now.wall)
    again.input(.start)
    again.linkUp()
    let fault = HardwareFault(name: "EmergencyStop", evse: 0)
    switch reason {
    case "Remote":
      #expect(again.call("RequestStopTransaction", ["transactionId": .string(id)])?.text("status") == "Accepted")
    case "Local": again.swipe()
    default: again.input(.hardware(.faultRaised(fault)))
    }
    let ended = try #require(again.calls("TransactionEvent").last)
    #expect(ended.text("eventType") == "Ended" && ended.text("transactionInfo.transactionId") == id)
    #expect(ended.text("transactionInfo.stoppedReason") == reason)
    again.input(.hardware(.faultCleared(fault)))
    again.wait(seconds: 10)
    let start: JSONValue = [
      "idToken": ["idToken": "CAFEBABE", "type": "ISO14443"], "remoteStartId": 7, "evseId": 1,
    ]
    #expect(again.call("RequestStartTransaction", start)?.text("status") == "Accepted")
    again.input(.hardware(.cable(evse: 1, connector: connector, ratingAmperes: 32)))
    again.input(.hardware(.pilot(evse: 1, connector: connector, state: .b)))
    again.input(.hardware(.pilot(evse: 1, connector: connector, state: .c)))
    again.wait(seconds: 4)
    #expect(again.contactorClosed[1] == true)
    #expect(again.calls("TransactionEvent").last?["evse.connectorId"] == .int(connector))
    #expect(try Replay.run(again.journal).difference == nil)
  }

  /// A token that the CSMS did not accept gets no more energy after the power cut than before it.
  // Proves: E05.FR.02, E05.FR.03
  @Test(arguments: [0, 500]) func anInvalidTokenStaysInvalid(allowed: Int64) throws {
    let settings = Self.settings([
      "TxCtrlr/StopTxOnInvalidId": "false", "TxCtrlr/MaxEnergyOnInvalidId": "\(allowed)",
    ])
    let bench = StationBench(settings).boot()
    bench.responder = { call in
      call.action == "TransactionEvent" && call["idToken"] != nil
        ? ["idTokenInfo": ["status": "Blocked"]] : StationBench.accepting(call)
    }
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect((bench.contactorClosed[1] == true) == (allowed > 0))
    let again = bench.restarted(settings)
    again.input(.start)
    again.meter(wattHours: 1000)
    again.plugIn()
    again.pilot(.c)
    again.linkUp()
    again.wait(seconds: 10)
    #expect(again.station.snapshot.evses[0].transaction != nil)
    #expect((again.contactorClosed[1] == true) == (allowed > 0))
    guard allowed > 0 else { return }
    again.meter(wattHours: 1499)
    #expect(again.contactorClosed[1] == true)
    again.meter(wattHours: 1500)
    #expect(again.contactorClosed[1] == false)
    #expect(try Replay.run(again.journal).difference == nil)
  }

  /// Where a vehicle is all it takes, the one that is still there gets the next transaction.
  // Proves: C02.FR.01, E01.FR.02
  @Test(arguments: ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"])
  func aFreeChargerGoesOn(startPoint: String) throws {
    let settings = Self.settings(
      ["AuthCtrlr/Enabled": "false", "TxCtrlr/TxStartPoint": startPoint], resumes: false)
    let bench = charging(settings)
    let id = try #require(bench.station.snapshot.evses[0].transaction?.id)
    let again = bench.restarted(settings)
    again.input(.start)
    again.plugIn()
    again.pilot(.c)
    again.linkUp()
    again.wait(seconds: 10)
    #expect(again.contactorClosed[1] == true)
    let told = again.calls("TransactionEvent").filter { $0.text("eventType") != "Updated" }
    #expect(told.map { $0.text("eventType") } == ["Ended", "Started"])
    #expect(told.map { $0.text("transactionInfo.transactionId") == id } == [true, false])
    #expect(told.first?.text("transactionInfo.stoppedReason") == "PowerLoss")
    #expect(try Replay.run(again.journal).difference == nil)
  }
}
