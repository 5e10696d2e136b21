import CSQLite
import Glibc

/// One SQLite connection. Not thread-safe: it is used by one thread at a time.
final class Connection {
  let path: String
  private let handle: OpaquePointer

  /// Opens an existing file; never creates one.
  init(path: String) throws(LedgerError) {
    self.path = path
    var opened: OpaquePointer?
    let code = sqlite3_open_v2(
      path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, nil)
    guard let opened else { throw LedgerError(.failed, "cannot open \(path): out of memory") }
    handle = opened
    if code != SQLITE_OK {
      let error = self.error(code, "open")
      sqlite3_close_v2(opened)
      throw error
    }
    sqlite3_extended_result_codes(handle, 1)
    sqlite3_busy_timeout(handle, 2_000)
  }

  /// Closes the connection. As the last one, it moves the log into the database and removes it, unless
  /// `keepingLog`.
  func close(keepingLog: Bool = false) {
    if keepingLog { _ = csqlite_keep_log_on_close(handle) }
    sqlite3_close_v2(handle)
  }

  func execute(_ sql: String) throws(LedgerError) {
    errno = 0
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    if code != SQLITE_OK { throw error(code, "write") }
  }

  func prepare(_ sql: String) throws(LedgerError) -> Statement {
    var statement: OpaquePointer?
    let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard code == SQLITE_OK, let statement else { throw error(code, "use") }
    return Statement(statement, of: self)
  }

  /// Runs a statement that gives one row with one column.
  func text(_ sql: String) throws(LedgerError) -> String {
    let statement = try prepare(sql)
    defer { statement.finalize() }
    return try statement.step() ? statement.text(0) ?? "" : ""
  }

  func integer(_ sql: String) throws(LedgerError) -> Int64 {
    let statement = try prepare(sql)
    defer { statement.finalize() }
    return try statement.step() ? statement.integer(0) : 0
  }

  var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

  /// Pages that were written to the log since the last call.
  func takePagesWritten() -> Int {
    var current: Int32 = 0
    var highest: Int32 = 0
    sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_WRITE, &current, &highest, 1)
    return Int(current)
  }

  /// Calls `counter` with the number of pages in the log after every commit; replaces SQLite's own checkpoints.
  func onCommit(_ counter: UnsafeMutablePointer<Int32>) {
    sqlite3_wal_hook(
      handle,
      { counter, _, _, pages in
        counter?.assumingMemoryBound(to: Int32.self).pointee = pages
        return SQLITE_OK
      }, counter)
  }

  /// Moves as much of the log into the database as no reader prevents. Returns the pages in the log and those of them
  /// that are in the database now.
  func checkpoint(truncating: Bool) throws(LedgerError) -> (inLog: Int, moved: Int) {
    var inLog: Int32 = 0
    var moved: Int32 = 0
    let mode = truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
    errno = 0
    let code = sqlite3_wal_checkpoint_v2(handle, nil, mode, &inLog, &moved)
    if code != SQLITE_OK, code != SQLITE_BUSY { throw error(code, "write") }
    return (Int(max(inLog, 0)), Int(max(moved, 0)))
  }

  /// SQLITE_IOERR_READ, _SHORT_READ, _DATA and _CORRUPTFS, which are macros that Swift does not see.
  private static let unreadable: Set<Int32> = [1 << 8, 2 << 8, 32 << 8, 33 << 8].reduce(into: []) {
    $0.insert(SQLITE_IOERR | $1)
  }
  /// SQLITE_IOERR_SHMSIZE: no room for the index of the log.
  private static let noSharedMemory: Int32 = SQLITE_IOERR | 19 << 8

  /// The error of an SQLite result code, told apart by what a person has to do.
  func error(_ code: Int32, _ doing: String) -> LedgerError {
    // SQLite does not keep the errno of a COMMIT that failed; it is cleared before each call.
    let system = errno != 0 ? errno : sqlite3_system_errno(handle)
    let message = String(cString: sqlite3_errmsg(handle))
    switch code & 0xFF {
    case SQLITE_FULL where system != ENOSPC && system != EDQUOT && isAtSizeLimit:
      var error = LedgerError(
        .full, "cannot \(doing) \(path): the ledger has reached its size limit; messages must be delivered first")
      error.isSizeLimit = true
      return error
    case SQLITE_FULL:
      return LedgerError.system(ENOSPC, doing, path)
    case SQLITE_CORRUPT, SQLITE_NOTADB:
      return LedgerError.damaged(path, message)
    case SQLITE_IOERR where Self.unreadable.contains(code):
      return LedgerError.damaged(path, "\(message), the medium does not give back what it holds")
    case SQLITE_IOERR where code == Self.noSharedMemory:
      return LedgerError.system(ENOSPC, doing, path)
    case SQLITE_READONLY, SQLITE_PERM, SQLITE_CANTOPEN, SQLITE_IOERR:
      switch system {
      case EACCES, EPERM, EROFS, ENOSPC, EDQUOT: return LedgerError.system(system, doing, path)
      default: break
      }
      if code & 0xFF == SQLITE_READONLY { return LedgerError.system(EACCES, doing, path) }
    case SQLITE_BUSY, SQLITE_LOCKED:
      return LedgerError(.busy, "cannot \(doing) \(path): another program has locked it; close that program")
    default: break
    }
    let detail = system == 0 ? "" : ", errno \(system)"
    return LedgerError(
      .failed, "cannot \(doing) \(path): \(message) (SQLite \(code)\(detail)); check the medium and its file system")
  }

  private var isAtSizeLimit: Bool {
    guard let pages = try? integer("PRAGMA page_count"), let limit = try? integer("PRAGMA max_page_count") else {
      return false
    }
    return pages >= limit
  }
}

