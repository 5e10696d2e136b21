/// The name of a component: OCPP's `ComponentType`.
///
/// Names and instances are compared without regard to the case of ASCII letters, as OCPP asks; the spelling is kept.
/// An empty instance is no instance (B06.FR.15).
public struct ComponentID: Hashable, Sendable {
  public let name: String
  public let instance: String?
  /// EVSE number; `nil` for the station.
  public let evse: Int?
  /// Connector number on the EVSE; `nil` for the EVSE itself. Without `evse` it has no meaning.
  public let connector: Int?
  private let fold: UInt64

  /// Whether this is its name; case does not count.
  public func isNamed(_ name: String) -> Bool { CaseFold.equal(self.name, name) }

  public init(_ name: String, instance: String? = nil, evse: Int? = nil, connector: Int? = nil) {
    self.name = name
    self.instance = instance?.isEmpty == true ? nil : instance
    self.evse = evse
    self.connector = connector
    var hash = CaseFold.hash(name, seed: CaseFold.seed)
    if let instance = self.instance { hash = CaseFold.hash(instance, seed: hash &+ 1) }
    hash = (hash ^ UInt64(bitPattern: Int64(evse ?? -1))) &* CaseFold.prime
    fold = (hash ^ UInt64(bitPattern: Int64(connector ?? -1))) &* CaseFold.prime
  }

  public static func == (a: ComponentID, b: ComponentID) -> Bool {
    a.fold == b.fold && a.evse == b.evse && a.connector == b.connector && CaseFold.equal(a.name, b.name)
      && CaseFold.equal(a.instance, b.instance)
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(fold) }
}

/// The name of a variable of a component: OCPP's `VariableType`. Compared like `ComponentID`.
public struct VariableID: Hashable, Sendable {
  public let name: String
  public let instance: String?
  private let fold: UInt64

  public init(_ name: String, instance: String? = nil) {
    self.name = name
    self.instance = instance?.isEmpty == true ? nil : instance
    var hash = CaseFold.hash(name, seed: CaseFold.seed)
    if let instance = self.instance { hash = CaseFold.hash(instance, seed: hash &+ 1) }
    fold = hash
  }

  public static func == (a: VariableID, b: VariableID) -> Bool {
    a.fold == b.fold && CaseFold.equal(a.name, b.name) && CaseFold.equal(a.instance, b.instance)
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(fold) }
}

/// Comparing texts without regard to the case of ASCII letters, without building new texts.
enum CaseFold {
  // FNV-1a. The tables hold only what the component files name, so nobody outside can choose colliding names.
  static let seed: UInt64 = 0xCBF2_9CE4_8422_2325
  static let prime: UInt64 = 0x100_0000_01B3

  static func lower(_ byte: UInt8) -> UInt8 {
    byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
  }

  static func hash(_ text: String, seed: UInt64) -> UInt64 {
    var hash = seed
    for byte in text.utf8 { hash = (hash ^ UInt64(lower(byte))) &* prime }
    return hash
  }

  static func equal(_ a: String, _ b: String) -> Bool {
    a == b || (a.utf8.count == b.utf8.count && zip(a.utf8, b.utf8).allSatisfy { lower($0) == lower($1) })
  }

  static func equal(_ a: String?, _ b: String?) -> Bool {
    switch (a, b) {
    case (nil, nil): return true
    case (let a?, let b?): return equal(a, b)
    default: return false
    }
  }

  static func lowercased(_ text: String) -> String {
    String(decoding: text.utf8.map(lower), as: UTF8.self)
  }
}
