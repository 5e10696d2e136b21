import Certificates
import StationCore

/// Where the link finds certificates and keys. They are read at every connection, so what was installed or put there
/// counts at the next one.
public struct TLSFiles: Sendable {
  public var folder: CertificateFolder
  /// Of encrypted keys, and the PIN of tokens whose URI has none; `nil`: there is none.
  public var keyPassword: String?

  /// - Parameter directory: the certificate directory; it need not exist.
  public init(directory: String, keyPassword: String? = nil) {
    folder = CertificateFolder(path: directory)
    self.keyPassword = keyPassword
  }
}

/// What the server's certificate is verified against.
struct TLSTrust {
  var roots: [Certificate]
  /// They complete chains and are trusted for nothing.
  var intermediates: [Certificate]

  /// - Parameter withoutRoot: fingerprint of the root that does not count.
  /// - Throws: when there is no root left, since then nothing can be verified.
  init(_ folder: CertificateFolder, withoutRoot: String?) throws(TLSError) {
    let contents = folder.roots(.csmsRoot)
    roots = contents.certificates.filter { $0.fingerprint != withoutRoot }
    intermediates = folder.intermediates().certificates
    guard roots.isEmpty else { return }
    let problem = contents.problems.first.map { ": \($0)" } ?? ""
    throw TLSError(
      .noRoots,
      contents.certificates.isEmpty
        ? "no CSMS root certificate is installed, so the CSMS cannot be verified\(problem)"
        : "no CSMS root certificate is left without the one that does not count here")
  }
}

/// The client certificate of one connection with its key.
struct TLSIdentity: Sendable {
  var own: CertificateFolder.Own
  var key: PrivateKey
  /// Why one that should have come first is not shown; `nil` when none gave way.
  var problem: String?
  var fingerprint: String { own.leaf.fingerprint }

  /// - Parameters:
  ///   - fingerprint: the one to take; `nil`: the newest that is valid, else the newest, since an expired one is
  ///     still shown (A00.FR.430). One whose key cannot be opened gives way to the next.
  ///   - asksTokens: false: a key in a token counts as one that cannot be opened.
  /// - Throws: when there is none, or no key can be opened.
  init(
    _ files: TLSFiles, fingerprint: String?, time: VerificationTime, asksTokens: Bool = true
  ) throws(TLSError) {
    let contents = files.folder.own(.chargingStation)
    let valid = contents.certificates.filter { $0.leaf.isValid(at: time) }
    let candidates =
      fingerprint.map { fingerprint in contents.certificates.filter { $0.leaf.fingerprint == fingerprint } }
      ?? valid + contents.certificates.filter { !$0.leaf.isValid(at: time) }
    var problem: String?
    for candidate in candidates {
      let path = "\(files.folder.path)/\(candidate.keyFile)"
      guard asksTokens || !candidate.keyIsInToken else {
        problem = problem ?? "\(path): its token does not answer"
        continue
      }
      do throws(PrivateKeyError) {
        key = try PrivateKey(path: path, password: files.keyPassword)
        own = candidate
        self.problem = problem
        return
      } catch {
        problem = problem ?? error.text
      }
    }
    if let problem { throw TLSError(.noClientCertificate, problem) }
    let which = fingerprint.map { "with fingerprint \($0) " } ?? ""
    let other = contents.problems.first.map { ": \($0)" } ?? ""
    throw TLSError(.noClientCertificate, "no client certificate \(which)is in client/csms\(other)")
  }
}

extension Certificate {
  /// It may be valid: with a clock that is not set, a later beginning does not count against it.
  func isValid(at time: VerificationTime) -> Bool {
    switch time {
    case .known(let now): (notBefore...max(notBefore, notAfter)).contains(now)
    case .atLeast(let floor): floor <= notAfter
    }
  }
}
