import OCPP

/// Reads a meter model from its file and reports all that is wrong in it.
struct MeterModelReader {
  /// Quantities and identity fields of one model.
  static let maxFields = 100

  var problems: ProblemList

  private var function: UInt8 = 3
  private var lowWordFirst = false
  private var unavailable: [MeterField.FieldType: UInt64] = [:]

  private static let keys = [
    "model", "vendor", "names", "phases", "confidence", "sources", "notes", "serial", "functionCode", "wordOrder",
    "maxRegistersPerRead", "maxGap", "pauseMs", "notAvailable", "identity", "quantities",
  ]
  private static let partKeys = [
    "functionCode", "wordOrder", "address", "type", "registers", "scale", "exponent", "alone",
  ]
  private static let wordOrders = ["high-first", "low-first"]

  init(problems: ProblemList) { self.problems = problems }

  /// The model, or `nil` when there is an error in it. `id` is what the file's name says.
  mutating func model(_ node: JSONNode, id: String) -> MeterModel? {
    let errors = problems.errorCount
    let object = ObjectReader(node, "a meter model", known: Self.keys, unknown: .error, &problems)
    guard node.kind == .object else { return nil }
    let name = object.text("model", required: "\"\(id)\", the name of the file", limit: 50, &problems)
    if let name, name != id, let value = node["model"] {
      problems.add(
        .error, at: value, "the file \(id).json is about \"\(ValueCheck.excerpt(name))\"", expected: "\"\(id)\"")
    }
    let vendor = object.text("vendor", required: "the maker's name", limit: 50, &problems)
    let names = object.texts("names", required: "the type designations", &problems)
    let phases = object.integer("phases", of: [1, 3], required: "1 or 3", &problems)
    let confidence = confidence(object, required: true)
    let sources = object.texts("sources", required: "where the register map comes from", &problems)
    let notes = node["notes"] == nil ? [] : object.texts("notes", &problems)
    let serial = node["serial"].flatMap { self.serial($0) }
    if let code = object.integer("functionCode", of: [3, 4], required: "3 (holding) or 4 (input registers)", &problems)
    {
      function = UInt8(code)
    }
    lowWordFirst =
      object.choice("wordOrder", of: Self.wordOrders, required: "high-first or low-first", &problems) == "low-first"
    let most = object.integer(
      "maxRegistersPerRead", in: 1...125, required: "registers of one read, 1 to 125", &problems)
    let gap = object.integer("maxGap", in: 0...125, &problems) ?? 0
    let pause = object.integer("pauseMs", in: 0...1000, &problems) ?? 0
    if let patterns = node["notAvailable"] { readPatterns(patterns) }
    let identity = node["identity"].map { self.identity($0) } ?? []
    let quantities =
      object.member("quantities", required: "the registers of each quantity", &problems)
      .map { self.quantities($0) } ?? [:]
    if let place = node["quantities"], place.kind == .object, quantities[MeterQuantity(.energyImport)] == nil,
      place["energyImport"] == nil
    {
      problems.add(.error, at: place, "\"energyImport\" is missing", expected: "the register that is billed")
    }
    if let most, let place = node["maxRegistersPerRead"] {
      let widest = (quantities.values.flatMap(\.spans) + identity.flatMap(\.field.spans)).map(\.registers).max() ?? 0
      if widest > most {
        problems.add(
          .error, at: place, "maxRegistersPerRead is \(most), but a value has \(widest) registers",
          expected: "at least \(widest)")
      }
    }
    guard problems.errorCount == errors, let vendor, let phases, let confidence, let most else { return nil }
    return MeterModel(
      id: id, vendor: vendor, names: names, phases: phases, confidence: confidence, sources: sources, notes: notes,
      serial: serial, maxRegistersPerRead: most, maxGap: gap, pauseMs: pause, identity: identity,
      quantities: quantities)
  }

  private mutating func confidence(_ object: ObjectReader, required: Bool) -> MeterModel.Confidence? {
    let words = MeterModel.Confidence.allCases.map(\.rawValue)
    return object.choice("confidence", of: words, required: required ? words.joined(separator: ", ") : nil, &problems)
      .flatMap(MeterModel.Confidence.init)
  }

