import DeviceModel
import OCPP
import StationCore
import Testing

/// The queue for the CSMS: its bound, what is given up, and the deviations that are tolerated.
@Suite("Outbox: bounds, undelivered messages, quirks")
struct OutboxTests {
  private let settings = [
    "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected",
    "SampledDataCtrlr/TxUpdatedInterval": "60", "InternalCtrlr/OutboxMaxBytes": "65536",
  ]

  private func events(_ bench: StationBench) -> [JSONValue] {
    bench.ledger.outbox.filter { $0.action == "TransactionEvent" }.compactMap { try? JSONValue.parse($0.payload) }
  }

  // Proves: E11.FR.04, E11.FR.05, E12.FR.04, E12.FR.05, J02.FR.12, J02.FR.13
  @Test func updatedEventsAreThinnedInTheMiddleAndNothingElse() {
    let bench = StationBench(settings).boot()
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.linkDown()
    for minute in 1...600 {
      bench.meter(wattHours: 1000 + Int64(minute) * 10)
      bench.wait(seconds: 60)
    }
    bench.swipe()
    bench.plugOut()
    let snapshot = bench.station.snapshot
    #expect(snapshot.thinnedMessages > 400)
    #expect(snapshot.queuedBytes <= 65536)
    #expect(snapshot.queuedMessages == bench.ledger.outbox.count)
    let queued = events(bench)
    let numbers = queued.compactMap { $0["seqNo"]?.intValue }
    #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
    #expect(queued.last?["eventType"] == "Ended")
    // The first and the last of what could go are there, and so is every event that is not just meter values.
    let periodic = queued.filter { $0["triggerReason"] == "MeterValuePeriodic" }
    let seq = { (event: JSONValue?) in event?["seqNo"]?.intValue ?? -1 }
    #expect(periodic.count > 10)
    let gaps = zip(periodic, periodic.dropFirst()).map { seq($1) - seq($0) }
    #expect(gaps.filter { $0 > 1 }.count > 5)
    #expect(
      queued.contains { $0["triggerReason"] == "StopAuthorized" || $0["triggerReason"] == "ChargingStateChanged" })
    let again = bench.restarted(settings).boot()
    #expect(again.ledger.outbox.isEmpty)
    #expect(again.calls("TransactionEvent").count == queued.count)
  }

  /// Started and Ended stay; once they fill the outbox no further transaction begins.
  @Test func aFullOutboxBeginsNoTransaction() {
    let bench = StationBench(settings.merging(["AuthCtrlr/OfflineTxForUnknownIdEnabled": "true"]) { $1 }).boot()
    bench.linkDown()
    var begun = 0
    for _ in 0..<400 {
      bench.plugIn()
      if bench.station.snapshot.evses[0].transaction != nil { begun += 1 }
      bench.plugOut()
    }
    #expect(begun > 20 && begun < 400)
    let queued = events(bench)
    for type in ["Started", "Ended"] { #expect(queued.filter { $0["eventType"] == .string(type) }.count == begun) }
    bench.wait(seconds: 5)
    bench.linkUp()
    let left = bench.ledger.outbox.count
    #expect(left == 0)
    bench.plugIn()
    #expect(bench.station.snapshot.evses[0].transaction != nil)
  }

  // Proves: E13.FR.04
  @Test func whatIsGivenUpIsKeptCountedAndExported() {
    let settings = [
      "TxCtrlr/TxStartPoint": "EVConnected", "OCPPCommCtrlr/MessageAttempts.TransactionEvent": "2",
      "OCPPCommCtrlr/MessageAttemptInterval.TransactionEvent": "1",
    ]
    let bench = StationBench(settings).boot()
    bench.responder = { call in call.action == "TransactionEvent" ? ["nonsense": true] : StationBench.accepting(call) }
    bench.plugIn()
    bench.wait(seconds: 60)
    #expect(bench.ledger.outbox.isEmpty)
    #expect(bench.station.quirks[.transactionEventAnswerInvalid] == 2)
    let again = bench.restarted(settings)
    let kept = again.station.undeliveredMessages
    #expect(kept.count == 1 && again.station.snapshot.undeliveredMessages == 1)
    #expect(kept.first?["payload"]?["eventType"] == "Started")
    #expect(kept.first?["attempts"] == 2)
    again.input(.control(id: 1, .discardUndelivered))
    #expect(again.station.undeliveredMessages.isEmpty)
    #expect(again.restarted(settings).station.snapshot.undeliveredMessages == 1)
    #expect(again.ledger.records[.undelivered]?.isEmpty == true)
  }

  /// Were the next one sent first, a power cut would bring the one that was given up back behind it.
  @Test func nothingOvertakesAnEventWhoseEndIsNotStored() {
    let settings = [
      "TxCtrlr/TxStartPoint": "EVConnected", "OCPPCommCtrlr/MessageAttempts.TransactionEvent": "1",
    ]
    let bench = StationBench(settings).boot()
    bench.linkDown()
    bench.plugIn()
    bench.plugOut()
    #expect(bench.ledger.outbox.count >= 2)
    let wait = (bench.timers[TimerID("reconnect")] ?? 0) - bench.now.monotonic
    bench.wait(milliseconds: wait)
    bench.responder = { call in
      guard call.action == "TransactionEvent" else { return StationBench.accepting(call) }
      if call.payload["eventType"] == "Started" {
        bench.ledgerFails = .medium
        return ["nonsense": true]
      }
      return StationBench.accepting(call)
    }
    bench.linkUp()
    bench.wait(seconds: 30)
    #expect(bench.calls("TransactionEvent").compactMap { $0.text("eventType") } == ["Started"])
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.ledger.outbox.isEmpty)
    #expect(bench.calls("TransactionEvent").count { $0.text("eventType") == "Started" } == 1)
    #expect(bench.station.snapshot.undeliveredMessages == 1)
  }

  @Test func outboxIdsAreNeverReused() {
    let bench = StationBench(settings).boot()
    bench.plugIn()
    let first = bench.actions.flatMap(enqueued)
    let again = bench.restarted(settings).boot()
    again.plugIn(2)
    let second = again.actions.flatMap(enqueued)
    #expect(!first.isEmpty && !second.isEmpty)
    #expect((first.max() ?? 0) < (second.min() ?? 0))
  }

  private func enqueued(_ action: Action) -> [Int64] {
    guard case .commit(let writes) = action else { return [] }
    return writes.compactMap { if case .enqueue(let message) = $0 { message.id } else { nil } }
  }

  @Test func queueAllMessagesKeepsWhatHappensOffline() {
    let bench = StationBench(["OCPPCommCtrlr/QueueAllMessages": "true", "TxCtrlr/TxStartPoint": "EnergyTransfer"])
      .boot()
    bench.linkDown()
    bench.forgetCalls()
    bench.plugIn()
    bench.plugOut()
    let again = bench.restarted(["OCPPCommCtrlr/QueueAllMessages": "true"]).boot()
    let statuses = again.calls("StatusNotification").compactMap { $0.text("connectorStatus") }
    #expect(statuses.filter { $0 == "Occupied" }.count == 1)
  }

  @Test func deviationsAreCountedByName() {
    let bench = StationBench(["ClockCtrlr/TimeSource": "Heartbeat"])
    bench.responder = { call in
      call.action == "BootNotification"
        ? ["currentTime": "2026-01-01T00:00:05", "interval": 300, "status": "Accepted"] : StationBench.accepting(call)
    }
    bench.boot()
    #expect(bench.station.snapshot.registration == "Accepted")
    bench.input(.link(.message(Array(#"[3,"nobody",{}]"#.utf8))))
    #expect(bench.station.quirks == [.currentTimeWithoutZone: 1, .answerToNoCall: 1])
    #expect(bench.station.clockSource == .csms)
  }
}
