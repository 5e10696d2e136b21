import StationCore

extension Store {
  /// Opens the ledger of a locked directory, creating it when there is none, and reads what it holds. A damaged one is
  /// replaced by what can be salvaged of it.
  ///
  /// A start costs no flush of the medium, except the very first one, an upgrade and a salvage.
  static func open(
    _ directory: DataDirectory, _ options: Ledger.Options
  ) throws(LedgerError) -> (Store, LedgerSnapshot) {
    let recovery = Recovery(directory)
    try recovery.finish()
    do throws(LedgerError) {
      return try openSound(directory, options)
    } catch  where error.kind == .corrupt {
      try recovery.salvage(error)
      return try openSound(directory, options)
    }
  }

  /// Like `open`; throws `corrupt` at any damage, having changed nothing.
  private static func openSound(
    _ directory: DataDirectory, _ options: Ledger.Options
  ) throws(LedgerError) -> (Store, LedgerSnapshot) {
    let size = try directory.size(of: directory.database) ?? 0
    let logSize = try directory.size(of: directory.databaseLog) ?? 0
    if size == 0, logSize > 0 {
      // SQLite would take the database for new and delete the log, and with it what was committed.
      throw LedgerError.damaged(directory.database, "it is missing or empty, but its log is not")
    }
    if logSize > 0, let damage = LogFile(directory.databaseLog, pageSize: pageSize)?.damage {
      throw LedgerError.damaged(directory.database, damage)
    }
    if size > 0 {
      try directory.makePrivate(directory.database)
    } else {
      try build(in: directory) { _ in }
      try directory.flushAndRename(directory.unfinishedDatabase, to: directory.database)
      try directory.flush()
      if directory.isNew { try directory.synchronizeParent() }
    }
    do throws(LedgerError) {
      return try connect(directory, options, isExclusive: false)
    } catch  where error.isMediumFull {
      // No room for the index of the log, which an exclusive connection keeps in memory.
      return try connect(directory, options, isExclusive: true)
    }
  }

  private static func connect(
    _ directory: DataDirectory, _ options: Ledger.Options, isExclusive: Bool
  ) throws(LedgerError) -> (Store, LedgerSnapshot) {
    let connection = try Connection(path: directory.database)
    do throws(LedgerError) {
      if isExclusive { try connection.execute("PRAGMA locking_mode = EXCLUSIVE") }
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
      let verdict = try connection.text("PRAGMA quick_check(1)")
      if verdict != "ok" { throw LedgerError.damaged(connection.path, verdict) }
      let (snapshot, hasNote) = try readAll(connection)
      try connection.execute("COMMIT")
      // Somebody's tool may have taken it out of this mode, in which `commit` promises what it does.
      guard try connection.text("PRAGMA journal_mode = WAL") == "wal" else { throw noLog(connection.path) }
      let store = Store(connection, options, hasDamageNote: hasNote)
      do throws(LedgerError) {
        try store.prepare()
      } catch  where [.full, .readOnly, .permission].contains(error.kind) {
        // What is queued can be sent all the same; the first commit tries the upgrade again.
      }
      return (store, snapshot)
    } catch {
      connection.close(keepingLog: true)
      throw error
    }
  }

  private static func noLog(_ path: String) -> LedgerError {
    LedgerError(.failed, "cannot use \(path): its file system cannot hold a write-ahead log; choose another one")
  }

  /// Builds a database under another name, with what `fill` puts into it. It is to be flushed and renamed then, so that
  /// a power cut leaves either nothing or a whole one.
  static func build(
    in directory: DataDirectory, _ fill: (Connection) throws(LedgerError) -> Void
  ) throws(LedgerError) {
    let unfinished = directory.unfinishedDatabase
    for suffix in ["", "-wal", "-shm"] { try directory.removeIfPresent(unfinished + suffix) }
    try directory.createPrivate(unfinished)
    let connection = try Connection(path: unfinished)
    do throws(LedgerError) {
      try connection.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA page_size = \(pageSize);")
      try connection.execute(Schema.creation)
      try fill(connection)
      guard try connection.text("PRAGMA journal_mode = WAL") == "wal" else { throw noLog(directory.path) }
    } catch {
      connection.close()
      for suffix in ["", "-wal", "-shm"] { try directory.removeIfPresent(unfinished + suffix) }
      throw error
    }
    connection.close()
  }

  private static func checkVersion(_ connection: Connection) throws(LedgerError) {
    let id = try connection.integer("PRAGMA application_id")
    let version = try connection.integer("PRAGMA user_version")
    let major = version / 1000
    if id != Int64(Schema.applicationID) {
      let columns = try connection.integer(
        """
        SELECT count(*) FROM pragma_table_info('outbox')
        WHERE name IN ('id', 'transaction_id', 'action', 'message_id', 'payload', 'attempts')
        """)
      if columns == 6, major == Int64(Schema.major) {
        throw LedgerError.damaged(connection.path, "its application id is wrong")
      }
      throw LedgerError.notALedger(connection.path)
    }
    // No program was ever at such a version.
    if !Schema.isPlausible(version) {
      throw LedgerError.damaged(connection.path, "its schema version is \(version)")
    }
    if major != Int64(Schema.major) { throw LedgerError.otherVersion(connection.path, version) }
  }

  /// What the ledger holds, and whether there is a note of a damage.
  private static func readAll(_ connection: Connection) throws(LedgerError) -> (LedgerSnapshot, hasNote: Bool) {
    let isOld = try connection.isOld()
    var snapshot = LedgerSnapshot()
    var note: [String: [UInt8]]?
    let records = try connection.prepare(isOld ? Schema.selectOldRecords : Schema.selectRecords)
    defer { records.finalize() }
    while try records.step() {
      guard let name = records.text(0), let key = records.text(1) else { continue }
      let value = records.blob(2)
      if !records.isNull(3), records.integer(3) != Checksum.of(name, key, value) {
        throw LedgerError.damaged(connection.path, "record \(name)/\(key) is not what was written")
      }
      if name == Schema.damageCollection { note = (note ?? [:]).merging([key: value]) { $1 } }
      // A collection of a later version is kept and not read.
      guard let collection = LedgerCollection(rawValue: name) else { continue }
      snapshot.records[collection, default: [:]][key] = value
    }
    let outbox = try connection.prepare(isOld ? Schema.selectOldOutbox : Schema.selectOutbox)
    defer { outbox.finalize() }
    while try outbox.step() {
      let message = QueuedMessage(
        id: outbox.integer(0), transactionID: outbox.text(1), action: outbox.text(2) ?? "",
        messageID: outbox.text(3) ?? "", payload: outbox.blob(4), attempts: Int(outbox.integer(5)),
        unknownTimeBoot: outbox.isNull(6) ? nil : outbox.integer(6))
      if !outbox.isNull(7), outbox.integer(7) != Checksum.of(message) {
        throw LedgerError.damaged(connection.path, "message \(message.id) is not what was written")
      }
      snapshot.outbox.append(message)
    }
    snapshot.damage = LedgerDamage(note)
    return (snapshot, note != nil)
  }
}

extension Connection {
  /// Whether the file is of an earlier minor version than this program's.
  func isOld() throws(LedgerError) -> Bool { try integer("PRAGMA user_version") < Int64(Schema.version) }

  /// Brings the file to this program's minor version, durably; does nothing when it is there or beyond.
  func upgrade() throws(LedgerError) {
    guard try isOld() else { return }
    do throws(LedgerError) {
      try execute(Schema.upgrade)
    } catch {
      if isInTransaction { try? execute("ROLLBACK") }
      throw error
    }
  }
}
