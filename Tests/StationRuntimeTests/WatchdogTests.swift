import NIOCore
import NIOEmbedded
import StationCore
import Synchronization
import Testing

@testable import Ledger
@testable import StationRuntime

private let second: Int64 = 1_000_000_000

struct WatchdogTests {
  @Test func aPartIsSilentOnlyAfterItsOwnLimit() throws {
    let watchdog = Watchdog()
    let fast = try #require(watchdog.watch("fast", limit: 2 * second, at: 0))
    let slow = try #require(watchdog.watch("slow", limit: 10 * second, at: 0))
    #expect(watchdog.silences(at: 2 * second).isEmpty)
    #expect(
      watchdog.silences(at: 2 * second + 1) == [
        .init(name: "fast", duration: 2 * second + 1, limit: 2 * second)
      ])
    fast.beat(at: 10 * second)
    #expect(watchdog.silences(at: 10 * second).isEmpty)
    #expect(watchdog.silences(at: 13 * second).map(\.name) == ["fast", "slow"])
    slow.beat(at: 12 * second)
    fast.beat(at: 11 * second)
    #expect(watchdog.silences(at: 13 * second).isEmpty)
  }

  @Test func anOlderBeatDoesNotTakeBackANewerOne() throws {
    let watchdog = Watchdog()
    let pulse = try #require(watchdog.watch("part", limit: second, at: 5 * second))
    pulse.beat(at: 4 * second)
    #expect(watchdog.silences(at: 6 * second).isEmpty)
  }

  @Test func nothingIsExpectedOfAForgottenPart() throws {
    let watchdog = Watchdog()
    let pulse = try #require(watchdog.watch("bus", limit: second, at: 0))
    watchdog.forget(pulse)
    #expect(watchdog.silences(at: 100 * second).isEmpty)
  }

  @Test func partsAreLimited() {
    let watchdog = Watchdog()
    for number in 0..<Watchdog.partLimit { #expect(watchdog.watch("\(number)", limit: 1, at: 0) != nil) }
    #expect(watchdog.watch("one more", limit: 1, at: 0) == nil)
  }

  @Test func aSilenceSaysWhoHowLongAndHowLongIsAllowed() {
    let silence = Watchdog.Silence(name: "bus /dev/ttyS1", duration: 12_340_000_000, limit: 10 * second)
    #expect(silence.description == "bus /dev/ttyS1 is silent for 12.3 s, longer than 10.0 s")
  }

  @Test func beatsOfManyThreadsAreTaken() async throws {
    let watchdog = Watchdog()
    let pulse = try #require(watchdog.watch("part", limit: 0, at: 0))
    await withTaskGroup(of: Void.self) { group in
      for number in 1...8 {
        group.addTask { for step in 1...1000 { pulse.beat(at: Int64(number * step)) } }
      }
    }
    #expect(watchdog.silences(at: 8000).isEmpty)
    #expect(watchdog.silences(at: 8001).count == 1)
  }
}

/// The notifier in virtual time, with a manager and a ledger of the test's own.
struct ServiceNotifierTests {
  private final class Manager: Sendable {
    let state = Mutex<(now: Int64, isFull: Bool)>((1000 * second, false))
    func advance(_ nanoseconds: Int64) { state.withLock { $0.now += nanoseconds } }
  }

  private final class Setting {
    let loop = EmbeddedEventLoop()
    let ledger = FakeLedger()
    let watchdog = Watchdog()
    let manager = Manager()
    var told: [String] = []
    var logged: [String] = []
    private(set) var notifier: ServiceNotifier?

    init(interval: Int64?) {
      let manager = manager
      notifier = ServiceNotifier(
        watchdog: watchdog, ledger: ledger, interval: interval, on: loop,
        now: { manager.state.withLock { $0.now } },
        tell: { [unowned self] states in
          if manager.state.withLock({ $0.isFull }) { return false }
          told.append(states.joined(separator: " "))
          return true
        }, log: { [unowned self] in logged.append("\($0) \($1)") })
    }

