import DeviceModel
import OCPP

/// Turns registers into exact values.
enum RegisterDecoder {
  enum Value: Hashable {
    /// In thousandths of the quantity's SI unit.
    case number(Int64)
    /// The device says that it has no such value.
    case unavailable
    /// The registers hold what cannot be a value: what.
    case invalid(String)
  }

  /// Registers that were read, by function and address.
  typealias Registers = [UInt8: [Int: UInt16]]

  /// The value of a quantity, rounded to thousandths (halves away from zero) where it is finer: integers of any size
  /// and decimals are exact, floating-point numbers are taken for exactly what they are.
  static func number(_ field: MeterField, in registers: Registers) -> Value {
    var sum: Int64 = 0
    for part in field.parts {
      switch number(part, in: registers) {
      case .number(let value):
        let (next, overflow) = sum.addingReportingOverflow(value)
        if overflow { return .invalid("too large") }
        sum = next
      case let other: return other
      }
    }
    return .number(sum)
  }

  private static func number(_ part: MeterField.Part, in registers: Registers) -> Value {
    guard let bits = bits(part.span, part.lowWordFirst, in: registers) else { return .invalid("was not read") }
    if bits == part.unavailable { return .unavailable }
    var exponent = part.scale.exponent + 3
    if let source = part.exponent {
      guard let raw = registers[source.span.function]?[source.span.address] else { return .invalid("was not read") }
      let power = source.signed ? Int(Int16(bitPattern: raw)) : Int(raw)
      // SunSpec's "not implemented".
      if source.signed, raw == 0x8000 { return .unavailable }
      guard (-18...18).contains(power + source.bias) else { return .invalid("exponent \(power)") }
      exponent += power + source.bias
    }
    switch part.type {
    case .float32:
      return float(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))), part.scale.mantissa, exponent)
    case .float64: return float(Double(bitPattern: bits), part.scale.mantissa, exponent)
    case .decimal32, .udecimal32:
      let power = Int(Int8(bitPattern: UInt8(bits >> 24)))
      guard (-18...18).contains(power) else { return .invalid("exponent \(power)") }
      let value = part.type == .udecimal32 ? Int(bits & 0xFF_FFFF) : Int(Int32(truncatingIfNeeded: bits << 8) >> 8)
      return scaled(Int128(value), part.scale.mantissa, exponent + power)
    case .string: return .invalid("is a text")
    default: return scaled(integer(bits, part.type), part.scale.mantissa, exponent)
    }
  }

  /// A text: printable ASCII up to the first zero byte that ends it, without spaces around it; `nil` when it was not
  /// read. Zero bytes before the first character of a register are skipped: some meters store one character a register.
  static func text(_ field: MeterField, in registers: Registers) -> String? {
    guard let part = field.parts.first, let words = words(part.span, in: registers) else { return nil }
    var bytes: [UInt8] = []
    for word in words {
      let pair = [UInt8(word >> 8), UInt8(word & 0xFF)]
      if pair == [0, 0] { break }
      bytes += pair.filter { (0x20..<0x7F).contains($0) }
    }
    let text = String(decoding: bytes, as: UTF8.self)
    let trimmed = text.drop { $0 == " " }
    return String(trimmed.reversed().drop { $0 == " " }.reversed())
  }

  /// The bits of an identity field that is a number, or its text.
  static func bits(_ field: MeterField, in registers: Registers) -> UInt64? {
    field.parts.first.flatMap { bits($0.span, $0.lowWordFirst, in: registers) }
  }

  private static func words(_ span: MeterField.Span, in registers: Registers) -> [UInt16]? {
    guard let space = registers[span.function] else { return nil }
    var words: [UInt16] = []
    for address in span.address..<(span.address + span.registers) {
      guard let word = space[address] else { return nil }
      words.append(word)
    }
    return words
  }

  private static func bits(_ span: MeterField.Span, _ lowWordFirst: Bool, in registers: Registers) -> UInt64? {
    guard let words = words(span, in: registers), words.count <= 4 else { return nil }
    return (lowWordFirst ? words.reversed() : words).reduce(0) { $0 << 16 | UInt64($1) }
  }

  private static func integer(_ bits: UInt64, _ type: MeterField.FieldType) -> Int128 {
    switch type {
    case .int16: return Int128(Int16(truncatingIfNeeded: bits))
    case .int32: return Int128(Int32(truncatingIfNeeded: bits))
    case .int64: return Int128(Int64(bitPattern: bits))
    default: return Int128(bits)
    }
  }

  /// value × mantissa × 10^exponent.
  private static func scaled(_ value: Int128, _ mantissa: Int64, _ exponent: Int) -> Value {
    rational(value, mantissa, exponent, binary: 0)
  }

  private static func float(_ value: Double, _ mantissa: Int64, _ exponent: Int) -> Value {
    guard value.isFinite else { return value.isNaN ? .unavailable : .invalid("infinite") }
    guard value != 0 else { return .number(0) }
    // Whole significand and power of two: exact. At most 53 bits, without the zeros at its end.
    let bits = value.significandBitPattern | (value.isNormal ? 1 << 52 : 0)
    var power = Int(value.isNormal ? value.exponent : -1022) - 52
    let zeros = bits.trailingZeroBitCount
    power += zeros
    let significand = Int128(bits >> UInt64(zeros))
    return rational(value < 0 ? -significand : significand, mantissa, exponent, binary: power)
  }

  /// value × mantissa × 10^decimal × 2^binary, rounded, halves away from zero.
  private static func rational(_ value: Int128, _ mantissa: Int64, _ decimal: Int, binary: Int) -> Value {
    var (numerator, overflow) = value.multipliedReportingOverflow(by: Int128(mantissa))
    var denominator: Int128 = 1
    // What is common to tens and twos is not multiplied out.
    var twos = binary + decimal
    var fives = decimal
    func multiply(_ number: inout Int128, _ factor: Int128) {
      let (product, over) = number.multipliedReportingOverflow(by: factor)
      overflow = overflow || over
      number = product
    }
    while fives > 0, !overflow {
      multiply(&numerator, 5)
      fives -= 1
    }
    while fives < 0, !overflow {
      multiply(&denominator, 5)
      fives += 1
    }
    while twos > 0, !overflow {
      multiply(&numerator, 2)
      twos -= 1
    }
    if overflow { return .invalid("too large") }
    while twos < 0 {
      // Beyond this the value is far below half a thousandth, or the lost bits are.
      let (product, over) = denominator.multipliedReportingOverflow(by: 2)
      if over || product > Int128.max / 4 { numerator /= 2 } else { denominator = product }
      twos += 1
      if numerator == 0 { return .number(0) }
    }
    let half = denominator / 2
    let (rounded, over) = numerator.addingReportingOverflow(numerator < 0 ? -half : half)
    guard !over, let result = Int64(exactly: rounded / denominator) else { return .invalid("too large") }
    return .number(result)
  }
}
