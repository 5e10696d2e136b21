import OCPP
import Testing

@testable import DeviceModel

@Suite struct ReportTests {
  private func model() throws -> DeviceModel {
    func enabled(_ value: String) -> String { Small.variable("Enabled", "boolean", value: value) }
    let components = [
      Small.component(
        "ChargingStation", "",
        Small.variable("AvailabilityState", "OptionList", mutability: "ReadOnly", value: #""Available""#),
        Small.variable("Available", "boolean", mutability: "ReadOnly", value: "true"),
        Small.variable("Model", "string", mutability: "ReadOnly", value: #""M""#)),
      Small.component(
        "A", "", enabled("true"), Small.variable("X", "integer", value: "1", more: #""unit": "s", "maxLimit": 9"#)),
      Small.component("B", "", enabled("false"), Small.variable("X", "integer", mutability: "ReadOnly", value: "2")),
      Small.component(
        "C", "", Small.variable("X", "integer", instance: "i", value: "3"),
        Small.variable("X", "integer", instance: "j")),
      Small.component(
        "D", #""evse_id": 1"#, Small.variable("Problem", "boolean", mutability: "ReadOnly", value: "true"),
        Small.variable("Active", "boolean", mutability: "ReadOnly", value: "false"),
        Small.variable("Available", "boolean", mutability: "ReadOnly", value: "false"), enabled("false"),
        Small.variable("Secret", "string", mutability: "WriteOnly", value: #""hush""#)),
      Small.component("D", #""evse_id": 1, "connector_id": 1"#, Small.variable("Problem", "boolean", value: "false")),
      Small.component("D", #""evse_id": 2, "instance": "left""#, Small.variable("Tripped", "boolean", value: "true")),
      Small.component(
        "E", "", Small.variable("Enabled", "boolean", instance: "Tariff", value: "false"),
        Small.variable("Enabled", "boolean", instance: "Cost", value: "true"),
        Small.variable(
          "Fan", "integer",
          attributes: #"[{"type": "Actual", "mutability": "ReadOnly", "value": 5}, {"type": "Target"}]"#)),
    ]
    return try DeviceModel(serialized: Array("[\(components.joined(separator: ","))]".utf8))
  }

  private func names(_ entries: [ReportDataType]) -> [String] {
    entries.map { entry in
      let component = ComponentID(
        entry.component.name, instance: entry.component.instance, evse: entry.component.evse?.id,
        connector: entry.component.evse?.connectorId)
      return "\(component)/\(VariableID(entry.variable.name, instance: entry.variable.instance))"
    }
  }

  private func report(
    _ criteria: [ComponentCriterionEnumType], _ wanted: ComponentVariableType...
  ) throws -> [String] {
    names(try model().report(criteria: criteria, componentVariables: wanted))
  }

  private func of(
    _ component: String, instance: String? = nil, evse: Int? = nil, connector: Int? = nil, _ variable: String? = nil,
    _ variableInstance: String? = nil
  ) -> ComponentVariableType {
    ComponentVariableType(
      component: ComponentType(
        name: component, evse: evse.map { EVSEType(id: $0, connectorId: connector) }, instance: instance),
      variable: variable.map { VariableType(name: $0, instance: variableInstance) })
  }

  // Proves: B07.FR.03, B07.FR.08, B07.FR.11, TC_B_13_CS, TC_B_53_CS
  @Test func fullInventoryHasEverything() throws {
    let model = try model()
    let entries = model.baseReport(.fullInventory)
    #expect(entries.count == model.variables.count)
    #expect(entries.allSatisfy { $0.variableCharacteristics != nil })
    #expect(entries.reduce(0) { $0 + $1.variableAttribute.count } == model.attributes.count)
    let secret = try #require(entries.first { $0.variable.name == "Secret" })
    #expect(
      secret.variableAttribute == [VariableAttributeType(mutability: .writeOnly, persistent: true, type: .actual)])
    let x = try #require(entries.first { $0.component.name == "A" && $0.variable.name == "X" })
    #expect(
      x
        == ReportDataType(
          component: ComponentType(name: "A"), variable: VariableType(name: "X"),
          variableAttribute: [
            VariableAttributeType(mutability: .readWrite, persistent: true, type: .actual, value: "1")
          ],
          variableCharacteristics: VariableCharacteristicsType(
            dataType: .integer, supportsMonitoring: false, maxLimit: 9, unit: "s")))
    // Attributes without a value are there, with an empty one.
    let fan = try #require(entries.first { $0.variable.name == "Fan" })
    #expect(
      fan.variableAttribute == [
        VariableAttributeType(mutability: .readOnly, type: .actual, value: "5"),
        VariableAttributeType(mutability: .readWrite, persistent: true, type: .target, value: ""),
      ])
  }

  // Proves: B07.FR.07, TC_B_12_CS
  @Test func configurationInventoryHasWhatCanBeSet() throws {
    let entries = try model().baseReport(.configurationInventory)
    #expect(
      names(entries) == [
        "A/Enabled", "A/X", "B/Enabled", "C/X.i", "C/X.j", "D@1/Enabled", "D@1/Secret", "D@1.1/Problem",
        "D.left@2/Tripped", "E/Enabled.Tariff", "E/Enabled.Cost", "E/Fan",
      ])
    #expect(entries.allSatisfy { $0.variableAttribute.allSatisfy { $0.mutability != .readOnly } })
    #expect(entries.last?.variableAttribute.map(\.type) == [.target])
  }

  // Proves: B07.FR.09, TC_B_14_CS
  @Test func summaryInventoryHasAvailabilityAndWhatIsWrong() throws {
    #expect(
      names(try model().baseReport(.summaryInventory)) == [
        "ChargingStation/AvailabilityState", "ChargingStation/Available", "D@1/Problem", "D.left@2/Tripped",
      ])
  }

  // Proves: B08.FR.07, B08.FR.08, B08.FR.09, B08.FR.10, B08.FR.13, TC_B_16_CS
  @Test func criteriaAloneReportTheVariablesThatMeetThem() throws {
    #expect(try report([.enabled]) == ["A/Enabled", "E/Enabled.Cost"])
    #expect(try report([.problem]) == ["D@1/Problem"])
    #expect(try report([.enabled, .problem]) == ["A/Enabled", "D@1/Problem", "E/Enabled.Cost"])
    #expect(try report([.available]) == ["ChargingStation/Available"])
    #expect(try report([.active]) == [])
  }

  // Proves: B08.FR.05, B08.FR.07, B08.FR.08, B08.FR.09, B08.FR.10, B08.FR.13, TC_B_18_CS
  @Test func criteriaAndVariablesMustBothHold() throws {
    #expect(
      try report([.enabled], of("A"), of("B"), of("C"), of("E", "Fan")) == [
        "A/Enabled", "A/X", "C/X.i", "C/X.j", "E/Fan",
      ])
    #expect(try report([.problem], of("A"), of("D", "Active")) == ["D@1/Active"])
    #expect(try report([.available], of("D")) == ["D@1.1/Problem", "D.left@2/Tripped"])
    #expect(
      try report([.available, .problem], of("D", evse: 1, connector: nil, "Problem")) == [
        "D@1/Problem", "D@1.1/Problem",
      ])
    #expect(try report([.problem], of("ChargingStation", "AvailabilityState")) == [])
  }

  // Proves: B08.FR.11, B08.FR.20, B08.FR.21, B08.FR.22, B08.FR.23, B08.FR.24, B08.FR.25, TC_B_17_CS, TC_B_54_CS,
  // TC_B_55_CS, TC_B_56_CS
  @Test func whatIsAbsentIsAWildcard() throws {
    #expect(try report([], of("b")) == ["B/Enabled", "B/X"])
    #expect(try report([], of("C", "X")) == ["C/X.i", "C/X.j"])
    #expect(try report([], of("C", "x", "J")) == ["C/X.j"])
    #expect(try report([], of("C", "X", "")) == ["C/X.i", "C/X.j"])
    #expect(try report([], of("C", "X", "k")) == [])
    #expect(try report([], of("D", "Problem")) == ["D@1/Problem", "D@1.1/Problem"])
    #expect(try report([], of("D", evse: 1, "Problem")) == ["D@1/Problem", "D@1.1/Problem"])
    #expect(try report([], of("D", evse: 1, connector: 1)) == ["D@1.1/Problem"])
    #expect(try report([], of("D", evse: 2)) == ["D.left@2/Tripped"])
    #expect(try report([], of("D", instance: "LEFT")) == ["D.left@2/Tripped"])
    #expect(try report([], of("D", instance: "right")) == [])
    #expect(try report([], of("A", evse: 1)) == [])
    #expect(try report([], of("F")) == [])
    // Named twice, reported once, in the order of the model.
    #expect(try report([], of("B", "X"), of("A", "X"), of("A")) == ["A/Enabled", "A/X", "B/X"])
  }

  @Test func withoutLimitsEverythingIsReported() throws {
    #expect(try report([]).count == model().variables.count)
  }

  // Proves: B08.FR.03
  @Test func longValuesAreCut() throws {
    var model = try model()
    let name = VariableID("Model")
    #expect(
      model.set(String(repeating: "m", count: 3000), ComponentID("ChargingStation"), name, by: .station).accepted)
    let entry = model.report(criteria: [], componentVariables: [of("ChargingStation", "Model")])
    #expect(entry.first?.variableAttribute.first?.value?.count == 2500)
  }
}
