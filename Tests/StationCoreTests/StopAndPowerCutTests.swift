import OCPP
import StationCore
import Testing

/// A stop holds from the moment it is said: the contactor may take seconds to open, and the power may be cut meanwhile.
@Suite("A power cut after the stop")
struct StopAndPowerCutTests {
  private static func settings(_ stopPoint: String) -> [String: String] {
    [
      "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": stopPoint,
      "InternalCtrlr/ResumeTransactionsOnBoot": "true",
    ]
  }

  /// A vehicle that charges, and does not leave C when its offer ends: the contactor opens under load after 6 s.
  private func charging(_ stopPoint: String) -> StationBench {
    let bench = StationBench(Self.settings(stopPoint)).boot()
    bench.carsFollow = false
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.wait(seconds: 1)
    #expect(bench.contactorClosed[1] == true)
    bench.meter(wattHours: 2000)
    bench.forgetCalls()
    return bench
  }

  /// The station comes back from each of these, a vehicle that wants energy is plugged in, and gets none.
  private func comesBack(
    _ cuts: some Sequence<LedgerSnapshot>, _ bench: StationBench, _ stopPoint: String, ended: [String],
    at time: String = "2026-01-01T00:00:01.000Z"
  ) throws {
    let id = bench.station.snapshot.evses[0].transaction?.id
    for cut in cuts {
      let again = bench.restarted(Self.settings(stopPoint), from: cut)
      again.input(.start)
      again.plugIn()
      again.pilot(.c)
      again.linkUp()
      again.wait(seconds: 20)
      #expect(again.contactorClosed[1] != true)
      let events = again.calls("TransactionEvent").filter { $0.text("transactionInfo.transactionId") == id }
      let last = try #require(events.last)
      #expect(
        [
          last.text("eventType"), last.text("triggerReason"), last.text("transactionInfo.stoppedReason"),
          last.text("idToken.idToken"),
        ].compactMap { $0 } == ["Ended"] + ended)
      #expect(last.text("timestamp") == time, "when it was said")
      let values = last["meterValue"]?.arrayValue?.last
      #expect(values?["sampledValue"]?.arrayValue?.first?["value"] == 2000, "what had flowed by then")
      let numbers = events.compactMap { $0["seqNo"]?.intValue }
      #expect(numbers == Array((numbers.first ?? 0)..<(numbers.first ?? 0) + numbers.count))
      #expect(try Replay.run(again.journal).difference == nil)
    }
  }

  // Proves: E06.FR.03, E06.FR.06, E07.FR.01
  @Test(arguments: ["Authorized", "PowerPathClosed"]) func theDriversStop(stopPoint: String) throws {
    let bench = charging(stopPoint)
    let before = bench.ledgerHistory.count
    bench.swipe()
    bench.wait(seconds: 5)
    #expect(bench.contactorClosed[1] == true && bench.events == [])
    #expect(bench.ledgerHistory.count > before)
    try comesBack(
      bench.ledgerHistory[before...], bench, stopPoint, ended: ["StopAuthorized", "Local", "DEADBEEF"])
  }

  /// Where the end of the energy is the stop point, the power cut is it; without a stop the transaction goes on.
  // Proves: E06.FR.07
  @Test(arguments: ["Local", "Remote", nil]) func theEndOfTheEnergy(reason: String?) throws {
    let bench = charging("EnergyTransfer")
    let id = try #require(bench.station.snapshot.evses[0].transaction?.id)
    let before = bench.ledgerHistory.count
    switch reason {
    case "Local": bench.swipe()
    case "Remote": bench.call("RequestStopTransaction", ["transactionId": .string(id)])
    default: break
    }
    bench.wait(seconds: 5)
    #expect(bench.contactorClosed[1] == true && bench.station.snapshot.evses[0].transaction != nil)
    if let reason {
      #expect(bench.ledgerHistory.count > before)
      try comesBack(
        bench.ledgerHistory[before...], bench, "EnergyTransfer", ended: ["ChargingStateChanged", reason],
        at: "2026-01-01T00:00:06.000Z")
    }
    let again = bench.restarted(Self.settings("EnergyTransfer"))
    again.input(.start)
    again.plugIn()
    again.pilot(.c)
    again.linkUp()
    again.wait(seconds: 20)
    #expect((again.station.snapshot.evses[0].transaction?.id == id) == (reason == nil))
    #expect((again.contactorClosed[1] == true) == (reason == nil))
    guard reason != nil else { return }
    again.swipe("CAFEBABE")
    again.wait(seconds: 4)
    #expect(again.contactorClosed[1] == true, "the EVSE is free")
  }

  // Proves: F03.FR.03
  @Test func theStopOfTheCSMS() throws {
    let bench = charging("Authorized")
    let id = try #require(bench.station.snapshot.evses[0].transaction?.id)
    let before = bench.ledgerHistory.count
    #expect(bench.call("RequestStopTransaction", ["transactionId": .string(id)])?.text("status") == "Accepted")
    bench.wait(seconds: 5)
    #expect(bench.ledgerHistory.count > before)
    try comesBack(bench.ledgerHistory[before...], bench, "Authorized", ended: ["RemoteStop", "Remote"])
  }

  /// The next vehicle is there already while the last transaction waits for its meter: it does not inherit the grant.
  // Proves: E06.FR.02
  @Test func theNextVehicleGetsNothingOfIt() throws {
    let bench = charging("EVConnected")
    bench.readings = [:]
    bench.wait(seconds: 1)
    let before = bench.ledgerHistory.count
    bench.plugOut()
    bench.plugIn()
    bench.pilot(.c)
    #expect(bench.events == [])
    #expect(bench.ledgerHistory.count > before)
    try comesBack(
      bench.ledgerHistory[before...], bench, "EVConnected", ended: ["EVCommunicationLost", "EVDisconnected"],
      at: "2026-01-01T00:00:02.000Z")
  }

  /// The ending is over in the ledger too when it is over.
  @Test func itIsToldOnce() throws {
    let bench = charging("Authorized")
    let before = bench.ledgerHistory.count
    let id = bench.station.snapshot.evses[0].transaction?.id
    bench.swipe()
    bench.wait(seconds: 20)
    #expect(bench.calls("TransactionEvent").last?.text("eventType") == "Ended")
    for cut in bench.ledgerHistory[before...] {
      let again = bench.restarted(Self.settings("Authorized"), from: cut).boot()
      again.wait(seconds: 20)
      let ended = again.calls("TransactionEvent").filter {
        $0.text("eventType") == "Ended" && $0.text("transactionInfo.transactionId") == id
      }
      // Delivered before the cut, told once after it, or by the queue.
      let wasOpen = cut.records[.transaction]?["1"] != nil
      let isQueued = cut.outbox.contains { $0.transactionID == id }
      #expect(ended.count == (wasOpen || isQueued ? 1 : 0))
      #expect(again.ledger.records[.transaction]?["1"] == nil)
    }
  }

  /// Deauthorized by the answer to an event, where no stop point is reached: the transaction goes on and the grant is gone.
  // Proves: E05.FR.09
  @Test func aTokenThatTurnedOutInvalidStaysSo() throws {
    let settings = Self.settings("EVConnected")
    let bench = StationBench(settings).boot()
    bench.carsFollow = false
    bench.responder = { call in
      call.action == "TransactionEvent" && call["idToken"] != nil ? nil : StationBench.accepting(call)
    }
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.wait(seconds: 1)
    #expect(bench.contactorClosed[1] == true)
    let open = try #require(bench.calls("TransactionEvent").last)
    let before = bench.ledgerHistory.count
    bench.input(
      .link(.message(JSONValue.array([3, .string(open.id), ["idTokenInfo": ["status": "Blocked"]]]).bytes)))
    #expect(bench.contactorClosed[1] == true, "the vehicle has 6 s")
    #expect(bench.ledgerHistory.count > before)
    let again = bench.restarted(settings, from: bench.ledger)
    again.input(.start)
    again.plugIn()
    again.pilot(.c)
    again.linkUp()
    again.wait(seconds: 20)
    #expect(again.station.snapshot.evses[0].transaction != nil)
    #expect(again.contactorClosed[1] != true)
  }

  /// A time that was known is kept by a boot whose clock is not set.
  @Test func theTimeOfTheStopIsKept() {
    let bench = charging("Authorized")
    bench.swipe()
    let again = StationBench(Self.settings("Authorized"), ledger: bench.ledger, wall: Self.epoch)
    again.input(.start)
    #expect(again.station.clockSource == .unset)
    again.wait(seconds: 30)
    again.linkUp()
    let ended = again.calls("TransactionEvent").last
    #expect(ended?.text("eventType") == "Ended")
    #expect(ended?.text("timestamp") == "2026-01-01T00:00:01.000Z")
  }

  /// When nobody knew the time of the stop, the event is of the moment at which the station was back.
  @Test func aTimeThatNobodyKnew() {
    let settings = Self.settings("Authorized").merging(["AuthCtrlr/OfflineTxForUnknownIdEnabled": "true"]) { $1 }
    let bench = StationBench(settings, wall: Self.epoch)
    bench.input(.start)
    bench.carsFollow = false
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    bench.swipe()
    #expect(bench.station.snapshot.evses[0].transaction != nil)
    let again = StationBench(settings, ledger: bench.ledger, wall: Self.epoch + 3_600_000)
    again.input(.start)
    again.wait(seconds: 30)
    again.linkUp()
    let ended = again.calls("TransactionEvent").last
    #expect(ended?.text("eventType") == "Ended" && ended?.text("transactionInfo.stoppedReason") == "Local")
    #expect(ended?.text("timestamp") == "2025-12-31T23:59:30.000Z", "the CSMS said midnight, 30 s after the start")
  }

  private static let epoch: Int64 = 1_577_836_800_000  // 2020-01-01T00:00:00Z
}
