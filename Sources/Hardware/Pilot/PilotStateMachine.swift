import StationCore

/// The control pilot of IEC 61851-1 as a value in virtual time: what is read goes in, the debounced state and the signal to
/// put out come out.
///
/// The timings are those of IEC 61851-1:2017, table A.6 (through EVerest's IECStateMachine and SmartEVSE), as fields of `Timing`.
/// C and D count only after a diode check passed with the PWM on, held through the debounce; what leads away from C counts at once.
public struct PilotStateMachine: Sendable {
  public struct Timing: Hashable, Sendable {
    /// The vehicle has to ask for so long (SmartEVSE: 500 ms).
    public var asks = TimeSpan.milliseconds(500)
    /// A pilot without a vehicle's resistance, or in no window, while the vehicle asks: within the 100 ms in which the contactor
    /// has to be open.
    public var loss = TimeSpan.milliseconds(50)
    /// The same while it does not ask.
    public var lossIdle = TimeSpan.milliseconds(500)
    /// The least time between a change of the PWM and the next one upwards.
    public var rise = TimeSpan.seconds(5)
    /// A vehicle leaves C so long after the offer was withdrawn.
    public var leaves = TimeSpan.seconds(3)
    /// Under load is opened so long after the offer was withdrawn (sequence 10.2).
    public var opens = TimeSpan.seconds(6)

    public init() {}
  }

  public enum Signal: Hashable, Sendable {
    /// State x1: no offer.
    case steadyHigh
    case duty(DutyCycle)
    /// State F.
    case steadyLow
  }

  public enum Output: Hashable, Sendable {
    /// To be put out from now on.
    case signal(Signal)
    /// The debounced state changed.
    case state(PilotState)
    /// The contactor has to be open now: why.
    case open(String)
    case raised(String, FaultSeverity)
    case cleared(String)
  }

  private let timing: Timing
  private let ventilation: Bool
  /// What is put out.
  public private(set) var signal = Signal.steadyHigh
  /// `nil` until the first sample, and after `forget`.
  public private(set) var state: PilotState?
  private var offered: DutyCycle?
  private var unavailable = false
  private var sample: PilotSample?
  /// The state that the samples lead to, and since when they do.
  private var candidate: (state: PilotState, since: MonotonicTime)?
  private var changedAt: MonotonicTime?
  private var withdrawnAt: MonotonicTime?
  private var hasOpened = false
  /// Asks with the PWM on and no diode, since.
  private var noDiodeSince: MonotonicTime?
  private var faults: Set<String> = []

  /// `ventilation`: the room is ventilated, so that D may be supplied.
  public init(ventilation: Bool, timing: Timing = Timing()) {
    self.ventilation = ventilation
    self.timing = timing
  }

  // MARK: What goes in

  public mutating func sample(_ sample: PilotSample, at now: MonotonicTime) -> [Output] {
    self.sample = sample
    return settle(now)
  }

  /// The pilot cannot be read: nothing is known, and what comes next is debounced anew.
  public mutating func forget() {
    sample = nil
    state = nil
    candidate = nil
    noDiodeSince = nil
    withdrawnAt = nil
  }

  /// The current to offer, milliamperes; `nil`, or less than 6 A: none.
  public mutating func offer(_ milliamperes: Int64?, at now: MonotonicTime) -> [Output] {
    offered = milliamperes.flatMap { DutyCycle(offering: $0) }
    return settle(now)
  }

  public mutating func setUnavailable(_ unavailable: Bool, at now: MonotonicTime) -> [Output] {
    self.unavailable = unavailable
    return settle(now)
  }

  /// To be called when `deadline` is reached.
  public mutating func timeIsUp(at now: MonotonicTime) -> [Output] { settle(now) }

  /// When something happens without anything going in.
  public var deadline: MonotonicTime? {
    var times: [MonotonicTime] = []
    if let candidate, candidate.state != state { times.append(candidate.since + delay(to: candidate.state)) }
    if let strayAt, !faults.contains(PilotFaults.pilot) { times.append(strayAt) }
    if let noDiodeSince, !faults.contains(PilotFaults.diode) { times.append(noDiodeSince + timing.asks) }
    if let withdrawnAt, !hasOpened {
      times.append(withdrawnAt + (faults.contains(PilotFaults.vehicle) ? timing.opens : timing.leaves))
    }
    if let changedAt, wanted != signal, isRise { times.append(changedAt + timing.rise) }
    return times.min()
  }

  // MARK: The rules

  private var asks: Bool { state == .c || state == .d }

  private mutating func settle(_ now: MonotonicTime) -> [Output] {
    var outputs: [Output] = []
    // The signal first: a withdrawn offer is part of what the state means.
    settleSignal(now, &outputs)
    settleState(now, &outputs)
    settleWithdrawal(now, &outputs)
    // The state may have let the signal change.
    settleSignal(now, &outputs)
    return outputs
  }

