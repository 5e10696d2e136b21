import Glibc

/// Why a file or directory cannot be used: one line with its path in the folder.
struct FileProblem: Error, Hashable, Sendable {
  var text: String

  init(_ path: String, _ reason: String) { text = "\(path): \(reason)" }
  init(_ path: String, errno code: Int32) { text = "\(path): \(String(cString: strerror(code)))" }
}

enum FileReader {
  struct Entry: Hashable {
    var name: String
    var isDirectory: Bool
  }

  /// What is in a directory, hidden entries left out, sorted by name. Empty when there is no such directory.
  static func entries(of root: String, _ directory: String) throws(FileProblem) -> [Entry] {
    guard let stream = opendir("\(root)/\(directory)") else {
      if errno == ENOENT { return [] }
      throw FileProblem(directory, errno: errno)
    }
    defer { closedir(stream) }
    var entries: [Entry] = []
    while let next = readdir(stream) {
      let name = withUnsafeBytes(of: next.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard !name.hasPrefix(".") else { continue }
      guard entries.count < 10 * CertificateFolder.filesPerDirectory else {
        throw FileProblem(directory, "more than \(entries.count) entries")
      }
      var status = stat()
      guard stat("\(root)/\(directory)/\(name)", &status) == 0 else { continue }
      entries.append(Entry(name: name, isDirectory: status.st_mode & S_IFMT == S_IFDIR))
    }
    return entries.sorted { $0.name < $1.name }
  }

  /// All of a file; `nil` when it does not exist. Never waits for a FIFO's writer.
  static func read(_ root: String, _ file: String, limit: Int) throws(FileProblem) -> [UInt8]? {
    let descriptor = open("\(root)/\(file)", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw FileProblem(file, errno: errno)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileProblem(file, errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileProblem(file, "it is not a file") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileProblem(file, errno: errno)
      }
      if count == 0 { return bytes }
      guard bytes.count + count <= limit else { throw FileProblem(file, "it is larger than \(limit) bytes") }
      bytes += buffer[..<count]
    }
  }
}
