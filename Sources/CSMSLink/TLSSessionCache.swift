import COpenSSL
import StationCore

/// A TLS session that may be resumed: OpenSSL's `SSL_SESSION`.
final class ResumableSession {
  let pointer: OpaquePointer

  init(taking pointer: OpaquePointer) { self.pointer = pointer }

  deinit { SSL_SESSION_free(pointer) }
}

/// The last session of each server, with what its full handshake was verified against: another root, another client
/// certificate, another rule for names, and there is a full handshake again. Kept in memory only.
///
/// Because nothing is verified when a session is resumed, it is done only as long as all certificates of the chain are
/// valid, at most `maxAge` after the full handshake, and with TLS 1.3 each session once (RFC 8446, C.4: then nobody can
/// link connections). Belongs to the link and its loop.
final class TLSSessionCache {
  struct Key: Hashable {
    var host: String
    var port: Int
    /// Fingerprints, sorted.
    var roots: [String]
    var clientCertificate: String?
    var allowWildcards: Bool
    var maxFragmentLength: Int?
  }

  struct Entry {
    var session: ResumableSession
    /// What the full handshake found.
    var details: TLSSession
    /// When that was, as the verification saw it, milliseconds.
    var verifiedAt: Int64
  }

  /// Milliseconds between the full handshake and the last connection that resumes it: a revoked certificate is noticed then.
  static let maxAge: Int64 = 3_600_000
  static let maxCount = 4
  private var entries: [(key: Key, entry: Entry)] = []

  /// The session to offer. It is not given out again.
  /// - Parameter time: the moment, as the verification would see it. While that is not known, nothing is resumed.
  func take(_ key: Key, at time: VerificationTime) -> Entry? {
    guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
    let entry = entries.remove(at: index).entry
    guard case .known(let now) = time, (0...Self.maxAge).contains(now - entry.verifiedAt),
      entry.details.serverChain.allSatisfy({ now <= $0.notAfter })
    else { return nil }
    return entry
  }

  func keep(_ entry: Entry, for key: Key) {
    entries.removeAll { $0.key == key }
    if entries.count >= Self.maxCount { entries.removeFirst() }
    entries.append((key, entry))
  }
}
