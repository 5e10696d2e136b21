import OCPP

/// Open transactions in the ledger, and what becomes of them after a restart.
extension Station {
  /// Time after the start in which the hardware must report the vehicle of an open transaction, milliseconds.
  private static let resumeWait: Int64 = 5000

  mutating func persistTransaction(at index: Int) {
    guard let record = transactionRecord(evse: evses[index].id) else { return }
    persist(.put(.transaction, key: String(evses[index].id), value: record))
  }

  /// What the ledger holds of the open transaction of an EVSE.
  func transactionRecord(evse id: Int) -> [UInt8]? {
    guard evses.indices.contains(id - 1), let transaction = evses[id - 1].transaction else { return nil }
    return record(of: transaction, evses[id - 1]).bytes
  }

  private func record(of transaction: Transaction, _ evse: EVSE) -> JSONValue {
    var members: [JSONMember] = []
    func put(_ name: String, _ value: JSONValue?) {
      if let value { members.append(JSONMember(name: name, value: value)) }
    }
    func number(_ value: Int64?) -> JSONValue? { value.map { .number(DecimalNumber(Int($0))) } }
    put("id", .string(transaction.id))
    put("seqNo", number(Int64(transaction.seqNo)))
    put("chargingState", .string(transaction.chargingState.rawValue))
    put("connector", number(transaction.connector.map(Int64.init)))
    put("stopReason", transaction.stopReason.map { .string($0.rawValue) })
    put("energyAtStart", number(transaction.energyAtStart))
    put("lastEnergy", number(transaction.lastEnergy))
    put("lastEnergyAt", number(transaction.lastEnergyAt))
    put("lastEnergyBoot", number(transaction.lastEnergyBoot))
    var charged = transaction.timeSpentCharging
    if let since = transaction.chargingSince { charged += now.monotonic - since }
    put("timeSpentCharging", number(charged))
    put("remoteStartId", number(transaction.remoteStartId.map(Int64.init)))
    put("idToken", transaction.idToken.map(json))
    put("groupIdToken", transaction.groupIdToken.map(json))
    put("isAuthorized", .bool(evse.authorization != nil))
    put(
      "invalid",
      evse.authorization?.invalid.map { .members(["energyLimit": number($0.energyLimit)]) })
    put("ending", evse.ending.map { record(of: $0) })
    return .object(members)
  }

  /// Its time is left out while nobody knows what time it was.
  private func record(of ending: Ending) -> JSONValue {
    var members = [
      JSONMember(name: "trigger", value: .string(ending.trigger.rawValue)),
      JSONMember(name: "reason", value: .string(ending.reason.rawValue)),
    ]
    if let token = ending.idToken { members.append(JSONMember(name: "idToken", value: json(token))) }
    if clock.source != .unset || !clock.unsetRange(until: now.monotonic).contains(ending.at) {
      members.append(JSONMember(name: "at", value: .number(DecimalNumber(Int(ending.at)))))
    }
    return .object(members)
  }

  /// What it was ended with before the power was cut; the energy is the last that was committed.
  private func ending(_ record: JSONValue?) -> Ending? {
    guard let trigger = record?["trigger"]?.stringValue.flatMap(TriggerReasonEnumType.init(rawValue:)),
      let reason = record?["reason"]?.stringValue.flatMap(ReasonEnumType.init(rawValue:))
    else { return nil }
    let at = record?["at"]?.intValue.map(Int64.init) ?? wallTime
    return Ending(
      trigger: trigger, reason: reason, idToken: token(record?["idToken"]), at: at, isAfterPowerLoss: true)
  }

  /// Somebody had said stop, and the end of the energy was to be the end: the power cut was that.
  private func endedByCut(_ transaction: Transaction, isAuthorized: Bool) -> Ending? {
    guard stops(at: "EnergyTransfer"), !isAuthorized, transaction.idToken != nil, let reason = transaction.stopReason
    else { return nil }
    return Ending(trigger: .chargingStateChanged, reason: reason, at: wallTime, isAfterPowerLoss: true)
  }

  private func json(_ token: IdTokenType) -> JSONValue {
    .object([
      JSONMember(name: "idToken", value: .string(token.idToken)),
      JSONMember(name: "type", value: .string(token.type.rawValue)),
    ])
  }

  private func token(_ value: JSONValue?) -> IdTokenType? {
    guard let id = value?["idToken"]?.stringValue, let type = value?["type"]?.stringValue,
      let type = IdTokenEnumType(rawValue: type)
    else { return nil }
    return IdTokenType(idToken: id, type: type)
  }

