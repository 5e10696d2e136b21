import CGPIOD

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A thread of a driver's: small stack, all signals blocked, a name for `top -H`.
enum HardwareThread {
  private final class Start: @unchecked Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// False: the system gives no thread.
  static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 512 << 10)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(name, body))
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        if file >= 0 {
          _ = write(file, start.name, start.name.utf8.count)
          close(file)
        }
        start.body()
        return nil
      }, start.toOpaque())
    if code != 0 { start.release() }
    return code == 0
  }
}

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
