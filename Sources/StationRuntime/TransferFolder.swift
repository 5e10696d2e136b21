import Glibc

/// The directory `transfers` of the data directory: files that are fetched or brought, and beside each that is half fetched
/// `NAME.resume`, which is `station-transfer`'s.
struct TransferFolder {
  static let resumeSuffix = ".resume"
  static let nameLimit = 100
  /// Files looked at when it is tidied.
  static let filesLimit = 1000

  let path: String

  /// - Parameter dataDirectory: exists.
  init(dataDirectory: String) { path = dataDirectory + "/transfers" }

  struct Problem: Error {
    var text: String
  }

  static func isName(_ name: String) -> Bool {
    (1...nameLimit).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: ".") && !name.hasSuffix(resumeSuffix)
      && name.utf8.allSatisfy {
        switch $0 {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
      }
  }

  /// Where the file of this name is; its name must have been checked.
  func place(_ name: String) -> String { "\(path)/\(name)" }

  /// The file to be fetched, and what is known of it. They are the caller's to close.
  func openForDownload(_ name: String, resumes: Bool) throws(Problem) -> (file: Int32, state: Int32) {
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw problem(name) }
    let flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (resumes ? 0 : O_TRUNC)
    let file = open(place(name), flags, 0o600)
    guard file >= 0 else { throw problem(name) }
    let state = open(place(name) + Self.resumeSuffix, flags, 0o600)
    guard state >= 0 else {
      let result = problem(name)
      close(file)
      throw result
    }
    return (file, state)
  }

  func openForUpload(_ name: String) throws(Problem) -> Int32 {
    let file = open(place(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard file >= 0 else { throw problem(name) }
    return file
  }

  /// Bytes that the file of this descriptor takes of the medium.
  static func taken(_ file: Int32) -> Int64 {
    var status = stat()
    return fstat(file, &status) == 0 ? Int64(status.st_blocks) * 512 : 0
  }

  /// Bytes that a process without privileges may still write where this directory is; without limit where nobody knows.
  static func freeSpace(_ directory: String) -> Int64 {
    var status = statvfs()
    guard statvfs(directory, &status) == 0 else { return Int64.max / 2 }
    return Int64(status.f_bavail) * Int64(status.f_frsize)
  }

  func remove(_ name: String) {
    unlink(place(name))
    unlink(place(name) + Self.resumeSuffix)
  }

  /// Removes all others.
  func keepOnly(_ names: [String]) {
    guard let stream = opendir(path) else { return }
    defer { closedir(stream) }
    var others: [String] = []
    while others.count < Self.filesLimit, let next = readdir(stream) {
      let name = withUnsafeBytes(of: next.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      let owner = name.hasSuffix(Self.resumeSuffix) ? String(name.dropLast(Self.resumeSuffix.count)) : name
      if name != ".", name != "..", !names.contains(owner) { others.append(name) }
    }
    for name in others { unlink(place(name)) }
  }

  private func problem(_ name: String) -> Problem {
    Problem(text: "the file \(name) of the directory transfers cannot be opened: \(String(cString: strerror(errno)))")
  }
}
