import Glibc

/// Why a file of the logs cannot be used: one line with its path.
public struct LogError: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String

  init(_ path: String, _ code: CInt = errno) { description = "\(path): \(String(cString: strerror(code)))" }
}

/// Whole files by system calls: no Foundation in the agent.
enum LogFiles {
  static func makeDirectory(_ path: String) throws(LogError) {
    if mkdir(path, 0o700) == 0 { return }
    guard errno == EEXIST else { throw LogError(path) }
    var status = stat()
    guard stat(path, &status) == 0 else { throw LogError(path) }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw LogError(path, ENOTDIR) }
  }

  /// Names of what is in the directory; empty when there is none.
  static func names(in directory: String) -> [String] {
    guard let handle = opendir(directory) else { return [] }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  static func size(_ path: String) -> Int? {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }

  static func read(_ path: String) throws(LogError) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { throw LogError(path) }
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(file, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw LogError(path) }
      guard count > 0 else { return bytes }
      bytes += buffer.prefix(count)
    }
  }

  /// Writes all of it, or throws; what was written until then stays.
  static func write(_ bytes: ArraySlice<UInt8>, to file: CInt, _ path: String) throws(LogError) {
    var rest = bytes
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw LogError(path, count == 0 ? EIO : errno) }
      rest = rest.dropFirst(count)
    }
  }

  /// Makes the file anew by writing another beside it, which is flushed and renamed: there is the old one or the new one.
  static func replace(
    _ path: String, in directory: String,
    _ body: ((ArraySlice<UInt8>) throws(LogError) -> Void) throws(LogError) -> Void
  ) throws(LogError) {
    let temporary = path + ".new"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw LogError(temporary) }
    do throws(LogError) {
      defer { close(file) }
      try body { (bytes) throws(LogError) in try write(bytes, to: file, temporary) }
      guard fsync(file) == 0 else { throw LogError(temporary) }
    } catch {
      unlink(temporary)
      throw error
    }
    guard rename(temporary, path) == 0 else {
      let error = LogError(path)
      unlink(temporary)
      throw error
    }
    flush(directory: directory)
  }

  static func flush(directory: String) {
    let file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard file >= 0 else { return }
    fsync(file)
    close(file)
  }
}
