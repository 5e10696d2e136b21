import CTLSPeer
import StationCore

@testable import CSMSLink

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A certificate with its key, made for one test.
final class Identity: @unchecked Sendable {
  struct Impossible: Error {}

  let pointer: OpaquePointer
  let issuer: Identity?

  /// - Parameters:
  ///   - names: as in openssl.cnf, `DNS:a.example,IP:127.0.0.1`.
  ///   - days: validity, in days from now.
  init(
    _ commonName: String, by issuer: Identity? = nil, names: String? = nil, key: String = "EC",
    digest: String = "SHA256",
    days: ClosedRange<Int64> = -1...30, isCA: Bool = false, usage: String? = nil, mustStaple: Bool = false
  ) throws {
    self.issuer = issuer
    let made = Self.withOptional(names) { names in
      Self.withOptional(usage) { usage in
        commonName.withCString { commonName in
          key.withCString { key in
            digest.withCString { digest in
              var wish = tlspeer_wish(
                common_name: commonName, alternative_names: names, key: key, digest: digest,
                not_before: days.lowerBound * 86_400, not_after: days.upperBound * 86_400, is_ca: isCA ? 1 : 0,
                extended_key_usage: usage, must_staple: mustStaple ? 1 : 0)
              return tlspeer_make(&wish, issuer?.pointer)
            }
          }
        }
      }
    }
    guard let made else { throw Impossible() }
    pointer = made
  }

  deinit { tlspeer_free(pointer) }

  static func authority(_ name: String, by issuer: Identity? = nil, key: String = "EC") throws -> Identity {
    try Identity(name, by: issuer, key: key, isCA: true)
  }

  var pem: String { Self.take(tlspeer_certificate_pem(pointer)) }
  func keyPEM(password: String? = nil) -> String {
    Self.take(Self.withOptional(password) { tlspeer_key_pem(pointer, $0) })
  }

  /// A stapled answer about this certificate: 0 good, 1 revoked, 2 unknown.
  func ocsp(
    _ status: Int32, signer: Identity? = nil, tryLater: Bool = false, digest: String = "SHA1",
    hours: ClosedRange<Int64> = -1...24
  ) throws -> [UInt8] {
    guard let issuer else { throw Impossible() }
    var der: UnsafeMutablePointer<UInt8>?
    let count = tlspeer_ocsp(
      pointer, issuer.pointer, (signer ?? issuer).pointer, status, tryLater ? 1 : 0, digest,
      hours.lowerBound * 3600, hours.upperBound * 3600, &der)
    guard let der else { throw Impossible() }
    defer { free(der) }
    return Array(UnsafeBufferPointer(start: der, count: count))
  }

  private static func take(_ text: UnsafeMutablePointer<CChar>?) -> String {
    guard let text else { return "" }
    defer { tlspeer_free_text(text) }
    return String(cString: text)
  }

  private static func withOptional<T>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> T) -> T {
    guard let text else { return body(nil) }
    return text.withCString(body)
  }
}

/// A certificate directory of one test, removed with it.
final class CertificateDirectory: Sendable {
  let path: String

  init(roots: [Identity]) throws {
    var template = Array("/tmp/link-certs-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Identity.Impossible() }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    for directory in ["ca", "ca/csms", "client", "client/csms"] { mkdir("\(path)/\(directory)", 0o700) }
    if !roots.isEmpty { try setRoots(roots) }
  }

  deinit {
    for directory in ["client/csms", "client", "ca/csms", "ca"] {
      for name in Self.names("\(path)/\(directory)") { unlink("\(path)/\(directory)/\(name)") }
      rmdir("\(path)/\(directory)")
    }
    rmdir(path)
  }

  func setRoots(_ roots: [Identity]) throws {
    try write("ca/csms/CSMS_ROOT_CA.pem", roots.map(\.pem).joined())
  }

  func addClient(_ identity: Identity, name: String = "client", chain: [Identity] = [], password: String? = nil) throws
  {
    try write("client/csms/\(name).pem", ([identity] + chain).map(\.pem).joined())
    try write("client/csms/\(name).key", identity.keyPEM(password: password))
  }

  func write(_ file: String, _ text: String) throws {
    guard let stream = fopen("\(path)/\(file)", "w") else { throw Identity.Impossible() }
    fputs(text, stream)
    fclose(stream)
  }

  var files: TLSFiles { TLSFiles(directory: path) }

  private static func names(_ directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names
  }
}
