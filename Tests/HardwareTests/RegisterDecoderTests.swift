import OCPP
import Testing

@testable import DeviceModel
@testable import Hardware

@Suite struct RegisterDecoderTests {
  private typealias Value = RegisterDecoder.Value

  private func part(
    _ type: MeterField.FieldType, at address: Int = 0, scale: String = "1", lowWordFirst: Bool = false,
    exponent: MeterField.Exponent? = nil, unavailable: UInt64? = nil, registers: Int? = nil
  ) -> MeterField.Part {
    MeterField.Part(
      span: .init(function: 3, address: address, registers: registers ?? type.registers ?? 1), type: type,
      lowWordFirst: lowWordFirst, scale: DecimalNumber(scale) ?? .zero, exponent: exponent, unavailable: unavailable)
  }

  private func decode(_ parts: MeterField.Part..., words: UInt16...) -> Value {
    let space = Dictionary(uniqueKeysWithValues: words.enumerated().map { ($0.offset, $0.element) })
    return RegisterDecoder.number(MeterField(parts: parts), in: [3: space])
  }

  @Test func integersOfAllSizes() {
    #expect(decode(part(.int16), words: 0xFFFE) == .number(-2000))
    #expect(decode(part(.uint16), words: 0xFFFE) == .number(65_534_000))
    #expect(decode(part(.int32, scale: "0.1"), words: 0xFFFF, 0xFFFF) == .number(-100))
    #expect(decode(part(.uint32), words: 0xFFFF, 0xFFFF) == .number(4_294_967_295_000))
    #expect(decode(part(.int64, scale: "0.001"), words: 0x8000, 0, 0, 0) == .number(.min))
    #expect(decode(part(.uint64, scale: "0.001"), words: 0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF) == .number(.max))
    // 2^53 + 1 is lost in a Double.
    #expect(decode(part(.uint64), words: 0x0020, 0, 0, 1) == .number(9_007_199_254_740_993_000))
  }

