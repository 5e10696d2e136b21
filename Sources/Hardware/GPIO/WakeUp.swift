import CGPIOD
import StationCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An eventfd that ends a `poll` of another thread.
final class WakeUp: Sendable {
  let descriptor: Int32

  /// `nil`: no descriptor is left.
  init?() {
    descriptor = cgpio_wake_descriptor()
    if descriptor < 0 { return nil }
  }

  deinit { close(descriptor) }

  func wake() {
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }

  func drain() {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
  }
}

/// Milliseconds for `poll`, rounded up, so that nobody wakes too early and turns in circles.
func pollTimeout(until deadline: MonotonicTime?, now: MonotonicTime) -> Int32 {
  guard let deadline else { return -1 }
  let span = (deadline - now).nanoseconds
  return span <= 0 ? 0 : Int32(min((span + 999_999) / 1_000_000, 3_600_000))
}
