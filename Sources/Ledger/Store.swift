import CSQLite
import StationCore

/// The open database with its prepared statements. Not thread-safe: the opener hands it over to the writer's thread.
final class Store {
  static let pageSize = 4096

  private let connection: Connection
  private let checkpointPages: Int
  private let begin, commit, rollback, put, delete, enqueue, dequeue: Statement
  /// Pages in the log after the last commit; written by SQLite's hook.
  private let pagesInLog: UnsafeMutablePointer<Int32>
  private(set) var statistics = LedgerStatistics()

  /// Opens the ledger of a locked directory, creating it when there is none, and reads what it holds.
  ///
  /// A start costs no flush of the medium, except the very first one. After a stop that was not orderly the whole
  /// database is checked.
  static func open(_ directory: DataDirectory, _ options: Ledger.Options) throws(LedgerError) -> (Store, LedgerSnapshot)
  {
    let size = try directory.size(of: directory.database)
    let logSize = try directory.size(of: directory.databaseLog) ?? 0
    if size ?? 0 == 0, logSize > 0 {
      // SQLite would take the database for new and delete the log, and with it what was committed.
      throw LedgerError.damaged(directory.database, "it is \(size == nil ? "missing" : "empty"), but its log is not")
    }
    if let size, size > 0 {
      try directory.makePrivate(directory.database)
    } else {
      try create(in: directory)
    }
    let connection = try Connection(path: directory.database)
    do throws(LedgerError) {
      try connection.execute(
        """
        PRAGMA synchronous = FULL;
        PRAGMA temp_store = MEMORY;
        PRAGMA secure_delete = FAST;
        PRAGMA cache_size = -512;
        PRAGMA journal_size_limit = \(options.checkpointPages * pageSize);
        PRAGMA trusted_schema = OFF;
        PRAGMA max_page_count = \(max(16, options.maximumSize / pageSize));
        """)
      try connection.execute("BEGIN")
      try checkVersion(connection)
      if logSize > 0 { try checkIntegrity(connection) }
      let snapshot = try readAll(connection)
      try connection.execute("COMMIT")
      // Somebody's tool may have taken it out of this mode, in which `commit` promises what it does.
      guard try connection.text("PRAGMA journal_mode = WAL") == "wal" else {
        throw LedgerError(
          .failed, "cannot use \(connection.path): its file system cannot hold a write-ahead log; choose another one")
      }
      return (try Store(connection, options), snapshot)
    } catch {
      connection.close(keepingLog: true)
      throw error
    }
  }

  /// Builds the database under another name, so that a power cut leaves either nothing or a whole one.
  private static func create(in directory: DataDirectory) throws(LedgerError) {
    let unfinished = directory.unfinishedDatabase
    for suffix in ["", "-wal", "-shm"] { try directory.removeIfPresent(unfinished + suffix) }
    try directory.createPrivate(unfinished)
    let connection = try Connection(path: unfinished)
    do throws(LedgerError) {
      try connection.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA page_size = \(pageSize);")
      try connection.execute(Schema.creation)
      guard try connection.text("PRAGMA journal_mode = WAL") == "wal" else {
        throw LedgerError(
          .failed, "cannot use \(directory.path): its file system cannot hold a write-ahead log; choose another one")
      }
    } catch {
      connection.close()
      throw error
    }
    connection.close()
    try directory.flushAndRename(unfinished, to: directory.database)
    if directory.isNew { try directory.synchronizeParent() }
  }

  private static func checkVersion(_ connection: Connection) throws(LedgerError) {
    let id = try connection.integer("PRAGMA application_id")
    let version = try connection.integer("PRAGMA user_version")
    if id != Int64(Schema.applicationID) {
      throw LedgerError(
        .foreign, "\(connection.path) is not a ledger but another program's database; move it away, nothing was changed"
      )
    }
    let major = version / 1000
    if major != Int64(Schema.major) {
      let advice = major > Int64(Schema.major) ? "newer" : "older"
      throw LedgerError(
        .foreign,
        "\(connection.path) has schema version \(major).\(version % 1000), this program needs \(Schema.major).x; install "
          + "the \(advice) firmware that wrote it and let it send what is queued; nothing was changed")
    }
  }

  private static func checkIntegrity(_ connection: Connection) throws(LedgerError) {
    let verdict = try connection.text("PRAGMA quick_check(1)")
    if verdict != "ok" { throw LedgerError.damaged(connection.path, verdict) }
  }

