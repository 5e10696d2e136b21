import DequeModule
import DeviceModel
import OCPP

/// The charging station: inputs in, actions out. Pure and deterministic: the same start and the same inputs give the
/// same actions, byte for byte. It reads no clock, draws no randomness of its own, touches no file, socket or pin.
///
/// One type, one thread. Each functional block of OCPP keeps its state in a struct of its name and its behaviour in an
/// extension of `Station` beside it (`Blocks/`); what they share is in `Engine/`.
public struct Station: Sendable {
  public internal(set) var model: DeviceModel

  /// Time stamp of the input being handled.
  var now: StationTime
  var random: SeededRandom
  /// What the current `handle` has decided so far.
  var actions: [Action] = []
  /// Becomes durable before any non-immediate action of the current `handle`.
  var writes: [LedgerWrite] = []
  /// Becomes durable after them: losing it only repeats something harmless (a delivered message is sent again).
  var lateWrites: [LedgerWrite] = []

  var connection: Connection
  var network: Network
  var calls = Calls()
  var outbox: Outbox
  var provisioning: Provisioning
  var authorization = Authorization()
  var authorizationCache: AuthorizationCache
  var localList: LocalAuthorizationList
  var availability: Availability
  var evses: [EVSE]
  var meterValues = MeterValues()
  var unlocks: [PendingUnlock] = []
  var faults: [HardwareFault] = []
  var temperatures = Temperatures()
  var monitoring: Monitoring
  /// What the ledger had of monitors, until the start.
  var storedMonitors: [String]
  var faultNews = FaultNews()
  var live: LiveVariables
  var storage = Storage()
  var clock: Clock
  /// What the certificate folder holds.
  var certificates: CertificateInventory
  var certificateManagement: CertificateManagement
  var transfers = Transfers()
  var firmware: FirmwareManagement
  var undelivered: Undelivered
  public internal(set) var securityLog: SecurityLog
  var logs: Logs
  /// Tolerated deviations of the CSMS, counted since the start.
  public internal(set) var quirks: [Quirk: Int] = [:]
  /// What the ledger said of damage at the start.
  private let damage: LedgerDamage?
  /// Readings of the station's main meter (EVSE 0).
  var mainMeter = MeterState()
  /// Set by `Input.shutdown`, a reset or a restart: nothing new begins, contactors are open.
  var stopping: Stopping?

  /// Why the station is going down.
  enum Stopping: Hashable, Sendable {
    case shutdown
    case restart(BootReasonEnumType)
  }

  /// Takes over what the ledger held. Nothing happens until `Input.start`.
  public init(_ start: StationStart, at now: StationTime) {
    self.now = now
    random = SeededRandom(seed: start.seed)
    model = start.model
    firmware = FirmwareManagement(
      record: start.ledger.records[.station]?[StationRecord.firmware.rawValue], hasInstaller: start.hasInstaller)
    provisioning = Provisioning(
      bootReason: firmware.isRestarting ? .firmwareUpdate : start.bootReason,
      reservedEventIDs: Self.number(.eventIDs, in: start.ledger) ?? 0)
    clock = Clock(at: now, isVirtual: start.clockIsVirtual, ledger: start.ledger)
    outbox = Outbox(restoring: start.ledger.outbox, reservedIDs: Self.number(.outboxIDs, in: start.ledger) ?? 0)
    undelivered = Undelivered(
      restoring: start.ledger.records[.undelivered] ?? [:],
      counters: start.ledger.records[.station]?[StationRecord.undelivered.rawValue].flatMap { try? JSONValue.parse($0) }
    )
    let station = start.ledger.records[.station] ?? [:]
    securityLog = SecurityLog(
      restoring: start.ledger.records[.securityLog] ?? [:],
      state: station[StationRecord.securityLog.rawValue].flatMap { try? JSONValue.parse($0) })
    logs = Logs(restoring: station)
    certificates = start.certificates
    certificateManagement = CertificateManagement(
      told: start.ledger.records[.station]?[StationRecord.expiryTold.rawValue])
    damage = start.ledger.damage
    authorizationCache = AuthorizationCache(restoring: start.ledger.records[.authorizationCache] ?? [:])
    localList = LocalAuthorizationList(
      restoring: start.ledger.records[.localList] ?? [:], version: Self.number(.localListVersion, in: start.ledger))
    availability = Availability(restoring: start.ledger.records[.availability] ?? [:])
    connection = Connection(urlOverride: start.csmsURL)
    let profiles = Setting.networkConnectionProfiles
    let storedProfiles = start.ledger.records[.variable]?[profiles.persistentKey]
    network = Network(
      stored: storedProfiles, factory: start.model.value(profiles.component, profiles.variable) ?? "",
      records: start.ledger.records[.station] ?? [:])
    let monitors = start.ledger.records[.monitor] ?? [:]
    storedMonitors = monitors.keys.sorted()
    monitoring = Monitoring(
      model, state: start.ledger.records[.station]?[StationRecord.monitoring.rawValue], records: monitors)
    live = LiveVariables(model, evses: model.evseCount)
    evses = []
    for (key, value) in (start.ledger.records[.variable] ?? [:]).sorted(by: { $0.key < $1.key }) {
      restoreVariable(key: key, value: value)
    }
    if let identity = start.identity { setIdentity(identity) }
    connection.identity = text(Setting.identity) ?? text(Setting.chargePointId) ?? "cp001"
    prepareNetwork(stored: storedProfiles)
    evses = EVSE.topology(of: model)
    restoreTransactions(start.ledger.records[.transaction] ?? [:])
  }

