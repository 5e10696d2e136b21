import OCPP
import StationCore

/// A certificate folder without cryptography: what a certificate is stands in its text, `name`, or `name<issuer` for one
/// that `issuer` has signed. Whatever begins with `bad` is refused.
struct FakeCertificateFolder {
  var inventory = CertificateInventory()
  /// Set to make the next requests fail.
  var fails: String?
  private(set) var keys = 0
  /// End of validity of what is installed next.
  var notAfter: Int64 = 4_000_000_000_000

  static func certificate(
    _ kind: InstalledCertificate.Kind, _ name: String, notBefore: Int64 = 1_700_000_000_000,
    notAfter: Int64 = 4_000_000_000_000
  ) -> InstalledCertificate {
    InstalledCertificate(
      kind: kind, fingerprint: name,
      hash: CertificateHashDataType(
        hashAlgorithm: .sha256, issuerKeyHash: "11", issuerNameHash: "22", serialNumber: name),
      subject: "CN=\(name)", notBefore: notBefore, notAfter: notAfter)
  }

  private func name(_ text: String) -> (name: String, issuer: String?) {
    let parts = text.split(separator: "<").map(String.init)
    return (parts.first ?? "", parts.count > 1 ? parts[1] : nil)
  }

  private mutating func add(_ kind: InstalledCertificate.Kind, _ name: String) {
    inventory.certificates.removeAll { $0.kind == kind && $0.fingerprint == name }
    let latest = inventory.certificates.map(\.notBefore).max() ?? 1_700_000_000_000
    inventory.certificates.insert(Self.certificate(kind, name, notBefore: latest + 1, notAfter: notAfter), at: 0)
  }

  mutating func carryOut(_ request: CertificateRequest) -> CertificateReply {
    if let fails { return .failed(fails) }
    switch request {
    case .look: return .done
    case .sign(_, let commonName, let organization, _, let key):
      keys += 1
      return .signingRequest("CSR \(keys) CN=\(commonName) O=\(organization ?? "") \(key.rawValue)")
    case .installSigned(_, let chain, _, let limit, _):
      if chain.utf8.count > limit ?? .max { return .rejected(reasonCode: "TooLargeElement", "the chain") }
      if chain.hasPrefix("bad") { return .rejected(reasonCode: "InvalidCertificate", "bad") }
      add(.chargingStation, name(chain).name)
    case .installRoot(let use, let pem, let limit, let replacing, _):
      let (name, issuer) = name(pem)
      if name.hasPrefix("bad") { return .rejected(reasonCode: "InvalidCertificate", "bad") }
      if let replacing, issuer != replacing { return .rejected(reasonCode: "InvalidCertificate", "not signed") }
      if inventory.certificates.count >= limit ?? .max { return .rejected(reasonCode: "OutOfStorage", "full") }
      add(
        use == .csmsRootCertificate ? .csmsRoot : use == .manufacturerRootCertificate ? .manufacturerRoot : .moRoot,
        name)
    case .delete(let hash, let keeping):
      guard let found = inventory.certificates.first(where: { $0.hash.serialNumber == hash.serialNumber }) else {
        return .notFound
      }
      if found.kind == .chargingStation { return .failed("the charging station certificate") }
      if keeping.contains(found.fingerprint) { return .failed("indispensable") }
      inventory.certificates.removeAll { $0 == found }
    case .checkFirmwareSigner(let pem, _):
      if pem.hasPrefix("bad") { return .rejected(reasonCode: "InvalidCertificate", "bad") }
    case .verifyFirmware(_, let signature, _, _):
      if signature.hasPrefix("bad") { return .rejected(reasonCode: "InvalidSignature", "bad") }
      if signature.hasPrefix("lost") { return .failed("no such file") }
    case .discard(let kind, let fingerprint):
      inventory.certificates.removeAll { $0.kind == kind && $0.fingerprint == fingerprint }
    }
    return .done
  }
}
