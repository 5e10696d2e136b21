/// The station's time, as the runtime stamps it on every input. Nothing in the core reads a clock.
///
/// `monotonic` counts milliseconds since an arbitrary start, never goes back and is what durations and timers use.
/// `wall` is UTC in milliseconds since 1970-01-01 and may jump both ways; it is what OCPP messages show.
public struct StationTime: Hashable, Sendable {
  /// Milliseconds of the monotonic clock.
  public var monotonic: Int64
  /// Milliseconds of UTC since 1970-01-01T00:00:00Z.
  public var wall: Int64

  public init(monotonic: Int64, wall: Int64) {
    self.monotonic = monotonic
    self.wall = wall
  }
}

/// Where the wall time of the station's messages comes from.
public enum ClockSource: String, Hashable, Sendable {
  /// The machine's clock is not set: before the firmware was built, or before a time that the ledger holds. Time stamps
  /// made now are re-based when the time becomes known.
  case unset
  /// The machine's clock (RTC, NTP), not compared with the CSMS yet.
  case system
  /// The machine's clock, corrected by the CSMS.
  case csms
}
