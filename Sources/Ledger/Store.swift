import CSQLite
import Glibc
import StationCore

/// The open database with its prepared statements. Not thread-safe: the opener hands it over to the writer's thread.
final class Store {
  static let pageSize = 4096
  private let connection: Connection
  private let checkpointPages: Int
  /// The same while space is short: so few that the last part of the reserve has room for all of them in the database.
  private let savingPages: Int
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
    savingPages = min(checkpointPages, max(16, Reserve.lastPart(of: options.reserve) / Self.pageSize / 4))
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
    if Int(pagesInLog.pointee) >= (savesSpace ? savingPages : checkpointPages) { _ = emptyLog() }
  }

  /// Space is short, and so much is in the log already that it could not be moved into the database if there were more.
  var isLogTooLong: Bool { savesSpace && Int(pagesInLog.pointee) >= 2 * savingPages && !emptyLog() }

  var mediumIsFull: LedgerError { .system(ENOSPC, "write", connection.path) }

  /// Moves the log into the database, so that the next commit begins it anew in the room that it has. True when that was
  /// possible.
  func emptyLog() -> Bool { (try? checkpoint(truncating: false)) ?? false }

  /// True when all of the log was moved.
  @discardableResult
  private func checkpoint(truncating: Bool) throws(LedgerError) -> Bool {
    let (inLog, moved) = try connection.checkpoint(truncating: truncating)
    if moved > 0 {
      let pages = try connection.integer("PRAGMA page_count")
      statistics.checkpoints += 1
      statistics.bytesWritten += min(moved, Int(pages)) * Self.pageSize
    }
    return moved == inLog
  }

  /// Leaves nothing on the medium of what was deleted: unused pages and what is in the log.
  func erase() throws(LedgerError) {
    try connection.execute("VACUUM")
    let pages = connection.takePagesWritten()
    statistics.logPages += pages
    statistics.bytesWritten += pages * (Self.pageSize + LogFile.frameHeaderSize)
    guard try checkpoint(truncating: true) else {
      throw LedgerError(
        .busy, "cannot empty the log of \(connection.path): another program reads it; close that program")
    }
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
  /// Whether it takes something out.
  var makesRoom: Bool {
    switch self {
    case .dequeue, .delete: return true
    case .put, .enqueue: return false
    }
  }

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
