import OCPP

/// Certificates and keys as the core sees them. The core decides what is asked for, kept and dropped; keys, files and
/// cryptography are behind this seam. No private key ever passes it.

/// A certificate on disk, without what is secret.
public struct InstalledCertificate: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case csmsRoot, manufacturerRoot, v2gRoot, moRoot
    /// The station's own certificate towards the CSMS (`client/csms`).
    case chargingStation
    /// The station's own certificate towards vehicles (`client/cso`).
    case v2gChain
  }

  public var kind: Kind
  /// SHA-256 of the DER encoding, lower-case hexadecimal: names the certificate in requests.
  public var fingerprint: String
  /// As reported to the CSMS (M03), with SHA-256, hexadecimal in lower case. The issuer's key is known only when its
  /// certificate is here too: otherwise `issuerKeyHash` is empty and the certificate cannot be reported, but it counts.
  public var hash: CertificateHashDataType
  /// Of the certificates between this one and its root, leaf side first; own certificates only.
  public var children: [CertificateHashDataType]
  /// One line, RFC 4514.
  public var subject: String
  /// Validity, Unix time in milliseconds, both ends included.
  public var notBefore: Int64
  public var notAfter: Int64

  public init(
    kind: Kind, fingerprint: String, hash: CertificateHashDataType, children: [CertificateHashDataType] = [],
    subject: String, notBefore: Int64, notAfter: Int64
  ) {
    self.kind = kind
    self.fingerprint = fingerprint
    self.hash = hash
    self.children = children
    self.subject = subject
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}

/// Work on certificates and keys. Each is carried out whole and durably, or not at all, and answered by one
/// `Input.certificates` of the same id. They are carried out in order.
public enum CertificateRequest: Hashable, Sendable {
  public enum Key: String, Hashable, Sendable, CaseIterable {
    case ecP256, rsa3072
  }

  /// What is looked at; answers `done`. Also tells what somebody changed in the folder by hand.
  case look
  /// Generates a key pair and a certificate signing request (RFC 2986) for it; the key waits on disk for its
  /// certificate, in place of one that waited for the same use. Answers `signingRequest`.
  case sign(CertificateSigningUseEnumType, commonName: String, organization: String?, country: String?, key: Key)
  /// The signed chain (PEM, leaf first) of a key that `sign` made. Checked: the key is the waiting one, dates, key
  /// strength, signature algorithms, `commonName`, and the path to a root of its hierarchy: for the charging station
  /// certificate any CSMS root or, when none is installed, one that the chain itself brings. `at`: the station's time
  /// (Unix, milliseconds), `nil` when it does not know it: then dates are not checked. Answers `done`, with the new
  /// certificate in the list beside the old one, also when the same was installed before, or `rejected`.
  case installSigned(
    CertificateSigningUseEnumType, chain: String, commonName: String, maxChainBytes: Int?, at: Int64?)
  /// A root certificate (PEM, one). `limit` is how many certificates there may be in all (CertificateEntries).
  /// `replacing`: must be signed by the root with this fingerprint (AdditionalRootCertificateCheck, M05.FR.10). An
  /// installed one is replaced by itself (M05.FR.17). `at`: as for `installSigned`. Answers `done`, `rejected` or `failed`.
  case installRoot(InstallCertificateUseEnumType, pem: String, limit: Int?, replacing: String?, at: Int64?)
  /// By the hash data of any algorithm; with an own certificate its key goes too. Never the charging station certificate
  /// (M04.FR.06), and no CSMS root with one of these fingerprints. Answers `done`, `notFound` or `failed`.
  case delete(CertificateHashDataType, keeping: [String])
  /// Removes a certificate of this kind, and its key when it is one of the station's own; where the `.key` file only names
  /// a key in a token, the token keeps it. Answers `done` also when it is not there, or `failed`.
  case discard(InstalledCertificate.Kind, fingerprint: String)
  /// Is this (PEM, one) a certificate that firmware may be signed with: signed by a manufacturer root itself (Part 2: no
  /// intermediates), valid, strong enough, for signatures. `at`: as for `installSigned`. Answers `done` or `rejected`.
  case checkFirmwareSigner(pem: String, at: Int64?)
  /// Does the signature (Base64; RSA-PSS, or ECDSA in DER, over SHA-256) of that certificate fit the file of the directory
  /// `transfers`? The certificate is checked once more. Answers `done`, `rejected`, or `failed` when the file cannot be read.
  case verifyFirmware(file: String, signature: String, signer: String, at: Int64?)
}

public enum CertificateReply: Hashable, Sendable {
  case done
  /// PEM of the request.
  case signingRequest(String)
  /// What was handed over is not acceptable: a reason code of the appendix (at most 20 characters) and one line.
  case rejected(reasonCode: String, String)
  case notFound
  /// It should have worked and did not: one line.
  case failed(String)
}

/// The certificates that there are, after a request or at the start.
public struct CertificateInventory: Hashable, Sendable {
  /// By kind, within a kind the one with the latest start of validity first.
  public var certificates: [InstalledCertificate]
  /// What could not be read: one line each, with the file's name.
  public var problems: [String]

  public init(certificates: [InstalledCertificate] = [], problems: [String] = []) {
    self.certificates = certificates
    self.problems = problems
  }
}
