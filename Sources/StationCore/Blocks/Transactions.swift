import DequeModule
import DeviceModel
import OCPP

/// Functional block E: a transaction from its start point to its stop point. The ledger holds all of it but the
/// samples for the Ended event.
struct Transaction: Hashable, Sendable {
  let id: String
  /// Sequence number of the next event.
  var seqNo = 0
  /// What the last event said.
  var chargingState = ChargingStateEnumType.idle
  /// Outbox id of the Started event; `nil` after a restart, when the ledger certainly has it.
  var startMessage: Int64?
  var connector: Int?
  /// The token that the transaction is (or was) authorized for.
  var idToken: IdTokenType?
  var groupIdToken: IdTokenType?
  var remoteStartId: Int?
  /// Why it will end, once the driver or the CSMS has said stop but the stop point is not reached yet.
  var stopReason: ReasonEnumType?
  /// Why the charging state is about to change, to be told with it in one event (C15.FR.03, E05.FR.09).
  var pendingTrigger: TriggerReasonEnumType?
  /// The EVSE was not known at the start: the Transaction.Begin values go into the event in which charging starts
  /// (E01.FR.17).
  var owesBeginValues = false
  /// An event has named the EVSE.
  var evseIsReported = true
  var numberOfPhasesUsed: Int?
  /// The register at the start, milliwatt-hours.
  var energyAtStart: Int64?
  /// The last committed reading of the register, milliwatt-hours, and its UTC milliseconds.
  var lastEnergy: Int64?
  var lastEnergyAt: Int64?
  /// Set while `lastEnergyAt` is of the unset clock of this boot.
  var lastEnergyBoot: Int64?
  /// Time with energy flowing, milliseconds, up to `chargingSince` (monotonic).
  var timeSpentCharging: Int64 = 0
  var chargingSince: Int64?
  /// A signed value of this transaction has brought the public key.
  var publicKeyIsSent = false
  /// For the Ended event (TxEndedMeasurands), oldest first.
  var endedSamples: [MeterValueType] = []

  /// Samples kept for the Ended event; beyond it every second one in the middle is dropped (J02.FR.20).
  static let maxEndedSamples = 120
}

extension Station {
  // MARK: What starts and stops (E01, E06)

  /// EVConnected, Authorized, ... as configured.
  func starts(at point: String) -> Bool { list(Setting.txStartPoint).contains(point) }
  func stops(at point: String) -> Bool { list(Setting.txStopPoint).contains(point) }

  mutating func vehicleConnected(at index: Int, connector: Int) {
    // The last transaction still waits for its contactor and its meter: the vehicle is the next one's.
    guard evses[index].ending == nil else {
      evses[index].arrivedWhileEnding = connector
      return
    }
    evses[index].connectedSince = now.monotonic
    evses[index].hadEnergy = false
    let id = evses[index].id
    startTimer(.evse(TimerID.evReadyName, id), after: Self.evReadyTime)
    if evses[index].isResuming { return resumeTransaction(at: index, connector: connector) }
    adoptWaitingGrant(at: index)
    stopTimer(.evse(TimerID.evConnectionName, id))
    if evses[index].transaction != nil {
      evses[index].transaction?.connector = connector + 1
      sendUpdated(at: index, trigger: .cablePluggedIn)
    } else if isUsable(at: index),
      starts(at: "EVConnected") || (starts(at: "PowerPathClosed") && evses[index].authorization != nil)
    {
      startTransaction(at: index, trigger: .cablePluggedIn)
    }
    authorizeWithoutToken(at: index)
  }

