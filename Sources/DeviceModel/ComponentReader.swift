import OCPP

/// A component as its file describes it, with the places of what cross-checks may complain about.
struct ParsedComponent {
  struct ParsedVariable {
    var variable: DeviceModel.NewVariable
    /// Its `variable_name`.
    var node: JSONNode
    /// Where the value of each attribute comes from; `nil` when it has none.
    var valueNodes: [JSONNode?]

    var name: String { variable.id.name }
  }

  /// The whole object.
  var node: JSONNode
  /// The value of `name`.
  var nameNode: JSONNode
  var evseNode: JSONNode?
  var connectorNode: JSONNode?
  var driverNode: JSONNode?
  var id: ComponentID
  var driver: Driver?
  var variables: [ParsedVariable] = []
  /// Variables that are there but were dropped because of an error: not to be reported as missing.
  var dropped: Set<VariableID> = []
}

/// Reads component objects (the format of libocpp's `component_config`) and reports all that is wrong in them.
struct ComponentReader {
  var problems: ProblemList

  /// Lengths from the schemas of ComponentType, VariableType and VariableCharacteristicsType.
  private enum MaxLength {
    static let name = 50
    static let unit = 16
    static let valuesList = 1000
  }

  // The keys of each level. Those from `$schema` on have no meaning here.
  private static let componentKeys = [
    "name", "evse_id", "connector_id", "instance", "properties", "driver", "required", "$schema", "type", "description",
  ]
  private static let variableKeys = [
    "variable_name", "instance", "characteristics", "attributes", "default", "monitors", "source", "type",
    "description", "minLength", "maxLength", "minimum", "maximum", "ocpp_version",
  ]

  /// Reads one component; `nil` when it has no usable name or place.
  mutating func component(_ node: JSONNode) -> ParsedComponent? {
    guard node.kind == .object else {
      wrongKind(node, "a component", expected: "an object")
      return nil
    }
    var name: (text: String, node: JSONNode)?
    var nameSeen = false
    var instance: String?
    var evse: (number: Int, node: JSONNode)?
    var connector: (number: Int, node: JSONNode)?
    var usable = true
    var properties: JSONNode?
    var required: JSONNode?
    var driver: (Driver?, JSONNode)?
    for (key, value) in node.members {
      switch JSONKey(key) {
      case .name:
        nameSeen = true
        name = identifier(value, "name").map { ($0, value) }
      case .evseID:
        evse = number(value, "evse_id").map { ($0, value) }
        usable = usable && evse != nil
      case .connectorID:
        connector = number(value, "connector_id").map { ($0, value) }
        usable = usable && connector != nil
      case .instance:
        instance = identifier(value, "instance")
        usable = usable && instance != nil
      case .properties:
        if value.kind == .object { properties = value } else { wrongKind(value, "properties", expected: "an object") }
        usable = usable && properties != nil
      case .required: required = value
      case .driver: driver = (self.driver(value), value)
      case .schema, .type, .description: break
      default:
        if value["variable_name"] != nil {
          problems.add(
            .warning, at: key,
            "variable \"\(ValueCheck.excerpt(key.string ?? ""))\" is outside of properties and ignored",
            expected: "it inside properties")
        } else {
          unknownKey(key, in: "a component", known: Self.componentKeys)
        }
      }
    }
    if !nameSeen { missing("name", in: node, "the name of the component") }
    if properties == nil, usable { missing("properties", in: node, "an object with the variables") }
    if let connector, evse == nil, usable {
      problems.add(.error, at: connector.node, "connector_id without evse_id", expected: "evse_id as well")
      usable = false
    }
    guard let name else { return nil }
    var component = ParsedComponent(
      node: node, nameNode: name.node, evseNode: evse?.node, connectorNode: connector?.node, driverNode: driver?.1,
      id: ComponentID(name.text, instance: instance, evse: evse?.number, connector: connector?.number),
      driver: driver?.0)
    if let properties { readVariables(properties, into: &component) }
    if let required, let properties { checkRequired(required, properties, component) }
    return usable ? component : nil
  }

  // MARK: Variables

  private mutating func readVariables(_ properties: JSONNode, into component: inout ParsedComponent) {
    var seen: Set<VariableID> = []
    for (label, value) in properties.members {
      guard value.kind == .object else {
        wrongKind(value, "variable \"\(label.string ?? "")\"", expected: "an object")
        continue
      }
      let errors = problems.errorCount
      guard let (id, parsed) = variable(value, label: label) else { continue }
      guard seen.insert(id).inserted else {
        // The stock set of libocpp contains such a pair, so it cannot be an error.
        problems.add(
          .warning, at: value["variable_name"] ?? value, "\(component.id) has two variables \(id); the first is used",
          expected: "unique variable names and instances")
        continue
      }
      if let parsed, problems.errorCount == errors {
        component.variables.append(parsed)
      } else {
        component.dropped.insert(id)
      }
    }
  }

