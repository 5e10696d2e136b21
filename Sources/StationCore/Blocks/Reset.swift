import DeviceModel
import OCPP

/// A Reset of the station or of one EVSE that the CSMS asked for and that is not finished (B11, B12).
///
/// It is not in the ledger: a power cut while it waits is a restart too.
struct PendingReset: Hashable, Sendable {
  /// Answered Scheduled: it waits for what is going on, and the next BootNotification says ScheduledReset.
  var isScheduled: Bool
  /// Of the station: monotonic time after which the restart no longer waits for the CSMS to take the last events
  /// (B12.FR.05). Of an EVSE: when it is back.
  var until: Int64?

  /// Shortest time that the CSMS gets for the last events, milliseconds; MessageTimeout when that is longer.
  static let shortestWait: Int64 = 10_000
  static let longestWait: Int64 = 60_000
  /// How long an EVSE that is reset offers nothing, so that its vehicle and its lock notice, milliseconds.
  static let evseTime: Int64 = 2000
}

extension Station {
  mutating func reset(_ request: ResetRequest, _ call: IncomingCall) {
    func reject(_ reason: String, _ detail: String) {
      log(.notice, "Reset rejected: \(detail)")
      answer(
        call,
        ResetResponse(
          status: .rejected, statusInfo: StatusInfoType(reasonCode: reason, additionalInfo: detail)))
    }
    let target: Int?
    if let evse = request.evseId, evse != 0 {
      guard evses.indices.contains(evse - 1) else { return reject("InvalidValue", "evseId") }
      // B11.FR.09, B12.FR.09
      guard flag(Setting.allowReset(evse: evse), default: false) else {
        return reject("UnsupportedRequest", "evseId: AllowReset is false")
      }
      target = evse - 1
    } else {
      target = nil
    }
    guard stopping == nil else { return reject("InternalError", "the station is going down already") }
    guard !firmware.forbidsReset else {
      return reject("FwUpdateInProgress", "firmware is being installed")
    }
    let affected = target.map { [$0] } ?? Array(evses.indices)
    guard mayLoseNothing(affected) else {
      // B11.FR.06, B12.FR.10: events that only this process knows would be lost.
      return reject("InternalError", "the ledger cannot be written")
    }
    switch request.type {
    case .onIdle:
      let isIdle = affected.allSatisfy(isIdle) && (target != nil || provisioning.reports.isEmpty)
      answer(call, ResetResponse(status: isIdle ? .accepted : .scheduled))
      begin(PendingReset(isScheduled: !isIdle), of: target)
    case .immediate:
      answer(call, ResetResponse(status: .accepted))
      begin(PendingReset(isScheduled: false), of: target)
      for index in affected { endForReset(at: index) }
    default: reject("InvalidValue", "type")
    }
  }

  /// Every event of a transaction is in the ledger, or the ledger takes it.
  private func mayLoseNothing(_ affected: [Int]) -> Bool {
    guard storage.isFailing else { return true }
    return affected.allSatisfy { evses[$0].transaction == nil }
      && !outbox.messages.contains {
        $0.queued.transactionID != nil && storage.unsaved.contains(.message($0.queued.id))
      }
  }

  /// Nothing is going on that a reset would disturb: no transaction, nobody authorized, no cable locked.
  func isIdle(at index: Int) -> Bool {
    let evse = evses[index]
    return evse.transaction == nil && evse.authorization == nil && evse.heldFor == nil
      && !evse.connectors.contains { $0.hasPlug && $0.locked && !$0.lockHasFailed }
  }

