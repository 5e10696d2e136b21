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

  private func damage(_ damage: Damage, _ database: [UInt8], _ log: [UInt8], _ scratch: Scratch) throws {
    mkdir(scratch.data, 0o700)
    var database = database
    var log = log
    switch damage {
    case .header: database.replaceSubrange(0..<100, with: [UInt8](repeating: 7, count: 100))
    case .missing: database = []
    case .log: log.replaceSubrange(0..<24, with: [UInt8](repeating: 7, count: 24))
    }
    if !database.isEmpty { try Scratch.write(database, to: scratch.database) }
    try Scratch.write(log, to: scratch.database + "-wal")
  }

  // Proves: killed, or without power, at any change of a file, the next start finds the damaged ledger or the whole new
  // one: nothing that could be salvaged is lost, what was committed since is there, and the damage is said.
  @Test(arguments: Damage.allCases, [false, true])
  func powerCutAtEveryStep(kind: Damage, losing: Bool) throws {
    let scratch = try Scratch(inMemory: true)
    let torture = try Torture(["work", scratch.data, "--commits", "9", "--pause-after", "8"])
    for number in 1...8 { #expect(torture.line() == "\(number)") }
    torture.kill()
    _ = torture.finish()
    let database = Scratch.read(scratch.database)
    let log = Scratch.read(scratch.database + "-wal")
    scratch.empty()
    var operation = 1
    while true {
      try damage(kind, database, log, scratch)
      let end = try Torture.run(
        ["work", scratch.data, "--first", "9", "--commits", "2", "--kill-at", "\(operation)"]
          + (losing ? ["--lose", "\(operation * 7 + 3)"] : []))
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
      let kept = scratch.damagedFiles().filter { $0.hasSuffix("-wal") }
      #expect(kept == ["ledger.damaged-1.sqlite-wal"], "operation \(operation)")
      #expect(Scratch.read(scratch.data + "/ledger.damaged-1.sqlite-wal").count == log.count)
      if kind != .missing {
        #expect(Scratch.read(scratch.data + "/ledger.damaged-1.sqlite").count == database.count)
      }
      #expect(!scratch.files().contains { $0.contains("salvaged") || $0.contains(".new") }, "\(scratch.files())")
      scratch.empty()
      operation += 1
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