    /// Lets time pass in steps of half a second; the ledger's thread answers in each, or hangs.
    func pass(seconds: Int64, ledgerAnswers: Bool = true) {
      for _ in 0..<(2 * seconds) {
        manager.advance(second / 2)
        loop.advanceTime(by: .milliseconds(500))
        if ledgerAnswers { while ledger.openCount > 0 { ledger.answer(nil) } }
        loop.run()
      }
    }

    var pings: Int { told.count { $0 == "WATCHDOG=1" } }
  }

  @Test func readyIsToldAndPingsComeAtHalfTheInterval() {
    let setting = Setting(interval: 10 * second)
    setting.notifier?.ready("here")
    #expect(setting.told == ["READY=1 STATUS=here", "WATCHDOG=1"])
    setting.pass(seconds: 60)
    #expect(setting.pings == 13)
  }

  @Test func withoutAnIntervalThereAreNoPingsAndNoProbesOfTheLedger() {
    let setting = Setting(interval: nil)
    setting.notifier?.ready("here")
    setting.pass(seconds: 600)
    #expect(setting.told == ["READY=1 STATUS=here"])
    #expect(setting.ledger.commits.isEmpty)
  }

  @Test func aLedgerThatHangsEndsThePings() {
    let setting = Setting(interval: 10 * second)
    setting.notifier?.ready("here")
    setting.pass(seconds: 10)
    setting.pass(seconds: 65, ledgerAnswers: false)
    let pings = setting.pings
    setting.pass(seconds: 60, ledgerAnswers: false)
    #expect(setting.pings == pings)
    let written = setting.ledger.commits.flatMap { $0 }
    #expect(written.isEmpty, "a probe writes nothing")
    #expect(setting.logged.count == 1)
    #expect(setting.logged[0].hasPrefix("error the watchdog is not fed: the ledger is silent for "))
    setting.pass(seconds: 10)
    #expect(setting.pings > pings)
    #expect(setting.logged.last == "notice the watchdog is fed again")
  }

  @Test func aLedgerThatFailsIsNotOneThatHangs() {
    let setting = Setting(interval: 10 * second)
    setting.notifier?.ready("here")
    for _ in 0..<40 {
      setting.pass(seconds: 5, ledgerAnswers: false)
      while setting.ledger.openCount > 0 { setting.ledger.answer("no space") }
      setting.loop.run()
    }
    #expect(setting.pings == 41)
  }

  @Test func aSilentPartEndsThePingsUntilItIsHeard() throws {
    let setting = Setting(interval: 10 * second)
    let bus = try #require(
      setting.watchdog.watch("bus", limit: 12 * second, at: setting.manager.state.withLock { $0.now }))
    setting.notifier?.ready("here")
    setting.pass(seconds: 30)
    #expect(setting.pings == 3)
    bus.beat(at: setting.manager.state.withLock { $0.now })
    setting.pass(seconds: 5)
    #expect(setting.pings == 4)
  }

  @Test func whatABusyManagerDidNotTakeIsToldAgain() {
    let setting = Setting(interval: nil)
    setting.manager.state.withLock { $0.isFull = true }
    setting.notifier?.ready("here")
    setting.pass(seconds: 2)
    #expect(setting.told.isEmpty)
    setting.manager.state.withLock { $0.isFull = false }
    setting.pass(seconds: 2)
    #expect(setting.told == ["READY=1 STATUS=here"])
  }

  @Test func stoppingIsToldOnceAndReplacesAReadyThatWasNotTaken() {
    let setting = Setting(interval: nil)
    setting.manager.state.withLock { $0.isFull = true }
    setting.notifier?.ready("here")
    setting.manager.state.withLock { $0.isFull = false }
    setting.notifier?.stopping()
    setting.notifier?.stopping()
    setting.pass(seconds: 5)
    #expect(setting.told == ["STOPPING=1 STATUS=stopping"])
  }
}