  private mutating func serial(_ node: JSONNode) -> MeterModel.SerialDefaults? {
    let object = ObjectReader(
      node, "serial", known: ["baud", "parity", "stopBits", "unit", "confidence"], unknown: .error, &problems)
    let baud = object.integer("baud", of: SerialLine.bauds, required: "the baud rate", &problems)
    let parity = object.choice("parity", of: SerialLine.parities, required: "N, E or O", &problems)
    let stopBits = object.integer("stopBits", of: [1, 2], required: "1 or 2", &problems)
    let unit = object.integer("unit", in: 1...247, required: "1 to 247", &problems)
    let confidence = confidence(object, required: true)
    guard let baud, let parity, let stopBits, let unit, let confidence else { return nil }
    return .init(baud: baud, parity: parity, stopBits: stopBits, unit: unit, confidence: confidence)
  }

  /// Patterns by type: `{"uint16": "0xFFFF"}`.
  private mutating func readPatterns(_ node: JSONNode) {
    let types = MeterField.FieldType.allCases.filter { $0 != .string }
    let object = ObjectReader(node, "notAvailable", known: types.map(\.rawValue), unknown: .error, &problems)
    for type in types {
      guard let value = object.member(type.rawValue, &problems) else { continue }
      let bits = 16 * (type.registers ?? 0)
      if let pattern = value.string.flatMap(Self.bits), bits == 64 || pattern >> UInt64(bits) == 0 {
        unavailable[type] = pattern
      } else {
        problems.add(
          .error, at: value, "the pattern of \(type.rawValue) is \(ValueCheck.excerpt(value.source))",
          expected: "a string like \"0xFFFF\" of at most \(bits) bits")
      }
    }
  }

  /// `0x1F` or `31`.
  private static func bits(_ text: String) -> UInt64? {
    text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
  }

  // MARK: Fields

  private mutating func identity(_ node: JSONNode) -> [MeterModel.IdentityField] {
    guard node.kind == .object else {
      problems.add(.error, at: node, "identity is \(node.kind.text)", expected: "an object")
      return []
    }
    var fields: [MeterModel.IdentityField] = []
    for (key, value) in node.members.prefix(Self.maxFields) {
      let object = ObjectReader(
        value, "an identity field", known: Self.partKeys + ["values", "matches"], unknown: .error, &problems)
      guard let part = part(object, perUnit: nil) else { continue }
      var values: [UInt64: String] = [:]
      if let list = value["values"] {
        if part.type == .string || list.kind != .object {
          problems.add(
            .error, at: list, "values of \(list.kind.text)", expected: "an object, and a field that is a number")
        }
        for (number, meaning) in list.members {
          guard let bits = number.string.flatMap(Self.bits), let text = meaning.string else {
            problems.add(.error, at: number, "a value that is no number", expected: "\"number or 0x...\": \"meaning\"")
            continue
          }
          values[bits] = text
        }
      }
      let prefix = object.text("matches", limit: 50, &problems)
      if prefix != nil, part.type != .string, let place = value["matches"] {
        problems.add(.error, at: place, "matches on a \(part.type.rawValue)", expected: "a field of type string")
      }
      fields.append(
        .init(name: key.string ?? "", field: MeterField(parts: [part]), values: values, prefix: prefix))
    }
    return fields
  }

  private mutating func quantities(_ node: JSONNode) -> [MeterQuantity: MeterField] {
    guard node.kind == .object else {
      problems.add(.error, at: node, "quantities is \(node.kind.text)", expected: "an object")
      return [:]
    }
    var fields: [MeterQuantity: MeterField] = [:]
    for (key, value) in node.members {
      guard fields.count < Self.maxFields else {
        problems.add(.error, at: key, "too many quantities", expected: "at most \(Self.maxFields)")
        break
      }
      let name = key.string ?? ""
      guard let quantity = MeterQuantity(name) else {
        let kinds = MeterQuantity.Kind.allCases.map(\.rawValue)
        problems.add(
          .error, at: key, "\"\(ValueCheck.excerpt(name))\" is no quantity",
          expected: "one of \(kinds.joined(separator: ", ")), with .L1, .L2 or .L3 for a phase",
          suggestion: Suggestion.nearest(to: name, in: kinds))
        continue
      }
      fields[quantity] = quantityField(value, quantity)
    }
    return fields
  }

