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
      return endFirmwareUpdate(.installationFailed)
    }
    firmware.update?.installs += 1
    firmware.update?.before = firmware.running
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
    }
  }

  /// The commit before it failed: the installer was not asked.
  mutating func installerNotAsked(_ id: Int64) {
    guard let work = firmware.work, work.id == id else { return }
    firmware.work = nil
    switch work.request {
    case .install: setFirmwarePhase(.waiting)
    case .activate: setFirmwarePhase(.installed)
    case .rollBack: setFirmwarePhase(.confirming)
    case .state, .markGood: break
    }
    firmware.notBefore = now.monotonic + Storage.retryInterval
    startTimer(.firmware, after: Storage.retryInterval)
  }

  // MARK: Installing and activating

  private mutating func installed(_ reply: InstallerReply) {
    guard firmware.update?.phase == .installing else { return }
    switch reply {
    case .done:
      setFirmwarePhase(.confirming)
      askInstaller(.state)
    case .restartNeeded:
      tellFirmware(.installRebooting)  // L01.FR.32
      setFirmwarePhase(.installed)
      firmware.activateBy = now.monotonic + FirmwareManagement.farewellTime
      startTimer(.firmware, after: FirmwareManagement.farewellTime)
    case .invalid(let text):
      log(.error, "the installer refuses the image: \(text)")
      endFirmwareUpdate(.installVerificationFailed)  // L01.FR.29
    case .failed, .progress, .state: endFirmwareUpdate(.installationFailed)
    }
  }

  /// L01.FR.33, L02.FR.22: no transaction is disturbed, and the CSMS has got what waits for it or does not take it in time.
  mutating func settleActivation() {
    guard isIdleForFirmware else {
      firmware.hasWaited = true
      return
    }
    guard firmware.work == nil else { return }
    let isHeard = isOnline && provisioning.registration == .accepted
    let isTaken = calls.outstanding == nil && outbox.nextDue(at: now.monotonic, unsaved: storage.unsaved) == nil
    guard !isHeard || isTaken || now.monotonic >= firmware.activateBy ?? 0 else { return }
    setFirmwarePhase(.activating)
    askInstaller(.activate)
  }

  private mutating func activated(_ reply: InstallerReply) {
    guard firmware.update?.phase == .activating else { return }
    switch reply {
    case .done, .restartNeeded: stopping = .restart(.firmwareUpdate)
    case .failed, .invalid, .progress, .state: endFirmwareUpdate(.installationFailed)
    }
  }

  // MARK: What runs

  /// At the start, before anything connects.
  mutating func askWhatRuns() {
    guard firmware.hasInstaller else { return continueAfterStart(nil) }
    firmware.isAsking = true
    startTimer(.installer, after: FirmwareManagement.stateTime)
    askInstaller(.state)
  }

  private mutating func stateAnswered(_ reply: InstallerReply) {
    guard case .state(let running) = reply else {
      if firmware.isAsking { whatRunsIsUnknown() }
      return
    }
    firmware.running = running
    if !running.version.isEmpty { setByStation(running.version, Setting.firmwareVersion) }
    guard firmware.isAsking else { return }
    firmware.isAsking = false
    stopTimer(.installer)
    log(.notice, "firmware \(running.version) \(running.slot)\(running.isGood ? "" : ", not confirmed yet")")
    continueAfterStart(running)
    connect()
  }

  /// The installer does not say what runs.
  mutating func whatRunsIsUnknown() {
    guard firmware.isAsking else { return }
    firmware.isAsking = false
    firmware.work = nil
    log(.error, "the installer does not say which firmware runs")
    continueAfterStart(nil)
    connect()
  }

  /// Where an update that was under way goes on.
  private mutating func continueAfterStart(_ running: RunningFirmware?) {
    guard let update = firmware.update else { return }
    let isNew: Bool? = running.flatMap { running in update.before.map { !running.isSame(as: $0) } }
    switch update.phase {
    case .scheduled, .downloading: break
    case .verifying, .waiting: setFirmwarePhase(.verifying)
    case .installing: setFirmwarePhase(isNew == true ? .confirming : .verifying)
    case .installed: if isNew == true { setFirmwarePhase(.confirming) }
    case .activating, .confirming, .rollingBack:
      if isNew == false {
        endFirmwareUpdate(.installationFailed)
      } else {
        setFirmwarePhase(.confirming)
      }
    }
    guard firmware.update?.phase == .confirming, running?.isGood != true else { return }
    let trial = milliseconds(Setting.firmwareTrialTime, default: 900)
    firmware.trialEnds = now.monotonic + trial
    startTimer(.firmwareTrial, after: trial)
  }

  /// A firmware that runs is confirmed once the CSMS has accepted its BootNotification: it can be reached and updated.
  mutating func confirmFirmware() {
    guard stopping == nil, firmware.work == nil, !firmware.isAsking, let running = firmware.running else { return }
    let isConfirming = firmware.update?.phase == .confirming
    guard isConfirming || !running.isGood else { return }
    if provisioning.registration == .accepted {
      guard now.monotonic >= firmware.notBefore else { return }
      return askInstaller(.markGood)
    }
    guard isConfirming, !running.isGood, let ends = firmware.trialEnds, now.monotonic >= ends else { return }
    log(.error, "the CSMS has not accepted the new firmware in time: the one before is put in force again")
    firmware.trialEnds = nil
    setFirmwarePhase(.rollingBack)
    askInstaller(.rollBack)
  }

  private mutating func markedGood(_ reply: InstallerReply) {
    guard case .done = reply else {
      firmware.notBefore = now.monotonic + FirmwareManagement.retryTime
      return startTimer(.firmware, after: FirmwareManagement.retryTime)
    }
    firmware.running?.isGood = true
    guard let update = firmware.update, update.phase == .confirming else { return }
    let hasRestarted = update.told.contains(.installRebooting)
    endFirmwareUpdate(.installed)  // L01.FR.28, L02.FR.20
    securityEvent("FirmwareUpdated", firmware.running?.version)  // L01.FR.31
    // What is in force now may speak another version of OCPP: that is settled when a connection is made.
    if !hasRestarted { renewConnection("new firmware") }
  }

  private mutating func rolledBack(_ reply: InstallerReply) {
    switch reply {
    case .done, .restartNeeded: stopping = .restart(.firmwareUpdate)
    case .failed, .invalid, .progress, .state: setFirmwarePhase(.confirming)
    }
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
    }
  }
}
