import OCPP

/// Messages that must reach the CSMS however long it takes: each is in the ledger before it is sent and leaves it when
/// the CSMS has answered. Order is kept per transaction (E04, E12, E13).
struct Outbox: Sendable {
  struct Message: Sendable {
    var queued: QueuedMessage
    var order: Int64
    /// Came into being offline, or the link was lost since: other current messages go first.
    var isBacklog: Bool
    /// Not before this monotonic time (E13.FR.03).
    var notBefore: Int64 = 0
  }

  private(set) var messages: [Message]
  private var nextID: Int64

  init(restoring queued: [QueuedMessage]) {
    messages = queued.map { Message(queued: $0, order: 0, isBacklog: true) }
    nextID = (queued.map(\.id).max() ?? 0) + 1
  }

  var isEmpty: Bool { messages.isEmpty }

  func contains(transaction id: String) -> Bool { messages.contains { $0.queued.transactionID == id } }

  mutating func append(
    transactionID: String?, action: String, messageID: String, payload: [UInt8], order: Int64, isBacklog: Bool
  ) -> QueuedMessage {
    let queued = QueuedMessage(
      id: nextID, transactionID: transactionID, action: action, messageID: messageID, payload: payload)
    nextID += 1
    messages.append(Message(queued: queued, order: order, isBacklog: isBacklog))
    return queued
  }

  /// The first message that may be sent: a message that waits for its retry holds back its own transaction only.
  func nextDue(at now: Int64) -> Int? {
    var held: [String?] = []
    for (index, message) in messages.enumerated() {
      if held.contains(message.queued.transactionID) { continue }
      if message.notBefore <= now { return index }
      held.append(message.queued.transactionID)
    }
    return nil
  }

  /// When the next waiting retry is due.
  func nextRetry(after now: Int64) -> Int64? { messages.lazy.map(\.notBefore).filter { $0 > now }.min() }

  mutating func remove(id: Int64) -> Message? {
    guard let index = messages.firstIndex(where: { $0.queued.id == id }) else { return nil }
    return messages.remove(at: index)
  }

  mutating func update(id: Int64, _ change: (inout Message) -> Void) -> Message? {
    guard let index = messages.firstIndex(where: { $0.queued.id == id }) else { return nil }
    change(&messages[index])
    return messages[index]
  }

  /// Changes every message that is not yet marked as backlog and returns those that changed.
  mutating func markBacklog(_ change: (inout QueuedMessage) -> Void) -> [QueuedMessage] {
    var changed: [QueuedMessage] = []
    for index in messages.indices where !messages[index].isBacklog {
      messages[index].isBacklog = true
      change(&messages[index].queued)
      changed.append(messages[index].queued)
    }
    return changed
  }
}

extension Station {
  /// Puts a message into the ledger and the outbox; it is sent when its turn comes.
  mutating func enqueue(_ request: some OCPPRequest, transactionID: String?) {
    let queued = outbox.append(
      transactionID: transactionID, action: type(of: request).action, messageID: random.uuid(),
      payload: request.encode(version: .v201), order: calls.takeOrder(), isBacklog: !isOnline)
    persist(.enqueue(queued))
  }

  /// The CSMS has answered a queued message.
  /// - Throws: when the answer is not a valid response; the message is then kept and tried again.
  mutating func delivered(_ id: Int64, _ payload: [UInt8]) throws(PayloadError) {
    guard let message = outbox.messages.first(where: { $0.queued.id == id })?.queued else { return }
    if message.action == TransactionEventRequest.action {
      let response = try TransactionEventResponse.decode(payload, version: .v201)
      forget(id)
      transactionEventAnswered(message, response)
    } else {
      forget(id)
    }
  }

  private mutating func forget(_ id: Int64) {
    guard outbox.remove(id: id) != nil else { return }
    lateWrites.append(.dequeue(id: id))
  }

  /// E13: wait MessageAttemptInterval times the number of transmissions, try MessageAttempts times, then give up.
  mutating func deliveryFailed(_ id: Int64) {
    let attempts = max(1, number(Setting.messageAttempts, default: 5))
    let interval = milliseconds(Setting.messageAttemptInterval, default: 60)
    let now = now.monotonic
    let changed = outbox.update(id: id) { message in
      message.queued.attempts += 1
      message.notBefore = now + interval * Int64(message.queued.attempts)
    }
    guard let message = changed?.queued else { return }
    if message.attempts >= attempts {
      log(.error, "\(message.action) \(message.messageID) given up after \(message.attempts) attempts (E13.FR.04)")
      forget(id)
    } else {
      lateWrites.append(.enqueue(message))
    }
  }

  /// Everything still queued was not delivered while online: it is marked offline (E11.FR.07).
  mutating func markOutboxOffline() {
    var random = self.random
    let changed = outbox.markBacklog { message in
      guard message.action == TransactionEventRequest.action,
        var request = try? TransactionEventRequest.decode(message.payload, version: .v201), request.offline != true
      else { return }
      request.offline = true
      message.payload = request.encode(version: .v201)
      message.messageID = random.uuid()  // another text is another message (OCPP-J 4.1.4)
    }
    self.random = random
    for message in changed { persist(.enqueue(message)) }
  }
}
