extension JSONReader {
  /// Walks over the next value, whatever it is, and returns where it stands, without the white space around it. It is
  /// checked to be JSON (numbers of any size, keys that come twice and depth up to `JSONLimits.maxSkipDepth` pass).
  ///
  /// This is how a frame is split without copying. `elements` and `skipValue` give the raw elements of an array:
  ///
  ///     var parts: [Range<Int>] = []
  ///     try JSONReader.read(frame) { (r: inout JSONReader) throws(JSONFailure) in
  ///       try r.elements { (r: inout JSONReader) throws(JSONFailure) in parts.append(try r.skipValue()) }
  ///     }
  ///     let request = try BootNotificationRequest.decode(frame, in: parts[3], version: .v201)
  ///
  /// When the frame turns out to be no JSON further on, `parts` still holds the elements before that.
  @discardableResult
  public mutating func skipValue() throws(JSONFailure) -> Range<Int> {
    _ = try peek()
    let start = position
    // One bit per level: set in an object.
    var levels = BitStack()
    repeat {
      var opened = false
      switch try kind() {
      case .string: _ = try stringToken()
      case .number: position = try number("a number").end
      case .null: try null()
      case .bool: _ = try bool()
      case .object, .array:
        let isObject = base[position] == 0x7B
        guard levels.push(isObject) else { throw fail(.tooDeep(JSONLimits.maxSkipDepth), at: position) }
        position += 1
        opened = true
      }
      // Close what ends here, and step to the next value of what is still open.
      var isFirst = opened
      while let inObject = levels.top {
        let byte = try peek()
        if byte == (inObject ? 0x7D : 0x5D) {
          position += 1
          levels.pop()
          isFirst = false
          continue
        }
        if !isFirst {
          guard byte == 0x2C else { throw fail(.syntax(inObject ? "',' or '}'" : "',' or ']'"), at: position) }
          position += 1
        }
        if inObject {
          if try peek() != 0x22 { throw fail(.syntax("a key in quotes"), at: position) }
          _ = try stringToken()
          try colon()
        }
        break
      }
    } while levels.top != nil
    return start..<position
  }
}

/// A stack of up to `JSONLimits.maxSkipDepth` bits.
private struct BitStack {
  private var low: UInt64 = 0
  private var high: UInt64 = 0
  private var count = 0

  var top: Bool? { count == 0 ? nil : low & 1 == 1 }

  /// False when it is full.
  mutating func push(_ bit: Bool) -> Bool {
    guard count < JSONLimits.maxSkipDepth else { return false }
    high = high << 1 | low >> 63
    low = low << 1 | (bit ? 1 : 0)
    count += 1
    return true
  }

  mutating func pop() {
    low = low >> 1 | high << 63
    high >>= 1
    count -= 1
  }
}
