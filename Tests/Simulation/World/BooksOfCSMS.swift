import DeviceModel
import OCPP
import StationCore

extension Books {
  // MARK: What the CSMS holds

  func held(_ payload: JSONValue, connection: Int) {
    guard let request = try? TransactionEventRequest.decode(payload.bytes, version: .v201) else {
      return world.violated("valid messages", payload.text)
    }
    let id = request.transactionInfo.transactionId
    guard let transaction = transactions[id], let event = transaction.events[request.seqNo] else {
      return world.violated("nothing is invented", "the CSMS has event \(request.seqNo) of \(id)")
    }
    if let former = event.held {
      if !same(former, request) {
        world.violated("no conflicting duplicates", "event \(request.seqNo) of \(id) came with two texts")
      }
      return
    }
    if event.sent.map({ same($0, request) }) != true {
      world.violated("no conflicting duplicates", "event \(request.seqNo) of \(id) is not as it was sent")
    }
    // One that was refused was given up; where the ledger could not take that, it comes again after the next start.
    if request.seqNo < transaction.highestHeld, !event.wasRefused {
      world.violated(
        "order", "event \(request.seqNo) of \(id) comes after event \(transaction.highestHeld)")
    }
    if event.connection == nil, request.offline != true {
      world.violated("offline flag", "event \(request.seqNo) of \(id) came into being offline and does not say so")
    }
    if event.connection == connection, request.offline == true {
      world.violated("offline flag", "event \(request.seqNo) of \(id) says offline and never was")
    }
    if world.scenario.timeSource == "Heartbeat", request.timestamp.unixMilliseconds < CSMS.epoch - 365 * .day {
      world.violated("known time", "event \(request.seqNo) of \(id) says \(request.timestamp)")
    }
    mark(id, request)
  }

  /// The CSMS has answered it with an error.
  func refused(_ payload: JSONValue) {
    guard let request = try? TransactionEventRequest.decode(payload.bytes, version: .v201) else { return }
    transactions[request.transactionInfo.transactionId]?.events[request.seqNo]?.wasRefused = true
  }

  // MARK: What the CSMS has asked for

  func asked(_ call: CSMS.Call) { settingsMemory.asked(call) }

  func answered(_ call: CSMS.Call, _ payload: JSONValue) { settingsMemory.answered(call, payload) }

  func booted() {
    world.coverage.count("bootsChecked")
    for (key, values) in settingsMemory.variables.sorted(by: { $0.key < $1.key }) {
      let value = world.core.model.value(ComponentID(key.component), VariableID(key.variable, instance: key.instance))
      guard let certain = values.certain, !values.possible.contains(value ?? ""), value != certain else { continue }
      world.violated(
        "accepted SetVariables survive",
        "\(key.component)/\(key.variable) is \(value ?? "absent"), accepted was \(certain)")
    }
    for evse in world.core.snapshot.evses {
      if let expected = settingsMemory.isOperative(evse: evse.id), expected != evse.operative {
        world.violated("accepted ChangeAvailability survives", "EVSE \(evse.id) is operative: \(evse.operative)")
      }
    }
    let shown = world.core.snapshot.evses.compactMap { $0.transaction?.id }.sorted()
    if shown != openTransactions {
      world.violated("transactions survive", "the station starts with \(shown), open are \(openTransactions)")
    }
  }
}

/// What the CSMS has set and the station has accepted, and what is undecided.
struct SettingsMemory {
  struct Values<Value: Hashable> {
    var certain: Value?
    /// Asked for, without an answer yet: may be in force or not.
    var possible: [Value] = []
  }

  private(set) var variables: [VariableKey: Values<String>] = [:]
  private(set) var availability: [AvailabilityKey: Values<Bool>] = [:]

  mutating func asked(_ call: CSMS.Call) {
    switch call {
    case .setVariable(let key, let value): variables[key, default: Values()].possible.append(value)
    case .changeAvailability(let key, let operative): availability[key, default: Values()].possible.append(operative)
    case .password, .other: break
    }
  }

  mutating func answered(_ call: CSMS.Call, _ payload: JSONValue) {
    switch call {
    case .setVariable(let key, let value):
      let status = payload["setVariableResult"]?.arrayValue?.first?["attributeStatus"]?.stringValue
      Self.settle(&variables[key, default: Values()], value, status == "Accepted")
    case .changeAvailability(let key, let operative):
      let status = payload["status"]?.stringValue
      Self.settle(&availability[key, default: Values()], operative, status == "Accepted" || status == "Scheduled")
    case .password, .other: break
    }
  }

  private static func settle<Value>(_ values: inout Values<Value>, _ value: Value, _ isAccepted: Bool) {
    guard let index = values.possible.firstIndex(of: value) else { return }
    if isAccepted {
      values.certain = value
      // The calls before it were taken or not; this one came after them.
      values.possible.removeSubrange(...index)
    } else {
      values.possible.remove(at: index)
    }
  }

  /// `nil` when it is undecided.
  func isOperative(evse: Int) -> Bool? {
    var result = true
    for key in [AvailabilityKey.station, .evse(evse)] {
      guard let values = availability[key] else { continue }
      if !values.possible.isEmpty { return nil }
      if values.certain == false { result = false }
    }
    return result
  }
}

extension DeviceModel {
  func value(evse: Int, connector: Int? = nil) -> String {
    let component = ComponentID(connector == nil ? "EVSE" : "Connector", evse: evse, connector: connector)
    return value(component, VariableID("AvailabilityState")) ?? ""
  }
}
