/// What `station check` says of a device-model folder, and `station run` before it refuses one.
public struct CheckReport: Sendable {
  public var directory: String
  /// Sorted by file, line and column.
  public var problems: [Problem]
  /// Problems that were found but not kept (beyond 1000).
  public var omittedProblems: Int
  public var errorCount: Int
  public var warningCount: Int
  public var fileCount: Int
  public var componentCount: Int
  public var variableCount: Int
  public var evseCount: Int
  /// Components with a driver that is not the simulated one.
  public var driverCount: Int

  /// True when the station may start.
  public var passed: Bool { errorCount == 0 }

  /// 0 when the station may start, 1 otherwise.
  public var exitCode: Int32 { passed ? 0 : 1 }

  public init(_ result: LoadResult, directory: String) {
    self.directory = directory
    problems = result.problems.enumerated().sorted { Self.precedes(($0.element, $0.offset), ($1.element, $1.offset)) }
      .map(\.element)
    omittedProblems = result.omittedProblems
    errorCount = result.errorCount
    warningCount = result.warningCount
    fileCount = result.fileCount
    componentCount = result.model.components.count
    variableCount = result.model.variables.count
    evseCount = result.model.evseCount
    driverCount = result.model.components.count { $0.driver.map { $0.kind != "simulated" } ?? false }
  }

  private static func precedes(_ a: (Problem, Int), _ b: (Problem, Int)) -> Bool {
    (a.0.file, a.0.line ?? 0, a.0.column ?? 0, a.1) < (b.0.file, b.0.line ?? 0, b.0.column ?? 0, b.1)
  }

  /// One line for each problem, then one with the result; every line ends with a line feed.
  public var text: String {
    var lines = problems.map(\.text)
    if omittedProblems > 0 { lines.append("... and \(omittedProblems) more problems") }
    lines.append(summary)
    return lines.map { $0 + "\n" }.joined()
  }

  /// `DIR: 2 errors, 1 warning in 24 files (24 components, 180 variables, 2 EVSEs, simulated hardware)`
  public var summary: String {
    let hardware = driverCount == 0 ? "simulated hardware" : Self.count(driverCount, "driver")
    let found = [
      Self.count(componentCount, "component"), Self.count(variableCount, "variable"), Self.count(evseCount, "EVSE"),
      hardware,
    ]
    let verdict =
      errorCount + warningCount == 0
      ? "no problems" : "\(Self.count(errorCount, "error")), \(Self.count(warningCount, "warning"))"
    return "\(directory): \(verdict) in \(Self.count(fileCount, "file")) (\(found.joined(separator: ", ")))"
  }

  private static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

  /// One JSON object:
  /// `{"directory", "passed", "errors", "warnings", "omitted", "files", "components", "variables", "evses", "drivers",
  /// "problems": [{"severity", "file", "line", "column", "message", "expected", "suggestion"}]}`, where a problem
  /// leaves out what it does not have.
  public var json: [UInt8] {
    var writer = ObjectWriter()
    writer.begin()
    writer.member("directory", directory)
    writer.member("passed", passed)
    writer.member("errors", errorCount)
    writer.member("warnings", warningCount)
    writer.member("omitted", omittedProblems)
    writer.member("files", fileCount)
    writer.member("components", componentCount)
    writer.member("variables", variableCount)
    writer.member("evses", evseCount)
    writer.member("drivers", driverCount)
    writer.array("problems")
    for problem in problems {
      writer.begin()
      writer.member("severity", problem.severity.rawValue)
      writer.member("file", problem.file)
      if let line = problem.line { writer.member("line", line) }
      if let column = problem.column { writer.member("column", column) }
      writer.member("message", problem.message)
      if let expected = problem.expected { writer.member("expected", expected) }
      if let suggestion = problem.suggestion { writer.member("suggestion", suggestion) }
      writer.end()
    }
    writer.endArray()
    writer.end()
    return writer.bytes
  }
}

extension DeviceModel {
  /// Loads a folder as `load` does and reports on it.
  public static func check(
    directory: String, overridesFile: String? = nil, settings: [String] = []
  ) -> CheckReport {
    CheckReport(load(directory: directory, overridesFile: overridesFile, settings: settings), directory: directory)
  }
}

/// Writes compact JSON, member by member.
struct ObjectWriter {
  private(set) var bytes: [UInt8] = []
  private var needsComma = false

  mutating func begin() {
    separate()
    bytes.append(UInt8(ascii: "{"))
    needsComma = false
  }

  mutating func end() {
    bytes.append(UInt8(ascii: "}"))
    needsComma = true
  }

  mutating func beginArray() {
    separate()
    bytes.append(UInt8(ascii: "["))
    needsComma = false
  }

  mutating func endArray() {
    bytes.append(UInt8(ascii: "]"))
    needsComma = true
  }

  mutating func object(_ name: String) {
    key(name)
    begin()
  }

  mutating func array(_ name: String) {
    key(name)
    beginArray()
  }

  mutating func member(_ name: String, _ value: String) {
    key(name)
    JSONText.append(value, to: &bytes)
    needsComma = true
  }

  mutating func member(_ name: String, _ value: Int) { member(name, source: String(value)) }
  mutating func member(_ name: String, _ value: Bool) { member(name, source: value ? "true" : "false") }

  /// A value that is JSON text already.
  mutating func member(_ name: String, source: String) {
    key(name)
    bytes.append(contentsOf: source.utf8)
    needsComma = true
  }

  private mutating func key(_ name: String) {
    separate()
    JSONText.append(name, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }
}
