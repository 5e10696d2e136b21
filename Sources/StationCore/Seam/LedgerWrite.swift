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
  /// The authorization cache; key: type and identifier of the token.
  case authorizationCache
  /// The local authorization list; keys as in the cache.
  case localList
  /// Messages that the station had to give up (E13.FR.04), for export; key: the outbox id.
  case undelivered
  /// The security log; key: the number of the entry, in equal length.
  case securityLog
  /// Monitors set by the CSMS, and what is not as the component files say of the others; key: the id.
  case monitor
}

extension LedgerCollection {
  /// A key for a number, of equal length, so that keys sort as the numbers do.
  static func key(_ number: Int64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 19 - digits.count)) + digits
  }
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
  /// Set while the time stamps in the payload are of an unset clock: the number of the boot that recorded it. The
  /// message is re-based, and this cleared, when the time becomes known.
  public var unknownTimeBoot: Int64?

  public init(
    id: Int64, transactionID: String?, action: String, messageID: String, payload: [UInt8], attempts: Int = 0,
    unknownTimeBoot: Int64? = nil
  ) {
    self.id = id
    self.transactionID = transactionID
    self.action = action
    self.messageID = messageID
    self.payload = payload
    self.attempts = attempts
    self.unknownTimeBoot = unknownTimeBoot
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

/// What one write is about: the record or the message that it changes.
public enum LedgerKey: Hashable, Sendable {
  case record(LedgerCollection, String)
  case message(Int64)
}

extension LedgerWrite {
  public var key: LedgerKey {
    switch self {
    case .put(let collection, let key, _), .delete(let collection, let key): return .record(collection, key)
    case .enqueue(let message): return .message(message.id)
    case .dequeue(let id): return .message(id)
    }
  }
}

/// A commit that was not made durable: nothing of it is stored.
public struct LedgerFailure: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable {
    /// No space on the medium, or the ledger's own size limit.
    case full
    /// The file system was remounted read-only, or the rights are gone.
    case readOnly
    /// Anything else that the medium or the operating system did.
    case medium
    /// The ledger is too far behind to take more.
    case backlog
  }

  public var kind: Kind
  /// One line: what is wrong and what to do.
  public var text: String
  /// What the commit was to change.
  public var keys: [LedgerKey]

  public init(_ kind: Kind, _ text: String, keys: [LedgerKey]) {
    self.kind = kind
    self.text = text
    self.keys = keys
  }
}

/// A ledger was found damaged at the start; it was kept aside and a new one begun.
public struct LedgerDamage: Hashable, Sendable {
  /// What was wrong, and the file under which the damaged ledger was kept.
  public var text: String
  /// Messages and records that could be taken over from it.
  public var salvagedMessages: Int
  public var salvagedRecords: Int

  public init(_ text: String, salvagedMessages: Int, salvagedRecords: Int) {
    self.text = text
    self.salvagedMessages = salvagedMessages
    self.salvagedRecords = salvagedRecords
  }
}

/// Everything the ledger held when it was opened.
public struct LedgerSnapshot: Hashable, Sendable {
  public var records: [LedgerCollection: [String: [UInt8]]]
  /// The outbox in order of `id`.
  public var outbox: [QueuedMessage]
  /// Set when it was damaged; what could be salvaged is in `records` and `outbox`, and in the new ledger.
  public var damage: LedgerDamage?

  public init(
    records: [LedgerCollection: [String: [UInt8]]] = [:], outbox: [QueuedMessage] = [], damage: LedgerDamage? = nil
  ) {
    self.records = records
    self.outbox = outbox
    self.damage = damage
  }
}
