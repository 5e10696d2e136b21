import OCPP
import Testing

/// One set of types for two versions.
@Suite struct VersionTests {
  private func text(_ value: some OCPPDataType, _ version: OCPPVersion) -> String {
    String(decoding: value.encode(version: version), as: UTF8.self)
  }

  private func decode<Value: OCPPDataType>(
    _ type: Value.Type, _ json: String, _ version: OCPPVersion
  ) throws(PayloadError) -> Value {
    try Value.decode(Array(json.utf8), version: version)
  }

  @Test func membersThatOnly21HasAreLeftOutOn201() throws {
    let profile = ChargingProfileType(
      chargingProfileKind: .absolute, chargingProfilePurpose: .txProfile, chargingSchedule: [], id: 1, stackLevel: 0,
      dynUpdateInterval: 30)
    #expect(text(profile, .v21).contains("dynUpdateInterval"))
    #expect(!text(profile, .v201).contains("dynUpdateInterval"))
  }

  @Test func optionalValuesThatOnly21HasAreLeftOutOn201() throws {
    let transaction = TransactionType(transactionId: "t", stoppedReason: .reqEnergyTransferRejected)
    #expect(text(transaction, .v201) == #"{"transactionId":"t"}"#)
    #expect(text(transaction, .v21) == #"{"transactionId":"t","stoppedReason":"ReqEnergyTransferRejected"}"#)
  }

  @Test func requiredValuesThatOnly21HasFailTheCheckOn201() throws {
    let reset = ResetRequest(type: .immediateAndResume)
    #expect(try ResetRequest.decode(reset.encodeChecked(version: .v21), version: .v21) == reset)
    let error = #expect(throws: PayloadError.self) { try reset.encodeChecked(version: .v201) }
    #expect(error?.path == "/type")
    #expect(!BootReasonEnumType.allCases.contains { !$0.exists(in: .v201) })
    #expect(ResetEnumType.immediateAndResume.exists(in: .v21))
    #expect(!ResetEnumType.immediateAndResume.exists(in: .v201))
  }

  @Test func numbersThatAreIntegersIn201AreRoundedThere() throws {
    let parameters = try decode(
      ACChargingParametersType.self, #"{"energyAmount":7.5,"evMaxCurrent":16,"evMaxVoltage":230.4,"evMinCurrent":6}"#,
      .v21)
    #expect(text(parameters, .v201).contains(#""energyAmount":8,"#))
    #expect(text(parameters, .v201).contains(#""evMaxVoltage":230,"#))
    #expect(text(parameters, .v21).contains(#""energyAmount":7.5,"#))
    #expect(throws: PayloadError.self) { try decode(ACChargingParametersType.self, text(parameters, .v21), .v201) }
    #expect(throws: Never.self) { try parameters.encodeChecked(version: .v201) }
  }

  @Test func listsThatBecameStringsAreListsIn201() throws {
    let json = #"{"idToken":"04A1","type":"Vendor"}"#
    #expect(try decode(IdTokenType.self, json, .v21).type.rawValue == "Vendor")
    let error = #expect(throws: PayloadError.self) { try decode(IdTokenType.self, json, .v201) }
    #expect(error?.code == .propertyConstraintViolation)
    #expect(error?.path == "/type")
    #expect(try decode(IdTokenType.self, #"{"idToken":"04A1","type":"ISO14443"}"#, .v201).type == .iso14443)
    #expect(IdTokenEnumType(rawValue: "ISO14443") == .iso14443)
    #expect(IdTokenEnumType(rawValue: String(repeating: "x", count: 21)) == nil)
    #expect(IdTokenEnumType.allCases.count == 8)
  }

  @Test func requiredMayDifferByVersion() throws {
    let json = #"{"startPeriod":0}"#
    #expect(try decode(ChargingSchedulePeriodType.self, json, .v21).limit == nil)
    let error = #expect(throws: PayloadError.self) { try decode(ChargingSchedulePeriodType.self, json, .v201) }
    #expect(error?.path == "/limit")
  }

  @Test func lengthsMayDifferByVersion() throws {
    let long = #"{"idToken":"\#(String(repeating: "x", count: 37))","type":"Local"}"#
    #expect(throws: Never.self) { try decode(IdTokenType.self, long, .v21) }
    #expect(throws: PayloadError.self) { try decode(IdTokenType.self, long, .v201) }
  }

  @Test func messagesThatOnly21HasDoNotExistOn201() throws {
    #expect(SetDefaultTariffRequest.firstVersion == .v21)
    let error = #expect(throws: PayloadError.self) { try decode(ClearTariffsRequest.self, "{}", .v201) }
    #expect(error?.code == .notImplemented)
    #expect(throws: Never.self) { try decode(ClearTariffsRequest.self, "{}", .v21) }
  }

  @Test func emptyArraysInOptionalMembersAreLeftOut() throws {
    let message = GetReportRequest(requestId: 1, componentVariable: [])
    #expect(text(message, .v201) == #"{"requestId":1}"#)
    #expect(message == GetReportRequest(requestId: 1))
  }

  @Test func customDataKeepsAllItsMembers() throws {
    let json = #"{"customData":{"a":[1,{"b":null}],"vendorId":"v","c":"ü"}}"#
    let request = try decode(HeartbeatRequest.self, json, .v201)
    #expect(request.customData?.vendorId == "v")
    #expect(request.customData?["a"] == [1, ["b": nil]])
    #expect(request.customData?["c"]?.stringValue == "ü")
    #expect(text(request, .v201) == #"{"customData":{"vendorId":"v","a":[1,{"b":null}],"c":"ü"}}"#)
  }

  @Test func equalityAndHashFollowTheJSON() throws {
    let a = try decode(EVSEType.self, #"{"connectorId":2,"id":1}"#, .v201)
    #expect(a == EVSEType(id: 1, connectorId: 2))
    #expect(a.hashValue == EVSEType(id: 1, connectorId: 2).hashValue)
    #expect(a != EVSEType(id: 1))
    #expect(Set([a, EVSEType(id: 1, connectorId: 2), EVSEType(id: 2)]).count == 2)
  }
}
