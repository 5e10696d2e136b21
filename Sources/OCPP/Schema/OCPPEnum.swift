/// An enumeration of OCPP; the raw values are those on the wire.
public protocol OCPPEnum: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {
  /// Values that 2.1 has and 2.0.1 has not.
  static var onlyIn21: [Self] { get }
}

extension OCPPEnum {
  public static var onlyIn21: [Self] { [] }

  /// Whether that version has this value.
  public func exists(in version: OCPPVersion) -> Bool { version == .v21 || !Self.onlyIn21.contains(self) }
}

/// Where a value may be any short string, but has a list of well-known ones (and, in 2.0.1, may be nothing else).
public protocol OCPPOpenEnum: RawRepresentable, CaseIterable, Hashable, Sendable, CustomStringConvertible
where RawValue == String {
  /// Values longer than that do not exist.
  static var maxLength: Int { get }
  init(unchecked rawValue: String)
}

extension OCPPOpenEnum {
  /// `nil` when the value has more than `maxLength` code points.
  public init?(rawValue: String) {
    guard rawValue.unicodeScalars.count <= Self.maxLength else { return nil }
    self.init(unchecked: rawValue)
  }

  public var description: String { rawValue }
}

/// The codec's side of an enumeration that the generated code declares: names by case and cases by name.
protocol OCPPCodedEnum: OCPPEnum {
  static var table: EnumTable<Self> { get }
}

/// The codec's side of an open enumeration.
protocol OCPPCodedOpenEnum: OCPPOpenEnum {
  /// The values of 2.0.1.
  static var names: EnumNames { get }
}

/// Made once per enumeration and kept for the life of the process.
struct EnumTable<Value: OCPPEnum>: @unchecked Sendable {
  let names: EnumNames
  private let values: UnsafeMutablePointer<Value>
  /// Index of a value by its tag, the one byte that a case without payload is stored in.
  private let indexes: UnsafeMutablePointer<UInt8>

  init(_ type: Value.Type) {
    let cases = Array(Value.allCases)
    precondition(MemoryLayout<Value>.size <= 1, "EnumTable: not a plain enumeration")
    values = .allocate(capacity: cases.count)
    indexes = .allocate(capacity: 256)
    indexes.initialize(repeating: 0, count: 256)
    var onlyIn21: [Bool] = []
    for (index, value) in cases.enumerated() {
      (values + index).initialize(to: value)
      indexes[EnumTable.tag(value)] = UInt8(truncatingIfNeeded: index)
      onlyIn21.append(!value.exists(in: .v201))
    }
    names = EnumNames(cases.map(\.rawValue), onlyIn21: onlyIn21)
  }

  @inline(__always)
  private static func tag(_ value: Value) -> Int {
    withUnsafeBytes(of: value) { $0.isEmpty ? 0 : Int($0[0]) }
  }

  /// The value with that index of `names`.
  @inline(__always)
  subscript(index: Int) -> Value { values[index] }

  @inline(__always)
  func index(_ value: Value) -> Int { Int(indexes[EnumTable.tag(value)]) }
}

/// The names of an enumeration, without its type.
struct EnumNames: @unchecked Sendable {
  let keyTable: UnsafePointer<KeyTable>
  private let onlyIn21: UnsafeMutablePointer<Bool>

  init(_ names: [String], onlyIn21 flags: [Bool]? = nil) {
    var copies: [UnsafeBufferPointer<UInt8>] = []
    for name in names {
      let utf8 = Array(name.utf8)
      let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: utf8.count)
      _ = copy.initialize(from: utf8)
      copies.append(UnsafeBufferPointer(copy))
    }
    let table = UnsafeMutablePointer<KeyTable>.allocate(capacity: 1)
    table.initialize(to: KeyTable(copies))
    keyTable = UnsafePointer(table)
    onlyIn21 = .allocate(capacity: max(1, names.count))
    for index in names.indices { (onlyIn21 + index).initialize(to: flags?[index] ?? false) }
  }

  var keys: KeyTable { keyTable.pointee }

  @inline(__always)
  func has(_ index: Int, _ version: OCPPVersion) -> Bool { version == .v21 || !onlyIn21[index] }
}
