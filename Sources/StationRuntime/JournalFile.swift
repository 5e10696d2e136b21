import Glibc
import StationCore

/// `--journal FILE`: everything that goes into the core and comes out, for `station replay`. Off unless asked for.
///
/// The file begins anew with every start of the process; the one of the start before stays as `FILE.previous`, since what
/// is looked for is often what came before a restart. It is bounded: at `sizeLimit` recording ends, with a warning,
/// and what is there stays replayable. It is not synced; a power cut may cost its last lines. Mode 0600.
final class JournalFile: InputRecorder {
  /// Bytes after which no more is recorded.
  static let sizeLimit = 256 << 20

  private let file: LogFile
  private var codes = KeyCodeNames()
  private var size = 0
  private var isFull = false
  /// Says once that recording has ended.
  private let warn: (String) -> Void

  init(path: String, _ start: StationStart, at time: StationTime, warn: @escaping (String) -> Void) throws(LogFileError)
  {
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 {
      guard rename(path, path + ".previous") == 0 else {
        throw LogFileError(description: "\(path).previous: cannot be replaced: \(String(cString: strerror(errno)))")
      }
    }
    file = try LogFile(path: path, truncating: true)
    self.warn = warn
    append(Journal.line(for: start, at: time, &codes))
  }

  var isWaiting: Bool { file.isWaiting }

  func record(_ input: Input, at now: StationTime, clock: ClockSource, actions: [Action]) {
    guard !isFull else { return }
    append(Journal.line(for: input, at: now, clock: clock, actions: actions, &codes))
  }

  func flush() {
    file.flush()
    if let failure = file.failure { end(failure) }
  }

  func discard(_ why: String) -> String? {
    end(why)
    for path in [file.path, file.path + ".previous"] where unlink(path) != 0 && errno != ENOENT {
      return "\(path): \(String(cString: strerror(errno)))"
    }
    return nil
  }

  private func append(_ line: [UInt8]) {
    guard size + line.count < Self.sizeLimit else { return end("it has reached \(Self.sizeLimit) bytes") }
    if !file.append(line) { return end("the disk does not keep up") }
    size += line.count + 1
  }

  private func end(_ why: String) {
    guard !isFull else { return }
    isFull = true
    warn("the journal ends here: \(why)")
  }
}
