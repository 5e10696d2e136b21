#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Reading the files of a device-model folder, with limits.
enum Folder {
  /// Files in one directory.
  static let maxFiles = 1000
  /// Bytes of one file.
  static let maxFileSize = 1 << 20

  struct Failure: Error {
    var message: String
    var expected: String?
  }

  /// The names in a directory that end in `.json` and do not begin with a dot, sorted.
  static func names(in directory: String) throws(Failure) -> [String] {
    guard let stream = opendir(directory) else { throw failure("cannot open the directory") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let capacity = MemoryLayout.size(ofValue: entry.pointee.d_name)
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: capacity) { String(cString: $0) }
      }
      guard name.hasSuffix(".json"), !name.hasPrefix(".") else { continue }
      guard names.count < maxFiles else {
        throw Failure(message: "too many files", expected: "at most \(maxFiles) .json files")
      }
      names.append(name)
    }
    return names.sorted()
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// The content of a regular file.
  static func read(_ path: String) throws(Failure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure("cannot open the file") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("cannot read the file") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(message: "not a file", expected: "a regular file") }
    let size = Int(clamping: status.st_size)
    guard size <= maxFileSize else {
      throw Failure(message: "the file has \(size) bytes", expected: "at most \(maxFileSize)")
    }
    var code: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let got = systemRead(descriptor, buffer.baseAddress?.advanced(by: count), size - count)
        if got < 0, errno == EINTR { continue }
        if got < 0 { code = errno }
        if got <= 0 { break }
        count += got
      }
    }
    guard code == 0 else { throw Failure(message: "cannot read the file: \(String(cString: strerror(code)))") }
    return bytes
  }

  private static func failure(_ what: String) -> Failure {
    Failure(message: "\(what): \(String(cString: strerror(errno)))")
  }
}

// `Folder.read` hides the system's `read`.
private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  read(descriptor, buffer, count)
}
