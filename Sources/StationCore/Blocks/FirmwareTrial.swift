import OCPP

/// Which firmware runs, and whether it stays.
extension Station {
  // MARK: What runs

  /// At the start, before anything connects.
  mutating func askWhatRuns() {
    guard firmware.hasInstaller else {
      guard firmware.isCommitted else { return continueUpdate() }
      log(.error, "the firmware update cannot go on: the station has no installer any more (--installer)")
      return endFirmwareUpdate(.installationFailed)
    }
    // Before anything else is done with it: the new one may crash at any moment.
    switch firmware.update?.phase {
    case .activating, .confirming, .rollingBack:
      firmware.update?.starts += 1
      persistStation(.firmware)
    default: break
    }
    firmware.isAsking = true
    startTimer(.installer, after: FirmwareManagement.stateTime)
    askInstaller(.state)
  }

  /// After an installation, or when the installer did not say it.
  mutating func askAgainWhatRuns() {
    guard firmware.hasInstaller, firmware.running == nil, !firmware.isAsking, firmware.work == nil, stopping == nil,
      now.monotonic >= firmware.stateAt
    else { return }
    askInstaller(.state)
  }

  mutating func stateAnswered(_ reply: InstallerReply) {
    guard case .state(let running) = reply else { return whatRunsIsUnknown() }
    firmware.running = running
    firmware.stateFailures = 0
    stopTimer(.installer)
    log(.notice, "firmware \(running.version) \(running.slot)\(running.isGood ? "" : ", not marked good yet")")
    let told = text(Setting.firmwareVersion) ?? ""
    if !running.version.isEmpty { setByStation(running.version, Setting.firmwareVersion) }
    if firmware.isAsking {
      firmware.isAsking = false
      continueUpdate()
      return connect()
    }
    if firmware.isUnsettled { continueUpdate() }
    guard firmware.isVersionInDoubt else { return }
    firmware.isVersionInDoubt = false
    guard !running.version.isEmpty, running.version != told else { return }
    // A BootNotification told another version, and was accepted for that one only.
    provisioning.registration = .none
    provisioning.wasAccepted = false
    stopTimer(.boot)
    renewConnection("another firmware runs than was told")
  }

  /// The installer does not say what runs, or is late. It is asked again.
  mutating func whatRunsIsUnknown() {
    firmware.stateFailures += 1
    firmware.stateAt = now.monotonic + FirmwareManagement.retryTime
    startTimer(.installer, after: FirmwareManagement.retryTime)
    guard firmware.isAsking else { return }
    firmware.isAsking = false
    firmware.isVersionInDoubt = true
    firmware.work = nil
    log(.error, "the installer does not say which firmware runs")
    continueUpdate()
    connect()
  }

  /// Where an update that was under way at the start goes on, and one that was put in force without a restart; one that has begun
  /// to install, once it is known what runs.
  private mutating func continueUpdate() {
    guard let update = firmware.update else { return }
    switch update.phase {
    case .scheduled, .downloading: return
    case .verifying, .waiting: if update.installs == 0 { return setFirmwarePhase(.verifying) }
    case .installing, .installed, .activating, .confirming, .rollingBack, .keeping: break
    }
    firmware.isUnsettled = firmware.running == nil
    guard let running = firmware.running else { return }
    let isNew = update.before.map { !running.isSame(as: $0) } ?? false
    guard isNew else {
      switch update.phase {
      case .scheduled, .downloading, .installed: return
      case .verifying, .waiting, .installing: return setFirmwarePhase(.verifying)
      case .activating, .confirming, .rollingBack, .keeping:
        return giveUpUpdate(update.ending ?? .installationFailed)
      }
    }
    setFirmwarePhase(.confirming)
    let limit = FirmwareManagement.startsLimit
    // Not twice, unless it may have been a crash that prevented it.
    if update.hasRolledBack {
      guard update.phase == .rollingBack, (limit + 1...2 * limit).contains(update.starts), !storage.isFailing
      else { return }
    }
    // While nothing can be stored it is on trial instead: the roll-back would be forgotten, and come again and again.
    guard update.starts <= limit || storage.isFailing else {
      log(.error, "the new firmware was started \(update.starts) times and is not confirmed")
      // At the start, and at once: it may be gone again before anybody who charges has left.
      return rollBack()
    }
    beginTrial()
  }

  /// A boot loader may call a firmware good that was never confirmed: a new one is on trial in any case.
  mutating func beginTrial() {
    let trial = milliseconds(Setting.firmwareTrialTime, default: 900)
    firmware.trialEnds = now.monotonic + trial
    startTimer(.firmwareTrial, after: trial)
  }

