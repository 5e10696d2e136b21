import OCPP
import StationCore
import Testing

@Suite("Network profiles")
struct NetworkProfileTests {
  static let settings = [
    "OCPPCommCtrlr/NetworkProfileConnectionAttempts": "2", "OCPPCommCtrlr/RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr/RetryBackOffRandomRange": "0", "OCPPCommCtrlr/RetryBackOffRepeatTimes": "0",
  ]

  /// The station at the factory URL, `ws://127.0.0.1:9000`, slot 1.
  static func bench(_ more: [String: String] = [:]) -> StationBench {
    StationBench(settings.merging(more) { $1 }, csmsURL: nil).boot()
  }

  static func profile(
    url: String = "ws://new.example/ocpp", security: Int = 1, _ more: [String: JSONValue] = [:]
  ) -> JSONValue {
    var data: [String: JSONValue] = [
      "ocppCsmsUrl": .string(url), "securityProfile": .int(security), "messageTimeout": 30, "ocppInterface": "Wired0",
      "ocppTransport": "JSON", "ocppVersion": "OCPP20",
    ]
    data.merge(more) { $1 }
    return .object(data.sorted { $0.key < $1.key }.map { JSONMember(name: $0.key, value: $0.value) })
  }

  static func set(_ bench: StationBench, slot: Int = 2, _ data: JSONValue) -> StationBench.Answer? {
    bench.call("SetNetworkProfile", ["configurationSlot": .int(slot), "connectionData": data])
  }

  /// Lets the waiting attempt be made and returns where it went.
  static func nextAttempt(_ bench: StationBench, failing reason: LinkDownReason = .connectFailed("refused")) -> String?
  {
    let before = bench.connectRequests.count
    bench.linkDown(reason)
    bench.wait(seconds: 2)
    #expect(bench.connectRequests.count == before + 1)
    return bench.connectRequests.last?.url
  }

  // Proves: B09.FR.01, B09.FR.06
  @Test func aValidProfileIsStoredBeforeTheAnswer() {
    let bench = Self.bench()
    #expect(Self.set(bench, Self.profile())?.text("status") == "Accepted")
    #expect(bench.variable("InternalCtrlr", "NetworkConnectionProfiles")?.contains("ws://new.example/ocpp") == true)
    let again = bench.restarted(Self.settings)
    again.boot()
    #expect(again.variable("InternalCtrlr", "NetworkConnectionProfiles")?.contains("ws://new.example/ocpp") == true)
  }

  // Proves: B09.FR.02, B09.FR.04, B09.FR.05, TC_B_43_CS
  @Test(arguments: [
    (999, profile(), "InvalidValue"),
    (2, profile(url: "http://new.example"), "InvalidURL"),
    (2, profile(url: "ws://"), "InvalidURL"),
    (2, profile(url: "ws://new.example:99999"), "InvalidURL"),
    (2, profile(url: "ws://user@new.example"), "InvalidURL"),
    (2, profile(url: "ws://new.example/?a=b"), "InvalidURL"),
    (2, profile(url: "ws://new.example", security: 2), "InvalidURL"),
    (2, profile(url: "wss://new.example", security: 1), "InvalidURL"),
    (2, profile(security: 0), "InvalidValue"),
    (2, profile(security: 4), "InvalidValue"),
    (2, profile(["ocppTransport": "SOAP"]), "UnsupportedParam"),
    (2, profile(["ocppVersion": "OCPP16"]), "UnsupportedParam"),
    (2, profile(["messageTimeout": -1]), "ValuePositiveOnly"),
    (2, profile(["apn": ["apn": "internet", "apnAuthentication": "NONE"]]), "UnsupportedParam"),
  ])
  func whatIsWrongIsRejectedWithItsReason(slot: Int, data: JSONValue, reason: String) {
    let bench = Self.bench()
    let before = bench.ledger.records
    let answer = Self.set(bench, slot: slot, data)
    #expect(answer?.text("status") == "Rejected")
    #expect(answer?.text("statusInfo.reasonCode") == reason)
    #expect(bench.ledger.records[.variable] == before[.variable])
  }

