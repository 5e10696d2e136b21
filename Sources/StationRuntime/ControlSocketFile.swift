import Glibc

/// Why the control socket could not be opened.
public struct ControlSocketError: Error, CustomStringConvertible {
  public var description: String
}

/// The Unix socket's place in the file system.
struct ControlSocketFile {
  let path: String
  /// Bound and listening.
  let descriptor: CInt
  private let device: dev_t
  private let inode: ino_t

  /// Creates the socket, mode 0600, and listens. The file of a socket on which nobody listens any more is replaced; one that is
  /// in use, or that is not a socket, is left alone and is an error.
  init(listeningAt path: String, backlog: CInt = 128) throws(ControlSocketError) {
    self.path = path
    var address = try Self.address(path)
    try Self.removeStale(path, &address)

    let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw Self.error(path, "cannot create a socket") }
    let mask = umask(0o177)
    let bound = Self.withAddress(&address) { bind(descriptor, $0, $1) }
    let bindError = errno
    umask(mask)
    guard bound == 0 else {
      close(descriptor)
      throw Self.error(path, "cannot create it", bindError)
    }
    var status = stat()
    guard listen(descriptor, backlog) == 0, lstat(path, &status) == 0 else {
      let code = errno
      close(descriptor)
      unlink(path)
      throw Self.error(path, "cannot listen", code)
    }
    self.descriptor = descriptor
    device = status.st_dev
    inode = status.st_ino
  }

  /// Removes the file if it is still the one that was created. To be called before `descriptor` is closed, which keeps the
  /// inode's number from being given to another file.
  func remove() {
    var status = stat()
    if lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode { unlink(path) }
  }

  private static func address(_ path: String) throws(ControlSocketError) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path) - 1
    guard !bytes.isEmpty, bytes.count <= room, !bytes.contains(0) else {
      throw ControlSocketError(
        description: "control socket \(path): the path has \(bytes.count) bytes, expected 1 to \(room) "
          + "(a limit of the system); give a shorter one with --control-socket")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return address
  }

  private static func withAddress(
    _ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
  ) -> CInt {
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }

  private static func removeStale(_ path: String, _ address: inout sockaddr_un) throws(ControlSocketError) {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw error(path, "cannot look at it")
    }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw ControlSocketError(
        description:
          "control socket \(path): a file that is not a socket is in the way; remove it or choose another path")
    }
    let probe = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard probe >= 0 else { throw error(path, "cannot create a socket") }
    defer { close(probe) }
    if withAddress(&address, { connect(probe, $0, $1) }) == 0 || errno == EAGAIN {
      throw ControlSocketError(
        description: "control socket \(path): another process listens on it; stop it or choose another path")
    }
    guard errno == ECONNREFUSED else { throw error(path, "cannot find out whether it is in use") }
    guard unlink(path) == 0 || errno == ENOENT else { throw error(path, "cannot remove the file of a dead process") }
  }

  private static func error(_ path: String, _ what: String, _ code: Int32 = errno) -> ControlSocketError {
    ControlSocketError(description: "control socket \(path): \(what): \(String(cString: strerror(code)))")
  }
}
