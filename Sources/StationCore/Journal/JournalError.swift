/// Why a journal cannot be read: what is wrong and what was expected.
public struct JournalError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Number of the line, from 1; 0 where only one line is known.
  public var line: Int
  public var message: String

  public init(line: Int = 0, _ message: String) {
    self.line = line
    self.message = message
  }

  public var description: String { line == 0 ? message : "line \(line): \(message)" }
}
