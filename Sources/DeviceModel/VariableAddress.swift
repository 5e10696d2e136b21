import OCPP

/// One attribute of one variable of one component, as text:
///
///     Component[.instance][@evse[.connector]]/Variable[.instance][#Attribute]
///
/// for example `TxCtrlr/EVConnectionTimeOut`, `EVSE@1/AvailabilityState`, `Connector@2.1/Available`,
/// `DeviceDataCtrlr/ItemsPerMessage.GetReport`, `EVSE@1/Power#MaxSet`. Without `#Attribute` it is the Actual one.
/// The name ends at the first dot, so an instance may contain dots. The characters `% . @ / # =`, where they would be
/// taken for a separator, are written as `%` and two hexadecimal digits.
public struct VariableAddress: Hashable, Sendable {
  public var component: ComponentID
  public var variable: VariableID
  public var attribute: AttributeEnumType

  public init(_ component: ComponentID, _ variable: VariableID, _ attribute: AttributeEnumType = .actual) {
    self.component = component
    self.variable = variable
    self.attribute = attribute
  }

  /// Why a text is no address.
  public struct ParseError: Error, Hashable, Sendable {
    public var message: String
    public var expected: String
    public var suggestion: String?
  }

  static let form = "Component[.instance][@evse[.connector]]/Variable[.instance][#Attribute]"

  /// Reads the form above. Spaces are part of names.
  public init(parsing text: String) throws(ParseError) {
    guard let slash = text.firstIndex(of: "/") else {
      throw ParseError(message: "\"\(text)\" has no '/' between component and variable", expected: Self.form)
    }
    var place = text[..<slash]
    var evse: Int?
    var connector: Int?
    if let at = place.firstIndex(of: "@") {
      let numbers = place[place.index(after: at)...].split(separator: ".", omittingEmptySubsequences: false)
      place = place[..<at]
      let parsed = numbers.map { Self.number($0) }
      guard parsed.count <= 2, !parsed.contains(nil) else {
        throw ParseError(
          message: "\"\(text[at..<slash])\" does not name an EVSE or a connector",
          expected: "@evse or @evse.connector, such as @1 or @1.1")
      }
      evse = parsed[0]
      connector = parsed.count == 2 ? parsed[1] : nil
    }
    var rest = text[text.index(after: slash)...]
    var attribute = AttributeEnumType.actual
    if let hash = rest.lastIndex(of: "#") {
      let name = String(rest[rest.index(after: hash)...])
      guard let known = AttributeEnumType.allCases.first(where: { CaseFold.equal($0.rawValue, name) }) else {
        let names = AttributeEnumType.allCases.map(\.rawValue)
        throw ParseError(
          message: "\"\(name)\" is no attribute type", expected: names.joined(separator: ", "),
          suggestion: Suggestion.nearest(to: name, in: names))
      }
      attribute = known
      rest = rest[..<hash]
    }
    let (componentName, componentInstance) = try Self.split(place, of: text, what: "component")
    let (variableName, variableInstance) = try Self.split(rest, of: text, what: "variable")
    component = ComponentID(componentName, instance: componentInstance, evse: evse, connector: connector)
    variable = VariableID(variableName, instance: variableInstance)
    self.attribute = attribute
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
  }

  private static func split(_ part: Substring, of text: String, what: String) throws(ParseError) -> (String, String?) {
    let dot = part.firstIndex(of: ".")
    let name = dot.map { part[..<$0] } ?? part
    guard !name.isEmpty else { throw ParseError(message: "\"\(text)\" names no \(what)", expected: form) }
    guard let plainName = unescape(name), let instance = dot.map({ unescape(part[part.index(after: $0)...]) }) ?? ""
    else {
      throw ParseError(message: "\"\(part)\" has a broken % escape", expected: "% and two hexadecimal digits")
    }
    return (plainName, dot == nil ? nil : instance)
  }

  private static func unescape(_ text: Substring) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let value = JSONText.hex([UInt8(ascii: "0"), UInt8(ascii: "0")] + rest.prefix(2)) else { return nil }
      bytes.append(UInt8(truncatingIfNeeded: value))
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func escape(_ text: String, dots: Bool) -> String {
    guard text.utf8.contains(where: { special.contains($0) }) else { return text }
    var result = ""
    for character in text {
      let byte = character.asciiValue ?? 0
      if special.contains(byte), dots || character != "." {
        result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      } else {
        result.append(character)
      }
    }
    return result
  }

  private static let special: [UInt8] = Array("%.@/#=".utf8)
}

extension VariableAddress: CustomStringConvertible {
  /// The form that `init(parsing:)` reads.
  public var description: String {
    "\(component)/\(variable)" + (attribute == .actual ? "" : "#\(attribute.rawValue)")
  }

  /// The key under which the ledger keeps a value: the description in lower case, so that a change of spelling in a
  /// component file does not lose it. `init(parsing:)` is the way back.
  public var persistentKey: String { CaseFold.lowercased(description) }

  fileprivate static func text(_ name: String, _ instance: String?) -> String {
    escape(name, dots: true) + (instance.map { "." + escape($0, dots: false) } ?? "")
  }
}

extension ComponentID: CustomStringConvertible {
  /// `Component[.instance][@evse[.connector]]`
  public var description: String {
    var text = VariableAddress.text(name, instance)
    if let evse { text += "@\(evse)" + (connector.map { ".\($0)" } ?? "") }
    return text
  }
}

extension VariableID: CustomStringConvertible {
  /// `Variable[.instance]`
  public var description: String { VariableAddress.text(name, instance) }
}
