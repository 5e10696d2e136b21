import Testing

@testable import DeviceModel

@Suite struct JSONFileTests {
  @Test func readsEveryKindOfValue() throws {
    let (file, problems) = DeviceModel.parse(
      #" { "a": [1, -2.5e+3, true, false, null, "x"], "b": {}, "c": [], "": "\u0041\n\ud83d\ude00" } "#)
    #expect(problems == [])
    let root = try #require(file?.root)
    let a = try #require(root["a"])
    #expect(a.elements.map(\.kind) == [.number, .number, .bool, .bool, .null, .string])
    #expect(a.elements.map(\.source) == ["1", "-2.5e+3", "true", "false", "null", "\"x\""])
    #expect(a.elements.map(\.int) == [1, nil, nil, nil, nil, nil])
    #expect(a.elements.map(\.bool) == [nil, nil, true, false, nil, nil])
    #expect(root.members.map(\.key.string) == ["a", "b", "c", ""])
    #expect(root["b"]?.members.map(\.key.string) == [])
    #expect(root[""]?.string == "A\n😀")
    #expect(root["d"] == nil)
    #expect(root.elements.map(\.kind) == [])
  }

  @Test func namesLineAndColumnOfEveryValue() throws {
    let text = "{\r\n  \"é\": 1,\n\t\"b\": [\r  true ]\n}"
    let (file, problems) = DeviceModel.parse(text)
    #expect(problems == [])
    let root = try #require(file?.root)
    let file1 = try #require(file)
    func place(_ node: JSONNode?) -> [Int] {
      node.map {
        let place = file1.position(of: $0.start)
        return [place.line, place.column]
      } ?? []
    }
    #expect(place(root) == [1, 1])
    // The column counts characters, not bytes.
    #expect(place(root["é"]) == [2, 8])
    #expect(place(root["b"]) == [3, 7])
    // A carriage return alone ends a line too.
    #expect(place(root["b"]?.elements.first { _ in true }) == [4, 3])
  }

  @Test func skipsAByteOrderMark() {
    let (file, problems) = DeviceModel.parse(bytes: [0xEF, 0xBB, 0xBF] + Array("{\"a\" 1}".utf8))
    #expect(file == nil)
    #expect(problems == ["f:1:6: error: found '1'; expected ':' after the key"])
  }

  @Test(arguments: [
    ("", "f:1:1: error: the file is empty; expected a JSON value"),
    (" \n ", "f:2:2: error: the file is empty; expected a JSON value"),
    ("{", "f:1:2: error: the file ends; expected a key in double quotes or '}'"),
    ("{\"a\"", "f:1:5: error: the file ends; expected ':' after the key"),
    ("{\"a\":", "f:1:6: error: the file ends; expected a value"),
    ("{\"a\":1", "f:1:7: error: the file ends; expected ',' or '}'"),
    ("{\"a\":1]", "f:1:7: error: found ']'; expected ',' or '}'"),
    ("{a: 1}", "f:1:2: error: found 'a'; expected a key in double quotes or '}'"),
    ("{'a': 1}", "f:1:2: error: found '''; expected a key in double quotes or '}'"),
    ("[1,,2]", "f:1:4: error: found ','; expected a value"),
    ("[1 2]", "f:1:4: error: found '2'; expected ',' or ']'"),
    ("[é]", "f:1:2: error: found 'é'; expected a value"),
    ("{} x", "f:1:4: error: found 'x' after the end of the JSON value; expected the end of the file"),
    ("[01]", "f:1:2: error: a number begins with 0; expected no leading zeros"),
    ("[-]", "f:1:3: error: found ']' in a number; expected a digit"),
    ("[1.]", "f:1:4: error: found ']' in a number; expected a digit"),
    ("[1e]", "f:1:4: error: found ']' in a number; expected a digit"),
    ("[1x]", "f:1:3: error: found 'x' in a number; expected a digit or the end of the number"),
    ("[\"a", "f:1:2: error: a string has no end; expected a closing '\"'"),
    ("[\"a\n\"]", "f:1:4: error: the line ends inside a string; expected a closing '\"' (or \\n for a line break)"),
    ("[\"\u{1}\"]", "f:1:3: error: control character U+0001 inside a string; expected the escape \\u0001"),
    ("[\"\\x\"]", "f:1:3: error: an unknown escape; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"),
    ("[\"\\u12\"]", "f:1:3: error: a \\u escape without four hexadecimal digits; expected \\uXXXX"),
    ("[\"\\ud800x\"]", "f:1:3: error: half of a surrogate pair; expected a second \\u escape from DC00 to DFFF"),
    ("[\"\\udc00\"]", "f:1:3: error: half of a surrogate pair; expected a \\u escape from D800 to DBFF before it"),
    (
      "[tru]",
      "f:1:2: error: tru is no JSON value; expected an object, array, string in double quotes, number, true, false "
        + "or null; did you mean \"true\"?"
    ),
  ]) func reportsTheFirstSyntaxError(text: String, problem: String) {
    let (file, problems) = DeviceModel.parse(text)
    #expect(file == nil)
    #expect(problems == [problem])
  }

  @Test func goesOnAfterMistakesMadeByHand() throws {
    let (file, problems) = DeviceModel.parse(
      """
      { // the station
        "a": [1, 2,],
        "b": "x" /* why
        not */ "c": 3,
        "\\u0061": 4,
      }
      """)
    #expect(
      problems == [
        "f:1:3: error: JSON has no comments; expected the text in a \"description\" instead",
        "f:2:13: error: a comma before the closing ']'; expected no comma here",
        "f:3:12: error: JSON has no comments; expected the text in a \"description\" instead",
        "f:4:10: error: a comma is missing; expected ',' before this",
        "f:5:14: error: a comma before the closing '}'; expected no comma here",
        "f:5:3: error: key \"a\" occurs twice in one object; expected unique keys",
      ])
    let root = try #require(file?.root)
    #expect(root.members.map(\.key.string) == ["a", "b", "c", "a"])
    #expect(root["a"]?.elements.map(\.int) == [1, 2])
    #expect(root["c"]?.int == 3)
  }

