import OCPP
import Testing

@testable import DeviceModel

@Suite struct MeterModelTests {
  private static let folder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  /// A model with these members beside the least ones; `replacing` leaves one of those out.
  private func model(_ more: String = "", replacing: String? = nil, quantities: String? = nil) -> String {
    let least = [
      ("model", #""m""#), ("vendor", #""V""#), ("names", #"["N"]"#), ("phases", "3"), ("confidence", #""high""#),
      ("sources", #"["S"]"#), ("functionCode", "4"), ("wordOrder", #""high-first""#), ("maxRegistersPerRead", "80"),
      (
        "quantities",
        quantities ?? #"{"energyImport": {"address": 72, "type": "float32", "scale": 1000, "unit": "Wh"}}"#
      ),
    ]
    let members = least.filter { $0.0 != replacing }.map { "\"\($0.0)\": \($0.1)" }
    return "{" + (members + (more.isEmpty ? [] : [more])).joined(separator: ",\n") + "}"
  }

  private func read(_ text: String) throws -> (model: MeterModel?, problems: [String]) {
    let folder = try TemporaryFolder(["m.json": text])
    let read = MeterLibrary(directories: [folder.path]).model("m")
    return (read.model, read.problems.map { String($0.text.dropFirst(folder.path.utf8.count + 1)) })
  }

  private func problems(_ text: String) throws -> [String] {
    let read = try read(text)
    #expect((read.model == nil) == !read.problems.isEmpty)
    return read.problems
  }

  @Test func shippedModelsAreSound() {
    let all = MeterLibrary(directories: [Self.folder + "/DeviceModel/meters"]).all()
    #expect(all.problems.map(\.text) == [])
    #expect(all.models.count >= 21)
    for model in all.models {
      #expect(!model.sources.isEmpty && !model.names.isEmpty)
      if model.phases == 1 { #expect(model.quantities[MeterQuantity(.voltage, phase: 2)] == nil, "\(model.id)") }
    }
  }

  @Test func everythingIsRead() throws {
    let text = model(
      #"""
      "notes": ["n"], "serial": {"baud": 9600, "parity": "E", "stopBits": 1, "unit": 7, "confidence": "low"},
      "maxGap": 4, "pauseMs": 20, "notAvailable": {"int32": "0x7FFFFFFF"},
      "identity": {"code": {"address": 11, "type": "uint16", "alone": true, "values": {"0x10": "A", "17": "B"}},
        "name": {"functionCode": 3, "address": 20, "type": "string", "registers": 7, "matches": "EM"}}
      """#,
      quantities: #"""
        {"energyImport": {"unit": "kWh", "parts": [{"address": 0, "type": "int32"}, {"address": 2, "type": "int32", "scale": 0.001}]},
         "power": {"address": 4, "type": "int32", "unit": "W", "wordOrder": "low-first", "exponent": {"address": 6, "type": "int16", "bias": -3}},
         "powerFactor.L2": {"address": 8, "type": "int16", "scale": 0.001}}
        """#)
    let read = try read(text)
    #expect(read.problems == [])
    let model = try #require(read.model)
    #expect(model.serial?.parity == "E")
    #expect(model.maxGap == 4)
    #expect(model.pauseMs == 20)
    #expect(model.identity.map(\.values) == [[16: "A", 17: "B"], [:]])
    #expect(model.identity.map(\.prefix) == [nil, "EM"])
    #expect(model.identity[0].field.parts[0].span == .init(function: 4, address: 11, registers: 1, alone: true))
    #expect(model.identity[1].field.parts[0].span == .init(function: 3, address: 20, registers: 7))
    let energy = try #require(model.quantities[MeterQuantity(.energyImport)])
    #expect(energy.parts.map(\.scale) == [DecimalNumber(1000), DecimalNumber(1)])
    let power = try #require(model.quantities[MeterQuantity(.power)]?.parts.first)
    #expect(power.lowWordFirst)
    #expect(power.unavailable == 0x7FFF_FFFF)
    #expect(power.exponent == .init(span: .init(function: 4, address: 6, registers: 1), signed: true, bias: -3))
    #expect(model.quantities[MeterQuantity(.powerFactor, phase: 2)] != nil)
  }

  @Test func mistakesAreNamedWithTheirPlace() throws {
    expect(
      try problems(model(#""maxGapp": 4"#)),
      [
        "m.json:11:1: error: unknown key \"maxGapp\" in a meter model; expected model, vendor, names, phases, confidence, "
          + "sources, notes, serial, functionCode, wordOrder, maxRegistersPerRead, maxGap, pauseMs, notAvailable, identity, "
          + "quantities; did you mean \"maxGap\"?"
      ])
    expect(
      try problems(model(replacing: "functionCode")),
      ["m.json:1:1: error: \"functionCode\" is missing in a meter model; expected 3 (holding) or 4 (input registers)"])
    expect(
      try problems(model(quantities: #"{"energyImprt": {"address": 1, "type": "int32", "unit": "Wh"}}"#)).prefix(1),
      [
        "m.json:10:16: error: \"energyImprt\" is no quantity; expected one of energyImport, energyExport, energySum, power, "
          + "current, voltage, frequency, powerReactive, powerFactor, temperature, with .L1, .L2 or .L3 for a phase; did you "
          + "mean \"energyImport\"?"
      ])
    expect(
      try problems(model(quantities: #"{"power": {"address": 1, "type": "int32", "unit": "W"}}"#)),
      ["m.json:10:15: error: \"energyImport\" is missing; expected the register that is billed"])
    expect(
      try problems(model(quantities: #"{"energyImport": {"address": 1, "type": "int23", "unit": "Wh"}}"#)),
      [
        "m.json:10:55: error: type is \"int23\"; expected one of int16, uint16, int32, uint32, int64, uint64, float32, "
          + "float64, decimal32, udecimal32, string; did you mean \"int32\"?"
      ])
    expect(
      try problems(model(quantities: #"{"energyImport": {"address": 65535, "type": "int32", "unit": "Wh"}}"#)),
      ["m.json:10:44: error: the value ends behind register 65535; expected a smaller address"])
    expect(
      try problems(model(quantities: #"{"energyImport": {"address": 1, "type": "int32", "unit": "J"}}"#)),
      ["m.json:10:72: error: unit is \"J\"; expected one of Wh, kWh"])
    expect(
      try problems(model(#""notAvailable": {"int16": "0x17FFF"}"#)),
      [
        "m.json:11:27: error: the pattern of int16 is \"0x17FFF\"; expected a string like \"0xFFFF\" of at most 16 bits"
      ])
    expect(
      try problems(model(#""maxRegistersPerRead": 1"#, replacing: "maxRegistersPerRead")),
      ["m.json:10:24: error: maxRegistersPerRead is 1, but a value has 2 registers; expected at least 2"])
    expect(
      try problems(model(#""model": "other""#, replacing: "model")),
      ["m.json:10:10: error: the file m.json is about \"other\"; expected \"m\""])
  }

  @Test func hostileFilesEndInProblems() throws {
    for text in [
      "", "[]", "{", "7", #"{"quantities": []}"#, model(quantities: "{}"), model(quantities: #"{"energyImport": 1}"#),
    ] {
      #expect(try !problems(text).isEmpty)
    }
  }

  @Test func foldersAreSearchedInOrder() throws {
    let own = try TemporaryFolder(["m.json": model(#""notes": ["own"]"#)])
    let shipped = try TemporaryFolder(["m.json": model(), "n.json": model(#""model": "n""#, replacing: "model")])
    let library = MeterLibrary(directories: [own.path, own.path + "/none", shipped.path])
    #expect(library.names == ["m", "n"])
    #expect(library.model("m").model?.notes == ["own"])
    #expect(library.model("n").model?.id == "n")
    #expect(library.model("../m").model == nil)
    #expect(library.model("k").problems.count == 1)
    #expect(MeterLibrary(given: "/g", stationDirectory: "/s").directories == ["/g"])
    #expect(
      MeterLibrary(given: nil, stationDirectory: "/s").directories == [
        "/s/meters", "/s/../meters", MeterLibrary.installed,
      ])
  }

  private func expect(
    _ found: some Sequence<String>, _ expected: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(Array(found) == expected, sourceLocation: sourceLocation)
  }
}
