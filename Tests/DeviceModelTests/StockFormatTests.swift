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
    "standardized/CustomizationCtrlr.json": #"""
    {
      "name": "CustomizationCtrlr",
      "properties": {
        "": {
          "variable_name":  "Enabled",
          "characteristics": { "supportsMonitoring": true, "dataType": "boolean" },
          "attributes": [{ "type": "Actual", "mutability": "ReadWrite" }]
        },
        "Implementation": {
          "variable_name": "CustomImplementationEnabled",
          "characteristics": { "supportsMonitoring": true, "dataType": "boolean" },
          "attributes": [{ "mutability": "ReadOnly", "type": "Actual", "value": "true" }]
        },
        "ImplementationOfVendor": {
          "variable_name": "CustomImplementationEnabled", "instance": "com.example.vendor-with.a-long.name",
          "characteristics": { "supportsMonitoring": true, "dataType": "boolean" },
          "attributes": [{ "type": "Actual", "mutability": "ReadWrite" }]
        }
      },
      "required": [
      ]
    }
    """#,
    // Two components that only the instance tells apart.
    "standardized/NetworkConfiguration_1.json": StockFormatTests.network("1", default: #", "default": """#),
    "standardized/NetworkConfiguration_2.json": StockFormatTests.network("2", default: ""),
    "standardized/OCPPCommCtrlr.json": #"""
    {
      "name": "OCPPCommCtrlr",
      "properties": {
        "NetworkConfigurationPriority": {
          "variable_name": "NetworkConfigurationPriority",
          "characteristics": { "valuesList": "1,2", "supportsMonitoring": true, "dataType": "SequenceList" },
          "attributes": [{ "type": "Actual", "mutability": "ReadWrite", "value": 1 }],
          "default": "1"
        },
        "FieldLength": {
          "variable_name": "FieldLength", "instance": "SomeEVCertificateResponse.someLongFieldName",
          "characteristics": { "supportsMonitoring": true, "dataType": "integer" },
          "attributes": [{ "type": "Actual", "mutability": "ReadOnly" }]
        }
      },
      "required": ["NetworkConfigurationPriority"]
    }
    """#,
    // The same component for the station and for an EVSE.
    "standardized/DCDERCtrlr.json": StockFormatTests.der(place: ""),
    "custom/DCDERCtrlr_1.json": StockFormatTests.der(place: #""evse_id": 1,"#),
  ]

  private static func network(_ slot: String, default value: String) -> String {
    #"""
    {
      "type": "object", "name": "NetworkConfiguration", "instance": "\#(slot)",
      "properties": {
        "OcppCsmsUrl": {
          "variable_name": "OcppCsmsUrl",
          "characteristics": { "supportsMonitoring": true, "dataType": "string", "maxLimit": 2000 },
          "attributes": [{ "type": "Actual", "mutability": "ReadWrite" }]\#(value)
        },
        "BasicAuthPassword": {
          "variable_name": "BasicAuthPassword",
          "characteristics": { "supportsMonitoring": false, "dataType": "string", "minLimit": 16, "maxLimit": 64 },
          "attributes": [{ "type": "Actual", "mutability": "WriteOnly" }]
        },
        "SimPin": {
          "variable_name": "SimPin",
          "characteristics": { "supportsMonitoring": false, "dataType": "integer" },
          "attributes": [{ "type": "Actual", "mutability": "WriteOnly" }]
        },
        "OcppTransport": {
          "variable_name": "OcppTransport",
          "characteristics": { "supportsMonitoring": true, "dataType": "OptionList", "valuesList": "JSON,SOAP" },
          "attributes": [{ "type": "Actual", "mutability": "ReadWrite" }]
        }
      },
      "required": ["OcppCsmsUrl", "OcppTransport"]
    }
    """#
  }

  private static func der(place: String) -> String {
    #"""
    {
      "name": "DCDERCtrlr", \#(place) "type": "object",
      "properties": {
        "DCDERCtrlrModesSupported": {
          "variable_name": "ModesSupported",
          "characteristics": { "valuesList": "One,Two", "supportsMonitoring": true, "dataType": "MemberList" },
          "attributes": [{ "type": "Actual", "mutability": "ReadOnly" }]
        }
      },
      "required": []
    }
    """#
  }

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
    #expect(value("CustomizationCtrlr", "Enabled") == "")
    #expect(value("CustomizationCtrlr", "CustomImplementationEnabled") == "true")
    #expect(value("OCPPCommCtrlr", "NetworkConfigurationPriority") == "1")
    #expect(value("OCPPCommCtrlr", "FieldLength", instance: "SomeEVCertificateResponse.someLongFieldName") == "")
    for slot in ["1", "2"] {
      let network = ComponentID("NetworkConfiguration", instance: slot)
      #expect(model.value(network, VariableID("OcppCsmsUrl")) == "")
      #expect(model.value(network, VariableID("SimPin")) == "")
    }
    for evse in [nil, 1] {
      #expect(model.value(ComponentID("DCDERCtrlr", evse: evse), VariableID("ModesSupported")) == "")
    }
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