  /// What the update does next needs what runs, and that is not known.
  mutating func settleUnknown() {
    guard firmware.stateFailures >= FirmwareManagement.statesLimit, firmware.work == nil else { return }
    log(.error, "the firmware update cannot go on: the installer does not say which firmware runs")
    giveUpUpdate(.installationFailed)
  }

  // MARK: Whether it stays

  /// A firmware that runs is confirmed once the CSMS has accepted its BootNotification: it can be reached and updated. At its
  /// next starts that is known: a boot loader that counts them must not fall back because the CSMS is away.
  mutating func confirmFirmware() {
    guard stopping == nil, firmware.work == nil, !firmware.isAsking, !firmware.isUnsettled,
      let running = firmware.running
    else { return }
    switch firmware.update?.phase {
    case .confirming where firmwareIsGivenUp: return settleGivenUp()
    // Forgotten, it might be rolled back after the CSMS was told that it is installed.
    case .confirming: guard !storage.isFailing else { return }
    // What runs is about to be replaced, or was to be.
    case .installing, .installed, .activating, .rollingBack, .keeping: return
    case .scheduled, .downloading, .verifying, .waiting, nil: guard !running.isGood else { return }
    }
    let isKnown = firmware.update?.phase != .confirming && firmware.confirmed?.isSame(as: running) == true
    guard isKnown || provisioning.registration == .accepted, now.monotonic >= firmware.confirmAt else { return }
    askInstaller(.markGood)
  }

  /// The new firmware is not to stay: the CSMS has not accepted it in time, or it cannot be marked good. Not while that could be
  /// forgotten.
  var firmwareIsGivenUp: Bool {
    guard firmware.update?.phase == .confirming, !storage.isFailing else { return false }
    if firmware.confirmFailures >= FirmwareManagement.confirmsLimit { return true }
    return provisioning.registration != .accepted && firmware.trialEnds.map { now.monotonic >= $0 } ?? false
  }

  private mutating func settleGivenUp() {
    guard firmware.update?.hasRolledBack == false else {
      log(.error, "the new firmware runs, can neither be marked good nor rolled back, and may not boot again")
      return endFirmwareUpdate(.installationFailed)
    }
    // L01.FR.33 as for any restart: whoever charges ends first, and nobody new comes.
    guard isIdleForFirmware, now.monotonic >= firmware.notBefore else { return }
    log(.error, "the new firmware is not confirmed in time: the one before is put in force again")
    rollBack()
  }

  private mutating func rollBack() {
    firmware.trialEnds = nil
    firmware.update?.hasRolledBack = true
    setFirmwarePhase(.rollingBack)
    askInstaller(.rollBack)
  }

  /// The commit before it failed.
  mutating func rollBackNotAsked() {
    firmware.trialEnds = now.monotonic
    firmware.update?.hasRolledBack = false
    setFirmwarePhase(.confirming)
  }

  mutating func markedGood(_ reply: InstallerReply) {
    guard reply == .done else { return confirmationFailed() }
    firmware.running?.isGood = true
    if let running = firmware.running, firmware.confirmed?.isSame(as: running) != true {
      firmware.confirmed = running
      persistStation(.firmware)
    }
    // It was to be taken back: a boot loader may have struck it off its list, and good alone does not put it there again.
    if firmware.update?.phase == .confirming, firmware.update?.hasRolledBack == true { return askInstaller(.keep) }
    confirmationEnds()
  }

  private mutating func confirmationFailed() {
    firmware.confirmFailures += 1
    let wait = FirmwareManagement.retryTime << Int64(min(firmware.confirmFailures - 1, 6))
    firmware.confirmAt = now.monotonic + min(wait, FirmwareManagement.longestRetryTime)
    startTimer(.firmwareConfirm, after: firmware.confirmAt - now.monotonic)
  }

  mutating func keptAfterRollBack(_ reply: InstallerReply) {
    if reply == .done { confirmationEnds() } else { confirmationFailed() }
  }

  private mutating func confirmationEnds() {
    firmware.confirmFailures = 0
    guard firmware.update?.phase == .confirming else { return }
    endFirmwareUpdate(.installed)  // L01.FR.28, L02.FR.20
    securityEvent("FirmwareUpdated", firmware.running?.version)  // L01.FR.31
  }

  mutating func rolledBack(_ reply: InstallerReply) {
    guard firmware.update?.phase == .rollingBack else { return }
    switch reply {
    case .done: waitUntilDown()
    case .restartNeeded: stopping = .restart(.firmwareUpdate)
    case .failed, .invalid, .progress, .state: setFirmwarePhase(.confirming)
    }
  }
}
