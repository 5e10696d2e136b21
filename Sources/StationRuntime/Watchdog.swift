import StationCore
import Synchronization

/// Who of the process still works. Each part has a name and the longest time that it may be silent; the process as a whole is
/// alive while none is silent for longer.
///
/// Parts are added and given up, and report, on any thread. Times are nanoseconds of the machine's CLOCK_MONOTONIC.
public final class Watchdog: Sendable {
  /// Parts at one time; more are refused, so that a leak of parts shows.
  public static let partLimit = 64

  /// One part's way to say that it works: cheap, never blocks, for a bus's thread as for the loop.
  public final class Pulse: Sendable {
    public let name: String
    let limit: Int64
    private let last: Atomic<Int64>

    fileprivate init(_ name: String, limit: Int64, at now: Int64) {
      self.name = name
      self.limit = limit
      last = Atomic(now)
    }

    /// The part works. An earlier time than the last one changes nothing.
    public func beat(at now: Int64 = StationClock.Reading.now.monotonic) {
      last.max(now, ordering: .relaxed)
    }

    fileprivate func silence(at now: Int64) -> Int64 { now - last.load(ordering: .relaxed) }
  }

  /// A part that is silent for longer than it may be.
  public struct Silence: Hashable, Sendable, CustomStringConvertible {
    public var name: String
    /// Nanoseconds.
    public var duration: Int64
    public var limit: Int64

    public var description: String {
      "\(name) is silent for \(seconds(duration)) s, longer than \(seconds(limit)) s"
    }

    private func seconds(_ nanoseconds: Int64) -> String {
      "\(nanoseconds / 1_000_000_000).\(nanoseconds / 100_000_000 % 10)"
    }
  }

  private let pulses = Mutex<[Pulse]>([])

  public init() {}

  /// Adds a part, which counts as heard now. `nil` when there are too many.
  /// - Parameter limit: how long it may be silent, nanoseconds.
  public func watch(_ name: String, limit: Int64, at now: Int64 = StationClock.Reading.now.monotonic) -> Pulse? {
    pulses.withLock { pulses in
      guard pulses.count < Self.partLimit else { return nil }
      let pulse = Pulse(name, limit: limit, at: now)
      pulses.append(pulse)
      return pulse
    }
  }

  /// The part ended in an orderly way: nothing is expected of it any more.
  public func forget(_ pulse: Pulse) {
    pulses.withLock { $0.removeAll { $0 === pulse } }
  }

  /// The parts that are silent for longer than they may be, in the order in which they were added.
  public func silences(at now: Int64) -> [Silence] {
    pulses.withLock { pulses in
      pulses.compactMap { pulse in
        let duration = pulse.silence(at: now)
        return duration > pulse.limit ? Silence(name: pulse.name, duration: duration, limit: pulse.limit) : nil
      }
    }
  }
}
