import OCPP

/// Reads the members of a JSON object. Errors name the field with its path, what was given and what was expected.
/// A member that is `null` counts as absent, unknown ones are ignored.
struct ObjectFields {
  private let object: JSONValue
  /// Put before field names, e.g. `ev.`.
  private let path: String

  /// - Parameter name: What to call the object when it is none.
  init(_ object: JSONValue, path: String = "", name: String) throws(StimulusError) {
    guard object.objectValue != nil else { throw Self.mismatch(name, object, "an object") }
    self.object = object
    self.path = path
  }

  func value(_ name: String) -> JSONValue? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  func string(_ name: String) throws(StimulusError) -> String? {
    try read(name, "a string") { $0.stringValue }
  }

  func bool(_ name: String) throws(StimulusError) -> Bool? {
    try read(name, "true or false") { $0.boolValue }
  }

  func int(_ name: String) throws(StimulusError) -> Int? {
    try read(name, "an integer") { $0.intValue }
  }

  func int64(_ name: String) throws(StimulusError) -> Int64? {
    try read(name, "an integer") { $0.decimalValue?.int64 }
  }

  func ints(_ name: String) throws(StimulusError) -> [Int]? {
    guard let items = try array(name, "an array of integers") else { return nil }
    return try map(items, name, "an integer") { $0.intValue }
  }

  /// A number in thousandths of its unit, rounded; halves go away from zero.
  func thousandths(_ name: String) throws(StimulusError) -> Int64? {
    try read(name, "a number", Self.thousandths)
  }

  func thousandthsArray(_ name: String) throws(StimulusError) -> [Int64]? {
    guard let items = try array(name, "an array of numbers") else { return nil }
    return try map(items, name, "a number", Self.thousandths)
  }

  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, of type: Choice.Type
  ) throws(StimulusError) -> Choice? where Choice.RawValue == String {
    try read(name, type.allCases.map(\.rawValue).joined(separator: ", ")) { value in
      value.stringValue.flatMap { text in type.allCases.first { $0.rawValue == text } }
    }
  }

  /// A point in time as UTC milliseconds.
  func time(_ name: String) throws(StimulusError) -> Int64? {
    try read(name, "a time such as 2026-03-14T09:26:53.589Z") { value in
      value.stringValue.flatMap { DateTime($0)?.unixMilliseconds }
    }
  }

  func object(_ name: String) throws(StimulusError) -> ObjectFields? {
    guard let value = value(name) else { return nil }
    return try ObjectFields(value, path: "\(path)\(name).", name: "\(path)\(name)")
  }

  func objects(_ name: String) throws(StimulusError) -> [ObjectFields]? {
    guard let items = try array(name, "an array of objects") else { return nil }
    var result: [ObjectFields] = []
    for (index, value) in items.enumerated() {
      let item = "\(path)\(name)[\(index)]"
      result.append(try ObjectFields(value, path: "\(item).", name: item))
    }
    return result
  }

  /// The value, or the error that the field is missing.
  func require<Value>(_ name: String, _ value: Value?, _ expected: String) throws(StimulusError) -> Value {
    guard let value else { throw StimulusError("\(path)\(name) is missing, expected \(expected)") }
    return value
  }

  func mismatch(_ name: String, _ expected: String) -> StimulusError {
    Self.mismatch("\(path)\(name)", value(name) ?? .null, expected)
  }

  private static func mismatch(_ name: String, _ value: JSONValue, _ expected: String) -> StimulusError {
    let text = value.text
    let given = text.count > 60 ? "\(text.prefix(57))..." : text
    return StimulusError("\(name) is \(given), expected \(expected)")
  }

  private static func thousandths(_ value: JSONValue) -> Int64? {
    value.decimalValue?.scaled(byPowerOfTen: 3)?.rounded.int64
  }

  private func array(_ name: String, _ expected: String) throws(StimulusError) -> [JSONValue]? {
    try read(name, expected) { $0.arrayValue }
  }

  private func read<Value>(
    _ name: String, _ expected: String, _ convert: (JSONValue) -> Value?
  ) throws(StimulusError) -> Value? {
    guard let value = value(name) else { return nil }
    guard let converted = convert(value) else { throw mismatch(name, expected) }
    return converted
  }

  private func map<Value>(
    _ items: [JSONValue], _ name: String, _ expected: String, _ convert: (JSONValue) -> Value?
  ) throws(StimulusError) -> [Value] {
    var result: [Value] = []
    for (index, item) in items.enumerated() {
      guard let value = convert(item) else { throw Self.mismatch("\(path)\(name)[\(index)]", item, expected) }
      result.append(value)
    }
    return result
  }
}

extension DecimalNumber {
  /// The value, when it is an integer that fits.
  fileprivate var int64: Int64? { exponent == 0 ? mantissa : nil }
}

extension JSONValue {
  static func int64(_ value: Int64) -> JSONValue { .number(DecimalNumber(mantissa: value, exponent: 0)) }
}
