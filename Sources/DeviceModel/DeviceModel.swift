import OCPP

/// The station's components, variables and attributes (OCPP's device model), as a value: no I/O, no references.
///
/// What exists is decided by the component files (`load`); afterwards only values change. Components, variables and
/// attributes keep the order in which they were read.
public struct DeviceModel: Sendable {
  public private(set) var components: [Component] = []
  /// All variables, those of one component side by side.
  public private(set) var variables: [Variable] = []
  /// All attributes, those of one variable side by side.
  public private(set) var attributes: [Attribute] = []
  /// Grows with every change of a value.
  public private(set) var revision: UInt64 = 0

  /// By variable: somebody wants to hear of its changes (`watch`). Empty while nobody does.
  var watched: [Bool] = []
  /// Values that watched variables took on since `takeChanges`, in order.
  public internal(set) var changes: [VariableChange] = []

  private var componentIndex: [ComponentID: Int] = [:]
  private var variableIndex: [VariableKey: Int] = [:]
  private var sizeLimits = SizeLimits()

  private struct VariableKey: Hashable {
    var component: Int
    var id: VariableID
  }

  /// Variables that bound the length of values.
  private struct SizeLimits {
    var configuration: AttributeHandle?
    var reporting: AttributeHandle?
    var value: AttributeHandle?
  }

  /// An empty model.
  public init() {}

  /// Makes room for this many components and their variables.
  mutating func reserve(components count: Int) {
    components.reserveCapacity(count)
    componentIndex.reserveCapacity(count)
    variables.reserveCapacity(count * 6)
    attributes.reserveCapacity(count * 6)
    variableIndex.reserveCapacity(count * 6)
  }

  // MARK: Building

  /// What `append` takes: a variable without its indices.
  struct NewVariable {
    var id: VariableID
    var characteristics: VariableCharacteristicsType
    var allowedValues: [String]
    var attributes: [(type: AttributeEnumType, mutability: MutabilityEnumType, value: String)]
    var monitors: [PreconfiguredMonitor]
  }

  /// Adds a component whose variables are all different. False, and nothing added, when there is one of that
  /// identity.
  mutating func append(_ id: ComponentID, driver: Driver?, variables new: [NewVariable]) -> Bool {
    guard componentIndex[id] == nil else { return false }
    let component = components.count
    componentIndex[id] = component
    let firstVariable = variables.count
    for variable in new {
      let firstAttribute = attributes.count
      variableIndex[VariableKey(component: component, id: variable.id)] = variables.count
      for attribute in variable.attributes {
        attributes.append(
          Attribute(
            type: attribute.type, mutability: attribute.mutability, variable: variables.count, value: attribute.value))
      }
      variables.append(
        Variable(
          id: variable.id, component: component, characteristics: variable.characteristics,
          allowedValues: variable.allowedValues, attributes: firstAttribute..<attributes.count,
          monitors: variable.monitors))
    }
    components.append(Component(id: id, variables: firstVariable..<variables.count, driver: driver))
    if CaseFold.equal(id.name, "DeviceDataCtrlr") {
      sizeLimits = SizeLimits(
        configuration: handle(id, VariableID("ConfigurationValueSize")),
        reporting: handle(id, VariableID("ReportingValueSize")), value: handle(id, VariableID("ValueSize")))
    }
    return true
  }

  // MARK: Looking up

  /// The component of this identity.
  public func component(_ id: ComponentID) -> Component? { componentIndex[id].map { components[$0] } }

  /// The variable of this identity.
  public func variable(_ component: ComponentID, _ variable: VariableID) -> Variable? {
    variableNumber(component, variable).map { variables[$0] }
  }

  func variableNumber(_ component: ComponentID, _ variable: VariableID) -> Int? {
    guard let component = componentIndex[component] else { return nil }
    return variableIndex[VariableKey(component: component, id: variable)]
  }

  private func attributeNumber(_ variable: Int, _ type: AttributeEnumType) -> Int? {
    variables[variable].attributes.first { attributes[$0].type == type }
  }

  /// Looks an attribute up once, to read it often. `nil` when there is none.
  public func handle(
    _ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual
  ) -> AttributeHandle? {
    guard let variable = variableNumber(component, variable) else { return nil }
    return attributeNumber(variable, attribute).map(AttributeHandle.init)
  }

  /// The whole address of an attribute.
  public func address(of handle: AttributeHandle) -> VariableAddress {
    let attribute = attributes[handle.index]
    let variable = variables[attribute.variable]
    return VariableAddress(components[variable.component].id, variable.id, attribute.type)
  }

  /// How many EVSEs there are; they are numbered from 1 without gaps (a folder that breaks this is refused).
  public var evseCount: Int {
    components.reduce(0) { $0 + (CaseFold.equal($1.id.name, "EVSE") && $1.id.evse != nil ? 1 : 0) }
  }

  /// How many connectors an EVSE has; they are numbered from 1 without gaps.
  public func connectorCount(evse: Int) -> Int {
    components.reduce(0) { $0 + (CaseFold.equal($1.id.name, "Connector") && $1.id.evse == evse ? 1 : 0) }
  }

  // MARK: Reading

  /// The value of an attribute, whatever its mutability. `nil` when there is no such attribute; empty when it has no
  /// value.
  public func value(
    _ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual
  ) -> String? {
    handle(component, variable, attribute).map { attributes[$0.index].value }
  }

  public func value(_ handle: AttributeHandle) -> String { attributes[handle.index].value }

