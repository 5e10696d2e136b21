import CTLSPeer
import NIOCore

/// What a server of a test is like.
struct ServerSettings: Sendable {
  var identity: Identity
  var intermediate: Identity?
  var versions: ClosedRange<Int32> = 0x0303...0x0304
  var ciphers: String?
  var clientAuthority: Identity?
  var ocsp: [UInt8] = []
  /// Bytes of one write to the socket; `nil`: all at once.
  var pieces: Int?

  static let tls12: ClosedRange<Int32> = 0x0303...0x0303
  static let tls13: ClosedRange<Int32> = 0x0304...0x0304
}

/// Server connections that share settings and the sessions to resume.
final class ServerContext: @unchecked Sendable {
  let pointer: OpaquePointer
  let settings: ServerSettings

  init(_ settings: ServerSettings) throws {
    self.settings = settings
    let ciphers = settings.ciphers.map { Array($0.utf8CString) }
    let made = settings.ocsp.withUnsafeBufferPointer { ocsp in
      func make(_ ciphers: UnsafePointer<CChar>?) -> OpaquePointer? {
        var values = tlspeer_settings(
          identity: settings.identity.pointer, intermediate: settings.intermediate?.pointer,
          min_version: settings.versions.lowerBound, max_version: settings.versions.upperBound, cipher_list: ciphers,
          client_authority: settings.clientAuthority?.pointer, ocsp: ocsp.baseAddress, ocsp_count: ocsp.count)
        return tlspeer_context_new(&values)
      }
      guard let ciphers else { return make(nil) }
      return ciphers.withUnsafeBufferPointer { make($0.baseAddress) }
    }
    guard let made else { throw Identity.Impossible() }
    pointer = made
  }

  deinit { tlspeer_context_free(pointer) }
}

/// The server's side of one connection in memory.
final class TLSServer {
  private let pointer: OpaquePointer
  private let context: ServerContext
  private(set) var isEstablished = false
  private(set) var hasFailed = false
  private(set) var isClosedByClient = false

  init(_ context: ServerContext) throws {
    self.context = context
    guard let made = tlspeer_server_new(context.pointer) else { throw Identity.Impossible() }
    pointer = made
  }

  deinit { tlspeer_server_free(pointer) }

  /// Takes bytes of the client; returns what they decrypt to.
  func receive(_ bytes: [UInt8]) -> [UInt8] {
    tlspeer_feed(pointer, bytes, bytes.count)
    if !isEstablished {
      let result = tlspeer_handshake(pointer)
      if result < 0 { hasFailed = true }
      guard result == 1 else { return [] }
      isEstablished = true
    }
    var plain: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = tlspeer_read(pointer, &buffer, buffer.count)
      guard count > 0 else {
        if count == -1 { isClosedByClient = true }
        if count == -2 { hasFailed = true }
        return plain
      }
      plain += buffer[..<count]
    }
  }

  func send(_ bytes: [UInt8]) { _ = tlspeer_write(pointer, bytes, bytes.count) }
  func close() { tlspeer_close(pointer) }
  func renegotiate() -> Bool { tlspeer_renegotiate(pointer) == 1 }

  /// What is to be sent to the client.
  func takeOutput() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: tlspeer_output_count(pointer))
    let count = tlspeer_take_output(pointer, &bytes, bytes.count)
    return Array(bytes.prefix(count))
  }

  var wasResumed: Bool { tlspeer_was_resumed(pointer) != 0 }
  var serverName: String { String(cString: tlspeer_server_name(pointer)) }
  var fragmentLength: Int { Int(tlspeer_fragment_length(pointer)) }
  var error: String { String(cString: tlspeer_error(pointer)) }
  var clientName: String {
    var buffer = [CChar](repeating: 0, count: 128)
    tlspeer_client_name(pointer, &buffer, buffer.count)
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// TLS in front of a `Peer`.
final class TLSServerHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  let server: TLSServer
  private let pieces: Int?

  init(_ context: ServerContext) throws {
    server = try TLSServer(context)
    pieces = context.settings.pieces
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let plain = server.receive(Array(unwrapInboundIn(data).readableBytesView))
    flushOutput(context)
    if !plain.isEmpty { context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: plain))) }
    if server.hasFailed || server.isClosedByClient { context.close(promise: nil) }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    server.send(Array(unwrapOutboundIn(data).readableBytesView))
    flushOutput(context)
    promise?.succeed()
  }

  func flushOutput(_ context: ChannelHandlerContext) {
    let bytes = server.takeOutput()
    guard !bytes.isEmpty else { return }
    for start in stride(from: 0, to: bytes.count, by: pieces ?? bytes.count) {
      let piece = bytes[start..<min(start + (pieces ?? bytes.count), bytes.count)]
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: piece)), promise: nil)
    }
  }
}
