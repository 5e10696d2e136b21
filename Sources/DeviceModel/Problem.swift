/// One thing that is wrong, or doubtful, in a device-model folder or its overrides.
public struct Problem: Error, Hashable, Sendable {
  /// An error keeps the station from starting; a warning does not.
  public enum Severity: String, Hashable, Sendable, CaseIterable {
    case error, warning
  }

  public var severity: Severity
  /// The file as the reader named it, or `--set`.
  public var file: String
  /// Line and column of the offending text, both counted from 1, the column in characters; `nil` when the problem is
  /// not at one place (a missing file).
  public var line: Int?
  public var column: Int?
  /// What is wrong.
  public var message: String
  /// What was expected instead.
  public var expected: String?
  /// What the author probably meant.
  public var suggestion: String?

  public init(
    _ severity: Severity, file: String, line: Int? = nil, column: Int? = nil, message: String, expected: String? = nil,
    suggestion: String? = nil
  ) {
    self.severity = severity
    self.file = file
    self.line = line
    self.column = column
    self.message = message
    self.expected = expected
    self.suggestion = suggestion
  }

  /// `file:line:column: error: what is wrong; expected ...; did you mean "..."?`
  public var text: String {
    var text = file
    if let line, let column { text += ":\(line):\(column)" }
    text += ": \(severity.rawValue): \(message)"
    if let expected { text += "; expected \(expected)" }
    if let suggestion { text += "; did you mean \"\(suggestion)\"?" }
    return text
  }
}

/// Collects problems up to a limit, so that a folder of nonsense cannot fill the memory or the screen.
struct ProblemList: Sendable {
  /// Kept problems; what comes after is counted only.
  static let limit = 1000

  private(set) var problems: [Problem] = []
  /// Problems that were found after the limit was reached.
  private(set) var omitted = 0
  private(set) var errorCount = 0
  private(set) var warningCount = 0

  mutating func add(_ problem: Problem) {
    switch problem.severity {
    case .error: errorCount += 1
    case .warning: warningCount += 1
    }
    guard problems.count < Self.limit else {
      omitted += 1
      return
    }
    problems.append(problem)
  }

  /// A problem at a node of a file.
  mutating func add(
    _ severity: Problem.Severity, at node: JSONNode, _ message: String, expected: String? = nil,
    suggestion: String? = nil
  ) {
    let place = node.file.position(of: node.start)
    add(
      Problem(
        severity, file: node.file.name, line: place.line, column: place.column, message: message, expected: expected,
        suggestion: suggestion))
  }
}
