import OCPP
import StationCore
import Testing

@Suite("TLS failures")
struct TLSFailureTests {
  private static func bench(_ more: [String: String] = [:]) -> StationBench {
    let bench = StationBench(
      CertificateTests.settings(2, more), csmsURL: nil, certificates: CertificateTests.installed)
    bench.input(.start)
    return bench
  }

  // Proves: A00.FR.310, A00.FR.316, A00.FR.323, A04.FR.01, A04.FR.02, TC_A_05_CS, TC_A_06_CS
  @Test(arguments: TLSFailure.allCases)
  func aFailureIsToldOnceTheCSMSCanBeReached(failure: TLSFailure) {
    let expected: [TLSFailure: String] = [
      .serverCertificate: "InvalidCsmsCertificate", .noRoots: "InvalidCsmsCertificate", .version: "InvalidTLSVersion",
      .cipherSuite: "InvalidTLSCipherSuite",
    ]
    var bench = Self.bench()
    for attempt in 1...5 {
      #expect(bench.connectRequests.count == attempt)
      bench.linkDown(.tls(failure, "because"))
      bench.wait(seconds: 2)
    }
    // Durable: a power cut in the outage loses nothing.
    bench = bench.restarted(CertificateTests.settings(2))
    bench.input(.start)
    bench.linkUp(CertificateTests.session("root1", nil))
    let events = CertificateTests.events(bench).filter { $0 != "StartupOfTheDevice" }
    #expect(events == (expected[failure].map { [$0] } ?? []))
    bench.forgetCalls()
    // The next outage is told again.
    bench.linkDown()
    bench.wait(seconds: 2)
    bench.linkDown(.tls(failure, "because"))
    bench.wait(seconds: 2)
    bench.linkUp(CertificateTests.session("root1", nil))
    #expect(CertificateTests.events(bench) == (expected[failure].map { [$0] } ?? []))
  }

  // Proves: A00.FR.310
  @Test func eachCauseOfAnOutageIsToldOnce() {
    let bench = Self.bench()
    for failure in [TLSFailure.version, .serverCertificate, .version, .notTLS, .serverCertificate] {
      bench.linkDown(.tls(failure, "because"))
      bench.wait(seconds: 2)
    }
    bench.linkUp(CertificateTests.session("root1", nil))
    let events = CertificateTests.events(bench).filter { $0 != "StartupOfTheDevice" }
    #expect(events == ["InvalidTLSVersion", "InvalidCsmsCertificate"])
  }

  @Test func optionsOfTheDeviceModelReachTheConnection() {
    let bench = Self.bench([
      "SecurityCtrlr/AllowCSMSTLSWildcards": "true", "InternalCtrlr/TLSMaxFragmentLength": "2048",
    ])
    #expect(
      bench.connectRequests.last?.tls
        == TLSOptions(allowWildcards: true, maxFragmentLength: 2048, time: .known(bench.now.wall)))
    #expect(bench.connectRequests.last?.basicAuthPassword == PasswordTests.old)
  }

  /// Each attempt is of one profile through and through, and there is one at a time.
  // Proves: A00.FR.001
  @Test func oneSecurityProfileAtATime() {
    func profile(_ slot: Int, _ security: Int) -> String {
      let scheme = security == 1 ? "ws" : "wss"
      return
        #"{"configurationSlot":\#(slot),"connectionData":{"ocppCsmsUrl":"\#(scheme)://\#(security).example","securityProfile":\#(security)}}"#
    }
    let bench = Self.bench([
      "OCPPCommCtrlr/NetworkConfigurationPriority": "1,2,3",
      "InternalCtrlr/NetworkConnectionProfiles": "[\(profile(1, 1)),\(profile(2, 2)),\(profile(3, 3))]",
    ])
    var seen: Set<Int> = []
    for attempt in 1...12 {
      #expect(bench.connectRequests.count == attempt)
      guard let request = bench.connectRequests.last else { return }
      seen.insert(request.securityProfile)
      #expect(request.url == "\(request.securityProfile == 1 ? "ws" : "wss")://\(request.securityProfile).example")
      #expect((request.basicAuthPassword == nil) == (request.securityProfile == 3))
      #expect((request.tls.time == nil) == (request.securityProfile == 1))
      bench.wait(seconds: 5)
      #expect(bench.connectRequests.count == attempt)
      bench.linkDown(.timedOut)
      bench.wait(seconds: 2)
    }
    #expect(seen == [1, 2, 3])
  }

  // Proves: A00.FR.004
  @Test func withoutAProfileThereIsNoConnection() {
    let bench = Self.bench(["InternalCtrlr/NetworkConnectionProfiles": "[]"])
    bench.wait(seconds: 600)
    #expect(bench.connectRequests.isEmpty)
    #expect(bench.calls.isEmpty)
  }

  /// Also when none is valid, by a clock that is set or not: which one has a key that opens is the link's to know.
  // Proves: A00.FR.430
  @Test(arguments: [nil, 1_577_836_800_000] as [Int64?]) func noCertificateIsPreferredByTheCore(wall: Int64?) {
    let bench = StationBench(
      CertificateTests.settings(3), wall: wall, csmsURL: nil,
      certificates: [
        FakeCertificateFolder.certificate(.chargingStation, "old", notAfter: 1_750_000_000_000),
        FakeCertificateFolder.certificate(.csmsRoot, "root1"),
      ])
    bench.input(.start)
    #expect(bench.connectRequests.last?.securityProfile == 3)
    #expect(bench.connectRequests.last?.tls.clientCertificate == nil)
    #expect(bench.connectRequests.last?.basicAuthPassword == nil)
  }

  @Test func theStateShowsTheSession() {
    let bench = Self.bench()
    let session = CertificateTests.session("root1", nil)
    bench.linkUp(session)
    #expect(bench.station.snapshot.tls == session)
    #expect(bench.station.snapshot.securityProfile == 2)
    bench.linkDown()
    #expect(bench.station.snapshot.tls == nil)
  }
}
