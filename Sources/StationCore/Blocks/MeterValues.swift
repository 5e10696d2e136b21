import DeviceModel
import OCPP

/// Functional block J: sampled and clock-aligned meter values (J01, J02).
struct MeterValues: Sendable {
  /// Monotonic time of the next clock-aligned values; `nil` when switched off.
  var nextAligned: Int64?
  var nextAlignedTxEnded: Int64?
  /// The clock-aligned moment has come and the meters are being read for it.
  var awaitsAligned = false
  var awaitsAlignedTxEnded = false

  /// Time that the meters get to answer at a clock-aligned moment, milliseconds; then the last readings count.
  static let readingTime: Int64 = 200
}

/// The last reading of one meter. Too old is unknown, and unknown is left out.
struct MeterState: Hashable, Sendable {
  var reading = MeterReading(evse: 0)
  /// Monotonic time at which it came; `nil` before the first.
  var at: Int64?
  /// UTC milliseconds of the acquisition.
  var acquiredAt: Int64 = 0

  /// Readings older than this are unknown, milliseconds.
  static let maxAge: Int64 = 60_000

  func fresh(at now: StationTime) -> MeterReading? {
    guard let at, now.monotonic - at <= Self.maxAge else { return nil }
    return reading
  }

  /// Phases that carry more than half an ampere.
  var phasesInUse: Int? {
    let count = reading.current.filter { abs($0) > 500 }.count
    return count > 0 ? count : nil
  }
}

extension Station {
  mutating func meterRead(_ reading: MeterReading) {
    let state = MeterState(
      reading: reading, at: now.monotonic, acquiredAt: reading.acquiredAtWall ?? wallTime)
    if reading.evse == 0 {
      mainMeter = state
    } else if evses.indices.contains(reading.evse - 1) {
      evses[reading.evse - 1].meter = state
    } else {
      log(.error, "meter reading for EVSE \(reading.evse), which the device model does not have")
      return
    }
    meterEvent(reading)
  }

  // MARK: One MeterValue

  /// The measurands of a list variable from the EVSE's meter; `nil` when the list is empty or nothing is known.
  func values(
    of evse: EVSE, _ measurands: VariableAddress, context: ReadingContextEnumType
  ) -> MeterValueType? {
    meterValue(evse.meter, list(measurands), context: context, offered: evse.offer)
  }

  func beginValues(at index: Int) -> [MeterValueType]? {
    values(of: evses[index], Setting.sampledTxStartedMeasurands, context: .transactionBegin).map { [$0] }
  }

  func triggeredValues(of meter: MeterState) -> MeterValueType? {
    meterValue(meter, list(Setting.alignedMeasurands), context: .trigger, offered: nil)
  }

  private func meterValue(
    _ meter: MeterState, _ measurands: [String], context: ReadingContextEnumType, offered: Int64?
  ) -> MeterValueType? {
    guard let reading = meter.fresh(at: now), !measurands.isEmpty else { return nil }
    var sampled: [SampledValueType] = []
    for name in measurands {
      guard let measurand = MeasurandEnumType(rawValue: name) else { continue }
      sampled.append(contentsOf: Self.samples(of: measurand, reading, context: context, offered: offered))
    }
    guard !sampled.isEmpty else { return nil }
    return MeterValueType(sampledValue: sampled, timestamp: DateTime(unixMilliseconds: meter.acquiredAt))
  }

  private static let phaseNames: [PhaseEnumType] = [.l1, .l2, .l3]
  private static let phaseVoltageNames: [PhaseEnumType] = [.l1N, .l2N, .l3N]

