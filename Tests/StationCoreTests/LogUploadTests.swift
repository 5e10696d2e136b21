import OCPP
import Testing

@testable import StationCore

@Suite("GetLog: every status, in order, over retries, new requests and power cuts")
struct LogUploadTests {
  static let location = "http://127.0.0.1:9/logs/"

  static func getLog(
    _ bench: StationBench, _ id: Int = 5, type: String = "DiagnosticsLog", location: String = location,
    retries: Int? = nil, interval: Int? = nil, oldest: String? = nil, latest: String? = nil
  ) -> StationBench.Answer? {
    func number(_ name: String, _ value: Int?) -> [JSONMember] {
      value.map { [JSONMember(name: name, value: .int($0))] } ?? []
    }
    func text(_ name: String, _ value: String?) -> [JSONMember] {
      value.map { [JSONMember(name: name, value: .string($0))] } ?? []
    }
    let log = JSONValue.object(
      [JSONMember(name: "remoteLocation", value: .string(location))] + text("oldestTimestamp", oldest)
        + text("latestTimestamp", latest))
    return bench.call(
      "GetLog",
      .object(
        [
          JSONMember(name: "requestId", value: .int(id)), JSONMember(name: "logType", value: .string(type)),
          JSONMember(name: "log", value: log),
        ] + number("retries", retries) + number("retryInterval", interval)))
  }

  static func statuses(_ bench: StationBench) -> [String] {
    bench.calls("LogStatusNotification").map { "\($0.text("status") ?? "?") \($0["requestId"]?.intValue ?? -1)" }
  }

  static func transfers(_ bench: StationBench) -> [(id: Int64, transfer: Transfer)] {
    bench.actions.compactMap { action in
      if case .transfer(let id, .start(let transfer)) = action { (id, transfer) } else { nil }
    }
  }

  static func end(_ bench: StationBench, _ result: TransferResult) {
    guard let last = transfers(bench).last else {
      Issue.record("no transfer")
      return
    }
    bench.input(.transfer(id: last.id, .ended(result)))
  }

  static func isRemoved(_ file: String, _ bench: StationBench) -> Bool {
    bench.actions.contains { if case .transfer(_, .remove(file)) = $0 { true } else { false } }
  }