  // Proves: B09.FR.03
  @Test func whatCannotBeStoredFails() {
    let bench = Self.bench()
    bench.ledgerFails = .full
    #expect(Self.set(bench, Self.profile()) == .error("InternalError"))
    #expect(bench.variable("InternalCtrlr", "NetworkConnectionProfiles")?.contains("new.example") == false)
    #expect(Self.set(bench, Self.profile())?.text("status") == "Failed")
    bench.ledgerFails = nil
    bench.wait(seconds: 11)
    #expect(Self.set(bench, Self.profile())?.text("status") == "Accepted")
  }

  // Proves: A00.FR.005, B09.FR.04, B09.FR.31, A05.FR.08, A05.FR.09, A05.FR.10, TC_A_22_CS
  @Test(arguments: [
    (2, false, 1, false), (3, false, 2, false), (3, true, 2, true), (3, true, 1, false), (2, true, 1, false),
  ])
  func theSecurityProfileIsNotLowered(active: Int, allowed: Bool, wanted: Int, accepted: Bool) {
    let bench = Self.bench([
      "SecurityCtrlr/AllowSecurityProfileDowngrade": allowed ? "true" : "false",
      "InternalCtrlr/NetworkConnectionProfiles":
        #"[{"configurationSlot":1,"connectionData":{"ocppCsmsUrl":"wss://a.example","securityProfile":\#(active)}}]"#,
    ])
    #expect(bench.variable("SecurityCtrlr", "SecurityProfile") == String(active))
    let answer = Self.set(
      bench, Self.profile(url: wanted == 1 ? "ws://new.example" : "wss://new.example", security: wanted))
    #expect(answer?.text("status") == (accepted ? "Accepted" : "Rejected"))
    if !accepted { #expect(answer?.text("statusInfo.reasonCode") == "NoSecurityDowngrade") }
    #expect(
      bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
        == (accepted ? "RebootRequired" : "Rejected"))
  }

  private static func slot(_ number: Int, _ host: String, _ security: Int) -> String {
    #"{"configurationSlot":\#(number),"connectionData":{"ocppCsmsUrl":"\#(security == 1 ? "ws" : "wss")://\#(host).example","#
      + #""securityProfile":\#(security)}}"#
  }

  /// A lower profile that was there before: it is not put into the order, and not used when the files have it there, so that
  /// nobody gets it by blocking the way to the higher one.
  // Proves: A05.FR.09, A05.FR.10
  @Test(arguments: [(2, 1), (3, 2), (3, 1)])
  func aLowerProfileIsNotFallenBackTo(active: Int, lower: Int) {
    let settings = [
      "SecurityCtrlr/SecurityProfile": String(active),
      "InternalCtrlr/NetworkConnectionProfiles": "[\(Self.slot(1, "high", active)),\(Self.slot(2, "low", lower))]",
    ]
    let refused = Self.bench(settings.merging(["OCPPCommCtrlr/NetworkConfigurationPriority": "1"]) { $1 })
    let order = refused.call(
      "SetVariables",
      [
        "setVariableData": [
          [
            "attributeValue": "2,1", "component": ["name": "OCPPCommCtrlr"],
            "variable": ["name": "NetworkConfigurationPriority"],
          ]
        ]
      ])
    #expect(order?.text("setVariableResult.0.attributeStatus") == "Rejected")
    let both = StationBench(
      Self.settings.merging(settings) { $1 }.merging(["OCPPCommCtrlr/NetworkConfigurationPriority": "1,2"]) { $1 },
      csmsURL: nil)
    both.input(.start)
    var urls = Set(both.connectRequests.map(\.url))
    for _ in 0..<12 { urls.insert(Self.nextAttempt(both) ?? "") }
    #expect(urls == ["wss://high.example"])
    both.linkUp()
    #expect(both.variable("SecurityCtrlr", "SecurityProfile") == String(active))
  }

  // Proves: B10.FR.01, B10.FR.02
  @Test(arguments: [
    ("2,1", "RebootRequired"), ("1", "Accepted"), ("2,3", "Rejected"), ("9", "Rejected"), ("", "Rejected"),
    ("2,2", "Rejected"), ("x", "Rejected"),
  ])
  func theOrderNamesSlotsThatAreSet(value: String, expected: String) {
    let bench = Self.bench()
    _ = Self.set(bench, Self.profile())
    #expect(bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", value) == expected)
  }

