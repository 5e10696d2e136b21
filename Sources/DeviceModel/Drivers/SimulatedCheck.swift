/// How a simulated meter signs its readings.
public enum SimulatedSigning: String, Hashable, Sendable, CaseIterable {
  /// Open Charge Metering Format, ECDSA on secp256r1 with SHA-256.
  case ocmf = "OCMF"
}

/// The driver `simulated`.
enum SimulatedCheck {
  private static let meter = "FiscalMetering"

  static func check(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a simulated driver", known: ["kind", "signing"], unknown: .warning, &check.problems)
    let signing = object.choice("signing", of: SimulatedSigning.allCases.map(\.rawValue), &check.problems)
    if let node = place.node["signing"], !CaseFold.equal(place.component.name, meter) {
      check.problems.add(
        .error, at: node, "signing on \(place.component)", expected: "it on \(meter): only meters sign")
    }
    check.add(.simulated(place.component, signing: signing.flatMap(SimulatedSigning.init)))
    return []
  }
}