  mutating func vehicleDisconnected(at index: Int, connector: Int) {
    if evses[index].arrivedWhileEnding == connector {
      evses[index].arrivedWhileEnding = nil
      return
    }
    evses[index].connectedSince = nil
    if evses[index].isResuming { return resumeTimedOut(at: index) }
    let stopsOnDisconnect = flag(Setting.stopTxOnEVSideDisconnect, default: true)
    let grant = evses[index].authorization
    let isCaptive = evses[index].connectors[connector].isCaptive
    guard evses[index].transaction != nil else {
      if stopsOnDisconnect || isCaptive { endGrant(at: index, holding: grant) }
      return
    }
    let ends =
      stops(at: "EVConnected") || stops(at: "PowerPathClosed")
      // Deauthorized without energy flowing, its end would never come.
      || (stops(at: "EnergyTransfer") && (evses[index].energyFlowing || (stopsOnDisconnect && grant != nil)))
      || (stopsOnDisconnect && stops(at: "Authorized"))
    if ends {
      endGrant(at: index, holding: grant)
      endTransaction(at: index, trigger: .evCommunicationLost, reason: .evDisconnected)
    } else if stopsOnDisconnect, grant != nil {
      // E09.FR.01: deauthorized, but no stop point is reached.
      endGrant(at: index, holding: grant)
      evses[index].transaction?.stopReason = .evDisconnected
      sendUpdated(at: index, trigger: .evCommunicationLost)
    } else {
      sendUpdated(at: index, trigger: .evCommunicationLost)
      // E10.FR.02: with a captive cable nobody has to come back to fetch it.
      if isCaptive { startConnectionTimer(at: index) }
    }
    endByDeparture(at: index)
  }

  /// Ends the grant because the vehicle left; the plug stays locked for its owner when UnlockOnEVSideDisconnect is
  /// false (E09.FR.03).
  private mutating func endGrant(at index: Int, holding grant: Grant?) {
    evses[index].authorization = nil
    stopTimer(.evse(TimerID.evConnectionName, evses[index].id))
    let isLocked = evses[index].connectors.contains(where: \.holdsPlug)
    if let grant, isLocked, !flag(Setting.unlockOnEVSideDisconnect, default: true) { evses[index].heldFor = grant }
  }

  mutating func energyStarted(at index: Int) {
    guard evses[index].ending == nil else { return }
    evses[index].transaction?.chargingSince = now.monotonic
    if evses[index].transaction == nil {
      // The last start point there is: no energy without a transaction.
      startTransaction(at: index, trigger: .chargingStateChanged)
    }
  }

  mutating func energyStopped(at index: Int) {
    guard var transaction = evses[index].transaction else { return }
    if let since = transaction.chargingSince {
      transaction.timeSpentCharging += now.monotonic - since
      transaction.chargingSince = nil
      evses[index].transaction = transaction
    }
    guard evses[index].ending == nil, stopping == nil, stops(at: "EnergyTransfer") else { return }
    let isSuspendedByEV = evses[index].offer != nil && evses[index].authorization != nil
    let grant = evses[index].authorization
    evses[index].authorization = nil
    endTransaction(
      at: index, trigger: .chargingStateChanged, reason: isSuspendedByEV || grant == nil ? .stoppedByEV : .other)
  }

  /// EVConnectionTimeOut after an authorization without a vehicle (E03.FR.05, C01.FR.26), and after a vehicle left a
  /// suspended transaction at a captive cable (E10.FR.02).
  mutating func evConnectionTimedOut(at index: Int) {
    guard !evses[index].isConnected, evses[index].authorization != nil else { return }
    log(.info, "EVSE \(evses[index].id): no vehicle within EVConnectionTimeOut")
    evses[index].authorization = nil
    guard awaitsDeparture(at: index) else {
      return endTransaction(at: index, trigger: .evConnectTimeout, reason: .timeout)
    }
    // E03.FR.15: deauthorized; whoever comes next with a token gets it.
    evses[index].transaction?.stopReason = .timeout
    sendUpdated(at: index, trigger: .evConnectTimeout)
    evses[index].transaction?.idToken = nil
    evses[index].transaction?.groupIdToken = nil
    persistTransaction(at: index)
  }

  mutating func startConnectionTimer(at index: Int) {
    let timeout = milliseconds(Setting.evConnectionTimeOut, default: 60)
    startTimer(.evse(TimerID.evConnectionName, evses[index].id), after: timeout)
  }

  /// A grant has just been given to this EVSE.
  mutating func transactionAuthorized(at index: Int, trigger: TriggerReasonEnumType) {
    if evses[index].transaction != nil {
      sendUpdated(at: index, trigger: trigger)
    } else if starts(at: "Authorized")
      || (evses[index].isConnected && (starts(at: "EVConnected") || starts(at: "PowerPathClosed")))
    {
      startTransaction(at: index, trigger: trigger)
    }
  }

