import Threads

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A thread that holds a device open for a session: reads, writes, keeps its time, and opens it again after it vanished, after
/// 0.25 s first, then twice as long each time up to 5 s.
///
/// `@unchecked Sendable`: `descriptor` belongs to the thread, everything else is used under `lock`.
final class DeviceLoop<Session: DeviceSession>: @unchecked Sendable {
  static var firstReopen: TimeSpan { .milliseconds(250) }
  static var longestReopen: TimeSpan { .seconds(5) }
  /// A device that does not take what is written for so long is lost.
  static var writeTimeout: TimeSpan { .milliseconds(500) }

  private let name: String
  private let open: @Sendable () -> Result<Int32, DeviceFailure>
  private let deliver: @Sendable ([Session.Output]) -> Void
  private let lock = Lock()
  private var session: Session
  private var isRunning = false
  private var isStopping = false
  private var isOpen = false
  private var wake: [Int32] = []
  private var descriptor: Int32 = -1

  /// `open` gives a descriptor that does not block; it is called on the loop's thread. `deliver` too, outside of the lock.
  init(
    _ name: String, _ session: Session, open: @escaping @Sendable () -> Result<Int32, DeviceFailure>,
    deliver: @escaping @Sendable ([Session.Output]) -> Void
  ) {
    self.name = name
    self.session = session
    self.open = open
    self.deliver = deliver
  }

  /// False when the system has no thread or descriptor left.
  func start() -> Bool {
    lock.with {
      guard !isRunning, !isStopping else { return true }
      var pair: [Int32] = [0, 0]
      guard pipe(&pair) == 0 else { return false }
      for end in pair {
        _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        _ = fcntl(end, F_SETFL, O_NONBLOCK)
      }
      wake = pair
      isRunning = NamedThread.startDetached(name) { self.run() }
      if !isRunning { closePipe() }
      return isRunning
    }
  }

  /// Any thread: what it changes takes effect at once.
  func with<T>(_ body: (inout Session, MonotonicTime) -> T) -> T {
    lock.with {
      defer { wakeUp() }
      return body(&session, .now)
    }
  }

  /// What the session still has to send is sent, the device is closed; waits for that at most a second. Not to be called on
  /// the loop's thread. Nothing is delivered after it returns, but what is being delivered.
  func stop() {
    let end = MonotonicTime.now + .seconds(1)
    lock.with {
      isStopping = true
      wakeUp()
      while isRunning, MonotonicTime.now < end { lock.wait(until: end) }
    }
  }

  // MARK: The thread

  private func wakeUp() {
    guard wake.count == 2 else { return }
    var byte: UInt8 = 1
    _ = write(wake[1], &byte, 1)
  }

  private func closePipe() {
    for end in wake { close(end) }
    wake = []
  }

  private func run() {
    var failures = 0
    var reopenAt = MonotonicTime.now
    while true {
      let (isOver, deadline) = lock.with { (isStopping, session.deadline) }
      if isOver { break }
      if descriptor < 0, MonotonicTime.now >= reopenAt {
        switch open() {
        case .success(let opened):
          descriptor = opened
          lock.with {
            isOpen = true
            session.opened(at: .now)
          }
        case .failure(let failure):
          failures += 1
          reopenAt = .now + pause(failures)
          lock.with { session.lost(failure.text, at: .now) }
        }
      }
      var lost = send()
      hand()
      if lost == nil {
        lost = wait(until: min(deadline, descriptor < 0 ? reopenAt : nil), &failures)
      }
      let mustReopen = lock.with {
        if let deadline = session.deadline, MonotonicTime.now >= deadline { session.timeIsUp(at: .now) }
        return session.takeReopen()
      }
      if let why = lost ?? (mustReopen ? "it is opened anew" : nil), descriptor >= 0 {
        close(descriptor)
        descriptor = -1
        failures += 1
        reopenAt = .now + pause(failures)
        lock.with {
          isOpen = false
          // A session that asked for it knows.
          if lost != nil { session.lost(why, at: .now) }
        }
      }
      hand()
    }
    _ = send()
    if descriptor >= 0 { close(descriptor) }
    lock.with {
      isRunning = false
      closePipe()
      lock.signal()
    }
  }

  private func pause(_ failures: Int) -> TimeSpan {
    Swift.min(Self.firstReopen * (1 << Swift.min(failures - 1, 8)), Self.longestReopen)
  }

  private func min(_ a: MonotonicTime?, _ b: MonotonicTime?) -> MonotonicTime? {
    guard let a, let b else { return a ?? b }
    return Swift.min(a, b)
  }

  private func hand() {
    let outputs = lock.with { isStopping ? [] : session.takeOutputs() }
    if !outputs.isEmpty { deliver(outputs) }
  }

  /// A reason when the device is lost.
  private func send() -> String? {
    let bytes = lock.with { session.takeBytes() }
    guard descriptor >= 0, !bytes.isEmpty else { return nil }
    var sent = 0
    let end = MonotonicTime.now + Self.writeTimeout
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        sent += count
      } else if errno == EAGAIN || errno == EINTR {
        guard MonotonicTime.now < end else { return "it does not take what is written to it" }
        var target = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&target, 1, 50)
      } else {
        return DeviceText.error(errno)
      }
    }
    return nil
  }

  /// Waits for bytes, for `with` or for the time. A reason when the device is lost.
  private func wait(until deadline: MonotonicTime?, _ failures: inout Int) -> String? {
    var targets = [
      pollfd(fd: wake[0], events: Int16(POLLIN), revents: 0),
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
    ]
    var left: Int32 = -1
    if let deadline {
      left = Int32(clamping: (max(0, (deadline - .now).nanoseconds) + 999_999) / 1_000_000)
    }
    let ready = poll(&targets, nfds_t(descriptor >= 0 ? 2 : 1), left)
    if ready < 0, errno != EINTR { return DeviceText.error(errno) }
    guard ready > 0 else { return nil }
    var buffer = [UInt8](repeating: 0, count: 4096)
    if targets[0].revents != 0 { while read(wake[0], &buffer, buffer.count) > 0 {} }
    guard descriptor >= 0, targets[1].revents != 0 else { return nil }
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0, errno == EAGAIN || errno == EINTR { return nil }
    guard count > 0 else { return count == 0 ? "it was closed" : DeviceText.error(errno) }
    failures = 0
    lock.with { session.received(Array(buffer.prefix(count)), at: .now) }
    return nil
  }
}

enum DeviceText {
  /// The text of an errno.
  static func error(_ code: Int32) -> String {
    // Its text is constant for every code that the kernel has.
    return String(cString: strerror(code))
  }
}
