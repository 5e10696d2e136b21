/// A component that the EVSE's controller serves beside its control pilot.
public struct ControllerPartBinding: Hashable, Sendable {
  public var component: ComponentID
  /// The CPPWMController of the same EVSE.
  public var controller: ComponentID
}

/// The driver `controller`: what the device behind the CPPWMController of the same EVSE does as well; and who may switch
/// a contactor beside such a device.
enum ControllerRules {
  static let kind = "controller"
  /// What a safety microcontroller serves; a Modbus EVSE controller serves the first.
  static let parts = ["PowerContactor", "ConnectorPlugRetentionLock", "RCD", "EmergencyStopSensor"]

  static func fields(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    _ = ObjectReader(place.node, "a controller driver", known: ["kind"], unknown: .error, &check.problems)
    return []
  }

  static func check(_ check: inout DriverCheck) {
    let pilots = check.places.filter { CaseFold.equal($0.component.name, "CPPWMController") }
    for place in check.places where place.kind == kind { bind(place, pilots, &check) }
    for pilot in pilots where EVSEControllerCheck.kinds.contains(pilot.kind) { contactor(beside: pilot, &check) }
  }

  private static func serves(_ pilot: DriverPlace, _ component: ComponentID) -> Bool {
    guard let evse = pilot.component.evse, evse == component.evse else { return false }
    guard let mine = pilot.component.connector, let its = component.connector else { return true }
    return mine == its
  }

  private static func bind(_ place: DriverPlace, _ pilots: [DriverPlace], _ check: inout DriverCheck) {
    let node = place.node["kind"] ?? place.node
    guard let pilot = pilots.first(where: { serves($0, place.component) }) else {
      check.problems.add(
        .error, at: node,
        "\(place.component) is served by a controller, but its EVSE has no CPPWMController with a driver",
        expected:
          "a CPPWMController of kind \((EVSEControllerCheck.kinds + [SafetyControllerCheck.kind]).joined(separator: ", "))"
      )
      return
    }
    let isContactor = CaseFold.equal(place.component.name, parts[0])
    switch pilot.kind {
    case SafetyControllerCheck.kind: break
    case _ where EVSEControllerCheck.kinds.contains(pilot.kind) && isContactor: break
    default:
      check.problems.add(
        .error, at: node,
        "\(place.component) is served by \(pilot.component), whose kind \"\(pilot.kind)\" does not serve it",
        expected: isContactor
          ? "a controller that switches, or a driver of its own" : "an mcu-serial controller, or a driver of its own")
      return
    }
    check.add(.controllerPart(ControllerPartBinding(component: place.component, controller: pilot.component)))
  }

  /// A Modbus controller takes 100 to 200 ms for a request: too slow to be the one that tells somebody else to open. So its own
  /// output switches, and nothing else does.
  private static func contactor(beside pilot: DriverPlace, _ check: inout DriverCheck) {
    let contactors = check.places.filter {
      CaseFold.equal($0.component.name, parts[0]) && serves(pilot, $0.component)
    }
    for place in contactors where place.kind != kind {
      check.problems.add(
        .error, at: place.node["kind"] ?? place.node,
        "\(place.component) is switched by \"\(place.kind)\", but \(pilot.component) (\(pilot.kind)) is too slow to open "
          + "through it and switches by itself",
        expected: "{\"kind\": \"\(kind)\"}, the coil wired to the controller's output")
    }
    guard contactors.isEmpty else { return }
    check.problems.add(
      .error, at: pilot.node["kind"] ?? pilot.node,
      "\(pilot.component) switches the contactor of its EVSE, which has no PowerContactor",
      expected: "a component PowerContactor with {\"kind\": \"\(kind)\"}")
  }
}
