import DeviceModel
import OCPP

/// `HardwareEvent` and `HardwareCommand` as JSON values, and back to equal ones.
extension HardwareEvent {
  var journal: JSONValue {
    switch self {
    case .pilot(let evse, let connector, let state):
      return .tagged(
        "pilot", ["evse": .int(evse), "connector": .int(connector), "state": .string(state.rawValue)])
    case .cable(let evse, let connector, let rating):
      return .tagged(
        "cable", ["evse": .int(evse), "connector": .int(connector), "ratingAmperes": rating.map { .int($0) }])
    case .contactor(let evse, let closed):
      return .tagged("contactor", ["evse": .int(evse), "closed": .bool(closed)])
    case .lock(let evse, let connector, let locked):
      return .tagged("lock", ["evse": .int(evse), "connector": .int(connector), "locked": .bool(locked)])
    case .lockFailed(let evse, let connector):
      return .tagged("lockFailed", ["evse": .int(evse), "connector": .int(connector)])
    case .meter(let reading): return .members(["meter": reading.journal])
    case .token(let presentation): return .members(["token": presentation.journal])
    case .faultRaised(let fault): return .members(["faultRaised": fault.journal])
    case .faultCleared(let fault): return .members(["faultCleared": fault.journal])
    case .temperature(let sensor, let value):
      return .tagged(
        "temperature",
        [
          "component": .string(sensor.name), "instance": sensor.instance.map { .string($0) },
          "evse": sensor.evse.map { .int($0) }, "connector": sensor.connector.map { .int($0) },
          "milliCelsius": value.map { .integer($0) },
        ])
    case .bay(let evse, let occupied):
      return .tagged("bay", ["evse": .int(evse), "occupied": .bool(occupied)])
    case .selection(let evses):
      return .tagged("selection", ["evses": evses.map { .array($0.map { .int($0) }) }])
    }
  }

  init(journal tagged: JournalCase) throws(JournalError) {
    let fields = try tagged.fields()
    switch tagged.tag {
    case "pilot":
      self = .pilot(
        evse: try fields.int("evse"), connector: try fields.int("connector"), state: try fields.choice("state"))
    case "cable":
      self = .cable(
        evse: try fields.int("evse"), connector: try fields.int("connector"),
        ratingAmperes: try fields.intIfPresent("ratingAmperes"))
    case "contactor": self = .contactor(evse: try fields.int("evse"), closed: try fields.bool("closed"))
    case "lock":
      self = .lock(
        evse: try fields.int("evse"), connector: try fields.int("connector"), locked: try fields.bool("locked"))
    case "lockFailed": self = .lockFailed(evse: try fields.int("evse"), connector: try fields.int("connector"))
    case "meter": self = .meter(try MeterReading(journal: fields))
    case "token": self = .token(try TokenPresentation(journal: fields))
    case "faultRaised": self = .faultRaised(try HardwareFault(journal: fields))
    case "faultCleared": self = .faultCleared(try HardwareFault(journal: fields))
    case "temperature":
      self = .temperature(
        sensor: ComponentID(
          try fields.string("component"), instance: try fields.stringIfPresent("instance"),
          evse: try fields.intIfPresent("evse"), connector: try fields.intIfPresent("connector")),
        milliCelsius: try fields.int64IfPresent("milliCelsius"))
    case "bay": self = .bay(evse: try fields.int("evse"), occupied: try fields.bool("occupied"))
    case "selection":
      self = .selection(
        evses: fields.optional("evses") == nil ? nil : try fields.int64s("evses").map { Int($0) })
    default: throw tagged.unknown()
    }
  }
}

