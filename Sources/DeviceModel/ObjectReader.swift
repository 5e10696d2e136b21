import OCPP

/// Reads the members of one JSON object by their names and reports what is missing, wrong or unknown, with its place.
struct ObjectReader {
  let node: JSONNode
  /// What the object is, for messages: "a meter model".
  let what: String
  let known: [String]

  /// Reports unknown and repeated members. `severity` of an unknown one.
  init(
    _ node: JSONNode, _ what: String, known: [String], unknown severity: Problem.Severity, _ problems: inout ProblemList
  ) {
    self.node = node
    self.what = what
    self.known = known
    guard node.kind == .object else {
      problems.add(.error, at: node, "\(what) is \(node.kind.text)", expected: "an object")
      return
    }
    for (key, _) in node.members {
      let text = key.string ?? ""
      guard !known.contains(text) else { continue }
      problems.add(
        severity, at: key, "unknown key \"\(ValueCheck.excerpt(text))\" in \(what)",
        expected: known.joined(separator: ", "), suggestion: Suggestion.nearest(to: text, in: known))
    }
  }

  /// The member, or `nil`; a problem when it is required.
  func member(_ name: String, required expected: String? = nil, _ problems: inout ProblemList) -> JSONNode? {
    if let value = node[name] { return value }
    if let expected, node.kind == .object {
      problems.add(.error, at: node, "\"\(name)\" is missing in \(what)", expected: expected)
    }
    return nil
  }

  /// A text of 1 to `limit` characters.
  func text(
    _ name: String, required expected: String? = nil, limit: Int = 255, _ problems: inout ProblemList
  ) -> String? {
    member(name, required: expected, &problems).flatMap { Self.text($0, name, limit: limit, &problems) }
  }

  static func text(_ node: JSONNode, _ name: String, limit: Int = 255, _ problems: inout ProblemList) -> String? {
    guard let text = node.string, !text.isEmpty, text.unicodeScalars.count <= limit else {
      let found = node.string.map { $0.isEmpty ? "empty" : "too long" } ?? node.kind.text
      problems.add(.error, at: node, "\(name) is \(found)", expected: "a string of 1 to \(limit) characters")
      return nil
    }
    return text
  }

  /// A whole number in a range.
  func integer(
    _ name: String, in range: ClosedRange<Int>, required expected: String? = nil, _ problems: inout ProblemList
  ) -> Int? {
    guard let value = member(name, required: expected, &problems) else { return nil }
    guard let number = value.int, range.contains(number) else {
      problems.add(
        .error, at: value, "\(name) is \(ValueCheck.excerpt(value.kind == .number ? value.source : value.kind.text))",
        expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return number
  }

  /// One of a list of whole numbers.
  func integer(
    _ name: String, of choices: [Int], required expected: String? = nil, _ problems: inout ProblemList
  ) -> Int? {
    guard let value = member(name, required: expected, &problems) else { return nil }
    guard let number = value.int, choices.contains(number) else {
      problems.add(
        .error, at: value, "\(name) is \(ValueCheck.excerpt(value.kind == .number ? value.source : value.kind.text))",
        expected: "one of \(choices.map(String.init).joined(separator: ", "))")
      return nil
    }
    return number
  }

  /// One of a list of words.
  func choice(
    _ name: String, of choices: [String], required expected: String? = nil, _ problems: inout ProblemList
  ) -> String? {
    guard let value = member(name, required: expected, &problems) else { return nil }
    guard let text = value.string, choices.contains(text) else {
      let found = value.string.map { "\"\(ValueCheck.excerpt($0))\"" } ?? value.kind.text
      problems.add(
        .error, at: value, "\(name) is \(found)", expected: "one of \(choices.joined(separator: ", "))",
        // One letter is as near to every other.
        suggestion: value.string.flatMap { $0.utf8.count > 1 ? Suggestion.nearest(to: $0, in: choices) : nil })
      return nil
    }
    return text
  }

  func bool(_ name: String, _ problems: inout ProblemList) -> Bool? {
    guard let value = node[name] else { return nil }
    if let bool = value.bool { return bool }
    problems.add(.error, at: value, "\(name) is \(value.kind.text)", expected: "true or false")
    return nil
  }

  /// A number that is not zero.
  func decimal(_ name: String, _ problems: inout ProblemList) -> DecimalNumber? {
    guard let value = node[name] else { return nil }
    if value.kind == .number, let number = DecimalNumber(value.source), number != .zero { return number }
    problems.add(
      .error, at: value,
      "\(name) is \(ValueCheck.excerpt(value.kind == .number ? value.source : value.kind.text))",
      expected: "a number other than 0")
    return nil
  }

  /// A list of 1 to 100 texts.
  func texts(_ name: String, required expected: String? = nil, _ problems: inout ProblemList) -> [String] {
    guard let value = member(name, required: expected, &problems) else { return [] }
    let elements = Array(value.elements)
    guard value.kind == .array, (1...100).contains(elements.count) else {
      problems.add(
        .error, at: value, "\(name) is \(value.kind == .array ? "not 1 to 100 long" : value.kind.text)",
        expected: "an array of 1 to 100 strings")
      return []
    }
    return elements.compactMap { Self.text($0, "an element of \(name)", limit: 500, &problems) }
  }
}
