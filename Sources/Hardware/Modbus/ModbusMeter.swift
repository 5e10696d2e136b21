import DeviceModel
import OCPP
import StationCore
import Threads

/// A meter that is read over Modbus, as its model says.
///
/// It lives on its bus's thread: each poll asks for the next one. A poll that fails is reported as unknown, with the time of
/// the last good reading; nothing is ever reported twice. After a silence, and at the start, the serial number is read
/// (where the model has one) before any value is believed.
///
/// `@unchecked Sendable`: everything that changes is used under `lock`.
public final class ModbusMeter: Meter, @unchecked Sendable {
  public struct Options: Hashable, Sendable {
    public var unit: UInt8
    /// Wired backwards: import and export change places.
    public var inverted = false
    /// Time between polls.
    public var interval = TimeSpan.seconds(1)
    /// Age at which the last good reading no longer counts.
    public var staleAfter = TimeSpan.seconds(10)
    /// The most that can flow through the meter, in watts.
    public var maxPowerW: Int
    /// The meter must have this serial number; `nil`: any, but the same for ever.
    public var serialNumber: String?
    /// Less than the model says, for devices that are weaker than their kin.
    public var maxRegistersPerRead: Int?
    /// Instead of the model's.
    public var pauseMs: Int?

    public init(unit: UInt8, maxPowerW: Int) {
      self.unit = unit
      self.maxPowerW = maxPowerW
    }

    /// What a three-phase connection of 80 A, or a single-phase one, can give at 253 V, with a tenth in reserve.
    public static func defaultMaxPowerW(phases: Int) -> Int { phases * 253 * 80 * 11 / 10 }
  }

  static let identityFault = "PowerMeterIdentityMismatch"

  public let evse: Int
  public let model: MeterModel
  private let options: Options
  private let lock = Lock()
  private var reader: FieldReader
  private var judge: MeterJudge
  private var occasional: OccasionalValues
  private var report: (@Sendable (MeterUpdate) -> Void)?
  private var isStopped = false
  /// The poll that is expected; answers to another one are of a round that was replaced.
  private var round: UInt64 = 0
  private var lastUrgent = MonotonicTime(nanoseconds: .min / 2)
  private var askedAgain = false
  private var serialNumber: String?
  private var mustIdentify: Bool
  private var isMismatch = false

  public init(evse: Int, model: MeterModel, bus: ModbusBus, options: Options) {
    self.evse = evse
    self.model = model
    self.options = options
    reader = Self.reader(model, bus, options, priority: .poll, attempts: 2)
    occasional = OccasionalValues(
      MeterValues.occasional(model), reader: Self.reader(model, bus, options, priority: .leisure, attempts: 1))
    serialNumber = options.serialNumber
    mustIdentify = model.identity.contains { $0.name == "serialNumber" }
    let limits = MeterJudge.Limits(
      maxPower: Int64(options.maxPowerW) * 1000, energyStep: Self.energyStep(model), staleAfter: options.staleAfter)
    judge = MeterJudge(evse: evse, limits: limits, start: .now)
  }

  static func reader(
    _ model: MeterModel, _ bus: ModbusBus, _ options: Options, priority: ModbusPriority, attempts: Int
  ) -> FieldReader {
    FieldReader(
      unit: RegisterScan.Unit(
        bus: bus, unit: options.unit, pause: .milliseconds(options.pauseMs ?? model.pauseMs), priority: priority,
        attempts: attempts),
      maxRegisters: min(options.maxRegistersPerRead ?? 125, model.maxRegistersPerRead), maxGap: model.maxGap)
  }

  /// One count of the energy register in milliwatt-hours; of floating-point registers 10 Wh, more than their last bit
  /// below 80 GWh.
  static func energyStep(_ model: MeterModel) -> Int64 {
    guard let part = model.quantities[MeterQuantity(.energyImport)]?.parts.last, part.exponent == nil else {
      return 10_000
    }
    switch part.type {
    case .float32, .float64, .decimal32, .udecimal32, .string: return 10_000
    default:
      var step = part.scale.mantissa
      for _ in 0..<max(0, min(12, part.scale.exponent + 3)) {
        step = step.multipliedReportingOverflow(by: 10).partialValue
      }
      return max(1, min(step, 1_000_000))
    }
  }

  // MARK: Meter

  public func start(report: @escaping @Sendable (MeterUpdate) -> Void) {
    let began = lock.with { () -> Bool in
      guard self.report == nil, !isStopped else { return false }
      self.report = report
      return true
    }
    if began { poll(at: .now) }
  }

  /// At most four times a second; more often is ignored, because a reading is then under way or just made.
  public func readNow() {
    let due = lock.with { () -> Bool in
      let now = MonotonicTime.now
      guard report != nil, !isStopped, now - lastUrgent >= .milliseconds(250) else { return false }
      lastUrgent = now
      return true
    }
    if due { poll(at: .now) }
  }

  public func stop() {
    lock.with {
      isStopped = true
      report = nil
      round += 1
    }
  }

  /// Forgets that the energy register changed: the present value is where counting goes on.
  public func acceptChange() {
    let (cleared, report) = lock.with { (judge.acceptChange(), self.report) }
    guard !cleared.isEmpty else { return }
    report?(
      MeterUpdate(
        reading: .unknown("the energy register was accepted", since: .now), cleared: cleared, health: .working))
  }

  public func probe(_ answer: @escaping @Sendable (ProbeResult<MeterIdentity>) -> Void) {
    let reader = lock.with { self.reader }
    MeterProbe.identify(model, with: reader, deadline: .now + .seconds(5), answer)
  }

  // MARK: Polling

