import Glibc
import OCPP
import StationCore
import TestPKI
import Testing

@testable import Certificates

/// L01: who signed firmware, and whether it is that firmware. The signatures are made by the openssl program.
@Suite struct FirmwareSignatureTests {
  let bench = StoreBench()
  let maker = issue(.authority("Manufacturer"))

  init() { bench.test.write("ca/mf/MF_ROOT_CA.pem", maker.certificate) }

  private var store: CertificateStore {
    var store = bench.store
    store.transfersDirectory = bench.test.path + "/files"
    return store
  }

  private func check(_ pem: String, at time: Int64? = testTime) -> CertificateReply {
    store.carryOut(.checkFirmwareSigner(pem: pem, at: time)).0
  }

  private func verify(_ signer: Issued, _ signature: String, file: String = "firmware-1") -> CertificateReply {
    store.carryOut(
      .verifyFirmware(file: file, signature: signature, signer: signer.certificate, at: testTime)
    ).0
  }

  /// Base64 of what `openssl dgst` makes of the file.
  private func signature(_ content: String, _ signer: Issued, _ options: String = "", digest: String = "sha256")
    -> String
  {
    bench.test.write("files/firmware-1", content)
    bench.test.write("signer.key", signer.key)
    let path = bench.test.path
    let command =
      "openssl dgst -\(digest) -sign \(path)/signer.key \(options) \(path)/files/firmware-1 | openssl base64"
    return output(command)
  }

  private let pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"

  // Proves: L01.FR.21, L01.FR.12
  @Test func theSigner() {
    #expect(check(issue(Wish("Firmware"), by: maker).certificate) == .done)
    let expired = issue(Wish("Firmware").with { $0.notAfter = 1_700_000_001 }, by: maker)
    #expect(check(expired.certificate).rejection != nil)
    #expect(check(expired.certificate, at: nil) == .done)
    let wrong: [Issued] = [
      issue(Wish("Firmware")),
      issue(Wish("Firmware"), by: issue(.authority("Manufacturer"))),
      maker,
      issue(Wish("Firmware").with { $0.keyUsage = "critical,keyAgreement" }, by: maker),
      issue(Wish("Firmware").with { $0.key = "P-192" }, by: maker),
      // Part 2 leaves no intermediates here, also not one that is on the station.
      issue(Wish("Firmware"), by: issue(.authority("Sub"), by: maker)),
    ]
    for signer in wrong { #expect(check(signer.certificate).rejection != nil) }
    for text in ["", "no certificate", maker.key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
      #expect(check(text).rejection != nil)
    }
    bench.test.write("ca/mf/MF_ROOT_CA.pem", "")
    #expect(check(issue(Wish("Firmware"), by: maker).certificate).rejection?.contains("no manufacturer root") == true)
  }

  // Proves: L01.FR.04, L01.FR.12
  @Test(arguments: ["P-256", "P-384", "RSA-2048", "RSA-3072"]) func aGoodSignature(key: String) {
    let signer = issue(Wish("Firmware").with { $0.key = key }, by: maker)
    let options = key.hasPrefix("RSA") ? pss : ""
    let good = signature("new firmware", signer, options)
    #expect(verify(signer, good) == .done)
    // One byte of the file, of the signature, another signer.
    bench.test.write("files/firmware-1", "New firmware")
    #expect(verify(signer, good).rejection != nil)
    bench.test.write("files/firmware-1", "new firmware")
    #expect(verify(signer, String(good.dropFirst(8))).rejection != nil)
    #expect(verify(issue(Wish("Firmware").with { $0.key = key }, by: maker), good).rejection != nil)
  }

  /// What OCPP does not name: other digests, PKCS #1 v1.5, other kinds of keys.
  // Proves: L01.FR.04
  @Test func otherAlgorithms() {
    let rsa = issue(Wish("Firmware").with { $0.key = "RSA-2048" }, by: maker)
    #expect(verify(rsa, signature("firmware", rsa)).rejection != nil)
    #expect(verify(rsa, signature("firmware", rsa, pss, digest: "sha1")).rejection != nil)
    let ec = issue(Wish("Firmware"), by: maker)
    #expect(verify(ec, signature("firmware", ec, digest: "sha512")).rejection != nil)
    let edwards = issue(Wish("Firmware").with { $0.key = "ED25519" }, by: maker)
    #expect(verify(edwards, "AAAA").rejection != nil)
  }

  @Test func whatCannotBeVerified() {
    let signer = issue(Wish("Firmware"), by: maker)
    let good = signature("firmware", signer)
    for text in ["", "=", "no base64!", "AAAA"] { #expect(verify(signer, text).rejection != nil) }
    for file in ["", "none", "../files/firmware-1", ".hidden"] {
      #expect(verify(signer, good, file: file).failure != nil)
    }
    #expect(verify(issue(Wish("Firmware")), good).rejection != nil)
    #expect(
      bench(.verifyFirmware(file: "firmware-1", signature: good, signer: signer.certificate, at: nil)).failure != nil)
  }
}
