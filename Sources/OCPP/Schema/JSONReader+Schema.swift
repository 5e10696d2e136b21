/// Where the reader is in an object of a known type.
struct ObjectCursor {
  var keys: KeyTable
  var rules: ObjectSchema.Rules
  /// A bit for each member seen.
  var seen: UInt64 = 0
  /// Index of the member whose value comes next.
  var index = 0
  /// Offset of the object's `{`.
  var start: Int
  var isFirst = true

  /// Rule of the member whose value comes next.
  @inline(__always)
  var rule: UnsafeMutablePointer<FieldRule> { rules.fields + index }
}

/// What the generated code calls to read.
extension JSONReader {
  @inline(__always)
  mutating func beginObject(_ schema: ObjectSchema) throws(JSONFailure) -> ObjectCursor {
    try enter(0x7B, "an object")
    return ObjectCursor(keys: schema.keys, rules: schema.rules(version), start: position - 1)
  }

  /// The index of the next member, or `nil` at the end of the object, when all required ones have been seen.
  @inline(__always)
  mutating func nextMember(_ object: inout ObjectCursor) throws(JSONFailure) -> Int? {
    let index = try nextIndex(&object)
    return index < 0 ? nil : index
  }

  @inline(never)
  private mutating func nextIndex(_ object: inout ObjectCursor) throws(JSONFailure) -> Int {
    guard try next(0x7D, isFirst: object.isFirst) else {
      let missing = object.rules.required & ~object.seen
      if missing != 0 {
        throw fail(.missingMember(object.keys.text(missing.trailingZeroBitCount)), at: object.start)
      }
      return -1
    }
    object.isFirst = false
    if try peek() != 0x22 { throw fail(.syntax("a key in quotes"), at: position) }
    let offset = position
    let token = try stringToken()
    let index = find(token, object.keys)
    if index < 0 { throw fail(.unknownMember, at: offset) }
    let bit: UInt64 = 1 << UInt64(truncatingIfNeeded: index)
    if object.rules.present & bit == 0 { throw fail(.otherVersion(version), at: offset) }
    if object.seen & bit != 0 { throw fail(.duplicateMember, at: offset) }
    object.seen |= bit
    object.index = index
    try colon()
    return index
  }

  @inline(__always)
  private func find(_ token: StringToken, _ keys: KeyTable) -> Int {
    if token.isPlain {
      return keys.find(UnsafeBufferPointer(start: base + token.start, count: token.end - token.start))
    }
    return unescaped(token).withUnsafeBufferPointer { keys.find($0) }
  }

  /// The failure when generated code finds a required member absent that `nextMember` has seen: cannot happen.
  @inline(never)
  mutating func inconsistency(_ object: ObjectCursor) -> JSONFailure {
    fail(.custom(.internalError, "no contradiction between schema and code"), at: object.start)
  }

  // MARK: Values

  @inline(never)
  mutating func string(maxLength: Int) throws(JSONFailure) -> String {
    let token = try stringToken("a string")
    if token.end - token.start > maxLength {
      let found = length(token)
      if found > maxLength { throw fail(.tooLong(max: maxLength, found: found), at: token.start - 1) }
    }
    return text(token)
  }

  @inline(__always)
  mutating func string(_ object: ObjectCursor) throws(JSONFailure) -> String {
    try string(maxLength: object.rule.pointee.maxLength)
  }

  @inline(never)
  mutating func integer(_ object: ObjectCursor) throws(JSONFailure) -> Int {
    _ = try peek()
    let offset = position
    let value = try integer()
    let rule = object.rule
    if value < rule.pointee.minimum || value > rule.pointee.maximum {
      throw fail(.outOfRange(rule.pointee.minimum, rule.pointee.maximum), at: offset)
    }
    return value
  }

