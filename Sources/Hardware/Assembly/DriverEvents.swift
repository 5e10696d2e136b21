import DeviceModel
import StationCore

extension DriverReport {
  /// What the core is told.
  /// - Parameters:
  ///   - now: The machine's monotonic clock.
  ///   - wall: The station's time at that moment as OCPP messages show it, UTC milliseconds.
  public func events(now: MonotonicTime, wall: Int64) -> [HardwareEvent] {
    switch self {
    case .meter(let update): return update.events(now: now, wall: wall)
    case .driver(let component, let update):
      func own(_ fault: HardwareFault) -> HardwareFault {
        var fault = fault
        fault.source = component.description
        return fault
      }
      let events = update.raised.map { HardwareEvent.faultRaised(own($0)) } + Self.value(of: update, component)
      return events + update.cleared.map { HardwareEvent.faultCleared(own($0)) }
    }
  }

  /// Values that are not good are no news, but for a temperature, whose absence is. The driver raises the fault.
  private static func value(of update: DriverUpdate, _ component: ComponentID) -> [HardwareEvent] {
    let (evse, connector) = (component.evse ?? 0, component.connector ?? 1)
    guard case .good = update.reading.quality, let value = update.reading.value else {
      let isSensor = component.isNamed("TemperatureSensor")
      return isSensor ? [.temperature(sensor: component, milliCelsius: nil)] : []
    }
    switch value {
    case .pilot(let state): return [.pilot(evse: evse, connector: connector, state: state)]
    case .cable(let rating): return [.cable(evse: evse, connector: connector, ratingAmperes: rating)]
    case .contactor(let closed): return [.contactor(evse: evse, closed: closed)]
    case .lock(let locked): return [.lock(evse: evse, connector: connector, locked: locked)]
    case .lockFailed: return [.lockFailed(evse: evse, connector: connector)]
    case .temperature(let value): return [.temperature(sensor: component, milliCelsius: value)]
    case .token(let presentation): return [.token(presentation)]
    case .tripped(let occupied) where component.isNamed(baySensor): return [.bay(evse: evse, occupied: occupied)]
    case .tripped(let tripped):
      let fault = HardwareFault(
        name: trip(of: component), evse: evse, connector: component.connector, source: component.description)
      return [tripped ? .faultRaised(fault) : .faultCleared(fault)]
    }
  }

  /// An input whose trip is a vehicle in the parking bay.
  static let baySensor = "BayOccupancySensor"

  /// The fault that a tripped input is.
  static func trip(of component: ComponentID) -> String {
    let names = [
      "EmergencyStopSensor": "EmergencyStop", "RCD": "GroundFailure", "ELVSupply": "SupplyFailure",
      "CaseAccessSensor": "CaseOpened", "AccessBarrier": "CaseOpened", "TiltSensor": "Tilted",
      "FloodSensor": "WaterDetected",
    ]
    return names.first { component.isNamed($0.key) }?.value ?? component.name + "Tripped"
  }
}
