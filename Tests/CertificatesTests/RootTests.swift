import Glibc
import OCPP
import StationCore
import TestPKI
import Testing

@testable import Certificates

/// M04, M05: roots come and go.
@Suite struct RootTests {
  let bench = StoreBench()

  static let uses: [(InstallCertificateUseEnumType, String)] = [
    (.csmsRootCertificate, "ca/csms/CSMS_ROOT_CA.pem"), (.manufacturerRootCertificate, "ca/mf/MF_ROOT_CA.pem"),
    (.v2GRootCertificate, "ca/v2g/V2G_ROOT_CA.pem"), (.moRootCertificate, "ca/mo/MO_ROOT_CA.pem"),
  ]

  /// M05.FR.01-02, TC_M_01_CS, TC_M_02_CS: several of a kind may be installed.
  // Proves: M05.FR.01, M05.FR.17, M04.FR.02, M04.FR.04
  @Test(arguments: uses)
  func areAppended(use: InstallCertificateUseEnumType, file: String) {
    let (a, b) = (issue(.authority("A")), issue(.authority("B").with { $0.key = "RSA-2048" }))
    #expect(bench.installRoot(a.certificate, use) == .done)
    #expect(bench.test.mode(file) == 0o600)
    bench.test.write(file, "# by hand\n" + a.certificate.dropLast(1))
    #expect(bench.installRoot("text\r\n" + b.certificate, use) == .done)
    #expect(bench.test.read(file) == "# by hand\n" + a.certificate + b.certificate)
    #expect(Set(bench.installed.map(\.fingerprint)) == [a.value.fingerprint, b.value.fingerprint])
    // M05.FR.17
    #expect(bench.installRoot(a.certificate, use) == .done)
    #expect(bench.test.read(file) == "# by hand\n" + a.certificate + b.certificate)
    // M04.FR.02, TC_M_20_CS; the rest of the file stays.
    #expect(bench(.delete(a.value.hashData(.sha384, issuer: a.value), keeping: [])) == .done)
    #expect(bench.test.read(file) == "# by hand\n" + b.certificate)
    // M04.FR.04, TC_M_22_CS
    #expect(bench(.delete(a.value.hashData(.sha384, issuer: a.value), keeping: [])) == .notFound)
    #expect(bench(.delete(b.value.hashData(.sha512, issuer: b.value), keeping: [])) == .done)
    #expect(bench.installed == [])
  }