  /// Proves: N01.FR.01, N01.FR.02, N01.FR.04, N01.FR.07, N01.FR.08, N01.FR.09
  @Test func uploaded() {
    let bench = StationBench().boot()
    let answer = Self.getLog(bench)
    #expect(answer?.text("status") == "Accepted")
    let file = answer?.text("filename") ?? ""
    #expect(file.hasPrefix("cp001-DiagnosticsLog-2026") && file.utf8.count <= 100)
    #expect(
      bench.logRequests.last?.request == .prepare(file: file, .diagnostics(oldest: nil, latest: nil)))
    let transfer = Self.transfers(bench).last?.transfer
    #expect(transfer?.file == file && transfer?.direction == .upload && transfer?.kind == .log)
    #expect(transfer?.location == Self.location && transfer?.remoteName == file)
    #expect(Self.statuses(bench) == ["Uploading 5"])
    #expect(bench.station.snapshot.logUpload?.status == "Uploading")
    Self.end(bench, .done(bytes: 1000))
    #expect(Self.statuses(bench) == ["Uploading 5", "Uploaded 5"])
    #expect(bench.station.snapshot.logUpload == nil)
    #expect(Self.isRemoved(file, bench))
    #expect(bench.ledger.records[.station]?["logUpload"] == nil)
  }

  /// Proves: N01.FR.03
  @Test func securityLog() {
    let bench = StationBench().boot()
    #expect(Self.getLog(bench, type: "SecurityLog")?.text("status") == "Accepted")
    guard case .prepare(_, .lines(let lines))? = bench.logRequests.last?.request else {
      Issue.record("\(bench.logRequests)")
      return
    }
    #expect(lines == bench.station.securityLog.lines)
    #expect(SecurityLog.problems(lines, after: .beginning).isEmpty)
  }

  /// Proves: N01.FR.05
  @Test func nothingFromThatTimeIsRejected() {
    let bench = StationBench().boot()
    let before = "2020-01-01T00:00:00Z"
    #expect(Self.getLog(bench, type: "SecurityLog", latest: before)?.text("status") == "Rejected")
    bench.logs = { request in if case .prepare = request { .nothing } else { .done } }
    #expect(Self.getLog(bench, latest: before)?.text("status") == "Rejected")
    #expect(
      bench.logRequests.contains {
        if case .prepare(_, .diagnostics(nil, 1_577_836_800_000)) = $0.request { true } else { false }
      })
    #expect(Self.getLog(bench, oldest: "2026-02-01T00:00:00Z", latest: before)?.text("status") == "Rejected")
    bench.logs = { _ in .failed("/data/transfers: No space left on device") }
    let failed = Self.getLog(bench)
    #expect(failed?.text("status") == "Rejected")
    #expect(failed?.text("statusInfo.additionalInfo")?.contains("No space") == true)
    #expect(Self.transfers(bench).isEmpty)
    #expect(Self.statuses(bench).isEmpty)
  }

  @Test(arguments: ["gopher://h/x", "nonsense", "http://", "http:///x", "ftp://a b/", "HTTP//x"])
  func locationThatCannotBe(location: String) {
    let bench = StationBench().boot()
    #expect(Self.getLog(bench, location: location)?.text("status") == "Rejected")
    #expect(Self.transfers(bench).isEmpty)
  }

  @Test func protocolThatTheStationDoesNotHave() {
    let bench = StationBench(["OCPPCommCtrlr/FileTransferProtocols": "HTTPS,SFTP"]).boot()
    #expect(Self.getLog(bench)?.text("status") == "Rejected")
    #expect(Self.getLog(bench, location: "sftp://u:p@127.0.0.1/x/")?.text("status") == "Accepted")
  }

  /// Proves: N01.FR.07, N01.FR.10
  @Test func retries() {
    let bench = StationBench().boot()
    let began = bench.now.monotonic
    #expect(Self.getLog(bench, retries: 3, interval: 20)?.text("status") == "Accepted")
    var moments: [Int64] = []
    for _ in 0..<4 {
      moments.append((bench.now.monotonic - began) / 1000)
      bench.wait(seconds: 2)
      Self.end(bench, .failed(.network, "cut"))
      bench.wait(seconds: 18)
    }
    #expect(moments == [0, 20, 40, 60])
    #expect(Self.transfers(bench).map(\.transfer.resumes) == [false, true, true, true])
    #expect(Self.statuses(bench) == Array(repeating: ["Uploading 5", "UploadFailure 5"], count: 4).flatMap { $0 })
    #expect(bench.station.snapshot.logUpload == nil)
    bench.wait(seconds: 100)
    #expect(Self.transfers(bench).count == 4)
  }

  /// Proves: N01.FR.10
  @Test(arguments: [
    (TransferFailure.refused, "PermissionDenied"), (.unsupported, "NotSupportedOperation"),
    (.badMessage, "BadMessage"), (.network, "UploadFailure"), (.server, "UploadFailure"), (.storage, "UploadFailure"),
    (.process, "UploadFailure"),
  ])
  func failures(reason: TransferFailure, status: String) {
    let bench = StationBench().boot()
    _ = Self.getLog(bench)
    Self.end(bench, .failed(reason, "why"))
    #expect(Self.statuses(bench) == ["Uploading 5", "\(status) 5"])
  }

  /// Proves: N01.FR.12, N01.FR.20, N01.FR.07
  @Test func aNewRequestCancelsTheOld() {
    let bench = StationBench().boot()
    let old = Self.getLog(bench, 5)?.text("filename") ?? ""
    let new = Self.getLog(bench, 6)
    #expect(new?.text("status") == "AcceptedCanceled")
    #expect(new?.text("filename")?.isEmpty == false && new?.text("filename") != old)
    #expect(Self.statuses(bench) == ["Uploading 5", "AcceptedCanceled 5", "Uploading 6"])
    #expect(
      bench.actions.contains {
        if case .transfer(let id, .cancel) = $0 { id == Self.transfers(bench)[0].id } else { false }
      })
    #expect(Self.isRemoved(old, bench))
    // What the old one still says counts for nothing.
    bench.input(.transfer(id: Self.transfers(bench)[0].id, .ended(.failed(.cancelled, "cancelled"))))
    Self.end(bench, .done(bytes: 1000))
    #expect(Self.statuses(bench) == ["Uploading 5", "AcceptedCanceled 5", "Uploading 6", "Uploaded 6"])
  }

  /// While it waits for its next attempt too; one that is refused cancels nothing.
  @Test func aNewRequestWhileTheOldWaits() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, 5, retries: 5, interval: 60)
    Self.end(bench, .failed(.network, "cut"))
    #expect(Self.getLog(bench, 6, location: "nonsense")?.text("status") == "Rejected")
    #expect(bench.station.snapshot.logUpload?.requestId == 5)
    #expect(Self.getLog(bench, 7)?.text("status") == "AcceptedCanceled")
    bench.wait(seconds: 300)
    #expect(Self.statuses(bench) == ["Uploading 5", "UploadFailure 5", "AcceptedCanceled 5", "Uploading 7"])
  }

  /// Proves: F06.FR.14, F06.FR.15, N01.FR.13
  @Test func triggered() {
    let bench = StationBench().boot()
    func trigger() -> [String] {
      bench.forgetCalls()
      #expect(
        bench.call("TriggerMessage", ["requestedMessage": "LogStatusNotification"])?.text("status") == "Accepted")
      return Self.statuses(bench)
    }
    #expect(trigger() == ["Idle -1"])
    _ = Self.getLog(bench)
    #expect(trigger() == ["Uploading 5"])
    Self.end(bench, .done(bytes: 1))
    #expect(trigger() == ["Idle -1"])
  }

  @Test func progressIsInTheState() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench)
    let id = Self.transfers(bench)[0].id
    bench.input(.transfer(id: id, .progress(done: 400, total: 1000)))
    #expect(bench.station.snapshot.logUpload?.sent == 400)
    #expect(bench.station.snapshot.logUpload?.bytes == 1000)
  }

  /// At every moment at which something was durable: the CSMS that was told Accepted hears of an end.
  @Test func powerCuts() {
    for retries in [0, 2] {
      let bench = StationBench().boot()
      bench.forgetCalls()
      let start = bench.ledgerHistory.count
      _ = Self.getLog(bench, retries: retries, interval: 10)
      for ledger in bench.ledgerHistory[start...] where ledger.records[.station]?["logUpload"] != nil {
        let after = bench.restarted(from: ledger).boot()
        let file = after.station.snapshot.logUpload?.file
        let kept = after.actions.compactMap { if case .transfer(_, .keepOnly(let files)) = $0 { files } else { nil } }
        if retries > 0 {
          #expect(kept == [[file ?? ""]])
          #expect(Self.transfers(after).last?.transfer.resumes == true)
          Self.end(after, .done(bytes: 1000))
          #expect(Self.statuses(after).last == "Uploaded 5")
        } else {
          #expect(Self.statuses(after).last == "UploadFailure 5")
          #expect(Self.transfers(after).isEmpty)
        }
        #expect(after.station.snapshot.logUpload == nil)
        #expect(after.ledger.records[.station]?["logUpload"] == nil)
      }
    }
  }

  /// The CSMS is away when it ends: it hears of it when it is back.
  @Test func endsOffline() {
    let bench = StationBench().boot()
    _ = Self.getLog(bench)
    bench.linkDown()
    Self.end(bench, .done(bytes: 1000))
    bench.wait(seconds: 60)
    bench.forgetCalls()
    bench.linkUp()
    #expect(Self.statuses(bench) == ["Uploaded 5"])
  }

  /// The connection is lost before the answer: the CSMS knows of nothing, and nothing is uploaded.
  @Test func connectionLostBeforeTheAnswer() {
    let bench = StationBench().boot()
    bench.logs = { _ in nil }
    #expect(Self.getLog(bench) == nil)
    let id = bench.logRequests.last?.id ?? 0
    // A second one must wait for the first.
    #expect(Self.getLog(bench, 6)?.text("status") == "Rejected")
    bench.linkDown()
    bench.wait(seconds: 60)
    bench.linkUp()
    bench.input(.logs(id: id, .prepared(bytes: 10)))
    #expect(Self.transfers(bench).isEmpty)
    #expect(bench.station.snapshot.logUpload == nil)
    #expect(bench.actions.contains { if case .transfer(_, .remove) = $0 { true } else { false } })
  }

  /// No password of a location is in the journal.
  @Test func journal() throws {
    let bench = StationBench().boot()
    _ = Self.getLog(bench, location: "ftp://user:s3cret-Word@127.0.0.1/x/", retries: 1)
    Self.end(bench, .failed(.network, "cut"))
    let text = String(decoding: bench.journal, as: UTF8.self)
    #expect(!text.contains("s3cret-Word"))
    #expect(try Replay.run(bench.journal).difference == nil)
    var codes = KeyCodeNames()
    let after = Journal.line(
      for: StationStart(model: bench.station.model, ledger: bench.ledger, seed: 1, bootReason: .powerUp),
      at: bench.now, &codes)
    #expect(!String(decoding: after, as: UTF8.self).contains("s3cret-Word"))
  }
}
