import COpenSSL
import Certificates
import NIOCore
import StationCore

/// Why there is no TLS connection, or why one ended: one line.
struct TLSError: Error, Hashable {
  var failure: TLSFailure
  var text: String

  init(_ failure: TLSFailure, _ text: String) {
    self.failure = failure
    self.text = text
  }
}

/// The client's side of one TLS connection, in memory: `tls_client` of COpenSSL with its trust loaded.
///
/// Confined to the loop, owned by one `TLSHandler` and the `Connection`.
final class TLSClient {
  enum ReadResult {
    case data, wantsInput, closed, failed
  }

  private let client: OpaquePointer
  private let sessions: TLSSessionCache
  private let sessionKey: TLSSessionCache.Key
  private let clientCertificate: String?
  private let time: VerificationTime
  /// What is offered to be resumed.
  private let offered: TLSSessionCache.Entry?
  private var details: TLSSession?

  /// - Throws: when there is nothing to verify with or no certificate to show, or when OpenSSL fails.
  init(
    endpoint: Endpoint, options: TLSOptions, time: VerificationTime, trust: TLSTrust,
    identity: TLSIdentity?, sessions: TLSSessionCache
  ) throws(TLSError) {
    self.sessions = sessions
    clientCertificate = identity?.fingerprint
    sessionKey = TLSSessionCache.Key(
      host: endpoint.host, port: endpoint.port, roots: trust.roots.map(\.fingerprint).sorted(),
      clientCertificate: clientCertificate, allowWildcards: options.allowWildcards,
      maxFragmentLength: options.maxFragmentLength)
    self.time = time
    offered = sessions.take(sessionKey, at: time)

    let (floor, seconds) =
      switch time {
      case .known(let time): (false, time.secondsRoundedDown)
      case .atLeast(let time): (true, time.secondsRoundedDown)
      }
    var host = endpoint.host
    if host.hasSuffix("."), !endpoint.hostIsAddress { host.removeLast() }
    let made = host.withCString { host in
      var settings = tls_client_options(
        host: host, host_is_address: endpoint.hostIsAddress ? 1 : 0, allow_wildcards: options.allowWildcards ? 1 : 0,
        time: seconds, time_is_floor: floor ? 1 : 0,
        max_fragment_length: Int32(clamping: options.maxFragmentLength ?? 0))
      return tls_client_new(&settings)
    }
    guard let made else { throw TLSError(.other, "TLS cannot begin: \(takeOpenSSLErrors() ?? "out of memory")") }
    client = made
    // From here on `deinit` frees it, also when this throws.
    for root in trust.roots where tls_client_add_root(client, root.der, root.der.count) == 0 {
      throw TLSError(.other, "CSMS root \(root.subject) cannot be used: \(takeOpenSSLErrors() ?? "no reason known")")
    }
    for certificate in trust.intermediates {
      _ = tls_client_add_intermediate(client, certificate.der, certificate.der.count)
    }
    if let identity {
      let leaf = identity.own.leaf
      guard tls_client_use_certificate(client, leaf.der, leaf.der.count, identity.key.pointer) == 1 else {
        throw TLSError(
          .noClientCertificate,
          "client certificate \(leaf.subject) cannot be used: \(takeOpenSSLErrors() ?? "no reason known")")
      }
      for other in identity.own.others { _ = tls_client_add_chain_certificate(client, other.der, other.der.count) }
    }
    if let offered { _ = tls_client_set_session(client, offered.session.pointer) }
    _ = takeOpenSSLErrors()
  }

  deinit {
    tls_client_free(client)
  }

  // MARK: Bytes

  func feed(_ bytes: ByteBuffer) -> Bool {
    bytes.withUnsafeReadableBytes { raw in
      tls_client_feed(client, raw.baseAddress?.assumingMemoryBound(to: UInt8.self), raw.count) == 1
    }
  }

  var hasOutput: Bool { tls_client_output_count(client) > 0 }

