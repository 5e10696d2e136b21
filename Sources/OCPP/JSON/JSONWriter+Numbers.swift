extension JSONWriter {
  /// Decimal digits of a number; 20 bytes must be reserved.
  @inline(__always)
  mutating func digits(_ value: Int64) {
    if value < 0 { put(0x2D) }
    magnitude(value.magnitude)
  }

  @inline(__always)
  private mutating func magnitude(_ value: UInt64) {
    if value < 10 {
      put(UInt8(truncatingIfNeeded: 0x30 + value))
      return
    }
    var length = 1
    var power: UInt64 = 10
    while length < 20, value >= power {
      length += 1
      let (next, overflow) = power.multipliedReportingOverflow(by: 10)
      if overflow { break }
      power = next
    }
    fixed(value, length)
  }

  /// The last `length` decimal digits of `value`, with leading zeros; room must be reserved.
  @inline(__always)
  private mutating func fixed(_ value: UInt64, _ length: Int) {
    var rest = value
    advance(length) { end in
      var p = end
      for _ in 0..<length {
        p -= 1
        p.pointee = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
        rest /= 10
      }
    }
  }

  /// The last `length` decimal digits of `value`, the last `fraction` of them behind a point.
  @inline(__always)
  private mutating func fixed(_ value: UInt64, _ length: Int, fraction: Int) {
    var rest = value
    advance(length + 1) { end in
      var p = end
      for index in 0..<length {
        if index == fraction {
          p -= 1
          p.pointee = 0x2E
        }
        p -= 1
        p.pointee = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
        rest /= 10
      }
    }
  }

  /// A number with a fraction, or beyond `Int64`.
  @inline(never)
  mutating func decimal(_ mantissa: Int64, _ exponent: Int) {
    reserve(64)
    if mantissa < 0 { put(0x2D) }
    let value = mantissa.magnitude
    var length = 1
    var rest = value
    while rest >= 10 {
      rest /= 10
      length += 1
    }
    if exponent < 0 && -exponent < length {
      fixed(value, length, fraction: -exponent)
    } else if exponent < 0 && -exponent <= 40 {
      put(0x30)
      put(0x2E)
      for _ in 0..<(-exponent - length) { put(0x30) }
      fixed(value, length)
    } else if exponent >= 0 && exponent + length <= 40 {
      fixed(value, length)
      for _ in 0..<exponent { put(0x30) }
    } else {
      var shortest = value
      var power = exponent
      while shortest % 10 == 0, length > 1 {
        shortest /= 10
        power += 1
        length -= 1
      }
      fixed(shortest, length)
      put(0x65)
      digits(Int64(power))
    }
  }

  /// `2026-03-14T09:26:53.589Z` without quotes.
  mutating func rawDateTime(_ value: DateTime) {
    reserve(24)
    let milliseconds = Int(value.unixMilliseconds)
    var days = milliseconds / 86_400_000
    var rest = milliseconds % 86_400_000
    if rest < 0 {
      rest += 86_400_000
      days -= 1
    }
    let (year, month, day) = DateTime.date(ofDay: days)
    fixed(UInt64(max(0, year)), 4)
    put(0x2D)
    pair(month)
    put(0x2D)
    pair(day)
    put(0x54)
    pair(rest / 3_600_000)
    put(0x3A)
    pair(rest / 60_000 % 60)
    put(0x3A)
    pair(rest / 1_000 % 60)
    put(0x2E)
    fixed(UInt64(rest % 1_000), 3)
    put(0x5A)
  }

  @inline(__always)
  private mutating func pair(_ value: Int) {
    put(UInt8(truncatingIfNeeded: 0x30 + value / 10))
    put(UInt8(truncatingIfNeeded: 0x30 + value % 10))
  }
}
