import COpenSSL
import Glibc
import StationCore

/// Signatures of firmware (L01).
extension CertificateStore {
  func checkFirmwareSigner(_ pem: String, at time: Int64?) -> CertificateReply {
    do throws(Rejection) {
      _ = try firmwareSigner(pem, at: time)
      return .done
    } catch {
      return .rejected(reasonCode: "InvalidCertificate", error.text)
    }
  }

  func verifyFirmware(_ file: String, signature: String, signer: String, at time: Int64?) -> CertificateReply {
    let certificate: Certificate
    let bytes: [UInt8]
    do throws(Rejection) {
      certificate = try firmwareSigner(signer, at: time)
      bytes = try Self.signature(signature)
    } catch {
      return .rejected(reasonCode: "InvalidSignature", error.text)
    }
    guard let transfersDirectory, !file.isEmpty, !file.contains("/"), !file.hasPrefix(".") else {
      return .failed("there is no file \(file)")
    }
    let descriptor = open("\(transfersDirectory)/\(file)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return .failed("\(file): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    switch x509_file_verify(certificate.der, certificate.der.count, descriptor, bytes, bytes.count) {
    case 1: return .done
    case 0: return .rejected(reasonCode: "InvalidSignature", "the signature does not fit the file")
    default: return .failed("\(file): \(String(cString: strerror(errno)))")
    }
  }

  /// The certificate, signed by a manufacturer root itself: Part 2 leaves no intermediates here.
  private func firmwareSigner(_ pem: String, at time: Int64?) throws(Rejection) -> Certificate {
    let text = Array(pem.utf8)
    guard text.count <= Self.textLimit else { throw Rejection("the signing certificate is too long") }
    let list = CertificateList(pem: text, limit: 2)
    guard let certificate = list.certificates.first, list.certificates.count == 1 else {
      throw Rejection("the signing certificate is not one PEM certificate")
    }
    guard certificate.isCA != true else { throw Rejection("the signing certificate is a CA") }
    guard certificate.keyUsage?.contains(.digitalSignature) ?? true else {
      throw Rejection("its key usage does not allow signatures")
    }
    let roots = folder.roots(.manufacturerRoot).certificates
    guard !roots.isEmpty else { throw Rejection("no manufacturer root is installed that could verify it") }
    do throws(CertificatePath.Problem) {
      _ = try CertificatePath.verify(
        certificate, roots: roots, intermediates: [], at: time.map { Self.tolerant($0, certificate) })
    } catch {
      throw Rejection(error.text)
    }
    return certificate
  }

  private static func signature(_ text: String) throws(Rejection) -> [UInt8] {
    do throws(PEM.Base64Error) {
      return try PEM.decode(Array(text.utf8)[...])
    } catch {
      throw Rejection("the signature: \(error.text)")
    }
  }
}
