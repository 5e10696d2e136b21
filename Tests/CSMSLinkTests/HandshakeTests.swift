import OCPP
import StationCore
import Testing

@testable import CSMSLink

@Suite struct HandshakeTests {
  // FIPS 180 and RFC 3174 vectors, and the lengths around a block's end (values from another implementation).
  @Test(arguments: [
    ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    (String(repeating: "a", count: 55), "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
    (String(repeating: "a", count: 64), "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
    (String(repeating: "a", count: 1_000), "291e9a6c66994949b57ba5e650361e98fc36b1ba"),
  ])
  func digest(_ message: String, _ expected: String) {
    let digits = Array("0123456789abcdef")
    let hex = sha1(Array(message.utf8)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    #expect(String(hex) == expected)
  }

  // RFC 4648 section 10.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func base64Text(_ text: String, _ expected: String) {
    #expect(base64(Array(text.utf8)) == expected)
  }

  /// The handshake of RFC 6455 section 1.3.
  private func sample(password: String? = nil, offered: [String] = ["ocpp2.0.1", "ocpp1.6"]) throws -> Handshake {
    Handshake(
      endpoint: try Endpoint(url: "ws://server.example.com/chat", identity: "al|ice"), identity: "al|ice",
      password: password, subprotocols: offered, key: Array("the sample nonce".utf8))
  }

  private static func answer(
    _ status: String = "HTTP/1.1 101 Switching Protocols", upgrade: String? = "websocket",
    connection: String? = "Upgrade", accept: String? = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    subprotocol: String? = "ocpp2.0.1", extra: [String] = []
  ) -> String {
    var lines = [status]
    if let upgrade { lines.append("Upgrade: \(upgrade)") }
    if let connection { lines.append("Connection: \(connection)") }
    if let accept { lines.append("Sec-WebSocket-Accept: \(accept)") }
    if let subprotocol { lines.append("Sec-WebSocket-Protocol: \(subprotocol)") }
    return (lines + extra).joined(separator: "\r\n") + "\r\n\r\n"
  }

  // Proves: A00.FR.203, A00.FR.204, A00.FR.205
  @Test func requestCarriesBasicAuthenticationOfTheUnencodedIdentity() throws {
    let request = String(decoding: try sample(password: "p:ä").request, as: UTF8.self)
    #expect(
      request == """
        GET /chat/al%7Cice HTTP/1.1\r
        Host: server.example.com\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Protocol: ocpp2.0.1, ocpp1.6\r
        Authorization: Basic YWx8aWNlOnA6w6Q=\r
        \r

        """)
  }

  @Test func requestWithoutPasswordHasNoAuthorization() throws {
    let request = String(decoding: try sample().request, as: UTF8.self)
    #expect(!request.contains("Authorization"))
    #expect(request.hasSuffix("Sec-WebSocket-Protocol: ocpp2.0.1, ocpp1.6\r\n\r\n"))
  }

  @Test(arguments: [
    Self.answer(),
    Self.answer(upgrade: "WebSocket", connection: "keep-alive, upgrade"),
    Self.answer("HTTP/1.1 101"),
    Self.answer(extra: ["Sec-WebSocket-Extensions:", "Server: x: y", "X-Empty:   "]),
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + Self.answer(),
    Self.answer(subprotocol: nil, extra: ["sec-websocket-PROTOCOL: \t ocpp2.0.1 \t"]),
  ])
  func agrees(_ answer: String) throws {
    var handshake = try sample()
    #expect(handshake.receive(Array(answer.utf8)) == .agreed(subprotocol: "ocpp2.0.1", rest: []))
    // Byte by byte, too, and not before the last one.
    var slow = try sample()
    for byte in answer.utf8.dropLast() { #expect(slow.receive([byte]) == .needsMore) }
    #expect(slow.receive([0x0A]) == .agreed(subprotocol: "ocpp2.0.1", rest: []))
  }

  @Test func keepsTheFramesBehindTheAnswer() throws {
    var handshake = try sample()
    #expect(
      handshake.receive(Array(Self.answer().utf8) + [0x81, 0x0A, 0x0D, 0x0A])
        == .agreed(subprotocol: "ocpp2.0.1", rest: [0x81, 0x0A, 0x0D, 0x0A]))
  }

  @Test(arguments: [
    ("HTTP/1.1 404 Not Found\r\n\r\n", 404), ("HTTP/1.0 401 No\r\nA: b\r\n\r\n", 401), ("HTTP/1.1 200 OK\r\n\r\n", 200),
    ("HTTP/1.1 301 Moved\r\nLocation: ws://x/\r\n\r\n", 301), ("HTTP/1.1 503\r\n\r\nbody", 503),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 999 X\r\n\r\n", 999),
  ])
  func reportsAnotherStatus(_ answer: String, _ status: Int) throws {
    var handshake = try sample()
    #expect(handshake.receive(Array(answer.utf8)) == .refused(.httpStatus(status)))
  }

  // Part 4, 3.2: the server that agrees to no subprotocol, or the one that chose another.
  @Test(arguments: [
    (nil, nil), ("ocpp1.5", "ocpp1.5"), ("OCPP2.0.1", "OCPP2.0.1"), ("", nil),
  ])
  func refusesASubprotocolNotOffered(_ chosen: String?, _ reported: String?) throws {
    var handshake = try sample()
    #expect(
      handshake.receive(Array(Self.answer(subprotocol: chosen).utf8)) == .refused(.subprotocolMismatch(reported)))
  }

