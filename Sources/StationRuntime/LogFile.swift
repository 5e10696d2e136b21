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

  /// Bytes in the file; 0 where it is no regular one.
  var size: Int {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : 0
  }

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

  /// Begins the file anew: what waits goes at once, what is in the file when the returned work is done, which takes its time on
  /// a slow medium and may be done on any thread, once. It returns what is wrong when it cannot be done: one line.
  func discarding() -> @Sendable () -> String? {
    waiting = []
    let path = path
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    return {
      func problem() -> String { "\(path): \(String(cString: strerror(errno)))" }
      guard copy >= 0 else { return problem() }
      defer { close(copy) }
      var status = stat()
      guard fstat(copy, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        return "\(path): it is no regular file, what went into it cannot be taken back"
      }
      return ftruncate(copy, 0) == 0 && fsync(copy) == 0 ? nil : problem()
    }
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
