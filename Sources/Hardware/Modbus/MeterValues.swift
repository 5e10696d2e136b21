import DeviceModel
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
}
