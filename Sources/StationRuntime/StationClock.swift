import Glibc
import StationCore

/// The station's clocks: CLOCK_MONOTONIC and CLOCK_REALTIME, both running `scale` times as fast as the machine's.
///
/// Station time starts at the machine's time at `init` and is scaled from there, so power multiplied by time stays energy and
/// every time stamp agrees with every duration. With `scale` 1 both clocks are the machine's own.
public struct StationClock: Sendable {
  /// The machine's clocks in nanoseconds.
  public struct Reading: Hashable, Sendable {
    public var monotonic: Int64
    public var wall: Int64

    public init(monotonic: Int64, wall: Int64) {
      self.monotonic = monotonic
      self.wall = wall
    }

    /// The machine's clocks now.
    public static var now: Reading {
      Reading(monotonic: nanoseconds(of: CLOCK_MONOTONIC), wall: nanoseconds(of: CLOCK_REALTIME))
    }

    private static func nanoseconds(of clock: clockid_t) -> Int64 {
      var time = timespec()
      clock_gettime(clock, &time)
      return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
  }

  /// What `--time-scale` accepts.
  public static let scales: ClosedRange<Int> = 1...10_000

  /// Station seconds per machine second.
  public let scale: Int
  private let start: Reading
  /// No timer waits longer than this many station milliseconds (some 31 years); a later one is looked at again then.
  private static let horizon: Int64 = 1_000_000_000_000

  /// - Parameter scale: clamped to `scales`.
  public init(scale: Int = 1, start: Reading = .now) {
    self.scale = min(max(scale, Self.scales.lowerBound), Self.scales.upperBound)
    self.start = start
  }

  /// Station time now.
  public var now: StationTime { time(at: .now) }

  /// Station time when the machine's clocks stand at `reading`.
  public func time(at reading: Reading) -> StationTime {
    StationTime(
      monotonic: start.monotonic / 1_000_000 + scaled(reading.monotonic - start.monotonic),
      wall: scaledWall(reading.wall))
  }

  /// How many machine nanoseconds after `reading` the station's monotonic clock reaches `deadline` (milliseconds); 0 when
  /// it has. Never early: at the end of the delay, `time(at:).monotonic >= deadline`.
  public func delay(until deadline: Int64, from reading: Reading) -> Int64 {
    let base = start.monotonic / 1_000_000
    guard deadline > base else { return 0 }
    let difference = min(deadline - base, Self.horizon)
    let k = Int64(scale)
    let elapsed = (difference * 1_000_000 + k - 1) / k
    return max(0, elapsed - (reading.monotonic - start.monotonic))
  }

  private func scaledWall(_ wall: Int64) -> Int64 {
    if scale == 1 { return wall / 1_000_000 }
    return start.wall / 1_000_000 + scaled(wall - start.wall)
  }

  /// Nanoseconds of the machine to milliseconds of the station, rounded down, without overflow for centuries.
  private func scaled(_ nanoseconds: Int64) -> Int64 {
    let k = Int64(scale)
    let milliseconds = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
    return milliseconds.quotient * k + milliseconds.remainder * k / 1_000_000
  }
}
