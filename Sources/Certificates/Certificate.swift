import COpenSSL
import OCPP

/// An X.509 certificate as a value. Reading it checks its form, not whether it is to be trusted: that is `CertificatePath`.
public struct Certificate: Hashable, Sendable {
  /// Largest DER encoding that is read, bytes.
  public static let sizeLimit = 64 << 10

  /// The bytes as they came.
  public let der: [UInt8]
  /// SHA-256 of `der`, lower-case hexadecimal.
  public let fingerprint: String
  /// 1 to 3.
  public let version: Int
  /// Hexadecimal in lower case, without leading zeros.
  public let serial: String
  /// One line, RFC 4514, at most 1,023 bytes of UTF-8.
  public let subject: String
  public let issuer: String
  /// Validity, Unix time in milliseconds, both ends included.
  public let notBefore: Int64
  public let notAfter: Int64
  public let key: Key
  /// OpenSSL's name of how it is signed: `ecdsa-with-SHA256`.
  public let signatureAlgorithm: String
  /// How strong that is, as the length of a symmetric key; 0 when not known.
  public let signatureSecurityBits: Int
  /// Subject and issuer are one name.
  public let isSelfIssued: Bool
  /// cA of basicConstraints; `nil` when the extension is absent.
  public let isCA: Bool?
  /// How many CAs may follow below it; `nil`: any number.
  public let pathLength: Int?
  /// `nil` when the extension is absent: everything is allowed.
  public let keyUsage: KeyUsage?
  public let extendedKeyUsage: ExtendedKeyUsage?

  /// DER of the issuer's name, and the content of the BIT STRING of the own key: what OCPP's hash data are made of.
  let issuerName: [UInt8]
  let subjectName: [UInt8]
  let publicKey: [UInt8]

  public struct Key: Hashable, Sendable, CustomStringConvertible {
    /// OpenSSL's name: `RSA`, `EC`, `ED25519`.
    public var algorithm: String
    public var bits: Int
    /// The curve, `prime256v1`; `nil` when there is none or it has no name.
    public var curve: String?
    /// How strong it is, as the length of a symmetric key.
    public var securityBits: Int

    public var description: String { curve.map { "\(algorithm) \($0)" } ?? "\(algorithm) \(bits)" }
  }

