import SimulatedWorld

struct ArgumentError: Error { var text: String }

struct Arguments {
  static let help = """
    Runs stations in simulated worlds: virtual time, all faults drawn from a seed, invariants checked after every step.

    Scripts/simulate [--hours N] [--seed S] [--seeds K] [--days D] [--jobs J] [--faults LIST] [--json FILE] [--trace]
      --hours N       virtual hours of each world, 24
      --seed S        the first seed, 1
      --seeds K       so many seeds, one after the other: S, S+1, ...; 1
      --days D        as many seeds as give so many station-days (instead of --seeds)
      --jobs J        processes, 1; each takes every J-th seed
      --faults LIST   of: \(FaultFamily.allCases.map(\.rawValue).joined(separator: ",")); or `none`. All
      --json FILE     results and coverage
      --require-coverage  fail when a counter is zero that a run of many seeds must reach
      --trace         print everything that happens (one seed)
      --mutation M    run with a seeded bug: \(Mutation.allCases.map(\.rawValue).joined(separator: ", "))
      --models DIR    the device models
    Exit code: 0 all invariants held, 1 one was violated, 2 usage.
    """

  var options = SimulationOptions(seed: 1)
  var seeds = 1
  var jobs = 1
  var job = 0
  var json: String?
  var traces = false
  var requiresCoverage = false
  var models = "DeviceModel"
  var showsHelp = false

  init(_ arguments: [String]) throws(ArgumentError) {
    var rest = arguments[...]
    var days: Int64?
    func number(_ name: String, _ text: String, atLeast least: Int64) throws(ArgumentError) -> Int64 {
      guard let value = Int64(text), value >= least else {
        throw ArgumentError(text: "\(name) \(text): expected a number from \(least)")
      }
      return value
    }
    while let name = rest.popFirst() {
      switch name {
      case "-h", "--help":
        showsHelp = true
        continue
      case "--trace":
        traces = true
        continue
      case "--require-coverage":
        requiresCoverage = true
        continue
      default: break
      }
      guard name.hasPrefix("--"), let value = rest.popFirst() else {
        throw ArgumentError(text: "\(name): not known, or its value is missing")
      }
      switch name {
      case "--hours": options.hours = try number(name, value, atLeast: 1)
      case "--seed":
        guard let seed = UInt64(value) else { throw ArgumentError(text: "--seed \(value): expected a number") }
        options.seed = seed
      case "--seeds": seeds = Int(try number(name, value, atLeast: 1))
      case "--days": days = try number(name, value, atLeast: 1)
      case "--jobs": jobs = Int(try number(name, value, atLeast: 1))
      case "--job": job = Int(try number(name, value, atLeast: 0))
      case "--json": json = value
      case "--models": models = value
      case "--mutation":
        guard let mutation = Mutation(rawValue: value) else {
          throw ArgumentError(text: "--mutation \(value): not known")
        }
        options.mutation = mutation
      case "--faults":
        options.faults = []
        for item in value.split(separator: ",") where value != "none" {
          guard let family = FaultFamily(rawValue: String(item)) else {
            throw ArgumentError(text: "--faults \(item): not known")
          }
          options.faults.insert(family)
        }
      default: throw ArgumentError(text: "\(name): not known")
      }
    }
    if let days { seeds = max(1, Int((days * 24 + options.hours - 1) / options.hours)) }
  }
}
