import OCPP
import StationCore
import TestPKI
import Testing

@testable import Certificates

/// Certificate weather: what `station certs` shows.
@Suite struct ReportTests {
  let test = TestFolder()
  let day: Int64 = 86_400

  private func report() -> CertificateReport { CertificateReport(test.folder, at: testTime) }

  private func root(_ name: String, from: Int64 = 0, until: Int64) -> Issued {
    issue(
      .authority(name).with {
        if from > 0 { $0.notBefore = from }
        $0.notAfter = until
      })
  }

  @Test func nothingThereNeedsNoAttention() {
    #expect(!report().needsAttention)
    #expect(report().text == "no certificates\n")
  }

  @Test(arguments: [
    (30, CertificateReport.State.ok, 30), (29, .near, 29), (0, .near, 0), (-1, .expired, -1), (-400, .expired, -400),
  ])
  func theEndComesNearer(days: Int64, state: CertificateReport.State, left: Int64) {
    test.write("ca/csms/CSMS_ROOT_CA.pem", root("R", until: testTime / 1000 + days * day).certificate)
    #expect(report().entries.map(\.state) == [state])
    #expect(report().entries.map(\.daysLeft) == [left])
    #expect(report().needsAttention == (state != .ok))
  }

  @Test func whatHasNotBegunIsSaid() {
    let soon = testTime / 1000 + 1
    test.write("ca/mo/MO_ROOT_CA.pem", root("R", from: soon, until: soon + 400 * day).certificate)
    #expect(report().entries.map(\.state) == [.notYetValid])
    #expect(report().text.contains("NOT YET VALID"))
    #expect(report().needsAttention)
  }

  /// Every kind, with its file and what breaks; an own certificate that a newer one replaces breaks nothing.
  @Test func everythingIsListed() {
    let h = Hierarchy("CSO")
    for (kind, name) in [
      (InstalledCertificate.Kind.csmsRoot, "C"), (.manufacturerRoot, "M"), (.v2gRoot, "V"), (.moRoot, "O"),
    ] {
      test.write(CertificateFolder.bundle(kind) ?? "", issue(.authority(name)).certificate)
    }
    test.write("ca/csms/sub.pem", h.sub.certificate)
    let end = testTime / 1000 + 5 * day
    let (old, new) = (
      h.leaf(Wish("old").with { $0.notAfter = end }), h.leaf(Wish("new").with { $0.notBefore += 1 })
    )
    for (name, leaf) in [("old", old), ("new", new)] {
      test.write("client/csms/\(name).pem", leaf.certificate + h.sub.certificate)
      test.write("client/csms/\(name).key", leaf.key)
    }
    var report = report()
    #expect(
      report.entries.map { "\($0.role.text) \($0.subject.prefix { $0 != "," }) \($0.state)" } == [
        "csmsRoot CN=C ok", "manufacturerRoot CN=M ok", "v2gRoot CN=V ok", "moRoot CN=O ok",
        "chargingStation CN=new ok",
        "chargingStation chain CN=CSO Sub ok", "chargingStation CN=old superseded",
        "chargingStation chain CN=CSO Sub superseded", "intermediate CN=CSO Sub ok",
      ])
    #expect(report.entries[4].file == "client/csms/new.pem")
    #expect(report.entries[4].breaks.contains("security profile 3"))
    #expect(report.entries[6].breaks == "nothing: a newer one is used")
    #expect(!report.needsAttention)
    report.add(
      server: [
        TLSSession.ServerCertificate(subject: "CN=csms", notBefore: testTime - 1000, notAfter: testTime + 1000),
        TLSSession.ServerCertificate(subject: "CN=early", notBefore: testTime + 1000, notAfter: testTime + 2000),
      ], seenAt: testTime - 5000)
    #expect(report.entries.last?.state == .notYetValid)
    #expect(report.needsAttention)
    #expect(
      report.text.contains(
        "csms server:\n  CN=csms\n    from 2025-12-31 until 2026-01-01, ENDS in 0 days\n    then: the station refuses the CSMS: "
          + "no connection in security profiles 2 and 3\n    seen 2025-12-31T23:59:55.000Z\n"))
    let last = report.json["certificates"]?.arrayValue?.dropLast().last
    #expect(last?["validFrom"] == "2025-12-31T23:59:59.000Z")
    #expect(last?["seen"] == "2025-12-31T23:59:55.000Z")
    #expect(last?["validTo"] == "2026-01-01T00:00:01.000Z")
    #expect(last?["state"] == "near")
    #expect(last?["fingerprint"] == nil)
    #expect(report.json["needsAttention"] == true)
  }

  @Test func keysThatOthersReadAreAProblem() {
    let leaf = issue(Wish("x"))
    test.write("client/csms/x.pem", leaf.certificate)
    test.write("client/csms/x.key", leaf.key)
    #expect(report().problems == [])
    test.chmod("client/csms/x.key", 0o640)
    #expect(
      report().problems == ["client/csms/x.key: others may read or change the key (mode 0640); expected 0600"])
    #expect(report().needsAttention)
  }

  /// Names come from whoever made the certificate.
  @Test func namesCannotMoveTheCursor() {
    test.write("ca/csms/CSMS_ROOT_CA.pem", issue(.authority("a\u{1B}[2Jb")).certificate)
    #expect(!report().text.contains("\u{1B}"))
  }
}