  @inline(never)
  mutating func decimal(_ object: ObjectCursor) throws(JSONFailure) -> DecimalNumber {
    let rule = object.rule
    if rule.pointee.isIntegral { return DecimalNumber(try integer(object)) }
    _ = try peek()
    let offset = position
    let value = try decimal()
    if rule.pointee.minimum != .min, value < DecimalNumber(rule.pointee.minimum) {
      throw fail(.outOfRange(rule.pointee.minimum, rule.pointee.maximum), at: offset)
    }
    if rule.pointee.maximum != .max, value > DecimalNumber(rule.pointee.maximum) {
      throw fail(.outOfRange(rule.pointee.minimum, rule.pointee.maximum), at: offset)
    }
    return value
  }

  @inline(never)
  mutating func dateTime() throws(JSONFailure) -> DateTime {
    let token = try stringToken("a date-time")
    let value: DateTime?
    if token.isPlain {
      value = DateTime(utf8: UnsafeBufferPointer(start: base + token.start, count: token.end - token.start))
    } else {
      value = unescaped(token).withUnsafeBufferPointer { DateTime(utf8: $0) }
    }
    guard let value else { throw fail(.dateTime, at: token.start - 1) }
    return value
  }

  @inline(never)
  private mutating func enumIndex(_ names: EnumNames) throws(JSONFailure) -> Int {
    let token = try stringToken("a string")
    let index = find(token, names.keys)
    if index < 0 || !names.has(index, version) { throw fail(.notInList(names, version), at: token.start - 1) }
    return index
  }

  @inline(__always)
  mutating func enumeration<Value: OCPPCodedEnum>(_ type: Value.Type) throws(JSONFailure) -> Value {
    Value.table[try enumIndex(Value.table.names)]
  }

  /// In 2.0.1 one of the known values, in 2.1 any string up to the rule's length.
  mutating func openEnum<Value: OCPPCodedOpenEnum>(
    _ object: ObjectCursor, _ type: Value.Type
  ) throws(JSONFailure) -> Value {
    if version == .v201 { return Value(unchecked: Value.names.keys.text(try enumIndex(Value.names))) }
    return Value(unchecked: try string(maxLength: object.rule.pointee.maxLength))
  }

  // MARK: Arrays

  /// Reads an array whose number of elements is checked against the rule of the member.
  @inline(__always)
  mutating func array<Value>(
    _ object: ObjectCursor, _ element: (inout JSONReader) throws(JSONFailure) -> Value
  ) throws(JSONFailure) -> [Value] {
    var values: [Value] = []
    let rule = object.rule
    try enter(0x5B, "an array")
    let start = position - 1
    while try next(0x5D, isFirst: values.isEmpty) {
      if values.count >= rule.pointee.maxItems {
        throw fail(.tooManyItems(rule.pointee.maxItems), at: start)
      }
      values.append(try element(&self))
    }
    if values.count < rule.pointee.minItems { throw fail(.tooFewItems(rule.pointee.minItems), at: start) }
    return values
  }

  @inline(never)
  mutating func objects<Value: OCPPDataType>(
    _ object: ObjectCursor, _ type: Value.Type
  ) throws(JSONFailure) -> [Value] {
    try array(object) { (r: inout JSONReader) throws(JSONFailure) in try Value(from: &r) }
  }

  @inline(never)
  mutating func enumerations<Value: OCPPCodedEnum>(
    _ object: ObjectCursor, _ type: Value.Type
  ) throws(JSONFailure) -> [Value] {
    try array(object) { (r: inout JSONReader) throws(JSONFailure) in try r.enumeration(type) }
  }

  @inline(never)
  mutating func openEnums<Value: OCPPCodedOpenEnum>(
    _ object: ObjectCursor, _ type: Value.Type
  ) throws(JSONFailure) -> [Value] {
    try array(object) { (r: inout JSONReader) throws(JSONFailure) in try r.openEnum(object, type) }
  }

  @inline(never)
  mutating func strings(_ object: ObjectCursor) throws(JSONFailure) -> [String] {
    try array(object) { (r: inout JSONReader) throws(JSONFailure) in try r.string(object) }
  }

  @inline(never)
  mutating func integers(_ object: ObjectCursor) throws(JSONFailure) -> [Int] {
    try array(object) { (r: inout JSONReader) throws(JSONFailure) in try r.integer(object) }
  }
}
