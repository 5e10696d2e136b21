import Glibc
import OCPP
import StationCore
import TestPKI
import Testing

@testable import Certificates

/// A02, A03: the key, the request, and what comes back.
@Suite struct SigningTests {
  let bench = StoreBench()
  let operatorCA = Hierarchy("CSO")

  init() { bench.test.write("ca/csms/CSMS_ROOT_CA.pem", operatorCA.root.certificate) }

  /// A02.FR.02-03, RFC 2986: what `openssl req` says of the request.
  // Proves: A00.FR.504, A00.FR.506, A02.FR.02, A02.FR.03
  @Test func theRequest() {
    for (kind, text) in [(CertificateRequest.Key.ecP256, "256 bit"), (.rsa3072, "3072 bit")] {
      let pem = bench.sign(key: kind)
      bench.test.write("request.pem", pem)
      let shown = output("openssl req -in \(bench.test.path)/request.pem -noout -verify -text -nameopt RFC2253")
      #expect(shown.contains("verify OK"))
      #expect(shown.contains("Subject: CN=CP-0001,O=Test Operator,C=NL"))
      #expect(shown.contains("Public-Key: (\(text))"))
      #expect(shown.lowercased().contains("with-sha256") || shown.contains("sha256WithRSAEncryption"))
    }
  }

  /// A02.FR.05: the key waits in a file that only the owner reads, and is not among the certificates.
  // Proves: A02.FR.05
  @Test func theKeyWaits() {
    _ = bench.sign()
    #expect(bench.test.names("client/csms") == [".waiting.key"])
    #expect(bench.test.mode("client/csms/.waiting.key") == 0o600)
    #expect(bench.test.mode("client/csms") == 0o700)
    #expect(bench.test.mode("client") == 0o700)
    #expect(bench.installed.map(\.kind) == [.csmsRoot])
    let first = bench.test.read("client/csms/.waiting.key")
    _ = bench.sign(.v2GCertificate)
    #expect(bench.test.read("client/csms/.waiting.key") == first)
    #expect(bench.test.names("client/cso") == [".waiting.key"])
    _ = bench.sign()
    #expect(bench.test.read("client/csms/.waiting.key") != first)
  }

