import StationCore
import Testing
import Threads

@testable import Ledger
@testable import ledger_torture

@Suite struct CommitTests {
  let message = QueuedMessage(
    id: 7, transactionID: "tx", action: "TransactionEvent", messageID: "m7", payload: Array("{\"ü\":1}".utf8),
    attempts: 2)

  @Test func whatIsCommittedIsFoundAgain() throws {
    let scratch = try Scratch()
    let (ledger, empty) = try scratch.open()
    #expect(empty == LedgerSnapshot())
    var expected = LedgerSnapshot()
    for collection in LedgerCollection.allCases {
      for (key, value) in [
        ("", []), ("a", [0]), ("ключ\u{0}x🔌", [UInt8](0...255)), ("big", .init(repeating: 7, count: 100_000)),
      ] {
        try ledger.commitNow([.put(collection, key: key, value: value)])
        expected.records[collection, default: [:]][key] = value
      }
    }
    var odd = message
    odd.id = .min
    odd.transactionID = nil
    odd.action = ""
    odd.messageID = "\u{0}"
    odd.payload = []
    odd.attempts = .max
    try ledger.commitNow([.enqueue(message), .enqueue(odd)])
    expected.outbox = [odd, message]
    ledger.close()
    #expect(try scratch.content() == expected)
    #expect(try scratch.content() == expected)
  }

