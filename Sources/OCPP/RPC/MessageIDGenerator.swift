/// Makes the ids of our calls: UUIDs of version 4 (RFC 9562) in lower case, 36 characters.
///
/// A message id must not repeat on any connection of the same station, before or after a restart (Part 4, 4.1.4). With
/// 122 random bits it does not, as long as two generators are never started from the same state: the generator given
/// must be seeded anew at every start of the process, from a source with at least 64 random bits.
public struct MessageIDGenerator<Random: RandomNumberGenerator> {
  private var random: Random

  public init(random: Random) {
    self.random = random
  }

  public mutating func next() -> String {
    Self.uuid(using: &random)
  }

  /// A UUID of version 4 from any generator.
  public static func uuid(using random: inout some RandomNumberGenerator) -> String {
    let high: UInt64 = random.next()
    let low: UInt64 = random.next()
    // Version 4 in the top bits of octet 6, variant 0b10 in those of octet 8.
    let words = [high & ~0xF000 | 0x4000, low & ~(3 << 62) | (2 << 62)]
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for place in 0..<32 {
      if place == 8 || place == 12 || place == 16 || place == 20 { text.append(UInt8(ascii: "-")) }
      let digit = UInt8(truncatingIfNeeded: words[place / 16] >> UInt64(60 - 4 * (place % 16)) & 15)
      text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension MessageIDGenerator: Sendable where Random: Sendable {}
