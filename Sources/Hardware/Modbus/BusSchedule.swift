/// Which request goes on the bus next, and what becomes of each: the bus's mind, a value without clock or wire.
///
/// A unit that failed is left alone for a while, longer each time, while the others go on. An answer says nothing of its
/// question but its function and length (that of a write repeats it), so questions that were given up leave their shape in doubt: the unit is brought back
/// into step by a read of a shape that is not in doubt. Units answer in the order in which they were asked, so its answer
/// shows that no earlier one is still to come. Before that, nothing of a doubtful shape is asked.
struct BusSchedule {
  struct Limits {
    /// Requests that wait for the bus.
    var waiting = 64
    /// The unit is left alone so long after its first failure, twice as long after each further one, up to the second.
    var firstPause = TimeSpan.seconds(1)
    var longestPause = TimeSpan.seconds(30)
    /// What a command, and a pilot's state, waits at most for a unit that failed.
    var firstControlPause = TimeSpan.milliseconds(250)
    var commandPause = TimeSpan.seconds(1)
    var controlPause = TimeSpan.seconds(5)
    /// After a garbled answer, the first two times.
    var garbledPause = TimeSpan.milliseconds(50)
    /// After "busy" and "acknowledged".
    var busyPause = TimeSpan.milliseconds(200)
    /// No unit answers later than this.
    var doubtLasts = TimeSpan.seconds(30)
    /// The bus is not opened again before this, twice as long after each failure, up to the second.
    var firstReopen = TimeSpan.milliseconds(500)
    var longestReopen = TimeSpan.seconds(10)

    init() {}
  }

  struct Ticket: Hashable {
    var id: UInt64
    var question: ModbusQuestion
    /// The question only brings the unit back into step; the request waits on.
    var isResync: Bool
    var doubtful: Set<ModbusShape>
  }

  enum Step: Hashable {
    case run(Ticket)
    case wait(until: MonotonicTime)
    case idle
  }

  struct Completion: Hashable {
    var id: UInt64
    var result: ModbusExchange.Result
  }

  private struct Waiting {
    var request: ModbusRequest
    var triesLeft: Int
    var failure: ModbusFailure?
  }

  private struct Unit {
    var failures = 0
    var lastFailure = ModbusFailure.silent
    var notBefore = MonotonicTime(nanoseconds: 0)
    var doubts: [ModbusShape: MonotonicTime] = [:]
    var lastServed = MonotonicTime(nanoseconds: .min)
  }

  private let limits: Limits
  private let frameGap: TimeSpan
  private var waiting: [UInt64: Waiting] = [:]
  private var units: [UInt8: Unit] = [:]
  private var nextID: UInt64 = 1
  private var lineQuietSince = MonotonicTime(nanoseconds: .min / 2)
  private var openFailures = 0
  private var reopenNotBefore = MonotonicTime(nanoseconds: 0)
  private var openFailure = ModbusFailure.silent

  init(frameGap: TimeSpan, limits: Limits = Limits()) {
    self.frameGap = frameGap
    self.limits = limits
  }

  var waitingCount: Int { waiting.count }

  /// Takes a request; a failure when there is no room.
  mutating func add(_ request: ModbusRequest) -> Result<UInt64, ModbusFailure> {
    guard waiting.count < limits.waiting else { return .failure(.queueFull) }
    let id = nextID
    nextID += 1
    waiting[id] = Waiting(request: request, triesLeft: request.attempts)
    return .success(id)
  }

  /// Requests that can no longer be answered in time.
  mutating func expired(at now: MonotonicTime) -> [Completion] {
    var completions: [Completion] = []
    for (id, entry) in waiting.sorted(by: { $0.key < $1.key }) {
      let unit = units[entry.request.question.unit]
      let free = unit.map { freeTime($0, entry.request.priority) }
      let blocked = free.map { $0 > now && $0 >= entry.request.deadline } ?? false
      guard now >= entry.request.deadline || (blocked && entry.request.notBefore <= now) else { continue }
      waiting[id] = nil
      let failure = entry.failure ?? (blocked ? unit.map { .backingOff($0.lastFailure.text) } : nil) ?? .silent
      completions.append(Completion(id: id, result: .failed(failure)))
    }
    return completions
  }

