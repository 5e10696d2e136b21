import Glibc
import StationCore
import Testing

@testable import Ledger
@testable import ledger_torture

/// Power cuts while a damaged ledger is being replaced.
@Suite(.serialized) struct SalvageCrashTests {
  enum Damage: CaseIterable {
    case header, missing, log
  }

  /// What is lost beside the process: nothing, or what was not flushed, with the newest of the names or the oldest.
  enum Loss: CaseIterable {
    case nothing, newest, oldest
  }

  /// Makes a ledger of eight commits, damaged in a way.
  private func make(_ damage: Damage, _ database: [UInt8], _ log: [UInt8], _ scratch: Scratch) throws {
    mkdir(scratch.data, 0o700)
    let garbage = [UInt8](repeating: 7, count: 24)
    switch damage {
    case .header: try Scratch.write(garbage + database.dropFirst(24), to: scratch.database)
    case .missing: try Scratch.write(log, to: scratch.database + "-wal")
    case .log:
      try Scratch.write(database, to: scratch.database)
      try Scratch.write(garbage + log.dropFirst(24), to: scratch.database + "-wal")
    }
  }

  // Proves: killed at any change of a file, and without power, which also takes what was not flushed, the next start finds the damaged ledger or the whole new
  // one: nothing that could be salvaged is lost, what was committed since is there, and the damage is said.
  @Test(arguments: Damage.allCases, Loss.allCases)
  func powerCutAtEveryStep(kind: Damage, loss: Loss) throws {
    let scratch = try Scratch(inMemory: true)
    let torture = try Torture(["work", scratch.data, "--commits", "9", "--pause-after", "8"])
    for number in 1...8 { #expect(torture.line() == "\(number)") }
    torture.kill()
    _ = torture.finish()
    var database = Scratch.read(scratch.database)
    let log = Scratch.read(scratch.database + "-wal")
    if kind == .header {
      // With all of it in the database.
      #expect(try scratch.content() == Workload.expected(1...8))
      database = Scratch.read(scratch.database)
    }
    let kept = (kind == .missing ? [] : [".sqlite"]) + (kind == .header ? [] : [".sqlite-wal"])
    scratch.empty()
    var operation = 1
    while true {
      try make(kind, database, log, scratch)
      let end = try Torture.run(
        ["work", scratch.data, "--first", "9", "--commits", "2", "--kill-at", "\(operation)"]
          + (loss == .nothing ? [] : ["--lose", "\(operation * 7 + 3)"])
          + (loss == .oldest ? ["--lose-oldest", "1"] : []))
      #expect(!end.lines.contains { $0.contains("renamed before") || $0.contains("overwritten") }, "\(end.lines)")
      if end.exitCode == 0 {
        #expect(end.lines.first?.hasPrefix("salvaged 4 messages") == true)
        break
      }
      try #require(end.exitCode == nil)
      let found = try scratch.content()
      let last = Workload.last(found)
      #expect(last >= 8 + end.acknowledged.count, "operation \(operation)")
      #expect(
        LedgerSnapshot(records: found.records, outbox: found.outbox) == Workload.expected(1..<last + 1),
        "operation \(operation)")
      // It is said until the first commit, which may have become durable without having been acknowledged.
      #expect((found.damage != nil) == (last == 8), "operation \(operation)")
      #expect(scratch.damagedFiles() == kept.map { "ledger.damaged-1" + $0 }, "operation \(operation)")
      for name in kept {
        let size = name == ".sqlite" ? database.count : log.count
        #expect(Scratch.read(scratch.data + "/ledger.damaged-1" + name).count == size)
      }
      #expect(!scratch.files().contains { $0.contains("salvaged") || $0.contains(".new") }, "\(scratch.files())")
      scratch.empty()
      operation += loss == .nothing ? 3 : 1
    }
    #expect(operation > 20)
  }

  // Proves: a salvage for which there is no room fails, changes nothing, and is done when there is room.
  @Test func aSalvageWithoutRoomIsPutOff() throws {
    let scratch = try Scratch(inMemory: true)
    let (ledger, _) = try scratch.open()
    for number in 1...8 { try ledger.commitNow(Workload.group(number)) }
    ledger.close()
    var damaged = Scratch.read(scratch.database)
    damaged.replaceSubrange(0..<100, with: [UInt8](repeating: 7, count: 100))
    try Scratch.write(damaged, to: scratch.database)
    let end = try Torture.run(["work", scratch.data, "--fail-at", "1", "--fail-count", "100000"])
    #expect(end.exitCode == 2)
    #expect(end.lines.last?.contains("is damaged") == true)
    #expect(end.lines.last?.contains("cannot be salvaged yet") == true)
    #expect(Scratch.read(scratch.database) == damaged)
    #expect(scratch.files().filter { $0 != "reserve" } == ["ledger.sqlite", "lock"])
    let found = try scratch.content()
    #expect(LedgerSnapshot(records: found.records, outbox: found.outbox) == Workload.expected(1...8))
  }
}
