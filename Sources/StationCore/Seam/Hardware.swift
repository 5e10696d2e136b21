import DeviceModel
import OCPP

/// What the core and the hardware say to each other. Drivers, simulated or real, speak only this.

/// IEC 61851-1 control pilot state of one connector.
public enum PilotState: String, Hashable, Sendable, CaseIterable {
  /// No vehicle.
  case a = "A"
  /// Vehicle connected, not asking for energy (S2 open).
  case b = "B"
  /// Vehicle asks for energy (S2 closed).
  case c = "C"
  /// Vehicle asks for energy and needs ventilation.
  case d = "D"
  /// No pilot: short circuit, or the supply is gone.
  case e = "E"
  /// The EVSE is not available.
  case f = "F"
}

/// One reading of a meter. Values that the meter cannot give, or did not give, are absent, never invented.
public struct MeterReading: Hashable, Sendable {
  /// The EVSE it belongs to; 0 is the station's main meter.
  public var evse: Int
  /// When the meter acquired the values, UTC in milliseconds; `nil` means now.
  public var acquiredAtWall: Int64?
  /// Import register, in milliwatt-hours (exact).
  public var energyImport: Int64?
  /// Export register, in milliwatt-hours (exact).
  public var energyExport: Int64?
  /// Total active import power in milliwatts.
  public var power: Int64?
  /// Current per phase L1, L2, L3 in milliamperes; as many entries as the meter has phases.
  public var current: [Int64]
  /// Phase to neutral voltage per phase in millivolts.
  public var voltage: [Int64]
  /// Frequency in millihertz.
  public var frequency: Int64?
  /// State of charge in thousandths of a percent (DC).
  public var stateOfCharge: Int64?
  /// What else the meter measures. Registers that are slow to read may be up to 15 s older than the rest; older, they are
  /// absent.
  public var others: [MeterSample] = []
  /// The same reading as the meter itself signed it; `nil` where it signs nothing.
  public var signed: SignedReading?

  public init(
    evse: Int, acquiredAtWall: Int64? = nil, energyImport: Int64? = nil, energyExport: Int64? = nil,
    power: Int64? = nil, current: [Int64] = [], voltage: [Int64] = [], frequency: Int64? = nil,
    stateOfCharge: Int64? = nil
  ) {
    self.evse = evse
    self.acquiredAtWall = acquiredAtWall
    self.energyImport = energyImport
    self.energyExport = energyExport
    self.power = power
    self.current = current
    self.voltage = voltage
    self.frequency = frequency
    self.stateOfCharge = stateOfCharge
  }
}

/// A token shown at a reader.
public struct TokenPresentation: Hashable, Sendable {
  public var idToken: IdTokenType
  /// The EVSEs that this reader serves; `nil` means all.
  public var evses: [Int]?

  public init(idToken: IdTokenType, evses: [Int]? = nil) {
    self.idToken = idToken
    self.evses = evses
  }
}

public enum FaultSeverity: String, Hashable, Sendable {
  /// The connector cannot be used until the fault clears.
  case high
  /// Reported, no effect on charging.
  case low
}

/// A hardware fault by its name (`UnderVoltage`, `GroundFailure`, ...).
public struct HardwareFault: Hashable, Sendable {
  public var name: String
  /// 0 is the station as a whole.
  public var evse: Int
  public var connector: Int?
  public var severity: FaultSeverity
  /// Who says so: several may have the same fault at one place, and each takes back its own. Taken back by `nil`, all go.
  public var source: String?

  public init(
    name: String, evse: Int, connector: Int? = nil, severity: FaultSeverity = .high, source: String? = nil
  ) {
    self.name = name
    self.evse = evse
    self.connector = connector
    self.severity = severity
    self.source = source
  }
}

/// What the hardware tells the core.
public enum HardwareEvent: Hashable, Sendable {
  /// The debounced pilot state of a connector changed.
  case pilot(evse: Int, connector: Int, state: PilotState)
  /// A plug is in the socket (`ratingAmperes` from the PP resistor: 13, 20, 32 or 63; a captive cable reports its own
  /// at start) or is gone (`nil`).
  case cable(evse: Int, connector: Int, ratingAmperes: Int?)
  /// Mirror feedback: the power contactor really is closed or open.
  case contactor(evse: Int, closed: Bool)
  /// Feedback of the connector plug retention lock.
  case lock(evse: Int, connector: Int, locked: Bool)
  /// The lock did not follow a command.
  case lockFailed(evse: Int, connector: Int)
  case meter(MeterReading)
  case token(TokenPresentation)
  case faultRaised(HardwareFault)
  case faultCleared(HardwareFault)
  /// A temperature sensor, in thousandths of a degree Celsius; `nil`: it cannot be read, or not for too long.
  case temperature(sensor: ComponentID, milliCelsius: Int64?)
  /// The sensor of the parking bay of an EVSE.
  case bay(evse: Int, occupied: Bool)
  /// Somebody selected at the UI which EVSEs' transactions a master pass stops; `nil` means all.
  case selection(evses: [Int]?)
}

/// What the core tells the hardware.
public enum HardwareCommand: Hashable, Sendable {
  /// The current offered by the pilot's duty cycle, per phase, in milliamperes; `nil` is a steady pilot (no offer).
  case offer(evse: Int, connector: Int, milliamperes: Int64?)
  case contactor(evse: Int, close: Bool)
  case lock(evse: Int, connector: Int, locked: Bool)
  /// Whether the pilot may say that there is something to be had here. `false` is state F (IEC 61851-1:2017 Table A.4); only
  /// told while no vehicle is connected, since none can be seen in it.
  case available(evse: Int, connector: Int, Bool)
  /// Read every meter now; the readings come as events, soon.
  case readMeters

  /// Opening a contactor, withdrawing an offer never waits for a disk or the network.
  public var isImmediate: Bool {
    switch self {
    case .contactor(_, let close): return !close
    case .offer(_, _, let milliamperes): return milliamperes == nil
    case .lock, .available: return false
    case .readMeters: return true
    }
  }
}
