import Glibc
import StationCore
import TestPKI
import Testing

@testable import Certificates

/// The folder contract, as the station's documentation tells it.
@Suite struct FolderTests {
  let test = TestFolder()
  var folder: CertificateFolder { test.folder }

  @Test func nothingThereIsEmpty() {
    #expect(folder.inventory() == CertificateInventory())
    #expect(CertificateFolder(path: "\(test.path)/none").inventory() == CertificateInventory())
  }

  @Test func bundlesOfRoots() {
    let (a, b) = (issue(.authority("A")), issue(.authority("B")))
    test.write("ca/csms/CSMS_ROOT_CA.pem", a.certificate + "# one more\n" + b.certificate + a.certificate)
    test.write("ca/v2g/V2G_ROOT_CA.pem", b.certificate)
    #expect(folder.roots(.csmsRoot).certificates == [a.value, b.value])
    #expect(folder.roots(.v2gRoot).certificates == [b.value])
    #expect(folder.roots(.moRoot) == CertificateFolder.Contents())
    #expect(folder.roots(.manufacturerRoot) == CertificateFolder.Contents())
    #expect(folder.inventory().certificates.map(\.kind) == [.csmsRoot, .csmsRoot, .v2gRoot])
    test.write("ca/csms/CSMS_ROOT_CA.pem", b.certificate)
    #expect(folder.roots(.csmsRoot).certificates == [b.value])
  }

  @Test func aBrokenCertificateIsNamedAndTheOthersCount() {
    let a = issue(.authority("A"))
    test.write("ca/mf/MF_ROOT_CA.pem", "-----BEGIN CERTIFICATE-----\nXX\n" + a.certificate)
    test.write("ca/mo/MO_ROOT_CA.pem", "hello")
    let inventory = folder.inventory()
    #expect(inventory.certificates.map(\.fingerprint) == [a.value.fingerprint])
    #expect(
      inventory.problems == [
        "ca/mf/MF_ROOT_CA.pem: line 1: the certificate cannot be read: there is no END line for CERTIFICATE",
        "ca/mo/MO_ROOT_CA.pem: there is no certificate in it; expected PEM, BEGIN CERTIFICATE",
      ])
  }

  @Test func intermediatesAreAllOtherFilesBelowCA() {
    let h = Hierarchy("CSMS")
    test.write("ca/csms/CSMS_ROOT_CA.pem", h.root.certificate)
    test.write("ca/csms/sub.pem", h.sub.certificate)
    test.write("ca/sub-again.pem", h.sub.certificate)
    test.write("ca/csms/old/CSMS_ROOT_CA.pem", issue(.authority("Old")).certificate)
    test.write("ca/csms/.hidden.pem", issue(.authority("Hidden")).certificate)
    test.write("ca/.dir/x.pem", issue(.authority("Hidden")).certificate)
    test.write("ca/csms/readme.txt", issue(.authority("Text")).certificate)
    let found = folder.intermediates()
    #expect(
      Set(found.certificates.map(\.subject)) == ["CN=CSMS Sub,O=Test Operator,C=NL", "CN=Old,O=Test Operator,C=NL"])
    #expect(found.problems == [])
    #expect(folder.inventory().certificates.count == 1)
  }

  @Test func ownCertificatesNewestFirstEachOnce() {
    let h = Hierarchy("CSMS")
    let old = h.leaf(Wish("CP-1"))
    let new = h.leaf(Wish("CP-1").with { $0.notBefore += 1000 })
    test.write("ca/csms/CSMS_ROOT_CA.pem", h.root.certificate)
    for name in ["a", "b"] {
      test.write("client/csms/\(name).pem", old.certificate + h.sub.certificate)
      test.write("client/csms/\(name).key", old.key)
    }
    test.write("client/csms/new.pem", new.certificate + h.sub.certificate)
    test.write("client/csms/new.key", new.key)
    let own = folder.own(.chargingStation)
    #expect(own.problems == [])
    #expect(own.certificates.map(\.leaf) == [new.value, old.value])
    #expect(own.certificates.map(\.certificateFile) == ["client/csms/new.pem", "client/csms/a.pem"])
    #expect(own.certificates.map(\.keyFile) == ["client/csms/new.key", "client/csms/a.key"])
    #expect(own.certificates[0].others == [h.sub.value])
  }

  @Test func aCertificateWithoutItsKeyDoesNotCount() {
    let (a, b, c, d) = (issue(Wish("a")), issue(Wish("b")), issue(Wish("c")), issue(Wish("d")))
    test.write("client/csms/a.pem", a.certificate)
    test.write("client/csms/b.pem", b.certificate)
    test.write("client/csms/b.key", a.key)
    test.write("client/csms/c.pem", c.certificate)
    test.write("client/csms/c.key", String(c.key.dropLast(60)))
    test.write("client/csms/d.pem", d.certificate)
    test.write("client/csms/d.key", d.key)
    #expect(folder.own(.chargingStation).certificates.map(\.leaf) == [d.value])
    #expect(
      folder.inventory().problems == [
        "client/csms/a.key: the key of the certificate is missing",
        "client/csms/b.key: it is not the key of the certificate",
        "client/csms/c.key: it is not the key of the certificate",
      ])
  }

  /// Opening them needs the password or the token: whoever uses them finds out.
  @Test func encryptedKeysAndKeysInTokensCount() {
    let (a, b) = (issue(Wish("a")), issue(Wish("b")))
    test.write("client/cso/a.pem", a.certificate)
    test.write("client/cso/a.key", encrypted(a.key, password: "secret"))
    test.write("client/cso/b.pem", b.certificate)
    test.write("client/cso/b.key", "pkcs11:token=t1;object=k1;type=private\n")
    #expect(Set(folder.own(.v2gChain).certificates.map(\.leaf)) == [a.value, b.value])
    #expect(folder.inventory().problems == [])
  }

  @Test func whatIsNoFileOrTooLargeIsSaid() {
    test.write("ca/csms/x", "")
    mkfifo("\(test.path)/ca/csms/CSMS_ROOT_CA.pem", 0o600)
    test.write("ca/mo/MO_ROOT_CA.pem", [UInt8](repeating: 0x20, count: (1 << 20) + 1))
    test.write("ca/v2g/V2G_ROOT_CA.pem", " \r\n\t")
    #expect(
      folder.inventory().problems == [
        "ca/csms/CSMS_ROOT_CA.pem: it is not a file", "ca/mo/MO_ROOT_CA.pem: it is larger than 1048576 bytes",
      ])
  }
}
