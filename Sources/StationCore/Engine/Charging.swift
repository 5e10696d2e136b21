import DeviceModel
import OCPP

/// From states to hardware: who is offered how much, which contactor is closed, which plug is locked. Everything is
/// derived anew after every input, so no path can forget to open something.
extension Station {
  /// Time for the contactor to open, milliseconds.
  private static let openingTime: Int64 = 1500
  /// Time that a vehicle gets to leave state C once its offer is withdrawn, milliseconds (IEC 61851-1:2017 Table A.6, sequence
  /// 10.2): a contactor that opens without load lives longer.
  private static let easingTime: Int64 = 6000
  /// Time that the meter gets for a reading after the contactor has opened, milliseconds: what flowed last is billed too.
  private static let finalReadingTime: Int64 = 1000
  /// Time for it to close, milliseconds; the command may wait for the ledger first.
  private static let closingTime: Int64 = 10_000
  /// The source of faults that the core finds itself.
  private static let core = "core"
  /// A contactor that fails this often in a row is a fault.
  private static let maxContactorFailures = 3
  /// Time a vehicle gets to ask for energy before it counts as the one that suspends, milliseconds.
  static let evReadyTime: Int64 = 3000

  mutating func settleEVSEs() {
    for index in evses.indices {
      serveWaitingVehicle(at: index)
      settleEnergyFlow(at: index)
      startDueTransaction(at: index)
      settleSignature(at: index)
      startDueArrival(at: index)
    }
    let offers = allocateCurrent()
    for index in evses.indices {
      settleLock(at: index)
      settleOffer(at: index, offers[index])
      settleContactor(at: index)
    }
    var hasNext = false
    for index in evses.indices {
      if evses[index].ending != nil, !evses[index].contactorClosed, hasFinalReading(at: index) {
        hasNext = hasNext || evses[index].arrivedWhileEnding != nil
        finishTransaction(at: index)
      }
      settleChargingState(at: index)
      updateStatus(of: index)
      settlePilotAvailability(at: index)
    }
    // What they begin has to be settled too; each round has one ending transaction or one token less.
    if hasNext || settleWaitingTokens() { return settleEVSEs() }
    settleReset()
  }

  /// A car that is connected, a user who may, and nothing that forbids it.
  func mayOffer(at index: Int) -> Bool {
    let evse = evses[index]
    guard stopping == nil, evse.ending == nil, !evse.isResuming, let connected = evse.connectedIndex,
      let grant = evse.authorization
    else { return false }
    if let invalid = grant.invalid {
      guard let limit = invalid.energyLimit, let energy = evse.meter.reading.energyImport, energy < limit else {
        return false
      }
    }
    let connector = evse.connectors[connected]
    if connector.hasLock, connector.lockHasFailed || !connector.locked { return false }
    let begins = startsWithEnergy && (!startsWithSignature || starts(at: "EnergyTransfer"))
    guard storageAllowsEnergy(at: index), evse.transaction != nil || begins else { return false }
    return !hasBlockingFault(evse: evse.id, connector: connector.id)
  }

  /// The meter was read after the contactor had opened, or need not be, or does not answer.
  private mutating func hasFinalReading(at index: Int) -> Bool {
    let evse = evses[index]
    guard let ending = evse.ending, !ending.isAfterPowerLoss, evse.hadEnergy, evse.meter.fresh(at: now) != nil else {
      return true
    }
    guard let openedAt = ending.openedAt else {
      evses[index].ending?.openedAt = now.monotonic
      evses[index].ending?.readBy = now.monotonic + Self.finalReadingTime
      emit(.hardware(.readMeters))
      startTimer(.evse(TimerID.finalReadingName, evse.id), after: Self.finalReadingTime)
      return false
    }
    return evse.meter.acquiredSince >= openedAt || now.monotonic >= ending.readBy
  }