  public struct KeyUsage: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let digitalSignature = Self(rawValue: 0x80)
    public static let certificateSigning = Self(rawValue: 0x04)
  }

  public struct ExtendedKeyUsage: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let server = Self(rawValue: 0x01)
    public static let client = Self(rawValue: 0x02)
    public static let any = Self(rawValue: 0x100)
  }

  /// Why bytes are no certificate: a part of a sentence, `it is not an X.509 certificate`.
  public struct Problem: Error, Hashable, Sendable {
    public var text: String
  }

  public init(der: [UInt8]) throws(Problem) {
    guard der.count <= Self.sizeLimit else {
      throw Problem(text: "it has \(der.count) bytes, more than \(Self.sizeLimit)")
    }
    var facts = x509_facts()
    if let problem = x509_read(der, der.count, &facts) { throw Problem(text: String(cString: problem)) }
    defer {
      x509_free(&facts.subject_name)
      x509_free(&facts.issuer_name)
      x509_free(&facts.public_key)
    }
    self.der = der
    fingerprint = hexadecimal(Certificate.digest(.sha256, der))
    version = Int(facts.version)
    serial = Self.text(facts.serial)
    subject = Self.text(facts.subject)
    issuer = Self.text(facts.issuer)
    notBefore = facts.not_before * 1000
    notAfter = facts.not_after * 1000
    let curve = Self.text(facts.key_group)
    let algorithm = Self.text(facts.key_algorithm)
    key = Key(
      algorithm: algorithm, bits: Int(facts.key_bits), curve: curve.isEmpty || algorithm != "EC" ? nil : curve,
      securityBits: Int(facts.key_security_bits))
    signatureAlgorithm = Self.text(facts.signature_algorithm)
    signatureSecurityBits = Int(facts.signature_security_bits)
    isSelfIssued = facts.is_self_issued != 0
    isCA = facts.is_ca < 0 ? nil : facts.is_ca != 0
    pathLength = facts.path_length < 0 ? nil : Int(facts.path_length)
    keyUsage = facts.key_usage == .max ? nil : KeyUsage(rawValue: facts.key_usage)
    extendedKeyUsage = facts.extended_key_usage == .max ? nil : ExtendedKeyUsage(rawValue: facts.extended_key_usage)
    issuerName = Self.bytes(facts.issuer_name)
    subjectName = Self.bytes(facts.subject_name)
    publicKey = Self.bytes(facts.public_key)
  }

  /// As one PEM block.
  public var pem: [UInt8] { PEM.text("CERTIFICATE", der) }

  /// All values of an attribute of the subject, at most 8 of up to 256 bytes.
  func subjectAttributes(_ nid: Int32) -> [String] {
    var values: [String] = []
    var buffer = [UInt8](repeating: 0, count: 256)
    while values.count < 8 {
      let count = x509_subject_attribute(der, der.count, nid, Int32(values.count), &buffer, buffer.count)
      guard count >= 0 else { break }
      values.append(String(decoding: buffer.prefix(count), as: UTF8.self))
    }
    return values
  }

  public var commonNames: [String] { subjectAttributes(NID_commonName) }
  public var organizations: [String] { subjectAttributes(NID_organizationName) }

  /// The other one is named as its issuer and made its signature.
  public func isIssued(by issuer: Certificate) -> Bool {
    issuerName == issuer.subjectName && x509_is_issued_by(der, der.count, issuer.der, issuer.der.count) == 1
  }

  /// It signed itself.
  public var isSelfSigned: Bool { isSelfIssued && isIssued(by: self) }

  public static func == (a: Self, b: Self) -> Bool { a.der == b.der }
  public func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }

  private static func bytes(_ bytes: x509_bytes) -> [UInt8] {
    Array(UnsafeBufferPointer(start: bytes.data, count: bytes.count))
  }

  /// A text in a C array, up to its zero.
  private static func text<T>(_ array: T) -> String {
    withUnsafeBytes(of: array) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// Certificates in a PEM text.
public struct CertificateList: Hashable, Sendable {
  /// Those that can be read, with their place in the text.
  public var entries: [(certificate: Certificate, range: Range<Int>)] = []
  /// One line each, with the line of the text.
  public var problems: [String] = []
  /// There are blocks that hold something else, a key for instance.
  public var hasOthers = false

  public var certificates: [Certificate] { entries.map(\.certificate) }

  /// Reads all certificates; at most `limit` blocks. Blocks of another kind are passed over. Safe with any bytes.
  public init(pem text: [UInt8], limit: Int = 100) {
    let content = PEM.blocks(in: text, limit: limit)
    for block in content.blocks {
      guard block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE" else {
        if block.label.isEmpty || block.label.hasSuffix("CERTIFICATE") {
          problems.append("line \(block.line): \(block.problem ?? "only CERTIFICATE blocks are understood")")
        }
        hasOthers = true
        continue
      }
      guard let bytes = block.bytes else {
        problems.append("line \(block.line): the certificate cannot be read: \(block.problem ?? "no reason known")")
        continue
      }
      do throws(Certificate.Problem) {
        entries.append((try Certificate(der: bytes), block.range))
      } catch {
        problems.append("line \(block.line): the certificate cannot be read: \(error.text)")
      }
    }
    if content.isCut { problems.append("there are more than \(limit) blocks; the rest does not count") }
  }

  public static func == (a: Self, b: Self) -> Bool {
    a.certificates == b.certificates && a.problems == b.problems && a.hasOthers == b.hasOthers
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(certificates) }
}