  /// Handles one input and returns what is to be done, in order. `now` must not go back in its monotonic part.
  public mutating func handle(_ input: Input, at now: StationTime) -> [Action] {
    self.now = now
    noticeTime()
    switch input {
    case .start: begin()
    case .timer(let id): timerFired(id)
    case .link(let event): linkChanged(event)
    case .hardware(let event): hardwareReported(event)
    case .certificates(let id, let reply, let inventory): certificatesAnswered(id, reply, inventory)
    case .logs(let id, let reply): logsAnswered(id, reply)
    case .transfer(let id, let event): transferTold(id, event)
    case .installer(let id, let reply): installerAnswered(id, reply)
    case .network(let online): networkChanged(online: online)
    case .control(let id, let request): controlRequested(id: id, request)
    case .commitFailed(let failure, let refused): commitFailed(failure, refused: refused)
    case .stored: storageRecovers()
    case .storageLow(let isLow): storageBecameLow(isLow)
    case .ledgerDamaged(let damage): reportDamage(damage)
    case .shutdown: shutdown()
    }
    recheckServerChain()
    settle()
    return drain()
  }

  /// Brings everything that follows from the state up to date: limits, hardware, status, then the wire.
  private mutating func settle() {
    settleMonitors(isLast: false)
    settleEVSEs()
    let withheld = firmwareWithholdsEVSEs
    settleFirmware()
    if firmwareWithholdsEVSEs != withheld { settleEVSEs() }
    settleMonitors(isLast: true)
    settleClears()
    finishStopping()
    rememberUnsaved()
    sendNext()
  }

  private mutating func drain() -> [Action] {
    var result: [Action] = []
    result.reserveCapacity(actions.count + 2)
    if storage.isFailing {
      rememberUnsaved()
      result.append(contentsOf: actions)
    } else {
      if !writes.isEmpty {
        recordTime()
        result.append(.commit(writes))
      }
      result.append(contentsOf: actions)
      if !lateWrites.isEmpty { result.append(.commit(lateWrites.map(upToDate))) }
    }
    actions.removeAll(keepingCapacity: true)
    writes.removeAll(keepingCapacity: true)
    lateWrites.removeAll(keepingCapacity: true)
    return result
  }

  // MARK: What blocks use

  mutating func emit(_ action: Action) { actions.append(action) }

  mutating func log(_ level: LogLevel, _ text: String) { actions.append(.log(level, text)) }

  mutating func persist(_ write: LedgerWrite) { writes.append(write) }

  /// Starts or restarts a timer, `after` milliseconds from now (at least 0).
  mutating func startTimer(_ id: TimerID, after milliseconds: Int64) {
    emit(.setTimer(id, at: now.monotonic + max(0, milliseconds)))
  }

  mutating func stopTimer(_ id: TimerID) { emit(.cancelTimer(id)) }

  // MARK: Start and stop

  private mutating func begin() {
    log(
      .notice,
      "station \(connection.identity) starts: \(evses.count) EVSE\(evses.count == 1 ? "" : "s"), "
        + "\(outbox.messages.count) queued messages")
    tellLogBound()
    rebaseEarlierBoots()
    verifySecurityLog()
    recordSecurityEvent(startEvent, nil, isLate: true)
    initializeStatus()
    initializeCacheVariables()
    updateListVariables()
    if let damage { reportDamage(damage) }
    inventoryChanged(nil)
    startTimer(.certificates, after: CertificateManagement.lookInterval)
    tidyTransferFiles()
    startResumeTimers()
    startMonitors()
    scheduleAlignedData()
    startLogUpload()
    clearAgain()
    askWhatRuns()
    connect()
  }

  private mutating func shutdown() {
    guard stopping == nil else { return }
    stopping = .shutdown
    log(.notice, "stopping")
  }

  /// Goes down: nothing is offered any more (`settleEVSEs` opens the contactors), the link is closed, then the end.
  private mutating func finishStopping() {
    guard let stopping else { return }
    if case .restart = stopping, !restartIsReady { return }
    guard connection.closeForGood(&actions) else { return }
    switch stopping {
    case .shutdown: emit(.stopped)
    case .restart(let reason): emit(.restart(reason))
    }
  }

  // MARK: Routing

