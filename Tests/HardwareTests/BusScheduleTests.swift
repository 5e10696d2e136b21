import Testing

@testable import Hardware

@Suite struct BusScheduleTests {
  private static func at(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  private static func request(
    _ unit: UInt8, count: Int = 10, priority: ModbusPriority = .poll, from: Int = 0, until: Int = 100_000,
    attempts: Int = 3, alternatives: [ModbusRead] = []
  ) -> ModbusRequest {
    ModbusRequest(
      ModbusRead(unit: unit, function: .inputRegisters, address: 100, count: count), priority: priority,
      notBefore: at(from), deadline: at(until), attempts: attempts, alternatives: alternatives)
  }

  /// A schedule, its time, and a bus that takes 10 ms for an answer and 300 ms for silence.
  private struct Rig {
    var schedule = BusSchedule(frameGap: .milliseconds(4))
    var now = 0
    var done: [UInt64: ModbusExchange.Result] = [:]
    /// Unit and registers of every exchange, `!` marks those that bring a unit back into step.
    var log: [String] = []

    mutating func add(_ request: ModbusRequest) throws -> UInt64 { try schedule.add(request).get() }

    /// Runs until nothing waits or the time is over. `silent`: units that do not answer; `late`: what they answer late.
    mutating func run(until end: Int, silent: Set<UInt8> = [], failure: ModbusFailure = .silent) {
      while now < end {
        for completion in schedule.expired(at: at(now)) { done[completion.id] = completion.result }
        switch schedule.next(at: at(now)) {
        case .idle:
          now = end
          return
        case .wait(let until): now = min(end, max(now + 1, Int((until.nanoseconds + 999_999) / 1_000_000)))
        case .run(let ticket):
          let count: Int
          switch ticket.question {
          case .read(let read):
            count = read.count
            log.append("\(read.unit):\(count)\(ticket.isResync ? "!" : "")")
          case .write(let write):
            count = 0
            log.append("\(write.unit)=\(write.echo)")
          }
          let dead = silent.contains(ticket.question.unit)
          let result: ModbusExchange.Result =
            dead
            ? .failed(failure)
            : .answer(
              ModbusAnswer(registers: Array(repeating: 0, count: count), acquiredAt: at(now)))
          now += dead ? 300 : 10
          for completion in schedule.finished(ticket, ModbusExchange(result: result), at: at(now)) {
            done[completion.id] = completion.result
          }
        }
      }
    }
  }

  @Test func orderIsByPriorityThenByWhoWaitedLongest() throws {
    var rig = Rig()
    _ = try rig.add(Self.request(1, count: 1))
    _ = try rig.add(Self.request(1, count: 2))
    _ = try rig.add(Self.request(2, count: 3))
    _ = try rig.add(Self.request(3, count: 4, priority: .control))
    _ = try rig.add(Self.request(4, count: 5, priority: .search))
    rig.run(until: 1000)
    #expect(rig.log == ["3:4", "1:1", "2:3", "1:2", "4:5"])
  }

  @Test func requestsWaitForTheirTimeAndForSilence() throws {
    var rig = Rig()
    let later = try rig.add(Self.request(1, from: 500))
    rig.run(until: 499)
    #expect(rig.log.isEmpty)
    rig.run(until: 600)
    guard case .answer(let answer) = rig.done[later] else { return #expect(Bool(false), "no answer") }
    #expect(answer.acquiredAt == Self.at(500))
    var slow = Self.request(1)
    slow.pause = .milliseconds(100)
    _ = try rig.add(slow)
    #expect(rig.schedule.next(at: Self.at(520)) == .wait(until: Self.at(610)))
  }

  @Test func aDeadUnitIsAskedLessAndLess() throws {
    var rig = Rig()
    let dead = try rig.add(Self.request(9, attempts: 6))
    var count = 0
    while rig.now < 60_000 {
      _ = try rig.add(Self.request(1, until: rig.now + 1000))
      rig.run(until: rig.now + 100, silent: [9])
      count += 1
    }
    #expect(rig.done[dead] == .failed(.silent))
    // After 1, 2, 4, 8, 16 s: six exchanges in a minute.
    #expect(rig.log.filter { $0.hasPrefix("9:") }.count == 6)
    #expect(rig.log.filter { $0.hasPrefix("1:") }.count >= count - 1)
  }

  @Test func aUnitIsBroughtBackIntoStepByAnotherShape() throws {
    var rig = Rig()
    let first = try rig.add(Self.request(1, count: 10, attempts: 3))
    rig.run(until: 300, silent: [1])
    #expect(rig.log == ["1:10"])
    rig.run(until: 5000)
    // Not the shape that is in doubt first.
    #expect(rig.log == ["1:10", "1:8!", "1:10"])
    guard case .answer = rig.done[first] else { return #expect(Bool(false), "no answer") }
    _ = try rig.add(Self.request(1, count: 10))
    rig.run(until: 6000)
    #expect(rig.log.last == "1:10")
  }

  @Test func theShapesOfFailedResyncsAreInDoubtToo() throws {
    var rig = Rig()
    _ = try rig.add(Self.request(1, count: 10, attempts: 4))
    rig.run(until: 20_000, silent: [1])
    #expect(rig.log == ["1:10", "1:8!", "1:12!", "1:9!"])
  }

  @Test func knownReadsAreTakenForResyncs() throws {
    var rig = Rig()
    let known = ModbusRead(unit: 1, function: .inputRegisters, address: 400, count: 6)
    _ = try rig.add(Self.request(1, count: 10, alternatives: [known]))
    rig.run(until: 300, silent: [1])
    rig.run(until: 5000)
    #expect(rig.log == ["1:10", "1:6!", "1:10"])
  }

  @Test func otherUnitsAreInNoDoubt() throws {
    var rig = Rig()
    _ = try rig.add(Self.request(1, count: 10, attempts: 1))
    rig.run(until: 300, silent: [1])
    _ = try rig.add(Self.request(2, count: 10))
    rig.run(until: 400)
    #expect(rig.log == ["1:10", "2:10"])
  }

  @Test func doubtEnds() throws {
    var rig = Rig()
    _ = try rig.add(Self.request(1, count: 10, attempts: 1))
    rig.run(until: 300, silent: [1])
    _ = try rig.add(Self.request(1, count: 10, from: 31_000))
    rig.run(until: 32_000)
    #expect(rig.log == ["1:10", "1:10"])
  }

  @Test func refusalsEndARequestAndNothingElse() throws {
    var rig = Rig()
    let refused = try rig.add(Self.request(1))
    rig.run(until: 300, silent: [1], failure: .exception(2))
    #expect(rig.done[refused] == .failed(.exception(2)))
    let next = try rig.add(Self.request(1))
    rig.run(until: 400)
    #expect(rig.done[next] != nil)
  }

  @Test func busyIsTriedAgain() throws {
    var rig = Rig()
    let busy = try rig.add(Self.request(1, attempts: 2))
    rig.run(until: 300, silent: [1], failure: .exception(6))
    #expect(rig.done[busy] == nil)
    rig.run(until: 1000)
    #expect(rig.log == ["1:10", "1:10"])
    #expect(rig.done[busy] != nil)
  }

  @Test func requestsRunOutOfTime() throws {
    var rig = Rig()
    let late = try rig.add(Self.request(1, until: 200))
    rig.run(until: 2000, silent: [1])
    #expect(rig.done[late] == .failed(.silent))
    // The unit is left alone for longer than this one can wait.
    let hopeless = try rig.add(Self.request(1, until: rig.now + 100))
    rig.run(until: 10_000, silent: [1])
    guard case .failed = rig.done[hopeless] else { return #expect(Bool(false), "still waiting") }
    #expect(rig.schedule.waitingCount == 0)
  }

  @Test func theQueueHasAnEnd() throws {
    var schedule = BusSchedule(frameGap: .zero)
    for _ in 0..<64 { _ = try schedule.add(Self.request(1)).get() }
    guard case .failure(.queueFull) = schedule.add(Self.request(1)) else {
      return #expect(Bool(false), "the queue takes more than its limit")
    }
    #expect(schedule.drain().count == 64)
  }

  @Test func aBusThatCannotBeOpenedIsTriedLessAndLess() throws {
    var schedule = BusSchedule(frameGap: .zero)
    _ = try schedule.add(Self.request(1)).get()
    let later = try schedule.add(Self.request(1, from: 50_000)).get()
    let failure = ModbusFailure.notOpen("gone")
    #expect(schedule.openingFailed(failure, at: Self.at(0)).map(\.result) == [.failed(failure)])
    let second = try schedule.add(Self.request(1)).get()
    #expect(schedule.refuseDue(at: Self.at(400)).map(\.id) == [second])
    #expect(schedule.refuseDue(at: Self.at(600)).isEmpty)
    _ = schedule.openingFailed(failure, at: Self.at(600))
    _ = try schedule.add(Self.request(1)).get()
    #expect(schedule.refuseDue(at: Self.at(1500)).count == 1)
    schedule.opened()
    _ = try schedule.add(Self.request(1)).get()
    #expect(schedule.refuseDue(at: Self.at(1501)).isEmpty)
    #expect(schedule.drain().contains(later))
  }

  // MARK: Writes

  private static func write(
    _ unit: UInt8, _ value: UInt16, from: Int = 0, until: Int = 100_000, alternatives: [ModbusRead] = []
  ) -> ModbusRequest {
    ModbusRequest(
      .write(ModbusWrite(unit: unit, address: 1000, values: .register(value))), priority: .command,
      notBefore: at(from), deadline: at(until), attempts: 3, alternatives: alternatives)
  }

  @Test func writesComeFirst() throws {
    var rig = Rig()
    _ = try rig.add(Self.request(1))
    _ = try rig.add(Self.request(2, priority: .control))
    _ = try rig.add(Self.write(3, 16))
    rig.run(until: 1000)
    #expect(rig.log == ["3=16", "2:10", "1:10"])
  }

  /// Its late answer would be taken for that of the second try.
  @Test func aWriteThatWasGivenUpIsFollowedByAReadOfAnotherShape() throws {
    var rig = Rig()
    let known = ModbusRead(unit: 1, function: .holdingRegisters, address: 1000, count: 3)
    let id = try rig.add(Self.write(1, 16, alternatives: [known]))
    rig.run(until: 300, silent: [1])
    rig.run(until: 5000)
    #expect(rig.log == ["1=16", "1:3!", "1=16"])
    guard case .answer = rig.done[id] else { return #expect(Bool(false), "no answer") }
  }

  @Test func withoutAnAlternativeAWriteWaitsUntilTheDoubtIsOver() throws {
    var rig = Rig()
    _ = try rig.add(Self.write(1, 16))
    rig.run(until: 300, silent: [1])
    rig.run(until: 30_200)
    #expect(rig.log == ["1=16"])
    rig.run(until: 31_000)
    #expect(rig.log == ["1=16", "1=16"])
  }

  @Test func commandsAndPilotsDoNotWaitLongForASilentUnit() throws {
    var rig = Rig()
    let known = (1...9).map { ModbusRead(unit: 1, function: .holdingRegisters, address: 1000, count: $0) }
    // Silent for a minute, asked as a meter is: left alone for 30 s at last.
    _ = try rig.add(Self.request(1, attempts: 100, alternatives: known))
    rig.run(until: 60_000, silent: [1])
    rig.log = []
    _ = try rig.add(Self.write(1, 0, until: 70_000, alternatives: known))
    rig.run(until: 66_000, silent: [1])
    #expect(rig.log.count >= 2, "a command waits a second at most: \(rig.log)")
  }
}
