/// A safety microcontroller (docs/mcu-protocol.md) that a CPPWMController is bound to, with every setting resolved.
public struct SafetyControllerBinding: Hashable, Sendable {
  public var component: ComponentID
  public var device: String
  public var baud: Int
  /// Time between two keep-alives of the station.
  public var keepAliveMs: Int
  /// The microcontroller opens, and the station reports it as silent, when nothing has come for so long.
  public var lossAfterMs: Int
  /// Never more than this is offered.
  public var maxCurrentA: Int
  /// The room is ventilated: state D may be supplied.
  public var ventilation: Bool
  /// A socket: the proximity pilot is reported as the cable.
  public var socket: Bool
}

/// The driver `mcu-serial`.
enum SafetyControllerCheck {
  static let kind = "mcu-serial"

  static func check(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "an mcu-serial driver",
      known: ["kind", "device", "baud", "keepAliveMs", "lossAfterMs", "maxCurrentA", "ventilation", "socket"],
      unknown: .error, &check.problems)
    let device = DriverFields.device(object, "device", &check)
    let keepAlive = object.integer("keepAliveMs", in: 100...1000, &check.problems) ?? 500
    let loss = object.integer("lossAfterMs", in: 300...5000, &check.problems) ?? 2000
    if loss < 3 * keepAlive, let node = place.node["lossAfterMs"] ?? place.node["keepAliveMs"] {
      check.problems.add(
        .error, at: node, "lossAfterMs is \(loss), keep-alives go every \(keepAlive) ms",
        expected: "at least three times keepAliveMs")
    }
    let baud = object.integer("baud", of: SerialLine.bauds, &check.problems) ?? 115_200
    let most = object.integer("maxCurrentA", in: 6...80, &check.problems) ?? 32
    let ventilation = object.bool("ventilation", &check.problems) ?? false
    let socket = object.bool("socket", &check.problems) ?? false
    guard let device, let node = place.node["device"] else { return [] }
    check.add(
      .safetyController(
        SafetyControllerBinding(
          component: place.component, device: device, baud: baud, keepAliveMs: keepAlive, lossAfterMs: loss,
          maxCurrentA: most, ventilation: ventilation, socket: socket)))
    return [ResourceClaim(resource: device, use: .exclusive, node: node)]
  }
}
