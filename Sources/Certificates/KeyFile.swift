import COpenSSL
import Glibc

/// A `.key` file without opening the key for use.
enum KeyFile {
  /// The file names a key in a token (RFC 7512) instead of holding one.
  static func namesToken(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return false }
    let text = bytes.prefix(count).drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
    return String(decoding: text.prefix(7), as: UTF8.self).lowercased() == "pkcs11:"
  }

  /// Why the key in this file is not the one of the certificate; `nil` when it is, or when only somebody with the password
  /// or the token can tell.
  static func problem(of path: String, for certificate: Certificate) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      return errno == ENOENT
        ? "the key of the certificate is missing" : "the key of the certificate: \(String(cString: strerror(errno)))"
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return "it is not a file" }
    guard status.st_size > 0 else { return "it is empty" }
    return x509_key_fits(descriptor, certificate.der, certificate.der.count) == 0
      ? "it is not the key of the certificate" : nil
  }
}
