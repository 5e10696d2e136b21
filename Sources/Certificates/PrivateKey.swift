import COpenSSL
import Glibc

/// A private key, or the handle of one that lives in a token.
///
/// Where it comes from: the `.key` file beside a certificate. The file holds PEM, encrypted or not, or a `pkcs11:` URI
/// (RFC 7512); a token's key never leaves the token, and each of its signatures takes as long as the token does.
///
/// The key is not changed after it was opened, so several threads may use it.
public final class PrivateKey: @unchecked Sendable {
  /// OpenSSL's `EVP_PKEY`, borrowed: valid as long as this object lives.
  package let pointer: OpaquePointer

  /// Longest key file that is read, bytes.
  static let maxFileSize = 65_536

  /// - Parameter taking: an `EVP_PKEY` whose reference becomes this object's.
  package init(taking pointer: OpaquePointer) {
    self.pointer = pointer
  }

  /// Opens the key in a file.
  /// - Parameter password: decrypts the PEM; the PIN of the token when the URI has none. `nil`: there is none.
  /// - Throws: one line with the path and what was wrong; never what the file holds, nor the password.
  public convenience init(path: String, password: String?) throws(PrivateKeyError) {
    var content = try Self.read(path)
    defer { for index in content.indices { content[index] = 0 } }
    let (key, problem) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { problem in
      let key = content.withUnsafeBytes { bytes in
        tls_key_open(
          bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, password, problem.baseAddress,
          problem.count)
      }
      return (key, problem.baseAddress.map { String(cString: $0) } ?? "")
    }
    guard let key else { throw PrivateKeyError(text: "\(path): \(problem)") }
    self.init(taking: key)
  }

  deinit {
    EVP_PKEY_free(pointer)
  }

  private static func read(_ path: String) throws(PrivateKeyError) -> [UInt8] {
    // Not blocked by a FIFO somebody put there.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw PrivateKeyError(text: "\(path): \(String(cString: strerror(errno)))") }
    defer { close(file) }
    var content = [UInt8](repeating: 0, count: maxFileSize + 1)
    var count = 0
    while count < content.count {
      let got = content.withUnsafeMutableBytes {
        Glibc.read(file, $0.baseAddress?.advanced(by: count), $0.count - count)
      }
      if got < 0 {
        if errno == EINTR { continue }
        throw PrivateKeyError(text: "\(path): \(String(cString: strerror(errno)))")
      }
      if got == 0 { break }
      count += got
    }
    guard count <= maxFileSize else {
      throw PrivateKeyError(text: "\(path): longer than \(maxFileSize) bytes, which no key is")
    }
    // Shortened in place: no copy of a key is left behind.
    content.removeLast(content.count - count)
    return content
  }
}

/// Why a key could not be opened: one line with the file's path.
public struct PrivateKeyError: Error, Hashable, Sendable {
  public var text: String
}
