/// Writes JSON without white space. The caller keeps the nesting right: `beginObject`, then pairs of `key` and a value,
/// `endObject`; or `beginArray`, values each after `element()`, `endArray`.
///
///     var w = JSONWriter()
///     w.beginObject()
///     w.key("port")
///     w.value(9000)
///     w.endObject()
///     w.text  // {"port":9000}
public struct JSONWriter: ~Copyable {
  private var buffer: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  /// Bytes written.
  public private(set) var count = 0
  /// What comes before the next key or element: `{`, `[` or a comma. An opening bracket is written together with the
  /// first member, so that commas need no look back.
  private var separator: UInt8 = 0x2C
  /// The version whose members the generated types write.
  public let version: OCPPVersion
  let isV21: Bool

  public init(version: OCPPVersion = .v201, capacity: Int = 2048) {
    self.version = version
    isV21 = version == .v21
    self.capacity = max(64, capacity)
    buffer = .allocate(capacity: self.capacity)
  }

  deinit { buffer.deallocate() }

  /// What was written so far.
  public var bytes: [UInt8] { Array(UnsafeBufferPointer(start: buffer, count: count)) }

  /// What was written so far.
  public var text: String { String(decoding: UnsafeBufferPointer(start: buffer, count: count), as: UTF8.self) }

  func hasSameBytes(as other: borrowing JSONWriter) -> Bool {
    UnsafeBufferPointer(start: buffer, count: count)
      .elementsEqual(UnsafeBufferPointer(start: other.buffer, count: other.count))
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(bytes: UnsafeRawBufferPointer(start: buffer, count: count))
  }

  // MARK: Structure

  @inline(__always)
  public mutating func beginObject() { separator = 0x7B }

  public mutating func endObject() { close(0x7B, 0x7D) }

  @inline(__always)
  public mutating func beginArray() { separator = 0x5B }

  public mutating func endArray() { close(0x5B, 0x5D) }

  private mutating func close(_ opening: UInt8, _ closing: UInt8) {
    reserve(2)
    if separator == opening { put(opening) }
    put(closing)
    separator = 0x2C
  }

  /// A key that is known when compiling; it must need no escapes.
  @inline(__always)
  public mutating func key(_ name: StaticString) {
    key(name.utf8Start, name.utf8CodeUnitCount)
  }

  @inline(never)
  private mutating func key(_ name: UnsafePointer<UInt8>, _ length: Int) {
    reserve(length + 4)
    put(separator)
    put(0x22)
    copy(name, length)
    put(0x22)
    put(0x3A)
    separator = 0x2C
  }

  /// Any key.
  public mutating func key(named name: String) {
    element()
    value(name)
    reserve(1)
    put(0x3A)
  }

  /// To be called before each value of an array.
  public mutating func element() {
    reserve(1)
    put(separator)
    separator = 0x2C
  }

  // MARK: Values

  public mutating func null() { ascii("null") }

  @inline(never)
  public mutating func value(_ value: Bool) {
    ascii(value ? "true" : "false")
  }

  @inline(never)
  public mutating func value(_ value: Int) {
    reserve(20)
    digits(Int64(value))
  }

  @inline(never)
  public mutating func value(_ value: DecimalNumber) {
    let exponent = value.exponent
    if exponent == 0 {
      reserve(20)
      digits(value.mantissa)
    } else {
      decimal(value.mantissa, exponent)
    }
  }

  @inline(never)
  public mutating func value(_ value: DateTime) {
    reserve(26)
    put(0x22)
    rawDateTime(value)
    put(0x22)
  }

  @inline(never)
  public mutating func value(_ value: String) {
    var value = value
    value.withUTF8 { utf8 in
      let length = utf8.count
      reserve(length + 2)
      put(0x22)
      if let base = utf8.baseAddress {
        let clean = JSONWriter.prefixWithoutEscapes(base, length)
        copy(base, clean)
        if clean < length { escape(base + clean, length - clean) }
      }
      reserve(1)
      put(0x22)
    }
  }