  /// M05.FR.07: rejected, and nothing changes.
  // Proves: A00.FR.501, A00.FR.502, A00.FR.503, A00.FR.504, M05.FR.07
  @Test func whatIsRejected() {
    let root = issue(.authority("Root"))
    let stranger = issue(.authority("Sub"), by: root)
    func ca(_ change: (inout Wish) -> Void) -> String { issue(Wish.authority("X").with(change)).certificate }
    var forged = issue(.authority("Forged")).value.der
    forged[forged.count - 1] ^= 1
    let cases: [(String, String)] = [
      ("", "expected one certificate (PEM) and nothing else, there are 0"),
      ("hello", "expected one certificate (PEM) and nothing else, there are 0"),
      (root.certificate + stranger.certificate, "expected one certificate (PEM) and nothing else, there are 2"),
      (root.certificate + root.key, "expected one certificate (PEM) and nothing else, there are 1"),
      (
        String(root.certificate.dropLast(40)),
        "line 1: the certificate cannot be read: there is no END line for CERTIFICATE"
      ),
      (ca { $0.basicConstraints = "CA:FALSE" }, "it is not a CA's certificate (basicConstraints)"),
      (ca { $0.basicConstraints = nil }, "it is not a CA's certificate (basicConstraints)"),
      (ca { $0.version = 1 }, "it is not a CA's certificate (basicConstraints)"),
      (ca { $0.keyUsage = "digitalSignature" }, "its key usage does not allow it to sign certificates"),
      (ca { $0.notAfter = testTime / 1000 - 1 }, "it expired at 2025-12-31T23:59:59.000Z"),
      (ca { $0.notBefore = testTime / 1000 + 61 }, "it is not valid before 2026-01-01T00:01:01.000Z"),
      (ca { $0.key = "RSA-1024" }, "its key (RSA 1024) is weaker than 112 bits of security"),
      (ca { $0.key = "P-192" }, "its key (EC prime192v1) is weaker than 112 bits of security"),
      (ca { $0.digest = "SHA1" }, "its signature (ecdsa-with-SHA1) is weaker than 112 bits of security"),
      (String(decoding: PEM.text("CERTIFICATE", forged), as: UTF8.self), "its signature is wrong"),
      (stranger.certificate, "who signed it is not installed"),
    ]
    for (text, reason) in cases { #expect(bench.installRoot(text).rejection == "InvalidCertificate: \(reason)") }
    #expect(
      bench.installRoot(root.certificate, .oemRootCertificate).rejection
        == "InvalidValue: roots for OEMRootCertificate are not supported")
    #expect(
      bench.installRoot(String(repeating: "x", count: 65_537)).rejection
        == "TooLargeElement: it has 65537 bytes, more than 65536")
    #expect(bench.test.names("") == [])
    // Dates need a time.
    #expect(bench.installRoot(ca { $0.notAfter = 1_700_000_001 }, at: nil) == .done)
  }

  /// M05.FR.06: CertificateEntries counts all kinds; what is there already may come again.
  // Proves: M05.FR.06
  @Test func theLimit() {
    let (a, b, c) = (issue(.authority("A")), issue(.authority("B")), issue(.authority("C")))
    #expect(bench.installRoot(a.certificate, limit: 2) == .done)
    #expect(bench.installRoot(b.certificate, .moRootCertificate, limit: 2) == .done)
    #expect(
      bench.installRoot(c.certificate, limit: 2).rejection
        == "OutOfStorage: there are 2 certificates, no more than 2 may be (M05.FR.06)")
    #expect(bench.installRoot(a.certificate, limit: 2) == .done)
    #expect(bench.fingerprints(.csmsRoot) == [a.value.fingerprint])
  }

  @Test func aFileHoldsSoMany() {
    let some = (0..<CertificateFolder.certificatesPerFile).map { issue(.authority("R\($0)")).certificate }
    bench.test.write("ca/csms/CSMS_ROOT_CA.pem", some.joined())
    #expect(
      bench.installRoot(issue(.authority("one more")).certificate).rejection
        == "OutOfStorage: ca/csms/CSMS_ROOT_CA.pem holds no more certificates")
    #expect(bench.installed.count == CertificateFolder.certificatesPerFile)
  }

  /// M05.FR.10-13, TC_M_30_CS, TC_M_31_CS: signed by the one that it replaces, and both are there until the core discards one.
  // Proves: M05.FR.10, M05.FR.11
  @Test func replacing() {
    let old = issue(.authority("Old"))
    let new = issue(.authority("New"), by: old)
    #expect(bench.installRoot(old.certificate) == .done)
    let other = issue(.authority("Other"))
    let fingerprint = old.value.fingerprint
    #expect(
      bench.installRoot(other.certificate, replacing: fingerprint).rejection
        == "InvalidCertificate: it is not signed by the installed root CN=Old,O=Test Operator,C=NL (M05.FR.11)")
    #expect(
      bench.installRoot(new.certificate, replacing: other.value.fingerprint).rejection
        == "InvalidCertificate: the root that it is to replace is not installed")
    #expect(bench.installRoot(new.certificate, replacing: fingerprint) == .done)
    #expect(Set(bench.fingerprints(.csmsRoot)) == [fingerprint, new.value.fingerprint])
    let hash = new.value.hashData(.sha256, issuer: old.value)
    #expect(bench.installed.first { $0.fingerprint == new.value.fingerprint }?.hash == hash)
    #expect(bench(.discard(.csmsRoot, fingerprint: fingerprint)) == .done)
    // The hash data stay right when the old root is gone, which nothing trusts any more.
    #expect(bench.installed.map(\.hash) == [hash])
    let server = issue(Wish("csms.example"), by: old)
    #expect(throws: CertificatePath.Problem.self) {
      try CertificatePath.verify(
        server.value, roots: bench.test.folder.roots(.csmsRoot).certificates,
        intermediates: bench.test.folder.intermediates().certificates, at: testTime)
    }
    let path = try? CertificatePath.verify(
      issue(Wish("csms.example"), by: new).value, roots: bench.test.folder.roots(.csmsRoot).certificates,
      intermediates: [], at: testTime)
    #expect(path?.last == new.value)
    #expect(bench(.delete(hash, keeping: [])) == .done)
    #expect(bench.installed == [])
  }

  /// A root of one kind goes, the same of another kind stays.
  @Test func discardingIsForOneKind() {
    let root = issue(.authority("Root"))
    for (use, _) in Self.uses { #expect(bench.installRoot(root.certificate, use) == .done) }
    #expect(bench(.discard(.csmsRoot, fingerprint: root.value.fingerprint)) == .done)
    #expect(bench.installed.map(\.kind) == [.manufacturerRoot, .v2gRoot, .moRoot])
    #expect(bench(.discard(.csmsRoot, fingerprint: root.value.fingerprint)) == .done)
    // Deleting means the certificate.
    #expect(bench(.delete(root.value.hashData(.sha256, issuer: root.value), keeping: [])) == .done)
    #expect(bench.installed == [])
  }

  /// M04.FR.06, TC_M_23_CS; V2G chains go with their key.
  // Proves: M04.FR.06
  @Test func deletingOwnCertificates() {
    let h = Hierarchy("V2G")
    let leaf = h.leaf(Wish("CP-0001"))
    bench.test.write("ca/v2g/V2G_ROOT_CA.pem", h.root.certificate)
    for directory in ["client/csms", "client/cso"] {
      bench.test.write("\(directory)/x.pem", leaf.certificate + h.sub.certificate)
      bench.test.write("\(directory)/x.key", leaf.key)
    }
    let hash = leaf.value.hashData(.sha256, issuer: h.sub.value)
    #expect(bench(.delete(hash, keeping: [])).failure == "the charging station certificate is not deleted (M04.FR.06)")
    #expect(
      bench(.delete(h.sub.value.hashData(.sha256, issuer: h.root.value), keeping: [])).failure
        == "it is part of the chain of CN=CP-0001,O=Test Operator,C=NL, which goes with its own certificate only")
    #expect(bench.installed.map(\.kind) == [.v2gRoot, .chargingStation, .v2gChain])
    bench.test.removeAll("client/csms")
    bench.test.write("ca/v2g/sub.pem", h.sub.certificate)
    #expect(bench(.delete(hash, keeping: [])) == .done)
    #expect(bench.test.names("client/cso") == [])
    #expect(
      bench(.delete(h.sub.value.hashData(.sha256, issuer: h.root.value), keeping: [])).failure
        == "CN=V2G Sub,O=Test Operator,C=NL is an intermediate, which is not the CSMS' to delete")
  }

  /// A broken certificate in the file stays where it is, and its neighbours come and go.
  @Test func brokenNeighboursStay() {
    let (a, b) = (issue(.authority("A")), issue(.authority("B")))
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    bench.test.write("ca/csms/CSMS_ROOT_CA.pem", broken + a.certificate + broken + a.certificate)
    #expect(bench.installRoot(b.certificate) == .done)
    #expect(bench(.discard(.csmsRoot, fingerprint: a.value.fingerprint)) == .done)
    #expect(bench.test.read("ca/csms/CSMS_ROOT_CA.pem") == broken + broken + b.certificate)
    #expect(bench.test.folder.inventory().problems.count == 2)
  }

  /// Cuts the power before every step of installing and of deleting: the old file or the new one.
  @Test(arguments: [true, false])
  func powerCuts(installing: Bool) {
    let (old, gone) = (issue(.authority("Old")), issue(.authority("Gone")))
    let new = issue(.authority("New"), by: old)
    for cut in 0..<100 {
      let bench = StoreBench()
      let before = gone.certificate + old.certificate
      bench.test.write("ca/csms/CSMS_ROOT_CA.pem", before)
      let request: CertificateRequest =
        installing
        ? .installRoot(.csmsRootCertificate, pem: new.certificate, limit: nil, replacing: nil, at: testTime)
        : .delete(gone.value.hashData(.sha256, issuer: gone.value), keeping: [])
      let after = installing ? before + new.certificate : old.certificate
      let (reply, _) = cutting(bench.test, at: cut, steps: StepLog()).carryOut(request)
      let seen = bench.test.read("ca/csms/CSMS_ROOT_CA.pem")
      #expect(seen == before || seen == after)
      #expect(bench.store.inventoryAtStart().problems == [])
      #expect(bench.test.read("ca/csms/CSMS_ROOT_CA.pem") == seen)
      #expect(bench.test.names("ca/csms").allSatisfy { !$0.hasPrefix(".") })
      if reply == .done {
        #expect(seen == after)
        return
      }
      #expect(bench(request) == (seen == after && !installing ? .notFound : .done))
      #expect(bench.test.read("ca/csms/CSMS_ROOT_CA.pem") == after)
    }
    Issue.record("it never came to an end")
  }
}
