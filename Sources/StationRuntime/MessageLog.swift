import OCPP

/// The log of OCPP frames: one JSON object per line, `ts` (UTC by the station's clock), `dir` (`out`: to the CSMS, `in`:
/// from it) and `frame`: the frame as JSON, or as a string when it is none.
///
/// Secrets are replaced by `***`: the value that a SetVariables carries for SecurityCtrlr.BasicAuthPassword.
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
    var content: JSONValue
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

  /// The frame without the secrets of a SetVariables request.
  static func redacted(_ frame: JSONValue) -> JSONValue {
    guard case .array(var parts) = frame, parts.count == 4, parts[2] == .string("SetVariables"),
      case .object(var payload) = parts[3]
    else { return frame }
    for index in payload.indices where payload[index].name == "setVariableData" {
      guard case .array(let items) = payload[index].value else { continue }
      payload[index].value = .array(items.map(redactedItem))
    }
    parts[3] = .object(payload)
    return .array(parts)
  }

  private static func redactedItem(_ item: JSONValue) -> JSONValue {
    guard case .object(var members) = item, case .string(let name)? = item["variable"]?["name"],
      name.lowercased() == "basicauthpassword"
    else { return item }
    for index in members.indices where members[index].name == "attributeValue" {
      members[index].value = .string("***")
    }
    return .object(members)
  }
}
