/// Where the reader is in an object of a known type.
struct ObjectCursor {
  let keys: UnsafePointer<KeyTable>
  let rules: UnsafePointer<ObjectSchema.Rules>
  /// Offset of the object's `{`.
  let start: Int
  /// A bit for each member seen.
  var seen: UInt64 = 0
  /// Index of the member whose value comes next.
  var index = 0

  /// Rule of the member whose value comes next.
  @inline(__always)
  var rule: UnsafeMutablePointer<FieldRule> { rules.pointee.fields + index }
}

/// What the generated code calls to read.
extension JSONReader {
  @inline(never)
  mutating func beginObject(_ schema: ObjectSchema) throws(JSONFailure) -> ObjectCursor {
    try enter(0x7B, "an object")
    return ObjectCursor(keys: schema.keys, rules: schema.rules(version), start: position &- 1)
  }

  /// The index of the next member, or `nil` at the end of the object, when all required ones have been seen.
  @inline(__always)
  mutating func nextMember(_ object: inout ObjectCursor) throws(JSONFailure) -> Int? {
    let index = try nextIndex(&object)
    return index < 0 ? nil : index
  }

  @inline(never)
  private mutating func nextIndex(_ object: inout ObjectCursor) throws(JSONFailure) -> Int {
    // First the usual case: a known key, no white space.
    let base = base
    let end = end
    var p = position
    if end &- p > 2 {
      if object.seen != 0, base[p] == 0x2C { p &+= 1 }
      if base[p] == 0x22, (object.seen == 0) == (p == position) {
        let (index, length) = object.keys.pointee.findQuoted(base + (p &+ 1), end &- p &- 1)
        let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: index)
        let colon = p &+ length &+ 2
        if index >= 0, object.rules.pointee.present & ~object.seen & bit != 0, colon < end, base[colon] == 0x3A {
          object.seen |= bit
          object.index = index
          position = colon &+ 1
          return index
        }
      }
    }
    return try nextIndexSlowly(&object)
  }

  @inline(never)
  private mutating func nextIndexSlowly(_ object: inout ObjectCursor) throws(JSONFailure) -> Int {
    guard try next(0x7D, isFirst: object.seen == 0) else {
      if object.rules.pointee.required & ~object.seen != 0 { throw missingMember(object) }
      return -1
    }
    if try peek() != 0x22 { throw fail(.syntax("a key in quotes"), at: position) }
    let offset = position
    let token = try stringToken()
    let index = find(token, object.keys)
    let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: index)
    if index < 0 || object.rules.pointee.present & ~object.seen & bit == 0 {
      throw unexpectedMember(object, index, at: offset)
    }
    object.seen |= bit
    object.index = index
    try colon()
    return index
  }

  @inline(never)
  private mutating func missingMember(_ object: ObjectCursor) -> JSONFailure {
    let missing = object.rules.pointee.required & ~object.seen
    return fail(.missingMember(object.keys.pointee.text(missing.trailingZeroBitCount)), at: object.start)
  }

  @inline(never)
  private mutating func unexpectedMember(_ object: ObjectCursor, _ index: Int, at offset: Int) -> JSONFailure {
    if index < 0 { return fail(.unknownMember, at: offset) }
    let isPresent = object.rules.pointee.present & (1 &<< UInt64(truncatingIfNeeded: index)) != 0
    return fail(isPresent ? .duplicateMember : .otherVersion(version), at: offset)
  }

  @inline(__always)
  private func find(_ token: StringToken, _ keys: UnsafePointer<KeyTable>) -> Int {
    if token.isPlain { return keys.pointee.find(base + token.start, token.end &- token.start) }
    return findUnescaped(token, keys)
  }

  @inline(never)
  private func findUnescaped(_ token: StringToken, _ keys: UnsafePointer<KeyTable>) -> Int {
    unescaped(token).withUnsafeBufferPointer { name in
      name.baseAddress.map { keys.pointee.find($0, name.count) } ?? -1
    }
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
    if end &- position > 2, base[position] == 0x22 {
      let (index, length) = names.keyTable.pointee.findQuoted(base + (position &+ 1), end &- position &- 1)
      if index >= 0, names.has(index, version) {
        position &+= length &+ 2
        return index
      }
    }
    return try enumIndexSlowly(names)
  }

  @inline(never)
  private mutating func enumIndexSlowly(_ names: EnumNames) throws(JSONFailure) -> Int {
    let token = try stringToken("a string")
    let index = find(token, names.keyTable)
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

  @inline(__always)
  mutating func object<Value: OCPPDataType>(_ value: inout Value) throws(JSONFailure) {
    try value.read(from: &self)
  }

  @inline(__always)
  mutating func object<Value: OCPPDataType>(_ value: inout Value?) throws(JSONFailure) {
    value = .blank
    try value?.read(from: &self)
  }

  // MARK: Arrays

  /// Reads an array whose number of elements is checked against the rule of the member; `element` gets the number of
  /// those before.
  @inline(__always)
  private mutating func array(
    _ object: ObjectCursor, _ element: (inout JSONReader, Int) throws(JSONFailure) -> Void
  ) throws(JSONFailure) {
    let rule = object.rule
    var count = 0
    try enter(0x5B, "an array")
    let start = position &- 1
    while try next(0x5D, isFirst: count == 0) {
      if count >= rule.pointee.maxItems { throw fail(.tooManyItems(rule.pointee.maxItems), at: start) }
      try element(&self, count)
      count &+= 1
    }
    if count < rule.pointee.minItems { throw fail(.tooFewItems(rule.pointee.minItems), at: start) }
  }

  @inline(__always)
  private mutating func plainArray<Value>(
    _ object: ObjectCursor, _ element: (inout JSONReader) throws(JSONFailure) -> Value
  ) throws(JSONFailure) -> [Value] {
    var values: [Value] = []
    try array(object) { (r: inout JSONReader, _: Int) throws(JSONFailure) in values.append(try element(&r)) }
    return values
  }

  /// Elements are read where they stay, in the array.
  @inline(never)
  mutating func objects<Value: OCPPDataType>(
    _ object: ObjectCursor, _ type: Value.Type
  ) throws(JSONFailure) -> [Value] {
    var values: [Value] = []
    try array(object) { (r: inout JSONReader, count: Int) throws(JSONFailure) in
      // Most arrays have one element; the others get room for some more at once.
      if count == 1 { values.reserveCapacity(8) }
      values.append(.blank)
      try values[count].read(from: &r)
    }
    return values
  }

  @inline(never)
  mutating func enumerations<Value: OCPPCodedEnum>(
    _ object: ObjectCursor, _ type: Value.Type
  ) throws(JSONFailure) -> [Value] {
    try plainArray(object) { (r: inout JSONReader) throws(JSONFailure) in try r.enumeration(type) }
  }

  @inline(never)
  mutating func openEnums<Value: OCPPCodedOpenEnum>(
    _ object: ObjectCursor, _ type: Value.Type
  ) throws(JSONFailure) -> [Value] {
    try plainArray(object) { (r: inout JSONReader) throws(JSONFailure) in try r.openEnum(object, type) }
  }

  @inline(never)
  mutating func strings(_ object: ObjectCursor) throws(JSONFailure) -> [String] {
    try plainArray(object) { (r: inout JSONReader) throws(JSONFailure) in try r.string(object) }
  }

  @inline(never)
  mutating func integers(_ object: ObjectCursor) throws(JSONFailure) -> [Int] {
    try plainArray(object) { (r: inout JSONReader) throws(JSONFailure) in try r.integer(object) }
  }
}
