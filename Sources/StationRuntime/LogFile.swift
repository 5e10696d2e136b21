import Glibc

/// Why a file that was asked for cannot be written: one line with its path.
public struct LogFileError: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String
}

/// A file to which whole lines are appended. Lines are collected and written together by `flush`, which never blocks on a
/// FIFO that nobody reads.
final class LogFile {
  /// Bytes that may wait when the file does not take them; beyond that, lines are dropped and counted.
  static let waitingLimit = 1 << 20

  let path: String
  private let descriptor: CInt
  private var waiting: [UInt8] = []
  /// Lines that were not written for lack of space or a failing disk.
  private(set) var dropped = 0
  /// The first failure since the last success.
  private(set) var failure: String?

  init(path: String, truncating: Bool = false) throws(LogFileError) {
    self.path = path
    let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | (truncating ? O_TRUNC : 0)
    descriptor = open(path, flags, 0o600)
    guard descriptor >= 0 else {
      throw LogFileError(description: "\(path): cannot be opened for writing: \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(descriptor) }

  /// True when `flush` has something to do.
  var isWaiting: Bool { !waiting.isEmpty }

  /// Adds one line; the line feed is added. False when it was dropped.
  @discardableResult func append(_ line: [UInt8]) -> Bool {
    guard waiting.count + line.count < Self.waitingLimit else {
      dropped += 1
      return false
    }
    waiting += line
    waiting.append(0x0A)
    return true
  }

  /// Writes what was appended. What the file does not take now stays for the next time.
  func flush() {
    var written = 0
    while written < waiting.count {
      let count = waiting.withUnsafeBytes {
        write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
      }
      if count < 0 {
        if errno == EINTR { continue }
        failure = failure ?? "\(path): \(String(cString: strerror(errno)))"
        break
      }
      written += count
    }
    if written == waiting.count {
      waiting.removeAll(keepingCapacity: waiting.count <= 65_536)
      failure = nil
    } else {
      waiting.removeFirst(written)
    }
  }
}
