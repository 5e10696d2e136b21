import OCPP
import StationCore
import Testing

@Suite("Authorization: who may charge, where, and what is kept of a token")
struct AuthorizationTests {
  private let settings = [
    "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected",
    "AuthCtrlr/LocalPreAuthorize": "true", "AuthCtrlr/LocalAuthorizeOffline": "true",
  ]

  private func present(_ bench: StationBench, _ id: String, _ type: IdTokenEnumType) {
    bench.input(.hardware(.token(TokenPresentation(idToken: IdTokenType(idToken: id, type: type)))))
  }

  private func cache(_ bench: StationBench) -> [String] {
    (bench.ledger.records[.authorizationCache] ?? [:]).keys.sorted()
  }

  // Proves: C01.FR.01, C01.FR.02, C01.FR.03, E08.FR.01
  @Test func energyIsOfferedFromTheTokenToTheToken() {
    let bench = StationBench(settings).boot()
    bench.plugIn()
    bench.pilot(.c)
    #expect(bench.offers[1] == nil && bench.contactorClosed[1] != true)
    bench.swipe()
    #expect(bench.offers[1] != nil && bench.contactorClosed[1] == true)
    bench.swipe()
    #expect(bench.offers[1] == nil && bench.contactorClosed[1] == false)
    #expect(bench.calls("Authorize").count == 1)
    #expect(bench.events.contains("Updated StopAuthorized Charging"))
  }

  // Proves: C01.FR.21
  @Test func onlyAtTheEVSEsThatTheCSMSNames() {
    let bench = StationBench(settings).boot()
    bench.responder = {
      $0.action == "Authorize" ? ["idTokenInfo": ["status": "Accepted", "evseId": [2]]] : StationBench.accepting($0)
    }
    bench.plugIn(1)
    bench.pilot(.c, 1)
    bench.swipe()
    #expect(bench.contactorClosed[1] != true)
    bench.plugIn(2)
    bench.pilot(.c, 2)
    #expect(bench.contactorClosed[1] != true)
    #expect(bench.contactorClosed[2] == true)
  }

  /// The vehicle is still there, and so is its transaction: nobody else takes it over.
  // Proves: C01.FR.23
  @Test func anotherTokenDoesNotTakeOverATransaction() {
    let bench = StationBench(settings, folder: "ac-one-evse").boot()
    bench.plugIn()
    bench.swipe("FIRST")
    bench.pilot(.c)
    bench.swipe("FIRST")
    bench.swipe("SECOND")
    #expect(bench.contactorClosed[1] == false)
    #expect(!bench.calls("TransactionEvent").contains { $0.text("idToken.idToken") == "SECOND" })
    bench.swipe("FIRST")
    #expect(!bench.calls("TransactionEvent").contains { $0.text("eventType") == "Ended" })
  }

  // Proves: C01.FR.25
  @Test func aTokenIsItsValueAndItsType() {
    let bench = StationBench(settings, folder: "ac-one-evse").boot()
    bench.plugIn()
    present(bench, "CAFE", .iso14443)
    bench.pilot(.c)
    present(bench, "CAFE", .iso15693)
    #expect(bench.contactorClosed[1] == true)
    #expect(bench.calls("Authorize").count == 2)
    present(bench, "cafe", .iso14443)
    #expect(bench.contactorClosed[1] == false)
    #expect(bench.calls("Authorize").count == 2)
  }

  // Proves: C02.FR.01, C02.FR.03
  @Test func withoutAuthorizationAVehicleIsEnough() {
    let bench = StationBench(settings.merging(["AuthCtrlr/Enabled": "false"]) { $1 }).boot()
    bench.plugIn()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    let event = bench.calls("TransactionEvent").first { $0["idToken"] != nil }
    #expect(event?["idToken"] == ["idToken": "", "type": "NoAuthorization"])
    #expect(bench.calls("Authorize").isEmpty)
    #expect(cache(bench) == [])
  }

  /// A token that the CSMS itself made up is neither asked about nor kept.
  // Proves: C03.FR.01, C03.FR.02, C05.FR.05, F01.FR.02, F01.FR.03, F01.FR.04
  @Test func aCentralTokenIsNeitherAskedAboutNorKept() {
    let bench = StationBench(settings.merging(["AuthCtrlr/AuthorizeRemoteStart": "true"]) { $1 }).boot()
    bench.plugIn()
    bench.call(
      "RequestStartTransaction", ["idToken": ["idToken": "APP1", "type": "Central"], "remoteStartId": 3, "evseId": 1])
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    #expect(bench.calls("Authorize").isEmpty)
    let event = bench.calls("TransactionEvent").first { $0["idToken"] != nil }
    #expect(event?.text("idToken.idToken") == "APP1" && event?.text("triggerReason") == "RemoteStart")
    #expect(cache(bench) == [])
  }

