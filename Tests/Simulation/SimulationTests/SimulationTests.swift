import Foundation
import SimulatedWorld
import Testing

/// Stations in simulated worlds. `Scripts/simulate` runs many more, for longer, in release.
struct SimulationTests {
  private static let models =
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
    + "/DeviceModel"
  private static let simulation = try? Simulation(deviceModels: models)

  private func run(_ options: SimulationOptions) throws -> SimulationResult {
    let simulation = try #require(Self.simulation, "the device models cannot be read")
    return try simulation.run(options)
  }

  private func expectSound(_ result: SimulationResult) throws {
    guard let violation = result.violation else { return }
    let lines = try Self.simulation?.lastLines(of: result.options, count: 20) ?? []
    Issue.record(
      "\(violation.invariant): \(violation.text)\n\(lines.joined(separator: "\n"))\nagain: \(result.options.command)")
  }

  @Test(arguments: UInt64(1)...12) func invariantsHoldInKnownWorlds(seed: UInt64) throws {
    try expectSound(run(SimulationOptions(seed: seed, hours: 12)))
  }

  @Test func invariantsHoldInNewWorlds() throws {
    for _ in 0..<4 {
      let seed = UInt64.random(in: 1_000_000...9_999_999)
      print("simulation: new seed \(seed)")
      try expectSound(run(SimulationOptions(seed: seed, hours: 12)))
    }
  }

  @Test func oneSeedIsOneRun() throws {
    let simulation = try #require(Self.simulation)
    let options = SimulationOptions(seed: 77, hours: 12)
    func lines() throws -> [String] {
      var lines: [String] = []
      _ = try simulation.run(options, recorder: Recorder(keeping: 0) { lines.append($0) })
      return lines
    }
    let first = try lines()
    #expect(first.count > 500)
    #expect(try lines() == first)
    #expect(try run(options).digest != run(SimulationOptions(seed: 78, hours: 12)).digest)
  }

  @Test func withoutFaultsEveryEventIsDeliveredAndEveryBillIsChecked() throws {
    var coverage = Coverage()
    for seed in UInt64(200)..<207 {
      let result = try run(SimulationOptions(seed: seed, hours: 12, faults: []))
      try expectSound(result)
      coverage.add(result.coverage)
    }
    #expect(coverage["transactions"] > 10)
    #expect(coverage["billsChecked"] > 5)
    #expect(coverage["undelivered"] == 0)
    #expect(coverage["powerCuts"] + coverage["commitsFailed"] + coverage["linkLosses"] == 0)
  }

  /// The meter is broken again and again, and the link flaps: at no hour of a week the log takes more of the disk than its
  /// bound, and it ends with what came last.
  @Test func aWeekOfFaultsStaysWithinTheBoundOfTheLogs() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("week-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let logs = folder.appendingPathComponent("logs")
    let bound = 512 << 10
    func files() -> [URL] {
      ((try? FileManager.default.contentsOfDirectory(at: logs, includingPropertiesForKeys: [.fileSizeKey])) ?? [])
        .sorted { $0.path < $1.path }
    }
    func number(_ file: URL) -> Int { Int(file.lastPathComponent.filter(\.isNumber)) ?? 0 }
    var options = SimulationOptions(seed: 4711, hours: 7 * 24, faults: [.meter, .network])
    options.logs = (logs.path, bound)
    var largest = 0
    var hours = 0
    let simulation = try #require(Self.simulation)
    let result = try simulation.run(
      options,
      progress: { _ in
        hours += 1
        let size = files().reduce(0) { $0 + ((try? $1.resourceValues(forKeys: [.fileSizeKey]).fileSize) ?? 0) }
        largest = max(largest, size)
      })
    try expectSound(result)
    #expect(hours >= 7 * 24)
    #expect(largest <= bound)
    #expect(largest > bound / 2)
    #expect(result.coverage["linkLosses"] > 25)
    #expect(result.coverage["meterFaults"] > 50)
    // It has gone round more than twice.
    #expect((files().map(number).max() ?? 0) > 2 * files().count)
  }

  /// Each seeded bug is found, in worlds in which the core itself passes.
  /// `commitsAfterAFailure` shows in one world of sixty, too rare for here; LedgerTests has it.
  @Test(arguments: Mutation.allCases.filter { $0 != .commitsAfterAFailure }) func seededBugsAreFound(mutation: Mutation)
    throws
  {
    var found: SimulationResult?
    for seed in UInt64(1)...80 where found == nil {
      var options = SimulationOptions(seed: seed, hours: 12)
      options.mutation = mutation
      let result = try run(options)
      if result.violation != nil { found = result }
    }
    let result = try #require(found, "\(mutation.rawValue) was not found in 80 worlds")
    let violation = try #require(result.violation)
    print("simulation: \(mutation.rawValue) found with seed \(result.options.seed): \(violation.invariant)")
    var sound = result.options
    sound.mutation = nil
    try expectSound(run(sound))
  }
}
