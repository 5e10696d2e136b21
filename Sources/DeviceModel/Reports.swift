import OCPP

/// The contents of reports (B07, B08): pure functions of the model. Values of WriteOnly attributes never appear.
extension DeviceModel {
  /// What GetBaseReport asks for; `nil` for a report base that is not supported (B07.FR.02).
  public func baseReport(_ base: ReportBaseEnumType) -> [ReportDataType]? {
    switch base {
    case .fullInventory: return variables.indices.map { entry(of: $0) }
    case .configurationInventory:
      // B07.FR.07: what an operator can set.
      return variables.indices.filter { index in
        variables[index].attributes.contains { attributes[$0].mutability != .readOnly }
      }.map { entry(of: $0) }
    case .summaryInventory:
      // B07.FR.09: availability and condition.
      return variables.indices.filter { index in
        Self.summaryVariables.contains(variables[index].id)
      }.map { entry(of: $0) }
    }
  }

  private static let summaryVariables: Set<VariableID> = [
    VariableID("AvailabilityState"), VariableID("Available"), VariableID("Problem"), VariableID("Active"),
    VariableID("Enabled"), VariableID("Operative"), VariableID("Tripped"), VariableID("Overload"),
    VariableID("Fallback"),
  ]

  /// What GetReport asks for: components that meet one of the criteria (B08.FR.07-10, FR.13) and are named by one of
  /// `componentVariables` (B08.FR.20-25). An empty list does not limit.
  ///
  /// Criteria alone report the variables that meet them, `Enabled` and so on, and nothing else (TC_B_16_CS); so a
  /// component without that variable, which meets the criterion too, has nothing to report.
  public func report(
    criteria: [ComponentCriterionEnumType], componentVariables: [ComponentVariableType]
  ) -> [ReportDataType] {
    var meets: [Bool] = []
    if !criteria.isEmpty { meets = components.map { component in criteria.contains { self.meets($0, component.id) } } }
    let criterionVariables = Set(criteria.map { VariableID($0.rawValue) })
    return variables.indices.filter { index in
      let component = variables[index].component
      guard criteria.isEmpty || meets[component] else { return false }
      if componentVariables.isEmpty, !criteria.isEmpty {
        let isTrue = attributes[variables[index].attributes].first { $0.type == .actual }?.value == "true"
        return isTrue && criterionVariables.contains(variables[index].id)
      }
      return componentVariables.isEmpty || componentVariables.contains { names($0, variable: index) }
    }.map { entry(of: $0) }
  }

  private func meets(_ criterion: ComponentCriterionEnumType, _ component: ComponentID) -> Bool {
    func flag(_ name: String) -> Bool? { value(component, VariableID(name)).map { $0 == "true" } }
    switch criterion {
    case .active: return flag("Active") ?? true
    case .available: return flag("Available") ?? true
    case .enabled: return flag("Enabled") ?? true
    case .problem: return flag("Problem") ?? false
    }
  }

  /// What is absent in the request is a wildcard.
  private func names(_ item: ComponentVariableType, variable index: Int) -> Bool {
    let variable = variables[index]
    let component = components[variable.component].id
    guard CaseFold.equal(item.component.name, component.name) else { return false }
    if let instance = item.component.instance, !CaseFold.equal(instance, component.instance) { return false }
    if let evse = item.component.evse {
      guard evse.id == component.evse, evse.connectorId == nil || evse.connectorId == component.connector else {
        return false
      }
    }
    guard let wanted = item.variable else { return true }
    guard CaseFold.equal(wanted.name, variable.id.name) else { return false }
    guard let instance = wanted.instance else { return true }
    return CaseFold.equal(instance, variable.id.instance)
  }

  /// One variable with all its attributes, also those without a value (B07.FR.11).
  private func entry(of index: Int) -> ReportDataType {
    let variable = variables[index]
    let component = components[variable.component].id
    return ReportDataType(
      component: ComponentType(
        name: component.name, evse: component.evse.map { EVSEType(id: $0, connectorId: component.connector) },
        instance: component.instance),
      variable: VariableType(name: variable.id.name, instance: variable.id.instance),
      variableAttribute: variable.attributes.map { number in
        let attribute = attributes[number]
        let isSecret = attribute.mutability == .writeOnly
        return VariableAttributeType(
          mutability: attribute.mutability, type: attribute.type,
          value: isSecret || attribute.value.isEmpty ? nil : reported(attribute.value))
      }, variableCharacteristics: variable.characteristics)
  }
}