extension MeterReading {
  var journal: JSONValue {
    .members([
      "evse": .int(evse), "acquiredAtWall": acquiredAtWall.map { .integer($0) },
      "energyImport": energyImport.map { .integer($0) }, "energyExport": energyExport.map { .integer($0) },
      "power": power.map { .integer($0) }, "current": .integers(current), "voltage": .integers(voltage),
      "frequency": frequency.map { .integer($0) }, "stateOfCharge": stateOfCharge.map { .integer($0) },
      "others": others.isEmpty ? nil : .array(others.map(\.journal)), "signed": signed?.journal,
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    self.init(
      evse: try fields.int("evse"), acquiredAtWall: try fields.int64IfPresent("acquiredAtWall"),
      energyImport: try fields.int64IfPresent("energyImport"), energyExport: try fields.int64IfPresent("energyExport"),
      power: try fields.int64IfPresent("power"), current: try fields.int64s("current"),
      voltage: try fields.int64s("voltage"), frequency: try fields.int64IfPresent("frequency"),
      stateOfCharge: try fields.int64IfPresent("stateOfCharge"))
    if fields.optional("others") != nil {
      for value in try fields.array("others") {
        others.append(try MeterSample(journal: JournalFields(value, "\(fields.place).others")))
      }
    }
    if let value = fields.optional("signed") {
      signed = try SignedReading(journal: JournalFields(value, "\(fields.place).signed"))
    }
  }
}

extension MeterSample {
  var journal: JSONValue {
    .members([
      "measurand": .string(measurand.rawValue), "phase": phase.map { .string($0.rawValue) },
      "value": .integer(thousandths),
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    let phase: PhaseEnumType? = fields.optional("phase") == nil ? nil : try fields.choice("phase")
    self.init(try fields.choice("measurand"), phase: phase, thousandths: try fields.int64("value"))
  }
}

extension SignedReading {
  var journal: JSONValue {
    .members([
      "data": .bytes(data), "encodingMethod": .string(encodingMethod), "signingMethod": .string(signingMethod),
      "publicKey": publicKey.map { .bytes($0) },
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    self.init(
      data: try fields.bytes("data"), encodingMethod: try fields.string("encodingMethod"),
      signingMethod: try fields.string("signingMethod"),
      publicKey: fields.optional("publicKey") == nil ? nil : try fields.bytes("publicKey"))
  }
}

extension TokenPresentation {
  /// The token member by member and not by its OCPP codec, which would refuse one beyond the limits of the schema.
  var journal: JSONValue {
    .members([
      "idToken": .string(idToken.idToken), "type": .string(idToken.type.rawValue),
      "additionalInfo": idToken.additionalInfo.map { infos in
        .array(
          infos.map { info in
            .members([
              "additionalIdToken": .string(info.additionalIdToken), "type": .string(info.type),
              "customData": info.customData.map(Self.journal),
            ])
          })
      },
      "customData": idToken.customData.map(Self.journal),
      "evses": evses.map { .array($0.map { .int($0) }) },
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    var token = IdTokenType(
      idToken: try fields.string("idToken"), type: IdTokenEnumType(unchecked: try fields.string("type")))
    if fields.optional("additionalInfo") != nil {
      var infos: [AdditionalInfoType] = []
      for value in try fields.array("additionalInfo") {
        let info = try JournalFields(value, "\(fields.place).additionalInfo")
        infos.append(
          AdditionalInfoType(
            additionalIdToken: try info.string("additionalIdToken"), type: try info.string("type"),
            customData: try Self.customData(info)))
      }
      token.additionalInfo = infos
    }
    token.customData = try Self.customData(fields)
    let evses = fields.optional("evses") == nil ? nil : try fields.int64s("evses").map { Int($0) }
    self.init(idToken: token, evses: evses)
  }

  private static func journal(_ data: CustomDataType) -> JSONValue {
    .members(["vendorId": .string(data.vendorId), "members": .document(.object(data.members))])
  }

  private static func customData(_ fields: JournalFields) throws(JournalError) -> CustomDataType? {
    guard let value = fields.optional("customData") else { return nil }
    let data = try JournalFields(value, "\(fields.place).customData")
    return CustomDataType(
      vendorId: try data.string("vendorId"), members: try data.document("members").objectValue ?? [])
  }
}

extension HardwareFault {
  var journal: JSONValue {
    .members([
      "name": .string(name), "evse": .int(evse), "connector": connector.map { .int($0) },
      "severity": .string(severity.rawValue), "source": source.map { .string($0) },
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    self.init(
      name: try fields.string("name"), evse: try fields.int("evse"), connector: try fields.intIfPresent("connector"),
      severity: try fields.choice("severity"), source: try fields.stringIfPresent("source"))
  }
}

extension HardwareCommand {
  var journal: JSONValue {
    switch self {
    case .offer(let evse, let connector, let milliamperes):
      return .tagged(
        "offer",
        ["evse": .int(evse), "connector": .int(connector), "milliamperes": milliamperes.map { .integer($0) }])
    case .contactor(let evse, let close): return .tagged("contactor", ["evse": .int(evse), "close": .bool(close)])
    case .lock(let evse, let connector, let locked):
      return .tagged("lock", ["evse": .int(evse), "connector": .int(connector), "locked": .bool(locked)])
    case .available(let evse, let connector, let isAvailable):
      return .tagged(
        "available", ["evse": .int(evse), "connector": .int(connector), "isAvailable": .bool(isAvailable)])
    case .readMeters: return "readMeters"
    }
  }

  init(journal tagged: JournalCase) throws(JournalError) {
    if tagged.tag == "readMeters" {
      self = .readMeters
      return
    }
    let fields = try tagged.fields()
    switch tagged.tag {
    case "offer":
      self = .offer(
        evse: try fields.int("evse"), connector: try fields.int("connector"),
        milliamperes: try fields.int64IfPresent("milliamperes"))
    case "contactor": self = .contactor(evse: try fields.int("evse"), close: try fields.bool("close"))
    case "lock":
      self = .lock(
        evse: try fields.int("evse"), connector: try fields.int("connector"), locked: try fields.bool("locked"))
    case "available":
      self = .available(
        evse: try fields.int("evse"), connector: try fields.int("connector"), try fields.bool("isAvailable"))
    default: throw tagged.unknown()
    }
  }
}
