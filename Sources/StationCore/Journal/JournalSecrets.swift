import DeviceModel
import OCPP

/// What stands for a secret in the journal.
///
/// It has the length of the secret, is as (in)valid as a password, and is the same for the same secret, so that a replay
/// takes the same decisions; it tells 16 bits of a checksum and nothing else.
enum JournalSecret {
  static func marker(for secret: String) -> String {
    guard !isMarker(secret), !secret.isEmpty else { return secret }
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in secret.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    hash ^= hash >> 32
    hash ^= hash >> 16
    let digits = Array("0123456789abcdef")
    var text = secret.utf8.allSatisfy(NetworkCheck.isPasswordCharacter) ? "***" : "*#*"
    for shift in [12, 8, 4, 0] { text.append(digits[Int((hash >> UInt64(shift)) & 15)]) }
    let count = secret.unicodeScalars.count
    text += String(repeating: "*", count: max(0, count - text.count))
    return String(text.prefix(count))
  }

  private static func isMarker(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.starts(with: "***".utf8) || bytes.starts(with: "*#*".utf8) else { return false }
    return bytes.dropFirst(3).prefix(4).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
      && bytes.dropFirst(7).allSatisfy { $0 == UInt8(ascii: "*") }
  }

  /// A network profile, a list of them, or a SetNetworkProfile.
  static func profiles(_ value: JSONValue) -> JSONValue {
    NetworkProfile.mappingSecrets(of: value) { secret in
      switch secret {
      case .string(let text): .string(marker(for: text))
      case .number: 0
      default: secret
      }
    }
  }

  static func profiles(_ bytes: [UInt8]) -> [UInt8] {
    guard let value = try? JSONValue.parse(bytes), NetworkProfile.holdsSecret(value) else { return bytes }
    return profiles(value).bytes
  }

  /// A record of the ledger.
  static func record(_ collection: LedgerCollection, _ key: String, _ value: [UInt8]) -> [UInt8] {
    switch collection {
    case .variable where key == Setting.basicAuthPassword.persistentKey:
      return Array(marker(for: String(decoding: value, as: UTF8.self)).utf8)
    case .variable where key == Setting.networkConnectionProfiles.persistentKey: return profiles(value)
    case .station where key == StationRecord.provenProfile.rawValue || key == StationRecord.otherPassword.rawValue:
      return profiles(value)
    case .station where key == StationRecord.logUpload.rawValue || key == StationRecord.firmware.rawValue:
      return locations(value)
    default: return value
    }
  }

  static func action(_ action: Action) -> Action {
    switch action {
    case .connect(var request):
      request.basicAuthPassword = request.basicAuthPassword.map(marker)
      return .connect(request)
    case .transfer(let id, let request): return .transfer(id: id, transfer(request))
    case .commit(let writes):
      return .commit(
        writes.map { write in
          guard case .put(let collection, let key, let value) = write else { return write }
          return .put(collection, key: key, value: record(collection, key, value))
        })
    default: return action
    }
  }

  static func input(_ input: Input) -> Input {
    switch input {
    case .link(.message(let message)): return .link(.message(frame(message)))
    case .commitFailed(let failure, let refused): return .commitFailed(failure, refused: refused.map(action))
    default: return input
    }
  }

  /// SetVariables without the password, SetNetworkProfile without what is secret in it.
  private static func frame(_ frame: [UInt8]) -> [UInt8] {
    guard case .array(var parts)? = try? JSONValue.parse(frame), parts.count == 4 else { return frame }
    switch parts[2] {
    case "SetVariables":
      guard let payload = variables(parts[3]) else { return frame }
      parts[3] = payload
    case "SetNetworkProfile":
      guard NetworkProfile.holdsSecret(parts[3]) else { return frame }
      parts[3] = profiles(parts[3])
    case "UpdateFirmware", "GetLog": parts[3] = locations(parts[3])
    default: return frame
    }
    return JSONValue.array(parts).bytes
  }

  private static func variables(_ payload: JSONValue) -> JSONValue? {
    guard case .object(var members) = payload else { return nil }
    var hasSecret = false
    for index in members.indices where members[index].name == "setVariableData" {
      guard case .array(let items) = members[index].value else { continue }
      members[index].value = .array(
        items.map { item in
          guard case .object(var fields) = item,
            item["variable"]?["name"]?.stringValue?.lowercased() == "basicauthpassword"
          else { return item }
          for position in fields.indices where fields[position].name == "attributeValue" {
            hasSecret = true
            fields[position].value = .string(marker(for: fields[position].value.stringValue ?? ""))
          }
          return .object(fields)
        })
    }
    return hasSecret ? .object(members) : nil
  }
}
