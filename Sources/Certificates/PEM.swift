/// PEM (RFC 7468), read leniently: text around the blocks, any line ends or none, spaces. What is inside a block is
/// checked strictly.
public enum PEM {
  /// One `BEGIN` … `END` and what is in it.
  public struct Block: Hashable, Sendable {
    /// `CERTIFICATE`, `PRIVATE KEY`, …
    public var label: String
    /// Where it is in the text, both markers included.
    public var range: Range<Int>
    /// The line on which it begins, from 1.
    public var line: Int
    /// The decoded bytes; `nil` when `problem` says why not.
    public var bytes: [UInt8]?
    public var problem: String?
  }

  /// What `blocks` found.
  public struct Content: Hashable, Sendable {
    public var blocks: [Block] = []
    /// There are more than the limit; the rest was not looked at.
    public var isCut = false
  }

  /// The blocks of a text in their order, at most `limit`. Never fails: a block that is broken says so.
  public static func blocks(in text: [UInt8], limit: Int = 100) -> Content {
    var content = Content()
    var lines = LineCounter()
    var at = 0
    while let begin = find(Array("-----BEGIN ".utf8), in: text, from: at) {
      guard content.blocks.count < limit else {
        content.isCut = true
        break
      }
      let line = lines.line(of: begin, in: text)
      let labelStart = begin + 11
      guard let labelEnd = find(dashes, in: text, from: labelStart, before: labelStart + 64) else {
        content.blocks.append(
          Block(label: "", range: begin..<labelStart, line: line, problem: "the BEGIN line does not end"))
        at = labelStart
        continue
      }
      let label = String(decoding: text[labelStart..<labelEnd], as: UTF8.self)
      let bodyStart = labelEnd + dashes.count
      let next = find(Array("-----BEGIN ".utf8), in: text, from: bodyStart)
      let endMarker = Array("-----END \(label)-----".utf8)
      guard let end = find(endMarker, in: text, from: bodyStart, before: next) else {
        let stop = next ?? text.count
        content.blocks.append(
          Block(label: label, range: begin..<stop, line: line, problem: "there is no END line for \(shown(label))"))
        at = stop
        continue
      }
      var block = Block(label: label, range: begin..<end + endMarker.count, line: line)
      do throws(Base64Error) {
        block.bytes = try decode(text[bodyStart..<end])
      } catch {
        block.problem = error.text
      }
      content.blocks.append(block)
      at = block.range.upperBound
    }
    return content
  }

  /// One block, lines of 64 characters, each ended by a line feed.
  public static func text(_ label: String, _ bytes: [UInt8]) -> [UInt8] {
    var out = Array("-----BEGIN \(label)-----\n".utf8)
    var column = 0
    func put(_ byte: UInt8) {
      out.append(byte)
      column += 1
      if column == 64 {
        out.append(0x0A)
        column = 0
      }
    }
    var at = 0
    while at < bytes.count {
      let count = min(3, bytes.count - at)
      var group = UInt32(bytes[at]) << 16
      if count > 1 { group |= UInt32(bytes[at + 1]) << 8 }
      if count > 2 { group |= UInt32(bytes[at + 2]) }
      for index in 0..<4 {
        put(index <= count ? alphabet[Int(group >> (18 - 6 * UInt32(index)) & 63)] : UInt8(ascii: "="))
      }
      at += 3
    }
    if column > 0 { out.append(0x0A) }
    return out + Array("-----END \(label)-----\n".utf8)
  }

  struct Base64Error: Error { var text: String }

  private static let dashes = Array("-----".utf8)
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func decode(_ text: ArraySlice<UInt8>) throws(Base64Error) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(text.count / 4 * 3)
    var group: UInt32 = 0
    var count = 0
    var padding = 0
    for byte in text {
      let digit: UInt32
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = UInt32(byte - 65)
      case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = UInt32(byte - 71)
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt32(byte) + 4
      case UInt8(ascii: "+"): digit = 62
      case UInt8(ascii: "/"): digit = 63
      case UInt8(ascii: "="):
        padding += 1
        continue
      case 0x20, 0x09, 0x0A, 0x0D: continue
      case UInt8(ascii: ":"): throw Base64Error(text: "it has header lines (an encrypted block?)")
      default: throw Base64Error(text: "byte \(byte) is not base64")
      }
      guard padding == 0 else { throw Base64Error(text: "there is base64 after its padding") }
      group = group << 6 | digit
      count += 1
      if count % 4 == 0 {
        out += [UInt8(truncatingIfNeeded: group >> 16), UInt8(truncatingIfNeeded: group >> 8), UInt8(group & 0xFF)]
        group = 0
      }
    }
    let rest = count % 4
    guard rest != 1, rest == 0 ? padding == 0 : padding == 4 - rest else {
      throw Base64Error(text: "the base64 is cut short")
    }
    if rest == 2 { out.append(UInt8(truncatingIfNeeded: group >> 4)) }
    if rest == 3 {
      out += [UInt8(truncatingIfNeeded: group >> 10), UInt8(truncatingIfNeeded: group >> 2)]
    }
    guard !out.isEmpty else { throw Base64Error(text: "it is empty") }
    return out
  }

  /// Where `pattern` begins, at or after `start`, and ends not after `end`.
  private static func find(_ pattern: [UInt8], in text: [UInt8], from start: Int, before end: Int? = nil) -> Int? {
    let last = min(end ?? text.count, text.count) - pattern.count
    guard start <= last else { return nil }
    return text.withUnsafeBufferPointer { text in
      var at = start
      while at <= last {
        if text[at] == pattern[0] {
          var matched = 1
          while matched < pattern.count, text[at + matched] == pattern[matched] { matched += 1 }
          if matched == pattern.count { return at }
        }
        at += 1
      }
      return nil
    }
  }

  private static func shown(_ label: String) -> String {
    String(decoding: label.utf8.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }

  /// Counts lines as the text is passed once.
  private struct LineCounter {
    var line = 1
    var at = 0

    mutating func line(of position: Int, in text: [UInt8]) -> Int {
      while at < position {
        if text[at] == 0x0A { line += 1 }
        at += 1
      }
      return line
    }
  }
}