  /// All requests, when the bus stops.
  mutating func drain() -> [UInt64] {
    defer { waiting = [:] }
    return waiting.keys.sorted()
  }

  // MARK: What is next

  func next(at now: MonotonicTime) -> Step {
    var soonest: MonotonicTime?
    var best: (id: UInt64, entry: Waiting)?
    for (id, entry) in waiting {
      let unit = units[entry.request.question.unit] ?? Unit()
      var time = max(entry.request.notBefore, freeTime(unit, entry.request.priority))
      let quiet = lineQuietSince + max(entry.request.pause, frameGap)
      time = max(time, quiet)
      if let free = doubtFreeTime(unit, entry.request, now) { time = max(time, free) }
      guard time <= now else {
        // It may also run out of time before its turn.
        let event = min(time, entry.request.deadline)
        soonest = soonest.map { min($0, event) } ?? event
        continue
      }
      if let other = best, !precedes((id, entry), other) { continue }
      best = (id, entry)
    }
    guard let best else { return soonest.map { .wait(until: $0) } ?? .idle }
    return .run(ticket(best.id, best.entry.request, now))
  }

  /// When a unit that failed may be asked again: what commands and pilots wait for is bounded.
  private func freeTime(_ unit: Unit, _ priority: ModbusPriority) -> MonotonicTime {
    guard unit.failures > 0 else { return unit.notBefore }
    // The first two misses of a controller cost it little: a single late answer is no silence.
    if unit.failures <= 2, priority <= .control {
      return min(unit.notBefore, unit.lastServed + limits.firstControlPause)
    }
    switch priority {
    case .command: return min(unit.notBefore, unit.lastServed + limits.commandPause)
    case .control: return min(unit.notBefore, unit.lastServed + limits.controlPause)
    case .poll, .search, .leisure: return unit.notBefore
    }
  }

  /// By priority, then the unit that was served longest ago, then the order of arrival.
  private func precedes(_ a: (id: UInt64, entry: Waiting), _ b: (id: UInt64, entry: Waiting)) -> Bool {
    let served = { (entry: Waiting) in
      units[entry.request.question.unit]?.lastServed ?? MonotonicTime(nanoseconds: .min)
    }
    let ranks = (a.entry.request.priority, served(a.entry), a.id)
    return ranks < (b.entry.request.priority, served(b.entry), b.id)
  }

  private func ticket(_ id: UInt64, _ request: ModbusRequest, _ now: MonotonicTime) -> Ticket {
    let doubts = doubts(of: request.question.unit, now)
    if !doubts.isEmpty, let read = resync(request, doubts) {
      return Ticket(id: id, question: .read(read), isResync: true, doubtful: doubts)
    }
    return Ticket(id: id, question: request.question, isResync: false, doubtful: doubts)
  }

  private func doubts(of unit: UInt8, _ now: MonotonicTime) -> Set<ModbusShape> {
    Set((units[unit]?.doubts ?? [:]).filter { $0.value > now }.keys)
  }

  /// When no shape is left for getting into step: when the oldest doubt ends.
  private func doubtFreeTime(_ unit: Unit, _ request: ModbusRequest, _ now: MonotonicTime) -> MonotonicTime? {
    let active = unit.doubts.filter { $0.value > now }
    guard !active.isEmpty, resync(request, Set(active.keys)) == nil else { return nil }
    return active.values.min()
  }

