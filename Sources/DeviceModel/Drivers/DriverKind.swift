/// What a `driver` object may be: its fields, the components it serves, and what of the machine it takes.
///
/// A new driver is one more entry in `all`. Its `check` reads every field, reports what is wrong, and returns what the
/// driver claims; claims that cannot stand together are found for all kinds alike.
struct DriverKind: Sendable {
  let name: String
  /// The components it can serve; empty: any.
  let components: [String]
  let check: @Sendable (DriverPlace, inout DriverCheck) -> [ResourceClaim]

  static let all = [
    DriverKind(name: "simulated", components: []) { place, check in
      SimulatedCheck.check(place, &check)
    },
    DriverKind(name: "modbus-rtu", components: ["FiscalMetering"]) { place, check in
      ModbusMeterCheck.rtu(place, &check)
    },
    DriverKind(name: "modbus-tcp", components: ["FiscalMetering"]) { place, check in
      ModbusMeterCheck.tcp(place, &check)
    },
    DriverKind(name: "gpio", components: GPIOCheck.components) { place, check in
      GPIOCheck.check(place, &check)
    },
    DriverKind(name: "modbus-evse-rtu", components: ["CPPWMController"]) { place, check in
      EVSEControllerCheck.rtu(place, &check)
    },
    DriverKind(name: "modbus-evse-tcp", components: ["CPPWMController"]) { place, check in
      EVSEControllerCheck.tcp(place, &check)
    },
    DriverKind(name: "mcu-serial", components: ["CPPWMController"]) { place, check in
      SafetyControllerCheck.check(place, &check)
    },
    DriverKind(name: ControllerRules.kind, components: ControllerRules.parts) { place, check in
      ControllerRules.fields(place, &check)
    },
    DriverKind(name: "evdev", components: ["TokenReader"]) { place, check in
      TokenReaderCheck.evdev(place, &check)
    },
    DriverKind(name: "pn532-serial", components: ["TokenReader"]) { place, check in
      TokenReaderCheck.pn532(place, &check)
    },
    DriverKind(name: "sysfs-temperature", components: ["TemperatureSensor"]) { place, check in
      TemperatureCheck.check(place, &check)
    },
  ]

  static func named(_ name: String) -> DriverKind? { all.first { $0.name == name } }
}

/// A `driver` object and the component that it stands in.
struct DriverPlace: Sendable {
  var component: ComponentID
  var kind: String
  var node: JSONNode
}

/// Something of the machine that a driver uses: a bus, a unit on it, a line.
struct ResourceClaim: Sendable {
  enum Use: Hashable, Sendable {
    /// Nobody else may have it.
    case exclusive
    /// Others may have it on the same terms.
    case shared(terms: String)
  }

  /// For people: `unit 1 on /dev/ttyS1`. Equal texts are the same thing.
  var resource: String
  var use: Use
  /// The value in the file that claims it.
  var node: JSONNode
}

/// What checking all drivers of a folder gathers.
struct DriverCheck: Sendable {
  var problems: ProblemList
  let meters: MeterLibrary
  /// Models that were read, by name; `nil`: it cannot be had, which was reported.
  private var models: [String: MeterModel?] = [:]
  private(set) var bindings: [DriverBinding] = []
  /// Every `driver` object of the folder, for rules that several of them make together.
  private(set) var places: [DriverPlace] = []
  private var claims: [(claim: ResourceClaim, component: ComponentID)] = []

  init(problems: ProblemList, meters: MeterLibrary) {
    self.problems = problems
    self.meters = meters
  }

  mutating func check(_ place: DriverPlace) {
    guard let kind = DriverKind.named(place.kind) else { return }
    note(place)
    if !kind.components.isEmpty, !kind.components.contains(where: { CaseFold.equal($0, place.component.name) }) {
      problems.add(
        .error, at: place.node, "driver kind \"\(kind.name)\" cannot serve \(place.component)",
        expected: "it on \(kind.components.joined(separator: ", "))")
    }
    for claim in kind.check(place, &self) { add(claim, place.component) }
  }

  mutating func note(_ place: DriverPlace) { places.append(place) }

  /// What can be said only when all drivers are known.
  mutating func finish() { ControllerRules.check(&self) }

  mutating func add(_ binding: DriverBinding) { bindings.append(binding) }

  private mutating func add(_ claim: ResourceClaim, _ component: ComponentID) {
    defer { claims.append((claim, component)) }
    guard let other = claims.first(where: { $0.claim.resource == claim.resource }) else { return }
    switch (claim.use, other.claim.use) {
    case (.shared(let mine), .shared(let theirs)):
      guard mine != theirs else { return }
      problems.add(
        .error, at: claim.node, "\(claim.resource) is \(mine) here and \(theirs) for \(other.component)",
        expected: "one setting for all on it")
    default:
      problems.add(
        .error, at: claim.node, "\(claim.resource) is taken by \(other.component)", expected: "one user of it")
    }
  }

  /// A model of the library; its absence is reported at `node`, errors in its file where they are.
  mutating func model(_ name: String, at node: JSONNode) -> MeterModel? {
    if let known = models[name] { return known }
    let read = meters.file(of: name) == nil ? (model: nil, problems: []) : meters.model(name)
    if meters.file(of: name) == nil {
      let names = meters.names
      problems.add(
        .error, at: node, "there is no meter model \"\(ValueCheck.excerpt(name))\"",
        expected: names.isEmpty
          ? "a file \(name).json in \(meters.directories.joined(separator: ", "))"
          : "one of \(names.joined(separator: ", "))",
        suggestion: Suggestion.nearest(to: name, in: names))
    }
    for problem in read.problems { problems.add(problem) }
    models[name] = .some(read.model)
    return read.model
  }
}
