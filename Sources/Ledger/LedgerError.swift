import Glibc

/// Why the ledger could not be opened, or could not make a commit durable. `text` is one line that names the file or
/// directory, what is wrong and what to do about it.
public struct LedgerError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable {
    /// The parent of the data directory does not exist.
    case missing
    /// The data directory's path names something else.
    case notADirectory
    /// The process may not create, read or write there.
    case permission
    /// The file system is mounted read-only.
    case readOnly
    /// No space on the device, quota used up, or the ledger's own size limit reached.
    case full
    /// Another process has the data directory; its process id when it is known.
    case locked(by: Int32?)
    /// The database is damaged. The next start keeps it aside and salvages what it holds.
    case corrupt
    /// The file is a sound database, but not a ledger, or of a schema that this program cannot use. Nothing was changed.
    case foreign
    /// Another program holds the database's own lock for too long.
    case busy
    /// Too much waits to be written already; the group was not taken.
    case backlog
    /// The group is larger than the ledger takes at once.
    case tooLarge
    /// The ledger was closed.
    case closed
    /// Any other failure of the operating system or of the medium.
    case failed
  }

  public var kind: Kind
  public var text: String
  /// For `corrupt`: what is wrong, without the file.
  var detail = ""
  /// For `full`: it is the ledger's own limit that was reached, not the medium's.
  var isSizeLimit = false

  /// The medium has no space: giving up the reserve helps.
  var isMediumFull: Bool { kind == .full && !isSizeLimit }

  public var description: String { text }

  /// Builds an error; control characters, which a path may contain, become `?` so that the text stays one line.
  init(_ kind: Kind, _ text: String) {
    self.kind = kind
    self.text = String(
      String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
  }

  /// The error of a system call that failed with `code` (an errno) while doing `doing` to `path`.
  static func system(_ code: Int32, _ doing: String, _ path: String) -> LedgerError {
    switch code {
    case EACCES, EPERM:
      return LedgerError(
        .permission, "cannot \(doing) \(path): permission denied; give this user write access, or run as its owner")
    case EROFS:
      return LedgerError(
        .readOnly,
        "cannot \(doing) \(path): the file system is read-only; remount it writable or choose another data directory")
    case ENOSPC, EDQUOT:
      return LedgerError(
        .full, "cannot \(doing) \(path): no space left; free some space on its file system and start again")
    case ENOTDIR:
      return LedgerError(
        .notADirectory, "cannot \(doing) \(path): a part of the path is not a directory; choose another data directory")
    case ENOENT:
      return LedgerError(.missing, "cannot \(doing) \(path): its parent directory does not exist; create it first")
    default:
      return LedgerError(.failed, "cannot \(doing) \(path): \(errorText(code)); check the path and its file system")
    }
  }

  static func damaged(_ path: String, _ detail: String) -> LedgerError {
    var error = LedgerError(
      .corrupt,
      "\(path) is damaged (\(detail)); restart the station, which keeps the file aside and salvages its content")
    error.detail = detail
    return error
  }

  static func notALedger(_ path: String) -> LedgerError {
    LedgerError(
      .foreign, "\(path) is not a ledger but another program's database; move it away, nothing was changed")
  }

  /// Of another major version of the schema.
  static func otherVersion(_ path: String, _ version: Int64) -> LedgerError {
    let major = version / 1000
    let advice = major > Int64(Schema.major) ? "newer" : "older"
    return LedgerError(
      .foreign,
      "\(path) has schema version \(major).\(version % 1000), this program needs \(Schema.major).x; install "
        + "the \(advice) firmware that wrote it and let it send what is queued; nothing was changed")
  }

  static func closed() -> LedgerError {
    LedgerError(.closed, "the ledger is closed; nothing more can be written")
  }
}

/// The system's text for an errno, thread-safe.
private func errorText(_ code: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
    guard let base = buffer.baseAddress, strerror_r(code, base, buffer.count) == 0 else { return "error \(code)" }
    return String(cString: base)
  }
}