  private mutating func variable(
    _ node: JSONNode, label: JSONNode
  ) -> (VariableID, ParsedComponent.ParsedVariable?)? {
    var name: (text: String, node: JSONNode)?
    var nameSeen = false
    var instance: String?
    var characteristicsNode: JSONNode?
    var attributesNode: JSONNode?
    var defaultNode: JSONNode?
    var monitorsNode: JSONNode?
    for (key, value) in node.members {
      switch JSONKey(key) {
      case .variableName:
        nameSeen = true
        name = identifier(value, "variable_name").map { ($0, value) }
      case .instance: instance = identifier(value, "instance")
      case .characteristics: characteristicsNode = value
      case .attributes: attributesNode = value
      case .defaultValue: defaultNode = value
      case .monitors: monitorsNode = value
      case .source, .type, .description, .minLength, .maxLength, .minimum, .maximum, .ocppVersion: break
      default: unknownKey(key, in: "a variable", known: Self.variableKeys)
      }
    }
    if !nameSeen { missing("variable_name", in: label, "the name of the variable") }
    let characteristics = characteristicsNode.flatMap { self.characteristics($0) }
    if characteristicsNode == nil {
      missing("characteristics", in: label, "an object with dataType and supportsMonitoring")
    }
    let attributes = attributesNode.flatMap {
      self.attributes($0, default: defaultNode, dataType: characteristics?.characteristics.dataType)
    }
    if attributesNode == nil { missing("attributes", in: label, "an array of attributes") }
    let monitors = monitorsNode.map { self.monitors($0) } ?? []
    guard let name else { return nil }
    let id = VariableID(name.text, instance: instance)
    guard let characteristics, let attributes else { return (id, nil) }
    return (
      id,
      ParsedComponent.ParsedVariable(
        variable: DeviceModel.NewVariable(
          id: id, characteristics: characteristics.characteristics, allowedValues: characteristics.allowed,
          attributes: attributes.attributes, monitors: monitors),
        node: name.node, valueNodes: attributes.nodes)
    )
  }

  private mutating func characteristics(
    _ node: JSONNode
  ) -> (characteristics: VariableCharacteristicsType, allowed: [String])? {
    guard node.kind == .object else {
      wrongKind(node, "characteristics", expected: "an object")
      return nil
    }
    var dataType: DataEnumType?
    var monitoring: Bool?
    var seen = (dataType: false, monitoring: false)
    var unit: String?
    var list: String?
    var limits: (min: DecimalNumber?, max: DecimalNumber?)
    for (key, value) in node.members {
      switch JSONKey(key) {
      case .dataType:
        seen.dataType = true
        dataType = enumeration(value, "dataType")
      case .supportsMonitoring:
        seen.monitoring = true
        monitoring = value.bool
        if monitoring == nil { wrongKind(value, "supportsMonitoring", expected: "true or false") }
      case .unit: unit = text(value, "unit", maxLength: MaxLength.unit)
      case .valuesList: list = text(value, "valuesList", maxLength: MaxLength.valuesList)
      case .minLimit: limits.min = decimal(value, "minLimit")
      case .maxLimit: limits.max = decimal(value, "maxLimit")
      default:
        unknownKey(
          key, in: "characteristics",
          known: ["dataType", "supportsMonitoring", "unit", "valuesList", "minLimit", "maxLimit"])
      }
    }
    if !seen.dataType { missing("dataType", in: node, Self.names(DataEnumType.self)) }
    if !seen.monitoring { missing("supportsMonitoring", in: node, "true or false") }
    if let low = limits.min, let high = limits.max, high < low {
      problems.add(.error, at: node, "minLimit \(low) is above maxLimit \(high)", expected: "minLimit at most maxLimit")
    }
    guard let dataType, let monitoring else { return nil }
    return (
      VariableCharacteristicsType(
        dataType: dataType, supportsMonitoring: monitoring, maxLimit: limits.max, minLimit: limits.min, unit: unit,
        valuesList: list),
      list.map { ListText.items($0) } ?? []
    )
  }

  // MARK: Attributes

  private typealias ParsedAttributes = (
    attributes: [(type: AttributeEnumType, mutability: MutabilityEnumType, value: String)], nodes: [JSONNode?]
  )

