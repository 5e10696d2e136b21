import COpenSSL
import OCPP

extension Certificate {
  static func digest(_ algorithm: HashAlgorithmEnumType, _ bytes: [UInt8]) -> [UInt8] {
    let name =
      switch algorithm {
      case .sha256: "SHA256"
      case .sha384: "SHA384"
      case .sha512: "SHA512"
      }
    var out = [UInt8](repeating: 0, count: 64)
    let count = x509_digest(name, bytes, bytes.count, &out)
    precondition(count > 0, "libcrypto has no \(name)")
    return Array(out.prefix(count))
  }

  /// CertificateHashDataType: hashes of the issuer's name (DER) and key (the BIT STRING's content), as an OCSP request has
  /// them (RFC 6960, 4.1.1), in lower-case hexadecimal.
  /// - Parameter issuer: whose key signed it; without it `issuerKeyHash` is empty.
  public func hashData(_ algorithm: HashAlgorithmEnumType, issuer: Certificate?) -> CertificateHashDataType {
    CertificateHashDataType(
      hashAlgorithm: algorithm,
      issuerKeyHash: issuer.map { hexadecimal(Self.digest(algorithm, $0.publicKey)) } ?? "",
      issuerNameHash: hexadecimal(Self.digest(algorithm, issuerName)), serialNumber: serial)
  }

  /// These hash data mean this certificate. Case and leading zeros do not count; nor does the key, when the issuer is not
  /// known: name and number alone tell certificates apart.
  func matches(_ hash: CertificateHashDataType, issuer: Certificate?) -> Bool {
    let own = hashData(hash.hashAlgorithm, issuer: issuer)
    return own.issuerNameHash == hash.issuerNameHash.lowercased()
      && (issuer == nil || own.issuerKeyHash == hash.issuerKeyHash.lowercased())
      && own.serialNumber == Self.serial(hash.serialNumber)
  }

  private static func serial(_ text: String) -> String {
    let digits = text.lowercased().drop { $0 == "0" }
    return digits.isEmpty ? "0" : String(digits)
  }
}

package func hexadecimal(_ bytes: some Collection<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var out: [UInt8] = []
  out.reserveCapacity(bytes.count * 2)
  for byte in bytes {
    out.append(digits[Int(byte >> 4)])
    out.append(digits[Int(byte & 15)])
  }
  return String(decoding: out, as: UTF8.self)
}
