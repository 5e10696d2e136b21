import DequeModule
import OCPP

/// What happens when the CSMS is away for so long that the outbox fills (E12.FR.04-05, E12.FR.08-09).
///
/// Below three quarters of OutboxMaxBytes nothing is lost. Above, Updated events are thinned: in every transaction the
/// second, fourth, sixth ... of them goes, never the latest, first only those that bring nothing but meter values, then
/// the others; an event that carries a token stays. Started and Ended are never dropped. When nothing is left to thin
/// and the bound is reached, no new transaction begins.
enum OutboxBounds {
  /// Bound in bytes where the device model gives none: several days offline with two EVSEs that report every minute.
  static let defaultBytes = 8 << 20
  static let leastBytes = 64 << 10

  /// What may be dropped, in the order in which it goes.
  enum Level: CaseIterable {
    case meterValues, others

    func contains(_ event: TransactionEventRequest) -> Bool {
      guard event.eventType == .updated, event.idToken == nil else { return false }
      switch event.triggerReason {
      case .meterValuePeriodic, .meterValueClock: return true
      default: return self == .others
      }
    }
  }
}

extension Station {
  var outboxBound: Int {
    max(OutboxBounds.leastBytes, number(Setting.outboxMaxBytes, default: OutboxBounds.defaultBytes))
  }

  /// No more room for what a new transaction would bring.
  var outboxIsFull: Bool { outbox.bytes >= outboxBound }

  /// So full that what can be spared is spared.
  var outboxIsTight: Bool { outbox.bytes > outboxBound / 4 * 3 }

  mutating func keepOutboxInBounds() {
    guard outboxIsTight else { return }
    let before = outbox.messages.count
    for level in OutboxBounds.Level.allCases {
      while outboxIsTight, thin(level) > 0 {}
    }
    let dropped = before - outbox.messages.count
    if dropped > 0 {
      outbox.thinned += dropped
      log(
        .warning,
        "the outbox is near its bound of \(outboxBound) bytes: \(dropped) Updated events dropped (E12.FR.05)")
    }
    shedNotifications()
  }

  /// One pass: every second of what the level allows to go, per transaction. Returns how many went.
  private mutating func thin(_ level: OutboxBounds.Level) -> Int {
    var inFlight: Int64?
    if case .outbox(let id)? = calls.outstanding?.purpose { inFlight = id }
    var candidates: [String: [Int64]] = [:]
    for message in outbox.messages {
      guard let transaction = message.queued.transactionID, message.queued.id != inFlight,
        let event = try? TransactionEventRequest.decode(message.queued.payload, version: .v201), level.contains(event)
      else { continue }
      candidates[transaction, default: []].append(message.queued.id)
    }
    var dropped: [Int64] = []
    for ids in candidates.values {
      for (position, id) in ids.dropLast().enumerated() where position % 2 == 1 { dropped.append(id) }
    }
    for id in dropped.sorted() { drop(id) }
    return dropped.count
  }

  /// At the bound itself, the oldest messages that belong to no transaction go, security events last.
  private mutating func shedNotifications() {
    guard outboxIsFull else { return }
    var inFlight: Int64?
    if case .outbox(let id)? = calls.outstanding?.purpose { inFlight = id }
    let spare = outbox.messages.filter { $0.queued.transactionID == nil && $0.queued.id != inFlight }
    let isSecurity = { (message: Outbox.Message) in message.queued.action == SecurityEventNotificationRequest.action }
    var dropped = 0
    for message in spare.filter({ !isSecurity($0) }) + spare.filter(isSecurity) where outboxIsFull {
      drop(message.queued.id)
      dropped += 1
    }
    if dropped > 0 { log(.warning, "the outbox is at its bound: \(dropped) notifications dropped") }
  }
}
