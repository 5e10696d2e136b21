import DeviceModel
import OCPP

/// What the core knows of the ledger's health, and what it does while the ledger cannot be written.
///
/// While it fails, nothing is committed; what would have been is remembered by its key and written as it is then, when
/// the medium takes it again. Messages about transactions wait for that too: were they sent, a power cut would let the
/// station tell the same events again with other contents. All others leave at once. No new transaction begins (unless
/// StartTransactionsWithoutStorage), a transaction whose Started is not stored gets no energy, and those in progress go on
/// or pause as ContinueTransactionsWithoutStorage says.
struct Storage: Sendable {
  /// A commit has failed and not yet been made good.
  var isFailing = false
  /// The ledger lives on the space that it had kept in reserve.
  var isLow = false
  /// What the ledger does not hold as it is.
  var unsaved: Set<LedgerKey> = []
  /// Something is being written again, and has not been answered yet.
  var isTrying = false
  /// What to take back when an answer could not be given because its commit failed; oldest first.
  var undo: [(callID: String, change: Undo)] = []

  enum Undo: Sendable {
    /// Nothing: it is carried out whatever the ledger holds, and the answer stands.
    case nothing
    /// The value in force before, and the one that the ledger had.
    case variable(VariableAddress, value: String?, stored: String?)
    case availability(key: String, operative: Bool)
    case cache(AuthorizationCache)
    case localList(LocalAuthorizationList)
    /// What the logs owe of clearing is taken back too.
    case customer(AuthorizationCache, Undelivered, Logs)
    /// The upload that was under way, its transfer, and the first message that may tell of what was not stored.
    case logUpload(LogUpload?, Transfers.Active?, firstMessage: Int64)
    case monitoring(Monitoring.Undo)
    /// The update that was under way, and what had been told.
    case firmware(FirmwareUpdate?, last: FirmwareManagement.Told?)
    /// Profiles and passwords; `password` and what the ledger had of it and of the profiles.
    indirect case network(Network, password: String?, stored: String?, storedProfiles: String?)
  }

  /// Time between two attempts, milliseconds.
  static let retryInterval: Int64 = 10_000
  /// Bytes written again at once: more than a day of normal use, so that a transaction's events and its record are
  /// stored together.
  static let chunk = 1 << 20
  static let undoLimit = 64
}

/// The station's own records in the ledger (`LedgerCollection.station`).
enum StationRecord: String, CaseIterable {
  /// Outbox ids below this one may have been used.
  case outboxIDs
  /// Ids of NotifyEvent's events below this one may have been used.
  case eventIDs
  /// Counters of the undelivered store.
  case undelivered
  /// A wall time that has certainly passed, UTC milliseconds.
  case time
  /// Number of the last boot whose clock was not set.
  case boot
  case localListVersion
  /// Monitoring base, level, and the next id of a monitor.
  case monitoring
  /// The network profile of the last connection, as it was then.
  case provenProfile
  /// `Network.OtherPassword`.
  case otherPassword
  /// `Network.certificate` and `Network.root`.
  case certificateRenewal
  case rootRenewal
  /// What was told of certificates that expire.
  case expiryTold
  /// Where the security log begins and ends.
  case securityLog
  /// The upload of a log that is under way.
  case logUpload
  /// Identifiers of customers that are not yet cleared everywhere.
  case customerClear
  /// `FirmwareManagement`: the update under way, and what was told last.
  case firmware
}

extension Station {
  mutating func persistStation(_ record: StationRecord) {
    persist(write(of: record))
  }

  private func write(of record: StationRecord) -> LedgerWrite {
    value(of: record).map { .put(.station, key: record.rawValue, value: $0) }
      ?? .delete(.station, key: record.rawValue)
  }

  /// `nil`: there is nothing to remember.
  private func value(of record: StationRecord) -> [UInt8]? {
    switch record {
    case .outboxIDs: return Array(String(outbox.reservedIDs).utf8)
    case .eventIDs: return Array(String(provisioning.reservedEventIDs).utf8)
    case .undelivered: return undelivered.counters.bytes
    case .time: return Array(String(clock.recorded).utf8)
    case .boot: return Array(String(clock.boot).utf8)
    case .localListVersion: return Array(String(localList.version).utf8)
    case .monitoring: return monitoring.state.bytes
    case .provenProfile: return network.proven?.json.bytes
    case .otherPassword: return network.otherPassword?.json.bytes
    case .certificateRenewal: return network.certificate?.json.bytes
    case .rootRenewal: return network.root?.json.bytes
    case .expiryTold: return certificateManagement.toldRecord
    case .securityLog: return securityLog.state.bytes
    case .logUpload: return logs.upload?.json.bytes
    case .customerClear: return logs.clearRecord
    case .firmware: return firmware.record
    }
  }