  mutating func restoreTransactions(_ records: [String: [UInt8]]) {
    for (key, bytes) in records.sorted(by: { $0.key < $1.key }) {
      guard let id = Int(key), evses.indices.contains(id - 1),
        let record = try? JSONValue.parse(bytes, maxDepth: 8), let transactionID = record["id"]?.stringValue,
        let seqNo = record["seqNo"]?.intValue
      else {
        log(.error, "the ledger's open transaction of EVSE \(key) cannot be read, it is left as it is")
        continue
      }
      var transaction = Transaction(id: transactionID)
      transaction.chargingState =
        record["chargingState"]?.stringValue.flatMap(ChargingStateEnumType.init(rawValue:)) ?? .idle
      transaction.connector = record["connector"]?.intValue
      transaction.stopReason = record["stopReason"]?.stringValue.flatMap(ReasonEnumType.init(rawValue:))
      transaction.energyAtStart = record["energyAtStart"]?.intValue.map(Int64.init)
      transaction.lastEnergy = record["lastEnergy"]?.intValue.map(Int64.init)
      transaction.lastEnergyAt = record["lastEnergyAt"]?.intValue.map(Int64.init)
      transaction.lastEnergyBoot = record["lastEnergyBoot"]?.intValue.map(Int64.init)
      transaction.timeSpentCharging = Int64(record["timeSpentCharging"]?.intValue ?? 0)
      transaction.remoteStartId = record["remoteStartId"]?.intValue
      transaction.idToken = token(record["idToken"])
      transaction.groupIdToken = token(record["groupIdToken"])
      // Events may be there that its record does not know of, after a recovery that was cut off or a salvage.
      let queued = queuedEvents(of: transactionID)
      if queued.contains(where: { $0.eventType == .ended }) {
        log(.warning, "EVSE \(id): transaction \(transactionID) has ended, its record is dropped")
        persist(.delete(.transaction, key: key))
        continue
      }
      transaction.seqNo = max(seqNo, (queued.map(\.seqNo).max() ?? -1) + 1)
      evses[id - 1].transaction = transaction
      let isAuthorized = record["isAuthorized"] == .bool(true)
      // Somebody had said stop, and the contactor was opening: it is over, whatever is plugged in now.
      if let ending = ending(record["ending"]) ?? endedByCut(transaction, isAuthorized: isAuthorized) {
        evses[id - 1].ending = ending
        continue
      }
      evses[id - 1].isResuming = true
      evses[id - 1].claimedIndex = transaction.connector.map { $0 - 1 }
      if isAuthorized, let idToken = transaction.idToken {
        var grant = Grant(idToken: idToken, groupIdToken: transaction.groupIdToken, evses: [id], since: now.monotonic)
        grant.isUnreported = false
        grant.invalid = record["invalid"].map {
          Grant.InvalidToken(energyLimit: $0["energyLimit"]?.intValue.map(Int64.init))
        }
        evses[id - 1].authorization = grant
      }
    }
  }

  private func queuedEvents(of id: String) -> [TransactionEventRequest] {
    outbox.messages.filter { $0.queued.transactionID == id }.compactMap {
      try? TransactionEventRequest.decode($0.queued.payload, version: .v201)
    }
  }

  /// The hardware has a moment to say whether the vehicle is still there.
  mutating func startResumeTimers() {
    for evse in evses where evse.isResuming { startTimer(.evse(TimerID.resumeName, evse.id), after: Self.resumeWait) }
  }

  /// The vehicle of an open transaction is still there.
  mutating func resumeTransaction(at index: Int, connector: Int) {
    guard flag(Setting.resumeTransactionsOnBoot, default: false) else {
      // Served like one that has just come, once that is over (E01.FR.02).
      evses[index].arrivedWhileEnding = connector
      return resumeTimedOut(at: index)
    }
    evses[index].isResuming = false
    stopTimer(.evse(TimerID.resumeName, evses[index].id))
    evses[index].transaction?.connector = connector + 1
    log(.notice, "EVSE \(index + 1): transaction \(evses[index].transaction?.id ?? "") is resumed")
    if evses[index].transaction?.chargingState == .charging {
      evses[index].transaction?.chargingState = .suspendedEVSE
    }
    startSampling(at: index)
  }

  /// The vehicle has not been plugged in, and is in the bay.
  mutating func resumeInBay(at index: Int) {
    guard flag(Setting.resumeTransactionsOnBoot, default: false), stops(at: "ParkingBayOccupancy") else { return }
    evses[index].isResuming = false
    stopTimer(.evse(TimerID.resumeName, evses[index].id))
    log(.notice, "EVSE \(index + 1): transaction \(evses[index].transaction?.id ?? "") is resumed")
    startSampling(at: index)
    if evses[index].authorization != nil { startConnectionTimer(at: index) }
  }

  /// It is gone, or is not to be resumed: ended with the last energy that was committed.
  mutating func resumeTimedOut(at index: Int) {
    guard evses[index].isResuming else { return }
    evses[index].authorization = nil
    evses[index].transaction?.stopReason = nil
    endTransaction(at: index, trigger: .abnormalCondition, reason: .powerLoss, isAfterPowerLoss: true)
  }
}
