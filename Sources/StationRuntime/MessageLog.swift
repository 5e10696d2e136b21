import OCPP
import StationCore

/// The log of OCPP frames: one JSON object per line, `ts` (UTC by the station's clock), `dir` (`out`: to the CSMS, `in`:
/// from it) and `frame`: the frame as JSON, or as a string when it is none.
///
/// Secrets are replaced by `***`: the values of variables that hold one (BasicAuthPassword, NetworkConnectionProfiles), in
/// whatever message, the secret fields of network profiles, and key codes. Of a frame that is no JSON and names a password
/// only the length is told.
public final class MessageLog {
  enum Direction: String {
    case outgoing = "out"
    case incoming = "in"
  }

  private let file: LogFile

  init(path: String) throws(LogFileError) {
    file = try LogFile(path: path)
  }

  var isWaiting: Bool { file.isWaiting }
  /// Why frames are missing in the file, `nil` when they are not.
  var failure: String? { file.failure }

  func record(_ frame: [UInt8], _ direction: Direction, wall: Int64) {
    file.append(Self.line(frame, direction, wall: wall))
  }

  func flush() { file.flush() }

  /// Blots a customer out of the file. Returns what is wrong when that cannot be done: one line.
  func clear(_ identifiers: CustomerIdentifiers) -> String? {
    file.flush()
    return file.rewrite { line in
      guard let value = try? JSONValue.parse(line), identifiers.isIn(value) else { return line }
      return identifiers.blotted(value).bytes
    }
  }

  static func line(_ frame: [UInt8], _ direction: Direction, wall: Int64) -> [UInt8] {
    let content: JSONValue
    if let parsed = try? JSONValue.parse(frame) {
      content = redacted(parsed)
    } else {
      let text = String(decoding: frame, as: UTF8.self)
      content = .string(namesSecret(text) ? "*** \(frame.count) bytes that are no JSON" : text)
    }
    let line = JSONValue.object([
      JSONMember(name: "ts", value: .string(DateTime(unixMilliseconds: wall).description)),
      JSONMember(name: "dir", value: .string(direction.rawValue)),
      JSONMember(name: "frame", value: content),
    ])
    return line.bytes
  }

  /// The frame without its secrets.
  static func redacted(_ value: JSONValue) -> JSONValue { redacted(value, hiding: false) }

  /// - Parameter hiding: what is in here belongs to a variable that holds a secret.
  private static func redacted(_ value: JSONValue, hiding: Bool) -> JSONValue {
    switch value {
    case .array(let items): return .array(items.map { redacted($0, hiding: hiding) })
    case .object(var members):
      let hidesValues = hiding || value["variable"]?["name"]?.stringValue.map(isSecretVariable) ?? false
      let isKeyCode = value["type"] == "KeyCode"  // C04.FR.04
      for index in members.indices {
        let name = members[index].name.lowercased()
        if secretFields.contains(name) || (hidesValues && valueFields.contains(name))
          || (isKeyCode && name == "idtoken")
        {
          members[index].value = "***"
        } else {
          members[index].value = redacted(members[index].value, hiding: hidesValues)
        }
      }
      return .object(members)
    default: return value
    }
  }

  /// Fields of NetworkConnectionProfileType, APNType and VPNType. `key` occurs nowhere else in OCPP.
  private static let secretFields: Set<String> = [
    "basicauthpassword", "apnpassword", "simpin", "password", "key", "networkconnectionprofiles",
  ]

  /// Where the messages carry the value of a variable: GetVariables and SetVariables, NotifyReport, NotifyEvent.
  private static let valueFields: Set<String> = ["attributevalue", "value", "actualvalue"]

  /// Those of SecurityCtrlr, InternalCtrlr and, from OCPP 2.1 on, NetworkConfiguration.
  private static func isSecretVariable(_ name: String) -> Bool {
    let name = name.lowercased()
    return name.hasSuffix("password") || ["networkconnectionprofiles", "vpnkey", "apnsimpin", "simpin"].contains(name)
  }

  private static func namesSecret(_ text: String) -> Bool {
    let text = text.lowercased()
    return text.contains("password") || text.contains("networkconnectionprofiles") || text.contains("simpin")
  }
}
