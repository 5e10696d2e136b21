import OCPP

/// Stands in for key codes (idToken of type KeyCode) in a journal: they must appear in no log (C04.FR.04).
///
/// Each code gets a name of its length that tells nothing of it, the first one `=000`, the next `=001`; the same code the
/// same name within one journal, so that a replay takes the same decisions. A checksum, as passwords have, would give a code of four
/// digits away.
public struct KeyCodeNames: Sendable {
  /// Codes with a name of their own; further ones share the last.
  static let limit = 10_000
  private static let word = Array("KeyCode".utf8)
  /// The same in bytes that are written as digits (`JSONValue.bytes`).
  private static let wordAsDigits = Array("4b6579436f6465".utf8)

  private var names: [String: String] = [:]
  private var next = 0

  public init() {}

  /// The line of a journal without key codes.
  mutating func hiding(in line: [UInt8]) -> [UInt8] {
    guard Self.mentions(line), let value = try? JSONValue.parse(line) else { return line }
    return hiding(in: value).bytes
  }

  private static func mentions(_ bytes: [UInt8]) -> Bool {
    [word, wordAsDigits].contains { word in
      bytes.indices.contains { bytes[$0] == word[0] && bytes[$0...].starts(with: word) }
    }
  }

  private mutating func hiding(in value: JSONValue) -> JSONValue {
    switch value {
    case .array(let items): return .array(items.map { hiding(in: $0) })
    case .object(let members) where members.count == 1 && members[0].name == "hex":
      guard let bytes = try? JournalFields(["bytes": value], "").bytes("bytes"), Self.mentions(bytes),
        let text = String(validating: bytes, as: UTF8.self)
      else { return value }
      let hidden = hiding(in: text)
      return hidden == text ? value : .bytes(Array(hidden.utf8))
    case .object(var members):
      let isCode = value["type"] == "KeyCode"
      for index in members.indices {
        members[index].name = hiding(in: members[index].name)
        if isCode, members[index].name == "idToken", let code = members[index].value.stringValue {
          members[index].value = .string(name(of: code))
        } else {
          members[index].value = hiding(in: members[index].value)
        }
      }
      return .object(members)
    case .string(let text): return .string(hiding(in: text))
    default: return value
    }
  }

  /// A key of the cache and the local list (`IdTokenType.storageKey`), or a frame or record, which is JSON as a text.
  mutating func hiding(in text: String) -> String {
    guard text.contains("KeyCode") else { return text }
    let prefix = "KeyCode "
    if text.hasPrefix(prefix) { return prefix + name(of: String(text.dropFirst(prefix.count))) }
    guard let first = text.utf8.first, first == UInt8(ascii: "{") || first == UInt8(ascii: "["),
      let value = try? JSONValue.parse(Array(text.utf8))
    else { return text }
    return hiding(in: value).text
  }

  private mutating func name(of code: String) -> String {
    // Identifiers do not regard case.
    let code = code.lowercased()
    guard !code.isEmpty, !Self.isName(code) else { return code }
    if let known = names[code] { return known }
    let digits = code.unicodeScalars.count - 1
    let number = String(String(next, radix: 36).suffix(digits))
    let name = "=" + String(repeating: "0", count: digits - number.count) + number
    if names.count < Self.limit {
      names[code] = name
      next += 1
    }
    return name
  }

  /// No keypad has this character.
  private static func isName(_ text: String) -> Bool {
    text.utf8.first == UInt8(ascii: "=")
      && text.utf8.dropFirst().allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }
  }
}
