import DeviceModel
import OCPP

/// Functional block M, and A02-A03: certificates. Files, keys and cryptography are behind the seam; each request is
/// answered by an input, and the CSMS gets its answer then.
struct CertificateManagement: Sendable {
  /// What a request to the certificate folder is for.
  enum Work: Sendable {
    case look
    case ids(Caller, [GetCertificateIdUseEnumType])
    case delete(Caller)
    /// `replaced`: the root that gives way (M05.FR.10).
    case installRoot(Caller, InstallCertificateUseEnumType, replaced: String?)
    case sign
    case installSigned(Caller)
    case discard
    case firmwareSigner(Caller, UpdateFirmwareRequest)
    case firmwareSignature(requestId: Int)
  }

  /// A call of the CSMS, and the connection that it came on: an answer for an earlier one is of no use to anybody.
  struct Caller: Hashable, Sendable {
    var call: IncomingCall
    var generation: Int
  }

  var work: [Int64: Work] = [:]
  var signing: CertificateSigning?
  /// Certificates whose renewal was given up: not asked for again until the CSMS wants it (A02.FR.19).
  var givenUp: Set<String> = []
  /// What was told of certificates that expire: by certificate, the fewest days.
  var told: [String: Int] = [:]
  /// It is not in the ledger yet.
  var owesRecord = false
  /// The same of what the log has since the start.
  var logged: [String: Int] = [:]
  /// What the CSMS presented last, and when, UTC milliseconds by the station's clock.
  var served: [TLSSession.ServerCertificate] = []
  var servedAt: Int64?
  private var nextID: Int64 = 1

  /// Requests in work at one time; a call beyond is refused.
  static let limit = 8
  /// Time between two looks at what expires, milliseconds.
  static let lookInterval: Int64 = 86_400_000

  init(told record: [UInt8]?) {
    guard let record, case .object(let members)? = try? JSONValue.parse(record, maxDepth: 4) else { return }
    for member in members { told[member.name] = member.value.intValue }
  }

  var toldRecord: [UInt8]? {
    guard !told.isEmpty else { return nil }
    return JSONValue.object(told.sorted { $0.key < $1.key }.map { JSONMember(name: $0.key, value: .int($0.value)) })
      .bytes
  }

  mutating func begin(_ work: Work) -> Int64 {
    defer { nextID += 1 }
    self.work[nextID] = work
    return nextID
  }
}

extension Station {
  // MARK: Calls of the CSMS (M03-M05)

  mutating func getInstalledCertificateIds(_ request: GetInstalledCertificateIdsRequest, _ call: IncomingCall) {
    guard let caller = certificateCaller(call) else { return }
    ask(.look, .ids(caller, request.certificateType ?? []))
  }

  mutating func deleteCertificate(_ request: DeleteCertificateRequest, _ call: IncomingCall) {
    guard let caller = certificateCaller(call) else { return }
    ask(.delete(request.certificateHashData, keeping: indispensableRoots), .delete(caller))
  }

  /// The CSMS roots without which the station could not come back: in TLS, what verified this connection, both of a
  /// renewal that is not proven yet, and the last one (M04.FR.03).
  private var indispensableRoots: [String] {
    guard activeSecurityProfile >= 2 else { return [] }
    let installed = certificates.certificates.filter { $0.kind == .csmsRoot }.map(\.fingerprint)
    var kept = installed.count == 1 ? installed : []
    if let used = connection.tls?.root, !used.isEmpty { kept.append(used) }
    if let renewal = network.root { kept += [renewal.old, renewal.new].filter { !$0.isEmpty } }
    return kept
  }

  mutating func installCertificate(_ request: InstallCertificateRequest, _ call: IncomingCall) {
    guard let caller = certificateCaller(call) else { return }
    var replaced: String?
    if request.certificateType == .csmsRootCertificate, flag(Setting.additionalRootCertificateCheck, default: false) {
      replaced = rootInForce
      if let replaced, network.root == nil {
        // Remembered before the folder changes: after a power cut the station knows which of the two is the new one.
        network.root = Network.Renewal(new: "", old: replaced)
        persistStation(.rootRenewal)
      }
    }
    let entries = Setting.certificateEntries
    let limit = model.variable(entries.component, entries.variable)?.characteristics.maxLimit?.int
    ask(
      .installRoot(
        request.certificateType, pem: request.certificate, limit: limit, replacing: replaced, at: knownTime),
      .installRoot(caller, request.certificateType, replaced: replaced))
  }

  /// The CSMS root that a new one replaces: the one that proved itself last.
  private var rootInForce: String? {
    let installed = certificates.certificates.filter { $0.kind == .csmsRoot }.map(\.fingerprint)
    if let renewal = network.root, installed.contains(renewal.old) { return renewal.old }
    if let used = connection.tls?.root, installed.contains(used) { return used }
    return certificates.newest(.csmsRoot)?.fingerprint
  }

  /// The time as certificates are checked by it; `nil` while it is not known.
  var knownTime: Int64? { clock.source == .unset ? nil : wallTime }

