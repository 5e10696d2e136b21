import NIOCore
import NIOPosix
import OCPP
import StationCore

@testable import CSMSLink

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A TCP server on the loopback whose every byte the test decides.
final class Peer: Sendable {
  enum Chunk: Sendable, Equatable {
    case bytes([UInt8])
    /// The end of the connection, orderly or not.
    case end
  }

  struct Accepted: Sendable {
    var channel: any Channel
    var chunks: TestQueue<Chunk>
  }

  private let listener: any Channel
  private let accepted: TestQueue<Accepted>
  let port: Int
  private let isTLS: Bool
  var url: String { url(host: "127.0.0.1") }
  func url(host: String) -> String { "\(isTLS ? "wss" : "ws")://\(host):\(port)/ocpp" }

  /// - Parameters:
  ///   - accepts: false leaves connections in the backlog of one.
  ///   - tls: TLS in front of it.
  init(accepts: Bool = true, tls: ServerContext? = nil) async throws {
    isTLS = tls != nil
    let accepted = TestQueue<Accepted>(Loops.peer, "connection to the peer")
    self.accepted = accepted
    listener = try await ServerBootstrap(group: Loops.peer)
      .serverChannelOption(.backlog, value: Int32(accepts ? 64 : 1))
      .serverChannelOption(.autoRead, value: accepts)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let chunks = TestQueue<Chunk>(Loops.peer, "bytes from the link")
          if let tls { try channel.pipeline.syncOperations.addHandler(try TLSServerHandler(tls)) }
          try channel.pipeline.syncOperations.addHandler(ChunkHandler(chunks))
          accepted.push(Accepted(channel: channel, chunks: chunks))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = listener.localAddress?.port ?? 0
  }

  func accept() async throws -> PeerConnection { PeerConnection(try await accepted.next()) }

  /// Accepts, agrees on `ocpp2.0.1` and expects the link to be up.
  func acceptAndUpgrade(_ link: LinkUnderTest) async throws -> PeerConnection {
    let connection = try await accept()
    try await connection.upgrade()
    guard case .up = try await link.next() else { throw LinkUnderTest.Misbehaviour() }
    return connection
  }

  func stop() async throws { try await listener.close() }

  private final class ChunkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let chunks: TestQueue<Chunk>
    private var isEnded = false

    init(_ chunks: TestQueue<Chunk>) { self.chunks = chunks }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      chunks.push(.bytes(Array(unwrapInboundIn(data).readableBytesView)))
    }

    func channelInactive(context: ChannelHandlerContext) {
      if !isEnded { chunks.push(.end) }
      isEnded = true
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}

/// The peer's end of one connection.
final class PeerConnection {
  struct Frame: Equatable {
    var fin = true
    var opcode: UInt8
    var isMasked = true
    var payload: [UInt8]

    var text: String { String(decoding: payload, as: UTF8.self) }
    /// The code and reason of a close frame.
    var close: (code: Int, reason: String)? {
      guard opcode == 8, payload.count >= 2 else { return nil }
      return (Int(payload[0]) << 8 | Int(payload[1]), String(decoding: payload[2...], as: UTF8.self))
    }
  }

  let channel: any Channel
  private let chunks: TestQueue<Peer.Chunk>
  private var buffer: [UInt8] = []
  private(set) var isEnded = false

  init(_ accepted: Peer.Accepted) {
    channel = accepted.channel
    chunks = accepted.chunks
  }

  /// Looks at the server's side of TLS, or has it do something, on its loop.
  func tls<T: Sendable>(_ body: @escaping @Sendable (TLSServer) throws -> T) async throws -> T {
    let channel = channel
    return try await channel.eventLoop.submit {
      let pipeline = channel.pipeline.syncOperations
      let handler = try pipeline.handler(type: TLSServerHandler.self)
      let result = try body(handler.server)
      handler.flushOutput(try pipeline.context(handler: handler))
      return result
    }.get()
  }

  // MARK: Reading

  private func fill() async throws {
    guard !isEnded else { throw TookTooLong(description: "the link ended the connection") }
    switch try await chunks.next() {
    case .bytes(let bytes): buffer += bytes
    case .end: isEnded = true
    }
  }

