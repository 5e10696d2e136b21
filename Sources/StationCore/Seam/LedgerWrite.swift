/// What must survive a power cut, as the core sees it: records by collection and key, and the outbox. The ledger stores
/// the bytes as they are; what is in them is the core's business.

/// The collections of the ledger. The raw value is stored on disk: never rename one.
public enum LedgerCollection: String, Hashable, Sendable, CaseIterable {
  /// Attribute values changed at run time; key: `DeviceModel`'s persistent key, value: the text.
  case variable
  /// Open transactions; key: EVSE id.
  case transaction
  /// Availability set by the CSMS; key: `station`, `evse/1` or `connector/1/1`.
  case availability
  /// Counters, boot state and whatever else the station itself must not forget; key: a name.
  case station
}

/// A message that waits in the outbox until the CSMS has answered it.
public struct QueuedMessage: Hashable, Sendable {
  /// Order in the outbox; given by the core, strictly growing, never reused.
  public var id: Int64
  /// The transaction it belongs to; messages of one transaction leave in order of `id`.
  public var transactionID: String?
  /// OCPP action, e.g. `TransactionEvent`.
  public var action: String
  /// The message id of the CALL; a retry keeps it.
  public var messageID: String
  /// Payload of the CALL, JSON.
  public var payload: [UInt8]
  /// How often it was sent and failed.
  public var attempts: Int

  public init(
    id: Int64, transactionID: String?, action: String, messageID: String, payload: [UInt8], attempts: Int = 0
  ) {
    self.id = id
    self.transactionID = transactionID
    self.action = action
    self.messageID = messageID
    self.payload = payload
    self.attempts = attempts
  }
}

/// One change of the ledger. All writes of one `Action.commit` become durable together or not at all.
public enum LedgerWrite: Hashable, Sendable {
  case put(LedgerCollection, key: String, value: [UInt8])
  case delete(LedgerCollection, key: String)
  /// Inserts, or replaces the message with the same `id`.
  case enqueue(QueuedMessage)
  case dequeue(id: Int64)
}

/// Everything the ledger held when it was opened.
public struct LedgerSnapshot: Hashable, Sendable {
  public var records: [LedgerCollection: [String: [UInt8]]]
  /// The outbox in order of `id`.
  public var outbox: [QueuedMessage]

  public init(records: [LedgerCollection: [String: [UInt8]]] = [:], outbox: [QueuedMessage] = []) {
    self.records = records
    self.outbox = outbox
  }
}
