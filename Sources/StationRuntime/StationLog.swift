import Glibc
import OCPP
import StationCore

/// The log on a file descriptor (standard error): one line per entry, `time level text`, the time in UTC by the station's clock.
///
/// Control characters, line breaks included, are written as `\n`, `\t`, `\u{1b}`, so one entry is always one line and no
/// text of a peer can forge another. A line is cut at `lineLimit` bytes. Writing never blocks the loop: when the reader of
/// a pipe does not keep up, entries are dropped and their number is said before the next one that fits.
public final class StationLog {
  /// PIPE_BUF: a line up to this length is written whole or not at all.
  static let lineLimit = 4096

  public let level: LogLevel
  private let descriptor: Int32
  private var dropped = 0

  /// - Parameter level: entries below it are not written.
  public init(level: LogLevel, descriptor: Int32 = STDERR_FILENO) {
    self.level = level
    self.descriptor = descriptor
  }

  /// - Parameter wall: UTC in milliseconds.
  public func write(_ level: LogLevel, _ text: @autoclosure () -> String, wall: Int64) {
    guard level >= self.level else { return }
    guard isWritable else {
      dropped += 1
      return
    }
    if dropped > 0 {
      let count = dropped
      dropped = 0
      put(Self.line(.warning, "\(count) log entries were dropped: standard error was not read", wall: wall))
    }
    put(Self.line(level, text(), wall: wall))
  }

  /// Writes a line as it is: what is said before there is a station, or about one that does not start.
  func writeRaw(_ line: String) { put(Array("\(line)\n".utf8)) }

  static func line(_ level: LogLevel, _ text: String, wall: Int64) -> [UInt8] {
    var line = Array("\(DateTime(unixMilliseconds: wall)) \(level) ".utf8)
    let end = lineLimit - 4
    for scalar in text.unicodeScalars {
      let before = line.count
      switch scalar {
      case "\n": line += [0x5C, 0x6E]
      case "\t": line += [0x5C, 0x74]
      case "\r": line += [0x5C, 0x72]
      case "\\": line += [0x5C, 0x5C]
      case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || isLineOrDirection(scalar):
        line += Array("\\u{\(String(scalar.value, radix: 16))}".utf8)
      default: line.append(contentsOf: String(scalar).utf8)
      }
      if line.count > end {
        line.removeSubrange(before...)
        line += Array("...".utf8)
        break
      }
    }
    line.append(0x0A)
    return line
  }

  /// Line and paragraph separators and the bidirectional controls, which can make a terminal show another text.
  private static func isLineOrDirection(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x2028...0x202E, 0x2066...0x2069, 0x200E, 0x200F: return true
    default: return false
    }
  }

  private var isWritable: Bool {
    var target = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return poll(&target, 1, 0) == 1
  }

  private func put(_ line: [UInt8]) {
    _ = line.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
  }
}
