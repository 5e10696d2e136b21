import DeviceModel
import OCPP

/// An UnlockConnector whose lock has not answered yet (F05).
struct PendingUnlock: Hashable, Sendable {
  var call: IncomingCall
  var evse: Int
  var connector: Int

  /// Longest wait for the lock, milliseconds.
  static let longestWait: Int64 = 10_000
  /// Calls that may wait at one time.
  static let limit = 16
}

extension Station {
  mutating func unlockConnector(_ request: UnlockConnectorRequest, _ call: IncomingCall) {
    let index = request.evseId - 1
    guard evses.indices.contains(index), evses[index].connectors.indices.contains(request.connectorId - 1) else {
      return answer(call, UnlockConnectorResponse(status: .unknownConnector))  // F05.FR.03
    }
    let position = request.connectorId - 1
    let connector = evses[index].connectors[position]
    guard connector.hasLock else {
      return refuse(call, .notSupported, "the connector has no lock")  // F05.FR.07
    }
    let isInUse = (evses[index].connectedIndex ?? evses[index].transaction?.connector.map { $0 - 1 }) == position
    guard evses[index].authorization == nil || !isInUse else {
      return answer(call, UnlockConnectorResponse(status: .ongoingAuthorizedTransaction))  // F05.FR.02
    }
    guard unlocks.count < PendingUnlock.limit else {
      return answer(
        call,
        UnlockConnectorResponse(status: .unlockFailed, statusInfo: StatusInfoType(reasonCode: "TooManyElements")))
    }
    // Tried whatever the lock says and whether or not there is a cable (F05.FR.06).
    log(.notice, "EVSE \(request.evseId) connector \(request.connectorId): unlocked by the CSMS")
    unlocks.append(PendingUnlock(call: call, evse: request.evseId, connector: request.connectorId))
    startTimer(.evse(TimerID.unlockName, request.evseId), after: PendingUnlock.longestWait)
    if evses[index].isHeld(at: position) { evses[index].heldFor = nil }
    evses[index].connectors[position].lockCommanded = false
    evses[index].connectors[position].lockHasFailed = false
    emit(.hardware(.lock(evse: request.evseId, connector: request.connectorId, locked: false)))
  }

  /// What the lock did (F05.FR.04-05); `nil` connector: no answer of any of the EVSE.
  mutating func unlockEnded(evse: Int, connector: Int?, _ status: UnlockStatusEnumType) {
    func isMeant(_ pending: PendingUnlock) -> Bool {
      pending.evse == evse && (connector == nil || pending.connector == connector)
    }
    let done = unlocks.filter(isMeant)
    guard !done.isEmpty else { return }
    unlocks.removeAll(where: isMeant)
    for pending in done { answer(pending.call, UnlockConnectorResponse(status: status)) }
    if !unlocks.contains(where: { $0.evse == evse }) { stopTimer(.evse(TimerID.unlockName, evse)) }
  }
}

extension TimerID {
  static let unlockName = "unlock"
}