  // Proves: A05.FR.02, TC_A_20_CS
  @Test func aHigherSecurityProfileNeedsARoot() {
    let bench = Self.bench()
    #expect(Self.set(bench, Self.profile(url: "wss://new.example", security: 2))?.text("status") == "Accepted")
    #expect(bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1") == "Rejected")
  }

  // Proves: B09.FR.01, B10.FR.04, B10.FR.06, TC_B_45_CS
  @Test func theNewOrderAppliesAfterTheRestart() {
    let bench = Self.bench()
    _ = Self.set(bench, Self.profile())
    _ = bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
    #expect(Self.nextAttempt(bench, failing: .lost("")) == "ws://127.0.0.1:9000")
    let again = bench.restarted(Self.settings)
    again.boot()
    #expect(again.connectRequests.map(\.url) == ["ws://new.example/ocpp"])
    #expect(again.variable("OCPPCommCtrlr", "ActiveNetworkProfile") == "2")
    #expect(again.variable("OCPPCommCtrlr", "NetworkConfigurationPriority") == "2,1")
  }

  /// The address of the command line is a factory value: what the CSMS has set wins.
  @Test func theCommandLineAppliesToWhatTheCSMSHasNotSet() {
    let bench = StationBench(Self.settings).boot()
    _ = Self.set(bench, Self.profile())
    _ = bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
    let again = bench.restarted(Self.settings)
    again.input(.start)
    #expect(again.connectRequests.last?.url == "ws://new.example/ocpp")
    #expect(Self.nextAttempt(again) == "ws://new.example/ocpp")
    #expect(Self.nextAttempt(again) == "ws://127.0.0.1:1")
  }

  /// Profile 1 in the files, `wss` on the command line: security profile 2, also in an order of slots.
  @Test func theCommandLineDecidesOnTheSecurityProfileOfAnOrder() {
    let bench = StationBench(
      Self.settings, csmsURL: "wss://a.example", certificates: [FakeCertificateFolder.certificate(.csmsRoot, "root1")])
    bench.input(.start)
    bench.linkUp(CertificateTests.session("root1", nil))
    #expect(bench.variable("SecurityCtrlr", "SecurityProfile") == "2")
    #expect(Self.set(bench, Self.profile(url: "wss://b.example", security: 2))?.text("status") == "Accepted")
    #expect(bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1") == "RebootRequired")
    #expect(Self.set(bench, Self.profile())?.text("statusInfo.reasonCode") == "NoSecurityDowngrade")
  }

  // Proves: B10.FR.03, B10.FR.10, TC_B_46_CS
  @Test func theNextEntryAfterSoManyAttempts() {
    let bench = Self.bench()
    _ = Self.set(bench, Self.profile())
    _ = bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
    let again = bench.restarted(Self.settings)
    again.input(.start)
    var urls = [again.connectRequests.last?.url]
    for _ in 0..<2 { urls.append(Self.nextAttempt(again)) }
    #expect(urls == ["ws://new.example/ocpp", "ws://new.example/ocpp", "ws://127.0.0.1:9000"])
    again.linkUp()
    #expect(again.calls("BootNotification").count == 1)
    // Back to the first one when this one is lost for long: another CSMS, another BootNotification.
    again.linkDown()
    again.wait(seconds: 2)
    #expect(again.connectRequests.last?.url == "ws://127.0.0.1:9000")
    _ = Self.nextAttempt(again)
    #expect(Self.nextAttempt(again) == "ws://new.example/ocpp")
    again.forgetCalls()
    again.linkUp()
    #expect(again.calls("BootNotification").count == 1)
    #expect(again.calls("SecurityEventNotification").isEmpty)
  }

  // Proves: B10.FR.07, B10.FR.08, B10.FR.09, TC_B_49_CS
  @Test func whenAllFailTheLastThatWorkedComesNext() {
    let settings = Self.settings.merging(["OCPPCommCtrlr/NetworkProfileConnectionAttempts": "1"]) { $1 }
    let bench = StationBench(settings, csmsURL: nil).boot()
    _ = Self.set(bench, Self.profile())
    _ = bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1")
    let again = bench.restarted(settings)
    again.input(.start)
    var urls = [again.connectRequests.last?.url]
    for _ in 0..<6 { urls.append(Self.nextAttempt(again)) }
    let (new, old) = ("ws://new.example/ocpp", "ws://127.0.0.1:9000")
    #expect(urls == [new, old, old, new, old, old, new])
  }