  /// `nil`, and the call refused, when there is too much in work or nothing can be stored.
  func canWork() -> Bool { certificateManagement.work.count < CertificateManagement.limit && !storage.isFailing }

  private mutating func certificateCaller(_ call: IncomingCall) -> CertificateManagement.Caller? {
    guard canWork() else {
      refuse(call, .internalError, storage.isFailing ? "nothing can be stored now" : "too many certificates in work")
      return nil
    }
    return CertificateManagement.Caller(call: call, generation: connection.generation)
  }

  mutating func ask(_ request: CertificateRequest, _ work: CertificateManagement.Work) {
    let id = certificateManagement.begin(work)
    emit(.certificates(id: id, request))
  }

  private mutating func answer(_ caller: CertificateManagement.Caller, _ response: some OCPPPayload) {
    guard isOnline, caller.generation == connection.generation else {
      log(.notice, "\(caller.call.action) is done, but the connection it came on is gone")
      return
    }
    answer(caller.call, response)
  }

  // MARK: Answers of the folder

  mutating func certificatesAnswered(_ id: Int64, _ reply: CertificateReply, _ inventory: CertificateInventory) {
    let before = certificates
    certificates = inventory
    let work = certificateManagement.work.removeValue(forKey: id)
    if let work { finish(work, reply, before) }
    if inventory != before { inventoryChanged(before) }
    if case .look? = work { checkExpiry() }
  }

  /// The commit before it failed: the folder was not asked.
  mutating func certificateWorkRefused(_ id: Int64) {
    guard let work = certificateManagement.work.removeValue(forKey: id) else { return }
    if case .firmwareSignature = work { return firmwareNotVerified() }
    finish(work, .failed("the ledger could not be written"), certificates)
  }

  private mutating func finish(
    _ work: CertificateManagement.Work, _ reply: CertificateReply, _ before: CertificateInventory
  ) {
    switch work {
    case .look: break
    case .discard:
      if case .failed(let why) = reply { log(.error, "a certificate that is over cannot be removed: \(why)") }
    case .firmwareSigner(let caller, let request): firmwareSignerChecked(caller, request, reply)
    case .firmwareSignature(let requestId): firmwareVerified(requestId: requestId, reply)
    case .ids(let caller, let types): answer(caller, installedIDs(types))
    case .delete(let caller): deleted(caller, reply)
    case .installRoot(let caller, let use, let replaced): rootInstalled(caller, use, reply, replaced: replaced, before)
    case .sign: signingRequestMade(reply)
    case .installSigned(let caller):
      let (response, isNew) = signedInstalled(reply, before)
      answer(caller, response)
      // A02.FR.08: switch by reconnecting, once the answer has left.
      if isNew, connection.connected?.securityProfile == 3 { renewConnection("a new charging station certificate") }
    }
  }

  private func installedIDs(_ types: [GetCertificateIdUseEnumType]) -> GetInstalledCertificateIdsResponse {
    let chains = certificates.certificates.compactMap { certificate -> CertificateHashDataChainType? in
      guard let use = certificate.kind.reportedUse, types.isEmpty || types.contains(use),
        !certificate.hash.issuerKeyHash.isEmpty
      else { return nil }
      // M03.FR.05: sub-CAs below their leaf.
      let children = use == .v2GCertificateChain ? certificate.children.filter { !$0.issuerKeyHash.isEmpty } : []
      return CertificateHashDataChainType(
        certificateHashData: certificate.hash, certificateType: use,
        childCertificateHashData: children.isEmpty ? nil : Array(children.prefix(4)))
    }
    // M03.FR.02-04.
    return chains.isEmpty
      ? GetInstalledCertificateIdsResponse(status: .notFound)
      : GetInstalledCertificateIdsResponse(status: .accepted, certificateHashDataChain: chains)
  }

  private mutating func deleted(_ caller: CertificateManagement.Caller, _ reply: CertificateReply) {
    switch reply {
    case .done:
      securityEvent("ReconfigurationOfSecurityParameters", "a certificate was deleted")
      answer(caller, DeleteCertificateResponse(status: .accepted))
    case .notFound: answer(caller, DeleteCertificateResponse(status: .notFound))
    case .failed, .rejected, .signingRequest:
      answer(caller, DeleteCertificateResponse(status: .failed, statusInfo: reply.statusInfo))  // M04.FR.03, FR.06
    }
  }

  private mutating func rootInstalled(
    _ caller: CertificateManagement.Caller, _ use: InstallCertificateUseEnumType, _ reply: CertificateReply,
    replaced: String?, _ before: CertificateInventory
  ) {
    let status: InstallCertificateStatusEnumType
    switch reply {
    case .done: status = .accepted
    case .rejected: status = .rejected
    case .failed, .notFound, .signingRequest: status = .failed
    }
    if let replaced {
      let new = status == .accepted ? certificates.added(since: before, .csmsRoot) : nil
      if let new, new != replaced {
        // M05.FR.09, FR.12: this one and the fall-back, and none besides.
        network.root = Network.Renewal(new: new, old: replaced)
        for other in certificates.certificates
        where other.kind == .csmsRoot && ![new, replaced].contains(other.fingerprint) {
          ask(.discard(.csmsRoot, fingerprint: other.fingerprint), .discard)
        }
      } else if network.root?.new == "", !isReplacingRoot {
        network.root = nil
      }
      persistStation(.rootRenewal)
    }
    if status == .accepted {
      securityEvent("ReconfigurationOfSecurityParameters", "a certificate was installed: \(use.rawValue)")
    }
    answer(caller, InstallCertificateResponse(status: status, statusInfo: reply.statusInfo))
  }

