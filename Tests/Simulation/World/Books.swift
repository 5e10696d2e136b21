import OCPP
import StationCore

/// What really happened, kept beside the station: which transaction events came into being, which of them are durable,
/// which ones the CSMS holds, and how much energy flowed meanwhile.
final class Books {
  final class Event {
    var type: TransactionEventEnumType
    /// The connection that was up when it came into being; `nil` offline.
    var connection: Int?
    /// Milliwatt-hours that had really flowed at its EVSE.
    var delivered: Int64
    /// As it was last given to the ledger; after a power cut, as it is found there.
    var queued: Queued?
    var isStored = false
    /// As it was first sent: whatever is sent later says the same.
    var sent: TransactionEventRequest?
    var held: TransactionEventRequest?
    /// The CSMS has answered it with an error.
    var wasRefused = false
    var isUndelivered = false
    var isThinned = false
    /// The ledger could not be written then: it is in the ledger later, or was thinned out before.
    var whileFailing = false
    /// Virtual time of its making.
    let at: Int64

    init(type: TransactionEventEnumType, connection: Int?, delivered: Int64, at: Int64) {
      self.at = at
      self.type = type
      self.connection = connection
      self.delivered = delivered
    }
  }

  /// A transaction event in the ledger.
  struct Queued {
    var outboxID: Int64
    var messageID: String
    var request: TransactionEventRequest
    /// Its time stamps may be changed when the time becomes known.
    var hasUnknownTime: Bool
  }

  final class Transaction {
    let id: String
    var evse: Int
    var events: [Int: Event] = [:]
    /// Sequence number of the next event.
    var next = 0
    var hasEnded = false
    /// A stop was told: nobody is authorized any more.
    var isStopped = false
    var highestHeld = -1
    /// Real energy at the beginning and the end, milliwatt-hours.
    var begin: Int64
    var end: Int64 = 0
    /// Real energy when the last durable event before a power cut came into being.
    var durable: Int64?
    var meterIsDisturbed: Bool
    var clockIsDisturbed = false
    var cuts = 0

    init(id: String, evse: Int, begin: Int64, meterIsDisturbed: Bool) {
      self.id = id
      self.evse = evse
      self.begin = begin
      self.meterIsDisturbed = meterIsDisturbed
    }
  }

  unowned let world: World
  private(set) var transactions: [String: Transaction] = [:]
  private(set) var order: [String] = []
  /// The open transaction by EVSE.
  var open: [Int: String] = [:]
  /// Real energy per EVSE that belongs to transactions that are over.
  private var accounted: [Int: Int64] = [:]
  private var places: [Int64: (transaction: String, seqNo: Int)] = [:]
  /// Outbox id of every message that was ever given to the ledger, by its message id.
  private var outboxIDs: [String: Int64] = [:]
  /// Text of every CALL by its message id.
  private var calls: [String: (text: [UInt8], at: Int64)] = [:]
  private(set) var readings: [Int: Set<Int64>] = [:]
  var toldCable: [Int: Int] = [:]
  /// A transaction whose token the input that is being handled refuses.
  var refused: String?
  var settingsMemory = SettingsMemory()
  private(set) var clockIsUncertain = false

  /// Energy that may flow between two looks at a meter that is read at contactor changes, milliwatt-hours.
  static let slack: Int64 = 25_000

  private var wasConnected = false
  private var isOnline = false

  init(_ world: World) { self.world = world }

  var openTransactions: [String] { open.values.sorted() }
  var anyOpenTransaction: String? { openTransactions.first }

  // MARK: What the core decides

  func before(_ input: Input) {
    refused = nil
    wasConnected = world.core.snapshot.isConnected
    switch input {
    case .hardware(.pilot(let evse, _, let state)): world.site.bays[evse - 1].toldPilot = state
    case .hardware(.cable(let evse, _, let rating)): toldCable[evse] = rating
    case .link(.message(let frame)): refused = refusal(in: frame)
    default: break
    }
  }

  /// The transaction whose token this answer refuses, when the core must act on it.
  private func refusal(in frame: [UInt8]) -> String? {
    guard world.scenario.stopsOnInvalid, frame.starts(with: Array("[3,".utf8)),
      let parts = try? JSONValue.parse(frame).arrayValue, parts.count == 3, let id = parts[1].stringValue,
      let call = calls[id], world.time - call.at < 29_000, let outboxID = outboxIDs[id],
      let status = parts[2]["idTokenInfo"]?["status"]?.stringValue, status != "Accepted"
    else { return nil }
    return places[outboxID]?.transaction
  }

