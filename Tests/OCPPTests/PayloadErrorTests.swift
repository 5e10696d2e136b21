import OCPP
import Testing

/// Codes of OCPP-J Part 4 table 8, and the path and words of an error. That every constraint of every schema is checked
/// is shown by Tests/CodecCheck.
@Suite struct PayloadErrorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var json: String
    var code: RPCErrorCode
    var path: String
    var message: String
    var testDescription: String { message }
  }

  @Test(arguments: [
    Case(
      json: #"{"eventType":"#, code: .formatViolation, path: "/eventType",
      message: "not valid JSON: expected more; the document ends too early"),
    Case(json: #"[]"#, code: .typeConstraintViolation, path: "", message: "expected an object, found an array"),
    Case(
      json: #"{"seqNo":"1"}"#, code: .typeConstraintViolation, path: "/seqNo",
      message: "expected an integer, found a string"),
    Case(
      json: #"{"seqNo":1.5}"#, code: .typeConstraintViolation, path: "/seqNo",
      message: "expected an integer, found a number with a point or exponent"),
    Case(
      json: #"{"seqNo":1.0}"#, code: .typeConstraintViolation, path: "/seqNo",
      message: "expected an integer, found a number with a point or exponent"),
    Case(
      json: #"{"seqNo":9223372036854775808}"#, code: .propertyConstraintViolation, path: "/seqNo",
      message: "expected an integer from -9223372036854775808 to 9223372036854775807"),
    Case(
      json: #"{"offline":0}"#, code: .typeConstraintViolation, path: "/offline",
      message: "expected a boolean, found a number"),
    Case(
      json: #"{"offline":null}"#, code: .typeConstraintViolation, path: "/offline",
      message: "expected a boolean, found null"),
    Case(
      json: #"{"offline":NaN}"#, code: .formatViolation, path: "/offline", message: "not valid JSON: expected a value"),
    Case(
      json: #"{"eventType":"updated"}"#, code: .propertyConstraintViolation, path: "/eventType",
      message: "expected one of Ended, Started, Updated"),
    Case(
      json: #"{"transactionInfo":{"transactionId":"1234567890123456789012345678901234567"}}"#,
      code: .propertyConstraintViolation,
      path: "/transactionInfo/transactionId", message: "expected at most 36 characters, found 37"),
    Case(
      json: #"{"transactionInfo":{"remoteStartId":1}}"#, code: .occurrenceConstraintViolation,
      path: "/transactionInfo/transactionId", message: "expected this required member, found none"),
    Case(
      json: #"{"meterValue":[]}"#, code: .occurrenceConstraintViolation, path: "/meterValue",
      message: "expected at least 1 item"),
    Case(
      json: #"{"meterValue":[{"sampledValue":[{"value":1},{"value":2},{"value":"3"}]}]}"#,
      code: .typeConstraintViolation,
      path: "/meterValue/0/sampledValue/2/value", message: "expected a number, found a string"),
    Case(
      json: #"{"meterValue":[{"sampledValue":[{"value":1e400}]}]}"#, code: .propertyConstraintViolation,
      path: "/meterValue/0/sampledValue/0/value",
      message: "expected a number of at most 18 significant digits, with an exponent from -127 to 127"),
    Case(
      json: #"{"timestamp":"now"}"#, code: .propertyConstraintViolation, path: "/timestamp",
      message: "expected an RFC 3339 date-time such as 2026-03-14T09:26:53.589Z"),
    Case(
      json: #"{"evse":{"id":1,"x/y":2}}"#, code: .occurrenceConstraintViolation, path: "/evse/x~1y",
      message: "expected no member of this name"),
    Case(
      json: #"{"evse":{"id":1},"evse":{"id":1}}"#, code: .occurrenceConstraintViolation, path: "/evse",
      message: "expected this member only once"),
    Case(
      json: #"{"costDetails":{}}"#, code: .occurrenceConstraintViolation, path: "/costDetails",
      message: "expected no member of this name in ocpp2.0.1"),
    Case(
      json: #"{"customData":{"a":1}}"#, code: .occurrenceConstraintViolation, path: "/customData/vendorId",
      message: "expected this required member, found none"),
  ])
  func violationsOfATransactionEvent(c: Case) {
    let error = #expect(throws: PayloadError.self) {
      try TransactionEventRequest.decode(Array(c.json.utf8), version: .v201)
    }
    #expect(error?.code == c.code)
    #expect(error?.path == c.path)
    #expect(error?.message == c.message)
  }

  @Test func offsetIsThatOfTheOffender() throws {
    let frame = Array(#"[2,"1","Reset",{"type":"Later"}]"#.utf8)
    let error = #expect(throws: PayloadError.self) { try ResetRequest.decode(frame, in: 15..<31, version: .v201) }
    #expect(error?.offset == 23)
    #expect(error?.path == "/type")
    #expect(error?.description == "PropertyConstraintViolation at /type: expected one of Immediate, OnIdle")
  }

  @Test func longListsOfValuesAreCut() throws {
    let json = Array(#"{"timestamp":"2026-03-14T09:26:53Z","sampledValue":[{"value":1,"measurand":"Energy"}]}"#.utf8)
    let error = #expect(throws: PayloadError.self) { try MeterValueType.decode(json, version: .v201) }
    #expect(error?.path == "/sampledValue/0/measurand")
    #expect(error?.message.hasSuffix(", ...") == true)
    #expect((error?.message.utf8.count ?? .max) <= 200)
  }

  @Test func numericBoundsAreThoseOfTheVersion() throws {
    let json = Array(#"{"id":-1}"#.utf8)
    #expect(try EVSEType.decode(json, version: .v201).id == -1)
    let error = #expect(throws: PayloadError.self) { try EVSEType.decode(json, version: .v21) }
    #expect(error?.code == .propertyConstraintViolation)
    #expect(error?.message == "expected at least 0")
  }
}
