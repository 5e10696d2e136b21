import NIOCore
import NIOEmbedded
import StationCore

@testable import CSMSLink

/// The link's TLS handler and a server, in memory: the test decides how the bytes are cut.
final class MemoryPair {
  let channel = EmbeddedChannel()
  let server: TLSServer
  let handler: TLSHandler
  private let collector = Collector()
  /// Bytes of each piece that goes to the client; asked before each.
  var pieceSize: () -> Int = { .max }
  private(set) var serverReceived: [UInt8] = []

  /// What came out of the handler.
  var errors: [TLSError] { collector.errors }
  var received: [UInt8] { collector.received }
  var isInactive: Bool { collector.isInactive }
  var session: TLSSession? { handler.session }

  final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var errors: [TLSError] = []
    var received: [UInt8] = []
    var isInactive = false
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      received += unwrapInboundIn(data).readableBytesView
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      errors.append(error as? TLSError ?? TLSError(.other, "not a TLS error: \(error)"))
    }
    func channelInactive(context: ChannelHandlerContext) { isInactive = true }
  }

  init(
    _ settings: ServerSettings, _ directory: CertificateDirectory, host: String = "localhost", profile: Int = 2,
    options: TLSOptions = TLSOptions(), sessions: TLSSessionCache = TLSSessionCache(), files: TLSFiles? = nil
  ) throws {
    server = try TLSServer(ServerContext(settings))
    let request = ConnectionRequest(
      url: "wss://\(host)/ocpp", identity: "x", basicAuthPassword: nil, subprotocols: ["ocpp2.0.1"],
      securityProfile: profile, timeout: 1000, maxMessageSize: 1000, tls: options)
    let endpoint = try Endpoint(url: request.url, identity: "x")
    let files = files ?? directory.files
    let transport = try Transport(
      request, endpoint, files: files, sessions: sessions,
      identity: Transport.needsIdentity(request, endpoint) ? IdentityOpener.opened(files, options) : nil)
    guard let tls = transport.tls else { throw Identity.Impossible() }
    handler = tls
    try channel.pipeline.syncOperations.addHandlers([tls, collector])
    channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
  }

  /// A channel that is not closed keeps itself and its handlers alive.
  deinit { _ = try? channel.finish(acceptAlreadyClosed: true) }

  /// Exchanges until both are silent.
  func run() {
    while exchange() {}
  }

  /// What the client has to say to the server, and back. False when nobody had anything to say.
  func exchange() -> Bool {
    var toServer: [UInt8] = []
    while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { toServer += buffer.readableBytesView }
    if !toServer.isEmpty { serverReceived += server.receive(toServer) }
    let toClient = server.takeOutput()
    deliver(toClient)
    return !toServer.isEmpty || !toClient.isEmpty
  }

  func deliver(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = rest.prefix(max(1, pieceSize()))
      rest = rest.dropFirst(piece.count)
      _ = try? channel.writeInbound(ByteBuffer(bytes: piece))
    }
  }

  func write(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

  /// The TCP connection ends from the server's side.
  func end() { channel.pipeline.fireChannelInactive() }
}
