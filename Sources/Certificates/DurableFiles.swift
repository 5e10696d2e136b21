import Glibc

/// Changes of files that a power cut leaves done or undone: everything is written beside, flushed, and put in place by
/// renaming. Files get mode 0600, directories 0700. What a cut leaves behind has a name that begins with a dot.
///
/// An error leaves things as they are: cleaning up is `CertificateStore.tidy`'s, which has to know what a cut left anyway.
struct DurableFiles: Sendable {
  /// The folder; all other paths are in it.
  let root: String
  /// Called before every step, with what it is. A test throws here to cut the power.
  var beforeStep: @Sendable (String) throws(FileProblem) -> Void = { _ in }

  static let newSuffix = ".new"

  func path(_ file: String) -> String { "\(root)/\(file)" }

  static func directory(of file: String) -> String {
    file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
  }

  static func name(of file: String) -> String {
    file.lastIndex(of: "/").map { String(file[file.index(after: $0)...]) } ?? file
  }

  /// Where a file is before it is put in place.
  static func temporary(_ file: String) -> String { "\(directory(of: file))/.\(name(of: file))\(newSuffix)" }

  /// Makes the directory and all above it that are missing.
  func makeDirectory(_ directory: String) throws(FileProblem) {
    var missing: [String] = []
    var path = self.path(directory)
    var status = stat()
    while stat(path, &status) != 0, errno == ENOENT, let end = path.lastIndex(of: "/"), end > path.startIndex {
      missing.append(path)
      path = String(path[..<end])
    }
    for path in missing.reversed() {
      try beforeStep("mkdir \(path)")
      guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FileProblem(directory, errno: errno) }
      let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
      try sync(directory: parent, for: directory)
    }
  }

  /// Writes a file beside its place and flushes it.
  /// - Parameter content: writes to the descriptor and returns an errno, 0 when all went well.
  func prepare(_ file: String, _ content: (Int32) -> Int32) throws(FileProblem) {
    let temporary = Self.temporary(file)
    try beforeStep("write \(temporary)")
    guard unlink(path(temporary)) == 0 || errno == ENOENT else { throw FileProblem(file, errno: errno) }
    let descriptor = open(path(temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileProblem(file, errno: errno) }
    defer { close(descriptor) }
    let code = content(descriptor)
    guard code == 0 else { throw FileProblem(file, errno: code) }
    guard fsync(descriptor) == 0 else { throw FileProblem(file, errno: errno) }
  }

  func prepare(_ file: String, _ bytes: [UInt8]) throws(FileProblem) {
    try prepare(file) { descriptor in
      var written = 0
      while written < bytes.count {
        let count = bytes.withUnsafeBytes {
          write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return count < 0 ? errno : ENOSPC }
        written += count
      }
      return 0
    }
  }

  /// Puts a prepared file in its place, durably.
  func commit(_ file: String) throws(FileProblem) {
    try rename(Self.temporary(file), file)
    try sync(Self.directory(of: file))
  }

  /// Replaces a file as a whole, durably.
  func replace(_ file: String, _ bytes: [UInt8]) throws(FileProblem) {
    try makeDirectory(Self.directory(of: file))
    try prepare(file, bytes)
    try commit(file)
  }

  func rename(_ old: String, _ new: String) throws(FileProblem) {
    try beforeStep("rename \(new)")
    guard Glibc.rename(path(old), path(new)) == 0 else { throw FileProblem(new, errno: errno) }
  }

  /// Gives a file a second name.
  func link(_ old: String, _ new: String) throws(FileProblem) {
    try beforeStep("link \(new)")
    guard Glibc.link(path(old), path(new)) == 0 else { throw FileProblem(new, errno: errno) }
  }

  /// Removes a file; one that is not there is removed.
  func remove(_ file: String) throws(FileProblem) {
    try beforeStep("remove \(file)")
    guard unlink(path(file)) == 0 || errno == ENOENT else { throw FileProblem(file, errno: errno) }
  }

  /// Makes what happened to the names in a directory durable.
  func sync(_ directory: String) throws(FileProblem) {
    try sync(directory: path(directory), for: directory)
  }

  private func sync(directory path: String, for name: String) throws(FileProblem) {
    try beforeStep("sync \(name)")
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileProblem(name, errno: errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw FileProblem(name, errno: errno) }
  }

  /// The inode; `nil` when there is no such file.
  func inode(_ file: String) -> UInt64? {
    var status = stat()
    return lstat(path(file), &status) == 0 ? UInt64(status.st_ino) : nil
  }

  /// Names in a directory, hidden ones too.
  func names(_ directory: String) -> [String] {
    guard let stream = opendir(path(directory)) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while names.count < 10 * CertificateFolder.filesPerDirectory, let next = readdir(stream) {
      names.append(
        withUnsafeBytes(of: next.pointee.d_name) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names.sorted()
  }
}
