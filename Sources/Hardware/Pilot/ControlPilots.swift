import DeviceModel

/// The controllers that a station's components are bound to, and what they do beside the control pilot.
///
/// `offer` goes to the driver of `pilots` with the EVSE and connector; a contactor, lock, RCD or emergency stop of `parts` is
/// recognised by its capability protocol. Start all, in any order; stop the pilots last, then the buses.
public struct ControlPilots: Sendable {
  /// In the order of the bindings.
  public let pilots: [any ControlPilot]
  /// What the controllers serve beside it: `Contactor`, `ConnectorLock`, `ResidualCurrentDevice`, `SafetyInput`.
  public let parts: [any Driver]

  /// Opens nothing. `buses` was made from the same bindings.
  public init(_ bindings: [DriverBinding], buses: ModbusBuses) {
    var pilots: [any ControlPilot] = []
    var parts: [any Driver] = []
    for binding in bindings {
      let served = bindings.compactMap { other -> ComponentID? in
        guard case .controllerPart(let part) = other, part.controller == binding.component else { return nil }
        return part.component
      }
      switch binding {
      case .evseController(let controller):
        guard let bus = buses.bus(controller.bus) else { continue }
        let driver = ModbusEVSEController(controller, bus: bus)
        pilots.append(driver)
        parts += served.map { ModbusEVSEContactor($0, of: driver) }
      case .safetyController(let controller):
        let driver = SafetyController(controller, parts: served)
        pilots.append(driver)
        parts += driver.parts
      default: continue
      }
    }
    self.pilots = pilots
    self.parts = parts
  }

  /// Everything goes to its safe state; each controller is waited for, at most a second.
  public func stop() {
    for part in parts { part.stop() }
    for pilot in pilots { pilot.stop() }
  }
}

/// The token readers that a station's components are bound to.
public struct TokenReaders: Sendable {
  public let readers: [any TokenReader]

  /// Opens nothing.
  public init(_ bindings: [DriverBinding]) {
    readers = bindings.compactMap { binding in
      guard case .tokenReader(let reader) = binding else { return nil }
      return DeviceTokenReader(reader)
    }
  }

  public func stop() {
    for reader in readers { reader.stop() }
  }
}

/// The temperature sensors that a station's components are bound to.
public struct TemperatureSensors: Sendable {
  public let sensors: [any TemperatureSensor]

  /// Opens nothing.
  public init(_ bindings: [DriverBinding]) {
    sensors = bindings.compactMap { binding in
      guard case .temperature(let sensor) = binding else { return nil }
      return SysfsTemperature(sensor)
    }
  }

  public func stop() {
    for sensor in sensors { sensor.stop() }
  }
}
