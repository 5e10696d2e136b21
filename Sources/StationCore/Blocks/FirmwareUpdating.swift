import OCPP

/// UpdateFirmware: what is accepted, and the way to a file that is verified.
extension Station {
  mutating func updateFirmware(_ request: UpdateFirmwareRequest, _ call: IncomingCall) {
    let firmware = request.firmware
    guard !storage.isFailing, canWork() else {
      return answerUpdate(call, .rejected, "InternalError", "nothing can be stored now")
    }
    guard self.firmware.hasInstaller else {
      return answerUpdate(call, .rejected, "NotEnabled", "the station has no installer (--installer)")
    }
    guard !self.firmware.isCommitted, !self.firmware.isAsking else {
      return answerUpdate(call, .rejected, "FwUpdateInProgress", "an installation cannot be cancelled")  // L01.FR.27
    }
    guard let location = FileLocation(firmware.location) else {
      return answerUpdate(call, .rejected, "InvalidURL", "firmware.location")
    }
    let known = list(Setting.fileTransferProtocols)
    guard known.isEmpty || known.contains(location.scheme.protocolName) else {
      return answerUpdate(call, .rejected, "UnsupportedRequest", "firmware.location: \(location.scheme.protocolName)")
    }
    guard let certificate = firmware.signingCertificate, firmware.signature != nil else {
      guard firmware.signingCertificate == nil, firmware.signature == nil,
        flag(Setting.allowUnsignedFirmware, default: false)
      else {
        // TC_L_18_CS; L01.FR.09.
        return answerUpdate(call, .rejected, "MissingParam", "firmware.signingCertificate and firmware.signature")
      }
      return beginUpdate(request, call)  // L02
    }
    ask(
      .checkFirmwareSigner(pem: certificate, at: knownTime),
      .firmwareSigner(CertificateManagement.Caller(call: call, generation: connection.generation), request))
  }

  private mutating func answerUpdate(
    _ call: IncomingCall, _ status: UpdateFirmwareStatusEnumType, _ reason: String, _ detail: String
  ) {
    log(.notice, "UpdateFirmware \(status.rawValue): \(detail)")
    let info = StatusInfoType(reasonCode: reason, additionalInfo: String(detail.prefix(512)))
    answer(call, UpdateFirmwareResponse(status: status, statusInfo: info))
  }

  /// L01.FR.21: the signing certificate was looked at.
  mutating func firmwareSignerChecked(
    _ caller: CertificateManagement.Caller, _ request: UpdateFirmwareRequest, _ reply: CertificateReply
  ) {
    guard isOnline, caller.generation == connection.generation else {
      return log(.notice, "UpdateFirmware \(request.requestId): the connection it came on is gone, nothing is begun")
    }
    switch reply {
    case .done:
      guard !firmware.isCommitted, stopping == nil else {
        return answerUpdate(caller.call, .rejected, "FwUpdateInProgress", "an installation cannot be cancelled")
      }
      guard !storage.isFailing else {
        return answerUpdate(caller.call, .rejected, "InternalError", "nothing can be stored now")
      }
      beginUpdate(request, caller.call)
    case .rejected(let reason, let text):
      answerUpdate(caller.call, .invalidCertificate, reason, text)  // L01.FR.22
      securityEvent("InvalidFirmwareSigningCertificate", text)  // L01.FR.02
    case .failed(let text): answerUpdate(caller.call, .rejected, "InternalError", text)
    case .signingRequest, .notFound: answerUpdate(caller.call, .rejected, "InternalError", "no verdict")
    }
  }

  /// In place of one that is under way (L01.FR.24, L02.FR.15).
  private mutating func beginUpdate(_ request: UpdateFirmwareRequest, _ call: IncomingCall) {
    let before = firmware.update
    if let before {
      cancelTransfer(.firmware)
      removeTransferFile(before.file)
    }
    rememberUndo(call, .firmware(before, last: firmware.last))
    firmware.isVerifying = false
    firmware.hasWaited = false
    firmware.notBefore = 0
    firmware.triesOfflineAt = nil
    let interval = min(
      max(request.retryInterval ?? FirmwareManagement.ownRetryInterval, 0), FirmwareManagement.retryIntervalLimit)
    firmware.update = FirmwareUpdate(
      requestId: request.requestId, location: request.firmware.location,
      retrieveAt: request.firmware.retrieveDateTime.unixMilliseconds,
      installAt: request.firmware.installDateTime?.unixMilliseconds,
      certificate: request.firmware.signingCertificate, signature: request.firmware.signature,
      retriesLeft: min(max(request.retries ?? FirmwareManagement.ownRetries, 0), FirmwareManagement.retriesLimit),
      retryInterval: Int64(interval) * 1000)
    persistStation(.firmware)
    answer(call, UpdateFirmwareResponse(status: before == nil ? .accepted : .acceptedCanceled))
  }

  /// The answer did not leave: nothing was begun, and nothing of it is told. The file of the update before may be gone; then it
  /// is fetched again.
  mutating func undoFirmware(_ before: FirmwareUpdate?, _ last: FirmwareManagement.Told?) {
    cancelTransfer(.firmware)
    if let refused = firmware.update { dropFirmwareStatus(of: refused.requestId) }
    firmware.update = before
    firmware.last = last
    firmware.isVerifying = false
    if let before, before.phase != .scheduled { firmware.update?.phase = .downloading }
  }

  /// It has not come to that: the commit before it failed, and the message has not left.
  mutating func untellFirmware(_ status: FirmwareStatusEnumType) {
    guard let update = firmware.update, update.told.last == status else { return }
    firmware.update?.told.removeLast()
    firmware.last = update.told.dropLast().last.map { .init(status: $0, requestId: update.requestId) }
    dropFirmwareStatus(of: update.requestId, status)
  }