  func produced(_ actions: [Action]) {
    // What came into being in the step that closes the connection did so before.
    let closes = actions.contains { if case .disconnect = $0 { true } else { false } }
    isOnline = world.core.snapshot.isConnected || (wasConnected && closes)
    var new: [(String, Int)] = []
    for case .event(let event) in actions where event.event == "transaction" {
      if let place = begun(event) { new.append(place) }
    }
    for case .commit(let writes) in actions { look(at: writes) }
    for (id, seqNo) in new {
      guard let event = transactions[id]?.events[seqNo], event.queued == nil else { continue }
      if !world.core.snapshot.storageIsHealthy {
        world.coverage.count("eventsWhileFailing")
        event.whileFailing = true
        continue
      }
      world.violated("every event is recorded", "event \(seqNo) of \(id) (\(event.type.rawValue)) is not enqueued")
    }
  }

  private func begun(_ event: StationEvent) -> (String, Int)? {
    func field(_ name: String) -> JSONValue? { event.fields.first { $0.name == name }?.value }
    guard let id = field("id")?.stringValue, let seqNo = field("seqNo")?.intValue, let evse = field("evse")?.intValue,
      let type = field("type")?.stringValue.flatMap(TransactionEventEnumType.init(rawValue:))
    else {
      world.violated("events", "a transaction event without its fields")
      return nil
    }
    world.coverage.count("events")
    let delivered = world.site.delivered(evse - 1)
    if transactions[id] == nil { begin(id, evse, delivered, type) }
    guard let transaction = transactions[id] else { return nil }
    if transaction.evse != evse { move(transaction, to: evse, delivered) }
    if seqNo != transaction.next {
      world.violated("gapless sequence numbers", "\(id) makes event \(seqNo), expected \(transaction.next)")
    }
    if (type == .started) != (seqNo == 0) {
      world.violated("Started first", "\(id) makes event \(seqNo) as \(type.rawValue)")
    }
    if transaction.hasEnded { world.violated("Ended last", "\(id) makes event \(seqNo) after its Ended") }
    if !isOnline { world.coverage.count("eventsOffline") }
    transaction.events[seqNo] = Event(
      type: type, connection: isOnline ? world.network.connection : nil, delivered: delivered, at: world.time)
    transaction.next = seqNo + 1
    if type == .ended {
      transaction.hasEnded = true
      transaction.end = delivered
      accounted[evse] = delivered
      open[evse] = nil
    }
    return (id, seqNo)
  }

  private func begin(_ id: String, _ evse: Int, _ delivered: Int64, _ type: TransactionEventEnumType) {
    world.coverage.count("transactions")
    occupy(evse, id, delivered)
    transactions[id] = Transaction(
      id: id, evse: evse, begin: delivered, meterIsDisturbed: isDisturbed(evse))
    order.append(id)
  }

  private func isDisturbed(_ evse: Int) -> Bool {
    let bay = world.site.bays[evse - 1]
    return bay.stuckAt != nil || world.time < bay.silentUntil + .second || world.time - bay.disturbedAt < 2 * .minute
  }

  private func move(_ transaction: Transaction, to evse: Int, _ delivered: Int64) {
    if open[transaction.evse] == transaction.id { open[transaction.evse] = nil }
    accounted[transaction.evse] = world.site.delivered(transaction.evse - 1)
    occupy(evse, transaction.id, delivered)
    transaction.evse = evse
    transaction.begin = delivered
    // What the other EVSE had delivered by then is nothing to this bill.
    for event in transaction.events.values { event.delivered = delivered }
    transaction.meterIsDisturbed = transaction.meterIsDisturbed || isDisturbed(evse)
  }

  private func occupy(_ evse: Int, _ id: String, _ delivered: Int64) {
    if let other = open[evse] {
      world.violated("one transaction per EVSE", "\(id) begins at EVSE \(evse), where \(other) is open")
    }
    let loose = delivered - accounted[evse, default: 0]
    if loose > Self.slack {
      world.violated("no energy without a transaction", "\(loose) mWh flowed at EVSE \(evse) before \(id) began")
    }
    open[evse] = id
  }

  // MARK: What goes into the ledger

  private func look(at writes: [LedgerWrite]) {
    for case .enqueue(let message) in writes { enqueued(message) }
    for case .put(.undelivered, let key, let value) in writes { gaveUp(Int64(key), value) }
    for case .dequeue(let id) in writes { dequeued(id) }
  }

