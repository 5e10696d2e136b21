import DeviceModel
import OCPP

/// One monitor of a variable (N04): what it watches for, and what it has seen.
struct Monitor: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    /// Of the component files; nobody changes or clears it.
    case hardWired
    /// Of the component files; the CSMS may replace or clear it, and get it back by SetMonitoringBase.
    case preconfigured
    /// Set by the CSMS.
    case custom

    var notification: EventNotificationEnumType {
      switch self {
      case .hardWired: return .hardWiredMonitor
      case .preconfigured: return .preconfiguredMonitor
      case .custom: return .customMonitor
      }
    }
  }

  let id: Int
  let variable: VariableHandle
  let kind: Kind
  let type: MonitorEnumType
  let value: DecimalNumber
  /// 0 (danger) to 9 (debug).
  let severity: Int
  /// Only active while a transaction runs at its place.
  let transaction: Bool

  /// A threshold is exceeded, as far as the CSMS was told.
  var isExceeded = false
  /// The ledger says so.
  var isStoredExceeded = false
  /// The event that told so.
  var alert: Int?
  /// Delta: the value that was told last, or that was there when the monitor was set (Part 1, 4.4).
  var reference = ""
  var referenceNumber: DecimalNumber?
  /// What the CSMS was told last may not have reached it.
  var isDoubtful = false
  /// False for a monitor of transactions while there is none.
  var isRunning = true
  /// Periodic: when the next event is due, monotonic.
  var due: Int64?

  init(
    id: Int, variable: VariableHandle, kind: Kind, type: MonitorEnumType, value: DecimalNumber, severity: Int,
    transaction: Bool
  ) {
    self.id = id
    self.variable = variable
    self.kind = kind
    self.type = type
    self.value = value
    self.severity = severity
    self.transaction = transaction
  }

  var isPeriodic: Bool { type == .periodic || type == .periodicClockAligned }
  var isThreshold: Bool { type == .upperThreshold || type == .lowerThreshold }

  /// Milliseconds between two events of a periodic monitor.
  var interval: Int64 {
    Int64(value.scaled(byPowerOfTen: 3)?.rounded.int ?? Int(Monitoring.longestInterval) * 1000)
  }

  /// N07.FR.16, FR.17: beyond the threshold, not on it.
  func exceeds(_ number: DecimalNumber) -> Bool { type == .upperThreshold ? number > value : number < value }

  /// N07.FR.18, FR.19.
  func differs(_ text: String, _ number: DecimalNumber?, isNumeric: Bool) -> Bool {
    guard isNumeric else { return text != reference }
    guard let number, let before = referenceNumber else { return false }
    // A difference that cannot be written is larger than any value that can.
    guard let difference = number.subtracting(before) else { return true }
    return difference > value || difference < (DecimalNumber.zero.subtracting(value) ?? value)
  }

  /// The custom monitor as the ledger keeps it; of the others only what is not in the component files. `nil` when there
  /// is nothing to keep.
  func record(in model: DeviceModel) -> JSONValue? {
    var members: [JSONMember] = []
    if kind == .custom {
      members = [
        JSONMember(name: "variable", value: .string(model.address(of: variable).persistentKey)),
        JSONMember(name: "type", value: .string(type.rawValue)), JSONMember(name: "value", value: .number(value)),
        JSONMember(name: "severity", value: .int(severity)),
        JSONMember(name: "transaction", value: .bool(transaction)),
      ]
    }
    if isStoredExceeded { members.append(JSONMember(name: "exceeded", value: .bool(true))) }
    return members.isEmpty ? nil : .object(members)
  }
}

extension DataEnumType {
  /// Which monitors a variable of this type can have (Part 1, 4.4).
  func allows(_ type: MonitorEnumType) -> Bool {
    switch type {
    case .upperThreshold, .lowerThreshold: return self == .integer || self == .decimal
    case .delta: return true
    case .periodic, .periodicClockAligned: return self != .dateTime
    case .targetDelta, .targetDeltaRelative: return false
    }
  }

  /// A delta monitor compares its values as numbers; those of dateTime in seconds.
  var isNumeric: Bool { self == .integer || self == .decimal || self == .dateTime }

  /// The value as a number; `nil` when it is none, or is not known.
  func number(_ text: String) -> DecimalNumber? {
    switch self {
    case .integer, .decimal: return text.isEmpty ? nil : DecimalNumber(text)
    case .dateTime: return DateTime(text).map { DecimalNumber(mantissa: $0.unixMilliseconds, exponent: -3) }
    default: return nil
    }
  }
}
