import OCPP

/// Everything that the station does. The runtime carries the actions of one `handle` out in order; those behind a
/// `commit` wait until it is durable, except the ones that `isImmediate`.
public enum Action: Hashable, Sendable {
  /// Make these writes durable together.
  case commit([LedgerWrite])
  /// Deliver `Input.stored` once everything before it is durable.
  case confirm
  /// Open a connection; answered by `LinkEvent.up` or `.down`. Never issued while one is open.
  case connect(ConnectionRequest)
  /// Close the connection, or give up the attempt; answered by `LinkEvent.down`.
  case disconnect(code: Int, reason: String)
  /// Send one text message (an OCPP-J frame).
  case send([UInt8])
  /// Send a WebSocket ping.
  case ping
  case hardware(HardwareCommand)
  /// Work on certificates and keys; answered by `Input.certificates` of the same id.
  case certificates(id: Int64, CertificateRequest)
  /// Work on the logs; answered by `Input.logs` of the same id.
  case logs(id: Int64, LogRequest)
  /// Fetch or bring a file; `start` is answered by `Input.transfer` of the same id.
  case transfer(id: Int64, TransferRequest)
  /// Install firmware, or ask about it; answered by `Input.installer` of the same id.
  case installer(id: Int64, InstallerRequest)
  /// Deliver `Input.timer(id)` when the monotonic clock reaches `at` (milliseconds). Replaces a timer of the same id.
  case setTimer(TimerID, at: Int64)
  case cancelTimer(TimerID)
  /// Answer a control command.
  case controlReply(id: Int64, Result<JSONValue, ControlError>)
  /// Tell subscribers of the control socket.
  case event(StationEvent)
  case log(LogLevel, String)
  /// Restart the process (a Reset accepted from the CSMS, or carried out by the hardware).
  case restart(BootReasonEnumType)
  /// The orderly stop is complete; the process may exit.
  case stopped

  /// True when the action is carried out at once even while a commit before it is pending.
  public var isImmediate: Bool {
    switch self {
    case .hardware(let command): return command.isImmediate
    case .setTimer, .cancelTimer, .log: return true
    default: return false
    }
  }
}

public struct ControlError: Error, Hashable, Sendable {
  public var text: String
  public init(_ text: String) { self.text = text }
}

public enum LogLevel: Int, Hashable, Sendable, Comparable, CaseIterable {
  case trace, debug, info, notice, warning, error

  public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// Something a subscriber of the control socket may want to see: `event` is `connector`, `transaction`, `meter`,
/// `display` or `csms`.
public struct StationEvent: Hashable, Sendable {
  public var event: String
  public var fields: [JSONMember]

  public init(event: String, fields: [JSONMember]) {
    self.event = event
    self.fields = fields
  }
}