  /// A02.FR.08, TC_A_11_CS: beside the old certificate, in the list, with its key.
  @Test func theCertificateOfTheWaitingKeyIsInstalled() throws {
    let old = operatorCA.leaf(Wish("CP-0001"))
    bench.test.write("client/csms/factory.pem", old.certificate + operatorCA.sub.certificate)
    bench.test.write("client/csms/factory.key", old.key)
    let new = issue(Wish(nil).with { $0.notBefore += 10 }, by: operatorCA.sub, request: bench.sign())
    let chain = new.certificate + operatorCA.sub.certificate + operatorCA.root.certificate
    #expect(bench.install(chain) == .done)
    #expect(bench.fingerprints(.chargingStation) == [new.value.fingerprint, old.value.fingerprint])
    let name = "station-\(new.value.fingerprint.prefix(16))"
    #expect(bench.test.names("client/csms") == ["factory.key", "factory.pem", "\(name).key", "\(name).pem"])
    #expect(bench.test.mode("client/csms/\(name).key") == 0o600)
    #expect(bench.test.mode("client/csms/\(name).pem") == 0o600)
    // The installed root is not sent along in the handshake.
    #expect(bench.test.read("client/csms/\(name).pem") == new.certificate + operatorCA.sub.certificate)
    let entry = try #require(bench.installed.first { $0.fingerprint == new.value.fingerprint })
    #expect(entry.hash == new.value.hashData(.sha256, issuer: operatorCA.sub.value))
    #expect(entry.children == [operatorCA.sub.value.hashData(.sha256, issuer: operatorCA.root.value)])
    // The CSMS did not get the answer and sends it again.
    #expect(bench.install(chain) == .done)
    #expect(
      bench.install(issue(Wish("CP-0001"), by: operatorCA.sub).certificate + operatorCA.sub.certificate).rejection
        == "InvalidCertificate: no key waits for this certificate")
  }

  @Test func theWaitingKeySurvivesARestart() {
    let request = bench.sign()
    #expect(bench.store.inventoryAtStart().certificates.count == 1)
    let new = issue(Wish(nil), by: operatorCA.sub, request: request)
    #expect(bench.install(new.certificate + operatorCA.sub.certificate) == .done)
  }

  @Test func keysCanBeEncrypted() throws {
    let store = CertificateStore(folder: bench.test.folder, keyPassword: "p&ss")
    let request = store.carryOut(
      .sign(.chargingStationCertificate, commonName: "CP-0001", organization: nil, country: nil, key: .ecP256))
    guard case .signingRequest(let pem) = request.0 else { throw FileProblem("sign", "\(request.0)") }
    #expect(bench.test.read("client/csms/.waiting.key")?.hasPrefix("-----BEGIN ENCRYPTED PRIVATE KEY-----") == true)
    let new = issue(Wish("CP-0001"), by: operatorCA.sub, request: pem)
    let install = CertificateRequest.installSigned(
      .chargingStationCertificate, chain: new.certificate + operatorCA.sub.certificate, commonName: "CP-0001",
      maxChainBytes: nil, at: testTime)
    #expect(bench(install).failure == "client/csms/.waiting.key: the waiting key cannot be opened")
    #expect(store.carryOut(install).0 == .done)
    let file = "\(bench.test.path)/client/csms/station-\(new.value.fingerprint.prefix(16)).key"
    #expect(throws: PrivateKeyError.self) { try PrivateKey(path: file, password: "wrong") }
    _ = try PrivateKey(path: file, password: "p&ss")
  }

  /// Without any root the chain may bring one, for the charging station certificate only.
  @Test func withoutRootsTheChainBringsOne() {
    bench.test.removeAll("ca")
    let new = issue(Wish(nil), by: operatorCA.sub, request: bench.sign())
    #expect(
      bench.install(new.certificate + operatorCA.sub.certificate).rejection
        == "InvalidCertificate: no root is installed that could verify it")
    let chain = new.certificate + operatorCA.sub.certificate + operatorCA.root.certificate
    #expect(bench.install(chain) == .done)
    let secc = issue(Wish(nil), by: operatorCA.sub, request: bench.sign(.v2GCertificate))
    let seccChain = secc.certificate + operatorCA.sub.certificate + operatorCA.root.certificate
    #expect(
      bench.install(seccChain, .v2GCertificate).rejection
        == "InvalidCertificate: no root is installed that could verify it")
    bench.test.write("ca/v2g/V2G_ROOT_CA.pem", operatorCA.root.certificate)
    #expect(bench.install(seccChain, .v2GCertificate) == .done)
    #expect(bench.fingerprints(.v2gChain) == [secc.value.fingerprint])
  }

  /// The sub-CA may be in the folder.
  @Test func intermediatesOfTheFolderCompleteTheChain() {
    let new = issue(Wish(nil), by: operatorCA.sub, request: bench.sign())
    #expect(bench.install(new.certificate).rejection?.hasPrefix("InvalidCertificate: unable to get") == true)
    bench.test.write("ca/csms/sub.pem", operatorCA.sub.certificate)
    #expect(bench.install(new.certificate) == .done)
    let name = "client/csms/station-\(new.value.fingerprint.prefix(16)).pem"
    #expect(bench.test.read(name) == new.certificate + operatorCA.sub.certificate)
  }

  /// A02.FR.06-07, A02.FR.16, A00.FR.501-512: what is rejected changes nothing, and the key still waits.
  // Proves: A00.FR.501, A00.FR.502, A00.FR.504, A02.FR.06, A02.FR.07
  @Test func whatIsRejected() {
    let request = bench.sign()
    let (root, sub) = (operatorCA.root, operatorCA.sub)
    func chain(_ by: Issued = operatorCA.sub, _ change: (inout Wish) -> Void) -> String {
      issue(Wish("CP-0001").with(change), by: by, request: request).certificate + by.certificate
    }
    let weak = issue(.authority("Weak").with { $0.key = "RSA-1024" }, by: root)
    let noCA = issue(Wish("no CA"), by: sub)
    let shortPath = issue(.authority("Short").with { $0.basicConstraints = "critical,CA:TRUE,pathlen:0" }, by: root)
    let tooLong = issue(.authority("Too long"), by: shortPath)
    let good = chain { _ in }
    let cases: [(String, String)] = [
      ("", "there is no certificate in it; expected PEM"),
      ("\0\0", "there is no certificate in it; expected PEM"),
      (
        "-----BEGIN CERTIFICATE-----\nAAAA",
        "line 1: the certificate cannot be read: there is no END line for CERTIFICATE"
      ),
      (good + noCA.key, "it holds something that is not a certificate"),
      (String(repeating: good, count: 6), "there are more than 10 blocks; the rest does not count"),
      (sub.certificate, "its first certificate is a CA's, expected the station's own"),
      (chain { $0.commonName = "CP-0002" }, "its common name is CP-0002, expected CP-0001 (A00.FR.511)"),
      (chain { $0.organization = nil }, "it has no organization name (A00.FR.509)"),
      (
        chain { $0.keyUsage = "keyEncipherment" },
        "its key usage does not allow signatures, which TLS needs (A00.FR.512)"
      ),
      (chain { $0.extendedKeyUsage = "serverAuth" }, "its extended key usage does not allow a TLS client"),
      (chain { $0.notAfter = testTime / 1000 - 1 }, "certificate has expired"),
      (chain { $0.notBefore = testTime / 1000 + 61 }, "certificate is not yet valid"),
      (chain { $0.digest = "SHA1" }, "CA signature digest algorithm too weak"),
      (chain(weak) { _ in }, "CA certificate key too weak (number 1 above the leaf)"),
      (chain(noCA) { _ in } + sub.certificate, "invalid CA certificate (number 1 above the leaf)"),
      (chain(tooLong) { _ in } + shortPath.certificate, "path length constraint exceeded (number 2 above the leaf)"),
      (
        chain(issue(.authority("Stranger"))) { _ in },
        "self-signed certificate in certificate chain (number 1 above the leaf)"
      ),
      (
        chain(issue(.authority("CSO Sub"))) { _ in },
        "self-signed certificate in certificate chain (number 1 above the leaf)"
      ),
      (issue(Wish("CP-0001"), by: sub).certificate + sub.certificate, "no key waits for this certificate"),
    ]
    for (text, reason) in cases {
      #expect(bench.install(text).rejection == "InvalidCertificate: \(reason)")
    }
    #expect(
      bench.install(good, limit: good.utf8.count - 1).rejection
        == "TooLargeElement: it has \(good.utf8.count) bytes, more than \(good.utf8.count - 1)")
    #expect(
      bench.install(String(repeating: " ", count: 70_000)).rejection
        == "TooLargeElement: it has 70000 bytes, more than 65536")
    #expect(
      bench.install(good, .v2G20Certificate).rejection
        == "InvalidValue: certificates for V2G20Certificate are not supported")
    #expect(bench.test.names("client/csms") == [".waiting.key"])
    #expect(bench.install(good, limit: good.utf8.count) == .done)
  }

  /// A station that does not know the time does not judge dates; a clock a minute behind the CA's does no harm.
  @Test func datesNeedATime() {
    let request = bench.sign()
    func chain(_ change: (inout Wish) -> Void) -> String {
      issue(Wish(nil).with(change), by: operatorCA.sub, request: request).certificate + operatorCA.sub.certificate
    }
    #expect(bench.install(chain { $0.notAfter = 1_700_000_001 }, at: nil) == .done)
    let again = bench.sign()
    let soon = issue(Wish(nil).with { $0.notBefore = testTime / 1000 + 60 }, by: operatorCA.sub, request: again)
    #expect(bench.install(soon.certificate + operatorCA.sub.certificate) == .done)
  }

  @Test func whatCannotBeSigned() {
    func sign(_ name: String, _ organization: String? = nil, _ country: String? = nil) -> String? {
      bench(
        .sign(.chargingStationCertificate, commonName: name, organization: organization, country: country, key: .ecP256)
      )
      .failure
    }
    #expect(sign(String(repeating: "x", count: 65)) == "the common name is empty or has more than 64 characters")
    #expect(sign("") == "the common name is empty or has more than 64 characters")
    #expect(
      sign("x", String(repeating: "x", count: 65)) == "the organization name is empty or has more than 64 characters")
    #expect(sign("x", nil, "NLD") == "the country is not of two letters")
    #expect(sign("x", "") == nil)
  }

  /// Cuts the power before every step of `sign`: there is the old waiting key or a whole new one.
  @Test func powerCutsWhileSigning() throws {
    for cut in 0..<100 {
      let bench = StoreBench()
      bench.test.write("ca/csms/CSMS_ROOT_CA.pem", operatorCA.root.certificate)
      if cut % 2 == 0 { _ = bench.sign() }
      let before = bench.test.read("client/csms/.waiting.key")
      let steps = StepLog()
      let store = cutting(bench.test, at: cut / 2, steps: steps)
      let (reply, _) = store.carryOut(
        .sign(.chargingStationCertificate, commonName: "CP-0001", organization: "O", country: nil, key: .ecP256))
      #expect(bench.store.inventoryAtStart().problems == [])
      let after = bench.test.read("client/csms/.waiting.key")
      if reply.failure == nil {
        #expect(after != nil && after != before)
        #expect(cut >= 6)
        if cut % 2 == 1 { return }
      } else if after != before {
        let file = "\(bench.test.path)/client/csms/.waiting.key"
        _ = try PrivateKey(path: file, password: nil)
      }
      #expect(bench.test.names("client/csms") == (after == nil ? [] : [".waiting.key"]))
    }
    Issue.record("it never came to an end")
  }

  /// Cuts the power before every step of `installSigned`: the certificate is there with its key, or the key still waits and
  /// the CSMS can send the certificate again. Never one without the other, never two.
  @Test func powerCutsWhileInstalling() {
    var outcomes: Set<String> = []
    for cut in 0..<100 {
      let bench = StoreBench()
      bench.test.write("ca/csms/CSMS_ROOT_CA.pem", operatorCA.root.certificate)
      let new = issue(Wish(nil), by: operatorCA.sub, request: bench.sign())
      let chain = new.certificate + operatorCA.sub.certificate
      let name = "station-\(new.value.fingerprint.prefix(16))"
      let steps = StepLog()
      let store = cutting(bench.test, at: cut, steps: steps)
      let request = CertificateRequest.installSigned(
        .chargingStationCertificate, chain: chain, commonName: "CP-0001", maxChainBytes: nil, at: testTime)
      let (reply, _) = store.carryOut(request)
      // Before the station is up again the folder already tells the truth.
      let seen = bench.fingerprints(.chargingStation)
      #expect(bench.store.inventoryAtStart().problems == [])
      #expect(bench.fingerprints(.chargingStation) == seen)
      if seen.isEmpty {
        outcomes.insert("waits")
        #expect(bench.test.names("client/csms") == [".waiting.key"])
      } else {
        outcomes.insert("installed")
        #expect(bench.test.names("client/csms") == ["\(name).key", "\(name).pem"])
      }
      #expect(bench.install(chain) == .done)
      #expect(bench.test.names("client/csms") == ["\(name).key", "\(name).pem"])
      if reply == .done {
        #expect(outcomes == ["waits", "installed"])
        #expect(steps.names.count == 9)
        return
      }
    }
    Issue.record("it never came to an end")
  }

  /// A02.FR.10: the certificate that is not in use goes with its key; cut at every step, it is there whole or gone whole.
  @Test func powerCutsWhileDiscarding() {
    for cut in 0..<100 {
      let bench = StoreBench()
      let leaf = issue(Wish("CP-0001"))
      bench.test.write("client/csms/old.pem", leaf.certificate)
      bench.test.write("client/csms/old.key", leaf.key)
      let request = CertificateRequest.discard(.chargingStation, fingerprint: leaf.value.fingerprint)
      let (reply, _) = cutting(bench.test, at: cut, steps: StepLog()).carryOut(request)
      let seen = bench.fingerprints(.chargingStation)
      #expect(bench.test.folder.inventory().problems == [])
      #expect(bench.store.inventoryAtStart().problems == [])
      #expect(bench.fingerprints(.chargingStation) == seen)
      #expect(bench.test.names("client/csms") == (seen.isEmpty ? [] : ["old.key", "old.pem"]))
      #expect(bench(request) == .done)
      #expect(bench.test.names("client/csms") == [])
      if reply == .done { return }
    }
    Issue.record("it never came to an end")
  }

  /// Files that somebody else put there are left alone.
  @Test func othersFilesAreLeftAlone() {
    let leaf = issue(Wish("CP-0001"))
    bench.test.write("client/csms/early.key", leaf.key)
    bench.test.write("client/csms/.profile", "x")
    _ = bench.sign()
    _ = bench.store.inventoryAtStart()
    #expect(bench.test.names("client/csms") == [".profile", ".waiting.key", "early.key"])
  }

  /// A key in a token: the file that names it goes, the token keeps it.
  @Test func discardingAKeyInAToken() {
    let leaf = issue(Wish("CP-0001"))
    for name in ["a", "b"] {
      bench.test.write("client/csms/\(name).pem", leaf.certificate)
      bench.test.write("client/csms/\(name).key", "pkcs11:token=t1;object=k1;type=private")
    }
    #expect(bench(.discard(.chargingStation, fingerprint: leaf.value.fingerprint)) == .done)
    #expect(bench.test.names("client/csms") == [])
    #expect(bench(.discard(.chargingStation, fingerprint: leaf.value.fingerprint)) == .done)
  }

  /// A folder that cannot be written: the answer says so, nothing is half done.
  @Test func aFailingDiskIsSaid() {
    bench.test.write("client", "a file where a directory should be")
    let reply = bench(
      .sign(.chargingStationCertificate, commonName: "CP-0001", organization: nil, country: nil, key: .ecP256))
    #expect(reply.failure == "client/csms/.waiting.key: Not a directory")
  }
}
