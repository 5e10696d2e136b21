/// A number as it stands in a document, taken apart.
struct NumberScan {
  /// Behind the last character.
  var end: Int
  var isNegative = false
  /// The digits, without the point; meaningless when `overflows`.
  var magnitude: UInt64 = 0
  /// Power of ten that the magnitude is multiplied by.
  var exponent = 0
  /// The digits do not fit 64 bits.
  var overflows = false
  /// Neither point nor exponent in the text.
  var isInteger = true

  /// Scans the JSON number at `from`; `nil` when there is none. What follows the number is not looked at.
  @inline(__always)
  init?(_ base: UnsafePointer<UInt8>, from: Int, to limit: Int) {
    var index = from
    if index < limit, base[index] == 0x2D {
      isNegative = true
      index &+= 1
    }
    guard index < limit else { return nil }
    let firstDigit = index
    var value: UInt64 = 0
    while index < limit {
      let digit = base[index] &- 0x30
      if digit > 9 { break }
      value = value &* 10 &+ UInt64(digit)
      index &+= 1
    }
    let digits = index &- firstDigit
    if digits == 0 || (digits > 1 && base[firstDigit] == 0x30) { return nil }
    magnitude = value
    end = index
    if index < limit, base[index] == 0x2E || base[index] | 0x20 == 0x65 {
      guard scanFraction(base, limit: limit) else { return nil }
    }
    // Nineteen digits always fit.
    if end &- firstDigit > 19 { rescan(base, firstDigit) }
  }

  /// Scans `.digits` and an exponent from `end` on; the fraction's digits go into the magnitude unchecked.
  @inline(__always)
  private mutating func scanFraction(_ base: UnsafePointer<UInt8>, limit: Int) -> Bool {
    isInteger = false
    var index = end
    if base[index] == 0x2E {
      index &+= 1
      let start = index
      while index < limit {
        let digit = base[index] &- 0x30
        if digit > 9 { break }
        magnitude = magnitude &* 10 &+ UInt64(digit)
        index &+= 1
      }
      if index == start { return false }
      exponent = start &- index
    }
    end = index
    if index < limit, base[index] | 0x20 == 0x65 { return scanExponent(base, limit: limit) }
    return true
  }

  @inline(never)
  private mutating func scanExponent(_ base: UnsafePointer<UInt8>, limit: Int) -> Bool {
    var index = end + 1
    var isNegative = false
    if index < limit, base[index] == 0x2B || base[index] == 0x2D {
      isNegative = base[index] == 0x2D
      index += 1
    }
    let start = index
    var value = 0
    while index < limit, base[index] >= 0x30, base[index] <= 0x39 {
      // Nobody tells 10^1000000 from 10^2000000: both are out of range.
      if value < 1_000_000 { value = value * 10 + Int(base[index] - 0x30) }
      index += 1
    }
    if index == start { return false }
    end = index
    exponent += isNegative ? -value : value
    return true
  }

  /// Goes over the digits again, with care: leading and trailing zeros may be all that makes them too many.
  @inline(never)
  private mutating func rescan(_ base: UnsafePointer<UInt8>, _ firstDigit: Int) {
    var value: UInt64 = 0
    var pendingZeros = 0
    var digits = 0
    var digitsBeforePoint: Int?
    var digitsTaken = 0
    for index in firstDigit..<end {
      let byte = base[index]
      if byte == 0x2E {
        digitsBeforePoint = digits
        continue
      }
      guard byte >= 0x30, byte <= 0x39 else { break }
      digits += 1
      if byte == 0x30 {
        pendingZeros += 1
        continue
      }
      if value != 0 {
        for _ in 0..<pendingZeros where !overflows { append(0, to: &value) }
      }
      append(UInt64(byte - 0x30), to: &value)
      pendingZeros = 0
      digitsTaken = digits
    }
    let beforePoint = digitsBeforePoint ?? digits
    let writtenExponent = exponent + digits - beforePoint
    magnitude = value
    exponent = digitsTaken == 0 ? 0 : writtenExponent + beforePoint - digitsTaken
  }

  private mutating func append(_ digit: UInt64, to value: inout UInt64) {
    let (product, first) = value.multipliedReportingOverflow(by: 10)
    let (sum, second) = product.addingReportingOverflow(digit)
    value = sum
    if first || second { overflows = true }
  }

  /// The value, when it fits.
  var decimal: DecimalNumber? {
    guard let mantissa = signed else { return nil }
    return DecimalNumber(exactMantissa: mantissa, exponent: exponent)
  }

  /// Magnitude with its sign, when it fits.
  var signed: Int64? {
    if overflows { return nil }
    if isNegative {
      if magnitude == UInt64(Int64.max) + 1 { return .min }
      return Int64(exactly: magnitude).map { -$0 }
    }
    return Int64(exactly: magnitude)
  }
}
