import OCPP
import StationCore
import Testing

/// A plausible clock that is wrong, and a CSMS whose certificate was renewed meanwhile.
@Suite("Clock in doubt: certificates that have not begun")
struct ClockDoubtTests {
  private static let day: Int64 = 86_400_000
  /// What the CSMS says at the boot.
  private static let today: Int64 = 1_767_225_600_000
  private static let refused = LinkDownReason.tls(.serverCertificate, "certificate is not yet valid")

  private static func bench(
    wall: Int64, _ more: [String: String] = [:], ledger: LedgerSnapshot = LedgerSnapshot()
  ) -> StationBench {
    let bench = StationBench(
      CertificateTests.settings(2, more), ledger: ledger, wall: wall, csmsURL: nil,
      certificates: CertificateTests.installed)
    bench.input(.start)
    return bench
  }

  private static func session(from start: Int64, to end: Int64) -> TLSSession {
    CertificateTests.session(
      "root1", nil, chain: [TLSSession.ServerCertificate(subject: "CN=csms", notBefore: start, notAfter: end)])
  }

  /// Fails so often, and tells of each attempt whether it was one in doubt; with the time it had.
  private static func attempts(_ count: Int, _ bench: StationBench, failing reason: LinkDownReason = refused) -> [Bool]
  {
    (0..<count).map { _ in
      let time = bench.connectRequests.last?.tls.time
      #expect(time == .known(bench.now.wall) || time == .atLeast(bench.now.wall))
      bench.linkDown(reason)
      bench.wait(seconds: 1)
      return time == .atLeast(bench.now.wall - 1000)
    }
  }

  private static func warnings(_ bench: StationBench) -> Int {
    bench.actions.count {
      if case .log(.warning, let text) = $0 { text.contains("nobody has confirmed the clock") } else { false }
    }
  }

  // Proves: A00.FR.308
  @Test func afterTheConfiguredAttemptsEverySecondOneTakesWhatHasNotBegun() {
    let bench = Self.bench(wall: Self.today - 365 * Self.day)
    #expect(Self.attempts(8, bench) == [false, false, true, false, true, false, true, false])
    #expect(Self.warnings(bench) == 1)
  }

  @Test(
    arguments: [.timedOut, .connectFailed("refused"), .tls(.version, "TLS 1.1"), .tls(.notTLS, "HTTP")]
      as [LinkDownReason])
  func otherFailuresRaiseNoDoubt(reason: LinkDownReason) {
    let bench = Self.bench(wall: Self.today - 365 * Self.day)
    #expect(Self.attempts(8, bench, failing: reason) == Array(repeating: false, count: 8))
    #expect(Self.warnings(bench) == 0)
  }

  /// With one attempt for each of two profiles, each of them gets its attempts in doubt.
  @Test func everyProfileGetsItsTurn() {
    func profile(_ slot: Int, _ host: String) -> String {
      #"{"configurationSlot":\#(slot),"connectionData":{"ocppCsmsUrl":"wss://\#(host).example","securityProfile":2}}"#
    }
    let bench = Self.bench(
      wall: Self.today - 365 * Self.day,
      [
        "OCPPCommCtrlr/NetworkProfileConnectionAttempts": "1", "OCPPCommCtrlr/NetworkConfigurationPriority": "1,2",
        "InternalCtrlr/NetworkConnectionProfiles": "[\(profile(1, "a")),\(profile(2, "b"))]",
      ])
    var inDoubt: Set<String> = []
    for _ in 0..<6 {
      if let request = bench.connectRequests.last, case .atLeast? = request.tls.time { inDoubt.insert(request.url) }
      _ = Self.attempts(1, bench)
    }
    #expect(inDoubt == ["wss://a.example", "wss://b.example"])
  }

  /// The certificate shows that the clock is behind, and the CSMS' time counts although it is no TimeSource; so does a
  /// connection lost before the time was told.
  @Test(arguments: [false, true])
  func theCSMSTellsTheTime(isLostBefore: Bool) {
    let bench = Self.bench(wall: Self.today - 365 * Self.day, ["ClockCtrlr/TimeSource": "NTP"])
    _ = Self.attempts(2, bench)
    let session = Self.session(from: Self.today - 30 * Self.day, to: Self.today + 30 * Self.day)
    let answers = bench.responder
    if isLostBefore {
      bench.responder = { $0.action == "BootNotification" ? nil : answers($0) }
      bench.linkUp(session)
      bench.linkDown()
      bench.wait(seconds: 1)
      #expect(bench.connectRequests.last?.tls.time == .atLeast(bench.now.wall))
      bench.responder = answers
    }
    bench.linkUp(session)
    #expect(bench.station.clockSource == .csms)
    #expect(CertificateTests.events(bench).filter { $0 == "SettingSystemTime" }.count == 1)
    #expect(bench.station.snapshot.isConnected)
    bench.linkDown()
    bench.wait(seconds: 1)
    #expect(bench.connectRequests.last?.tls.time == .known(bench.now.wall + bench.station.clockOffset))
    #expect(bench.station.clockOffset > 364 * Self.day)
  }