  private func enqueued(_ message: QueuedMessage) {
    outboxIDs[message.messageID] = message.id
    guard message.action == TransactionEventRequest.action else { return }
    guard let request = try? TransactionEventRequest.decode(message.payload, version: .v201) else {
      return world.violated("valid messages", String(decoding: message.payload, as: UTF8.self))
    }
    let id = request.transactionInfo.transactionId
    guard message.transactionID == id, let event = transactions[id]?.events[request.seqNo] else {
      return world.violated("nothing is invented", "event \(request.seqNo) of \(id) was never made")
    }
    if let place = places[message.id], place != (id, request.seqNo) {
      world.violated("outbox ids", "\(message.id) was event \(place.seqNo) of \(place.transaction)")
    }
    places[message.id] = (id, request.seqNo)
    let queued = Queued(
      outboxID: message.id, messageID: message.messageID, request: request,
      hasUnknownTime: message.unknownTimeBoot != nil)
    defer { event.queued = queued }
    guard let former = event.queued else { return firstEnqueued(event, request) }
    if former.request == request { return }
    if former.messageID == message.messageID {
      world.violated("message ids", "event \(request.seqNo) of \(id) is changed and keeps its message id")
    }
    if former.request.offline == true, request.offline != true {
      world.violated("offline flag", "event \(request.seqNo) of \(id) does not say any more that it was offline")
    }
    if same(former.request, request) { return }
    if !former.hasUnknownTime || !same(former.request, request, exceptTimes: true) {
      world.violated("resends are identical", "event \(request.seqNo) of \(id) is enqueued with another text")
    }
    world.coverage.count("rebased")
  }

  private func firstEnqueued(_ event: Event, _ request: TransactionEventRequest) {
    let id = request.transactionInfo.transactionId
    if request.transactionInfo.stoppedReason == .powerLoss {
      world.coverage.count("powerLossEnded")
    } else if transactions[id]?.cuts ?? 0 > 0 {
      world.coverage.count("resumed")
    }
    if let stops = Self.stops(request) { transactions[id]?.isStopped = stops }
    if event.type != request.eventType {
      world.violated("valid messages", "event \(request.seqNo) of \(id) is enqueued as \(request.eventType.rawValue)")
    }
    if event.connection == nil, request.offline != true {
      world.violated("offline flag", "event \(request.seqNo) of \(id) came into being offline and does not say so")
    }
  }

  /// Nobody is authorized after this event (true), somebody is (false), or it does not say.
  private static func stops(_ request: TransactionEventRequest) -> Bool? {
    switch request.triggerReason {
    case .stopAuthorized, .remoteStop, .deauthorized: true
    case .authorized, .remoteStart: false
    default: nil
    }
  }

  private static func isStopped(_ events: [Int: Event]) -> Bool {
    for (_, event) in events.sorted(by: { $0.key > $1.key }) {
      if let stops = (event.queued?.request).flatMap(stops) { return stops }
    }
    return false
  }

  /// They say the same, except whether it was offline.
  func same(_ a: TransactionEventRequest, _ b: TransactionEventRequest, exceptTimes: Bool = false) -> Bool {
    func plain(_ request: TransactionEventRequest) -> TransactionEventRequest {
      var request = request
      request.offline = nil
      if exceptTimes {
        request.timestamp = DateTime(unixMilliseconds: 0)
        request.meterValue = request.meterValue?.map { value in
          var value = value
          value.timestamp = DateTime(unixMilliseconds: 0)
          return value
        }
      }
      return request
    }
    return plain(a) == plain(b)
  }

  private func gaveUp(_ id: Int64?, _ record: [UInt8]) {
    guard let payload = try? JSONValue.parse(record)["payload"],
      let transaction = payload["transactionInfo"]?["transactionId"]?.stringValue,
      let seqNo = payload["seqNo"]?.intValue
    else { return }
    world.coverage.count("undelivered")
    if let place = id.flatMap({ places[$0] }), place != (transaction, seqNo) {
      world.violated("undelivered store", "\(place) was given up as event \(seqNo) of \(transaction)")
    }
    transactions[transaction]?.events[seqNo]?.isUndelivered = true
  }

