import DeviceModel

/// Finding out which device answers.
public enum MeterProbe {
  /// How sure it is that a device is of a model.
  public enum Match: Int, Hashable, Sendable, Comparable {
    /// It answers the model's reads with values that a supply can have.
    case plausible
    /// A register that decides says so.
    case identified

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  /// Reads what the device tells of itself. `different` when a register that decides says that it is something else.
  static func identify(
    _ model: MeterModel, with reader: FieldReader, deadline: MonotonicTime,
    _ answer: @escaping @Sendable (ProbeResult<MeterIdentity>) -> Void
  ) {
    guard !model.identity.isEmpty else {
      return reader.read(Array(MeterValues.polled(model).values), deadline: deadline) { outcome, _ in
        switch outcome {
        case .failed(let failure): answer(.absent(failure.text))
        case .registers: answer(.found(MeterIdentity(vendor: model.vendor, model: model.id)))
        }
      }
    }
    reader.read(model.identity.map(\.field), deadline: deadline) { outcome, _ in
      switch outcome {
      case .failed(let failure): answer(.absent(failure.text))
      case .registers(let registers): answer(identity(model, in: registers.values))
      }
    }
  }

  static func identity(_ model: MeterModel, in registers: RegisterDecoder.Registers) -> ProbeResult<MeterIdentity> {
    var identity = MeterIdentity(vendor: model.vendor, model: model.id)
    for field in model.identity {
      guard let text = text(of: field, in: registers) else {
        if field.decides { return .different("\(field.name) could not be read") }
        continue
      }
      if field.decides, !matches(field, in: registers) { return .different("\(field.name) is \(text)") }
      if field.name == "serialNumber" { identity.serialNumber = text } else { identity.details[field.name] = text }
    }
    return .found(identity)
  }

  /// The value for a person: a text, what the number means, or the number.
  static func text(of field: MeterModel.IdentityField, in registers: RegisterDecoder.Registers) -> String? {
    guard field.field.parts.first?.type != .string else { return RegisterDecoder.text(field.field, in: registers) }
    return RegisterDecoder.bits(field.field, in: registers).map { field.values[$0] ?? String($0) }
  }

  private static func matches(_ field: MeterModel.IdentityField, in registers: RegisterDecoder.Registers) -> Bool {
    if let prefix = field.prefix { return RegisterDecoder.text(field.field, in: registers)?.hasPrefix(prefix) == true }
    return RegisterDecoder.bits(field.field, in: registers).map { field.values[$0] != nil } ?? false
  }

  /// How well values fit a supply: every phase voltage 80 to 300 V or 0 on a phase that is not connected, frequency 45 to
  /// 65 Hz, energy not negative. `nil` when they do not, or when the model has no voltage or frequency to judge by.
  static func plausible(_ model: MeterModel, _ values: MeterValues) -> Bool {
    guard values.invalid.isEmpty, let energy = values.numbers[MeterQuantity(.energyImport)], energy >= 0,
      let voltage = values.numbers[MeterQuantity(.voltage, phase: 1)], (80_000...300_000).contains(voltage),
      let frequency = values.numbers[MeterQuantity(.frequency)], (45_000...65_000).contains(frequency)
    else { return false }
    return (2...3).allSatisfy { phase in
      values.numbers[MeterQuantity(.voltage, phase: phase)].map { $0 == 0 || (80_000...300_000).contains($0) } ?? true
    }
  }
}