  static func number(_ record: StationRecord, in ledger: LedgerSnapshot) -> Int64? {
    ledger.records[.station]?[record.rawValue].flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
  }

  /// A transaction may begin: there is room for it, and the ledger can take it or configuration does not ask for that.
  var mayRecordTransaction: Bool {
    !outboxIsFull && (!storage.isFailing || flag(Setting.startTransactionsWithoutStorage, default: false))
  }

  /// Energy may flow as far as the ledger is concerned.
  func storageAllowsEnergy(at index: Int) -> Bool {
    guard storage.isFailing else { return true }
    guard let transaction = evses[index].transaction else { return mayRecordTransaction }
    if let id = transaction.startMessage, isUnsaved(id) {
      return flag(Setting.startTransactionsWithoutStorage, default: false)
    }
    return flag(Setting.continueTransactionsWithoutStorage, default: true)
  }

  /// The ledger does not hold the message as it is.
  func isUnsaved(_ id: Int64) -> Bool { storage.unsaved.contains(.message(id)) && outbox.message(id) != nil }

  /// What this `handle` would have written counts as unsaved before anything is sent.
  mutating func rememberUnsaved() {
    guard storage.isFailing else { return }
    for write in writes { storage.unsaved.insert(write.key) }
    for write in lateWrites { storage.unsaved.insert(write.key) }
  }

  /// A commit failed; the actions that waited for it were not carried out.
  mutating func commitFailed(_ failure: LedgerFailure, refused: [Action]) {
    storage.unsaved.formUnion(failure.keys)
    storage.isTrying = false
    startTimer(.storage, after: Storage.retryInterval)
    if !storage.isFailing {
      storage.isFailing = true
      log(.error, "the ledger cannot be written, no new transaction begins: \(failure.text)")
      if failure.kind == .full { securityEvent("MemoryExhaustion", failure.text) }
      faultRaised(Self.storageFault)
    }
    for action in refused { takeBack(action) }
  }

  /// Low severity: it is told, and blocks nothing by itself.
  private static let storageFault = HardwareFault(name: "StorageFailure", evse: 0, severity: .low)

  /// An action was not carried out because the commit before it failed. What still holds is derived anew by `settle`.
  private mutating func takeBack(_ action: Action) {
    switch action {
    case .send(let frame): unsent(frame)
    case .connect: notConnected()
    case .certificates(let id, _): certificateWorkRefused(id)
    case .logs(let id, _): logWorkRefused(id)
    case .transfer(let id, let request): transferRefused(id, request)
    case .installer(let id, _): installerNotAsked(id)
    case .hardware(.contactor(let id, _)):
      guard evses.indices.contains(id - 1) else { return }
      evses[id - 1].contactorCommanded = evses[id - 1].contactorClosed
    case .hardware(.offer(let id, let connector, _)):
      guard evses.indices.contains(id - 1) else { return }
      evses[id - 1].offer = nil
      evses[id - 1].offerSince = nil
      evses[id - 1].offerEndedAt = now.monotonic
      emit(.hardware(.offer(evse: id, connector: connector, milliamperes: nil)))
    case .hardware(.lock(let id, let connector, _)):
      guard evses.indices.contains(id - 1), evses[id - 1].connectors.indices.contains(connector - 1) else { return }
      evses[id - 1].connectors[connector - 1].lockCommanded = evses[id - 1].connectors[connector - 1].locked
    default: break
    }
  }

  /// A frame did not leave. Our call is not outstanding then; an answer becomes a refusal, and what it accepted is
  /// taken back.
  private mutating func unsent(_ frame: [UInt8]) {
    guard case .array(let parts)? = try? JSONValue.parse(frame), parts.count >= 3, let id = parts[1].stringValue else {
      return
    }
    if connection.rpc.outstanding?.id == id { return callNotSent() }
    guard parts[0] == .int(3) else { return }
    var stands = false
    for (callID, change) in storage.undo.reversed() where callID == id {
      if case .nothing = change { stands = true } else { undo(change) }
    }
    storage.undo.removeAll { $0.callID == id }
    guard isOnline else { return }
    guard !stands else { return emit(.send(frame)) }
    emit(.send(RPCEndpoint.failure(of: id, .internalError, "the station could not store it")))
  }

