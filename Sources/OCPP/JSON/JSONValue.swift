/// A member of an object, in the order of the document.
public struct JSONMember: Hashable, Sendable {
  public var name: String
  public var value: JSONValue

  public init(name: String, value: JSONValue) {
    self.name = name
    self.value = value
  }
}

/// Any JSON value. Objects keep the order of their members; `==` therefore compares that order too.
public indirect enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case number(DecimalNumber)
  /// A number that `DecimalNumber` cannot hold, as its JSON text.
  case numberText(String)
  case string(String)
  case array([JSONValue])
  case object([JSONMember])

  /// Reads one document. `maxDepth` can only lower `JSONLimits.maxDepth`.
  public static func parse(_ bytes: [UInt8], maxDepth: Int = JSONLimits.maxDepth) throws(PayloadError) -> JSONValue {
    try JSONReader.read(bytes) { (r: inout JSONReader) throws(JSONFailure) in
      r.depth = max(0, JSONLimits.maxDepth - max(0, maxDepth))
      return try r.value()
    }
  }

  public static func parse(_ text: String) throws(PayloadError) -> JSONValue { try parse(Array(text.utf8)) }

  public func write(into writer: inout JSONWriter) { writer.value(self) }

  /// The JSON text, without white space, UTF-8.
  public var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }

  /// The JSON text, without white space.
  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The member of that name, when this is an object that has it.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  public var isNull: Bool { self == .null }
  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
  public var decimalValue: DecimalNumber? { if case .number(let value) = self { value } else { nil } }
  public var intValue: Int? { decimalValue?.int }
  public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  public var objectValue: [JSONMember]? { if case .object(let value) = self { value } else { nil } }

  /// Shorthand for `.number(DecimalNumber(value))`.
  public static func int(_ value: Int) -> JSONValue { .number(DecimalNumber(value)) }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(nilLiteral: ()) { self = .null }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { JSONMember(name: $0.0, value: $0.1) })
  }
}

extension JSONReader {
  /// Reads any value into a tree. An object with a key that comes twice is refused.
  public mutating func value() throws(JSONFailure) -> JSONValue {
    switch try kind() {
    case .null:
      try null()
      return .null
    case .bool: return .bool(try bool())
    case .string: return .string(try string())
    case .number:
      let scan = try number("a number")
      let start = position
      position = scan.end
      if let decimal = scan.decimal { return .number(decimal) }
      return .numberText(
        String(decoding: UnsafeBufferPointer(start: base + start, count: scan.end - start), as: UTF8.self))
    case .array:
      var values: [JSONValue] = []
      try elements { (r: inout JSONReader) throws(JSONFailure) in values.append(try r.value()) }
      return .array(values)
    case .object:
      var members: [JSONMember] = []
      try self.members { (name: String, r: inout JSONReader) throws(JSONFailure) in
        members.append(JSONMember(name: name, value: try r.value()))
      }
      return .object(members)
    }
  }
}
