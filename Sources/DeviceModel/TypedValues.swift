import OCPP

/// Values as what they mean. All give `nil` when there is no such attribute, it has no value, or the value is something
/// else.
extension DeviceModel {
  public func bool(_ handle: AttributeHandle) -> Bool? { Self.bool(value(handle)) }
  public func int(_ handle: AttributeHandle) -> Int? { ValueCheck.integer(value(handle)) }
  public func decimal(_ handle: AttributeHandle) -> DecimalNumber? { DecimalNumber(value(handle)) }
  /// The items of a comma separated list.
  public func list(_ handle: AttributeHandle) -> [String] { ListText.items(value(handle)) }

  public func bool(
    _ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual
  ) -> Bool? {
    handle(component, variable, attribute).flatMap { bool($0) }
  }

  public func int(
    _ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual
  ) -> Int? {
    handle(component, variable, attribute).flatMap { int($0) }
  }

  public func decimal(
    _ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual
  ) -> DecimalNumber? {
    handle(component, variable, attribute).flatMap { decimal($0) }
  }

  /// The items of a comma separated list; `nil` only when there is no such attribute.
  public func list(
    _ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual
  ) -> [String]? {
    handle(component, variable, attribute).map { list($0) }
  }

  private static func bool(_ value: String) -> Bool? {
    switch value {
    case "true": return true
    case "false": return false
    default: return nil
    }
  }
}