  /// Another root that is to replace the one in force is in work, and needs the same fall-back.
  private var isReplacingRoot: Bool {
    certificateManagement.work.values.contains { if case .installRoot(_, _, _?) = $0 { true } else { false } }
  }

  // MARK: What follows from the folder

  /// At the start, and whenever the folder is another than it was.
  mutating func inventoryChanged(_ before: CertificateInventory?) {
    setByStation(String(certificates.certificates.count), Setting.certificateEntries)
    if before?.problems != certificates.problems {
      for problem in certificates.problems { log(.warning, "certificates: \(problem)") }
    }
    let own = certificates.newest(.chargingStation)
    setByStation(own.map { $0.keyIsInToken ? "Token" : "File" } ?? "", Setting.certificateKeyStorage)
    pruneRenewals(isStart: before == nil)
    if before != nil { checkExpiry() }
  }

  /// A renewal is over when one of the two is gone. One that a power cut interrupted is what the folder says.
  private mutating func pruneRenewals(isStart: Bool) {
    func pruned(_ renewal: Network.Renewal?, _ kind: InstalledCertificate.Kind) -> Network.Renewal? {
      guard var renewal else { return nil }
      let installed = certificates.certificates.filter { $0.kind == kind }
      guard installed.contains(where: { $0.fingerprint == renewal.old }) else { return nil }
      if renewal.new.isEmpty {
        guard isStart else { return renewal }
        let others = installed.filter { $0.fingerprint != renewal.old }
        guard let newest = others.max(by: { $0.notBefore < $1.notBefore }) else { return nil }
        renewal.new = newest.fingerprint
      }
      return installed.contains { $0.fingerprint == renewal.new } ? renewal : nil
    }
    let certificate = pruned(network.certificate, .chargingStation)
    let root = pruned(network.root, .csmsRoot)
    if certificate != network.certificate {
      network.certificate = certificate
      persistStation(.certificateRenewal)
    }
    if root != network.root {
      network.root = root
      persistStation(.rootRenewal)
    }
  }

  /// The connection came about with these: what they replace goes (A02.FR.10, M05.FR.13).
  mutating func certificatesProven(_ attempt: NetworkAttempt, _ session: TLSSession?) {
    guard let session else { return }
    if !session.serverChain.isEmpty {
      certificateManagement.served = session.serverChain
      certificateManagement.servedAt = wallTime
    }
    if let renewal = network.root, session.root == renewal.new {
      ask(.discard(.csmsRoot, fingerprint: renewal.old), .discard)
    }
    guard attempt.profile.securityProfile == 3, let renewal = network.certificate, !renewal.new.isEmpty,
      // Not asked for, it proves nothing: neither goes.
      let used = session.clientCertificate
    else { return }
    if used == renewal.new {
      ask(.discard(.chargingStation, fingerprint: renewal.old), .discard)
    } else if used == renewal.old {
      ask(.discard(.chargingStation, fingerprint: renewal.new), .discard)
      securityEvent("DiscardedRenewedClientCertificate", "the CSMS did not accept it")  // A02.FR.29
    }
  }
}

extension CertificateReply {
  /// Why it was not done.
  var statusInfo: StatusInfoType? {
    switch self {
    case .rejected(let reasonCode, let text):
      return StatusInfoType(reasonCode: String(reasonCode.prefix(20)), additionalInfo: String(text.prefix(512)))
    case .failed(let text):
      return StatusInfoType(reasonCode: "InternalError", additionalInfo: String(text.prefix(512)))
    case .done, .signingRequest, .notFound: return nil
    }
  }
}

extension CertificateInventory {
  /// The fingerprint of the certificate of this kind that was not there before.
  func added(since before: CertificateInventory, _ kind: InstalledCertificate.Kind) -> String? {
    let known = Set(before.certificates.filter { $0.kind == kind }.map(\.fingerprint))
    return certificates.first { $0.kind == kind && !known.contains($0.fingerprint) }?.fingerprint
  }
}

extension InstalledCertificate.Kind {
  /// As GetInstalledCertificateIds names it; the charging station certificate is not reported (M03).
  var reportedUse: GetCertificateIdUseEnumType? {
    switch self {
    case .csmsRoot: return .csmsRootCertificate
    case .manufacturerRoot: return .manufacturerRootCertificate
    case .v2gRoot: return .v2GRootCertificate
    case .moRoot: return .moRootCertificate
    case .v2gChain: return .v2GCertificateChain
    case .chargingStation: return nil
    }
  }
}