  private mutating func attributes(
    _ node: JSONNode, default defaultNode: JSONNode?, dataType: DataEnumType?
  ) -> ParsedAttributes? {
    guard node.kind == .array else {
      wrongKind(node, "attributes", expected: "an array")
      return nil
    }
    var result: ParsedAttributes = ([], [])
    for element in node.elements {
      guard element.kind == .object else {
        wrongKind(element, "an attribute", expected: "an object")
        continue
      }
      var type: AttributeEnumType?
      var typeSeen = false
      var mutability: MutabilityEnumType? = .readWrite
      var valueNode: JSONNode?
      for (key, value) in element.members {
        switch JSONKey(key) {
        case .type:
          typeSeen = true
          type = enumeration(value, "attribute type")
        case .mutability: mutability = enumeration(value, "mutability")
        case .value: valueNode = value
        default: unknownKey(key, in: "an attribute", known: ["type", "mutability", "value"])
        }
      }
      if !typeSeen { missing("type", in: element, Self.names(AttributeEnumType.self)) }
      guard let type, let mutability else { continue }
      if result.attributes.contains(where: { $0.type == type }) {
        problems.add(
          .error, at: element, "attribute \(type.rawValue) occurs twice", expected: "each attribute type once")
        continue
      }
      if valueNode == nil, type == .actual { valueNode = defaultNode }
      let value = valueNode.flatMap { self.value($0, dataType: dataType) }
      result.attributes.append((type, mutability, value ?? ""))
      result.nodes.append(value == nil ? nil : valueNode)
    }
    if !node.elements.contains(where: { _ in true }) {
      problems.add(.error, at: node, "attributes is empty", expected: "at least one attribute")
    }
    return result
  }

  /// The text of a `value` or `default`: a boolean, number or string that is of the data type.
  mutating func value(_ node: JSONNode, dataType: DataEnumType?) -> String? {
    let text: String
    switch node.kind {
    case .bool: text = node.source
    case .number: text = DecimalNumber(node.source).map(\.description) ?? node.source
    case .string: text = node.string ?? ""
    default:
      wrongKind(node, "the value", expected: "a boolean, number or string")
      return nil
    }
    guard !text.isEmpty, let dataType else { return text }
    guard text.utf8.count <= ValueCheck.maxBytes else {
      problems.add(.error, at: node, "the value is too long", expected: "at most \(ValueCheck.maxBytes) bytes")
      return nil
    }
    if let violation = ValueCheck.type(text, dataType) {
      problems.add(
        .error, at: node, violation.message, expected: violation.expected, suggestion: violation.suggestion)
      return nil
    }
    return text
  }

  // MARK: Small things

  private mutating func checkRequired(_ required: JSONNode, _ properties: JSONNode, _ component: ParsedComponent) {
    guard required.kind == .array else { return wrongKind(required, "required", expected: "an array of labels") }
    let labels = properties.members.map { $0.key.string ?? "" }
    for element in required.elements {
      guard let label = element.string else {
        wrongKind(element, "a label in required", expected: "a string")
        continue
      }
      if !labels.contains(label) {
        problems.add(
          .warning, at: element, "required names \"\(label)\", which is not in properties",
          expected: "a label of properties", suggestion: Suggestion.nearest(to: label, in: labels))
      }
    }
  }

  private mutating func driver(_ node: JSONNode) -> Driver? {
    guard node.kind == .object else {
      wrongKind(node, "driver", expected: "an object")
      return nil
    }
    let kinds = Driver.kinds.joined(separator: ", ")
    guard let kindNode = node["kind"] else {
      missing("kind", in: node, "one of \(kinds)")
      return nil
    }
    guard let kind = kindNode.string else {
      wrongKind(kindNode, "kind", expected: "one of \(kinds)")
      return nil
    }
    guard Driver.kinds.contains(kind) else {
      problems.add(
        .error, at: kindNode, "driver kind \"\(kind)\" is not known to this build", expected: "one of \(kinds)",
        suggestion: Suggestion.nearest(to: kind, in: Driver.kinds))
      return nil
    }
    guard let configuration = try? JSONValue.parse(Array(node.source.utf8)) else {
      problems.add(.error, at: node, "the driver cannot be read", expected: "a JSON object")
      return nil
    }
    return Driver(kind: kind, configuration: configuration)
  }

  private mutating func monitors(_ node: JSONNode) -> [PreconfiguredMonitor] {
    guard node.kind == .array else {
      wrongKind(node, "monitors", expected: "an array")
      return []
    }
    return node.elements.compactMap { monitor($0) }
  }

