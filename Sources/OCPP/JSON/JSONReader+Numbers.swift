extension JSONReader {
  @inline(__always)
  mutating func number(_ expected: StaticString) throws(JSONFailure) -> NumberScan {
    let byte = try peek()
    guard byte == 0x2D || (byte >= 0x30 && byte <= 0x39) else { throw wrongType(expected) }
    guard let scan = NumberScan(base, from: position, to: end) else { throw fail(.syntax("a number"), at: position) }
    return scan
  }

  /// Reads an integer: a number without a fraction or exponent that fits `Int`.
  public mutating func integer() throws(JSONFailure) -> Int {
    let scan = try number("an integer")
    if !scan.isInteger { throw fail(.notInteger, at: position) }
    guard let value = scan.decimal?.int else { throw fail(.integerTooLarge, at: position) }
    position = scan.end
    return value
  }

  /// Reads a number.
  public mutating func decimal() throws(JSONFailure) -> DecimalNumber {
    let scan = try number("a number")
    guard let value = scan.decimal else { throw fail(.numberTooLarge, at: position) }
    position = scan.end
    return value
  }
}
