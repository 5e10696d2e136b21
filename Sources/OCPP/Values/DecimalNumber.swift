/// A JSON number, kept exactly: `mantissa` times ten to the power of `exponent`.
///
/// Equal values have equal members: the exponent is zero where the value is an integer that fits `Int64`, negative
/// (with a mantissa that is no multiple of ten) for a fraction, and positive only for integers beyond `Int64`.
/// Values that need more than 64 bits of mantissa, or, written like this, an exponent outside `exponentRange`, do not
/// exist: the largest is about 9.2e145.
public struct DecimalNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// Smallest and largest exponent of a value.
  public static let exponentRange = -127...127

  public let mantissa: Int64
  public var exponent: Int { Int(storedExponent) }
  private let storedExponent: Int8

  public static let zero = DecimalNumber(0)

  public init(_ value: Int) {
    mantissa = Int64(value)
    storedExponent = 0
  }

  /// The value `mantissa` times ten to the power of `exponent`. An exponent out of range gives the nearest value there
  /// is: zero, or the largest magnitude of that sign.
  public init(mantissa: Int64, exponent: Int) {
    if let exact = DecimalNumber(exactMantissa: mantissa, exponent: exponent) {
      self = exact
    } else if exponent < 0 {
      self = .zero
    } else {
      self.mantissa = mantissa < 0 ? .min : .max
      storedExponent = Int8(DecimalNumber.exponentRange.upperBound)
    }
  }

  /// The value, or `nil` when its exponent is out of range.
  init?(exactMantissa: Int64, exponent: Int) {
    var m = exactMantissa
    var e = exponent
    if m == 0 { e = 0 }
    while e < 0, m % 10 == 0 {
      m /= 10
      e += 1
    }
    while e > 0 {
      let (next, overflow) = m.multipliedReportingOverflow(by: 10)
      if overflow { break }
      m = next
      e -= 1
    }
    guard DecimalNumber.exponentRange.contains(e) else { return nil }
    mantissa = m
    storedExponent = Int8(truncatingIfNeeded: e)
  }

  /// Parses JSON number syntax. `nil` for anything else, and for what does not fit exactly.
  public init?(_ text: some StringProtocol) {
    var utf8 = Array(text.utf8)
    utf8.append(0)
    let parsed = utf8.withUnsafeBufferPointer { buffer -> DecimalNumber? in
      guard let base = buffer.baseAddress, let scan = NumberScan(base, from: 0, to: buffer.count - 1) else {
        return nil
      }
      return scan.end == buffer.count - 1 ? scan.decimal : nil
    }
    guard let parsed else { return nil }
    self = parsed
  }

  /// The value as an `Int`, when it is one.
  public var int: Int? { storedExponent == 0 ? Int(exactly: mantissa) : nil }

  /// True when there is no fraction.
  public var isIntegral: Bool { storedExponent >= 0 }

  /// The nearest integral value; halves go away from zero.
  public var rounded: DecimalNumber { rounded(toExponent: 0) }

  /// The nearest multiple of ten to the power of `exponent` (-2: two decimal places); halves go away from zero.
  public func rounded(toExponent target: Int) -> DecimalNumber {
    guard target > exponent else { return self }
    var m = mantissa
    var last: Int64 = 0
    var e = exponent
    while e < target, m != 0 || last != 0 {
      last = m % 10
      m /= 10
      e += 1
    }
    guard e == target else { return .zero }
    if last >= 5 { m += 1 }
    if last <= -5 { m -= 1 }
    return DecimalNumber(mantissa: m, exponent: target)
  }

  /// Nearest `Double`, for physics; never for what goes on the wire.
  public var double: Double {
    var scale = 1.0
    for _ in 0..<abs(exponent) { scale *= 10 }
    return exponent < 0 ? Double(mantissa) / scale : Double(mantissa) * scale
  }

  /// The value times ten to the power of `power`, or `nil` when out of range.
  public func scaled(byPowerOfTen power: Int) -> DecimalNumber? {
    let (e, overflow) = exponent.addingReportingOverflow(power)
    return overflow ? nil : DecimalNumber(exactMantissa: mantissa, exponent: e)
  }

  /// The exact sum, or `nil` when it does not fit.
  public func adding(_ other: DecimalNumber) -> DecimalNumber? {
    guard let (a, b, e) = DecimalNumber.aligned(self, other) else { return nil }
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? nil : DecimalNumber(exactMantissa: sum, exponent: e)
  }

  /// The exact difference, or `nil` when it does not fit.
  public func subtracting(_ other: DecimalNumber) -> DecimalNumber? {
    guard let (a, b, e) = DecimalNumber.aligned(self, other) else { return nil }
    let (difference, overflow) = a.subtractingReportingOverflow(b)
    return overflow ? nil : DecimalNumber(exactMantissa: difference, exponent: e)
  }

  /// The exact product, or `nil` when it does not fit.
  public func multiplied(by other: DecimalNumber) -> DecimalNumber? {
    let (product, overflow) = mantissa.multipliedReportingOverflow(by: other.mantissa)
    return overflow ? nil : DecimalNumber(exactMantissa: product, exponent: exponent + other.exponent)
  }

  /// Mantissas of both values at the smaller of their exponents.
  private static func aligned(_ a: DecimalNumber, _ b: DecimalNumber) -> (Int64, Int64, Int)? {
    if a.exponent == b.exponent { return (a.mantissa, b.mantissa, a.exponent) }
    if a.exponent < b.exponent {
      guard let m = shifted(b.mantissa, by: b.exponent - a.exponent) else { return nil }
      return (a.mantissa, m, a.exponent)
    }
    guard let m = shifted(a.mantissa, by: a.exponent - b.exponent) else { return nil }
    return (m, b.mantissa, b.exponent)
  }

  private static func shifted(_ mantissa: Int64, by places: Int) -> Int64? {
    var m = mantissa
    if m == 0 { return 0 }
    for _ in 0..<places {
      let (next, overflow) = m.multipliedReportingOverflow(by: 10)
      if overflow { return nil }
      m = next
    }
    return m
  }

  public static func < (a: DecimalNumber, b: DecimalNumber) -> Bool {
    if let (x, y, _) = aligned(a, b) { return x < y }
    // One of them cannot be written at the other's exponent: the one with the larger exponent has the larger magnitude.
    if a.exponent > b.exponent { return a.mantissa < 0 }
    return b.mantissa > 0
  }

  /// The shortest JSON number without an exponent, or with one where the digits would number more than forty.
  public var description: String {
    var writer = JSONWriter(capacity: 64)
    writer.value(self)
    return writer.text
  }
}

extension DecimalNumber: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int) { self.init(value) }
}
