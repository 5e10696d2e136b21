import OCPP

/// What E13 made the station give up: kept in the ledger, counted, exported by `station ctl undelivered`.
///
/// Bounded by `limit` bytes: beyond it the oldest goes, Updated events before the others.
struct Undelivered: Sendable {
  struct Entry: Hashable, Sendable {
    /// Key in the ledger: the outbox id, of equal length so that it sorts.
    var key: String
    var record: JSONValue
    var size: Int
    var isUpdated: Bool
  }

  static let limit = 1 << 20

  private(set) var entries: [Entry] = []
  private(set) var bytes = 0
  /// How many were given up in the station's life, and how many of them had to leave this store.
  var total = 0
  var dropped = 0

  init(restoring records: [String: [UInt8]], counters: JSONValue?) {
    for (key, bytes) in records.sorted(by: { $0.key < $1.key }) {
      guard let record = try? JSONValue.parse(bytes, maxDepth: 32) else { continue }
      add(Entry(key: key, record: record, size: bytes.count, isUpdated: Self.isUpdated(record)))
    }
    total = max(counters?["total"]?.intValue ?? 0, entries.count)
    dropped = counters?["dropped"]?.intValue ?? 0
  }

  var counters: JSONValue {
    .object([JSONMember(name: "total", value: .int(total)), JSONMember(name: "dropped", value: .int(dropped))])
  }

  static func isUpdated(_ record: JSONValue) -> Bool { record["payload"]?["eventType"] == "Updated" }

  mutating func add(_ entry: Entry) {
    entries.append(entry)
    bytes += entry.size
  }

  /// What has to leave so that the rest is within the limit.
  mutating func shed() -> [Entry] {
    var gone: [Entry] = []
    while bytes > Self.limit, !entries.isEmpty {
      let entry = entries.remove(at: entries.firstIndex(where: \.isUpdated) ?? 0)
      bytes -= entry.size
      gone.append(entry)
    }
    return gone
  }

  mutating func removeAll() -> [Entry] {
    defer {
      entries = []
      bytes = 0
    }
    return entries
  }

  /// Blots out a customer. Returns the keys of the entries that changed.
  mutating func blot(_ identifiers: CustomerIdentifiers) -> [String] {
    var changed: [String] = []
    for index in entries.indices where identifiers.isIn(entries[index].record) {
      let record = identifiers.blotted(entries[index].record)
      let size = record.bytes.count
      bytes += size - entries[index].size
      entries[index].record = record
      entries[index].size = size
      changed.append(entries[index].key)
    }
    return changed
  }

  func record(_ key: String) -> JSONValue? { entries.first { $0.key == key }?.record }
}

extension Station {
  /// Keeps a message that is not tried any more.
  mutating func keepUndelivered(_ message: QueuedMessage, _ why: String) {
    let key = LedgerCollection.key(message.id)
    let record = JSONValue.object([
      JSONMember(name: "action", value: .string(message.action)),
      JSONMember(name: "messageId", value: .string(message.messageID)),
      JSONMember(name: "attempts", value: .int(message.attempts)),
      JSONMember(name: "givenUpAt", value: .string(timestamp.description)),
      JSONMember(name: "reason", value: .string(String(why.unicodeScalars.prefix(200)))),
      JSONMember(name: "payload", value: (try? JSONValue.parse(message.payload, maxDepth: 32)) ?? .null),
    ])
    let bytes = record.bytes
    undelivered.add(
      Undelivered.Entry(key: key, record: record, size: bytes.count, isUpdated: Undelivered.isUpdated(record)))
    undelivered.total += 1
    persist(.put(.undelivered, key: key, value: bytes))
    for entry in undelivered.shed() {
      undelivered.dropped += 1
      persist(.delete(.undelivered, key: entry.key))
    }
    persistStation(.undelivered)
  }

  /// What is kept, oldest first: `action`, `messageId`, `attempts`, `givenUpAt`, `reason`, `payload`.
  public var undeliveredMessages: [JSONValue] { undelivered.entries.map(\.record) }

  /// The operator has exported them: they are deleted, the count stays.
  mutating func discardUndelivered() -> Int {
    let gone = undelivered.removeAll()
    for entry in gone { persist(.delete(.undelivered, key: entry.key)) }
    return gone.count
  }
}
