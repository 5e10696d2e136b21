/// What the control pilot's duty cycle says, and how it is set (IEC 61851-1, table A.8; limits as in the manual of the
/// Fluke FEV300, page 12).
public struct DutyCycle: Hashable, Comparable, Sendable {
  /// Hundredths of a percent, 0 to 10,000; 10,000 is the steady pilot.
  public let hundredths: Int

  public init?(hundredths: Int) {
    guard (0...10_000).contains(hundredths) else { return nil }
    self.hundredths = hundredths
  }

  private init(unchecked: Int) { hundredths = unchecked }

  /// Nothing is offered, 100 %.
  public static let steady = DutyCycle(unchecked: 10_000)
  /// The current is agreed on over digital communication, 5 %.
  public static let digital = DutyCycle(unchecked: 500)

  /// The least current that can be offered, milliamperes.
  public static let leastOffer: Int64 = 6000
  /// The most current that can be offered, milliamperes.
  public static let mostOffer: Int64 = 80_000

  /// The duty cycle that offers a current, never more than that; more than 80 A is offered as 80 A. `nil` below 6 A, which
  /// cannot be offered. Up to 51 A: I / 0.6 %, above: I / 2.5 + 64 %. From 51 to 52.5 A the second line is in the
  /// range of the first; there it stays at 51 A.
  public init?(offering milliamperes: Int64) {
    guard milliamperes >= Self.leastOffer else { return nil }
    let current = Int(min(milliamperes, Self.mostOffer))
    hundredths = current <= 51_000 ? current / 6 : max(8500, current / 25 + 6400)
  }

  public enum Meaning: Hashable, Sendable {
    /// The vehicle must not draw.
    case none
    case digitalCommunication
    /// The current that a vehicle may draw, milliamperes.
    case current(Int64)
  }

  /// What a vehicle makes of it.
  public var meaning: Meaning {
    switch hundredths {
    case 300...700: return .digitalCommunication
    case 800..<1000: return .current(6000)
    case 1000...8500: return .current(Int64(hundredths) * 6)
    case 8501...9600: return .current(Int64(hundredths - 6400) * 25)
    case 9601...9700: return .current(80_000)
    default: return .none
    }
  }

  public static func < (a: Self, b: Self) -> Bool { a.hundredths < b.hundredths }
}
