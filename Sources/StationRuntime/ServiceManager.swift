import Glibc

/// The process's line to the service manager that started it: sd_notify(3) without libsystemd. Without a manager
/// (NOTIFY_SOCKET not set) there is none, and nothing changes.
struct ServiceManager {
  /// What was read from the environment, and why it cannot be used if it cannot.
  struct Environment: Hashable {
    var socket: String?
    var watchdogMicroseconds: String?
    var watchdogProcess: String?

    init(socket: String? = nil, watchdogMicroseconds: String? = nil, watchdogProcess: String? = nil) {
      self.socket = socket
      self.watchdogMicroseconds = watchdogMicroseconds
      self.watchdogProcess = watchdogProcess
    }

    static var ofProcess: Self {
      func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
      return Self(
        socket: value("NOTIFY_SOCKET"), watchdogMicroseconds: value("WATCHDOG_USEC"),
        watchdogProcess: value("WATCHDOG_PID"))
    }
  }

  struct EnvironmentError: Error, Hashable, CustomStringConvertible {
    var description: String
  }

  /// How often the manager wants to hear from the process, nanoseconds; `nil`: not at all.
  let watchdogInterval: Int64?
  private let descriptor: CInt
  private let address: sockaddr_un
  private let addressSize: socklen_t

  /// `nil` when no manager wants to hear anything. The socket stays open until the process ends.
  init?(_ environment: Environment, process: pid_t = getpid()) throws(EnvironmentError) {
    guard let path = environment.socket, !path.isEmpty else { return nil }
    (address, addressSize) = try Self.address(path)
    watchdogInterval = try Self.interval(environment, process)
    descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
    guard descriptor >= 0 else {
      throw EnvironmentError(description: "no socket for NOTIFY_SOCKET: \(String(cString: strerror(errno)))")
    }
  }

  /// A path, or `@` and a name that is in no file system.
  private static func address(_ path: String) throws(EnvironmentError) -> (sockaddr_un, socklen_t) {
    var bytes = Array(path.utf8)
    guard bytes[0] == UInt8(ascii: "/") || bytes[0] == UInt8(ascii: "@"), bytes.count > 1 else {
      throw EnvironmentError(description: "NOTIFY_SOCKET=\(path): expected an absolute path, or @ and a name")
    }
    var address = sockaddr_un()
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard bytes.count < room else {
      throw EnvironmentError(description: "NOTIFY_SOCKET=\(path): expected at most \(room - 1) bytes")
    }
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let head = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
    return (address, socklen_t(head + bytes.count))
  }

  private static func interval(_ environment: Environment, _ process: pid_t) throws(EnvironmentError) -> Int64? {
    guard let text = environment.watchdogMicroseconds else { return nil }
    guard let microseconds = Int64(text), (1...Int64.max / 1000).contains(microseconds) else {
      throw EnvironmentError(description: "WATCHDOG_USEC=\(text): expected a number of microseconds from 1")
    }
    if let meant = environment.watchdogProcess, !meant.isEmpty {
      guard let number = pid_t(meant) else {
        throw EnvironmentError(description: "WATCHDOG_PID=\(meant): expected a process number")
      }
      // Of a parent that did not clear it for us.
      guard number == process else { return nil }
    }
    return microseconds * 1000
  }

  /// Tells the manager, without waiting for it. False when the message was not taken.
  @discardableResult
  func tell(_ states: [String]) -> Bool {
    let message = Array(states.joined(separator: "\n").utf8)
    var address = address
    let sent = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, message, message.count, CInt(MSG_NOSIGNAL), $0, addressSize)
      }
    }
    return sent == message.count
  }
}
