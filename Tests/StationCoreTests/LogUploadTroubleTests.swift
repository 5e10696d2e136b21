import OCPP
import Testing

@testable import StationCore

@Suite("GetLog: without a network, without a ledger, and while a customer is cleared")
struct LogUploadTroubleTests {
  private static let clear: JSONValue = [
    "requestId": 1, "report": false, "clear": true, "idToken": ["idToken": "DEADBEEF", "type": "ISO14443"],
  ]

  private static func getLog(
    _ bench: StationBench, _ id: Int = 5, type: String = "DiagnosticsLog", retries: Int? = nil, interval: Int? = nil
  ) -> StationBench.Answer? {
    LogUploadTests.getLog(bench, id, type: type, retries: retries, interval: interval)
  }

  private static func statuses(_ bench: StationBench) -> [String] { LogUploadTests.statuses(bench) }

  /// Transfers that were begun; not those that a failed commit has refused.
  private static func begun(_ bench: StationBench) -> Int {
    bench.transferRequests.count { if case .start = $0.request { true } else { false } }
  }

  /// Requests to end a transfer, or to remove a file.
  private static func ended(_ bench: StationBench) -> Int {
    bench.transferRequests.count {
      switch $0.request {
      case .cancel, .remove: true
      default: false
      }
    }
  }

  // MARK: The network

