import Certificates
import NIOCore
import NIOPosix
import NIOWebSocket
import StationCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One attempt to connect and, if it succeeds, the connection: from `start` to its one `.down`.
///
/// Confined to the event loop; its handlers belong to it alone.
final class Connection {
  private enum Phase {
    /// The client certificate's key, DNS and TCP.
    case connecting
    /// The HTTP upgrade; TLS too, when there is some, since its handler holds the request back until it is done.
    case handshaking
    case open
    /// A close frame was sent; the end of the TCP connection is awaited and will be reported with this reason.
    case closing(LinkDownReason)
    case ended
  }

  private let request: ConnectionRequest
  private let eventLoop: any EventLoop
  private let limits: LinkLimits
  private let files: TLSFiles?
  private let sessions: TLSSessionCache
  private let identities: IdentityOpener
  private let report: (LinkEvent) -> Void
  private var tls: TLSHandler?
  private var phase = Phase.connecting
  /// The sockets: several while an attempt tries the addresses of a name, one from then on.
  private var channels: [any Channel] = []
  private var timer: Scheduled<Void>?
  private var assembler: MessageAssembler
  private var isPingUnanswered = false
  /// What the transport reported before it ended.
  private var transportError: String?

  init(
    _ request: ConnectionRequest, eventLoop: any EventLoop, limits: LinkLimits, files: TLSFiles?,
    sessions: TLSSessionCache, identities: IdentityOpener, report: @escaping (LinkEvent) -> Void
  ) {
    self.request = request
    self.eventLoop = eventLoop
    self.limits = limits
    self.files = files
    self.sessions = sessions
    self.identities = identities
    self.report = report
    assembler = MessageAssembler(maxMessageSize: max(request.maxMessageSize, 1))
  }

  // MARK: Connecting

  func start() {
    let endpoint: Endpoint
    do {
      endpoint = try Endpoint(url: request.url, identity: request.identity)
    } catch {
      return end(.connectFailed(error.text))
    }
    if let problem = problemOfRequest { return end(.connectFailed(problem)) }
    let timeout = TimeAmount.milliseconds(min(max(request.timeout, 1), 3_600_000))
    setTimer(timeout) { $0.end(.timedOut) }
    guard let files, Transport.needsIdentity(request, endpoint) else { return connect(endpoint, timeout, nil) }
    identities.open(files, request.tls, on: eventLoop) { self.connect(endpoint, timeout, $0) }
  }