  @Test func wordOrder() {
    #expect(decode(part(.uint32, lowWordFirst: true), words: 1, 2) == .number((2 << 16 + 1) * 1000))
    #expect(
      decode(part(.int64, scale: "0.001", lowWordFirst: true), words: 4, 3, 2, 1) == .number(0x0001_0002_0003_0004))
    #expect(decode(part(.float32, lowWordFirst: true), words: 0, 0x4366) == .number(230_000))
  }

  @Test func floatsAreTakenForWhatTheyAre() {
    // 1245.567 as a float32 is 1245.5670166015625.
    #expect(decode(part(.float32, scale: "1000"), words: 0x449B, 0xB225) == .number(1_245_567_017))
    #expect(decode(part(.float32), words: 0x4247, 0xEB85) == .number(49_980))
    #expect(decode(part(.float32), words: 0xC247, 0xEB85) == .number(-49_980))
    // 16 777 216 kWh and the next float32.
    #expect(decode(part(.float32, scale: "1000"), words: 0x4B80, 0x0000) == .number(16_777_216_000_000))
    #expect(decode(part(.float32, scale: "1000"), words: 0x4B80, 0x0001) == .number(16_777_218_000_000))
    // 123456789.0625 as a float64.
    #expect(decode(part(.float64), words: 0x419D, 0x6F34, 0x5440, 0x0000) == .number(123_456_789_063))
    #expect(decode(part(.float32), words: 0, 1) == .number(0))
    #expect(decode(part(.float32), words: 0x8000, 0) == .number(0))
  }

  @Test func halvesGoAwayFromZero() {
    #expect(decode(part(.int16, scale: "0.0005"), words: 1) == .number(1))
    #expect(decode(part(.int16, scale: "0.0005"), words: 0xFFFF) == .number(-1))
    #expect(decode(part(.int16, scale: "0.0004"), words: 1) == .number(0))
    #expect(decode(part(.float32), words: 0x3B00, 0) == .number(2))  // 2^-9 = 1.953 thousandths
  }

  @Test func packedDecimals() {
    // Exponent -1, value 2301: 230.1.
    #expect(decode(part(.udecimal32), words: 0xFF00, 2301) == .number(230_100))
    #expect(decode(part(.decimal32), words: 0xFEFF, 0xFFFF) == .number(-10))
    #expect(decode(part(.udecimal32), words: 0xFEFF, 0xFFFF) == .number(167_772_150))
    #expect(decode(part(.decimal32), words: 0x8000, 1) == .invalid("exponent -128"))
  }

  @Test func exponentRegisters() {
    let exponent = MeterField.Exponent(span: .init(function: 3, address: 2, registers: 1), signed: true, bias: 0)
    let biased = MeterField.Exponent(span: .init(function: 3, address: 2, registers: 1), signed: true, bias: -3)
    #expect(decode(part(.int32, exponent: exponent), words: 0, 12_345, 0xFFFF) == .number(1_234_500))
    #expect(decode(part(.int32, exponent: exponent), words: 0, 12_345, 2) == .number(1_234_500_000))
    #expect(decode(part(.int32, exponent: biased), words: 0, 12_345, 0) == .number(12_345))
    #expect(decode(part(.int32, exponent: exponent), words: 0, 1, 0x8000) == .unavailable)
    #expect(decode(part(.int32, exponent: exponent), words: 0, 1, 99) == .invalid("exponent 99"))
    #expect(decode(part(.int32, exponent: exponent), words: 0, 1) == .invalid("was not read"))
  }

  @Test func splitValuesAreAdded() {
    let kilo = part(.int32, at: 0, scale: "1000")
    let rest = part(.int32, at: 2)
    #expect(decode(kilo, rest, words: 0, 1234, 0, 567) == .number(1_234_567_000))
    #expect(decode(kilo, rest, words: 0, 1234) == .invalid("was not read"))
  }

  @Test func whatIsNoValue() {
    #expect(decode(part(.uint32, unavailable: 0xFFFF_FFFF), words: 0xFFFF, 0xFFFF) == .unavailable)
    #expect(decode(part(.uint32, unavailable: 0xFFFF_FFFF), words: 0xFFFF, 0xFFFE) != .unavailable)
    #expect(decode(part(.float32), words: 0x7FC0, 0) == .unavailable)
    #expect(decode(part(.float32), words: 0x7F80, 0) == .invalid("infinite"))
    #expect(decode(part(.float32, scale: "1000"), words: 0x7F7F, 0xFFFF) == .invalid("too large"))
    #expect(decode(part(.uint64), words: 0xFFFF, 0, 0, 0) == .invalid("too large"))
    #expect(decode(part(.int16)) == .invalid("was not read"))
  }

  @Test func texts() {
    func text(_ words: UInt16...) -> String? {
      let field = MeterField(parts: [part(.string, registers: words.count)])
      return RegisterDecoder.text(
        field, in: [3: Dictionary(uniqueKeysWithValues: words.enumerated().map { ($0.offset, $0.element) })])
    }
    #expect(text(0x4142, 0x4300, 0x0000, 0x5858) == "ABC")
    #expect(text(0x0041, 0x0042, 0x0000) == "AB")
    #expect(text(0x2041, 0x4220) == "AB")
    #expect(text(0x0000) == "")
  }

  /// Any bits of any type give a value, none, or a reason, and never stop the process.
  @Test func anyBits() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<1000 {
      for type in MeterField.FieldType.allCases {
        let bits = UInt64.random(in: .min ... .max, using: &random)
        let words = (0..<4).map { UInt16(truncatingIfNeeded: bits >> (48 - 16 * $0)) }
        let field = MeterField(parts: [part(type, scale: ["1", "0.001", "1000", "1e12"].randomElement() ?? "1")])
        let space = Dictionary(uniqueKeysWithValues: words.enumerated().map { ($0.offset, $0.element) })
        _ = RegisterDecoder.number(field, in: [3: space])
      }
    }
  }
}
