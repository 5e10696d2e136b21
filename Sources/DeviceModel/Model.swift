import OCPP

/// A component of the station: a name, its place, and a run of variables.
public struct Component: Hashable, Sendable {
  public let id: ComponentID
  /// Indices of its variables in `DeviceModel.variables`.
  public internal(set) var variables: Range<Int>
  /// What the component is bound to; `nil` when its file has no `driver`.
  public let driver: Driver?
}

/// The `driver` object of a component file.
public struct Driver: Hashable, Sendable {
  /// One of `Driver.kinds`.
  public let kind: String
  /// The whole object, `kind` included.
  public let configuration: JSONValue

  /// The kinds of drivers that this build knows. A component file that names another one is refused.
  public static let kinds = DriverKind.all.map(\.name)
}

/// A variable: what it may hold, and its attributes.
public struct Variable: Hashable, Sendable {
  public let id: VariableID
  /// Index of its component in `DeviceModel.components`.
  public let component: Int
  public let characteristics: VariableCharacteristicsType
  /// The items of `characteristics.valuesList`; empty when there is no list.
  public let allowedValues: [String]
  /// Indices of its attributes in `DeviceModel.attributes`; at most one of each type.
  public let attributes: Range<Int>
  public let monitors: [PreconfiguredMonitor]
}

/// An attribute of a variable and its present value.
public struct Attribute: Hashable, Sendable {
  public let type: AttributeEnumType
  public let mutability: MutabilityEnumType
  /// Index of its variable in `DeviceModel.variables`.
  public let variable: Int
  /// Empty when it has no value (B06.FR.13).
  public internal(set) var value: String
}

/// A monitor that a component file brings along.
public struct PreconfiguredMonitor: Hashable, Sendable {
  public enum ConfigType: String, Hashable, Sendable, CaseIterable {
    case hardWiredMonitor = "HardWiredMonitor"
    case preconfiguredMonitor = "PreconfiguredMonitor"
  }

  public let configType: ConfigType
  public let type: MonitorEnumType
  public let value: DecimalNumber
  /// 0 (danger) to 9 (debug).
  public let severity: Int
  /// The monitor is only active while a transaction runs.
  public let transaction: Bool
  /// What a delta monitor compares with.
  public let referenceValue: String?
}

/// Who changes a value, which decides what is checked.
public enum Writer: Hashable, Sendable {
  /// Component files, overrides and options: any attribute; the value must be of the data type.
  case factory
  /// The station itself: any attribute; the value must be of the data type. Limits are not checked, because a
  /// measured value is reported as it is (Part 1, 4.3).
  case station
  /// SetVariables: everything is checked (B05).
  case csms
}

/// What became of a write.
public struct SetVerdict: Hashable, Sendable {
  public let status: SetVariableStatusEnumType
  /// A standardized reason code (Part 2, appendix 5) when it was not accepted.
  public let reasonCode: String?
  /// Why it was not accepted, for a person; at most 512 characters.
  public let reason: String?
  /// The value is different from before. Only ever true when accepted.
  public let changed: Bool

  public var accepted: Bool { status == .accepted }

  static func accepted(changed: Bool) -> SetVerdict {
    SetVerdict(status: .accepted, reasonCode: nil, reason: nil, changed: changed)
  }

  static func refused(_ status: SetVariableStatusEnumType, _ reasonCode: String, _ reason: String) -> SetVerdict {
    SetVerdict(
      status: status, reasonCode: reasonCode,
      reason: String(String.UnicodeScalarView(reason.unicodeScalars.prefix(512))),
      changed: false)
  }
}

/// What a read by the CSMS gives (B06).
public struct GetVerdict: Hashable, Sendable {
  public let status: GetVariableStatusEnumType
  /// Present exactly when accepted; empty when the attribute has no value.
  public let value: String?
}

/// An attribute that was looked up once and is read often. Valid for the model it came from, its copies, and models
/// loaded from the same files.
public struct AttributeHandle: Hashable, Sendable {
  let index: Int
}

/// A variable that was looked up once. Valid like an `AttributeHandle`.
public struct VariableHandle: Hashable, Sendable {
  let index: Int
}

/// A value that the Actual attribute of a watched variable took on.
public struct VariableChange: Hashable, Sendable {
  public let variable: VariableHandle
  public let value: String
}