  private func connect(_ endpoint: Endpoint, _ timeout: TimeAmount, _ identity: IdentityOpener.Answer?) {
    guard case .connecting = phase else { return }
    if case .success(let shown) = identity, let problem = shown.problem {
      report(.warning("\(problem); the client certificate in \(shown.own.certificateFile) is shown instead"))
    }
    do {
      tls = try Transport(request, endpoint, files: files, sessions: sessions, identity: identity).tls
    } catch {
      return end(error.reason)
    }
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    let bootstrap = ClientBootstrap(group: eventLoop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(
        .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 16_384)
      )
      // Ours, above, is the one that decides.
      .connectTimeout(timeout + .seconds(1))
      .channelInitializer { channel in
        guard bound.value.adopt(channel) else {
          return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        return channel.eventLoop.makeSucceededVoidFuture()
      }
    let connected =
      if let address = try? SocketAddress(ipAddress: endpoint.host, port: endpoint.port) {
        bootstrap.connect(to: address)
      } else {
        bootstrap.connect(host: endpoint.host, port: endpoint.port)
      }
    connected.assumeIsolated().whenComplete { self.connected($0, endpoint) }
  }

  private var problemOfRequest: String? {
    if request.basicAuthPassword != nil, request.identity.contains(":") {
      return "the station identity \"\(request.identity)\" contains a colon, which Basic authentication cannot carry"
    }
    if request.subprotocols.isEmpty { return "there is no subprotocol to offer" }
    if let bad = request.subprotocols.first(where: { $0.isEmpty || !$0.utf8.allSatisfy(\.isTokenCharacter) }) {
      return "\"\(bad)\" cannot be the name of a subprotocol"
    }
    return nil
  }

  /// Takes a socket of the attempt before it connects, so that giving up can close it.
  private func adopt(_ channel: any Channel) -> Bool {
    guard case .connecting = phase else { return false }
    channels.append(channel)
    return true
  }

  private func connected(_ result: Result<any Channel, any Error>, _ endpoint: Endpoint) {
    guard case .connecting = phase else {
      if case .success(let channel) = result { channel.close(promise: nil) }
      return
    }
    do {
      let channel = try result.get()
      channels = [channel]
      phase = .handshaking
      let handshake = Handshake(
        endpoint: endpoint, identity: request.identity, password: request.basicAuthPassword,
        subprotocols: request.subprotocols, key: (0..<16).map { _ in .random(in: 0...255) })
      let pipeline = channel.pipeline.syncOperations
      if let tls { try pipeline.addHandler(tls) }
      try pipeline.addHandler(HandshakeHandler(self, handshake))
      pipeline.writeAndFlush(NIOAny(channel.allocator.buffer(bytes: handshake.request)), promise: nil)
    } catch {
      end(.connectFailed(describe(error)))
    }
  }

  // MARK: The handshake's answer, told by its handler

  /// Puts the frame handlers behind `context` and lets the frames in `rest` follow.
  func agreed(subprotocol: String, rest: [UInt8], _ context: ChannelHandlerContext, _ handler: HandshakeHandler) {
    guard case .handshaking = phase else { return }
    do {
      try context.pipeline.syncOperations.addHandlers([
        WebSocketFrameEncoder(),
        // A control frame must fit, however small the limit of messages is.
        ByteToMessageHandler(
          WebSocketFrameDecoder(maxFrameSize: min(max(request.maxMessageSize, 125), 1 << 30))),
        FrameHandler(self),
      ])
    } catch {
      return end(.badHandshake(describe(error)))
    }
    timer?.cancel()
    phase = .open
    report(.up(subprotocol: subprotocol, tls: tls?.session))
    guard context.channel.isActive else { return }
    if !rest.isEmpty { context.fireChannelRead(NIOAny(context.channel.allocator.buffer(bytes: rest))) }
    context.pipeline.syncOperations.removeHandler(handler, promise: nil)
  }

  func refused(_ reason: LinkDownReason) {
    guard case .handshaking = phase else { return }
    end(reason)
  }

  // MARK: Open

  func send(_ message: [UInt8]) {
    guard case .open = phase else { return }
    write(.text, Self.buffer(message))
  }

  /// The message in a buffer with room for the frame's header in front, which the encoder then needs not write apart.
  private static func buffer(_ message: [UInt8]) -> ByteBuffer {
    let headerLength = 14
    var buffer = ByteBufferAllocator().buffer(capacity: headerLength + message.count)
    buffer.writeRepeatingByte(0, count: headerLength)
    buffer.moveReaderIndex(forwardBy: headerLength)
    buffer.writeBytes(message)
    return buffer
  }

  func ping() {
    guard case .open = phase else { return }
    isPingUnanswered = true
    write(.ping, ByteBuffer())
  }

  func received(_ frame: WebSocketFrame) {
    guard case .open = phase else { return }
    switch assembler.take(frame) {
    case .needsMore:
      break
    case .message(let message):
      report(.message(message))
    case .ping(let data):
      write(.pong, data)
    case .pong:
      // A pong nobody asked for is allowed and means nothing.
      guard isPingUnanswered else { return }
      isPingUnanswered = false
      report(.pong)
    case .close(let code, let reason):
      close(code: code, reason: "", .closedByPeer(code: code, reason: reason))
    case .failure(let code, let text):
      fail(code, text)
    }
  }

  /// Writes a frame unless the peer has left too much unread.
  private func write(_ opcode: WebSocketOpcode, _ data: ByteBuffer) {
    guard case .open = phase, let channel = channels.first else { return }
    let unsent = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    guard unsent == 0 || data.readableBytes <= limits.unsentBytes - unsent else {
      return end(.lost("the peer does not read: \(unsent) bytes are unsent"))
    }
    writeFrame(opcode, data, to: channel)
  }

  private func writeFrame(_ opcode: WebSocketOpcode, _ data: ByteBuffer, to channel: any Channel) {
    let frame = WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data)
    channel.pipeline.syncOperations.writeAndFlush(NIOAny(frame), promise: nil)
  }

