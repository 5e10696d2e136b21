import StationCore
import Testing

@testable import StationRuntime

struct StationClockTests {
  private let start = StationClock.Reading(monotonic: 5_000_000_700, wall: 1_773_000_000_123_456_789)

  private func reading(after nanoseconds: Int64) -> StationClock.Reading {
    StationClock.Reading(monotonic: start.monotonic + nanoseconds, wall: start.wall + nanoseconds)
  }

  @Test func unscaledTimeIsTheMachines() {
    let clock = StationClock(scale: 1, start: start)
    let time = clock.time(at: reading(after: 1_500_000_000))
    #expect(time == StationTime(monotonic: 6_500, wall: 1_773_000_001_623))
  }

  @Test(arguments: [2, 60, 1000, 10_000]) func bothClocksRunFasterByTheScale(scale: Int) {
    let clock = StationClock(scale: scale, start: start)
    let time = clock.time(at: reading(after: 3_600_000_000_000))
    #expect(time.monotonic == 5_000 + 3_600_000 * Int64(scale))
    #expect(time.wall == 1_773_000_000_123 + 3_600_000 * Int64(scale))
  }

  @Test func centuriesDoNotOverflow() {
    let clock = StationClock(scale: 10_000, start: start)
    let century: Int64 = 100 * 365 * 86_400 * 1_000_000_000
    #expect(clock.time(at: reading(after: century)).monotonic == 5_000 + century / 1_000_000 * 10_000)
  }

  @Test func aScaleOutOfRangeIsClamped() {
    #expect(StationClock(scale: 0, start: start).scale == 1)
    #expect(StationClock(scale: .max, start: start).scale == 10_000)
  }

  @Test(arguments: [1, 3, 7, 60, 9_999]) func aDelayEndsExactlyWhenTheDeadlineIsReached(scale: Int) {
    let clock = StationClock(scale: scale, start: start)
    for now in [0, 1, 999_999, 123_456_789] as [Int64] {
      for ahead in [1, 2, 17, 1_000, 86_400_000] as [Int64] {
        let from = reading(after: now)
        let deadline = clock.time(at: from).monotonic + ahead
        let delay = clock.delay(until: deadline, from: from)
        #expect(clock.time(at: reading(after: now + delay)).monotonic >= deadline)
        #expect(clock.time(at: reading(after: now + delay - 1)).monotonic < deadline)
      }
    }
  }

  @Test func aDeadlineThatHasPassedNeedsNoDelayAndOneFarAwayDoesNotOverflow() {
    let clock = StationClock(scale: 60, start: start)
    #expect(clock.delay(until: 0, from: reading(after: 0)) == 0)
    #expect(clock.delay(until: .min, from: reading(after: 0)) == 0)
    #expect(clock.delay(until: .max, from: reading(after: 0)) > 0)
  }
}

struct TimerTableTests {
  private func drain(_ table: inout TimerTable, at now: Int64) -> [String] {
    let pass = table.pass(at: now)
    var names: [String] = []
    while let id = table.next(in: pass) { names.append(id.name) }
    return names
  }

  @Test func dueTimersComeByDeadlineThenByOrderOfSetting() {
    var table = TimerTable()
    _ = table.set(TimerID("late"), at: 30)
    _ = table.set(TimerID("b"), at: 20)
    _ = table.set(TimerID("c"), at: 20)
    _ = table.set(TimerID("a"), at: 10)
    #expect(table.earliest() == 10)
    #expect(drain(&table, at: 9) == [])
    #expect(drain(&table, at: 20) == ["a", "b", "c"])
    #expect(table.earliest() == 30)
  }

  @Test func settingAgainReplacesAndCancellingRemoves() {
    var table = TimerTable()
    _ = table.set(TimerID("a"), at: 10)
    _ = table.set(TimerID("a"), at: 50)
    #expect(table.earliest() == 50)
    _ = table.set(TimerID("a", 1), at: 40)
    table.cancel(TimerID("a", 1))
    table.cancel(TimerID("unknown"))
    #expect(table.earliest() == 50)
    #expect(table.count == 1)
    table.cancel(TimerID("a"))
    #expect(table.earliest() == nil)
  }

  @Test func aTimerSetDuringAPassWaitsForTheNextOne() {
    var table = TimerTable()
    _ = table.set(TimerID("a"), at: 10)
    let pass = table.pass(at: 10)
    #expect(table.next(in: pass) == TimerID("a"))
    _ = table.set(TimerID("a"), at: 10)
    #expect(table.next(in: pass) == nil)
    #expect(drain(&table, at: 10) == ["a"])
  }

  @Test func whatAHandlerCancelsDoesNotFire() {
    var table = TimerTable()
    _ = table.set(TimerID("a"), at: 1)
    _ = table.set(TimerID("b"), at: 2)
    let pass = table.pass(at: 5)
    #expect(table.next(in: pass) == TimerID("a"))
    table.cancel(TimerID("b"))
    #expect(table.next(in: pass) == nil)
  }

  @Test func aFullTableRefusesAndStillReplaces() {
    var table = TimerTable()
    for index in 0..<TimerTable.limit {
      let isSet = table.set(TimerID("t", index), at: 1)
      #expect(isSet)
    }
    let oneMore = table.set(TimerID("t", TimerTable.limit), at: 1)
    #expect(!oneMore)
    let replaced = table.set(TimerID("t", 0), at: 2)
    #expect(replaced)
  }
}
