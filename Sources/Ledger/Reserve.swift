import Glibc

/// A file that only takes room, to be given up when the medium is full: what is queued can then still be delivered and
/// what a session in progress has to record still be recorded. Used by one thread at a time.
final class Reserve {
  /// In the directory, kept or given up.
  static let name = "reserve"

  /// True while the reserve is not there although there should be one: the station lives on it, or never had it.
  private(set) var isGone = false
  private let directory: DataDirectory
  private let size: Int
  private var file: String { directory.path + "/" + Self.name }

  init(_ directory: DataDirectory, size: Int) {
    self.directory = directory
    self.size = max(0, size)
  }

  /// Free space on the medium from which the reserve is made again: so much more than it takes that it is not given up
  /// again at once.
  private var enough: Int { size + max(1 << 20, size / 4) }

  /// At the start: makes the reserve unless it is there.
  func prepare() {
    var status = stat()
    let exists = lstat(file, &status) == 0
    if size == 0 {
      if exists { unlink(file) }
      return
    }
    let isRight =
      exists && status.st_mode & S_IFMT == S_IFREG && Int(status.st_size) == size
      && Int(status.st_blocks) * 512 >= size
    if isRight { return }
    if exists { unlink(file) }
    isGone = true
    _ = restore()
  }

  /// Makes its room free. True when there was a reserve.
  func giveUp() -> Bool {
    isGone = size > 0
    return unlink(file) == 0
  }

  /// Makes the reserve again if there is space enough. True when it is there now and was not before.
  func restore() -> Bool {
    guard isGone, freeSpace >= enough else { return false }
    let descriptor = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return false }
    let code = posix_fallocate(descriptor, 0, off_t(size))
    close(descriptor)
    if code != 0 {
      unlink(file)
      return false
    }
    isGone = false
    return true
  }

  private var freeSpace: Int {
    var status = statvfs()
    guard statvfs(directory.path, &status) == 0 else { return 0 }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }
}
