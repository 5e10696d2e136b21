import OCPP
import Testing

@Suite struct JSONReaderTests {
  /// The part of the document at `range`.
  private func part(_ text: String, _ range: Range<Int>) -> String {
    String(decoding: Array(text.utf8)[range], as: UTF8.self)
  }

  @Test func elementsOfAFrameAreFoundWithoutCopying() throws {
    let frame = #" [ 2 , "id\"]" ,"Boot", {"a":[1,{"b":"]}"}],"c":-1.5e3} ,null,[] ] "#
    var parts: [String] = []
    try JSONReader.read(Array(frame.utf8)) { (r: inout JSONReader) throws(JSONFailure) in
      try r.elements { (r: inout JSONReader) throws(JSONFailure) in parts.append(part(frame, try r.skipValue())) }
    }
    #expect(parts == ["2", #""id\"]""#, #""Boot""#, #"{"a":[1,{"b":"]}"}],"c":-1.5e3}"#, "null", "[]"])
  }

  @Test func elementsBeforeAFaultAreStillSeen() {
    var ranges: [Range<Int>] = []
    let frame = Array(#"[2,"id","Boot",{"a":]"#.utf8)
    #expect(throws: PayloadError.self) {
      try JSONReader.read(frame) { (r: inout JSONReader) throws(JSONFailure) in
        try r.elements { (r: inout JSONReader) throws(JSONFailure) in ranges.append(try r.skipValue()) }
      }
    }
    #expect(ranges.count == 3)
  }

  @Test func membersComeInOrder() throws {
    var seen: [String] = []
    try JSONReader.read(Array(#"{"b":1,"a":"x","c":[true,false],"d":null}"#.utf8)) {
      (r: inout JSONReader) throws(JSONFailure) in
      try r.members { (name: String, r: inout JSONReader) throws(JSONFailure) in
        let kind = try r.kind()
        seen.append("\(name) \(kind)")
        try r.skipValue()
      }
    }
    #expect(seen == ["b number", "a string", "c array", "d null"])
  }

  @Test func onlyThePartInRangeIsRead() throws {
    let bytes = Array("xx17yy".utf8)
    let value = try JSONReader.read(bytes, in: 2..<4) { (r: inout JSONReader) throws(JSONFailure) in try r.integer() }
    #expect(value == 17)
    for range in [0..<0, 4..<4, 2..<5, 1..<4, 6..<6, 5..<99] {
      #expect(throws: PayloadError.self) {
        try JSONReader.read(bytes, in: range) { (r: inout JSONReader) throws(JSONFailure) in try r.integer() }
      }
    }
  }

  @Test func aCallersRefusalNamesPathAndOffset() throws {
    let json = Array(#"{"ports":[1, 70000]}"#.utf8)
    let error = #expect(throws: PayloadError.self) {
      try JSONReader.read(json) { (r: inout JSONReader) throws(JSONFailure) in
        try r.members { (_: String, r: inout JSONReader) throws(JSONFailure) in
          try r.elements { (r: inout JSONReader) throws(JSONFailure) in
            _ = try r.kind()
            let offset = r.offset
            if try r.integer() > 65535 { throw r.refusal("expected a port", at: offset) }
          }
        }
      }
    }
    #expect(
      error
        == PayloadError(
          code: .propertyConstraintViolation, path: "/ports/1", message: "expected a port", offset: 13))
  }

  @Test func depthIsLimited() throws {
    func nested(_ depth: Int) -> [UInt8] {
      [UInt8](repeating: 0x5B, count: depth) + [UInt8](repeating: 0x5D, count: depth)
    }
    #expect(throws: Never.self) { try JSONValue.parse(nested(JSONLimits.maxDepth)) }
    let error = #expect(throws: PayloadError.self) { try JSONValue.parse(nested(JSONLimits.maxDepth + 1)) }
    #expect(error?.code == .formatViolation)
    #expect(throws: PayloadError.self) { try JSONValue.parse(nested(3), maxDepth: 2) }
    #expect(throws: Never.self) { try JSONValue.parse(nested(2), maxDepth: 2) }
    #expect(throws: PayloadError.self) { try JSONValue.parse(nested(100_000)) }

    func skip(_ json: [UInt8]) throws {
      _ = try JSONReader.read(json) { (r: inout JSONReader) throws(JSONFailure) in try r.skipValue() }
    }
    #expect(throws: Never.self) { try skip(nested(JSONLimits.maxSkipDepth)) }
    #expect(throws: PayloadError.self) { try skip(nested(JSONLimits.maxSkipDepth + 1)) }
    #expect(throws: PayloadError.self) { try skip(nested(100_000)) }
  }

  @Test func sizeIsLimited() {
    let json = [0x22] + [UInt8](repeating: 0x78, count: JSONLimits.maxBytes) + [0x22]
    let error = #expect(throws: PayloadError.self) { try JSONValue.parse(json) }
    #expect(error?.code == .formatViolation)
    #expect(error?.message == "expected at most \(JSONLimits.maxBytes) bytes")
  }

  @Test(arguments: [
    "", " ", "nul", "truee", "[1 2]", "[1,]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{1:2}", "\"", "\"a", "\"\\",
    "\"\\u12",
    "\"\\x\"", "\"\u{1}\"", "\"\t\"", "[", "{", "[[]", "{\"a\":[}", "1 1", "01", "1.", "-", "+1", ".1", "1e", "--1",
    "\u{FEFF}1", "'a'",
    "[1;2]", "NaN", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
  ])
  func skippingAndReadingAgreeOnWhatIsNoJSON(text: String) {
    let bytes = Array(text.utf8)
    let read = #expect(throws: PayloadError.self) { try JSONValue.parse(bytes) }
    #expect(read?.code == .formatViolation)
    let skipped = #expect(throws: PayloadError.self) {
      try JSONReader.read(bytes) { (r: inout JSONReader) throws(JSONFailure) in _ = try r.skipValue() }
    }
    #expect(skipped?.code == .formatViolation)
  }

  /// Well-formed and malformed sequences of one to four bytes at every boundary of UTF-8.
  @Test func utf8IsChecked() {
    let edges: [UInt8] = [
      0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4,
    ]
    var sequences: [[UInt8]] = edges.map { [$0] } + [[0xF5], [0xFE], [0xFF]]
    for _ in 0..<2 { sequences += sequences.flatMap { head in edges.map { head + [$0] } }.prefix(4000) }
    for sequence in Set(sequences) where sequence.allSatisfy({ $0 >= 0x20 }) {
      let isValid = String(validating: sequence, as: UTF8.self) != nil
      let json = [0x22] + sequence + [0x22]
      #expect(((try? JSONValue.parse(json)) != nil) == isValid, "\(sequence)")
    }
  }
}
