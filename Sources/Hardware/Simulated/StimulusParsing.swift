import OCPP
import StationCore

extension Stimulus {
  /// Reads a command of the control socket.
  ///
  /// Numbers may be integers or decimals, finer than a thousandth of the unit is rounded. A field that is `null` is absent,
  /// fields that are not known are ignored. Whether EVSEs exist and values are possible is checked by
  /// `SimulatedHardware.stimulus`.
  /// - Parameters:
  ///   - cmd: Name of the command.
  ///   - fields: The command's JSON object.
  /// - Returns: `nil` when the command is none of `plugIn`, `plugOut`, `swipe`, `ev`, `fault`, `meter` and `lock`.
  public static func parse(cmd: String, fields: JSONValue) -> Result<Stimulus, StimulusError>? {
    let read: (ObjectFields) throws(StimulusError) -> Stimulus
    switch cmd {
    case "plugIn": read = plugIn
    case "plugOut": read = plugOut
    case "swipe": read = swipe
    case "ev": read = ev
    case "fault": read = fault
    case "meter": read = meter
    case "lock": read = lock
    default: return nil
    }
    do throws(StimulusError) {
      return .success(try read(ObjectFields(fields, name: "the command")))
    } catch {
      return .failure(error)
    }
  }

  private static func evse(_ fields: ObjectFields) throws(StimulusError) -> Int {
    try fields.require("evse", fields.int("evse"), "an EVSE id")
  }

  private static func connector(_ fields: ObjectFields) throws(StimulusError) -> Int {
    try fields.int("connector") ?? 1
  }

  private static func plugIn(_ fields: ObjectFields) throws(StimulusError) -> Stimulus {
    .plugIn(
      evse: try evse(fields), connector: try connector(fields),
      ev: try fields.object("ev").map(vehicle) ?? SimulatedEV())
  }

  private static func vehicle(_ fields: ObjectFields) throws(StimulusError) -> SimulatedEV {
    guard fields.value("iso15118") == nil else {
      throw StimulusError("ev.iso15118 is not supported yet, expected an EV without it")
    }
    let standard = SimulatedEV()
    return SimulatedEV(
      mode: try fields.choice("mode", of: SimulatedEV.Mode.self) ?? standard.mode,
      maxCurrent: try fields.thousandths("maxCurrentA") ?? standard.maxCurrent,
      phases: try fields.int("phases") ?? standard.phases,
      chargeDelay: try fields.int64("chargeDelayMs") ?? standard.chargeDelay,
      cableRating: try fields.int("cableA") ?? standard.cableRating,
      batteryCapacity: try fields.thousandths("batteryCapacityWh") ?? standard.batteryCapacity,
      stateOfCharge: try fields.thousandths("soc"), energyNeeded: try fields.thousandths("energyNeededWh"))
  }

  private static func plugOut(_ fields: ObjectFields) throws(StimulusError) -> Stimulus {
    .plugOut(evse: try evse(fields), connector: try connector(fields))
  }

  private static func swipe(_ fields: ObjectFields) throws(StimulusError) -> Stimulus {
    let idToken = try fields.require("idToken", fields.string("idToken"), "a string of at most 36 characters")
    let type = try fields.choice("type", of: IdTokenEnumType.self) ?? .iso14443
    var additional: [AdditionalInfoType]?
    if let items = try fields.objects("additionalInfo") {
      guard !items.isEmpty else { throw fields.mismatch("additionalInfo", "at least one item") }
      var read: [AdditionalInfoType] = []
      for item in items {
        let token = try item.require("additionalIdToken", item.string("additionalIdToken"), "a string")
        guard token.unicodeScalars.count <= 36 else {
          throw item.mismatch("additionalIdToken", "at most 36 characters")
        }
        let kind = try item.require("type", item.string("type"), "a string")
        guard kind.unicodeScalars.count <= 50 else { throw item.mismatch("type", "at most 50 characters") }
        read.append(AdditionalInfoType(additionalIdToken: token, type: kind))
      }
      additional = read
    }
    return .swipe(
      IdTokenType(idToken: idToken, type: type, additionalInfo: additional), evses: try fields.ints("evses"))
  }

  private static func ev(_ fields: ObjectFields) throws(StimulusError) -> Stimulus {
    let demand = try fields.require(
      "state", fields.choice("state", of: EVDemand.self), "charging, suspended, stopped")
    return .ev(evse: try evse(fields), demand, stateOfCharge: try fields.thousandths("soc"))
  }

  private static func fault(_ fields: ObjectFields) throws(StimulusError) -> Stimulus {
    let name = try fields.require("fault", fields.string("fault"), "a name such as GroundFailure")
    let evse = try fields.int("evse") ?? 0
    let connector = try fields.int("connector")
    switch try fields.require("action", fields.string("action"), "raise, clear") {
    case "raise":
      var severity = FaultSeverity.high
      if let text = try fields.string("severity") {
        guard let known = FaultSeverity(rawValue: text) else { throw fields.mismatch("severity", "high, low") }
        severity = known
      }
      return .raiseFault(HardwareFault(name: name, evse: evse, connector: connector, severity: severity))
    case "clear": return .clearFault(name: name, evse: evse, connector: connector)
    default: throw fields.mismatch("action", "raise, clear")
    }
  }

  private static func meter(_ fields: ObjectFields) throws(StimulusError) -> Stimulus {
    let setting = MeterSetting(
      energyImport: try fields.thousandths("energyWh"), power: try fields.thousandths("powerW"),
      current: try fields.thousandthsArray("currentA"), voltage: try fields.thousandthsArray("voltageV"),
      frequency: try fields.thousandths("frequencyHz"), stateOfCharge: try fields.thousandths("soc"),
      acquiredAtWall: try fields.time("timestamp"))
    return .meter(evse: try evse(fields), setting, hold: try fields.bool("hold") ?? true)
  }

  private static func lock(_ fields: ObjectFields) throws(StimulusError) -> Stimulus {
    .lock(
      evse: try evse(fields), connector: try connector(fields),
      stuck: try fields.require("stuck", fields.bool("stuck"), "true or false"))
  }
}