  private mutating func quantityField(_ node: JSONNode, _ quantity: MeterQuantity) -> MeterField? {
    let known = node["parts"] == nil ? Self.partKeys + ["unit", "note", "parts"] : ["parts", "unit", "note"]
    let object = ObjectReader(node, "a quantity", known: known, unknown: .error, &problems)
    guard node.kind == .object else { return nil }
    let unit = quantity.kind.unit
    if unit.isEmpty {
      if let place = node["unit"] {
        problems.add(.error, at: place, "\(quantity) has no unit", expected: "no \"unit\"")
      }
    } else {
      _ = object.choice("unit", of: [unit, "k" + unit], required: "\"\(unit)\" or \"k\(unit)\"", &problems)
    }
    let thousands = node["unit"]?.string == "k" + unit && !unit.isEmpty ? 3 : 0
    guard let list = node["parts"] else { return part(object, perUnit: thousands).map { MeterField(parts: [$0]) } }
    let elements = Array(list.elements)
    guard list.kind == .array, (2...4).contains(elements.count) else {
      problems.add(.error, at: list, "parts is not a list of 2 to 4", expected: "an array of 2 to 4 objects")
      return nil
    }
    let parts = elements.compactMap { element -> MeterField.Part? in
      let object = ObjectReader(element, "a part", known: Self.partKeys, unknown: .error, &problems)
      return part(object, perUnit: thousands)
    }
    return parts.count == elements.count ? MeterField(parts: parts) : nil
  }

  /// One value. `perUnit` is the exponent of its unit's prefix; `nil` for identity fields, which have no scale.
  private mutating func part(_ object: ObjectReader, perUnit: Int?) -> MeterField.Part? {
    guard let span = address(object) else { return nil }
    let words = MeterField.FieldType.allCases.map(\.rawValue)
    guard
      let type = object.choice("type", of: words, required: "one of \(words.joined(separator: ", "))", &problems)
        .flatMap(MeterField.FieldType.init)
    else { return nil }
    var part = MeterField.Part(
      span: span, type: type, lowWordFirst: lowWordFirst, scale: DecimalNumber(1), unavailable: unavailable[type])
    if let order = object.choice("wordOrder", of: Self.wordOrders, &problems) {
      part.lowWordFirst = order == "low-first"
    }
    part.span.alone = object.bool("alone", &problems) ?? false
    if let registers = type.registers {
      part.span.registers = registers
      if let place = object.node["registers"] {
        problems.add(.error, at: place, "registers on a \(type.rawValue)", expected: "it with type string only")
      }
    } else {
      if perUnit != nil, let place = object.node["type"] {
        problems.add(.error, at: place, "a quantity of type string", expected: "a number")
      }
      part.span.registers =
        object.integer("registers", in: 1...60, required: "the length of the string in registers", &problems) ?? 1
    }
    if span.address + part.span.registers > 65_536, let place = object.node["address"] {
      problems.add(.error, at: place, "the value ends behind register 65535", expected: "a smaller address")
    }
    if let perUnit {
      let scale = object.decimal("scale", &problems) ?? DecimalNumber(1)
      part.scale = DecimalNumber(mantissa: scale.mantissa, exponent: scale.exponent + perUnit)
      if let node = object.node["exponent"] { part.exponent = exponent(node) }
    } else {
      for key in ["scale", "exponent"] {
        if let place = object.node[key] {
          problems.add(.error, at: place, "\(key) on an identity field", expected: "none")
        }
      }
    }
    return part
  }

  private mutating func exponent(_ node: JSONNode) -> MeterField.Exponent? {
    let object = ObjectReader(
      node, "an exponent", known: ["functionCode", "address", "type", "bias"], unknown: .error, &problems)
    guard var span = address(object) else { return nil }
    span.registers = 1
    let type = object.choice("type", of: ["int16", "uint16"], required: "int16 or uint16", &problems)
    let bias = object.integer("bias", in: -12...12, &problems) ?? 0
    return type.map { MeterField.Exponent(span: span, signed: $0 == "int16", bias: bias) }
  }

  private mutating func address(_ object: ObjectReader) -> MeterField.Span? {
    let code = object.integer("functionCode", of: [3, 4], &problems).map(UInt8.init) ?? function
    return object.integer("address", in: 0...65_535, required: "the register as on the wire, from 0", &problems)
      .map { MeterField.Span(function: code, address: $0, registers: 1) }
  }
}

/// What a serial line can be set to.
public enum SerialLine {
  public static let bauds = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200]
  public static let parities = ["N", "E", "O"]
}
