import Glibc
import StationCore
import Testing
import Threads

@testable import Ledger
@testable import ledger_torture

/// A full medium and one that may not be written.
@Suite(.serialized) struct SpaceTests {
  private func options(reserve: Int, _ reports: Collected<Bool> = Collected()) -> Ledger.Options {
    var options = Ledger.Options()
    options.reserve = reserve
    options.spaceChanged = { reports.append($0) }
    return options
  }

  @Test func theReserveIsMadeKeptAndTakenAway() throws {
    let scratch = try Scratch()
    let reports = Collected<Bool>()
    try scratch.open(options(reserve: 1 << 20, reports)).0.close()
    var status = stat()
    #expect(stat(scratch.data + "/reserve", &status) == 0)
    #expect(status.st_size == 1 << 20)
    #expect(status.st_blocks * 512 >= 1 << 20)
    #expect(Scratch.mode(scratch.data + "/reserve") == 0o600)
    let inode = status.st_ino
    try scratch.open(options(reserve: 1 << 20, reports)).0.close()
    #expect(stat(scratch.data + "/reserve", &status) == 0 && status.st_ino == inode)
    try scratch.open(options(reserve: 2 << 20, reports)).0.close()
    #expect(stat(scratch.data + "/reserve", &status) == 0 && status.st_size == 2 << 20)
    // A hole holds no room.
    unlink(scratch.data + "/reserve")
    try Scratch.write([], to: scratch.data + "/reserve")
    #expect(truncate(scratch.data + "/reserve", 2 << 20) == 0)
    try scratch.open(options(reserve: 2 << 20, reports)).0.close()
    #expect(stat(scratch.data + "/reserve", &status) == 0 && status.st_blocks * 512 >= 2 << 20)
    try scratch.open(options(reserve: 0, reports)).0.close()
    #expect(stat(scratch.data + "/reserve", &status) != 0)
    #expect(reports.values.isEmpty)
  }

  @Test func aReserveThatCannotBeMadeIsSaidAtOnce() throws {
    let scratch = try Scratch()
    let reports = Collected<Bool>()
    let (ledger, _) = try scratch.open(options(reserve: 1 << 60, reports))
    #expect(reports.values == [true])
    try ledger.commitNow(Workload.group(1))
    ledger.close()
    #expect(try scratch.content() == Workload.expected([1]))
  }

