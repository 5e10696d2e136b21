import OCPP
import Testing

@testable import StationCore

@Suite("Customer information: told and cleared, everywhere")
struct CustomerInformationTests {
  private static let token: JSONValue = ["idToken": "DEADBEEF", "type": "ISO14443"]
  private static let settings = [
    "AuthCacheCtrlr/Enabled": "true", "LocalAuthListCtrlr/Enabled": "true", "TxCtrlr/TxStartPoint": "Authorized",
    "TxCtrlr/TxStopPoint": "Authorized",
  ]

  private static func ask(
    _ bench: StationBench, report: Bool, clear: Bool,
    _ reference: [JSONMember] = [JSONMember(name: "idToken", value: token)]
  ) -> String? {
    bench.forgetCalls()
    return bench.call(
      "CustomerInformation",
      .object(
        [
          JSONMember(name: "requestId", value: 7), JSONMember(name: "report", value: .bool(report)),
          JSONMember(name: "clear", value: .bool(clear)),
        ] + reference))?.text("status")
  }

  /// The report, put together; its parts are checked.
  private static func report(_ bench: StationBench) -> String {
    let parts = bench.calls("NotifyCustomerInformation")
    #expect(!parts.isEmpty)
    for (index, part) in parts.enumerated() {
      #expect(part["requestId"] == 7)
      #expect(part["seqNo"]?.intValue == index)
      #expect((part["tbc"] == true) == (index < parts.count - 1))
      #expect((part.text("data") ?? "").unicodeScalars.count <= 512)
    }
    return parts.compactMap { $0.text("data") }.joined()
  }

  private static func cached() -> StationBench {
    let bench = StationBench(settings).boot()
    bench.swipe()
    bench.swipe()
    bench.wait(seconds: 60)
    return bench
  }

  /// Proves: N09.FR.02, N09.FR.05
  @Test func whatIsInTheCacheIsTold() {
    let bench = Self.cached()
    #expect(Self.ask(bench, report: true, clear: false) == "Accepted")
    let text = Self.report(bench)
    #expect(text.contains("Authorization cache") && text.contains("DEADBEEF"))
    #expect(bench.ledger.records[.authorizationCache]?.isEmpty == false)
    // Another customer's is not.
    let other = [JSONMember(name: "idToken", value: ["idToken": "CAFEBABE", "type": "ISO14443"])]
    #expect(Self.ask(bench, report: true, clear: false, other) == "Accepted")
    #expect(Self.report(bench).isEmpty)
  }

  /// Proves: N09.FR.06, N10.FR.04
  @Test func noDataIsOneEmptyPart() {
    for clear in [false, true] {
      let bench = StationBench(Self.settings).boot()
      #expect(Self.ask(bench, report: true, clear: clear) == "Accepted")
      #expect(bench.calls("NotifyCustomerInformation").map { $0.text("data") } == [""])
    }
  }

