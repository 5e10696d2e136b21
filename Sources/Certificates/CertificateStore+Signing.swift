import COpenSSL
import OCPP
import StationCore

/// The subject of a signing request.
struct SigningSubject {
  var commonName: String
  var organization: String?
  var country: String?

  init(_ commonName: String, _ organization: String?, _ country: String?) {
    self.commonName = commonName
    self.organization = organization
    self.country = country
  }
}

extension CertificateStore {
  /// A new key and the request for its certificate. The key is on disk before the request leaves.
  func sign(
    _ use: CertificateSigningUseEnumType, _ subject: SigningSubject, _ kind: CertificateRequest.Key
  ) throws(FileProblem) -> CertificateReply {
    guard let directory = Self.kind(use).flatMap(CertificateFolder.directory) else {
      return .failed("certificates for \(use.rawValue) are not supported")
    }
    let bits =
      switch kind {
      case .ecP256: 0
      case .rsa3072: 3072
      }
    guard let pointer = x509_key_make(bits) else { return .failed("no key could be made") }
    let key = PrivateKey(taking: pointer)
    var problem: UnsafePointer<CChar>?
    var request = x509_key_request(
      key.pointer, subject.commonName, subject.organization.flatMap { $0.isEmpty ? nil : $0 }, subject.country, &problem
    )
    defer { x509_free(&request) }
    guard request.data != nil else {
      return .failed(problem.map { String(cString: $0) } ?? "the request cannot be made")
    }
    let pem = String(decoding: UnsafeBufferPointer(start: request.data, count: request.count), as: UTF8.self)
    try files.makeDirectory(directory)
    let file = "\(directory)/\(Self.waitingKey)"
    try files.prepare(file) { x509_key_write(key.pointer, $0, keyPassword) }
    try files.commit(file)
    return .signingRequest(pem)
  }

  /// What is to be installed, checked.
  private struct SignedChain {
    /// Leaf first; the root only when it is not installed.
    var path: [Certificate]
    var directory: String

    var name: String { "station-\(path[0].fingerprint.prefix(16))" }
    var certificateFile: String { "\(directory)/\(name).pem" }
    var keyFile: String { "\(directory)/\(name).key" }
  }

  struct Rejection: Error {
    var reasonCode: String
    var text: String

    init(_ text: String, reasonCode: String = "InvalidCertificate") {
      self.text = text
      self.reasonCode = reasonCode
    }
  }

  func installSigned(
    _ use: CertificateSigningUseEnumType, _ text: String, commonName: String, limit: Int?, at time: Int64?
  ) throws(FileProblem) -> CertificateReply {
    guard let kind = Self.kind(use), let directory = CertificateFolder.directory(kind) else {
      return .rejected(reasonCode: "InvalidValue", "certificates for \(use.rawValue) are not supported")
    }
    let chain: SignedChain
    do throws(Rejection) {
      let certificates = try Self.certificates(in: text, limit: limit)
      try Self.checkLeaf(certificates[0], kind, commonName)
      chain = SignedChain(path: try path(of: certificates, kind, at: time), directory: directory)
    } catch {
      return .rejected(reasonCode: error.reasonCode, error.text)
    }
    let leaf = chain.path[0]
    if folder.own(kind).certificates.contains(where: { $0.leaf == leaf }) { return .done }
    guard try waitingKeyFits(leaf, directory) else {
      return .rejected(reasonCode: "InvalidCertificate", "no key waits for this certificate")
    }
    try place(chain)
    return .done
  }

  /// Puts a chain and its key in place: `CertificateStore` says in what order and why.
  private func place(_ chain: SignedChain) throws(FileProblem) {
    let waiting = "\(chain.directory)/\(Self.waitingKey)"
    try files.prepare(chain.certificateFile, chain.path.flatMap(\.pem))
    let newKey = DurableFiles.temporary(chain.keyFile)
    try files.remove(newKey)
    try files.link(waiting, newKey)
    try files.rename(newKey, chain.keyFile)
    try files.sync(chain.directory)
    try files.commit(chain.certificateFile)
    try files.remove(waiting)
    try files.sync(chain.directory)
  }

