import DeviceModel
import StationCore

/// A connector lock: a motor with a direction and a pulse, or a magnet, and a feedback contact.
///
/// At most 10 moves in 60 s: a motor burns. A command beyond that waits for its turn, and only the last one counts. A feedback that
/// does not follow in time is reported once as `lockFailed`; whoever commands decides whether to try again.
struct LockLogic: GPIOLogic {
  static let movesPerWindow = 10
  static let window = TimeSpan.seconds(60)
  /// The direction's relay settles before the motor runs.
  static let directionLead = TimeSpan.milliseconds(20)

  private enum Phase: Hashable, Sendable {
    case rest
    case directing(runAt: MonotonicTime)
    case running(stopAt: MonotonicTime)
  }

  private let binding: GPIOLockBinding
  private var feedback: SettledInput?
  private var wanted: Bool?
  /// What the move under way, or the last one, was for.
  private var moved: Bool?
  private var phase = Phase.rest
  private var followBy: MonotonicTime?
  private var moves: [MonotonicTime] = []
  private var isFaulty = false
  private var outputs: [(line: Int, active: Bool)] = []
  private var updates: [DriverUpdate] = []

  init(_ binding: GPIOLockBinding) { self.binding = binding }

  private static let feedbackLine = 0

  var requests: [LineRequest] {
    let debounce = TimeSpan.milliseconds(binding.debounceMs)
    let input = LineRequest(line: binding.feedback.line, direction: .input(debounce: debounce))
    let lines: [GPIOLine]
    switch binding.actuator {
    case .motor(let direction, let pulse, _): lines = [direction, pulse]
    case .hold(let line): lines = [line]
    }
    return [input] + lines.map { LineRequest(line: $0, direction: .output(active: false)) }
  }

  private var isLocked: Bool { feedback.map { binding.feedback.isActuated(active: $0.value) } ?? false }

  // MARK: Commands

  mutating func command(locked: Bool, at now: MonotonicTime) {
    wanted = locked
    moved = nil
    move(now)
  }

  /// Begins the move that is wanted, when nothing else moves and the budget allows.
  private mutating func move(_ now: MonotonicTime) {
    guard let wanted, feedback != nil, wanted != moved, phase == .rest else { return }
    moves.removeAll { now >= $0 + Self.window }
    if isLocked == wanted, !mustHold {
      moved = wanted
      followBy = nil
      updates.append(DriverUpdate(.good(.lock(locked: isLocked), at: now)))
      return
    }
    guard moves.count < Self.movesPerWindow else { return }
    moves.append(now)
    moved = wanted
    followBy = now + .milliseconds(binding.timeoutMs)
    switch binding.actuator {
    case .hold:
      outputs.append((1, wanted))
      if isLocked == wanted { followed(now) }
    case .motor:
      outputs.append((1, wanted))
      phase = .directing(runAt: now + Self.directionLead)
    }
  }

  /// A magnet has to be told even when the feedback is right already.
  private var mustHold: Bool { if case .hold = binding.actuator { true } else { false } }

  private mutating func followed(_ now: MonotonicTime) {
    followBy = nil
    updates.append(DriverUpdate(.good(.lock(locked: isLocked), at: now)))
  }

  // MARK: Lines

  mutating func ready(_ values: [Bool], at now: MonotonicTime) {
    feedback = SettledInput(values[Self.feedbackLine], at: now, debounce: .milliseconds(binding.debounceMs))
    phase = .rest
    moved = nil
    let fault = GPIOFault.fault(evse: binding.component.evse ?? 0, connector: binding.component.connector)
    updates.append(DriverUpdate(.good(.lock(locked: isLocked), at: now), cleared: isFaulty ? [fault] : []))
    isFaulty = false
    move(now)
  }

  mutating func lost(_ failure: LineFailure, at now: MonotonicTime) {
    let fault = GPIOFault.fault(evse: binding.component.evse ?? 0, connector: binding.component.connector)
    updates.append(
      DriverUpdate(
        .unknown(failure.text, since: now), raised: isFaulty ? [] : [fault], health: .failed(failure.text)))
    isFaulty = true
    feedback = nil
    phase = .rest
    followBy = nil
    outputs.removeAll()
  }

  mutating func edge(_ line: Int, _ edge: LineEdge, now: MonotonicTime) {
    if line == Self.feedbackLine, feedback?.input(edge.active, at: edge.at) == true { changed(edge.at) }
  }

  private mutating func changed(_ time: MonotonicTime) {
    updates.append(DriverUpdate(.good(.lock(locked: isLocked), at: time)))
    if followBy != nil, isLocked == moved { followBy = nil }
  }

  mutating func tick(at now: MonotonicTime) {
    if feedback?.tick(at: now) == true { changed(now) }
    if case .directing(let runAt) = phase, now >= runAt, case .motor(_, _, let pulseMs) = binding.actuator {
      outputs.append((2, true))
      phase = .running(stopAt: now + .milliseconds(pulseMs))
    }
    if case .running(let stopAt) = phase, now >= stopAt {
      // The direction goes back to rest after the motor, so that neither coil nor bridge stays under power.
      outputs.append((2, false))
      outputs.append((1, false))
      phase = .rest
    }
    if let by = followBy, now >= by {
      followBy = nil
      updates.append(
        DriverUpdate(
          .good(.lockFailed, at: now),
          health: .degraded("the lock did not \(moved == true ? "lock" : "unlock") in \(binding.timeoutMs) ms")))
    }
    move(now)
  }

  var deadline: MonotonicTime? {
    var times = [feedback?.deadline, followBy].compactMap { $0 }
    switch phase {
    case .rest: break
    case .directing(let at), .running(let at): times.append(at)
    }
    if feedback != nil, wanted != nil, wanted != moved, phase == .rest, let first = moves.first {
      times.append(first + Self.window)
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