  /// The grant ends by the driver's, the CSMS' or the station's word. Ends the transaction when that is a stop point.
  mutating func deauthorize(
    at index: Int, trigger: TriggerReasonEnumType, reason: ReasonEnumType, idToken: IdTokenType? = nil,
    holdsCable: Bool = false
  ) {
    let grant = evses[index].authorization
    evses[index].authorization = nil
    stopTimer(.evse(TimerID.evConnectionName, evses[index].id))
    // An attached cable is nobody's.
    let isLocked = evses[index].connectors.contains(where: \.holdsPlug)
    evses[index].heldFor = holdsCable && isLocked ? grant : nil
    guard evses[index].transaction != nil, evses[index].ending == nil else { return }
    evses[index].transaction?.stopReason = reason
    let byEnergy = stops(at: "EnergyTransfer")
    // E05.FR.10 names EnergyTransfer too. Without energy flowing its end would never come.
    if stops(at: "Authorized") || stops(at: "PowerPathClosed")
      || (byEnergy && (trigger == .deauthorized || !evses[index].energyFlowing))
      || (!evses[index].isConnected && !awaitsDeparture(at: index))
    {
      endTransaction(at: index, trigger: trigger, reason: reason, idToken: idToken)
    } else if trigger == .deauthorized, evses[index].energyFlowing {
      evses[index].transaction?.pendingTrigger = trigger
      persistTransaction(at: index)
    } else {
      sendUpdated(at: index, trigger: trigger, idToken: idToken)
    }
  }

  /// No start point is reached before energy flows.
  var startsWithEnergy: Bool {
    !starts(at: "Authorized") && !starts(at: "PowerPathClosed") && !starts(at: "EVConnected")
  }

  /// A start point was reached while something forbade to begin (a fault, Inoperative, the ledger) that is gone now: the
  /// transaction begins before anything is offered.
  mutating func startDueTransaction(at index: Int) {
    guard !startsWithEnergy, mayBeginTransaction(at: index) else { return }
    startTransaction(at: index, trigger: .authorized)
  }

  /// A vehicle that somebody may charge, no transaction yet, and nothing that forbids to begin one.
  func mayBeginTransaction(at index: Int) -> Bool {
    let evse = evses[index]
    return evse.transaction == nil && evse.ending == nil && !evse.isResuming && evse.authorization != nil
      && evse.isConnected && isUsable(at: index)
      && !hasBlockingFault(evse: evse.id, connector: (evse.connectedIndex ?? 0) + 1)
  }

  // MARK: Start and end

  mutating func startTransaction(at index: Int, trigger: TriggerReasonEnumType) {
    guard evses[index].transaction == nil, stopping == nil else { return }
    guard mayRecordTransaction else {
      log(.error, "EVSE \(evses[index].id): no transaction begins while the ledger cannot take it")
      return
    }
    let connected = evses[index].connectedIndex
    let isKnown =
      connected != nil || trigger == .evDetected || (evses[index].authorization?.evses.count ?? 0) == 1
    var transaction = Transaction(id: random.uuid())
    transaction.connector = connected.map { $0 + 1 }
    transaction.owesBeginValues = !isKnown
    transaction.evseIsReported = isKnown
    if isKnown { transaction.energyAtStart = evses[index].meter.fresh(at: now)?.energyImport }
    if evses[index].energyFlowing { transaction.chargingSince = now.monotonic }
    evses[index].transaction = transaction
    log(.notice, "EVSE \(evses[index].id): transaction \(transaction.id) begins, \(trigger.rawValue)")
    let values = isKnown ? beginValues(at: index) : nil
    if isKnown { keepForEnded(at: index, context: .transactionBegin) }
    send(at: index, .started, trigger: trigger, values: values, includesEVSE: isKnown)
    startSampling(at: index)
  }

