import OCPP
import Testing

@Suite struct SampleTests {
  @Test(arguments: [
    "TransactionEventRequest", "GetVariablesRequest", "NotifyReportRequest", "SetChargingProfileRequest",
  ])
  func sampleRoundTrips(name: String) throws {
    let json = try Samples.bytes(name)
    let type = try #require(OCPPAction.payloadType(name, version: .v201))
    let value = try type.decode(json, version: .v201)
    let again = value.encode(version: .v201)
    #expect(try JSONValue.parse(again).sorted == JSONValue.parse(json).sorted)
    #expect(try JSONValue.parse(value.encodeChecked(version: .v21)).sorted == JSONValue.parse(json).sorted)
  }
}
