import OCPP

/// Functional block L: firmware updates (L01, L02). What there is to do is in the ledger, so that a power cut in every phase
/// ends in a state that the CSMS learns; `settleFirmware` takes the next step whatever it was that made it possible.
///
/// | phase | after a power cut |
/// |---|---|
/// | scheduled, downloading | it goes on; what was fetched and flushed is not fetched again |
/// | verifying, waiting | the file is verified again, then it goes on |
/// | installing | the new one runs: it is confirmed; else the file is verified and installed again, three times in all |
/// | installed | the new one is confirmed; else it is put in force |
/// | activating | the new one is confirmed; the old one runs: InstallationFailed |
/// | confirming | it is marked good after BootNotification was accepted; or the old one runs: InstallationFailed |
/// | rollingBack | the old one runs: InstallationFailed; else it is confirmed after all |
/// | keeping | the new one is confirmed after all; else what was installed is taken back, then the failure is told |
///
/// From `installing` on nothing goes on before the installer has said what runs. While the ledger fails an update asks for nothing
/// else: what is not stored is forgotten by a power cut, and done again, over what ran well or for ever.
struct FirmwareManagement: Sendable {
  /// `nil`: no update is under way.
  var update: FirmwareUpdate?
  /// The last FirmwareStatusNotification.
  var last: Told?
  /// What the installer said that runs; `nil`: not yet, and it is asked again.
  var running: RunningFirmware?
  /// What was marked good last: it is marked again at its next starts, without a word of the CSMS.
  var confirmed: RunningFirmware?
  let hasInstaller: Bool
  /// The installer was asked what runs, and nothing connects before it has said so, or is late.
  var isAsking = false
  /// The station connected without knowing what runs: what it told may be another version.
  var isVersionInDoubt = false
  /// It is not settled yet where the update goes on after the start: that needs what runs.
  var isUnsettled = false
  /// Times in a row that the installer did not say what runs, and the monotonic time of the next question.
  var stateFailures = 0
  var stateAt: Int64 = 0
  /// The same of marking good what runs.
  var confirmFailures = 0
  var confirmAt: Int64 = 0
  /// Times that the installer did not take back what it had installed.
  var keepFailures = 0
  /// What the installer is doing.
  var work: (id: Int64, request: InstallerRequest)?
  /// Percent of the installation.
  var progress: Int?
  /// It has waited for transactions to end.
  var hasWaited = false
  /// The file is being verified.
  var isVerifying = false
  /// Monotonic time before which nothing is tried again.
  var notBefore: Int64 = 0
  /// Monotonic time after which the activation does not wait for the CSMS to take what waits for it.
  var activateBy: Int64?
  /// Monotonic time at which an unconfirmed firmware is given up.
  var trialEnds: Int64?
  /// Monotonic time until which the machine should have gone down by itself.
  var goesDownBy: Int64?
  /// Monotonic time from which on a download is tried without a connection to the CSMS.
  var triesOfflineAt: Int64?
  private var nextID: Int64 = 1

  struct Told: Hashable, Sendable {
    var status: FirmwareStatusEnumType
    var requestId: Int
  }

  /// Retries and seconds between them when the CSMS leaves that to the station, and the most that it gets.
  static let ownRetries = 3
  static let ownRetryInterval = 60
  static let retriesLimit = 100
  static let retryIntervalLimit = 86_400
  /// Installations of one update that power cuts may interrupt.
  static let installsLimit = 3
  /// How long the installer may take to say what runs, before the station connects without knowing, milliseconds.
  static let stateTime: Int64 = 15_000
  /// Wait for the CSMS to take InstallRebooting, milliseconds.
  static let farewellTime: Int64 = 10_000
  /// Time between two attempts to have something of the installer, milliseconds; those to mark good double it, up to
  /// `longestRetryTime`.
  static let retryTime: Int64 = 60_000
  static let longestRetryTime: Int64 = 3_600_000
  /// Failures after which an update that needs it has failed: what runs is not said, it is not marked good, what was installed
  /// is not taken back.
  static let statesLimit = 15
  static let confirmsLimit = 5
  static let keepsLimit = 3
  /// Starts of a firmware that is not confirmed: one that crashes, or is never there long enough, is rolled back at the next
  /// ones, as many.
  static let startsLimit = 5
  /// How long a machine may take to go down, milliseconds; then the station starts again.
  static let goingDownTime: Int64 = 600_000
  /// How long a download that is due waits for a connection to the CSMS, milliseconds.
  static let networkTime: Int64 = 600_000

  init(record: [UInt8]?, hasInstaller: Bool) {
    self.hasInstaller = hasInstaller
    guard let record, let value = try? JSONValue.parse(record) else { return }
    if let status = value["last"]?["status"]?.stringValue.flatMap(FirmwareStatusEnumType.init(rawValue:)),
      let requestId = value["last"]?["requestId"]?.intValue
    {
      last = Told(status: status, requestId: requestId)
    }
    update = value["update"].flatMap { FirmwareUpdate(json: $0) }
    confirmed = value["confirmed"].flatMap { try? RunningFirmware(journal: JournalFields($0, "confirmed")) }
  }