  /// Ends the transaction; the event is made when the contactor has opened, so that it holds the last energy. That it ends is
  /// in the ledger at once: a power cut does not take back a stop.
  mutating func endTransaction(
    at index: Int, trigger: TriggerReasonEnumType, reason: ReasonEnumType, idToken: IdTokenType? = nil,
    isAfterPowerLoss: Bool = false
  ) {
    guard let transaction = evses[index].transaction, evses[index].ending == nil else { return }
    if !isAfterPowerLoss { noteEnergy(at: index) }
    evses[index].isResuming = false
    evses[index].ending = Ending(
      trigger: trigger, reason: transaction.stopReason ?? reason, idToken: idToken, at: wallTime,
      isAfterPowerLoss: isAfterPowerLoss)
    persistTransaction(at: index)
  }

  mutating func finishTransaction(at index: Int) {
    guard let ending = evses[index].ending, evses[index].transaction != nil else { return }
    keepForEnded(at: index, context: .transactionEnd)
    if outboxIsTight { spareEndedSamples(at: index) }
    let values = evses[index].transaction?.endedSamples
    send(at: index, .ended, trigger: ending.trigger, values: values, idToken: ending.idToken, ending: ending)
    guard let transaction = evses[index].transaction else { return }
    let used = (transaction.lastEnergy ?? 0) - (transaction.energyAtStart ?? transaction.lastEnergy ?? 0)
    log(
      .notice,
      "EVSE \(evses[index].id): transaction \(transaction.id) ended, \(ending.reason.rawValue), about \(used / 1000) Wh"
    )
    evses[index].transaction = nil
    evses[index].ending = nil
    evses[index].authorization = nil
    for name in [
      TimerID.sampledName, TimerID.txEndedName, TimerID.evConnectionName, TimerID.resumeName, TimerID.finalReadingName,
    ] {
      stopTimer(.evse(name, evses[index].id))
    }
    persist(.delete(.transaction, key: String(evses[index].id)))
    if let connector = evses[index].arrivedWhileEnding {
      evses[index].arrivedWhileEnding = nil
      vehicleConnected(at: index, connector: connector)
    }
  }

  // MARK: Events

  mutating func sendUpdated(
    at index: Int, trigger: TriggerReasonEnumType, values: [MeterValueType]? = nil, idToken: IdTokenType? = nil
  ) {
    guard evses[index].transaction != nil, evses[index].ending == nil else { return }
    let isKnown = evses[index].isMeasuringTransaction
    var owed: [MeterValueType] = []
    if isKnown, evses[index].transaction?.evseIsReported == false {
      // The first event that names the EVSE (TC_J_08_CS)
      evses[index].transaction?.evseIsReported = true
      let energy = evses[index].meter.fresh(at: now)?.energyImport
      evses[index].transaction?.energyAtStart = energy
      owed = beginValues(at: index) ?? []
      keepForEnded(at: index, context: .transactionBegin)
    }
    if evses[index].energyFlowing, evses[index].transaction?.owesBeginValues == true {
      // ... and the one in which charging starts (E01.FR.17).
      evses[index].transaction?.owesBeginValues = false
      if owed.isEmpty { owed = beginValues(at: index) ?? [] }
    }
    let all = owed + (values ?? [])
    send(at: index, .updated, trigger: trigger, values: all, idToken: idToken, includesEVSE: isKnown)
  }