  // Proves: C04.FR.03, C04.FR.04
  @Test func aKeyCodeIsKeptAndNotLogged() throws {
    let bench = StationBench(settings, folder: "ac-one-evse").boot()
    present(bench, "Pin-4711", .keyCode)
    present(bench, "0815", .keyCode)
    bench.plugIn()
    bench.linkDown()
    bench.plugOut()
    bench.plugIn()
    // Identifiers do not regard case.
    present(bench, "pIN-4711", .keyCode)
    #expect(cache(bench) == ["KeyCode 0815", "KeyCode pin-4711"])
    #expect(bench.station.snapshot.evses[0].transaction?.idToken == "***")
    let logged = bench.actions.compactMap { action in
      if case .log(_, let text) = action { text } else { nil }
    }
    #expect(!logged.isEmpty && !logged.contains { $0.lowercased().contains("4711") || $0.contains("0815") })
    // The journal is a log too, and replays all the same.
    let journal = String(decoding: bench.journal, as: UTF8.self)
    #expect(!journal.contains("4711") && !journal.contains(#""0815"#) && !journal.contains("KeyCode 0815"))
    #expect(journal.contains(#""idToken":"=0000000","type":"KeyCode""#) && journal.contains("KeyCode =001"))
    #expect(try Replay.run(bench.journal).difference == nil)
    let again = bench.restarted()
    #expect(!String(decoding: again.journal, as: UTF8.self).contains("4711"))
    #expect(try Replay.run(again.journal).difference == nil)
  }

  // Proves: C06.FR.02
  @Test func aLocalIdentifierIsAskedAbout() {
    let bench = StationBench(settings).boot()
    present(bench, "TERMINAL-7", .local)
    #expect(bench.calls("Authorize").first?["idToken"] == ["idToken": "TERMINAL-7", "type": "Local"])
  }

  // Proves: C09.FR.05
  @Test func anUnknownTokenOfTheGroupIsAskedAbout() {
    let bench = StationBench(settings, folder: "ac-one-evse").boot()
    bench.responder = {
      $0.action == "Authorize"
        ? ["idTokenInfo": ["status": "Accepted", "groupIdToken": ["idToken": "FLEET", "type": "Central"]]]
        : StationBench.accepting($0)
    }
    bench.plugIn()
    bench.swipe("FIRST")
    bench.pilot(.c)
    bench.forgetCalls()
    bench.swipe("SECOND")
    #expect(bench.calls("Authorize").count == 1)
    #expect(bench.contactorClosed[1] == false)
  }

  /// Known here, in the cache or in the list, a master pass needs no CSMS; it stops what runs and starts nothing.
  // Proves: C12.FR.09, C16.FR.02, C16.FR.03, C16.FR.04, C16.FR.05, C16.FR.08
  @Test(arguments: [true, false]) func aMasterPassThatIsKnownHere(listed: Bool) {
    let bench = StationBench(
      settings.merging(["AuthCtrlr/MasterPassGroupId": "MASTER", "TxCtrlr/TxStopPoint": "Authorized"]) { $1 }
    ).boot()
    let info: JSONValue = ["status": "Accepted", "groupIdToken": ["idToken": "MASTER", "type": "Central"]]
    bench.responder = {
      $0.text("idToken.idToken") == "GUARD" ? ["idTokenInfo": info] : StationBench.accepting($0)
    }
    if listed {
      bench.call(
        "SendLocalList",
        [
          "updateType": "Full", "versionNumber": 1,
          "localAuthorizationList": [["idToken": ["idToken": "GUARD", "type": "ISO14443"], "idTokenInfo": info]],
        ])
    } else {
      bench.swipe("GUARD")
    }
    for evse in [1, 2] {
      bench.plugIn(evse)
      bench.swipe("DRIVER\(evse)", evses: [evse])
      bench.pilot(.c, evse)
    }
    bench.forgetCalls()
    bench.swipe("GUARD")
    #expect(bench.calls("Authorize").isEmpty)
    #expect(bench.events.filter { $0.hasPrefix("Ended StopAuthorized") }.count == 2)
    let ended = bench.calls("TransactionEvent").filter { $0.text("eventType") == "Ended" }
    #expect(ended.allSatisfy { $0.text("transactionInfo.stoppedReason") == "MasterPass" })
    bench.swipe("GUARD")
    #expect(bench.contactorClosed[1] == false && bench.contactorClosed[2] == false)
    #expect(bench.station.snapshot.evses.allSatisfy { $0.transaction == nil })
  }

