import StationCore

/// A ledger in memory that does what `Ledger` promises: groups are stored whole, in order, or not at all; the answer
/// comes later; a failed group leaves nothing, and those of its epoch fail after it (one whose flush failed may be found after a power cut when nothing was
/// stored after it); a power cut loses a suffix of the groups that were not answered.
final class Disk {
  enum Condition: Equatable {
    case sound
    case failing(LedgerFailure.Kind)
  }

  private struct Group {
    var id: ActionSequencer.CommitID
    var writes: [LedgerWrite]
    var epoch: UInt64
  }

  private unowned let world: World
  private(set) var records: [LedgerCollection: [String: [UInt8]]] = [:]
  private(set) var outbox: [Int64: QueuedMessage] = [:]
  private(set) var outboxBytes = 0
  private var waiting: [Group] = []
  private var lastDue: Int64 = 0
  private var lastAnswer: Int64 = 0
  /// Groups whose flush failed, with nothing stored after them.
  private var uncertain: [[LedgerWrite]] = []
  private var failedEpoch: UInt64?
  private var process = 0
  private var real: RealLedger?

  var condition = Condition.sound
  /// The next flush that has another one behind it fails, and that one does not.
  var failsOnce = false
  /// Added to every flush, milliseconds.
  var slowness: Int64 = 0
  private(set) var lastFailureAt: Int64 = -.day
  private var failsSinceLastStore = false

  var isIdle: Bool { waiting.isEmpty }

  static let waitingLimit = 4096

  init(_ world: World) {
    self.world = world
    if world.scenario.usesRealLedger {
      real = RealLedger(seed: world.scenario.seed)
      world.coverage.count("realLedgers")
    }
  }

  func submit(_ id: ActionSequencer.CommitID, _ writes: [LedgerWrite], epoch: UInt64) {
    guard waiting.count < Self.waitingLimit else {
      failedEpoch = epoch
      return answer(id, LedgerFailure(.backlog, "the ledger is \(waiting.count) commits behind", keys: []))
    }
    waiting.append(Group(id: id, writes: writes, epoch: epoch))
    // Groups that pile up during a flush are stored by the next one.
    lastDue = max(lastDue, world.time + world.dice.within(world.scenario.flushTime) + slowness)
    let process = process
    world.at(lastDue) { [unowned self] in
      if process == self.process { self.flush() }
    }
  }

  private func flush() {
    guard !waiting.isEmpty else { return }
    let group = waiting.removeFirst()
    world.coverage.count("commits")
    if let kind = failure(of: group) {
      lastFailureAt = world.time
      failsSinceLastStore = true
      if failsOnce, !waiting.isEmpty {
        failsOnce = false
        world.troubles.flushFailedOnce()
      }
      world.coverage.count("commitsFailed")
      if kind == .medium, !isRefused(group), world.dice.chance(0.3) { uncertain.append(group.writes) }
      if world.mutation != .commitsAfterAFailure { failedEpoch = max(failedEpoch ?? 0, group.epoch) }
      return answer(group.id, LedgerFailure(kind, "simulated: \(kind.rawValue)", keys: []))
    }
    uncertain = []
    store(group.writes)
    if failsSinceLastStore {
      failsSinceLastStore = false
      world.troubles.diskRecovers()
    }
    answer(group.id, nil)
  }

  /// Something before it failed, and the core did not know: it is not even tried.
  private func isRefused(_ group: Group) -> Bool { failedEpoch.map { group.epoch <= $0 } ?? false }

  private func failure(of group: Group) -> LedgerFailure.Kind? {
    if isRefused(group) { return .medium }
    if failsOnce, !waiting.isEmpty { return .medium }
    guard case .failing(let kind) = condition, kind != .full || !group.writes.allSatisfy(\.isRemoval) else {
      return nil
    }
    return kind
  }

  private func answer(_ id: ActionSequencer.CommitID, _ failure: LedgerFailure?) {
    lastAnswer = max(lastAnswer, world.time + (world.dice.chance(0.9) ? 0 : world.dice.within(1...5)))
    let process = process
    world.at(lastAnswer) { [unowned self] in
      if process == self.process { self.world.committed(id, failure) }
    }
  }

  private func store(_ writes: [LedgerWrite]) {
    for write in writes {
      switch write {
      case .put(let collection, let key, let value): records[collection, default: [:]][key] = value
      case .delete(let collection, let key): records[collection]?[key] = nil
      case .enqueue(let message):
        outboxBytes += message.payload.count - (outbox[message.id]?.payload.count ?? 0)
        outbox[message.id] = message
      case .dequeue(let id):
        outboxBytes -= outbox[id]?.payload.count ?? 0
        outbox[id] = nil
      }
    }
    world.books.stored(writes)
    if let problem = real?.store(writes) { world.violated("real ledger", problem) }
  }

  // MARK: The end of a process

  /// The process is gone. What is found next: everything that was flushed, and a prefix of the rest.
  /// - Parameter orderly: the ledger was closed, so everything that waited was written, as far as the medium takes it.
  func processEnded(orderly: Bool) {
    process += 1
    if orderly {
      for group in waiting {
        if failure(of: group) == nil { store(group.writes) } else { failedEpoch = max(failedEpoch ?? 0, group.epoch) }
      }
    } else {
      let survivors =
        condition == .sound && !waiting.isEmpty ? Int(world.dice.within(0...Int64(waiting.count))) : 0
      for group in waiting.prefix(survivors) where failure(of: group) == nil { store(group.writes) }
      world.coverage.count("groupsLost", Int64(waiting.count - survivors))
      if survivors == 0, !uncertain.isEmpty {
        let found = Int(world.dice.within(0...Int64(uncertain.count)))
        for writes in uncertain.prefix(found) { store(writes) }
      }
    }
    waiting = []
    uncertain = []
    failedEpoch = nil
    if let real {
      let problem = orderly ? real.reopen() : real.crash()
      if let problem { return world.violated("real ledger", problem) }
      if let difference = real.difference(to: snapshot) { world.violated("real ledger", difference) }
    }
  }

  func close() { real?.remove() }

  var snapshot: LedgerSnapshot {
    LedgerSnapshot(
      records: records.filter { !$0.value.isEmpty }, outbox: outbox.values.sorted { $0.id < $1.id })
  }
}

extension LedgerWrite {
  /// Takes no space.
  var isRemoval: Bool {
    switch self {
    case .delete, .dequeue: true
    case .put, .enqueue: false
    }
  }
}
