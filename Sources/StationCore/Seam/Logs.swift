/// The diagnostics log, and files of logs that are to be uploaded, as the core sees them. The runtime writes what is logged and
/// every OCPP frame by itself; the core says how much of the medium that may take, and what is made of it.

/// Work on the logs. Each is answered by one `Input.logs` of the same id; they are carried out in order.
public enum LogRequest: Hashable, Sendable {
  /// From now on the diagnostics log takes at most this many bytes of the medium. Answers `done`.
  case bound(bytes: Int)
  /// Makes `file`, a name in the directory of transfers, of what is asked for, and flushes it to the medium. Answers
  /// `prepared`, `nothing` when nothing is from that time, or `failed`.
  case prepare(file: String, LogContents)
  /// What is on the medium about a customer that has one of these identifiers, in the diagnostics log: at most `limit`
  /// bytes of it, oldest first. With `clear` the identifiers are blotted out there, and recordings that were asked for
  /// on the command line are emptied (of frames) or end (of inputs). Answers `customer`.
  case customer(identifiers: [CustomerIdentifier], clear: Bool, limit: Int)
  /// Overwrites on the medium what the ledger has deleted. Answers `done` or `failed`.
  case erase
}

public enum LogContents: Hashable, Sendable {
  /// The diagnostics log, from and to these times (Unix, milliseconds, both included).
  case diagnostics(oldest: Int64?, latest: Int64?)
  /// These lines.
  case lines([[UInt8]])
}

public enum LogReply: Hashable, Sendable {
  case done
  /// The file is on the medium, with so many bytes.
  case prepared(bytes: Int)
  case nothing
  /// The first of the lines that hold an identifier, how many there are in all, and what could not be cleared: one line each.
  case customer(lines: [String], count: Int, problems: [String])
  /// It should have worked and did not: one line.
  case failed(String)
}