  /// A message leaves the outbox: the CSMS has it, it was given up, or it was thinned out.
  private func dequeued(_ id: Int64) {
    guard let place = places[id], let event = transactions[place.transaction]?.events[place.seqNo],
      event.held == nil, !event.isUndelivered, !event.isThinned
    else { return }
    transactions[place.transaction]?.events[place.seqNo]?.isThinned = true
    world.coverage.count("thinned")
    if event.type != .updated {
      world.violated("thinning", "\(event.type.rawValue) of \(place.transaction) leaves the outbox undelivered")
    }
    // What waits for the ledger fills the outbox, too.
    let isSick = world.disk.condition != .sound || world.time - world.disk.lastFailureAt < 10 * .second
    // Thinning begins at three quarters, and takes half at most; 160 bytes a message count beside the payload.
    if world.disk.outboxBytes * 100 < world.scenario.outboxBound * 35, !isSick, world.core.snapshot.storageIsHealthy {
      world.violated(
        "thinning",
        "event \(place.seqNo) of \(place.transaction) is dropped with \(world.disk.outboxBytes) bytes queued")
    }
  }

  /// These writes are durable.
  func stored(_ writes: [LedgerWrite]) {
    for case .enqueue(let message) in writes {
      guard let place = places[message.id] else { continue }
      transactions[place.transaction]?.events[place.seqNo]?.isStored = true
    }
    if world.disk.outboxBytes > world.scenario.outboxBound + (64 << 10) {
      world.violated("queues", "the outbox holds \(world.disk.outboxBytes) bytes")
    }
  }

  // MARK: What becomes visible

  func sent(_ frame: [UInt8]) {
    guard frame.starts(with: Array("[2,".utf8)), let parts = try? JSONValue.parse(frame).arrayValue, parts.count == 4,
      let id = parts[1].stringValue, let action = parts[2].stringValue
    else { return }
    if let former = calls[id] {
      world.coverage.count("resends")
      if former.text != frame { world.violated("message ids", "\(id) was used for another text") }
      // What is about no transaction leaves also while it cannot be stored.
      if outboxIDs[id] == nil, world.disk.lastFailureAt < 0 { world.violated("message ids", "\(id) comes twice") }
    }
    calls[id] = (frame, world.time)
    guard action == TransactionEventRequest.action else { return }
    guard let request = try? TransactionEventRequest.decode(parts[3].bytes, version: .v201),
      let event = transactions[request.transactionInfo.transactionId]?.events[request.seqNo]
    else { return world.violated("nothing is invented", "sent \(String(decoding: frame, as: UTF8.self))") }
    let name = "event \(request.seqNo) of \(request.transactionInfo.transactionId)"
    // The late answer to the transmission before came while this one waited for the ledger.
    if let held = event.held, same(held, request) { return }
    guard let stored = outboxIDs[id].flatMap({ world.disk.outbox[$0] }), stored.messageID == id else {
      return world.violated("durable before visible", "\(name) leaves and the ledger does not have it")
    }
    if frame != Array("[2,\"\(id)\",\"\(action)\",".utf8) + stored.payload + Array("]".utf8) {
      return world.violated("durable before visible", "\(name) leaves otherwise than the ledger has it")
    }
    if let first = event.sent, !same(first, request) {
      world.violated("no conflicting contents", "\(name) leaves with another text than before")
    }
    if event.sent == nil { event.sent = request }
  }

  func commanded(_ command: HardwareCommand) {
    guard case .contactor(let evse, let close) = command else { return }
    world.site.bays[evse - 1].commandedClosed = close
    guard close else { return }
    world.coverage.count("contactorClosings")
    let bay = world.site.bays[evse - 1]
    if bay.toldPilot != .c {
      world.violated("contactor", "EVSE \(evse) closes in pilot state \(bay.toldPilot.rawValue)")
    }
    guard let current = world.core.snapshot.evses[evse - 1].transaction else {
      if !startsWithEnergy {
        world.violated("contactor", "EVSE \(evse) closes without a transaction")
      }
      return
    }
    guard let transaction = transactions[current.id] else {
      return world.violated("contactor", "EVSE \(evse) closes for \(current.id), which was never begun")
    }
    // What could not be stored yet may say that somebody is authorized again.
    if transaction.isStopped, transaction.events[transaction.next - 1]?.queued != nil {
      world.violated("contactor", "EVSE \(evse) closes for \(current.id), which was stopped")
    }
    if let token = current.idToken, !mayCharge(token) {
      world.violated("contactor", "EVSE \(evse) closes for \(token), which nobody has accepted")
    }
    if current.idToken == nil { world.violated("contactor", "EVSE \(evse) closes for nobody") }
    if !mayHaveEnergy(transaction), !startsWithEnergy {
      world.violated("contactor after the ledger", "EVSE \(evse) closes before Started of \(current.id) is durable")
    }
  }

