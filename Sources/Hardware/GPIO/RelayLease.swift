import CRelay
import StationCore
import Threads

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The lease on which station-relayd keeps contactors closed, and the thread that looks after relayd.
///
/// The station's event loop calls `feed` every 100 ms or so. Each call sends a renewal that is good until
/// `leaseMs` after the call: when the loop hangs, is stopped or dies, everything is open that much later (and the travel of the
/// contactor, under 500 ms in all), whatever the other threads of the process do.
///
/// A relayd that is gone or does not answer for a second is replaced (child) or connected to again (socket), after 0.1 s at
/// first and 30 s at last; meanwhile the contactors are unknown, with the fault `RelayDaemonFailure`.
///
/// `@unchecked Sendable`: everything is used under `lock`, but what belongs to the thread.
public final class RelayLease: @unchecked Sendable {
  public enum Daemon: Hashable, Sendable {
    /// The path of the program, started as a child.
    case child(program: String)
    /// The socket of one that runs by itself.
    case socket(path: String)
  }

  private static let sendFlags = Int32(truncatingIfNeeded: Int(MSG_DONTWAIT) | Int(MSG_NOSIGNAL))
  private static let receiveFlags = Int32(truncatingIfNeeded: Int(MSG_DONTWAIT))

  private let daemon: Daemon
  private let configuration: RelayConfiguration
  private let lock = Lock()
  private var client: RelayClient
  private var reports: [Int: @Sendable (DriverUpdate) -> Void] = [:]
  private var descriptor: Int32 = -1
  private var wakeUp: WakeUp?
  private var isRunning = false
  private var isStopping = false
  private var isReporting = false
  /// Belongs to the thread.
  private var process: pid_t = 0

  public init(_ daemon: Daemon, configuration: RelayConfiguration) {
    self.daemon = daemon
    self.configuration = configuration
    client = RelayClient(configuration, now: .now)
  }

  /// The station's loop is alive. Any thread; neither blocks nor waits for relayd.
  public func feed() {
    lock.with {
      let before = client.deadline
      client.feed(at: .now)
      flush()
      // A relayd that does not answer wakes nobody: the thread has to know when to stop waiting.
      if client.deadline != before { wakeUp?.wake() }
    }
  }

  /// Process id of the child, for tests and `state`; `nil` when there is none.
  public var childProcess: Int32? { lock.with { process > 0 ? process : nil } }
  /// Whether relayd answers.
  public var isUp: Bool { lock.with { client.isUp } }

  /// What switching took the last time, by the mirror's edges, microseconds; `nil` before the first.
  public func switchingTimes(evse: Int) -> (closing: Int?, opening: Int?) {
    lock.with {
      let contactor = client.evses.first { $0.evse == evse }
      return (contactor?.closingTime, contactor?.openingTime)
    }
  }

  func register(evse: Int, _ report: @escaping @Sendable (DriverUpdate) -> Void) {
    lock.with { reports[evse] = report }
    start()
  }

  /// Waits until no report to it is under way.
  func unregister(evse: Int) {
    lock.with {
      reports[evse] = nil
      while isReporting { lock.wait(until: nil) }
    }
  }

  func command(evse: Int, close: Bool) {
    lock.with {
      client.command(evse: evse, close: close, at: .now)
      flush()
      // The thread delivers the reports, and keeps the deadlines.
      wakeUp?.wake()
    }
  }

  func recheck(evse: Int) {
    lock.with {
      client.recheck(evse: evse)
      flush()
    }
  }

  /// Begins; calls after the first do nothing.
  public func start() {
    lock.with {
      guard !isRunning, !isStopping else { return }
      wakeUp = wakeUp ?? WakeUp()
      guard wakeUp != nil else { return }
      isRunning = NamedThread.startDetached("relay-lease") { self.run() }
    }
  }

  /// Everything opens; a child has ended when this returns. At most a second.
  public func stop() {
    lock.with {
      isStopping = true
      wakeUp?.wake()
      while isRunning { lock.wait(until: nil) }
    }
  }

  /// Under the lock. What cannot be sent is lost with the connection that cannot take it.
  private func flush() {
    for var message in client.takeOutgoing() where descriptor >= 0 {
      let size = MemoryLayout<relay_message>.size
      let sent = send(descriptor, &message, size, Self.sendFlags)
      if sent != size {
        shutdown(descriptor, Int32(SHUT_RDWR))
        break
      }
    }
  }

  // MARK: The thread

