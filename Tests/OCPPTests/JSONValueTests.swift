import OCPP
import Testing

@Suite struct JSONValueTests {
  @Test(arguments: [
    "null", "true", "false", "0", "-17", "1.5", #""""#, #""x""#, "[]", "{}", "[1,[2,[3]],{}]",
    #"{"b":1,"a":{"c":[null]}}"#,
    #""\"\\/\n\r\t""#, "123456789012345678901234567890", "1e400", #""é€🔌""#,
  ])
  func textComesBack(text: String) throws {
    let value = try JSONValue.parse(text)
    #expect(value.text == text)
    #expect(try JSONValue.parse(value.bytes) == value)
  }

  @Test func escapesAreResolved() throws {
    let value = try JSONValue.parse(#"{"\u0061\ud83d\udd0c":"\b\f\n\r\t\/\u00e9\u0000"}"#)
    #expect(value == ["a🔌": "\u{8}\u{C}\n\r\t/é\0"])
    #expect(value.text == #"{"a🔌":"\u0008\u000c\n\r\t/é\u0000"}"#)
  }

  @Test func everyCodePointOfStringsComesBack() throws {
    var text = ""
    for scalar in [0...0x2FF, 0x7F0...0x810, 0xD700...0xD7FF, 0xE000...0xE010, 0xFFF0...0x1000F, 0x10FFF0...0x10FFFF] {
      for code in scalar { if let scalar = Unicode.Scalar(UInt32(code)) { text.unicodeScalars.append(scalar) } }
    }
    #expect(
      try JSONValue.parse(JSONValue.string(text).bytes).stringValue?.unicodeScalars.elementsEqual(text.unicodeScalars)
        == true)
  }

  @Test func accessorsFitTheKind() throws {
    let value = try JSONValue.parse(#"{"n":5,"d":1.5,"s":"x","b":true,"z":null,"a":[1]}"#)
    #expect(value["n"]?.intValue == 5)
    #expect(value["d"]?.intValue == nil)
    #expect(value["d"]?.decimalValue == DecimalNumber("1.5"))
    #expect(value["s"]?.stringValue == "x")
    #expect(value["b"]?.boolValue == true)
    #expect(value["z"]?.isNull == true)
    #expect(value["a"]?.arrayValue == [1])
    #expect(value["none"] == nil)
    #expect(value["s"]?["x"] == nil)
    #expect(value.objectValue?.map(\.name) == ["n", "d", "s", "b", "z", "a"])
  }

  @Test(arguments: [2, 16, 17, 100])
  func keysThatComeTwiceAreRefused(count: Int) {
    let members = (0..<count).map { #""k\#($0)":\#($0)"# }
    #expect((try? JSONValue.parse("{" + members.joined(separator: ",") + "}")) != nil)
    let error = #expect(throws: PayloadError.self) {
      try JSONValue.parse("{" + (members + [#""k\u0030":0"#]).joined(separator: ",") + "}")
    }
    #expect(error?.code == .occurrenceConstraintViolation)
    #expect(error?.path == "/k0")
  }

  @Test func keysThatOnlyLookEqualAreDifferent() throws {
    // Precomposed and decomposed: equal as Swift strings, different as JSON keys.
    #expect(try JSONValue.parse("{\"\u{E9}\":1,\"e\u{301}\":2}").objectValue?.count == 2)
    let many = (0..<20).map { "\"k\($0)\":0" }.joined(separator: ",")
    #expect(try JSONValue.parse("{\(many),\"\u{E9}\":1,\"e\u{301}\":2}").objectValue?.count == 22)
  }

  @Test func errorsNamePathAndOffset() {
    let error = #expect(throws: PayloadError.self) { try JSONValue.parse(#"{"a/b":[0,{"~":nope}]}"#) }
    #expect(error?.path == "/a~1b/1/~0")
    #expect(error?.offset == 15)
    #expect(error?.code == .formatViolation)
  }

  @Test func longPathsAreCut() {
    let key = String(repeating: "k", count: 90)
    let error = #expect(throws: PayloadError.self) { try JSONValue.parse(#"{"\#(key)":{"\#(key)":{"\#(key)":x}}}"#) }
    #expect(error?.path.hasSuffix("/...") == true)
    #expect((error?.path.utf8.count ?? .max) <= JSONLimits.maxPathLength)
  }
}
