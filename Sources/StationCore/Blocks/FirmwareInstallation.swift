import OCPP

/// The way from a verified file to a firmware that runs and is confirmed.
extension Station {
  mutating func settleInstallation(_ update: FirmwareUpdate) {
    guard firmware.work == nil else { return }
    guard isDue(update.installAt) else {
      tellFirmware(.installScheduled)  // L01.FR.16, L02.FR.10
      return wakeFirmware(atWall: update.installAt ?? wallTime)
    }
    guard isIdleForFirmware || flag(Setting.installDuringTransactions, default: false) else {
      return waitForTransactions(.installScheduled)  // L01.FR.06, L01.FR.34
    }
    guard firmware.hasInstaller, update.installs < FirmwareManagement.installsLimit else {
      log(
        .error,
        "firmware update \(update.requestId): the installation was interrupted too often, or nothing can install")
      return giveUpUpdate(.installationFailed)
    }
    // Without it nobody could tell the new one from the old one afterwards.
    guard let running = firmware.running else { return settleUnknown() }
    // A power cut would let the station forget it, and install again, over the one that is proven.
    guard !storage.isFailing else { return }
    firmware.update?.installs += 1
    firmware.update?.before = running
    // Whatever else was confirmed once is about to be overwritten.
    if firmware.confirmed?.isSame(as: running) == false { firmware.confirmed = nil }
    tellFirmware(.installing)
    setFirmwarePhase(.installing)
    askInstaller(.install(file: update.file))
  }

  mutating func askInstaller(_ request: InstallerRequest) {
    emit(.installer(id: firmware.begin(request), request))
  }

  mutating func installerAnswered(_ id: Int64, _ reply: InstallerReply) {
    guard let work = firmware.work, work.id == id else { return }
    if case .progress(let percent) = reply {
      firmware.progress = percent
      return
    }
    firmware.work = nil
    if case .failed(let text) = reply { log(.error, "the installer failed to \(work.request.text): \(text)") }
    switch work.request {
    case .state: stateAnswered(reply)
    case .install: installed(reply)
    case .activate: activated(reply)
    case .markGood: markedGood(reply)
    case .rollBack: rolledBack(reply)
    case .keep: kept(reply)
    }
  }

  /// The commit before it failed: the installer was not asked.
  mutating func installerNotAsked(_ id: Int64) {
    guard let work = firmware.work, work.id == id else { return }
    firmware.work = nil
    switch work.request {
    case .install:
      firmware.update?.installs -= 1
      if firmware.update?.installs == 0 { untellFirmware(.installing) }
      setFirmwarePhase(.waiting)
    case .activate: setFirmwarePhase(.installed)
    case .rollBack: rollBackNotAsked()
    case .state, .markGood, .keep: break
    }
    tryFirmwareAgain()
    firmware.stateAt = max(firmware.stateAt, firmware.notBefore)
    firmware.confirmAt = max(firmware.confirmAt, firmware.notBefore)
  }

  // MARK: Installing and activating

  private mutating func installed(_ reply: InstallerReply) {
    guard firmware.update?.phase == .installing else { return }
    switch reply {
    case .done:
      // What ran does so no longer: asked for in this turn. The CSMS has accepted what ran, and not what runs now.
      firmware.running = nil
      firmware.isUnsettled = true
      firmware.isVersionInDoubt = true
      firmware.stateAt = 0
      firmware.confirmFailures = 0
      firmware.confirmAt = 0
      setFirmwarePhase(.confirming)
    case .restartNeeded:
      tellFirmware(.installRebooting)  // L01.FR.32
      setFirmwarePhase(.installed)
      firmware.activateBy = now.monotonic + FirmwareManagement.farewellTime
      startTimer(.firmware, after: FirmwareManagement.farewellTime)
    case .invalid(let text):
      log(.error, "the installer refuses the image: \(text)")
      giveUpUpdate(.installVerificationFailed)  // L01.FR.29
    case .failed, .progress, .state: giveUpUpdate(.installationFailed)
    }
  }

  /// L01.FR.33, L02.FR.22: no transaction is disturbed, and the CSMS has got what waits for it or does not take it in time.
  mutating func settleActivation() {
    guard isIdleForFirmware else {
      firmware.hasWaited = true
      return
    }
    guard firmware.work == nil, !storage.isFailing else { return }
    let isHeard = isOnline && provisioning.registration == .accepted
    let isTaken = calls.outstanding == nil && outbox.nextDue(at: now.monotonic, unsaved: storage.unsaved) == nil
    guard !isHeard || isTaken || now.monotonic >= firmware.activateBy ?? 0 else { return }
    setFirmwarePhase(.activating)
    askInstaller(.activate)
  }

  private mutating func activated(_ reply: InstallerReply) {
    guard firmware.update?.phase == .activating else { return }
    switch reply {
    case .done: waitUntilDown()
    case .restartNeeded: stopping = .restart(.firmwareUpdate)
    case .failed, .invalid, .progress, .state: giveUpUpdate(.installationFailed)
    }
  }

  /// The machine goes down by itself, and ends the station: should the station start again before, it would find what runs now.
  mutating func waitUntilDown() {
    firmware.goesDownBy = now.monotonic + FirmwareManagement.goingDownTime
    startTimer(.firmware, after: FirmwareManagement.goingDownTime)
  }

  mutating func settleGoingDown() {
    guard let limit = firmware.goesDownBy, now.monotonic >= limit else { return }
    log(.error, "the machine has not gone down: the station starts again")
    firmware.goesDownBy = nil
    stopping = .restart(.firmwareUpdate)
  }

  // MARK: The end of an update that failed

  /// It ends with this status. An installation that was begun is taken back before that, or the machine might boot it later.
  mutating func giveUpUpdate(_ status: FirmwareStatusEnumType) {
    guard let update = firmware.update, update.installs > 0, firmware.hasInstaller else {
      return endFirmwareUpdate(status)
    }
    firmware.update?.ending = status
    firmware.isUnsettled = false
    setFirmwarePhase(.keeping)
    settleKeeping()
  }

  mutating func settleKeeping() {
    guard firmware.work == nil, !storage.isFailing else { return }
    askInstaller(.keep)
  }

  private mutating func kept(_ reply: InstallerReply) {
    if firmware.update?.phase == .confirming { return keptAfterRollBack(reply) }
    guard let update = firmware.update, update.phase == .keeping else { return }
    if reply != .done {
      firmware.keepFailures += 1
      guard firmware.keepFailures >= FirmwareManagement.keepsLimit else {
        firmware.notBefore = now.monotonic + FirmwareManagement.retryTime
        return startTimer(.firmware, after: FirmwareManagement.retryTime)
      }
      log(.error, "firmware update \(update.requestId): what was installed is not taken back, and may boot")
    }
    endFirmwareUpdate(update.ending ?? .installationFailed)
  }
}

extension InstallerRequest {
  /// For the log: "failed to ...".
  fileprivate var text: String {
    switch self {
    case .state: "say what runs"
    case .install: "install"
    case .activate: "activate"
    case .markGood: "mark good"
    case .rollBack: "roll back"
    case .keep: "keep what runs"
    }
  }
}
