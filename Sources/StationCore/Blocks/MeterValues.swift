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
  /// Registers at the last value of each series, by EVSE (0: the main meter): what an `.Interval` measurand counts from.
  var marks: [Mark: Registers] = [:]

  /// Time that the meters get to answer at a clock-aligned moment, milliseconds; then the last readings count.
  static let readingTime: Int64 = 200

  /// What a value is taken for.
  enum Purpose: Hashable, Sendable {
    case started, updated, ended, aligned, alignedUpdated, alignedEnded, trigger

    var measurands: VariableAddress {
      switch self {
      case .started: return Setting.sampledTxStartedMeasurands
      case .updated: return Setting.sampledTxUpdatedMeasurands
      case .ended: return Setting.sampledTxEndedMeasurands
      case .aligned, .alignedUpdated, .trigger: return Setting.alignedMeasurands
      case .alignedEnded: return Setting.alignedTxEndedMeasurands
      }
    }

    /// Those that come again and again, so that something lies between two of them.
    var series: Series? {
      switch self {
      case .updated: return .updated
      case .ended: return .ended
      case .aligned, .alignedUpdated: return .aligned
      case .alignedEnded: return .alignedEnded
      case .started, .trigger: return nil
      }
    }
  }

  enum Series: Hashable, Sendable {
    case updated, ended, aligned, alignedEnded

    static let ofTransaction: [Series] = [.updated, .ended, .alignedEnded]
  }

  struct Mark: Hashable, Sendable {
    var evse: Int
    var series: Series
  }

  /// Milliwatt-hours; of `since`, what was counted, and `others` named as intervals.
  struct Registers: Hashable, Sendable {
    var imported: Int64?
    var exported: Int64?
    var others: [MeterSample]

    private static let intervals: [MeasurandEnumType: MeasurandEnumType] = [
      .energyActiveImportRegister: .energyActiveImportInterval,
      .energyActiveExportRegister: .energyActiveExportInterval,
      .energyReactiveImportRegister: .energyReactiveImportInterval,
      .energyReactiveExportRegister: .energyReactiveExportInterval,
    ]

    init(_ reading: MeterReading) {
      imported = reading.energyImport
      exported = reading.energyExport
      others = reading.others.filter { Self.intervals[$0.measurand] != nil }
    }

    /// What was counted since `earlier`; nothing of a register that is unknown, or was set back.
    func since(_ earlier: Registers) -> Registers {
      var result = self
      result.imported = Self.difference(imported, earlier.imported)
      result.exported = Self.difference(exported, earlier.exported)
      result.others = others.compactMap { sample in
        let before = earlier.others.first { $0.measurand == sample.measurand && $0.phase == sample.phase }
        guard let interval = Self.intervals[sample.measurand],
          let counted = Self.difference(sample.thousandths, before?.thousandths)
        else { return nil }
        return MeterSample(interval, phase: sample.phase, thousandths: counted)
      }
      return result
    }

    private static func difference(_ now: Int64?, _ before: Int64?) -> Int64? {
      guard let now, let before, now >= before else { return nil }
      return now - before
    }
  }
}

