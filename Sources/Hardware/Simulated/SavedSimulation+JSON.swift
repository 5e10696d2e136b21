import OCPP

extension SavedSimulation {
  /// Version of the stored form.
  private static let version = 1

  /// As JSON, to be stored.
  public var json: JSONValue {
    [
      "version": .int(Self.version), "mainMeter": mainRegister.json, "evses": .array(evses.map(\.json)),
    ]
  }

  /// Reads what `json` gave. Throws when it is something else; whether its EVSEs exist is looked at when it is restored.
  public init(json: JSONValue) throws(StimulusError) {
    let fields = try ObjectFields(json, name: "the saved simulation")
    guard try fields.int("version") == Self.version else { throw fields.mismatch("version", "\(Self.version)") }
    var evses: [EVSE] = []
    for evse in try fields.require("evses", fields.objects("evses"), "an array of objects") {
      evses.append(try EVSE(evse))
    }
    self.init(evses: evses, mainRegister: try EnergyRegister(fields, "mainMeter"))
  }
}

extension EnergyRegister {
  fileprivate var json: JSONValue {
    ["milliwattHours": .int64(milliwattHours), "halfNanojoules": .int64(remainder)]
  }

  fileprivate init(_ fields: ObjectFields, _ name: String) throws(StimulusError) {
    let register = try fields.require(name, fields.object(name), "an object")
    self.init(
      milliwattHours: try register.atLeastZero("milliwattHours"), remainder: try register.atLeastZero("halfNanojoules"))
  }
}

extension SavedSimulation.EVSE {
  fileprivate var json: JSONValue {
    var members = [
      JSONMember(name: "id", value: .int(id)), JSONMember(name: "meter", value: register.json),
      JSONMember(name: "connectors", value: .array(connectors.map(\.json))),
    ]
    if let ev { members.append(JSONMember(name: "ev", value: ev.json)) }
    if bayIsOccupied { members.append(JSONMember(name: "bayOccupied", value: .bool(true))) }
    return .object(members)
  }

  fileprivate init(_ fields: ObjectFields) throws(StimulusError) {
    id = try fields.require("id", fields.int("id"), "an EVSE id")
    register = try EnergyRegister(fields, "meter")
    connectors = []
    for connector in try fields.require("connectors", fields.objects("connectors"), "an array of objects") {
      connectors.append(try SavedSimulation.Connector(connector))
    }
    ev = try fields.object("ev").map(SavedSimulation.EV.init)
    bayIsOccupied = try fields.bool("bayOccupied") ?? false
  }
}

extension SavedSimulation.Connector {
  fileprivate var json: JSONValue {
    ["id": .int(id), "cableA": cable.map(JSONValue.int) ?? .null, "locked": .bool(locked)]
  }

  fileprivate init(_ fields: ObjectFields) throws(StimulusError) {
    id = try fields.require("id", fields.int("id"), "a connector id")
    cable = try fields.int("cableA")
    if let cable, ![13, 20, 32, 63].contains(cable) { throw fields.mismatch("cableA", "13, 20, 32 or 63 A") }
    locked = try fields.require("locked", fields.bool("locked"), "true or false")
  }
}

extension SavedSimulation.EV {
  fileprivate var json: JSONValue {
    [
      "connector": .int(connector), "demand": .string(demand.rawValue), "taken": taken.json,
      "mode": .string(spec.mode.rawValue), "maxCurrentMilliamperes": .int64(spec.maxCurrent),
      "phases": .int(spec.phases), "chargeDelayMs": .int64(spec.chargeDelay), "cableA": .int(spec.cableRating),
      "batteryCapacityMilliwattHours": .int64(spec.batteryCapacity),
      "arrivedWithMillipercent": spec.stateOfCharge.map(JSONValue.int64) ?? .null,
      "energyNeededMilliwattHours": spec.energyNeeded.map(JSONValue.int64) ?? .null,
      "battery": battery.map { battery in
        ["fromMillipercent": .int64(battery.initialStateOfCharge), "charged": battery.charged.json]
      } ?? .null,
    ]
  }

  fileprivate init(_ fields: ObjectFields) throws(StimulusError) {
    connector = try fields.require("connector", fields.int("connector"), "a connector id")
    demand = try fields.require(
      "demand", fields.choice("demand", of: EVDemand.self), "charging, suspended, stopped")
    taken = try EnergyRegister(fields, "taken")
    let mode = try fields.choice("mode", of: SimulatedEV.Mode.self)
    var spec = SimulatedEV(mode: try fields.require("mode", mode, "AC, DC"))
    spec.maxCurrent = try fields.atLeastZero("maxCurrentMilliamperes")
    spec.phases = try fields.require("phases", fields.int("phases"), "1-3")
    spec.chargeDelay = try fields.atLeastZero("chargeDelayMs")
    spec.cableRating = try fields.require("cableA", fields.int("cableA"), "13, 20, 32 or 63 A")
    spec.batteryCapacity = try fields.atLeastZero("batteryCapacityMilliwattHours")
    spec.stateOfCharge = try fields.int64("arrivedWithMillipercent")
    spec.energyNeeded = try fields.int64("energyNeededMilliwattHours")
    try spec.check()
    self.spec = spec
    guard let saved = try fields.object("battery") else { return }
    let stateOfCharge = try saved.atLeastZero("fromMillipercent")
    guard stateOfCharge <= ConnectedEV.full else { throw saved.mismatch("fromMillipercent", "0-100000") }
    battery = ConnectedEV.Battery(
      capacity: spec.batteryCapacity, initialStateOfCharge: stateOfCharge,
      charged: try EnergyRegister(saved, "charged"))
  }
}

extension ObjectFields {
  fileprivate func atLeastZero(_ name: String) throws(StimulusError) -> Int64 {
    let value = try require(name, int64(name), "an integer of at least 0")
    guard value >= 0 else { throw mismatch(name, "an integer of at least 0") }
    return value
  }
}