/// A prepared statement; parameters count from 1, columns from 0. To be finalized before its connection closes.
final class Statement {
  private var handle: OpaquePointer?
  private unowned let connection: Connection

  init(_ handle: OpaquePointer, of connection: Connection) {
    self.handle = handle
    self.connection = connection
  }

  deinit { finalize() }

  func finalize() {
    sqlite3_finalize(handle)
    handle = nil
  }

  func bind(_ index: Int32, _ value: Int64) throws(LedgerError) {
    try check(sqlite3_bind_int64(handle, index, value))
  }

  func bind(_ index: Int32, _ value: Int64?) throws(LedgerError) {
    guard let value else { return try check(sqlite3_bind_null(handle, index)) }
    try bind(index, value)
  }

  func bind(_ index: Int32, _ value: String?) throws(LedgerError) {
    guard var value else { return try check(sqlite3_bind_null(handle, index)) }
    let code = value.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        csqlite_bind_text(handle, index, $0.baseAddress, UInt64($0.count))
      }
    }
    try check(code)
  }

  func bind(_ index: Int32, _ value: [UInt8]) throws(LedgerError) {
    try check(value.withUnsafeBytes { csqlite_bind_blob(handle, index, $0.baseAddress, UInt64($0.count)) })
  }

  /// True when there is a row.
  func step() throws(LedgerError) -> Bool {
    errno = 0
    let code = sqlite3_step(handle)
    switch code {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw connection.error(code, "use")
    }
  }

  /// Runs a statement that gives no rows and makes it ready for the next run.
  func run() throws(LedgerError) {
    errno = 0
    let code = sqlite3_step(handle)
    if code != SQLITE_DONE {
      let error = connection.error(code, "write")
      sqlite3_reset(handle)
      throw error
    }
    sqlite3_reset(handle)
  }

  func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

  func text(_ column: Int32) -> String? {
    guard sqlite3_column_type(handle, column) != SQLITE_NULL else { return nil }
    return String(decoding: blob(column), as: UTF8.self)
  }

  func blob(_ column: Int32) -> [UInt8] {
    guard let bytes = sqlite3_column_blob(handle, column) else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
  }

  private func check(_ code: Int32) throws(LedgerError) {
    if code != SQLITE_OK { throw connection.error(code, "use") }
  }
}