  /// As the ledger holds it.
  var record: [UInt8]? {
    guard update != nil || last != nil || confirmed != nil else { return nil }
    return JSONValue.members([
      "update": update?.json,
      "last": last.map { .members(["status": .string($0.status.rawValue), "requestId": .int($0.requestId)]) },
      "confirmed": confirmed?.journal,
    ]).bytes
  }

  mutating func begin(_ request: InstallerRequest) -> Int64 {
    defer { nextID += 1 }
    work = (nextID, request)
    return nextID
  }

  /// The process was started again to put a firmware in force, or to take it back.
  var isRestarting: Bool {
    switch update?.phase {
    case .activating, .rollingBack: true
    default: false
    }
  }

  /// The installer is at work, or a restart comes anyway: no other one comes in between.
  var forbidsReset: Bool { update?.phase == .installing || isRestarting }

  /// It can no longer be cancelled (L01.FR.27).
  var isCommitted: Bool {
    switch update?.phase {
    case .installing, .installed, .activating, .confirming, .rollingBack, .keeping: true
    // Interrupted by a power cut, and begun again: the first attempt may have left something.
    case .scheduled, .downloading, .verifying, .waiting: update?.installs != 0
    case nil: false
    }
  }
}

/// One UpdateFirmware, and how far it is.
struct FirmwareUpdate: Hashable, Sendable {
  enum Phase: String, Sendable, CaseIterable {
    case scheduled, downloading, verifying, waiting, installing, installed, activating, confirming, rollingBack, keeping
  }

  var requestId: Int
  var location: String
  /// UTC milliseconds.
  var retrieveAt: Int64
  var installAt: Int64?
  /// Both, or none: L02.
  var certificate: String?
  var signature: String?
  /// Downloads that may still fail before it is given up.
  var retriesLeft: Int
  /// Milliseconds.
  var retryInterval: Int64
  var phase = Phase.scheduled
  /// A download has begun before.
  var hasBegun = false
  var installs = 0
  /// What ran before the installation.
  var before: RunningFirmware?
  /// Starts of the station since it was put in force, while it was not confirmed.
  var starts = 0
  /// It was to be rolled back once, and is not again.
  var hasRolledBack = false
  /// How it ends once what was installed is taken back.
  var ending: FirmwareStatusEnumType?
  /// What the CSMS was told; each status once, but for a download that pauses.
  var told: [FirmwareStatusEnumType] = []

  /// In the directory `transfers`.
  var file: String { "firmware-\(requestId)" }

  init(
    requestId: Int, location: String, retrieveAt: Int64, installAt: Int64?, certificate: String?, signature: String?,
    retriesLeft: Int, retryInterval: Int64
  ) {
    self.requestId = requestId
    self.location = location
    self.retrieveAt = retrieveAt
    self.installAt = installAt
    self.certificate = certificate
    self.signature = signature
    self.retriesLeft = retriesLeft
    self.retryInterval = retryInterval
  }

  /// `nil`: not one that this version wrote.
  init?(json: JSONValue) {
    guard let requestId = json["requestId"]?.intValue, let location = json["location"]?.stringValue,
      let retrieveAt = json["retrieveAt"]?.intValue, let retriesLeft = json["retriesLeft"]?.intValue,
      let retryInterval = json["retryInterval"]?.intValue,
      let phase = json["phase"]?.stringValue.flatMap(Phase.init(rawValue:))
    else { return nil }
    self.init(
      requestId: requestId, location: location, retrieveAt: Int64(retrieveAt),
      installAt: json["installAt"]?.intValue.map { Int64($0) }, certificate: json["certificate"]?.stringValue,
      signature: json["signature"]?.stringValue, retriesLeft: retriesLeft, retryInterval: Int64(retryInterval))
    self.phase = phase
    hasBegun = json["hasBegun"]?.boolValue ?? false
    installs = json["installs"]?.intValue ?? 0
    starts = json["starts"]?.intValue ?? 0
    hasRolledBack = json["hasRolledBack"]?.boolValue ?? false
    ending = json["ending"]?.stringValue.flatMap(FirmwareStatusEnumType.init(rawValue:))
    before = json["before"].flatMap { try? RunningFirmware(journal: JournalFields($0, "before")) }
    told = json["told"]?.arrayValue?.compactMap { $0.stringValue.flatMap(FirmwareStatusEnumType.init(rawValue:)) } ?? []
  }

  var json: JSONValue {
    .members([
      "requestId": .int(requestId), "location": .string(location), "retrieveAt": .integer(retrieveAt),
      "installAt": installAt.map { .integer($0) }, "certificate": certificate.map { .string($0) },
      "signature": signature.map { .string($0) }, "retriesLeft": .int(retriesLeft),
      "retryInterval": .integer(retryInterval), "phase": .string(phase.rawValue), "hasBegun": .bool(hasBegun),
      "installs": .int(installs), "before": before?.journal, "starts": .int(starts),
      "hasRolledBack": .bool(hasRolledBack), "ending": ending.map { .string($0.rawValue) },
      "told": .array(told.map { .string($0.rawValue) }),
    ])
  }
}

