import Glibc
import StationCore
import Testing

@testable import Ledger
@testable import ledger_torture

/// The ledger's promise under kills, power cuts and failing media, with a process of its own as the victim.
@Suite(.serialized) struct CrashTests {
  /// Every acknowledged commit is there, whole, in order, and nothing that was not given.
  private func check(_ scratch: Scratch, _ end: Torture.End, _ comment: String) throws {
    #expect(end.acknowledged == Array(1..<end.acknowledged.count + 1), "\(comment)")
    let found = try scratch.content()
    let last = Workload.last(found)
    #expect(last >= end.acknowledged.count, "\(comment)")
    #expect(found == Workload.expected(1..<last + 1), "\(comment)")
  }

  // Proves: kill -9 at any point loses nothing that was acknowledged (every second change of a file in turn; the next test has all).
  @Test func killedAtWriteAfterWrite() throws {
    let scratch = try Scratch(inMemory: true)
    var operation = 1
    while true {
      let end = try Torture.run([
        "work", scratch.data, "--commits", "5", "--checkpoint-pages", "12", "--kill-at", "\(operation)",
      ])
      if end.exitCode == 0 { break }
      try #require(end.exitCode == nil)
      try check(scratch, end, "operation \(operation)")
      scratch.empty()
      operation += 2
    }
    #expect(operation > 60)
  }

  // Proves: a power cut, which also takes what was not flushed, loses nothing that was acknowledged.
  @Test func powerCutAtEveryWrite() throws {
    let scratch = try Scratch(inMemory: true)
    var operation = 1
    while true {
      let end = try Torture.run([
        "work", scratch.data, "--commits", "5", "--checkpoint-pages", "12", "--kill-at", "\(operation)", "--lose",
        "\(operation * 31)",
      ])
      if end.exitCode == 0 { break }
      try #require(end.exitCode == nil)
      try check(scratch, end, "operation \(operation)")
      scratch.empty()
      operation += 1
    }
    #expect(operation > 60)
  }

  // Proves: kill -9 in the middle of commits that wait together.
  @Test(arguments: 1...8)
  func killedAtRandom(seed: UInt64) throws {
    let scratch = try Scratch(inMemory: true)
    var random = SeededGenerator(state: seed)
    let torture = try Torture(["work", scratch.data, "--commits", "1000000", "--window", "\(random.next() % 40 + 1)"])
    var end = Torture.End()
    for _ in 0..<(random.next() % 150) {
      if let line = torture.line(), let number = Int(line) { end.acknowledged.append(number) }
    }
    torture.kill()
    let rest = torture.finish()
    #expect(rest.exitCode == nil)
    end.acknowledged += rest.acknowledged
    try check(scratch, end, "seed \(seed)")
  }

  // Proves: a full disk or a failing medium fails the commits it meets, and no others; what was reported is true.
  @Test(arguments: [Int32(13), 1034, 778])  // SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE
  func aFailingMediumFailsOnlyWhatItMeets(code: Int32) throws {
    let scratch = try Scratch(inMemory: true)
    var operation = 1
    var failures = 0
    while true {
      let end = try Torture.run([
        "work", scratch.data, "--commits", "5", "--checkpoint-pages", "12", "--fail-at", "\(operation)", "--fail-count",
        "\(1 + operation % 7)", "--fail-code", "\(code)",
      ])
      if end.exitCode == 2 {
        // Not opened: one line, and nothing is in the way of the next start.
        #expect(end.lines.count == 1)
        #expect(try scratch.content() == LedgerSnapshot())
      } else {
        #expect(end.exitCode == 0)
        #expect((end.acknowledged + end.failed).sorted() == Array(1...5))
        let found = try scratch.content()
        // One that came after may have reached the medium although its flush was reported as failed.
        let isRight = ([[]] + end.failed.filter { $0 > end.acknowledged.last ?? 0 }.map { [$0] })
          .contains { found == Workload.expected(end.acknowledged + $0) }
        #expect(isRight, "operation \(operation)")
      }
      scratch.empty()
      failures += end.failed.count
      let total = end.lines.last?.split(separator: " ").last.flatMap { Int($0) } ?? .max
      if operation > total { break }
      operation += 4
    }
    #expect(failures > 5)
  }

  // Proves: every commit is flushed before it is acknowledged.
  @Test func everyCommitIsFlushed() throws {
    let scratch = try Scratch(inMemory: true)
    var flushes: [Int] = []
    for commits in [0, 1, 21] {
      let end = try Torture.run(["work", scratch.data, "--commits", "\(commits)"])
      let words = try #require(end.lines.last).split(separator: " ")
      flushes.append(try #require(Int(words[1])))
      scratch.empty()
    }
    #expect(flushes[2] - flushes[1] == 20)
    // A start with nothing to write does not flush through SQLite.
    #expect(flushes[0] == 0)
  }
}
