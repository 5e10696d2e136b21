import NIOCore
import NIOPosix

/// The control socket's clients: accepts them, cuts their input into lines and sends them lines.
///
/// Limits: `clientLimit` clients, the next one gets one line saying so and is closed; a line longer than
/// `lineLimit` gets an error and its connection is closed, as nobody knows where the next one begins; a client that does not
/// read is not read from either, and is closed once `backlogLimit` bytes of events and answers wait for it.
final class ControlServer {
  static let clientLimit = 64
  static let lineLimit = 1 << 20
  static let backlogLimit = 4 << 20

  /// Called with every line, without its end, and the client it came from.
  var onLine: ((ControlClient, [UInt8]) -> Void)?
  /// Called when a client is gone.
  var onClosed: ((ControlClient) -> Void)?

  private let loop: any EventLoop
  private let file: ControlSocketFile
  private var channel: (any Channel)?
  private(set) var clients: [ControlClient.ID: ControlClient] = [:]
  private var nextID: ControlClient.ID = 0

  /// Takes over the listening socket; call on the loop.
  init(_ file: ControlSocketFile, on loop: any EventLoop) {
    self.file = file
    self.loop = loop
  }

  /// Begins to accept clients. Lines are delivered on the loop.
  func start(failed: @escaping (any Error) -> Void) {
    loop.preconditionInEventLoop()
    let server = NIOLoopBound(self, eventLoop: loop)
    ServerBootstrap(group: loop)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try server.value.accept(channel) }
      }
      .withBoundSocket(file.descriptor)
      .assumeIsolated()
      .whenComplete { result in
        switch result {
        case .success(let channel): server.value.channel = channel
        case .failure(let error): failed(error)
        }
      }
  }

  /// Stops accepting, removes the socket's file and closes all clients once what was written to them is out.
  func stop() {
    file.remove()
    channel?.close(promise: nil)
    channel = nil
    for client in clients.values { client.close() }
  }

  /// Takes a connection that was accepted; its lines come once it is active.
  func accept(_ channel: any Channel) throws {
    nextID += 1
    let client = ControlClient(id: nextID, channel: channel)
    try channel.pipeline.syncOperations.addHandler(ControlLineHandler(client: client, server: self))
  }

  /// False when there are too many clients.
  fileprivate func admit(_ client: ControlClient) -> Bool {
    guard clients.count < Self.clientLimit else { return false }
    clients[client.id] = client
    return true
  }

  fileprivate func received(_ line: [UInt8], from client: ControlClient) {
    onLine?(client, line)
  }

  fileprivate func closed(_ client: ControlClient) {
    guard clients.removeValue(forKey: client.id) != nil else { return }
    onClosed?(client)
  }
}

/// One connection to the control socket. Lives on the loop.
final class ControlClient {
  typealias ID = Int

  let id: ID
  /// The names of the events that it subscribed to.
  var subscriptions: Set<String> = []
  /// Commands that wait for the CSMS.
  var pending = 0
  /// The client has sent its last line; it is closed when nothing more is due to it.
  fileprivate(set) var inputEnded = false

  private let channel: any Channel
  private var backlog = 0

  init(id: ID, channel: any Channel) {
    self.id = id
    self.channel = channel
  }

  /// Sends one line; the line feed is added.
  func send(_ line: [UInt8]) {
    guard channel.isActive else { return }
    let size = line.count + 1
    guard backlog + size <= ControlServer.backlogLimit else {
      channel.close(promise: nil)
      return
    }
    backlog += size
    var buffer = channel.allocator.buffer(capacity: size)
    buffer.writeBytes(line)
    buffer.writeInteger(UInt8(ascii: "\n"))
    channel.writeAndFlush(buffer).assumeIsolated().whenComplete { _ in self.backlog -= size }
  }

  /// Closes the connection after what was sent before is out.
  func close() {
    channel.writeAndFlush(ByteBuffer()).assumeIsolated().whenComplete { _ in self.channel.close(promise: nil) }
  }

  /// Closes the connection when the client has ended its input and nothing more is due to it.
  func closeIfDone() {
    if inputEnded, pending == 0, subscriptions.isEmpty { close() }
  }
}

/// Cuts what a client sends into lines.
private final class ControlLineHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let client: ControlClient
  private let server: ControlServer
  private var buffer = ByteBuffer()
  /// How far the buffer is known to hold no line end.
  private var scanned = 0
  private var refused = false

  init(client: ControlClient, server: ControlServer) {
    self.client = client
    self.server = server
  }

  func channelActive(context: ChannelHandlerContext) {
    if !server.admit(client) {
      refuse("\(ControlServer.clientLimit) clients are connected, the limit of this socket")
    }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !refused else { return }
    var incoming = unwrapInboundIn(data)
    if buffer.readableBytes == 0 {
      buffer = incoming
    } else {
      buffer.writeBuffer(&incoming)
    }
    deliver(context)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    let writable = context.channel.isWritable
    context.channel.setOption(.autoRead, value: writable && !refused).assumeIsolated().whenFailure { _ in }
    if writable { deliver(context) }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed = event {
      if !refused, buffer.readableBytes > 0 {
        // A last line without its line end counts, as for most line-based tools.
        buffer.writeInteger(UInt8(ascii: "\n"))
        deliver(context)
      }
      client.inputEnded = true
      client.closeIfDone()
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    server.closed(client)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func deliver(_ context: ChannelHandlerContext) {
    while !refused, context.channel.isWritable {
      let readable = buffer.readableBytesView
      guard let end = readable.dropFirst(scanned).firstIndex(of: UInt8(ascii: "\n")) else {
        scanned = readable.count
        if scanned > ControlServer.lineLimit { refuseLength() }
        break
      }
      let length = end - readable.startIndex
      scanned = 0
      if length > ControlServer.lineLimit { return refuseLength() }
      guard var line = buffer.readBytes(length: length) else { return }
      buffer.moveReaderIndex(forwardBy: 1)
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if line.contains(where: { $0 != 0x20 && $0 != 0x09 }) { server.received(line, from: client) }
    }
    buffer.discardReadBytes()
  }

  private func refuseLength() {
    refuse("the line is longer than \(ControlServer.lineLimit) bytes")
  }

  private func refuse(_ why: String) {
    refused = true
    buffer.clear()
    client.send(Array(#"{"id":null,"ok":false,"error":"\#(why)"}"#.utf8))
    client.close()
  }
}
