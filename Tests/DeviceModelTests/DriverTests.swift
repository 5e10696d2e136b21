import Testing

@testable import DeviceModel

@Suite struct DriverTests {
  private static let meters =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/DeviceModel/meters"

  /// A station of two EVSEs with these drivers on their meters.
  private func folder(_ first: String, _ second: String? = nil, component: String = "FiscalMetering") throws
    -> TemporaryFolder
  {
    var files = Small.files
    files["custom/M1.json"] = Small.component(component, #""evse_id": 1, "driver": "# + first)
    if let second {
      files["custom/EVSE2.json"] = Small.component(
        "EVSE", #""evse_id": 2"#, Small.variable("Available", "boolean", value: "true"))
      files["custom/Connector2.json"] = Small.component(
        "Connector", #""evse_id": 2, "connector_id": 1"#, Small.variable("Available", "boolean", value: "true"))
      files["custom/M2.json"] = Small.component("FiscalMetering", #""evse_id": 2, "driver": "# + second)
    }
    return try TemporaryFolder(files)
  }

  private func load(_ folder: TemporaryFolder, forRunning: Bool = false) -> (result: LoadResult, errors: [String]) {
    let result = DeviceModel.load(directory: folder.path, metersDirectory: Self.meters, forRunning: forRunning)
    let errors = CheckReport(result, directory: folder.path).problems.filter { $0.severity == .error }
    return (result, errors.map { $0.text.replacing(folder.path + "/custom/", with: "") })
  }

  private func errors(_ first: String, _ second: String? = nil, component: String = "FiscalMetering") throws -> [String]
  {
    load(try folder(first, second, component: component)).errors
  }

  private func rtu(_ more: String = "", unit: Int = 1) -> String {
    #"{"kind": "modbus-rtu", "bus": "/dev/ttyS1", "unit": \#(unit), "model": "eastron-sdm630"\#(more.isEmpty ? "" : ", " + more)}"#
  }

  @Test func aMeterIsBoundWithTheModelsDefaults() throws {
    let read = load(try folder(rtu()))
    #expect(read.errors == [])
    let meter = try #require(read.result.meters.first)
    #expect(meter.evse == 1)
    #expect(meter.bus == .serial(device: "/dev/ttyS1", baud: 9600, parity: "N", stopBits: 1))
    #expect(meter.model.id == "eastron-sdm630")
    #expect((meter.pollIntervalMs, meter.staleAfterMs, meter.timeoutMs) == (1000, 10_000, 500))
    #expect(meter.maxPowerW == nil && !meter.inverted)
    #expect(CheckReport(read.result, directory: "D").driverCount == 1)
  }

  @Test func everyFieldIsTaken() throws {
    let text = rtu(
      #""baud": 19200, "parity": "E", "stopBits": 1, "inverted": true, "pollIntervalMs": 500, "staleAfterMs": 3000, "timeoutMs": 300, "#
        + #""maxPowerW": 22000, "serialNumber": "42", "maxRegisters": 10, "pauseMs": 100"#)
    let read = load(try folder(text))
    #expect(read.errors == [])
    let meter = try #require(read.result.meters.first)
    #expect(meter.bus == .serial(device: "/dev/ttyS1", baud: 19_200, parity: "E", stopBits: 1))
    #expect(meter.inverted && meter.maxPowerW == 22_000 && meter.serialNumber == "42")
    #expect(
      (meter.maxRegisters, meter.pauseMs, meter.pollIntervalMs, meter.staleAfterMs, meter.timeoutMs) == (
        10, 100, 500, 3000, 300
      ))
  }

  @Test func networkMeters() throws {
    let text = #"{"kind": "modbus-tcp", "host": "192.0.2.7", "unit": 255, "model": "carlo-gavazzi-em24-e1"}"#
    let read = load(try folder(text))
    #expect(read.errors == [])
    #expect(read.result.meters.first?.bus == .tcp(host: "192.0.2.7", port: 502))
    expect(
      try errors(#"{"kind": "modbus-tcp", "host": "http://x", "port": 0, "unit": 256, "model": "abb-b21"}"#),
      [
        "M1.json:1:83: error: host is \"http://x\"; expected an address or a name, no URL",
        "M1.json:1:103: error: port is 0; expected a whole number from 1 to 65535",
        "M1.json:1:114: error: unit is 256; expected a whole number from 0 to 255",
      ])
  }

  @Test func mistakesAreNamedWithTheirPlace() throws {
    expect(
      try errors(rtu(#""paritty": "E""#)),
      [
        "M1.json:1:134: error: unknown key \"paritty\" in a modbus-rtu driver; expected kind, unit, model, inverted, "
          + "pollIntervalMs, staleAfterMs, timeoutMs, maxPowerW, serialNumber, maxRegisters, pauseMs, bus, baud, parity, stopBits; "
          + "did you mean \"parity\"?"
      ])
    expect(
      try errors(rtu(#""baud": 9601, "parity": "X", "stopBits": 3"#)),
      [
        "M1.json:1:142: error: baud is 9601; expected one of 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200",
        "M1.json:1:158: error: parity is \"X\"; expected one of N, E, O",
        "M1.json:1:175: error: stopBits is 3; expected one of 1, 2",
      ])
    expect(
      try errors(#"{"kind": "modbus-rtu", "bus": "ttyS1", "unit": 0}"#),
      [
        "M1.json:1:52: error: \"model\" is missing in a modbus-rtu driver; expected a meter model, e.g. \"eastron-sdm630\": "
          + "station meter list",
        "M1.json:1:82: error: bus is \"ttyS1\"; expected an absolute path, e.g. \"/dev/ttyS1\"",
        "M1.json:1:99: error: unit is 0; expected a whole number from 1 to 247",
      ])
    let unknown = try errors(#"{"kind": "modbus-rtu", "bus": "/dev/ttyS1", "unit": 1, "model": "eastron-sdm603"}"#)
    #expect(unknown.count == 1)
    #expect(
      unknown.first?.hasPrefix(
        "M1.json:1:116: error: there is no meter model \"eastron-sdm603\"; expected one of abb-b21, ") == true)
    #expect(unknown.first?.hasSuffix("did you mean \"eastron-sdm630\"?") == true)
    expect(
      try errors(rtu(#""pollIntervalMs": 2000, "staleAfterMs": 3000, "maxRegisters": 1"#)),
      [
        "M1.json:1:174: error: staleAfterMs is 3000, readings come every 2000 ms; expected at least twice pollIntervalMs",
        "M1.json:1:196: error: maxRegisters is 1, but a value of eastron-sdm630 has 2 registers; expected at least 2",
      ])
    expect(
      try errors(
        #"{"kind": "modbus-rtu", "bus": "/dev/ttyS1", "unit": 1, "model": "phoenix-eem-350", "inverted": true}"#),
      [
        "M1.json:1:147: error: inverted, but phoenix-eem-350 has no energyExport, which would be billed; expected a meter that "
          + "counts both directions, or the right wiring"
      ])
  }

  @Test func onlyMetersAreMeters() throws {
    expect(
      try errors(rtu(), component: "PowerContactor"),
      [
        "M1.json:1:52: error: driver kind \"modbus-rtu\" cannot serve PowerContactor@1; expected it on FiscalMetering"
      ])
  }

  // MARK: Conflicts

  @Test func twoMetersShareABus() throws {
    let read = load(try folder(rtu(unit: 1), rtu(unit: 2)))
    #expect(read.errors == [])
    #expect(read.result.meters.map(\.unit) == [1, 2])
  }

  @Test func oneUnitHasOneUser() throws {
    expect(
      try errors(rtu(), rtu()),
      ["M2.json:1:104: error: unit 1 on /dev/ttyS1 is taken by FiscalMetering@1; expected one user of it"])
    let tcp = #"{"kind": "modbus-tcp", "host": "h", "unit": 1, "model": "abb-b21"}"#
    expect(
      try errors(tcp, tcp),
      ["M2.json:1:96: error: unit 1 on h:502 is taken by FiscalMetering@1; expected one user of it"])
    #expect(try errors(tcp, tcp.replacing(#""host": "h""#, with: #""host": "h", "port": 503"#)) == [])
  }

  @Test func oneBusHasOneSetting() throws {
    expect(
      try errors(rtu(), rtu(#""parity": "E""#, unit: 2)),
      [
        "M2.json:1:82: error: /dev/ttyS1 is 9600 8E1 here and 9600 8N1 for FiscalMetering@1; expected one setting for all on it"
      ])
    // The BSM comes with 19200 8E1.
    let bsm = #"{"kind": "modbus-rtu", "bus": "/dev/ttyS1", "unit": 42, "model": "bauer-bsm-ws36a"}"#
    expect(
      try errors(rtu(), bsm),
      [
        "M2.json:1:82: error: /dev/ttyS1 is 19200 8E1 here and 9600 8N1 for FiscalMetering@1; expected one setting for all on it"
      ])
    #expect(try errors(rtu(), bsm.replacing("}", with: #", "baud": 9600, "parity": "N"}"#)) == [])
  }

  // MARK: Running

  @Test func whatCannotRunYetIsRefusedByRunAlone() throws {
    let folder = try folder(rtu())
    #expect(load(folder).errors == [])
    expect(
      load(folder, forRunning: true).errors,
      [
        "M1.json:1:61: error: driver kind \"modbus-rtu\" is not supported yet by station run; expected one of "
          + "\(DriverKind.all.filter(\.runs).map(\.name).joined(separator: ", "))"
      ]
    )
  }

  private func expect(
    _ found: some Sequence<String>, _ expected: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(Array(found) == expected, sourceLocation: sourceLocation)
  }
}
