import Glibc

/// A file that only takes room, to be given up when the medium is full: what a session in progress has to record can
/// still be recorded with the most of it, and what is queued be delivered with the last. Used by one thread at a time.
final class Reserve {
  enum State {
    case whole
    /// Only the part for commits that remove something is there.
    case last
    case gone
  }

  private(set) var state = State.gone
  private let directory: DataDirectory
  private let size: Int
  private var file: String { directory.path + "/reserve" }

  init(_ directory: DataDirectory, size: Int) {
    self.directory = directory
    self.size = max(0, size)
    state = found
  }

  static func lastPart(of size: Int) -> Int { size / 4 }

  /// There should be a reserve, and it is not whole.
  var isShort: Bool { size > 0 && state != .whole }

  private var found: State {
    var status = stat()
    guard lstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      Int(status.st_blocks) * 512 >= Int(status.st_size)
    else { return .gone }
    switch Int(status.st_size) {
    case size: return .whole
    case Self.lastPart(of: size): return .last
    default: return .gone
    }
  }

  /// At the start: makes the reserve unless it is there.
  func prepare() {
    if state == .gone { unlink(file) }
    if size > 0 { _ = restore() } else { unlink(file) }
  }

  /// Makes the next part of it free. True when there was something to give up.
  func giveUp() -> Bool {
    switch state {
    case .whole where truncate(file, off_t(Self.lastPart(of: size))) == 0: state = .last
    case .whole, .last:
      state = .gone
      return unlink(file) == 0
    // One of another size, from other options.
    case .gone: return unlink(file) == 0
    }
    return true
  }

  /// Makes the reserve whole if there is so much more space than it takes that it is not given up again at once. True
  /// when it is whole now and was not before.
  func restore() -> Bool {
    let held = state == .last ? Self.lastPart(of: size) : 0
    guard isShort, freeSpace >= size - held + max(1 << 20, size / 4) else { return false }
    let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    if posix_fallocate(descriptor, 0, off_t(size)) == 0 {
      state = .whole
      return true
    }
    if held == 0 || ftruncate(descriptor, off_t(held)) != 0 {
      unlink(file)
      state = .gone
    }
    return false
  }

  private var freeSpace: Int {
    var status = statvfs()
    guard statvfs(directory.path, &status) == 0 else { return 0 }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }
}