  @Test func takesTheServersChoiceOfThoseOffered() throws {
    var handshake = try sample()
    #expect(
      handshake.receive(Array(Self.answer(subprotocol: "ocpp1.6").utf8)) == .agreed(subprotocol: "ocpp1.6", rest: []))
  }

  @Test(arguments: [
    (Self.answer(upgrade: nil), "upgrade to websocket"),
    (Self.answer(upgrade: "h2c"), "upgrade to websocket"),
    (Self.answer(connection: nil), "Connection: Upgrade"),
    (Self.answer(connection: "close"), "Connection: Upgrade"),
    (Self.answer(accept: nil), "Sec-WebSocket-Accept"),
    (Self.answer(accept: "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "Sec-WebSocket-Accept"),
    (Self.answer(extra: ["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]), "Sec-WebSocket-Accept"),
    (Self.answer(extra: ["Sec-WebSocket-Extensions: permessage-deflate"]), "permessage-deflate"),
    (Self.answer(extra: ["Sec-WebSocket-Protocol: ocpp1.6"]), "more than one subprotocol"),
    (Self.answer(extra: [" folded"]), "header field"),
    (Self.answer(extra: ["no colon"]), "header field"),
    (Self.answer(extra: [": no name"]), "header field"),
    (Self.answer(extra: ["bad name: x"]), "header field"),
    ("HTTP/1.1 101 Switching\nUpgrade: websocket\n\n", "CR LF"),
    ("HTTP/2 101 Switching\r\n", "not HTTP"),
    ("HTTP/1.1 1o1 Switching\r\n", "not HTTP"),
    ("HTTP/1.1 099 X\r\n", "not HTTP"),
    ("HTTP/1.1 1010 X\r\n", "not HTTP"),
    ("HTTP/1.1\r\n", "not HTTP"),
    ("\r\n", "not HTTP"),
    ("\n", "CR LF"),
    ("SSH-2.0-OpenSSH_9.2", "not HTTP: \"SSH-2.0-"),
    ("\u{0}\u{1}\u{2}", "not HTTP: \"...\""),
    ("<", "not HTTP"),
    ("HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 16_384), "longer than 16384"),
    ("HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 16_384) + "\r\n\r\n", "longer than 16384"),
  ])
  func refusesWhatIsNoHandshake(_ answer: String, _ part: String) throws {
    var handshake = try sample()
    guard case .refused(.badHandshake(let text)) = handshake.receive(Array(answer.utf8)) else {
      Issue.record("not refused: \(answer)")
      return
    }
    #expect(text.contains(part), "\(text)")
  }

  @Test func boundsAnAnswerOfManyShortLines() throws {
    var handshake = try sample()
    var progress = handshake.receive(Array("HTTP/1.1 200 OK\r\n".utf8))
    var received = 17
    while progress == .needsMore {
      progress = handshake.receive(Array("a: b\r\n".utf8))
      received += 6
      guard received <= Handshake.maxAnswerLength + 6 else { break }
    }
    #expect(progress == .refused(.badHandshake("the header of the answer is longer than 16384 bytes")))
  }
}