  /// A station that was away from its network at a power cut has its attempts when it is back.
  /// Proves: N01.FR.09
  @Test func attemptsWaitForTheCSMS() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, retries: 1, interval: 20)
    let after = bench.restarted()
    after.input(.start)
    after.wait(seconds: 590)
    #expect(Self.begun(after) == 0)
    #expect(after.station.snapshot.logUpload?.attemptsLeft == 1)
    after.linkUp()
    #expect(Self.begun(after) == 1)
    LogUploadTests.end(after, .done(bytes: 1000))
    #expect(Self.statuses(after).last == "Uploaded 5")
  }

  /// The file server may be elsewhere.
  /// Proves: N01.FR.10
  @Test func theWaitForTheCSMSEnds() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, retries: 1, interval: 20)
    let after = bench.restarted()
    after.input(.start)
    after.wait(seconds: 599)
    #expect(Self.begun(after) == 0)
    after.wait(seconds: 2)
    #expect(Self.begun(after) == 1)
    LogUploadTests.end(after, .failed(.network, "cut"))
    #expect(after.station.snapshot.logUpload == nil)
    after.linkUp()
    #expect(Self.statuses(after).last == "UploadFailure 5")
  }

  @Test func aLostConnectionHoldsTheNextAttemptBack() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, retries: 3, interval: 20)
    bench.linkDown()
    LogUploadTests.end(bench, .failed(.network, "cut"))
    bench.wait(seconds: 120)
    #expect(Self.begun(bench) == 1)
    bench.linkUp()
    #expect(Self.begun(bench) == 2)
    // Back before the interval is over: the connection does not shorten it.
    bench.linkDown()
    LogUploadTests.end(bench, .failed(.network, "cut"))
    bench.wait(seconds: 5)
    bench.linkUp()
    bench.wait(seconds: 14)
    #expect(Self.begun(bench) == 2)
    bench.wait(seconds: 2)
    #expect(Self.begun(bench) == 3)
  }

  @Test func withoutAnIntervalItIsAMinute() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, retries: 1)
    LogUploadTests.end(bench, .failed(.network, "cut"))
    bench.wait(seconds: 59)
    #expect(Self.begun(bench) == 1)
    bench.wait(seconds: 2)
    #expect(Self.begun(bench) == 2)
  }

  // MARK: The ledger

  /// It is not stored: the CSMS gets an error, and nothing is uploaded or told behind its back.
  @Test func whatIsNotStoredIsNotBegun() throws {
    let bench = StationBench().boot()
    bench.ledgerFails = .medium
    #expect(Self.getLog(bench) == .error("InternalError"))
    bench.ledgerFails = nil
    bench.wait(seconds: 120)
    #expect(bench.station.snapshot.storageIsHealthy)
    #expect(bench.station.snapshot.logUpload == nil)
    #expect(Self.statuses(bench).isEmpty)
    #expect(Self.begun(bench) == 0)
    #expect(bench.ledger.records[.station]?["logUpload"] == nil)
    #expect(!bench.ledger.outbox.contains { $0.action == "LogStatusNotification" })
    // The next one is as any other.
    #expect(Self.getLog(bench, 6)?.text("status") == "Accepted")
    LogUploadTests.end(bench, .done(bytes: 1000))
    #expect(Self.statuses(bench) == ["Uploading 6", "Uploaded 6"])
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// The upload before it goes on as if it had not been asked for.
  @Test func theUploadBeforeGoesOn() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, 5)
    let id = LogUploadTests.transfers(bench)[0].id
    bench.ledgerFails = .medium
    #expect(Self.getLog(bench, 6) == .error("InternalError"))
    bench.ledgerFails = nil
    bench.wait(seconds: 60)
    #expect(bench.station.snapshot.logUpload?.requestId == 5)
    #expect(Self.statuses(bench) == ["Uploading 5"])
    #expect(Self.begun(bench) == 1 && Self.ended(bench) == 0)
    bench.input(.transfer(id: id, .ended(.done(bytes: 1000))))
    #expect(Self.statuses(bench) == ["Uploading 5", "Uploaded 5"])
    #expect(bench.ledger.records[.station]?["logUpload"] == nil)
  }

  @Test func theUploadBeforeMakesItsNextAttempt() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, 5, retries: 1, interval: 30)
    LogUploadTests.end(bench, .failed(.network, "cut"))
    bench.ledgerFails = .medium
    #expect(Self.getLog(bench, 6) == .error("InternalError"))
    bench.ledgerFails = nil
    bench.wait(seconds: 60)
    #expect(Self.begun(bench) == 2)
    #expect(Self.statuses(bench) == ["Uploading 5", "UploadFailure 5", "Uploading 5"])
  }

  /// Its transfer has ended while the ledger was busy failing.
  @Test func theUploadBeforeHasEndedMeanwhile() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, 5)
    let id = LogUploadTests.transfers(bench)[0].id
    bench.logs = { _ in nil }
    _ = Self.getLog(bench, 6)
    var station = bench.station
    let work = bench.logRequests.last?.id ?? 0
    let actions = station.handle(.logs(id: work, .prepared(bytes: 10)), at: bench.now)
    guard case .commit(let writes)? = actions.first else {
      Issue.record("\(actions)")
      return
    }
    _ = station.handle(.transfer(id: id, .ended(.done(bytes: 1000))), at: bench.now)
    let refused = actions.dropFirst().filter { action in
      if case .commit = action { false } else { !action.isImmediate }
    }
    let failure = LedgerFailure(.medium, "test", keys: writes.map(\.key))
    let after = station.handle(.commitFailed(failure, refused: refused), at: bench.now)
    #expect(station.snapshot.logUpload == nil)
    let sent = after.compactMap { action in
      if case .send(let frame) = action { String(decoding: frame, as: UTF8.self) } else { nil }
    }
    #expect(sent.contains { $0.contains("LogStatusNotification") && $0.contains("Uploaded") })
  }

  // MARK: Customers

  /// What is in the upload must not be left behind by a clearing, and a clearing does not wait for months.
  /// Proves: N10.FR.01, N10.FR.03, N01.FR.10
  @Test func clearingACustomerEndsAnUpload() {
    for isWaiting in [false, true] {
      let bench = StationBench().boot()
      let file = Self.getLog(bench, retries: 100, interval: 86_400)?.text("filename") ?? ""
      if isWaiting { LogUploadTests.end(bench, .failed(.network, "cut")) }
      #expect(bench.call("CustomerInformation", Self.clear)?.text("status") == "Accepted")
      #expect(bench.station.snapshot.logUpload == nil)
      #expect(Self.statuses(bench) == ["Uploading 5", "UploadFailure 5"] + (isWaiting ? ["UploadFailure 5"] : []))
      #expect(LogUploadTests.isRemoved(file, bench))
      #expect(bench.ledger.records[.station]?["logUpload"] == nil)
      bench.wait(seconds: 100_000)
      #expect(Self.begun(bench) == 1)
    }
  }

  /// It holds no customer.
  @Test func theSecurityLogIsUploadedAllTheSame() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, type: "SecurityLog")
    #expect(bench.call("CustomerInformation", Self.clear)?.text("status") == "Accepted")
    LogUploadTests.end(bench, .done(bytes: 1000))
    #expect(Self.statuses(bench) == ["Uploading 5", "Uploaded 5"])
  }

  /// Proves: N10.FR.05
  @Test func whileALogIsPutTogetherNothingIsCleared() {
    let bench = StationBench().boot()
    bench.logs = { _ in nil }
    _ = Self.getLog(bench)
    #expect(bench.call("CustomerInformation", Self.clear)?.text("status") == "Rejected")
  }

  /// A clearing that is not stored ends no upload and owes nothing.
  @Test func aClearingThatIsNotStoredEndsNothing() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench)
    bench.ledgerFails = .medium
    #expect(bench.call("CustomerInformation", Self.clear) == .error("InternalError"))
    bench.ledgerFails = nil
    bench.wait(seconds: 60)
    #expect(Self.ended(bench) == 0)
    #expect(bench.ledger.records[.station]?["customerClear"] == nil)
    LogUploadTests.end(bench, .done(bytes: 1000))
    #expect(Self.statuses(bench) == ["Uploading 5", "Uploaded 5"])
    let after = bench.restarted().boot()
    #expect(!after.logRequests.contains { if case .customer = $0.request { true } else { $0.request == .erase } })
  }
}
