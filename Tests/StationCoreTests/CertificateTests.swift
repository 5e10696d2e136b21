import OCPP
import StationCore
import Testing

@Suite("Certificates")
struct CertificateTests {
  typealias Folder = FakeCertificateFolder

  static func settings(_ security: Int, _ more: [String: String] = [:]) -> [String: String] {
    NetworkProfileTests.settings.merging([
      "OCPPCommCtrlr/WebSocketPingInterval": "0",
      "InternalCtrlr/NetworkConnectionProfiles":
        #"[{"configurationSlot":1,"connectionData":{"ocppCsmsUrl":"wss://a.example","securityProfile":\#(security)}}]"#,
    ]) { $1 }.merging(more) { $1 }
  }

  static let installed = [
    Folder.certificate(.chargingStation, "own1"), Folder.certificate(.csmsRoot, "root1"),
    Folder.certificate(.manufacturerRoot, "maker"),
  ]

  static func session(_ root: String = "root1", _ own: String? = "own1", chain: [TLSSession.ServerCertificate] = [])
    -> TLSSession
  {
    TLSSession(
      version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", root: root, clientCertificate: own, serverChain: chain)
  }

  /// Connected with security profile 3.
  static func bench(_ more: [String: String] = [:], _ certificates: [InstalledCertificate] = installed) -> StationBench
  {
    let bench = StationBench(settings(3, more), csmsURL: nil, certificates: certificates)
    bench.responder = accepting
    bench.input(.start)
    bench.linkUp(session())
    return bench
  }

  static func accepting(_ call: StationBench.Call) -> JSONValue? {
    call.action == "SignCertificate" ? ["status": "Accepted"] : StationBench.accepting(call)
  }

  static func ids(_ bench: StationBench, _ types: [JSONValue]? = nil) -> (status: String?, serials: [String]) {
    let answer = bench.call(
      "GetInstalledCertificateIds",
      types.map { .object([JSONMember(name: "certificateType", value: .array($0))]) } ?? [:])
    guard case .result(let payload)? = answer else { return (nil, []) }
    return (
      payload["status"]?.stringValue,
      (payload["certificateHashDataChain"]?.arrayValue ?? []).compactMap {
        $0["certificateHashData"]?["serialNumber"]?.stringValue
      }
    )
  }

  static func install(_ bench: StationBench, _ pem: String, _ use: String = "CSMSRootCertificate") -> StationBench
    .Answer?
  {
    bench.call("InstallCertificate", ["certificateType": .string(use), "certificate": .string(pem)])
  }

  static func trigger(_ bench: StationBench, _ what: String = "SignChargingStationCertificate") -> String? {
    bench.call("TriggerMessage", ["requestedMessage": .string(what)])?.text("status")
  }

  static func signed(_ bench: StationBench, _ chain: String) -> StationBench.Answer? {
    bench.call(
      "CertificateSigned", ["certificateChain": .string(chain), "certificateType": "ChargingStationCertificate"])
  }

  static func events(_ bench: StationBench) -> [String] {
    bench.calls("SecurityEventNotification").compactMap { $0.text("type") }
  }

  // MARK: M03-M05

  // Proves: M03.FR.01, M03.FR.02, M03.FR.03, M03.FR.04, TC_M_12_CS, TC_M_13_CS, TC_M_17_CS, TC_M_18_CS, TC_M_19_CS
  @Test func installedRootsAreListedByType() {
    let bench = Self.bench()
    #expect(Self.ids(bench) == ("Accepted", ["root1", "maker"]))
    #expect(Self.ids(bench, ["ManufacturerRootCertificate"]) == ("Accepted", ["maker"]))
    #expect(Self.ids(bench, ["MORootCertificate"]) == ("NotFound", []))
    #expect(bench.variable("SecurityCtrlr", "CertificateEntries") == "3")
  }

  // Proves: M05.FR.01, M05.FR.02, M05.FR.03, TC_M_01_CS
  @Test func aRootIsInstalledOrRefused() {
    let bench = Self.bench()
    #expect(Self.install(bench, "root2")?.text("status") == "Accepted")
    #expect(Self.ids(bench).serials.contains("root2"))
    #expect(bench.variable("SecurityCtrlr", "CertificateEntries") == "4")
    let refused = Self.install(bench, "bad")
    #expect(refused?.text("status") == "Rejected")
    #expect(refused?.text("statusInfo.reasonCode") == "InvalidCertificate")
    bench.folder.fails = "disk"
    #expect(Self.install(bench, "root3")?.text("status") == "Failed")
    bench.folder.fails = nil
    for index in 4..<20 { #expect(Self.install(bench, "r\(index)")?.text("status") == "Accepted") }
    #expect(Self.install(bench, "r20")?.text("status") == "Rejected")
    #expect(bench.connectRequests.count == 1)
  }

  // Proves: M04.FR.01, M04.FR.02, M04.FR.03, M04.FR.04, M04.FR.06, TC_M_20_CS, TC_M_22_CS, TC_M_23_CS
  @Test(arguments: [("maker", "Accepted"), ("nobody", "NotFound"), ("own1", "Failed")])
  func aCertificateIsDeletedOrNot(name: String, expected: String) {
    let bench = Self.bench()
    let answer = bench.call(
      "DeleteCertificate",
      [
        "certificateHashData": [
          "hashAlgorithm": "SHA256", "issuerNameHash": "22", "issuerKeyHash": "11", "serialNumber": .string(name),
        ]
      ])
    #expect(answer?.text("status") == expected)
    #expect(Self.ids(bench).serials == (name == "maker" ? ["root1"] : ["root1", "maker"]))
  }

  /// What the station verifies its CSMS with is not the CSMS' to delete, as long as it could not come back without.
  // Proves: M04.FR.03
  @Test func theRootInUseIsKept() {
    let bench = Self.bench()
    func delete(_ name: String) -> String? {
      bench.call(
        "DeleteCertificate",
        [
          "certificateHashData": [
            "hashAlgorithm": "SHA256", "issuerNameHash": "22", "issuerKeyHash": "11", "serialNumber": .string(name),
          ]
        ])?.text("status")
    }
    #expect(delete("root1") == "Failed")
    #expect(Self.install(bench, "root2")?.text("status") == "Accepted")
    #expect(delete("root1") == "Failed")
    #expect(delete("root2") == "Accepted")
    #expect(Self.ids(bench, ["CSMSRootCertificate"]).serials == ["root1"])
  }

  /// A server that asks for no certificate says nothing about which of two is good.
  // Proves: A02.FR.10
  @Test func whatWasNotShownProvesNothing() {
    let bench = Self.bench()
    #expect(Self.trigger(bench) == "Accepted")
    #expect(Self.signed(bench, "own2")?.text("status") == "Accepted")
    bench.wait(seconds: 2)
    bench.linkUp(Self.session("root1", nil))
    #expect(Set(bench.folder.inventory.certificates.map(\.fingerprint)).isSuperset(of: ["own1", "own2"]))
    bench.linkDown()
    bench.wait(seconds: 2)
    bench.linkUp(Self.session("root1", "own2"))
    #expect(!bench.folder.inventory.certificates.contains { $0.fingerprint == "own1" })
  }

  /// Answers come when the folder has answered, each to its call; what came on another connection is not answered.
  @Test func answersWaitForTheFolder() {
    let bench = Self.bench()
    bench.holdsCertificates = true
    #expect(Self.ids(bench).status == nil)
    #expect(Self.install(bench, "root2") == nil)
    bench.carryOutHeldCertificates()
    #expect(bench.answers.values.contains { $0.text("status") == "Accepted" })
    let answered = bench.answers.count
    _ = Self.ids(bench)
    bench.linkDown()
    bench.wait(seconds: 2)
    bench.linkUp(Self.session())
    bench.carryOutHeldCertificates()
    #expect(bench.answers.count == answered)
    // Bounded.
    for _ in 0..<8 { #expect(Self.ids(bench).status == nil) }
    #expect(Self.install(bench, "root3") == .error("InternalError"))
  }

  // MARK: AdditionalRootCertificateCheck

  private static let check = ["SecurityCtrlr/AdditionalRootCertificateCheck": "true"]

  /// What the folder finds wrong is the verdict that the CSMS gets; `RootTests` has what it finds.
  // Proves: M05.FR.10
  @Test func aRootThatTheOldOneHasNotSignedIsRejected() {
    let bench = Self.bench(Self.check)
    #expect(Self.install(bench, "root2")?.text("status") == "Rejected")
    #expect(Self.ids(bench).serials == ["root1", "maker"])
    bench.linkDown()
    bench.wait(seconds: 2)
    #expect(bench.connectRequests.last?.tls.withoutRoot == nil)
  }

  // Proves: M05.FR.09, M05.FR.12, M05.FR.13, TC_M_30_CS
  @Test func theOldRootGoesWhenTheNewOneHasWorked() {
    let bench = Self.bench(Self.check)
    #expect(Self.install(bench, "root2<root1")?.text("status") == "Accepted")
    #expect(Self.ids(bench, ["CSMSRootCertificate"]).serials == ["root2", "root1"])
    for cut in bench.history.suffix(4) {
      let again = bench.restarted(Self.settings(3, Self.check), from: cut.ledger, certificates: cut.certificates)
      again.responder = Self.accepting
      again.input(.start)
      let hasBoth = cut.certificates.contains { $0.fingerprint == "root2" }
      #expect(again.connectRequests.last?.tls.withoutRoot == (hasBoth ? "root1" : nil))
      again.linkUp(Self.session(hasBoth ? "root2" : "root1"))
      #expect(Self.ids(again, ["CSMSRootCertificate"]).serials == [hasBoth ? "root2" : "root1"])
      again.linkDown()
      again.wait(seconds: 2)
      #expect(again.connectRequests.last?.tls.withoutRoot == nil)
    }
  }

  // Proves: M05.FR.14, TC_M_31_CS
  @Test func theOldRootIsTheFallBack() {
    let bench = Self.bench(Self.check)
    _ = Self.install(bench, "root2<root1")
    let again = bench.restarted(Self.settings(3, Self.check))
    again.responder = Self.accepting
    again.input(.start)
    #expect(again.connectRequests.last?.tls.withoutRoot == "root1")
    again.linkDown(.tls(.serverCertificate, "unknown authority"))
    again.wait(seconds: 2)
    #expect(again.connectRequests.last?.tls.withoutRoot == nil)
    again.linkUp(Self.session("root1"))
    #expect(Self.ids(again, ["CSMSRootCertificate"]).serials == ["root2", "root1"])
    // The new one gets its chance with the next connection.
    again.linkDown()
    again.wait(seconds: 2)
    #expect(again.connectRequests.last?.tls.withoutRoot == "root1")
  }

  // Proves: M05.FR.15, M05.FR.16, B10.FR.07, TC_B_47_CS
  @Test func aMigrationIsMadeWithTheNewRootOnly() {
    let more = Self.check.merging(["OCPPCommCtrlr/NetworkProfileConnectionAttempts": "1"]) { $1 }
    let bench = Self.bench(more)
    _ = Self.install(bench, "root2<root1")
    _ = NetworkProfileTests.set(bench, NetworkProfileTests.profile(url: "wss://b.example", security: 3))
    #expect(bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1") == "RebootRequired")
    let again = bench.restarted(Self.settings(3, more))
    again.input(.start)
    #expect(again.connectRequests.last?.url == "wss://b.example")
    #expect(again.connectRequests.last?.tls.withoutRoot == "root1")
    again.linkDown(.tls(.serverCertificate, "unknown authority"))
    again.wait(seconds: 2)
    #expect(again.connectRequests.last?.url == "wss://a.example")
    #expect(again.connectRequests.last?.tls.withoutRoot == nil)
  }

  // MARK: A02, A03

  // Proves: A02.FR.02, A02.FR.03, A02.FR.13, F06.FR.04, F06.FR.08, F06.FR.10, TC_A_11_CS
  @Test func aRenewedCertificateIsUsedAndTheOldOneGoes() {
    let bench = Self.bench()
    #expect(Self.trigger(bench, "SignV2GCertificate") == "NotImplemented")
    #expect(Self.trigger(bench, "SignCombinedCertificate") == "NotImplemented")
    #expect(Self.trigger(bench) == "Accepted")
    let request = bench.calls("SignCertificate").last
    #expect(request?.text("csr") == "CSR 1 CN=0000001 O=Example Operator ecP256")
    #expect(request?.text("certificateType") == "ChargingStationCertificate")
    #expect(Self.signed(bench, "own2")?.text("status") == "Accepted")
    #expect(bench.connectRequests.count == 2)
    #expect(bench.connectRequests.last?.tls.clientCertificate == "own2")
    #expect(bench.connectRequests.last?.basicAuthPassword == nil)
    bench.linkUp(Self.session("root1", "own2"))
    #expect(bench.folder.inventory.certificates.filter { $0.kind == .chargingStation }.map(\.fingerprint) == ["own2"])
    bench.wait(seconds: 4000)
    #expect(bench.calls("SignCertificate").count == 1)
    #expect(!Self.events(bench).contains("DiscardedRenewedClientCertificate"))
  }

  // Proves: A02.FR.10, A02.FR.28, A02.FR.29, A03.FR.24, A03.FR.25
  @Test func aRenewedCertificateThatTheCSMSRefusesIsDiscarded() throws {
    let bench = Self.bench()
    _ = Self.trigger(bench)
    let first = bench.history.count
    #expect(Self.signed(bench, "own2")?.text("status") == "Accepted")
    let cuts = Array(bench.history[(first - 1)...])
    #expect(cuts.count >= 3)
    #expect(Self.fallsBack(bench))
    #expect(Self.events(bench).contains("DiscardedRenewedClientCertificate"))
    // The same with the power cut at any moment of it, and again on the way back.
    for cut in cuts {
      let again = bench.restarted(Self.settings(3), from: cut.ledger, certificates: cut.certificates)
      again.responder = Self.accepting
      again.input(.start)
      again.linkDown(.tls(.clientCertificateRefused, "unknown CA"))
      let once = again.restarted(Self.settings(3))
      once.responder = Self.accepting
      once.input(.start)
      #expect(Self.fallsBack(once))
    }
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// A CSMS that takes `own1` only.
  private static func fallsBack(_ bench: StationBench) -> Bool {
    for _ in 0..<12 {
      let shown =
        bench.connectRequests.last?.tls.clientCertificate ?? bench.folder.inventory.certificates[0].fingerprint
      if shown == "own1" {
        bench.linkUp(session())
        return bench.folder.inventory.certificates.filter { $0.kind == .chargingStation }.map(\.fingerprint) == ["own1"]
      }
      bench.linkDown(.tls(.clientCertificateRefused, "unknown CA"))
      bench.wait(seconds: 2)
    }
    return false
  }

  // Proves: A02.FR.07, A02.FR.20, A03.FR.07, TC_A_14_CS
  @Test func anInvalidCertificateIsRejectedAndTold() {
    let bench = Self.bench()
    _ = Self.trigger(bench)
    let answer = Self.signed(bench, "bad")
    #expect(answer?.text("status") == "Rejected")
    #expect(answer?.text("statusInfo.reasonCode") == "InvalidCertificate")
    #expect(Self.events(bench).last == "InvalidChargingStationCertificate")
    bench.wait(seconds: 20_000)
    #expect(bench.calls("SignCertificate").count == 1)
    #expect(bench.connectRequests.count == 1)
  }

  // Proves: A02.FR.12, TC_A_15_CS
  @Test func aRequestThatTheCSMSDoesNotProcessIsNotRepeated() {
    let bench = Self.bench()
    bench.responder = { $0.action == "SignCertificate" ? ["status": "Rejected"] : StationBench.accepting($0) }
    #expect(Self.trigger(bench) == "Accepted")
    bench.wait(seconds: 20_000)
    #expect(bench.calls("SignCertificate").count == 1)
  }

  // Proves: A02.FR.17, A02.FR.18, A02.FR.19, A03.FR.17, A03.FR.18, A03.FR.19, TC_A_23_CS
  @Test func theRequestIsRepeatedWithDoubledWaits() {
    let bench = Self.bench([
      "SecurityCtrlr/CertSigningWaitMinimum": "60", "SecurityCtrlr/CertSigningRepeatTimes": "1",
    ])
    _ = Self.trigger(bench)
    for (wait, count) in [(59, 1), (1, 2), (119, 2), (1, 3), (20_000, 3)] as [(Int64, Int)] {
      bench.wait(seconds: wait)
      #expect(bench.calls("SignCertificate").count == count)
    }
    #expect(Set(bench.calls("SignCertificate").map { $0.text("csr") }).count == 1)
    // A certificate that comes late is still the one of the waiting key.
    #expect(Self.signed(bench, "own2")?.text("status") == "Accepted")
    bench.linkUp(Self.session("root1", "own2"))
    #expect(Self.trigger(bench) == "Accepted")
  }

  /// The station has asked of its own accord when the CSMS wants it to, and the first request is still behind other calls.
  @Test func oneRequestServesForBoth() {
    let soon: Int64 = 1_767_225_600_000 + 10 * 86_400_000
    let bench = StationBench(
      Self.settings(3), csmsURL: nil,
      certificates: [
        Folder.certificate(.chargingStation, "own1", notAfter: soon), Folder.certificate(.csmsRoot, "root1"),
      ])
    bench.responder = { $0.action == "BootNotification" ? Self.accepting($0) : nil }
    bench.input(.start)
    bench.linkUp(Self.session())
    #expect(Self.trigger(bench) == "Accepted")
    #expect(bench.calls("SignCertificate").isEmpty)
    bench.responder = Self.accepting
    bench.wait(seconds: 120)
    #expect(bench.calls("SignCertificate").count == 1)
    #expect(bench.folder.keys == 1)
    #expect(Self.signed(bench, "own2")?.text("status") == "Accepted")
  }

  @Test func aRequestHeldBackByTheNetworkLeavesWithTheNextConnection() {
    let bench = Self.bench()
    bench.holdsCertificates = true
    _ = Self.trigger(bench)
    bench.linkDown()
    bench.carryOutHeldCertificates()
    bench.holdsCertificates = false
    #expect(bench.calls("SignCertificate").isEmpty)
    bench.wait(seconds: 2)
    bench.linkUp(Self.session())
    #expect(bench.calls("SignCertificate").count == 1)
  }

  // Proves: A02.FR.16
  @Test func aChainThatIsTooLongIsRejected() {
    let bench = Self.bench(["SecurityCtrlr/MaxCertificateChainSize": "100"])
    _ = Self.trigger(bench)
    let answer = Self.signed(bench, String(repeating: "x", count: 101))
    #expect(answer?.text("statusInfo.reasonCode") == "TooLargeElement")
  }

  // Proves: A03.FR.02, A03.FR.03, A03.FR.13
  @Test func aCertificateIsRenewedAMonthBeforeItExpires() {
    let soon: Int64 = 1_767_225_600_000 + 32 * 86_400_000
    let bench = Self.bench(
      [:],
      [
        Folder.certificate(.chargingStation, "own1", notAfter: soon), Folder.certificate(.csmsRoot, "root1"),
      ])
    #expect(bench.calls("SignCertificate").isEmpty)
    bench.wait(seconds: 3 * 86_400)
    #expect(bench.calls("SignCertificate").first?.text("certificateType") == "ChargingStationCertificate")
    #expect(bench.variable("InternalCtrlr", "CertificateExpiry")?.hasPrefix("2026-02-02") == true)
    #expect(Self.signed(bench, "own2")?.text("status") == "Accepted")
    bench.linkUp(Self.session("root1", "own2"))
    bench.wait(seconds: 3 * 86_400)
    #expect(bench.variable("InternalCtrlr", "CertificateExpiry")?.hasPrefix("2096") == true)
  }

  // Proves: A05.FR.03, A05.FR.04, TC_A_21_CS
  @Test(arguments: [false, true])
  func securityProfile3NeedsAStationCertificate(has: Bool) {
    let bench = StationBench(
      Self.settings(2), csmsURL: nil, certificates: has ? Self.installed : Array(Self.installed.dropFirst()))
    bench.input(.start)
    bench.linkUp(Self.session("root1", nil))
    _ = NetworkProfileTests.set(bench, NetworkProfileTests.profile(url: "wss://b.example", security: 3))
    #expect(
      bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1") == (has ? "RebootRequired" : "Rejected")
    )
  }

  // MARK: Weather

  /// What expires goes through the severities as all events do: told when the CSMS may hear it, and once.
  /// Proves: N05.FR.01, N07.FR.04
  @Test func whatExpiresIsToldByItsSeverity() {
    let day: Int64 = 86_400_000
    let start: Int64 = 1_767_225_600_000
    let bench = StationBench(
      Self.settings(2).merging(["MonitoringCtrlr/OfflineQueuingSeverity": "4"]) { $1 }, csmsURL: nil,
      certificates: [Folder.certificate(.csmsRoot, "root1", notAfter: start + 20 * day)])
    func events() -> [String] {
      defer { bench.forgetCalls() }
      return bench.calls("NotifyEvent").compactMap { $0.text("eventData.0.techInfo")?.suffix(18) }.map(String.init)
    }
    bench.input(.start)
    bench.linkUp(Self.session("root1", nil))
    #expect(events() == ["expires in 20 days"])
    // Not at a level at which it is not wanted; but then when it is.
    bench.call("SetMonitoringLevel", ["severity": 5])
    bench.wait(seconds: 8 * 86_400)
    #expect(events().isEmpty)
    bench.call("SetMonitoringLevel", ["severity": 9])
    #expect(events() == ["expires in 12 days"])
    // Away: a warning is told when the CSMS is back, what has expired is kept for it.
    bench.linkDown()
    bench.wait(seconds: 6 * 86_400)
    #expect(!bench.ledger.outbox.contains { $0.action == "NotifyEvent" })
    bench.wait(seconds: 7 * 86_400)
    #expect(bench.ledger.outbox.filter { $0.action == "NotifyEvent" }.count == 1)
    bench.linkUp(Self.session("root1", nil))
    #expect(events().map { $0.hasSuffix(" has expired") } == [true])
  }

  @Test func whatExpiresIsToldThirtyFourteenAndSevenDaysAheadAndOnce() {
    let day: Int64 = 86_400_000
    let start: Int64 = 1_767_225_600_000
    let served = [TLSSession.ServerCertificate(subject: "CN=csms", notAfter: start + 20 * day)]
    var bench = StationBench(
      Self.settings(2), csmsURL: nil,
      certificates: [Folder.certificate(.csmsRoot, "root1", notAfter: start + 31 * day + 1000)])
    func events() -> [String] {
      let found = bench.calls("NotifyEvent").compactMap { $0.text("eventData.0.techInfo") }
      bench.forgetCalls()
      return found
    }
    bench.input(.start)
    bench.linkUp(Self.session("root1", nil, chain: served))
    #expect(events().map { $0.suffix(18) } == ["expires in 20 days"])
    bench.wait(seconds: 86_400)
    #expect(events().isEmpty)
    bench.wait(seconds: 86_400)
    #expect(events().map { $0.hasPrefix("CSMS root (connection to the CSMS), CN=root1") } == [true])
    // Not again after a restart.
    bench = bench.restarted(Self.settings(2))
    bench.input(.start)
    bench.linkUp(Self.session("root1", nil, chain: served))
    #expect(events().isEmpty)
    var all: [String] = []
    for _ in 0..<30 {
      bench.wait(seconds: 86_400)
      all += events()
    }
    #expect(all.filter { $0.contains("CN=root1") }.count == 3)
    #expect(all.filter { $0.contains("CN=csms") }.count == 3)
    #expect(all.filter { $0.hasSuffix("has expired") }.count == 2)
  }
}
