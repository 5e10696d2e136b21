import OCPP
import StationCore
import Testing

/// What the station knows of tokens by itself: authorization cache and local authorization list.
@Suite("Authorization cache and local list")
struct LocalAuthorizationTests {
  private let settings = [
    "TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "EVConnected,Authorized",
    "AuthCtrlr/LocalPreAuthorize": "true", "AuthCtrlr/LocalAuthorizeOffline": "true",
  ]

  private func answering(_ status: String, group: String? = nil) -> (StationBench.Call) -> JSONValue? {
    { call in
      guard call.action == "Authorize" || call.action == "TransactionEvent" && call["idToken"] != nil else {
        return StationBench.accepting(call)
      }
      var info = [JSONMember(name: "status", value: .string(status))]
      if let group {
        info.append(JSONMember(name: "groupIdToken", value: ["idToken": .string(group), "type": "Central"]))
      }
      return ["idTokenInfo": .object(info)]
    }
  }

  private func session(_ bench: StationBench, _ token: String = "DEADBEEF") {
    bench.plugIn()
    bench.swipe(token)
    bench.swipe(token)
    bench.plugOut()
  }

  private func list(_ tokens: [(String, String?)], version: Int, type: String = "Full") -> JSONValue {
    let items = tokens.map { id, status in
      var item = [JSONMember(name: "idToken", value: ["idToken": .string(id), "type": "ISO14443"])]
      if let status { item.append(JSONMember(name: "idTokenInfo", value: ["status": .string(status)])) }
      return JSONValue.object(item)
    }
    var members = [
      JSONMember(name: "updateType", value: .string(type)), JSONMember(name: "versionNumber", value: .int(version)),
    ]
    if !items.isEmpty { members.append(JSONMember(name: "localAuthorizationList", value: .array(items))) }
    return .object(members)
  }

  // MARK: Cache

  // Proves: C10.FR.01, C10.FR.02, C10.FR.04, C12.FR.02, C12.FR.04, TC_C_08_CS, TC_C_32_CS
  @Test func aCachedTokenStartsWithoutAskingAlsoAfterARestart() {
    let bench = StationBench(settings).boot()
    session(bench)
    #expect(bench.calls("Authorize").count == 1)
    bench.forgetCalls()
    session(bench)
    #expect(bench.calls("Authorize").isEmpty)
    #expect(bench.events.first == "Started Authorized EVConnected")
    let again = bench.restarted(settings).boot()
    again.plugIn()
    again.swipe("deadbeef")
    #expect(again.calls("Authorize").isEmpty)
    #expect(again.station.snapshot.evses[0].transaction != nil)
  }

  // Proves: C10.FR.03, C12.FR.05, TC_C_09_CS, TC_C_57_CS
  @Test(arguments: [false, true])
  func aTokenCachedAsInvalidIsAskedAgainUnlessSwitchedOff(disabled: Bool) {
    let bench = StationBench(
      settings.merging(["AuthCacheCtrlr/DisablePostAuthorize": disabled ? "true" : "false"]) { $1 }
    ).boot()
    bench.responder = answering("Invalid")
    bench.plugIn()
    bench.swipe()
    bench.forgetCalls()
    bench.responder = answering("Accepted")
    bench.swipe()
    #expect(bench.calls("Authorize").count == (disabled ? 0 : 1))
    #expect((bench.station.snapshot.evses[0].transaction != nil) == !disabled)
  }

  // Proves: C10.FR.05, C12.FR.06, TC_C_34_CS
  @Test func theAnswerToATransactionEventUpdatesTheCache() {
    let bench = StationBench(settings).boot()
    session(bench)
    bench.responder = answering("Blocked")
    session(bench)
    bench.forgetCalls()
    bench.plugIn()
    bench.swipe()
    #expect(bench.calls("Authorize").count == 1)
  }

  // Proves: C10.FR.08, C10.FR.10, TC_C_46_CS
  @Test func anEntryExpiresWithItsLifeTime() {
    let bench = StationBench(settings.merging(["AuthCacheCtrlr/LifeTime": "60"]) { $1 }).boot()
    session(bench)
    bench.wait(seconds: 61)
    bench.forgetCalls()
    session(bench)
    #expect(bench.calls("Authorize").count == 1)
  }

  // Proves: C10.FR.13
  @Test func anEntryExpiresWhenTheCSMSSaysSo() {
    let bench = StationBench(settings).boot()
    bench.responder = { call in
      call.action == "Authorize"
        ? ["idTokenInfo": ["status": "Accepted", "cacheExpiryDateTime": "2026-01-01T00:01:00Z"]]
        : call.action == "TransactionEvent" ? [:] : StationBench.accepting(call)
    }
    session(bench)
    session(bench)
    #expect(bench.calls("Authorize").count == 1)
    bench.wait(seconds: 61)
    session(bench)
    #expect(bench.calls("Authorize").count == 2)
  }

