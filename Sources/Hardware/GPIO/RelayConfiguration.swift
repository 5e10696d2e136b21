import CRelay
import DeviceModel

/// The configuration of station-relayd: what `Sources/CRelay/include/relay_config.h` describes, made from the device model.
public struct RelayConfiguration: Hashable, Sendable {
  public struct EVSE: Hashable, Sendable {
    public var id: Int
    public var hasMirror: Bool
  }

  /// What `station-relayd --config FILE` reads.
  public let text: String
  public let evses: [EVSE]
  public let leaseMs: Int

  /// Of bindings that `DeviceModel.load` found no error in: one lease, one heartbeat, one contactor an EVSE.
  public init(_ contactors: [GPIOContactorBinding]) {
    let sorted = contactors.sorted { $0.evse < $1.evse }
    leaseMs = sorted.first?.leaseMs ?? Int(RELAY_LEASE_DEFAULT_MS)
    evses = sorted.map { EVSE(id: $0.evse, hasMirror: $0.mirror != nil) }
    var text = "relayd 1\nlease \(leaseMs)\n"
    if let heartbeat = sorted.lazy.compactMap(\.heartbeat).first {
      text += "heartbeat \(max(2, heartbeat.periodMs / 2)) \(Self.output(heartbeat.line))\n"
    }
    for contactor in sorted {
      text += "evse \(contactor.evse) opening=\(contactor.openingMs) closing=\(contactor.closingMs)\n"
      for line in contactor.lines { text += "power \(contactor.evse) \(Self.output(line))\n" }
      guard let mirror = contactor.mirror else { continue }
      text += "mirror \(contactor.evse) \(mirror.line.chip) contact=\(mirror.kind.rawValue) \(Self.rest(mirror.line))\n"
    }
    self.text = text
  }

  /// What relayd says in its greeting that it runs with.
  public var checksum: UInt64 { relay_checksum(text, text.utf8.count) }

  private static func output(_ line: GPIOLine) -> String { "\(line.chip) drive=\(line.drive.rawValue) \(rest(line))" }

  private static func rest(_ line: GPIOLine) -> String {
    let settings = "active=\(line.activeLow ? "low" : "high") bias=\(line.bias.rawValue)"
    switch line.place {
    case .name(let name): return "\(settings) name=\(name)"
    case .offset(let offset): return "\(settings) offset=\(offset)"
    }
  }
}
