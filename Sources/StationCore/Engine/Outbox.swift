import DequeModule
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

    /// What it counts for in the outbox's size: its payload and what the ledger keeps beside it.
    var size: Int { queued.payload.count + 160 }
  }

  /// In order of their ids.
  private(set) var messages: Deque<Message>
  /// Sum of the sizes.
  private(set) var bytes: Int
  private(set) var nextID: Int64
  /// Ids below this one are reserved in the ledger, so that none is used twice, also after a power cut.
  var reservedIDs: Int64
  /// Updated events dropped for lack of space since the start (E12.FR.04).
  var thinned = 0

  /// Messages that were dropped without an answer, with their transactions: until the ledger has that, a power cut would
  /// bring them back, and nothing that comes after them in their transaction may be sent.
  private var dropped: Deque<(id: Int64, transactionID: String)> = []

  /// More than these are not remembered.
  static let droppedLimit = 4096
  /// Ids reserved with one write of the ledger.
  static let reservation: Int64 = 1000

  init(restoring queued: [QueuedMessage], reservedIDs: Int64) {
    messages = Deque(queued.map { Message(queued: $0, order: 0, isBacklog: true) })
    bytes = messages.reduce(0) { $0 + $1.size }
    self.reservedIDs = reservedIDs
    nextID = max((queued.map(\.id).max() ?? 0) + 1, reservedIDs)
  }

  var isEmpty: Bool { messages.isEmpty }

  func contains(transaction id: String) -> Bool { messages.contains { $0.queued.transactionID == id } }

  func message(_ id: Int64) -> QueuedMessage? { index(of: id).map { messages[$0].queued } }

  private func index(of id: Int64) -> Int? {
    var low = 0
    var high = messages.count
    while low < high {
      let middle = (low + high) / 2
      if messages[middle].queued.id < id { low = middle + 1 } else { high = middle }
    }
    return low < messages.count && messages[low].queued.id == id ? low : nil
  }

  mutating func append(
    transactionID: String?, action: String, messageID: String, payload: [UInt8], order: Int64, isBacklog: Bool,
    unknownTimeBoot: Int64?
  ) -> QueuedMessage {
    let queued = QueuedMessage(
      id: nextID, transactionID: transactionID, action: action, messageID: messageID, payload: payload,
      unknownTimeBoot: unknownTimeBoot)
    nextID += 1
    let message = Message(queued: queued, order: order, isBacklog: isBacklog)
    messages.append(message)
    bytes += message.size
    return queued
  }

  /// The first message that may be sent: one that waits for its retry, or for the ledger, holds back its own transaction
  /// only.
  func nextDue(at now: Int64, unsaved: Set<LedgerKey>) -> Int? {
    var held: Set<String?> = []
    for message in dropped where unsaved.contains(.message(message.id)) { held.insert(message.transactionID) }
    for (index, message) in messages.enumerated() {
      if held.contains(message.queued.transactionID) { continue }
      let waits = message.queued.transactionID != nil && unsaved.contains(.message(message.queued.id))
      if message.notBefore <= now, !waits { return index }
      held.insert(message.queued.transactionID)
    }
    return nil
  }

  /// When the next waiting retry is due.
  func nextRetry(after now: Int64) -> Int64? { messages.lazy.map(\.notBefore).filter { $0 > now }.min() }

  mutating func remove(id: Int64) -> Message? {
    guard let index = index(of: id) else { return nil }
    bytes -= messages[index].size
    return messages.remove(at: index)
  }

  /// Removes a message that the CSMS has not answered.
  mutating func drop(id: Int64) -> Message? {
    guard let message = remove(id: id) else { return nil }
    if let transaction = message.queued.transactionID {
      if dropped.count >= Self.droppedLimit { dropped.removeFirst() }
      dropped.append((id, transaction))
    }
    return message
  }

  /// The ledger holds everything as it is.
  mutating func allIsSaved() { dropped.removeAll() }

  mutating func update(id: Int64, _ change: (inout Message) -> Void) -> Message? {
    guard let index = index(of: id) else { return nil }
    bytes -= messages[index].size
    change(&messages[index])
    bytes += messages[index].size
    return messages[index]
  }

  /// Offers every message for change and returns those that did change.
  mutating func changeAll(_ change: (inout Message) -> Bool) -> [QueuedMessage] {
    var changed: [QueuedMessage] = []
    for index in messages.indices {
      let size = messages[index].size
      if change(&messages[index]) {
        bytes += messages[index].size - size
        changed.append(messages[index].queued)
      }
    }
    return changed
  }
}

