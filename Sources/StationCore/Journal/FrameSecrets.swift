import OCPP

/// The frames of the CSMS without their secrets.
///
/// In a frame that is what it should be, each secret gives way to its marker where it stands, and nothing else changes, so
/// that a replay takes it as it was taken. In one that names a secret or a token and is broken, or is no proper SetVariables or
/// SetNetworkProfile, nobody knows where the secret is: every text in it goes that is not a word of those messages, byte by
/// byte, so that it is as broken as before. The message id and the action stay: the answer repeats them.
public struct FrameSecrets {
  private let bytes: [UInt8]
  private var result: [UInt8]
  /// What to replace; `nil`: all that is no known word.
  private let secrets: Set<String>?
  private var at = 0
  /// The name of the member whose value comes.
  private var member = ""
  /// Elements begun, as long as there was nothing but a message's beginning, `[2,"id","action"`; `nil` after that.
  private var element: Int? = 0
  private var isCall = false

  public static func masked(_ frame: [UInt8]) -> [UInt8] {
    if let value = try? JSONValue.parse(frame), isProper(value) {
      let secrets = secrets(of: value)
      return JournalSecret.locations(inFrame: secrets.isEmpty ? frame : FrameSecrets(frame, secrets).run())
    }
    return Secrets.mayBe(in: String(decoding: frame, as: UTF8.self)) ? FrameSecrets(frame, nil).run() : frame
  }

  /// Where in a message something is wrong, without the names of members that it should not have: they may be anything.
  static func masked(path: String) -> String {
    path.split(separator: "/", omittingEmptySubsequences: false).map { name in
      Self.words.contains(String(name)) || name.allSatisfy(\.isNumber)
        ? String(name) : String(repeating: "*", count: name.utf8.count)
    }.joined(separator: "/")
  }

  /// It can be told what in it is a secret.
  static func isProper(_ frame: JSONValue) -> Bool {
    guard case .array(let parts) = frame, parts.count >= 3, parts[1].stringValue != nil else { return false }
    switch parts[0] {
    case 2:
      guard parts.count == 4, let action = parts[2].stringValue, case .object = parts[3] else { return false }
      switch action {
      case SetVariablesRequest.action:
        return (try? SetVariablesRequest.decode(parts[3].bytes, version: .v201)) != nil
      case SetNetworkProfileRequest.action:
        return (try? SetNetworkProfileRequest.decode(parts[3].bytes, version: .v201)) != nil
      default: return OCPPAction.isKnown(action, version: .v201)
      }
    case 3: return parts.count == 3 && parts[2].objectValue != nil
    case 4: return parts.count == 5 && parts[4].objectValue != nil
    default: return false
    }
  }

  private static func secrets(of frame: JSONValue) -> Set<String> {
    var found: Set<String> = []
    _ = Secrets.replacing(in: frame) { secret in
      found.formUnion(texts(in: secret))
      return secret
    }
    return found
  }

  private static func texts(in value: JSONValue) -> [String] {
    switch value {
    case .string(let text): [text]
    case .number, .numberText: [value.text]
    case .array(let items): items.flatMap(texts)
    case .object(let members): members.flatMap { texts(in: $0.value) }
    case .null, .bool: []
    }
  }

  private init(_ bytes: [UInt8], _ secrets: Set<String>?) {
    self.bytes = bytes
    self.secrets = secrets
    result = []
    result.reserveCapacity(bytes.count)
  }

  private consuming func run() -> [UInt8] {
    while at < bytes.count {
      switch bytes[at] {
      case UInt8(ascii: "\""): string()
      case let byte where Self.isWord(byte): word()
      case let byte:
        if byte > 0x20, byte != UInt8(ascii: "["), byte != UInt8(ascii: ",") { element = nil }
        result.append(byte)
        at += 1
      }
    }
    return result
  }

  private mutating func string() {
    var end = at + 1
    while end < bytes.count, bytes[end] != UInt8(ascii: "\"") { end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1 }
    end = min(end, bytes.count)
    let raw = bytes[(at + 1)..<end]
    let isEnded = end < bytes.count
    let text = (isEnded ? try? JSONValue.parse(Array(bytes[at...end])).stringValue : nil) ?? Self.text(raw)
    result.append(bytes[at])
    let isHeader = (element == 1 || (element == 2 && isCall)) && raw.count <= 64
    element = element.map { $0 + 1 }
    if isHeader {
      result += raw
    } else if let secrets {
      // A known word is no secret, and whoever chose it as a password keeps a message that can be read.
      let isSecret = secrets.contains(text) && !Self.words.contains(text)
      result += isSecret ? Array(JournalSecret.marker(for: text).utf8) : Array(raw)
    } else {
      let isKnown = Self.words.contains(text) || Secrets.isField(text) || Secrets.isVariable(text)
      result += isKnown ? Array(raw) : Self.blanked(raw)
    }
    if isEnded { result.append(bytes[end]) }
    at = min(end + 1, bytes.count)
    member = text
  }

