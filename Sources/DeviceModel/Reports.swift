import OCPP

/// The contents of reports (B07, B08): pure functions of the model, in the order of the component files. Values of
/// WriteOnly attributes never appear (B07.FR.03, B08.FR.03).
extension DeviceModel {
  /// What GetBaseReport asks for. All three reports are supported.
  /// - Parameter conditions: Variables that say that something is wrong while they are true, beside those that do so by
  ///   their name; for the SummaryInventory.
  public func baseReport(_ base: ReportBaseEnumType, conditions: [VariableAddress] = []) -> [ReportDataType] {
    switch base {
    case .fullInventory: return variables.indices.map { entry(of: $0) }
    case .configurationInventory:
      // B07.FR.07: what an operator can set, and only those attributes (TC_B_12_CS).
      return variables.indices.filter { index in
        variables[index].attributes.contains { attributes[$0].mutability != .readOnly }
      }.map { entry(of: $0, writableOnly: true) }
    case .summaryInventory:
      let wrong = Set(conditions.compactMap { variableNumber($0.component, $0.variable) })
      return variables.indices.filter { isSummary($0) || (wrong.contains($0) && isTrue($0)) }.map { entry(of: $0) }
    }
  }

  /// B07.FR.09: the availability of the station, its EVSEs and connectors, and whatever is wrong anywhere.
  private func isSummary(_ index: Int) -> Bool {
    let name = variables[index].id.name
    let isTier = ["ChargingStation", "EVSE", "Connector"].contains {
      CaseFold.equal($0, components[variables[index].component].id.name)
    }
    if isTier, CaseFold.equal(name, "AvailabilityState") || CaseFold.equal(name, "Available") { return true }
    return Self.conditions.contains { CaseFold.equal($0, name) } && (isTier || isTrue(index))
  }

  private static let conditions = ["Problem", "Tripped", "Overload", "Fallback"]

  /// What GetReport asks for: components that meet one of the criteria (B08.FR.07-10, FR.13) and are named by one of
  /// `componentVariables` (B08.FR.20-25). An empty list does not limit. Each variable appears once.
  ///
  /// Criteria alone report the variables that meet them, `Enabled` and so on, and nothing else (TC_B_16_CS); so a
  /// component without that variable, which meets the criterion too, has nothing to report.
  public func report(
    criteria: [ComponentCriterionEnumType], componentVariables: [ComponentVariableType]
  ) -> [ReportDataType] {
    var result: [ReportDataType] = []
    for component in components {
      let named = componentVariables.filter { names($0.component, component.id) }
      guard componentVariables.isEmpty || !named.isEmpty else { continue }
      guard criteria.isEmpty || criteria.contains(where: { meets($0, component) }) else { continue }
      for index in component.variables {
        let id = variables[index].id
        if componentVariables.isEmpty, !criteria.isEmpty {
          guard isTrue(index), criteria.contains(where: { CaseFold.equal($0.rawValue, id.name) }) else { continue }
        } else if !componentVariables.isEmpty {
          guard named.contains(where: { names($0.variable, id) }) else { continue }
        }
        result.append(entry(of: index))
      }
    }
    return result
  }

  /// A component without the variable meets the criterion, except for Problem. Of several instances one is enough.
  private func meets(_ criterion: ComponentCriterionEnumType, _ component: Component) -> Bool {
    let flags = component.variables.filter { CaseFold.equal(variables[$0].id.name, criterion.rawValue) }
    return flags.isEmpty ? criterion != .problem : flags.contains { isTrue($0) }
  }

  private func isTrue(_ index: Int) -> Bool {
    attributes[variables[index].attributes].first { $0.type == .actual }?.value == "true"
  }

  /// What is absent in the request is a wildcard (B08.FR.22-25).
  func names(_ wanted: ComponentType, _ component: ComponentID) -> Bool {
    guard CaseFold.equal(wanted.name, component.name) else { return false }
    if let instance = wanted.instance, !instance.isEmpty, !CaseFold.equal(instance, component.instance) { return false }
    guard let evse = wanted.evse else { return true }
    return evse.id == component.evse && (evse.connectorId == nil || evse.connectorId == component.connector)
  }

  /// What is absent in the request is a wildcard (B08.FR.20-21).
  func names(_ wanted: VariableType?, _ variable: VariableID) -> Bool {
    guard let wanted else { return true }
    guard CaseFold.equal(wanted.name, variable.name) else { return false }
    guard let instance = wanted.instance, !instance.isEmpty else { return true }
    return CaseFold.equal(instance, variable.instance)
  }

  /// One variable with all its attributes, also those without a value (B07.FR.11): an empty text, because only a
  /// WriteOnly attribute may leave the value out. What the CSMS can write is persistent.
  private func entry(of index: Int, writableOnly: Bool = false) -> ReportDataType {
    let variable = variables[index]
    let component = components[variable.component].id
    var reportedAttributes: [VariableAttributeType] = []
    for attribute in attributes[variable.attributes] where !writableOnly || attribute.mutability != .readOnly {
      reportedAttributes.append(
        VariableAttributeType(
          mutability: attribute.mutability, persistent: attribute.mutability == .readOnly ? nil : true,
          type: attribute.type, value: attribute.mutability == .writeOnly ? nil : reported(attribute.value)))
    }
    return ReportDataType(
      component: ComponentType(
        name: component.name, evse: component.evse.map { EVSEType(id: $0, connectorId: component.connector) },
        instance: component.instance),
      variable: VariableType(name: variable.id.name, instance: variable.id.instance),
      variableAttribute: reportedAttributes, variableCharacteristics: variable.characteristics)
  }
}