/// The last reading of one meter. Too old is unknown, and unknown is left out.
struct MeterState: Hashable, Sendable {
  var reading = MeterReading(evse: 0)
  /// Monotonic time at which it came; `nil` before the first.
  var at: Int64?
  /// UTC milliseconds of the acquisition.
  var acquiredAt: Int64 = 0
  /// Monotonic time of it: what the wall clock does later does not make the reading older or newer.
  var acquiredSince: Int64 = 0

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
    let acquiredAt = reading.acquiredAtWall ?? wallTime
    let state = MeterState(
      reading: reading, at: now.monotonic, acquiredAt: acquiredAt,
      acquiredSince: now.monotonic - max(0, wallTime - acquiredAt))
    if reading.evse == 0 {
      mainMeter = state
    } else if evses.indices.contains(reading.evse - 1) {
      evses[reading.evse - 1].meter = state
    } else {
      log(.error, "meter reading for EVSE \(reading.evse), which the device model does not have")
      return
    }
    meterEvent(reading)
    if signs(.ended) || signs(.aligned) { checkSigned(reading) }
  }

  // MARK: One MeterValue

  /// The values of the EVSE's meter for a purpose; `nil` when nothing is asked for or known. The next value of the same
  /// series counts its interval from here.
  mutating func sample(
    at index: Int, for purpose: MeterValues.Purpose, context: ReadingContextEnumType
  ) -> MeterValueType? {
    let meter = evses[index].meter
    let interval = takeInterval(meter, evse: evses[index].id, purpose.series, context)
    guard let reading = meter.fresh(at: now) else { return nil }
    var signature: SignedMeterValueType?
    if let signed = reading.signed, signed.fits, signs(purpose) {
      let bringsKey = signedValueBringsKey(evse: evses[index].id)
      signature = signed.value(withKey: bringsKey)
    }
    let value = meterValue(
      meter, list(purpose.measurands), context: context, offered: evses[index].offer, interval: interval,
      signature: signature)
    if value != nil, signature?.publicKey?.isEmpty == false { evses[index].transaction?.publicKeyIsSent = true }
    return value
  }

  private mutating func takeInterval(
    _ meter: MeterState, evse: Int, _ series: MeterValues.Series?, _ context: ReadingContextEnumType
  ) -> MeterValues.Registers? {
    guard let series, let reading = meter.fresh(at: now) else { return nil }
    let registers = MeterValues.Registers(reading)
    let mark = MeterValues.Mark(evse: evse, series: series)
    defer { meterValues.marks[mark] = registers }
    guard context != .transactionBegin else { return nil }
    return meterValues.marks[mark].map(registers.since)
  }

  /// The intervals within a transaction count from its begin.
  private mutating func markBegin(at index: Int) {
    for series in MeterValues.Series.ofTransaction {
      meterValues.marks[MeterValues.Mark(evse: evses[index].id, series: series)] =
        evses[index].meter.fresh(at: now).map(MeterValues.Registers.init)
    }
  }

  mutating func beginValues(at index: Int) -> [MeterValueType]? {
    sample(at: index, for: .started, context: .transactionBegin).map { [$0] }
  }

  /// The measurands of a list variable as the EVSE's meter has them now.
  func triggeredValues(of evse: EVSE, _ measurands: VariableAddress) -> MeterValueType? {
    meterValue(evse.meter, list(measurands), context: .trigger, offered: evse.offer)
  }

  func triggeredValues(of meter: MeterState) -> MeterValueType? {
    meterValue(meter, list(Setting.alignedMeasurands), context: .trigger, offered: nil)
  }

  private func meterValue(
    _ meter: MeterState, _ measurands: [String], context: ReadingContextEnumType, offered: Int64?,
    interval: MeterValues.Registers? = nil, signature: SignedMeterValueType? = nil
  ) -> MeterValueType? {
    guard let reading = meter.fresh(at: now), !measurands.isEmpty else { return nil }
    let withPhases = !flag(Setting.registerValuesWithoutPhases, default: false)
    var sampled: [SampledValueType] = []
    for name in measurands {
      guard let measurand = MeasurandEnumType(rawValue: name) else { continue }
      sampled += Self.samples(of: measurand, reading, context: context, offered: offered, interval: interval).filter {
        withPhases || $0.measurand != .energyActiveImportRegister || $0.phase == nil
      }
    }
    guard !sampled.isEmpty else { return nil }
    if let signature {
      // It is about the register, where that is among the values.
      let place = sampled.firstIndex { $0.measurand == .energyActiveImportRegister && $0.phase == nil }
      sampled[place ?? 0].signedMeterValue = signature
    }
    return MeterValueType(sampledValue: sampled, timestamp: DateTime(unixMilliseconds: meter.acquiredAt))
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
      let value = sample(at: index, for: .updated, context: .samplePeriodic)
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
    if context == .transactionBegin { markBegin(at: index) }
    var value = sample(at: index, for: context == .sampleClock ? .alignedEnded : .ended, context: context)
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
    let isBusy = evses.contains { $0.transaction != nil }
    if flag(Setting.alignedSendDuringIdle, default: false), isBusy { return }  // J01.FR.20
    let interval = takeInterval(mainMeter, evse: 0, .aligned, .sampleClock)
    let main = meterValue(
      mainMeter, list(Setting.alignedMeasurands), context: .sampleClock, offered: nil, interval: interval,
      signature: mainMeter.fresh(at: now)?.signed.flatMap {
        $0.fits && signs(.aligned) ? $0.value(withKey: signedValueBringsKey(evse: 0)) : nil
      })
    if let main { reportAligned(evse: 0, main) }
    for index in evses.indices {
      let evse = evses[index]
      // J01.FR.19: the same for one EVSE.
      let onlyIdle = flag(VariableAddress("AlignedDataCtrlr", evse: evse.id, "SendDuringIdle"), default: false)
      if onlyIdle, evse.transaction != nil { continue }
      let isMeasuring = evse.isMeasuringTransaction
      guard let value = sample(at: index, for: isMeasuring ? .alignedUpdated : .aligned, context: .sampleClock) else {
        continue
      }
      if isMeasuring {
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
