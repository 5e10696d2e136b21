import OCPP
import Testing

@Suite struct DecimalNumberTests {
  @Test(arguments: [
    ("0", "0"), ("-0", "0"), ("0.0", "0"), ("0e5", "0"), ("7", "7"), ("-7", "-7"), ("0.1", "0.1"), ("-0.1", "-0.1"),
    ("1.500", "1.5"), ("100", "100"), ("1e3", "1000"), ("12.5e2", "1250"), ("12.5E-1", "1.25"), ("0.001", "0.001"),
    ("16.02", "16.02"), ("12468.3", "12468.3"), ("9223372036854775807", "9223372036854775807"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("0.000000000000000000000000000012", "0.000000000000000000000000000012"),
    ("1e18", "1000000000000000000"), ("1e30", "1000000000000000000000000000000"), ("1e127", "1e127"),
    ("-12e120", "-12e120"),
    ("1e-127", "1e-127"), ("123456789.123456789", "123456789.123456789"), ("1.50000000000000000000000000", "1.5"),
    ("00.5", nil), ("01", nil), ("+1", nil), ("1.", nil), (".5", nil), ("1e", nil), ("1e+", nil), ("-", nil), ("", nil),
    (" 1", nil), ("1 ", nil), ("NaN", nil), ("Infinity", nil), ("0x10", nil), ("1e145", "1e145"), ("1e146", nil),
    ("1e-146", nil),
    ("0.12345678901234567891", nil), ("18446744073709551616", nil), ("1e999999999999999999999", nil),
  ])
  func textIsKeptExactly(text: String, expected: String?) {
    #expect(DecimalNumber(text)?.description == expected)
  }

  @Test func equalValuesAreEqualHoweverWritten() {
    #expect(DecimalNumber("1.50") == DecimalNumber(mantissa: 15, exponent: -1))
    #expect(DecimalNumber("2000") == DecimalNumber(mantissa: 2, exponent: 3))
    #expect(DecimalNumber("2e3")?.hashValue == DecimalNumber(2000).hashValue)
    #expect(DecimalNumber("0e-5") == .zero)
  }

  @Test func arithmeticIsExactOrNil() throws {
    let a = try #require(DecimalNumber("0.1"))
    let b = try #require(DecimalNumber("0.2"))
    #expect(a.adding(b) == DecimalNumber("0.3"))
    #expect(a.subtracting(b) == DecimalNumber("-0.1"))
    #expect(a.multiplied(by: b) == DecimalNumber("0.02"))
    #expect(a.scaled(byPowerOfTen: 3) == 100)
    #expect(DecimalNumber(Int.max).adding(1) == nil)
    #expect(DecimalNumber(Int.min).subtracting(1) == nil)
    #expect(DecimalNumber(Int.max).multiplied(by: 3) == nil)
    #expect(DecimalNumber("1e127")?.adding(1) == nil)
    #expect(DecimalNumber("1e145")?.scaled(byPowerOfTen: 1) == nil)
    #expect(a.scaled(byPowerOfTen: .max) == nil)
  }

  @Test func orderIsByValue() throws {
    let ordered = ["-1e127", "-1e30", "-5", "-0.5", "-1e-127", "0", "1e-127", "0.5", "0.51", "5", "1e30", "1e127"]
    let values = try ordered.map { try #require(DecimalNumber($0)) }
    #expect(values.shuffled().sorted() == values)
  }

  @Test(arguments: [
    ("1.25", -1, "1.3"), ("-1.25", -1, "-1.3"), ("1.24", -1, "1.2"), ("0.5", 0, "1"), ("-0.5", 0, "-1"),
    ("0.4", 0, "0"),
    ("149", 2, "100"), ("150", 2, "200"), ("0.0000001", 0, "0"), ("7", -3, "7"), ("9.99", -1, "10"),
  ])
  func roundingIsHalfAwayFromZero(text: String, exponent: Int, expected: String) throws {
    #expect(try #require(DecimalNumber(text)).rounded(toExponent: exponent).description == expected)
  }

  @Test func exponentsOutOfRangeAreBroughtToTheNearestValue() {
    #expect(DecimalNumber(mantissa: 5, exponent: -1000) == .zero)
    #expect(DecimalNumber(mantissa: 5, exponent: 1000) > DecimalNumber(Int.max))
    #expect(DecimalNumber(mantissa: -5, exponent: .max) < DecimalNumber(Int.min))
    #expect(DecimalNumber(mantissa: 0, exponent: .max) == .zero)
    #expect(DecimalNumber(mantissa: .min, exponent: .min) == .zero)
  }

  @Test func integersAndDoubles() {
    #expect(DecimalNumber("12e2")?.int == 1200)
    #expect(DecimalNumber("1.5")?.int == nil)
    #expect(DecimalNumber("1e30")?.int == nil)
    #expect(DecimalNumber("1e30")?.isIntegral == true)
    #expect(DecimalNumber("-230.25")?.double == -230.25)
  }
}
