import TestPKI
import Testing

@testable import Certificates

@Suite struct CertificateTests {
  @Test func tellsWhatIsInIt() throws {
    let root = issue(.authority("Root"))
    let leaf = issue(
      Wish("CP-0001").with {
        $0.serial = "00A1B2"
        $0.extendedKeyUsage = "clientAuth"
      }, by: root
    ).value
    #expect(leaf.subject == "CN=CP-0001,O=Test Operator,C=NL")
    #expect(leaf.issuer == "CN=Root,O=Test Operator,C=NL")
    #expect(leaf.serial == "a1b2")
    #expect(leaf.version == 3)
    #expect(leaf.notBefore == 1_700_000_000_000)
    #expect(leaf.notAfter == 4_000_000_000_000)
    #expect(leaf.key == Certificate.Key(algorithm: "EC", bits: 256, curve: "prime256v1", securityBits: 128))
    #expect(leaf.signatureAlgorithm == "ecdsa-with-SHA256")
    #expect(leaf.signatureSecurityBits == 128)
    #expect(leaf.isCA == false)
    #expect(leaf.keyUsage == .digitalSignature)
    #expect(leaf.extendedKeyUsage == .client)
    #expect(leaf.commonNames == ["CP-0001"])
    #expect(leaf.organizations == ["Test Operator"])
    #expect(!leaf.isSelfSigned)
    #expect(leaf.isIssued(by: root.value))
    #expect(root.value.isSelfSigned)
    #expect(root.value.isCA == true)
    #expect(root.value.keyUsage?.contains(.certificateSigning) == true)
  }

  /// A name alone makes nobody the issuer.
  @Test func theSignatureDecidesWhoIssued() {
    let (root, impostor) = (issue(.authority("Root")), issue(.authority("Root")))
    let leaf = issue(Wish("x"), by: root).value
    #expect(leaf.isIssued(by: root.value))
    #expect(!leaf.isIssued(by: impostor.value))
  }

  @Test func namesAreEscapedAndStayOneLine() {
    let leaf = issue(Wish("a,b=\"c\"\n+Ü").with { $0.organization = nil }).value
    #expect(leaf.subject == "CN=a\\,b=\\\"c\\\"\\0A\\+Ü,C=NL")
  }

  @Test(arguments: [
    ("RSA-2048", "RSA 2048", 112), ("RSA-1024", "RSA 1024", 80), ("P-384", "EC secp384r1", 192),
    ("P-192", "EC prime192v1", 80), ("ED25519", "ED25519 256", 128),
  ])
  func keys(kind: String, text: String, bits: Int) {
    let certificate = issue(Wish("x").with { $0.key = kind }).value
    #expect(certificate.key.description == text)
    #expect(certificate.key.securityBits == bits)
  }

  /// PEM as it comes out of mail programs, editors and `openssl x509 -text`.
  @Test func textAroundLineEndsAndSpacesDoNotMatter() {
    let (a, b) = (issue(Wish("a")), issue(Wish("b")))
    let crlf = a.certificate.split(separator: "\n").joined(separator: "\r\n")
    let oneLine = b.certificate.split(separator: "\n").joined()
    let text = "\u{FEFF}Certificate:\n    Data: -----\n" + crlf + "\r\nbag attributes\0\n  " + oneLine + " end"
    let list = CertificateList(pem: Array(text.utf8))
    #expect(list.certificates == [a.value, b.value])
    #expect(list.problems == [])
  }

  @Test func whatIsWrittenCanBeRead() {
    for length in [1, 2, 3, 47, 48, 49, 200] {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37) }
      #expect(PEM.blocks(in: PEM.text("X", bytes)).blocks.first?.bytes == bytes)
    }
    let issued = issue(Wish("x"))
    #expect(String(decoding: issued.value.pem, as: UTF8.self) == issued.certificate)
  }

  @Test func oneBrokenBlockLeavesTheOthers() {
    let (a, b) = (issue(Wish("a")), issue(Wish("b")))
    func broken(_ change: (inout String) -> Void) -> String {
      var text = issue(Wish("broken")).certificate
      change(&text)
      return text
    }
    let cases: [(String, String)] = [
      (broken { $0 = String($0.dropLast(30)) + "\n" }, "there is no END line for CERTIFICATE"),
      (
        broken {
          $0.replaceSubrange($0.index($0.startIndex, offsetBy: 60)...$0.index($0.startIndex, offsetBy: 60), with: "\0")
        },
        "byte 0 is not base64"
      ),
      (broken { $0.remove(at: $0.index($0.startIndex, offsetBy: 60)) }, "the base64 is cut short"),
      ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "it is empty"),
      ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "it is not an X.509 certificate"),
      (String(decoding: PEM.text("CERTIFICATE", a.value.der + [0]), as: UTF8.self), "it is not an X.509 certificate"),
      (
        String(decoding: PEM.text("CERTIFICATE", [UInt8](repeating: 0x30, count: 70_000)), as: UTF8.self),
        "it has 70000 bytes, more than 65536"
      ),
    ]
    for (text, reason) in cases {
      let list = CertificateList(pem: Array((a.certificate + text + b.certificate).utf8))
      #expect(list.certificates == [a.value, b.value])
      let line = a.certificate.utf8.count { $0 == 0x0A } + 1
      #expect(list.problems == ["line \(line): the certificate cannot be read: \(reason)"])
    }
  }

  @Test func otherBlocksArePassedOver() {
    let a = issue(Wish("a"))
    let list = CertificateList(pem: Array((a.key + a.certificate).utf8))
    #expect(list.certificates == [a.value])
    #expect(list.hasOthers)
    #expect(list.problems == [])
    let trusted = a.certificate.split(separator: "CERTIFICATE", omittingEmptySubsequences: false)
      .joined(separator: "TRUSTED CERTIFICATE")
    #expect(
      CertificateList(pem: Array(trusted.utf8)).problems == ["line 1: only CERTIFICATE blocks are understood"])
  }

  @Test func blocksAreLimited() {
    let text = String(repeating: "-----BEGIN CERTIFICATE-----", count: 1000)
    let list = CertificateList(pem: Array(text.utf8), limit: 10)
    #expect(list.problems.count == 11)
    #expect(list.problems.last == "there are more than 10 blocks; the rest does not count")
  }

  /// Any bytes give an answer: every prefix and every changed byte of a certificate.
  @Test func anyBytesGiveAnAnswer() {
    let der = issue(Wish("x")).value.der
    for count in 0..<der.count {
      #expect(throws: Certificate.Problem.self) { try Certificate(der: Array(der[..<count])) }
    }
    for index in der.indices {
      for bit in [UInt8(1), 0x80] {
        var changed = der
        changed[index] ^= bit
        if let certificate = try? Certificate(der: changed) {
          #expect(certificate != (try? Certificate(der: der)))
          _ = certificate.isSelfSigned
          _ = certificate.commonNames
        }
      }
    }
  }
}
