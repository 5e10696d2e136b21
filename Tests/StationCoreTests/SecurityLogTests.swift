import OCPP
import Testing

@testable import StationCore

@Suite("Security log: complete, bounded, and every change shows")
struct SecurityLogTests {
  private static let time = DateTime(unixMilliseconds: 1_767_225_600_000)

  private static func log(_ count: Int, bound: Int = 1 << 20) -> SecurityLog {
    var log = SecurityLog()
    for number in 1...count {
      _ = log.add("StartupOfTheDevice", "number \(number)", at: time, clock: .csms, bound: bound)
    }
    return log
  }

  /// FIPS 180-4's examples, and lengths around the block.
  @Test func sha256() {
    #expect(
      SHA256.hexadecimal([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      SHA256.hexadecimal(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      SHA256.hexadecimal(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    #expect(
      SHA256.hexadecimal([UInt8](repeating: 0x61, count: 1_000_000))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test func chainHolds() {
    let log = Self.log(50)
    #expect(log.problems.isEmpty)
    #expect(log.lines.count == 50)
    #expect(log.anchor == .beginning)
    #expect(log.last.number == 50)
    // Any part of it verifies by itself.
    let middle = Array(log.lines[10..<20])
    #expect(SecurityLog.problems(middle, after: Self.log(10).last).isEmpty)
  }

  @Test func everyChangeShows() {
    let log = Self.log(8)
    let lines = log.lines
    for index in lines.indices {
      var without = lines
      without.remove(at: index)
      #expect(!SecurityLog.problems(without, after: log.anchor, last: log.last).isEmpty)
      var twice = lines
      twice.insert(lines[index], at: index)
      #expect(!SecurityLog.problems(twice, after: log.anchor, last: log.last).isEmpty)
      // Every byte counts.
      for position in lines[index].indices {
        var changed = lines
        changed[index][position] ^= 1
        #expect(!SecurityLog.problems(changed, after: log.anchor, last: log.last).isEmpty)
      }
    }
    var swapped = lines
    swapped.swapAt(3, 4)
    #expect(!SecurityLog.problems(swapped, after: log.anchor, last: log.last).isEmpty)
    #expect(!SecurityLog.problems([], after: log.anchor, last: log.last).isEmpty)
  }

  @Test func boundHoldsAndTheAnchorStays() {
    var log = SecurityLog()
    var keys: Set<String> = []
    for number in 1...2000 {
      let (key, gone) = log.add("FailedToAuthenticateAtCsms", "n \(number)", at: Self.time, clock: .csms, bound: 4096)
      keys.insert(key)
      keys.subtract(gone)
      #expect(log.lines.reduce(0) { $0 + $1.count } <= 4096)
      #expect(log.lines.count == keys.count)
    }
    #expect(log.problems.isEmpty)
    #expect(log.anchor.number == 2000 - Int64(log.lines.count))
    // An entry that is longer than all the room is kept all the same.
    _ = log.add("X", String(repeating: "x", count: 1000), at: Self.time, clock: .csms, bound: 100)
    #expect(log.lines.count == 1)
    #expect(log.problems.isEmpty)
    #expect(log.lines[0].count < 600)
  }

  private static func entries(_ ledger: LedgerSnapshot) -> [(type: String, clock: String)] {
    (ledger.records[.securityLog] ?? [:]).sorted { $0.key < $1.key }.compactMap { _, line in
      guard let json = try? JSONValue.parse(line) else { return nil }
      return (json["type"]?.stringValue ?? "", json["clock"]?.stringValue ?? "")
    }
  }

  /// Also what is not critical and is not told the CSMS; over restarts, one chain.
  /// Proves: A04.FR.04
  @Test func everyEventIsInTheLedger() {
    var bench = StationBench()
    bench.input(.start)
    // Before there is any CSMS.
    #expect(Self.entries(bench.ledger).map(\.type) == ["StartupOfTheDevice"])
    bench.linkDown(.httpStatus(401))
    #expect(Self.entries(bench.ledger).map(\.type).last == "FailedToAuthenticateAtCsms")
    bench.wait(seconds: 60)
    bench.linkUp()
    let told = bench.calls("SecurityEventNotification").compactMap { $0.text("type") }
    #expect(told == ["StartupOfTheDevice"])
    bench = bench.restarted().boot()
    #expect(Self.entries(bench.ledger).count == 3)
    #expect(bench.station.securityLog.problems.isEmpty)
    #expect(bench.station.securityLog.last.number == 3)
  }

  /// It is in the ledger in the commit of the message that tells it: after a power cut there are both, or neither.
  /// Proves: A04.FR.04
  @Test func durableBeforeItIsTold() {
    let bench = StationBench().boot()
    bench.setVariable("SecurityCtrlr", "BasicAuthPassword", "a-new-password-1")
    for ledger in bench.ledgerHistory {
      let inLog = Self.entries(ledger).count
      let queued = ledger.outbox.filter { $0.action == "SecurityEventNotification" }.count
      #expect(inLog >= queued)
      let log = SecurityLog(
        restoring: ledger.records[.securityLog] ?? [:],
        state: ledger.records[.station]?["securityLog"].flatMap { try? JSONValue.parse($0) })
      #expect(log.problems.isEmpty)
    }
  }

  @Test func whatHappensWhileTheLedgerFailsIsWrittenLater() {
    let bench = StationBench().boot()
    bench.ledgerFails = .full
    bench.setVariable("TxCtrlr", "EVConnectionTimeOut", "33")
    #expect(!Self.entries(bench.ledger).map(\.type).contains("MemoryExhaustion"))
    bench.ledgerFails = nil
    bench.wait(seconds: 60)
    #expect(Self.entries(bench.ledger).map(\.type).last == "MemoryExhaustion")
    let after = bench.restarted().boot()
    #expect(after.station.securityLog.problems.isEmpty)
  }

  /// The ledger with one byte changed in the time of an entry.
  private static func changed(_ ledger: LedgerSnapshot, _ choose: ([String]) -> String?) -> LedgerSnapshot {
    var ledger = ledger
    let key = choose((ledger.records[.securityLog] ?? [:]).keys.sorted()) ?? ""
    ledger.records[.securityLog]?[key]?[20] ^= 1
    return ledger
  }

  @Test func tamperingIsToldOnceAtTheStart() {
    let bench = StationBench().boot()
    bench.setVariable("SecurityCtrlr", "BasicAuthPassword", "a-new-password-1")
    var ledger = bench.ledger
    let key = ledger.records[.securityLog]?.keys.min() ?? ""
    ledger.records[.securityLog]?[key] = nil
    ledger.outbox = []
    var after = StationBench(ledger: ledger, wall: bench.now.wall).boot()
    func cleared() -> Int {
      after.calls("SecurityEventNotification").filter { $0.text("type") == "SecurityLogWasCleared" }.count
    }
    #expect(cleared() == 1)
    #expect(!after.station.securityLog.problems.isEmpty)
    for _ in 0..<2 {
      after = after.restarted().boot()
      #expect(cleared() == 0)
    }
    // Whoever does it again while the first break is still in the log is told of again, also by one byte.
    after = StationBench(ledger: Self.changed(after.ledger) { $0.max() }, wall: after.now.wall).boot()
    #expect(cleared() == 1)
    ledger = after.ledger
    let newest = ledger.records[.securityLog]?.keys.max() ?? ""
    ledger.records[.securityLog]?[newest] = nil
    after = StationBench(ledger: ledger, wall: after.now.wall).boot()
    #expect(cleared() == 1)
    after = after.restarted().boot()
    #expect(cleared() == 0)
  }

  /// Entries that go for new ones are no tampering; once the break has gone with them, the next one counts as the first.
  @Test func aBreakThatGoesWithTime() {
    let bound = ["InternalCtrlr/SecurityLogMaxBytes": "4096"]
    var bench = StationBench(bound).boot()
    bench.setVariable("SecurityCtrlr", "BasicAuthPassword", "a-new-password-1")
    var told: [Int] = []
    func restart(_ ledger: LedgerSnapshot) {
      bench = StationBench(bound, ledger: ledger, wall: bench.now.wall).boot()
      told.append(bench.calls("SecurityEventNotification").filter { $0.text("type") == "SecurityLogWasCleared" }.count)
    }
    restart(Self.changed(bench.ledger) { $0.min() })
    for _ in 0..<40 { restart(bench.ledger) }
    #expect(told == [1] + Array(repeating: 0, count: 40))
    #expect(bench.station.securityLog.problems.isEmpty)
    restart(Self.changed(bench.ledger) { $0.max() })
    #expect(told.last == 1)
  }

  /// Whatever somebody has written there: it is wrong, and the station starts.
  @Test(arguments: [
    "9223372036854775807", "-9223372036854775808", "0", "99999999999999999999", "9007199254740993", "1.5", "x",
  ]) func numbersThatNoEntryHas(number: String) {
    let hash = String(repeating: "0", count: 64)
    let body = #"{"n":\#(number),"ts":"2026-01-01T00:00:00.000Z","type":"X","previous":"\#(hash)""#
    let line = Array((body + #","hash":"\#(SHA256.hexadecimal(Array(body.utf8)))"}"#).utf8)
    #expect(!SecurityLog.problems([line, line], after: .beginning).isEmpty)
    // An entry may have two.
    let other = Self.log(3).lines.dropFirst().map { $0.map { $0 == UInt8(ascii: "t") ? UInt8(ascii: "T") : $0 } }
    #expect(SecurityLog.problems(Array(repeating: [0x78], count: 9) + other, after: .beginning).count == 10)
    let state = Array(#"{"anchor":{"n":\#(number),"hash":"\#(hash)"},"last":{"n":\#(number),"hash":"\#(hash)"}}"#.utf8)
    var ledger = LedgerSnapshot()
    ledger.records[.securityLog] = [number: line, SecurityLog.key(1): line]
    ledger.records[.station] = ["securityLog": state]
    let bench = StationBench(ledger: ledger).boot()
    #expect(!bench.station.securityLog.problems.isEmpty)
    #expect(Self.entries(bench.ledger).map(\.type).contains("SecurityLogWasCleared"))
  }

  @Test func unsetClockIsSaid() {
    let bench = StationBench(wall: 1000)
    bench.input(.start)
    #expect(Self.entries(bench.ledger).map(\.clock) == ["unset"])
  }
}