  public mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let value): self.value(value)
    case .number(let value): self.value(value)
    case .numberText(let text): raw(Array(text.utf8))
    case .string(let value): self.value(value)
    case .array(let values):
      beginArray()
      for item in values {
        element()
        self.value(item)
      }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(named: member.name)
        self.value(member.value)
      }
      endObject()
    }
  }

  /// Bytes that are a JSON value already.
  public mutating func raw(_ json: [UInt8]) {
    reserve(json.count)
    json.withUnsafeBufferPointer { if let base = $0.baseAddress { copy(base, $0.count) } }
  }

  // MARK: Bytes

  /// Makes room; every `put` and `copy` is covered by one of these before it.
  @inline(__always)
  mutating func reserve(_ additional: Int) {
    if capacity - count < additional { grow(additional) }
  }

  @inline(never)
  private mutating func grow(_ additional: Int) {
    let larger = max(capacity * 2, count + additional)
    let replacement = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    replacement.update(from: buffer, count: count)
    buffer.deallocate()
    buffer = replacement
    capacity = larger
  }

  @inline(__always)
  mutating func put(_ byte: UInt8) {
    buffer[count] = byte
    count += 1
  }

  /// Lets `fill` write the next `length` bytes, from their end.
  @inline(__always)
  mutating func advance(_ length: Int, _ fill: (UnsafeMutablePointer<UInt8>) -> Void) {
    count += length
    fill(buffer + count)
  }

  /// Copies bytes. Most are few, and copied here in two words that may overlap.
  @inline(__always)
  mutating func copy(_ source: UnsafePointer<UInt8>, _ length: Int) {
    let from = UnsafeRawPointer(source)
    let to = UnsafeMutableRawPointer(buffer + count)
    count += length
    if length > 16 {
      to.copyMemory(from: from, byteCount: length)
    } else if length >= 8 {
      let head = from.loadUnaligned(as: UInt64.self)
      let tail = from.loadUnaligned(fromByteOffset: length - 8, as: UInt64.self)
      to.storeBytes(of: head, as: UInt64.self)
      to.storeBytes(of: tail, toByteOffset: length - 8, as: UInt64.self)
    } else if length >= 4 {
      let head = from.loadUnaligned(as: UInt32.self)
      let tail = from.loadUnaligned(fromByteOffset: length - 4, as: UInt32.self)
      to.storeBytes(of: head, as: UInt32.self)
      to.storeBytes(of: tail, toByteOffset: length - 4, as: UInt32.self)
    } else {
      for index in 0..<length { to.storeBytes(of: source[index], toByteOffset: index, as: UInt8.self) }
    }
  }

  private mutating func ascii(_ text: StaticString) {
    reserve(text.utf8CodeUnitCount)
    copy(text.utf8Start, text.utf8CodeUnitCount)
  }

  /// How many bytes need no escape.
  @inline(__always)
  private static func prefixWithoutEscapes(_ base: UnsafePointer<UInt8>, _ length: Int) -> Int {
    var index = 0
    while length - index >= 8 {
      let word = UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
      let quotes = (word ^ 0x2222_2222_2222_2222) &- 0x0101_0101_0101_0101
      let backslashes = (word ^ 0x5C5C_5C5C_5C5C_5C5C) &- 0x0101_0101_0101_0101
      let controls = word &- 0x2020_2020_2020_2020
      // A byte above 0x7F is no reason to stop, but may hide one: look at such words byte by byte.
      if (quotes | backslashes | controls | word) & 0x8080_8080_8080_8080 != 0 { break }
      index += 8
    }
    while index < length {
      let byte = base[index]
      if byte < 0x20 || byte == 0x22 || byte == 0x5C { break }
      index += 1
    }
    return index
  }

  @inline(never)
  private mutating func escape(_ base: UnsafePointer<UInt8>, _ length: Int) {
    for index in 0..<length {
      let byte = base[index]
      reserve(6)
      switch byte {
      case 0x22, 0x5C:
        put(0x5C)
        put(byte)
      case 0x0A: ascii("\\n")
      case 0x0D: ascii("\\r")
      case 0x09: ascii("\\t")
      case 0..<0x20:
        ascii("\\u00")
        put(hexadecimal(byte >> 4))
        put(hexadecimal(byte & 15))
      default: put(byte)
      }
    }
  }

  private func hexadecimal(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 + digit : 0x57 + digit }
}
