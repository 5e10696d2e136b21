import OCPP
import Testing

@testable import DeviceModel

@Suite struct FolderTests {
  /// The problems of a folder with the files of `Small` and these; without the warnings about components that OCPP
  /// requires, which no small folder has.
  private func problems(
    _ files: [String: String], without: [String] = [], overrides: String? = nil, settings: [String] = []
  ) throws -> [String] {
    var all = Small.files.merging(files) { $1 }
    for name in without { all[name] = nil }
    let folder = try TemporaryFolder(all)
    return try folder.check(overrides: overrides, settings: settings).dropLast().filter {
      !$0.contains("OCPP requires")
    }
  }

  private func expect(
    _ found: some Sequence<String>, _ expected: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(Array(found) == expected, sourceLocation: sourceLocation)
  }

  @Test func aSmallFolderHasNoErrors() throws {
    expect(try problems([:]), [])
  }

  @Test func missingFoldersAreReported() throws {
    let folder = try TemporaryFolder()
    expect(
      try folder.check(),
      [
        "DIR: error: the directory has neither standardized/ nor custom/; expected component files in "
          + "standardized/*.json and custom/*.json",
        "DIR: 1 error, 0 warnings in 0 files (0 components, 0 variables, 0 EVSEs, simulated hardware)",
      ])
    let report = DeviceModel.check(directory: folder.path + "/nowhere")
    #expect(report.exitCode == 1)
    #expect(
      folder.lines(report).first
        == "DIR/nowhere: error: the directory does not exist; expected a device-model directory with standardized/ and "
        + "custom/")
    let empty = try TemporaryFolder(["custom/readme.txt": "no component", "custom/.hidden.json": "{"])
    #expect(
      try empty.check().first
        == "DIR: error: there are no component files; expected component files in standardized/*.json and custom/*.json"
    )
  }

  @Test func onlyOneSubfolderIsEnough() throws {
    let folder = try TemporaryFolder(["standardized/a.json": Small.evse, "standardized/b.json": Small.connector])
    #expect(DeviceModel.check(directory: folder.path).errorCount == 0)
    #expect(DeviceModel.check(directory: folder.path + "/").errorCount == 0)
  }

  @Test func filesAreReadInTheOrderOfTheirNames() throws {
    let folder = try TemporaryFolder([
      "custom/EVSE.json": Small.evse, "custom/Connector.json": Small.connector,
      "standardized/b.json": Small.component("B"), "standardized/a.json": Small.component("A"),
    ])
    let result = DeviceModel.load(directory: folder.path)
    #expect(result.model.components.map(\.id.name) == ["A", "B", "Connector", "EVSE"])
    #expect(result.fileCount == 4)
    #expect(result.model.evseCount == 1)
    #expect(result.model.connectorCount(evse: 1) == 1)
    #expect(result.model.connectorCount(evse: 2) == 0)
  }

  @Test func filesThatAreNoFilesAreReported() throws {
    let folder = try TemporaryFolder(Small.files.merging(["custom/x.json/inner": ""]) { $1 })
    try folder.write([UInt8](repeating: 0x20, count: Folder.maxFileSize + 1), to: "custom/y.json")
    expect(
      try folder.check().filter { $0.contains(" error: ") },
      [
        "DIR/custom/x.json: error: not a file; expected a regular file",
        "DIR/custom/y.json: error: the file has 1048577 bytes; expected at most 1048576",
      ])
  }

  @Test func tooManyFilesAreRefused() throws {
    let folder = try TemporaryFolder(Small.files)
    for number in 0...Folder.maxFiles { try folder.write([], to: "standardized/\(number).json") }
    #expect(
      try folder.check().contains("DIR/standardized: error: too many files; expected at most 1000 .json files"))
  }

  // MARK: Numbering

  private func evse(_ number: Int) -> String { Small.component("EVSE", #""evse_id": \#(number)"#) }
  private func connector(_ evse: Int, _ number: Int) -> String {
    Small.component("Connector", #""evse_id": \#(evse), "connector_id": \#(number)"#)
  }

  @Test func evsesAreNumberedFromOne() throws {
    expect(
      try problems(["custom/EVSE.json": evse(2), "custom/Connector.json": connector(2, 1)]),
      ["DIR/custom/EVSE.json:1:29: error: EVSE 2 without EVSE 1; expected EVSEs numbered 1, 2, 3, ..."])
    expect(
      try problems(["custom/EVSE3.json": evse(3), "custom/Connector3.json": connector(3, 1)]),
      ["DIR/custom/EVSE3.json:1:29: error: EVSE 3 without EVSE 2; expected EVSEs numbered 1, 2, 3, ..."])
  }

  @Test func connectorsAreNumberedFromOne() throws {
    expect(
      try problems(["custom/c3.json": connector(1, 3)]),
      [
        "DIR/custom/c3.json:1:53: error: connector 3 of EVSE 1 without connector 2; "
          + "expected connectors numbered 1, 2, 3, ... on each EVSE"
      ])
    expect(try problems(["custom/c3.json": connector(1, 3), "custom/c2.json": connector(1, 2)]), [])
  }

  @Test func everyEVSEHasAConnectorAndEveryConnectorAnEVSE() throws {
    expect(
      try problems([:], without: ["custom/Connector.json"]),
      [
        "DIR/custom/EVSE.json:1:29: error: EVSE 1 has no connector; "
          + "expected a component Connector with evse_id 1 and connector_id 1"
      ])
    expect(
      try problems(["custom/c.json": connector(2, 1)]),
      [
        "DIR/custom/c.json:1:34: error: Connector@2.1 is on EVSE 2, which does not exist; expected an EVSE of 1"
      ])
    #expect(
      try problems([:], without: ["custom/Connector.json", "custom/EVSE.json"]).isEmpty == false)
    let folder = try TemporaryFolder(["custom/a.json": Small.component("A")])
    #expect(try folder.check().first == "DIR: error: there is no EVSE; expected a component EVSE with evse_id 1")
  }

  @Test func componentsSitOnWhatExists() throws {
    expect(
      try problems([
        "custom/a.json": Small.component("FiscalMetering", #""evse_id": 2"#),
        "custom/b.json": Small.component("ConnectorPlugRetentionLock", #""evse_id": 1, "connector_id": 2"#),
        "custom/c.json": Small.component("EVSE"),
        "custom/d.json": Small.component("Connector", #""evse_id": 1"#),
      ]),
      [
        "DIR/custom/a.json:1:39: error: FiscalMetering@2 is on EVSE 2, which does not exist; expected an EVSE of 1",
        "DIR/custom/b.json:1:70: error: ConnectorPlugRetentionLock@1.2 is on connector 2, which EVSE 1 does not have; "
          + "expected a component Connector for it",
        "DIR/custom/c.json:1:10: error: an EVSE component needs evse_id and no connector_id; "
          + "expected evse_id: the number of the EVSE, from 1",
        "DIR/custom/d.json:1:10: error: a Connector component needs evse_id and connector_id; "
          + "expected evse_id and connector_id, each from 1",
      ])
  }

  @Test func componentsAreUnique() throws {
    expect(
      try problems(["custom/X.json": Small.component("evse", #""evse_id": 1"#)]),
      [
        "DIR/custom/X.json:1:10: error: component evse@1 exists already in DIR/custom/EVSE.json; "
          + "expected one file for each component"
      ])
    expect(
      try problems([
        "custom/X.json": Small.component("Vendor"), "custom/Y.json": Small.component("Vendor", #""instance": "2""#),
      ]), [])
  }

  // MARK: Drivers

  @Test func onceThereIsADriverAllHardwareNeedsOne() throws {
    let driver = #""driver": {"kind": "simulated"}"#
    let files = [
      "custom/a.json": Small.component("PowerContactor", #""evse_id": 1, "# + driver),
      "custom/b.json": Small.component("FiscalMetering", #""evse_id": 1"#),
      "custom/c.json": Small.component("Vendor"),
      "custom/d.json": Small.component("TokenReader", driver),
    ]
    expect(
      try problems(files),
      [
        "DIR/custom/b.json:1:10: error: FiscalMetering@1 is hardware without a driver, but PowerContactor@1 has one; "
          + "expected a \"driver\" on every hardware component, {\"kind\": \"simulated\"} where it is not there"
      ])
    let folder = try TemporaryFolder(
      Small.files.merging(
        files.merging(["custom/b.json": Small.component("FiscalMetering", #""evse_id": 1, "# + driver)]) { $1 }
      ) {
        $1
      })
    let model = DeviceModel.load(directory: folder.path).model
    #expect(model.component(ComponentID("FiscalMetering", evse: 1))?.driver?.kind == "simulated")
    #expect(model.component(ComponentID("Vendor"))?.driver == nil)
  }

  @Test func unknownDriversAreRefused() throws {
    let kinds = Driver.kinds.joined(separator: ", ")
    #expect(kinds.hasPrefix("simulated, modbus-rtu, modbus-tcp, gpio, "))
    expect(
      try problems([
        "custom/a.json": Small.component("PowerContactor", #""evse_id": 1, "driver": {"kind": "mqtt", "line": "X"}"#),
        "custom/b.json": Small.component("TokenReader", #""driver": {"kind": "simulatd"}"#),
        "custom/c.json": Small.component("RCD", #""evse_id": 1, "driver": {}"#),
        "custom/d.json": Small.component("FiscalMetering", #""evse_id": 1, "driver": 1"#),
        "custom/e.json": Small.component(
          "CPPWMController", #""evse_id": 1, "driver": {"kind": "simulated", "line": 1}"#),
      ]),
      [
        "DIR/custom/a.json:1:61: error: driver kind \"mqtt\" is not known to this build; expected one of \(kinds)",
        "DIR/custom/b.json:1:44: error: driver kind \"simulatd\" is not known to this build; expected one of \(kinds); "
          + "did you mean \"simulated\"?",
        "DIR/custom/c.json:1:41: error: \"kind\" is missing; expected one of \(kinds)",
        "DIR/custom/d.json:1:52: error: driver is a number; expected an object",
        "DIR/custom/e.json:1:75: warning: unknown key \"line\" in a simulated driver; expected kind, signing",
      ])
  }

  // MARK: Names and required variables

  @Test func nearlyStandardizedNamesAreSuggested() throws {
    expect(
      try problems([
        "custom/a.json": Small.component("TxCtlr"),
        "custom/b.json": Small.component(
          "TxCtrlr", "", Small.variable("EVConnectionTimeout2", "integer"), Small.variable("Mine", "integer"),
          Small.variable("Enabled", "boolean")),
        "custom/c.json": Small.component("InternalCtrlr"),
      ]),
      [
        "DIR/custom/a.json:1:10: warning: \"TxCtlr\" is no standardized component; "
          + "expected a standardized name, or one that is not this near to one; did you mean \"TxCtrlr\"?",
        "DIR/custom/b.json:2:43: warning: \"EVConnectionTimeout2\" is no standardized variable of TxCtrlr; "
          + "expected a standardized name, or one that is not this near to one; did you mean \"EVConnectionTimeOut\"?",
      ])
  }

  @Test func requiredVariablesAreMissed() throws {
    let folder = try TemporaryFolder(
      Small.files.merging([
        "custom/tx.json": Small.component(
          "TxCtrlr", "", Small.variable("EVConnectionTimeOut", "integer"),
          Small.variable("TxStartPoint", "MemberList"), Small.variable("StopTxOnInvalidID2", "boolean"),
          Small.variable("StopTxOnEVSideDisconnect", "boolean", attributes: #"[{"type": "Target", "value": true}]"#)),
        // Not available: nothing is required of it.
        "custom/list.json": Small.component(
          "LocalAuthListCtrlr", "", Small.variable("Available", "boolean", value: "false")),
        "custom/tariff.json": Small.component(
          "TariffCostCtrlr", "", Small.variable("Available", "boolean", instance: "Tariff", value: "false"),
          Small.variable("Available", "boolean", instance: "Cost", value: "false")),
        "custom/display.json": Small.component(
          "DisplayMessageCtrlr", "", Small.variable("Available", "boolean", value: "true"),
          Small.variable("DisplayMessages", "integer", value: "0")),
      ]) { $1 })
    let lines = try folder.check()
    let required = lines.filter { $0.contains("OCPP requires") }
    #expect(
      required.filter { $0.contains("/tx.json") } == [
        "DIR/custom/tx.json:1:10: warning: TxCtrlr lacks StopTxOnInvalidId, which OCPP requires; "
          + "expected whether a refused token ends the authorization; did you mean \"StopTxOnInvalidID2\"?",
        "DIR/custom/tx.json:1:10: warning: TxCtrlr lacks TxStopPoint, which OCPP requires; "
          + "expected what ends a transaction, such as EVConnected,Authorized",
        "DIR/custom/tx.json:2:42: warning: TxCtrlr/EVConnectionTimeOut has no value, which OCPP requires; "
          + "expected seconds in which the EV must be connected after authorization",
        "DIR/custom/tx.json:5:47: warning: TxCtrlr/StopTxOnEVSideDisconnect has no Actual attribute, which OCPP "
          + "requires; expected whether unplugging the EV ends the authorization",
      ])
    #expect(required.filter { $0.contains("/list.json") || $0.contains("/tariff.json") } == [])
    #expect(
      required.filter { $0.contains("/display.json") } == [
        "DIR/custom/display.json:1:10: warning: DisplayMessageCtrlr lacks SupportedFormats, which OCPP requires; "
          + "expected the message formats, such as UTF8",
        "DIR/custom/display.json:1:10: warning: DisplayMessageCtrlr lacks SupportedPriorities, which OCPP requires; "
          + "expected the message priorities, such as NormalCycle",
        "DIR/custom/display.json:3:38: warning: DisplayMessageCtrlr/DisplayMessages has no maxLimit, which OCPP "
          + "requires; expected the most messages as maxLimit",
      ])
    // Components that every station has.
    let absent = required.filter { $0.hasPrefix("DIR: warning: component ") }
    #expect(absent.count == RequiredVariables.always.count - 1)
    #expect(lines.contains { $0.hasPrefix("DIR: warning: component ClockCtrlr is missing; OCPP requires it") })
    // A value from elsewhere is a value.
    let settings = try folder.check(settings: ["TxCtrlr/EVConnectionTimeOut=30"])
    #expect(!settings.contains { $0.contains("EVConnectionTimeOut has no value") })
  }

  // MARK: Values

  @Test func valuesBeyondTheirLimitsAreWarnings() throws {
    expect(
      try problems([
        "custom/a.json": Small.component(
          "Vendor", "", Small.variable("Number", "integer", value: "200", more: #""maxLimit": 100"#),
          Small.variable("One", "OptionList", value: #""bb""#, more: #""valuesList": "aa,ba""#),
          Small.variable("Text", "string", value: #""abc""#, more: #""maxLimit": 2"#))
      ]),
      [
        "DIR/custom/a.json:2:199: warning: Vendor/Number: 200 is too high; expected at most 100",
        "DIR/custom/a.json:3:202: warning: Vendor/One: \"bb\" is not in the values list; expected one of aa,ba; "
          + "did you mean \"ba\"?",
        "DIR/custom/a.json:4:192: warning: Vendor/Text: \"abc\" is too long; expected at most 2 characters",
      ])
  }

  @Test func transactionPointsMustExist() throws {
    expect(
      try problems([
        "custom/tx.json": Small.component(
          "TxCtrlr", "", Small.variable("TxStartPoint", "MemberList", value: #""EVConected, Authorized""#),
          // Not in the list either: one problem, not two.
          Small.variable("TxStopPoint", "MemberList", value: #""DataSigned""#, more: #""valuesList": "EVConnected""#))
      ]),
      [
        "DIR/custom/tx.json:2:197: error: TxCtrlr/TxStartPoint: \"EVConected\" is no TxStartPoint; expected one or "
          + "more of "
          + "ParkingBayOccupancy,EVConnected,Authorized,PowerPathClosed,EnergyTransfer,DataSigned; "
          + "did you mean \"EVConnected\"?",
        "DIR/custom/tx.json:3:224: error: TxCtrlr/TxStopPoint: \"DataSigned\" is no TxStopPoint; expected one or "
          + "more of "
          + "ParkingBayOccupancy,EVConnected,Authorized,PowerPathClosed,EnergyTransfer",
      ])
  }

  // MARK: Overrides

  private let tx = [
    "custom/tx.json": Small.component(
      "TxCtrlr", "",
      Small.variable("EVConnectionTimeOut", "integer", mutability: "ReadOnly", value: "60", more: #""maxLimit": 100"#),
      Small.variable("TxStartPoint", "MemberList", value: #""EVConnected""#))
  ]

  @Test func overridesAreFactoryValues() throws {
    let folder = try TemporaryFolder(Small.files.merging(tx) { $1 })
    try folder.write(
      Array(
        """
        [{"component": "TxCtrlr", "variable": "EVConnectionTimeOut", "value": 30},
         {"component": "EVSE", "evse": 1, "variable": "Available", "attribute": "Actual", "value": "false"},
         {"component": "Connector", "evse": 1, "connector": 1, "variable": "available", "value": false}]
        """.utf8), to: "o.json")
    let result = DeviceModel.load(
      directory: folder.path, overridesFile: folder.path + "/o.json",
      settings: ["TxCtrlr/EVConnectionTimeOut=20", "txctrlr/TXSTARTPOINT=Authorized,EVConnected"])
    #expect(result.errorCount == 0)
    // The later one wins.
    #expect(result.model.int(ComponentID("TxCtrlr"), VariableID("EVConnectionTimeOut")) == 20)
    #expect(result.model.value(ComponentID("TxCtrlr"), VariableID("TxStartPoint")) == "Authorized,EVConnected")
    #expect(result.model.bool(ComponentID("EVSE", evse: 1), VariableID("Available")) == false)
    #expect(result.model.bool(ComponentID("Connector", evse: 1, connector: 1), VariableID("Available")) == false)
  }

  @Test func wrongOverridesAreReported() throws {
    let overrides = """
      [{"component": "TxCtlr", "variable": "EVConnectionTimeOut", "value": 30},
       {"component": "TxCtrlr", "evse": 1, "variable": "EVConnectionTimeOut", "value": 30},
       {"component": "TxCtrlr", "variable": "EVConnectionTimeout1", "value": 30},
       {"component": "TxCtrlr", "variable": "EVConnectionTimeOut", "variableInstance": "x", "value": 30},
       {"component": "TxCtrlr", "variable": "EVConnectionTimeOut", "attribute": "Target", "value": 30},
       {"component": "TxCtrlr", "variable": "EVConnectionTimeOut", "attribute": "Actul", "value": 30},
       {"component": "TxCtrlr", "variable": "EVConnectionTimeOut", "value": "soon"},
       {"component": "TxCtrlr", "variable": "EVConnectionTimeOut", "value": [30]},
       {"component": "TxCtrlr", "variable": "EVConnectionTimeOut", "val": 30},
       {"component": 1, "evse": 0, "connector": "1", "variable": "", "value": 30},
       "TxCtrlr",
       {"component": "TxCtrlr", "variable": "EVConnectionTimeOut", "value": 300}]
      """
    expect(
      try problems(tx, overrides: overrides),
      [
        "DIR/overrides.json:1:16: error: there is no component TxCtlr; expected a component of the component files; "
          + "did you mean \"TxCtrlr\"?",
        "DIR/overrides.json:2:16: error: there is no component TxCtrlr@1; expected one of TxCtrlr",
        "DIR/overrides.json:3:39: error: TxCtrlr has no variable EVConnectionTimeout1; "
          + "expected a variable of the component file; did you mean \"EVConnectionTimeOut\"?",
        "DIR/overrides.json:4:39: error: TxCtrlr has no variable EVConnectionTimeOut.x; "
          + "expected one of EVConnectionTimeOut",
        "DIR/overrides.json:5:75: error: TxCtrlr/EVConnectionTimeOut has no attribute Target; expected Actual",
        "DIR/overrides.json:6:75: error: attribute \"Actul\" does not exist; "
          + "expected one of Actual, Target, MinSet, MaxSet; did you mean \"Actual\"?",
        "DIR/overrides.json:7:71: error: \"soon\" is no integer; expected a whole number that fits 64 bits",
        "DIR/overrides.json:8:71: error: the value is an array; expected a boolean, number or string",
        "DIR/overrides.json:9:2: error: \"value\" is missing; expected component, variable and value",
        "DIR/overrides.json:9:62: warning: unknown key \"val\" in an override; expected component, instance, evse, "
          + "connector, variable, variableInstance, attribute, value",
        "DIR/overrides.json:10:16: error: component is a number; expected a string",
        "DIR/overrides.json:10:27: error: evse is 0; expected a whole number from 1",
        "DIR/overrides.json:10:43: error: connector is a string; expected a whole number from 1",
        "DIR/overrides.json:10:60: error: variable is empty; expected at least one character",
        "DIR/overrides.json:11:2: error: an override is a string; expected an object",
        "DIR/overrides.json:12:71: warning: TxCtrlr/EVConnectionTimeOut: 300 is too high; expected at most 100",
      ])
    expect(
      try problems(tx, overrides: "{}"),
      [
        "DIR/overrides.json:1:1: error: the overrides are an object; expected an array of objects"
      ])
    let folder = try TemporaryFolder(Small.files)
    let report = DeviceModel.check(directory: folder.path, overridesFile: folder.path + "/none.json")
    #expect(
      folder.lines(report).contains("DIR/none.json: error: cannot open the file: No such file or directory"))
  }

  @Test func wrongSettingsAreReported() throws {
    expect(
      try problems(
        tx,
        settings: [
          "TxCtrlr/EVConnectionTimeOut", "TxCtrlr=1", "TxCtrlr/EVConnectionTimeOut=soon", "TxCtrl/X=1",
          "TxCtrlr/EVConnectionTimeOut=101", "TxCtrlr/TxStartPoint=Authorised",
          "TxCtrlr/TxStartPoint=" + String(repeating: "x", count: 70_000),
        ]
      ).map { String($0.prefix(160)) },
      [
        "--set: error: \"TxCtrlr/EVConnectionTimeOut\" has no '='; expected "
          + "Component[.instance][@evse[.connector]]/Variable[.instance][#Attribute]=value",
        "--set: error: \"TxCtrlr\" has no '/' between component and variable; expected "
          + "Component[.instance][@evse[.connector]]/Variable[.instance][#Attribute]",
        "--set: error: TxCtrlr/EVConnectionTimeOut: \"soon\" is no integer; expected a whole number that fits 64 bits",
        "--set: error: there is no component TxCtrl; expected a component of the component files; "
          + "did you mean \"TxCtrlr\"?",
        "--set: error: TxCtrlr/TxStartPoint: the value is longer than 65536 bytes",
        "--set: warning: TxCtrlr/EVConnectionTimeOut: 101 is too high; expected at most 100",
        String(
          ("--set: error: TxCtrlr/TxStartPoint: \"Authorised\" is no TxStartPoint; expected one or more of "
            + "ParkingBayOccupancy,EVConnected,Authorized,PowerPathClosed,EnergyTransfer,DataSigned; "
            + "did you mean \"Authorized\"?").prefix(160)),
      ])
  }
}
