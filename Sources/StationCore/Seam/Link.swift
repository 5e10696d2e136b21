import OCPP

/// What the core asks of the connection to the CSMS, and what it hears of it. The core decides when to connect, where,
/// and with what; `CSMSLink` only does it.

/// One connection attempt.
public struct ConnectionRequest: Hashable, Sendable {
  /// Endpoint without the station's identity, e.g. `ws://csms.example:9000/ocpp`.
  public var url: String
  /// Appended to the path, percent-encoded; also the user name of Basic authentication.
  public var identity: String
  /// Sent with every attempt in security profiles 1 and 2; `nil` sends no Authorization header.
  public var basicAuthPassword: String?
  /// Subprotocols in order of preference (`ocpp2.0.1`).
  public var subprotocols: [String]
  /// OCPP security profile 1...3.
  public var securityProfile: Int
  /// Time for DNS, TCP, TLS and the HTTP upgrade together, milliseconds.
  public var timeout: Int64
  /// Largest message accepted, bytes; a longer one closes the connection with code 1009.
  public var maxMessageSize: Int
  /// Counts in profiles 2 and 3 only.
  public var tls: TLSOptions

  public init(
    url: String, identity: String, basicAuthPassword: String?, subprotocols: [String], securityProfile: Int,
    timeout: Int64, maxMessageSize: Int, tls: TLSOptions = TLSOptions()
  ) {
    self.url = url
    self.identity = identity
    self.basicAuthPassword = basicAuthPassword
    self.subprotocols = subprotocols
    self.securityProfile = securityProfile
    self.timeout = timeout
    self.maxMessageSize = maxMessageSize
    self.tls = tls
  }
}

/// What the core decides of a TLS connection. The rest is fixed: TLS 1.2 and 1.3, verification against the CSMS roots,
/// the host name of the URL.
public struct TLSOptions: Hashable, Sendable {
  /// A name of the certificate may begin with `*.` (AllowCSMSTLSWildcards).
  public var allowWildcards: Bool
  /// Fingerprint of the CSMS root that does not count in this attempt: the old one, while the new one is tried
  /// (M05.FR.12-16).
  public var withoutRoot: String?
  /// Fingerprint of the client certificate for this attempt (A02.FR.28); `nil` takes the newest that is valid. Profile 3
  /// only.
  public var clientCertificate: String?
  /// Asks for records of at most this many bytes, RFC 6066: 512, 1024, 2048 or 4096. `nil` does not ask.
  public var maxFragmentLength: Int?
  /// What counts as now for the validity of certificates. `nil`: the machine's clock, as a known time.
  public var time: VerificationTime?

  public init(
    allowWildcards: Bool = false, withoutRoot: String? = nil, clientCertificate: String? = nil,
    maxFragmentLength: Int? = nil, time: VerificationTime? = nil
  ) {
    self.allowWildcards = allowWildcards
    self.withoutRoot = withoutRoot
    self.clientCertificate = clientCertificate
    self.maxFragmentLength = maxFragmentLength
    self.time = time
  }
}

/// The time at which a certificate is looked at, Unix time in milliseconds.
public enum VerificationTime: Hashable, Sendable {
  case known(Int64)
  /// The clock is not set, but it is no earlier than this. A certificate that has ended by then is refused; one that has
  /// not begun by then is taken, because it may be valid now: otherwise a station whose time comes from the CSMS would
  /// never reach it.
  case atLeast(Int64)
}

/// What a TLS handshake came to.
public struct TLSSession: Hashable, Sendable {
  /// `TLSv1.2` or `TLSv1.3`.
  public var version: String
  /// OpenSSL's name of the cipher suite.
  public var cipher: String
  /// Fingerprint of the CSMS root that the server's chain ends in. A resumed session tells what its full handshake found,
  /// here and in `serverChain`.
  public var root: String
  /// Fingerprint of the client certificate that was sent.
  public var clientCertificate: String?
  /// What the server presented, leaf first, with the root that it ends in.
  public var serverChain: [ServerCertificate]
  /// No full handshake: the session of an earlier one was resumed.
  public var isResumed: Bool
  /// What became of a stapled OCSP answer: `good`, or `ignored: ` and why; `nil` when the server gave none.
  public var ocsp: String?

  public struct ServerCertificate: Hashable, Sendable {
    public var subject: String
    /// Validity, Unix time in milliseconds, both ends included. A start that nobody told is long ago.
    public var notBefore: Int64
    public var notAfter: Int64
    public init(subject: String, notBefore: Int64 = 0, notAfter: Int64) {
      self.subject = subject
      self.notBefore = notBefore
      self.notAfter = notAfter
    }
  }

  public init(
    version: String, cipher: String, root: String = "", clientCertificate: String? = nil,
    serverChain: [ServerCertificate] = [], isResumed: Bool = false, ocsp: String? = nil
  ) {
    self.version = version
    self.cipher = cipher
    self.root = root
    self.clientCertificate = clientCertificate
    self.serverChain = serverChain
    self.isResumed = isResumed
    self.ocsp = ocsp
  }
}

/// Why there is no TLS connection.
public enum TLSFailure: String, Hashable, Sendable, CaseIterable {
  /// The server's certificate is invalid, cannot be verified, is too weak, revoked, or for another host (A00.FR.309).
  case serverCertificate
  /// The server is for versions below 1.2 only (A00.FR.316).
  case version
  /// The server and this station have no suite in common (A00.FR.323).
  case cipherSuite
  /// The server refused the client certificate, or asked for one that was not sent.
  case clientCertificateRefused
  /// Profile 3, and there is no usable client certificate.
  case noClientCertificate
  /// No CSMS root is installed, so nothing can be verified.
  case noRoots
  /// What answers does not speak TLS.
  case notTLS
  /// Anything else: a broken record, an alert, an error of the library.
  case other
}

/// Why a connection attempt failed or a connection ended.
public enum LinkDownReason: Hashable, Sendable {
  /// DNS, refused, unreachable.
  case connectFailed(String)
  /// The attempt's time was up.
  case timedOut
  /// The server answered the upgrade with this HTTP status.
  case httpStatus(Int)
  /// The server agreed to no subprotocol, or to one that was not offered.
  case subprotocolMismatch(String?)
  /// The upgrade answer was no valid WebSocket handshake.
  case badHandshake(String)
  /// TLS did not come about; one line says why.
  case tls(TLSFailure, String)
  /// A profile or URL that cannot be.
  case unsupported(String)
  /// The peer closed with this code (1005 when it gave none).
  case closedByPeer(code: Int, reason: String)
  /// We closed with this code.
  case closedByUs(code: Int, reason: String)
  /// The TCP connection ended without a close frame.
  case lost(String)
}

/// What the link tells the core.
public enum LinkEvent: Hashable, Sendable {
  /// Open, with the subprotocol the server chose (one of those offered); `tls` is `nil` for `ws://`.
  case up(subprotocol: String, tls: TLSSession? = nil)
  /// The attempt failed or the connection ended; exactly one per `connect` action.
  case down(LinkDownReason)
  /// One whole text message.
  case message([UInt8])
  /// A pong answering our ping.
  case pong
  /// Something is wrong that the attempt under way could do without; one line.
  case warning(String)
}
