import CTestPKI
import Glibc

/// A certificate for a test, with its key: PEM.
public struct Issued: Sendable {
  public var certificate: String
  /// Empty when it was issued for a request.
  public var key: String
}

/// What a certificate is to be like. The defaults are those of a good leaf.
public struct Wish: Sendable {
  public var commonName: String?
  public var organization: String? = "Test Operator"
  public var country: String? = "NL"
  /// `P-256`, `P-192`, `RSA-2048`, `ED25519`, …
  public var key = "P-256"
  public var digest = "SHA256"
  /// Unix time, seconds.
  public var notBefore: Int64 = 1_700_000_000
  public var notAfter: Int64 = 4_000_000_000
  public var serial: String?
  /// In the notation of OpenSSL's configuration; `nil` leaves the extension out.
  public var basicConstraints: String? = "critical,CA:FALSE"
  public var keyUsage: String? = "critical,digitalSignature"
  public var extendedKeyUsage: String?
  public var subjectAltName: String?
  public var version: Int32 = 3

  public init(_ commonName: String?) { self.commonName = commonName }

  /// A good CA.
  public static func authority(_ commonName: String) -> Wish {
    var wish = Wish(commonName)
    wish.basicConstraints = "critical,CA:TRUE"
    wish.keyUsage = "critical,keyCertSign,cRLSign"
    return wish
  }

  /// A copy with changes.
  public func with(_ change: (inout Wish) -> Void) -> Wish {
    var copy = self
    change(&copy)
    return copy
  }
}

/// - Parameters:
///   - issuer: `nil`: it signs itself.
///   - request: PEM of a signing request, whose key (and subject, where the wish has no common name) it gets.
///   - key: PEM of the key to use; `nil` makes one.
public func issue(_ wish: Wish, by issuer: Issued? = nil, request: String? = nil, key: String? = nil) -> Issued {
  func withOptional<T>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> T) -> T {
    guard let text else { return body(nil) }
    return text.withCString { body($0) }
  }
  var raw = test_pki_request()
  raw.not_before = wish.notBefore
  raw.not_after = wish.notAfter
  raw.version = wish.version
  let texts = [
    wish.commonName, wish.organization, wish.country, wish.key, wish.digest, wish.serial, wish.basicConstraints,
    wish.keyUsage, wish.extendedKeyUsage, wish.subjectAltName,
  ].map { $0.map { strdup($0) } }
  defer { for text in texts { free(text ?? nil) } }
  func pointer(_ index: Int) -> UnsafePointer<CChar>? { texts[index].flatMap { UnsafePointer($0) } }
  raw.common_name = pointer(0)
  raw.organization = pointer(1)
  raw.country = pointer(2)
  raw.key = pointer(3)
  raw.digest = pointer(4)
  raw.serial = pointer(5)
  raw.basic_constraints = pointer(6)
  raw.key_usage = pointer(7)
  raw.extended_key_usage = pointer(8)
  raw.subject_alt_name = pointer(9)
  var keyText: UnsafeMutablePointer<CChar>?
  let text = withOptional(issuer?.certificate) { certificate in
    withOptional(issuer?.key) { issuerKey in
      withOptional(request) { request in
        withOptional(key) { test_pki_issue(&raw, certificate, issuerKey, request, $0, &keyText) }
      }
    }
  }
  guard let text else { fatalError("the test certificate \(wish) cannot be issued") }
  defer {
    free(text)
    free(keyText)
  }
  return Issued(certificate: String(cString: text), key: keyText.map { String(cString: $0) } ?? "")
}

/// The key with a password on it, PEM.
public func encrypted(_ key: String, password: String) -> String {
  guard let text = test_pki_encrypt(key, password) else { fatalError("the test key cannot be encrypted") }
  defer { free(text) }
  return String(cString: text)
}
