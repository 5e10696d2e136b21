import Glibc

/// All randomness of a simulated world: SplitMix64. The same seed gives the same run.
struct Dice {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// 0 ..< 1
  mutating func fraction() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

  mutating func chance(_ probability: Double) -> Bool { fraction() < probability }

  mutating func within(_ range: ClosedRange<Int64>) -> Int64 {
    let span = UInt64(range.upperBound - range.lowerBound) + 1
    return range.lowerBound + Int64(next() % span)
  }

  mutating func pick<Element>(_ choices: [Element]) -> Element { choices[Int(next() % UInt64(choices.count))] }

  /// A waiting time with this mean, at least 1; at most ten times the mean.
  mutating func wait(mean: Int64) -> Int64 {
    min(max(1, Int64(-log(1 - fraction()) * Double(mean))), mean * 10)
  }

  /// Log-uniform: as likely between 1 and 10 as between 10 and 100.
  mutating func spread(_ range: ClosedRange<Int64>) -> Int64 {
    let low = log(Double(max(1, range.lowerBound)))
    let high = log(Double(range.upperBound))
    return Int64(exp(low + fraction() * (high - low)))
  }
}

extension Int64 {
  static let second: Int64 = 1000
  static let minute: Int64 = 60_000
  static let hour: Int64 = 3_600_000
  static let day: Int64 = 86_400_000
}
