import OCPP

/// Whether a text may be the value of a variable.
enum ValueCheck {
  /// Values longer than this are refused from everybody, in bytes.
  static let maxBytes = 65_536

  /// Why not.
  struct Violation: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
      /// Not of the data type.
      case type
      case tooLow, tooHigh
      /// Not in valuesList.
      case list
    }

    var kind: Kind
    var message: String
    var expected: String
    var suggestion: String?
  }

  /// Whether the text is of the data type. The empty text is no value and fits the types that can be empty lists
  /// or texts.
  static func type(_ value: String, _ type: DataEnumType) -> Violation? {
    let expected: String
    switch type {
    case .boolean:
      if value == "true" || value == "false" { return nil }
      return Violation(
        kind: .type, message: "\"\(excerpt(value))\" is no boolean", expected: "true or false",
        suggestion: Suggestion.nearest(to: value, in: ["true", "false"])
          ?? ["1": "true", "0": "false", "on": "true", "off": "false", "yes": "true", "no": "false"][value.lowercased()]
          ?? ["TRUE": "true", "FALSE": "false"][value.uppercased()])
    case .integer:
      if integer(value) != nil { return nil }
      expected = "a whole number that fits 64 bits"
    case .decimal:
      if DecimalNumber(value) != nil { return nil }
      expected = "a decimal number"
    case .dateTime:
      if DateTime(value) != nil { return nil }
      expected = "an RFC 3339 date and time, such as 2026-01-31T12:00:00Z"
    default: return nil
    }
    return Violation(kind: .type, message: "\"\(excerpt(value))\" is no \(type.rawValue)", expected: expected)
  }

  /// Whether a value that is of the data type keeps to the limits and the list.
  static func range(_ value: String, _ characteristics: VariableCharacteristicsType, allowed: [String]) -> Violation? {
    switch characteristics.dataType {
    case .integer, .decimal:
      guard let number = DecimalNumber(value) else { return nil }
      if let low = characteristics.minLimit, number < low {
        return Violation(kind: .tooLow, message: "\(excerpt(value)) is too low", expected: "at least \(low)")
      }
      if let high = characteristics.maxLimit, high < number {
        return Violation(kind: .tooHigh, message: "\(excerpt(value)) is too high", expected: "at most \(high)")
      }
      return allowed.isEmpty || allowed.contains(value) ? nil : notAllowed(value, allowed)
    case .string, .optionList, .sequenceList, .memberList:
      if characteristics.minLimit != nil || characteristics.maxLimit != nil {
        let length = DecimalNumber(value.unicodeScalars.count)
        if let low = characteristics.minLimit, length < low {
          return Violation(
            kind: .tooLow, message: "\"\(excerpt(value))\" is too short", expected: "at least \(low) characters")
        }
        if let high = characteristics.maxLimit, high < length {
          return Violation(
            kind: .tooHigh, message: "\"\(excerpt(value))\" is too long", expected: "at most \(high) characters")
        }
      }
      guard !allowed.isEmpty else { return nil }
      if characteristics.dataType == .sequenceList || characteristics.dataType == .memberList {
        for item in ListText.items(value) where !allowed.contains(item) { return notAllowed(item, allowed) }
        return nil
      }
      return allowed.contains(value) ? nil : notAllowed(value, allowed)
    default: return nil
    }
  }

  private static func notAllowed(_ value: String, _ allowed: [String]) -> Violation {
    Violation(
      kind: .list, message: "\"\(excerpt(value))\" is not in the values list",
      expected: "one of \(excerpt(allowed.joined(separator: ","), 200))",
      suggestion: Suggestion.nearest(to: value, in: allowed))
  }

  /// A whole number, as OCPP writes it: digits with an optional minus.
  static func integer(_ text: String) -> Int? { text.utf8.first == UInt8(ascii: "+") ? nil : Int(text) }

  /// At most `limit` characters of a value, for messages.
  static func excerpt(_ value: String, _ limit: Int = 64) -> String {
    value.count <= limit ? value : value.prefix(limit) + "..."
  }
}

/// Comma separated lists.
enum ListText {
  /// The items without surrounding spaces; none for an empty text.
  static func items(_ text: String) -> [String] {
    text.split(separator: ",").compactMap { item in
      var item = item
      while item.first == " " { item.removeFirst() }
      while item.last == " " { item.removeLast() }
      return item.isEmpty ? nil : String(item)
    }
  }
}
