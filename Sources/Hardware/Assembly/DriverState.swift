import DeviceModel

/// How a driver is doing, for `state` and the log.
public struct DriverState: Hashable, Sendable {
  public var component: ComponentID
  /// `modbus-rtu`, `gpio`, ...
  public var kind: String
  public var health: Health
  /// Of the last good reading; `nil` when there was none.
  public var lastGood: MonotonicTime?
  public var lastValue: CapabilityValue?
}

/// What a driver says, on its way to the loop.
public enum DriverReport: Sendable {
  case meter(MeterUpdate)
  case driver(ComponentID, DriverUpdate)
}
