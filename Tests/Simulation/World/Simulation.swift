import DeviceModel
import Logs
import StationCore

/// What to simulate.
public struct SimulationOptions: Sendable {
  public var seed: UInt64
  public var hours: Int64
  public var faults: Set<FaultFamily>
  public var mutation: Mutation?
  /// Where the diagnostics log is written, with its bound in bytes, in a world in which the chosen faults are frequent;
  /// its parent must exist.
  public var logs: (directory: String, bound: Int)?

  public init(seed: UInt64, hours: Int64 = 24, faults: Set<FaultFamily> = Set(FaultFamily.allCases)) {
    self.seed = seed
    self.hours = hours
    self.faults = faults
  }

  /// One command that runs it again.
  public var command: String {
    var text = "Scripts/simulate --seed \(seed) --hours \(hours)"
    if faults != Set(FaultFamily.allCases) {
      text += " --faults " + FaultFamily.allCases.filter(faults.contains).map(\.rawValue).joined(separator: ",")
    }
    if let mutation { text += " --mutation \(mutation.rawValue)" }
    return text + " --trace"
  }
}

/// What came of one world.
public struct SimulationResult: Sendable {
  public var options: SimulationOptions
  public var violation: Violation?
  public var coverage: Coverage
  /// Virtual time, milliseconds.
  public var simulated: Int64
  /// The same for the same seed: a digest of all that became visible.
  public var digest: UInt64
}

/// The device models are read once.
public struct Simulation: Sendable {
  private let models: [String: DeviceModel]
  private let directory: String

  /// - Parameter directory: The project's `DeviceModel` folder.
  /// - Throws: what is wrong with the device models.
  public init(deviceModels directory: String) throws(SimulationError) {
    self.directory = directory
    models = [:]
    _ = try load("ac-one-evse", [:])
  }

  private func load(_ folder: String, _ settings: [String: String]) throws(SimulationError) -> DeviceModel {
    let result = DeviceModel.load(
      directory: "\(directory)/\(folder)", settings: settings.map { "\($0.key)=\($0.value)" }.sorted())
    if let error = result.problems.first(where: { $0.severity == .error }) {
      throw SimulationError("\(folder): \(error.message)")
    }
    return result.model
  }

  public func run(
    _ options: SimulationOptions, recorder: Recorder? = nil, progress: ((Int64) -> Void)? = nil
  ) throws(SimulationError) -> SimulationResult {
    var scenario = Scenario(seed: options.seed, hours: options.hours, faults: options.faults)
    scenario.addDoors()
    scenario.addOutboxSettings(of: try load(scenario.folder, [:]))
    if let logs = options.logs {
      scenario.settings["InternalCtrlr/DiagnosticsLogMaxBytes"] = String(logs.bound)
      for family in scenario.faults { scenario.faultMean[family] = 20 * .minute }
    }
    let model = try load(scenario.folder, scenario.settings)
    let mutation = options.mutation
    let world = World(scenario, model: model, mutation: mutation, recorder: recorder) { start, now in
      if let mutation { return Mutant(start, at: now, mutation) }
      return Station(start, at: now)
    }
    if let logs = options.logs {
      world.logs = LogStore(directory: logs.directory, transfers: logs.directory + "-uploads", bound: logs.bound)
    }
    let violation = world.run(progress: progress)
    return SimulationResult(
      options: options, violation: violation, coverage: world.coverage, simulated: world.time, digest: world.digest)
  }

  /// The last lines before the violation, from a second run.
  public func lastLines(of options: SimulationOptions, count: Int = 40) throws(SimulationError) -> [String] {
    let recorder = Recorder(keeping: count)
    _ = try run(options, recorder: recorder)
    return recorder.lines
  }
}

public struct SimulationError: Error, Sendable {
  public var text: String
  init(_ text: String) { self.text = text }
}