  private mutating func timerFired(_ id: TimerID) {
    switch id {
    case .reconnect: connect()
    case .ping: pingDue()
    case .call: callTimedOut()
    case .retry: break  // `sendNext` looks at what is due
    case .boot: bootDue()
    case .heartbeat: heartbeatDue()
    case .certificateSigning: signingDue()
    case .certificates: certificateLookDue()
    case .alignedData: alignedDataDue()
    case .alignedTxEnded: alignedTxEndedDue()
    case .alignedReading: alignedReadingDone()
    case .storage: retryStorage()
    case .monitors: monitorsDue()
    case .monitorState: monitorStateDue()
    case .waitingTokens: break  // `settleWaitingTokens`
    case .reset: break  // `finishStopping` looks at `restartIsReady`
    case .masterPass: masterPassTimedOut()
    case .logUpload: startLogUpload()
    case .firmware, .firmwareTrial, .firmwareConfirm: break  // `settleFirmware` looks at what is due
    case .installer: if firmware.isAsking { whatRunsIsUnknown() }  // else `settleFirmware` asks again
    default:
      let index = id.index - 1
      guard evses.indices.contains(index) else { return }
      switch id.name {
      case TimerID.evConnectionName: evConnectionTimedOut(at: index)
      // `settle` looks at what has changed with time
      case TimerID.evReadyName, TimerID.powerName, TimerID.finalReadingName, TimerID.easingName: break
      case TimerID.signatureName: askForSignature(at: index)
      case TimerID.contactorName: contactorTimedOut(at: index)
      case TimerID.resumeName: resumeTimedOut(at: index)
      case TimerID.sampledName: sampledDataDue(at: index)
      case TimerID.txEndedName: txEndedSampleDue(at: index)
      case TimerID.resetName: evseIsReset(at: index)
      case TimerID.unlockName: unlockEnded(evse: id.index, connector: nil, .unlockFailed)
      case TimerID.statusName: statusIsStable(at: index)
      default: log(.error, "timer \(id.name) \(id.index) has no owner")
      }
    }
  }

  private mutating func hardwareReported(_ event: HardwareEvent) {
    defer { showInModel(event) }
    switch event {
    case .pilot(let evse, let connector, let state):
      withConnector(evse, connector) { $0.pilotChanged(evse: $1, connector: $2, to: state) }
    case .cable(let evse, let connector, let rating):
      withConnector(evse, connector) { $0.cableChanged(evse: $1, connector: $2, rating: rating) }
    case .contactor(let evse, let closed):
      withEVSE(evse) { $0.contactorChanged(evse: $1, closed: closed) }
    case .lock(let evse, let connector, let locked):
      withConnector(evse, connector) { $0.lockChanged(evse: $1, connector: $2, locked: locked) }
    case .lockFailed(let evse, let connector):
      withConnector(evse, connector) { $0.lockFailed(evse: $1, connector: $2) }
    case .meter(let reading): meterRead(reading)
    case .token(let presentation): tokenPresented(presentation)
    case .faultRaised(let fault): faultRaised(fault)
    case .faultCleared(let fault): faultCleared(fault)
    case .temperature(let sensor, let value): temperatureRead(sensor, value)
    case .bay(let evse, let occupied): withEVSE(evse) { $0.bayChanged(at: $1, occupied: occupied) }
    case .selection(let evses): selectionMade(evses)
    }
  }

  private mutating func withEVSE(_ id: Int, _ body: (inout Station, Int) -> Void) {
    guard id >= 1, id <= evses.count else {
      log(.error, "hardware event for EVSE \(id), which the device model does not have")
      return
    }
    body(&self, id - 1)
  }

  private mutating func withConnector(_ evse: Int, _ connector: Int, _ body: (inout Station, Int, Int) -> Void) {
    withEVSE(evse) { station, index in
      guard connector >= 1, connector <= station.evses[index].connectors.count else {
        station.log(.error, "hardware event for connector \(connector) of EVSE \(evse), which does not exist")
        return
      }
      body(&station, index, connector - 1)
    }
  }
}

extension TimerID {
  static let reconnect = TimerID("reconnect")
  static let ping = TimerID("ping")
  static let call = TimerID("call")
  static let retry = TimerID("retry")
  static let boot = TimerID("boot")
  static let heartbeat = TimerID("heartbeat")
  static let certificateSigning = TimerID("certificateSigning")
  static let certificates = TimerID("certificates")
  static let alignedData = TimerID("alignedData")
  static let alignedTxEnded = TimerID("alignedTxEnded")
  static let alignedReading = TimerID("alignedReading")
  static let storage = TimerID("storage")
  static let reset = TimerID("reset")
  static let monitors = TimerID("monitors")
  static let monitorState = TimerID("monitorState")
  static let logUpload = TimerID("logUpload")

  static let evConnectionName = "evConnection"
  static let evReadyName = "evReady"
  static let contactorName = "contactor"
  static let finalReadingName = "finalReading"
  static let resumeName = "resume"
  static let sampledName = "sampledData"
  static let txEndedName = "txEnded"

  /// A timer of one EVSE (its id, from 1).
  static func evse(_ name: String, _ id: Int) -> TimerID { TimerID(name, id) }
}
