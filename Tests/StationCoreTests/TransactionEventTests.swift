import OCPP
import StationCore
import Testing

@Suite("Transactions: what their events hold")
struct TransactionEventTests {
  private func reading(_ current: [Int64]) -> HardwareEvent {
    .meter(MeterReading(evse: 1, energyImport: 1_000_000, power: 1_000_000, current: current))
  }

  // Proves: E01.FR.09, E01.FR.10, E02.FR.06, E02.FR.17, E02.FR.18, E02.FR.19, E01.FR.15, E01.FR.18
  @Test func beginValuesTokenAndPhases() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.meter(wattHours: 1000)
    bench.plugIn()
    let started = bench.calls("TransactionEvent").first
    #expect(bench.events == ["Started CablePluggedIn EVConnected"])
    #expect(started?["meterValue.0.sampledValue.0.context"] == "Transaction.Begin")
    #expect(started?["meterValue.0.sampledValue.0.value"] == 1000)
    #expect(started?["numberOfPhasesUsed"] == nil)
    bench.swipe()
    #expect(bench.calls("TransactionEvent").last?.text("idToken.idToken") == "DEADBEEF")
    bench.pilot(.c)
    #expect(bench.events.suffix(2) == ["Updated Authorized EVConnected", "Updated ChargingStateChanged Charging"])
    #expect(bench.calls("TransactionEvent").last?["numberOfPhasesUsed"] == 3)
    bench.input(.hardware(reading([16_000, 0, 0])))
    bench.call("TriggerMessage", ["requestedMessage": "TransactionEvent"])
    #expect(bench.calls("TransactionEvent").last?["numberOfPhasesUsed"] == 1)
  }

  /// A long session samples more than fits: first and last stay, of the others every second one goes.
  // Proves: E06.FR.11, E06.FR.12, E06.FR.13, J02.FR.20
  @Test func tooManySamplesForTheEnd() {
    let bench = StationBench([
      "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected",
      "SampledDataCtrlr/TxEndedInterval": "1", "SampledDataCtrlr/TxEndedMeasurands": "Energy.Active.Import.Register",
    ]).boot()
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    for second in 1...150 {
      bench.meter(wattHours: 1000 + Int64(second))
      bench.wait(seconds: 1)
    }
    bench.meter(wattHours: 2000)
    bench.plugOut()
    let values = bench.calls("TransactionEvent").last?["meterValue"]?.arrayValue ?? []
    let energy = values.compactMap { $0["sampledValue"]?.arrayValue?.first?["value"]?.intValue }
    let contexts = values.compactMap { $0["sampledValue"]?.arrayValue?.first?["context"]?.stringValue }
    #expect((60...121).contains(energy.count))
    #expect(energy.first == 1000 && energy.last == 2000)
    #expect(contexts.first == "Transaction.Begin" && contexts.last == "Transaction.End")
    let gaps = zip(energy.dropFirst(), energy.dropFirst(2)).map { $1 - $0 }.dropLast()
    #expect(gaps.allSatisfy { $0 == 1 || $0 == 2 }, "\(energy)")
    #expect(gaps.contains(2))
  }

  // Proves: E10.FR.02
  @Test func aVehicleThatDoesNotComeBackToACaptiveCable() {
    let bench = StationBench(
      [
        "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "Authorized",
        "TxCtrlr/StopTxOnEVSideDisconnect": "false", "TxCtrlr/EVConnectionTimeOut": "40",
      ], folder: "ac-one-evse"
    ).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.plugOut()
    bench.wait(seconds: 39)
    #expect(bench.events.last == "Updated EVCommunicationLost Idle")
    bench.wait(seconds: 1)
    #expect(bench.events.last == "Ended EVConnectTimeout Idle")
    bench.plugIn()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == false)
  }

  // Proves: E08.FR.01, E08.FR.04, E04.FR.01, E04.FR.02, E04.FR.03, E06.FR.10
  @Test func stoppedOffline() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "Authorized"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.linkDown()
    bench.forgetCalls()
    bench.swipe()
    #expect(bench.contactorClosed[1] == false)
    #expect(!bench.station.snapshot.evses[0].connectors[0].locked)
    #expect(bench.ledger.outbox.contains { String(decoding: $0.payload, as: UTF8.self).contains("\"Ended\"") })
    bench.wait(seconds: 5)
    bench.linkUp()
    #expect(bench.events.last == "Ended StopAuthorized EVConnected")
    #expect(bench.calls("TransactionEvent").allSatisfy { $0["offline"] == true })
  }

  // Proves: E14.FR.02, E14.FR.03, E14.FR.04, E14.FR.05, E14.FR.06, E14.FR.07, E14.FR.08
  @Test func whatWaitsForTheCSMS() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"]).boot()
    bench.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    bench.plugIn()
    let id = JSONValue.string(bench.station.snapshot.evses[0].transaction?.id ?? "")
    func status(_ payload: JSONValue) -> StationBench.Answer? { bench.call("GetTransactionStatus", payload) }
    #expect(status(["transactionId": id]) == .result(["messagesInQueue": true, "ongoingIndicator": true]))
    #expect(status([:]) == .result(["messagesInQueue": true]))
    bench.plugOut()
    #expect(status(["transactionId": id]) == .result(["messagesInQueue": true, "ongoingIndicator": false]))
    bench.linkDown()
    bench.responder = StationBench.accepting
    bench.wait(seconds: 5)
    bench.linkUp()
    #expect(status(["transactionId": id]) == .result(["messagesInQueue": false, "ongoingIndicator": false]))
    #expect(status([:]) == .result(["messagesInQueue": false]))
  }
}
