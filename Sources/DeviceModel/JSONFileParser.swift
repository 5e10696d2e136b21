/// Reads one JSON file strictly (RFC 8259), and goes on after the mistakes that people make by hand: comments, a
/// missing or superfluous comma, a key that occurs twice. What is left over after those can still be checked, so that
/// one run reports as much as possible. Any other syntax error ends the file.
struct JSONFileParser {
  /// Arrays and objects may be nested this deep; a component file needs six.
  static let maxDepth = 32

  private let name: String
  private let bytes: [UInt8]
  private var position = 0
  private var entries: [JSONFile.Entry] = []
  private var problems: ProblemList

  private struct Stop: Error {}

  private init(name: String, bytes: [UInt8], problems: ProblemList) {
    self.name = name
    self.bytes = bytes
    self.problems = problems
  }

  /// The file, or `nil` after a syntax error that makes the rest unreadable. Problems are added to `problems`.
  static func parse(name: String, bytes: [UInt8], problems: inout ProblemList) -> JSONFile? {
    var parser = JSONFileParser(name: name, bytes: bytes, problems: problems)
    let complete = parser.parseFile()
    problems = parser.problems
    return complete ? JSONFile(name: name, bytes: bytes, entries: parser.entries) : nil
  }

  private mutating func parseFile() -> Bool {
    entries.reserveCapacity(bytes.count / 12 + 8)
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      report(0, "the file is UTF-16", expected: "UTF-8")
      return false
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    do throws(Stop) {
      skipSpace()
      guard position < bytes.count else { throw fail("the file is empty", expected: "a JSON value") }
      try parseValue(depth: 0)
      skipSpace()
      guard position == bytes.count else {
        throw fail("\(found) after the end of the JSON value", expected: "the end of the file")
      }
      return true
    } catch {
      return false
    }
  }

  // MARK: Problems

  private mutating func report(_ offset: Int, _ message: String, expected: String? = nil, suggestion: String? = nil) {
    let place = JSONFile.position(of: offset, in: bytes)
    problems.add(
      Problem(
        .error, file: name, line: place.line, column: place.column, message: message, expected: expected,
        suggestion: suggestion))
  }

  private mutating func fail(_ message: String, expected: String? = nil, suggestion: String? = nil) -> Stop {
    report(position, message, expected: expected, suggestion: suggestion)
    return Stop()
  }

  /// What stands at the current position, for a message.
  private var found: String {
    guard position < bytes.count else { return "the file ends" }
    let byte = bytes[position]
    if byte < 0x20 { return "control character \(Self.code(UInt32(byte)))" }
    if byte < 0x80 { return "found '\(Character(Unicode.Scalar(byte)))'" }
    let tail = String(decoding: bytes[position..<min(position + 4, bytes.count)], as: UTF8.self)
    return "found '\(tail.first.map(String.init) ?? "?")'"
  }

