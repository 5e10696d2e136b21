import OCPP
import Testing

@testable import DeviceModel

/// Files with the peculiarities of libocpp's stock set: they give no error.
@Suite struct StockFormatTests {
  private let files = [
    "custom/EVSE_1.json": #"""
    {
      "$schema": "http://json-schema.org/draft-07/schema#",
      "description": "An EVSE",
      "type": "object",
      "name": "EVSE",
      "evse_id": 1,
      "properties": {
        "EVSEPower": {
          "variable_name": "Power",
          "characteristics": { "unit": "W", "maxLimit": 22000, "supportsMonitoring": true, "dataType": "decimal" },
          "attributes": [
            { "type": "Actual", "mutability": "ReadOnly" },
            { "type": "MaxSet", "mutability": "ReadOnly" }
          ],
          "type": "number",
          "default": "0"
        },
        "EVSESupplyPhases": {
          "variable_name": "SupplyPhases",
          "characteristics": { "supportsMonitoring": true, "dataType": "integer" },
          "attributes": [{ "type": "Actual", "mutability": "ReadOnly", "value": 3 }],
          "type": "integer",
          "default": "0"
        },
        "DCInputPhaseControl": {
          "variable_name": "DCInputPhaseControl",
          "characteristics": { "supportsMonitoring": true, "dataType": "boolean" },
          "attributes": [{ "type": "Actual", "mutability": "ReadOnly", "value": false }],
          "type": "boolean",
          "ocpp_version": "2.1"
        }
      },
      "required": ["EVSEPower", "EVSESupplyPhases"]
    }
    """#,
    // A line feed before the first bracket.
    "custom/Connector_1_1.json": #"""

    {
      "name": "Connector", "evse_id": 1, "connector_id": 1, "type": "object",
      "properties": {
        "ConnectorAvailabilityState": {
          "variable_name": "AvailabilityState",
          "characteristics": {
            "supportsMonitoring": true, "dataType": "OptionList",
            "valuesList": "Available,Occupied,Reserved,Unavailable,Faulted"
          },
          "attributes": [{ "type": "Actual" }],
          "default": "Available",
          "type": "string"
        }
      },
      "required": []
    }
    """#,
    "standardized/InternalCtrlr.json": #"""
    {
      "name": "InternalCtrlr",
      "properties": {
        "NetworkConnectionProfiles": {
          "variable_name": "NetworkConnectionProfiles",
          "characteristics": { "supportsMonitoring": true, "dataType": "string" },
          "attributes": [{ "type": "Actual", "mutability": "ReadWrite", "value": "[{\"configurationSlot\": 1}]" }],
          "default": "[{\\\"configurationSlot\\\": 1}]\n",
          "type": "string"
        },
        "SupportedCiphers13": {
          "variable_name": "SupportedCiphers13",
          "characteristics": {
            "valuesList": "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
            "supportsMonitoring": true, "dataType": "MemberList"
          },
          "attributes": [{ "type": "Actual", "value": "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256" }],
          "minLength": 0
        },
        "LogMessages": {
          "variable_name": "LogMessages",
          "characteristics": { "supportsMonitoring": true, "dataType": "boolean" },
          "attributes": [{ "type": "Actual", "mutability": "ReadOnly" }],
          "default": true
        },
        "LogMessagesRaw": {
          "variable_name": "LogMessages",
          "characteristics": { "supportsMonitoring": true, "dataType": "boolean" },
          "attributes": [{ "type": "Actual", "mutability": "ReadOnly" }],
          "default": false
        }
      },
      "required": ["NetworkConnectionProfiles"]
    }
    """#,
    "standardized/ClockCtrlr.json": #"""
    {
      "name": "ClockCtrlr",
      "properties": {
        "ClockCtrlrDateTime": {
          "variable_name": "DateTime", "source": "OCPP",
          "characteristics": { "supportsMonitoring": true, "dataType": "dateTime" },
          "attributes": [{ "type": "Actual", "mutability": "ReadOnly", "value": "" }]
        },
        "TimeOffset": {
          "variable_name": "TimeOffset",
          "characteristics": { "supportsMonitoring": true, "dataType": "string" },
          "attributes": [{ "type": "Actual", "mutability": "ReadWrite" }]
        },
        "TimeOffsetNextTransition": {
          "variable_name": "TimeOffset", "instance": "NextTransition",
          "characteristics": { "supportsMonitoring": true, "dataType": "string" },
          "attributes": [{ "type": "Actual", "mutability": "ReadWrite" }],
          "description": "A quote \u201c+\u201d and a broken one \ufffd"
        }
      },
      "IgnoredOutside": {
        "variable_name": "IgnoredOutside",
        "characteristics": { "supportsMonitoring": true, "dataType": "string" },
        "attributes": [{ "type": "Actual" }]
      },
      "required": ["ClockCtrlrDateTime"]
    }
    """#,
  ]

  @Test func theStockFormatGivesNoError() throws {
    let folder = try TemporaryFolder(files)
    let report = DeviceModel.check(directory: folder.path)
    #expect(report.problems.filter { $0.severity == .error } == [])
    #expect(
      folder.lines(report).dropLast().filter { !$0.contains("OCPP requires") } == [
        "DIR/standardized/ClockCtrlr.json:21:3: warning: variable \"IgnoredOutside\" is outside of properties and "
          + "ignored; expected it inside properties",
        "DIR/standardized/InternalCtrlr.json:27:24: warning: InternalCtrlr has two variables LogMessages; "
          + "the first is used; expected unique variable names and instances",
      ])
    let model = DeviceModel.load(directory: folder.path).model
    func value(_ component: String, _ variable: String, instance: String? = nil) -> String? {
      model.value(ComponentID(component), VariableID(variable, instance: instance))
    }
    #expect(value("InternalCtrlr", "NetworkConnectionProfiles") == #"[{"configurationSlot": 1}]"#)
    #expect(value("InternalCtrlr", "LogMessages") == "true")
    #expect(value("InternalCtrlr", "SupportedCiphers13") == "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256")
    #expect(value("ClockCtrlr", "DateTime") == "")
    #expect(value("ClockCtrlr", "TimeOffset", instance: "NextTransition") == "")
    #expect(value("ClockCtrlr", "IgnoredOutside") == nil)
    let evse = ComponentID("EVSE", evse: 1)
    #expect(model.value(evse, VariableID("Power")) == "0")
    #expect(model.value(evse, VariableID("Power"), .maxSet) == "")
    #expect(model.value(evse, VariableID("SupplyPhases")) == "3")
    #expect(model.value(evse, VariableID("DCInputPhaseControl")) == "false")
    let connector = ComponentID("Connector", evse: 1, connector: 1)
    let state = try #require(model.handle(connector, VariableID("AvailabilityState")))
    #expect(model.value(state) == "Available")
    #expect(model.attributes[state.index].mutability == .readWrite)
  }
}
