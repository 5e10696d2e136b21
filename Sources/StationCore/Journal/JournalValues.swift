import OCPP

/// Building blocks of the journal's lines: objects whose absent members are left out, integers of 64 bits, bytes.
extension JSONValue {
  /// An object of the members that have a value.
  static func members(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
    .object(members.compactMap { name, value in value.map { JSONMember(name: name, value: $0) } })
  }

  /// A case with its associated values: an object of one member.
  static func tagged(_ tag: String, _ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
    .object([JSONMember(name: tag, value: .members(members))])
  }

  static func integer(_ value: Int64) -> JSONValue { .number(DecimalNumber(mantissa: value, exponent: 0)) }

  static func integers(_ values: [Int64]) -> JSONValue { .array(values.map { .integer($0) }) }

  static func time(_ time: StationTime) -> JSONValue { .integers([time.monotonic, time.wall]) }

  /// Bytes that are text become that text; others, and those that escapes would blow up, `{"hex":".."}`.
  static func bytes(_ bytes: [UInt8]) -> JSONValue {
    let controls = bytes.reduce(0) { $0 + ($1 < 0x20 ? 1 : 0) }
    if controls * 6 <= bytes.count, let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
    let digits = Array("0123456789abcdef".utf8)
    var hex: [UInt8] = []
    hex.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      hex.append(digits[Int(byte >> 4)])
      hex.append(digits[Int(byte & 15)])
    }
    return .members(["hex": .string(String(decoding: hex, as: UTF8.self))])
  }

  /// A value of any depth, as its text, so that it does not count against the depth of the line.
  static func document(_ value: JSONValue) -> JSONValue { .string(value.text) }
}

/// The members of an object of the journal, read with the name of the place for messages.
struct JournalFields {
  let place: String
  private let members: [JSONMember]

  init(_ value: JSONValue?, _ place: String) throws(JournalError) {
    guard case .object(let members) = value else { throw JournalError("\(place): expected an object") }
    self.place = place
    self.members = members
  }

  func optional(_ name: String) -> JSONValue? { members.first { $0.name == name }?.value }

  func value(_ name: String) throws(JournalError) -> JSONValue {
    guard let value = optional(name) else { throw JournalError("\(place).\(name) is missing") }
    return value
  }

  private func read<T>(_ name: String, _ expected: String, _ convert: (JSONValue) -> T?) throws(JournalError) -> T {
    guard let result = convert(try value(name)) else { throw JournalError("\(place).\(name): expected \(expected)") }
    return result
  }

  private func readIfPresent<T>(
    _ name: String, _ expected: String, _ convert: (JSONValue) -> T?
  ) throws(JournalError) -> T? {
    optional(name) == nil ? nil : try read(name, expected, convert)
  }

  func string(_ name: String) throws(JournalError) -> String { try read(name, "text") { $0.stringValue } }
  func stringIfPresent(_ name: String) throws(JournalError) -> String? {
    try readIfPresent(name, "text") { $0.stringValue }
  }
  func bool(_ name: String) throws(JournalError) -> Bool { try read(name, "true or false") { $0.boolValue } }
  func int(_ name: String) throws(JournalError) -> Int { try read(name, "an integer") { $0.intValue } }
  func intIfPresent(_ name: String) throws(JournalError) -> Int? {
    try readIfPresent(name, "an integer") { $0.intValue }
  }
  func int64(_ name: String) throws(JournalError) -> Int64 { Int64(try int(name)) }
  func int64IfPresent(_ name: String) throws(JournalError) -> Int64? { try intIfPresent(name).map { Int64($0) } }

  func int64s(_ name: String) throws(JournalError) -> [Int64] {
    try read(name, "an array of integers") { value in
      guard let values = value.arrayValue else { return nil }
      let integers = values.compactMap(\.intValue).map { Int64($0) }
      return integers.count == values.count ? integers : nil
    }
  }

  func array(_ name: String) throws(JournalError) -> [JSONValue] { try read(name, "an array") { $0.arrayValue } }

  func bytes(_ name: String) throws(JournalError) -> [UInt8] {
    try read(name, "text, or an object with an even number of hexadecimal digits") { value in
      if let text = value.stringValue { return Array(text.utf8) }
      guard let hex = value["hex"]?.stringValue.map({ Array($0.utf8) }), hex.count.isMultiple(of: 2) else { return nil }
      var result: [UInt8] = []
      result.reserveCapacity(hex.count / 2)
      for index in stride(from: 0, to: hex.count, by: 2) {
        guard let byte = UInt8(String(decoding: hex[index...index + 1], as: UTF8.self), radix: 16) else { return nil }
        result.append(byte)
      }
      return result
    }
  }

  func documentIfPresent(_ name: String) throws(JournalError) -> JSONValue? {
    try readIfPresent(name, "JSON as text") { $0.stringValue.flatMap { try? JSONValue.parse($0) } }
  }

  func document(_ name: String) throws(JournalError) -> JSONValue {
    try read(name, "JSON as text") { $0.stringValue.flatMap { try? JSONValue.parse($0) } }
  }

  func time(_ name: String) throws(JournalError) -> StationTime {
    let parts = try int64s(name)
    guard parts.count == 2 else { throw JournalError("\(place).\(name): expected [monotonic, wall]") }
    return StationTime(monotonic: parts[0], wall: parts[1])
  }

  /// An enumeration by its raw value.
  func choice<T: RawRepresentable>(_ name: String, _ type: T.Type = T.self) throws(JournalError) -> T
  where T.RawValue == String {
    try read(name, "a value of \(T.self)") { $0.stringValue.flatMap(T.init(rawValue:)) }
  }
}

/// A case by its tag: a text alone, or an object with one member for its associated values.
struct JournalCase {
  let tag: String
  private let value: JSONValue?
  private let place: String

  init(_ value: JSONValue, _ place: String) throws(JournalError) {
    self.place = place
    switch value {
    case .string(let tag):
      self.tag = tag
      self.value = nil
    case .object(let members) where members.count == 1:
      tag = members[0].name
      self.value = members[0].value
    default:
      throw JournalError("\(place): expected a name, or an object with one member")
    }
  }

  func fields() throws(JournalError) -> JournalFields { try JournalFields(value, "\(place).\(tag)") }

  func values() throws(JournalError) -> [JSONValue] {
    guard let values = value?.arrayValue else { throw JournalError("\(place).\(tag): expected an array") }
    return values
  }

  func content() throws(JournalError) -> JSONValue {
    guard let value else { throw JournalError("\(place).\(tag): expected a value") }
    return value
  }

  func inner() throws(JournalError) -> JournalCase {
    try JournalCase(content(), "\(place).\(tag)")
  }

  /// The error for a tag that nobody knows.
  func unknown() -> JournalError {
    JournalError("\(place): \"\(tag)\" is not known; the journal is of another version of the program")
  }
}
