import Glibc
import StationCore
import Threads

/// The ledger's thread and the groups that wait for it.
///
/// `@unchecked Sendable`: `store`, `damage`, `reserve`, `failedGroups` and `failedEpoch` belong to the thread once it runs, everything else is used under `lock`.
final class Writer: @unchecked Sendable {
  struct StopResult { var error: LedgerError? }

  private struct Group {
    var writes: [LedgerWrite]
    var epoch: UInt64?
    var size: Int
    /// Set when the group is not to be written, but only to be reported in its turn.
    var refusal: LedgerError?
    /// No group of writes: what was deleted is taken from the medium.
    var isErasure = false
    var completion: @Sendable (Result<Void, LedgerError>) -> Void

    mutating func refuse(_ error: LedgerError) {
      refusal = error
      writes = []
      size = 0
    }
  }

  private var store: Store
  /// The database was found damaged and is closed; it is salvaged before the next write.
  private var damage: LedgerError?
  private var salvages = 0
  private let directory: DataDirectory
  private let reserve: Reserve
  private let options: Ledger.Options
  private let lock = Lock()
  private var waiting: [Group] = []
  private var waitingBytes = 0
  private var failedGroups = 0
  /// The newest epoch of which a group failed, and why.
  private var failedEpoch: (number: UInt64, error: LedgerError)?
  private var isStopping = false
  private var lastStatistics = LedgerStatistics()
  private var closeError: LedgerError?
  private var thread = pthread_t()

  /// A database that is found damaged more often than this since the start is left as it is.
  private static let salvageLimit = 4

  init(_ store: Store, _ directory: DataDirectory, _ reserve: Reserve, _ options: Ledger.Options) {
    self.store = store
    self.directory = directory
    self.reserve = reserve
    self.options = options
    store.savesSpace = reserve.isShort
    if reserve.isShort { options.spaceChanged?(true) }
  }

  func startThread() throws(LedgerError) {
    do throws(NamedThread.Failure) {
      thread = try NamedThread.start("ledger") { [self] in run() }
    } catch {
      throw LedgerError(
        .failed, "cannot start the ledger's thread (errno \(error.code)); the system is out of resources")
    }
  }

  var statistics: LedgerStatistics {
    lock.with {
      var result = lastStatistics
      result.waiting = waiting.count
      return result
    }
  }

  func add(
    _ writes: [LedgerWrite], _ epoch: UInt64?, _ completion: @escaping @Sendable (Result<Void, LedgerError>) -> Void
  ) {
    let size = writes.reduce(0) { $0 + $1.payloadSize }
    let taken = lock.with { () -> Bool in
      if isStopping { return false }
      var group = Group(writes: writes, epoch: epoch, size: size, refusal: nil, completion: completion)
      if size > options.maximumWaitingBytes {
        group.refuse(LedgerError(.tooLarge, "a commit of \(size) bytes is larger than the ledger takes at once"))
      } else if waiting.count >= options.maximumWaitingGroups || waitingBytes + size > options.maximumWaitingBytes {
        group.refuse(
          LedgerError(.backlog, "the ledger is \(waiting.count) commits behind; the medium is too slow or hangs"))
      }
      waiting.append(group)
      waitingBytes += group.size
      lock.signal()
      return true
    }
    if !taken { completion(.failure(LedgerError.closed())) }
  }

  func erase(_ completion: @escaping @Sendable (LedgerError?) -> Void) {
    let taken = lock.with { () -> Bool in
      if isStopping { return false }
      waiting.append(
        Group(writes: [], epoch: nil, size: 0, refusal: nil, isErasure: true) { result in
          if case .failure(let error) = result { completion(error) } else { completion(nil) }
        })
      lock.signal()
      return true
    }
    if !taken { completion(LedgerError.closed()) }
  }

  /// Ends the thread once everything that waits is written. `nil` when that was done before.
  func stop() -> StopResult? {
    let first = lock.with { () -> Bool in
      defer { isStopping = true }
      lock.signal()
      return !isStopping
    }
    if !first { return nil }
    pthread_join(thread, nil)
    return lock.with { StopResult(error: closeError) }
  }