  /// Messages of an update that have not left: all, or those of a status.
  mutating func dropFirmwareStatus(of requestId: Int, _ status: FirmwareStatusEnumType? = nil) {
    for message in outbox.messages.map(\.queued) where message.action == FirmwareStatusNotificationRequest.action {
      guard let payload = try? JSONValue.parse(message.payload), payload["requestId"]?.intValue == requestId,
        status == nil || payload["status"]?.stringValue == status?.rawValue
      else { continue }
      drop(message.id)
    }
  }

  // MARK: The download

  var mayDownloadFirmware: Bool {
    flag(Setting.downloadDuringTransactions, default: true) || isIdleForFirmware
  }

  mutating func settleScheduledDownload(_ update: FirmwareUpdate) {
    if update.retrieveAt > wallTime {
      tellFirmware(.downloadScheduled)  // L01.FR.13, L02.FR.07
      return wakeFirmware(atWall: update.retrieveAt)
    }
    guard mayDownloadFirmware else { return waitForTransactions(.downloadScheduled) }
    guard mayTryNetwork() else { return }
    setFirmwarePhase(.downloading)
    tellFirmware(.downloading)
    if let update = firmware.update { settleDownload(update) }
  }

  mutating func settleDownload(_ update: FirmwareUpdate) {
    guard mayDownloadFirmware else { return pauseDownload(update) }
    guard transfers.active[.firmware] == nil, mayTryNetwork() else { return }
    firmware.triesOfflineAt = nil
    tellFirmware(.downloading)
    let limit = number(Setting.firmwareMaxBytes, default: 512 << 20, limit: 1 << 40)
    startTransfer(
      Transfer(
        kind: .firmware, direction: .download, location: update.location, file: update.file,
        resumes: update.hasBegun, maxBytes: Int64(limit),
        trustsSystemRoots: flag(Setting.fileTransferSystemRoots, default: true)))
    guard !update.hasBegun else { return }
    firmware.update?.hasBegun = true
    persistStation(.firmware)
  }

  /// Without a network an attempt is only lost. The CSMS is asked whether there is one; but it may be away when the file server
  /// is not.
  private mutating func mayTryNetwork() -> Bool {
    guard !isOnline else { return true }
    if let time = firmware.triesOfflineAt { return now.monotonic >= time }
    firmware.triesOfflineAt = now.monotonic + FirmwareManagement.networkTime
    startTimer(.firmware, after: FirmwareManagement.networkTime)
    return false
  }

  /// Somebody charges, and nothing is fetched meanwhile (L01.FR.14, L02.FR.08). What was fetched stays.
  private mutating func pauseDownload(_ update: FirmwareUpdate) {
    cancelTransfer(.firmware)
    firmware.triesOfflineAt = nil
    // Not for one who has plugged in only: he would be turned away.
    if evses.contains(where: { $0.transaction != nil || $0.authorization != nil }) { firmware.hasWaited = true }
    guard update.told.last != .downloadPaused else { return }
    // Each pause is told, and that it is over.
    firmware.update?.told.removeAll { $0 == .downloading || $0 == .downloadPaused }
    tellFirmware(.downloadPaused)
  }

  mutating func firmwareTransferEnded(_ result: TransferResult) {
    guard let update = firmware.update, update.phase == .downloading else { return }
    switch result {
    case .done:
      tellFirmware(.downloaded)
      setFirmwarePhase(.verifying)
    case .failed(let failure, let text):
      log(.warning, "firmware update \(update.requestId): the download failed: \(text)")
      if failure == .storage {
        // Until the next attempt the room is others'.
        removeTransferFile(update.file)
        firmware.update?.hasBegun = false
      }
      guard update.retriesLeft > 0, failure != .unsupported, failure != .tooLarge else {
        return endFirmwareUpdate(.downloadFailed)  // L01.FR.30, L02.FR.19
      }
      firmware.update?.retriesLeft -= 1
      persistStation(.firmware)
      firmware.notBefore = now.monotonic + update.retryInterval
      startTimer(.firmware, after: update.retryInterval)
    }
  }

  // MARK: The signature

  mutating func settleVerification(_ update: FirmwareUpdate) {
    guard !firmware.isVerifying else { return }
    guard let certificate = update.certificate, let signature = update.signature else {
      return setFirmwarePhase(.waiting)
    }
    guard canWork() else { return }
    firmware.isVerifying = true
    ask(
      .verifyFirmware(file: update.file, signature: signature, signer: certificate, at: knownTime),
      .firmwareSignature(requestId: update.requestId))
  }

  /// L01.FR.04, L01.FR.12.
  mutating func firmwareVerified(requestId: Int, _ reply: CertificateReply) {
    guard firmware.isVerifying, let update = firmware.update, update.requestId == requestId, update.phase == .verifying
    else { return }
    firmware.isVerifying = false
    switch reply {
    case .done:
      tellFirmware(.signatureVerified)
      setFirmwarePhase(.waiting)
    case .rejected(_, let text):
      giveUpUpdate(.invalidSignature)
      securityEvent("InvalidFirmwareSignature", text)  // L01.FR.03
    case .failed(let text):
      log(.error, "firmware update \(requestId): the file cannot be verified: \(text)")
      giveUpUpdate(.installationFailed)
    case .signingRequest, .notFound: giveUpUpdate(.installationFailed)
    }
  }

  /// The commit before it failed: the certificate folder was not asked.
  mutating func firmwareNotVerified() {
    firmware.isVerifying = false
    tryFirmwareAgain()
  }
}
