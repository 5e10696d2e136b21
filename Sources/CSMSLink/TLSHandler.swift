import COpenSSL
import NIOCore
import StationCore

/// TLS between the socket and HTTP: OpenSSL between two buffers in memory.
///
/// - What is written before the handshake is done waits, up to `maxWaitingBytes`; then it goes out in order.
/// - The server's bytes may come in any pieces. Nothing is read of what follows its close_notify.
/// - A failure goes up the pipeline once, as `TLSError`, after our alert has been handed to the socket; the channel is then
///   closed. An end of the TCP connection during the handshake is such a failure. One after it, without close_notify,
///   is just an end: WebSocket has its own way to say that nothing is missing.
/// - Closing sends close_notify first.
///
/// The cryptography runs on the loop: some milliseconds for a full handshake on a small processor. A client key in a token
/// makes its one signature there too, as slow as the token is.
final class TLSHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// How much may be written before the handshake is done, bytes. What is written then is one HTTP request.
  static let maxWaitingBytes = 65_536
  /// Largest piece that is decrypted or encrypted at once, bytes: one record's worth.
  private static let pieceSize = 16_384

  private enum Phase {
    case handshaking
    case open
    /// The server has sent close_notify: only what we write still counts.
    case ended
    /// Failed, or closed by us.
    case failed
  }

  private let client: TLSClient
  private var phase = Phase.handshaking
  private var waiting: [(ByteBuffer, EventLoopPromise<Void>?)] = []
  private var waitingCount = 0
  private var isFlushWanted = false
  /// The first bytes of the server, until it is known whether they are TLS.
  private var beginning: [UInt8]? = []
  private var hasReceivedData = false

  init(_ client: TLSClient) {
    self.client = client
  }

  /// What the handshake came to; `nil` as long as it is not done.
  var session: TLSSession? { client.session }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { advance(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    advance(context)
    context.fireChannelActive()
  }

  // MARK: From the server

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard phase == .handshaking || phase == .open else { return }
    let bytes = unwrapInboundIn(data)
    if let error = look(at: bytes) { return fail(context, error) }
    guard client.feed(bytes) else { return fail(context, TLSError(.other, "TLS: out of memory")) }
    advance(context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    if phase == .handshaking {
      phase = .failed
      context.fireErrorCaught(
        client.error ?? TLSError(.other, "the server ended the TCP connection during the TLS handshake"))
    }
    dropWaiting()
    phase = .failed
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard phase == .handshaking else { return context.fireErrorCaught(error) }
    fail(context, TLSError(.other, "the TCP connection failed during the TLS handshake: \(describe(error))"))
  }

  /// Looks whether the first bytes can be TLS at all: a record of handshake or alert, version 3.x. OpenSSL's own word for
  /// that is about a wrong version, which would say something else.
  private func look(at bytes: ByteBuffer) -> TLSError? {
    guard var seen = beginning else { return nil }
    seen += bytes.readableBytesView.prefix(40 - seen.count)
    let isTLS = zip(seen, [0x15...0x16, 3...3] as [ClosedRange<UInt8>]).allSatisfy { $1.contains($0) }
    beginning = seen.count >= 2 ? nil : seen
    guard !isTLS else { return nil }
    return TLSError(.notTLS, "what answers does not speak TLS: \(excerpt(seen[...]))")
  }

  private func advance(_ context: ChannelHandlerContext) {
    if phase == .handshaking {
      let isDone = client.handshake()
      if client.error == nil { flushOutput(context) }
      if let error = client.error { return fail(context, error) }
      guard isDone else { return }
      phase = .open
      writeWaiting(context)
    }
    read(context)
  }

  private func read(_ context: ChannelHandlerContext) {
    while phase == .open {
      var buffer = context.channel.allocator.buffer(capacity: Self.pieceSize)
      switch client.read(into: &buffer, upTo: Self.pieceSize) {
      case .data:
        hasReceivedData = true
        context.fireChannelRead(wrapInboundOut(buffer))
      case .wantsInput:
        // Answers to what the server asked of the record layer.
        flushOutput(context)
        return
      case .closed:
        phase = .ended
        close(context: context, mode: .all, promise: nil)
      case .failed:
        fail(context, client.error ?? TLSError(.other, "TLS failed"))
      }
    }
  }

  // MARK: To the server

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let bytes = unwrapOutboundIn(data)
    switch phase {
    case .handshaking:
      guard bytes.readableBytes <= Self.maxWaitingBytes - waitingCount else {
        promise?.fail(TLSError(.other, "more than \(Self.maxWaitingBytes) bytes wait for the TLS handshake"))
        return
      }
      waitingCount += bytes.readableBytes
      waiting.append((bytes, promise))
    case .open, .ended:
      encrypt(context, bytes, promise)
    case .failed:
      promise?.fail(ChannelError.ioOnClosedChannel)
    }
  }

  func flush(context: ChannelHandlerContext) {
    guard phase != .handshaking else {
      isFlushWanted = true
      return
    }
    context.flush()
  }

  private func writeWaiting(_ context: ChannelHandlerContext) {
    let due = waiting
    waiting = []
    waitingCount = 0
    for (bytes, promise) in due { encrypt(context, bytes, promise) }
    if isFlushWanted { context.flush() }
    isFlushWanted = false
  }

  private func encrypt(_ context: ChannelHandlerContext, _ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
    var rest = bytes
    var output = context.channel.allocator.buffer(capacity: bytes.readableBytes + 256)
    while let piece = rest.readSlice(length: min(rest.readableBytes, Self.pieceSize)), piece.readableBytes > 0 {
      guard client.write(piece) else {
        let error = client.error ?? TLSError(.other, "TLS: nothing can be written after the end")
        promise?.fail(error)
        return fail(context, error)
      }
      client.takeOutput(into: &output)
    }
    context.write(wrapOutboundOut(output), promise: promise)
  }

  private func flushOutput(_ context: ChannelHandlerContext) {
    guard client.hasOutput else { return }
    var output = context.channel.allocator.buffer(capacity: 512)
    client.takeOutput(into: &output)
    context.writeAndFlush(wrapOutboundOut(output), promise: nil)
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    if phase == .open || phase == .ended {
      client.close()
      flushOutput(context)
    }
    phase = .failed
    dropWaiting()
    context.close(mode: mode, promise: promise)
  }

  // MARK: The end

  private func fail(_ context: ChannelHandlerContext, _ error: TLSError) {
    guard phase != .failed else { return }
    // TLS 1.3: the server judges the client certificate when for us the handshake is done. Its word is about that only as
    // long as it has not answered.
    var error = error
    if phase != .handshaking, hasReceivedData, error.failure == .clientCertificateRefused { error.failure = .other }
    phase = .failed
    flushOutput(context)
    dropWaiting()
    context.fireErrorCaught(error)
    context.close(promise: nil)
  }

  private func dropWaiting() {
    let dropped = waiting
    waiting = []
    waitingCount = 0
    for (_, promise) in dropped { promise?.fail(ChannelError.ioOnClosedChannel) }
  }
}
