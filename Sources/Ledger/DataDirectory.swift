import Glibc

/// The station's data directory, held against every other process as long as this value's owner keeps it open.
///
/// The lock is an advisory `flock` on the file `lock` in it, which also holds the owner's process id for whoever finds
/// it taken. The kernel drops the lock with the process, however it ends; the file stays.
struct DataDirectory: Sendable {
  let path: String
  /// True when this call created the directory.
  let isNew: Bool
  private let lockDescriptor: Int32
  /// For tests: called before each change of a file that SQLite does not make itself.
  var willChange: (@Sendable (FileChange) -> Void)?

  var database: String { path + "/ledger.sqlite" }
  var databaseLog: String { database + "-wal" }
  /// Where a first database is built before it takes its name.
  var unfinishedDatabase: String { database + ".new" }

  /// Creates the directory (mode 0700) if it is missing, but not its parents, and locks it.
  init(path: String) throws(LedgerError) {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard !trimmed.isEmpty else {
      throw LedgerError(.missing, "the data directory has an empty name; give a path")
    }
    self.path = trimmed
    if mkdir(trimmed, 0o700) == 0 {
      isNew = true
    } else {
      isNew = false
      let code = errno
      var status = stat()
      if stat(trimmed, &status) != 0 {
        throw LedgerError.system(code == EEXIST ? errno : code, "create the data directory", trimmed)
      }
      if status.st_mode & S_IFMT != S_IFDIR {
        throw LedgerError(.notADirectory, "\(trimmed) is not a directory; choose another data directory, or remove it")
      }
    }
    let lockPath = trimmed + "/lock"
    lockDescriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lockDescriptor >= 0 else {
      throw LedgerError.system(errno, "write in the data directory", trimmed)
    }
    guard flock(lockDescriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      let owner = Self.readOwner(lockDescriptor)
      Glibc.close(lockDescriptor)
      if code != EWOULDBLOCK { throw LedgerError.system(code, "lock", lockPath) }
      let who = owner.map { "process \($0)" } ?? "another process"
      throw LedgerError(
        .locked(by: owner),
        "the data directory \(trimmed) is in use by \(who); stop it, or give this station another data directory")
    }
    // Only a help for people: when the disk is full, the lock holds without the number.
    let text = Array("\(getpid())\n".utf8)
    if ftruncate(lockDescriptor, 0) == 0 { _ = pwrite(lockDescriptor, text, text.count, 0) }
  }

  private static func readOwner(_ descriptor: Int32) -> Int32? {
    var buffer = [UInt8](repeating: 0, count: 16)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return nil }
    return Int32(String(decoding: buffer.prefix(count).prefix { $0 != 0x0A }, as: UTF8.self))
  }

  /// Releases the lock by name, not by closing alone: a child being started holds a copy of the descriptor until it
  /// executes its own program.
  func unlock() {
    flock(lockDescriptor, LOCK_UN)
    Glibc.close(lockDescriptor)
  }

  /// Size of a file in bytes, `nil` when it does not exist.
  func size(of file: String) throws(LedgerError) -> Int? {
    var status = stat()
    if lstat(file, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw LedgerError(.foreign, "\(file) is not a regular file; move it away")
      }
      return Int(status.st_size)
    }
    if errno == ENOENT { return nil }
    throw LedgerError.system(errno, "look at", file)
  }

  /// Makes the entry of a directory just created as durable as what is in it.
  func synchronizeParent() throws(LedgerError) {
    let parent = path + "/.."
    let descriptor = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if descriptor < 0, errno == EACCES { return }  // writable, but not readable: nothing more can be done
    guard descriptor >= 0 else { throw LedgerError.system(errno, "open", parent) }
    defer { Glibc.close(descriptor) }
    if fsync(descriptor) != 0, errno != EINVAL { throw LedgerError.system(errno, "flush", parent) }
  }

  /// Creates an empty file of mode 0600; SQLite gives its log the same mode. Fails when it exists.
  func createPrivate(_ file: String) throws(LedgerError) {
    willChange?(.create(file))
    let descriptor = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw LedgerError.system(errno, "create", file) }
    Glibc.close(descriptor)
  }

  /// Takes the rights of everybody else from a file. To be called before SQLite opens it: closing any descriptor of a
  /// database releases the process's locks on it.
  func makePrivate(_ file: String) throws(LedgerError) {
    var status = stat()
    guard lstat(file, &status) == 0 else { throw LedgerError.system(errno, "look at", file) }
    if status.st_mode & 0o077 != 0, chmod(file, 0o600) != 0 {
      throw LedgerError.system(errno, "take away the rights of others on", file)
    }
  }

  /// Flushes a file, then gives it its final name. The name is durable with the next flush of the directory.
  func flushAndRename(_ file: String, to name: String) throws(LedgerError) {
    let descriptor = open(file, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw LedgerError.system(errno, "open", file) }
    willChange?(.flush(file))
    let flushed = fsync(descriptor) == 0 ? 0 : errno
    Glibc.close(descriptor)
    if flushed != 0 { throw LedgerError.system(flushed, "flush", file) }
    try rename(file, to: name)
  }

  func rename(_ file: String, to name: String) throws(LedgerError) {
    willChange?(.rename(file, name))
    if Glibc.rename(file, name) != 0 { throw LedgerError.system(errno, "rename to \(name)", file) }
  }

  func removeIfPresent(_ file: String) throws(LedgerError) {
    willChange?(.remove(file))
    if unlink(file) != 0, errno != ENOENT { throw LedgerError.system(errno, "remove", file) }
  }

  /// Makes all names in the directory durable.
  func flush() throws(LedgerError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LedgerError.system(errno, "open", path) }
    defer { Glibc.close(descriptor) }
    willChange?(.flush(path))
    if fsync(descriptor) != 0, errno != EINVAL { throw LedgerError.system(errno, "flush", path) }
  }

  /// The names in the directory, in no order.
  func names() throws(LedgerError) -> [String] {
    guard let directory = opendir(path) else { throw LedgerError.system(errno, "list", path) }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }
}

/// What is about to be done to a file or directory.
package enum FileChange: Sendable {
  case create(String)
  case flush(String)
  case rename(String, String)
  case remove(String)
}
