/// Reads what the objects of the driver `gpio` have in common: lines, contacts, pulses. Gathers what they claim.
struct GPIOLineReader {
  static let outputFields = ["chip", "line", "activeLow", "bias", "drive"]
  static let inputFields = ["chip", "line", "activeLow", "bias"]

  /// The chip of the driver object, which those inside may replace.
  var chip: String?
  private(set) var claims: [ResourceClaim] = []

  init(_ object: ObjectReader, _ problems: inout ProblemList) {
    chip = Self.chip(object, &problems)
  }

  private static func chip(_ object: ObjectReader, _ problems: inout ProblemList) -> String? {
    guard let chip = object.text("chip", limit: 100, &problems), let node = object.node["chip"] else { return nil }
    guard !chip.contains(where: \.isWhitespace) else {
      problems.add(
        .error, at: node, "chip is \"\(ValueCheck.excerpt(chip))\"",
        expected: "\"gpiochip0\", an absolute path, or the chip's label, without spaces")
      return nil
    }
    return chip.hasPrefix("/dev/gpiochip") ? String(chip.dropFirst("/dev/".count)) : chip
  }

  /// The line that `object` names.
  mutating func line(
    _ object: ObjectReader, isOutput: Bool, use: ResourceClaim.Use = .exclusive, _ problems: inout ProblemList
  )
    -> GPIOLine?
  {
    guard
      let node = object.member("line", required: "the line's name or offset, e.g. \"RELAY1\" or 17", &problems)
    else { return nil }
    return line(object, node, isOutput: isOutput, use: use, &problems)
  }

  /// One or several lines with the same settings: `line`, or `lines`.
  mutating func lines(_ object: ObjectReader, limit: Int, _ problems: inout ProblemList) -> [GPIOLine] {
    guard let list = object.node["lines"] else {
      return line(object, isOutput: true, &problems).map { [$0] } ?? []
    }
    if let node = object.node["line"] {
      problems.add(.error, at: node, "there are both \"line\" and \"lines\"", expected: "one of them")
    }
    let elements = Array(list.elements)
    guard list.kind == .array, (1...limit).contains(elements.count) else {
      problems.add(
        .error, at: list, "lines is \(list.kind == .array ? "not 1 to \(limit) long" : list.kind.text)",
        expected: "an array of 1 to \(limit) names or offsets")
      return []
    }
    return elements.compactMap { line(object, $0, isOutput: true, use: .exclusive, &problems) }
  }

  private mutating func line(
    _ object: ObjectReader, _ node: JSONNode, isOutput: Bool, use: ResourceClaim.Use, _ problems: inout ProblemList
  ) -> GPIOLine? {
    let place: GPIOLine.Place
    if let offset = node.int, (0...65_535).contains(offset) {
      place = .offset(offset)
    } else if let name = node.string, (1...100).contains(name.utf8.count), !name.contains(where: \.isNewline) {
      place = .name(name)
    } else {
      let found = node.kind == .number ? node.source : node.string == nil ? node.kind.text : "empty or too long"
      problems.add(
        .error, at: node, "line is \(ValueCheck.excerpt(found))",
        expected: "a name of 1 to 100 bytes or an offset from 0 to 65535")
      return nil
    }
    let own = object.node["chip"] == nil ? chip : Self.chip(object, &problems)
    let activeLow = object.bool("activeLow", &problems) ?? false
    let bias = object.choice("bias", of: GPIOLine.Bias.allCases.map(\.rawValue), &problems)
    let drive = isOutput ? object.choice("drive", of: GPIOLine.Drive.allCases.map(\.rawValue), &problems) : nil
    guard let own else {
      if object.node["chip"] == nil {
        problems.add(
          .error, at: object.node, "\"chip\" is missing in \(object.what)", expected: "a GPIO chip, e.g. \"gpiochip0\"")
      }
      return nil
    }
    let line = GPIOLine(
      chip: own, place: place, activeLow: activeLow, bias: bias.flatMap(GPIOLine.Bias.init) ?? .asIs,
      drive: drive.flatMap(GPIOLine.Drive.init) ?? .pushPull)
    claims.append(ResourceClaim(resource: line.text, use: use, node: node))
    return line
  }

  /// `contact` of the object, and its line.
  mutating func contact(
    _ object: ObjectReader, default kind: GPIOContact.Kind?, _ problems: inout ProblemList
  ) -> GPIOContact? {
    let line = line(object, isOutput: false, &problems)
    let word = object.choice(
      "contact", of: ["NC", "NO"],
      required: kind == nil ? "NC (closed at rest) or NO (open at rest)" : nil, &problems)
    guard let line, let kind = word.flatMap(GPIOContact.Kind.init) ?? kind else { return nil }
    return GPIOContact(line: line, kind: kind)
  }

  /// The object `name` with an output that is pulsed.
  mutating func pulse(
    _ object: ObjectReader, _ name: String, pulseMs: Int, timeoutMs: Int, _ problems: inout ProblemList
  ) -> GPIOPulse? {
    guard let node = object.node[name] else { return nil }
    let inner = ObjectReader(
      node, "\"\(name)\" of \(object.what)", known: Self.outputFields + ["pulseMs", "timeoutMs"], unknown: .error,
      &problems)
    guard node.kind == .object else { return nil }
    let pulse = inner.integer("pulseMs", in: 1...5000, &problems) ?? pulseMs
    let timeout = inner.integer("timeoutMs", in: 10...10_000, &problems) ?? timeoutMs
    guard let line = line(inner, isOutput: true, &problems) else { return nil }
    return GPIOPulse(line: line, pulseMs: pulse, timeoutMs: timeout)
  }

  mutating func object(
    _ object: ObjectReader, _ name: String, required expected: String? = nil, known: [String],
    _ problems: inout ProblemList
  ) -> ObjectReader? {
    guard let node = object.member(name, required: expected, &problems) else { return nil }
    let inner = ObjectReader(node, "\"\(name)\" of \(object.what)", known: known, unknown: .error, &problems)
    return node.kind == .object ? inner : nil
  }

  mutating func claim(_ resource: String, _ use: ResourceClaim.Use, at node: JSONNode) {
    claims.append(ResourceClaim(resource: resource, use: use, node: node))
  }
}