  /// Energy flows before there is a transaction.
  var startsWithEnergy: Bool { world.scenario.startPoint == "EnergyTransfer" }

  /// Its Started is durable, or configuration does not ask for that while the disk fails.
  func mayHaveEnergy(_ transaction: Transaction) -> Bool {
    guard let started = transaction.events[0] else { return false }
    return started.isStored
      || world.scenario.startsWithoutStorage && (started.whileFailing || world.disk.lastFailureAt >= started.at)
  }

  private func mayCharge(_ token: String) -> Bool {
    world.csms.grantedTokens.contains(token) || world.scenario.offlineTokens
      || !world.scenario.authEnabled
  }

  // MARK: Disturbances

  func meterRead(evse: Int, _ energy: Int64) { readings[evse, default: []].insert(energy) }

  func meterDisturbed(evse: Int) {
    if let id = open[evse] { transactions[id]?.meterIsDisturbed = true }
  }

  func clockDisturbed() {
    for id in open.values { transactions[id]?.clockIsDisturbed = true }
    // The station corrects itself some time later.
    if world.scenario.timeSource != "NTP" { clockIsUncertain = true }
  }

  func mark(_ id: String, _ request: TransactionEventRequest) {
    transactions[id]?.events[request.seqNo]?.held = request
    let highest = transactions[id]?.highestHeld ?? -1
    transactions[id]?.highestHeld = max(request.seqNo, highest)
  }

  func accountedEnergy(_ evse: Int) -> Int64 { accounted[evse, default: 0] }

  /// The process is gone: what was not stored never was.
  func processEnded() {
    for index in world.site.bays.indices { world.site.bays[index].toldPilot = .a }
    toldCable = [:]
    for id in order.suffix(200) {
      guard let transaction = transactions[id] else { continue }
      let last = transaction.events.filter(\.value.isStored).keys.max() ?? -1
      let kept = transaction.events.filter { $0.key <= last }
      for event in transaction.events.values {
        guard let outboxID = event.queued?.outboxID else { continue }
        if !event.isStored { places[outboxID] = nil }
        if let found = world.disk.outbox[outboxID] { event.queued = queued(found) }
      }
      if transaction.hasEnded, kept.count == transaction.events.count { continue }
      world.coverage.count("eventsLostWithPower", Int64(transaction.events.count - kept.count))
      let started = transaction.events[0]
      let hadEnded = transaction.hasEnded
      transaction.events = kept
      transaction.next = last + 1
      transaction.hasEnded = kept[last]?.type == .ended
      transaction.isStopped = Self.isStopped(kept)
      transaction.cuts += 1
      transaction.durable = kept.values.map(\.delivered).max()
      if transaction.next == 0 {
        forget(transaction, started)
      } else if !transaction.hasEnded {
        open[transaction.evse] = id
        // What happened to the meter after the end that is lost was not counted against it.
        let disturbedAt = world.site.bays[transaction.evse - 1].disturbedAt
        if hadEnded, disturbedAt > -.day { transaction.meterIsDisturbed = true }
      } else if open[transaction.evse] == id {
        open[transaction.evse] = nil
      }
    }
    // Also of those that only the lost part had ended.
    if world.wallOffset != 0 { clockDisturbed() }
  }

  private func queued(_ message: QueuedMessage) -> Queued? {
    guard let request = try? TransactionEventRequest.decode(message.payload, version: .v201) else { return nil }
    return Queued(
      outboxID: message.id, messageID: message.messageID, request: request,
      hasUnknownTime: message.unknownTimeBoot != nil)
  }

  /// A transaction whose Started was not durable. Only a start point at which energy flows already may lose any, and
  /// a station that was told to begin without the ledger.
  private func forget(_ transaction: Transaction, _ started: Event?) {
    let delivered = world.site.delivered(transaction.evse - 1)
    let lost = delivered - transaction.begin
    let mayLose =
      world.scenario.startsWithoutStorage
      && (started?.whileFailing == true || world.disk.lastFailureAt >= started?.at ?? .max)
    if lost > (startsWithEnergy ? 8 * Self.slack : Self.slack), !mayLose {
      world.violated("nothing is lost", "\(transaction.id) delivered \(lost) mWh before it was durable")
    }
    accounted[transaction.evse] = delivered
    if open[transaction.evse] == transaction.id { open[transaction.evse] = nil }
    transactions[transaction.id] = nil
    order.removeAll { $0 == transaction.id }
  }
}
