import NIOCore
import StationCore

@testable import CSMSLink

/// A link on its loop, driven from a test. Notes every event, and whether one ever came from inside a call or off the
/// loop.
final class LinkUnderTest: Sendable {
  struct Misbehaviour: Error {}

  private struct State {
    var link: CSMSLink?
    var isInCall = false
    var onEvent: ((LinkEvent, CSMSLink) -> Void)?
  }

  private let state: NIOLoopBoundBox<State>
  private let events: TestQueue<LinkEvent>

  init(closeWait: TimeAmount = .seconds(20), unsentBytes: Int = 1 << 20, files: TLSFiles? = nil) async throws {
    let loop = Loops.link
    state = .makeBoxSendingValue(State(), eventLoop: loop)
    events = TestQueue(loop, "link event")
    let limits = (closeWait, unsentBytes)
    try await loop.submit { [state, events] in
      state.value.link = CSMSLink(
        eventLoop: loop, files: files, limits: LinkLimits(closeWait: limits.0, unsentBytes: limits.1)
      ) { event in
        loop.preconditionInEventLoop()
        precondition(!state.value.isInCall, "event from inside a call")
        events.push(event)
        if let link = state.value.link { state.value.onEvent?(event, link) }
      }
    }.get()
  }

  /// The link's callback holds what holds the link.
  deinit { Loops.link.execute { [state] in state.value = State() } }

  /// Runs `body` on the loop, as the runtime does when it executes actions.
  func run(_ body: @escaping @Sendable (CSMSLink) -> Void) {
    Loops.link.execute { [state] in
      state.value.isInCall = true
      if let link = state.value.link { body(link) }
      state.value.isInCall = false
    }
  }

  /// What to do when an event comes, from inside the callback.
  func onEvent(_ body: @escaping @Sendable (LinkEvent, CSMSLink) -> Void) {
    Loops.link.execute { [state] in state.value.onEvent = body }
  }

  /// Among all tests of the package a step may wait for a minute until there is a thread for it.
  func connect(
    _ url: String, identity: String = "CS001", password: String? = nil, subprotocols: [String] = ["ocpp2.0.1"],
    profile: Int = 1, timeout: Int64 = 600_000, maxMessageSize: Int = 65_536, tls: TLSOptions = TLSOptions()
  ) {
    let request = ConnectionRequest(
      url: url, identity: identity, basicAuthPassword: password, subprotocols: subprotocols, securityProfile: profile,
      timeout: timeout, maxMessageSize: maxMessageSize, tls: tls)
    run { $0.connect(request) }
  }

  func send(_ text: String) { run { $0.send(Array(text.utf8)) } }
  func disconnect(code: Int = 1000, reason: String = "") { run { $0.disconnect(code: code, reason: reason) } }

  func next() async throws -> LinkEvent { try await events.next() }

  /// Events that came and were not asked for, after everything that was under way on the loop.
  func rest() async throws -> [LinkEvent] {
    for _ in 0..<3 { try await Loops.link.submit {}.get() }
    return try await events.rest()
  }
}

extension LinkEvent {
  /// The message of `.message`, as text.
  var text: String? {
    if case .message(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
  }

  /// The reason of `.down`.
  var downReason: LinkDownReason? { if case .down(let reason) = self { reason } else { nil } }

  /// How a TLS connection failed.
  var tlsFailure: (failure: TLSFailure, text: String)? {
    if case .tls(let failure, let text) = downReason { (failure, text) } else { nil }
  }

  /// The session of `.up`.
  var tlsSession: TLSSession? { if case .up(_, let session) = self { session } else { nil } }

  /// The text of a `.down` with `badHandshake`, `connectFailed`, `lost` or `unsupported`.
  var problem: String? {
    switch downReason {
    case .badHandshake(let text), .connectFailed(let text), .lost(let text), .unsupported(let text): text
    default: nil
    }
  }
}
