import OCPP

/// Values from the overrides file and from `--set`, as factory values: mutability does not matter.
extension Loader {
  private static let overrideKeys = [
    "component", "instance", "evse", "connector", "variable", "variableInstance", "attribute", "value",
  ]

  /// An override file is a JSON array of at most this many entries.
  private static let maxOverrides = 10_000

  /// A JSON array of `{"component", "evse"?, "connector"?, "instance"?, "variable", "variableInstance"?,
  /// "attribute": "Actual", "value"}`.
  mutating func applyOverrides(file path: String) {
    guard let root = parse(path)?.root else { return }
    guard root.kind == .array else {
      return problems.add(.error, at: root, "the overrides are \(root.kind.text)", expected: "an array of objects")
    }
    for (index, entry) in root.elements.enumerated() {
      guard index < Self.maxOverrides else {
        return problems.add(.error, at: entry, "too many overrides", expected: "at most \(Self.maxOverrides)")
      }
      apply(entry)
    }
  }

  private mutating func apply(_ entry: JSONNode) {
    guard entry.kind == .object else {
      return problems.add(.error, at: entry, "an override is \(entry.kind.text)", expected: "an object")
    }
    var reader = ComponentReader(problems: problems)
    defer { problems = reader.problems }
    let errors = problems.errorCount
    var names: [String: String] = [:]
    var numbers: [String: Int] = [:]
    var attribute: AttributeEnumType? = .actual
    var nodes: [String: JSONNode] = [:]
    for (key, value) in entry.members {
      let text = key.string ?? ""
      nodes[text] = value
      switch text {
      case "component", "variable", "instance", "variableInstance": names[text] = reader.identifier(value, text)
      case "evse", "connector": numbers[text] = reader.number(value, text)
      case "attribute": attribute = reader.enumeration(value, "attribute")
      case "value": break
      default:
        reader.problems.add(
          .warning, at: key, "unknown key \"\(ValueCheck.excerpt(text))\" in an override",
          expected: Self.overrideKeys.joined(separator: ", "),
          suggestion: Suggestion.nearest(to: text, in: Self.overrideKeys))
      }
    }
    for key in ["component", "variable", "value"] where nodes[key] == nil {
      reader.problems.add(.error, at: entry, "\"\(key)\" is missing", expected: "component, variable and value")
    }
    guard reader.problems.errorCount == errors, let component = names["component"], let variable = names["variable"],
      let attribute, let valueNode = nodes["value"]
    else { return }
    let address = VariableAddress(
      ComponentID(component, instance: names["instance"], evse: numbers["evse"], connector: numbers["connector"]),
      VariableID(variable, instance: names["variableInstance"]), attribute)
    switch lookUp(address) {
    case .failure(let error):
      let node = error.isComponent ? nodes["component"] : error.isVariable ? nodes["variable"] : nodes["attribute"]
      reader.problems.add(
        .error, at: node ?? entry, error.message, expected: error.expected, suggestion: error.suggestion)
    case .success(let handle):
      let type = model.variables[model.attributes[handle.index].variable].characteristics.dataType
      guard let value = reader.value(valueNode, dataType: type) else { return }
      _ = model.set(value, handle, by: .factory)
      origins[handle.index] = .node(valueNode)
    }
  }

  /// One `Component[.instance][@evse[.connector]]/Variable[.instance][#Attribute]=value`.
  mutating func apply(setting: String) {
    guard let equals = setting.firstIndex(of: "=") else {
      return settingProblem(
        "\"\(ValueCheck.excerpt(setting))\" has no '='", expected: "\(VariableAddress.form)=value")
    }
    let value = String(setting[setting.index(after: equals)...])
    let address: VariableAddress
    do throws(VariableAddress.ParseError) {
      address = try VariableAddress(parsing: String(setting[..<equals]))
    } catch {
      return settingProblem(error.message, expected: error.expected, suggestion: error.suggestion)
    }
    switch lookUp(address) {
    case .failure(let error): settingProblem(error.message, expected: error.expected, suggestion: error.suggestion)
    case .success(let handle):
      let type = model.variables[model.attributes[handle.index].variable].characteristics.dataType
      if !value.isEmpty, let violation = ValueCheck.type(value, type) {
        return settingProblem(
          "\(address): \(violation.message)", expected: violation.expected, suggestion: violation.suggestion)
      }
      let verdict = model.set(value, handle, by: .factory)
      guard verdict.accepted else { return settingProblem("\(address): \(verdict.reason ?? "refused")", expected: nil) }
      origins[handle.index] = .setting(setting)
    }
  }

  private mutating func settingProblem(_ message: String, expected: String?, suggestion: String? = nil) {
    problems.add(
      Problem(.error, file: Self.settingName, message: message, expected: expected, suggestion: suggestion))
  }

  private struct LookUpError: Error {
    var message: String
    var expected: String
    var suggestion: String?
    var isComponent = false
    var isVariable = false
  }

  /// The attribute, or what is wrong with its address and what is nearest to it.
  private func lookUp(_ address: VariableAddress) -> Result<AttributeHandle, LookUpError> {
    if let handle = model.handle(address.component, address.variable, address.attribute) { return .success(handle) }
    guard let component = model.component(address.component) else {
      let places = model.components.map(\.id).filter { CaseFold.equal($0.name, address.component.name) }
      return .failure(
        LookUpError(
          message: "there is no component \(address.component)",
          expected: places.isEmpty
            ? "a component of the component files" : "one of \(places.map(\.description).joined(separator: ", "))",
          suggestion: places.isEmpty
            ? Suggestion.nearest(to: address.component.description, in: model.components.map(\.id.description)) : nil,
          isComponent: true))
    }
    let variables = component.variables.map { model.variables[$0] }
    guard let variable = variables.first(where: { $0.id == address.variable }) else {
      let instances = variables.map(\.id).filter { CaseFold.equal($0.name, address.variable.name) }
      return .failure(
        LookUpError(
          message: "\(address.component) has no variable \(address.variable)",
          expected: instances.isEmpty
            ? "a variable of the component file" : "one of \(instances.map(\.description).joined(separator: ", "))",
          suggestion: instances.isEmpty
            ? Suggestion.nearest(to: address.variable.description, in: variables.map(\.id.description)) : nil,
          isVariable: true))
    }
    let types = variable.attributes.map { model.attributes[$0].type.rawValue }.joined(separator: ", ")
    return .failure(
      LookUpError(
        message: "\(address.component)/\(address.variable) has no attribute \(address.attribute.rawValue)",
        expected: types))
  }
}
