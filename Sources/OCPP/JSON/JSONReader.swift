/// Thrown by `JSONReader` while it reads. What went wrong, and where, is kept in the reader, which turns it into the
/// `PayloadError` that its `read` throws.
public struct JSONFailure: Error {}

/// Reads JSON (RFC 8259) from bytes in one pass, without an intermediate tree.
///
/// A reader lives only inside the closure of `read`. All its functions start at the next value, skipping white space
/// before it, and leave the reader behind that value:
///
///     let port = try JSONReader.read(bytes) { (r: inout JSONReader) throws(JSONFailure) in
///       var port = 0
///       try r.members { (key: String, r: inout JSONReader) throws(JSONFailure) in
///         if key == "port" { port = try r.integer() } else { try r.skipValue() }
///       }
///       return port
///     }
///
/// Every access is checked against the bounds of the bytes; strings are checked to be UTF-8 without control characters
/// and lone surrogates; depth and size are bound by `JSONLimits`. After a failure the reader must not be used again.
public struct JSONReader: ~Copyable {
  let base: UnsafePointer<UInt8>
  let start: Int
  let end: Int
  var position: Int
  var depth = 0
  /// The version whose rules the generated types check.
  public let version: OCPPVersion
  /// What went wrong; a class, to keep the reader small.
  private(set) var trouble: JSONTrouble?

  init(base: UnsafePointer<UInt8>, start: Int, end: Int, version: OCPPVersion) {
    self.base = base
    self.start = start
    self.end = end
    self.version = version
    position = start
  }

  /// Reads one document, with nothing but white space after it, from `bytes`, or from the part of them in `range`.
  public static func read<Value>(
    _ bytes: [UInt8], in range: Range<Int>? = nil, version: OCPPVersion = .v201,
    _ body: (inout JSONReader) throws(JSONFailure) -> Value
  ) throws(PayloadError) -> Value {
    let part = range?.clamped(to: 0..<bytes.count) ?? 0..<bytes.count
    return try bytes.withUnsafeBufferPointer { (buffer) throws(PayloadError) -> Value in
      guard let base = buffer.baseAddress, !part.isEmpty else {
        throw PayloadError(code: .formatViolation, path: "", message: "expected JSON, found nothing")
      }
      var reader = JSONReader(base: base, start: part.lowerBound, end: part.upperBound, version: version)
      do throws(JSONFailure) {
        if part.count > JSONLimits.maxBytes { throw reader.fail(.tooManyBytes, at: part.lowerBound) }
        let value = try body(&reader)
        try reader.finish()
        return value
      } catch {
        throw reader.error()
      }
    }
  }

  /// Where the reader is, in bytes from the start of the bytes given.
  public var offset: Int { position }

  /// The failure to throw for a value that begins at `offset` and is of the right type but not acceptable to the caller.
  public mutating func refusal(_ message: String, at offset: Int) -> JSONFailure {
    fail(.custom(.propertyConstraintViolation, message), at: offset)
  }

  @inline(never)
  mutating func fail(_ problem: JSONProblem, at offset: Int) -> JSONFailure {
    trouble = JSONTrouble(problem, at: offset)
    return JSONFailure()
  }

  /// Nothing but white space may follow.
  mutating func finish() throws(JSONFailure) {
    skipWhiteSpace()
    if position < end { throw fail(.syntax("nothing after the document"), at: position) }
  }

  // MARK: Bytes

