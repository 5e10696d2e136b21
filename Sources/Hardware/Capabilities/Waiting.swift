import Threads

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Lock {
  /// Waits for `signal`, or until the time; only inside `with`. May return early.
  func wait(until time: MonotonicTime?) {
    guard let time else { return wait() }
    let nanoseconds = max(0, time.nanoseconds)
    wait(until: timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000)))
  }
}