  // Proves: C11.FR.05
  @Test func aCacheThatCannotBeClearedIsNot() {
    let bench = StationBench(settings).boot()
    bench.swipe()
    bench.ledgerFails = .full
    bench.plugIn()
    #expect(bench.call("ClearCache", [:])?.text("status") == "Rejected")
    #expect(cache(bench).count == 1)
  }

  // Proves: C13.FR.04, C13.FR.06, C15.FR.01, C15.FR.08
  @Test func offlineAnUnknownTokenMayChargeAndIsNotKept() {
    let bench = StationBench(settings.merging(["AuthCtrlr/OfflineTxForUnknownIdEnabled": "true"]) { $1 }).boot()
    bench.call(
      "SendLocalList",
      [
        "updateType": "Full", "versionNumber": 1,
        "localAuthorizationList": [
          [
            "idToken": ["idToken": "OLD", "type": "ISO14443"],
            "idTokenInfo": ["status": "Accepted", "cacheExpiryDateTime": "2025-12-31T00:00:00Z"],
          ],
          ["idToken": ["idToken": "BAD", "type": "ISO14443"], "idTokenInfo": ["status": "Blocked"]],
          ["idToken": ["idToken": "GOOD", "type": "ISO14443"], "idTokenInfo": ["status": "Accepted"]],
        ],
      ])
    bench.linkDown()
    bench.plugIn(1)
    bench.pilot(.c, 1)
    for token in ["OLD", "BAD"] { bench.swipe(token, evses: [1]) }
    #expect(bench.contactorClosed[1] != true)
    bench.swipe("STRANGER", evses: [1])
    #expect(bench.contactorClosed[1] == true)
    bench.plugIn(2)
    bench.pilot(.c, 2)
    bench.swipe("GOOD", evses: [2])
    #expect(bench.contactorClosed[2] == true)
    #expect(cache(bench) == [])
  }

  /// The CSMS turns down, at its return, whom the station had let charge; only the vehicle's leaving ends the transaction.
  // Proves: C15.FR.02, E05.FR.09
  @Test func turnedDownAfterAnOfflineStart() {
    let bench = StationBench(settings.merging(["AuthCtrlr/OfflineTxForUnknownIdEnabled": "true"]) { $1 }).boot()
    bench.linkDown()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    bench.responder = { call in
      call.action == "TransactionEvent" && call["idToken"] != nil
        ? ["idTokenInfo": ["status": "Unknown"]] : StationBench.accepting(call)
    }
    bench.forgetCalls()
    bench.wait(seconds: 5)
    bench.linkUp()
    #expect(bench.contactorClosed[1] == false)
    let events = bench.calls("TransactionEvent")
    #expect(events.contains { $0.text("idToken.idToken") == "DEADBEEF" && $0["offline"] == true })
    #expect(bench.events.last == "Updated Deauthorized EVConnected")
    bench.plugOut()
    #expect(bench.events.last == "Ended EVCommunicationLost Idle")
  }

  /// Nothing but SendLocalList changes the list.
  // Proves: D01.FR.09, D01.FR.11, D01.FR.12
  @Test func theListChangesOnlyByTheCSMSSendingIt() {
    let bench = StationBench(settings.merging(["LocalAuthListCtrlr/BytesPerMessage": "400"]) { $1 }).boot()
    func list(_ tokens: [String]) -> JSONValue {
      let items = tokens.map { token -> JSONValue in
        ["idToken": ["idToken": .string(token), "type": "ISO14443"], "idTokenInfo": ["status": "Accepted"]]
      }
      return ["updateType": "Full", "versionNumber": 1, "localAuthorizationList": .array(items)]
    }
    bench.call("SendLocalList", list(["A", "B"]))
    let before = bench.ledger.records[.localList]
    bench.responder = {
      $0.action == "Authorize" || $0["idToken"] != nil
        ? ["idTokenInfo": ["status": "Blocked"]] : StationBench.accepting($0)
    }
    bench.plugIn()
    bench.swipe("A")
    bench.swipe("STRANGER")
    bench.call("ClearCache", [:])
    bench.wait(seconds: 86_400 * 30)
    #expect(bench.ledger.records[.localList] == before && before?.count == 2)
    let entries = bench.call(
      "GetVariables",
      ["getVariableData": [["component": ["name": "LocalAuthListCtrlr"], "variable": ["name": "Entries"]]]])
    #expect(entries?.text("getVariableResult.0.attributeValue") == "2")
    #expect(bench.call("SendLocalList", list((0..<8).map { "T\($0)" })) == .error("FormatViolation"))
    #expect(bench.ledger.records[.localList] == before)
  }
}
