import COpenSSL
import Glibc

/// A `.key` file without opening the key for use.
enum KeyFile {
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
