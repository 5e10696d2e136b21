import DeviceModel
import OCPP

/// A charging station certificate that is being asked for (A02, A03).
struct CertificateSigning: Hashable, Sendable {
  /// The request, PEM; `nil` while the key is generated.
  var csr: String?
  /// How often it was sent again.
  var repeats = 0
  /// The CSMS asked for it: it may leave while registration is Pending.
  var isRequested: Bool
  /// It could not be sent, and leaves with the next connection.
  var isHeldBack = false

  /// Where the device model says nothing, seconds.
  static let defaultWait = 300
  /// A certificate is renewed so long before it expires (A03.FR.02), milliseconds.
  static let renewBefore: Int64 = 30 * 86_400_000
}

extension Station {
  /// Generates a key and a request for it. What was asked for before is over; unless that request has not left yet, and serves
  /// for both: the CSMS would sign it in vain.
  mutating func startSigning(isRequested: Bool) {
    let waiting = calls.waiting.firstIndex { $0.purpose == .signCertificate }
    if var signing = certificateManagement.signing, signing.csr == nil || waiting != nil {
      signing.isRequested = signing.isRequested || isRequested
      certificateManagement.signing = signing
      if let waiting { calls.waiting[waiting].requested = signing.isRequested }
      return
    }
    stopTimer(.certificateSigning)
    certificateManagement.signing = CertificateSigning(isRequested: isRequested)
    let key = text(Setting.clientCertificateKey) == "RSA-3072" ? CertificateRequest.Key.rsa3072 : .ecP256
    ask(
      .sign(
        .chargingStationCertificate, commonName: certificateName, organization: text(Setting.organizationName),
        country: nil, key: key), .sign)
  }

  /// The common name of the station's certificate: its serial number (A00.FR.511), or its identity where there is none.
  private var certificateName: String { text(Setting.chargeBoxSerialNumber) ?? connection.identity }

  mutating func signingRequestMade(_ reply: CertificateReply) {
    guard certificateManagement.signing != nil else { return }
    guard case .signingRequest(let csr) = reply else {
      certificateManagement.signing = nil
      log(.error, "no certificate signing request: \(reply.statusInfo?.additionalInfo ?? "no answer")")
      return
    }
    certificateManagement.signing?.csr = csr
    sendSigningRequest()
  }

  /// Sends it now, or when it may leave.
  mutating func sendSigningRequest() {
    guard let signing = certificateManagement.signing, let csr = signing.csr else { return }
    let registration = provisioning.registration
    guard isOnline, registration == .accepted || (registration == .pending && signing.isRequested) else {
      certificateManagement.signing?.isHeldBack = true
      return
    }
    certificateManagement.signing?.isHeldBack = false
    call(
      SignCertificateRequest(csr: csr, certificateType: .chargingStationCertificate), for: .signCertificate,
      requested: signing.isRequested)
  }

  /// The CSMS can be reached again.
  mutating func sendHeldBackSigningRequest() {
    if certificateManagement.signing?.isHeldBack == true { sendSigningRequest() }
  }

  mutating func signingAnswered(_ response: SignCertificateResponse) {
    guard certificateManagement.signing != nil else { return }
    guard response.status == .accepted else {
      log(.warning, "the CSMS does not process the certificate signing request")
      return giveUpSigning()
    }
    awaitSigned()
  }

  /// The call was not answered: counts as sent while online, else it leaves with the next connection.
  mutating func signingFailed() {
    guard certificateManagement.signing != nil else { return }
    if isOnline { awaitSigned() } else { certificateManagement.signing?.isHeldBack = true }
  }

  /// A02.FR.17-18: CertSigningWaitMinimum, doubled with every repetition.
  private mutating func awaitSigned() {
    guard let signing = certificateManagement.signing else { return }
    let wait = milliseconds(Setting.certSigningWaitMinimum, default: CertificateSigning.defaultWait)
    startTimer(.certificateSigning, after: min(max(wait, 1000) << Int64(min(signing.repeats, 20)), 2_592_000_000))
  }

  mutating func signingDue() {
    guard let signing = certificateManagement.signing, signing.csr != nil else { return }
    // The first wait, and CertSigningRepeatTimes doubled ones (A02.FR.17-19, TC_A_23_CS).
    guard signing.repeats <= number(Setting.certSigningRepeatTimes, default: 3, limit: 20) else {
      log(.warning, "no signed certificate came, the station waits to be asked (A02.FR.19)")
      return giveUpSigning()
    }
    certificateManagement.signing?.repeats += 1
    sendSigningRequest()
  }

  private mutating func giveUpSigning() {
    endSigning()
    if let own = certificates.newest(.chargingStation) { certificateManagement.givenUp.insert(own.fingerprint) }
  }

  private mutating func endSigning() {
    certificateManagement.signing = nil
    stopTimer(.certificateSigning)
  }