  // MARK: The end

  func disconnect(code: Int, reason: String) {
    let down = LinkDownReason.closedByUs(code: code, reason: reason)
    switch phase {
    case .connecting, .handshaking:
      end(down)
    case .open:
      guard code == CloseCode.abnormal else { return close(code: code, reason: reason, down) }
      cut(down)
    case .closing(let begun):
      if code == CloseCode.abnormal { cut(begun) }
    case .ended:
      break
    }
  }

  private func fail(_ code: CloseCode, _ text: String) {
    close(code: code.rawValue, reason: text, .closedByUs(code: code.rawValue, reason: text))
  }

  /// Sends the close frame and waits, bounded, for the end of the TCP connection, which is the server's to make.
  private func close(code: Int, reason: String, _ down: LinkDownReason) {
    guard case .open = phase, let channel = channels.first else { return }
    phase = .closing(down)
    setTimer(limits.closeWait) { $0.end(down) }
    writeFrame(.connectionClose, CloseCode.frameData(code: code, reason: reason), to: channel)
  }

  /// Told by the handlers: something went wrong in the pipeline.
  func caught(_ error: any Error) {
    switch (phase, error) {
    case (.handshaking, let error as TLSError):
      end(.tls(error.failure, error.text))
    case (.open, NIOWebSocketError.invalidFrameLength):
      fail(.messageTooBig, "frame longer than \(request.maxMessageSize) bytes")
    case (.open, NIOWebSocketError.multiByteControlFrameLength):
      fail(.protocolError, "control frame longer than 125 bytes")
    case (.open, NIOWebSocketError.fragmentedControlFrame):
      fail(.protocolError, "fragmented control frame")
    case (.closing, is ByteToMessageDecoderError), (.closing, is NIOWebSocketError):
      // The input is not read any more.
      break
    case (_, ByteToMessageDecoderError.leftoverDataWhenDone):
      transportError = transportError ?? "the TCP connection ended inside a frame"
    default:
      transportError = transportError ?? describe(error)
      for channel in channels { channel.close(promise: nil) }
    }
  }

  /// Told by the handlers: the TCP connection is gone.
  func inactive(answerBytes: Int = 0) {
    switch phase {
    case .connecting, .ended:
      break
    case .handshaking:
      end(
        .badHandshake("\(transportError ?? "the server ended the connection") after \(answerBytes) bytes of the answer")
      )
    case .open:
      end(.lost(transportError ?? "the peer ended the TCP connection without a close frame"))
    case .closing(let down):
      end(down)
    }
  }

  /// Ends at once; what waits to be sent, in the kernel too, is thrown away.
  private func cut(_ reason: LinkDownReason) {
    for case let socket as any SocketOptionProvider in channels {
      _ = socket.setSoLinger(linger(l_onoff: 1, l_linger: 0))
    }
    end(reason)
  }

  private func end(_ reason: LinkDownReason) {
    if case .ended = phase { return }
    phase = .ended
    timer?.cancel()
    timer = nil
    let sockets = channels
    channels = []
    tls = nil
    for channel in sockets { channel.close(promise: nil) }
    report(.down(reason))
  }

  private func setTimer(_ delay: TimeAmount, _ action: @escaping (Connection) -> Void) {
    timer?.cancel()
    timer = eventLoop.assumeIsolated().scheduleTask(in: delay) { action(self) }
  }
}
