import OCPP

/// What the CSMS asks of the station by itself.
extension CSMS {
  func makeAWish(_ world: World) {
    let evse = Int(world.dice.within(1...Int64(world.site.bays.count)))
    switch world.dice.within(0...13) {
    case 0...2: setVariable(world)
    case 3, 4:
      world.coverage.count("changeAvailability")
      let operative = world.dice.chance(0.7)
      let status: JSONValue = operative ? "Operative" : "Inoperative"
      switch world.dice.within(0...2) {
      case 0:
        call("ChangeAvailability", ["operationalStatus": status], .changeAvailability(.station, operative: operative))
      case 1:
        call(
          "ChangeAvailability", ["operationalStatus": status, "evse": ["id": .int(evse)]],
          .changeAvailability(.evse(evse), operative: operative))
      default:
        call(
          "ChangeAvailability", ["operationalStatus": status, "evse": ["id": .int(evse), "connectorId": 1]],
          .changeAvailability(.connector(evse), operative: operative))
      }
    case 5: startRemotely(world, evse)
    case 6:
      if let id = world.books.anyOpenTransaction { call("RequestStopTransaction", ["transactionId": .string(id)]) }
    case 7:
      let message = world.dice.pick([
        "Heartbeat", "StatusNotification", "MeterValues", "TransactionEvent", "BootNotification",
        "LogStatusNotification",
      ])
      call("TriggerMessage", ["requestedMessage": .string(message), "evse": ["id": .int(evse), "connectorId": 1]])
    case 8: call("GetTransactionStatus", world.books.anyOpenTransaction.map { ["transactionId": .string($0)] } ?? [:])
    case 9:
      call(
        "GetVariables",
        ["getVariableData": [["component": ["name": "OCPPCommCtrlr"], "variable": ["name": "HeartbeatInterval"]]]])
    case 10:
      if world.dice.chance(0.4) {
        world.coverage.count("resets")
        call("Reset", ["type": world.dice.chance(0.5) ? "Immediate" : "OnIdle"])
      }
    case 11: call("GetBaseReport", ["requestId": 1, "reportBase": "SummaryInventory"])
    default:
      world.coverage.count("garbageFrames")
      send(raw: Array(world.dice.pick(Self.garbage).utf8))
    }
  }

  private static let garbage = [
    "", "{}", "[", "[2]", "[3,\"nobody\",{}]", "[2,\"a\",\"NoSuchAction\",{}]", "[2,\"b\",\"Reset\",{\"type\":1}]",
    "[4,\"nobody\",\"GenericError\",\"\",{}]", "[2,7,\"Reset\",{}]", "[9,\"c\",{}]", "\u{0}\u{1}", "[3,\"d\",{},{},{}]",
  ]

  func startRemotely(_ world: World, _ evse: Int) {
    world.coverage.count("remoteStarts")
    let token = world.dice.pick(["REMOTE1", "REMOTE2", "BAD1"])
    if world.scenario.settings["AuthCtrlr/AuthorizeRemoteStart"] == "false" { grant(token) }
    call(
      "RequestStartTransaction",
      [
        "idToken": ["idToken": .string(token), "type": "ISO14443"], "evseId": .int(evse),
        "remoteStartId": .int(Int(world.dice.within(1...1_000_000))),
      ])
  }

  /// Variables whose value nothing here depends upon.
  private func setVariable(_ world: World) {
    world.coverage.count("setVariables")
    let (component, name, instance, values): (String, String, String?, [String]) = world.dice.pick([
      ("OCPPCommCtrlr", "HeartbeatInterval", nil, ["60", "300", "900"]),
      ("SampledDataCtrlr", "TxUpdatedInterval", nil, ["0", "20", "60", "600"]),
      ("TxCtrlr", "EVConnectionTimeOut", nil, ["30", "120"]),
      ("OCPPCommCtrlr", "OfflineThreshold", nil, ["0", "100"]),
      ("OCPPCommCtrlr", "WebSocketPingInterval", nil, ["0", "20", "60"]),
      ("OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent", ["1", "5", "30"]),
      ("TxCtrlr", "EVConnectionTimeOut", nil, ["not a number"]),
    ])
    let value = world.dice.pick(values)
    var variable: [JSONMember] = [JSONMember(name: "name", value: .string(name))]
    if let instance { variable.append(JSONMember(name: "instance", value: .string(instance))) }
    call(
      "SetVariables",
      [
        "setVariableData": [
          ["component": ["name": .string(component)], "variable": .object(variable), "attributeValue": .string(value)]
        ]
      ], .setVariable(VariableKey(component: component, variable: name, instance: instance), value: value))
  }
}

struct VariableKey: Hashable, Comparable {
  var component: String
  var variable: String
  var instance: String?

  static func < (a: VariableKey, b: VariableKey) -> Bool {
    (a.component, a.variable, a.instance ?? "") < (b.component, b.variable, b.instance ?? "")
  }
}

enum AvailabilityKey: Hashable {
  case station
  case evse(Int)
  case connector(Int)
}
