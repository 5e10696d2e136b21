import OCPP
import StationCore
import Testing

@Suite("Certificates: what is kept")
struct CertificateFallBackTests {
  typealias Folder = FakeCertificateFolder

  /// Two at a time: what the first comes to takes nothing from the second, whose fall-back is remembered all along.
  // Proves: A02.FR.10, A02.FR.28
  @Test(arguments: [("bad", "own2"), ("own2", "bad"), ("own2", "own3"), ("bad", "bad")])
  func twoCertificatesInWorkKeepTheFallBack(first: String, second: String) {
    let bench = CertificateTests.bench()
    bench.holdsCertificates = true
    _ = CertificateTests.signed(bench, first)
    _ = CertificateTests.signed(bench, second)
    let before = bench.history.count
    bench.carryOutHeldCertificates()
    let isNew = first != "bad" || second != "bad"
    for cut in bench.history[before...] {
      // Whatever the moment: the station that starts from it shows a certificate that works, at last the old one.
      let again = bench.restarted(CertificateTests.settings(3), from: cut.ledger, certificates: cut.certificates)
      again.input(.start)
      var shown: Set<String?> = []
      for _ in 0..<8 {
        shown.insert(again.connectRequests.last?.tls.clientCertificate)
        again.linkDown(.tls(.clientCertificateRefused, "no"))
        again.wait(seconds: 2)
      }
      #expect(shown.contains("own1") || cut.certificates.filter { $0.kind == .chargingStation }.count == 1)
    }
    bench.holdsCertificates = false
    if isNew { bench.linkDown(.tls(.clientCertificateRefused, "no")) }
    var shown: Set<String?> = []
    for _ in 0..<8 {
      bench.wait(seconds: 2)
      shown.insert(bench.connectRequests.last?.tls.clientCertificate)
      if isNew { bench.linkDown(.tls(.clientCertificateRefused, "no")) }
    }
    #expect(shown.contains("own1") == isNew)
    #expect(bench.station.snapshot.isConnected != isNew)
  }

  /// A key in a token is not replaced by one in a file.
  @Test func aKeyInATokenIsNotRenewedIntoAFile() {
    var own = Folder.certificate(.chargingStation, "own1", notAfter: 1_767_225_600_000 + 20 * 86_400_000)
    own.keyIsInToken = true
    let bench = CertificateTests.bench(
      ["SecurityCtrlr/OrganizationName": "Example"], [own, Folder.certificate(.csmsRoot, "root1")])
    bench.wait(seconds: 90_000)
    #expect(CertificateTests.trigger(bench) == "Rejected")
    #expect(bench.calls("SignCertificate").isEmpty && bench.folder.keys == 0)
    #expect(bench.variable("InternalCtrlr", "CertificateKeyStorage") == "Token")
    #expect(bench.actions.contains { if case .log(.warning, let text) = $0 { text.contains("token") } else { false } })
    #expect(CertificateTests.bench().variable("InternalCtrlr", "CertificateKeyStorage") == "File")
  }

  /// What the CSMS presented stays known while it is away, with the time at which it was seen.
  @Test func theServedChainIsKept() {
    let chain = [
      TLSSession.ServerCertificate(subject: "CN=a", notBefore: 1_700_000_000_000, notAfter: 1_800_000_000_000)
    ]
    let bench = CertificateTests.bench()
    #expect(bench.station.snapshot.served.isEmpty && bench.station.snapshot.servedAt == nil)
    bench.linkDown()
    bench.wait(seconds: 2)
    bench.linkUp(CertificateTests.session(chain: chain))
    let seen = bench.now.wall
    bench.linkDown()
    bench.wait(seconds: 100)
    #expect(bench.station.snapshot.tls == nil)
    #expect(bench.station.snapshot.served == chain)
    #expect(bench.station.snapshot.servedAt == seen)
  }
}
