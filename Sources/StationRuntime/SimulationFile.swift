import Glibc

/// The file that holds the simulated hardware's state: what would be a car, a cable and a meter's register if they were real.
///
/// It is replaced as a whole by renaming, so a process killed at any time leaves the last state or the one before. It is
/// not flushed to the medium: a power cut may take the last seconds, as the ledger does not depend on it.
public final class SimulationFile {
  /// Largest state that is read, bytes.
  static let sizeLimit = 1 << 20

  let path: String
  private var last: [UInt8] = []
  /// Why the last save failed; `nil` when it did not.
  private(set) var failure: String?

  public init(path: String) { self.path = path }

  /// What was saved; `nil` when there is nothing. What cannot be read is said to `warn` and taken as nothing.
  func load(warn: (String) -> Void) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno != ENOENT { warn("\(path): \(String(cString: strerror(errno))); the simulated hardware starts afresh") }
      return nil
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while bytes.count <= Self.sizeLimit {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return bytes }
      bytes += buffer.prefix(count)
    }
    warn("\(path): larger than \(Self.sizeLimit) bytes; the simulated hardware starts afresh")
    return nil
  }

  /// Replaces what is saved, unless it is the same.
  func save(_ state: [UInt8]) {
    guard state != last else { return }
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return fail() }
    let written = write(descriptor, state, state.count)
    let writeError = errno
    close(descriptor)
    guard written == state.count else { return fail(written < 0 ? writeError : ENOSPC) }
    guard rename(temporary, path) == 0 else { return fail() }
    last = state
    failure = nil
  }

  private func fail(_ code: Int32 = errno) {
    failure = "\(path): \(String(cString: strerror(code)))"
  }
}
