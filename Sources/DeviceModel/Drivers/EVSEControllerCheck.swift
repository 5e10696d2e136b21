/// The Modbus EVSE controllers that are known.
public enum EVSEControllerModel: String, Hashable, Sendable, CaseIterable {
  /// EVSE-WB, EVSE-DIN, SimpleEVSE.
  case evseDIN = "evse-din"
  /// Phoenix Contact EM-CP-PP-ETH.
  case phoenixEMCPPPETH = "phoenix-em-cp-pp-eth"
  /// Phoenix Contact EV-CC-AC1-M3-CBC-SER-HS with Ethernet (EV-CC-AC1-ETH).
  case phoenixEVCCAC1ETH = "phoenix-ev-cc-ac1-eth"

  /// The unit that it comes with.
  public var unit: Int {
    switch self {
    case .evseDIN: 1
    case .phoenixEMCPPPETH: 180
    case .phoenixEVCCAC1ETH: 255
    }
  }

  /// Silence that it needs before a request, milliseconds.
  public var pauseMs: Int { self == .evseDIN ? 100 : 0 }

  /// Whether it tells what the proximity pilot says.
  public var readsCable: Bool { self != .phoenixEVCCAC1ETH }
}

/// A Modbus EVSE controller that a CPPWMController is bound to, with every setting resolved.
public struct EVSEControllerBinding: Hashable, Sendable {
  public var component: ComponentID
  public var bus: MeterBinding.Bus
  public var unit: Int
  public var model: EVSEControllerModel
  public var pollIntervalMs: Int
  /// Age at which the last state no longer counts.
  public var staleAfterMs: Int
  public var timeoutMs: Int
  public var pauseMs: Int
  /// The limit is written anew after so long, because wallboxes fall back when Modbus falls silent.
  public var limitIntervalMs: Int
  /// Never more than this is written.
  public var maxCurrentA: Int
  /// The room is ventilated: state D may be supplied.
  public var ventilation: Bool
  /// A socket: the proximity pilot is reported as the cable.
  public var socket: Bool
}

/// The drivers `modbus-evse-rtu` and `modbus-evse-tcp`.
enum EVSEControllerCheck {
  static let kinds = ["modbus-evse-rtu", "modbus-evse-tcp"]

  private static let common = [
    "kind", "unit", "model", "pollIntervalMs", "staleAfterMs", "timeoutMs", "pauseMs", "limitIntervalMs",
    "maxCurrentA", "ventilation", "socket",
  ]

  static func rtu(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a modbus-evse-rtu driver", known: common + ["bus", "baud", "parity", "stopBits"], unknown: .error,
      &check.problems)
    let device = DriverFields.device(object, "bus", &check)
    let errors = check.problems.errorCount
    let baud = object.integer("baud", of: SerialLine.bauds, &check.problems) ?? 9600
    let parity = object.choice("parity", of: SerialLine.parities, &check.problems) ?? "N"
    let stopBits = object.integer("stopBits", of: [1, 2], &check.problems) ?? 1
    let lineIsGood = check.problems.errorCount == errors
    let model = model(object, among: [.evseDIN], &check)
    let unit =
      object.node["unit"] == nil ? model?.unit : object.integer("unit", in: 1...247, &check.problems)
    guard let device, let busNode = place.node["bus"], let unit, let model else { return [] }
    bind(object, place, .serial(device: device, baud: baud, parity: parity, stopBits: stopBits), unit, model, &check)
    var claims = [
      ResourceClaim(resource: "unit \(unit) on \(device)", use: .exclusive, node: place.node["unit"] ?? busNode)
    ]
    if lineIsGood {
      claims.append(
        ResourceClaim(resource: device, use: .shared(terms: "\(baud) 8\(parity)\(stopBits)"), node: busNode))
    }
    return claims
  }

  static func tcp(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a modbus-evse-tcp driver", known: common + ["host", "port"], unknown: .error, &check.problems)
    let host = object.text("host", required: "the controller's address or name", &check.problems)
    if let host, let node = place.node["host"], host.contains(where: { $0 == "/" || $0.isWhitespace }) {
      check.problems.add(
        .error, at: node, "host is \"\(ValueCheck.excerpt(host))\"", expected: "an address or a name, no URL")
    }
    let port = object.node["port"] == nil ? 502 : object.integer("port", in: 1...65_535, &check.problems)
    // An EVSE-DIN may stand behind a gateway.
    let model = model(object, among: EVSEControllerModel.allCases, &check)
    let unit = object.node["unit"] == nil ? model?.unit : object.integer("unit", in: 0...255, &check.problems)
    guard let host, let hostNode = place.node["host"], let port, let unit, let model else { return [] }
    bind(object, place, .tcp(host: host, port: port), unit, model, &check)
    return [
      ResourceClaim(resource: "unit \(unit) on \(host):\(port)", use: .exclusive, node: place.node["unit"] ?? hostNode)
    ]
  }

  private static func model(
    _ object: ObjectReader, among models: [EVSEControllerModel], _ check: inout DriverCheck
  ) -> EVSEControllerModel? {
    let names = models.map(\.rawValue)
    return object.choice("model", of: names, required: "one of \(names.joined(separator: ", "))", &check.problems)
      .flatMap(EVSEControllerModel.init(rawValue:))
  }

  private static func bind(
    _ object: ObjectReader, _ place: DriverPlace, _ bus: MeterBinding.Bus, _ unit: Int, _ model: EVSEControllerModel,
    _ check: inout DriverCheck
  ) {
    let interval = object.integer("pollIntervalMs", in: 100...10_000, &check.problems) ?? 500
    let stale = object.integer("staleAfterMs", in: 500...60_000, &check.problems) ?? max(3000, 3 * interval)
    if stale < 2 * interval, let node = place.node["staleAfterMs"] ?? place.node["pollIntervalMs"] {
      check.problems.add(
        .error, at: node, "staleAfterMs is \(stale), states are read every \(interval) ms",
        expected: "at least twice pollIntervalMs")
    }
    let socket = object.bool("socket", &check.problems) ?? false
    if socket, !model.readsCable, let node = place.node["socket"] {
      check.problems.add(
        .error, at: node, "socket, but \(model.rawValue) does not tell the cable's rating over Modbus",
        expected: "another model, or a captive cable")
    }
    check.add(
      .evseController(
        EVSEControllerBinding(
          component: place.component, bus: bus, unit: unit, model: model, pollIntervalMs: interval,
          staleAfterMs: stale, timeoutMs: object.integer("timeoutMs", in: 50...5000, &check.problems) ?? 500,
          pauseMs: object.integer("pauseMs", in: 0...1000, &check.problems) ?? model.pauseMs,
          limitIntervalMs: object.integer("limitIntervalMs", in: 1000...60_000, &check.problems) ?? 10_000,
          maxCurrentA: object.integer("maxCurrentA", in: 6...80, &check.problems) ?? 32,
          ventilation: object.bool("ventilation", &check.problems) ?? false, socket: socket)))
  }
}

/// Fields that several kinds have.
enum DriverFields {
  /// An absolute path.
  static func device(
    _ object: ObjectReader, _ name: String, example: String = "/dev/ttyS1", _ check: inout DriverCheck
  ) -> String? {
    let path = object.text(name, required: "an absolute path, e.g. \"\(example)\"", &check.problems)
    guard let path, !path.hasPrefix("/"), let node = object.node[name] else { return path }
    check.problems.add(
      .error, at: node, "\(name) is \"\(ValueCheck.excerpt(path))\"",
      expected: "an absolute path, e.g. \"\(example)\"")
    return nil
  }
}