  /// What GetVariables answers (B06.FR.06 to FR.10, FR.13). Values longer than ReportingValueSize or ValueSize are cut.
  public func get(
    _ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual
  ) -> GetVerdict {
    guard let component = componentIndex[component] else { return GetVerdict(status: .unknownComponent, value: nil) }
    guard let variable = variableIndex[VariableKey(component: component, id: variable)] else {
      return GetVerdict(status: .unknownVariable, value: nil)
    }
    guard let index = attributeNumber(variable, attribute) else {
      return GetVerdict(status: .notSupportedAttributeType, value: nil)
    }
    guard attributes[index].mutability != .writeOnly else { return GetVerdict(status: .rejected, value: nil) }
    return GetVerdict(status: .accepted, value: reported(attributes[index].value))
  }

  /// A value as it may be reported: at most ReportingValueSize, ValueSize and 2500 characters.
  func reported(_ value: String) -> String {
    guard value.utf8.count > 256 else { return value }
    let limit = Swift.min(2500, size(sizeLimits.reporting) ?? 2500, size(sizeLimits.value) ?? 2500)
    guard value.unicodeScalars.count > limit else { return value }
    return String(String.UnicodeScalarView(value.unicodeScalars.prefix(limit)))
  }

  /// The longest value that SetVariables may bring, in characters.
  public var longestConfigurationValue: Int {
    Swift.min(2500, size(sizeLimits.configuration) ?? 1000, size(sizeLimits.value) ?? 2500)
  }

  private func size(_ handle: AttributeHandle?) -> Int? {
    handle.flatMap { ValueCheck.integer(attributes[$0.index].value) }.flatMap { $0 > 0 ? $0 : nil }
  }

  // MARK: Writing

  /// Changes a value, when `writer` may and the value fits.
  public mutating func set(
    _ value: String, _ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual,
    by writer: Writer
  ) -> SetVerdict {
    guard let componentNumber = componentIndex[component] else {
      return .refused(.unknownComponent, "NotFound", "no component \(component)")
    }
    guard let variableNumber = variableIndex[VariableKey(component: componentNumber, id: variable)] else {
      return .refused(.unknownVariable, "NotFound", "\(component) has no variable \(variable)")
    }
    guard let index = attributeNumber(variableNumber, attribute) else {
      return .refused(
        .notSupportedAttributeType, "UnsupportedParam",
        "\(component)/\(variable) has no attribute \(attribute.rawValue)")
    }
    return set(value, AttributeHandle(index: index), by: writer)
  }

  /// Changes a value, when `writer` may and the value fits.
  public mutating func set(_ value: String, _ handle: AttributeHandle, by writer: Writer) -> SetVerdict {
    let attribute = attributes[handle.index]
    if let refusal = refusal(of: value, attribute, by: writer) { return refusal }
    guard attribute.value != value else { return .accepted(changed: false) }
    attributes[handle.index].value = value
    revision &+= 1
    if attribute.type == .actual, !watched.isEmpty, watched[attribute.variable] {
      changes.append(VariableChange(variable: VariableHandle(index: attribute.variable), value: value))
    }
    return .accepted(changed: true)
  }

  private func refusal(of value: String, _ attribute: Attribute, by writer: Writer) -> SetVerdict? {
    let variable = variables[attribute.variable]
    if writer == .csms {
      guard attribute.mutability != .readOnly else {
        return .refused(.rejected, "ReadOnly", "\(variable.id) is read-only")
      }
      let limit = longestConfigurationValue
      guard value.utf8.count <= limit || value.unicodeScalars.count <= limit else {
        return .refused(.rejected, "TooLargeElement", "the value is longer than \(limit) characters")
      }
    } else {
      guard value.utf8.count <= ValueCheck.maxBytes else {
        return .refused(.rejected, "TooLargeElement", "the value is longer than \(ValueCheck.maxBytes) bytes")
      }
      // The station and the factory may take a value away.
      if value.isEmpty { return nil }
    }
    if let violation = ValueCheck.type(value, variable.characteristics.dataType) {
      return .refused(.rejected, "InvalidValue", "\(violation.message); expected \(violation.expected)")
    }
    guard writer == .csms else { return nil }
    if let violation = ValueCheck.range(value, variable.characteristics, allowed: variable.allowedValues) {
      let code: String
      switch violation.kind {
      case .tooLow: code = "ValueTooLow"
      case .tooHigh: code = "ValueTooHigh"
      case .list, .type: code = "InvalidValue"
      }
      return .refused(.rejected, code, "\(violation.message); expected \(violation.expected)")
    }
    return setLimitRefusal(of: value, attribute, variable)
  }

  /// Target keeps between MinSet and MaxSet, and MinSet below MaxSet (Part 1, 4.3).
  private func setLimitRefusal(of value: String, _ attribute: Attribute, _ variable: Variable) -> SetVerdict? {
    guard variable.attributes.count > 1, attribute.type != .actual else { return nil }
    let type = variable.characteristics.dataType
    guard type == .integer || type == .decimal, let number = DecimalNumber(value) else { return nil }
    func limit(_ type: AttributeEnumType) -> DecimalNumber? {
      guard attribute.type != type else { return nil }
      return variable.attributes.first { attributes[$0].type == type }.flatMap { DecimalNumber(attributes[$0].value) }
    }
    if attribute.type != .minSet, let low = limit(.minSet), number < low {
      return .refused(.rejected, "ValueTooLow", "\(value) is below MinSet, \(low)")
    }
    if attribute.type != .maxSet, let high = limit(.maxSet), high < number {
      return .refused(.rejected, "ValueTooHigh", "\(value) is above MaxSet, \(high)")
    }
    return nil
  }
}
