import DeviceModel
import OCPP

/// What the station measures and senses, in the standardized variables of the appendix: for GetVariables, reports and
/// monitors. A variable that the component files do not have is not written.
///
/// | component | variables |
/// |---|---|
/// | EVSE | Power (W), ACCurrent (A), ACVoltage (V), of L1, L2, L3 by instance, or without one their mean |
/// | FiscalMetering | EnergyImportRegister, EnergyExportRegister (Wh) |
/// | ChargingStation | Power: of the main meter, or what the EVSEs draw together; ACCurrent, ACVoltage of the main meter |
/// | ElectricalFeed | Power, ACCurrent, ACVoltage of the main meter |
/// | CPPWMController | State (A to F), Active: a vehicle is connected |
/// | PowerContactor | Active: closed, by its mirror contact |
/// | ConnectorPlugRetentionLock | Active: locked |
/// | ConnectorProtectionRelease | Active: unlocked |
///
/// TemperatureSensor is in `Temperature.swift`, AvailabilityState in `Availability.swift`, Problem and its like in
/// `Faults.swift`.
struct LiveVariables: Sendable {
  /// One value of a meter and the variables that show it.
  struct Slot: Sendable {
    var handles: [AttributeHandle]
    /// What they show, thousandths; `nil`: not known.
    var shown: Int64?
  }

  /// The values of a meter, in this order in `meters`.
  enum Value: Int, CaseIterable {
    case power, current1, current2, current3, current, voltage1, voltage2, voltage3, voltage, energyImport, energyExport

    var variable: VariableID {
      switch self {
      case .power: return VariableID("Power")
      case .current1: return VariableID("ACCurrent", instance: "L1")
      case .current2: return VariableID("ACCurrent", instance: "L2")
      case .current3: return VariableID("ACCurrent", instance: "L3")
      case .current: return VariableID("ACCurrent")
      case .voltage1: return VariableID("ACVoltage", instance: "L1")
      case .voltage2: return VariableID("ACVoltage", instance: "L2")
      case .voltage3: return VariableID("ACVoltage", instance: "L3")
      case .voltage: return VariableID("ACVoltage")
      case .energyImport: return VariableID("EnergyImportRegister")
      case .energyExport: return VariableID("EnergyExportRegister")
      }
    }

    func value(of reading: MeterReading) -> Int64? {
      func phase(_ values: [Int64], _ index: Int) -> Int64? { index < values.count ? values[index] : nil }
      func mean(_ values: [Int64]) -> Int64? {
        values.isEmpty ? nil : values.reduce(0, +) / Int64(values.count)
      }
      switch self {
      case .power: return reading.power
      case .current1: return phase(reading.current, 0)
      case .current2: return phase(reading.current, 1)
      case .current3: return phase(reading.current, 2)
      case .current: return mean(reading.current)
      case .voltage1: return phase(reading.voltage, 0)
      case .voltage2: return phase(reading.voltage, 1)
      case .voltage3: return phase(reading.voltage, 2)
      case .voltage: return mean(reading.voltage)
      case .energyImport: return reading.energyImport
      case .energyExport: return reading.energyExport
      }
    }
  }

  /// The main meter, then those of the EVSEs: a slot for each `Value`.
  var meters: [[Slot]]
  /// ChargingStation/Power where there is no main meter.
  var total: Slot

  init(_ model: DeviceModel, evses: Int) {
    meters = (0...evses).map { evse in
      let number = evse == 0 ? nil : evse
      let places =
        evse == 0
        ? [ComponentID("ChargingStation"), ComponentID("ElectricalFeed")] : [ComponentID("EVSE", evse: evse)]
      return Value.allCases.map { value in
        let isRegister = value == .energyImport || value == .energyExport
        let components = isRegister ? [ComponentID("FiscalMetering", evse: number)] : places
        return Slot(handles: components.compactMap { model.handle($0, value.variable) })
      }
    }
    total = Slot(handles: [model.handle(ComponentID("ChargingStation"), VariableID("Power"))].compactMap { $0 })
  }
}

extension Station {
  /// Brings the variables up to date with what the hardware has said.
  mutating func showInModel(_ event: HardwareEvent) {
    switch event {
    case .meter(let reading): show(reading)
    case .pilot(let evse, _, let state):
      let component = ComponentID("CPPWMController", evse: evse)
      setByStation(state.rawValue, VariableAddress(component, VariableID("State")))
      let isConnected = state == .b || state == .c || state == .d
      setByStation(isConnected ? "true" : "false", VariableAddress(component, VariableID("Active")))
    case .contactor(let evse, let closed):
      setByStation(closed ? "true" : "false", VariableAddress("PowerContactor", evse: evse, "Active"))
    case .lock(let evse, let connector, let locked):
      setByStation(
        locked ? "true" : "false",
        VariableAddress("ConnectorPlugRetentionLock", evse: evse, connector: connector, "Active"))
      setByStation(
        locked ? "false" : "true",
        VariableAddress("ConnectorProtectionRelease", evse: evse, connector: connector, "Active"))
    case .faultRaised(let fault) where fault.name == "PowerMeterFailure":
      // What was read before is no longer known.
      show(MeterReading(evse: fault.evse))
    default: break
    }
  }

  private mutating func show(_ reading: MeterReading) {
    guard live.meters.indices.contains(reading.evse) else { return }
    for value in LiveVariables.Value.allCases {
      let slot = live.meters[reading.evse][value.rawValue]
      guard !slot.handles.isEmpty else { continue }
      let new = value.value(of: reading)
      guard new != slot.shown else { continue }
      live.meters[reading.evse][value.rawValue].shown = new
      show(new, slot.handles)
    }
    guard reading.evse > 0, mainMeter.reading.power == nil, !live.total.handles.isEmpty else { return }
    let powers = evses.compactMap { $0.meter.reading.power }
    let total = powers.isEmpty ? nil : powers.reduce(0, +)
    guard total != live.total.shown else { return }
    live.total.shown = total
    show(total, live.total.handles)
  }

  private mutating func show(_ thousandths: Int64?, _ handles: [AttributeHandle]) {
    let text = thousandths.map { DecimalNumber(mantissa: $0, exponent: -3).description } ?? ""
    for handle in handles { _ = model.set(text, handle, by: .station) }
  }

  /// ClockCtrlr/DateTime is filled in when it is read.
  mutating func refreshClock() { setByStation(timestamp.description, Setting.dateTime) }

  mutating func refreshClock(for variable: VariableHandle) {
    if model.component(of: variable) == Setting.dateTime.component { refreshClock() }
  }
}
