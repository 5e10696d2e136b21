/// A meter that a component is bound to, with every setting resolved.
public struct MeterBinding: Hashable, Sendable {
  public enum Bus: Hashable, Sendable {
    case serial(device: String, baud: Int, parity: String, stopBits: Int)
    case tcp(host: String, port: Int)
  }

  public var component: ComponentID
  public var bus: Bus
  public var unit: Int
  public var model: MeterModel
  /// Wired backwards: import and export change places.
  public var inverted: Bool
  /// Time between two readings.
  public var pollIntervalMs: Int
  /// Age at which the last reading no longer counts.
  public var staleAfterMs: Int
  /// Time for the first byte of an answer.
  public var timeoutMs: Int
  /// The most that can flow; `nil`: by the number of phases.
  public var maxPowerW: Int?
  public var serialNumber: String?
  /// Registers of one read; `nil`: the model's.
  public var maxRegisters: Int?
  /// Silence before each request; `nil`: the model's.
  public var pauseMs: Int?

  /// The EVSE that it measures; 0 is the station.
  public var evse: Int { component.evse ?? 0 }
}

/// The drivers `modbus-rtu` and `modbus-tcp`.
enum ModbusMeterCheck {
  private static let common = [
    "kind", "unit", "model", "inverted", "pollIntervalMs", "staleAfterMs", "timeoutMs", "maxPowerW", "serialNumber",
    "maxRegisters", "pauseMs",
  ]

  static func rtu(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a modbus-rtu driver", known: common + ["bus", "baud", "parity", "stopBits"], unknown: .error,
      &check.problems)
    let device = object.text("bus", required: "the serial device, e.g. \"/dev/ttyS1\"", &check.problems)
    if let device, !device.hasPrefix("/"), let node = place.node["bus"] {
      check.problems.add(
        .error, at: node, "bus is \"\(ValueCheck.excerpt(device))\"", expected: "an absolute path, e.g. \"/dev/ttyS1\"")
    }
    let errors = check.problems.errorCount
    let baud = object.integer("baud", of: SerialLine.bauds, &check.problems)
    let parity = object.choice("parity", of: SerialLine.parities, &check.problems)
    let stopBits = object.integer("stopBits", of: [1, 2], &check.problems)
    let lineIsGood = check.problems.errorCount == errors
    let unit = object.integer("unit", in: 1...247, required: "the meter's address, 1 to 247", &check.problems)
    let model = model(object, &check)
    guard let device, let busNode = place.node["bus"] else { return [] }
    var claims: [ResourceClaim] = []
    if let unit, let node = place.node["unit"] {
      claims.append(ResourceClaim(resource: "unit \(unit) on \(device)", use: .exclusive, node: node))
    }
    // What is not said is what the model comes with.
    let serial = model?.serial
    let line = (baud ?? serial?.baud ?? 9600, parity ?? serial?.parity ?? "N", stopBits ?? serial?.stopBits ?? 1)
    if lineIsGood, model != nil || (baud != nil && parity != nil && stopBits != nil) {
      claims.append(
        ResourceClaim(resource: device, use: .shared(terms: "\(line.0) 8\(line.1)\(line.2)"), node: busNode))
    }
    if let unit, let model {
      let bus = MeterBinding.Bus.serial(device: device, baud: line.0, parity: line.1, stopBits: line.2)
      bind(object, place, bus, unit, model, &check)
    }
    return claims
  }

  static func tcp(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a modbus-tcp driver", known: common + ["host", "port"], unknown: .error, &check.problems)
    let host = object.text("host", required: "the meter's or gateway's address or name", &check.problems)
    if let host, let node = place.node["host"], host.contains(where: { $0 == "/" || $0.isWhitespace }) {
      check.problems.add(
        .error, at: node, "host is \"\(ValueCheck.excerpt(host))\"", expected: "an address or a name, no URL")
    }
    let port = node(object, "port") ? object.integer("port", in: 1...65_535, &check.problems) : 502
    let unit = object.integer("unit", in: 0...255, required: "the unit id, 0 to 255", &check.problems)
    let model = model(object, &check)
    guard let host, let port, let unit, let unitNode = place.node["unit"] else { return [] }
    if let model { bind(object, place, .tcp(host: host, port: port), unit, model, &check) }
    return [ResourceClaim(resource: "unit \(unit) on \(host):\(port)", use: .exclusive, node: unitNode)]
  }

  private static func node(_ object: ObjectReader, _ name: String) -> Bool { object.node[name] != nil }

  private static func model(_ object: ObjectReader, _ check: inout DriverCheck) -> MeterModel? {
    guard
      let name = object.text(
        "model", required: "a meter model, e.g. \"eastron-sdm630\": station meter list", limit: 50, &check.problems),
      let node = object.node["model"]
    else { return nil }
    return check.model(name, at: node)
  }

  /// The fields that both kinds have.
  private static func bind(
    _ object: ObjectReader, _ place: DriverPlace, _ bus: MeterBinding.Bus, _ unit: Int, _ model: MeterModel,
    _ check: inout DriverCheck
  ) {
    let inverted = object.bool("inverted", &check.problems) ?? false
    if inverted, model.quantities[MeterQuantity(.energyExport)] == nil, let node = place.node["inverted"] {
      check.problems.add(
        .error, at: node, "inverted, but \(model.id) has no energyExport, which would be billed",
        expected: "a meter that counts both directions, or the right wiring")
    }
    let interval = object.integer("pollIntervalMs", in: 100...60_000, &check.problems) ?? 1000
    let stale = object.integer("staleAfterMs", in: 1000...600_000, &check.problems) ?? max(10_000, 3 * interval)
    if stale < 2 * interval, let node = place.node["staleAfterMs"] ?? place.node["pollIntervalMs"] {
      check.problems.add(
        .error, at: node, "staleAfterMs is \(stale), readings come every \(interval) ms",
        expected: "at least twice pollIntervalMs")
    }
    let registers = object.integer("maxRegisters", in: 1...125, &check.problems)
    let widest = model.quantities.values.flatMap(\.spans).map(\.registers).max() ?? 0
    if let registers, registers < widest, let node = place.node["maxRegisters"] {
      check.problems.add(
        .error, at: node, "maxRegisters is \(registers), but a value of \(model.id) has \(widest) registers",
        expected: "at least \(widest)")
    }
    check.add(
      .meter(
        MeterBinding(
          component: place.component, bus: bus, unit: unit, model: model, inverted: inverted, pollIntervalMs: interval,
          staleAfterMs: stale, timeoutMs: object.integer("timeoutMs", in: 50...5000, &check.problems) ?? 500,
          maxPowerW: object.integer("maxPowerW", in: 1...10_000_000, &check.problems),
          serialNumber: object.text("serialNumber", limit: 50, &check.problems), maxRegisters: registers,
          pauseMs: object.integer("pauseMs", in: 0...1000, &check.problems))))
  }
}
