import DeviceModel
import OCPP
import StationCore

/// Bugs that the simulation must find.
public enum Mutation: String, CaseIterable, Sendable {
  /// An Updated or Ended event is neither stored nor sent, now and then.
  case dropEvent
  /// Two neighbouring events of one transaction leave in the wrong order.
  case reorderEvents
  /// What happened offline does not say so.
  case forgetOffline
  /// The contactor closes before the ledger has the transaction.
  case contactorBeforeLedger
  /// An event gets the number of the one before it.
  case reuseSeqNo
  /// A message that failed is forgotten instead of tried again.
  case neverRetry
  /// A message is sent before the ledger has it.
  case sendBeforeLedger
  /// After a power cut open transactions are not known any more.
  case forgetOpenTransactions
  /// A resent event has another text.
  case changeResend
  /// The contactor is not opened when the car stops asking.
  case keepContactorClosed
  /// Accepted settings are not stored.
  case forgetSettings
  /// The ledger takes commits after one that failed, before the core knows of that.
  case commitsAfterAFailure
  /// Of passwords only the newest is ever tried.
  case forgetOldPassword
}

/// The core with one bug: its actions, or what it hears, are changed. No hook in the core is needed for it.
struct Mutant: StationHandle {
  private var station: Station
  private let mutation: Mutation
  private var dice: Dice
  /// Messages that vanish, by message id.
  private var vanished: Set<String> = []
  /// Transaction events in the outbox.
  private var queued: [QueuedMessage] = []
  /// Message ids that were changed on the wire, as the core knows them.
  private var aliases: [String: String] = [:]
  private var sent: Set<String> = []
  private var newestPassword: String?

  init(_ start: StationStart, at now: StationTime, _ mutation: Mutation) {
    var start = start
    if mutation == .forgetOpenTransactions { start.ledger.records[.transaction] = nil }
    station = Station(start, at: now)
    queued = start.ledger.outbox.filter { $0.transactionID != nil }
    self.mutation = mutation
    dice = Dice(seed: start.seed)
  }

  var snapshot: StationSnapshot { station.snapshot }
  var securityLog: SecurityLog { station.securityLog }
  var model: DeviceModel { station.model }

  mutating func handle(_ input: Input, at now: StationTime) -> [Action] {
    var input = input
    if case .link(.message(let frame)) = input, mutation == .reorderEvents {
      input = .link(.message(translated(frame)))
    }
    var actions = changed(station.handle(input, at: now))
    // A message that vanishes counts as answered.
    while let index = actions.firstIndex(where: { isVanished($0) }), case .send(let frame) = actions[index],
      let id = Self.callID(frame)
    {
      actions.remove(at: index)
      actions += changed(station.handle(.link(.message(JSONValue.array([3, .string(id), [:]]).bytes)), at: now))
    }
    return actions
  }

  private mutating func changed(_ actions: [Action]) -> [Action] {
    var actions = actions
    switch mutation {
    case .dropEvent: dropEvents(&actions)
    case .neverRetry: dropRetries(&actions)
    case .reorderEvents: reorder(&actions)
    case .forgetOffline: rewrite(&actions) { $0.replacing("\"offline\":true", with: "\"offline\":false") }
    case .reuseSeqNo:
      rewrite(&actions) { text in
        guard text.contains("\"triggerReason\":\"ChargingStateChanged\""), let range = text.firstRange(of: "\"seqNo\":")
        else { return text }
        let digits = text[range.upperBound...].prefix { $0.isNumber }
        guard let seqNo = Int(digits), seqNo > 1 else { return text }
        return text[..<range.upperBound] + "\(seqNo - 1)" + text[digits.endIndex...]
      }
    case .contactorBeforeLedger:
      actions = actions.filter(Self.isClosing) + actions.filter { !Self.isClosing($0) }
    case .sendBeforeLedger:
      actions =
        actions.filter { if case .commit = $0 { false } else { true } }
        + actions.filter { if case .commit = $0 { true } else { false } }
    case .changeResend:
      for index in actions.indices {
        guard case .send(let frame) = actions[index], let id = Self.callID(frame) else { continue }
        if !sent.insert(id).inserted {
          actions[index] = .send(
            Array(String(decoding: frame, as: UTF8.self).replacing("\"value\":", with: "\"value\":9").utf8))
        }
      }
    case .keepContactorClosed:
      actions.removeAll { if case .hardware(.contactor(_, false)) = $0 { true } else { false } }
    case .forgetSettings:
      changeWrites(&actions) { writes in
        writes.removeAll { if case .put(.variable, _, _) = $0 { true } else { false } }
      }
    case .forgetOldPassword:
      for case .commit(let writes) in actions {
        for case .put(.variable, "securityctrlr/basicauthpassword", let value) in writes {
          // They are numbered; what is rolled back to has a lower number.
          let password = String(decoding: value, as: UTF8.self)
          if Doors.number(of: password) > Doors.number(of: newestPassword ?? "") { newestPassword = password }
        }
      }
      for index in actions.indices {
        guard case .connect(var request) = actions[index], let newestPassword else { continue }
        request.basicAuthPassword = newestPassword
        actions[index] = .connect(request)
      }
    case .forgetOpenTransactions, .commitsAfterAFailure: break
    }
    return actions
  }

