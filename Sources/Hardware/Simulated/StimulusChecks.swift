extension SimulatedEV {
  /// Throws when a value is not physically sensible.
  func check() throws(StimulusError) {
    try Thousandths.check(maxCurrent, "ev.maxCurrentA", 0...1_000, "A")
    guard (1...3).contains(phases) else { throw StimulusError("ev.phases is \(phases), expected 1-3") }
    guard (0...3_600_000).contains(chargeDelay) else {
      throw StimulusError("ev.chargeDelayMs is \(chargeDelay), expected 0-3600000 ms")
    }
    guard [13, 20, 32, 63].contains(cableRating) else {
      throw StimulusError("ev.cableA is \(cableRating), expected 13, 20, 32 or 63 A")
    }
    try Thousandths.check(batteryCapacity, "ev.batteryCapacityWh", 1...10_000_000, "Wh")
    if let stateOfCharge { try Thousandths.check(stateOfCharge, "ev.soc", 0...100, "%") }
    if let energyNeeded { try Thousandths.check(energyNeeded, "ev.energyNeededWh", 0...10_000_000, "Wh") }
  }
}

extension MeterSetting {
  /// Throws when a meter of so many phases cannot read these values. Phases that it does not have may be given as 0.
  func check(phases: Int) throws(StimulusError) {
    if let energyImport { try Thousandths.check(energyImport, "energyWh", 0...1_000_000_000_000, "Wh") }
    if let power { try Thousandths.check(power, "powerW", 0...10_000_000, "W") }
    try check(current, "currentA", 0...10_000, "A", phases)
    try check(voltage, "voltageV", 0...1_000, "V", phases)
    if let frequency { try Thousandths.check(frequency, "frequencyHz", 0...1_000, "Hz") }
    if let stateOfCharge { try Thousandths.check(stateOfCharge, "soc", 0...100, "%") }
  }

  private func check(
    _ values: [Int64]?, _ field: String, _ range: ClosedRange<Int64>, _ unit: String, _ phases: Int
  ) throws(StimulusError) {
    guard let values else { return }
    guard (1...3).contains(values.count) else {
      throw StimulusError("\(field) has \(values.count) values, expected 1-3")
    }
    for (phase, value) in values.enumerated() {
      try Thousandths.check(value, "\(field)[\(phase)]", range, unit)
      guard phase < phases || value == 0 else {
        let given = "\(field)[\(phase)] is \(Thousandths.text(value)) \(unit)"
        throw StimulusError("\(given), but the meter has \(phases) phase\(phases == 1 ? "" : "s")")
      }
    }
  }
}

/// Quantities in thousandths of the unit that people give them in.
enum Thousandths {
  /// Throws when `value` (thousandths of `unit`) is not within `range` (in `unit`).
  static func check(
    _ value: Int64, _ field: String, _ range: ClosedRange<Int64>, _ unit: String
  ) throws(StimulusError) {
    guard value >= range.lowerBound * 1_000 && value <= range.upperBound * 1_000 else {
      throw StimulusError("\(field) is \(text(value)), expected \(range.lowerBound)-\(range.upperBound) \(unit)")
    }
  }

  /// 1500 is "1.5".
  static func text(_ value: Int64) -> String {
    let whole = value / 1_000
    var digits = String(String((value % 1_000).magnitude + 1_000).dropFirst())
    while digits.last == "0" { digits.removeLast() }
    let sign = value < 0 && whole == 0 ? "-" : ""
    return digits.isEmpty ? "\(whole)" : "\(sign)\(whole).\(digits)"
  }
}
