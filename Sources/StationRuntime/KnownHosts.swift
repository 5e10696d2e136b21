import Glibc
import OCPP

/// The host keys of SFTP servers, as lines of OpenSSH's known_hosts: `host type base64`, the host `[host]:port` where the port
/// is not 22; several hosts separated by commas. Hashed hosts and markers (`@`) are not understood and do not count.
///
/// Where `ssh/known_hosts` is in the certificate directory, it alone counts and servers that it does not name are refused. Where
/// there is none, the first key that a server shows counts from then on; it is kept in `known_hosts` of the data directory. While
/// one of the files is there and cannot be read, no server is trusted: who can make it unreadable could else put a key in its place.
struct KnownHosts {
  struct Unreadable: Error {
    var text: String
  }

  static let bytesLimit = 256 << 10
  /// Keys that were taken: the oldest go.
  static let takenLimit = 100

  let givenFile: String
  let takenFile: String

  init(certificates: String, dataDirectory: String) {
    givenFile = certificates + "/ssh/known_hosts"
    takenFile = dataDirectory + "/known_hosts"
  }

  /// What counts for this server, as lines of type and Base64, and whether a first key may be taken.
  func keys(of location: FileLocation) throws(Unreadable) -> (keys: [String], takesNew: Bool) {
    let given = try Self.read(givenFile)
    let text = try given == nil ? Self.read(takenFile) : given
    return (Self.keys(in: text ?? [], of: location), given == nil)
  }

  static func keys(in text: [UInt8], of location: FileLocation) -> [String] {
    let host = Self.host(location)
    return String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count >= 3, fields[0].split(separator: ",").contains(where: { $0.lowercased() == host }) else {
        return nil
      }
      return "\(fields[1]) \(fields[2])"
    }
  }

  /// Remembers a key that was taken. False: it could not be written, and will be taken again.
  func take(_ key: String, of location: FileLocation) -> Bool {
    guard let before = try? Self.read(takenFile) ?? [] else { return false }
    var lines = String(decoding: before, as: UTF8.self).split(separator: "\n").suffix(Self.takenLimit - 1).map(
      String.init)
    lines.append("\(Self.host(location)) \(key)")
    while lines.reduce(0, { $0 + $1.utf8.count + 1 }) > Self.bytesLimit { lines.removeFirst() }
    return replaceFile(takenFile, Array(lines.map { $0 + "\n" }.joined().utf8))
  }

  /// `nil`: it does not exist.
  private static func read(_ path: String) throws(Unreadable) -> [UInt8]? {
    if let text = readFile(path, limit: bytesLimit) { return text }
    var status = stat()
    if lstat(path, &status) != 0, errno == ENOENT { return nil }
    throw Unreadable(text: "\(path) cannot be read, or has more than \(bytesLimit) bytes: no SFTP server is trusted")
  }

  static func host(_ location: FileLocation) -> String {
    let authority = location.authority.lowercased()
    guard let port = location.port else { return authority }
    let host = String(authority[..<(authority.lastIndex(of: ":") ?? authority.endIndex)])
    if port == 22 { return host }
    return host.hasPrefix("[") ? "\(host):\(port)" : "[\(host)]:\(port)"
  }
}

/// A whole small file; `nil` when it cannot be read, or has more bytes.
func readFile(_ path: String, limit: Int) -> [UInt8]? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 64 << 10)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0, errno == EINTR { continue }
    guard count >= 0 else { return nil }
    if count == 0 { return bytes }
    bytes += buffer[..<count]
    guard bytes.count <= limit else { return nil }
  }
}

/// Replaces a small file as a whole, durably.
func replaceFile(_ path: String, _ bytes: [UInt8]) -> Bool {
  let new = path + ".new"
  let descriptor = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
  guard descriptor >= 0 else { return false }
  let isWritten = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count
  let isFlushed = isWritten && fsync(descriptor) == 0
  close(descriptor)
  return isFlushed && rename(new, path) == 0
}
