import OCPP
import Testing

@testable import DeviceModel

enum Shipped {
  /// The folders whose hardware is simulated.
  static let simulated = [
    "ac-two-evse", "ac-one-evse", "ac-two-bays", "ac-two-connectors", "ac-signed-meter", "ac-locked-socket",
  ]

  /// The folder of this name in the package's `DeviceModel`.
  static func directory(_ name: String, file: String = #filePath) -> String {
    let root = file.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    return root + "/DeviceModel/" + name
  }
}

@Suite struct ShippedFolderTests {
  @Test func oneHasAMeterThatSigns() {
    #expect(DeviceModel.load(directory: Shipped.directory("ac-signed-meter")).signingMeters == [1])
    #expect(DeviceModel.load(directory: Shipped.directory("ac-one-evse")).signingMeters == [])
  }

  @Test(arguments: Shipped.simulated) func hasNoProblems(name: String) {
    let report = DeviceModel.check(directory: Shipped.directory(name))
    #expect(report.problems.map(\.text) == [])
    #expect(report.exitCode == 0)
    #expect(report.componentCount == report.fileCount)
    #expect(report.driverCount == 0)
  }

  // Proves: TC_B_53_CS
  @Test(arguments: Shipped.simulated) func hasEveryRequiredVariable(name: String) throws {
    let model = DeviceModel.load(directory: Shipped.directory(name)).model
    for (component, variables) in RequiredVariables.all {
      let present = model.components.filter { $0.id.name == component }
      #expect(!present.isEmpty, "\(component)")
      for component in present {
        for variable in variables {
          #expect(model.variable(component.id, variable.id) != nil, "\(component.id)/\(variable.id)")
        }
      }
    }
    // Lists have a values list, values keep to it.
    for variable in model.variables {
      switch variable.characteristics.dataType {
      case .optionList, .memberList, .sequenceList: #expect(!variable.allowedValues.isEmpty, "\(variable.id)")
      default: break
      }
    }
  }

  @Test func theTwoEVSEStationIsWhatItSays() throws {
    let model = DeviceModel.load(directory: Shipped.directory("ac-two-evse")).model
    #expect(model.evseCount == 2)
    for evse in 1...2 {
      #expect(model.connectorCount(evse: evse) == 1)
      let connector = ComponentID("Connector", evse: evse, connector: 1)
      #expect(model.value(connector, VariableID("ConnectorType")) == "sType2")
      #expect(model.component(ComponentID("ConnectorPlugRetentionLock", evse: evse, connector: 1)) != nil)
      let power = try #require(model.variable(ComponentID("EVSE", evse: evse), VariableID("Power")))
      #expect(power.characteristics.maxLimit == 22_080)
      #expect(power.characteristics.unit == "W")
      #expect(model.int(ComponentID("EVSE", evse: evse), VariableID("SupplyPhases")) == 3)
    }
    let supply = try #require(model.variable(ComponentID("ElectricalFeed"), VariableID("Power")))
    #expect(supply.characteristics.maxLimit == 44_160)
    #expect(model.list(ComponentID("TxCtrlr"), VariableID("TxStartPoint")) == ["PowerPathClosed"])
    #expect(model.list(ComponentID("TxCtrlr"), VariableID("TxStopPoint")) == ["EVConnected", "Authorized"])
  }

  @Test func theOneEVSEStationHasAFixedCable() throws {
    let model = DeviceModel.load(directory: Shipped.directory("ac-one-evse")).model
    #expect(model.evseCount == 1)
    #expect(model.value(ComponentID("Connector", evse: 1, connector: 1), VariableID("ConnectorType")) == "cType2")
    #expect(model.component(ComponentID("ConnectorPlugRetentionLock", evse: 1, connector: 1)) == nil)
    let unlock = try #require(model.handle(ComponentID("OCPPCommCtrlr"), VariableID("UnlockOnEVSideDisconnect")))
    #expect(model.bool(unlock) == false)
    #expect(model.attributes[unlock.index].mutability == .readOnly)
  }

  // Proves: B06.FR.09, B07.FR.03
  @Test(arguments: Shipped.simulated) func thePasswordIsNeverReported(name: String) throws {
    let model = DeviceModel.load(directory: Shipped.directory(name)).model
    let password = try #require(model.value(ComponentID("SecurityCtrlr"), VariableID("BasicAuthPassword")))
    #expect(password.count >= 16)
    #expect(model.get(ComponentID("SecurityCtrlr"), VariableID("BasicAuthPassword")).status == .rejected)
    for base in ReportBaseEnumType.allCases {
      let values = model.baseReport(base).flatMap(\.variableAttribute).compactMap(\.value)
      #expect(!values.contains { $0.contains(password) })
    }
  }

  /// What does not exist yet says so.
  @Test(arguments: Shipped.simulated) func absentFeaturesAreNotAvailable(name: String) {
    let model = DeviceModel.load(directory: Shipped.directory(name)).model
    for name in [
      "ReservationCtrlr", "SmartChargingCtrlr", "TariffCostCtrlr", "DisplayMessageCtrlr", "ISO15118Ctrlr",
    ] {
      for component in model.components where component.id.name == name {
        for index in component.variables where ["Available", "Enabled"].contains(model.variables[index].id.name) {
          let attribute = model.attributes[model.variables[index].attributes.lowerBound]
          #expect(attribute.value == "false" && attribute.mutability == .readOnly, "\(component.id)")
        }
      }
    }
  }
}
