import NIOCore
import NIOWebSocket

/// Feeds the bytes of the server's answer to the handshake, until that is decided.
final class HandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let connection: Connection
  private var handshake: Handshake
  private var isDecided = false

  init(_ connection: Connection, _ handshake: Handshake) {
    self.connection = connection
    self.handshake = handshake
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isDecided else { return context.fireChannelRead(data) }
    switch handshake.receive(unwrapInboundIn(data).readableBytesView) {
    case .needsMore:
      break
    case .agreed(let subprotocol, let rest):
      isDecided = true
      connection.agreed(subprotocol: subprotocol, rest: rest, context, self)
    case .refused(let reason):
      isDecided = true
      connection.refused(reason)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    connection.inactive(answerBytes: handshake.receivedCount)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard !isDecided else { return context.fireErrorCaught(error) }
    connection.caught(error)
  }
}

/// The end of the pipeline of an open connection.
final class FrameHandler: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame

  private let connection: Connection

  init(_ connection: Connection) {
    self.connection = connection
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.received(unwrapInboundIn(data))
  }

  func channelInactive(context: ChannelHandlerContext) {
    connection.inactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    connection.caught(error)
  }
}
