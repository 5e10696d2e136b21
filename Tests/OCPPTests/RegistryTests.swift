import OCPP
import Testing

@Suite struct RegistryTests {
  @Test func everyActionIsKnown() {
    #expect(OCPPAction.all(in: .v201).count == 64)
    #expect(OCPPAction.all(in: .v21).count == 91)
    #expect(OCPPAction.isKnown("BootNotification", version: .v201))
    #expect(OCPPAction.isKnown("BootNotification", version: .v21))
    #expect(!OCPPAction.isKnown("SetDERControl", version: .v201))
    #expect(OCPPAction.isKnown("SetDERControl", version: .v21))
    #expect(OCPPAction.isKnown("NotifyPeriodicEventStream", version: .v21))
    for name in ["", "bootNotification", "BootNotificationRequest", "StartTransaction"] {
      #expect(!OCPPAction.isKnown(name, version: .v21), "\(name)")
    }
  }

  @Test(arguments: OCPPVersion.allCases)
  func everyActionHasItsMessages(version: OCPPVersion) throws {
    for action in OCPPAction.all(in: version) where action != "NotifyPeriodicEventStream" {
      let request = try #require(OCPPAction.payloadType(action + "Request", version: version), "\(action)")
      let response = try #require(OCPPAction.payloadType(action + "Response", version: version), "\(action)")
      #expect(request.action == action)
      #expect(response.action == action)
      #expect(request is any OCPPRequest.Type)
      #expect(String(describing: request) == action + "Request")
      // An empty object is either refused for what is missing, or a message without required members.
      do throws(PayloadError) {
        #expect(try encodedAgain(request, "{}", version) == "{}")
      } catch {
        #expect(error.code == .occurrenceConstraintViolation)
      }
    }
    #expect(OCPPAction.payloadType("Nothing", version: version) == nil)
    #expect((OCPPAction.payloadType("ClearTariffsRequest", version: version) != nil) == (version == .v21))
  }

  private func encodedAgain<Payload: OCPPPayload>(
    _ type: Payload.Type, _ json: String, _ version: OCPPVersion
  ) throws(PayloadError) -> String {
    String(decoding: try Payload.decode(Array(json.utf8), version: version).encode(version: version), as: UTF8.self)
  }

  @Test func requestsKnowTheirResponse() {
    func response<Request: OCPPRequest>(of type: Request.Type) -> String { Request.Response.action }
    #expect(response(of: BootNotificationRequest.self) == "BootNotification")
    #expect(BootNotificationRequest.Response.self == BootNotificationResponse.self)
  }
}
