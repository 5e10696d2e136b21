import CRelay
import Glibc
import Hardware
import Testing

/// relayd as a program: its arguments, its socket, its ends.
@Suite(.serialized) struct DaemonTests {
  private static let size = MemoryLayout<relay_message>.size

  private func write(_ configuration: RelayConfiguration) throws -> String {
    var template = Array("/tmp/relayd-conf-XXXXXX".utf8CString)
    let file = mkstemp(&template)
    try #require(file >= 0)
    defer { close(file) }
    try #require(Glibc.write(file, configuration.text, configuration.text.utf8.count) == configuration.text.utf8.count)
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private func send(
    _ socket: Int32, _ kind: relay_kind, evse: UInt16, _ sequence: UInt32, lease: Int64 = 300
  ) {
    var message = relay_message_make(kind, evse, sequence, relay_now() + lease * 1_000_000)
    _ = Glibc.send(socket, &message, Self.size, 0)
  }

  private func spawn(_ lines: FakeLines, heartbeat: Bool = false) throws -> (socket: Int32, process: pid_t) {
    let text = lines.configuration(heartbeat: heartbeat).text
    var socket: Int32 = -1
    var process: pid_t = 0
    try #require(relay_spawn(program("relayd-fake"), text, text.utf8.count, &socket, &process) == 0)
    return (socket, process)
  }

  /// The contactor of EVSE 1 is closed by hand: the mirror needs a moment to be known.
  private func closes(_ socket: Int32, _ lines: FakeLines, from sequence: UInt32 = 1) -> Bool {
    usleep(100_000)
    send(socket, RELAY_CLOSE, evse: 1, sequence)
    return elapsed(limit: 1000) { lines.level("RELAY1") } != nil
  }

  private func exitCode(_ process: pid_t) -> Int32 {
    var status: Int32 = 0
    waitpid(process, &status, 0)
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
  }

  @Test func theEndOfTheClientOpensAndEnds() throws {
    let lines = try FakeLines()
    let (socket, process) = try spawn(lines)
    #expect(closes(socket, lines))
    close(socket)
    #expect(try #require(elapsed { !lines.level("RELAY1") }) < 100)
    #expect(exitCode(process) == 0)
  }

  @Test func silenceOpensAndGarbageDoesNotHelp() throws {
    let lines = try FakeLines()
    let (socket, process) = try spawn(lines)
    #expect(closes(socket, lines))
    let start = milliseconds()
    while lines.level("RELAY1"), milliseconds() - start < 1000 {
      var garbage = [UInt8](repeating: 0, count: Int.random(in: 0...200)).map { _ in UInt8.random(in: 0...255) }
      garbage.append(7)
      _ = Glibc.send(socket, garbage, garbage.count, 0)
      send(socket, RELAY_RENEW, evse: 0, 1)
      usleep(2000)
    }
    #expect(milliseconds() - start < 400)
    // It still listens.
    usleep(100_000)
    #expect(closes(socket, lines, from: 50))
    close(socket)
    #expect(exitCode(process) == 0)
  }

  @Test func signalsOpen() throws {
    for (signal, code) in [
      (SIGTERM, Int32(0)), (SIGINT, 0), (SIGSEGV, -SIGSEGV), (SIGABRT, -SIGABRT), (SIGQUIT, -SIGQUIT),
    ] {
      let lines = try FakeLines()
      let (socket, process) = try spawn(lines)
      #expect(closes(socket, lines))
      kill(process, signal)
      #expect(try #require(elapsed { !lines.level("RELAY1") }) < 100)
      #expect(exitCode(process) == code)
      close(socket)
    }
  }

  @Test func theHeartbeatStopsWithTheLoop() throws {
    let lines = try FakeLines()
    let (socket, process) = try spawn(lines, heartbeat: true)
    func toggles(in span: Int64) -> Int {
      var count = 0
      var last = lines.level("BEAT")
      let end = milliseconds() + span
      while milliseconds() < end {
        if lines.level("BEAT") != last { count += 1 }
        last = lines.level("BEAT")
        usleep(300)
      }
      return count
    }
    usleep(50_000)
    #expect((10...32).contains(toggles(in: 300)))
    kill(process, SIGSTOP)
    usleep(20_000)
    #expect(toggles(in: 100) == 0)
    kill(process, SIGCONT)
    close(socket)
    #expect(exitCode(process) == 0)
  }

  @Test func aServiceHasOneClientAtATime() throws {
    let lines = try FakeLines()
    let file = try write(lines.configuration())
    let path = file + ".sock"
    defer { unlink(file) }
    let daemon = try Child([program("relayd-fake"), "--config", file, "--socket", path])
    var first: Int32 = -1
    #expect(elapsed { relay_connect(path, &first) == 0 } != nil)
    #expect(closes(first, lines))
    var second: Int32 = -1
    #expect(relay_connect(path, &second) == 0)
    var bytes = [UInt8](repeating: 0, count: 100)
    #expect(elapsed(limit: 1000) { recv(second, &bytes, 100, 0) == 0 } != nil)
    close(second)
    #expect(lines.level("RELAY1"))
    close(first)
    #expect(elapsed(limit: 1000) { !lines.level("RELAY1") } != nil)
    // Whoever comes next begins anew.
    #expect(relay_connect(path, &first) == 0)
    #expect(closes(first, lines))
    kill(daemon.process, SIGTERM)
    #expect(daemon.end() == 0)
    #expect(!lines.level("RELAY1"))
    #expect(access(path, F_OK) != 0)
    close(first)
  }

  @Test func allOffIsForTheUnit() throws {
    let lines = try FakeLines()
    let file = try write(lines.configuration())
    defer { unlink(file) }
    let (socket, process) = try spawn(lines)
    #expect(closes(socket, lines))
    kill(process, SIGKILL)
    #expect(exitCode(process) == -SIGKILL)
    #expect(lines.level("RELAY1"))
    #expect(try Child([program("relayd-fake"), "--all-off", file]).end() == 0)
    #expect(!lines.level("RELAY1"))
    lines.refuse("RELAY1", true)
    #expect(try Child([program("relayd-fake"), "--all-off", file]).end() == 4)
    close(socket)
  }

  @Test func argumentsHaveExitCodes() throws {
    let lines = try FakeLines()
    let file = try write(lines.configuration())
    defer { unlink(file) }
    let relayd = program("relayd-fake")
    #expect(try Child([relayd, "--help"]).end() == 0)
    #expect(try Child([relayd]).end() == 2)
    #expect(try Child([relayd, "--config", file]).end() == 2)
    #expect(try Child([relayd, "--config", file, "--check"]).end() == 0)
    #expect(try Child([relayd, "--config", "/nonexistent", "--check"]).end() == 3)
    #expect(try Child([relayd, "--config", file, "--fd", "0"]).end() == 5)
    // The real one, on a chip that is not there.
    #expect(try Child([program("station-relayd"), "--config", file, "--check"]).end() == 4)
    #expect(try Child([program("station-relayd"), "--all-off", file]).end() == 4)
  }

  @Test func systemdIsFedByTheLoop() throws {
    let lines = try FakeLines()
    let file = try write(lines.configuration())
    let path = file + ".notify"
    defer {
      unlink(file)
      unlink(path)
    }
    let notify = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(notify) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(notify, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0)
    func next(_ limit: Int32) -> String? {
      var poller = pollfd(fd: notify, events: Int16(POLLIN), revents: 0)
      guard poll(&poller, 1, limit) == 1 else { return nil }
      var bytes = [UInt8](repeating: 0, count: 200)
      let count = recv(notify, &bytes, 200, 0)
      return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
    let daemon = try Child(
      [program("relayd-fake"), "--config", file, "--socket", file + ".sock"],
      environment: ["NOTIFY_SOCKET=\(path)", "WATCHDOG_USEC=100000"])
    #expect(next(3000) == "READY=1")
    for _ in 0..<4 { #expect(next(1000) == "WATCHDOG=1") }
    kill(daemon.process, SIGSTOP)
    while next(150) != nil {}
    kill(daemon.process, SIGCONT)
    #expect(next(1000) == "WATCHDOG=1")
    kill(daemon.process, SIGTERM)
    var last = next(1000)
    while last == "WATCHDOG=1" { last = next(1000) }
    #expect(last == "STOPPING=1")
    #expect(daemon.end() == 0)
  }
}