  @Test func anUnfinishedCommentIsReportedOnce() {
    let (file, problems) = DeviceModel.parse("{} /* x")
    #expect(file != nil)
    #expect(problems == ["f:1:4: error: JSON has no comments; expected the text in a \"description\" instead"])
  }

  @Test func findsDuplicatesAmongManyKeys() {
    let members = (0..<40).map { "\"k\($0)\": 0" }.joined(separator: ",\n")
    let (_, problems) = DeviceModel.parse("{\(members),\n\"k7\": 1, \"k39\": 1}")
    #expect(
      problems == [
        "f:41:1: error: key \"k7\" occurs twice in one object; expected unique keys",
        "f:41:10: error: key \"k39\" occurs twice in one object; expected unique keys",
      ])
  }

  @Test func limitsTheDepth() {
    let deepest = JSONFileParser.maxDepth
    let fits = String(repeating: "[", count: deepest) + String(repeating: "]", count: deepest)
    #expect(DeviceModel.parse(fits).file != nil)
    let (file, problems) = DeviceModel.parse(String(repeating: "[", count: 100_000))
    #expect(file == nil)
    #expect(
      problems == [
        "f:1:\(deepest + 1): error: arrays and objects are nested too deep; expected at most \(deepest) levels"
      ])
  }

  @Test func refusesOtherEncodings() {
    #expect(
      DeviceModel.parse(bytes: [0xFF, 0xFE, 0x7B, 0]).problems == ["f:1:1: error: the file is UTF-16; expected UTF-8"])
    let latin1 = Array("[\"é".utf8) + [0xE9] + Array("\"]".utf8)
    #expect(
      DeviceModel.parse(bytes: latin1).problems
        == ["f:1:4: error: byte 0xe9 is not UTF-8; expected a file encoded in UTF-8"])
    // An overlong form and a surrogate are no UTF-8 either.
    #expect(DeviceModel.parse(bytes: [0x22, 0xC0, 0x80, 0x22]).file == nil)
    #expect(DeviceModel.parse(bytes: [0x22, 0xED, 0xA0, 0x80, 0x22]).file == nil)
  }

  @Test func survivesEveryTruncation() {
    let text = Array(#"{"a": [1, -2.5e3, true, {"b": "\u00e9\ud83d\ude00é"}], "c": null}"#.utf8)
    for length in 0..<text.count {
      let (file, problems) = DeviceModel.parse(bytes: Array(text[..<length]))
      #expect(file == nil)
      #expect(problems.count == 1)
    }
    #expect(DeviceModel.parse(bytes: text).file != nil)
  }
}
