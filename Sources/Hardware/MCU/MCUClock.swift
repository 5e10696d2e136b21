/// When, by the station's clock, something happened that the microcontroller has stamped with its own.
///
/// The least delay that was seen is taken for none; a state that comes later than that is as much older. The two clocks may
/// differ by a thousandth.
struct MCUClock: Sendable {
  /// Station's time minus microcontroller's, nanoseconds, at the least delay, and when that was.
  private var offset: (nanoseconds: Int64, at: MonotonicTime)?
  private var last: UInt32 = 0
  /// Milliseconds that its counter has gone round.
  private var rounds: Int64 = 0

  /// `arrived`: now. Never later than that.
  mutating func time(of stamp: UInt32, arrived: MonotonicTime) -> MonotonicTime {
    // The counter goes round after 49 days; a step back is no round.
    if offset != nil, stamp < last, last - stamp > 1 << 31 { rounds += 1 << 32 }
    last = stamp
    let theirs = (rounds + Int64(stamp)) * 1_000_000
    let delay = arrived.nanoseconds - theirs
    var least = delay
    if let offset {
      let drift = (arrived - offset.at).nanoseconds / 1000
      least = min(delay, offset.nanoseconds + max(0, drift))
    }
    offset = (least, arrived)
    return MonotonicTime(nanoseconds: theirs + least)
  }

  /// It has started anew.
  mutating func reset() { self = MCUClock() }
}
