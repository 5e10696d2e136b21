import OCPP
import StationCore

/// Decides what a meter's readings are worth: a value without clock or bus.
///
/// The energy registers never fall and never rise faster than the installation's power allows. A reading that breaks
/// this is suspect and read again. When three in a row agree with each other, the register itself has changed (the meter was
/// replaced or reset): that is the fault `EnergyRegisterChanged`, and no energy is passed on until `acceptChange`. A meter that
/// gives no good reading for `staleAfter` is unknown and has the fault `PowerMeterFailure` until it gives one.
struct MeterJudge {
  struct Limits: Hashable {
    /// The most that can flow, in milliwatts.
    var maxPower: Int64
    /// What one step of the energy register is worth, in milliwatt-hours.
    var energyStep: Int64
    /// Age of the last good reading at which the meter counts as unknown.
    var staleAfter: TimeSpan
    /// Agreeing suspect readings that make a change.
    var agreeing = 3
  }

  struct Verdict: Hashable {
    var reading: Reading<MeterReading>
    var raised: [HardwareFault] = []
    var cleared: [HardwareFault] = []
    /// Read again at once.
    var readAgain = false
  }

  private struct Point: Hashable {
    var energyImport: Int64?
    var energyExport: Int64?
    var time: MonotonicTime
  }

  static let failureName = "PowerMeterFailure"
  static let changeName = "EnergyRegisterChanged"
  /// Of a supply, millihertz.
  private static let frequencies: ClosedRange<Int64> = 40_000...70_000

  let evse: Int
  let limits: Limits
  private var accepted: Point?
  private var suspects: [Point] = []
  private var lastGood: MonotonicTime
  private(set) var isFailed = false
  private(set) var isChanged = false

  /// `start`: from when the silence of a meter that never answers is counted.
  init(evse: Int, limits: Limits, start: MonotonicTime) {
    self.evse = evse
    self.limits = limits
    lastGood = start
  }

  /// A reading that was decoded, acquired at a time.
  mutating func judge(_ reading: MeterReading, at time: MonotonicTime) -> Verdict {
    var reading = reading
    reading.others.removeAll { !isPossible($0) }
    if let last = accepted?.time, time < last {
      return suspect(reading, "acquired before the last reading", time, false)
    }
    if let why = outOfRange(reading) { return suspect(reading, why, time, true) }
    let point = Point(energyImport: reading.energyImport, energyExport: reading.energyExport, time: time)
    if isChanged { return withoutEnergy(reading, point) }
    if let accepted, let why = contradiction(accepted, point) {
      if let last = suspects.last, contradiction(last, point) != nil { suspects = [] }
      suspects.append(point)
      guard suspects.count >= limits.agreeing else { return suspect(reading, why, time, true) }
      suspects = []
      isChanged = true
      var verdict = withoutEnergy(reading, point)
      verdict.raised.append(HardwareFault(name: Self.changeName, evse: evse))
      return verdict
    }
    suspects = []
    accepted = merged(point)
    return good(reading, time)
  }

  /// A poll that gave nothing, known at a time.
  mutating func missed(_ why: String, at now: MonotonicTime) -> Verdict {
    var verdict = Verdict(reading: .unknown(why, since: lastGood))
    if !isFailed, now - lastGood >= limits.staleAfter {
      isFailed = true
      verdict.raised = [HardwareFault(name: Self.failureName, evse: evse)]
    }
    return verdict
  }

  /// Somebody has looked: the register's present value is where counting goes on.
  mutating func acceptChange() -> [HardwareFault] {
    guard isChanged else { return [] }
    isChanged = false
    accepted = nil
    return [HardwareFault(name: Self.changeName, evse: evse)]
  }

  // MARK: Verdicts

  private mutating func good(_ reading: MeterReading, _ time: MonotonicTime) -> Verdict {
    lastGood = time
    var verdict = Verdict(reading: .good(reading, at: time))
    if isFailed {
      isFailed = false
      verdict.cleared = [HardwareFault(name: Self.failureName, evse: evse)]
    }
    return verdict
  }

