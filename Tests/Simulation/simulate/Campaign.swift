import Glibc
import SimulatedWorld

func complain(_ text: String) {
  let line = Array((text + "\n").utf8)
  _ = write(2, line, line.count)
}

/// Many seeds, their progress and their sum.
struct Campaign {
  private let arguments: Arguments
  private let simulation: Simulation

  init(_ arguments: Arguments, _ simulation: Simulation) {
    self.arguments = arguments
    self.simulation = simulation
  }

  /// Counters that a campaign of many seeds must reach.
  static let rare: Set<String> = ["undelivered", "thinned", "resumed", "powerLossEnded", "rebased"]

  func run() -> Int32 {
    if arguments.traces { return trace() }
    var coverage = Coverage()
    var simulated: Int64 = 0
    var digest: UInt64 = 0
    var failures: [SimulationResult] = []
    let start = clock()
    var nextReport = start + 5 * Int(CLOCKS_PER_SEC)
    for index in stride(from: arguments.job, to: arguments.seeds, by: arguments.jobs) {
      var options = arguments.options
      options.seed += UInt64(index)
      let result: SimulationResult
      do {
        result = try simulation.run(options) { time in
          guard clock() >= nextReport else { return }
          nextReport = clock() + 5 * Int(CLOCKS_PER_SEC)
          progress("seed \(options.seed), hour \(time / 3_600_000), \(simulated / 86_400_000) station-days done")
        }
      } catch {
        progress("seed \(options.seed): \(error.text)")
        return 2
      }
      coverage.add(result.coverage)
      simulated += result.simulated
      digest = (digest &* 31) &+ result.digest
      if let violation = result.violation {
        failures.append(result)
        report(result, violation)
      }
    }
    let seconds = Double(clock() - start) / Double(CLOCKS_PER_SEC)
    return finish(coverage, simulated, digest, failures, seconds)
  }

  private func progress(_ text: String) {
    fflush(nil)
    complain("simulate: \(text)")
  }

  private func trace() -> Int32 {
    do {
      let result = try simulation.run(arguments.options, recorder: Recorder(keeping: 0) { print($0) })
      if let violation = result.violation { print(headline(result, violation)) }
      return result.violation == nil ? 0 : 1
    } catch {
      progress(error.text)
      return 2
    }
  }

  private func headline(_ result: SimulationResult, _ violation: Violation) -> String {
    "VIOLATION seed \(result.options.seed) at \(Recorder.clock(violation.time)): \(violation.invariant): \(violation.text)"
  }

  private func report(_ result: SimulationResult, _ violation: Violation) {
    print("\n" + headline(result, violation))
    if let lines = try? simulation.lastLines(of: result.options) {
      for line in lines { print("  " + line.prefix(600)) }
    }
    print("  again: \(result.options.command)\n")
  }

  private func finish(
    _ coverage: Coverage, _ simulated: Int64, _ digest: UInt64, _ failures: [SimulationResult], _ seconds: Double
  ) -> Int32 {
    let days = Double(simulated) / 86_400_000
    let speed = seconds > 0 ? days / seconds : 0
    print(
      "seeds \(arguments.seeds), station-days \(tenths(days)), CPU seconds \(tenths(seconds)), station-days per CPU second \(tenths(speed)), digest \(String(digest, radix: 16))"
    )
    for (name, count) in coverage.table { print("  \(name) \(count)") }
    let missing =
      arguments.requiresCoverage
      ? coverage.table.filter { $0.count == 0 && !Self.rare.contains($0.name) }.map(\.name) : []
    if !missing.isEmpty { print("NOT EXERCISED: \(missing.joined(separator: ", "))") }
    print(failures.isEmpty ? "all invariants held" : "\(failures.count) seeds violate an invariant")
    if let path = arguments.json, !save(coverage, simulated, digest, failures, seconds, to: path) {
      progress("cannot write \(path)")
      return 2
    }
    return failures.isEmpty && missing.isEmpty ? 0 : 1
  }

  private func tenths(_ value: Double) -> String {
    let whole = Int64((value * 10).rounded())
    return "\(whole / 10).\(whole % 10)"
  }

  private func save(
    _ coverage: Coverage, _ simulated: Int64, _ digest: UInt64, _ failures: [SimulationResult], _ seconds: Double,
    to path: String
  ) -> Bool {
    func quoted(_ text: String) -> String {
      "\"" + text.unicodeScalars.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : $0.value < 32 ? " " : "\($0)" }.joined()
        + "\""
    }
    var text =
      "{\"firstSeed\":\(arguments.options.seed),\"seeds\":\(arguments.seeds),\"hours\":\(arguments.options.hours),"
    text += "\"simulatedMs\":\(simulated),\"cpuSeconds\":\(seconds),\"digest\":\(quoted(String(digest, radix: 16))),"
    text += "\"coverage\":{" + coverage.table.map { "\(quoted($0.name)):\($0.count)" }.joined(separator: ",") + "},"
    text += "\"violations\":["
    text += failures.compactMap { result in
      result.violation.map {
        "{\"seed\":\(result.options.seed),\"atMs\":\($0.time),\"invariant\":\(quoted($0.invariant)),"
          + "\"text\":\(quoted($0.text)),\"again\":\(quoted(result.options.command))}"
      }
    }.joined(separator: ",")
    text += "]}\n"
    guard let file = fopen(path, "w") else { return false }
    fputs(text, file)
    return fclose(file) == 0
  }
}
