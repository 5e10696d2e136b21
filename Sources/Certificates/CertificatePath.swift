import COpenSSL

/// The way from a certificate to a root (RFC 5280, section 6), with the minima of Part 2, A00.FR.501-504.
public enum CertificatePath {
  /// Why there is no path: a part of a sentence.
  public struct Problem: Error, Hashable, Sendable {
    public var text: String
  }

  /// Smallest strength of keys and signatures, as the length of a symmetric key: RSA 2048, curves of 224 bits, SHA-224.
  public static let securityBits = 112

  /// - Parameters:
  ///   - roots: trusted, also those that did not sign themselves.
  ///   - intermediates: may be on the path, not trusted.
  ///   - time: Unix time in milliseconds; `nil`: dates are not checked.
  /// - Returns: the path, the leaf first and the root last.
  public static func verify(
    _ leaf: Certificate, roots: [Certificate], intermediates: [Certificate], at time: Int64?
  ) throws(Problem) -> [Certificate] {
    guard let path = x509_path_new() else { throw Problem(text: "out of memory") }
    defer { x509_path_free(path) }
    for root in roots where x509_path_add_root(path, root.der, root.der.count) != 0 {
      throw Problem(text: "the root \(root.subject) cannot be used")
    }
    for certificate in intermediates {
      guard x509_path_add_intermediate(path, certificate.der, certificate.der.count) == 0 else {
        throw Problem(text: "the certificate of \(certificate.subject) cannot be used")
      }
    }
    var depth: Int32 = 0
    // Rounded down: the last second counts whole.
    let seconds = time.map { $0 >= 0 ? $0 / 1000 : ($0 - 999) / 1000 } ?? .min
    if let problem = x509_path_verify(path, leaf.der, leaf.der.count, seconds, &depth) {
      let place = depth == 0 ? "" : " (number \(depth) above the leaf)"
      throw Problem(text: String(cString: problem) + place)
    }
    var found: [Certificate] = []
    for index in 0..<x509_path_count(path) {
      var bytes = x509_path_certificate(path, index)
      defer { x509_free(&bytes) }
      do throws(Certificate.Problem) {
        found.append(try Certificate(der: Array(UnsafeBufferPointer(start: bytes.data, count: bytes.count))))
      } catch {
        throw Problem(text: error.text)
      }
    }
    // OpenSSL also takes a CA by its key usage alone, and asks nothing of a version 1 root.
    for (index, certificate) in found.enumerated() {
      if index > 0, index < found.count - 1, certificate.isCA != true {
        throw Problem(text: "\(certificate.subject) is not a CA")
      }
      if let problem = weakness(of: certificate, isRoot: index == found.count - 1) {
        throw Problem(text: "\(certificate.subject): \(problem)")
      }
    }
    return found
  }

  /// What is too weak about it; `nil` when nothing is. A root's own signature proves nothing and does not count.
  public static func weakness(of certificate: Certificate, isRoot: Bool = false) -> String? {
    let key = certificate.key
    let isKnown = ["RSA", "RSA-PSS", "DSA", "EC", "ED25519", "ED448"].contains(key.algorithm)
    guard isKnown else { return "a key of the kind \(key.algorithm) is not accepted" }
    if key.securityBits < securityBits {
      return "its key (\(key)) is weaker than \(securityBits) bits of security"
    }
    if !isRoot, certificate.signatureSecurityBits < securityBits {
      return "its signature (\(certificate.signatureAlgorithm)) is weaker than \(securityBits) bits of security"
    }
    return nil
  }

  /// Who signed it, among these.
  public static func issuer(of certificate: Certificate, among others: [Certificate]) -> Certificate? {
    if certificate.isSelfSigned { return certificate }
    return others.first { certificate.isIssued(by: $0) }
  }

  /// The certificate and who signed it, and so on as far as they are known: not verified otherwise.
  static func ascent(from certificate: Certificate, among others: [Certificate]) -> [Certificate] {
    var path = [certificate]
    while path.count < 8, let last = path.last, !last.isSelfIssued,
      let next = others.first(where: { last.isIssued(by: $0) && !path.contains($0) })
    {
      path.append(next)
    }
    return path
  }
}