  private var wanted: Signal {
    // Not pulled down under a vehicle that draws: it is let go first.
    if unavailable { return asks && !hasOpened ? .steadyHigh : .steadyLow }
    return offered.map(Signal.duty) ?? .steadyHigh
  }

  private var isRise: Bool {
    guard case .duty(let new) = wanted else { return false }
    if case .duty(let old) = signal { return new > old }
    return true
  }

  private mutating func settleSignal(_ now: MonotonicTime, _ outputs: inout [Output]) {
    let wanted = wanted
    guard wanted != signal else { return }
    if isRise, let changedAt, now < changedAt + timing.rise { return }
    if case .duty = signal, asks {
      if case .duty = wanted {} else { withdrawnAt = now }
    }
    if case .duty = wanted { withdrawnAt = nil }
    hasOpened = hasOpened && withdrawnAt != nil
    let wasLow = signal == .steadyLow
    signal = wanted
    changedAt = now
    noDiodeSince = nil
    // What was seen belongs to the signal before.
    if !asks { sample?.diode = nil }
    if signal == .steadyLow || wasLow {
      sample = nil
      candidate = nil
    }
    outputs.append(.signal(wanted))
  }

  /// The state that the last sample leads to.
  private func target(_ sample: PilotSample) -> PilotState {
    switch sample.level {
    case .plus12: return .a
    case .plus9: return .b
    case .zero: return .e
    case .minus12: return .f
    case .between: return .e
    case .plus6, .plus3:
      let asked: PilotState = sample.level == .plus6 ? .c : .d
      if case .duty = signal { return sample.diode == true || (asks && sample.diode == nil) ? asked : .b }
      // Without PWM nobody knows whether there is a diode: only who has passed stays.
      return asks ? asked : .b
    }
  }

  private func delay(to new: PilotState) -> TimeSpan {
    switch new {
    case .a: return .zero
    // A diode that is missing for a moment is noise; a level of 9 V is not.
    case .b: return asks && sample?.level != .plus9 ? timing.loss : .zero
    case .c, .d: return asks ? .zero : timing.asks
    case .e: return asks ? timing.loss : timing.lossIdle
    case .f: return unavailable ? .zero : asks ? timing.loss : timing.lossIdle
    }
  }

  private mutating func settleState(_ now: MonotonicTime, _ outputs: inout [Output]) {
    guard let sample else { return }
    let new = target(sample)
    if candidate?.state != new { candidate = (new, now) }
    if let candidate, new != state, now >= candidate.since + delay(to: new) { become(new, &outputs) }
    settleDiode(sample, now, &outputs)
    setFault(PilotFaults.pilot, state == .e || isStray(now), &outputs)
    setFault(PilotFaults.ventilation, state == .d && !ventilation, &outputs)
  }

  /// State F that nobody asked for, for longer than a signal takes to change.
  private func isStray(_ now: MonotonicTime) -> Bool { strayAt.map { now >= $0 } ?? false }

  private var strayAt: MonotonicTime? {
    guard state == .f, !unavailable, let candidate, candidate.state == .f else { return nil }
    return candidate.since + delay(to: .f)
  }

  private mutating func become(_ new: PilotState, _ outputs: inout [Output]) {
    let asked = asks
    state = new
    outputs.append(.state(new))
    if asked, !asks {
      withdrawnAt = nil
      outputs.append(.open("the vehicle left C"))
    }
    if new == .d, !ventilation { outputs.append(.open("the vehicle needs ventilation")) }
  }

  private mutating func settleDiode(_ sample: PilotSample, _ now: MonotonicTime, _ outputs: inout [Output]) {
    let loads = sample.level == .plus6 || sample.level == .plus3
    if case .duty = signal, loads, sample.diode == false {
      noDiodeSince = noDiodeSince ?? now
    } else {
      noDiodeSince = nil
    }
    if let noDiodeSince, now >= noDiodeSince + timing.asks {
      setFault(PilotFaults.diode, true, &outputs)
    } else if sample.level == .plus12 || sample.diode == true {
      setFault(PilotFaults.diode, false, &outputs)
    }
  }

  private mutating func settleWithdrawal(_ now: MonotonicTime, _ outputs: inout [Output]) {
    if let withdrawnAt, asks {
      if now >= withdrawnAt + timing.leaves { setFault(PilotFaults.vehicle, true, severity: .low, &outputs) }
      if now >= withdrawnAt + timing.opens, !hasOpened {
        hasOpened = true
        outputs.append(.open("the vehicle still asks 6 s after the offer was withdrawn"))
      }
    } else {
      hasOpened = false
      setFault(PilotFaults.vehicle, false, &outputs)
    }
  }

  private mutating func setFault(
    _ name: String, _ active: Bool, severity: FaultSeverity = .high, _ outputs: inout [Output]
  ) {
    if active, faults.insert(name).inserted { outputs.append(.raised(name, severity)) }
    if !active, faults.remove(name) != nil { outputs.append(.cleared(name)) }
  }
}