  @inline(__always)
  mutating func skipWhiteSpace() {
    while position < end {
      let byte = base[position]
      if byte > 0x20 { return }
      if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return }
      position += 1
    }
  }

  /// The first byte of the next value or punctuation; it is not consumed.
  @inline(__always)
  mutating func peek() throws(JSONFailure) -> UInt8 {
    if position < end {
      let byte = base[position]
      if byte > 0x20 { return byte }
    }
    return try peekSlowly()
  }

  @inline(never)
  private mutating func peekSlowly() throws(JSONFailure) -> UInt8 {
    skipWhiteSpace()
    guard position < end else { throw fail(.syntax("more; the document ends too early"), at: position) }
    return base[position]
  }

  // MARK: Kinds

  public enum Kind: Hashable, Sendable {
    case object, array, string, number, bool, null
  }

  /// What the next value is, judged by its first character.
  public mutating func kind() throws(JSONFailure) -> Kind {
    switch try peek() {
    case 0x7B: return .object
    case 0x5B: return .array
    case 0x22: return .string
    case 0x2D, 0x30...0x39: return .number
    case 0x74, 0x66: return .bool
    case 0x6E: return .null
    default: throw fail(.syntax("a value"), at: position)
    }
  }

  // MARK: Literals

  public mutating func bool() throws(JSONFailure) -> Bool {
    switch try peek() {
    case 0x74:
      try literal("true")
      return true
    case 0x66:
      try literal("false")
      return false
    default: throw wrongType("a boolean")
    }
  }

  public mutating func null() throws(JSONFailure) {
    if try peek() != 0x6E { throw wrongType("null") }
    try literal("null")
  }

  mutating func literal(_ text: StaticString) throws(JSONFailure) {
    let count = text.utf8CodeUnitCount
    guard end - position >= count else { throw fail(.syntax("a value"), at: position) }
    for index in 0..<count where base[position + index] != text.utf8Start[index] {
      throw fail(.syntax("a value"), at: position)
    }
    position += count
  }

  /// The failure for a value that is not `expected`: of the wrong type if it is JSON at all.
  @inline(never)
  mutating func wrongType(_ expected: StaticString) -> JSONFailure {
    do throws(JSONFailure) {
      let found = try kind()
      let offender = position
      // A literal or number that is not JSON (`nul`, `NaN`, `01`) is a matter of syntax, not of type.
      if found != .object && found != .array { try skipValue() }
      return fail(.type(expected: expected, found: found), at: offender)
    } catch {
      return error
    }
  }

  // MARK: Containers

  mutating func enter(_ opening: UInt8, _ expected: StaticString) throws(JSONFailure) {
    if try peek() != opening { throw wrongType(expected) }
    if depth >= JSONLimits.maxDepth { throw fail(.tooDeep(JSONLimits.maxDepth), at: position) }
    depth += 1
    position += 1
  }

  /// True when another element (or member, with `closing` `}`) follows; false when the container is at its end, which is
  /// consumed.
  @inline(__always)
  mutating func next(_ closing: UInt8, isFirst: Bool) throws(JSONFailure) -> Bool {
    let byte = try peek()
    if byte == closing {
      position &+= 1
      depth &-= 1
      return false
    }
    if isFirst { return true }
    guard byte == 0x2C else {
      throw fail(.syntax(closing == 0x5D ? "',' or ']'" : "',' or '}'"), at: position)
    }
    position &+= 1
    return true
  }

  /// Reads an object, calling `body` for each member; `body` must read, or skip, exactly the member's value. A key that
  /// comes twice is refused.
  public mutating func members(
    _ body: (String, inout JSONReader) throws(JSONFailure) -> Void
  ) throws(JSONFailure) {
    try enter(0x7B, "an object")
    var keys = UniqueKeys()
    var isFirst = true
    while try next(0x7D, isFirst: isFirst) {
      isFirst = false
      let (name, offset) = try key()
      guard keys.insert(name) else { throw fail(.duplicateMember, at: offset) }
      try body(name, &self)
    }
  }

  /// Reads an array, calling `body` for each element; `body` must read, or skip, exactly that element.
  public mutating func elements(
    _ body: (inout JSONReader) throws(JSONFailure) -> Void
  ) throws(JSONFailure) {
    try enter(0x5B, "an array")
    var isFirst = true
    while try next(0x5D, isFirst: isFirst) {
      isFirst = false
      try body(&self)
    }
  }

  /// The next key, with the colon behind it, and where it began.
  mutating func key() throws(JSONFailure) -> (String, Int) {
    if try peek() != 0x22 { throw fail(.syntax("a key in quotes"), at: position) }
    let offset = position
    let name = try string()
    try colon()
    return (name, offset)
  }

  @inline(__always)
  mutating func colon() throws(JSONFailure) {
    if try peek() != 0x3A { throw fail(.syntax("':'"), at: position) }
    position &+= 1
  }
}

/// Finds out whether a key was seen before. Keys are the same when their bytes are (Swift's strings are the same when
/// Unicode calls them equivalent).
struct UniqueKeys {
  private var few: [String] = []
  private var many: Set<[UInt8]> = []

  /// False when `key` was inserted before.
  mutating func insert(_ key: String) -> Bool {
    if many.isEmpty {
      if few.contains(where: { $0.utf8.elementsEqual(key.utf8) }) { return false }
      few.append(key)
      if few.count > 16 { many = Set(few.map { Array($0.utf8) }) }
      return true
    }
    return many.insert(Array(key.utf8)).inserted
  }
}
