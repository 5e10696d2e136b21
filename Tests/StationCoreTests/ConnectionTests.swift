import OCPP
import StationCore
import Testing

@Suite("Connection: back-off, ping, offline and back")
struct ConnectionTests {
  // Proves: B01.FR.03 (OCPP-J 5.4: back-off, no BootNotification on a mere reconnection), TC_B_57_CS
  @Test func backOffDoublesWithARandomPartAndIsResetBySuccess() {
    let bench = StationBench([
      "OCPPCommCtrlr/RetryBackOffWaitMinimum": "10", "OCPPCommCtrlr/RetryBackOffRandomRange": "5",
      "OCPPCommCtrlr/RetryBackOffRepeatTimes": "3",
    ])
    bench.input(.start)
    for doublings in [0, 1, 2, 3, 3, 3] {
      bench.linkDown(.connectFailed("refused"))
      let wait = (bench.timers[TimerID("reconnect")] ?? 0) - bench.now.monotonic
      let minimum = Int64(10_000 << doublings)
      #expect((minimum...minimum + 5000).contains(wait))
      bench.wait(milliseconds: wait)
    }
    #expect(bench.connectRequests.count == 7)
    bench.linkUp()
    bench.forgetCalls()
    bench.linkDown()
    let wait = (bench.timers[TimerID("reconnect")] ?? 0) - bench.now.monotonic
    #expect((10_000...15_000).contains(wait))
    bench.wait(milliseconds: wait)
    bench.linkUp()
    #expect(bench.calls("BootNotification").isEmpty)
  }

  @Test func missingPongReplacesTheConnection() {
    let bench = StationBench(["OCPPCommCtrlr/WebSocketPingInterval": "10"]).boot()
    bench.wait(seconds: 10)
    #expect(bench.actions.filter { $0 == .ping }.count == 1)
    bench.answersPing = false
    bench.wait(seconds: 10)
    #expect(bench.station.snapshot.isConnected)
    bench.wait(seconds: 10)
    #expect(!bench.station.snapshot.isConnected)
    #expect(bench.timers[TimerID("reconnect")] != nil)
  }

