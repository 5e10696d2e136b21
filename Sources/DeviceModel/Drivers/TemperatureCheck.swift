import OCPP

/// A temperature that the kernel shows in a file, with every setting resolved.
public struct TemperatureBinding: Hashable, Sendable {
  public var component: ComponentID
  /// A file that holds one number: hwmon `temp1_input`, thermal zone `temp`, IIO `in_temp_raw`.
  public var path: String
  /// Thousandths of a degree of one count.
  public var scale: DecimalNumber
  /// Added after scaling, thousandths of a degree.
  public var offsetMilliC: Int
  public var pollIntervalMs: Int
  /// Age at which the last reading no longer counts.
  public var staleAfterMs: Int
  /// What can be true, degrees; anything else is a broken sensor.
  public var plausibleC: ClosedRange<Int>
}

/// The driver `sysfs-temperature`.
enum TemperatureCheck {
  static func check(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a sysfs-temperature driver",
      known: ["kind", "path", "scale", "offsetMilliC", "pollIntervalMs", "staleAfterMs", "minC", "maxC"],
      unknown: .error, &check.problems)
    let path = DriverFields.device(
      object, "path", example: "/sys/class/hwmon/hwmon0/temp1_input", &check)
    let scale = object.decimal("scale", &check.problems) ?? DecimalNumber(1)
    let offset = object.integer("offsetMilliC", in: -1_000_000...1_000_000, &check.problems) ?? 0
    let interval = object.integer("pollIntervalMs", in: 100...60_000, &check.problems) ?? 1000
    let stale = object.integer("staleAfterMs", in: 500...600_000, &check.problems) ?? max(5000, 3 * interval)
    if stale < 2 * interval, let node = place.node["staleAfterMs"] ?? place.node["pollIntervalMs"] {
      check.problems.add(
        .error, at: node, "staleAfterMs is \(stale), readings come every \(interval) ms",
        expected: "at least twice pollIntervalMs")
    }
    let least = object.integer("minC", in: -273...1000, &check.problems) ?? -40
    let most = object.integer("maxC", in: -273...1000, &check.problems) ?? 150
    guard least < most else {
      if let node = place.node["maxC"] ?? place.node["minC"] {
        check.problems.add(.error, at: node, "minC is \(least), maxC \(most)", expected: "minC below maxC")
      }
      return []
    }
    guard let path, let node = place.node["path"] else { return [] }
    check.add(
      .temperature(
        TemperatureBinding(
          component: place.component, path: path, scale: scale, offsetMilliC: offset, pollIntervalMs: interval,
          staleAfterMs: stale, plausibleC: least...most)))
    return [ResourceClaim(resource: path, use: .exclusive, node: node)]
  }
}