  private func waitingKeyFits(_ leaf: Certificate, _ directory: String) throws(FileProblem) -> Bool {
    let file = "\(directory)/\(Self.waitingKey)"
    guard files.inode(file) != nil else { return false }
    let key: PrivateKey
    do throws(PrivateKeyError) {
      key = try PrivateKey(path: files.path(file), password: keyPassword)
    } catch {
      throw FileProblem(file, "the waiting key cannot be opened")
    }
    return x509_key_is_of(key.pointer, leaf.der, leaf.der.count) == 1
  }

  // MARK: Checks (A02.FR.06, A03.FR.06)

  private static func certificates(in text: String, limit: Int?) throws(Rejection) -> [Certificate] {
    let limit = min(limit ?? textLimit, textLimit)
    guard text.utf8.count <= limit else {
      throw Rejection("it has \(text.utf8.count) bytes, more than \(limit)", reasonCode: "TooLargeElement")
    }
    let list = CertificateList(pem: Array(text.utf8), limit: chainLimit)
    if let problem = list.problems.first { throw Rejection(problem) }
    guard !list.hasOthers else { throw Rejection("it holds something that is not a certificate") }
    guard !list.certificates.isEmpty else { throw Rejection("there is no certificate in it; expected PEM") }
    return list.certificates
  }

  /// Certificate properties of Part 2: A00.FR.509, 511, 512.
  private static func checkLeaf(
    _ leaf: Certificate, _ kind: InstalledCertificate.Kind, _ commonName: String
  ) throws(Rejection) {
    guard leaf.isCA != true else { throw Rejection("its first certificate is a CA's, expected the station's own") }
    guard leaf.commonNames.contains(commonName) else {
      throw Rejection("its common name is \(leaf.commonNames.first ?? "absent"), expected \(commonName) (A00.FR.511)")
    }
    guard leaf.organizations.contains(where: { !$0.isEmpty }) else {
      throw Rejection("it has no organization name (A00.FR.509)")
    }
    guard leaf.keyUsage?.contains(.digitalSignature) ?? true else {
      throw Rejection("its key usage does not allow signatures, which TLS needs (A00.FR.512)")
    }
    if let usage = leaf.extendedKeyUsage {
      let needed: Certificate.ExtendedKeyUsage = kind == .chargingStation ? .client : .server
      guard !usage.isDisjoint(with: [needed, .any]) else {
        throw Rejection("its extended key usage does not allow a TLS \(needed == .client ? "client" : "server")")
      }
    }
  }

  /// The verified path, without a root that is installed.
  private func path(
    of chain: [Certificate], _ kind: InstalledCertificate.Kind, at time: Int64?
  ) throws(Rejection) -> [Certificate] {
    let installed = folder.roots(kind == .chargingStation ? .csmsRoot : .v2gRoot).certificates
    var roots = installed
    if roots.isEmpty, kind == .chargingStation { roots = chain.dropFirst().filter { $0.isSelfSigned } }
    guard !roots.isEmpty else { throw Rejection("no root is installed that could verify it") }
    do throws(CertificatePath.Problem) {
      let path = try CertificatePath.verify(
        chain[0], roots: roots, intermediates: Array(chain.dropFirst()) + folder.intermediates().certificates,
        at: time.map { Self.tolerant($0, chain[0]) })
      return installed.contains(path[path.count - 1]) && path.count > 1 ? path.dropLast() : path
    } catch {
      throw Rejection(error.text)
    }
  }

  static func tolerant(_ time: Int64, _ certificate: Certificate) -> Int64 {
    max(time, min(certificate.notBefore, time + clockTolerance))
  }
}
