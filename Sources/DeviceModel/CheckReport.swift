import OCPP

/// What `station check` says of a device-model folder, and `station run` before it refuses one.
public struct CheckReport: Sendable {
  public var directory: String
  /// Sorted by file, line and column; those of the folder as a whole last.
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
    problems = result.problems.enumerated().sorted { a, b in
      Self.order(a.element, a.offset, directory) < Self.order(b.element, b.offset, directory)
    }.map(\.element)
    omittedProblems = result.omittedProblems
    errorCount = result.errorCount
    warningCount = result.warningCount
    fileCount = result.fileCount
    componentCount = result.model.components.count
    variableCount = result.model.variables.count
    evseCount = result.model.evseCount
    driverCount = result.model.components.count { $0.driver.map { $0.kind != "simulated" } ?? false }
  }

  /// By file, line and column; what concerns the folder as a whole comes last.
  private static func order(_ problem: Problem, _ offset: Int, _ directory: String) -> (Int, String, Int, Int, Int) {
    (problem.file == directory ? 1 : 0, problem.file, problem.line ?? 0, problem.column ?? 0, offset)
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
    var writer = JSONWriter()
    writer.beginObject()
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
    writer.key("problems")
    writer.beginArray()
    for problem in problems {
      writer.element()
      writer.beginObject()
      writer.member("severity", problem.severity.rawValue)
      writer.member("file", problem.file)
      writer.member("line", problem.line)
      writer.member("column", problem.column)
      writer.member("message", problem.message)
      writer.member("expected", problem.expected)
      writer.member("suggestion", problem.suggestion)
      writer.endObject()
    }
    writer.endArray()
    writer.endObject()
    return writer.bytes
  }
}

extension DeviceModel {
  /// Loads a folder as `load` does and reports on it.
  public static func check(
    directory: String, overridesFile: String? = nil, settings: [String] = [], metersDirectory: String? = nil
  ) -> CheckReport {
    CheckReport(
      load(directory: directory, overridesFile: overridesFile, settings: settings, metersDirectory: metersDirectory),
      directory: directory)
  }
}

extension JSONWriter {
  /// A member of an object; nothing when there is no value.
  mutating func member(_ name: StaticString, _ value: String?) {
    guard let value else { return }
    key(name)
    self.value(value)
  }

  mutating func member(_ name: StaticString, _ value: Int?) {
    guard let value else { return }
    key(name)
    self.value(value)
  }

  mutating func member(_ name: StaticString, _ value: Bool) {
    key(name)
    self.value(value)
  }

  mutating func member(_ name: StaticString, _ value: DecimalNumber?) {
    guard let value else { return }
    key(name)
    self.value(value)
  }
}
