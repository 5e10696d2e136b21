import DeviceModel
import OCPP

/// Temperatures inside the station: they lower the current before they stop it.
///
/// The thresholds are attributes of TemperatureSensor/Temperature: above `Target` the current is derated, down to 6 A at
/// `MaxSet`, and at `MaxSet` charging stops (fault OverTemperature) until it is below `Target` again, or 5 K below
/// `MaxSet` when there is no `Target`. A sensor that cannot be read derates to 6 A: unknown is not cool.
struct Temperatures: Sendable {
  struct Sensor: Sendable {
    /// `nil`: unknown.
    var milliCelsius: Int64?
    /// The current limit that it puts on its EVSEs, milliamperes per phase; `nil`: none.
    var limit: Int64?
    var isTooHot = false
  }

  var sensors: [ComponentID: Sensor] = [:]

  /// Recovery below MaxSet where there is no Target, thousandths of a Kelvin.
  static let hysteresis: Int64 = 5000
  /// Derating moves in steps of so many milliamperes, so that the duty cycle does not follow every tenth of a degree.
  static let step: Int64 = 1000
  static let sensorLimit = 64
}

extension Station {
  mutating func temperatureRead(_ component: ComponentID, _ value: Int64?) {
    var sensor = temperatures.sensors[component] ?? Temperatures.Sensor()
    guard temperatures.sensors[component] != nil || temperatures.sensors.count < Temperatures.sensorLimit else {
      return
    }
    let variable = VariableID("Temperature")
    sensor.milliCelsius = value
    if let value {
      setByStation(DecimalNumber(mantissa: value / 100, exponent: -1).description, VariableAddress(component, variable))
    }
    let target = threshold(component, .target)
    let maximum = threshold(component, .maxSet)
    let wasTooHot = sensor.isTooHot
    if let maximum, let value {
      if value >= maximum { sensor.isTooHot = true }
      if value < target ?? maximum - Temperatures.hysteresis { sensor.isTooHot = false }
    }
    sensor.limit = derated(value, from: target, to: maximum, at: component, before: sensor.limit)
    temperatures.sensors[component] = sensor
    let fault = HardwareFault(name: "OverTemperature", evse: component.evse ?? 0, severity: .high)
    if sensor.isTooHot, !wasTooHot { faultRaised(fault) }
    if !sensor.isTooHot, wasTooHot,
      !temperatures.sensors.contains(where: { $0.value.isTooHot && $0.key.evse == component.evse })
    {
      faultCleared(fault)
    }
  }

  private func threshold(_ component: ComponentID, _ attribute: AttributeEnumType) -> Int64? {
    guard let text = model.value(component, VariableID("Temperature"), attribute) else { return nil }
    return DecimalNumber(text)?.scaled(byPowerOfTen: 3)?.rounded.int.map { Int64($0) }
  }

  /// The current that is left at a temperature, linear between the thresholds.
  private func derated(
    _ value: Int64?, from target: Int64?, to maximum: Int64?, at component: ComponentID, before: Int64?
  ) -> Int64? {
    guard let value else { return PowerBudget.minimum }
    guard let target, let maximum, maximum > target, value > target else { return nil }
    let full = evses.filter { component.evse == nil || $0.id == component.evse }.map(\.maxCurrent).max() ?? 0
    guard full > PowerBudget.minimum else { return full }
    let span = full - PowerBudget.minimum
    let exact = max(PowerBudget.minimum, full - span * (min(value, maximum) - target) / (maximum - target))
    // Up again only when a whole step is won.
    if let before, exact > before, exact - before < Temperatures.step * 3 / 2 { return before }
    return max(PowerBudget.minimum, exact / Temperatures.step * Temperatures.step)
  }

  /// What the temperatures leave an EVSE.
  func temperatureLimit(at index: Int) -> Int64? {
    temperatures.sensors.filter { $0.key.evse == nil || $0.key.evse == evses[index].id }.compactMap(\.value.limit).min()
  }
}