  private static func code(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  // MARK: Values

  private func byte(_ offset: Int) -> UInt8 { offset < bytes.count ? bytes[offset] : 0 }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      case UInt8(ascii: "/") where byte(position + 1) == UInt8(ascii: "/"):
        report(position, "JSON has no comments", expected: "the text in a \"description\" instead")
        while position < bytes.count, bytes[position] != 0x0A, bytes[position] != 0x0D { position += 1 }
      case UInt8(ascii: "/") where byte(position + 1) == UInt8(ascii: "*"):
        report(position, "JSON has no comments", expected: "the text in a \"description\" instead")
        position += 2
        while position < bytes.count,
          !(bytes[position] == UInt8(ascii: "*") && byte(position + 1) == UInt8(ascii: "/"))
        { position += 1 }
        position = min(position + 2, bytes.count)
      default: return
      }
    }
  }

  private mutating func parseValue(depth: Int) throws(Stop) {
    guard position < bytes.count else { throw fail("the file ends", expected: "a value") }
    switch bytes[position] {
    case UInt8(ascii: "{"): try parseObject(depth: depth)
    case UInt8(ascii: "["): try parseArray(depth: depth)
    case UInt8(ascii: "\""): try parseString()
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try parseNumber()
    default: try parseWord()
    }
  }

  private mutating func append(_ kind: JSONFile.Kind, from start: Int, escaped: Bool = false) {
    entries.append(
      JSONFile.Entry(kind: kind, escaped: escaped, start: start, end: position, next: entries.count + 1))
  }

  /// Begins an array or object; its end is filled in by `close`.
  private mutating func open(_ kind: JSONFile.Kind, depth: Int) throws(Stop) -> Int {
    guard depth < Self.maxDepth else {
      throw fail("arrays and objects are nested too deep", expected: "at most \(Self.maxDepth) levels")
    }
    append(kind, from: position)
    position += 1
    return entries.count - 1
  }

  private mutating func close(_ index: Int) {
    position += 1
    entries[index].end = position
    entries[index].next = entries.count
  }

  /// After an element: takes the comma. False at the closing bracket.
  private mutating func takeComma(closing: UInt8) throws(Stop) -> Bool {
    skipSpace()
    guard position < bytes.count else {
      throw fail("the file ends", expected: "',' or '\(Character(Unicode.Scalar(closing)))'")
    }
    if bytes[position] == closing { return false }
    if bytes[position] == UInt8(ascii: ",") {
      let comma = position
      position += 1
      skipSpace()
      if byte(position) == closing {
        report(comma, "a comma before the closing '\(Character(Unicode.Scalar(closing)))'", expected: "no comma here")
        return false
      }
      return true
    }
    if bytes[position] == UInt8(ascii: "\"") || bytes[position] == UInt8(ascii: "{") {
      report(position, "a comma is missing", expected: "',' before this")
      return true
    }
    throw fail(found, expected: "',' or '\(Character(Unicode.Scalar(closing)))'")
  }

  private mutating func parseArray(depth: Int) throws(Stop) {
    let index = try open(.array, depth: depth)
    skipSpace()
    if byte(position) != UInt8(ascii: "]") {
      repeat {
        skipSpace()
        try parseValue(depth: depth + 1)
      } while try takeComma(closing: UInt8(ascii: "]"))
    }
    close(index)
  }

  private mutating func parseObject(depth: Int) throws(Stop) {
    let index = try open(.object, depth: depth)
    skipSpace()
    if byte(position) != UInt8(ascii: "}") {
      repeat {
        skipSpace()
        guard byte(position) == UInt8(ascii: "\"") else {
          throw fail(found, expected: "a key in double quotes or '}'")
        }
        try parseString()
        skipSpace()
        guard byte(position) == UInt8(ascii: ":") else { throw fail(found, expected: "':' after the key") }
        position += 1
        skipSpace()
        try parseValue(depth: depth + 1)
      } while try takeComma(closing: UInt8(ascii: "}"))
    }
    close(index)
    reportDuplicateKeys(of: index)
  }

  private mutating func reportDuplicateKeys(of object: Int) {
    let end = entries[object].next
    var keys = 0
    var escaped = false
    var index = object + 1
    while index + 1 < end {
      keys += 1
      escaped = escaped || entries[index].escaped
      // Nearly all objects are small: compare each key with those before it.
      var earlier = object + 1
      while keys <= 16, !escaped, earlier < index {
        if sameText(entries[earlier], entries[index]) {
          reportDuplicate(entries[index])
          break
        }
        earlier = entries[earlier + 1].next
      }
      index = entries[index + 1].next
    }
    guard keys > 16 || escaped else { return }
    var seen: Set<String> = []
    index = object + 1
    keys = 0
    escaped = false
    while index + 1 < end {
      keys += 1
      escaped = escaped || entries[index].escaped
      let isNew = seen.insert(text(entries[index])).inserted
      // The loop above has reported those before.
      if !isNew, keys > 16 || escaped { reportDuplicate(entries[index]) }
      index = entries[index + 1].next
    }
  }

  private func sameText(_ a: JSONFile.Entry, _ b: JSONFile.Entry) -> Bool {
    a.end - a.start == b.end - b.start && bytes[a.start..<a.end].elementsEqual(bytes[b.start..<b.end])
  }

  private func text(_ entry: JSONFile.Entry) -> String {
    let raw = bytes[(entry.start + 1)..<(entry.end - 1)]
    return entry.escaped ? JSONText.unescape(raw) : String(decoding: raw, as: UTF8.self)
  }

  private mutating func reportDuplicate(_ entry: JSONFile.Entry) {
    report(entry.start, "key \"\(text(entry))\" occurs twice in one object", expected: "unique keys")
  }

  private mutating func parseWord() throws(Stop) {
    let start = position
    for (word, kind) in [("true", JSONFile.Kind.bool), ("false", .bool), ("null", .null)] {
      let end = start + word.utf8.count
      guard end <= bytes.count, bytes[start..<end].elementsEqual(word.utf8) else { continue }
      position = end
      append(kind, from: start)
      return
    }
    var end = start
    while end < bytes.count, end - start < 32, Self.isWordByte(bytes[end]) { end += 1 }
    guard end > start else { throw fail(found, expected: "a value") }
    let word = String(decoding: bytes[start..<end], as: UTF8.self)
    throw fail(
      "\(word) is no JSON value", expected: "an object, array, string in double quotes, number, true, false or null",
      suggestion: Suggestion.nearest(to: word, in: ["true", "false", "null"]))
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
      return true
    default: return false
    }
  }

  private mutating func parseNumber() throws(Stop) {
    let start = position
    if bytes[position] == UInt8(ascii: "-") { position += 1 }
    if byte(position) == UInt8(ascii: "0"), isDigit(position + 1) {
      throw fail("a number begins with 0", expected: "no leading zeros")
    }
    try takeDigits()
    if byte(position) == UInt8(ascii: ".") {
      position += 1
      try takeDigits()
    }
    if byte(position) | 0x20 == UInt8(ascii: "e") {
      position += 1
      if byte(position) == UInt8(ascii: "+") || byte(position) == UInt8(ascii: "-") { position += 1 }
      try takeDigits()
    }
    guard position == bytes.count || !Self.isWordByte(bytes[position]) else {
      throw fail("\(found) in a number", expected: "a digit or the end of the number")
    }
    append(.number, from: start)
  }

  private func isDigit(_ offset: Int) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte(offset))
  }

  private mutating func takeDigits() throws(Stop) {
    guard isDigit(position) else { throw fail("\(found) in a number", expected: "a digit") }
    while isDigit(position) { position += 1 }
  }

  private mutating func parseString() throws(Stop) {
    let start = position
    var escaped = false
    var ascii = true
    position += 1
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        if !ascii { try checkUTF8(start + 1, position - 1) }
        append(.string, from: start, escaped: escaped)
        return
      case UInt8(ascii: "\\"):
        escaped = true
        try skipEscape()
      case 0x0A, 0x0D:
        throw fail("the line ends inside a string", expected: "a closing '\"' (or \\n for a line break)")
      case 0..<0x20:
        throw fail(
          "\(found) inside a string", expected: "the escape \\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))")
      case 0x80...:
        ascii = false
        position += 1
      default: position += 1
      }
    }
    position = start
    throw fail("a string has no end", expected: "a closing '\"'")
  }

  private mutating func skipEscape() throws(Stop) {
    switch byte(position + 1) {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 2
    case UInt8(ascii: "u"):
      guard let unit = unicodeEscape(at: position) else {
        throw fail("a \\u escape without four hexadecimal digits", expected: "\\uXXXX")
      }
      if unit & 0xFC00 == 0xD800 {
        guard let low = unicodeEscape(at: position + 6), low & 0xFC00 == 0xDC00 else {
          throw fail("half of a surrogate pair", expected: "a second \\u escape from DC00 to DFFF")
        }
        position += 12
      } else if unit & 0xFC00 == 0xDC00 {
        throw fail("half of a surrogate pair", expected: "a \\u escape from D800 to DBFF before it")
      } else {
        position += 6
      }
    default: throw fail("an unknown escape", expected: "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")
    }
  }

  private func unicodeEscape(at offset: Int) -> UInt32? {
    guard byte(offset) == UInt8(ascii: "\\"), byte(offset + 1) == UInt8(ascii: "u"), offset + 6 <= bytes.count else {
      return nil
    }
    return JSONText.hex(bytes[(offset + 2)..<(offset + 6)])
  }

  private mutating func checkUTF8(_ start: Int, _ end: Int) throws(Stop) {
    guard String(validating: bytes[start..<end], as: UTF8.self) == nil else { return }
    // Names the first byte that is not part of a valid character.
    position = start
    while position < end {
      let length = [1, 2, 3, 4].first { count in
        position + count <= end && String(validating: bytes[position..<(position + count)], as: UTF8.self) != nil
      }
      guard let length else { break }
      position += length
    }
    throw fail("byte 0x\(String(byte(position), radix: 16)) is not UTF-8", expected: "a file encoded in UTF-8")
  }
}
