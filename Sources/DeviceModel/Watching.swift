import OCPP

/// What monitors need of the model: variables by handle, and the changes of those that are watched, whoever made them.
extension DeviceModel {
  /// Looks a variable up once. `nil` when there is none.
  public func variableHandle(_ component: ComponentID, _ variable: VariableID) -> VariableHandle? {
    variableNumber(component, variable).map(VariableHandle.init)
  }

  /// All variables, in the order of the component files.
  public var variableHandles: [VariableHandle] { variables.indices.map(VariableHandle.init) }

  public func variable(_ handle: VariableHandle) -> Variable { variables[handle.index] }

  public func component(of handle: VariableHandle) -> ComponentID { components[variables[handle.index].component].id }

  /// The Actual attribute; `nil` when the variable has none.
  public func actual(_ handle: VariableHandle) -> Attribute? {
    attributes[variables[handle.index].attributes].first { $0.type == .actual }
  }

  /// The address of the Actual attribute.
  public func address(of handle: VariableHandle) -> VariableAddress {
    VariableAddress(component(of: handle), variables[handle.index].id)
  }

  /// From now on `changes` tells what the Actual attributes of these variables, and of no others, become. A change of
  /// any other variable costs one comparison.
  public mutating func watch(_ handles: some Sequence<VariableHandle>) {
    var watched = [Bool](repeating: false, count: variables.count)
    var isAny = false
    for handle in handles {
      watched[handle.index] = true
      isAny = true
    }
    self.watched = isAny ? watched : []
  }

  /// The changes since the last call, in order.
  public mutating func takeChanges() -> [VariableChange] {
    guard !changes.isEmpty else { return [] }
    defer { changes.removeAll() }
    return changes
  }

  /// A value of the variable as EventData may show it: cut like in reports, and empty for what only can be written
  /// (N07.FR.10).
  public func eventValue(_ value: String, of handle: VariableHandle) -> String {
    actual(handle)?.mutability == .writeOnly ? "" : reported(value)
  }

  /// Whether one of `componentVariables` names the variable; what is absent there is a wildcard (N02.FR.16-21).
  public func names(_ componentVariables: [ComponentVariableType], _ handle: VariableHandle) -> Bool {
    let component = component(of: handle)
    let variable = variables[handle.index].id
    return componentVariables.contains { names($0.component, component) && names($0.variable, variable) }
  }
}
