import StationCore

/// Records what goes into the core and what comes out, to be replayed.
public protocol InputRecorder: AnyObject {
  func record(_ input: Input, at now: StationTime, clock: ClockSource, actions: [Action])
  /// True when `flush` has something to do.
  var isWaiting: Bool { get }
  func flush()
  /// Ends the recording for this reason and removes what there is of it. Returns what could not be removed: one line.
  func discard(_ why: String) -> String?
}
