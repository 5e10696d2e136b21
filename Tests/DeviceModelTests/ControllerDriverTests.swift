import Testing

@testable import DeviceModel

/// The drivers of controllers, token readers and temperature sensors.
@Suite struct ControllerDriverTests {
  private static let meters =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/DeviceModel/meters"

  /// A station with one EVSE and these components: name, driver.
  private func load(_ components: [(String, String)], evse: Bool = true) throws -> (
    bindings: [DriverBinding], errors: [String]
  ) {
    var files = Small.files
    for (index, component) in components.enumerated() {
      let place = evse ? #""evse_id": 1, "# : ""
      files["custom/M\(index + 1).json"] = Small.component(component.0, place + #""driver": "# + component.1)
    }
    let folder = try TemporaryFolder(files)
    let result = DeviceModel.load(directory: folder.path, metersDirectory: Self.meters)
    let errors = CheckReport(result, directory: folder.path).problems.filter { $0.severity == .error }
    return (
      result.bindings,
      errors.map { error in
        // Places are proved by the tests of meters; here it is the text.
        let text = error.text.replacing(folder.path + "/custom/", with: "")
        let parts = text.split(separator: ": error: ", maxSplits: 1)
        return "\(parts[0].prefix { $0 != ":" }): \(parts[1])"
      }
    )
  }

  private let din = #"{"kind": "modbus-evse-rtu", "bus": "/dev/ttyS1", "model": "evse-din"}"#
  private let part = #"{"kind": "controller"}"#
  private let mcu = #"{"kind": "mcu-serial", "device": "/dev/ttyS2"}"#

  // MARK: EVSE controllers

  @Test func aControllerWithItsDefaults() throws {
    let read = try load([("CPPWMController", din), ("PowerContactor", part)])
    #expect(read.errors == [])
    guard case .evseController(let binding)? = read.bindings.first else {
      Issue.record("\(read.bindings)")
      return
    }
    #expect(binding.bus == .serial(device: "/dev/ttyS1", baud: 9600, parity: "N", stopBits: 1))
    #expect((binding.unit, binding.model, binding.pauseMs, binding.maxCurrentA) == (1, .evseDIN, 100, 32))
    #expect((binding.pollIntervalMs, binding.staleAfterMs, binding.limitIntervalMs) == (500, 3000, 10_000))
    #expect(!binding.ventilation && !binding.socket)
    #expect(
      read.bindings.last
        == .controllerPart(
          ControllerPartBinding(
            component: ComponentID("PowerContactor", evse: 1), controller: ComponentID("CPPWMController", evse: 1))))
  }

  @Test func networkControllers() throws {
    let text =
      #"{"kind": "modbus-evse-tcp", "host": "192.0.2.9", "model": "phoenix-em-cp-pp-eth", "socket": true, "maxCurrentA": 16}"#
    let read = try load([("CPPWMController", text), ("PowerContactor", part)])
    #expect(read.errors == [])
    guard case .evseController(let binding)? = read.bindings.first else {
      Issue.record("\(read.bindings)")
      return
    }
    #expect(binding.bus == .tcp(host: "192.0.2.9", port: 502) && binding.unit == 180 && binding.maxCurrentA == 16)
  }

