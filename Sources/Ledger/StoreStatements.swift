import StationCore

/// The statements that write. To be finalized before their connection closes.
struct StoreStatements {
  let begin, commit, rollback: Statement
  private let put, delete, enqueue, dequeue, deleteDamage: Statement

  init(_ connection: Connection) throws(LedgerError) {
    begin = try connection.prepare("BEGIN IMMEDIATE")
    commit = try connection.prepare("COMMIT")
    rollback = try connection.prepare("ROLLBACK")
    put = try connection.prepare(Schema.put)
    delete = try connection.prepare(Schema.delete)
    enqueue = try connection.prepare(Schema.enqueue)
    dequeue = try connection.prepare(Schema.dequeue)
    deleteDamage = try connection.prepare(Schema.deleteDamage)
  }

  func finalize() {
    for statement in [begin, commit, rollback, put, delete, enqueue, dequeue, deleteDamage] { statement.finalize() }
  }

  func apply(_ write: LedgerWrite) throws(LedgerError) {
    switch write {
    case .put(let collection, let key, let value): try putRecord(collection.rawValue, key, value)
    case .delete(let collection, let key):
      try delete.bind(1, collection.rawValue)
      try delete.bind(2, key)
      try delete.run()
    case .enqueue(let message):
      try enqueue.bind(1, message.id)
      try enqueue.bind(2, message.transactionID)
      try enqueue.bind(3, message.action)
      try enqueue.bind(4, message.messageID)
      try enqueue.bind(5, message.payload)
      try enqueue.bind(6, Int64(message.attempts))
      try enqueue.bind(7, message.unknownTimeBoot)
      try enqueue.bind(8, Checksum.of(message))
      try enqueue.run()
    case .dequeue(let id):
      try dequeue.bind(1, id)
      try dequeue.run()
    }
  }

  func putRecord(_ collection: String, _ key: String, _ value: [UInt8]) throws(LedgerError) {
    try put.bind(1, collection)
    try put.bind(2, key)
    try put.bind(3, value)
    try put.bind(4, Checksum.of(collection, key, value))
    try put.run()
  }

  func forgetDamage() throws(LedgerError) { try deleteDamage.run() }
}
