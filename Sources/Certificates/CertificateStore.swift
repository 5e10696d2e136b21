import OCPP
import StationCore

/// Carries out what the core asks of the certificate folder. One at a time: the folder has one writer, the station.
///
/// Every change is durable when it is answered, and a power cut at any moment leaves it done or undone, after `tidy` has
/// looked at what lies around. The key that waits for its certificate is `client/*/.waiting.key`; it becomes the key of
/// the certificate by getting a second name before the certificate appears, and loses the first after that:
///
/// | cut after | what is there | after `tidy` |
/// |---|---|---|
/// | nothing yet | the waiting key | the same |
/// | the second name of the key | both names, no certificate | the waiting key |
/// | the certificate | both names and the certificate | certificate and key |
///
/// A certificate goes by getting the name `.NAME.pem.removed`; then its key is deleted, then that name.
public struct CertificateStore: Sendable {
  public let folder: CertificateFolder
  /// Encrypts new keys, when there is one.
  let keyPassword: String?
  let files: DurableFiles
  /// Where files to be verified are; `nil`: nowhere.
  public var transfersDirectory: String?

  static let waitingKey = ".waiting.key"
  static let removedSuffix = ".pem.removed"
  /// Bytes of what the CSMS hands over, when it sets no limit of its own.
  static let textLimit = 64 << 10
  /// Certificates in a chain that the CSMS hands over.
  static let chainLimit = 10
  /// A certificate that begins this soon counts as begun: signed just now, by somebody whose clock is a little ahead.
  /// Milliseconds.
  static let clockTolerance: Int64 = 60_000

  public init(folder: CertificateFolder, keyPassword: String? = nil) {
    self.init(folder: folder, keyPassword: keyPassword, files: DurableFiles(root: folder.path))
  }

  init(folder: CertificateFolder, keyPassword: String?, files: DurableFiles) {
    self.folder = folder
    self.keyPassword = keyPassword
    self.files = files
  }

  /// Carries a request out.
  /// - Returns: the answer, and what there is afterwards.
  public func carryOut(_ request: CertificateRequest) -> (CertificateReply, CertificateInventory) {
    var reply: CertificateReply
    do throws(FileProblem) {
      if request.changesFolder { try tidy() }
      reply = try answer(request)
    } catch {
      reply = .failed(error.text)
    }
    return (reply, folder.inventory())
  }

  /// What there is at the start of the station, when what a power cut left was cleared away. What cannot be is a problem
  /// of the inventory.
  public func inventoryAtStart() -> CertificateInventory {
    var problem: String?
    do throws(FileProblem) {
      try tidy()
    } catch {
      problem = error.text
    }
    var inventory = folder.inventory()
    if let problem { inventory.problems.append(problem) }
    return inventory
  }

  private func answer(_ request: CertificateRequest) throws(FileProblem) -> CertificateReply {
    switch request {
    case .look: return .done
    case .sign(let use, let commonName, let organization, let country, let key):
      return try sign(use, SigningSubject(commonName, organization, country), key)
    case .installSigned(let use, let chain, let commonName, let maxChainBytes, let time):
      return try installSigned(use, chain, commonName: commonName, limit: maxChainBytes, at: time)
    case .installRoot(let use, let pem, let limit, let replacing, let time):
      return try installRoot(use, pem, limit: limit, replacing: replacing, at: time)
    case .delete(let hash, let keeping): return try delete(hash, keeping: Set(keeping))
    case .checkFirmwareSigner(let pem, let time): return checkFirmwareSigner(pem, at: time)
    case .verifyFirmware(let file, let signature, let signer, let time):
      return verifyFirmware(file, signature: signature, signer: signer, at: time)
    case .discard(let kind, let fingerprint):
      if CertificateFolder.bundle(kind) != nil {
        _ = try removeRoots(kind) { $0.fingerprint == fingerprint }
      } else {
        _ = try removeOwn(kind, fingerprint)
      }
      return .done
    }
  }

  /// The use of a key, as the kind of the certificate for it.
  static func kind(_ use: CertificateSigningUseEnumType) -> InstalledCertificate.Kind? {
    switch use {
    case .chargingStationCertificate: .chargingStation
    case .v2GCertificate: .v2gChain
    case .v2G20Certificate: nil
    }
  }

  static func kind(_ use: InstallCertificateUseEnumType) -> InstalledCertificate.Kind? {
    switch use {
    case .csmsRootCertificate: .csmsRoot
    case .manufacturerRootCertificate: .manufacturerRoot
    case .v2GRootCertificate: .v2gRoot
    case .moRootCertificate: .moRoot
    case .oemRootCertificate: nil
    }
  }

  // MARK: After a power cut

  /// Finishes or takes back what was interrupted. Leaves alone what somebody else put there.
  func tidy() throws(FileProblem) {
    for kind in InstalledCertificate.Kind.allCases {
      if let bundle = CertificateFolder.bundle(kind) {
        try removeUnfinished(in: DurableFiles.directory(of: bundle))
      } else if let directory = CertificateFolder.directory(kind) {
        try removeUnfinished(in: directory)
        try finishRemovals(in: directory)
        try settleWaitingKey(in: directory)
      }
    }
  }

