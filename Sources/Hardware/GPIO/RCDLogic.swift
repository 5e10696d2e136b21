import DeviceModel
import StationCore

/// A residual current device: its trip contact, and outputs that provoke and undo a trip.
///
/// While the self-test is under way the state is unknown, so that nothing closes; then it is reported anew. A trip that is there
/// before or after is reported at its first edge.
struct RCDLogic: GPIOLogic {
  enum Phase: Hashable, Sendable {
    case idle
    /// The test output is active until `pulseEnd`; the trip is awaited until `deadline`.
    case testing(pulseEnd: MonotonicTime, deadline: MonotonicTime)
    /// It has tripped as it should and is to be clear again by `deadline`; `pulseEnd` is of whichever output is still active.
    case recovering(pulseEnd: MonotonicTime?, deadline: MonotonicTime)
  }

  static let selfTestFailed = "RCDSelfTestFailed"
  private static let trip = 0
  private let binding: GPIORCDBinding
  private let testLine: Int?
  private let resetLine: Int?
  private(set) var phase = Phase.idle
  private var filter: TripFilter?
  private var reported: Bool?
  private var isFaulty = false
  private var testHasFailed = false
  private var resetEnd: MonotonicTime?
  private var outputs: [(line: Int, active: Bool)] = []
  private var updates: [DriverUpdate] = []

  init(_ binding: GPIORCDBinding) {
    self.binding = binding
    testLine = binding.test.map { _ in 1 }
    resetLine = binding.reset.map { _ in binding.test == nil ? 1 : 2 }
  }

  var requests: [LineRequest] {
    [LineRequest(line: binding.trip.line, direction: .input(debounce: .zero))]
      + [binding.test, binding.reset].compactMap { $0 }.map {
        LineRequest(line: $0.line, direction: .output(active: false))
      }
  }

  private var evse: Int { binding.component.evse ?? 0 }
  private var isTripped: Bool { filter?.isTripped ?? true }

  // MARK: Commands

  /// False: there is no test output. A test that is under way counts as this one.
  mutating func selfTest(at now: MonotonicTime) {
    guard let test = binding.test, let testLine, filter != nil, phase == .idle else { return }
    guard !isTripped else {
      // Nothing to be seen: it is tripped already.
      return finish(passed: false, at: now)
    }
    // Whoever acts on it must keep the contactor open meanwhile.
    updates.append(DriverUpdate(.unknown("the self-test is under way", since: now)))
    outputs.append((testLine, true))
    phase = .testing(pulseEnd: now + .milliseconds(test.pulseMs), deadline: now + .milliseconds(test.timeoutMs))
  }

  mutating func reset(at now: MonotonicTime) {
    guard phase == .idle, filter != nil else { return }
    pulseReset(at: now)
  }

  private mutating func pulseReset(at now: MonotonicTime) {
    guard let reset = binding.reset, let resetLine else { return }
    outputs.append((resetLine, true))
    resetEnd = now + .milliseconds(reset.pulseMs)
  }

  // MARK: Lines

  mutating func ready(_ values: [Bool], at now: MonotonicTime) {
    let tripped = binding.trip.isActuated(active: values[Self.trip])
    filter = TripFilter(isTripped: tripped, debounce: .milliseconds(binding.debounceMs))
    phase = .idle
    resetEnd = nil
    reported = tripped
    let fault = GPIOFault.fault(evse: evse, connector: binding.component.connector)
    updates.append(DriverUpdate(.good(.tripped(tripped), at: now), cleared: isFaulty ? [fault] : []))
    isFaulty = false
  }

  mutating func lost(_ failure: LineFailure, at now: MonotonicTime) {
    let fault = GPIOFault.fault(evse: evse, connector: binding.component.connector)
    updates.append(
      DriverUpdate(
        .unknown(failure.text, since: now), raised: isFaulty ? [] : [fault], health: .failed(failure.text)))
    isFaulty = true
    filter = nil
    phase = .idle
    resetEnd = nil
    outputs.removeAll()
  }

  mutating func edge(_ line: Int, _ edge: LineEdge, now: MonotonicTime) {
    guard line == Self.trip else { return }
    if filter?.input(tripped: binding.trip.isActuated(active: edge.active), at: edge.at) == true {
      changed(edge.at, now)
    }
  }

  private mutating func changed(_ time: MonotonicTime, _ now: MonotonicTime) {
    switch phase {
    case .idle: report(time)
    case .testing(let pulseEnd, _):
      guard isTripped else { return }
      pulseReset(at: now)
      let wait = TimeSpan.milliseconds(binding.reset?.timeoutMs ?? 1000)
      phase = .recovering(pulseEnd: pulseEnd, deadline: max(now, pulseEnd) + wait)
    case .recovering: break
    }
    settle(now)
  }

  mutating func tick(at now: MonotonicTime) {
    if filter?.tick(at: now) == true { changed(now, now) }
    if let end = resetEnd, now >= end, let resetLine {
      resetEnd = nil
      outputs.append((resetLine, false))
    }
    settle(now)
  }

  private mutating func settle(_ now: MonotonicTime) {
    switch phase {
    case .idle: break
    case .testing(let pulseEnd, let deadline):
      if now >= pulseEnd { endTestPulse() }
      if now >= deadline { finish(passed: false, at: now) }
    case .recovering(let pulseEnd, let deadline):
      if let pulseEnd, now >= pulseEnd {
        endTestPulse()
        phase = .recovering(pulseEnd: nil, deadline: deadline)
      }
      if pulseEnd.map({ now >= $0 }) ?? true, !isTripped {
        finish(passed: true, at: now)
      } else if now >= deadline {
        finish(passed: false, at: now)
      }
    }
  }

  private mutating func endTestPulse() {
    if let testLine { outputs.append((testLine, false)) }
    if case .testing(_, let deadline) = phase {
      phase = .testing(pulseEnd: MonotonicTime(nanoseconds: .max), deadline: deadline)
    }
  }

  private mutating func finish(passed: Bool, at now: MonotonicTime) {
    endTestPulse()
    phase = .idle
    let fault = HardwareFault(name: Self.selfTestFailed, evse: evse, connector: binding.component.connector)
    let raised = !passed && !testHasFailed ? [fault] : []
    let cleared = passed && testHasFailed ? [fault] : []
    testHasFailed = !passed
    reported = isTripped
    updates.append(
      DriverUpdate(
        .good(.tripped(isTripped), at: now), raised: raised, cleared: cleared,
        health: passed ? .working : .degraded("the self-test failed")))
  }

  private mutating func report(_ time: MonotonicTime) {
    guard reported != isTripped else { return }
    reported = isTripped
    updates.append(DriverUpdate(.good(.tripped(isTripped), at: time)))
  }

  var deadline: MonotonicTime? {
    var times = [filter?.deadline, resetEnd].compactMap { $0 }
    switch phase {
    case .idle: break
    case .testing(let pulseEnd, let deadline): times += [pulseEnd, deadline]
    case .recovering(let pulseEnd, let deadline): times += [pulseEnd, deadline].compactMap { $0 }
    }
    return times.min()
  }

  mutating func takeOutputs() -> [(line: Int, active: Bool)] {
    defer { outputs.removeAll() }
    return outputs
  }

  mutating func takeUpdates() -> [DriverUpdate] {
    defer { updates.removeAll() }
    return updates
  }
}
