/// Energy as power times time, added up without rounding.
///
/// Amounts are counted in half nanojoules: the trapezoid of two powers in microwatts over milliseconds,
/// `(p0 + p1) * dt`, is a whole number of them. What does not make a whole milliwatt-hour is carried on.
struct EnergyRegister: Hashable, Sendable {
  /// 1 mWh = 3.6 J = 7.2e9 half nanojoules.
  static let halfNanojoulesPerMilliwattHour: Int64 = 7_200_000_000

  private(set) var milliwattHours: Int64
  /// Half nanojoules beyond `milliwattHours`; 0 ..< `halfNanojoulesPerMilliwattHour`.
  private(set) var remainder: Int64

  /// `remainder` outside its range is taken as 0.
  init(milliwattHours: Int64 = 0, remainder: Int64 = 0) {
    self.milliwattHours = milliwattHours
    self.remainder = (0..<Self.halfNanojoulesPerMilliwattHour).contains(remainder) ? remainder : 0
  }

  /// Adds an amount that is not negative; the register stays at `Int64.max` when it cannot hold the sum.
  mutating func add(halfNanojoules: Int128) {
    let (whole, rest) = (Int128(remainder) + halfNanojoules).quotientAndRemainder(
      dividingBy: Int128(Self.halfNanojoulesPerMilliwattHour))
    milliwattHours = Int64(clamping: Int128(milliwattHours) + whole)
    remainder = Int64(rest)
  }
}