  /// A read of a shape that is not in doubt: one that the unit is known to answer, else the request made shorter or longer.
  private func resync(_ request: ModbusRequest, _ doubts: Set<ModbusShape>) -> ModbusRead? {
    var candidates = request.alternatives.filter { $0.shape != request.question.shape }
    if case .read(let asked) = request.question, !asked.readsBits {
      for change in [-2, 2, -1, 1, -4, 4, -3, 3, -6, 6, -5, 5] {
        var read = asked
        read.count += change
        guard (1...125).contains(read.count), Int(read.address) + read.count <= 65_536 else { continue }
        candidates.append(read)
      }
    }
    return candidates.first { $0.unit == request.question.unit && !doubts.contains($0.shape) }
  }

  // MARK: What came of it

  mutating func finished(_ ticket: Ticket, _ exchange: ModbusExchange, at now: MonotonicTime) -> [Completion] {
    lineQuietSince = now
    guard var entry = waiting[ticket.id] else { return [] }
    var unit = units[ticket.question.unit] ?? Unit()
    defer { units[ticket.question.unit] = unit }
    unit.lastServed = now
    for shape in exchange.late { unit.doubts[shape] = nil }
    switch exchange.result {
    case .answer:
      works(&unit)
      return ticket.isResync ? [] : complete(ticket.id, exchange.result)
    case .failed(.exception(let code)) where ![5, 6, 10, 11].contains(code):
      works(&unit)
      return ticket.isResync ? [] : complete(ticket.id, exchange.result)
    case .failed(.exception(let code)) where code < 10:
      unit.notBefore = now + limits.busyPause
      return failed(&entry, ticket, .exception(code))
    case .failed(let failure):
      unit.failures += 1
      unit.lastFailure = failure
      unit.doubts = unit.doubts.filter { $0.value > now }
      unit.doubts[ticket.question.shape] = now + limits.doubtLasts
      unit.notBefore = now + pause(failure, unit.failures)
      return failed(&entry, ticket, failure)
    }
  }

  /// The bus could not be opened: everything that waits for it now fails, and it is not tried again for a while.
  mutating func openingFailed(_ failure: ModbusFailure, at now: MonotonicTime) -> [Completion] {
    openFailures += 1
    openFailure = failure
    reopenNotBefore = now + Self.doubled(limits.firstReopen, openFailures, limits.longestReopen)
    return refuseDue(at: now)
  }

  /// Requests whose turn it is while the bus must not be opened yet.
  mutating func refuseDue(at now: MonotonicTime) -> [Completion] {
    guard now < reopenNotBefore else { return [] }
    let due = waiting.filter { $0.value.request.notBefore <= now }.keys.sorted()
    return due.flatMap { complete($0, .failed(openFailure)) }
  }

  mutating func opened() {
    openFailures = 0
    reopenNotBefore = MonotonicTime(nanoseconds: 0)
  }

  /// In step: whatever was asked before is answered or never will be.
  private func works(_ unit: inout Unit) {
    unit.failures = 0
    unit.notBefore = MonotonicTime(nanoseconds: 0)
    unit.doubts = [:]
  }

  private mutating func complete(_ id: UInt64, _ result: ModbusExchange.Result) -> [Completion] {
    waiting[id] = nil
    return [Completion(id: id, result: result)]
  }

  private mutating func failed(_ entry: inout Waiting, _ ticket: Ticket, _ failure: ModbusFailure) -> [Completion] {
    entry.failure = failure
    entry.triesLeft -= 1
    waiting[ticket.id] = entry
    return entry.triesLeft > 0 ? [] : complete(ticket.id, .failed(failure))
  }

  private func pause(_ failure: ModbusFailure, _ failures: Int) -> TimeSpan {
    if failures <= 2 {
      switch failure {
      case .garbled, .otherUnit, .otherAnswer: return limits.garbledPause
      default: break
      }
    }
    return Self.doubled(limits.firstPause, failures, limits.longestPause)
  }

  private static func doubled(_ first: TimeSpan, _ times: Int, _ most: TimeSpan) -> TimeSpan {
    min(first * (1 << min(max(times - 1, 0), 16)), most)
  }
}
