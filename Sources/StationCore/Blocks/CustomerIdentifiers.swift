import OCPP

/// A text by which a customer is known: a token's identifier, or a customer identifier of the CSMS' own.
public struct CustomerIdentifier: Hashable, Sendable, ExpressibleByStringLiteral {
  public var text: String
  /// It is in no log and no journal (C04.FR.04).
  public var isKeyCode: Bool

  public init(_ text: String, isKeyCode: Bool = false) {
    self.text = text
    self.isKeyCode = isKeyCode
  }

  public init(stringLiteral text: String) { self.init(text) }

  init(_ token: IdTokenType) { self.init(token.idToken, isKeyCode: token.type == .keyCode) }

  /// A key code is written as the token that it is, so that a journal hides it as it hides every other one.
  var json: JSONValue {
    isKeyCode
      ? .members(["idToken": .string(text), "type": .string(IdTokenEnumType.keyCode.rawValue)]) : .string(text)
  }

  /// Reads what `json` gives.
  init?(json: JSONValue) {
    guard let text = json.stringValue ?? json["idToken"]?.stringValue else { return nil }
    self.init(text, isKeyCode: json.stringValue == nil)
  }
}

/// The texts by which a customer is known.
///
/// A value is about the customer when one of its strings is such a text, whatever the case of its letters (identifiers do not
/// regard it), or when a longer one, as free text is, holds one of four characters or more as a word.
public struct CustomerIdentifiers: Sendable {
  private let texts: [[UInt8]]

  /// Shorter ones are looked for as whole strings only: within texts they would be found everywhere.
  static let wordLength = 4
  /// What stands where an identifier was.
  public static let blot = "***"

  public init(_ identifiers: [CustomerIdentifier]) {
    texts = identifiers.map { Self.folded($0.text) }.filter { !$0.isEmpty }
  }

  public var isEmpty: Bool { texts.isEmpty }

  public func isIn(_ value: JSONValue) -> Bool {
    switch value {
    case .string(let text): isIn(text)
    case .array(let items): items.contains(where: isIn)
    case .object(let members): members.contains { isIn($0.value) }
    default: false
    }
  }

  public func isIn(_ text: String) -> Bool {
    let text = Self.folded(text)
    return texts.contains { $0 == text || !places(of: $0, in: text).isEmpty }
  }

  /// The value with every identifier replaced by `blot`.
  public func blotted(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let text): .string(blotted(text))
    case .array(let items): .array(items.map(blotted))
    case .object(let members): .object(members.map { JSONMember(name: $0.name, value: blotted($0.value)) })
    default: value
    }
  }

  public func blotted(_ text: String) -> String {
    var bytes = Array(text.utf8)
    for identifier in texts {
      if Self.folded(bytes) == identifier { return Self.blot }
      for place in places(of: identifier, in: Self.folded(bytes)).reversed() {
        bytes.replaceSubrange(place..<place + identifier.count, with: Self.blot.utf8)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Where it stands as a word, from left to right.
  private func places(of identifier: [UInt8], in text: [UInt8]) -> [Int] {
    guard identifier.count >= Self.wordLength, text.count > identifier.count else { return [] }
    var places: [Int] = []
    var start = 0
    while start + identifier.count <= text.count {
      let end = start + identifier.count
      if text[start] == identifier[0], text[start..<end].elementsEqual(identifier),
        start == 0 || !Self.isWord(text[start - 1]), end == text.count || !Self.isWord(text[end])
      {
        places.append(start)
        start = end
      } else {
        start += 1
      }
    }
    return places
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x80...: true
    default: false
    }
  }

  private static func folded(_ text: String) -> [UInt8] { folded(Array(text.utf8)) }

  private static func folded(_ bytes: [UInt8]) -> [UInt8] {
    bytes.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
  }
}
