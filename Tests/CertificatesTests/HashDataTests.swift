import Glibc
import OCPP
import StationCore
import TestPKI
import Testing

@testable import Certificates

/// Runs a program and returns what it prints, standard error too.
func output(_ command: String) -> String {
  guard let pipe = popen("\(command) 2>&1", "r") else { return "" }
  defer { pclose(pipe) }
  var text: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while true {
    let count = fread(&buffer, 1, buffer.count, pipe)
    guard count > 0 else { return String(decoding: text, as: UTF8.self) }
    text += buffer[..<count]
  }
}

/// CertificateHashDataType (M03.FR.04), against what `openssl ocsp` puts into a request for the same certificate.
@Suite struct HashDataTests {
  let test = TestFolder()

  // Proves: M03.FR.04
  @Test(arguments: [HashAlgorithmEnumType.sha256, .sha384, .sha512], ["P-256", "RSA-2048"])
  func sameAsInAnOCSPRequest(algorithm: HashAlgorithmEnumType, key: String) throws {
    let root = issue(.authority("Root").with { $0.key = key })
    for serial in ["01", "00A1B2C3D4E5F60718293A4B5C6D7E8F", "0F"] {
      let leaf = issue(Wish("CP-1").with { $0.serial = serial }, by: root)
      test.write("root.pem", root.certificate)
      test.write("leaf.pem", leaf.certificate)
      let shown = output(
        "openssl ocsp -\(algorithm.rawValue.lowercased()) -issuer \(test.path)/root.pem -cert \(test.path)/leaf.pem -req_text"
      )
      // Long values go on in the next line, after a backslash.
      let text = shown.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: "\n")
        .split(separator: "\\\n").joined()
      func field(_ name: String) -> String {
        let line = text.split(separator: "\n").first { $0.contains("\(name): ") }
        return line?.split(separator: " ").last.map { $0.lowercased() } ?? "no \(name) in: \(text)"
      }
      let hash = leaf.value.hashData(algorithm, issuer: root.value)
      #expect(hash.hashAlgorithm == algorithm)
      #expect(hash.issuerNameHash == field("Issuer Name Hash"))
      #expect(hash.issuerKeyHash == field("Issuer Key Hash"))
      #expect(hash.serialNumber == String(field("Serial Number").drop { $0 == "0" }))
    }
  }

  @Test func caseAndLeadingZerosDoNotCount() {
    let root = issue(.authority("Root").with { $0.serial = "0A" }).value
    var hash = root.hashData(.sha256, issuer: root)
    #expect(hash.serialNumber == "a")
    hash.serialNumber = "00A"
    hash.issuerKeyHash = hash.issuerKeyHash.uppercased()
    hash.issuerNameHash = hash.issuerNameHash.uppercased()
    #expect(root.matches(hash, issuer: root))
    hash.serialNumber = "A0"
    #expect(!root.matches(hash, issuer: root))
    #expect(
      issue(.authority("Root").with { $0.serial = "00" }).value.hashData(.sha256, issuer: nil).serialNumber == "0")
  }

  /// M03.FR.05: sub-CAs are children of the leaf, leaf side first, each with the hash data of its own issuer.
  // Proves: M03.FR.05
  @Test func childrenOfAnOwnCertificate() {
    let root = issue(.authority("V2G Root"))
    let sub1 = issue(.authority("CPO Sub 1"), by: root)
    let sub2 = issue(.authority("CPO Sub 2"), by: sub1)
    let leaf = issue(Wish("SECC"), by: sub2)
    test.write("ca/v2g/V2G_ROOT_CA.pem", root.certificate)
    test.write("ca/v2g/sub1.pem", sub1.certificate)
    test.write("client/cso/secc.pem", leaf.certificate + sub2.certificate)
    test.write("client/cso/secc.key", leaf.key)
    let own = test.folder.inventory().certificates.first { $0.kind == .v2gChain }
    #expect(own?.hash == leaf.value.hashData(.sha256, issuer: sub2.value))
    #expect(
      own?.children == [
        sub2.value.hashData(.sha256, issuer: sub1.value), sub1.value.hashData(.sha256, issuer: root.value),
      ])
  }

  @Test func withoutItsIssuerTheKeyHashIsEmpty() {
    let (leaf, sub) = (
      issue(Wish("CP-1"), by: issue(.authority("Away"))), issue(.authority("S"), by: issue(.authority("X")))
    )
    test.write("client/csms/a.pem", leaf.certificate)
    test.write("client/csms/a.key", leaf.key)
    test.write("ca/csms/CSMS_ROOT_CA.pem", sub.certificate)
    let inventory = test.folder.inventory()
    #expect(inventory.certificates.map(\.hash.issuerKeyHash) == ["", ""])
    #expect(inventory.certificates.allSatisfy { $0.hash.issuerNameHash.count == 64 && $0.children.isEmpty })
    #expect(inventory.problems == [])
  }
}