  func takeOutput(into buffer: inout ByteBuffer) {
    while case let count = tls_client_output_count(client), count > 0 {
      let taken = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { raw in
        tls_client_take_output(client, raw.baseAddress?.assumingMemoryBound(to: UInt8.self), raw.count)
      }
      if taken == 0 { return }
    }
  }

  /// Goes on with the handshake; true when it is done.
  func handshake() -> Bool {
    guard tls_client_handshake(client) == 0 else { return false }
    let details = makeDetails()
    self.details = details
    // A session of TLS 1.2 serves again, unless the server gives a new one now.
    if details.isResumed, details.version == "TLSv1.2", let offered { sessions.keep(offered, for: sessionKey) }
    keepSession()
    return true
  }

  func read(into buffer: inout ByteBuffer, upTo size: Int) -> ReadResult {
    var result = 0
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { raw in
      result = tls_client_read(client, raw.baseAddress?.assumingMemoryBound(to: UInt8.self), min(raw.count, size))
      return max(result, 0)
    }
    keepSession()
    if result > 0 { return .data }
    return result == TLS_WANTS_INPUT ? .wantsInput : result == TLS_CLOSED ? .closed : .failed
  }

  func write(_ bytes: ByteBuffer) -> Bool {
    bytes.withUnsafeReadableBytes { raw in
      tls_client_write(client, raw.baseAddress?.assumingMemoryBound(to: UInt8.self), raw.count) == 1
    }
  }

  /// Says that nothing more comes from us.
  func close() { tls_client_close(client) }

  // MARK: What became of it

  /// What went wrong, if anything.
  var error: TLSError? {
    let failure: TLSFailure
    switch tls_client_problem(client) {
    case TLS_PROBLEM_NONE: return nil
    case TLS_PROBLEM_SERVER_CERTIFICATE: failure = .serverCertificate
    case TLS_PROBLEM_VERSION: failure = .version
    case TLS_PROBLEM_CIPHER_SUITE: failure = .cipherSuite
    case TLS_PROBLEM_CLIENT_CERTIFICATE: failure = .clientCertificateRefused
    default: failure = .other
    }
    return TLSError(failure, String(cString: tls_client_problem_text(client)))
  }

  /// What the handshake came to; `nil` as long as it is not done.
  var session: TLSSession? { details }

  private func makeDetails() -> TLSSession {
    var session = TLSSession(
      version: String(cString: tls_client_version(client)), cipher: String(cString: tls_client_cipher(client)))
    session.isResumed = tls_client_was_resumed(client) != 0
    if session.isResumed, let found = offered?.details {
      session.root = found.root
      session.serverChain = found.serverChain
      session.clientCertificate = found.clientCertificate
      session.ocsp = found.ocsp
      return session
    }
    if tls_client_was_asked_for_certificate(client) != 0 { session.clientCertificate = clientCertificate }
    session.ocsp = tls_client_ocsp(client).map { String(cString: $0) }
    let chain = verifiedChain
    session.root = chain.last?.fingerprint ?? ""
    session.serverChain = chain.map {
      TLSSession.ServerCertificate(subject: $0.subject, notBefore: $0.notBefore, notAfter: $0.notAfter)
    }
    return session
  }

  private var verifiedChain: [Certificate] {
    var chain: [Certificate] = []
    while true {
      var der: UnsafeMutablePointer<UInt8>?
      let count = tls_client_chain(client, Int32(chain.count), &der)
      guard count > 0, let der else { return chain }
      defer { tls_client_free_der(der) }
      guard let certificate = try? Certificate(der: Array(UnsafeBufferPointer(start: der, count: count))) else {
        return chain
      }
      chain.append(certificate)
    }
  }

  private func keepSession() {
    guard let pointer = tls_client_take_session(client) else { return }
    let session = ResumableSession(taking: pointer)
    guard let details, case .known(let now) = time else { return }
    sessions.keep(
      TLSSessionCache.Entry(
        session: session, details: details, verifiedAt: details.isResumed ? offered?.verifiedAt ?? now : now),
      for: sessionKey)
  }
}

extension Int64 {
  fileprivate var secondsRoundedDown: Int64 { self >= 0 ? self / 1000 : (self - 999) / 1000 }
}