  /// Something of the link has come: a peer that closes before it has read it resets the connection, and what it wrote is lost.
  func hear() async throws { try await fill() }

  /// The lines of the link's HTTP request.
  func readHead() async throws -> [String] {
    while true {
      if let end = buffer.indices.first(where: { buffer[$0...].starts(with: Array("\r\n\r\n".utf8)) }) {
        let text = String(decoding: buffer[..<end], as: UTF8.self)
        buffer.removeFirst(end + 4)
        return text.split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
      }
      try await fill()
    }
  }

  /// The next frame of the link, or `nil` when the connection ended.
  func readFrame() async throws -> Frame? {
    while true {
      if let frame = takeFrame() { return frame }
      if isEnded { return nil }
      try await fill()
    }
  }

  private func takeFrame() -> Frame? {
    guard buffer.count >= 2 else { return nil }
    var length = Int(buffer[1] & 0x7F)
    var index = 2
    let extended = length == 126 ? 2 : length == 127 ? 8 : 0
    guard buffer.count >= index + extended else { return nil }
    if extended > 0 { length = buffer[index..<(index + extended)].reduce(0) { $0 << 8 | Int($1) } }
    index += extended
    let isMasked = buffer[1] & 0x80 != 0
    guard buffer.count >= index + (isMasked ? 4 : 0) + length else { return nil }
    let mask = isMasked ? Array(buffer[index..<(index + 4)]) : [0, 0, 0, 0]
    index += isMasked ? 4 : 0
    let payload = buffer[index..<(index + length)].enumerated().map { $1 ^ mask[$0 % 4] }
    let frame = Frame(fin: buffer[0] & 0x80 != 0, opcode: buffer[0] & 0x0F, isMasked: isMasked, payload: payload)
    buffer.removeFirst(index + length)
    return frame
  }

  /// Everything up to the end of the connection.
  func readToEnd() async throws -> [UInt8] {
    while !isEnded { try await fill() }
    defer { buffer = [] }
    return buffer
  }

  // MARK: Writing

  func write(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
  func write(_ text: String) { write(Array(text.utf8)) }

  /// The 101 answer to the request in `head`.
  static func answer(to head: [String], subprotocol: String? = "ocpp2.0.1", extra: String = "") -> String {
    let keyLine = head.first { $0.hasPrefix("Sec-WebSocket-Key: ") } ?? ""
    let key = keyLine.dropFirst("Sec-WebSocket-Key: ".count)
    let accept = base64(sha1(Array("\(key)258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)))
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Accept: \(accept)\r\n"
      + (subprotocol.map { "Sec-WebSocket-Protocol: \($0)\r\n" } ?? "") + extra + "\r\n"
  }

  @discardableResult
  func upgrade(subprotocol: String? = "ocpp2.0.1") async throws -> [String] {
    let head = try await readHead()
    write(Self.answer(to: head, subprotocol: subprotocol))
    return head
  }

  /// A frame as a server writes it; `first` is its first byte (FIN 0x80, reserved bits 0x70, opcode 0x0F).
  static func frame(_ first: UInt8, _ payload: [UInt8], mask: [UInt8]? = nil) -> [UInt8] {
    var bytes = [first]
    let maskBit: UInt8 = mask == nil ? 0 : 0x80
    switch payload.count {
    case ..<126: bytes.append(maskBit | UInt8(payload.count))
    case ..<65_536: bytes += [maskBit | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
    default:
      bytes.append(maskBit | 127)
      bytes += (0..<8).reversed().map { UInt8(truncatingIfNeeded: payload.count >> ($0 * 8)) }
    }
    if let mask {
      bytes += mask
      bytes += payload.enumerated().map { $1 ^ mask[$0 % 4] }
    } else {
      bytes += payload
    }
    return bytes
  }

  func writeText(_ text: String) { write(Self.frame(0x81, Array(text.utf8))) }

  func writeClose(_ code: Int, _ reason: String = "") {
    write(Self.frame(0x88, [UInt8(code >> 8), UInt8(code & 0xFF)] + Array(reason.utf8)))
  }

  // MARK: Ending

  func close() { channel.close(promise: nil) }

  /// Ends the connection by RST.
  func reset() async throws {
    if let socket = channel as? any SocketOptionProvider {
      try await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
    }
    close()
  }
}