  @Test func laterWritesReplaceEarlierOnes() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    var retried = message
    retried.attempts = 3
    try ledger.commitNow([
      .put(.station, key: "a", value: [1]), .put(.station, key: "b", value: [1]), .put(.variable, key: "a", value: [9]),
      .enqueue(message), .enqueue(QueuedMessage(id: 8, transactionID: nil, action: "x", messageID: "m8", payload: [])),
    ])
    try ledger.commitNow([
      .put(.station, key: "a", value: [2]), .delete(.station, key: "b"), .delete(.station, key: "none"),
      .enqueue(retried), .dequeue(id: 8), .dequeue(id: 99),
    ])
    ledger.close()
    #expect(
      try scratch.content()
        == LedgerSnapshot(records: [.station: ["a": [2]], .variable: ["a": [9]]], outbox: [retried]))
  }

  @Test func aLedgerThatIsReopenedContinues() throws {
    let scratch = try Scratch()
    for number in 1...5 {
      let (ledger, found) = try scratch.open()
      #expect(found == Workload.expected(1..<number))
      try ledger.commitNow(Workload.group(number))
      ledger.close()
    }
  }

  @Test func completionsComeInOrderAndWaitingGroupsShareAFlush() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    let entered = Signal<Void>()
    let release = Signal<Void>()
    let order = Collected<Int>()
    ledger.commit(Workload.group(1)) { _ in
      order.append(1)
      entered.set(())
      release.wait()
    }
    entered.wait()
    for number in 2...200 {
      ledger.commit(Workload.group(number)) { result in
        if case .success = result { order.append(number) }
      }
    }
    #expect(ledger.statistics.waiting == 199)
    release.set(())
    ledger.close()
    #expect(order.values == Array(1...200))
    let statistics = ledger.statistics
    #expect(statistics.commits == 2)
    #expect(statistics.groups == 200)
    #expect(statistics.failedGroups == 0)
    #expect(statistics.waiting == 0)
    #expect(statistics.writes == (1...200).reduce(0) { $0 + Workload.group($1).count })
    #expect(statistics.payloadBytes > 200 * 2 * 1200)
    #expect(statistics.bytesWritten > statistics.payloadBytes / 200)
    #expect(try scratch.content() == Workload.expected(1...200))
  }

  @Test func aCommitWithoutWritesSucceeds() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    try ledger.commitNow([])
    #expect(ledger.statistics.commits == 0)
  }

  @Test func beyondTheQueuesLimitGroupsAreRefusedInTheirTurn() throws {
    let scratch = try Scratch()
    var options = Ledger.Options()
    options.maximumWaitingGroups = 3
    options.maximumWaitingBytes = 4000
    let (ledger, _) = try scratch.open(options)
    let entered = Signal<Void>()
    let release = Signal<Void>()
    let results = Collected<String>()
    @Sendable func record(_ name: String, _ result: Result<Void, LedgerError>) {
      switch result {
      case .success: results.append(name)
      case .failure(let error): results.append("\(name) \(error.kind)")
      }
    }
    ledger.commit([]) { _ in
      entered.set(())
      release.wait()
    }
    entered.wait()
    ledger.commit([.put(.station, key: "a", value: [1])]) { record("a", $0) }
    ledger.commit([.put(.station, key: "huge", value: .init(repeating: 1, count: 5000))]) { record("huge", $0) }
    ledger.commit([.put(.station, key: "b", value: .init(repeating: 1, count: 3999))]) { record("b", $0) }
    ledger.commit([.put(.station, key: "c", value: [3])]) { record("c", $0) }
    ledger.commit([.put(.station, key: "d", value: [4])]) { record("d", $0) }
    release.set(())
    ledger.close()
    #expect(results.values == ["a", "huge tooLarge", "b backlog", "c backlog", "d backlog"])
    #expect(ledger.statistics.failedGroups == 4)
    #expect(try scratch.content().records == [.station: ["a": [1]]])
  }

  @Test func atTheSizeLimitWhatNeedsRoomFailsAndWhatMakesRoomWorks() throws {
    let scratch = try Scratch()
    var options = Ledger.Options()
    options.maximumSize = 200_000
    let (ledger, _) = try scratch.open(options)
    func fill(_ id: Int64) -> LedgerWrite {
      .enqueue(
        QueuedMessage(
          id: id, transactionID: "t", action: "A", messageID: "\(id)", payload: .init(repeating: 65, count: 10_000)))
    }
    var stored: [Int64] = []
    var failure: LedgerError?
    for id in 1...40 as ClosedRange<Int64> {
      do throws(LedgerError) {
        try ledger.commitNow([fill(id)])
        stored.append(id)
      } catch {
        failure = error
        break
      }
    }
    #expect(failure?.kind == .full)
    #expect(failure?.text.contains("size limit") == true)
    #expect(stored.count > 10)
    // In one flush with a group that fails, the others still count.
    let entered = Signal<Void>()
    let release = Signal<Void>()
    let results = Collected<Bool>()
    ledger.commit([]) { _ in
      entered.set(())
      release.wait()
    }
    entered.wait()
    ledger.commit([fill(101), fill(102)]) {
      if case .success = $0 { results.append(true) } else { results.append(false) }
    }
    ledger.commit([.dequeue(id: 1), .dequeue(id: 2), .dequeue(id: 3)]) {
      if case .success = $0 { results.append(true) } else { results.append(false) }
    }
    release.set(())
    try ledger.commitNow([fill(103)])
    #expect(results.values == [false, true])
    ledger.close()
    #expect(try scratch.content().outbox.map(\.id) == stored.dropFirst(3) + [103])
  }

  @Test func afterCloseNothingIsWritten() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    #expect(ledger.close() == nil)
    #expect(ledger.close() == nil)
    #expect(throws: LedgerError.self) { try ledger.commitNow([.put(.station, key: "a", value: [])]) }
    let kinds = Collected<LedgerError.Kind>()
    ledger.commit([]) { if case .failure(let error) = $0 { kinds.append(error.kind) } }
    #expect(kinds.values == [.closed])
    #expect(try scratch.content() == LedgerSnapshot())
  }

  @Test func aLongLogIsMovedIntoTheDatabase() throws {
    let scratch = try Scratch()
    var options = Ledger.Options()
    options.checkpointPages = 50
    let (ledger, _) = try scratch.open(options)
    for number in 1...200 { try ledger.commitNow(Workload.group(number)) }
    #expect(ledger.statistics.checkpoints > 5)
    #expect(Scratch.read(scratch.database + "-wal").count < 100 * 4200)
    ledger.close()
    #expect(try scratch.content() == Workload.expected(1...200))
  }
}

/// Values appended by the ledger's thread.
final class Collected<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private var collected: [Value] = []

  func append(_ value: Value) { lock.with { collected.append(value) } }
  var values: [Value] { lock.with { collected } }
}