  /// Proves: N10.FR.01, N10.FR.03
  @Test func clearedAndTold() {
    let bench = Self.cached()
    #expect(Self.ask(bench, report: true, clear: true) == "Accepted")
    #expect(Self.report(bench).contains("Authorization cache"))
    #expect(bench.ledger.records[.authorizationCache]?.isEmpty != false)
    #expect(Self.ask(bench, report: true, clear: false) == "Accepted")
    #expect(Self.report(bench).isEmpty)
    // The logs were asked to forget, and the ledger knows when they have.
    #expect(
      bench.logRequests.contains { $0.request == .customer(identifiers: ["DEADBEEF"], clear: true, limit: 32 << 10) })
    #expect(bench.ledger.records[.station]?["customerClear"] == nil)
    let mentions = bench.ledger.records.values.joined().filter {
      String(decoding: $0.value, as: UTF8.self).contains("DEADBEEF")
    }
    #expect(mentions.isEmpty)
  }

  /// Proves: N10.FR.06
  @Test func clearedWithoutReport() {
    let bench = Self.cached()
    #expect(Self.ask(bench, report: false, clear: true) == "Accepted")
    #expect(Self.report(bench) == "The customer's data were cleared.")
    #expect(bench.ledger.records[.authorizationCache]?.isEmpty != false)
  }

  /// Proves: N10.FR.03
  @Test func theLocalListStays() {
    let bench = StationBench(Self.settings).boot()
    bench.call(
      "SendLocalList",
      [
        "versionNumber": 1, "updateType": "Full",
        "localAuthorizationList": [["idToken": Self.token, "idTokenInfo": ["status": "Accepted"]]],
      ])
    #expect(Self.ask(bench, report: true, clear: true) == "Accepted")
    #expect(Self.report(bench).contains("Local authorization list"))
    #expect(bench.ledger.records[.localList]?.count == 1)
  }

  /// Proves: N09.FR.09
  @Test func oneReferenceIsNeeded() {
    let bench = StationBench(Self.settings).boot()
    let identifier = JSONMember(name: "customerIdentifier", value: "customer-1")
    #expect(Self.ask(bench, report: true, clear: false, []) == "Invalid")
    #expect(
      Self.ask(bench, report: true, clear: false, [identifier, JSONMember(name: "idToken", value: Self.token)])
        == "Invalid")
    #expect(bench.calls("NotifyCustomerInformation").isEmpty)
  }

  /// Proves: N09.FR.07, N10.FR.07
  @Test func nothingAskedIsRejected() {
    let bench = StationBench(Self.settings).boot()
    #expect(Self.ask(bench, report: false, clear: false) == "Rejected")
    #expect(bench.calls("NotifyCustomerInformation").isEmpty)
  }

  /// Proves: N09.FR.03, N10.FR.05
  @Test func rejectedWhenItCannotBeDone() {
    let bench = Self.cached()
    bench.logs = { _ in nil }
    #expect(Self.ask(bench, report: true, clear: false) == "Accepted")
    #expect(Self.ask(bench, report: true, clear: false) == "Rejected")
    let failing = Self.cached()
    failing.ledgerFails = .full
    failing.setVariable("TxCtrlr", "EVConnectionTimeOut", "33")
    #expect(Self.ask(failing, report: true, clear: true) == "Rejected")
  }

  /// Nothing is taken from a transaction that the CSMS does not have yet, and the report says so.
  /// Proves: N10.FR.03
  @Test func undeliveredTransactionsAreKept() {
    let bench = StationBench(Self.settings).boot()
    bench.swipe()
    bench.wait(seconds: 1)
    let id = bench.station.snapshot.evses.compactMap(\.transaction?.id).first ?? ""
    #expect(!id.isEmpty)
    bench.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    bench.swipe()
    bench.wait(seconds: 5)
    bench.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    let queued = bench.ledger.outbox.map(\.payload)
    #expect(!queued.isEmpty)
    #expect(Self.ask(bench, report: false, clear: true) == "Accepted")
    #expect(bench.ledger.outbox.map(\.payload) == queued)
    let known: JSONValue = ["status": "Accepted", "groupIdToken": ["idToken": "FAMILY", "type": "Central"]]
    bench.responder = { call in
      call.action == "TransactionEvent" ? .members(["idTokenInfo": known]) : StationBench.accepting(call)
    }
    bench.wait(seconds: 60)
    #expect(Self.report(bench).contains("Kept until the CSMS has it"))
    #expect(Self.report(bench).contains(id))
    // Delivered, with an answer that was remembered: all is cleared again, once.
    #expect(bench.ledger.outbox.isEmpty)
    #expect(bench.ledger.records[.authorizationCache]?.isEmpty != false)
    #expect(bench.ledger.records[.station]?["customerClear"] == nil)
    func clears(_ bench: StationBench) -> Int {
      bench.logRequests.count { $0.request == .customer(identifiers: ["DEADBEEF"], clear: true, limit: 0) }
    }
    #expect(clears(bench) == 2)
    bench.swipe()
    bench.wait(seconds: 60)
    #expect(clears(bench) == 2)
  }

  /// A power cut, and a ledger that fails, while something is kept.
  @Test func whatIsKeptIsClearedAfterAPowerCutToo() {
    let bench = StationBench(Self.settings).boot()
    bench.swipe()
    bench.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    bench.swipe()
    bench.wait(seconds: 5)
    #expect(Self.ask(bench, report: false, clear: true) == "Accepted")
    let after = bench.restarted(Self.settings)
    after.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    after.boot()
    after.wait(seconds: 5)
    #expect(after.ledger.records[.station]?["customerClear"] != nil)
    after.ledgerFails = .medium
    after.responder = StationBench.accepting
    after.wait(seconds: 60)
    after.ledgerFails = nil
    after.wait(seconds: 120)
    #expect(after.ledger.outbox.isEmpty)
    #expect(after.ledger.records[.station]?["customerClear"] == nil)
    #expect(after.ledger.records[.authorizationCache]?.isEmpty != false)
  }

  /// Proves: N10.FR.03
  @Test func whatWasGivenUpLosesTheCustomerNotTheEnergy() {
    let bench = StationBench(
      Self.settings.merging([
        "OCPPCommCtrlr/MessageAttempts.TransactionEvent": "1",
        "OCPPCommCtrlr/MessageAttemptInterval.TransactionEvent": "0",
      ]) { $1 }
    ).boot()
    bench.responder = { call in call.action == "TransactionEvent" ? ["idTokenInfo": 5] : StationBench.accepting(call) }
    bench.swipe()
    bench.swipe()
    bench.wait(seconds: 600)
    #expect(bench.station.undeliveredMessages.contains { $0.text.contains("DEADBEEF") })
    let count = bench.station.undeliveredMessages.count
    bench.responder = StationBench.accepting
    #expect(Self.ask(bench, report: true, clear: true) == "Accepted")
    #expect(Self.report(bench).contains("Given up: "))
    #expect(bench.station.undeliveredMessages.count == count)
    #expect(!bench.station.undeliveredMessages.contains { $0.text.contains("DEADBEEF") })
    let stored = (bench.ledger.records[.undelivered] ?? [:]).values.map { String(decoding: $0, as: UTF8.self) }
    #expect(stored.count == count)
    #expect(stored.allSatisfy { !$0.contains("DEADBEEF") && $0.contains("transactionInfo") })
  }

  /// By the identifier of the group that the CSMS told.
  /// Proves: N10.FR.03
  @Test func byCustomerIdentifier() {
    let bench = StationBench(Self.settings)
    bench.responder = { call in
      guard call["idToken"] != nil else { return StationBench.accepting(call) }
      return ["idTokenInfo": ["status": "Accepted", "groupIdToken": ["idToken": "customer-1", "type": "Central"]]]
    }
    bench.boot()
    bench.swipe()
    bench.swipe()
    bench.wait(seconds: 60)
    let reference = [JSONMember(name: "customerIdentifier", value: "Customer-1")]
    #expect(Self.ask(bench, report: true, clear: true, reference) == "Accepted")
    #expect(Self.report(bench).contains("customer-1"))
    #expect(Self.ask(bench, report: true, clear: false, reference) == "Accepted")
    #expect(Self.report(bench).isEmpty)
  }

  /// Proves: N09.FR.06
  @Test func byCertificateNothingIsKnown() {
    let bench = Self.cached()
    let reference = [
      JSONMember(
        name: "customerCertificate",
        value: [
          "hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "cc",
        ])
    ]
    #expect(Self.ask(bench, report: true, clear: true, reference) == "Accepted")
    #expect(Self.report(bench).isEmpty)
    #expect(bench.ledger.records[.authorizationCache]?.isEmpty == false)
  }

  /// A power cut between the ledger and the logs leaves nothing half cleared.
  @Test func powerCutBetweenLedgerAndLogs() {
    let bench = Self.cached()
    bench.logs = { _ in nil }
    #expect(Self.ask(bench, report: true, clear: true) == "Accepted")
    let after = bench.restarted(Self.settings).boot()
    #expect(after.logRequests.contains { $0.request == .customer(identifiers: ["DEADBEEF"], clear: true, limit: 0) })
    #expect(after.ledger.records[.station]?["customerClear"] == nil)
    #expect(after.ledger.records[.authorizationCache]?.isEmpty != false)
    // And one before the medium was rid of the record that said whom to clear.
    let late = Self.cached()
    late.logs = { request in request == .erase ? nil : .customer(lines: [], count: 0, problems: []) }
    #expect(Self.ask(late, report: true, clear: true) == "Accepted")
    #expect(late.calls("NotifyCustomerInformation").isEmpty)
    let last = late.restarted(Self.settings).boot()
    #expect(last.logRequests.map(\.request).contains(.erase))
    #expect(!last.logRequests.contains { if case .customer = $0.request { true } else { false } })
    #expect(last.ledger.records[.station]?["customerClear"] == nil)
  }

  @Test func whatCouldNotBeClearedIsSaidAndTriedAgain() {
    let bench = Self.cached()
    bench.logs = { request in
      request == .erase ? .done : .customer(lines: [], count: 3, problems: ["/data/x: Read-only file system"])
    }
    #expect(Self.ask(bench, report: false, clear: true) == "Accepted")
    #expect(Self.report(bench).contains("Not cleared: /data/x: Read-only file system"))
    let after = bench.restarted(Self.settings).boot()
    #expect(after.ledger.records[.station]?["customerClear"] == nil)
  }

  /// What the commit refused is as it was.
  @Test func failedCommitTakesItBack() {
    let bench = Self.cached()
    bench.ledgerFails = .medium
    bench.forgetCalls()
    let answer = bench.call(
      "CustomerInformation", ["requestId": 7, "report": true, "clear": true, "idToken": Self.token])
    #expect(answer == .error("InternalError"))
    bench.ledgerFails = nil
    bench.wait(seconds: 60)
    #expect(Self.ask(bench, report: true, clear: false) == "Accepted")
    #expect(Self.report(bench).contains("Authorization cache"))
    // Nor is it done at the next start.
    #expect(bench.ledger.records[.station]?["customerClear"] == nil)
    let after = bench.restarted(Self.settings).boot()
    #expect(!after.logRequests.contains { if case .customer = $0.request { true } else { $0.request == .erase } })
  }

  /// The CSMS is told of a key code; the journal, which has the request, the work on the logs, the ledger and the report, is not:
  /// neither by the code nor by the group that it belongs to, nor after a power cut in the middle.
  /// Proves: C04.FR.04, N09.FR.05
  @Test func aKeyCodeIsInNoJournal() throws {
    let code = "47110815"
    let bench = StationBench(Self.settings)
    bench.responder = { call in
      guard call["idToken"] != nil else { return StationBench.accepting(call) }
      return ["idTokenInfo": ["status": "Accepted", "groupIdToken": ["idToken": "customer-1", "type": "Central"]]]
    }
    bench.boot()
    let token = IdTokenType(idToken: code, type: .keyCode)
    for _ in 0..<2 { bench.input(.hardware(.token(TokenPresentation(idToken: token, evses: [1])))) }
    bench.wait(seconds: 60)
    let byGroup = [JSONMember(name: "customerIdentifier", value: "customer-1")]
    #expect(Self.ask(bench, report: true, clear: false, byGroup) == "Accepted")
    #expect(Self.report(bench).contains(code))
    let byCode = [JSONMember(name: "idToken", value: ["idToken": .string(code), "type": "KeyCode"])]
    #expect(Self.ask(bench, report: true, clear: false, byCode) == "Accepted")
    #expect(Self.report(bench).contains(code))
    bench.logs = { _ in nil }
    #expect(Self.ask(bench, report: true, clear: true, byCode) == "Accepted")
    #expect(!String(decoding: bench.journal, as: UTF8.self).contains(code))
    #expect(try Replay.run(bench.journal).difference == nil)
    let after = bench.restarted(Self.settings).boot()
    let work = LogRequest.customer(identifiers: [CustomerIdentifier(code, isKeyCode: true)], clear: true, limit: 0)
    #expect(after.logRequests.contains { $0.request == work })
    #expect(after.ledger.records[.station]?["customerClear"] == nil)
    #expect(!String(decoding: after.journal, as: UTF8.self).contains(code))
    #expect(try Replay.run(after.journal).difference == nil)
  }

  @Test func identifiers() {
    let one = CustomerIdentifiers(["DEADBEEF"])
    #expect(one.blotted("deadbeef") == "***")
    #expect(one.blotted("token DeadBeef: refused, DEADBEEF") == "token ***: refused, ***")
    #expect(one.blotted("xDEADBEEF DEADBEEF2") == "xDEADBEEF DEADBEEF2")
    let short = CustomerIdentifiers(["12"])
    #expect(short.blotted("12") == "***")
    #expect(short.blotted("at 12 o'clock") == "at 12 o'clock")
    #expect(!CustomerIdentifiers([""]).isIn(""))
    let value: JSONValue = ["a": ["b": "deadbeef", "c": 5], "d": ["x", "DEADBEEF"]]
    #expect(one.isIn(value))
    #expect(one.blotted(value) == ["a": ["b": "***", "c": 5], "d": ["x", "***"]])
  }
}