  private static func readAll(_ connection: Connection) throws(LedgerError) -> LedgerSnapshot {
    var snapshot = LedgerSnapshot()
    let records = try connection.prepare(Schema.selectRecords)
    defer { records.finalize() }
    while try records.step() {
      // A collection of a later version is kept and not read.
      guard let collection = LedgerCollection(rawValue: records.text(0) ?? ""), let key = records.text(1) else {
        continue
      }
      snapshot.records[collection, default: [:]][key] = records.blob(2)
    }
    let outbox = try connection.prepare(Schema.selectOutbox)
    defer { outbox.finalize() }
    while try outbox.step() {
      snapshot.outbox.append(
        QueuedMessage(
          id: outbox.integer(0), transactionID: outbox.text(1), action: outbox.text(2) ?? "",
          messageID: outbox.text(3) ?? "", payload: outbox.blob(4), attempts: Int(outbox.integer(5))))
    }
    return snapshot
  }

  private init(_ connection: Connection, _ options: Ledger.Options) throws(LedgerError) {
    self.connection = connection
    checkpointPages = options.checkpointPages
    begin = try connection.prepare("BEGIN IMMEDIATE")
    commit = try connection.prepare("COMMIT")
    rollback = try connection.prepare("ROLLBACK")
    put = try connection.prepare(Schema.put)
    delete = try connection.prepare(Schema.delete)
    enqueue = try connection.prepare(Schema.enqueue)
    dequeue = try connection.prepare(Schema.dequeue)
    pagesInLog = .allocate(capacity: 1)
    pagesInLog.initialize(to: 0)
    connection.onCommit(pagesInLog)
  }

  deinit { pagesInLog.deallocate() }

  /// Makes the groups durable in one transaction, or none of them. When this throws, nothing of them is stored.
  func write(_ groups: some Collection<[LedgerWrite]>) throws(LedgerError) {
    var writes = 0
    var bytes = 0
    do {
      try begin.run()
      for group in groups {
        for write in group {
          try apply(write)
          writes += 1
          bytes += write.payloadSize
        }
      }
      try commit.run()
    } catch {
      // Some failures have ended the transaction already.
      if connection.isInTransaction { try? rollback.run() }
      throw error
    }
    let pages = connection.takePagesWritten()
    statistics.commits += 1
    statistics.groups += groups.count
    statistics.writes += writes
    statistics.payloadBytes += bytes
    statistics.logPages += pages
    statistics.bytesWritten += pages * (Self.pageSize + 24)
  }

  private func apply(_ write: LedgerWrite) throws(LedgerError) {
    switch write {
    case .put(let collection, let key, let value):
      try put.bind(1, collection.rawValue)
      try put.bind(2, key)
      try put.bind(3, value)
      try put.run()
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
      try enqueue.run()
    case .dequeue(let id):
      try dequeue.bind(1, id)
      try dequeue.run()
    }
  }

  /// Moves the log into the database once it is long. A failure is left to the next commit, which meets it again.
  func checkpointIfLong() {
    if Int(pagesInLog.pointee) >= checkpointPages { try? checkpoint(truncating: false) }
  }

  private func checkpoint(truncating: Bool) throws(LedgerError) {
    let moved = try connection.checkpoint(truncating: truncating)
    if moved == 0 { return }
    let pages = try connection.integer("PRAGMA page_count")
    statistics.checkpoints += 1
    statistics.bytesWritten += min(moved, Int(pages)) * Self.pageSize
  }

  /// Moves the log into the database and closes it. What cannot be moved stays in the log and is not lost.
  func close() throws(LedgerError) {
    defer {
      for statement in [begin, commit, rollback, put, delete, enqueue, dequeue] { statement.finalize() }
      connection.close()
    }
    try checkpoint(truncating: true)
  }
}

extension LedgerWrite {
  /// Bytes of keys, values and messages.
  var payloadSize: Int {
    switch self {
    case .put(_, let key, let value): return key.utf8.count + value.count
    case .delete(_, let key): return key.utf8.count
    case .enqueue(let message):
      return 16 + (message.transactionID?.utf8.count ?? 0) + message.action.utf8.count + message.messageID.utf8.count
        + message.payload.count
    case .dequeue: return 8
    }
  }
}
