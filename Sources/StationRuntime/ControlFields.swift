import OCPP
import StationCore

/// The fields of one control command, read with errors that name the field, what was given and what was expected.
struct ControlFields {
  let members: JSONValue
  /// Where the fields are, for messages: empty, or e.g. `ev.`.
  var path = ""

  func has(_ name: String) -> Bool {
    switch members[name] {
    case nil, .null?: return false
    default: return true
    }
  }

  /// `null` counts as absent, here and below.
  func value(_ name: String) -> JSONValue? { has(name) ? members[name] : nil }

  func required<T>(_ name: String, _ value: T?) throws(ControlError) -> T {
    guard let value else { throw ControlError("field \(path)\(name) is missing") }
    return value
  }

  func string(_ name: String) throws(ControlError) -> String? {
    guard let value = value(name) else { return nil }
    guard case .string(let text) = value else { throw unexpected(name, value, "a string") }
    return text
  }

  func bool(_ name: String) throws(ControlError) -> Bool? {
    guard let value = value(name) else { return nil }
    guard case .bool(let flag) = value else { throw unexpected(name, value, "true or false") }
    return flag
  }

  /// An integer within `range`.
  func int(_ name: String, in range: ClosedRange<Int>) throws(ControlError) -> Int? {
    guard let value = value(name) else { return nil }
    guard let number = value.intValue, range.contains(number) else {
      throw unexpected(name, value, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// One of the known raw values of an enumeration.
  func choice<T: RawRepresentable & CaseIterable>(_ name: String, _: T.Type) throws(ControlError) -> T?
  where T.RawValue == String {
    guard let text = try string(name) else { return nil }
    guard let choice = T.allCases.first(where: { $0.rawValue == text }) else {
      let known = T.allCases.map(\.rawValue)
      throw unexpected(name, .string(text), "one of \(known.joined(separator: ", "))")
    }
    return choice
  }

  /// A decimal number in thousandths, e.g. amperes as milliamperes; further digits are rounded.
  func thousandths(_ name: String, in range: ClosedRange<Int>) throws(ControlError) -> Int64? {
    guard let value = value(name) else { return nil }
    return try thousandths(name, value, in: range)
  }

  /// A list of up to `count` decimal numbers, in thousandths.
  func thousandths(
    listOf name: String, upTo count: Int, in range: ClosedRange<Int>
  ) throws(ControlError) -> [Int64]? {
    guard let value = value(name) else { return nil }
    guard case .array(let items) = value, (1...count).contains(items.count) else {
      throw unexpected(name, value, "a list of 1 to \(count) numbers")
    }
    var result: [Int64] = []
    for item in items { result.append(try thousandths(name, item, in: range)) }
    return result
  }

  /// RFC 3339, as UTC milliseconds.
  func timestamp(_ name: String) throws(ControlError) -> Int64? {
    guard let text = try string(name) else { return nil }
    guard let time = DateTime(text) else {
      throw unexpected(name, .string(text), "a time such as 2026-03-14T09:26:53.589Z")
    }
    return time.unixMilliseconds
  }

  /// A nested object; absent is an empty one.
  func object(_ name: String) throws(ControlError) -> ControlFields {
    guard let value = value(name) else { return ControlFields(members: .object([]), path: "\(path)\(name).") }
    guard case .object = value else { throw unexpected(name, value, "an object") }
    return ControlFields(members: value, path: "\(path)\(name).")
  }

  func unexpected(_ name: String, _ value: JSONValue, _ expected: String) -> ControlError {
    var given = value.text
    if given.count > 60 { given = given.prefix(57) + "..." }
    return ControlError("field \(path)\(name): \(given) given, expected \(expected)")
  }

  private func thousandths(
    _ name: String, _ value: JSONValue, in range: ClosedRange<Int>
  ) throws(ControlError) -> Int64 {
    guard let number = value.decimalValue, number >= DecimalNumber(range.lowerBound),
      number <= DecimalNumber(range.upperBound),
      let result = number.scaled(byPowerOfTen: 3)?.rounded.int
    else {
      throw unexpected(name, value, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return Int64(result)
  }
}
