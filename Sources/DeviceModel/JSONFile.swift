/// A JSON file that was read, with the place of every value, for errors that name line and column.
///
/// The values lie flat in one array in the order of the file; strings stay bytes of the file until they are asked for.
final class JSONFile: Sendable {
  enum Kind: UInt8, Sendable {
    case null, bool, number, string, array, object

    /// With its article, for messages.
    var text: String {
      switch self {
      case .null: return "null"
      case .bool: return "a boolean"
      case .number: return "a number"
      case .string: return "a string"
      case .array: return "an array"
      case .object: return "an object"
      }
    }
  }

  struct Entry: Sendable {
    var kind: Kind
    /// The string contains escapes.
    var escaped: Bool
    /// First byte of the value, and the first one after it.
    var start: Int
    var end: Int
    /// Index of the entry after this value and all that is in it.
    var next: Int
  }

  /// The name shown in problems.
  let name: String
  let bytes: [UInt8]
  let entries: [Entry]

  init(name: String, bytes: [UInt8], entries: [Entry]) {
    self.name = name
    self.bytes = bytes
    self.entries = entries
  }

  /// The outermost value; `nil` when the file could not be read as JSON.
  var root: JSONNode? { entries.isEmpty ? nil : JSONNode(file: self, index: 0) }

  /// Line and column of a byte, from 1. A line ends with LF, CR or CR LF; the column counts characters.
  func position(of offset: Int) -> (line: Int, column: Int) { Self.position(of: offset, in: bytes) }

  static func position(of offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
    var line = 1
    var column = 1
    var index = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let end = min(offset, bytes.count)
    while index < end {
      let byte = bytes[index]
      index += 1
      if byte == 0x0A || (byte == 0x0D && (index >= bytes.count || bytes[index] != 0x0A)) {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80, byte != 0x0D {
        column += 1
      }
    }
    return (line, column)
  }
}

/// One value of a `JSONFile`.
struct JSONNode: Sendable {
  let file: JSONFile
  let index: Int

  private var entry: JSONFile.Entry { file.entries[index] }
  var kind: JSONFile.Kind { entry.kind }
  /// Offset of the first byte of the value in the file.
  var start: Int { entry.start }

  /// The text of a string, unescaped.
  var string: String? {
    let entry = entry
    guard entry.kind == .string else { return nil }
    let raw = file.bytes[(entry.start + 1)..<(entry.end - 1)]
    return entry.escaped ? JSONText.unescape(raw) : String(decoding: raw, as: UTF8.self)
  }

  /// The bytes of a string as they stand in the file, without the quotes.
  var rawText: ArraySlice<UInt8> {
    let entry = entry
    guard entry.kind == .string else { return [] }
    return file.bytes[(entry.start + 1)..<(entry.end - 1)]
  }

  var bool: Bool? {
    let entry = entry
    return entry.kind == .bool ? file.bytes[entry.start] == UInt8(ascii: "t") : nil
  }

  /// A number, or a word, as it stands in the file; strings with their quotes.
  var source: String {
    let entry = entry
    return String(decoding: file.bytes[entry.start..<entry.end], as: UTF8.self)
  }

  /// An integer that fits `Int` and is written as one.
  var int: Int? { kind == .number ? Int(source) : nil }

  /// The elements of an array; empty for anything else.
  var elements: Elements { Elements(node: self) }
  /// The members of an object, in the order of the file; empty for anything else.
  var members: Members { Members(node: self) }

  /// The value of the first member of this name.
  subscript(name: String) -> JSONNode? {
    for member in members where member.key.string == name { return member.value }
    return nil
  }

  struct Elements: Sequence, IteratorProtocol {
    private let file: JSONFile
    private var index: Int
    private let end: Int

    init(node: JSONNode) {
      file = node.file
      index = node.index + 1
      end = node.kind == .array ? node.entry.next : index
    }

    mutating func next() -> JSONNode? {
      guard index < end else { return nil }
      defer { index = file.entries[index].next }
      return JSONNode(file: file, index: index)
    }
  }

  struct Members: Sequence, IteratorProtocol {
    private let file: JSONFile
    private var index: Int
    private let end: Int

    init(node: JSONNode) {
      file = node.file
      index = node.index + 1
      end = node.kind == .object ? node.entry.next : index
    }

    mutating func next() -> (key: JSONNode, value: JSONNode)? {
      guard index + 1 < end else { return nil }
      defer { index = file.entries[index + 1].next }
      return (JSONNode(file: file, index: index), JSONNode(file: file, index: index + 1))
    }
  }
}

/// Escapes of JSON strings.
enum JSONText {
  /// Removes the escapes from the inside of a string that the parser has found to be well formed.
  static func unescape(_ raw: ArraySlice<UInt8>) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(raw.count)
    var index = raw.startIndex
    var highSurrogate: UInt32?
    while index < raw.endIndex {
      let byte = raw[index]
      guard byte == UInt8(ascii: "\\"), index + 1 < raw.endIndex else {
        result.append(byte)
        index += 1
        continue
      }
      let escape = raw[index + 1]
      index += 2
      guard escape == UInt8(ascii: "u") else {
        result.append(plain(escape))
        continue
      }
      let unit = hex(raw[index..<min(index + 4, raw.endIndex)]) ?? 0xFFFD
      index = min(index + 4, raw.endIndex)
      if unit & 0xFC00 == 0xD800 {
        highSurrogate = unit
        continue
      }
      var scalar = unit
      if unit & 0xFC00 == 0xDC00, let high = highSurrogate {
        scalar = 0x10000 + ((high & 0x3FF) << 10) + (unit & 0x3FF)
      }
      highSurrogate = nil
      result.append(contentsOf: Array(String(Unicode.Scalar(scalar).map(Character.init) ?? "\u{FFFD}").utf8))
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// Four hexadecimal digits.
  static func hex(_ digits: ArraySlice<UInt8>) -> UInt32? {
    guard digits.count == 4 else { return nil }
    var value: UInt32 = 0
    for digit in digits {
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(digit - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(digit - UInt8(ascii: "a") + 10)
      case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(digit - UInt8(ascii: "A") + 10)
      default: return nil
      }
    }
    return value
  }

  private static func plain(_ escape: UInt8) -> UInt8 {
    switch escape {
    case UInt8(ascii: "b"): return 0x08
    case UInt8(ascii: "f"): return 0x0C
    case UInt8(ascii: "n"): return 0x0A
    case UInt8(ascii: "r"): return 0x0D
    case UInt8(ascii: "t"): return 0x09
    default: return escape
    }
  }
}