  /// A later request replaces one that still waits; an Immediate one overtakes it, an OnIdle one only joins it.
  private mutating func begin(_ reset: PendingReset, of target: Int?) {
    log(
      .notice,
      "\(target.map { "EVSE \(evses[$0].id)" } ?? "the station") is reset \(reset.isScheduled ? "when it is idle" : "now")"
    )
    let pending = target.map { evses[$0].reset } ?? provisioning.reset
    // One that waits for nothing but its contactors, or is under way, goes on.
    if let pending, pending.until != nil || (!pending.isScheduled && reset.isScheduled) { return }
    if let target { evses[target].reset = reset } else { provisioning.reset = reset }
    guard reset.isScheduled else { return }
    // EVSEs that are free become Unavailable (B12, step 3a), but for those at which somebody who is authorized already may
    // plug in. One whose session ends later says so (TC_B_41_CS), and takes nobody either.
    let promised = Set(evses.filter { !$0.isConnected }.flatMap { $0.authorization?.evses ?? [] })
    for index in target.map({ [$0] }) ?? Array(evses.indices) {
      let evse = evses[index]
      let isFree = evse.transaction == nil && !evse.connectors.contains(where: \.hasPlug)
      guard isFree, !promised.contains(evse.id) else { continue }
      for connector in evse.connectors.indices where evse.connectors[connector].status == .available {
        evses[index].connectors[connector].isWithdrawn = true
      }
    }
  }

  /// B12.FR.04, B12.FR.08
  private mutating func endForReset(at index: Int) {
    evses[index].authorization = nil
    evses[index].heldFor = nil
    evses[index].transaction?.stopReason = nil
    endTransaction(at: index, trigger: .resetCommand, reason: .immediateReset)
  }

  /// Called after every input, when all EVSEs are settled: begins what is due.
  mutating func settleReset() {
    guard stopping == nil else { return }
    for index in evses.indices { settleReset(of: index) }
    guard var reset = provisioning.reset, !firmware.forbidsReset else { return }
    if reset.isScheduled {
      // A firmware that waits for the same is put in force by a restart, which is this one too.
      guard evses.indices.allSatisfy(isIdle), provisioning.reports.isEmpty, firmware.update?.phase != .installed
      else { return }
    } else {
      guard evses.allSatisfy({ $0.transaction == nil }) else { return }
    }
    let wait = min(
      max(PendingReset.shortestWait, milliseconds(Setting.messageTimeout, default: 30)), PendingReset.longestWait)
    reset.until = now.monotonic + wait
    provisioning.reset = reset
    startTimer(.reset, after: wait)
    stopping = .restart(reset.isScheduled ? .scheduledReset : .remoteReset)
  }

  /// The restart waits, for a bounded time, until the CSMS has the last events of the transactions that it ended, or has not
  /// answered them in time (B12.FR.05).
  var restartIsReady: Bool {
    guard isOnline, provisioning.registration == .accepted, let until = provisioning.reset?.until,
      now.monotonic < until
    else { return true }
    return calls.outstanding == nil && outbox.nextDue(at: now.monotonic, unsaved: storage.unsaved) == nil
  }

  // MARK: One EVSE

  private mutating func settleReset(of index: Int) {
    guard let reset = evses[index].reset, reset.until == nil else { return }
    guard reset.isScheduled ? isIdle(at: index) : evses[index].transaction == nil else { return }
    evses[index].reset?.until = now.monotonic + PendingReset.evseTime
    startTimer(.evse(TimerID.resetName, evses[index].id), after: PendingReset.evseTime)
    log(.notice, "EVSE \(evses[index].id) restarts")
    updateStatus(of: index)
  }

  /// The EVSE is back, as after a start: nobody is authorized, failures that the core concluded are forgotten, and a vehicle
  /// that is there has just been connected.
  mutating func evseIsReset(at index: Int) {
    guard evses[index].reset?.until != nil else { return }
    let id = evses[index].id
    evses[index].reset = nil
    evses[index].authorization = nil
    evses[index].heldFor = nil
    evses[index].contactorFailures = 0
    evses[index].hadEnergy = false
    for connector in evses[index].connectors.indices {
      evses[index].connectors[connector].isWithdrawn = false
      if evses[index].connectors[connector].lockHasFailed {
        evses[index].connectors[connector].lockHasFailed = false
        // Told again where it should be, whatever it says.
        emit(
          .hardware(
            .lock(evse: id, connector: connector + 1, locked: evses[index].connectors[connector].lockCommanded)))
      }
    }
    forgetFailures(at: index)
    log(.notice, "EVSE \(id) is reset")
    updateStatus(of: index)
    if let connector = evses[index].connectedIndex { vehicleConnected(at: index, connector: connector) }
  }
}

extension TimerID {
  static let resetName = "evseReset"
}
