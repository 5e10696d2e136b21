/// The core's only source of randomness: SplitMix64 from the seed of `StationStart`. The same seed gives the same run.
/// Not for keys: those come from OpenSSL, outside the core.
struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A version 4 UUID (RFC 9562) in its 36-character text form.
  mutating func uuid() -> String {
    var high = next()
    var low = next()
    high = (high & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000
    low = (low & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
    var text: [UInt8] = []
    text.reserveCapacity(36)
    let digits = Array("0123456789abcdef".utf8)
    for index in 0..<32 {
      if index == 8 || index == 12 || index == 16 || index == 20 { text.append(UInt8(ascii: "-")) }
      let word = index < 16 ? high : low
      let shift = UInt64(60 - 4 * (index % 16))
      text.append(digits[Int((word >> shift) & 0xF)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
