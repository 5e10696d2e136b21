import DeviceModel
import OCPP

/// The connection to the CSMS as the core sees it: when to try, where, how long to wait (OCPP-J 2.0.1 section 5.4),
/// whether the peer is still there (WebSocketPingInterval).
struct Connection: Sendable {
  enum State: Hashable, Sendable {
    /// Before the first attempt, or no usable profile.
    case idle
    /// The uplink is cut (`network offline`): no attempt.
    case cut
    /// Waiting for the back-off to pass.
    case waiting
    case connecting
    case up
    /// `disconnect` was asked for and `down` has not come yet.
    case closing
  }

  var state = State.idle
  var identity = ""
  let urlOverride: String?
  /// Failed attempts since the last success, the exponent of the back-off.
  var failures = 0
  /// What to try next.
  var plan = NetworkPlan()
  /// The CSMS refused the password: the next attempt takes the other one.
  var isPasswordSwapped = false
  /// Profiles of NetworkConfigurationPriority that had all their attempts and no connection since the boot, with the last
  /// reason; and the slots whose failure the CSMS has been told.
  var failedProfiles: [(profile: NetworkProfile, why: String)] = []
  var toldFailures: Set<Int> = []
  /// A server's certificate did not fit the new root since the last connection.
  var newRootFailed = false
  /// Server certificates that were refused since the boot, by what was tried, until a connection comes about.
  var certificateFailures: [CertificateAttempt: Int] = [:]
  /// The attempt under way, or the one that the connection came from.
  var attempt: NetworkAttempt?
  /// The profile of the last connection of this process.
  var connected: NetworkProfile?
  /// What TLS came to, while it is up.
  var tls: TLSSession?
  /// It is being closed to be made again at once.
  var isRenewing = false
  /// Counts connections.
  var generation = 0
  /// Security events that this outage has had.
  var outageEvents: Set<String> = []
  /// Where the current or last attempt went.
  var url = ""
  var subprotocol: String?
  var networkOnline = true
  var rpc = RPCEndpoint(version: .v201)
  /// Monotonic time at which the station went offline; `nil` while online. Set at start.
  var offlineSince: Int64?
  var pingUnanswered = false
  /// The last that the link warned of.
  var warning: String?
  /// Calls in a row that ran into their time-out without any sign of life in between.
  var silentCalls = 0

  /// Longest wait of one attempt: DNS, TCP and upgrade, milliseconds.
  static let attemptTimeout: Int64 = 30_000
  /// Largest message taken from the CSMS, bytes.
  static let maxMessageSize = 1 << 20
  /// After so many unanswered calls in a row the connection is replaced.
  static let maxSilentCalls = 2

  init(urlOverride: String?) { self.urlOverride = urlOverride }

  /// Closes the link for good; true when it is closed.
  mutating func closeForGood(_ actions: inout [Action]) -> Bool {
    switch state {
    case .up, .connecting:
      state = .closing
      actions.append(.disconnect(code: 1001, reason: "station stops"))
      return false
    case .closing: return false
    case .waiting:
      actions.append(.cancelTimer(.reconnect))
      state = .idle
      return true
    case .idle, .cut: return true
    }
  }
}

extension Station {
  var isOnline: Bool { connection.state == .up }

  /// Starts an attempt unless one is under way, the uplink is cut or the station stops.
  mutating func connect() {
    guard stopping == nil, !firmware.isAsking, connection.networkOnline,
      connection.state == .idle || connection.state == .waiting
    else {
      return
    }
    guard let attempt = nextAttempt else {
      connection.state = .idle
      log(.error, "no usable network profile: set InternalCtrlr/NetworkConnectionProfiles or --csms-url")
      return
    }
    connection.state = .connecting
    connection.attempt = attempt
    connection.url = attempt.profile.url
    tellClockDoubt(attempt)
    emit(.connect(request(for: attempt)))
  }

  /// The commit before it failed, and no attempt was made: it is made up for.
  mutating func notConnected() {
    guard connection.state == .connecting else { return }
    connection.state = .waiting
    startTimer(.reconnect, after: Storage.retryInterval)
  }

  mutating func networkChanged(online: Bool) {
    guard online != connection.networkOnline else { return }
    connection.networkOnline = online
    if online {
      log(.notice, "uplink restored")
      connection.failures = 0
      switch connection.state {
      case .cut, .idle, .waiting:
        connection.state = .idle
        connect()
      case .closing, .connecting, .up: break
      }
    } else {
      log(.notice, "uplink cut")
      switch connection.state {
      case .up, .connecting:
        connection.state = .closing
        emit(.disconnect(code: 1001, reason: "uplink cut"))
        wentOffline()
      case .idle, .waiting, .cut:
        stopTimer(.reconnect)
        connection.state = .cut
      case .closing: break
      }
    }
  }

  mutating func linkChanged(_ event: LinkEvent) {
    switch event {
    case .up(let subprotocol, let tls): linkUp(subprotocol, tls)
    case .down(let reason): linkDown(reason)
    case .message(let message):
      guard connection.state == .up else { return }
      connection.silentCalls = 0
      received(message)
    case .pong:
      connection.pingUnanswered = false
      connection.silentCalls = 0
    case .warning(let text):
      // Each attempt finds it anew.
      guard connection.warning != text else { return }
      connection.warning = text
      log(.warning, text)
    }
  }