  /// Root mounts a file system of 12 MiB and fills it to the last byte.
  @Test(.enabled(if: geteuid() == 0, "only root can mount a small file system"))
  func onAFullMediumTheLedgerLivesOnItsReserve() throws {
    let scratch = try Scratch()
    let end = try Torture.run(["full", scratch.data])
    #expect(end.exitCode == 0)
    var lines = end.lines
    try #require(lines.count == 8, "\(lines)")
    let words = lines.remove(at: 1).split(separator: " ")
    #expect(words.prefix(1) == ["full,"])
    // 2.25 MiB less a log of at most 2 * 48 pages, and three messages to a page.
    #expect(Int(words[1]) ?? 0 > 1000)
    #expect(
      lines == [
        "reserve 3145728", "reports [true], reserve 786432", "opened with all", "reports [true]",
        "space again, low false, reserve 3145728", "reserve -1", "opened with [1]",
      ])
  }

  /// Not a read-only mount, which the kernel refuses while files are open for writing, but what one does to a ledger.
  @Test(.enabled(if: geteuid() == 0, "only root can make a file immutable"))
  func whenWritingIsAllowedAgainTheLedgerGoesOn() throws {
    let scratch = try Scratch()
    let end = try Torture.run(["immutable", scratch.data])
    try #require(end.lines.count == 3, "\(end.lines)")
    #expect(end.lines[0] == "failed [permission, permission, permission]")
    #expect(end.lines[1].contains("permission denied; give this user write access"))
    #expect(end.lines[2] == "written again")
    #expect(try scratch.content() == Workload.expected([1, 5, 6]))
  }

  @Test(arguments: [
    (778, EROFS, "the file system is read-only"), (1034, EROFS, "the file system is read-only"),
    (778, EIO, "SQLite 778, errno 5"),
  ])
  func aMediumThatFailsForAWhileIsNamedAndUsedAgain(code: Int, error: Int32, text: String) throws {
    let scratch = try Scratch(inMemory: true)
    let end = try Torture.run([
      "work", scratch.data, "--commits", "20", "--fail-at", "40", "--fail-count", "12", "--fail-code", "\(code)",
      "--fail-errno", "\(error)",
    ])
    #expect(end.exitCode == 0)
    #expect(end.failed.count > 1)
    #expect(end.acknowledged.last == 20)
    for line in end.lines where line.hasPrefix("!") { #expect(line.contains(text), "\(line)") }
    #expect(try scratch.content() == Workload.expected(end.acknowledged))
  }

  // Proves: a commit that meets the full medium is made durable on the reserve, and the reserve comes back.
  @Test func aCommitThatMeetsTheFullMediumIsTriedAgain() throws {
    let scratch = try Scratch(inMemory: true)
    let end = try Torture.run([
      "work", scratch.data, "--commits", "20", "--fail-at", "60", "--fail-count", "1", "--fail-errno", "\(ENOSPC)",
      "--reserve", "1000000",
    ])
    #expect(end.exitCode == 0)
    #expect(end.acknowledged == Array(1...20))
    #expect(end.lines.filter { $0.hasPrefix("low") } == ["low true"])
    #expect(try scratch.content() == Workload.expected(1...20))
  }

  /// The core writes everything again in chunks: what did not fit is refused, and taken the next time.
  @Test func aRewriteInChunksBeyondTheQueueIsTakenInParts() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    let entered = Signal<Void>()
    let release = Signal<Void>()
    ledger.commit([]) { _ in
      entered.set(())
      release.wait()
    }
    entered.wait()
    let chunk = 256 << 10
    func write(_ number: Int) -> [LedgerWrite] {
      [.put(.station, key: "\(number)", value: .init(repeating: UInt8(number), count: chunk - 8))]
    }
    let results = Collected<Int>()
    for number in 1...40 {
      ledger.commit(write(number)) { result in
        guard case .failure(let error) = result else { return }
        results.append(error.kind == .backlog ? number : -1)
      }
    }
    release.set(())
    ledger.commit([]) { _ in }
    try ledger.commitNow([])
    #expect(results.values == Array(33...40))
    for number in results.values { try ledger.commitNow(write(number)) }
    ledger.close()
    #expect(try scratch.content().records[.station]?.count == 40)
    let error = #expect(throws: LedgerError.self) {
      try scratch.open().0.commitNow([.put(.station, key: "x", value: .init(repeating: 1, count: (8 << 20) + 1))])
    }
    #expect(error?.kind == .tooLarge)
  }

  /// Nothing that builds on a failed commit is stored: what the core submits before it knows of the failure fails too.
  @Test func whatFollowsAFailedCommitFailsUntilTheNextEpoch() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    let entered = Signal<Void>()
    let release = Signal<Void>()
    ledger.commit([]) { _ in
      entered.set(())
      release.wait()
    }
    entered.wait()
    let results = Collected<String>()
    func submit(_ key: String, epoch: UInt64?, bytes: Int = 1) {
      ledger.commit([.put(.station, key: key, value: .init(repeating: 1, count: bytes))], epoch: epoch) { result in
        if case .failure(let error) = result { results.append("\(key) \(error.kind)") } else { results.append(key) }
      }
    }
    submit("before", epoch: 3)
    submit("fails", epoch: 3, bytes: (8 << 20) + 1)
    submit("follows", epoch: 3)
    submit("alone", epoch: nil)
    submit("older", epoch: 2)
    submit("next", epoch: 4)
    release.set(())
    try ledger.commitNow([])
    submit("late", epoch: 3)
    submit("after", epoch: 4)
    try ledger.commitNow([])
    #expect(
      results.values == [
        "before", "fails tooLarge", "follows tooLarge", "alone", "older tooLarge", "next", "late tooLarge", "after",
      ])
    ledger.close()
    #expect(try scratch.content().records[.station]?.keys.sorted() == ["after", "alone", "before", "next"])
  }
}