  /// The CSMS' time is the station's: the certificate really has not begun, and the connection ends; from then on the clock is
  /// not in doubt.
  // Proves: A00.FR.310
  @Test func aCertificateThatReallyHasNotBegunEndsTheConnection() {
    let bench = Self.bench(wall: Self.today, ["ClockCtrlr/TimeSource": "NTP"])
    _ = Self.attempts(2, bench)
    #expect(bench.connectRequests.last?.tls.time == .atLeast(bench.now.wall))
    bench.responder = { call in
      let time = DateTime(unixMilliseconds: bench.now.wall).description
      return call.action == "BootNotification"
        ? ["currentTime": .string(time), "interval": 300, "status": "Accepted"] : CertificateTests.accepting(call)
    }
    bench.linkUp(Self.session(from: Self.today + 5 * Self.day, to: Self.today + 90 * Self.day))
    #expect(!bench.station.snapshot.isConnected)
    bench.wait(seconds: 1)
    for _ in 0..<5 {
      #expect(bench.connectRequests.last?.tls.time == .known(bench.now.wall))
      _ = Self.attempts(1, bench)
    }
    bench.linkUp(Self.session(from: Self.today - Self.day, to: Self.today + 90 * Self.day))
    #expect(bench.station.snapshot.isConnected)
  }

  /// A certificate that has begun shows nothing: the station's clock stays as it is.
  @Test func aClockThatIsRightIsLeftAlone() {
    let bench = Self.bench(wall: Self.today - Self.day, ["ClockCtrlr/TimeSource": "NTP"])
    _ = Self.attempts(2, bench)
    bench.linkUp(Self.session(from: Self.today - 30 * Self.day, to: Self.today + 30 * Self.day))
    #expect(bench.station.clockSource == .system && bench.station.clockOffset == 0)
    bench.linkDown()
    bench.wait(seconds: 1)
    #expect(Self.attempts(5, bench) == Array(repeating: false, count: 5))
  }

  /// Somebody vouches for the clock: it was set, or there was a connection.
  @Test func aConfirmedClockIsNotDoubted() {
    let set = Self.bench(wall: Self.today - 365 * Self.day)
    set.jumpWall(milliseconds: 365 * Self.day)
    set.linkDown(Self.refused)
    set.wait(seconds: 1)
    #expect(Self.attempts(6, set) == Array(repeating: false, count: 6))
    let connected = Self.bench(wall: Self.today)
    connected.linkUp(Self.session(from: Self.today - Self.day, to: Self.today + 30 * Self.day))
    connected.linkDown()
    connected.wait(seconds: 1)
    #expect(Self.attempts(6, connected) == Array(repeating: false, count: 6))
  }

  /// No earlier than what the ledger has seen.
  @Test func theFloorIsTheLatestTimeEverKnown() throws {
    let first = Self.bench(wall: Self.today)
    first.linkUp(Self.session(from: Self.today - Self.day, to: Self.today + 30 * Self.day))
    first.wait(seconds: 2000)
    first.plugIn()
    let recorded = try #require(
      first.ledger.records[.station]?["time"].flatMap { Int64(String(decoding: $0, as: UTF8.self)) })
    let bench = Self.bench(wall: recorded - 1_800_000, ledger: first.ledger)
    bench.linkDown(Self.refused)
    bench.wait(seconds: 1)
    bench.linkDown(Self.refused)
    bench.wait(seconds: 1)
    #expect(bench.connectRequests.last?.tls.time == .atLeast(recorded))
  }

  /// While the clock was not set an expired certificate could pass; once the time is known it ends the connection, once.
  // Proves: A00.FR.311
  @Test(arguments: [false, true])
  func theChainIsLookedAtAgainWhenTheTimeBecomesKnown(isExpired: Bool) {
    let bench = Self.bench(wall: 60_000)
    let end = Self.today + (isExpired ? -Self.day : Self.day)
    bench.linkUp(Self.session(from: Self.today - 300 * Self.day, to: end))
    #expect(bench.station.clockSource == .csms)
    #expect(bench.station.snapshot.isConnected == !isExpired)
    bench.wait(seconds: 1)
    #expect(bench.connectRequests.count == (isExpired ? 2 : 1))
    guard isExpired else { return }
    #expect(bench.connectRequests.last?.tls.time == .known(bench.now.wall + bench.station.clockOffset))
    bench.linkDown(.tls(.serverCertificate, "certificate has expired"))
    bench.wait(seconds: 2)
    bench.linkUp(Self.session(from: Self.today, to: Self.today + Self.day))
    #expect(CertificateTests.events(bench).filter { $0 == "InvalidCsmsCertificate" }.count == 1)
    bench.wait(seconds: 100)
    #expect(bench.station.snapshot.isConnected)
  }
}
