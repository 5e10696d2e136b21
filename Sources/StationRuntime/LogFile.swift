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

  /// Changes the lines that are in the file: reads it whole, and writes it anew. Only regular files, up to 256 MiB. Returns
  /// what is wrong when that cannot be done: one line.
  func rewrite(_ change: ([UInt8]) -> [UInt8]) -> String? {
    func problem(_ text: String? = nil) -> String { "\(path): \(text ?? String(cString: strerror(errno)))" }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      return problem("it is no regular file, what went into it cannot be changed")
    }
    guard status.st_size <= 256 << 20 else { return problem("it has \(status.st_size) bytes, too many to change them") }
    let source = open(path, O_RDONLY | O_CLOEXEC)
    guard source >= 0 else { return problem() }
    defer { close(source) }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes { read(source, $0.baseAddress?.advanced(by: count), $0.count - count) }
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else { break }
      count += got
    }
    let lines = bytes.prefix(count).split(separator: 0x0A, omittingEmptySubsequences: false).map { change(Array($0)) }
    guard ftruncate(descriptor, 0) == 0 else { return problem() }
    let before = waiting
    waiting = Array(lines.joined(separator: [0x0A]))
    flush()
    waiting += before
    fsync(descriptor)
    return failure
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
