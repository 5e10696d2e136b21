/// What outlives the process: the meters' registers always, cables, EVs and locks when they are to be kept.
///
/// A real meter's register never goes back, so the simulated one does not either. Faults, stuck locks, held readings and
/// the positions of contactors do not outlive the process.
public struct SavedSimulation: Hashable, Sendable {
  struct Connector: Hashable, Sendable {
    var id: Int
    /// Rating of a cable in a socket, amperes; `nil` for an empty socket, and for a captive cable.
    var cable: Int?
    var locked: Bool
  }

  struct EV: Hashable, Sendable {
    var connector: Int
    var spec: SimulatedEV
    var demand: EVDemand
    var taken: EnergyRegister
    var battery: ConnectedEV.Battery?
  }

  struct EVSE: Hashable, Sendable {
    var id: Int
    var register: EnergyRegister
    var connectors: [Connector]
    var ev: EV?
    var bayIsOccupied = false
  }

  var evses: [EVSE]
  var mainRegister: EnergyRegister
}

extension SimulatedHardware {
  /// What has to be stored to go on after a restart.
  public var saved: SavedSimulation {
    SavedSimulation(evses: evses.map(\.saved), mainRegister: mainMeter.register)
  }
}

extension EVSESimulation {
  fileprivate var saved: SavedSimulation.EVSE {
    SavedSimulation.EVSE(
      id: layout.id, register: meter.register,
      connectors: connectors.map { connector in
        SavedSimulation.Connector(
          id: connector.layout.id, cable: connector.layout.kind == .socket ? connector.cable : nil,
          locked: connector.lock.state)
      },
      ev: ev.map { ev in
        SavedSimulation.EV(
          connector: connectors[ev.connector].layout.id, spec: ev.spec, demand: ev.demand, taken: ev.taken,
          battery: ev.battery)
      }, bayIsOccupied: bayIsOccupied)
  }

  /// Puts cables, locks, the EV and the vehicle in the bay back. The contactor is open and there is no offer, so S2 is open.
  mutating func restore(_ saved: SavedSimulation.EVSE) {
    bayIsOccupied = saved.bayIsOccupied && layout.hasBaySensor
    for connector in saved.connectors {
      guard let index = index(connector.id) else { continue }
      if connectors[index].layout.kind == .socket { connectors[index].cable = connector.cable }
      if connectors[index].layout.hasLock {
        connectors[index].lock = Actuator(state: connector.locked, target: connector.locked)
      }
    }
    guard let former = saved.ev, let index = index(former.connector) else { return }
    var restored = ConnectedEV(former.spec, connector: index, at: time)
    restored.demand = former.demand
    restored.taken = former.taken
    restored.battery = former.battery
    ev = restored
    // A socket that used to be a captive cable's connector: the EV's own cable is in it.
    if connectors[index].cable == nil { connectors[index].cable = former.spec.cableRating }
  }
}
