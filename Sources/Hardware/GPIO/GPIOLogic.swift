import StationCore

/// What a driver makes of its lines, in time that is handed in: a value, so that tests need neither kernel nor clock.
///
/// Lines are known by their index in `requests`. `GPIOEngine` takes them, tells what comes in, does what is left in `outputs`, and
/// passes the `updates` on.
protocol GPIOLogic: Sendable {
  var requests: [LineRequest] { get }
  /// All lines are taken; the inputs have these values (of an output: what it was requested with).
  mutating func ready(_ values: [Bool], at now: MonotonicTime)
  /// A line could not be taken, or failed: nothing is known until `ready`. The engine tries again by itself.
  mutating func lost(_ failure: LineFailure, at now: MonotonicTime)
  /// In the order of time; `now` is not before it.
  mutating func edge(_ line: Int, _ edge: LineEdge, now: MonotonicTime)
  mutating func tick(at now: MonotonicTime)
  /// When `tick` has something to do.
  var deadline: MonotonicTime? { get }
  mutating func takeOutputs() -> [(line: Int, active: Bool)]
  mutating func takeUpdates() -> [DriverUpdate]
}

/// What every driver of this kind says of lines that it cannot have.
enum GPIOFault {
  static let name = "GPIOFailure"

  static func fault(evse: Int, connector: Int? = nil) -> HardwareFault {
    HardwareFault(name: name, evse: evse, connector: connector)
  }
}

/// A contact that bounces. Its action counts at the first edge, its rest when it has lasted.
struct TripFilter: Hashable, Sendable {
  private(set) var isTripped: Bool
  /// Since when the input has been at rest while it still counts as tripped.
  private var restingSince: MonotonicTime?
  private let debounce: TimeSpan

  init(isTripped: Bool, debounce: TimeSpan) {
    self.isTripped = isTripped
    self.debounce = debounce
  }

  /// True: `isTripped` changed.
  mutating func input(tripped: Bool, at time: MonotonicTime) -> Bool {
    // What rested long enough before this edge was clear, if only for a moment.
    let cleared = tick(at: time)
    if tripped {
      restingSince = nil
      defer { isTripped = true }
      return !isTripped || cleared
    }
    if isTripped, restingSince == nil { restingSince = time }
    return tick(at: time) || cleared
  }

  mutating func tick(at now: MonotonicTime) -> Bool {
    guard let since = restingSince, now >= since + debounce else { return false }
    restingSince = nil
    isTripped = false
    return true
  }

  var deadline: MonotonicTime? { restingSince.map { $0 + debounce } }
}

/// A contact that bounces, of which neither side is dangerous: a value counts when it has lasted.
struct SettledInput: Hashable, Sendable {
  private(set) var value: Bool
  private var raw: Bool
  private var since: MonotonicTime
  private let debounce: TimeSpan

  init(_ value: Bool, at now: MonotonicTime, debounce: TimeSpan) {
    self.value = value
    raw = value
    since = now
    self.debounce = debounce
  }

  /// True: `value` changed.
  mutating func input(_ value: Bool, at time: MonotonicTime) -> Bool {
    let changed = tick(at: time)
    if value != raw {
      raw = value
      since = time
    }
    return tick(at: time) || changed
  }

  mutating func tick(at now: MonotonicTime) -> Bool {
    guard raw != value, now >= since + debounce else { return false }
    value = raw
    return true
  }

  var deadline: MonotonicTime? { raw == value ? nil : since + debounce }
}
