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

  /// A network profile, a list of them, or another record of passwords.
  static func profiles(_ bytes: [UInt8]) -> [UInt8] {
    guard let value = try? JSONValue.parse(bytes) else {
      let text = String(decoding: bytes, as: UTF8.self)
      return Secrets.mayBe(in: text) ? Array(marker(for: text).utf8) : bytes
    }
    guard Secrets.areMembers(of: value) else { return bytes }
    return Secrets.replacing(in: value) { secret in
      switch secret {
      case .string(let text): .string(marker(for: text))
      case .bool, .null: secret
      default: 0
      }
    }.bytes
  }

  /// The value of a variable.
  static func value(_ value: [UInt8], of variable: VariableID) -> [UInt8] {
    guard Secrets.isVariable(variable.name) else { return value }
    if variable == Setting.networkConnectionProfiles.variable { return profiles(value) }
    return Array(marker(for: String(decoding: value, as: UTF8.self)).utf8)
  }

  /// A record of the ledger.
  static func record(_ collection: LedgerCollection, _ key: String, _ value: [UInt8]) -> [UInt8] {
    switch collection {
    case .variable:
      guard let address = try? VariableAddress(parsing: key) else { return value }
      return self.value(value, of: address.variable)
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
    case .send(let frame): return .send(FramePrivacy.redacted(frame))
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
    case .link(.message(let message)): return .link(.message(FrameSecrets.masked(message)))
    case .commitFailed(let failure, let refused): return .commitFailed(failure, refused: refused.map(action))
    default: return input
    }
  }
}
