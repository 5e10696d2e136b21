/// SHA-1 (FIPS 180-4), which RFC 6455 asks for in the opening handshake. It proves there that the server understood the
/// handshake; nothing secret depends on it.
func sha1(_ message: [UInt8]) -> [UInt8] {
  var padded = message
  padded.append(0x80)
  while padded.count % 64 != 56 { padded.append(0) }
  let bitCount = UInt64(message.count) &* 8
  for shift in stride(from: 56, through: 0, by: -8) {
    padded.append(UInt8(truncatingIfNeeded: bitCount >> UInt64(shift)))
  }

  var h: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0)
  var w = [UInt32](repeating: 0, count: 80)
  for block in stride(from: 0, to: padded.count, by: 64) {
    for i in 0..<16 {
      w[i] = (0..<4).reduce(0) { $0 << 8 | UInt32(padded[block + 4 * i + $1]) }
    }
    for i in 16..<80 { w[i] = rotateLeft(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], by: 1) }
    var (a, b, c, d, e) = h
    for i in 0..<80 {
      let (f, k): (UInt32, UInt32) =
        switch i {
        case ..<20: (b & c | ~b & d, 0x5A82_7999)
        case ..<40: (b ^ c ^ d, 0x6ED9_EBA1)
        case ..<60: (b & c | b & d | c & d, 0x8F1B_BCDC)
        default: (b ^ c ^ d, 0xCA62_C1D6)
        }
      let next = rotateLeft(a, by: 5) &+ f &+ e &+ k &+ w[i]
      (a, b, c, d, e) = (next, a, rotateLeft(b, by: 30), c, d)
    }
    h = (h.0 &+ a, h.1 &+ b, h.2 &+ c, h.3 &+ d, h.4 &+ e)
  }
  return [h.0, h.1, h.2, h.3, h.4].flatMap { word in
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
  }
}

private func rotateLeft(_ word: UInt32, by count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
