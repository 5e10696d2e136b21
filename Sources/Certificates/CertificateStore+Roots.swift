import OCPP
import StationCore

extension CertificateStore {
  func installRoot(
    _ use: InstallCertificateUseEnumType, _ text: String, limit: Int?, replacing: String?, at time: Int64?
  ) throws(FileProblem) -> CertificateReply {
    func rejected(_ text: String) -> CertificateReply { .rejected(reasonCode: "InvalidCertificate", text) }
    guard let kind = Self.kind(use), let file = CertificateFolder.bundle(kind) else {
      return .rejected(reasonCode: "InvalidValue", "roots for \(use.rawValue) are not supported")
    }
    guard text.utf8.count <= Self.textLimit else {
      return .rejected(reasonCode: "TooLargeElement", "it has \(text.utf8.count) bytes, more than \(Self.textLimit)")
    }
    let list = CertificateList(pem: Array(text.utf8), limit: 2)
    if let problem = list.problems.first { return rejected(problem) }
    guard !list.hasOthers, list.certificates.count == 1, let root = list.certificates.first else {
      return rejected("expected one certificate (PEM) and nothing else, there are \(list.certificates.count)")
    }
    let reading = folder.reading()
    let installed = reading.roots[kind] ?? []
    let issuer = reading.issuer(of: root)
    if let problem = Self.problem(ofRoot: root, isSigned: issuer != nil, at: time) { return rejected(problem) }
    if installed.contains(root) { return .done }
    if let replacing {
      guard let old = installed.first(where: { $0.fingerprint == replacing }) else {
        return rejected("the root that it is to replace is not installed")
      }
      guard root.isIssued(by: old) else {
        return rejected("it is not signed by the installed root \(old.subject) (M05.FR.11)")
      }
    }
    let count = reading.inventory.certificates.count
    if let limit, count >= limit {
      return .rejected(
        reasonCode: "OutOfStorage", "there are \(count) certificates, no more than \(limit) may be (M05.FR.06)")
    }
    if let issuer, issuer != root, !reading.intermediates.contains(issuer) { try keep(issuer, beside: file) }
    return try append(root, to: file, installed)
  }

  private static func problem(ofRoot root: Certificate, isSigned: Bool, at time: Int64?) -> String? {
    guard root.isCA == true else { return "it is not a CA's certificate (basicConstraints)" }
    guard root.keyUsage?.contains(.certificateSigning) ?? true else {
      return "its key usage does not allow it to sign certificates"
    }
    if let time {
      if root.notAfter < time { return "it expired at \(DateTime(unixMilliseconds: root.notAfter))" }
      if root.notBefore > tolerant(time, root) {
        return "it is not valid before \(DateTime(unixMilliseconds: root.notBefore))"
      }
    }
    if let weakness = CertificatePath.weakness(of: root) { return weakness }
    // Whoever did not sign himself is reported with the hash of the key that did, so that must be known.
    if !isSigned { return root.isSelfIssued ? "its signature is wrong" : "who signed it is not installed" }
    return nil
  }

  /// Keeps the certificate of who signed a root: when the one is removed later, the other's hash data need its key. It
  /// becomes an intermediate, which nothing trusts.
  private func keep(_ issuer: Certificate, beside file: String) throws(FileProblem) {
    let name = "issuer-\(issuer.fingerprint.prefix(16)).pem"
    try files.replace("\(DurableFiles.directory(of: file))/\(name)", issuer.pem)
  }

  private func append(
    _ root: Certificate, to file: String, _ installed: [Certificate]
  ) throws(FileProblem) -> CertificateReply {
    var text = try FileReader.read(folder.path, file, limit: CertificateFolder.fileSizeLimit) ?? []
    if let last = text.last, last != 0x0A { text.append(0x0A) }
    text += root.pem
    guard text.count <= CertificateFolder.fileSizeLimit,
      CertificateList(pem: text, limit: CertificateFolder.certificatesPerFile).certificates.contains(root)
    else {
      return .rejected(reasonCode: "OutOfStorage", "\(file) holds no more certificates")
    }
    try files.replace(file, text)
    return .done
  }
}