  private mutating func settleOffer(at index: Int, _ allotted: Int64?) {
    let evse = evses[index]
    let before = evse.offer
    // An offer ends where it was made before another connector gets one.
    let place = before == nil ? evse.connectedIndex : evse.offeredIndex
    guard let connected = place ?? evse.connectors.indices.first else { return }
    let target = connected == evse.connectedIndex ? allotted : nil
    guard before != target else { return }
    evses[index].offer = target
    evses[index].offeredIndex = connected
    if let before, before > (target ?? 0) {
      // Without an offer it may draw until the contactor opens under load.
      let time = target == nil ? max(PowerBudget.reaction, Self.easingTime) : PowerBudget.reaction
      evses[index].reserved = (before, now.monotonic + time)
      startTimer(.evse(TimerID.powerName, evses[index].id), after: time)
    }
    if before == nil {
      evses[index].offerSince = now.monotonic
      evses[index].hadEnergy = false
      startTimer(.evse(TimerID.evReadyName, evses[index].id), after: Self.evReadyTime)
    } else if target == nil {
      evses[index].offerSince = nil
      evses[index].offerEndedAt = now.monotonic
      startTimer(.evse(TimerID.easingName, evses[index].id), after: Self.easingTime)
      stopTimer(.evse(TimerID.evReadyName, evses[index].id))
    }
    emit(
      .hardware(
        .offer(evse: evses[index].id, connector: evses[index].connectors[connected].id, milliamperes: target)))
  }

  private mutating func settleContactor(at index: Int) {
    let evse = evses[index]
    let asks = evse.connectedIndex.map { evse.connectors[$0].asksForEnergy } ?? false
    let close = asks && evse.offer != nil && evse.contactorFailures < Self.maxContactorFailures
    guard close != evse.contactorCommanded, close || !mayEase(at: index, asks) else { return }
    evses[index].contactorCommanded = close
    emit(.hardware(.contactor(evse: evse.id, close: close)))
    if close != evse.contactorClosed {
      startTimer(.evse(TimerID.contactorName, evse.id), after: close ? Self.closingTime : Self.openingTime)
    }
  }

  /// The offer is withdrawn and nothing is wrong: the vehicle ends the current itself, and only then, or when it does not, the
  /// contactor opens.
  private func mayEase(at index: Int, _ asks: Bool) -> Bool {
    let evse = evses[index]
    guard asks, evse.contactorClosed, evse.offer == nil, stopping != .shutdown, let endedAt = evse.offerEndedAt,
      let connected = evse.connectedIndex, connected == evse.offeredIndex
    else { return false }
    return now.monotonic - endedAt < Self.easingTime
      && !hasBlockingFault(evse: evse.id, connector: evse.connectors[connected].id)
  }

  private mutating func settleLock(at index: Int) {
    for connector in evses[index].connectors.indices where evses[index].connectors[connector].hasLock {
      let state = evses[index].connectors[connector]
      let connected = evses[index].connectedIndex
      // A plug that is locked stays so while the vehicle is away and its driver is still authorized (E10.FR.01).
      let isInUse = connected == connector || (connected == nil && state.lockCommanded)
      let isClaimed = evses[index].authorization != nil || evses[index].heldFor != nil
      let wants =
        stopping == nil
        && (state.hasPlug ? isInUse && isClaimed : state.isBarredWhenFree && isBarred(at: index, connector))
      guard wants != state.lockCommanded else { continue }
      evses[index].connectors[connector].lockCommanded = wants
      evses[index].connectors[connector].lockHasFailed = false
      emit(.hardware(.lock(evse: evses[index].id, connector: state.id, locked: wants)))
    }
  }

  /// An empty socket is open only to somebody who is authorized for it, and to an UnlockConnector that is being carried out.
  private func isBarred(at index: Int, _ connector: Int) -> Bool {
    let id = evses[index].id
    guard flag(Setting.authEnabled, default: true) else { return false }
    return evses[index].authorization == nil
      && !evses.contains { !$0.isConnected && $0.authorization?.evses.contains(id) == true }
      && !unlocks.contains { $0.evse == id && $0.connector == connector + 1 }
  }

