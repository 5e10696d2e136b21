import StationCore

/// The timers that the core has set, by id. Times are station milliseconds of the monotonic clock.
struct TimerTable {
  /// More timers than any station needs; one beyond is refused.
  static let limit = 4096

  private struct Entry {
    var deadline: Int64
    /// Order of setting: breaks ties, and tells a timer set during a pass from one that was there before.
    var order: UInt64
  }

  private var entries: [TimerID: Entry] = [:]
  private var order: UInt64 = 0
  private var cachedEarliest: Int64?
  private var cacheValid = true

  var count: Int { entries.count }

  /// Sets or replaces a timer. False when the table is full; the timer is not set then.
  mutating func set(_ id: TimerID, at deadline: Int64) -> Bool {
    if entries[id] == nil, entries.count >= Self.limit { return false }
    let replaced = entries.updateValue(Entry(deadline: deadline, order: order), forKey: id)
    order += 1
    if let replaced, replaced.deadline == cachedEarliest {
      cacheValid = false
    } else if cacheValid, deadline < cachedEarliest ?? .max {
      cachedEarliest = deadline
    }
    return true
  }

  mutating func cancel(_ id: TimerID) {
    guard let removed = entries.removeValue(forKey: id) else { return }
    if removed.deadline == cachedEarliest { cacheValid = false }
  }

  /// The earliest deadline, `nil` when no timer is set.
  mutating func earliest() -> Int64? {
    if !cacheValid {
      cachedEarliest = entries.values.lazy.map(\.deadline).min()
      cacheValid = true
    }
    return cachedEarliest
  }

  /// A pass over the due timers sees only those set before it began, so a timer set to "now" by its own handler cannot
  /// keep the loop busy.
  struct Pass {
    fileprivate let now: Int64
    fileprivate let before: UInt64
  }

  func pass(at now: Int64) -> Pass { Pass(now: now, before: order) }

  /// Removes and returns the next due timer of the pass: by deadline, then in order of setting. Ask again after each one was
  /// handled; what a handler cancels does not fire any more.
  mutating func next(in pass: Pass) -> TimerID? {
    guard let first = earliest(), first <= pass.now else { return nil }
    let due = entries.lazy.filter { $0.value.deadline <= pass.now && $0.value.order < pass.before }
    guard
      let next = due.min(by: { ($0.value.deadline, $0.value.order) < ($1.value.deadline, $1.value.order) })?.key
    else { return nil }
    cancel(next)
    return next
  }
}
