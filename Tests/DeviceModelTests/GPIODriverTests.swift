import Testing

@testable import DeviceModel

@Suite struct GPIODriverTests {
  /// Loads a station of two EVSEs with these components (name, keys before the driver, driver).
  private func load(_ components: [(name: String, keys: String, driver: String)]) throws -> (
    bindings: [DriverBinding], problems: [String]
  ) {
    var files = Small.files
    files["custom/EVSE2.json"] = Small.component(
      "EVSE", #""evse_id": 2"#, Small.variable("Available", "boolean", value: "true"))
    files["custom/Connector2.json"] = Small.component(
      "Connector", #""evse_id": 2, "connector_id": 1"#, Small.variable("Available", "boolean", value: "true"))
    for (index, component) in components.enumerated() {
      let keys = component.keys.isEmpty ? "" : component.keys + ", "
      files["custom/X\(index).json"] = Small.component(component.name, keys + #""driver": "# + component.driver)
    }
    let folder = try TemporaryFolder(files)
    let result = DeviceModel.load(directory: folder.path)
    // Without the place, which DriverTests are about.
    let problems = CheckReport(result, directory: folder.path).problems
      .filter { $0.text.contains("/custom/X") }
      .map { problem in
        "\(problem.severity.rawValue): \(problem.message)" + (problem.expected.map { "; expected \($0)" } ?? "")
      }
    return (result.bindings, problems)
  }

  private func problems(_ name: String, _ driver: String, keys: String = #""evse_id": 1"#) throws -> [String] {
    try load([(name, keys, driver)]).problems
  }

  private static let contactor =
    #"{"kind": "gpio", "chip": "gpiochip0", "line": "RELAY1", "mirror": {"line": "MIRROR1", "contact": "NC"}}"#

  @Test func aContactorIsBound() throws {
    let found = try load([("PowerContactor", #""evse_id": 1"#, Self.contactor)])
    #expect(found.problems == [])
    #expect(
      found.bindings == [
        .contactor(
          GPIOContactorBinding(
            component: ComponentID("PowerContactor", evse: 1),
            lines: [GPIOLine(chip: "gpiochip0", place: .name("RELAY1"))],
            mirror: GPIOContact(line: GPIOLine(chip: "gpiochip0", place: .name("MIRROR1")), kind: .normallyClosed)))
      ])
  }

  @Test func everyFieldOfAContactorIsTaken() throws {
    let found = try load([
      (
        "PowerContactor", #""evse_id": 1"#,
        #"{"kind": "gpio", "chip": "/dev/gpiochip0", "lines": ["L1N", 17], "activeLow": true, "bias": "pull-down", "#
          + #""drive": "open-drain", "openingMs": 60, "closingMs": 90, "leaseMs": 300, "mirror": {"chip": "pinctrl-x", "#
          + #""line": 3, "contact": "NO", "activeLow": true, "bias": "pull-up"}, "heartbeat": {"line": "BEAT", "periodMs": 40}}"#
      )
    ])
    #expect(found.problems == [])
    func line(_ place: GPIOLine.Place) -> GPIOLine {
      GPIOLine(chip: "gpiochip0", place: place, activeLow: true, bias: .pullDown, drive: .openDrain)
    }
    #expect(
      found.bindings == [
        .contactor(
          GPIOContactorBinding(
            component: ComponentID("PowerContactor", evse: 1), lines: [line(.name("L1N")), line(.offset(17))],
            mirror: GPIOContact(
              line: GPIOLine(chip: "pinctrl-x", place: .offset(3), activeLow: true, bias: .pullUp),
              kind: .normallyOpen),
            openingMs: 60, closingMs: 90, leaseMs: 300,
            heartbeat: .init(line: GPIOLine(chip: "gpiochip0", place: .name("BEAT")), periodMs: 40)))
      ])
  }

  @Test func mistakesOfAContactorAreNamed() throws {
    expect(
      try problems("PowerContactor", #"{"kind": "gpio", "chip": "c", "line": 1}"#),
      [
        "warning: PowerContactor@1 has no mirror contact: a welded contactor is not noticed; expected \"mirror\": { \"line\": ..., "
          + "\"contact\": \"NC\" }"
      ])
    expect(
      try problems(
        "PowerContactor", #"{"kind": "gpio", "line": 1, "mirror": {"chip": "c", "line": 2, "contact": "nc"}}"#),
      [
        "error: \"chip\" is missing in a gpio driver of a contactor; expected a GPIO chip, e.g. \"gpiochip0\"",
        "error: contact is \"nc\"; expected one of NC, NO",
      ])
    expect(
      try problems(
        "PowerContactor",
        #"{"kind": "gpio", "chip": "a b", "line": -1, "mirror": {"chip": "c", "line": 2, "contact": "NC"}}"#),
      [
        "error: chip is \"a b\"; expected \"gpiochip0\", an absolute path, or the chip's label, without spaces",
        "error: line is -1; expected a name of 1 to 100 bytes or an offset from 0 to 65535",
      ])
    let more = try problems(
      "PowerContactor",
      #"{"kind": "gpio", "chip": "c", "lines": [1, 2, 3, 4, 5], "openingMs": 101, "leaseMs": 500, "mirrror": 1, "mirror": {"line": 9}}"#
    )
    expect(
      more.map { $0.replacing(/; expected chip, line.*/, with: "") }.sorted(),
      [
        "error: \"contact\" is missing in \"mirror\" of a gpio driver of a contactor; expected NC (closed at rest) or NO (open at rest)",
        "error: leaseMs is 500; expected a whole number from 100 to 390",
        "error: lines is not 1 to 4 long; expected an array of 1 to 4 names or offsets",
        "error: openingMs is 101; expected a whole number from 5 to 100",
        "error: unknown key \"mirrror\" in a gpio driver of a contactor",
      ])
    #expect(
      try problems("PowerContactor", Self.contactor, keys: "").contains(
        "error: PowerContactor is of no EVSE; expected \"evse_id\" in the component"))
  }

  @Test func oneLineHasOneUser() throws {
    let stop = #"{"kind": "gpio", "chip": "/dev/gpiochip0", "line": "MIRROR1"}"#
    expect(
      try load([("PowerContactor", #""evse_id": 1"#, Self.contactor), ("EmergencyStopSensor", "", stop)]).problems,
      ["error: line MIRROR1 on gpiochip0 is taken by PowerContactor@1; expected one user of it"])
    // A heartbeat is one for all, and nobody else's.
    func contactor(_ evse: Int, _ heartbeat: String) -> (String, String, String) {
      (
        "PowerContactor", "\"evse_id\": \(evse)",
        #"{"kind": "gpio", "chip": "c", "line": \#(evse), "mirror": {"line": \#(evse + 2), "contact": "NC"}, \#(heartbeat)}"#
      )
    }
    let beat = #""heartbeat": {"line": 8, "periodMs": 100}"#
    #expect(try load([contactor(1, beat), contactor(2, beat)]).problems == [])
    #expect(
      try load([contactor(1, beat), contactor(2, #""heartbeat": {"line": 8, "periodMs": 50}"#)]).problems.count == 1)
    #expect(try load([contactor(1, beat), contactor(2, #""heartbeat": {"line": 1}"#)]).problems.count == 2)
    expect(
      try load([contactor(1, #""leaseMs": 300"#), contactor(2, #""leaseMs": 350"#)]).problems,
      [
        "error: the lease of the contactors is 350 ms here and 300 ms for PowerContactor@1; expected one setting for all on it"
      ])
  }

  @Test func inputsAreBound() throws {
    for name in ["EmergencyStopSensor", "CaseAccessSensor", "AccessBarrier", "TiltSensor", "FloodSensor", "ELVSupply"] {
      let found = try load([
        (name, "", #"{"kind": "gpio", "chip": "c", "line": 4, "bias": "pull-up", "activeLow": true}"#)
      ])
      #expect(found.problems == [])
      let line = GPIOLine(chip: "c", place: .offset(4), activeLow: true, bias: .pullUp)
      #expect(
        found.bindings == [
          .safetyInput(
            GPIOSafetyInputBinding(
              component: ComponentID(name), contact: GPIOContact(line: line, kind: .normallyClosed), debounceMs: 50))
        ])
    }
    expect(
      try problems("FloodSensor", #"{"kind": "gpio", "chip": "c", "line": 4, "contact": "NO", "debounceMs": 10}"#),
      [
        "warning: contact is NO: a broken wire of FloodSensor@1 is not noticed; expected a contact that is closed at rest (NC)"
      ])
  }

  /// The sensor of a parking bay closes when it sees a vehicle, and belongs to an EVSE.
  @Test func theSensorOfAParkingBayIsBound() throws {
    let driver = #"{"kind": "gpio", "chip": "c", "line": 4}"#
    let found = try load([("BayOccupancySensor", #""evse_id": 1"#, driver)])
    #expect(found.problems == [])
    #expect(
      found.bindings == [
        .safetyInput(
          GPIOSafetyInputBinding(
            component: ComponentID("BayOccupancySensor", evse: 1),
            contact: GPIOContact(line: GPIOLine(chip: "c", place: .offset(4)), kind: .normallyOpen), debounceMs: 2000))
      ])
    expect(
      try problems("BayOccupancySensor", driver, keys: ""),
      ["error: BayOccupancySensor is of no EVSE; expected \"evse_id\" in the component"])
  }

  @Test func anRCDIsBound() throws {
    let found = try load([
      (
        "RCD", #""evse_id": 1"#,
        #"{"kind": "gpio", "chip": "c", "line": "TRIP", "test": {"line": "TEST", "pulseMs": 100}, "reset": {"line": "RESET", "timeoutMs": 3000}}"#
      )
    ])
    #expect(found.problems == [])
    guard case .rcd(let binding) = found.bindings.first else {
      Issue.record("no RCD")
      return
    }
    #expect(binding.test == GPIOPulse(line: GPIOLine(chip: "c", place: .name("TEST")), pulseMs: 100, timeoutMs: 500))
    #expect(binding.reset == GPIOPulse(line: GPIOLine(chip: "c", place: .name("RESET")), pulseMs: 500, timeoutMs: 3000))
  }

  @Test func aLockIsBound() throws {
    let feedback = #""feedback": {"line": "LOCKED", "contact": "NO"}"#
    let keys = #""evse_id": 1, "connector_id": 1"#
    let motor = try load([
      (
        "ConnectorPlugRetentionLock", keys,
        #"{"kind": "gpio", "chip": "c", "direction": {"line": 1}, "pulse": {"line": 2, "pulseMs": 800}, \#(feedback)}"#
      )
    ])
    #expect(motor.problems == [])
    guard case .lock(let lock) = motor.bindings.first else {
      Issue.record("no lock")
      return
    }
    #expect(
      lock.actuator
        == .motor(
          direction: GPIOLine(chip: "c", place: .offset(1)), pulse: GPIOLine(chip: "c", place: .offset(2)), pulseMs: 800
        ))
    #expect(
      try problems(
        "ConnectorPlugRetentionLock", #"{"kind": "gpio", "chip": "c", "hold": {"line": 1}, \#(feedback)}"#, keys: keys)
        == [])
    expect(
      try problems("ConnectorPlugRetentionLock", #"{"kind": "gpio", "chip": "c"}"#, keys: keys),
      [
        "error: a lock has no output; expected \"direction\" and \"pulse\", or \"hold\"",
        "error: \"feedback\" is missing in a gpio driver of a lock; expected the input that says whether it is locked",
      ])
  }

  @Test func anIndicatorIsBound() throws {
    let found = try load([
      (
        "ChargingStatusIndicator", #""evse_id": 1"#,
        #"{"kind": "gpio", "chip": "c", "red": {"line": 3}, "green": {"led": "ready"}}"#
      )
    ])
    #expect(found.problems == [])
    #expect(
      found.bindings == [
        .indicator(
          GPIOIndicatorBinding(
            component: ComponentID("ChargingStatusIndicator", evse: 1),
            lights: [.red: .line(GPIOLine(chip: "c", place: .offset(3))), .green: .led("ready")]))
      ])
    expect(
      try problems("ChargingStatusIndicator", #"{"kind": "gpio", "red": {"led": "../x"}}"#),
      ["error: led is \"../x\"; expected a name in /sys/class/leds, or \"line\""])
    expect(
      try problems("ChargingStatusIndicator", #"{"kind": "gpio"}"#),
      ["error: an indicator has no light; expected red, green, blue"])
  }

  @Test func otherComponentsHaveNoLines() throws {
    #expect(
      try problems("FiscalMetering", #"{"kind": "gpio", "chip": "c", "line": 1}"#).first?.hasPrefix(
        "error: driver kind \"gpio\" cannot serve FiscalMetering@1; expected it on PowerContactor, RCD, ") == true)
  }

  private func expect(
    _ found: [String], _ expected: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(found == expected, sourceLocation: sourceLocation)
  }
}