  // Proves: C10.FR.07
  @Test(arguments: ["LRU", "FIFO", "LFU"])
  func aFullCacheMakesRoomByItsPolicy(policy: String) {
    let bench = StationBench(settings.merging(["AuthCacheCtrlr/Policy": policy]) { $1 }).boot()
    bench.responder = answering("Invalid")
    func present(_ token: String) {
      bench.swipe(token)
      bench.wait(seconds: 1)
    }
    for number in 0..<1000 { present("T\(number)") }
    present("T0")
    present("NEW")
    #expect(bench.ledger.records[.authorizationCache]?.count == 1000)
    let isThere = bench.ledger.records[.authorizationCache]?.keys.contains("ISO14443 t0") == true
    #expect(isThere == (policy != "FIFO"))
    #expect(bench.ledger.records[.authorizationCache]?.keys.contains("ISO14443 new") == true)
  }

  // Proves: C10.FR.11, TC_C_36_CS
  @Test(arguments: ["AuthCtrlr/LocalPreAuthorize", "AuthCacheCtrlr/Enabled"])
  func withoutPreAuthorizationOrCacheTheCSMSIsAsked(switchedOff: String) {
    let bench = StationBench(settings.merging([switchedOff: "false"]) { $1 }).boot()
    session(bench)
    session(bench)
    #expect(bench.calls("Authorize").count == 2)
  }

  // Proves: C11.FR.01, C11.FR.02, C11.FR.03, C11.FR.04, TC_C_37_CS, TC_C_38_CS
  @Test func clearCache() {
    let bench = StationBench(settings).boot()
    session(bench)
    #expect(bench.call("ClearCache", [:])?.text("status") == "Accepted")
    #expect(bench.ledger.records[.authorizationCache]?.isEmpty == true)
    session(bench)
    #expect(bench.calls("Authorize").count == 2)
    let off = StationBench(settings.merging(["AuthCacheCtrlr/Enabled": "false"]) { $1 }).boot()
    #expect(off.call("ClearCache", [:])?.text("status") == "Rejected")
  }

  // Proves: C13.FR.03
  @Test func offlineACachedTokenIsBelievedAndAnUnknownOneIsNot() {
    let bench = StationBench(settings).boot()
    session(bench)
    bench.linkDown()
    bench.plugIn()
    bench.swipe("STRANGER")
    #expect(bench.station.snapshot.evses[0].transaction == nil)
    bench.swipe()
    #expect(bench.station.snapshot.evses[0].transaction != nil)
  }

  // Proves: C09.FR.07, C09.FR.11, E08.FR.02, TC_C_41_CS, TC_C_44_CS, TC_E_45_CS
  @Test(arguments: [true, false], ["Accepted", "Blocked"])
  func aKnownTokenOfTheGroupStopsWithoutAsking(online: Bool, status: String) {
    let bench = StationBench(settings).boot()
    bench.responder = answering(status, group: "FLEET")
    bench.plugIn()
    bench.swipe("SECOND")
    if status == "Accepted" { bench.swipe("SECOND") }
    bench.plugOut()
    bench.responder = answering("Accepted", group: "FLEET")
    bench.plugIn()
    bench.swipe("FIRST")
    if !online { bench.linkDown() }
    bench.forgetCalls()
    bench.responder = { call in call.action == "Authorize" ? nil : StationBench.accepting(call) }
    bench.swipe("SECOND")
    #expect((bench.station.snapshot.evses[0].transaction == nil) == (status == "Accepted"))
    #expect(bench.calls("Authorize").count == (online && status == "Blocked" ? 1 : 0))
  }

  // MARK: Local list

  // Proves: D01.FR.01, D01.FR.02, D01.FR.10, D01.FR.15, D01.FR.16, D01.FR.17, D01.FR.19, D02.FR.01, D02.FR.02, TC_D_01_CS, TC_D_02_CS, TC_D_03_CS, TC_D_07_CS, TC_D_08_CS
  @Test func theListIsReplacedUpdatedAndKept() {
    let bench = StationBench(settings).boot()
    let version: JSONValue = [:]
    #expect(bench.call("GetLocalListVersion", version)?.text("versionNumber") == nil)
    func current(_ bench: StationBench) -> Int? {
      guard case .result(let payload)? = bench.call("GetLocalListVersion", version) else { return nil }
      return payload["versionNumber"]?.intValue
    }
    #expect(current(bench) == 0)
    let full = list([("A", "Accepted"), ("B", "Blocked"), ("C", "Accepted")], version: 3)
    #expect(bench.call("SendLocalList", full)?.text("status") == "Accepted")
    let differential = list([("C", nil), ("D", "Accepted")], version: 4, type: "Differential")
    #expect(bench.call("SendLocalList", differential)?.text("status") == "Accepted")
    #expect(bench.call("SendLocalList", differential)?.text("status") == "VersionMismatch")
    let again = bench.restarted(settings).boot()
    #expect(current(again) == 4)
    #expect(again.ledger.records[.localList]?.keys.sorted() == ["ISO14443 a", "ISO14443 b", "ISO14443 d"])
  }

