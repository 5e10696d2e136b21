/// A point in time, as OCPP writes it: RFC 3339, UTC, milliseconds. Comparison looks at the instant only.
public struct DateTime: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z; initializers bring other values to the nearer end.
  public static let range: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

  /// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
  public let unixMilliseconds: Int64
  /// True when the text it was read from named no time zone, and UTC was assumed.
  public let zoneAssumed: Bool

  public init(unixMilliseconds: Int64) {
    self.init(unixMilliseconds: unixMilliseconds, zoneAssumed: false)
  }

  init(unixMilliseconds: Int64, zoneAssumed: Bool) {
    self.unixMilliseconds = min(max(unixMilliseconds, DateTime.range.lowerBound), DateTime.range.upperBound)
    self.zoneAssumed = zoneAssumed
  }

  /// Reads RFC 3339: `2026-03-14T09:26:53.589Z`, offsets such as `+01:00`, any number of fraction digits (those after
  /// the third are cut off), `t`, `z` and a space for `T`. A missing zone is taken for UTC. Second 60 is the next minute.
  public init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    guard let value = bytes.withUnsafeBufferPointer({ DateTime(utf8: $0) }) else { return nil }
    self = value
  }

  init?(utf8 text: UnsafeBufferPointer<UInt8>) {
    let count = text.count
    guard count >= 19, let base = text.baseAddress else { return nil }

    func digit(_ index: Int) -> Int {
      let value = Int(base[index]) - 0x30
      return value >= 0 && value <= 9 ? value : -1_000_000
    }
    func pair(_ index: Int) -> Int { digit(index) * 10 + digit(index + 1) }

    let year = pair(0) * 100 + pair(2)
    let month = pair(5)
    let day = pair(8)
    let hour = pair(11)
    let minute = pair(14)
    let second = pair(17)
    let separator = base[10]
    guard base[4] == 0x2D, base[7] == 0x2D, separator == 0x54 || separator == 0x74 || separator == 0x20,
      base[13] == 0x3A, base[16] == 0x3A,
      year >= 0, month >= 1, month <= 12, day >= 1, day <= DateTime.days(inMonth: month, year: year),
      hour >= 0, hour <= 23, minute >= 0, minute <= 59, second >= 0, second <= 60
    else { return nil }

    var index = 19
    var milliseconds = 0
    if index < count, base[index] == 0x2E {
      index += 1
      let start = index
      while index < count, digit(index) >= 0 {
        if index - start < 3 { milliseconds = milliseconds * 10 + digit(index) }
        index += 1
      }
      guard index > start else { return nil }
      if index - start == 1 { milliseconds *= 100 }
      if index - start == 2 { milliseconds *= 10 }
    }

    var offsetMinutes = 0
    var zoneAssumed = false
    if index == count {
      zoneAssumed = true
    } else if base[index] == 0x5A || base[index] == 0x7A {
      guard count == index + 1 else { return nil }
    } else {
      guard base[index] == 0x2B || base[index] == 0x2D, count == index + 6, base[index + 3] == 0x3A else { return nil }
      let hours = pair(index + 1)
      let minutes = pair(index + 4)
      guard hours >= 0, hours <= 23, minutes >= 0, minutes <= 59 else { return nil }
      offsetMinutes = (hours * 60 + minutes) * (base[index] == 0x2D ? -1 : 1)
    }

    let days = DateTime.days(fromYear: year, month: month, day: day)
    let seconds = days * 86_400 + hour * 3_600 + (minute - offsetMinutes) * 60 + second
    let total = Int64(seconds) * 1_000 + Int64(milliseconds)
    guard DateTime.range.contains(total) else { return nil }
    self.init(unixMilliseconds: total, zoneAssumed: zoneAssumed)
  }

  public static func == (a: DateTime, b: DateTime) -> Bool { a.unixMilliseconds == b.unixMilliseconds }
  public static func < (a: DateTime, b: DateTime) -> Bool { a.unixMilliseconds < b.unixMilliseconds }
  public func hash(into hasher: inout Hasher) { hasher.combine(unixMilliseconds) }

  /// `2026-03-14T09:26:53.589Z`
  public var description: String {
    var writer = JSONWriter(capacity: 32)
    writer.rawDateTime(self)
    return writer.text
  }

  private static func days(inMonth month: Int, year: Int) -> Int {
    switch month {
    case 2: return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: return 30
    default: return 31
    }
  }

  /// Days from 1970-01-01 in the proleptic Gregorian calendar.
  private static func days(fromYear year: Int, month: Int, day: Int) -> Int {
    // Years that begin in March put the leap day last; 400 years of them are one era of 146,097 days.
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// Year, month and day of a day number counted from 1970-01-01.
  static func date(ofDay days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
  }
}
