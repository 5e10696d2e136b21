/// Finds the JSON pointer (RFC 6901) of a place in a document that is well-formed up to there.
struct JSONPath {
  let base: UnsafePointer<UInt8>
  let start: Int
  let end: Int

  private enum Level {
    /// Start and end of the bytes of the current key, between its quotes.
    case object(key: Range<Int>?)
    case array(index: Int)
  }

  /// Pointer of the value that begins at `offset`, or whose key does.
  func path(to offset: Int) -> String {
    var levels: [Level] = []
    var position = start
    while position < min(offset, end) {
      switch base[position] {
      case 0x7B: levels.append(.object(key: nil))
      case 0x5B: levels.append(.array(index: 0))
      case 0x7D, 0x5D: _ = levels.popLast()
      case 0x2C:
        if case .array(let index)? = levels.last {
          levels[levels.count - 1] = .array(index: index + 1)
        } else if !levels.isEmpty {
          levels[levels.count - 1] = .object(key: nil)
        }
      case 0x22:
        let content = string(at: position)
        if content.upperBound < offset { setKey(content, &levels) }
        position = content.upperBound
      default: break
      }
      position += 1
    }
    if offset < end, base[offset] == 0x22 { setKey(string(at: offset), &levels) }

    var path = ""
    for level in levels {
      switch level {
      case .array(let index): path = JSONPath.appending(String(index), to: path)
      case .object(let key?): path = JSONPath.appending(text(key), to: path)
      case .object(nil): break
      }
    }
    return path
  }

  /// A string in an object that has no key yet is its key.
  private func setKey(_ content: Range<Int>, _ levels: inout [Level]) {
    if case .object(key: nil)? = levels.last { levels[levels.count - 1] = .object(key: content) }
  }

  private func string(at quote: Int) -> Range<Int> {
    var position = quote + 1
    while position < end, base[position] != 0x22 {
      position += base[position] == 0x5C ? 2 : 1
    }
    return quote + 1..<max(quote + 1, min(position, end))
  }

  private func text(_ key: Range<Int>) -> String {
    let bytes = UnsafeBufferPointer(start: base + key.lowerBound, count: key.count)
    if !bytes.contains(0x5C) { return String(decoding: bytes, as: UTF8.self) }
    var reader = JSONReader(base: base, start: key.lowerBound - 1, end: end, version: .v201)
    do throws(JSONFailure) {
      return try reader.string()
    } catch {
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  /// `path` with one more step; steps that would make it too long are replaced by `...`.
  static func appending(_ step: String, to path: String) -> String {
    if path.hasSuffix("/...") { return path }
    var escaped = ""
    for scalar in step.unicodeScalars {
      switch scalar {
      case "~": escaped += "~0"
      case "/": escaped += "~1"
      case " "..."~": escaped.unicodeScalars.append(scalar)
      default: escaped += "?"
      }
      if path.utf8.count + escaped.utf8.count > JSONLimits.maxPathLength - 8 { return path + "/..." }
    }
    return path + "/" + escaped
  }
}