  private mutating func monitor(_ node: JSONNode) -> PreconfiguredMonitor? {
    guard node.kind == .object else {
      wrongKind(node, "a monitor", expected: "an object")
      return nil
    }
    let known = ["config_type", "type", "value", "severity", "transaction", "reference_value"]
    var configType: PreconfiguredMonitor.ConfigType?
    var type: MonitorEnumType?
    var value: DecimalNumber?
    var severity: Int?
    var transaction: Bool? = false
    var reference: String?
    for (key, item) in node.members {
      switch JSONKey(key) {
      case .configType: configType = enumeration(item, "config_type")
      case .type: type = enumeration(item, "monitor type")
      case .value: value = decimal(item, "value")
      case .severity:
        severity = item.int.flatMap { (0...9).contains($0) ? $0 : nil }
        if severity == nil { problems.add(.error, at: item, "severity is \(item.source)", expected: "0 to 9") }
      case .transaction:
        transaction = item.bool
        if transaction == nil { wrongKind(item, "transaction", expected: "true or false") }
      case .referenceValue: reference = self.value(item, dataType: nil)
      default: unknownKey(key, in: "a monitor", known: known)
      }
    }
    for key in known.prefix(4) where node[key] == nil { missing(key, in: node, "it in every monitor") }
    guard let configType, let type, let value, let severity, let transaction else { return nil }
    return PreconfiguredMonitor(
      configType: configType, type: type, value: value, severity: severity, transaction: transaction,
      referenceValue: reference)
  }

  private mutating func missing(_ key: String, in node: JSONNode, _ expected: String) {
    problems.add(.error, at: node, "\"\(key)\" is missing", expected: expected)
  }

  private mutating func wrongKind(_ node: JSONNode, _ what: String, expected: String) {
    problems.add(.error, at: node, "\(what) is \(node.kind.text)", expected: expected)
  }

  private mutating func unknownKey(_ key: JSONNode, in place: String, known: [String]) {
    let text = key.string ?? ""
    problems.add(
      .warning, at: key, "unknown key \"\(ValueCheck.excerpt(text))\" in \(place)",
      expected: known.filter { !$0.hasPrefix("$") }.joined(separator: ", "),
      suggestion: Suggestion.nearest(to: text, in: known))
  }

  /// A name: not empty, at most 50 characters.
  mutating func identifier(_ node: JSONNode, _ key: String) -> String? {
    guard let text = text(node, key, maxLength: MaxLength.name) else { return nil }
    guard !text.isEmpty else {
      problems.add(.error, at: node, "\(key) is empty", expected: "at least one character")
      return nil
    }
    return text
  }

  private mutating func text(_ node: JSONNode, _ key: String, maxLength: Int) -> String? {
    guard let text = node.string else {
      wrongKind(node, key, expected: "a string")
      return nil
    }
    guard text.utf8.count <= maxLength || text.unicodeScalars.count <= maxLength else {
      problems.add(.error, at: node, "\(key) is too long", expected: "at most \(maxLength) characters")
      return nil
    }
    return text
  }

  /// An EVSE or connector number.
  mutating func number(_ node: JSONNode, _ key: String) -> Int? {
    guard node.kind == .number else {
      wrongKind(node, key, expected: "a whole number from 1")
      return nil
    }
    guard let number = node.int, number >= 1, number <= Int(Int32.max) else {
      problems.add(.error, at: node, "\(key) is \(ValueCheck.excerpt(node.source))", expected: "a whole number from 1")
      return nil
    }
    return number
  }

  private mutating func decimal(_ node: JSONNode, _ key: String) -> DecimalNumber? {
    guard node.kind == .number else {
      wrongKind(node, key, expected: "a number")
      return nil
    }
    guard let number = DecimalNumber(node.source) else {
      problems.add(.error, at: node, "\(key) is \(ValueCheck.excerpt(node.source))", expected: "a number that fits")
      return nil
    }
    return number
  }

  static func names<E: CaseIterable & RawRepresentable>(_: E.Type) -> String where E.RawValue == String {
    "one of " + E.allCases.map(\.rawValue).joined(separator: ", ")
  }

  mutating func enumeration<E: CaseIterable & RawRepresentable>(_ node: JSONNode, _ key: String) -> E?
  where E.RawValue == String {
    guard let text = node.string else {
      wrongKind(node, key, expected: Self.names(E.self))
      return nil
    }
    if let value = E(rawValue: text) { return value }
    problems.add(
      .error, at: node, "\(key) \"\(ValueCheck.excerpt(text))\" does not exist", expected: Self.names(E.self),
      suggestion: Suggestion.nearest(to: text, in: E.allCases.map(\.rawValue)))
    return nil
  }
}