  private mutating func undo(_ change: Storage.Undo) {
    switch change {
    case .nothing: break
    case .variable(let address, let value, let stored):
      _ = model.set(value ?? "", address.component, address.variable, address.attribute, by: .station)
      provisioning.changedVariables[address.persistentKey] = stored
    case .availability(let key, let operative): availability.set(key, operative: operative)
    case .cache(let before):
      authorizationCache = before
      initializeCacheVariables()
    case .localList(let before):
      localList = before
      updateListVariables()
    case .customer(let before, let given, let owed):
      authorizationCache = before
      initializeCacheVariables()
      undelivered = given
      logs.clearRefused(owed)
    case .logUpload(let before, let transfer, let firstMessage):
      undoLogUpload(before, transfer, firstMessage: firstMessage)
    case .monitoring(let undo):
      monitoring.take(back: undo)
      watchMonitored()
      scheduleMonitors()
    case .firmware(let before, let last): undoFirmware(before, last)
    case .network(let before, let password, let stored, let storedProfiles):
      restoreNetwork(before, password: password, stored: stored, storedProfiles: storedProfiles)
    }
  }

  mutating func rememberUndo(_ call: IncomingCall, _ change: Storage.Undo) {
    if storage.undo.count >= Storage.undoLimit { storage.undo.removeFirst() }
    storage.undo.append((call.id, change))
  }

  mutating func storageBecameLow(_ isLow: Bool) {
    guard storage.isLow != isLow else { return }
    storage.isLow = isLow
    log(isLow ? .error : .notice, isLow ? "the medium is nearly full" : "the medium has space again")
    if isLow { securityEvent("MemoryExhaustion", "the medium of the ledger is nearly full") }
    if !isLow, storage.isFailing { retryStorage() }
  }

  mutating func retryStorage() {
    guard storage.isFailing, !storage.isTrying else { return }
    storage.isTrying = true
    emit(.commit(takeUnsaved()))
    emit(.confirm)
  }

  /// What was written again is durable: the next part, or all is well.
  mutating func storageRecovers() {
    guard storage.isFailing, storage.isTrying else { return }
    storage.isTrying = false
    guard storage.unsaved.isEmpty else { return retryStorage() }
    storage.isFailing = false
    outbox.allIsSaved()
    stopTimer(.storage)
    log(.notice, "the ledger is written again")
    faultCleared(Self.storageFault)
  }

  /// The next part of what is not saved, as it is now: messages in their order, then records, so that a transaction's
  /// record does not go before its last event is there.
  private mutating func takeUnsaved() -> [LedgerWrite] {
    let keys = storage.unsaved.sorted { $0.precedes($1) }
    var writes: [LedgerWrite] = []
    var size = 0
    for key in keys where size < Storage.chunk {
      let write = current(key)
      if case .enqueue(let message) = write { size += message.payload.count }
      if case .put(_, _, let value) = write { size += value.count }
      size += 64
      writes.append(write)
      storage.unsaved.remove(key)
    }
    // Nothing to write proves nothing: the time is as good as anything.
    if writes.isEmpty { writes = [write(of: .time)] }
    return writes
  }

  /// A late write of a message that has changed since, in the same `handle`, must not bring back what it was.
  func upToDate(_ write: LedgerWrite) -> LedgerWrite {
    guard case .enqueue(let message) = write else { return write }
    return current(.message(message.id))
  }

  /// What the ledger should hold under a key.
  private func current(_ key: LedgerKey) -> LedgerWrite {
    switch key {
    case .message(let id): return outbox.message(id).map(LedgerWrite.enqueue) ?? .dequeue(id: id)
    case .record(let collection, let key):
      return record(collection, key).map { .put(collection, key: key, value: $0) } ?? .delete(collection, key: key)
    }
  }

  private func record(_ collection: LedgerCollection, _ key: String) -> [UInt8]? {
    switch collection {
    case .variable: return provisioning.changedVariables[key].map { Array($0.utf8) }
    case .transaction: return Int(key).flatMap { transactionRecord(evse: $0) }
    case .availability: return availability.records[key]
    case .station: return StationRecord(rawValue: key).flatMap { value(of: $0) }
    case .undelivered: return undelivered.record(key)?.bytes
    case .authorizationCache: return authorizationCache.record(key)
    case .localList: return localList.record(key)
    case .securityLog: return securityLog.record(key)
    case .monitor: return monitoring.record(key, in: model)
    }
  }
}

extension LedgerKey {
  fileprivate func precedes(_ other: LedgerKey) -> Bool {
    switch (self, other) {
    case (.message(let a), .message(let b)): return a < b
    case (.message, .record): return true
    case (.record, .message): return false
    case (.record(let a, let key), .record(let b, let otherKey)): return (a.rawValue, key) < (b.rawValue, otherKey)
    }
  }
}
