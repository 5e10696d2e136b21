/// What a reader found wrong; made into words only when somebody asks.
enum JSONProblem {
  case syntax(StaticString)
  case tooManyBytes
  case tooDeep(Int)
  case type(expected: StaticString, found: JSONReader.Kind)
  case notInteger
  case integerTooLarge
  case numberTooLarge
  case tooLong(max: Int, found: Int)
  case outOfRange(Int, Int)
  case notInList(EnumNames, OCPPVersion)
  case dateTime
  case tooFewItems(Int)
  case tooManyItems(Int)
  case missingMember(String)
  case unknownMember
  case otherVersion(OCPPVersion)
  case duplicateMember
  case custom(RPCErrorCode, String)

  var code: RPCErrorCode {
    switch self {
    case .syntax, .tooManyBytes, .tooDeep: .formatViolation
    case .type, .notInteger: .typeConstraintViolation
    case .integerTooLarge, .numberTooLarge, .tooLong, .outOfRange, .notInList, .dateTime: .propertyConstraintViolation
    case .tooFewItems, .tooManyItems, .missingMember, .unknownMember, .otherVersion, .duplicateMember:
      .occurrenceConstraintViolation
    case .custom(let code, _): code
    }
  }

  var message: String {
    switch self {
    case .syntax(let expected): "not valid JSON: expected \(expected)"
    case .tooManyBytes: "expected at most \(JSONLimits.maxBytes) bytes"
    case .tooDeep(let limit): "expected at most \(limit) levels of nesting"
    case .type(let expected, let found): "expected \(expected), found \(found.article)"
    case .notInteger: "expected an integer, found a number with a point or exponent"
    case .integerTooLarge: "expected an integer from \(Int.min) to \(Int.max)"
    case .numberTooLarge: "expected a number of at most 18 significant digits, with an exponent from -127 to 127"
    case .tooLong(let limit, let found): "expected at most \(limit) characters, found \(found)"
    case .outOfRange(let low, let high) where high == .max: "expected at least \(low)"
    case .outOfRange(let low, let high) where low == .min: "expected at most \(high)"
    case .outOfRange(let low, let high): "expected \(low) to \(high)"
    case .notInList(let names, let version): "expected one of \(names.list(version))"
    case .dateTime: "expected an RFC 3339 date-time such as 2026-03-14T09:26:53.589Z"
    case .tooFewItems(let limit): "expected at least \(limit) \(limit == 1 ? "item" : "items")"
    case .tooManyItems(let limit): "expected at most \(limit) \(limit == 1 ? "item" : "items")"
    case .missingMember: "expected this required member, found none"
    case .unknownMember: "expected no member of this name"
    case .otherVersion(let version): "expected no member of this name in \(version.rawValue)"
    case .duplicateMember: "expected this member only once"
    case .custom(_, let message): message
    }
  }
}

/// A problem and where it is.
final class JSONTrouble {
  let problem: JSONProblem
  let offset: Int

  init(_ problem: JSONProblem, at offset: Int) {
    self.problem = problem
    self.offset = offset
  }
}

extension JSONReader.Kind {
  fileprivate var article: StaticString {
    switch self {
    case .object: "an object"
    case .array: "an array"
    case .string: "a string"
    case .number: "a number"
    case .bool: "a boolean"
    case .null: "null"
    }
  }
}

extension EnumNames {
  /// The values that the version has, as many as fit a CALLERROR.
  fileprivate func list(_ version: OCPPVersion) -> String {
    var text = ""
    for index in 0..<keys.count where has(index, version) {
      let name = keys.text(index)
      if text.utf8.count + name.utf8.count > 160 { return text + ", ..." }
      text += text.isEmpty ? name : ", " + name
    }
    return text
  }
}

extension JSONReader {
  /// The error for the failure that was thrown.
  @inline(never)
  func error() -> PayloadError {
    guard let trouble else {
      return PayloadError(code: .internalError, path: "", message: "no reason given", offset: position)
    }
    let problem = trouble.problem
    var path = JSONPath(base: base, start: start, end: end).path(to: trouble.offset)
    if case .missingMember(let name) = problem { path = JSONPath.appending(name, to: path) }
    return PayloadError(code: problem.code, path: path, message: problem.message, offset: trouble.offset)
  }
}
