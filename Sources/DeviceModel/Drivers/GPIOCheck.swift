/// The driver `gpio`: what it takes depends on the component.
enum GPIOCheck {
  static let safetyInputs = [
    "EmergencyStopSensor", "CaseAccessSensor", "AccessBarrier", "TiltSensor", "FloodSensor", "ELVSupply",
  ]
  static let components =
    ["PowerContactor", "RCD", "ConnectorPlugRetentionLock", "ChargingStatusIndicator", baySensor] + safetyInputs
  static let baySensor = "BayOccupancySensor"

  static func check(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let name = place.component.name
    if CaseFold.equal(name, "PowerContactor") { return contactor(place, &check) }
    if CaseFold.equal(name, "RCD") { return rcd(place, &check) }
    if CaseFold.equal(name, "ConnectorPlugRetentionLock") { return lock(place, &check) }
    if CaseFold.equal(name, "ChargingStatusIndicator") { return indicator(place, &check) }
    let isBay = CaseFold.equal(name, baySensor)
    guard isBay || safetyInputs.contains(where: { CaseFold.equal(name, $0) }) else { return [] }
    if isBay, (place.component.evse ?? 0) < 1 {
      check.problems.add(
        .error, at: place.node, "\(place.component) is of no EVSE", expected: "\"evse_id\" in the component")
    }
    return input(place, isSafety: !isBay, &check)
  }

  // MARK: PowerContactor

  private static let contactorFields =
    GPIOLineReader.outputFields + ["kind", "lines", "mirror", "openingMs", "closingMs", "leaseMs", "heartbeat"]

  private static func contactor(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a gpio driver of a contactor", known: contactorFields, unknown: .error, &check.problems)
    var reader = GPIOLineReader(object, &check.problems)
    if (place.component.evse ?? 0) < 1 {
      check.problems.add(
        .error, at: place.node, "\(place.component) is of no EVSE", expected: "\"evse_id\" in the component")
    } else if let evse = place.component.evse {
      reader.claim("the contactor of EVSE \(evse)", .exclusive, at: place.node)
    }
    let lines = reader.lines(object, limit: 4, &check.problems)
    let opening = object.integer("openingMs", in: 5...100, &check.problems) ?? 100
    let closing = object.integer("closingMs", in: 5...1000, &check.problems) ?? 200
    let lease = object.integer("leaseMs", in: 100...390, &check.problems) ?? 350
    reader.claim(
      "the lease of the contactors", .shared(terms: "\(lease) ms"), at: place.node["leaseMs"] ?? place.node)
    var mirror: GPIOContact?
    if let inner = reader.object(
      object, "mirror", known: GPIOLineReader.inputFields + ["contact"], &check.problems)
    {
      mirror = reader.contact(inner, default: nil, &check.problems)
    } else if place.node["mirror"] == nil {
      check.problems.add(
        .warning, at: place.node, "\(place.component) has no mirror contact: a welded contactor is not noticed",
        expected: "\"mirror\": { \"line\": ..., \"contact\": \"NC\" }")
    }
    let heartbeat = heartbeat(object, &reader, &check.problems)
    if !lines.isEmpty {
      check.add(
        .contactor(
          GPIOContactorBinding(
            component: place.component, lines: lines, mirror: mirror, openingMs: opening, closingMs: closing,
            leaseMs: lease, heartbeat: heartbeat)))
    }
    return reader.claims
  }

  private static func heartbeat(
    _ object: ObjectReader, _ reader: inout GPIOLineReader, _ problems: inout ProblemList
  ) -> GPIOContactorBinding.Heartbeat? {
    guard
      let inner = reader.object(
        object, "heartbeat", known: GPIOLineReader.outputFields + ["periodMs"], &problems)
    else { return nil }
    let period = inner.integer("periodMs", in: 4...1000, &problems) ?? 100
    let use = ResourceClaim.Use.shared(terms: "the heartbeat of station-relayd")
    guard let line = reader.line(inner, isOutput: true, use: use, &problems) else { return nil }
    // relayd has one, whichever contactor names it.
    reader.claim(
      "the heartbeat of station-relayd",
      .shared(
        terms: "\(line.text), \(period) ms, \(line.activeLow ? "active low" : "active high"), \(line.drive.rawValue)"),
      at: inner.node)
    return GPIOContactorBinding.Heartbeat(line: line, periodMs: period)
  }

  // MARK: Inputs