  /// As many characters in as many bytes, and what makes a string wrong: escapes that are none, control characters, bytes that
  /// are no UTF-8.
  private static func blanked(_ raw: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var at = raw.startIndex
    while at < raw.endIndex {
      let byte = raw[at]
      var end = at + 1
      switch byte {
      case UInt8(ascii: "\\"):
        let isCode = raw[at...].dropFirst().first == UInt8(ascii: "u")
        end = min(at + (isCode ? 6 : 2), raw.endIndex)
        if end - at == 6, raw[(at + 2)..<end].allSatisfy(isHexadecimal) {
          result += Array("\\u002a".utf8)
        } else {
          let escape = raw[at..<min(at + 2, end)]
          result += escape + raw[escape.endIndex..<end].map { _ in UInt8(ascii: "*") }
        }
      case 0..<0x20: result.append(byte)
      case 0x20..<0x80: result.append(UInt8(ascii: "*"))
      default:
        let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
        end = min(at + length, raw.endIndex)
        let isWhole = end - at == length && String(validating: raw[at..<end], as: UTF8.self) != nil
        if !isWhole { end = at + 1 }
        result += isWhole ? Array(["\u{A4}", "\u{2022}", "\u{1F512}"][length - 2].utf8) : [byte]
      }
      at = end
    }
    return result
  }

  private static let literals: Set<String> = ["true", "false", "null"]

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte & 0xDF)
  }

  /// A number, a literal, or text outside quotes, where a quote is missing.
  private mutating func word() {
    let start = at
    while at < bytes.count, Self.isWord(bytes[at]) { at += 1 }
    let raw = bytes[start..<at]
    let text = Self.text(raw)
    if element == 0 { isCall = text == "2" }
    element = element.map { $0 + 1 }
    let isNumber = raw.allSatisfy { (0x30...0x39).contains($0) }
    if isNumber {
      let isSecret = Secrets.isField(member) || (secrets == nil && raw.count > 3)
      result += isSecret ? raw.map { _ in UInt8(ascii: "1") } : Array(raw)
    } else if secrets != nil || raw.count <= 3 || Self.words.contains(text) || Self.literals.contains(text) {
      result += raw
    } else {
      // What it shares with the beginning of a literal stays: the reader says how far it got.
      let kept = Self.literals.map { zip($0.utf8, raw).prefix { $0 == $1 }.count }.max() ?? 0
      result += raw.prefix(kept)
      result += raw.dropFirst(kept).map { (0x30...0x39).contains($0) ? UInt8(ascii: "1") : UInt8(ascii: "x") }
    }
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), 0x80...:
      return true
    default: return false
    }
  }

  /// Members and enumerations of SetVariables and SetNetworkProfile, and of those that bring tokens: what decides how a broken
  /// one is broken.
  private static let words: Set<String> = [
    "setVariableData", "attributeType", "attributeValue", "component", "variable", "evse", "connectorId", "id", "name",
    "instance", "customData", "vendorId", "configurationSlot", "connectionData", "apn", "apnAuthentication",
    "apnUserName",
    "onlyUseIfAvailable", "preferredNetwork", "useOnlyPreferredNetwork", "messageTimeout", "ocppCsmsUrl",
    "ocppInterface",
    "ocppTransport", "ocppVersion", "securityProfile", "vpn", "server", "user", "group", "type", "identity",
    "Actual", "Target", "MinSet", "MaxSet", "JSON", "SOAP", "OCPP12", "OCPP15", "OCPP16", "OCPP20", "OCPP201", "OCPP21",
    "Wired0", "Wired1", "Wired2", "Wired3", "Wireless0", "Wireless1", "Wireless2", "Wireless3", "Any", "CHAP", "NONE",
    "PAP", "AUTO", "IKEv2", "IPSec", "L2TP", "PPTP", "SetVariables", "SetNetworkProfile",
    "SendLocalList", "localAuthorizationList", "updateType", "versionNumber", "Full", "Differential", "idToken",
    "idTokenInfo", "groupIdToken", "additionalInfo", "additionalIdToken", "status", "cacheExpiryDateTime",
    "chargingPriority", "language1", "language2", "evseId", "personalMessage", "format", "language", "content",
    "RequestStartTransaction", "remoteStartId", "CustomerInformation", "requestId", "report", "clear",
    "customerIdentifier", "Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress",
    "NoAuthorization", "Accepted", "Blocked", "ConcurrentTx", "Expired", "Invalid", "NoCredit", "NotAllowedTypeEVSE",
    "NotAtThisLocation", "NotAtThisTime", "Unknown",
  ]
}