  @Test func silentPeerIsGivenUp() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "OCPPCommCtrlr/WebSocketPingInterval": "0"]).boot()
    bench.responder = { _ in nil }
    bench.plugIn()
    bench.wait(seconds: 65)
    #expect(bench.actions.contains { if case .disconnect = $0 { true } else { false } })
  }

  @Test func cutUplinkMakesNoAttempt() {
    let bench = StationBench().boot()
    bench.input(.network(online: false))
    let attempts = bench.connectRequests.count
    bench.wait(seconds: 3600)
    #expect(bench.connectRequests.count == attempts)
    bench.input(.network(online: true))
    #expect(bench.connectRequests.count == attempts + 1)
  }

  // Proves: E04.FR.01, E04.FR.02, E04.FR.03, E11.FR.01, E11.FR.02, E11.FR.07, E12.FR.01, E12.FR.02, C15.FR.02, C15.FR.08, TC_E_40_CS
  @Test func offlineSessionIsDeliveredWholeAndInOrder() {
    let bench = StationBench([
      "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected",
      "AuthCtrlr/OfflineTxForUnknownIdEnabled": "true",
    ]).boot()
    bench.linkDown()
    bench.forgetCalls()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    bench.swipe()
    bench.plugOut()
    #expect(bench.ledger.outbox.count == 6)
    bench.wait(seconds: 120)
    bench.linkUp()
    let events = bench.calls("TransactionEvent")
    #expect(events.map { $0["seqNo"]?.intValue } == [0, 1, 2, 3, 4, 5])
    #expect(events.allSatisfy { $0["offline"] == true })
    #expect(bench.ledger.outbox.isEmpty)
  }

  // Proves: E11.FR.07
  @Test func unansweredEventIsSentAgainAsOffline() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    bench.plugIn()
    let first = bench.calls("TransactionEvent").first
    bench.linkDown()
    bench.responder = StationBench.accepting
    bench.forgetCalls()
    bench.wait(seconds: 5)
    bench.linkUp()
    let again = bench.calls("TransactionEvent").first
    #expect(again?.id != first?.id)
    #expect(again?["seqNo"] == 0)
    #expect(again?["offline"] == true)
  }

  /// Found by the simulated world: the failed attempt and the offline mark fall into one input; the ledger holds what
  /// will be sent.
  // Proves: E11.FR.07
  @Test func theLedgerHoldsTheMessageAsItWillBeSent() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "OCPPCommCtrlr/WebSocketPingInterval": "0"]).boot()
    bench.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    bench.plugIn()
    bench.wait(seconds: 300)
    let queued = bench.ledger.outbox.first { $0.action == "TransactionEvent" }
    let payload = queued.flatMap { try? JSONValue.parse($0.payload) }
    #expect(bench.connectRequests.count > 1)
    #expect(payload?["offline"] == true)
  }

  // Proves: E13.FR.01, E13.FR.02, E13.FR.03, E13.FR.04, TC_E_41_CS, TC_E_50_CS
  @Test func failedDeliveryIsRetriedThenGivenUp() {
    let bench = StationBench([
      "TxCtrlr/TxStartPoint": "EVConnected", "OCPPCommCtrlr/MessageAttempts.TransactionEvent": "3",
      "OCPPCommCtrlr/MessageAttemptInterval.TransactionEvent": "10",
    ]).boot()
    bench.responder = { call in call.action == "TransactionEvent" ? ["nonsense": true] : StationBench.accepting(call) }
    bench.plugIn()
    #expect(bench.calls("TransactionEvent").count == 1)
    bench.wait(seconds: 9)
    #expect(bench.calls("TransactionEvent").count == 1)
    bench.wait(seconds: 1)
    #expect(bench.calls("TransactionEvent").count == 2)
    bench.wait(seconds: 19)
    #expect(bench.calls("TransactionEvent").count == 2)
    bench.wait(seconds: 1)
    #expect(bench.calls("TransactionEvent").count == 3)
    #expect(Set(bench.calls("TransactionEvent").map(\.id)).count == 1)
    bench.wait(seconds: 300)
    #expect(bench.calls("TransactionEvent").count == 3)
    #expect(bench.ledger.outbox.isEmpty)
  }

  // Proves: B04.FR.01, B04.FR.02, TC_B_51_CS, TC_B_52_CS
  @Test(arguments: [(61, 2), (30, 1)])
  func statusAfterOffline(seconds: Int64, expected: Int) {
    let bench = StationBench([
      "OCPPCommCtrlr/OfflineThreshold": "60", "OCPPCommCtrlr/RetryBackOffWaitMinimum": "1",
      "OCPPCommCtrlr/RetryBackOffRandomRange": "0", "TxCtrlr/TxStartPoint": "EnergyTransfer",
    ]).boot()
    bench.linkDown()
    bench.plugIn(2)
    bench.forgetCalls()
    bench.wait(seconds: seconds)
    bench.linkUp()
    #expect(bench.calls("StatusNotification").count == expected)
  }

  /// Killed in the middle of a session and started again: the CSMS gets one whole transaction.
  // Proves: E01.FR.02, E01.FR.08, B01.FR.08
  @Test(arguments: [true, false])
  func powerCutDuringASession(resumes: Bool) {
    let settings = [
      "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected",
      "InternalCtrlr/ResumeTransactionsOnBoot": resumes ? "true" : "false",
    ]
    let bench = StationBench(settings).boot()
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.meter(wattHours: 4000)
    bench.linkDown()
    bench.pilot(.b)
    let id = bench.station.snapshot.evses[0].transaction?.id
    let before = bench.calls("TransactionEvent").map { $0["seqNo"]?.intValue ?? -1 }

    let again = StationBench(settings, ledger: bench.ledger)
    again.input(.start)
    #expect(again.contactorClosed[1] != true)
    again.plugIn()
    again.meter(wattHours: 4100)
    again.linkUp()
    if resumes {
      again.pilot(.c)
      #expect(again.contactorClosed[1] == true)
      again.swipe()
      again.plugOut()
    }
    let all = again.calls("TransactionEvent")
    let events = all.filter { $0.text("transactionInfo.transactionId") == id }
    // A vehicle that is still there begins the next one (E01.FR.02).
    #expect(all.dropFirst(events.count).map { $0.text("eventType") } == (resumes ? [] : ["Started"]))
    #expect(before + events.map { $0["seqNo"]?.intValue ?? -1 } == Array(0..<(before.count + events.count)))
    #expect(events.last?.text("eventType") == "Ended")
    #expect(events.last?.text("transactionInfo.stoppedReason") == (resumes ? "Local" : "PowerLoss"))
    if !resumes {
      // No invented energy: the last committed reading.
      #expect(events.last?["meterValue"]?.arrayValue?.last?["sampledValue"]?.arrayValue?.first?["value"] == 4000)
    }
  }

  /// Each attempt finds the same again.
  @Test func whatTheLinkWarnsOfIsLoggedOncePerCause() {
    let bench = StationBench().boot()
    for text in ["b.key cannot be opened", "b.key cannot be opened", "c.key cannot be opened"] {
      bench.input(.link(.warning(text)))
    }
    let lines = bench.actions.compactMap { action -> String? in
      if case .log(.warning, let text) = action, text.contains(".key") { text } else { nil }
    }
    #expect(lines == ["b.key cannot be opened", "c.key cannot be opened"])
    #expect(bench.station.snapshot.isConnected)
  }
}
