import OCPP
import Testing

@testable import DeviceModel

@Suite struct CheckReportTests {
  /// One folder with many kinds of mistakes, and its whole report.
  @Test func aBadFolderIsReportedAsAWhole() throws {
    let folder = try TemporaryFolder([
      "standardized/TxCtrlr.json": """
      {
        "name": "TxCtrlr",
        "properties": {
          // when it starts
          "Start": {
            "variable_name": "TxStartPoint",
            "characteristics": { "dataType": "MemberList", "supportsMonitoring": false },
            "attributes": [{ "type": "Actual", "mutability": "ReadWrite", "value": "EvConnected" }]
          },
          "TimeOut": {
            "variable_name": "EVConnectionTimeOut",
            "characteristics": { "dataType": "Integer", "supportsMonitoring": false },
            "attributes": [{ "type": "Actual", "mutability": "ReadWrite", "value": 60 }],
          }
        }
      }

      """,
      "standardized/ClockCtrlr.json":
        "{ \"name\": \"ClockCtrlr\",\r\n  \"properties\": {\r\n    'DateTime': {} } }\r\n",
      "custom/EVSE_1.json": Small.evse,
      "custom/EVSE_3.json": Small.component("EVSE", #""evse_id": 3"#),
      "custom/Connector_1.json": Small.connector,
      "custom/Connector_3.json": Small.component("Connector", #""evse_id": 3, "connector_id": 1"#),
      "custom/Contactor.json": Small.component("PowerContactor", #""evse_id": 1, "driver": {"kind": "gpio"}"#),
      "custom/Meter.json": Small.component("FiscalMetering", #""evse_id": 1"#),
    ])
    let report = DeviceModel.check(directory: folder.path, settings: ["TxCtrlr/TimeOut=5"])
    let lines = folder.lines(report)
    #expect(
      lines.filter { !$0.hasPrefix("DIR: warning: component ") } == [
        "--set: error: TxCtrlr has no variable TimeOut; expected a variable of the component file",
        "DIR/custom/Connector_1.json:1:10: warning: Connector@1.1 lacks ConnectorType, which OCPP requires; "
          + "expected a connector type such as sType2 or cType2",
        "DIR/custom/Connector_1.json:1:10: warning: Connector@1.1 lacks SupplyPhases, which OCPP requires; "
          + "expected the number of supply phases, 0 to 3",
        "DIR/custom/Connector_3.json:1:10: warning: Connector@3.1 lacks Available, which OCPP requires; expected true",
        "DIR/custom/Connector_3.json:1:10: warning: Connector@3.1 lacks ConnectorType, which OCPP requires; "
          + "expected a connector type such as sType2 or cType2",
        "DIR/custom/Connector_3.json:1:10: warning: Connector@3.1 lacks SupplyPhases, which OCPP requires; "
          + "expected the number of supply phases, 0 to 3",
        "DIR/custom/Contactor.json:1:61: error: driver kind \"gpio\" is not known to this build; "
          + "expected one of \(DriverKind.names)",
        "DIR/custom/EVSE_1.json:1:10: warning: EVSE@1 lacks AvailabilityState, which OCPP requires; "
          + "expected the state of the EVSE",
        "DIR/custom/EVSE_1.json:1:10: warning: EVSE@1 lacks Power, which OCPP requires; "
          + "expected the most that the EVSE can deliver, in W, as maxLimit",
        "DIR/custom/EVSE_1.json:1:10: warning: EVSE@1 lacks SupplyPhases, which OCPP requires; "
          + "expected the number of supply phases, 0 to 3",
        "DIR/custom/EVSE_3.json:1:10: warning: EVSE@3 lacks AvailabilityState, which OCPP requires; "
          + "expected the state of the EVSE",
        "DIR/custom/EVSE_3.json:1:10: warning: EVSE@3 lacks Available, which OCPP requires; expected true",
        "DIR/custom/EVSE_3.json:1:10: warning: EVSE@3 lacks Power, which OCPP requires; "
          + "expected the most that the EVSE can deliver, in W, as maxLimit",
        "DIR/custom/EVSE_3.json:1:10: warning: EVSE@3 lacks SupplyPhases, which OCPP requires; "
          + "expected the number of supply phases, 0 to 3",
        "DIR/custom/EVSE_3.json:1:29: error: EVSE 3 without EVSE 2; expected EVSEs numbered 1, 2, 3, ...",
        "DIR/custom/Meter.json:1:10: error: FiscalMetering@1 is hardware without a driver, but PowerContactor@1 has "
          + "one; "
          + "expected a \"driver\" on every hardware component, {\"kind\": \"simulated\"} where it is not there",
        "DIR/standardized/ClockCtrlr.json:3:5: error: found '''; expected a key in double quotes or '}'",
        "DIR/standardized/TxCtrlr.json:2:11: warning: TxCtrlr lacks StopTxOnEVSideDisconnect, which OCPP requires; "
          + "expected whether unplugging the EV ends the authorization",
        "DIR/standardized/TxCtrlr.json:2:11: warning: TxCtrlr lacks StopTxOnInvalidId, which OCPP requires; "
          + "expected whether a refused token ends the authorization",
        "DIR/standardized/TxCtrlr.json:2:11: warning: TxCtrlr lacks TxStopPoint, which OCPP requires; "
          + "expected what ends a transaction, such as EVConnected,Authorized",
        "DIR/standardized/TxCtrlr.json:4:5: error: JSON has no comments; expected the text in a \"description\" "
          + "instead",
        "DIR/standardized/TxCtrlr.json:8:78: error: TxCtrlr/TxStartPoint: \"EvConnected\" is no TxStartPoint; "
          + "expected one or more of "
          + "ParkingBayOccupancy,EVConnected,Authorized,PowerPathClosed,EnergyTransfer,DataSigned; "
          + "did you mean \"EVConnected\"?",
        "DIR/standardized/TxCtrlr.json:12:40: error: dataType \"Integer\" does not exist; expected one of string, "
          + "decimal, "
          + "integer, dateTime, boolean, OptionList, SequenceList, MemberList; did you mean \"integer\"?",
        "DIR/standardized/TxCtrlr.json:13:83: error: a comma before the closing '}'; expected no comma here",
        "DIR: 9 errors, 23 warnings in 8 files (7 components, 3 variables, 2 EVSEs, simulated hardware)",
      ])
    #expect(report.exitCode == 1)
    #expect(report.passed == false)
  }

  @Test func theReportIsAlsoJSON() throws {
    let folder = try TemporaryFolder([
      "custom/A.json":
        #"{"name": "A", "evse_id": 1, "properties": {"v": {"variable_name": "V", "characteristics": {"dataType": "#
        + #""strin", "supportsMonitoring": true}, "attributes": [{"type": "Actual"}]}}}"#
    ])
    let report = DeviceModel.check(directory: folder.path)
    let json = try JSONValue.parse(report.json)
    #expect(json["directory"]?.stringValue == folder.path)
    #expect(json["passed"] == false)
    #expect(json["errors"]?.intValue == report.errorCount)
    #expect(json["warnings"]?.intValue == report.warningCount)
    #expect(json["omitted"] == 0)
    #expect(json["files"] == 1)
    #expect(json["components"] == 1)
    #expect(json["variables"] == 0)
    #expect(json["evses"] == 0)
    #expect(json["drivers"] == 0)
    let problems = try #require(json["problems"]?.arrayValue)
    #expect(problems.count == report.problems.count)
    #expect(
      problems.dropFirst().first == [
        "severity": "error", "file": .string(folder.path + "/custom/A.json"), "line": 1, "column": 104,
        "message": "dataType \"strin\" does not exist",
        "expected": "one of string, decimal, integer, dateTime, boolean, OptionList, SequenceList, MemberList",
        "suggestion": "string",
      ])
    // What a problem does not have is left out.
    let global = try #require(problems.last)
    #expect(global["line"] == nil)
    #expect(global["suggestion"] == nil)
    #expect(global["severity"] == "warning")
  }

  @Test func countsAreWords() {
    let result = LoadResult(
      model: DeviceModel(), problems: [], omittedProblems: 3, errorCount: 1, warningCount: 0, fileCount: 1)
    let report = CheckReport(result, directory: "D")
    #expect(
      report.text
        == "... and 3 more problems\nD: 1 error, 0 warnings in 1 file (0 components, 0 variables, 0 EVSEs, "
        + "simulated hardware)\n"
    )
  }
}
