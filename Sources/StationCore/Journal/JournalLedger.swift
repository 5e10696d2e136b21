import OCPP

/// What the ledger says, as JSON values and back.
extension LedgerFailure {
  var journal: JSONValue {
    .members(["kind": .string(kind.rawValue), "text": .string(text), "keys": .array(keys.map(\.journal))])
  }

  init(journal value: JSONValue) throws(JournalError) {
    let fields = try JournalFields(value, "in.commitFailed.failure")
    var keys: [LedgerKey] = []
    for value in try fields.array("keys") { keys.append(try LedgerKey(journal: value)) }
    self.init(try fields.choice("kind"), try fields.string("text"), keys: keys)
  }
}

extension LedgerKey {
  var journal: JSONValue {
    switch self {
    case .record(let collection, let key):
      return .tagged("record", ["collection": .string(collection.rawValue), "key": .string(key)])
    case .message(let id): return .tagged("message", ["id": .integer(id)])
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "key")
    let fields = try tagged.fields()
    switch tagged.tag {
    case "record": self = .record(try fields.choice("collection"), try fields.string("key"))
    case "message": self = .message(try fields.int64("id"))
    default: throw tagged.unknown()
    }
  }
}

extension LedgerDamage {
  var journal: JSONValue {
    .members([
      "text": .string(text), "salvagedMessages": .int(salvagedMessages), "salvagedRecords": .int(salvagedRecords),
    ])
  }

  init(journal value: JSONValue) throws(JournalError) {
    let fields = try JournalFields(value, "start.damage")
    self.init(
      try fields.string("text"), salvagedMessages: try fields.int("salvagedMessages"),
      salvagedRecords: try fields.int("salvagedRecords"))
  }
}
