import OCPP
import StationCore

extension CertificateFolder {
  /// Everything below the folder, read once.
  struct Reading {
    var roots: [InstalledCertificate.Kind: [Certificate]] = [:]
    var intermediates: [Certificate] = []
    var own: [InstalledCertificate.Kind: [Own]] = [:]
    var problems: [String] = []

    /// All that may have signed something.
    var authorities: [Certificate] {
      InstalledCertificate.Kind.allCases.flatMap { roots[$0] ?? [] } + intermediates
    }

    func issuer(of certificate: Certificate, in file: [Certificate] = []) -> Certificate? {
      CertificatePath.issuer(of: certificate, among: file + authorities)
    }
  }

  func reading() -> Reading {
    var reading = Reading()
    for kind in InstalledCertificate.Kind.allCases {
      if Self.bundle(kind) != nil {
        let contents = roots(kind)
        reading.roots[kind] = contents.certificates
        reading.problems += contents.problems
      } else {
        let contents = own(kind)
        reading.own[kind] = contents.certificates
        reading.problems += contents.problems
      }
    }
    let contents = intermediates()
    reading.intermediates = contents.certificates
    reading.problems += contents.problems
    return reading
  }

  /// What there is now, as the core sees it.
  public func inventory() -> CertificateInventory { reading().inventory }
}

extension CertificateFolder.Reading {
  /// A list of problems is for people: more than this nobody reads.
  static let problemLimit = 50

  var inventory: CertificateInventory {
    var certificates: [InstalledCertificate] = []
    for kind in InstalledCertificate.Kind.allCases {
      var some: [InstalledCertificate] = []
      for root in roots[kind] ?? [] { some.append(installed(root, kind, issuer: issuer(of: root))) }
      for own in own[kind] ?? [] {
        var entry = installed(own.leaf, kind, issuer: issuer(of: own.leaf, in: own.others))
        entry.children = children(of: own).map { $0.hashData(.sha256, issuer: issuer(of: $0, in: own.others)) }
        entry.keyIsInToken = own.keyIsInToken
        some.append(entry)
      }
      // The sort is not stable by itself: the fingerprint decides.
      some.sort { ($0.notBefore, $0.fingerprint) > ($1.notBefore, $1.fingerprint) }
      certificates += some
    }
    var lines = problems
    if lines.count > Self.problemLimit {
      lines = Array(lines.prefix(Self.problemLimit)) + ["\(lines.count - Self.problemLimit) more"]
    }
    return CertificateInventory(certificates: certificates, problems: lines)
  }

  /// The CAs between an own certificate and its root. At most 4 (CertificateHashDataChainType).
  private func children(of own: CertificateFolder.Own) -> [Certificate] {
    let roots = InstalledCertificate.Kind.allCases.flatMap { self.roots[$0] ?? [] }
    let path = CertificatePath.ascent(from: own.leaf, among: own.others + intermediates + roots).dropFirst()
    return Array(path.prefix { !$0.isSelfIssued && !roots.contains($0) }.prefix(4))
  }

  private func installed(
    _ certificate: Certificate, _ kind: InstalledCertificate.Kind, issuer: Certificate?
  ) -> InstalledCertificate {
    InstalledCertificate(
      kind: kind, fingerprint: certificate.fingerprint, hash: certificate.hashData(.sha256, issuer: issuer),
      subject: certificate.subject, notBefore: certificate.notBefore, notAfter: certificate.notAfter)
  }
}
