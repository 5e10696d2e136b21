/// What the pilot's high half reaches, as the nominal voltage of IEC 61851-1; windows of 1 V to both sides.
public enum PilotLevel: Hashable, Sendable {
  /// No vehicle.
  case plus12
  /// Vehicle connected.
  case plus9
  /// Vehicle asks for energy.
  case plus6
  /// Vehicle asks for energy and needs ventilation.
  case plus3
  /// Short circuit, or no supply.
  case zero
  /// The EVSE says that it is not available.
  case minus12
  /// In no window.
  case between

  public init(millivolts: Int) {
    switch millivolts {
    case 11_000...: self = .plus12
    case 8000...10_000: self = .plus9
    case 5000...7000: self = .plus6
    case 2000...4000: self = .plus3
    case -1000...1000: self = .zero
    case ...(-11_000): self = .minus12
    default: self = .between
    }
  }
}

/// One look at the pilot.
public struct PilotSample: Hashable, Sendable {
  public var level: PilotLevel
  /// The low half reaches -12 V, so that there is a diode and behind it a vehicle; `nil`: there is no low half to look at.
  public var diode: Bool?

  public init(_ level: PilotLevel, diode: Bool? = nil) {
    self.level = level
    self.diode = diode
  }

  /// From the voltages of both halves; `lowMillivolts` is `nil` without PWM.
  public init(highMillivolts: Int, lowMillivolts: Int?) {
    level = PilotLevel(millivolts: highMillivolts)
    diode = lowMillivolts.map { PilotLevel(millivolts: $0) == .minus12 }
  }
}

/// Names of the faults that pilots and their controllers have; where EVerest (ChargeX MREC) has a name, that one.
enum PilotFaults {
  /// State E, state F that nobody asked for, or a voltage in no window.
  static let pilot = "PilotFault"
  /// The vehicle's side has no diode: it may be no vehicle.
  static let diode = "DiodeFault"
  static let ventilation = "VentilationNotAvailable"
  /// Low: the vehicle still asks 3 s after the offer was withdrawn.
  static let vehicle = "InvalidVehicleMode"
  static let silent = "CommunicationFault"
  /// The controller reports a failure of its own.
  static let controller = "EVSEControllerFailure"
  /// The controller does not take the limit or the switch-off that is written.
  static let refuses = "EVSEControllerRefuses"
  static let residualCurrent = "GroundFailure"
  static let rcdTest = "RCDSelfTestFailed"
  static let contactor = "ContactorWelded"
  static let temperature = "TemperatureSensorFailure"
  static let reader = "TokenReaderFailure"
}
