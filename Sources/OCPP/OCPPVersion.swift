/// A version of OCPP that this station's messages exist in. The raw value is the WebSocket subprotocol.
public enum OCPPVersion: String, CaseIterable, Hashable, Sendable, Comparable {
  case v201 = "ocpp2.0.1"
  case v21 = "ocpp2.1"

  /// Older before newer.
  public static func < (a: OCPPVersion, b: OCPPVersion) -> Bool { a == .v201 && b == .v21 }
}

/// Error codes of CALLERROR (and of CALLRESULTERROR on 2.1), in the spelling of OCPP-J 2.x Part 4 table 8.
public enum RPCErrorCode: String, CaseIterable, Hashable, Sendable {
  /// The payload is not well-formed JSON, or is over a limit of size or depth.
  case formatViolation = "FormatViolation"
  case genericError = "GenericError"
  case internalError = "InternalError"
  case messageTypeNotSupported = "MessageTypeNotSupported"
  /// The action is not known.
  case notImplemented = "NotImplemented"
  /// The action is known but not supported.
  case notSupported = "NotSupported"
  /// A member is missing, unknown, given twice, or an array has too few or too many items.
  case occurrenceConstraintViolation = "OccurrenceConstraintViolation"
  /// A value of the right type is outside its list, length or range.
  case propertyConstraintViolation = "PropertyConstraintViolation"
  case protocolError = "ProtocolError"
  case rpcFrameworkError = "RpcFrameworkError"
  case securityError = "SecurityError"
  /// A value is of the wrong JSON type.
  case typeConstraintViolation = "TypeConstraintViolation"

  /// A code of 1.6 or 2.x in any of its official spellings.
  public static func isKnown(_ code: String) -> Bool {
    RPCErrorCode(rawValue: code) != nil || code == "OccurenceConstraintViolation" || code == "FormationViolation"
  }
}

/// Why JSON was refused.
public struct PayloadError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What a CALLERROR says of it.
  public var code: RPCErrorCode
  /// JSON pointer (RFC 6901) of the offending value, or of the member that is missing; empty for the whole document.
  /// At most `JSONLimits.maxPathLength` characters.
  public var path: String
  /// What is wrong and what was expected; printable ASCII.
  public var message: String
  /// Where the offender begins, in bytes from the start of the bytes that were given; a missing member: its object.
  public var offset: Int

  public init(code: RPCErrorCode, path: String, message: String, offset: Int = 0) {
    self.code = code
    self.path = path
    self.message = message
    self.offset = offset
  }

  /// `TypeConstraintViolation at /evse/id: expected an integer, found a string`
  public var description: String { "\(code.rawValue) at \(path.isEmpty ? "/" : path): \(message)" }
}
