import CSQLite
import StationCore

/// The open database with its prepared statements. Not thread-safe: the opener hands it over to the writer's thread.
final class Store {
  static let pageSize = 4096
  /// Pages after which the log is moved into the database while space is short.
  private static let savingPages = 250

  private let connection: Connection
  private let checkpointPages: Int
  /// `nil` as long as the file is of an older version and could not be upgraded.
  private var statements: StoreStatements?
  /// The ledger holds the note of a damage, to be forgotten with the next commit.
  private var hasDamageNote: Bool
  /// Pages in the log after the last commit; written by SQLite's hook.
  private let pagesInLog: UnsafeMutablePointer<Int32>
  private(set) var statistics = LedgerStatistics()
  /// The log is kept short.
  var savesSpace = false

  init(_ connection: Connection, _ options: Ledger.Options, hasDamageNote: Bool) {
    self.connection = connection
    self.hasDamageNote = hasDamageNote
    checkpointPages = options.checkpointPages
    pagesInLog = .allocate(capacity: 1)
    pagesInLog.initialize(to: 0)
    connection.onCommit(pagesInLog)
  }

  deinit { pagesInLog.deallocate() }

  /// Makes the groups durable in one transaction, or none of them. When this throws, nothing of them is stored.
  func write(_ groups: some Collection<[LedgerWrite]>) throws(LedgerError) {
    let statements = try prepared()
    var writes = 0
    var bytes = 0
    do {
      try statements.begin.run()
      if hasDamageNote { try statements.forgetDamage() }
      for group in groups {
        for write in group {
          try statements.apply(write)
          writes += 1
          bytes += write.payloadSize
        }
      }
      try statements.commit.run()
    } catch {
      // Some failures have ended the transaction already.
      if connection.isInTransaction { try? statements.rollback.run() }
      throw error
    }
    hasDamageNote = false
    let pages = connection.takePagesWritten()
    statistics.commits += 1
    statistics.groups += groups.count
    statistics.writes += writes
    statistics.payloadBytes += bytes
    statistics.logPages += pages
    statistics.bytesWritten += pages * (Self.pageSize + LogFile.frameHeaderSize)
  }

  /// Upgrades the file if need be and makes the statements, which also tells whether it can be written.
  func prepare() throws(LedgerError) { _ = try prepared() }

  private func prepared() throws(LedgerError) -> StoreStatements {
    if let statements { return statements }
    try connection.upgrade()
    let statements = try StoreStatements(connection)
    self.statements = statements
    return statements
  }

  /// Moves the log into the database once it is long. A failure is left to the next commit, which meets it again.
  func checkpointIfLong() {
    let limit = savesSpace ? min(checkpointPages, Self.savingPages) : checkpointPages
    if Int(pagesInLog.pointee) >= limit { _ = emptyLog() }
  }

  /// Moves the log into the database, so that the next commit begins it anew in the room that it has. True when that is
  /// possible and was not before.
  func emptyLog() -> Bool {
    guard let moved = try? checkpoint(truncating: false) else { return false }
    return moved > 0
  }

  @discardableResult
  private func checkpoint(truncating: Bool) throws(LedgerError) -> Int {
    let moved = try connection.checkpoint(truncating: truncating)
    if moved == 0 { return 0 }
    let pages = try connection.integer("PRAGMA page_count")
    statistics.checkpoints += 1
    statistics.bytesWritten += min(moved, Int(pages)) * Self.pageSize
    return moved
  }

  /// Moves the log into the database and closes it. What cannot be moved stays in the log and is not lost.
  func close(keepingLog: Bool = false) throws(LedgerError) {
    defer {
      statements?.finalize()
      connection.close(keepingLog: keepingLog)
    }
    try checkpoint(truncating: !keepingLog)
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
