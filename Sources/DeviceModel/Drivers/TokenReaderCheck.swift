import OCPP

/// A token reader that a component is bound to, with every setting resolved.
public struct TokenReaderBinding: Hashable, Sendable {
  /// How an input device is recognised; all that is given has to fit.
  public struct InputDevice: Hashable, Sendable {
    public var path: String?
    public var vendor: UInt16?
    public var product: UInt16?
    public var name: String?

    public init(path: String? = nil, vendor: UInt16? = nil, product: UInt16? = nil, name: String? = nil) {
      self.path = path
      self.vendor = vendor
      self.product = product
      self.name = name
    }
  }

  public enum Source: Hashable, Sendable {
    /// A reader that types: digits, or hexadecimal digits, then ENTER.
    case evdev(InputDevice, hexadecimal: Bool, lengths: ClosedRange<Int>)
    case pn532(device: String, rearmMs: Int)
  }

  public var component: ComponentID
  public var source: Source
  /// A type of idToken as in OCPP: `ISO14443`, `KeyCode`, ...
  public var idTokenType: String
  /// The EVSEs that it serves; `nil` means all.
  public var evses: [Int]?
}

/// The drivers `evdev` and `pn532-serial`.
enum TokenReaderCheck {
  /// Types that a reader can present (OCPP 2.0.1, IdTokenEnumType); `Central` and `NoAuthorization` are the CSMS's.
  static let types = ["ISO14443", "ISO15693", "KeyCode", "Local", "eMAID", "MacAddress"]

  static func evdev(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "an evdev driver",
      known: ["kind", "path", "device", "name", "digits", "minLength", "maxLength", "idTokenType", "evses"],
      unknown: .error, &check.problems)
    var device = TokenReaderBinding.InputDevice()
    if object.node["path"] != nil {
      device.path = DriverFields.device(object, "path", example: "/dev/input/event3", &check)
    }
    device.name = object.text("name", limit: 100, &check.problems)
    if let text = object.text("device", limit: 9, &check.problems), let node = place.node["device"] {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      let numbers = parts.compactMap { part in part.utf8.count == 4 ? UInt16(part, radix: 16) : nil }
      if parts.count == 2, numbers.count == 2 {
        (device.vendor, device.product) = (numbers[0], numbers[1])
      } else {
        check.problems.add(
          .error, at: node, "device is \"\(ValueCheck.excerpt(text))\"",
          expected: "vendor:product in hexadecimal as lsusb shows them, e.g. \"08ff:0009\"")
      }
    }
    if ["path", "device", "name"].allSatisfy({ object.node[$0] == nil }) {
      check.problems.add(
        .error, at: place.node, "an evdev driver says nothing of its device",
        expected: "\"device\": \"vendor:product\", \"name\" or \"path\"")
    }
    let digits = object.choice("digits", of: ["decimal", "hexadecimal"], &check.problems) ?? "hexadecimal"
    let least = object.integer("minLength", in: 1...36, &check.problems) ?? 4
    let most = object.integer("maxLength", in: 1...36, &check.problems) ?? max(20, least)
    guard least <= most else {
      if let node = place.node["maxLength"] ?? place.node["minLength"] {
        check.problems.add(
          .error, at: node, "minLength is \(least), maxLength \(most)", expected: "minLength not above maxLength")
      }
      return []
    }
    bind(place, object, .evdev(device, hexadecimal: digits == "hexadecimal", lengths: least...most), &check)
    let claimed =
      device.path.map { ($0, "path") } ?? device.vendor.map { _ in
        ("input device \(object.node["device"]?.string ?? "")", "device")
      }
      ?? device.name.map { ("input device \"\($0)\"", "name") }
    guard let (resource, name) = claimed, let node = place.node[name] else { return [] }
    return [ResourceClaim(resource: resource, use: .exclusive, node: node)]
  }

  static func pn532(_ place: DriverPlace, _ check: inout DriverCheck) -> [ResourceClaim] {
    let object = ObjectReader(
      place.node, "a pn532-serial driver", known: ["kind", "device", "rearmMs", "idTokenType", "evses"],
      unknown: .error, &check.problems)
    let device = DriverFields.device(object, "device", &check)
    let rearm = object.integer("rearmMs", in: 300...60_000, &check.problems) ?? 1500
    guard let device, let node = place.node["device"] else { return [] }
    bind(place, object, .pn532(device: device, rearmMs: rearm), &check)
    return [ResourceClaim(resource: device, use: .exclusive, node: node)]
  }

  private static func bind(
    _ place: DriverPlace, _ object: ObjectReader, _ source: TokenReaderBinding.Source, _ check: inout DriverCheck
  ) {
    let type = object.choice("idTokenType", of: types, &check.problems) ?? "ISO14443"
    var evses: [Int]?
    if let node = object.node["evses"] {
      let elements = Array(node.elements)
      let numbers = elements.compactMap(\.int).filter { (1...1000).contains($0) }
      if node.kind == .array, !elements.isEmpty, elements.count == numbers.count, Set(numbers).count == numbers.count,
        elements.count <= 100
      {
        evses = numbers
      } else {
        check.problems.add(
          .error, at: node, "evses is no list of EVSE numbers",
          expected: "1 to 100 different numbers from 1, e.g. [1, 2]")
      }
    } else if let evse = place.component.evse {
      evses = [evse]
    }
    check.add(
      .tokenReader(TokenReaderBinding(component: place.component, source: source, idTokenType: type, evses: evses)))
  }
}
