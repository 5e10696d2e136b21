import OCPP

@testable import Certificates
@testable import DeviceModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// PEM bundles and DER: what is read has hash data, and is read again from what it says it is.
func fuzzCertificate(_ bytes: [UInt8]) {
  let list = CertificateList(pem: bytes)
  expect(list.certificates.count <= 100, "more certificates than asked for")
  var certificates = list.certificates
  if let certificate = try? Certificate(der: bytes) { certificates.append(certificate) }
  for certificate in certificates.prefix(4) {
    guard let again = try? Certificate(der: certificate.der) else { broken("\(certificate.subject) is not read again") }
    expect(again.fingerprint == certificate.fingerprint, "the fingerprint changes")
    _ = CertificatePath.weakness(of: certificate)
    // Without a time, since hardly any certificate is valid at a given one: so that signatures and all that follows are reached.
    for time in [nil, 0, certificate.notBefore] {
      for roots in [[certificate], certificates] {
        let path = try? CertificatePath.verify(certificate, roots: roots, intermediates: certificates, at: time)
        expect(path?.isEmpty != true, "a path without certificates")
      }
    }
    let issuer = CertificatePath.issuer(of: certificate, among: certificates)
    for algorithm in HashAlgorithmEnumType.allCases {
      let hash = certificate.hashData(algorithm, issuer: issuer)
      let length = [.sha256: 64, .sha384: 96][algorithm] ?? 128
      expect(hash.issuerNameHash.utf8.count == length, "a hash of another length")
      expect(
        issuer == nil ? hash.issuerKeyHash.isEmpty : hash.issuerKeyHash.utf8.count == length,
        "no hash of the issuer's key")
      expect(certificate.matches(hash, issuer: issuer) || issuer == nil, "it does not match its own hash data")
    }
  }
}

/// Component files, overrides, meter models: every text is read or refused with a place in it.
func fuzzDeviceModel(_ bytes: [UInt8]) {
  var loader = Loader()
  let file = JSONFileParser.parse(name: "fuzz.json", bytes: bytes, problems: &loader.problems)
  expect(file != nil || loader.problems.errorCount > 0, "refused without a reason")
  // The reader of files (which goes on after a missing comma, say) and the one of messages agree on what is JSON.
  if file != nil, loader.problems.errorCount == 0, (try? JSONValue.parse(bytes, maxDepth: 200)) == nil {
    broken("read as a file, refused as a message")
  }
  if let root = file?.root {
    var meters = MeterModelReader(problems: loader.problems)
    _ = meters.model(root, id: "fuzz")
    loader.add(root)
    loader.checkValues()
  }
  _ = try? VariableAddress(parsing: String(decoding: bytes.prefix(300), as: UTF8.self))
}