  /// State F at a connector that is Unavailable, once no vehicle is there: in F the station could not see it leave.
  private mutating func settlePilotAvailability(at index: Int) {
    for position in evses[index].connectors.indices {
      let connector = evses[index].connectors[position]
      let wants = connector.status == .unavailable && (connector.isShownUnavailable || !connector.isConnected)
      guard wants != connector.isShownUnavailable else { continue }
      evses[index].connectors[position].isShownUnavailable = wants
      emit(.hardware(.available(evse: evses[index].id, connector: connector.id, !wants)))
    }
  }

  // MARK: What the hardware reports

  mutating func pilotChanged(evse index: Int, connector: Int, to state: PilotState) {
    let before = evses[index].connectors[connector]
    guard before.pilot != state else { return }
    evses[index].connectors[connector].pilot = state
    let isConnected = evses[index].connectors[connector].isConnected
    guard before.isConnected || isConnected else { return }
    // What the status is after a vehicle has left depends on whether its transaction ends (G01.FR.05).
    if evses[index].connectedIndex == connector, !isConnected {
      evses[index].connectedIndex = nil
      evses[index].claimedIndex = connector
      vehicleDisconnected(at: index, connector: connector)
      // The next vehicle is another try.
      faultCleared(HardwareFault(name: "ContactorFailure", evse: evses[index].id, source: Self.core))
    }
    updateStatus(of: index)
    serveWaitingVehicle(at: index)
    if !before.isConnected, isConnected, evses[index].connectedIndex != connector {
      log(.warning, "EVSE \(index + 1) is another vehicle's, the one at connector \(connector + 1) waits")
    }
  }

  /// A vehicle may have come first, or waited for the one at another connector to leave and for its session to end.
  private mutating func serveWaitingVehicle(at index: Int) {
    let id = evses[index].id
    giveWay(at: index)
    let waiting = evses[index].waitingIndices
    guard let connector = waiting.first(where: { isOperative(evse: id, connector: $0 + 1) }) ?? waiting.first
    else { return }
    evses[index].connectedIndex = connector
    evses[index].claimedIndex = nil
    vehicleConnected(at: index, connector: connector)
  }

  /// A vehicle at a connector that is Inoperative, for which nothing is going on, gives way to one at another connector.
  private mutating func giveWay(at index: Int) {
    let evse = evses[index]
    guard let connected = evse.connectedIndex, !isOperative(evse: evse.id, connector: connected + 1),
      evse.transaction == nil, evse.authorization == nil, evse.heldFor == nil, !evse.contactorClosed
    else { return }
    let isNext = evse.connectors.contains { $0.isConnected && isOperative(evse: evse.id, connector: $0.id) }
    if isNext { evses[index].connectedIndex = nil }
  }

  mutating func cableChanged(evse index: Int, connector: Int, rating: Int?) {
    guard evses[index].connectors[connector].cableRating != rating else { return }
    evses[index].connectors[connector].cableRating = rating
    evses[index].connectors[connector].lockHasFailed = false
    if rating == nil, evses[index].isHeld(at: connector) { evses[index].heldFor = nil }
    updateStatus(of: index)
  }

  mutating func contactorChanged(evse index: Int, closed: Bool) {
    guard evses[index].contactorClosed != closed else { return }
    evses[index].contactorClosed = closed
    if closed == evses[index].contactorCommanded {
      evses[index].contactorFailures = 0
      stopTimer(.evse(TimerID.contactorName, evses[index].id))
    } else {
      // It closed after all when it was given up, or by itself: said again, since no other change would.
      if closed { emit(.hardware(.contactor(evse: evses[index].id, close: false))) }
      startTimer(
        .evse(TimerID.contactorName, evses[index].id), after: closed ? Self.openingTime : Self.closingTime)
    }
    if !closed {
      evses[index].reserved = nil
      // What the core only concluded from it; a driver that found it welded takes that back itself.
      faultCleared(HardwareFault(name: "ContactorWelded", evse: evses[index].id, source: Self.core))
    }
  }

