/// A string as it stands in the document: the bytes between the quotes, already checked.
struct StringToken {
  var start: Int
  var end: Int
  /// No backslash in it.
  var isPlain: Bool
  /// No byte above 0x7F in it.
  var isASCII: Bool
}

extension JSONReader {
  /// Reads a string.
  public mutating func string() throws(JSONFailure) -> String {
    let token = try stringToken("a string")
    return text(token)
  }

  @inline(__always)
  func text(_ token: StringToken) -> String {
    if token.isPlain {
      return String(
        decoding: UnsafeBufferPointer(start: base + token.start, count: token.end - token.start), as: UTF8.self)
    }
    return String(decoding: unescaped(token), as: UTF8.self)
  }

  /// Code points in the string.
  func length(_ token: StringToken) -> Int {
    if token.isPlain && token.isASCII { return token.end - token.start }
    if token.isPlain {
      var count = 0
      for index in token.start..<token.end where base[index] & 0xC0 != 0x80 { count += 1 }
      return count
    }
    var count = 0
    for byte in unescaped(token) where byte & 0xC0 != 0x80 { count += 1 }
    return count
  }

  /// Reads a string's bytes and checks them; `expected` is for the message when it is none.
  @inline(__always)
  mutating func stringToken(_ expected: StaticString) throws(JSONFailure) -> StringToken {
    if try peek() != 0x22 { throw wrongType(expected) }
    return try stringToken()
  }

  /// The same, when the next byte is known to be a quote.
  @inline(__always)
  mutating func stringToken() throws(JSONFailure) -> StringToken {
    let start = position &+ 1
    var index = start
    // Eight bytes at a time; the lowest marked byte is the first quote, backslash, control or non-ASCII one.
    while end &- index >= 8 {
      let word = UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
      let quotes = (word ^ 0x2222_2222_2222_2222) &- 0x0101_0101_0101_0101
      let backslashes = (word ^ 0x5C5C_5C5C_5C5C_5C5C) &- 0x0101_0101_0101_0101
      let controls = word &- 0x2020_2020_2020_2020
      let marks = (quotes | backslashes | controls | word) & 0x8080_8080_8080_8080
      if marks == 0 {
        index &+= 8
        continue
      }
      index &+= marks.trailingZeroBitCount &>> 3
      if base[index] == 0x22 {
        position = index &+ 1
        return StringToken(start: start, end: index, isPlain: true, isASCII: true)
      }
      break
    }
    return try stringTokenSlowly(start: start, from: index)
  }

  @inline(never)
  private mutating func stringTokenSlowly(start: Int, from: Int) throws(JSONFailure) -> StringToken {
    var index = from
    var token = StringToken(start: start, end: start, isPlain: true, isASCII: true)
    while index < end {
      let byte = base[index]
      switch byte {
      case 0x22:
        token.end = index
        position = index + 1
        return token
      case 0x5C:
        token.isPlain = false
        index = try checkEscape(at: index)
      case 0..<0x20:
        throw fail(.syntax("no bare control character in a string"), at: index)
      case 0x80...:
        token.isASCII = false
        let length = UTF8Check.sequenceLength(base + index, count: end - index)
        if length == 0 { throw fail(.syntax("UTF-8 in a string"), at: index) }
        index += length
      default:
        index += 1
      }
    }
    throw fail(.syntax("'\"' at the end of a string"), at: end)
  }

  /// Checks the escape that begins at `index`, and returns where it ends.
  private mutating func checkEscape(at index: Int) throws(JSONFailure) -> Int {
    guard index + 1 < end else { throw fail(.syntax("'\"' at the end of a string"), at: end) }
    switch base[index + 1] {
    case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74:
      return index + 2
    case 0x75:
      guard let unit = hexadecimal(at: index + 2) else { throw fail(.syntax("four hex digits after \\u"), at: index) }
      if unit & 0xFC00 == 0xDC00 { throw fail(.syntax("no lone surrogate in a string"), at: index) }
      if unit & 0xFC00 != 0xD800 { return index + 6 }
      guard end - index >= 12, base[index + 6] == 0x5C, base[index + 7] == 0x75, let low = hexadecimal(at: index + 8),
        low & 0xFC00 == 0xDC00
      else { throw fail(.syntax("no lone surrogate in a string"), at: index) }
      return index + 12
    default:
      throw fail(.syntax("an escape that JSON knows"), at: index)
    }
  }

  private func hexadecimal(at index: Int) -> UInt32? {
    guard end - index >= 4 else { return nil }
    var value: UInt32 = 0
    for offset in 0..<4 {
      let byte = base[index + offset]
      switch byte {
      case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
      case 0x41...0x46: value = value << 4 | UInt32(byte - 0x37)
      case 0x61...0x66: value = value << 4 | UInt32(byte - 0x57)
      default: return nil
      }
    }
    return value
  }

  /// The UTF-8 of a string with its escapes resolved. The token has been checked, so nothing can fail.
  func unescaped(_ token: StringToken) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(token.end - token.start)
    var index = token.start
    while index < token.end {
      let byte = base[index]
      guard byte == 0x5C else {
        result.append(byte)
        index += 1
        continue
      }
      let escape = base[index + 1]
      index += 2
      switch escape {
      case 0x62: result.append(0x08)
      case 0x66: result.append(0x0C)
      case 0x6E: result.append(0x0A)
      case 0x72: result.append(0x0D)
      case 0x74: result.append(0x09)
      case 0x75:
        var scalar = hexadecimal(at: index) ?? 0xFFFD
        index += 4
        if scalar & 0xFC00 == 0xD800 {
          let low = hexadecimal(at: index + 2) ?? 0xDC00
          scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
          index += 6
        }
        UTF8Check.append(scalar, to: &result)
      default: result.append(escape)
      }
    }
    return result
  }
}

/// UTF-8 by hand: the standard library's validation does not say where the fault is.
enum UTF8Check {
  /// Length of the well-formed sequence that begins at `p`, or 0.
  static func sequenceLength(_ p: UnsafePointer<UInt8>, count: Int) -> Int {
    let first = p[0]
    func continuation(_ index: Int) -> Bool { index < count && p[index] & 0xC0 == 0x80 }
    switch first {
    case 0..<0x80: return 1
    case 0xC2...0xDF: return continuation(1) ? 2 : 0
    case 0xE0...0xEF:
      guard continuation(1), continuation(2) else { return 0 }
      if first == 0xE0 && p[1] < 0xA0 { return 0 }
      if first == 0xED && p[1] > 0x9F { return 0 }
      return 3
    case 0xF0...0xF4:
      guard continuation(1), continuation(2), continuation(3) else { return 0 }
      if first == 0xF0 && p[1] < 0x90 { return 0 }
      if first == 0xF4 && p[1] > 0x8F { return 0 }
      return 4
    default: return 0
    }
  }

  /// Appends a scalar that is known to be one.
  static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
    func low(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: 0x80 | (scalar >> shift) & 0x3F) }
    switch scalar {
    case 0..<0x80: bytes.append(UInt8(truncatingIfNeeded: scalar))
    case 0x80..<0x800:
      bytes.append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
      bytes.append(low(0))
    case 0x800..<0x10000:
      bytes.append(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
      bytes.append(low(6))
      bytes.append(low(0))
    default:
      bytes.append(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
      bytes.append(low(12))
      bytes.append(low(6))
      bytes.append(low(0))
    }
  }
}
