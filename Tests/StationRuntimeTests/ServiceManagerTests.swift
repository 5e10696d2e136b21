import Glibc
import Testing

@testable import StationRuntime

/// The manager's socket as the kernel has it.
struct ServiceManagerTests {
  /// A socket as systemd makes it; `name` begins with `/` or `@`.
  private final class Listener {
    let descriptor: CInt

    init(_ name: String) throws {
      descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | O_NONBLOCK, 0)
      var bytes = Array(name.utf8)
      if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
      let size = socklen_t(2 + bytes.count)
      let code = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
      }
      try #require(code == 0)
    }

    deinit { close(descriptor) }

    func next() -> String? {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = recv(descriptor, &buffer, buffer.count, 0)
      return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }
  }

  @Test(arguments: ["path", "abstract"])
  func whatIsToldArrives(kind: String) throws {
    let name = kind == "path" ? "/tmp/station-notify-\(getpid())" : "@station-notify-\(getpid())"
    defer { unlink(name) }
    let listener = try Listener(name)
    let found = try ServiceManager(ServiceManager.Environment(socket: name))
    let manager = try #require(found)
    #expect(manager.tell(["READY=1", "STATUS=x"]))
    #expect(listener.next() == "READY=1\nSTATUS=x")
    #expect(manager.watchdogInterval == nil)
  }

  @Test func nothingIsToldWithoutAManager() throws {
    for environment in [ServiceManager.Environment(), .init(socket: "", watchdogMicroseconds: "1000")] {
      let manager = try ServiceManager(environment)
      #expect(manager == nil)
    }
  }

  @Test func aManagerThatIsGoneIsSaid() throws {
    let found = try ServiceManager(.init(socket: "/tmp/station-nobody-\(getpid())"))
    let manager = try #require(found)
    #expect(!manager.tell(["READY=1"]))
  }

  @Test func aManagerThatDoesNotReadIsNotWaitedFor() throws {
    let name = "@station-full-\(getpid())"
    let listener = try Listener(name)
    let found = try ServiceManager(ServiceManager.Environment(socket: name))
    let manager = try #require(found)
    var taken = 0
    while taken < 100_000, manager.tell(["WATCHDOG=1"]) { taken += 1 }
    #expect(taken < 100_000)
    #expect(listener.next() == "WATCHDOG=1")
  }

  @Test(
    arguments: [
      ("30000000", nil, 30_000_000_000), ("30000000", "17", 30_000_000_000), ("30000000", "18", nil),
      (nil, "17", nil), ("30000000", "", 30_000_000_000),
    ] as [(String?, String?, Int64?)])
  func theWatchdogIsMeantForOneProcess(microseconds: String?, process: String?, interval: Int64?) throws {
    let environment = ServiceManager.Environment(
      socket: "@x", watchdogMicroseconds: microseconds, watchdogProcess: process)
    let manager = try ServiceManager(environment, process: 17)
    #expect(manager?.watchdogInterval == interval)
    #expect(manager != nil)
  }

  @Test(
    arguments: [
      ("relative", nil, nil, "NOTIFY_SOCKET=relative: expected an absolute path, or @ and a name"),
      ("@", nil, nil, "NOTIFY_SOCKET=@: expected an absolute path, or @ and a name"),
      ("@x", "0", nil, "WATCHDOG_USEC=0: expected a number of microseconds from 1"),
      ("@x", "soon", nil, "WATCHDOG_USEC=soon: expected a number of microseconds from 1"),
      ("@x", "9223372036854775807", nil, "WATCHDOG_USEC=9223372036854775807: expected a number of microseconds from 1"),
      ("@x", "1000", "me", "WATCHDOG_PID=me: expected a process number"),
    ] as [(String, String?, String?, String)])
  func whatCannotBeUsedIsNamed(socket: String, microseconds: String?, process: String?, text: String) {
    let environment = ServiceManager.Environment(
      socket: socket, watchdogMicroseconds: microseconds, watchdogProcess: process)
    #expect(throws: ServiceManager.EnvironmentError(description: text)) { _ = try ServiceManager(environment) }
  }

  @Test func aPathThatIsTooLongIsNamed() {
    let path = "/" + String(repeating: "x", count: 107)
    #expect(throws: ServiceManager.EnvironmentError(description: "NOTIFY_SOCKET=\(path): expected at most 107 bytes")) {
      _ = try ServiceManager(.init(socket: path))
    }
  }
}
