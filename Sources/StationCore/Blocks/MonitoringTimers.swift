import DeviceModel
import OCPP

/// Periodic monitors (N08). One timer serves all: nothing runs between two events.
extension Station {
  /// N08.FR.06: from now on; N08.FR.07: from the next multiple of the interval since midnight UTC.
  func firstDue(of monitor: Monitor) -> Int64 {
    guard monitor.type == .periodicClockAligned else { return now.monotonic + monitor.interval }
    let day: Int64 = 86_400_000
    let sinceMidnight = ((wallTime % day) + day) % day
    let next = min((sinceMidnight / monitor.interval + 1) * monitor.interval, day)
    return now.monotonic + (next - sinceMidnight)
  }

  mutating func monitorsDue() {
    monitoring.timerAt = nil
    let hearing = self.hearing
    for position in monitoring.periodic {
      let monitor = monitoring.monitors[position]
      guard let due = monitor.due, due <= now.monotonic else { continue }
      var next = monitor.type == .periodic ? due + monitor.interval : firstDue(of: monitor)
      // After a long sleep one event is enough.
      if next <= now.monotonic { next = now.monotonic + monitor.interval }
      monitoring.update(position) { $0.due = next }
      guard hearing.reaches(monitor.severity) else { continue }
      refreshClock(for: monitor.variable)
      tell(position, model.actual(monitor.variable)?.value ?? "", .periodic, cleared: nil, cause: nil)
    }
    scheduleMonitors()
  }

  /// Sets the timer for the next one that is due.
  mutating func scheduleMonitors() {
    var next: Int64?
    for position in monitoring.periodic {
      guard let due = monitoring.monitors[position].due else { continue }
      next = min(next ?? due, due)
    }
    guard next != monitoring.timerAt else { return }
    monitoring.timerAt = next
    if let next { emit(.setTimer(.monitors, at: next)) } else { stopTimer(.monitors) }
  }

  /// The wall clock was set or corrected.
  mutating func realignMonitors() {
    for position in monitoring.periodic {
      let monitor = monitoring.monitors[position]
      guard monitor.type == .periodicClockAligned, monitor.due != nil else { continue }
      let due = firstDue(of: monitor)
      monitoring.update(position) { $0.due = due }
    }
    scheduleMonitors()
  }
}
