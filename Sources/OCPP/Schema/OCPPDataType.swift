/// A data type or message of OCPP with its JSON form.
public protocol OCPPDataType: Hashable, Sendable {
  /// The first version that has this type.
  static var firstVersion: OCPPVersion { get }
  /// A value with nothing in it, for `read`; it satisfies no schema that has required members.
  static var blank: Self { get }
  /// Reads an object into a blank value, and checks it against the schema of the reader's version.
  mutating func read(from reader: inout JSONReader) throws(JSONFailure)
  /// Writes the value as the writer's version has it: what that version does not know is left out.
  func write(into writer: inout JSONWriter)
}

extension OCPPDataType {
  public static var firstVersion: OCPPVersion { .v201 }

  /// Values are equal when their JSON is: points in time by their instant, and an empty array in an optional member is
  /// as good as none. (Synthesized comparison of all types would be a megabyte of code.)
  public static func == (a: Self, b: Self) -> Bool {
    JSONWriter.write(a).hasSameBytes(as: JSONWriter.write(b))
  }

  public func hash(into hasher: inout Hasher) {
    JSONWriter.write(self).hash(into: &hasher)
  }

  /// Reads and checks one JSON document, or the part of `json` in `range`: required members, no unknown ones (outside
  /// `customData`), types, lists of values, lengths, numbers of items and bounds are those of that version's schema.
  /// The first violation in the order of the document is thrown.
  public static func decode(
    _ json: [UInt8], in range: Range<Int>? = nil, version: OCPPVersion
  ) throws(PayloadError) -> Self {
    if version < firstVersion {
      throw PayloadError(
        code: .notImplemented, path: "", message: "expected a type of \(version.rawValue), found \(Self.self)")
    }
    var value = blank
    try JSONReader.read(json, in: range, version: version) { (r: inout JSONReader) throws(JSONFailure) in
      try value.read(from: &r)
    }
    return value
  }

  /// The value as JSON. On 2.0.1, members and (in members that may be absent) values that only 2.1 has are left out, as
  /// are empty arrays in optional members. It is not checked whether the value satisfies the schema.
  public func encode(version: OCPPVersion) -> [UInt8] {
    var writer = JSONWriter(version: version)
    write(into: &writer)
    return writer.bytes
  }

  /// `encode`, with its result checked against the version's schema.
  public func encodeChecked(version: OCPPVersion) throws(PayloadError) -> [UInt8] {
    let json = encode(version: version)
    _ = try Self.decode(json, version: version)
    return json
  }
}

/// A message of OCPP: what stands in the payload of an OCPP-J frame.
public protocol OCPPPayload: OCPPDataType {
  /// The action it belongs to, e.g. `BootNotification`.
  static var action: String { get }
}

/// The payload of a CALL.
public protocol OCPPRequest: OCPPPayload {
  associatedtype Response: OCPPPayload
}

/// The payload of a SEND (2.1), which has no answer.
public protocol OCPPSend: OCPPPayload {}