extension Station {
  /// Puts a message into the ledger and the outbox; it is sent when its turn comes.
  /// - Returns: its id in the outbox.
  @discardableResult
  mutating func enqueue(_ request: some OCPPRequest, transactionID: String?) -> Int64 {
    if outbox.nextID >= outbox.reservedIDs {
      outbox.reservedIDs = outbox.nextID + Outbox.reservation
      persistStation(.outboxIDs)
    }
    let queued = outbox.append(
      transactionID: transactionID, action: type(of: request).action, messageID: random.uuid(),
      payload: request.encode(version: .v201), order: calls.takeOrder(), isBacklog: !isOnline,
      unknownTimeBoot: unknownTimeBoot())
    persist(.enqueue(queued))
    keepOutboxInBounds()
    return queued.id
  }

  /// Tells the CSMS something that no transaction depends on. Offline it is not told at all, unless QueueAllMessages
  /// says that everything is kept until it is delivered.
  mutating func tell(_ request: some OCPPRequest, for purpose: Calls.Purpose = .report) {
    if flag(Setting.queueAllMessages, default: false) {
      enqueue(request, transactionID: nil)
    } else if isOnline, provisioning.registration == .accepted {
      call(request, for: purpose)
    }
  }

  /// True when `tell` reaches the CSMS, now or later.
  var isHeard: Bool {
    (isOnline && provisioning.registration == .accepted) || flag(Setting.queueAllMessages, default: false)
  }

  /// The CSMS has answered a queued message.
  /// - Throws: when the answer is not a valid response; the message is then kept and tried again.
  mutating func delivered(_ id: Int64, _ payload: [UInt8]) throws(PayloadError) {
    guard let message = outbox.message(id) else { return }
    if message.action == TransactionEventRequest.action {
      let response: TransactionEventResponse
      do throws(PayloadError) {
        response = try TransactionEventResponse.decode(payload, version: .v201)
      } catch {
        tolerate(.transactionEventAnswerInvalid)
        throw error
      }
      forget(id)
      transactionEventAnswered(message, response)
    } else {
      forget(id)
    }
  }

  /// The message is answered. Should that be lost, it is sent again, which the CSMS recognizes.
  mutating func forget(_ id: Int64) {
    guard outbox.remove(id: id) != nil else { return }
    lateWrites.append(.dequeue(id: id))
  }

  /// The message leaves without having reached the CSMS: that is durable before the next one of its transaction is sent,
  /// which it would follow after a power cut.
  mutating func drop(_ id: Int64) {
    guard outbox.drop(id: id) != nil else { return }
    persist(.dequeue(id: id))
  }

  /// E13: wait MessageAttemptInterval times the number of transmissions, try MessageAttempts times, then give up.
  mutating func deliveryFailed(_ id: Int64, _ why: String) {
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
      drop(id)
      keepUndelivered(message, why)
    } else {
      lateWrites.append(.enqueue(message))
    }
  }

  /// Everything still queued was not delivered while online: it is marked offline (E11.FR.07).
  mutating func markOutboxOffline() {
    var random = self.random
    let changed = outbox.changeAll { message in
      guard !message.isBacklog else { return false }
      message.isBacklog = true
      guard message.queued.action == TransactionEventRequest.action,
        var request = try? TransactionEventRequest.decode(message.queued.payload, version: .v201),
        request.offline != true
      else { return false }
      request.offline = true
      message.queued.payload = request.encode(version: .v201)
      message.queued.messageID = random.uuid()  // another text is another message (OCPP-J 4.1.4)
      return true
    }
    self.random = random
    for message in changed { persist(.enqueue(message)) }
  }
}