  // Proves: D01.FR.04, D01.FR.05, D01.FR.06, D01.FR.18, TC_D_04_CS, TC_D_05_CS
  @Test func emptyDuplicateAndWrongUpdates() {
    let bench = StationBench(settings).boot()
    bench.call("SendLocalList", list([("A", "Accepted")], version: 1))
    func status(_ payload: JSONValue) -> String? { bench.call("SendLocalList", payload)?.text("status") }
    #expect(status(list([("X", "Accepted"), ("x", "Blocked")], version: 2)) == "Failed")
    #expect(status(list([("X", "Accepted")], version: 0)) == "Failed")
    #expect(status(list([], version: 2, type: "Differential")) == "Accepted")
    #expect(bench.ledger.records[.localList]?.keys.sorted() == ["ISO14443 a"])
    #expect(status(list([], version: 3)) == "Accepted")
    #expect(bench.ledger.records[.localList]?.isEmpty == true)
    let many = (0..<250).map { ("T\($0)", String?.some("Accepted")) }
    #expect(status(list(many, version: 4)) == "Accepted")
    for part in 1...3 {
      let more = (0..<250).map { ("P\(part)-\($0)", String?.some("Accepted")) }
      #expect(status(list(more, version: 4 + part, type: "Differential")) == "Accepted")
    }
    #expect(status(list([("LAST", "Accepted")], version: 8, type: "Differential")) == "Failed")
    #expect(bench.ledger.records[.localList]?.count == 1000)
    let tooMany = (0..<251).map { ("T\($0)", String?.some("Accepted")) }
    #expect(bench.call("SendLocalList", list(tooMany, version: 9)) == .error("OccurrenceConstraintViolation"))
  }

  // Proves: D01.FR.13, D02.FR.03, TC_D_10_CS
  @Test func aListThatIsSwitchedOff() {
    let bench = StationBench(settings.merging(["LocalAuthListCtrlr/Enabled": "false"]) { $1 }).boot()
    #expect(bench.call("SendLocalList", list([("A", "Accepted")], version: 1))?.text("status") == "Failed")
    #expect(bench.call("GetLocalListVersion", [:]) == .result(["versionNumber": 0]))
  }

  // Proves: C14.FR.01, C14.FR.02, C14.FR.03, C13.FR.01, TC_C_25_CS, TC_C_27_CS, TC_C_28_CS, TC_C_58_CS
  @Test func theListComesBeforeTheCache() {
    let bench = StationBench(settings).boot()
    session(bench, "A")  // cached as Accepted
    bench.call("SendLocalList", list([("A", "Blocked"), ("B", "Accepted")], version: 1))
    bench.forgetCalls()
    bench.responder = answering("Blocked")
    bench.plugIn()
    bench.swipe("A")
    #expect(bench.calls("Authorize").count == 1)
    #expect(bench.station.snapshot.evses[0].transaction == nil)
    bench.responder = StationBench.accepting
    bench.swipe("B")
    #expect(bench.calls("Authorize").count == 1)
    #expect(bench.station.snapshot.evses[0].transaction != nil)
  }

  // Proves: C13.FR.02, C13.FR.05, C14.FR.04, C14.FR.05, TC_C_21_CS, TC_C_22_CS, TC_C_24_CS
  @Test func offlineOnlyAcceptedEntriesOfTheListThatHaveNotExpired() {
    let bench = StationBench(settings).boot()
    bench.call(
      "SendLocalList",
      [
        "updateType": "Full", "versionNumber": 1,
        "localAuthorizationList": [
          [
            "idToken": ["idToken": "OLD", "type": "ISO14443"],
            "idTokenInfo": ["status": "Accepted", "cacheExpiryDateTime": "2025-12-31T00:00:00Z"],
          ],
          ["idToken": ["idToken": "BAD", "type": "ISO14443"], "idTokenInfo": ["status": "Invalid"]],
          ["idToken": ["idToken": "GOOD", "type": "ISO14443"], "idTokenInfo": ["status": "Accepted"]],
        ],
      ])
    bench.linkDown()
    bench.plugIn()
    for token in ["OLD", "BAD"] { bench.swipe(token) }
    #expect(bench.station.snapshot.evses[0].transaction == nil)
    bench.swipe("GOOD")
    #expect(bench.station.snapshot.evses[0].transaction != nil)
  }

  /// What could not be stored is not believed to be there.
  @Test func aListThatCouldNotBeStoredIsTakenBack() {
    let bench = StationBench(settings).boot()
    bench.ledgerFails = .full
    #expect(bench.call("SendLocalList", list([("A", "Accepted")], version: 1)) == .error("InternalError"))
    #expect(bench.call("GetLocalListVersion", [:]) == .result(["versionNumber": 0]))
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.call("SendLocalList", list([("A", "Accepted")], version: 1))?.text("status") == "Accepted")
  }
}