  mutating func contactorTimedOut(at index: Int) {
    let evse = evses[index]
    guard evse.contactorClosed != evse.contactorCommanded else { return }
    if evse.contactorClosed {
      faultRaised(HardwareFault(name: "ContactorWelded", evse: evse.id, source: Self.core))
      if evse.ending != nil { finishTransaction(at: index) }
    } else {
      evses[index].contactorFailures += 1
      // The command may still wait for the ledger: it must not be carried out when it is no longer meant.
      emit(.hardware(.contactor(evse: evse.id, close: false)))
      evses[index].contactorCommanded = false  // asked again by `settleContactor`
      log(.error, "EVSE \(evse.id): the contactor did not close")
      if evses[index].contactorFailures >= Self.maxContactorFailures {
        faultRaised(HardwareFault(name: "ContactorFailure", evse: evse.id, source: Self.core))
      }
    }
  }

  /// A reset of the EVSE: what the core concluded from failures is tried anew.
  mutating func forgetFailures(at index: Int) {
    faultCleared(HardwareFault(name: "ContactorFailure", evse: evses[index].id, source: Self.core))
  }

  mutating func lockChanged(evse index: Int, connector: Int, locked: Bool) {
    let failed = evses[index].connectors[connector].lockHasFailed
    evses[index].connectors[connector].locked = locked
    if locked == evses[index].connectors[connector].lockCommanded, failed {
      evses[index].connectors[connector].lockHasFailed = false
    }
    setLockProblem(evse: index, connector: connector, evses[index].connectors[connector].lockHasFailed)
    if !locked { unlockEnded(evse: evses[index].id, connector: connector + 1, .unlocked) }
  }

  mutating func lockFailed(evse index: Int, connector: Int) {
    evses[index].connectors[connector].lockHasFailed = true
    log(.error, "EVSE \(index + 1) connector \(connector + 1): the plug lock did not follow")
    setLockProblem(evse: index, connector: connector, true)
    unlockEnded(evse: evses[index].id, connector: connector + 1, .unlockFailed)
  }

  // MARK: Energy and charging state

  private mutating func settleEnergyFlow(at index: Int) {
    let evse = evses[index]
    let flows = evse.contactorClosed && (evse.connectedIndex.map { evse.connectors[$0].asksForEnergy } ?? false)
    guard flows != evse.energyFlowing else { return }
    evses[index].energyFlowing = flows
    if flows {
      evses[index].hadEnergy = true
      energyStarted(at: index)
    } else {
      energyStopped(at: index)
    }
  }

  /// The state that a transaction at this EVSE is in (E02.FR.13).
  func chargingState(at index: Int) -> ChargingStateEnumType {
    let evse = evses[index]
    guard evse.isConnected else { return .idle }
    guard evse.ending == nil else { return .evConnected }
    if evse.energyFlowing { return .charging }
    guard let grant = evse.authorization else { return .evConnected }
    guard evse.offer != nil else {
      // A grant that is not acted upon yet (lock on its way) is not a suspension.
      let since = max(grant.since, evse.connectedSince ?? 0)
      let isWaiting = grant.invalid == nil && now.monotonic - since < Self.evReadyTime && !evse.hadEnergy
      return isWaiting ? .evConnected : .suspendedEVSE
    }
    if !evse.hadEnergy, let since = evse.offerSince, now.monotonic - since < Self.evReadyTime {
      return evse.transaction?.chargingState == .suspendedEVSE ? .suspendedEVSE : .evConnected
    }
    // The contactor is on its way.
    if evse.contactorCommanded, !evse.contactorClosed, let last = evse.transaction?.chargingState { return last }
    return .suspendedEV
  }

  private mutating func settleChargingState(at index: Int) {
    guard let transaction = evses[index].transaction, evses[index].ending == nil, stopping != .shutdown,
      !evses[index].isResuming
    else { return }
    let state = chargingState(at: index)
    guard state != transaction.chargingState else { return }
    evses[index].transaction?.pendingTrigger = nil
    sendUpdated(at: index, trigger: transaction.pendingTrigger ?? .chargingStateChanged)
  }
}

extension TimerID {
  static let powerName = "power"
  static let easingName = "easing"
}
