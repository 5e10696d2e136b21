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

  private func value(_ name: String) -> JSONValue? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
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

  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, of type: Choice.Type
  ) throws(StimulusError) -> Choice? where Choice.RawValue == String {
    try read(name, type.allCases.map(\.rawValue).joined(separator: ", ")) { value in
      value.stringValue.flatMap { text in type.allCases.first { $0.rawValue == text } }
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
}

extension DecimalNumber {
  /// The value, when it is an integer that fits.
  fileprivate var int64: Int64? { exponent == 0 ? mantissa : nil }
}

extension JSONValue {
  static func int64(_ value: Int64) -> JSONValue { .number(DecimalNumber(mantissa: value, exponent: 0)) }
}
