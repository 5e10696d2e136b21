import DeviceModel
import OCPP
import StationCore

/// The values of one poll, by quantity, in thousandths of their unit.
struct MeterValues: Hashable {
  var numbers: [MeterQuantity: Int64] = [:]
  /// Registers that held what cannot be a value: a sign of a wrong model.
  var invalid: [MeterQuantity: String] = [:]

  init(_ fields: [MeterQuantity: MeterField], in registers: RegisterDecoder.Registers) {
    for (quantity, field) in fields {
      switch RegisterDecoder.number(field, in: registers) {
      case .number(let value): numbers[quantity] = value
      case .unavailable: break
      case .invalid(let why): invalid[quantity] = why
      }
    }
  }

  /// The quantities that the core wants to know.
  static func polled(_ model: MeterModel) -> [MeterQuantity: MeterField] {
    model.quantities.filter { quantity, _ in
      switch quantity.kind {
      case .energyImport, .energyExport, .power, .frequency: return quantity.phase == nil
      case .current, .voltage: return quantity.phase != nil
      default: return false
      }
    }
  }

  /// What else OCPP names of what the model has: nothing that safety or a bill waits for.
  static func occasional(_ model: MeterModel) -> [MeterQuantity: MeterField] {
    let polled = polled(model)
    return model.quantities.filter { quantity, _ in
      polled[quantity] == nil && quantity.kind != .energySum && quantity.kind != .temperature
    }
  }

  /// As the core takes it. `inverted`: the meter is wired backwards, so that import and export change places, power
  /// changes its sign, and of currents only the magnitude is known.
  func reading(evse: Int, inverted: Bool) -> MeterReading {
    func value(_ kind: MeterQuantity.Kind) -> Int64? { numbers[MeterQuantity(kind)] }
    func phases(_ kind: MeterQuantity.Kind) -> [Int64] {
      // A phase in the middle that has no value would give the next one its place.
      (1...3).map { numbers[MeterQuantity(kind, phase: $0)] }.prefix { $0 != nil }.compactMap { $0 }
    }
    let current = phases(.current)
    return MeterReading(
      evse: evse, energyImport: value(inverted ? .energyExport : .energyImport),
      energyExport: value(inverted ? .energyImport : .energyExport),
      power: value(.power).map { inverted ? -$0 : $0 },
      current: inverted ? current.map { $0.magnitude > UInt64(Int64.max) ? .max : abs($0) } : current,
      voltage: phases(.voltage), frequency: value(.frequency))
  }

  /// The values that `reading` has no field for, as OCPP names them; what is no value is left out. `inverted`: as for
  /// `reading`; a power factor's sign, which makers define in several ways, is then unknown too.
  func others(inverted: Bool) -> [MeterSample] {
    numbers.sorted { $0.key < $1.key }.flatMap { quantity, value -> [MeterSample] in
      let phase = quantity.phase.map { [PhaseEnumType.l1, .l2, .l3][$0 - 1] }
      func one(_ measurand: MeasurandEnumType, _ value: Int64) -> [MeterSample] {
        [MeterSample(measurand, phase: phase, thousandths: value)]
      }
      /// One number with a sign is two measurands without.
      func both(_ imported: MeasurandEnumType, _ exported: MeasurandEnumType) -> [MeterSample] {
        let flow = inverted ? 0 &- value : value
        return one(imported, max(0, flow)) + one(exported, max(0, 0 &- flow))
      }
      switch quantity.kind {
      case .energyImport where phase != nil:
        return one(inverted ? .energyActiveExportRegister : .energyActiveImportRegister, value)
      case .energyExport where phase != nil:
        return one(inverted ? .energyActiveImportRegister : .energyActiveExportRegister, value)
      case .power where phase != nil: return both(.powerActiveImport, .powerActiveExport)
      case .powerReactive: return both(.powerReactiveImport, .powerReactiveExport)
      case .powerFactor: return one(.powerFactor, inverted ? abs(max(value, -.max)) : value)
      case .current where phase == nil:
        return inverted ? one(.currentImport, abs(max(value, -.max))) : both(.currentImport, .currentExport)
      case .voltage where phase == nil: return one(.voltage, value)
      case .frequency where phase != nil: return one(.frequency, value)
      default: return []
      }
    }
  }
}
