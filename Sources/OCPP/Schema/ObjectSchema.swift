/// What one member must satisfy in one version of OCPP.
struct FieldRule {
  var isPresent = true
  var isRequired = false
  /// A number that must be an integer (where the other version allows fractions).
  var isIntegral = false
  /// Most code points in a string.
  var maxLength = Int.max
  /// Least and greatest number.
  var minimum = Int.min
  var maximum = Int.max
  /// Least and greatest number of array elements.
  var minItems = 0
  var maxItems = Int.max
}

/// The members of an object type and their rules, made from a text in the generated code: one line for each member,
///
///     name rules [| rules]
///
/// with the rules of 2.0.1 and, behind the bar, of 2.1 when they differ. Rules are `required`, `integer`, `length ..n`,
/// `range [min]..[max]`, `items [min]..[max]`, and `-` for a member that this version does not have.
struct ObjectSchema: @unchecked Sendable {
  struct Rules {
    var fields: UnsafeMutablePointer<FieldRule>
    /// A bit for each required member.
    var required: UInt64 = 0
    /// A bit for each member of this version.
    var present: UInt64 = 0
  }

  struct Storage {
    var keys: KeyTable
    var v201: Rules
    var v21: Rules
  }

  private let storage: UnsafeMutablePointer<Storage>

  init(_ text: StaticString) {
    let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    var names: [UnsafeBufferPointer<UInt8>] = []
    var older: [FieldRule] = []
    var newer: [FieldRule] = []
    for line in bytes.split(separator: 0x0A) {
      let words = line.split(separator: 0x20)
      guard let name = words.first else { continue }
      names.append(UnsafeBufferPointer(rebasing: name))
      let rules = words.dropFirst()
      let bar = rules.firstIndex { $0.elementsEqual([0x7C]) }
      older.append(FieldRule(rules[..<(bar ?? rules.endIndex)]))
      newer.append(FieldRule(bar.map { rules[($0 + 1)...] } ?? rules))
    }
    precondition(names.count <= 64, "ObjectSchema: more than 64 members")
    storage = .allocate(capacity: 1)
    storage.initialize(to: Storage(keys: KeyTable(names), v201: Rules(older), v21: Rules(newer)))
  }

  @inline(__always)
  var keys: UnsafePointer<KeyTable> { UnsafePointer(storage.pointer(to: \.keys).unsafelyUnwrapped) }

  @inline(__always)
  func rules(_ version: OCPPVersion) -> UnsafePointer<Rules> {
    let rules = version == .v201 ? storage.pointer(to: \.v201) : storage.pointer(to: \.v21)
    return UnsafePointer(rules.unsafelyUnwrapped)
  }
}

extension ObjectSchema.Rules {
  fileprivate init(_ rules: [FieldRule]) {
    fields = .allocate(capacity: max(1, rules.count))
    for (index, rule) in rules.enumerated() {
      (fields + index).initialize(to: rule)
      if rule.isPresent { present |= 1 << UInt64(index) }
      if rule.isPresent && rule.isRequired { required |= 1 << UInt64(index) }
    }
  }
}

extension FieldRule {
  fileprivate typealias Word = Slice<UnsafeBufferPointer<UInt8>>

  fileprivate init(_ words: ArraySlice<Word>) {
    var rest = words
    while let word = rest.popFirst() {
      switch String(decoding: word, as: UTF8.self) {
      case "-": isPresent = false
      case "required": isRequired = true
      case "integer": isIntegral = true
      case "length": (_, maxLength) = FieldRule.bounds(rest.popFirst(), 0)
      case "range": (minimum, maximum) = FieldRule.bounds(rest.popFirst(), .min)
      case "items": (minItems, maxItems) = FieldRule.bounds(rest.popFirst(), 0)
      default: preconditionFailure("ObjectSchema: unknown rule")
      }
    }
  }

  /// `1..4`, `..36`, `0..`
  private static func bounds(_ word: Word?, _ lowest: Int) -> (Int, Int) {
    let text = word.map { String(decoding: $0, as: UTF8.self) } ?? ""
    let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    precondition(parts.count == 3, "ObjectSchema: bad bounds")
    return (Int(parts[0]) ?? lowest, Int(parts[2]) ?? .max)
  }
}
