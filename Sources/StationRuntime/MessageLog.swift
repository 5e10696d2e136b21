import OCPP
import StationCore

/// The log of OCPP frames: one JSON object per line, `ts` (UTC by the station's clock), `dir` (`out`: to the CSMS, `in`:
/// from it) and `frame`: the frame as JSON, or as a string when it is none.
///
/// Secrets are replaced by `***`: the values of variables that hold one (BasicAuthPassword, NetworkConnectionProfiles), in
/// whatever message, the secret fields of network profiles, and key codes. A SetVariables or SetNetworkProfile that is not as
/// it should be, and names a secret, loses all its text (`FrameSecrets`); of a frame that is no JSON and may hold one only the
/// length is told. At `sizeLimit` it ends, with a warning; when a customer is cleared it begins anew.
public final class MessageLog {
  enum Direction: String {
    case outgoing = "out"
    case incoming = "in"
  }

  /// Bytes after which no more is written.
  static let sizeLimit = 1 << 30

  private let file: LogFile
  private let limit: Int
  private var size: Int
  private var isFull = false
  private var isFullTold = false

  init(path: String, limit: Int = sizeLimit) throws(LogFileError) {
    file = try LogFile(path: path)
    self.limit = limit
    size = file.size
  }

  var isWaiting: Bool { file.isWaiting || isFull != isFullTold }
  /// Why frames are missing in the file, `nil` when they are not.
  var failure: String? { isFull ? "\(file.path): it has reached \(limit) bytes" : file.failure }

  func record(_ frame: [UInt8], _ direction: Direction, wall: Int64) {
    guard !isFull else { return }
    let line = Self.line(frame, direction, wall: wall)
    isFull = size + line.count >= limit
    if !isFull, file.append(line) { size += line.count + 1 }
  }

  func flush() {
    file.flush()
    isFullTold = isFull
  }

  /// Begins the file anew, since a customer is cleared: see `LogFile.discarding`.
  func discarding() -> @Sendable () -> String? {
    (size, isFull) = (0, false)
    return file.discarding()
  }

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