  /// The CSMS overwrites the profile in use with an address where nobody is; the power is cut at every commit on the way.
  // Proves: B10.FR.07, B10.FR.09
  @Test func aWrongAddressIsSurvived() {
    let bench = Self.bench()
    let before = bench.ledgerHistory.count
    #expect(Self.set(bench, slot: 1, Self.profile(url: "ws://nobody.example"))?.text("status") == "Accepted")
    let cuts = Array(bench.ledgerHistory[(before - 1)...])
    #expect(cuts.count >= 2)
    for cut in cuts {
      var again = bench.restarted(Self.settings, from: cut)
      again.input(.start)
      var attempts = 0
      while again.connectRequests.last?.url != "ws://127.0.0.1:9000", attempts < 10 {
        attempts += 1
        _ = Self.nextAttempt(again)
        // Another cut, in the middle of it: from the start, as the ledger says.
        if attempts == 1 {
          again = again.restarted(Self.settings)
          again.input(.start)
        }
      }
      #expect(attempts <= 4)
      again.linkUp()
      #expect(again.station.snapshot.registration == "Accepted")
      // And at the next start once more, as long as the CSMS does not put it right.
      again.linkDown()
      again.wait(seconds: 2)
      #expect(again.connectRequests.last?.url == "ws://127.0.0.1:9000")
    }
  }

  // Proves: A05.FR.06
  @Test func aHigherSecurityProfileRemovesTheLowerOnes() {
    let wss = #"{"configurationSlot":2,"connectionData":{"ocppCsmsUrl":"wss://b.example","securityProfile":2}}"#
    let ws = #"{"configurationSlot":1,"connectionData":{"ocppCsmsUrl":"ws://a.example","securityProfile":1}}"#
    let settings = Self.settings.merging([
      "InternalCtrlr/NetworkConnectionProfiles": "[\(ws),\(wss)]", "OCPPCommCtrlr/NetworkConfigurationPriority": "2,1",
    ]) { $1 }
    let bench = StationBench(settings, csmsURL: nil)
    bench.input(.start)
    #expect(bench.connectRequests.last?.securityProfile == 2)
    bench.linkUp()
    #expect(bench.variable("SecurityCtrlr", "SecurityProfile") == "2")
    #expect(bench.variable("OCPPCommCtrlr", "NetworkConfigurationPriority") == "2")
    #expect(bench.variable("InternalCtrlr", "NetworkConnectionProfiles")?.contains("a.example") == false)
    // Never down again, neither here nor after a restart.
    for _ in 0..<9 { #expect(Self.nextAttempt(bench) == "wss://b.example") }
    let again = bench.restarted(settings)
    again.input(.start)
    for _ in 0..<9 { #expect(Self.nextAttempt(again) == "wss://b.example") }
    // Nor by the CSMS' word.
    again.linkUp()
    #expect(Self.set(again, slot: 1, Self.profile())?.text("statusInfo.reasonCode") == "NoSecurityDowngrade")
  }

  // Proves: B07.FR.03
  @Test func secretsOfProfilesAreNotDisclosed() throws {
    let secret = "a-profiles-own-password"
    let profiles =
      #"[{"configurationSlot":1,"connectionData":{"ocppCsmsUrl":"ws://a.example","securityProfile":1,"basicAuthPassword":"\#(secret)","vpn":{"password":"\#(secret)","key":"\#(secret)"}}}]"#
    let bench = Self.bench(["InternalCtrlr/NetworkConnectionProfiles": profiles])
    #expect(bench.connectRequests.last?.basicAuthPassword == secret)
    bench.call("GetBaseReport", ["requestId": 1, "reportBase": "FullInventory"])
    _ = Self.set(bench, Self.profile())
    let told = bench.actions.map { action in
      if case .send(let frame) = action { String(decoding: frame, as: UTF8.self) } else { "" }
    }.joined()
    #expect(!told.contains(secret))
    #expect(bench.variable("InternalCtrlr", "NetworkConnectionProfiles")?.contains("a.example") == true)
    #expect(!String(decoding: bench.journal, as: UTF8.self).contains(secret))
    #expect(try Replay.run(bench.journal).difference == nil)
    // It is still there after a restart, from the ledger.
    let again = bench.restarted()
    again.input(.start)
    #expect(again.connectRequests.last?.basicAuthPassword == secret)
  }
}
