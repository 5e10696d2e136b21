/// Puts the core's actions into the order in which they may become visible. Pure: it only says what to do next.
///
/// The rules, which make "durable before visible" true:
/// - Actions of one `handle`, and of successive ones, are carried out in order.
/// - A `commit` goes to the ledger at once, also while an earlier one is pending, so the ledger can group them. Everything
///   behind it, of this and of later `handle`s, waits until it is durable. A commit that only takes messages out of the
///   outbox holds nothing up: losing it sends a message again that the CSMS knows already.
/// - Actions that are immediate (`Action.isImmediate`, and a pilot offer lowered below the one in force) never wait. One
///   that overtakes waiting commands to the same actuator cancels them: a contactor that is to open is not closed by
///   an older command that waited for the disk.
/// - When the connection is lost, the frames that wait are dropped: the next one is not for them.
/// - When a commit fails, the actions behind it of the same `handle` are refused, and the core is told by
///   `Input.commitFailed`. Until the core has handled that, what it commits builds on what was not stored: `epoch` marks
///   these commits, and the ledger fails them too, so that it always holds a prefix of what the core meant. The actions of
///   later `handle`s go on, but for those that rely on what was not stored: sending a message of that commit, closing a contactor, raising an offer.
///   `disconnect`, `restart` and `stopped` are carried out all the same: nothing that a peer believes depends on them.
/// - At most `limit` actions and `byteLimit` bytes of frames wait. Beyond that the ledger counts as hung: `isOverfull` is
///   true and the runtime ends the process.
package struct ActionSequencer: Sendable {
  /// Numbers a commit handed to the ledger.
  package typealias CommitID = UInt64

  package enum Step: Hashable, Sendable {
    case perform(Action)
    /// Hand the writes to the ledger; its answer comes back through `committed`.
    case submit(CommitID, [LedgerWrite])
    /// The action is not carried out because the commit before it failed; tell whoever waits for its effect.
    case refuse(Action, why: String)
    /// Give this to the core.
    case input(Input)
  }

  package static let limit = 8192
  package static let byteLimit = 16 << 20

  private enum Slot: Sendable {
    case action(Action, group: UInt64)
    case commit(CommitID, group: UInt64, CommitState)
    /// A commit that it relied on has failed.
    case refused(Action, why: String)
    /// Was cancelled by an immediate action.
    case cancelled
  }

  private enum CommitState: Sendable {
    case pending, durable
    case failed(LedgerFailure)
  }

  private struct Connector: Hashable {
    var evse: Int
    var connector: Int
  }

  private var slots: [Slot] = []
  private var head = 0
  private var waitingBytes = 0
  private var nextCommit: CommitID = 0
  /// Handed to the ledger with each commit: raised when the core has handled the failure of one.
  package private(set) var epoch: UInt64 = 0
  /// What the commits that have not been answered are to change.
  private var pendingKeys: [CommitID: [LedgerKey]] = [:]
  /// How a frame begins that sends a message of a commit that is still in the way.
  private var pendingCalls: [CommitID: [[UInt8]]] = [:]
  private var group: UInt64 = 0
  /// The offers in force per connector; absent means none.
  private var offers: [Connector: Int64] = [:]

  /// Actions and commits that wait.
  package var waitingCount: Int { slots.count - head }
  /// No commit is pending and nothing waits.
  package var isIdle: Bool { head == slots.count }
  package var isOverfull: Bool { waitingCount > Self.limit || waitingBytes > Self.byteLimit }

  package init() {}

  /// Takes the actions of one `handle`, and the input that it handled. What is to be submitted belongs to `epoch`.
  package mutating func add(_ actions: [Action], of input: Input? = nil) -> [Step] {
    if case .commitFailed? = input { epoch += 1 }
    if case .link(.down)? = input { cancelFrames() }
    var steps: [Step] = []
    steps.reserveCapacity(actions.count)
    group += 1
    for action in actions {
      if case .commit(let writes) = action {
        if writes.isEmpty { continue }
        let id = nextCommit
        nextCommit += 1
        pendingKeys[id] = writes.map(\.key)
        if !writes.allSatisfy(\.isDequeue) {
          slots.append(.commit(id, group: group, .pending))
          let calls = writes.compactMap(\.callPrefix)
          if !calls.isEmpty { pendingCalls[id] = calls }
        }
        steps.append(.submit(id, writes))
      } else if isIdle {
        perform(action, &steps)
      } else if isImmediate(action) {
        cancelOvertaken(by: action)
        perform(action, &steps)
      } else {
        waitingBytes += Self.bytes(of: action)
        slots.append(.action(action, group: group))
      }
    }
    return steps
  }

  /// Takes the ledger's answer to a commit: `failure` is `nil` when it is durable; its keys are filled in here. Answers
  /// may come in any order.
  package mutating func committed(_ id: CommitID, failure: LedgerFailure?) -> [Step] {
    let keys = pendingKeys.removeValue(forKey: id) ?? []
    let failure = failure.map { LedgerFailure($0.kind, $0.text, keys: keys) }
    for index in head..<slots.count {
      if case .commit(id, let group, .pending) = slots[index] {
        slots[index] = .commit(id, group: group, failure.map(CommitState.failed) ?? .durable)
        return drain()
      }
    }
    return failure.map { [.input(.commitFailed($0, refused: []))] } ?? []
  }

  private mutating func drain() -> [Step] {
    var steps: [Step] = []
    scan: while head < slots.count {
      switch slots[head] {
      case .commit(_, _, .pending):
        break scan
      case .cancelled: break
      case .commit(let id, _, .durable): pendingCalls[id] = nil
      case .commit(let id, let group, .failed(let failure)):
        let calls = pendingCalls.removeValue(forKey: id) ?? []
        steps.append(.input(.commitFailed(failure, refused: refuse(group: group, calls: calls, failure.text))))
      case .action(let action, _):
        waitingBytes -= Self.bytes(of: action)
        perform(action, &steps)
      case .refused(let action, let why):
        waitingBytes -= Self.bytes(of: action)
        steps.append(.refuse(action, why: why))
      }
      head += 1
    }
    if head == slots.count {
      slots.removeAll(keepingCapacity: slots.capacity <= 256)
      head = 0
    } else if head > 256 {
      slots.removeFirst(head)
      head = 0
    }
    return steps
  }

  /// Refuses what relies on the failed commit at the head, and returns it.
  private mutating func refuse(group: UInt64, calls: [[UInt8]], _ why: String) -> [Action] {
    var refused: [Action] = []
    for index in head..<slots.count {
      guard case .action(let action, let owner) = slots[index], !Self.survivesFailure(action),
        owner == group || Self.relies(action, on: calls)
      else { continue }
      slots[index] = .refused(action, why: why)
      refused.append(action)
    }
    return refused
  }

  /// An action of a later `handle`, which was decided before anybody knew that the commit would fail.
  private static func relies(_ action: Action, on calls: [[UInt8]]) -> Bool {
    switch action {
    case .send(let frame): return calls.contains { frame.starts(with: $0) }
    case .hardware(.contactor(_, let close)): return close
    case .hardware(.offer(_, _, let milliamperes)): return milliamperes != nil
    default: return false
    }
  }

  private mutating func perform(_ action: Action, _ steps: inout [Step]) {
    if case .hardware(.offer(let evse, let connector, let milliamperes)) = action {
      offers[Connector(evse: evse, connector: connector)] = milliamperes
    }
    steps.append(.perform(action))
  }

  private func isImmediate(_ action: Action) -> Bool {
    if action.isImmediate { return true }
    if case .hardware(.offer(let evse, let connector, let milliamperes?)) = action,
      let inForce = offers[Connector(evse: evse, connector: connector)]
    {
      return milliamperes < inForce
    }
    return false
  }

  /// What waits to be said on a connection that is gone must not be said on the next one.
  private mutating func cancelFrames() {
    for index in head..<slots.count {
      switch slots[index] {
      case .action(.send(let frame), _), .refused(.send(let frame), _):
        waitingBytes -= frame.count
        slots[index] = .cancelled
      case .action(.ping, _), .action(.disconnect, _): slots[index] = .cancelled
      default: break
      }
    }
  }

  /// An immediate command to an actuator is newer than every waiting one to it.
  private mutating func cancelOvertaken(by action: Action) {
    guard case .hardware(let command) = action else { return }
    for index in head..<slots.count {
      guard case .action(.hardware(let waiting), _) = slots[index] else { continue }
      switch (command, waiting) {
      case (.contactor(let a, _), .contactor(let b, _)) where a == b:
        slots[index] = .cancelled
      case (.offer(let a, let c, _), .offer(let b, let d, _)) where a == b && c == d:
        slots[index] = .cancelled
      default:
        break
      }
    }
  }

  private static func survivesFailure(_ action: Action) -> Bool {
    switch action {
    case .disconnect, .restart, .stopped: return true
    default: return false
    }
  }

  private static func bytes(of action: Action) -> Int {
    if case .send(let frame) = action { return frame.count }
    return 0
  }
}

extension LedgerWrite {
  fileprivate var isDequeue: Bool {
    if case .dequeue = self { return true }
    return false
  }

  /// The beginning of the CALL with the message that it stores.
  fileprivate var callPrefix: [UInt8]? {
    guard case .enqueue(let message) = self else { return nil }
    return Array("[2,\"\(message.messageID)\",".utf8)
  }
}