  private static func isClosing(_ action: Action) -> Bool {
    if case .hardware(.contactor(_, true)) = action { return true }
    return false
  }

  private func changeWrites(_ actions: inout [Action], _ body: (inout [LedgerWrite]) -> Void) {
    for index in actions.indices {
      guard case .commit(var writes) = actions[index] else { continue }
      body(&writes)
      actions[index] = .commit(writes)
    }
  }

  /// Changes the text of transaction events in the ledger and on the wire alike.
  private func rewrite(_ actions: inout [Action], _ body: (String) -> String) {
    func changed(_ bytes: [UInt8]) -> [UInt8] { Array(body(String(decoding: bytes, as: UTF8.self)).utf8) }
    changeWrites(&actions) { writes in
      for index in writes.indices {
        guard case .enqueue(var message) = writes[index], message.transactionID != nil else { continue }
        message.payload = changed(message.payload)
        writes[index] = .enqueue(message)
      }
    }
    for index in actions.indices {
      if case .send(let frame) = actions[index], Self.callID(frame) != nil { actions[index] = .send(changed(frame)) }
    }
  }

  /// The message id of a TransactionEvent on its way to the CSMS.
  private static func callID(_ frame: [UInt8]) -> String? {
    guard frame.starts(with: Array("[2,".utf8)), let parts = try? JSONValue.parse(frame).arrayValue, parts.count == 4,
      parts[2] == "TransactionEvent"
    else { return nil }
    return parts[1].stringValue
  }

  // MARK: Vanishing messages

  private func isVanished(_ action: Action) -> Bool {
    if vanished.isEmpty { return false }
    if case .send(let frame) = action, let id = Self.callID(frame) { return vanished.contains(id) }
    return false
  }

  private mutating func dropEvents(_ actions: inout [Action]) {
    var vanished = vanished
    var isHit = false
    let hits = dice.chance(0.1)
    changeWrites(&actions) { writes in
      for case .enqueue(let message) in writes
      where hits && message.transactionID != nil && message.attempts == 0
        && !String(decoding: message.payload, as: UTF8.self).contains("\"Started\"")
      {
        vanished.insert(message.messageID)
        isHit = true
      }
      writes.removeAll { if case .enqueue(let message) = $0 { vanished.contains(message.messageID) } else { false } }
    }
    self.vanished = vanished
    if isHit { actions.removeAll { if case .event(let event) = $0 { event.event == "transaction" } else { false } } }
  }

  private mutating func dropRetries(_ actions: inout [Action]) {
    var vanished = vanished
    changeWrites(&actions) { writes in
      for index in writes.indices {
        guard case .enqueue(let message) = writes[index], message.transactionID != nil, message.attempts > 0 else {
          continue
        }
        vanished.insert(message.messageID)
        writes[index] = .dequeue(id: message.id)
      }
    }
    self.vanished = vanished
  }

  // MARK: Wrong order

  private mutating func reorder(_ actions: inout [Action]) {
    for case .commit(let writes) in actions {
      for write in writes {
        switch write {
        case .enqueue(let message) where message.transactionID != nil:
          queued.removeAll { $0.id == message.id }
          queued.append(message)
        case .dequeue(let id): queued.removeAll { $0.id == id }
        default: break
        }
      }
    }
    for index in actions.indices {
      guard case .send(let frame) = actions[index], let id = Self.callID(frame) else { continue }
      var other = aliases.first { $0.value == id }?.key
      if other == nil, let mine = queued.first(where: { $0.messageID == id }),
        let next = queued.first(where: { $0.id > mine.id && $0.transactionID == mine.transactionID }), dice.chance(0.3)
      {
        aliases[next.messageID] = id
        aliases[id] = next.messageID
        other = next.messageID
      }
      guard let other, let message = queued.first(where: { $0.messageID == other }),
        let payload = try? JSONValue.parse(message.payload)
      else { continue }
      actions[index] = .send(JSONValue.array([2, .string(other), "TransactionEvent", payload]).bytes)
    }
  }

  private func translated(_ frame: [UInt8]) -> [UInt8] {
    guard var parts = try? JSONValue.parse(frame).arrayValue, parts.count >= 3, parts[0] == 3 || parts[0] == 4,
      let id = parts[1].stringValue, let mine = aliases[id]
    else { return frame }
    parts[1] = .string(mine)
    return JSONValue.array(parts).bytes
  }
}