  private func removeUnfinished(in directory: String) throws(FileProblem) {
    for name in files.names(directory) where name.hasPrefix(".") && name.hasSuffix(DurableFiles.newSuffix) {
      try files.remove("\(directory)/\(name)")
    }
  }

  private func finishRemovals(in directory: String) throws(FileProblem) {
    for name in files.names(directory) where name.hasPrefix(".") && name.hasSuffix(Self.removedSuffix) {
      let base = "\(directory)/\(name.dropFirst().dropLast(Self.removedSuffix.count))"
      try finishRemoval(base)
    }
  }

  /// The certificate is hidden already. One of that name which came later keeps its key.
  private func finishRemoval(_ base: String) throws(FileProblem) {
    let directory = DurableFiles.directory(of: base)
    if files.inode("\(base).pem") == nil { try files.remove("\(base).key") }
    try files.remove("\(directory)/.\(DurableFiles.name(of: base))\(Self.removedSuffix)")
    try files.sync(directory)
  }

  private func settleWaitingKey(in directory: String) throws(FileProblem) {
    let waiting = "\(directory)/\(Self.waitingKey)"
    guard let inode = files.inode(waiting) else { return }
    for name in files.names(directory) where name.hasSuffix(".key") && !name.hasPrefix(".") {
      let file = "\(directory)/\(name)"
      guard files.inode(file) == inode else { continue }
      let isInstalled = files.inode("\(file.dropLast(4)).pem") != nil
      try files.remove(isInstalled ? waiting : file)
      try files.sync(directory)
    }
  }

  // MARK: Removing

  /// Removes roots from a bundle; the rest of its text stays as it is.
  /// - Returns: how many were there.
  func removeRoots(
    _ kind: InstalledCertificate.Kind, where matches: (Certificate) -> Bool
  ) throws(FileProblem) -> Int {
    guard let file = CertificateFolder.bundle(kind) else { return 0 }
    return try removeCertificates(file, where: matches)
  }

  private func removeCertificates(_ file: String, where matches: (Certificate) -> Bool) throws(FileProblem) -> Int {
    guard var text = try FileReader.read(folder.path, file, limit: CertificateFolder.fileSizeLimit) else { return 0 }
    let list = CertificateList(pem: text, limit: CertificateFolder.certificatesPerFile)
    let going = list.entries.filter { matches($0.certificate) }
    guard !going.isEmpty else { return 0 }
    for entry in going.reversed() {
      var end = entry.range.upperBound
      while end < text.count, text[end] == 0x0A || text[end] == 0x0D { end += 1 }
      text.removeSubrange(entry.range.lowerBound..<end)
    }
    try files.replace(file, text)
    return Set(going.map(\.certificate)).count
  }

  /// Removes one of the own certificates, with its key, from all files that begin with it.
  func removeOwn(_ kind: InstalledCertificate.Kind, _ fingerprint: String) throws(FileProblem) -> Bool {
    guard let directory = CertificateFolder.directory(kind) else { return false }
    var isFound = false
    for name in files.names(directory) where name.hasSuffix(".pem") && !name.hasPrefix(".") {
      let file = "\(directory)/\(name)"
      guard let text = try FileReader.read(folder.path, file, limit: CertificateFolder.fileSizeLimit),
        CertificateList(pem: text, limit: 1).certificates.first?.fingerprint == fingerprint
      else { continue }
      isFound = true
      let base = String(file.dropLast(4))
      try files.rename(file, "\(directory)/.\(DurableFiles.name(of: base))\(Self.removedSuffix)")
      try files.sync(directory)
      try finishRemoval(base)
    }
    return isFound
  }

  private func delete(_ hash: CertificateHashDataType, keeping: Set<String>) throws(FileProblem) -> CertificateReply {
    let reading = folder.reading()
    func isMeant(_ certificate: Certificate, _ file: [Certificate] = []) -> Bool {
      certificate.matches(hash, issuer: reading.issuer(of: certificate, in: file))
    }
    for own in reading.own[.chargingStation] ?? [] where isMeant(own.leaf, own.others) {
      return .failed("the charging station certificate is not deleted (M04.FR.06)")
    }
    for root in reading.roots[.csmsRoot] ?? [] where keeping.contains(root.fingerprint) && isMeant(root) {
      return .failed("\(root.subject) is what the station verifies its CSMS with")
    }
    var isFound = false
    for own in reading.own[.v2gChain] ?? [] where isMeant(own.leaf, own.others) {
      if try removeOwn(.v2gChain, own.leaf.fingerprint) { isFound = true }
    }
    for kind in InstalledCertificate.Kind.allCases {
      if try removeRoots(kind, where: { isMeant($0) }) > 0 { isFound = true }
    }
    if isFound { return .done }
    for own in reading.own.values.joined() where own.others.contains(where: { isMeant($0, own.others) }) {
      return .failed("it is part of the chain of \(own.leaf.subject), which goes with its own certificate only")
    }
    for certificate in reading.intermediates where isMeant(certificate) {
      return .failed("\(certificate.subject) is an intermediate, which is not the CSMS' to delete")
    }
    return .notFound
  }
}

extension CertificateRequest {
  fileprivate var changesFolder: Bool {
    switch self {
    case .look, .checkFirmwareSigner, .verifyFirmware: false
    case .sign, .installSigned, .installRoot, .delete, .discard: true
    }
  }
}
