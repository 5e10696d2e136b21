import CRelay
import StationCore

/// What the station knows of one contactor of relayd's: a value, used by `RelayClient`.
struct RelayedContactor: Sendable {
  enum Order: Hashable, Sendable { case close, recheck }

  static let welded = "ContactorWelded"
  static let failedToClose = "ContactorFailedToClose"
  static let daemon = "RelayDaemonFailure"
  static let lineFailure = "GPIOFailure"
  /// A close that relayd refuses for a passing reason (still opening, lease just over) is asked for again so often and so long.
  static let again = TimeSpan.milliseconds(100)
  static let insists = TimeSpan.seconds(1)
  /// A contactor that failed to close may try again by itself after this time, this often in a row.
  static let pardonAfter = TimeSpan.seconds(60)
  static let pardons = 3
  static let lineRetry = TimeSpan.seconds(5)
  static let lineRetryMost = TimeSpan.seconds(300)

  let evse: Int
  let hasMirror: Bool
  private(set) var faults: Set<String> = []
  /// Times of the last switching by the mirror, microseconds, `nil` before the first.
  private(set) var closingTime: Int?
  private(set) var openingTime: Int?
  private var wantsClosed = false
  private var state: relay_message?
  private var missing: String? = "station-relayd has not been started yet"
  private var askAgainAt: MonotonicTime?
  private var insistUntil: MonotonicTime?
  private var recheckAt: MonotonicTime?
  private var pardonsLeft = Self.pardons
  private var lineWait = Self.lineRetry

  init(evse: Int, hasMirror: Bool) {
    self.evse = evse
    self.hasMirror = hasMirror
  }

  mutating func command(close: Bool, at now: MonotonicTime) {
    wantsClosed = close
    askAgainAt = nil
    insistUntil = close ? now + Self.insists : nil
    // Refused is over when nobody asks any more; what the mirror says is not.
    if !close, !isFault(RELAY_FAULT_NOT_CLOSED), !isFault(RELAY_FAULT_DROPPED_OUT) { faults.remove(Self.failedToClose) }
    if close, missing != nil { faults.insert(Self.failedToClose) }
  }

  mutating func disconnected(_ reason: String) {
    wantsClosed = false
    state = nil
    missing = reason
    askAgainAt = nil
    insistUntil = nil
    recheckAt = nil
    // What was known of the contactor is looked at anew by the next relayd, except that nobody can say so meanwhile.
    faults = faults.intersection([Self.welded]).union([Self.daemon])
  }

  /// True: something that is reported has changed.
  mutating func heard(_ message: relay_message, at now: MonotonicTime) -> Bool {
    let before = (reading(at: now).value, faults, missing)
    state = message
    missing = nil
    if message.closing_us > 0 { closingTime = Int(message.closing_us) }
    if message.opening_us > 0 { openingTime = Int(message.opening_us) }
    var found: Set<String> = []
    if isFault(RELAY_FAULT_WELDED) { found.insert(Self.welded) }
    if isFault(RELAY_FAULT_NOT_CLOSED) || isFault(RELAY_FAULT_DROPPED_OUT) { found.insert(Self.failedToClose) }
    if isFault(RELAY_FAULT_LINE) || isFault(RELAY_FAULT_MIRROR) { found.insert(Self.lineFailure) }
    // A relayd that has just started does not know yet whether a contactor that was welded still is.
    if faults.contains(Self.welded), hasMirror, message.mirror == RELAY_MIRROR_UNKNOWN.rawValue {
      found.insert(Self.welded)
    }
    let isClosing = message.state == RELAY_IS_CLOSING.rawValue || message.state == RELAY_IS_CLOSED.rawValue
    if isClosing {
      askAgainAt = nil
      insistUntil = nil
    } else if faults.contains(Self.failedToClose), wantsClosed {
      found.insert(Self.failedToClose)
    }
    if message.state == RELAY_IS_CLOSED.rawValue { pardonsLeft = Self.pardons }
    faults = found
    refused(message, at: now)
    planRecheck(at: now)
    return before != (reading(at: now).value, faults, missing)
  }

  private mutating func refused(_ message: relay_message, at now: MonotonicTime) {
    guard wantsClosed, message.refusal != RELAY_REFUSED_NOT.rawValue else { return }
    if message.refusal == RELAY_REFUSED_FAULT.rawValue {
      askAgainAt = nil
      insistUntil = nil
    } else if insistUntil != nil {
      askAgainAt = now + Self.again
    }
  }

  private mutating func planRecheck(at now: MonotonicTime) {
    if faults.contains(Self.lineFailure) {
      if recheckAt == nil { recheckAt = now + lineWait }
    } else if isFault(RELAY_FAULT_NOT_CLOSED) || isFault(RELAY_FAULT_DROPPED_OUT), !isFault(RELAY_FAULT_WELDED),
      pardonsLeft > 0
    {
      if recheckAt == nil { recheckAt = now + Self.pardonAfter }
    } else {
      recheckAt = nil
      lineWait = Self.lineRetry
    }
  }

  mutating func tick(at now: MonotonicTime) -> Order? {
    if let until = insistUntil, now >= until {
      insistUntil = nil
      askAgainAt = nil
      faults.insert(Self.failedToClose)
    }
    if let at = askAgainAt, now >= at {
      askAgainAt = nil
      return .close
    }
    guard let at = recheckAt, now >= at else { return nil }
    recheckAt = nil
    if faults.contains(Self.lineFailure) {
      lineWait = min(lineWait * 2, Self.lineRetryMost)
    } else {
      pardonsLeft -= 1
    }
    return .recheck
  }

  var deadline: MonotonicTime? { [insistUntil, askAgainAt, recheckAt].compactMap { $0 }.min() }

  private func isFault(_ fault: relay_fault) -> Bool { (state?.faults ?? 0) & UInt32(fault.rawValue) != 0 }

  func reading(at now: MonotonicTime) -> Reading<CapabilityValue> {
    guard let state, missing == nil else { return .unknown(missing ?? "nothing has been heard yet", since: now) }
    guard hasMirror else { return .good(.contactor(closed: state.state == RELAY_IS_CLOSED.rawValue), at: now) }
    switch relay_mirror(UInt32(state.mirror)) {
    case RELAY_MIRROR_OPEN: return .good(.contactor(closed: false), at: now)
    case RELAY_MIRROR_CLOSED: return .good(.contactor(closed: true), at: now)
    default: return .unknown("the mirror contact cannot be read", since: now)
    }
  }

  var health: Health {
    if let missing { return .failed(missing) }
    if let fault = faults.sorted().first { return .failed(fault) }
    return .working
  }
}
