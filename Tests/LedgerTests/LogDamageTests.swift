import Glibc
import StationCore
import Testing

@testable import Ledger
@testable import ledger_torture

/// A damaged write-ahead log, or one without its database.
@Suite(.serialized) struct LogDamageTests {
  /// A ledger killed after `commits`, with everything since the last checkpoint in its log.
  private func killed(_ scratch: Scratch, commits: Int = 8) throws {
    let torture = try Torture(["work", scratch.data, "--commits", "\(commits + 1)", "--pause-after", "\(commits)"])
    for number in 1...commits { #expect(torture.line() == "\(number)") }
    torture.kill()
    _ = torture.finish()
  }

  private func change(_ file: String, _ body: (inout [UInt8]) -> Void) throws {
    var bytes = Scratch.read(file)
    body(&bytes)
    try Scratch.write(bytes, to: file)
  }

  private func withoutDamage(_ snapshot: LedgerSnapshot) -> LedgerSnapshot {
    LedgerSnapshot(records: snapshot.records, outbox: snapshot.outbox)
  }

  /// Offsets of the frames that end a commit.
  private func commits(_ log: [UInt8]) -> [Int] {
    stride(from: 32, to: log.count - 4119, by: 4120).filter { log.bigEndian32($0 + 4) > 0 }
  }

  @Test(arguments: [false, true])
  func aLogWithoutItsDatabaseIsSalvaged(isEmpty: Bool) throws {
    let scratch = try Scratch()
    try killed(scratch)
    unlink(scratch.database)
    if isEmpty { try Scratch.write([], to: scratch.database) }
    let log = Scratch.read(scratch.database + "-wal")
    let found = try scratch.content()
    #expect(found.damage != nil)
    // Every page but the first was written since.
    #expect(withoutDamage(found) == Workload.expected(1...8))
    #expect(Scratch.read(scratch.data + "/ledger.damaged-1.sqlite-wal") == log)
  }

  // Proves: a tail that was being written when the power failed is no damage.
  @Test func aTornTailIsNoDamage() throws {
    let scratch = try Scratch(inMemory: true)
    try killed(scratch)
    let database = Scratch.read(scratch.database)
    let log = Scratch.read(scratch.database + "-wal")
    let ends = commits(log)
    let start = ends[ends.count - 2] + 4120
    for cut in stride(from: start, to: ends[ends.count - 1] + 4120, by: 500) {
      try Scratch.write(database, to: scratch.database)
      try Scratch.write(Array(log[..<cut]), to: scratch.database + "-wal")
      unlink(scratch.database + "-shm")
      #expect(try scratch.content() == Workload.expected(1...7), "cut at \(cut)")
    }
    // The first frames of the tail did not reach the medium, the last did.
    try Scratch.write(database, to: scratch.database)
    var holed = log
    for index in start..<start + 4120 { holed[index] = 0 }
    try Scratch.write(holed, to: scratch.database + "-wal")
    unlink(scratch.database + "-shm")
    #expect(try scratch.content() == Workload.expected(1...7))
    #expect(scratch.damagedFiles().isEmpty)
  }

  // Proves: commits behind a damaged frame, which SQLite drops without a word, are found.
  @Test func aFrameDamagedInTheMiddleLosesOnlyItsPage() throws {
    let scratch = try Scratch(inMemory: true)
    try killed(scratch)
    let database = Scratch.read(scratch.database)
    let log = Scratch.read(scratch.database + "-wal")
    let ends = commits(log)
    #expect(ends.count == 8)
    var complete = 0
    for offset in stride(from: 32, to: ends[5], by: 4120) {
      try Scratch.write(database, to: scratch.database)
      var damaged = log
      for index in offset + 600..<offset + 700 { damaged[index] ^= 0x5A }
      try Scratch.write(damaged, to: scratch.database + "-wal")
      unlink(scratch.database + "-shm")
      let found = try scratch.content()
      #expect(found.damage != nil, "frame at \(offset)")
      // A page that a later commit wrote again is whole.
      if withoutDamage(found) == Workload.expected(1...8) { complete += 1 }
      let sent = (1...8).map { Workload.group($0)[0] }
      for message in found.outbox { #expect(sent.contains(.enqueue(message))) }
      #expect(Scratch.read(scratch.data + "/ledger.damaged-1.sqlite-wal") == damaged)
      scratch.empty()
      mkdir(scratch.data, 0o700)
    }
    #expect(complete > 5)
  }

  // Fuzzing found it: a start that took seconds, for pages that are nowhere.
  @Test func onlyPagesThatAreThereAreLookedFor() throws {
    let scratch = try Scratch(inMemory: true)
    mkdir(scratch.data, 0o700)
    let frame: [UInt32] = [3_000_000, 4_000_000, 7, 7, 0, 0] + Array(repeating: 9, count: 1024)
    var words = frame.map(\.bigEndian)
    var sum: (UInt32, UInt32) = (0, 0)
    for index in Array(stride(from: 0, to: 2, by: 2)) + Array(stride(from: 6, to: words.count, by: 2)) {
      sum.0 = sum.0 &+ words[index] &+ sum.1
      sum.1 = sum.1 &+ words[index + 1] &+ sum.0
    }
    (words[4], words[5]) = (sum.0.bigEndian, sum.1.bigEndian)
    let log = [UInt8](repeating: 0, count: 32) + words.withUnsafeBytes { Array($0) }
    try Scratch.write(log, to: scratch.database + "-wal")
    try Scratch.write([UInt8](repeating: 0, count: 8192), to: scratch.database)
    let image = PageImage(database: scratch.database, log: scratch.database + "-wal")
    #expect(image.count == 4_000_000)
    #expect(Array(image.numbers) == [1, 2, 3_000_000])
    #expect(image.page(3_000_000)?.last == 9)
  }

  @Test func aLogWithADamagedHeaderIsSalvaged() throws {
    let scratch = try Scratch()
    try killed(scratch)
    try change(scratch.database + "-wal") { for index in 0..<24 { $0[index] = 0xEE } }
    let found = try scratch.content()
    #expect(found.damage?.text.contains("the header of its log is damaged") == true)
    #expect(withoutDamage(found) == Workload.expected(1...8))
  }

  @Test func aDamagedDatabaseBesideItsLogIsSalvagedWithIt() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    for number in 1...100 { try ledger.commitNow([Workload.group(number)[0]]) }
    ledger.close()
    let end = try Torture.run(["work", scratch.data, "--first", "101", "--commits", "10", "--kill-at", "30"])
    #expect(end.exitCode == nil && !end.acknowledged.isEmpty)
    let sound = Scratch.read(scratch.database)
    // The cell pointers of a page of old messages.
    let image = PageImage(database: scratch.database, log: scratch.database + "-wal")
    let hit = try #require(
      (4...image.count).first { number in
        TreePage(number, of: image).map { $0.kind == .tableLeaf && $0.cells.allSatisfy { $0.rowID ?? 0 < 90 } } == true
      })
    let lost = try #require(TreePage(hit, of: image)).cells.compactMap(\.rowID)
    #expect(!lost.isEmpty)
    try change(scratch.database) { for index in (hit - 1) * 4096 + 8..<(hit - 1) * 4096 + 16 { $0[index] = 0xFF } }
    let found = try scratch.content()
    #expect(found.damage != nil)
    let last = Workload.last(found)
    #expect(last >= end.acknowledged.last ?? 0)
    let queued = (1...last).map { Workload.group($0)[0] }
    let gone = Set((101...last).map { Int64($0 - 4) } + lost)
    #expect(
      found.outbox.map { LedgerWrite.enqueue($0) }
        == queued.filter { if case .enqueue(let message) = $0 { !gone.contains(message.id) } else { false } })
    #expect(Scratch.read(scratch.data + "/ledger.damaged-1.sqlite").count == sound.count)
  }
}
