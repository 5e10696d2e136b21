import COpenSSL
import Glibc

/// The key of a simulated meter: EC P-256, made at its first start, in a file that only its owner may read. A real meter
/// keeps its key to itself.
public final class MeterKey: Sendable {
  /// SubjectPublicKeyInfo (RFC 5280) in DER.
  public let publicKey: [UInt8]
  private let key: PrivateKey

  /// Opens the key in the file of that name, or makes one.
  /// - Throws: one line with the path and what was wrong.
  public init(directory: String, name: String) throws(PrivateKeyError) {
    let path = "\(directory)/\(name)"
    if access(path, F_OK) == 0 {
      key = try PrivateKey(path: path, password: nil)
    } else {
      guard let made = x509_key_make(0) else { throw PrivateKeyError(text: "\(path): no key could be made") }
      let fresh = PrivateKey(taking: made)
      let files = DurableFiles(root: directory)
      do {
        try files.prepare(name) { x509_key_write(fresh.pointer, $0, nil) }
        try files.commit(name)
      } catch {
        throw PrivateKeyError(text: "\(path): \(error)")
      }
      key = fresh
    }
    publicKey = Self.taken(x509_key_public(key.pointer))
    guard !publicKey.isEmpty else { throw PrivateKeyError(text: "\(path): its public key cannot be told") }
  }

  /// The signature of the bytes, ECDSA with SHA-256 in DER; `nil` when OpenSSL fails.
  public func sign(_ bytes: [UInt8]) -> [UInt8]? {
    let signature = Self.taken(x509_key_sign(key.pointer, bytes, bytes.count))
    return signature.isEmpty ? nil : signature
  }

  private static func taken(_ bytes: x509_bytes) -> [UInt8] {
    var bytes = bytes
    defer { x509_free(&bytes) }
    return Array(UnsafeBufferPointer(start: bytes.data, count: bytes.count))
  }
}
