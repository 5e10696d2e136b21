import OCPP
import Testing

@testable import DeviceModel

@Suite struct ValueTests {
  private func model() throws -> DeviceModel {
    try Small.model(
      Small.variable("Text", "string", value: #""abc""#, more: #""minLimit": 2, "maxLimit": 5"#),
      Small.variable("Number", "integer", value: "7", more: #""minLimit": 1, "maxLimit": 100"#),
      Small.variable("Exact", "decimal", value: "1.50", more: #""minLimit": -0.5"#),
      Small.variable("Flag", "boolean", value: "true"),
      Small.variable("When", "dateTime"),
      Small.variable("One", "OptionList", more: #""valuesList": "a, b,c""#),
      Small.variable("Some", "MemberList", value: #""b,a""#, more: #""valuesList": "a,b,c""#),
      Small.variable("Order", "SequenceList", more: #""valuesList": "a,b,c""#),
      Small.variable("Fixed", "integer", mutability: "ReadOnly", value: "1"),
      Small.variable("Secret", "string", mutability: "WriteOnly", value: #""hush""#),
      Small.variable(
        "Fan", "integer", more: #""minLimit": 0, "maxLimit": 1000"#,
        attributes: #"""
          [{"type": "Actual", "mutability": "ReadOnly", "value": 300}, {"type": "Target"},
           {"type": "MinSet", "value": 200}, {"type": "MaxSet", "value": 500}]
          """#),
      Small.variable("Many", "string", instance: "x", value: #""1""#),
      Small.variable("Many", "string", instance: "y", value: #""2""#))
  }

  // Proves: B06.FR.06, B06.FR.07, B06.FR.08, B06.FR.09, B06.FR.10, B06.FR.13, B06.FR.14, B06.FR.15, TC_B_06_CS
  @Test func getAnswersAsB06Asks() throws {
    let model = try model()
    func get(_ name: String, instance: String? = nil, _ type: AttributeEnumType = .actual) -> GetVerdict {
      model.get(Small.c, VariableID(name, instance: instance), type)
    }
    #expect(model.get(ComponentID("D"), VariableID("Text")) == GetVerdict(status: .unknownComponent, value: nil))
    #expect(model.get(ComponentID("C", evse: 1), VariableID("Text")).status == .unknownComponent)
    #expect(model.get(ComponentID("C", instance: "i"), VariableID("Text")).status == .unknownComponent)
    #expect(get("Nothing") == GetVerdict(status: .unknownVariable, value: nil))
    #expect(get("Text", .target) == GetVerdict(status: .notSupportedAttributeType, value: nil))
    #expect(get("Secret") == GetVerdict(status: .rejected, value: nil))
    #expect(get("text") == GetVerdict(status: .accepted, value: "abc"))
    #expect(get("When") == GetVerdict(status: .accepted, value: ""))
    #expect(get("Fan", .target) == GetVerdict(status: .accepted, value: ""))
    #expect(get("Fan", .maxSet) == GetVerdict(status: .accepted, value: "500"))
    #expect(get("Many").status == .unknownVariable)
    #expect(get("Many", instance: "").status == .unknownVariable)
    #expect(get("Many", instance: "Y").value == "2")
  }

  // Proves: B05.FR.04, B05.FR.05, B05.FR.06, B05.FR.09, B05.FR.10, TC_B_39_CS
  @Test func setAnswersAsB05Asks() throws {
    var model = try model()
    func set(_ value: String, _ name: String, _ type: AttributeEnumType = .actual) -> SetVerdict {
      model.set(value, Small.c, VariableID(name), type, by: .csms)
    }
    #expect(model.set("x", ComponentID("D"), VariableID("Text"), by: .csms).status == .unknownComponent)
    #expect(set("x", "Nothing").status == .unknownVariable)
    #expect(set("x", "Text", .target).status == .notSupportedAttributeType)
    let refused = set("2", "Fixed")
    #expect(refused.status == .rejected)
    #expect(refused.reasonCode == "ReadOnly")
    #expect(refused.reason == "Fixed is read-only")
    #expect(set("10", "Number") == SetVerdict(status: .accepted, reasonCode: nil, reason: nil, changed: true))
    #expect(set("10", "Number") == SetVerdict(status: .accepted, reasonCode: nil, reason: nil, changed: false))
    #expect(model.value(Small.c, VariableID("Number")) == "10")
    #expect(set("new!", "Secret").accepted)
    #expect(model.value(Small.c, VariableID("Secret")) == "new!")
  }

  // Proves: B05.FR.07, TC_B_11_CS
  @Test(arguments: [
    (
      "Number",
      ["1.5", "abc", "", "true", " 5", "5 ", "+5", "0x5", "1e1", "2026-01-01T00:00:00Z", "99999999999999999999"]
    ),
    ("Exact", ["abc", "", "true", "1,5", "1.", "NaN", "inf", "--1"]),
    ("Flag", ["True", "1", "", "yes", "TRUE", "abc"]),
    ("When", ["now", "", "2026-01-01", "2026-13-01T00:00:00Z", "300"]),
    ("One", ["d", "", "A", "a,b"]),
    ("Some", ["a,d", "A"]),
    ("Order", ["c;a", "b,,d"]),
  ]) func refusesMalformedValues(name: String, values: [String]) throws {
    var model = try model()
    let before = model.value(Small.c, VariableID(name))
    for value in values {
      let verdict = model.set(value, Small.c, VariableID(name), by: .csms)
      #expect(verdict.status == .rejected, "\(name) = \(value)")
      #expect(verdict.reasonCode == "InvalidValue", "\(name) = \(value)")
      #expect(verdict.reason?.contains("expected") == true)
    }
    #expect(model.value(Small.c, VariableID(name)) == before)
    #expect(model.revision == 0)
  }

  // Proves: B05.FR.10
  @Test(arguments: [
    ("Number", ["1", "100", "007"]), ("Exact", ["-0.5", "3", "0.1", "1e2"]), ("Flag", ["false", "true"]),
    ("When", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123+02:00"]), ("One", ["a", "b"]),
    ("Some", ["", "c", "c,a", "a, b"]), ("Order", ["c,a,b", ""]), ("Text", ["ab", "éééé5"]),
  ]) func acceptsWellFormedValues(name: String, values: [String]) throws {
    var model = try model()
    for value in values {
      #expect(model.set(value, Small.c, VariableID(name), by: .csms).accepted, "\(name) = \(value)")
      #expect(model.value(Small.c, VariableID(name)) == value)
    }
  }

  // Proves: B05.FR.08
  @Test(arguments: [
    ("Number", "0", "ValueTooLow"), ("Number", "101", "ValueTooHigh"), ("Number", "-5", "ValueTooLow"),
    ("Exact", "-0.51", "ValueTooLow"), ("Text", "a", "ValueTooLow"), ("Text", "", "ValueTooLow"),
    ("Text", "abcdef", "ValueTooHigh"),
  ]) func refusesValuesBeyondTheLimits(name: String, value: String, reasonCode: String) throws {
    var model = try model()
    let verdict = model.set(value, Small.c, VariableID(name), by: .csms)
    #expect(verdict.status == .rejected)
    #expect(verdict.reasonCode == reasonCode)
  }

  // Proves: B05.FR.08
  @Test func targetKeepsBetweenMinSetAndMaxSet() throws {
    var model = try model()
    func set(_ value: String, _ type: AttributeEnumType) -> String? {
      model.set(value, Small.c, VariableID("Fan"), type, by: .csms).reasonCode
    }
    #expect(set("600", .target) == "ValueTooHigh")
    #expect(set("199", .target) == "ValueTooLow")
    #expect(set("500", .target) == nil)
    #expect(set("199", .maxSet) == "ValueTooLow")
    #expect(set("501", .minSet) == "ValueTooHigh")
    #expect(set("1001", .maxSet) == "ValueTooHigh")
    #expect(set("600", .maxSet) == nil)
    #expect(set("600", .target) == nil)
    // A measured value is what it is.
    #expect(model.set("1002", Small.c, VariableID("Fan"), by: .station).accepted)
    #expect(model.value(Small.c, VariableID("Fan")) == "1002")
  }

  @Test func theStationMayWriteWhatTheCSMSMayNot() throws {
    var model = try model()
    for writer in [Writer.station, .factory] {
      #expect(model.set("2", Small.c, VariableID("Fixed"), by: writer).accepted)
      #expect(model.set("d", Small.c, VariableID("One"), by: writer).accepted)
      #expect(model.set("1000", Small.c, VariableID("Number"), by: writer).accepted)
      #expect(model.set("", Small.c, VariableID("Number"), by: writer).accepted)
      #expect(model.set("x", Small.c, VariableID("Number"), by: writer).reasonCode == "InvalidValue")
      #expect(model.set("x", Small.c, VariableID("Fixed"), .target, by: writer).status == .notSupportedAttributeType)
    }
  }

  @Test func lengthsAreLimited() throws {
    var model = try Small.model(Small.variable("Text", "string"))
    let text = VariableID("Text")
    #expect(model.longestConfigurationValue == 1000)
    #expect(model.set(String(repeating: "é", count: 1000), Small.c, text, by: .csms).accepted)
    #expect(model.set(String(repeating: "e", count: 1001), Small.c, text, by: .csms).reasonCode == "TooLargeElement")
    #expect(model.set(String(repeating: "e", count: 65_536), Small.c, text, by: .station).accepted)
    #expect(
      model.set(String(repeating: "e", count: 65_537), Small.c, text, by: .station).reasonCode == "TooLargeElement")
    // What is stored is whole, what is reported is cut.
    #expect(model.value(Small.c, text)?.count == 65_536)
    #expect(model.get(Small.c, text).value?.count == 2500)
  }

  @Test func lengthsFollowDeviceDataCtrlr() throws {
    let text = """
      [\(Small.component("C", "", Small.variable("Text", "string"))),
       \(Small.component("DeviceDataCtrlr", "", Small.variable("ConfigurationValueSize", "integer", value: "300"),
          Small.variable("ReportingValueSize", "integer", value: "400")))]
      """
    var model = try DeviceModel(serialized: Array(text.utf8))
    #expect(model.set(String(repeating: "e", count: 301), Small.c, VariableID("Text"), by: .csms).accepted == false)
    #expect(model.set(String(repeating: "e", count: 300), Small.c, VariableID("Text"), by: .csms).accepted)
    #expect(model.set(String(repeating: "é", count: 500), Small.c, VariableID("Text"), by: .station).accepted)
    #expect(model.get(Small.c, VariableID("Text")).value == String(repeating: "é", count: 400))
  }

  @Test func reasonsFitStatusInfo() throws {
    var model = try Small.model(
      Small.variable(
        "One", "OptionList", more: #""valuesList": "\#((0..<200).map(String.init).joined(separator: ","))""#))
    let reason = model.set(String(repeating: "x", count: 900), Small.c, VariableID("One"), by: .csms).reason
    #expect((reason?.unicodeScalars.count ?? 0) <= 512)
    #expect(reason?.isEmpty == false)
  }

  @Test func valuesHaveTypes() throws {
    let model = try model()
    func id(_ name: String) -> VariableID { VariableID(name) }
    #expect(model.bool(Small.c, id("Flag")) == true)
    #expect(model.bool(Small.c, id("Text")) == nil)
    #expect(model.bool(Small.c, id("Nothing")) == nil)
    #expect(model.int(Small.c, id("Number")) == 7)
    #expect(model.int(Small.c, id("Exact")) == nil)
    #expect(model.int(Small.c, id("Fan"), .maxSet) == 500)
    #expect(model.int(Small.c, id("Fan"), .target) == nil)
    #expect(model.decimal(Small.c, id("Exact")) == DecimalNumber("1.5"))
    #expect(model.list(Small.c, id("Some")) == ["b", "a"])
    #expect(model.list(Small.c, id("Order")) == [])
    #expect(model.list(Small.c, id("Nothing")) == nil)
    #expect(ListText.items(" a , b c,,  ") == ["a", "b c"])
  }

  @Test func handlesReadTheSameAttribute() throws {
    var model = try model()
    let handle = try #require(model.handle(ComponentID("c"), VariableID("NUMBER")))
    let copy = model
    #expect(model.int(handle) == 7)
    #expect(model.set("8", handle, by: .csms).changed)
    #expect(model.int(handle) == 8)
    #expect(model.revision == 1)
    // A copy is a value of its own.
    #expect(copy.int(handle) == 7)
    #expect(model.address(of: handle) == VariableAddress(Small.c, VariableID("Number")))
    #expect(model.handle(Small.c, VariableID("Number"), .target) == nil)
    #expect(model.handle(Small.c, VariableID("Nothing")) == nil)
  }

  @Test func orderIsThatOfTheFile() throws {
    let model = try model()
    #expect(model.components.map(\.id) == [Small.c])
    let names = model.variables.map(\.id.description)
    #expect(names.prefix(3) == ["Text", "Number", "Exact"])
    #expect(names.suffix(2) == ["Many.x", "Many.y"])
    let fan = try #require(model.variable(Small.c, VariableID("Fan")))
    #expect(fan.attributes.map { model.attributes[$0].type } == [.actual, .target, .minSet, .maxSet])
    #expect(fan.attributes.map { model.attributes[$0].mutability } == [.readOnly, .readWrite, .readWrite, .readWrite])
    #expect(model.component(Small.c)?.variables == 0..<13)
    #expect(model.component(ComponentID("D")) == nil)
  }
}
