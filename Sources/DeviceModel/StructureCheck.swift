import OCPP

/// Checks that need more than one file: the numbering of EVSEs and connectors, drivers, and the variables that OCPP
/// requires.
extension Loader {
  mutating func checkStructure(_ directory: String, meters: MeterLibrary) {
    checkNumbering(directory)
    checkDrivers()
    checkDriverFields(meters)
    checkNames()
    checkRequiredVariables(directory)
  }

  // MARK: Numbering

  private mutating func checkNumbering(_ directory: String) {
    var evses: [Int: ParsedComponent] = [:]
    var connectors: [Int: [Int]] = [:]
    for component in components where CaseFold.equal(component.id.name, "EVSE") {
      guard let evse = component.id.evse, component.id.connector == nil else {
        problems.add(
          .error, at: component.nameNode, "an EVSE component needs evse_id and no connector_id",
          expected: "evse_id: the number of the EVSE, from 1")
        continue
      }
      // Several instances on one EVSE are one EVSE.
      if evses[evse] == nil { evses[evse] = component }
    }
    for component in components where CaseFold.equal(component.id.name, "Connector") {
      guard let evse = component.id.evse, let connector = component.id.connector else {
        problems.add(
          .error, at: component.nameNode, "a Connector component needs evse_id and connector_id",
          expected: "evse_id and connector_id, each from 1")
        continue
      }
      connectors[evse, default: []].append(connector)
    }
    checkPlaces(evses, connectors)
    for (expected, number) in evses.keys.sorted().enumerated() where number != expected + 1 {
      if let node = evses[number]?.evseNode {
        problems.add(
          .error, at: node, "EVSE \(number) without EVSE \(expected + 1)", expected: "EVSEs numbered 1, 2, 3, ...")
      }
      break
    }
    if evses.isEmpty, problems.errorCount == 0 {
      problems.add(
        Problem(.error, file: directory, message: "there is no EVSE", expected: "a component EVSE with evse_id 1"))
    }
    for (number, evse) in evses.sorted(by: { $0.key < $1.key }) {
      let numbers = (connectors[number] ?? []).sorted()
      if numbers.isEmpty {
        problems.add(
          .error, at: evse.evseNode ?? evse.nameNode, "EVSE \(number) has no connector",
          expected: "a component Connector with evse_id \(number) and connector_id 1")
      }
      for (expected, connector) in numbers.enumerated() where connector != expected + 1 {
        let id = ComponentID("Connector", evse: number, connector: connector)
        if let component = components.first(where: { $0.id == id }) {
          problems.add(
            .error, at: component.connectorNode ?? component.nameNode,
            "connector \(connector) of EVSE \(number) without connector \(expected + 1)",
            expected: "connectors numbered 1, 2, 3, ... on each EVSE")
        }
        break
      }
    }
  }

  /// Every component sits on an EVSE and a connector that exist.
  private mutating func checkPlaces(_ evses: [Int: ParsedComponent], _ connectors: [Int: [Int]]) {
    let known = evses.keys.sorted().map(String.init).joined(separator: ", ")
    for component in components where !CaseFold.equal(component.id.name, "EVSE") {
      guard let evse = component.id.evse else { continue }
      if evses[evse] == nil {
        problems.add(
          .error, at: component.evseNode ?? component.nameNode,
          "\(component.id) is on EVSE \(evse), which does not exist",
          expected: known.isEmpty ? "a component EVSE for it" : "an EVSE of \(known)")
      } else if let connector = component.id.connector, !CaseFold.equal(component.id.name, "Connector"),
        connectors[evse]?.contains(connector) != true
      {
        problems.add(
          .error, at: component.connectorNode ?? component.nameNode,
          "\(component.id) is on connector \(connector), which EVSE \(evse) does not have",
          expected: "a component Connector for it")
      }
    }
  }

  // MARK: Drivers

  /// Once one component has a driver, every physical one needs one, so that nothing is simulated by oversight.
  private mutating func checkDrivers() {
    guard let first = components.first(where: { $0.driverNode != nil }) else { return }
    for component in components where component.driverNode == nil {
      guard StandardNames.isPhysical(component.id.name) else { continue }
      problems.add(
        .error, at: component.nameNode,
        "\(component.id) is hardware without a driver, but \(first.id) has one",
        expected: "a \"driver\" on every hardware component, {\"kind\": \"simulated\"} where it is not there")
    }
  }

