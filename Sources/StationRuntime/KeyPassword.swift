import Glibc

/// The password of encrypted keys and tokens. It comes by a file or by the environment, never by an argument, and is taken
/// out of the environment at once: programs that this one starts do not inherit it, and `/proc/PID/environ` does not
/// show it.
struct KeyPassword {
  static let variable = "STATION_KEY_PASSWORD"
  /// Longest password, bytes.
  static let maxLength = 1024

  /// `nil`: there is none.
  let text: String?
  private let isFromEnvironment: Bool

  struct Problem: Error, Hashable {
    var text: String
  }

  /// - Parameter file: its first line is the password.
  /// - Throws: when the file cannot be read, or there is a password in the environment too.
  init(file: String?) throws(Problem) {
    let inherited = Self.takeFromEnvironment()
    guard let file else {
      text = inherited
      isFromEnvironment = inherited != nil
      return
    }
    guard inherited == nil else {
      throw Problem(text: "--key-password-file and \(Self.variable) are both given, expected one")
    }
    text = try Self.firstLine(of: file)
    isFromEnvironment = false
  }

  /// For the program that this process becomes.
  func handOver() {
    if isFromEnvironment, let text { setenv(Self.variable, text, 1) }
  }

  private static func takeFromEnvironment() -> String? {
    guard let value = getenv(variable) else { return nil }
    let text = String(cString: value)
    // In place: this is the memory that /proc shows.
    memset(value, 0, strlen(value))
    unsetenv(variable)
    return text.isEmpty ? nil : text
  }

  private static func firstLine(of path: String) throws(Problem) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Problem(text: "--key-password-file \(path): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: maxLength + 2)
    var count = 0
    while count < buffer.count {
      let got = buffer.withUnsafeMutableBytes {
        read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw Problem(text: "--key-password-file \(path): \(String(cString: strerror(errno)))") }
      if got == 0 { break }
      count += got
    }
    let line = buffer.prefix(count).prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    guard !line.isEmpty else { throw Problem(text: "--key-password-file \(path): the first line is empty") }
    guard line.count <= maxLength, let text = String(validating: line, as: UTF8.self), !line.contains(0) else {
      throw Problem(text: "--key-password-file \(path): expected a line of text of at most \(maxLength) bytes")
    }
    return text
  }
}