  /// Makes the event, counts it, puts it and the transaction into the ledger together.
  private mutating func send(
    at index: Int, _ type: TransactionEventEnumType, trigger: TriggerReasonEnumType, values: [MeterValueType]?,
    idToken: IdTokenType? = nil, includesEVSE: Bool = true, ending: Ending? = nil
  ) {
    guard var transaction = evses[index].transaction else { return }
    var trigger = trigger
    var idToken = idToken
    var remoteStartId: Int?
    if var grant = evses[index].authorization, grant.isUnreported, type != .ended {
      grant.isUnreported = false
      evses[index].authorization = grant
      idToken = grant.idToken
      transaction.idToken = grant.idToken
      transaction.groupIdToken = grant.groupIdToken
      if let id = grant.remoteStartId {
        // F01.FR.19, F02.FR.21: the next event after a remote start says so.
        remoteStartId = id
        transaction.remoteStartId = id
        trigger = .remoteStart
      }
    }
    let state = chargingState(at: index)
    if evses[index].energyFlowing, transaction.numberOfPhasesUsed != evses[index].meter.phasesInUse {
      transaction.numberOfPhasesUsed = evses[index].meter.phasesInUse ?? transaction.numberOfPhasesUsed
    }
    var seconds = transaction.timeSpentCharging
    if let since = transaction.chargingSince { seconds += now.monotonic - since }
    let info = TransactionType(
      transactionId: transaction.id, chargingState: state, remoteStartId: remoteStartId,
      stoppedReason: type == .ended ? ending?.reason : nil, timeSpentCharging: Int(seconds / 1000))
    let evse = EVSEType(id: evses[index].id, connectorId: transaction.connector)
    let request = TransactionEventRequest(
      eventType: type, seqNo: transaction.seqNo,
      timestamp: ending.map { DateTime(unixMilliseconds: $0.at) } ?? timestamp, transactionInfo: info,
      triggerReason: trigger, evse: includesEVSE ? evse : nil, idToken: idToken,
      meterValue: values?.isEmpty == false ? values : nil,
      numberOfPhasesUsed: transaction.numberOfPhasesUsed, offline: isOnline ? nil : true)
    transaction.chargingState = state
    transaction.seqNo += 1
    evses[index].transaction = transaction
    if ending?.isAfterPowerLoss != true { noteEnergy(at: index) }
    let message = enqueue(request, transactionID: transaction.id)
    if type == .started { evses[index].transaction?.startMessage = message }
    if type != .ended { persistTransaction(at: index) }
    transactionChanged(at: index, type)
  }

  /// What the register says now is what a power cut would end the transaction with.
  private mutating func noteEnergy(at index: Int) {
    guard var transaction = evses[index].transaction, transaction.evseIsReported,
      let energy = evses[index].meter.fresh(at: now)?.energyImport
    else { return }
    transaction.energyAtStart = transaction.energyAtStart ?? energy
    transaction.lastEnergy = energy
    transaction.lastEnergyAt = wallTime
    transaction.lastEnergyBoot = unknownTimeBoot()
    evses[index].transaction = transaction
  }

  /// The CSMS' word on a transaction event: its token may turn out invalid (E05, C15).
  mutating func transactionEventAnswered(_ message: QueuedMessage, _ response: TransactionEventResponse) {
    guard let info = response.idTokenInfo else { return }
    if let token = (try? TransactionEventRequest.decode(message.payload, version: .v201))?.idToken {
      remember(token, info)
    }
    guard
      let index = evses.firstIndex(where: { $0.transaction?.id == message.transactionID }),
      evses[index].ending == nil, var grant = evses[index].authorization
    else { return }
    if info.status == .accepted {
      let before = (grant, evses[index].transaction)
      if let group = info.groupIdToken {
        grant.groupIdToken = group
        evses[index].transaction?.groupIdToken = group
      }
      grant.invalid = nil
      evses[index].authorization = grant
      if before != (grant, evses[index].transaction) { persistTransaction(at: index) }
      return
    }
    log(.notice, "EVSE \(evses[index].id): the CSMS does not accept the token, \(info.status.rawValue)")
    if flag(Setting.stopTxOnInvalidId, default: true) {
      deauthorize(at: index, trigger: .deauthorized, reason: .deAuthorized, holdsCable: true)
    } else {
      let allowed = Int64(number(Setting.maxEnergyOnInvalidId, default: 0)) * 1000
      let start = evses[index].transaction?.energyAtStart
      grant.invalid = Grant.InvalidToken(energyLimit: allowed > 0 ? start.map { $0 + allowed } : nil)
      evses[index].authorization = grant
      persistTransaction(at: index)
    }
  }

  /// GetTransactionStatus (E14).
  mutating func getTransactionStatus(_ request: GetTransactionStatusRequest, _ call: IncomingCall) {
    guard let id = request.transactionId else {
      let waits = outbox.messages.contains { $0.queued.transactionID != nil }
      answer(call, GetTransactionStatusResponse(messagesInQueue: waits))
      return
    }
    let isOngoing = evses.contains { $0.transaction?.id == id }
    answer(
      call, GetTransactionStatusResponse(messagesInQueue: outbox.contains(transaction: id), ongoingIndicator: isOngoing)
    )
  }
}
