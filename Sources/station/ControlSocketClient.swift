import Glibc
import OCPP

/// A client of a station's control socket: one JSON object per line.
final class ControlSocketClient {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// Longest line that is taken from the station, bytes.
  private static let lineLimit = 16 << 20

  private let descriptor: CInt
  private let path: String
  private var received: [UInt8] = []

  init(path: String) throws(Failure) {
    self.path = path
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw Failure(description: "\(path): too long for a socket (\(bytes.count) bytes)")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard connected == 0 else {
      let reason = String(cString: strerror(errno))
      close(descriptor)
      throw Failure(description: "\(path): \(reason); is the station running, and is this its control socket?")
    }
  }

  deinit { close(descriptor) }

  /// Sends one line; the line feed is added.
  func send(_ line: [UInt8]) throws(Failure) {
    let bytes = line + [0x0A]
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress?.advanced(by: sent), $0.count - sent) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw Failure(description: "\(path): \(String(cString: strerror(errno)))") }
      sent += count
    }
  }

  /// The next line; waits at most `seconds`, or for ever.
  func receive(within seconds: Int? = nil) throws(Failure) -> [UInt8] {
    let deadline = seconds.map { Self.milliseconds + Int64($0) * 1000 }
    var scanned = 0
    while true {
      if let end = received.dropFirst(scanned).firstIndex(of: 0x0A) {
        let line = Array(received[..<end])
        received.removeFirst(end + 1)
        return line
      }
      scanned = received.count
      guard scanned < Self.lineLimit else { throw Failure(description: "\(path): a line without end") }
      var target = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let wait = deadline.map { CInt(clamping: max(0, $0 - Self.milliseconds)) } ?? -1
      let ready = poll(&target, 1, wait)
      if ready < 0 && errno == EINTR { continue }
      guard ready > 0 else { throw Failure(description: "\(path): no answer within \(seconds ?? 0) s") }
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { throw Failure(description: "\(path): the station closed the connection") }
      received += buffer.prefix(count)
    }
  }

  private static var milliseconds: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}
