import OCPP

/// The log of OCPP frames: one JSON object per line, `ts` (UTC by the station's clock), `dir` (`out`: to the CSMS, `in`:
/// from it) and `frame`: the frame as JSON, or as a string when it is none.
///
/// Passwords are replaced by `***`: what SetVariables carries for BasicAuthPassword and NetworkConnectionProfiles, and the
/// field `basicAuthPassword` wherever it occurs.
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

  static func line(_ frame: [UInt8], _ direction: Direction, wall: Int64) -> [UInt8] {
    let content: JSONValue
    if let parsed = try? JSONValue.parse(frame) {
      content = redacted(parsed)
    } else {
      content = .string(String(decoding: frame, as: UTF8.self))
    }
    let line = JSONValue.object([
      JSONMember(name: "ts", value: .string(DateTime(unixMilliseconds: wall).description)),
      JSONMember(name: "dir", value: .string(direction.rawValue)),
      JSONMember(name: "frame", value: content),
    ])
    return line.bytes
  }

  /// The frame without its secrets.
  static func redacted(_ value: JSONValue) -> JSONValue {
    switch value {
    case .array(let items): return .array(items.map(redacted))
    case .object(var members):
      let hidesValue = value["variable"]?["name"]?.stringValue.map(isSecret) ?? false
      let isKeyCode = value["type"] == "KeyCode"  // C04.FR.04
      for index in members.indices {
        let name = members[index].name
        if isSecret(name) || (hidesValue && name == "attributeValue") || (isKeyCode && name == "idToken") {
          members[index].value = "***"
        } else {
          members[index].value = redacted(members[index].value)
        }
      }
      return .object(members)
    default: return value
    }
  }

  /// Names of variables and fields that hold a password; the network profiles as one JSON text hold several.
  private static func isSecret(_ name: String) -> Bool {
    ["basicauthpassword", "networkconnectionprofiles"].contains(name.lowercased())
  }
}