  /// The fields of each driver, and what several of them claim.
  private mutating func checkDriverFields(_ meters: MeterLibrary) {
    var check = DriverCheck(problems: problems, meters: meters)
    for component in components {
      guard let node = component.driverNode, let driver = component.driver else { continue }
      check.check(DriverPlace(component: component.id, kind: driver.kind, node: node))
    }
    check.finish()
    problems = check.problems
    bindings = check.bindings
  }

  // MARK: Names

  /// Names that are almost standardized ones.
  private mutating func checkNames() {
    for component in components {
      let name = component.id.name
      guard let variables = StandardNames.variables(of: name) else {
        checkComponentName(component)
        continue
      }
      for variable in component.variables where !StandardNames.genericVariables.contains(VariableID(variable.name)) {
        guard variable.name.utf8.count > 4, !variables.contains(where: { CaseFold.equal($0, variable.name) }),
          let nearest = Suggestion.nearest(to: variable.name, in: variables),
          Suggestion.distance(variable.name, nearest) <= 2
        else { continue }
        problems.add(
          .warning, at: variable.node, "\"\(variable.name)\" is no standardized variable of \(name)",
          expected: "a standardized name, or one that is not this near to one", suggestion: nearest)
      }
    }
  }

  private mutating func checkComponentName(_ component: ParsedComponent) {
    let name = component.id.name
    guard name.utf8.count > 4, !StandardNames.vendorComponents.contains(name),
      let nearest = Suggestion.nearest(to: name, in: StandardNames.components)
    else { return }
    problems.add(
      .warning, at: component.nameNode, "\"\(name)\" is no standardized component",
      expected: "a standardized name, or one that is not this near to one", suggestion: nearest)
  }

  // MARK: Required variables

  private mutating func checkRequiredVariables(_ directory: String) {
    guard !components.isEmpty else { return }
    for (name, variables) in RequiredVariables.all {
      let present = components.filter { CaseFold.equal($0.id.name, name) && $0.id.instance == nil }
      if present.isEmpty, RequiredVariables.always.contains(name) {
        problems.add(
          Problem(
            .warning, file: directory, message: "component \(name) is missing; OCPP requires it",
            expected: "variables \(variables.map(\.id.description).joined(separator: ", "))"))
      }
      for component in present where isAvailable(component) {
        for variable in variables { check(variable, of: component) }
      }
    }
  }

  /// False when the component says that what it is for does not exist: `Available`, in all its instances, is false.
  private func isAvailable(_ component: ParsedComponent) -> Bool {
    let available = component.variables.map(\.variable.id).filter { CaseFold.equal($0.name, "Available") }
    return available.isEmpty || available.contains { model.bool(component.id, $0) != false }
  }

  private mutating func check(_ required: RequiredVariables.Variable, of component: ParsedComponent) {
    guard let variable = model.variable(component.id, required.id) else {
      guard !component.dropped.contains(required.id) else { return }
      let near = Suggestion.nearest(
        to: required.id.description,
        in: component.variables.map(\.variable.id).filter { RequiredVariables.find($0, of: component.id.name) == nil }
          .map(\.description))
      return problems.add(
        .warning, at: component.nameNode, "\(component.id) lacks \(required.id), which OCPP requires",
        expected: required.purpose, suggestion: near)
    }
    let what: String
    if !variable.attributes.contains(where: { model.attributes[$0].type == .actual }) {
      what = "no Actual attribute"
    } else if required.needs == .maxLimit, variable.characteristics.maxLimit == nil {
      what = "no maxLimit"
    } else if required.needs == .value, !variable.isList, model.value(component.id, required.id)?.isEmpty == true {
      what = "no value"
    } else {
      return
    }
    let place = component.variables.first { $0.variable.id == required.id }?.node ?? component.nameNode
    problems.add(
      .warning, at: place, "\(component.id)/\(required.id) has \(what), which OCPP requires",
      expected: required.purpose)
  }
}

extension Variable {
  /// Of a list the empty text is a value.
  fileprivate var isList: Bool {
    characteristics.dataType == .memberList || characteristics.dataType == .sequenceList
  }
}
