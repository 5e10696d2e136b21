/// The current of an EV, which follows its target on a straight line.
///
/// It is defined on whole milliseconds and is linear between them, so its integral is exact.
struct CurrentRamp: Hashable, Sendable {
  /// Slowest rise, 8 A/s.
  static let slowestRise: Int64 = 8
  /// A rise takes at most this long, milliseconds; what would take longer at the slowest rise is steeper.
  static let longestRise: Int64 = 10_000
  /// Slowest fall, 50 A/s.
  static let slowestFall: Int64 = 50
  /// A fall takes at most this long, milliseconds.
  static let longestFall: Int64 = 2_000

  /// Milliamperes.
  private(set) var value: Int64 = 0
  /// Milliamperes.
  private(set) var target: Int64 = 0
  /// Milliamperes per millisecond, positive while `value` differs from `target`.
  private var slope: Int64 = 0

  /// Milliseconds until the target is reached; 0 when it is.
  var timeLeft: Int64 {
    value == target ? 0 : (distance + slope - 1) / slope
  }

  private var distance: Int64 { value < target ? target - value : value - target }

  /// Sets out for a target in milliamperes (not negative).
  mutating func head(for newTarget: Int64) {
    guard newTarget != target else { return }
    target = newTarget
    let (slowest, longest) =
      value < target ? (Self.slowestRise, Self.longestRise) : (Self.slowestFall, Self.longestFall)
    slope = max(slowest, (distance + longest - 1) / longest)
  }

  /// The circuit is broken: no current from now on.
  mutating func cut() {
    value = 0
    target = 0
  }

  /// Goes along the longest straight piece within `limit` milliseconds (positive) and returns how long it is.
  mutating func advance(atMost limit: Int64) -> Int64 {
    guard value != target else { return limit }
    let fullSteps = distance / slope
    guard fullSteps > 0 else {
      value = target
      return 1
    }
    let duration = min(fullSteps, limit)
    value += value < target ? slope * duration : -slope * duration
    return duration
  }
}
