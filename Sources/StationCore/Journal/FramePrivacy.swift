import OCPP

/// What of some frames is not recorded: customers whose data are asked for or told, which would be stored again by that,
/// and what is secret in the locations of files. Pieces of what is told may hold key codes that nobody recognizes (C04.FR.04).
public enum FramePrivacy {
  public static func redacted(_ frame: [UInt8]) -> [UInt8] {
    guard case .array(var parts)? = try? JSONValue.parse(frame), parts.count == 4,
      case .object(var members) = parts[3]
    else { return frame }
    switch parts[2].stringValue {
    case "CustomerInformation":
      for index in members.indices
      where ["idToken", "customerIdentifier", "customerCertificate"].contains(members[index].name) {
        members[index].value = "***"
      }
    case "NotifyCustomerInformation":
      for index in members.indices where members[index].name == "data" { members[index].value = "***" }
    case "GetLog", "UpdateFirmware":
      for index in members.indices { members[index].value = withoutLocations(members[index].value) }
    default: return frame
    }
    parts[3] = .object(members)
    return JSONValue.array(parts).bytes
  }

  /// User, password and query go.
  private static func withoutLocations(_ value: JSONValue) -> JSONValue {
    guard case .object(var members) = value else { return value }
    for index in members.indices where ["location", "remoteLocation"].contains(members[index].name) {
      let text = members[index].value.stringValue ?? ""
      members[index].value = .string(FileLocation(text)?.loggable ?? "***")
    }
    return .object(members)
  }
}