  /// What the reading has of one measurand, per phase where the meter gives phases. Nothing when it has none.
  static func samples(
    of measurand: MeasurandEnumType, _ reading: MeterReading, context: ReadingContextEnumType, offered: Int64?
  ) -> [SampledValueType] {
    func sample(_ thousandths: Int64, _ unit: String, _ phase: PhaseEnumType? = nil) -> SampledValueType {
      SampledValueType(
        value: DecimalNumber(mantissa: thousandths, exponent: -3), context: context, location: .outlet,
        measurand: measurand, phase: phase, unitOfMeasure: UnitOfMeasureType(unit: unit))
    }
    switch measurand {
    case .energyActiveImportRegister: return reading.energyImport.map { [sample($0, "Wh")] } ?? []
    case .energyActiveExportRegister: return reading.energyExport.map { [sample($0, "Wh")] } ?? []
    case .powerActiveImport: return reading.power.map { [sample(max(0, $0), "W")] } ?? []
    case .currentImport:
      return zip(reading.current, phaseNames).map { sample(max(0, $0), "A", $1) }
    case .voltage: return zip(reading.voltage, phaseVoltageNames).map { sample($0, "V", $1) }
    case .frequency: return reading.frequency.map { [sample($0, "Hz")] } ?? []
    case .soC: return reading.stateOfCharge.map { [sample($0, "Percent")] } ?? []
    case .currentOffered: return offered.map { [sample($0, "A")] } ?? []
    default: return []
    }
  }

  // MARK: Sampled during a transaction (J02)

  mutating func startSampling(at index: Int) {
    restart(TimerID.sampledName, at: index, Setting.sampledTxUpdatedInterval)
    restart(TimerID.txEndedName, at: index, Setting.sampledTxEndedInterval)
  }

  private mutating func restart(_ name: String, at index: Int, _ interval: VariableAddress) {
    let milliseconds = milliseconds(interval, default: 0)
    let id = TimerID.evse(name, evses[index].id)
    if milliseconds > 0 { startTimer(id, after: milliseconds) } else { stopTimer(id) }
  }

  mutating func sampledDataDue(at index: Int) {
    guard evses[index].transaction != nil, evses[index].ending == nil, !evses[index].isResuming else { return }
    restart(TimerID.sampledName, at: index, Setting.sampledTxUpdatedInterval)
    // A silent meter yields no event: its values are absent, not repeated.
    guard evses[index].isMeasuringTransaction,
      let value = values(of: evses[index], Setting.sampledTxUpdatedMeasurands, context: .samplePeriodic)
    else {
      return
    }
    sendUpdated(at: index, trigger: .meterValuePeriodic, values: [value])
  }

  mutating func txEndedSampleDue(at index: Int) {
    guard evses[index].transaction != nil, evses[index].ending == nil else { return }
    restart(TimerID.txEndedName, at: index, Setting.sampledTxEndedInterval)
    if evses[index].isMeasuringTransaction { keepForEnded(at: index, context: .samplePeriodic) }
  }

  /// Keeps values for the Ended event; when there are too many every second one in the middle goes (J02.FR.20).
  mutating func keepForEnded(at index: Int, context: ReadingContextEnumType) {
    guard evses[index].transaction != nil else { return }
    let isAligned = context == .sampleClock
    let measurands = isAligned ? Setting.alignedTxEndedMeasurands : Setting.sampledTxEndedMeasurands
    var value = values(of: evses[index], measurands, context: context)
    if evses[index].ending?.isAfterPowerLoss == true { value = lastCommittedValue(at: index) }
    guard let value else { return }
    evses[index].transaction?.endedSamples.append(value)
    if evses[index].transaction?.endedSamples.count ?? 0 > Transaction.maxEndedSamples { spareEndedSamples(at: index) }
  }

  /// Drops every second of the values for the Ended event, first and last excepted (E12.FR.09, J02.FR.20).
  mutating func spareEndedSamples(at index: Int) {
    let samples = evses[index].transaction?.endedSamples ?? []
    evses[index].transaction?.endedSamples = samples.enumerated().filter { position, _ in
      position == 0 || position >= samples.count - 1 || position % 2 == 0
    }.map(\.element)
  }

