/// What the generated code calls to write a member.
extension JSONWriter {
  /// A writer that holds the value with all its members.
  static func write(_ value: some OCPPDataType) -> JSONWriter {
    var writer = JSONWriter(version: .v21)
    value.write(into: &writer)
    return writer
  }

  @inline(__always)
  mutating func string(_ name: StaticString, _ value: String) {
    key(name)
    self.value(value)
  }

  @inline(__always)
  mutating func integer(_ name: StaticString, _ value: Int) {
    key(name)
    self.value(value)
  }

  @inline(__always)
  mutating func decimal(_ name: StaticString, _ value: DecimalNumber) {
    key(name)
    self.value(value)
  }

  /// A number that 2.0.1 wants without a fraction; it is rounded there.
  mutating func integral201(_ name: StaticString, _ value: DecimalNumber) {
    key(name)
    self.value(isV21 ? value : value.rounded)
  }

  @inline(__always)
  mutating func bool(_ name: StaticString, _ value: Bool) {
    key(name)
    self.value(value)
  }

  @inline(__always)
  mutating func dateTime(_ name: StaticString, _ value: DateTime) {
    key(name)
    self.value(value)
  }

  @inline(__always)
  mutating func json(_ name: StaticString, _ value: JSONValue) {
    key(name)
    self.value(value)
  }

  @inline(__always)
  mutating func object<Value: OCPPDataType>(_ name: StaticString, _ value: Value) {
    key(name)
    value.write(into: &self)
  }

  @inline(__always)
  mutating func enumeration<Value: OCPPCodedEnum>(_ name: StaticString, _ value: Value) {
    key(name)
    enumName(Value.table.names.keys.name(Value.table.index(value)))
  }

  /// An enumeration in a member that may be absent: left out when this version does not have the value.
  @inline(__always)
  mutating func optional<Value: OCPPCodedEnum>(_ name: StaticString, _ value: Value) {
    let index = Value.table.index(value)
    guard Value.table.names.has(index, version) else { return }
    key(name)
    enumName(Value.table.names.keys.name(index))
  }

  @inline(__always)
  mutating func openEnum<Value: OCPPOpenEnum>(_ name: StaticString, _ value: Value) {
    key(name)
    self.value(value.rawValue)
  }

  @inline(never)
  private mutating func enumName(_ name: UnsafeBufferPointer<UInt8>) {
    reserve(name.count + 2)
    put(0x22)
    if let base = name.baseAddress { copy(base, name.count) }
    put(0x22)
  }

  // MARK: Arrays

  @inline(never)
  mutating func objects<Value: OCPPDataType>(_ name: StaticString, _ values: [Value]) {
    key(name)
    beginArray()
    values.withUnsafeBufferPointer { values in
      for index in values.indices {
        element()
        values[index].write(into: &self)
      }
    }
    endArray()
  }

  /// Values that this version does not have are left out.
  @inline(never)
  mutating func enumerations<Value: OCPPCodedEnum>(_ name: StaticString, _ values: [Value]) {
    key(name)
    beginArray()
    for value in values {
      let index = Value.table.index(value)
      guard Value.table.names.has(index, version) else { continue }
      element()
      enumName(Value.table.names.keys.name(index))
    }
    endArray()
  }

  @inline(never)
  mutating func openEnums<Value: OCPPOpenEnum>(_ name: StaticString, _ values: [Value]) {
    strings(name, values.map(\.rawValue))
  }

  @inline(never)
  mutating func strings(_ name: StaticString, _ values: [String]) {
    key(name)
    beginArray()
    for value in values {
      element()
      self.value(value)
    }
    endArray()
  }

  @inline(never)
  mutating func integers(_ name: StaticString, _ values: [Int]) {
    key(name)
    beginArray()
    for value in values {
      element()
      self.value(value)
    }
    endArray()
  }
}
