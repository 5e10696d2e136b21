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

  public init(
    url: String, identity: String, basicAuthPassword: String?, subprotocols: [String], securityProfile: Int,
    timeout: Int64, maxMessageSize: Int
  ) {
    self.url = url
    self.identity = identity
    self.basicAuthPassword = basicAuthPassword
    self.subprotocols = subprotocols
    self.securityProfile = securityProfile
    self.timeout = timeout
    self.maxMessageSize = maxMessageSize
  }
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
  /// `wss://`, or a profile, that this build cannot do.
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
  /// Open, with the subprotocol the server chose (one of those offered).
  case up(subprotocol: String)
  /// The attempt failed or the connection ended; exactly one per `connect` action.
  case down(LinkDownReason)
  /// One whole text message.
  case message([UInt8])
  /// A pong answering our ping.
  case pong
}
