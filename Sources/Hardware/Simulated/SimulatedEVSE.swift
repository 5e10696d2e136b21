/// What the simulated hardware consists of: one EVSE, its supply and its connectors.
public struct SimulatedEVSE: Hashable, Sendable {
  /// OCPP EVSE id, 1 or more.
  public var id: Int
  /// AC phases of its supply, 1...3; 0 means that it supplies DC (OCPP variable SupplyPhases).
  public var supplyPhases: Int
  public var connectors: [SimulatedConnector]
  /// A sensor says whether a vehicle is in its parking bay.
  public var hasBaySensor: Bool

  /// Phases outside 0...3 are taken as the nearest of these.
  public init(id: Int, supplyPhases: Int, connectors: [SimulatedConnector], hasBaySensor: Bool = false) {
    self.id = id
    self.supplyPhases = min(max(supplyPhases, 0), 3)
    self.connectors = connectors
    self.hasBaySensor = hasBaySensor
  }

  /// Phase to neutral voltage, or the DC voltage, in millivolts.
  var nominalVoltage: Int64 { supplyPhases == 0 ? Self.voltageDC : Self.voltageAC }
  /// How many currents and voltages its meter measures.
  var meterPhases: Int { max(supplyPhases, 1) }

  static let voltageAC: Int64 = 230_000
  static let voltageDC: Int64 = 400_000
  static let frequencyAC: Int64 = 50_000
}

/// One connector of a simulated EVSE.
public struct SimulatedConnector: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// The EV driver brings the cable.
    case socket
    /// A cable fixed to the station.
    case captive(ratingAmperes: Int)
  }

  /// OCPP connector id, 1 or more.
  public var id: Int
  public var kind: Kind
  /// It has a plug retention lock.
  public var hasLock: Bool

  public init(id: Int, kind: Kind, hasLock: Bool) {
    self.id = id
    self.kind = kind
    self.hasLock = hasLock
  }
}