  private func run() {
    var nextLook = Self.now + options.spaceCheckSeconds
    while true {
      let (groups, isLast) = lock.with { () -> ([Group], Bool) in
        while waiting.isEmpty, !isStopping {
          if reserve.isShort {
            if Self.now >= nextLook { break }
            lock.wait(until: timespec(tv_sec: nextLook, tv_nsec: 0))
          } else {
            lock.wait()
          }
        }
        defer {
          waiting = []
          waitingBytes = 0
        }
        return (waiting, isStopping)
      }
      if groups.isEmpty, isLast { break }
      if reserve.isShort, Self.now >= nextLook {
        nextLook = Self.now + options.spaceCheckSeconds
        if reserve.restore() { spaceChanged(isLow: false) }
      }
      if groups.isEmpty { continue }
      write(groups)
      if damage == nil { store.checkpointIfLong() }
      publishStatistics()
    }
    var failure: LedgerError?
    // The log of a full medium is worth its room.
    if damage == nil {
      do { try store.close(keepingLog: reserve.isShort) } catch { failure = error }
    }
    publishStatistics()
    lock.with { closeError = failure }
  }

  /// Writes the groups in one transaction, up to one that is refused; when that fails, each in one of its own, so that a
  /// group fails only for what is in it, or for an earlier one of its epoch.
  private func write(_ groups: [Group]) {
    var rest = groups[...]
    while let first = rest.first {
      if let refusal = refusal(of: first) {
        answer(rest.removeFirst(), .failure(refusal))
        continue
      }
      if first.isErasure {
        answer(rest.removeFirst(), eraseDeleted())
        continue
      }
      let run = rest.prefix { refusal(of: $0) == nil && !$0.isErasure }
      rest = rest.dropFirst(run.count)
      let together = attempt(run.map(\.writes))
      for group in run {
        if case .failure = together, run.count > 1 {
          answer(group, refusal(of: group).map { .failure($0) } ?? attempt([group.writes]))
        } else {
          answer(group, together)
        }
      }
    }
  }

  private func eraseDeleted() -> Result<Void, LedgerError> {
    if let damage { return .failure(damage) }
    do throws(LedgerError) {
      try store.erase()
      // What could be read of them is in the ledger.
      for name in try directory.names() where name.hasPrefix("ledger.damaged-") {
        try directory.removeIfPresent("\(directory.path)/\(name)")
      }
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  private func refusal(of group: Group) -> LedgerError? {
    if let refusal = group.refusal { return refusal }
    guard let epoch = group.epoch, let failedEpoch, epoch <= failedEpoch.number else { return nil }
    return failedEpoch.error
  }

  private func answer(_ group: Group, _ result: Result<Void, LedgerError>) {
    if case .failure(let error) = result {
      failedGroups += 1
      if let epoch = group.epoch, epoch > failedEpoch?.number ?? 0 || failedEpoch == nil {
        failedEpoch = (epoch, error)
      }
    }
    publishStatistics()
    group.completion(result)
  }

  /// When the medium is full, what can be made free is made free, and it is tried again.
  private func attempt(_ groups: [[LedgerWrite]]) -> Result<Void, LedgerError> {
    if groups.allSatisfy(\.isEmpty) { return .success(()) }
    let makesRoom = groups.allSatisfy { $0.contains(where: \.makesRoom) }
    // First the most of the reserve, then the log, then the last of the reserve.
    var attempts = 3
    while true {
      if let damage, !salvage() { return .failure(damage) }
      do throws(LedgerError) {
        if !makesRoom, store.isLogTooLong { throw store.mediumIsFull }
        try store.write(groups)
        return .success(())
      } catch {
        attempts -= 1
        if error.kind == .corrupt, attempts >= 0 {
          // Without a checkpoint: what the log holds is needed whole.
          try? store.close(keepingLog: true)
          damage = error
          continue
        }
        guard error.isMediumFull, attempts >= 0, freeSpace(forLast: makesRoom) else { return .failure(error) }
      }
    }
  }

  /// Keeps the damaged database aside and goes on with what can be salvaged of it, as a start would.
  private func salvage() -> Bool {
    guard salvages < Self.salvageLimit else { return false }
    salvages += 1
    do throws(LedgerError) {
      let (salvaged, snapshot) = try Ledger.openStore(directory, reserve, options)
      store = salvaged
      store.savesSpace = reserve.isShort
      if let found = snapshot.damage { options.damageFound?(found) }
      damage = nil
      return true
    } catch {
      return false
    }
  }

  /// True when something was made free: a part of the reserve, or the log for its next use.
  private func freeSpace(forLast: Bool) -> Bool {
    let wasWhole = reserve.state == .whole
    let isFree = wasWhole || forLast ? reserve.giveUp() : false
    if wasWhole, reserve.isShort { spaceChanged(isLow: true) }
    return store.emptyLog() || isFree
  }

  private func spaceChanged(isLow: Bool) {
    store.savesSpace = isLow
    options.spaceChanged?(isLow)
  }

  /// Seconds of `CLOCK_MONOTONIC`.
  private static var now: Int {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec
  }

  private func publishStatistics() {
    var current = store.statistics
    current.failedGroups = failedGroups
    lock.with { lastStatistics = current }
  }
}