  /// The register as it was last committed: what the energy of a transaction is that a power cut ended.
  private func lastCommittedValue(at index: Int) -> MeterValueType? {
    guard let transaction = evses[index].transaction, let energy = transaction.lastEnergy,
      let at = transaction.lastEnergyAt,
      list(Setting.sampledTxEndedMeasurands).contains(MeasurandEnumType.energyActiveImportRegister.rawValue)
    else { return nil }
    let samples = Self.samples(
      of: .energyActiveImportRegister, MeterReading(evse: evses[index].id, energyImport: energy),
      context: .transactionEnd, offered: nil)
    return MeterValueType(sampledValue: samples, timestamp: DateTime(unixMilliseconds: at))
  }

  // MARK: Aligned on the clock (J01)

  /// Sets the timers to the next multiples of the intervals since midnight UTC.
  mutating func scheduleAlignedData() {
    meterValues.nextAligned = schedule(.alignedData, Setting.alignedInterval)
    meterValues.nextAlignedTxEnded = schedule(.alignedTxEnded, Setting.alignedTxEndedInterval)
  }

  private mutating func schedule(_ timer: TimerID, _ interval: VariableAddress) -> Int64? {
    let interval = milliseconds(interval, default: 0)
    guard interval > 0 else {
      stopTimer(timer)
      return nil
    }
    let day: Int64 = 86_400_000
    let sinceMidnight = ((wallTime % day) + day) % day
    // The intervals of a day begin anew at midnight.
    let next = min((sinceMidnight / interval + 1) * interval, day)
    let at = now.monotonic + (next - sinceMidnight)
    emit(.setTimer(timer, at: at))
    return at
  }

  mutating func alignedDataDue() {
    // The wall clock may have been set back meanwhile: then the timer came too early.
    guard let due = meterValues.nextAligned, now.monotonic >= due else { return }
    meterValues.nextAligned = schedule(.alignedData, Setting.alignedInterval)
    meterValues.awaitsAligned = true
    readForAligned()
  }

  private mutating func readForAligned() {
    emit(.hardware(.readMeters))
    startTimer(.alignedReading, after: MeterValues.readingTime)
  }

  mutating func alignedReadingDone() {
    if meterValues.awaitsAligned { reportAlignedData() }
    if meterValues.awaitsAlignedTxEnded { keepAlignedForEnded() }
  }

  private mutating func reportAlignedData() {
    meterValues.awaitsAligned = false
    let measurands = list(Setting.alignedMeasurands)
    let isBusy = evses.contains { $0.transaction != nil }
    if flag(Setting.alignedSendDuringIdle, default: false), isBusy { return }  // J01.FR.19-20
    if let value = meterValue(mainMeter, measurands, context: .sampleClock, offered: nil) {
      reportAligned(evse: 0, value)
    }
    for index in evses.indices {
      let evse = evses[index]
      guard let value = meterValue(evse.meter, measurands, context: .sampleClock, offered: evse.offer) else { continue }
      if evse.isMeasuringTransaction {
        sendUpdated(at: index, trigger: .meterValueClock, values: [value])  // J01.FR.22
      } else {
        reportAligned(evse: evse.id, value)
      }
    }
  }

  private mutating func reportAligned(evse: Int, _ value: MeterValueType) {
    tell(MeterValuesRequest(evseId: evse, meterValue: [value]))
  }

  mutating func alignedTxEndedDue() {
    guard let due = meterValues.nextAlignedTxEnded, now.monotonic >= due else { return }
    meterValues.nextAlignedTxEnded = schedule(.alignedTxEnded, Setting.alignedTxEndedInterval)
    meterValues.awaitsAlignedTxEnded = true
    readForAligned()
  }

  private mutating func keepAlignedForEnded() {
    meterValues.awaitsAlignedTxEnded = false
    for index in evses.indices where evses[index].isMeasuringTransaction && evses[index].ending == nil {
      keepForEnded(at: index, context: .sampleClock)
    }
  }
}