  private func poll(at time: MonotonicTime) {
    let start = lock.with { () -> (round: UInt64, reader: FieldReader, identify: Bool)? in
      guard !isStopped, report != nil else { return nil }
      round += 1
      return (round, reader, mustIdentify)
    }
    guard let start else { return }
    let deadline = max(time, .now) + max(options.interval, .seconds(5))
    if start.identify {
      let field = model.identity.first { $0.name == "serialNumber" }.map { [$0.field] } ?? []
      start.reader.read(field, notBefore: time, deadline: deadline) { [weak self] outcome, _ in
        self?.identified(outcome, round: start.round, deadline: deadline)
      }
    } else {
      readValues(start.reader, round: start.round, notBefore: time, deadline: deadline)
    }
  }

  private func readValues(_ reader: FieldReader, round: UInt64, notBefore: MonotonicTime, deadline: MonotonicTime) {
    let fields = MeterValues.polled(model)
    reader.read(Array(fields.values), notBefore: notBefore, deadline: deadline) { [weak self] outcome, learned in
      self?.answered(outcome, learned, fields, round: round)
    }
  }

  private func identified(_ outcome: FieldReader.Outcome, round: UInt64, deadline: MonotonicTime) {
    guard lock.with({ self.round == round }) else { return }
    switch outcome {
    case .failed(.exception): lock.with { mustIdentify = false }  // A variant without that register.
    case .failed(let failure): return finish(lock.with { missed(failure.text) })
    case .registers(let registers):
      let name = model.identity.first { $0.name == "serialNumber" }.flatMap {
        MeterProbe.text(of: $0, in: registers.values)
      }
      let update = lock.with { () -> MeterUpdate? in
        guard let name, !name.isEmpty else { return nil }
        if serialNumber == nil { serialNumber = name }
        guard serialNumber != name else {
          mustIdentify = false
          return cleared()
        }
        let why = "serial number \(name), expected \(serialNumber ?? "")"
        var update = missed(why)
        update.health = .failed(why)
        if !isMismatch { update.raised.append(HardwareFault(name: Self.identityFault, evse: evse)) }
        isMismatch = true
        return update
      }
      if let update {
        if lock.with({ isMismatch }) { return finish(update) }
        deliver(update)
      } else {
        lock.with { mustIdentify = false }
      }
    }
    let reader = lock.with { self.reader }
    readValues(reader, round: round, notBefore: MonotonicTime(nanoseconds: 0), deadline: deadline)
  }

  /// Under the lock: the right meter is back.
  private func cleared() -> MeterUpdate? {
    guard isMismatch else { return nil }
    isMismatch = false
    return MeterUpdate(
      reading: .unknown("the meter is back", since: .now),
      cleared: [HardwareFault(name: Self.identityFault, evse: evse)], health: .starting)
  }

  private func answered(
    _ outcome: FieldReader.Outcome, _ learned: FieldReader, _ fields: [MeterQuantity: MeterField], round: UInt64
  ) {
    let update = lock.with { () -> (MeterUpdate, again: Bool)? in
      guard self.round == round else { return nil }
      reader = learned
      switch outcome {
      case .failed(let failure): return (missed(failure.text), false)
      case .registers(let registers): return judged(MeterValues(fields, in: registers.values), registers)
      }
    }
    guard let update else { return }
    finish(update.0, again: update.again)
    if case .good = update.0.reading.quality { readOccasional(fields) }
  }

  /// Under the lock.
  private func missed(_ why: String) -> MeterUpdate {
    let verdict = judge.missed(why, at: .now)
    // Whatever answers after a silence may be another device.
    if !verdict.raised.isEmpty {
      occasional.forget()
      mustIdentify = model.identity.contains { $0.name == "serialNumber" }
    }
    return MeterUpdate(
      reading: verdict.reading, raised: verdict.raised, cleared: verdict.cleared,
      health: judge.isFailed ? .failed(why) : .degraded(why))
  }

  /// Under the lock.
  private func judged(_ values: MeterValues, _ registers: RegisterScan.Registers) -> (MeterUpdate, again: Bool) {
    if let bad = values.invalid.min(by: { $0.key < $1.key }) {
      return (missed("\(bad.key) is \(bad.value): is \(model.id) the right model?"), false)
    }
    var reading = values.reading(evse: evse, inverted: options.inverted)
    if reading.energyImport == nil { return (missed("the meter has no energy value"), false) }
    reading.others = occasional.known(beside: registers.values, at: .now).others(inverted: options.inverted)
    let verdict = judge.judge(reading, at: registers.acquiredAt)
    var health = judge.isChanged ? Health.degraded("the energy register changed") : .working
    if case .suspect(let why) = verdict.reading.quality { health = judge.isFailed ? .failed(why) : .degraded(why) }
    let again = verdict.readAgain && !askedAgain
    askedAgain = again
    return (
      MeterUpdate(reading: verdict.reading, raised: verdict.raised, cleared: verdict.cleared, health: health), again
    )
  }

  /// Asks for the values that the polls do not bring, when that is due.
  private func readOccasional(_ polled: [MeterQuantity: MeterField]) {
    let begun = lock.with { () -> (reader: FieldReader, fields: [MeterField])? in
      guard !isStopped else { return nil }
      return occasional.begin(beside: reader.plan(Array(polled.values)), at: .now)
    }
    begun?.reader.read(begun?.fields ?? [], deadline: .now + OccasionalValues.interval) {
      [weak self] outcome, learned in
      guard let self else { return }
      lock.with { occasional.ended(outcome, learned, at: .now) }
    }
  }

  private func finish(_ update: MeterUpdate, again: Bool = false) {
    deliver(update)
    poll(at: again ? .now : .now + options.interval)
  }

  private func deliver(_ update: MeterUpdate) { lock.with { report }?(update) }
}
