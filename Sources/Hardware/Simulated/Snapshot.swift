import StationCore

/// What is to be seen at one EVSE, as of the latest time the hardware was given.
public struct EVSESnapshot: Hashable, Sendable {
  public var id: Int
  /// The contactor really is closed.
  public var contactorClosed: Bool
  public var connectors: [ConnectorSnapshot]
  /// The EV that is plugged in.
  public var ev: EVSnapshot?
  public var meter: MeterReading
  public var faults: [HardwareFault]
}

/// What is to be seen at one connector.
public struct ConnectorSnapshot: Hashable, Sendable {
  public var id: Int
  /// An EV is connected.
  public var plugged: Bool
  /// `nil` when there is no lock.
  public var locked: Bool?
  /// Rating of the cable that is there, amperes.
  public var cableRating: Int?
  public var pilot: PilotState
  /// Offered current, milliamperes; `nil` is a steady pilot.
  public var offer: Int64?
}

/// What an EV does.
public struct EVSnapshot: Hashable, Sendable {
  public var connector: Int
  public var mode: SimulatedEV.Mode
  public var demand: EVDemand
  /// Thousandths of a percent.
  public var stateOfCharge: Int64?
  /// Energy it has taken since it was plugged in, milliwatt-hours.
  public var energyTaken: Int64
}

extension SimulatedHardware {
  public var evseIDs: [Int] { evses.map(\.layout.id) }

  /// `nil` when there is no such EVSE.
  public func snapshot(evse id: Int) -> EVSESnapshot? {
    guard let index = index(id) else { return nil }
    let evse = evses[index]
    return EVSESnapshot(
      id: id, contactorClosed: evse.contactor.state,
      connectors: evse.connectors.indices.map { evse.snapshot(connector: $0) },
      ev: evse.ev.map { ev in
        EVSnapshot(
          connector: evse.connectors[ev.connector].layout.id, mode: ev.spec.mode, demand: ev.demand,
          stateOfCharge: ev.battery?.stateOfCharge, energyTaken: ev.taken.milliwattHours)
      },
      meter: evse.meter.reading(evse.flow), faults: faults.filter { $0.evse == id })
  }

  /// What the main meter reads.
  public var mainMeterReading: MeterReading { mainMeter.reading(mainFlow) }

  /// Faults of the station as a whole.
  public var stationFaults: [HardwareFault] { faults.filter { $0.evse == 0 } }
}

extension EVSESimulation {
  fileprivate func snapshot(connector index: Int) -> ConnectorSnapshot {
    let connector = connectors[index]
    return ConnectorSnapshot(
      id: connector.layout.id, plugged: ev?.connector == index,
      locked: connector.layout.hasLock ? connector.lock.state : nil, cableRating: connector.cable,
      pilot: pilot(index), offer: connector.offer)
  }
}
