import OCPP
import StationCore
import Testing

@Suite("Network profiles: migrations that fail")
struct FailedMigrationTests {
  /// A migration that failed leaves a trace: once connected again, the CSMS hears which profile did not work, and why.
  // Proves: A05.FR.05, B10.FR.07, B10.FR.09
  @Test(arguments: [1, 2]) func aFailedMigrationIsTold(security: Int) {
    let url = security == 1 ? "ws://new.example" : "wss://new.example"
    let bench = StationBench(
      NetworkProfileTests.settings, csmsURL: nil, certificates: [FakeCertificateFolder.certificate(.csmsRoot, "root1")]
    ).boot()
    _ = NetworkProfileTests.set(bench, NetworkProfileTests.profile(url: url, security: security))
    #expect(bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1") == "RebootRequired")
    let again = bench.restarted(NetworkProfileTests.settings)
    again.input(.start)
    let reason: LinkDownReason = security == 1 ? .connectFailed("refused") : .tls(.serverCertificate, "a stranger's")
    while again.connectRequests.last?.url == url { _ = NetworkProfileTests.nextAttempt(again, failing: reason) }
    func told() -> [String] {
      again.calls("SecurityEventNotification").filter { $0.text("type") == "NetworkProfileFailed" }
        .compactMap { $0.text("techInfo") }
    }
    again.linkUp()
    #expect(told().count == 1)
    #expect(told().first?.hasPrefix("slot 2, security profile \(security): ") == true)
    #expect(told().first?.contains(security == 1 ? "refused" : "a stranger's") == true)
    #expect(again.variable("SecurityCtrlr", "SecurityProfile") == "1")
    // Once: the next outage finds it as dead, and says nothing new.
    again.linkDown()
    again.wait(seconds: 2)
    for _ in 0..<4 { _ = NetworkProfileTests.nextAttempt(again, failing: reason) }
    again.linkUp()
    #expect(told().count == 1)
  }

  /// A profile that has worked is not a failed migration when it is away.
  @Test func aProfileThatHasWorkedIsNoFailedMigration() {
    let bench = NetworkProfileTests.bench()
    _ = NetworkProfileTests.set(bench, NetworkProfileTests.profile())
    _ = bench.setVariable("OCPPCommCtrlr", "NetworkConfigurationPriority", "1,2")
    let again = bench.restarted(NetworkProfileTests.settings)
    again.boot()
    again.linkDown()
    again.wait(seconds: 2)
    while again.connectRequests.last?.url != "ws://new.example/ocpp" { _ = NetworkProfileTests.nextAttempt(again) }
    again.linkUp()
    #expect(again.calls("SecurityEventNotification").allSatisfy { $0.text("type") != "NetworkProfileFailed" })
  }
}