  private mutating func linkUp(_ subprotocol: String, _ tls: TLSSession?) {
    guard connection.state == .connecting, let attempt = connection.attempt else { return }
    connection.state = .up
    connection.subprotocol = subprotocol
    connection.rpc = RPCEndpoint(version: .v201)
    connection.failures = 0
    connection.tls = tls
    connection.generation += 1
    connection.outageEvents = []
    connection.pingUnanswered = false
    connection.silentCalls = 0
    log(.notice, "connected to \(connection.url) as \(connection.identity), \(subprotocol)")
    connectionProven(attempt, tls)
    startPing()
    csmsEvent()
    let wasOffline = connection.offlineSince
    connection.offlineSince = nil
    cameOnline(offlineFor: wasOffline.map { now.monotonic - $0 })
    resumeLogUpload()
  }

  private mutating func linkDown(_ reason: LinkDownReason) {
    let wasUp = connection.state == .up
    let isRenewing = connection.isRenewing
    connection.isRenewing = false
    log(wasUp ? .warning : .notice, "connection to \(connection.url): \(reason.text)")
    if wasUp || connection.state == .closing { wentOffline() }
    stopTimer(.ping)
    guard connection.networkOnline else {
      connection.state = .cut
      return
    }
    guard stopping == nil else {
      connection.state = .idle
      return
    }
    if connection.state == .connecting {
      connectionFailureEvent(reason)
      attemptFailed(reason)
    }
    connection.state = .waiting
    if isRenewing { return connect() }
    let wait = backOff(after: connection.failures)
    connection.failures += 1
    log(.info, "next attempt in \(wait) ms")
    startTimer(.reconnect, after: wait)
  }

  /// RetryBackOffWaitMinimum doubled for every earlier failure up to RetryBackOffRepeatTimes, plus a new random part
  /// of up to RetryBackOffRandomRange each time.
  private mutating func backOff(after failures: Int) -> Int64 {
    let minimum = milliseconds(Setting.retryBackOffWaitMinimum, default: 1)
    let range = milliseconds(Setting.retryBackOffRandomRange, default: 2)
    let doublings = min(failures, number(Setting.retryBackOffRepeatTimes, default: 5, limit: 20))
    let random = range > 0 ? Int64.random(in: 0...range, using: &random) : 0
    return min(minimum << Int64(doublings), 86_400_000) + random
  }

  /// What everybody must know when the link is lost or cut.
  private mutating func wentOffline() {
    guard connection.offlineSince == nil else { return }
    connection.offlineSince = now.monotonic
    connection.tls = nil
    if let attempt = connection.attempt {
      connection.plan.begin(with: orderIndex(of: attempt))
    }
    stopTimer(.ping)
    stopTimer(.heartbeat)
    callsLost()
    csmsEvent()
  }

  // MARK: Ping

  mutating func startPing() {
    connection.pingUnanswered = false
    let interval = milliseconds(Setting.webSocketPingInterval, default: 0)
    if interval > 0, isOnline {
      startTimer(.ping, after: interval)
    } else {
      stopTimer(.ping)
    }
  }

  mutating func pingDue() {
    guard isOnline else { return }
    if connection.pingUnanswered {
      replaceConnection("no pong within WebSocketPingInterval")
      return
    }
    connection.pingUnanswered = true
    emit(.ping)
    startTimer(.ping, after: max(1000, milliseconds(Setting.webSocketPingInterval, default: 0)))
  }

  /// Closes the connection in order to make it again at once with something new (A01, A02.FR.08).
  mutating func renewConnection(_ why: String) {
    guard isOnline, stopping == nil else { return }
    connection.isRenewing = true
    replaceConnection(why)
  }

  /// Gives a dead connection up; `linkDown` begins the next attempt.
  mutating func replaceConnection(_ why: String) {
    guard isOnline else { return }
    log(connection.isRenewing ? .notice : .warning, "closing the connection: \(why)")
    connection.state = .closing
    emit(.disconnect(code: 1001, reason: why))
    wentOffline()
  }
}

extension LinkDownReason {
  /// One line for the log.
  var text: String {
    switch self {
    case .connectFailed(let why): return "cannot connect: \(why)"
    case .timedOut: return "no answer in time"
    case .httpStatus(404): return "HTTP 404, the CSMS does not know this station (yet)"
    case .httpStatus(401): return "HTTP 401, the CSMS refuses the password"
    case .httpStatus(let status): return "HTTP \(status)"
    case .subprotocolMismatch(nil): return "the CSMS agreed to no subprotocol"
    case .subprotocolMismatch(let name?): return "the CSMS chose subprotocol \(name), which was not offered"
    case .badHandshake(let why): return "no WebSocket handshake: \(why)"
    case .tls(_, let why): return "no TLS connection: \(why)"
    case .unsupported(let what): return "not supported: \(what)"
    case .closedByPeer(let code, let reason): return "closed by the CSMS, \(code) \(reason)"
    case .closedByUs(let code, let reason): return "closed, \(code) \(reason)"
    case .lost(let why): return "lost: \(why)"
    }
  }
}
