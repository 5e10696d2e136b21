import OCPP
import StationCore

/// Something that a person at the station, an EV, or bad luck does to the simulated hardware.
public enum Stimulus: Hashable, Sendable {
  /// A cable connects the EV and this connector.
  case plugIn(evse: Int, connector: Int, ev: SimulatedEV)
  /// The EV's side of the cable is pulled.
  case plugOut(evse: Int, connector: Int)
  /// A token is shown at the reader that serves `evses`; `nil` means all.
  case swipe(IdTokenType, evses: [Int]?)
  /// The connected EV changes its mind. `stateOfCharge` in thousandths of a percent.
  case ev(evse: Int, EVDemand, stateOfCharge: Int64?)
  case raiseFault(HardwareFault)
  /// Clears the fault of this name at exactly this place; without `connector` also those of the EVSE's connectors.
  case clearFault(name: String, evse: Int, connector: Int?)
  /// Sets what the meter of an EVSE (0 is the main meter) reads. With `hold` it stays there; without, everything held
  /// is released and the given values are read once (an energy register goes on counting from the given value).
  case meter(evse: Int, MeterSetting, hold: Bool)
  /// While stuck, the lock follows no command.
  case lock(evse: Int, connector: Int, stuck: Bool)
  /// A vehicle drives into the parking bay of an EVSE, or out of it.
  case park(evse: Int, occupied: Bool)
  /// Somebody selects at the UI which EVSEs' transactions a master pass stops; `nil` means all, none closes the UI.
  case select(evses: [Int]?)
}

/// Why a stimulus was refused: names the field, what was given and what was expected. Nothing has changed.
public struct StimulusError: Error, Hashable, Sendable {
  public var text: String
  public init(_ text: String) { self.text = text }
}

/// What an EV wants.
public enum EVDemand: String, Hashable, Sendable, CaseIterable {
  /// It takes energy whenever it is offered.
  case charging
  /// It pauses.
  case suspended
  /// It has finished, and takes no more until told so.
  case stopped
}

/// The EV that a `plugIn` brings along.
public struct SimulatedEV: Hashable, Sendable {
  public enum Mode: String, Hashable, Sendable, CaseIterable {
    /// The EV's own charger takes AC.
    case ac = "AC"
    /// The battery is charged with DC: it has a state of charge, and takes less as it fills up.
    case dc = "DC"
  }

  public var mode: Mode
  /// Most current it takes, milliamperes: per phase for AC, of the battery for DC.
  public var maxCurrent: Int64
  /// Phases its charger uses, 1...3 (AC).
  public var phases: Int
  /// Time from energy being offered to S2 closing, milliseconds.
  public var chargeDelay: Int64
  /// Rating of the cable it brings to a socket, amperes: 13, 20, 32 or 63. A captive cable has its own.
  public var cableRating: Int
  /// Battery capacity in milliwatt-hours.
  public var batteryCapacity: Int64
  /// State of charge when plugged in, thousandths of a percent; `nil` on AC: the EV does not tell and never is full.
  public var stateOfCharge: Int64?
  /// The EV stops by itself after this energy, milliwatt-hours; `nil`: it does not.
  public var energyNeeded: Int64?

  public init(
    mode: Mode = .ac, maxCurrent: Int64 = 32_000, phases: Int = 1, chargeDelay: Int64 = 1_000, cableRating: Int = 32,
    batteryCapacity: Int64 = 60_000_000, stateOfCharge: Int64? = nil, energyNeeded: Int64? = nil
  ) {
    self.mode = mode
    self.maxCurrent = maxCurrent
    self.phases = phases
    self.chargeDelay = chargeDelay
    self.cableRating = cableRating
    self.batteryCapacity = batteryCapacity
    self.stateOfCharge = stateOfCharge ?? (mode == .dc ? Self.defaultStateOfCharge : nil)
    self.energyNeeded = energyNeeded
  }

  /// A DC EV arrives with 20 %.
  static let defaultStateOfCharge: Int64 = 20_000
}

/// Values for a meter; what is `nil` is left to the simulation.
public struct MeterSetting: Hashable, Sendable {
  /// Import register, milliwatt-hours.
  public var energyImport: Int64?
  /// Milliwatts.
  public var power: Int64?
  /// Milliamperes from L1 on; phases that are not given read 0.
  public var current: [Int64]?
  /// Millivolts from L1 on; phases that are not given keep the nominal voltage.
  public var voltage: [Int64]?
  /// Millihertz.
  public var frequency: Int64?
  /// Thousandths of a percent.
  public var stateOfCharge: Int64?
  /// When the meter says that it acquired the values, UTC in milliseconds.
  public var acquiredAtWall: Int64?

  public init(
    energyImport: Int64? = nil, power: Int64? = nil, current: [Int64]? = nil, voltage: [Int64]? = nil,
    frequency: Int64? = nil, stateOfCharge: Int64? = nil, acquiredAtWall: Int64? = nil
  ) {
    self.energyImport = energyImport
    self.power = power
    self.current = current
    self.voltage = voltage
    self.frequency = frequency
    self.stateOfCharge = stateOfCharge
    self.acquiredAtWall = acquiredAtWall
  }

  var isEmpty: Bool { self == MeterSetting() }

  /// The values of `newer`, and of `self` where `newer` has none.
  func overlaid(by newer: MeterSetting) -> MeterSetting {
    MeterSetting(
      energyImport: newer.energyImport ?? energyImport, power: newer.power ?? power,
      current: newer.current ?? current, voltage: newer.voltage ?? voltage, frequency: newer.frequency ?? frequency,
      stateOfCharge: newer.stateOfCharge ?? stateOfCharge, acquiredAtWall: newer.acquiredAtWall ?? acquiredAtWall)
  }
}
