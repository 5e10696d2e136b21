import NIOCore
import StationCore

/// The WebSocket connection to the CSMS, as the core wishes it: one connection at a time, opened, used and closed by
/// the calls below, which are the core's actions one to one.
///
/// What is guaranteed
/// - Each `connect` gives exactly one `LinkEvent.down`, whatever happens, with at most one `.up` before it; `.message`
///   and `.pong` come between the two only. After `.down` nothing of that connection is heard again and its socket is
///   closed, so the next `connect` may come at once.
/// - Before `.down`, at most the request's `timeout` passes while connecting, and at most `LinkLimits.closeWait` after a
///   `disconnect` or a failure, also when the peer is dead.
/// - `send` and `ping` without an open connection do nothing. A message handed to `send` may still be lost with the
///   connection; only the CSMS' answer proves that it arrived.
/// - Everything is bounded: the answer to the handshake in bytes and time, messages by `maxMessageSize`, what waits to
///   be sent by `LinkLimits.unsentBytes`.
///
/// Which end a connection took is told by `LinkDownReason`; what the peer does wrong is answered with the close code of
/// RFC 6455: 1002 protocol error (masked frame, reserved bit, unknown opcode, bad control frame, fragments out of order),
/// 1003 binary message, 1007 text that is not UTF-8, 1009 message too long.
///
/// The link does not decide anything: when to connect and where, back-off, how long a pong may take and which profile
/// comes next are the core's. A half-open connection is noticed by the core's ping timer (`ping`, no `.pong`,
/// `disconnect`).
///
/// Threads and ownership
/// - A link belongs to the one event loop it was made with. All calls must come on it (checked), and `onEvent` is called
///   on it. There is no other thread: no Swift concurrency, no shared event-loop group. Only a host *name* is resolved on
///   a thread of NIO's resolver, because `getaddrinfo` blocks; an IP address needs none; and the client certificate's key
///   is opened on one, because a token may take its time.
/// - `onEvent` is never called from inside `connect`, `send`, `ping` or `disconnect`: events that they cause come in a
///   later turn of the loop. So the runtime may execute a list of actions without being called back in the middle of it,
///   and may call the link from `onEvent`.
/// - The link owns its connection: the connection's objects (`Connection`, its two handlers) live from `connect` to
///   `.down` plus the moment the socket needs to close, are confined to the loop and never handed out. While a
///   connection lives it keeps the link alive; a link that is let go without `disconnect` keeps its connection.
///   Therefore end with `disconnect` and wait for `.down`.
/// - Message bytes are copied once in each direction, between `[UInt8]` and the channel's buffers; no buffer of the
///   channel escapes.
public final class CSMSLink {
  private let eventLoop: any EventLoop
  private let limits: LinkLimits
  private let files: TLSFiles?
  private let sessions = TLSSessionCache()
  private let identities = IdentityOpener()
  private let onEvent: (LinkEvent) -> Void
  private var connection: Connection?
  /// How many of the public calls are on the stack.
  private var calls = 0
  /// Events that wait for the next turn of the loop.
  private var waiting: [LinkEvent] = []

  /// - Parameters:
  ///   - eventLoop: the loop all calls come on; a loop of NIOPosix.
  ///   - files: certificates and keys; `nil`: there are none, and security profiles 2 and 3 give `noRoots`.
  ///   - onEvent: called on the loop, never from inside one of the calls below.
  public convenience init(eventLoop: any EventLoop, files: TLSFiles?, onEvent: @escaping (LinkEvent) -> Void) {
    self.init(eventLoop: eventLoop, files: files, limits: LinkLimits(), onEvent: onEvent)
  }

  init(eventLoop: any EventLoop, files: TLSFiles?, limits: LinkLimits, onEvent: @escaping (LinkEvent) -> Void) {
    self.eventLoop = eventLoop
    self.files = files
    self.limits = limits
    self.onEvent = onEvent
  }

  /// Opens a connection; answered by `.up` or `.down`. The core issues it only after the `.down` of the one before; if
  /// it does not, the new request gets a `.down` of its own and the connection that exists stays.
  public func connect(_ request: ConnectionRequest) {
    call {
      guard connection == nil else {
        emit(.down(.connectFailed("a connection exists already")))
        return
      }
      let connection = Connection(
        request, eventLoop: eventLoop, limits: limits, files: files, sessions: sessions, identities: identities
      ) { self.heard($0) }
      self.connection = connection
      connection.start()
    }
  }

  /// Sends one text message, UTF-8.
  public func send(_ message: [UInt8]) {
    call { connection?.send(message) }
  }

  /// Sends a ping; the next pong gives `.pong`.
  public func ping() {
    call { connection?.ping() }
  }

  /// Closes the connection, or gives up the attempt. An open one is closed by the closing handshake, with a bounded wait
  /// for the peer's part; after that wait, or with the code 1006 (which stands for "no close frame" and never goes on the
  /// wire) at once, the TCP connection is dropped. Messages that arrive after the call are discarded.
  ///
  /// - Parameters:
  ///   - code: 1000-1003, 1007-1014 or 3000-4999; any other sends a close frame without code.
  ///   - reason: cut to 123 bytes of UTF-8.
  public func disconnect(code: Int, reason: String) {
    call { connection?.disconnect(code: code, reason: reason) }
  }

  private func call(_ body: () -> Void) {
    eventLoop.preconditionInEventLoop()
    calls += 1
    body()
    calls -= 1
  }

  private func heard(_ event: LinkEvent) {
    if case .down = event { connection = nil }
    emit(event)
  }

  private func emit(_ event: LinkEvent) {
    guard calls > 0 || !waiting.isEmpty else {
      onEvent(event)
      return
    }
    waiting.append(event)
    if waiting.count == 1 { deliverInNextTurn() }
  }

  private func deliverInNextTurn() {
    eventLoop.assumeIsolated().execute {
      // What the receiver causes meanwhile waits for yet another turn.
      let due = self.waiting.count
      for index in 0..<due { self.onEvent(self.waiting[index]) }
      self.waiting.removeFirst(due)
      if !self.waiting.isEmpty { self.deliverInNextTurn() }
    }
  }
}

/// What bounds a connection besides its `ConnectionRequest`.
struct LinkLimits {
  /// How long a closing handshake may take, from our close frame or the answer to the peer's, to the end of the TCP
  /// connection.
  var closeWait = TimeAmount.seconds(2)
  /// How many bytes may wait for a peer that does not read. One message always fits; what comes on top of waiting bytes
  /// and exceeds this ends the connection.
  var unsentBytes = 1 << 20
}
