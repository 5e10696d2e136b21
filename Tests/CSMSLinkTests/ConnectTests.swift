import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import OCPP
import StationCore
import Testing

@testable import CSMSLink

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How an attempt to connect can end.
@Suite struct ConnectTests {
  // Proves: A00.FR.203, A00.FR.204
  @Test func requestOnTheWire() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url, identity: "CS|1", password: "0123456789abcdef", subprotocols: ["ocpp2.1", "ocpp2.0.1"])
    let connection = try await peer.accept()
    let head = try await connection.readHead()
    #expect(head.first == "GET /ocpp/CS%7C1 HTTP/1.1")
    #expect(head.contains("Host: 127.0.0.1:\(peer.port)"))
    #expect(head.contains("Sec-WebSocket-Protocol: ocpp2.1, ocpp2.0.1"))
    #expect(head.contains("Authorization: Basic " + base64(Array("CS|1:0123456789abcdef".utf8))))
    connection.write(PeerConnection.answer(to: head, subprotocol: "ocpp2.0.1"))
    #expect(try await link.next() == .up(subprotocol: "ocpp2.0.1"))
    connection.close()
    #expect(try await link.next().downReason != nil)
  }

  @Test func everyAttemptHasAnotherKeyAndTheSamePassword() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    var keys: Set<String> = []
    for _ in 0..<3 {
      link.connect(peer.url, password: "secret")
      let connection = try await peer.accept()
      let head = try await connection.readHead()
      #expect(head.contains("Authorization: Basic " + base64(Array("CS001:secret".utf8))))
      keys.formUnion(head.filter { $0.hasPrefix("Sec-WebSocket-Key: ") })
      connection.write("HTTP/1.1 401 Unauthorized\r\n\r\n")
      #expect(try await link.next() == .down(.httpStatus(401)))
    }
    #expect(keys.count == 3)
    #expect(try await link.rest().isEmpty)
  }

  /// Against a server that is not ours: NIO's upgrader computes the accept key and decodes our frames.
  @Test func talksToAnIndependentServer() async throws {
    let upgrader = NIOWebSocketServerUpgrader(
      maxFrameSize: 65_536,
      shouldUpgrade: { channel, head in
        channel.eventLoop.makeSucceededFuture(
          head.uri == "/ocpp/CS001" ? ["Sec-WebSocket-Protocol": "ocpp2.0.1"] : nil)
      },
      upgradePipelineHandler: { channel, _ in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
      })
    let listener = try await ServerBootstrap(group: Loops.peer)
      .childChannelInitializer { channel in
        channel.pipeline.configureHTTPServerPipeline(
          withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in }))
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let link = try await LinkUnderTest()
    link.connect("ws://localhost:\(listener.localAddress?.port ?? 0)/ocpp")
    #expect(try await link.next() == .up(subprotocol: "ocpp2.0.1"))
    for text in ["", "[]", "äöü€😀", String(repeating: "x", count: 125), String(repeating: "y", count: 65_000)] {
      link.send(text)
      #expect(try await link.next().text == text)
    }
    link.run { $0.ping() }
    #expect(try await link.next() == .pong)
    link.disconnect(code: 1001, reason: "bye")
    #expect(try await link.next() == .down(.closedByUs(code: 1001, reason: "bye")))
    try await listener.close()
  }

  private final class Echo: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let frame = unwrapInboundIn(data)
      let opcode: WebSocketOpcode = frame.opcode == .ping ? .pong : frame.opcode
      let answer = WebSocketFrame(fin: true, opcode: opcode, data: frame.unmaskedData)
      context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
      if opcode == .connectionClose { context.close(promise: nil) }
    }
  }

  @Test func refusedPort() async throws {
    let peer = try await Peer()
    try await peer.stop()
    let link = try await LinkUnderTest()
    link.connect(peer.url)
    #expect(try await link.next() == .down(.connectFailed("Connection refused")))
    link.connect("ws://localhost:\(peer.port)")
    let problem = try #require(try await link.next().problem)
    #expect(problem.contains("127.0.0.1:\(peer.port): Connection refused"), "\(problem)")
  }

  @Test func nameThatCannotBeResolved() async throws {
    let link = try await LinkUnderTest()
    // A label of more than 63 characters never reaches a name server.
    let name = String(repeating: "x", count: 64) + ".invalid"
    link.connect("ws://\(name):9")
    let problem = try #require(try await link.next().problem)
    #expect(problem.hasPrefix("cannot resolve \"\(name)\": "), "\(problem)")
  }

  @Test func requestsThatCannotBeCarriedOut() async throws {
    let link = try await LinkUnderTest()
    link.connect("http://h")
    #expect(try await link.next() == .down(.connectFailed("URL \"http://h\": expected ws:// or wss:// at the start")))
    link.connect("ws://127.0.0.1:1", identity: "a:b", password: "x")
    #expect(try await link.next().problem?.contains("colon") == true)
    link.connect("ws://127.0.0.1:1", subprotocols: [])
    #expect(try await link.next() == .down(.connectFailed("there is no subprotocol to offer")))
    link.connect("ws://127.0.0.1:1", subprotocols: ["ocpp2.0.1", "a\r\nb"])
    #expect(try await link.next().problem?.contains("cannot be the name") == true)
    link.connect("wss://127.0.0.1:1", profile: 2)
    #expect(
      try await link.next()
        == .down(.tls(.noRoots, "there is no certificate directory, so the CSMS cannot be verified")))
    #expect(try await link.rest().isEmpty)
  }

  @Test(arguments: [404, 401, 302, 500, 200])
  func httpStatus(_ status: Int) async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url)
    let connection = try await peer.accept()
    _ = try await connection.readHead()
    connection.write("HTTP/1.1 \(status) Whatever\r\nContent-Length: 3\r\n\r\nabc")
    #expect(try await link.next() == .down(.httpStatus(status)))
    #expect(try await connection.readToEnd().isEmpty)
  }

  @Test(arguments: [nil, "ocpp1.6"])
  func subprotocolMismatch(_ chosen: String?) async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url)
    let connection = try await peer.accept()
    try await connection.upgrade(subprotocol: chosen)
    #expect(try await link.next() == .down(.subprotocolMismatch(chosen)))
    // The link ends the connection; it does not wait for the server.
    _ = try await connection.readToEnd()
  }

  @Test func garbageInsteadOfHTTP() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url)
    let connection = try await peer.accept()
    connection.write("220 mail.example.com ESMTP\r\n")
    #expect(
      try await link.next() == .down(.badHandshake("the answer is not HTTP/1.1: \"220 mail.example.com ESMTP\"")))
    _ = try await connection.readToEnd()
  }

  @Test(arguments: ["", "HTTP/1.1 101 Sw"])
  func endInsteadOfAnAnswer(_ begin: String) async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url)
    let connection = try await peer.accept()
    _ = try await connection.readHead()
    connection.write(begin)
    connection.close()
    #expect(
      try await link.next()
        == .down(.badHandshake("the server ended the connection after \(begin.utf8.count) bytes of the answer")))
  }

  @Test func resetInsteadOfAnAnswer() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url)
    let connection = try await peer.accept()
    _ = try await connection.readHead()
    try await connection.reset()
    #expect(try await link.next() == .down(.badHandshake("Connection reset by peer after 0 bytes of the answer")))
  }

  @Test func silenceAfterAccept() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url, timeout: 100)
    let connection = try await peer.accept()
    #expect(try await link.next() == .down(.timedOut))
    _ = try await connection.readToEnd()
    #expect(try await link.rest().isEmpty)
  }

  @Test func headerDripIsBoundedInTime() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url, timeout: 150)
    let connection = try await peer.accept()
    connection.write("HTTP/1.1 101 Switching Protocols\r\nX: ")
    let channel = connection.channel
    let drip = channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(5)) { _ in
      channel.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
    }
    #expect(try await link.next() == .down(.timedOut))
    _ = try await connection.readToEnd()
    drip.cancel()
  }

  /// The peer's backlog is full, so that the TCP handshake itself hangs.
  private func peerThatNeverConnects() async throws -> (Peer, [any Channel]) {
    let peer = try await Peer(accepts: false)
    var fillers: [any Channel] = []
    while fillers.count < 100 {
      let attempt = ClientBootstrap(group: Loops.peer).connectTimeout(.milliseconds(250))
        .connect(host: "127.0.0.1", port: peer.port)
      do { fillers.append(try await attempt.get()) } catch { return (peer, fillers) }
    }
    throw TookTooLong(description: "the backlog does not fill")
  }

  /// Sockets of this machine that wait for the TCP handshake with a port: the kernel's lines about them.
  private func socketsBeingConnected(to port: Int) -> [String] {
    guard let file = fopen("/proc/net/tcp", "r") else { return ["/proc/net/tcp cannot be read"] }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    var found: [String] = []
    while fgets(&line, Int32(line.count), file) != nil {
      // sl local_address rem_address st ...; 02 is SYN_SENT.
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      let fields = text.split(separator: " ")
      guard fields.count > 3, fields[3] == "02", let remote = fields[2].split(separator: ":").last else { continue }
      if Int(remote, radix: 16) == port { found.append(text) }
    }
    return found
  }

  /// What is left of them half a second later at the most. NIO's own time-out, which would close them too, is a second
  /// after ours or much more, so nothing is left only if giving up has closed them.
  private func socketsLeft(to port: Int) async throws -> [String] {
    for _ in 0..<50 {
      if socketsBeingConnected(to: port).isEmpty { return [] }
      try await Loops.link.scheduleTask(in: .milliseconds(10)) {}.futureResult.get()
    }
    return socketsBeingConnected(to: port)
  }

  @Test func timeoutAndDisconnectWhileTCPConnects() async throws {
    let (peer, fillers) = try await peerThatNeverConnects()
    let link = try await LinkUnderTest()
    link.connect(peer.url, timeout: 100)
    #expect(try await link.next() == .down(.timedOut))
    #expect(try await socketsLeft(to: peer.port) == [])
    link.connect(peer.url)
    try await Loops.link.submit {}.get()
    #expect(socketsBeingConnected(to: peer.port).count == 1)
    link.disconnect(code: 1001, reason: "stop")
    #expect(try await link.next() == .down(.closedByUs(code: 1001, reason: "stop")))
    #expect(try await socketsLeft(to: peer.port) == [])
    // By name, with several addresses under way.
    link.connect("ws://localhost:\(peer.port)", timeout: 100)
    #expect(try await link.next() == .down(.timedOut))
    #expect(try await link.rest().isEmpty)
    // Giving up has closed the sockets: none tries on.
    #expect(try await socketsLeft(to: peer.port) == [])
    for filler in fillers { try await filler.close() }
    try await peer.stop()
  }

  @Test func disconnectInTheSameTurnAsConnect() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    for url in [peer.url, "ws://localhost:\(peer.port)", "wss://h"] {
      link.run {
        $0.connect(
          ConnectionRequest(
            url: url, identity: "CS001", basicAuthPassword: nil, subprotocols: ["ocpp2.0.1"], securityProfile: 1,
            timeout: 1000, maxMessageSize: 1000))
        $0.send([0x5B, 0x5D])
        $0.ping()
        $0.disconnect(code: 1000, reason: "no")
        $0.disconnect(code: 1000, reason: "again")
      }
      let reason = try #require(try await link.next().downReason)
      if case .unsupported = reason { continue }
      #expect(reason == .closedByUs(code: 1000, reason: "no"))
    }
    #expect(try await link.rest().isEmpty)
  }

  @Test func disconnectDuringTheUpgrade() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url)
    let connection = try await peer.accept()
    let head = try await connection.readHead()
    link.disconnect(code: 1000, reason: "")
    #expect(try await link.next() == .down(.closedByUs(code: 1000, reason: "")))
    connection.write(PeerConnection.answer(to: head))
    #expect(try await connection.readToEnd().isEmpty)
    #expect(try await link.rest().isEmpty)
  }

  @Test func connectionsInSequenceFromTheCallback() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    let url = peer.url
    // The core connects again as soon as it hears of the end, from inside the callback.
    link.onEvent { event, link in
      guard event.downReason != nil else { return }
      link.connect(
        ConnectionRequest(
          url: url, identity: "CS001", basicAuthPassword: nil, subprotocols: ["ocpp2.0.1"], securityProfile: 1,
          timeout: 10_000, maxMessageSize: 1000))
    }
    link.connect(url)
    for round in 0..<5 {
      let connection = try await peer.acceptAndUpgrade(link)
      link.send("\(round)")
      #expect(try await connection.readFrame()?.text == "\(round)")
      connection.writeClose(1012, "restart")
      #expect(try await connection.readFrame()?.close?.code == 1012)
      connection.close()
      #expect(try await link.next() == .down(.closedByPeer(code: 1012, reason: "restart")))
    }
  }

  @Test func connectWhileAConnectionExistsIsRefusedAndChangesNothing() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.connect(peer.url)
    let connection = try await peer.acceptAndUpgrade(link)
    link.connect(peer.url)
    #expect(try await link.next() == .down(.connectFailed("a connection exists already")))
    connection.writeText("still here")
    #expect(try await link.next().text == "still here")
    link.disconnect(code: 1006)
    #expect(try await link.next() == .down(.closedByUs(code: 1006, reason: "")))
    #expect(try await link.rest().isEmpty)
  }

  @Test func callsWithoutAConnectionDoNothing() async throws {
    let link = try await LinkUnderTest()
    link.send("x")
    link.run { $0.ping() }
    link.disconnect()
    #expect(try await link.rest().isEmpty)
  }
}