  private func run() {
    while true {
      let (stops, connects) = lock.with { (isStopping, client.wantsConnection(at: .now)) }
      if stops { break }
      if connects { connect() }
      deliver()
      waitForMore()
      receive()
      let reason = lock.with { () -> String? in
        client.tick(at: .now)
        flush()
        return client.giveUp
      }
      if let reason { lose(reason) }
    }
    end()
  }

  private func connect() {
    var socket: Int32 = -1
    var child: pid_t = 0
    let code: Int32
    switch daemon {
    case .child(let program):
      let text = configuration.text
      code = relay_spawn(program, text, text.utf8.count, &socket, &child)
    case .socket(let path): code = relay_connect(path, &socket)
    }
    lock.with {
      process = child
      guard code == 0 else {
        client.lost("\(daemon.text): \(String(cString: strerror(code)))", at: .now)
        return
      }
      descriptor = socket
      client.linked(at: .now)
    }
  }

  private func waitForMore() {
    let (socket, deadline, waker) = lock.with { (self.descriptor, self.client.deadline, self.wakeUp) }
    guard let waker else { return }
    var polls = [
      pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&polls, 2, pollTimeout(until: deadline, now: .now))
    waker.drain()
  }

  private func receive() {
    let descriptor = lock.with { self.descriptor }
    guard descriptor >= 0 else { return }
    let size = MemoryLayout<relay_message>.size
    // A limit, so that a relayd gone mad does not keep the thread from everything else.
    for _ in 0..<64 {
      var bytes = [UInt8](repeating: 0, count: size + 1)
      let count = recv(descriptor, &bytes, bytes.count, Self.receiveFlags)
      if count < 0, errno == EAGAIN || errno == EINTR { return }
      if count <= 0 { return lose("\(daemon.text): the connection has ended") }
      lock.with {
        client.received(Array(bytes.prefix(count)), at: .now)
        flush()
      }
    }
  }

  /// Gives the connection up; a child is killed, so that its successor can have the lines.
  private func lose(_ reason: String) {
    let (socket, child) = lock.with { () -> (Int32, pid_t) in
      defer {
        descriptor = -1
        process = 0
      }
      return (descriptor, process)
    }
    if socket >= 0 { close(socket) }
    if child > 0 {
      reap(child, patience: .milliseconds(100))
      // Not left to its successor, which may have to wait: up to 30 s after several deaths.
      setOff(patience: .seconds(1))
    }
    lock.with { client.lost(reason, at: .now) }
  }

  /// The lines of a child that is gone may still be driven, many chips keep them: another one sets them off before it notices
  /// that nobody is there.
  private func setOff(patience: TimeSpan) {
    guard case .child(let program) = daemon else { return }
    var socket: Int32 = -1
    var child: pid_t = 0
    guard relay_spawn(program, configuration.text, configuration.text.utf8.count, &socket, &child) == 0 else { return }
    close(socket)
    reap(child, patience: patience)
  }

  /// Waits for a child that has been told to end by the end of its socket. True: it had to be killed.
  @discardableResult private func reap(_ child: pid_t, patience: TimeSpan) -> Bool {
    guard child > 0 else { return false }
    var status: Int32 = 0
    let deadline = MonotonicTime.now + patience
    while MonotonicTime.now < deadline {
      let result = waitpid(child, &status, WNOHANG)
      if result == child || (result < 0 && errno != EINTR) { return false }
      usleep(2000)
    }
    kill(child, SIGKILL)
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    return true
  }

  private func deliver() {
    let ready = lock.with { () -> [(@Sendable (DriverUpdate) -> Void, DriverUpdate)] in
      let ready = client.takeUpdates().compactMap { entry in reports[entry.evse].map { ($0, entry.update) } }
      isReporting = !ready.isEmpty
      return ready
    }
    guard !ready.isEmpty else { return }
    for (report, update) in ready { report(update) }
    lock.with {
      isReporting = false
      lock.signal()
    }
  }

  private func end() {
    let (socket, child) = lock.with { (descriptor, process) }
    if socket >= 0 { close(socket) }
    if reap(child, patience: .milliseconds(500)) { setOff(patience: .milliseconds(300)) }
    lock.with {
      descriptor = -1
      process = 0
      isRunning = false
      lock.signal()
    }
  }
}

extension RelayLease.Daemon {
  var text: String {
    switch self {
    case .child(let program): return program
    case .socket(let path): return path
    }
  }
}