extension Station {
  /// The update enters a new state (L01.FR.01, L01.FR.10, L02.FR.01). Durable, delivered once the CSMS can be reached, and
  /// told once in an update: what a power cut made the station do again is nothing new.
  mutating func tellFirmware(_ status: FirmwareStatusEnumType) {
    guard var update = firmware.update, !update.told.contains(status) else { return }
    update.told.append(status)
    firmware.update = update
    firmware.last = FirmwareManagement.Told(status: status, requestId: update.requestId)
    log(.notice, "firmware update \(update.requestId): \(status.rawValue)")
    enqueue(FirmwareStatusNotificationRequest(status: status, requestId: update.requestId), transactionID: nil)
    persistStation(.firmware)
  }

  /// The commit before the next step failed: nothing was done, and it is taken again.
  mutating func tryFirmwareAgain() {
    firmware.notBefore = now.monotonic + Storage.retryInterval
    startTimer(.firmware, after: Storage.retryInterval)
  }

  mutating func setFirmwarePhase(_ phase: FirmwareUpdate.Phase) {
    firmware.update?.phase = phase
    firmware.notBefore = 0
    persistStation(.firmware)
  }

  /// The last state of the update. Its file goes.
  mutating func endFirmwareUpdate(_ status: FirmwareStatusEnumType?) {
    guard let update = firmware.update else { return }
    if let status { tellFirmware(status) }
    removeTransferFile(update.file)
    firmware.update = nil
    firmware.progress = nil
    firmware.isVerifying = false
    firmware.hasWaited = false
    firmware.activateBy = nil
    firmware.trialEnds = nil
    firmware.goesDownBy = nil
    firmware.triesOfflineAt = nil
    firmware.isUnsettled = false
    firmware.keepFailures = 0
    stopTimer(.firmware)
    persistStation(.firmware)
  }

  /// L01.FR.25-26, L02.FR.16-17.
  mutating func sendTriggeredFirmwareStatus() {
    if let last = firmware.last, last.status != .installed {
      call(FirmwareStatusNotificationRequest(status: last.status, requestId: last.requestId), requested: true)
    } else {
      call(FirmwareStatusNotificationRequest(status: .idle), requested: true)
    }
  }

  /// Called after every input: takes the next step that is possible.
  mutating func settleFirmware() {
    askAgainWhatRuns()
    confirmFirmware()
    guard stopping == nil, let update = firmware.update, !firmware.isAsking else { return }
    guard !firmware.isUnsettled else { return settleUnknown() }
    guard now.monotonic >= firmware.notBefore else { return }
    switch update.phase {
    case .scheduled: settleScheduledDownload(update)
    case .downloading: settleDownload(update)
    case .verifying: settleVerification(update)
    case .waiting: settleInstallation(update)
    case .installed: settleActivation()
    case .activating, .rollingBack: settleGoingDown()
    case .keeping: settleKeeping()
    case .installing, .confirming: break
    }
  }

  /// Nothing goes on that an installation or a restart would disturb.
  var isIdleForFirmware: Bool { evses.indices.allSatisfy(isIdle) }

  /// EVSEs that are free get nobody new (L01.FR.07, L02.FR.04): the update waits, or has waited, for those that are in use, is
  /// being installed, or is to be taken back.
  var firmwareWithholdsEVSEs: Bool {
    guard let update = firmware.update else { return false }
    let waits = firmware.hasWaited && !flag(Setting.allowNewSessionsPendingFirmwareUpdate, default: false)
    switch update.phase {
    case .scheduled, .downloading, .verifying, .waiting: return waits
    case .installing: return waits || !flag(Setting.installDuringTransactions, default: false)
    case .installed: return waits || (isIdleForFirmware && !storage.isFailing)
    case .activating, .rollingBack: return true
    case .confirming: return firmwareIsGivenUp
    case .keeping: return false
    }
  }

  /// The step waits until nobody charges.
  mutating func waitForTransactions(_ status: FirmwareStatusEnumType) {
    firmware.hasWaited = true
    tellFirmware(status)
  }

  func isDue(_ time: Int64?) -> Bool { time.map { $0 <= wallTime } ?? true }

  /// Wakes up at a wall time; earlier when the clock is set, because every input looks.
  mutating func wakeFirmware(atWall time: Int64) {
    startTimer(.firmware, after: min(max(time - wallTime, 0), 3_600_000))
  }
}

extension TimerID {
  static let firmware = TimerID("firmware")
  static let firmwareTrial = TimerID("firmwareTrial")
  static let firmwareConfirm = TimerID("firmwareConfirm")
  static let installer = TimerID("installer")
}
