import DeviceModel
import Hardware
import OCPP
import StationCore

/// One command of the control socket, checked as far as it can be without looking at the station.
enum ControlCommand: Hashable {
  /// What somebody who stands in front of real hardware may ask of it.
  enum Maintenance: String, CaseIterable {
    case acceptMeter, resetRCD, recheckContactor
  }

  enum RebootCause: String, CaseIterable {
    case powerLoss, watchdog, localReset
  }

  case state
  case stimulus(Stimulus)
  case network(online: Bool)
  case reboot(RebootCause)
  case dataTransfer(vendorId: String, messageId: String?, data: JSONValue?)
  case subscribe(Set<String>)
  case quirks
  case undelivered(discard: Bool)
  case securityLog
  case maintenance(Maintenance, evse: Int)

  /// The names of the commands, in the order of the contract.
  static let names = [
    "state", "plugIn", "plugOut", "swipe", "ev", "fault", "network", "meter", "lock", "park", "select", "reboot",
    "dataTransfer",
    "iso15118.certificateRequest", "display", "subscribe", "quirks", "undelivered", "securityLog",
    "maintenance",
  ]
  /// The names of the events.
  static let events = ["connector", "transaction", "meter", "display", "csms"]

  /// What is a number at all; what exists, and what is in range, the hardware knows.
  private static let number = 0...Int(Int32.max)
  private static let quantity = -1_000_000_000_000...1_000_000_000_000

  /// Reads a command from its JSON object. Unknown fields are ignored.
  init(_ object: JSONValue) throws(ControlError) {
    let fields = ControlFields(members: object)
    switch try fields.required("cmd", fields.string("cmd")) {
    case "state":
      self = .state
    case "plugIn":
      self = .stimulus(
        .plugIn(
          evse: try Self.evse(fields), connector: try Self.connector(fields) ?? 1, ev: try Self.ev(fields.object("ev")))
      )
    case "plugOut":
      self = .stimulus(.plugOut(evse: try Self.evse(fields), connector: try Self.connector(fields) ?? 1))
    case "swipe":
      self = .stimulus(try Self.swipe(fields))
    case "ev":
      let demand = try fields.required("state", fields.choice("state", EVDemand.self))
      self = .stimulus(
        .ev(evse: try Self.evse(fields), demand, stateOfCharge: try fields.thousandths("soc", in: Self.quantity)))
    case "fault":
      self = .stimulus(try Self.fault(fields))
    case "network":
      self = .network(online: try fields.required("online", fields.bool("online")))
    case "meter":
      self = .stimulus(try Self.meter(fields))
    case "lock":
      self = .stimulus(
        .lock(
          evse: try Self.evse(fields), connector: try Self.connector(fields) ?? 1,
          stuck: try fields.required("stuck", fields.bool("stuck"))))
    case "park":
      self = .stimulus(
        .park(
          evse: try Self.evse(fields), occupied: try fields.required("occupied", fields.bool("occupied"))))
    case "select":
      self = .stimulus(.select(evses: try Self.evses(fields, atLeast: 0)))
    case "reboot":
      self = .reboot(try fields.required("cause", fields.choice("cause", RebootCause.self)))
    case "dataTransfer":
      self = .dataTransfer(
        vendorId: try Self.text(fields, "vendorId", 255, required: true) ?? "",
        messageId: try Self.text(fields, "messageId", 50), data: fields.value("data"))
    case "subscribe":
      self = .subscribe(try Self.subscription(fields))
    case "quirks":
      self = .quirks
    case "undelivered":
      self = .undelivered(discard: try fields.bool("discard") ?? false)
    case "securityLog":
      self = .securityLog
    case "maintenance":
      self = .maintenance(
        try fields.required("action", fields.choice("action", Maintenance.self)), evse: try Self.evse(fields))
    case "iso15118.certificateRequest", "display":
      throw ControlError("this station does not have that function yet")
    case let name:
      let hint = Suggestion.nearest(to: name, in: Self.names).map { "; did you mean \($0)?" } ?? ""
      throw ControlError("unknown cmd \(JSONValue.string(String(name.prefix(60))).text)\(hint)")
    }
  }

  private static func evse(_ fields: ControlFields) throws(ControlError) -> Int {
    try fields.required("evse", fields.int("evse", in: Self.number))
  }

  private static func connector(_ fields: ControlFields) throws(ControlError) -> Int? {
    try fields.int("connector", in: Self.number)
  }

  /// A string of 1 to `limit` characters, as OCPP allows for the field.
  private static func text(
    _ fields: ControlFields, _ name: String, _ limit: Int, required: Bool = false
  ) throws(ControlError) -> String? {
    let text = try fields.string(name)
    if required { _ = try fields.required(name, text) }
    guard let text else { return nil }
    guard (1...limit).contains(text.unicodeScalars.count) else {
      throw fields.unexpected(name, .string(text), "1 to \(limit) characters")
    }
    return text
  }