  // MARK: CertificateSigned

  mutating func certificateSigned(_ request: CertificateSignedRequest, _ call: IncomingCall) {
    let use = request.certificateType ?? .chargingStationCertificate
    guard use == .chargingStationCertificate else {
      let info = StatusInfoType(reasonCode: "UnsupportedRequest", additionalInfo: "certificateType: \(use.rawValue)")
      return answer(call, CertificateSignedResponse(status: .rejected, statusInfo: info))
    }
    guard canWork() else {
      let info = StatusInfoType(reasonCode: "InternalError", additionalInfo: "nothing can be stored now")
      return answer(call, CertificateSignedResponse(status: .rejected, statusInfo: info))
    }
    if network.certificate == nil, let own = ownCertificateInForce {
      // Remembered before the folder changes: after a power cut the station knows which of the two is the new one.
      network.certificate = Network.Renewal(new: "", old: own)
      persistStation(.certificateRenewal)
    }
    let limit = number(Setting.maxCertificateChainSize, default: 0)
    ask(
      .installSigned(
        use, chain: request.certificateChain, commonName: certificateName, maxChainBytes: limit > 0 ? limit : nil,
        at: knownTime),
      .installSigned(CertificateManagement.Caller(call: call, generation: connection.generation)))
  }

  /// The own certificate that worked last.
  private var ownCertificateInForce: String? {
    let installed = certificates.certificates.filter { $0.kind == .chargingStation }.map(\.fingerprint)
    if let used = connection.tls?.clientCertificate, installed.contains(used) { return used }
    return (certificates.newestValid(.chargingStation, at: wallTime) ?? certificates.newest(.chargingStation))?
      .fingerprint
  }

  /// What the folder says of a signed certificate; true when it is to be used from now on.
  mutating func signedInstalled(
    _ reply: CertificateReply, _ before: CertificateInventory
  ) -> (CertificateSignedResponse, isNew: Bool) {
    defer { persistStation(.certificateRenewal) }
    switch reply {
    case .done: break
    case .rejected(_, let why):
      nothingReplaced()
      // A02.FR.07, FR.20: no repetition on our own.
      giveUpSigning()
      securityEvent("InvalidChargingStationCertificate", why)
      return (CertificateSignedResponse(status: .rejected, statusInfo: reply.statusInfo), false)
    case .failed, .notFound, .signingRequest:
      nothingReplaced()
      return (CertificateSignedResponse(status: .rejected, statusInfo: reply.statusInfo), false)
    }
    endSigning()
    certificateManagement.givenUp = []
    securityEvent("ReconfigurationOfSecurityParameters", "a new charging station certificate")
    guard let new = certificates.added(since: before, .chargingStation) else {
      nothingReplaced()
      return (CertificateSignedResponse(status: .accepted), false)
    }
    if let pending = network.certificate {
      // One that has never been tried gives way.
      if !pending.new.isEmpty { ask(.discard(.chargingStation, fingerprint: pending.new), .discard) }
      network.certificate = Network.Renewal(new: new, old: pending.old)
    }
    return (CertificateSignedResponse(status: .accepted), true)
  }

  /// Nothing came of what was remembered for it; unless another one is in work, which needs the same fall-back.
  private mutating func nothingReplaced() {
    let isOther = certificateManagement.work.values.contains { if case .installSigned = $0 { true } else { false } }
    if network.certificate?.new == "", !isOther { network.certificate = nil }
  }

  /// The key of the station's certificate is in a token. A new one would be made in a file, which is less than the owner of the
  /// station chose: that is not done behind their back, and this is logged.
  mutating func keepsKeyInToken() -> Bool {
    guard certificates.newest(.chargingStation)?.keyIsInToken == true else { return false }
    log(
      .warning,
      "the charging station certificate is not renewed: its key is in a token, and keys are made in files only. "
        + "Put a certificate for a key in the token, and its .key file, into client/csms")
    return true
  }

  // MARK: Renewal (A03)

  /// Asks for a new certificate a month before the present one expires, where security profile 3 is used.
  mutating func renewCertificate() {
    guard isOnline, provisioning.registration == .accepted, certificateManagement.signing == nil,
      network.certificate == nil, canWork(),
      (network.order + network.profiles).contains(where: { $0.securityProfile == 3 }),
      let own = certificates.newest(.chargingStation), own.notAfter - wallTime <= CertificateSigning.renewBefore,
      !certificateManagement.givenUp.contains(own.fingerprint)
    else { return }
    guard text(Setting.organizationName) != nil else {
      log(.warning, "the charging station certificate expires, but SecurityCtrlr/OrganizationName is not set (A03)")
      return
    }
    guard !keepsKeyInToken() else { return }
    log(.notice, "the charging station certificate expires within a month: asking for a new one")
    startSigning(isRequested: false)
  }
}
