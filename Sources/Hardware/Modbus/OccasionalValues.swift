import DeviceModel

/// What a meter measures beside the values that are polled: phases, reactive power, power factors.
///
/// What of it lies in registers that each poll reads anyway is taken from there. The rest is read every 10 seconds, when no
/// other request waits for the bus, so that it never delays a poll by more than one exchange; a meter that does not answer it is
/// asked less often, down to every 10 minutes. A value is given for 15 seconds, then it is absent.
struct OccasionalValues {
  static let interval = TimeSpan.seconds(10)
  static let lasts = TimeSpan.seconds(15)
  private static let longestPause = TimeSpan.seconds(600)

  private let fields: [MeterQuantity: MeterField]
  private var reader: FieldReader
  private var last: (values: MeterValues, acquiredAt: MonotonicTime)?
  private var due = MonotonicTime(nanoseconds: 0)
  private var failures = 0
  private var isUnderWay = false

  /// `reader` asks at leisure, and learns for itself what the meter refuses.
  init(_ fields: [MeterQuantity: MeterField], reader: FieldReader) {
    self.fields = fields
    self.reader = reader
  }

  /// All that is known beside a poll that read these registers.
  func known(beside registers: RegisterDecoder.Registers, at now: MonotonicTime) -> MeterValues {
    var known = MeterValues(fields, in: registers)
    known.invalid = [:]
    if let last, now - last.acquiredAt <= Self.lasts {
      known.numbers.merge(last.values.numbers) { polled, _ in polled }
    }
    return known
  }

  /// The reading that is due now, of what the polls' reads do not have; `nil`: none.
  mutating func begin(beside polls: BlockPlan, at now: MonotonicTime) -> (reader: FieldReader, fields: [MeterField])? {
    guard isDue(at: now) else { return nil }
    let rest = fields.values.filter { !$0.spans.allSatisfy(polls.covers) }
    // Without a field that the meter has not refused there is nothing to ask.
    guard !reader.plan(rest).blocks.isEmpty else { return nil }
    isUnderWay = true
    due = now + Self.interval
    return (reader, rest)
  }

  func isDue(at now: MonotonicTime) -> Bool { !isUnderWay && now >= due }

  mutating func ended(_ outcome: FieldReader.Outcome, _ learned: FieldReader, at now: MonotonicTime) {
    isUnderWay = false
    reader = learned
    switch outcome {
    case .registers(let registers):
      failures = 0
      last = (MeterValues(fields, in: registers.values), registers.acquiredAt)
    case .failed:
      failures = min(failures + 1, 6)
      due = max(due, now + min(Self.interval * (1 << failures), Self.longestPause))
    }
  }

  /// What answers next may be another meter.
  mutating func forget() { last = nil }
}