  /// A safety input rests closed; the sensor of a parking bay, which opens nothing, closes when it sees a vehicle.
  private static func input(_ place: DriverPlace, isSafety: Bool, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a gpio driver of an input",
      known: GPIOLineReader.inputFields + ["kind", "contact", "debounceMs"], unknown: .error, &check.problems)
    var reader = GPIOLineReader(object, &check.problems)
    let contact = reader.contact(object, default: isSafety ? .normallyClosed : .normallyOpen, &check.problems)
    let debounce = object.integer("debounceMs", in: 0...(isSafety ? 5000 : 60_000), &check.problems)
    if isSafety { warnOfBrokenWires(contact, place, &check.problems) }
    if let contact {
      check.add(
        .safetyInput(
          GPIOSafetyInputBinding(
            component: place.component, contact: contact, debounceMs: debounce ?? (isSafety ? 50 : 2000))))
    }
    return reader.claims
  }

  private static func warnOfBrokenWires(
    _ contact: GPIOContact?, _ place: DriverPlace, _ problems: inout ProblemList
  ) {
    guard contact?.kind == .normallyOpen, let node = place.node["contact"] else { return }
    problems.add(
      .warning, at: node, "contact is NO: a broken wire of \(place.component) is not noticed",
      expected: "a contact that is closed at rest (NC)")
  }

  private static func rcd(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a gpio driver of an RCD",
      known: GPIOLineReader.inputFields + ["kind", "contact", "debounceMs", "test", "reset"], unknown: .error,
      &check.problems)
    var reader = GPIOLineReader(object, &check.problems)
    let trip = reader.contact(object, default: .normallyClosed, &check.problems)
    let debounce = object.integer("debounceMs", in: 0...5000, &check.problems) ?? 50
    let test = reader.pulse(object, "test", pulseMs: 200, timeoutMs: 500, &check.problems)
    let reset = reader.pulse(object, "reset", pulseMs: 500, timeoutMs: 2000, &check.problems)
    warnOfBrokenWires(trip, place, &check.problems)
    if let trip {
      check.add(
        .rcd(
          GPIORCDBinding(component: place.component, trip: trip, debounceMs: debounce, test: test, reset: reset)))
    }
    return reader.claims
  }

  // MARK: ConnectorPlugRetentionLock

  private static func lock(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a gpio driver of a lock",
      known: ["kind", "chip", "direction", "pulse", "hold", "feedback", "debounceMs", "timeoutMs"], unknown: .error,
      &check.problems)
    var reader = GPIOLineReader(object, &check.problems)
    let actuator = actuator(object, &reader, &check.problems)
    var feedback: GPIOContact?
    if let inner = reader.object(
      object, "feedback", required: "the input that says whether it is locked",
      known: GPIOLineReader.inputFields + ["contact"], &check.problems)
    {
      feedback = reader.contact(inner, default: nil, &check.problems)
    }
    let debounce = object.integer("debounceMs", in: 0...1000, &check.problems) ?? 20
    let timeout = object.integer("timeoutMs", in: 50...10_000, &check.problems) ?? 1500
    if case .motor(_, _, let pulseMs) = actuator, timeout < pulseMs {
      check.problems.add(
        .error, at: place.node["timeoutMs"] ?? place.node, "timeoutMs is \(timeout), the pulse lasts \(pulseMs) ms",
        expected: "at least as much")
    }
    if let actuator, let feedback {
      check.add(
        .lock(
          GPIOLockBinding(
            component: place.component, actuator: actuator, feedback: feedback, debounceMs: debounce,
            timeoutMs: timeout)))
    }
    return reader.claims
  }

  private static func actuator(
    _ object: ObjectReader, _ reader: inout GPIOLineReader, _ problems: inout ProblemList
  ) -> GPIOLockBinding.Actuator? {
    let isMotor = object.node["direction"] != nil || object.node["pulse"] != nil
    guard isMotor != (object.node["hold"] != nil) else {
      problems.add(
        .error, at: object.node, "a lock has \(isMotor ? "both a motor and a magnet" : "no output")",
        expected: "\"direction\" and \"pulse\", or \"hold\"")
      return nil
    }
    let fields = GPIOLineReader.outputFields
    if !isMotor {
      let inner = reader.object(object, "hold", known: fields, &problems)
      return inner.flatMap { reader.line($0, isOutput: true, &problems) }.map { .hold($0) }
    }
    let direction = reader.object(
      object, "direction", required: "the line that says lock or unlock", known: fields, &problems
    )
    .flatMap { reader.line($0, isOutput: true, &problems) }
    let pulse = reader.object(
      object, "pulse", required: "the line that lets the motor run", known: fields + ["pulseMs"], &problems)
    let pulseMs = pulse.flatMap { $0.integer("pulseMs", in: 10...5000, &problems) } ?? 600
    let run = pulse.flatMap { reader.line($0, isOutput: true, &problems) }
    guard let direction, let run else { return nil }
    return .motor(direction: direction, pulse: run, pulseMs: pulseMs)
  }

  // MARK: ChargingStatusIndicator

  private static func indicator(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let colours = GPIOIndicatorBinding.Colour.allCases.map(\.rawValue)
    let object = ObjectReader(
      place.node, "a gpio driver of an indicator", known: ["kind", "chip"] + colours, unknown: .error, &check.problems)
    var reader = GPIOLineReader(object, &check.problems)
    var lights: [GPIOIndicatorBinding.Colour: GPIOIndicatorBinding.Light] = [:]
    for colour in GPIOIndicatorBinding.Colour.allCases {
      guard
        let inner = reader.object(
          object, colour.rawValue, known: GPIOLineReader.outputFields + ["led"], &check.problems)
      else { continue }
      if let node = inner.node["led"] {
        guard let name = inner.text("led", limit: 100, &check.problems) else { continue }
        guard !name.contains("/"), !name.hasPrefix("."), inner.node["line"] == nil else {
          check.problems.add(
            .error, at: node,
            "led is \"\(ValueCheck.excerpt(name))\"\(inner.node["line"] == nil ? "" : " beside a line")",
            expected: "a name in /sys/class/leds, or \"line\"")
          continue
        }
        lights[colour] = .led(name)
        reader.claim("LED \(name)", .exclusive, at: node)
      } else if let line = reader.line(inner, isOutput: true, &check.problems) {
        lights[colour] = .line(line)
      }
    }
    if !colours.contains(where: { object.node[$0] != nil }) {
      check.problems.add(
        .error, at: place.node, "an indicator has no light", expected: colours.joined(separator: ", "))
    }
    if !lights.isEmpty { check.add(.indicator(GPIOIndicatorBinding(component: place.component, lights: lights))) }
    return reader.claims
  }
}