  private static func ev(_ fields: ControlFields) throws(ControlError) -> SimulatedEV {
    if fields.has("iso15118") { throw ControlError("field ev.iso15118: this station does not have ISO 15118 yet") }
    var ev = SimulatedEV(
      mode: try fields.choice("mode", SimulatedEV.Mode.self) ?? .ac,
      stateOfCharge: try fields.thousandths("soc", in: Self.quantity))
    if let value = try fields.thousandths("maxCurrentA", in: Self.quantity) { ev.maxCurrent = value }
    if let value = try fields.int("phases", in: Self.number) { ev.phases = value }
    if let value = try fields.int("chargeDelayMs", in: Self.number) { ev.chargeDelay = Int64(value) }
    if let value = try fields.int("cableA", in: Self.number) { ev.cableRating = value }
    if let value = try fields.thousandths("batteryCapacityWh", in: Self.quantity) { ev.batteryCapacity = value }
    if let value = try fields.thousandths("energyNeededWh", in: Self.quantity) { ev.energyNeeded = value }
    return ev
  }

  private static func swipe(_ fields: ControlFields) throws(ControlError) -> Stimulus {
    var token = IdTokenType(
      idToken: try text(fields, "idToken", 36, required: true) ?? "",
      type: try fields.choice("type", IdTokenEnumType.self) ?? .iso14443)
    if let value = fields.value("additionalInfo") {
      guard case .array(let items) = value, !items.isEmpty, items.count <= 16 else {
        throw fields.unexpected("additionalInfo", value, "a list of 1 to 16 objects")
      }
      var infos: [AdditionalInfoType] = []
      for item in items {
        guard case .object = item else { throw fields.unexpected("additionalInfo", item, "an object") }
        let info = ControlFields(members: item, path: "additionalInfo.")
        infos.append(
          AdditionalInfoType(
            additionalIdToken: try text(info, "additionalIdToken", 36, required: true) ?? "",
            type: try text(info, "type", 50, required: true) ?? ""))
      }
      token.additionalInfo = infos
    }
    return .swipe(token, evses: try evses(fields, atLeast: 1))
  }

  private static func evses(_ fields: ControlFields, atLeast least: Int) throws(ControlError) -> [Int]? {
    guard let value = fields.value("evses") else { return nil }
    guard case .array(let items) = value, (least...1000).contains(items.count) else {
      throw fields.unexpected("evses", value, "a list of EVSE ids")
    }
    return try items.map { item throws(ControlError) in
      guard let id = item.intValue, Self.number.contains(id) else {
        throw fields.unexpected("evses", item, "an EVSE id")
      }
      return id
    }
  }

  private enum FaultAction: String, CaseIterable { case raise, clear }

  private static func fault(_ fields: ControlFields) throws(ControlError) -> Stimulus {
    let name = try text(fields, "fault", 50, required: true) ?? ""
    let evse = try fields.int("evse", in: Self.number) ?? 0
    let connector = try connector(fields)
    if evse == 0, connector != nil {
      throw ControlError("field connector: given without evse, expected both, or none for the station")
    }
    switch try fields.required("action", fields.choice("action", FaultAction.self)) {
    case .raise:
      let severity = try fields.choice("severity", Severity.self) ?? .high
      return .raiseFault(
        HardwareFault(name: name, evse: evse, connector: connector, severity: severity == .high ? .high : .low))
    case .clear:
      return .clearFault(name: name, evse: evse, connector: connector)
    }
  }

  private enum Severity: String, CaseIterable { case high, low }

  private static func meter(_ fields: ControlFields) throws(ControlError) -> Stimulus {
    let setting = MeterSetting(
      energyImport: try fields.thousandths("energyWh", in: Self.quantity),
      power: try fields.thousandths("powerW", in: Self.quantity),
      current: try fields.thousandths(listOf: "currentA", upTo: 3, in: Self.quantity),
      voltage: try fields.thousandths(listOf: "voltageV", upTo: 3, in: Self.quantity),
      frequency: try fields.thousandths("frequencyHz", in: Self.quantity),
      stateOfCharge: try fields.thousandths("soc", in: Self.quantity),
      acquiredAtWall: try fields.timestamp("timestamp"))
    return .meter(
      evse: try fields.int("evse", in: Self.number) ?? 0, setting, hold: try fields.bool("hold") ?? true)
  }

  private static func subscription(_ fields: ControlFields) throws(ControlError) -> Set<String> {
    guard let value = fields.value("events") else { return Set(events) }
    guard case .array(let items) = value else { throw fields.unexpected("events", value, "a list of event names") }
    var names: Set<String> = []
    for item in items {
      guard case .string(let name) = item, events.contains(name) else {
        throw fields.unexpected("events", item, "one of \(events.joined(separator: ", "))")
      }
      names.insert(name)
    }
    return names
  }
}