  @Test func nothingElseSwitchesBesideAModbusController() throws {
    for kind in ["simulated", "sysfs-temperature"] {
      let driver = #"{"kind": "\#(kind)"}"#
      let errors = try load([("CPPWMController", din), ("PowerContactor", driver)]).errors
      #expect(
        errors.contains(
          "M2.json: PowerContactor@1 is switched by \"\(kind)\", but CPPWMController@1 (modbus-evse-rtu) is too slow to open "
            + "through it and switches by itself; expected {\"kind\": \"controller\"}, the coil wired to the controller's output"
        ),
        "\(errors)")
    }
    #expect(
      try load([("CPPWMController", din)]).errors == [
        "M1.json: CPPWMController@1 switches the contactor of its EVSE, which has no PowerContactor; expected a component "
          + "PowerContactor with {\"kind\": \"controller\"}"
      ])
  }

  /// The kind of GPIO relays is checked by its name, whether or not this build has it.
  @Test func aGPIOContactorIsRefusedByItsKind() throws {
    var problems = ProblemList()
    let text = #"{"a": {"kind": "modbus-evse-rtu"}, "b": {"kind": "gpio"}}"#
    let file = JSONFileParser.parse(name: "f", bytes: Array(text.utf8), problems: &problems)
    let root = try #require(file?.root)
    let pilot = try #require(root["a"])
    let relay = try #require(root["b"])
    var check = DriverCheck(problems: problems, meters: MeterLibrary(given: nil, stationDirectory: "."))
    check.note(DriverPlace(component: ComponentID("CPPWMController", evse: 1), kind: "modbus-evse-rtu", node: pilot))
    check.note(DriverPlace(component: ComponentID("PowerContactor", evse: 1), kind: "gpio", node: relay))
    check.note(DriverPlace(component: ComponentID("PowerContactor", evse: 2), kind: "gpio", node: relay))
    check.finish()
    #expect(check.problems.problems.map(\.message).count == 1)
    #expect(check.problems.problems.first?.message.hasPrefix("PowerContactor@1 is switched by \"gpio\"") == true)
  }

  @Test func aControllerPartNeedsAControllerThatServesIt() throws {
    #expect(
      try load([("PowerContactor", part)]).errors == [
        "M1.json: PowerContactor@1 is served by a controller, but its EVSE has no CPPWMController with a driver; expected a "
          + "CPPWMController of kind modbus-evse-rtu, modbus-evse-tcp, mcu-serial"
      ])
    #expect(
      try load([("CPPWMController", #"{"kind": "simulated"}"#), ("PowerContactor", part)]).errors == [
        "M2.json: PowerContactor@1 is served by CPPWMController@1, whose kind \"simulated\" does not serve it; expected a "
          + "controller that switches, or a driver of its own"
      ])
    #expect(
      try load([("CPPWMController", din), ("PowerContactor", part), ("RCD", part)]).errors == [
        "M3.json: RCD@1 is served by CPPWMController@1, whose kind \"modbus-evse-rtu\" does not serve it; expected an "
          + "mcu-serial controller, or a driver of its own"
      ])
    #expect(
      try load([("TokenReader", part)]).errors.first?.hasPrefix(
        "M1.json: driver kind \"controller\" cannot serve TokenReader@1") == true)
    #expect(
      try load([("CPPWMController", mcu), ("RCD", #"{"kind": "controller", "line": 3}"#)]).errors == [
        "M2.json: unknown key \"line\" in a controller driver; expected kind"
      ])
  }

  @Test func aMicrocontrollerServesTheWholeEVSE() throws {
    let read = try load([
      ("CPPWMController", mcu), ("PowerContactor", part), ("RCD", part), ("EmergencyStopSensor", part),
    ])
    #expect(read.errors == [])
    guard case .safetyController(let binding)? = read.bindings.first else {
      Issue.record("\(read.bindings)")
      return
    }
    #expect(
      (binding.device, binding.baud, binding.keepAliveMs, binding.lossAfterMs) == ("/dev/ttyS2", 115_200, 500, 2000))
    #expect(read.bindings.dropFirst().map(\.component.name) == ["PowerContactor", "RCD", "EmergencyStopSensor"])
  }

  @Test func mistakes() throws {
    let cases: [(String, String, String)] = [
      (
        "CPPWMController", #"{"kind": "mcu-serial", "device": "ttyS2"}"#,
        "device is \"ttyS2\"; expected an absolute path, e.g. \"/dev/ttyS1\""
      ),
      (
        "CPPWMController", #"{"kind": "mcu-serial", "device": "/dev/ttyS2", "keepAliveMs": 1000, "lossAfterMs": 2000}"#,
        "lossAfterMs is 2000, keep-alives go every 1000 ms; expected at least three times keepAliveMs"
      ),
      (
        "CPPWMController", #"{"kind": "mcu-serial", "device": "/dev/ttyS2", "maxCurrentA": 5}"#,
        "maxCurrentA is 5; expected a whole number from 6 to 80"
      ),
      (
        "TokenReader", #"{"kind": "evdev"}"#,
        "an evdev driver says nothing of its device; expected \"device\": \"vendor:product\", \"name\" or \"path\""
      ),
      (
        "TokenReader", #"{"kind": "evdev", "device": "8ff:9"}"#,
        "device is \"8ff:9\"; expected vendor:product in hexadecimal as lsusb shows them, e.g. \"08ff:0009\""
      ),
      (
        "TokenReader", #"{"kind": "evdev", "name": "x", "minLength": 9, "maxLength": 8}"#,
        "minLength is 9, maxLength 8; expected minLength not above maxLength"
      ),
      (
        "TokenReader", #"{"kind": "pn532-serial", "device": "/dev/ttyS3", "evses": [1, 1]}"#,
        "evses is no list of EVSE numbers; expected 1 to 100 different numbers from 1, e.g. [1, 2]"
      ),
      (
        "TokenReader", #"{"kind": "pn532-serial", "device": "/dev/ttyS3", "idTokenType": "Central"}"#,
        "idTokenType is \"Central\"; expected one of ISO14443, ISO15693, KeyCode, Local, eMAID, MacAddress"
      ),
      (
        "TemperatureSensor", #"{"kind": "sysfs-temperature", "path": "/sys/x", "minC": 50, "maxC": 50}"#,
        "minC is 50, maxC 50; expected minC below maxC"
      ),
      (
        "TemperatureSensor", #"{"kind": "sysfs-temperature", "path": "/sys/x", "scale": 0}"#,
        "scale is 0; expected a number other than 0"
      ),
      (
        "CPPWMController", #"{"kind": "modbus-evse-rtu", "bus": "/dev/ttyS1", "model": "phoenix-em-cp-pp-eth"}"#,
        "model is \"phoenix-em-cp-pp-eth\"; expected one of evse-din"
      ),
    ]
    for (component, driver, expected) in cases {
      let errors = try load([(component, driver)]).errors
      #expect(errors.contains { $0.hasPrefix("M1.json: \(expected)") }, "\(driver): \(errors)")
    }
  }

  // MARK: Sharing

  @Test func metersAndControllersShareABus() throws {
    let meter = #"{"kind": "modbus-rtu", "bus": "/dev/ttyS1", "unit": 2, "model": "eastron-sdm630"}"#
    #expect(try load([("CPPWMController", din), ("PowerContactor", part), ("FiscalMetering", meter)]).errors == [])
    #expect(
      try load([
        ("CPPWMController", din), ("PowerContactor", part), ("FiscalMetering", meter.replacing("2,", with: "1,")),
      ]).errors == ["M3.json: unit 1 on /dev/ttyS1 is taken by CPPWMController@1; expected one user of it"])
    #expect(
      try load([
        ("CPPWMController", din), ("PowerContactor", part),
        ("FiscalMetering", meter.replacing("}", with: #", "parity": "E"}"#)),
      ]).errors == [
        "M3.json: /dev/ttyS1 is 9600 8E1 here and 9600 8N1 for CPPWMController@1; expected one setting for all on it"
      ])
  }

  @Test func aSerialDeviceHasOneUser() throws {
    let reader = #"{"kind": "pn532-serial", "device": "/dev/ttyS2"}"#
    #expect(
      try load([("CPPWMController", mcu), ("TokenReader", reader)]).errors == [
        "M2.json: /dev/ttyS2 is taken by CPPWMController@1; expected one user of it"
      ])
    #expect(
      try load([
        ("CPPWMController", din), ("PowerContactor", part),
        ("TokenReader", reader.replacing("ttyS2", with: "ttyS1")),
      ]).errors == ["M3.json: /dev/ttyS1 is taken by CPPWMController@1; expected one user of it"])
  }

  // MARK: Readers and sensors

  @Test func readers() throws {
    let evdev =
      #"{"kind": "evdev", "device": "08ff:0009", "digits": "decimal", "minLength": 10, "maxLength": 10, "idTokenType": "Local", "evses": [1, 2]}"#
    let read = try load([("TokenReader", evdev)], evse: false)
    #expect(read.errors == [])
    #expect(
      read.bindings == [
        .tokenReader(
          TokenReaderBinding(
            component: ComponentID("TokenReader"),
            source: .evdev(
              TokenReaderBinding.InputDevice(vendor: 0x8FF, product: 9), hexadecimal: false, lengths: 10...10),
            idTokenType: "Local", evses: [1, 2]))
      ])
    // A reader of one EVSE serves that one.
    let pn532 = try load([("TokenReader", #"{"kind": "pn532-serial", "device": "/dev/ttyS3"}"#)])
    #expect(
      pn532.bindings == [
        .tokenReader(
          TokenReaderBinding(
            component: ComponentID("TokenReader", evse: 1), source: .pn532(device: "/dev/ttyS3", rearmMs: 1500),
            idTokenType: "ISO14443", evses: [1]))
      ])
  }

  @Test func temperatures() throws {
    let text =
      #"{"kind": "sysfs-temperature", "path": "/sys/bus/iio/devices/iio:device0/in_temp_raw", "scale": 62.5, "offsetMilliC": -500, "pollIntervalMs": 500, "staleAfterMs": 2000, "minC": -20, "maxC": 120}"#
    let read = try load([("TemperatureSensor", text)])
    #expect(read.errors == [])
    guard case .temperature(let binding)? = read.bindings.first else {
      Issue.record("\(read.bindings)")
      return
    }
    #expect(binding.offsetMilliC == -500 && binding.pollIntervalMs == 500 && binding.staleAfterMs == 2000)
    #expect(binding.plausibleC == -20...120)
  }

  // MARK: Simulated meters

  @Test func onlyMetersSign() throws {
    let read = try load([
      ("FiscalMetering", #"{"kind": "simulated", "signing": "OCMF"}"#), ("PowerContactor", #"{"kind": "simulated"}"#),
    ])
    #expect(read.errors == [])
    #expect(read.bindings.first == .simulated(ComponentID("FiscalMetering", evse: 1), signing: .ocmf))
    #expect(read.bindings.last == .simulated(ComponentID("PowerContactor", evse: 1)))
    let wrong = try load([
      ("FiscalMetering", #"{"kind": "simulated", "signing": "ocmf"}"#),
      ("PowerContactor", #"{"kind": "simulated", "signing": "OCMF"}"#),
    ])
    #expect(
      wrong.errors == [
        #"M1.json: signing is "ocmf"; expected one of OCMF; did you mean "OCMF"?"#,
        "M2.json: signing on PowerContactor@1; expected it on FiscalMetering: only meters sign",
      ])
  }
}
