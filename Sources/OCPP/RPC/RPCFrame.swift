/// The elements of an OCPP-J message, as far as they can be read, and the writing of messages.
struct RPCFrame {
  enum MessageType: Int {
    case call = 2
    case callResult = 3
    case callError = 4
    case callResultError = 5
    case send = 6
  }

  enum ReadType {
    case number(MessageType)
    /// A number that is no message type.
    case unknown
    case unreadable(String)
  }

  /// More elements than any message has; from here on they are not kept.
  private static let maxElements = 6

  private let message: [UInt8]
  /// Where the elements are that were read before the end or the first fault.
  private let elements: [Range<Int>]
  let type: ReadType
  /// The message id; `nil` when there is none, when it is no string, or when it is too long.
  let id: String?
  /// What makes the message no JSON array.
  let problem: String?

  init(_ message: [UInt8]) {
    var elements: [Range<Int>] = []
    elements.reserveCapacity(4)
    var problem: String?
    do {
      try JSONReader.read(message) { (reader: inout JSONReader) throws(JSONFailure) in
        try reader.elements { (reader: inout JSONReader) throws(JSONFailure) in
          let range = try reader.skipValue()
          if elements.count < Self.maxElements { elements.append(range) }
        }
      }
    } catch {
      problem = "the message is no JSON array: \(error.message) (byte \(error.offset))"
    }
    self.message = message
    self.elements = elements
    self.problem = problem
    id = elements.count > 1 ? Self.string(message, elements[1]).flatMap { Self.isID($0) ? $0 : nil } : nil
    guard let first = elements.first else {
      type = .unreadable(problem ?? "the message is an empty array")
      return
    }
    let byte = message[first.lowerBound]
    guard byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
      type = .unreadable("the message type is not a number: \(Self.excerpt(message, first))")
      return
    }
    let known = first.count == 1 ? MessageType(rawValue: Int(byte) - Int(UInt8(ascii: "0"))) : nil
    type = known.map { .number($0) } ?? .unknown
  }

  /// Number of elements read; any number above the largest a message may have counts as that.
  var count: Int { elements.count }
  var countText: String { count < Self.maxElements ? "\(count)" : "more than \(Self.maxElements - 1)" }

  var problemOfID: String {
    guard count > 1 else { return "the message id is missing" }
    guard let text = string(1) else { return "the message id is not a string: \(excerpt(1))" }
    return "the message id has \(text.unicodeScalars.count) characters, at most \(RPCEndpoint.maxIDLength) are allowed"
  }

  private static func isID(_ text: String) -> Bool {
    // A scalar has at most four bytes.
    text.utf8.count <= RPCEndpoint.maxIDLength * 4 && text.unicodeScalars.count <= RPCEndpoint.maxIDLength
  }

  /// The element as a string; `nil` when there is none or it is something else.
  func string(_ index: Int) -> String? {
    index < count ? Self.string(message, elements[index]) : nil
  }

  private static func string(_ message: [UInt8], _ range: Range<Int>) -> String? {
    guard message[range.lowerBound] == UInt8(ascii: "\"") else { return nil }
    return try? JSONReader.read(message, in: range) { (reader: inout JSONReader) throws(JSONFailure) in
      try reader.string()
    }
  }

  /// The JSON of the element if it is an object; `null` counts as an empty one (Part 4, 4.1.5).
  func object(_ index: Int) -> [UInt8]? {
    guard index < count else { return nil }
    switch message[elements[index].lowerBound] {
    case UInt8(ascii: "{"): return Array(message[elements[index]])
    case UInt8(ascii: "n"): return Self.emptyObject
    default: return nil
    }
  }

  /// What a CALLERROR or CALLRESULTERROR says, with defaults for what cannot be read.
  var error: (code: String, description: String, details: [UInt8]) {
    (
      code: string(2).map { cut($0, to: 64) } ?? RPCErrorCode.genericError.rawValue,
      description: string(3).map { cut($0, to: RPCEndpoint.maxDescriptionLength) } ?? "",
      details: object(4) ?? Self.emptyObject
    )
  }

  /// What an element is, for a description or the log. Only a short number is shown: text may hold a secret, and what was
  /// broken stays out.
  func excerpt(_ index: Int) -> String {
    index < count ? Self.excerpt(message, elements[index]) : "nothing"
  }

  private static func excerpt(_ message: [UInt8], _ range: Range<Int>) -> String {
    switch message[range.lowerBound] {
    case UInt8(ascii: "\""): return "a string of \(range.count - 2) bytes"
    case UInt8(ascii: "["): return "an array"
    case UInt8(ascii: "{"): return "an object"
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return "a boolean"
    case UInt8(ascii: "n"): return "null"
    default: return range.count <= 3 ? String(decoding: message[range], as: UTF8.self) : "a number"
    }
  }

  // MARK: Writing

  private static let emptyObject = Array("{}".utf8)

  static func call(_ type: MessageType, id: String, action: String, payload: [UInt8]) -> [UInt8] {
    var writer = begin(type, id: id, payload)
    writer.element()
    writer.value(action)
    return end(&writer, payload)
  }

  static func result(id: String, payload: [UInt8]) -> [UInt8] {
    var writer = begin(.callResult, id: id, payload)
    return end(&writer, payload)
  }

  static func error(
    _ type: MessageType, id: String, _ code: RPCErrorCode, _ description: String, details: [UInt8]?
  ) -> [UInt8] {
    let details = details ?? emptyObject
    var writer = begin(type, id: id, details)
    writer.element()
    writer.value(code.rawValue)
    writer.element()
    writer.value(cut(description, to: RPCEndpoint.maxDescriptionLength))
    return end(&writer, details)
  }

  private static func begin(_ type: MessageType, id: String, _ payload: [UInt8]) -> JSONWriter {
    var writer = JSONWriter(capacity: payload.count + 128)
    writer.beginArray()
    writer.element()
    writer.value(type.rawValue)
    writer.element()
    writer.value(id)
    return writer
  }

  private static func end(_ writer: inout JSONWriter, _ payload: [UInt8]) -> [UInt8] {
    writer.element()
    writer.raw(payload)
    writer.endArray()
    return writer.bytes
  }
}

/// The beginning of a text: at most so many Unicode scalars, cut between characters.
private func cut(_ text: String, to limit: Int) -> String {
  guard text.unicodeScalars.count > limit else { return text }
  var end = text.startIndex
  var count = 0
  for index in text.indices {
    count += text[index].unicodeScalars.count
    if count > limit { break }
    end = text.index(after: index)
  }
  return String(text[..<end])
}
