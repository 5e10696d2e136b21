import DeviceModel
import StationCore

/// One device behind one component of the device model: what every capability has in common.
///
/// Drivers own their threads. `report` is called on a thread of the driver's, one call at a time, and must not block; no
/// method here or in the capabilities blocks for longer than a few milliseconds, except `stop`.
public protocol Driver: AnyObject, Sendable {
  /// The component that it serves.
  var component: ComponentID { get }
  /// Takes hold of the device, outputs in their safe state first, and begins to report: at once what it finds, then
  /// every change. To be called once.
  func start(report: @escaping @Sendable (DriverUpdate) -> Void)
  /// Asks the device what it is, without changing anything; answers on a thread of the driver's.
  func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void)
  /// Outputs go to their safe state and the device is let go. Waits for that, at most a second. No report begins after
  /// this returns.
  func stop()
}

extension Driver {
  /// The EVSE that it serves; 0 is the station as a whole.
  public var evse: Int { component.evse ?? 0 }
  public var connector: Int { component.connector ?? 1 }
}

/// What a device says it is.
public struct DeviceIdentity: Hashable, Sendable {
  /// What was found, for people: `chip gpiochip0 (pinctrl-bcm2835), line 17 RELAY1`.
  public var text: String
  public var details: [String: String]

  public init(_ text: String, details: [String: String] = [:]) {
    self.text = text
    self.details = details
  }
}

/// A value of a capability.
public enum CapabilityValue: Hashable, Sendable {
  /// The debounced state, with a passed diode check for C and D.
  case pilot(PilotState)
  /// From the proximity pilot: the cable's rating; `nil` is no plug in the socket.
  case cable(ratingAmperes: Int?)
  /// What the mirror contact says, not what was commanded.
  case contactor(closed: Bool)
  case lock(locked: Bool)
  /// The lock did not follow a command.
  case lockFailed
  /// A safety input (emergency stop, RCD, door, tilt, flood, failing supply): true is the dangerous state.
  case tripped(Bool)
  /// In thousandths of a degree Celsius.
  case temperature(milliCelsius: Int64)
  case token(TokenPresentation)
}

/// What a driver reports, in the order in which it came to know it.
public struct DriverUpdate: Hashable, Sendable {
  /// Unknown when the device cannot be read: whoever acts on it then takes the dangerous case for granted.
  public var reading: Reading<CapabilityValue>
  public var raised: [HardwareFault] = []
  public var cleared: [HardwareFault] = []
  public var health: Health

  public init(
    _ reading: Reading<CapabilityValue>, raised: [HardwareFault] = [], cleared: [HardwareFault] = [],
    health: Health = .working
  ) {
    self.reading = reading
    self.raised = raised
    self.cleared = cleared
    self.health = health
  }
}

/// The power contactor of an EVSE. Reports `contactor`, from the mirror contact.
public protocol Contactor: Driver {
  /// Any thread. Opening takes effect at once, whatever else goes on; closing is refused, with a fault, while the mirror does not say
  /// that it is open.
  func command(close: Bool)
}

/// The control pilot of a connector. Reports `pilot`, and `cable` when it reads the proximity pilot as well.
public protocol ControlPilot: Driver {
  /// True when the device that makes the pilot switches the contactor itself.
  var switchesContactor: Bool { get }
  /// The current that the duty cycle offers, milliamperes; `nil`: no offer, steady pilot.
  func offer(milliamperes: Int64?)
  /// Steady -12 V: state F, the EVSE is not available.
  func setUnavailable(_ unavailable: Bool)
}

/// Who reads the proximity pilot of a socket: so far the devices that make the control pilot. Reports `cable`.
public protocol Proximity: Driver {}

/// The retention lock of a connector. Reports `lock` from its feedback, and `lockFailed`.
public protocol ConnectorLock: Driver {
  func command(locked: Bool)
}

/// A residual current device. Reports `tripped`.
public protocol ResidualCurrentDevice: Driver {
  /// Provokes a trip and expects to see it: reported as the fault `RCDSelfTestFailed`, or its end. False when it has no test.
  func selfTest() -> Bool
  /// Closes it again after a trip, when the device can do that.
  func reset() -> Bool
}

/// Emergency stop, door, tilt, flood, supply-good. Reports `tripped`.
public protocol SafetyInput: Driver {}

/// Reports `temperature`.
public protocol TemperatureSensor: Driver {}

/// Reports `token`.
public protocol TokenReader: Driver {}

/// What an indicator shows, in the order of precedence.
public enum IndicatedState: String, Hashable, Sendable, CaseIterable {
  case fault, unavailable, charging, suspended, occupied, reserved, available
}

/// A light that shows an EVSE's state.
public protocol Indicator: Driver {
  func show(_ state: IndicatedState)
}
