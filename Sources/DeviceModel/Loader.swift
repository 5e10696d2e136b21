import OCPP

/// What loading a device-model folder gives.
public struct LoadResult: Sendable {
  /// The model, as far as it could be read. Not to be used when there are errors.
  public var model: DeviceModel
  /// All problems, in the order of files and overrides; at most 1000.
  public var problems: [Problem]
  /// Problems beyond that.
  public var omittedProblems: Int
  /// All errors and warnings, kept or not.
  public var errorCount: Int
  public var warningCount: Int
  /// The component files that were read.
  public var fileCount: Int
  /// What components are bound to, in the order of the files; complete only when there are no errors. Empty: no component has a
  /// driver, all is simulated.
  public var bindings: [DriverBinding] = []
}

extension DeviceModel {
  /// Reads `directory/standardized/*.json` and `directory/custom/*.json`, one component per file, each directory in
  /// the order of the file names; then `overridesFile` (a JSON list), then `settings`
  /// (`Component/Variable=value`, see `VariableAddress`). Later values win.
  ///
  /// Meter models that drivers name are looked for in `metersDirectory`, else where `MeterLibrary` says.
  ///
  /// Never fails: everything that is wrong is in `problems`. Limits: 1000 files in a directory, 1 MiB a file.
  public static func load(
    directory: String, overridesFile: String? = nil, settings: [String] = [], metersDirectory: String? = nil
  ) -> LoadResult {
    var loader = Loader()
    loader.loadDirectory(directory)
    if let overridesFile { loader.applyOverrides(file: overridesFile) }
    for setting in settings { loader.apply(setting: setting) }
    loader.checkStructure(
      directory, meters: MeterLibrary(given: metersDirectory, stationDirectory: directory))
    loader.checkValues()
    return loader.result
  }
}

/// The state of one `load`.
struct Loader {
  /// Where the value of an attribute comes from.
  enum Origin {
    case none
    case node(JSONNode)
    case setting(String)
  }

  var model = DeviceModel()
  var problems = ProblemList()
  var components: [ParsedComponent] = []
  /// One for each of `model.attributes`.
  var origins: [Origin] = []
  var bindings: [DriverBinding] = []
  private(set) var fileCount = 0

  var result: LoadResult {
    LoadResult(
      model: model, problems: problems.problems, omittedProblems: problems.omitted, errorCount: problems.errorCount,
      warningCount: problems.warningCount, fileCount: fileCount, bindings: bindings)
  }

  // MARK: Files

  mutating func loadDirectory(_ directory: String) {
    guard Folder.exists(directory) else {
      return problems.add(
        Problem(
          .error, file: directory, message: "the directory does not exist",
          expected: "a device-model directory with standardized/ and custom/"))
    }
    var found = false
    for part in ["standardized", "custom"] {
      let path = directory.hasSuffix("/") ? directory + part : directory + "/" + part
      guard Folder.exists(path) else { continue }
      found = true
      do throws(Folder.Failure) {
        let names = try Folder.names(in: path)
        model.reserve(components: fileCount + names.count)
        for name in names { loadFile(path + "/" + name) }
      } catch {
        problems.add(Problem(.error, file: path, message: error.message, expected: error.expected))
      }
    }
    guard found else {
      return problems.add(
        Problem(
          .error, file: directory, message: "the directory has neither standardized/ nor custom/",
          expected: "component files in standardized/*.json and custom/*.json"))
    }
    if fileCount == 0, problems.errorCount == 0 {
      problems.add(
        Problem(
          .error, file: directory, message: "there are no component files",
          expected: "component files in standardized/*.json and custom/*.json"))
    }
  }

  private mutating func loadFile(_ path: String) {
    fileCount += 1
    guard let file = parse(path), let root = file.root else { return }
    add(root)
  }

  /// Reads and parses one file; `nil` when a problem prevents it.
  mutating func parse(_ path: String) -> JSONFile? {
    do throws(Folder.Failure) {
      return JSONFileParser.parse(name: path, bytes: try Folder.read(path), problems: &problems)
    } catch {
      problems.add(Problem(.error, file: path, message: error.message, expected: error.expected))
      return nil
    }
  }

  /// Adds the component that a node describes.
  mutating func add(_ node: JSONNode) {
    var reader = ComponentReader(problems: problems)
    let parsed = reader.component(node)
    problems = reader.problems
    guard let parsed else { return }
    guard model.append(parsed.id, driver: parsed.driver, variables: parsed.variables.map(\.variable)) else {
      let first = components.first { $0.id == parsed.id }
      return problems.add(
        .error, at: parsed.nameNode,
        "component \(parsed.id) exists already\(first.map { " in \($0.node.file.name)" } ?? "")",
        expected: "one file for each component")
    }
    components.append(parsed)
    for variable in parsed.variables {
      origins.append(contentsOf: variable.valueNodes.map { $0.map(Origin.node) ?? .none })
    }
  }

  // MARK: Checking values

  /// Checks the values that are in force at the end against limits and lists: warnings, and the start and stop points
  /// of transactions, which must be ones that OCPP knows.
  mutating func checkValues() {
    let wrongPoints = TransactionPoints.all.compactMap { name, known -> (AttributeHandle, [ValueCheck.Violation])? in
      guard let handle = model.handle(ComponentID("TxCtrlr"), VariableID(name)) else { return nil }
      let wrong = model.list(handle).filter { !known.contains($0) }
      guard !wrong.isEmpty else { return nil }
      return (handle, wrong.map { TransactionPoints.violation($0, name, known) })
    }
    for (index, attribute) in model.attributes.enumerated() where !attribute.value.isEmpty {
      let variable = model.variables[attribute.variable]
      // What is an error is not a warning too.
      guard !wrongPoints.contains(where: { $0.0.index == index }),
        let violation = ValueCheck.range(attribute.value, variable.characteristics, allowed: variable.allowedValues)
      else { continue }
      report(.warning, at: origins[index], violation, address: model.address(of: AttributeHandle(index: index)))
    }
    for (handle, violations) in wrongPoints {
      for violation in violations {
        report(.error, at: origins[handle.index], violation, address: model.address(of: handle))
      }
    }
  }

  private mutating func report(
    _ severity: Problem.Severity, at origin: Origin, _ violation: ValueCheck.Violation, address: VariableAddress
  ) {
    let message = "\(address): \(violation.message)"
    switch origin {
    case .node(let node):
      problems.add(
        severity, at: node, message, expected: violation.expected, suggestion: violation.suggestion)
    case .setting, .none:
      problems.add(
        Problem(
          severity, file: Self.settingName, message: message, expected: violation.expected,
          suggestion: violation.suggestion))
    }
  }

  static let settingName = "--set"
}

/// The values of TxCtrlr.TxStartPoint and TxStopPoint (Part 2, 2.6.6).
enum TransactionPoints {
  static let stop = ["ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"]
  static let start = stop + ["DataSigned"]
  static let all = [("TxStartPoint", start), ("TxStopPoint", stop)]

  static func violation(_ point: String, _ variable: String, _ known: [String]) -> ValueCheck.Violation {
    ValueCheck.Violation(
      kind: .list, message: "\"\(ValueCheck.excerpt(point))\" is no \(variable)",
      expected: "one or more of \(known.joined(separator: ","))",
      suggestion: Suggestion.nearest(to: point, in: known))
  }
}
