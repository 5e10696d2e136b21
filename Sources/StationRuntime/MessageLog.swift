import OCPP
import StationCore

/// The log of OCPP frames: one JSON object per line, `ts` (UTC by the station's clock), `dir` (`out`: to the CSMS, `in`:
/// from it) and `frame`: the frame as JSON, or as a string when it is none.
///
/// Secrets are replaced by `***`: the values of variables that hold one (BasicAuthPassword, NetworkConnectionProfiles), in
/// whatever message, the secret fields of network profiles, and key codes. A SetVariables or SetNetworkProfile that is not as
/// it should be, and names a secret, loses all its text (`FrameSecrets`); of a frame that is no JSON and may hold one only the
/// length is told. The file has no bound; when a customer is cleared it begins anew, whatever its size.
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

  /// Begins the file anew, since a customer is cleared: see `LogFile.discarding`.
  func discarding() -> @Sendable () -> String? { file.discarding() }

  static func line(_ frame: [UInt8], _ direction: Direction, wall: Int64) -> [UInt8] {
    let content: JSONValue
    if let parsed = try? JSONValue.parse(FrameSecrets.masked(frame)) {
      content = redacted(parsed)
    } else {
      let text = String(decoding: frame, as: UTF8.self)
      content = .string(Secrets.mayBe(in: text) ? "*** \(frame.count) bytes that are no JSON" : text)
    }
    let line = JSONValue.object([
      JSONMember(name: "ts", value: .string(DateTime(unixMilliseconds: wall).description)),
      JSONMember(name: "dir", value: .string(direction.rawValue)),
      JSONMember(name: "frame", value: content),
    ])
    return line.bytes
  }

  /// The frame without its secrets.
  static func redacted(_ value: JSONValue) -> JSONValue { withoutKeyCodes(Secrets.replacing(in: value) { _ in "***" }) }

  /// C04.FR.04
  private static func withoutKeyCodes(_ value: JSONValue) -> JSONValue {
    switch value {
    case .array(let items): return .array(items.map(withoutKeyCodes))
    case .object(let members):
      let isKeyCode = value["type"] == "KeyCode"
      return .object(
        members.map { member in
          let isCode = isKeyCode && member.name.lowercased() == "idtoken"
          return JSONMember(name: member.name, value: isCode ? "***" : withoutKeyCodes(member.value))
        })
    default: return value
    }
  }
}