  /// The other values of a meter whose register cannot be billed.
  private mutating func withoutEnergy(_ reading: MeterReading, _ point: Point) -> Verdict {
    var rest = reading
    rest.energyImport = nil
    rest.energyExport = nil
    rest.others.removeAll { $0.measurand == .energyActiveImportRegister || $0.measurand == .energyActiveExportRegister }
    return good(rest, point.time)
  }

  private mutating func suspect(
    _ reading: MeterReading, _ why: String, _ time: MonotonicTime, _ again: Bool
  ) -> Verdict {
    var verdict = missed(why, at: time)
    verdict.reading = .suspect(reading, why, at: time)
    verdict.readAgain = again
    return verdict
  }

  /// A register that is absent for once keeps its last value to compare with.
  private func merged(_ point: Point) -> Point {
    Point(
      energyImport: point.energyImport ?? accepted?.energyImport,
      energyExport: point.energyExport ?? accepted?.energyExport, time: point.time)
  }

  // MARK: Plausibility

  private func contradiction(_ old: Point, _ new: Point) -> String? {
    contradiction("energyImport", old.energyImport, new.energyImport, new.time - old.time)
      ?? contradiction("energyExport", old.energyExport, new.energyExport, new.time - old.time)
  }

  private func contradiction(_ name: String, _ old: Int64?, _ new: Int64?, _ span: TimeSpan) -> String? {
    guard let old, let new else { return nil }
    if new < old { return "\(name) fell from \(Self.wattHours(old)) to \(Self.wattHours(new))" }
    // mW × ns / 3.6e12 = mWh; two steps, because both ends may be rounded, and 3 s for the meter's own sampling and the length of a poll.
    let time = Int128(span.nanoseconds) + 3_000_000_000
    let most = Int128(limits.maxPower) * time / 3_600_000_000_000 + Int128(limits.energyStep) * 2
    guard Int128(new) - Int128(old) > most else { return nil }
    return
      "\(name) rose from \(Self.wattHours(old)) to \(Self.wattHours(new)) in \(span.milliseconds) ms, "
      + "more than \(limits.maxPower / 1000) W can"
  }

  /// Whether a supply can have such a value. What only informs is left out where it cannot; the reading stands.
  private func isPossible(_ sample: MeterSample) -> Bool {
    switch sample.measurand {
    case .energyActiveImportRegister, .energyActiveExportRegister: return sample.thousandths >= 0
    case .powerFactor: return (-1000...1000).contains(sample.thousandths)
    case .voltage, .currentImport, .currentExport: return (0...1_000_000).contains(sample.thousandths)
    case .frequency: return sample.thousandths == 0 || Self.frequencies.contains(sample.thousandths)
    default: return sample.thousandths.magnitude <= UInt64(clamping: limits.maxPower) * 2
    }
  }

  /// Values that no supply has, whatever happened before.
  private func outOfRange(_ reading: MeterReading) -> String? {
    if let energy = reading.energyImport, energy < 0 { return "energyImport is \(Self.wattHours(energy))" }
    if let energy = reading.energyExport, energy < 0 { return "energyExport is \(Self.wattHours(energy))" }
    if let power = reading.power, power.magnitude > UInt64(clamping: limits.maxPower) * 2 {
      return "power is \(power / 1000) W, twice what can flow is \(limits.maxPower / 500) W"
    }
    for voltage in reading.voltage where !(0...1_000_000).contains(voltage) { return "voltage is \(voltage) mV" }
    for current in reading.current where current.magnitude > 1_000_000 { return "current is \(current) mA" }
    if let frequency = reading.frequency, frequency != 0, !Self.frequencies.contains(frequency) {
      return "frequency is \(frequency) mHz"
    }
    return nil
  }

  private static func wattHours(_ milli: Int64) -> String {
    let fraction = String(1000 + milli.magnitude % 1000).dropFirst()
    return "\(milli < 0 ? "-" : "")\(milli.magnitude / 1000).\(fraction) Wh"
  }
}
