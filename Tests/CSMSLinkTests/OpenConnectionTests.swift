import NIOCore
import StationCore
import Testing

@testable import CSMSLink

/// What happens on an open connection, and how it ends.
@Suite struct OpenConnectionTests {
  private func open(
    maxMessageSize: Int = 65_536, _ link: LinkUnderTest? = nil
  ) async throws -> (LinkUnderTest, PeerConnection) {
    let link = if let link { link } else { try await LinkUnderTest() }
    let peer = try await Peer()
    link.connect(peer.url, maxMessageSize: maxMessageSize)
    return (link, try await peer.acceptAndUpgrade(link))
  }

  @Test(arguments: [0, 1, 125, 126, 65_535, 65_536, 200_000])
  func messagesOfEveryLengthFormBothWays(_ length: Int) async throws {
    let (link, connection) = try await open(maxMessageSize: 200_000)
    let text = String(repeating: "a", count: length)
    link.send(text)
    let frame = try #require(try await connection.readFrame())
    #expect(frame == PeerConnection.Frame(fin: true, opcode: 1, isMasked: true, payload: Array(text.utf8)))
    connection.writeText(text)
    #expect(try await link.next().text == text)
  }

  @Test func framesAreMaskedWithChangingKeys() async throws {
    let (link, connection) = try await open()
    for _ in 0..<4 { link.send("same") }
    link.disconnect(code: 1006)
    let bytes = try await connection.readToEnd()
    #expect(bytes.count.isMultiple(of: 10))
    #expect(Set(stride(from: 0, to: bytes.count - 9, by: 10).map { Array(bytes[$0..<($0 + 10)]) }).count > 1)
  }

  @Test func messagesInTheSegmentOfTheAnswerAndAnswersFromTheCallback() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest()
    link.onEvent { event, link in
      if case .up = event { link.send(Array("boot".utf8)) }
      if case .message(let message) = event { link.send(message) }
    }
    link.connect(peer.url)
    let connection = try await peer.accept()
    let head = try await connection.readHead()
    let frames = PeerConnection.frame(0x81, Array("one".utf8)) + PeerConnection.frame(0x81, Array("two".utf8))
    connection.write(Array(PeerConnection.answer(to: head).utf8) + frames)
    #expect(try await link.next() == .up(subprotocol: "ocpp2.0.1"))
    #expect(try await link.next().text == "one")
    #expect(try await link.next().text == "two")
    var texts: [String] = []
    for _ in 0..<3 { texts.append(try await connection.readFrame()?.text ?? "") }
    #expect(texts == ["boot", "one", "two"])
  }

  @Test func fragmentsWithControlFramesBetween() async throws {
    let (link, connection) = try await open()
    let euro = Array("€".utf8)
    connection.write(
      PeerConnection.frame(0x01, Array("a".utf8) + euro[..<1])  // a character split between fragments
        + PeerConnection.frame(0x89, Array("are you there".utf8)) + PeerConnection.frame(0x00, [])
        + PeerConnection.frame(0x8A, []) + PeerConnection.frame(0x00, Array(euro[1...]))
        + PeerConnection.frame(0x80, Array("z".utf8)) + PeerConnection.frame(0x81, Array("next".utf8)))
    #expect(try await link.next().text == "a€z")
    #expect(try await link.next().text == "next")
    let pong = try #require(try await connection.readFrame())
    #expect(pong.opcode == 10 && pong.text == "are you there")
  }

  @Test func everyByteInItsOwnSegment() async throws {
    let (link, connection) = try await open()
    for byte in PeerConnection.frame(0x81, Array(String(repeating: "b", count: 130).utf8)) {
      try await connection.channel.writeAndFlush(ByteBuffer(bytes: [byte])).get()
    }
    #expect(try await link.next().text == String(repeating: "b", count: 130))
  }

  @Test func pingsAndPongs() async throws {
    let (link, connection) = try await open()
    connection.write(PeerConnection.frame(0x8A, Array("unasked".utf8)))
    link.run { $0.ping() }
    let ping = try #require(try await connection.readFrame())
    #expect(ping.opcode == 9 && ping.isMasked && ping.payload.isEmpty)
    connection.write(PeerConnection.frame(0x8A, ping.payload))
    #expect(try await link.next() == .pong)
    connection.write(PeerConnection.frame(0x8A, []))
    connection.write(PeerConnection.frame(0x89, [UInt8](repeating: 7, count: 125)))
    let pong = try #require(try await connection.readFrame())
    #expect(pong.opcode == 10 && pong.isMasked && pong.payload == [UInt8](repeating: 7, count: 125))
    #expect(try await link.rest().isEmpty)
  }

  struct Violation: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var bytes: [UInt8]
    var code: Int

    init(_ name: String, _ code: Int, _ bytes: [UInt8]) {
      testDescription = name
      self.bytes = bytes
      self.code = code
    }
  }

  private static func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] { PeerConnection.frame(first, payload) }

  // The limit of these connections is 1,000 bytes.
  @Test(arguments: [
    Violation("masked frame", 1002, PeerConnection.frame(0x81, [1, 2], mask: [1, 2, 3, 4])),
    Violation("masked empty frame", 1002, PeerConnection.frame(0x81, [], mask: [1, 2, 3, 4])),
    Violation("reserved bit 1", 1002, frame(0xC1, [0x61])),
    Violation("reserved bit 2", 1002, frame(0xA1, [0x61])),
    Violation("reserved bit 3", 1002, frame(0x91, [0x61])),
    Violation("opcode 3", 1002, frame(0x83, [0x61])),
    Violation("opcode 11", 1002, frame(0x8B, [])),
    Violation("opcode 15", 1002, frame(0x8F, [])),
    Violation("fragmented ping", 1002, frame(0x09, [])),
    Violation("fragmented close", 1002, frame(0x08, [3, 232])),
    Violation("ping of 126 bytes", 1002, frame(0x89, [UInt8](repeating: 0, count: 126))),
    Violation("close of 126 bytes", 1002, frame(0x88, [3, 232] + [UInt8](repeating: 0x61, count: 124))),
    Violation("continuation of nothing", 1002, frame(0x80, [0x61])),
    Violation("text inside a fragmented message", 1002, frame(0x01, [0x61]) + frame(0x81, [0x62])),
    Violation("close of one byte", 1002, frame(0x88, [3])),
    Violation("close with code 0", 1002, frame(0x88, [0, 0])),
    Violation("close with code 999", 1002, frame(0x88, [3, 231])),
    Violation("close with code 1004", 1002, frame(0x88, [3, 236])),
    Violation("close with code 1005", 1002, frame(0x88, [3, 237])),
    Violation("close with code 1006", 1002, frame(0x88, [3, 238])),
    Violation("close with code 1015", 1002, frame(0x88, [3, 247])),
    Violation("close with code 2999", 1002, frame(0x88, [11, 183])),
    Violation("close with code 5000", 1002, frame(0x88, [19, 136])),
    Violation("close reason that is not UTF-8", 1007, frame(0x88, [3, 232, 0xFF])),
    Violation("binary message", 1003, frame(0x82, [1])),
    Violation("binary fragment", 1003, frame(0x02, [1])),
    Violation("not UTF-8", 1007, frame(0x81, [0x61, 0xC3])),
    Violation("overlong UTF-8", 1007, frame(0x81, [0xC0, 0x80])),
    Violation("surrogate in UTF-8", 1007, frame(0x81, [0xED, 0xA0, 0x80])),
    Violation("not UTF-8 over two fragments", 1007, frame(0x01, [0xC3]) + frame(0x80, [0x61])),
    Violation("one byte too long", 1009, frame(0x81, [UInt8](repeating: 0x61, count: 1001))),
    Violation("only the head of 2 GiB", 1009, [0x81, 127, 0, 0, 0, 0, 0x80, 0, 0, 0]),
    Violation("only the head of 2^63 bytes and more", 1009, [0x81, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0]),
    Violation(
      "too long in fragments", 1009,
      frame(0x01, [UInt8](repeating: 0x61, count: 600)) + frame(0x80, [UInt8](repeating: 0x61, count: 401))),
  ])
  func violationsAreClosedWithTheirCode(_ violation: Violation) async throws {
    let (link, connection) = try await open(maxMessageSize: 1000)
    connection.write(violation.bytes + Self.frame(0x81, Array("not read".utf8)))
    let close = try #require(try await connection.readFrame()?.close)
    #expect(close.code == violation.code)
    #expect(!close.reason.isEmpty)
    connection.writeClose(close.code)
    connection.close()
    #expect(try await link.next() == .down(.closedByUs(code: close.code, reason: close.reason)))
    #expect(try await connection.readFrame() == nil)
    #expect(try await link.rest().isEmpty)
  }

  @Test func theLongestMessageAllowedPasses() async throws {
    let (link, connection) = try await open(maxMessageSize: 1000)
    connection.writeText(String(repeating: "a", count: 1000))
    #expect(try await link.next().text?.count == 1000)
    connection.write(
      PeerConnection.frame(0x01, [UInt8](repeating: 0x61, count: 999)) + PeerConnection.frame(0x80, [0x62]))
    #expect(try await link.next().text?.count == 1000)
  }

  /// A limit that makes no sense must not stop control frames, or the process.
  @Test(arguments: [-1, 0, 1, Int.max])
  func oddLimits(_ limit: Int) async throws {
    let (link, connection) = try await open(maxMessageSize: limit)
    connection.writeText("a")
    #expect(try await link.next().text == "a")
    connection.write(PeerConnection.frame(0x89, [UInt8](repeating: 1, count: 125)))
    #expect(try await connection.readFrame()?.payload.count == 125)
  }

  @Test(arguments: [1000, 1001, 1011, 1012, 3000, 4999])
  func closeByThePeerIsEchoed(_ code: Int) async throws {
    let (link, connection) = try await open()
    connection.writeClose(code, "reason ä")
    let echo = try #require(try await connection.readFrame())
    #expect(echo.isMasked && echo.close?.code == code)
    connection.close()
    #expect(try await link.next() == .down(.closedByPeer(code: code, reason: "reason ä")))
    #expect(try await link.rest().isEmpty)
  }

  @Test func closeWithoutCode() async throws {
    let (link, connection) = try await open()
    connection.write(PeerConnection.frame(0x88, []))
    #expect(try await connection.readFrame() == PeerConnection.Frame(opcode: 8, payload: []))
    connection.close()
    #expect(try await link.next() == .down(.closedByPeer(code: 1005, reason: "")))
  }

  @Test func nothingIsReadOrSentAfterAClose() async throws {
    let (link, connection) = try await open()
    connection.writeClose(1000)
    connection.writeText("late")
    connection.write(PeerConnection.frame(0x89, []))
    #expect(try await connection.readFrame()?.opcode == 8)
    link.send("late")
    link.run { $0.ping() }
    link.disconnect(code: 1001, reason: "late")
    try await Loops.link.submit {}.get()
    connection.close()
    #expect(try await connection.readFrame() == nil)
    #expect(try await link.next() == .down(.closedByPeer(code: 1000, reason: "")))
    #expect(try await link.rest().isEmpty)
  }

  @Test func peerThatClosesButKeepsTheSocket() async throws {
    let (link, connection) = try await open(try await LinkUnderTest(closeWait: .milliseconds(150)))
    connection.writeClose(1000)
    // Its end comes by our bounded wait.
    #expect(try await link.next() == .down(.closedByPeer(code: 1000, reason: "")))
    #expect(try await connection.readFrame()?.opcode == 8)
    #expect(try await connection.readFrame() == nil)
  }

  @Test func abruptEnd() async throws {
    let (link, connection) = try await open()
    connection.close()
    #expect(try await link.next() == .down(.lost("the peer ended the TCP connection without a close frame")))
  }

  @Test func reset() async throws {
    let (link, connection) = try await open()
    try await connection.reset()
    #expect(try await link.next() == .down(.lost("Connection reset by peer")))
  }

  @Test(arguments: [[0x81], [0x81, 126, 1], [0x81, 5, 0x61]] as [[UInt8]])
  func halfAFrame(_ bytes: [UInt8]) async throws {
    let (link, connection) = try await open()
    connection.write(bytes)
    connection.close()
    let reason = try #require(try await link.next().downReason)
    // What the decoder has consumed of a header it does not count as left over.
    #expect(
      [
        .lost("the TCP connection ended inside a frame"),
        .lost("the peer ended the TCP connection without a close frame"),
      ].contains(reason))
    #expect(try await link.rest().isEmpty)
  }

  @Test func disconnectWithTheClosingHandshake() async throws {
    let (link, connection) = try await open()
    link.disconnect(code: 1001, reason: "going away")
    link.disconnect(code: 1000, reason: "again")
    let close = try #require(try await connection.readFrame())
    #expect(close.isMasked && close.close?.code == 1001 && close.close?.reason == "going away")
    connection.writeText("crossing")
    connection.writeClose(1001)
    connection.close()
    #expect(try await link.next() == .down(.closedByUs(code: 1001, reason: "going away")))
    #expect(try await connection.readFrame() == nil)
    #expect(try await link.rest().isEmpty)
  }

  @Test func disconnectOfADeadPeerIsBounded() async throws {
    let (link, connection) = try await open(try await LinkUnderTest(closeWait: .milliseconds(150)))
    link.disconnect(code: 1000, reason: "")
    #expect(try await link.next() == .down(.closedByUs(code: 1000, reason: "")))
    #expect(try await connection.readFrame()?.close?.code == 1000)
    #expect(try await connection.readFrame() == nil)
  }

  @Test func code1006DropsTheConnectionAtOnce() async throws {
    let (link, connection) = try await open()
    link.disconnect(code: 1006, reason: "offline")
    #expect(try await link.next() == .down(.closedByUs(code: 1006, reason: "offline")))
    #expect(try await connection.readToEnd().isEmpty)
    // Also in the middle of a closing handshake.
    let patient = try await LinkUnderTest()
    let (_, second) = try await open(patient)
    patient.disconnect(code: 1000, reason: "first")
    #expect(try await second.readFrame()?.close?.code == 1000)
    patient.disconnect(code: 1006, reason: "then")
    #expect(try await patient.next() == .down(.closedByUs(code: 1000, reason: "first")))
    #expect(try await second.readFrame() == nil)
  }

  @Test(arguments: [-1, 0, 999, 1005, 1015, 2000, 5000, 70_000, Int.max])
  func codesThatMayNotBeSentAreLeftOut(_ code: Int) async throws {
    let (link, connection) = try await open()
    link.disconnect(code: code, reason: "x")
    #expect(try await connection.readFrame() == PeerConnection.Frame(opcode: 8, payload: []))
    connection.close()
    #expect(try await link.next() == .down(.closedByUs(code: code, reason: "x")))
  }

  @Test func longReasonsAreCutBetweenCharacters() async throws {
    let (link, connection) = try await open()
    link.disconnect(code: 1000, reason: "a" + String(repeating: "ä", count: 100))
    let reason = try #require(try await connection.readFrame()?.close?.reason)
    #expect(reason == "a" + String(repeating: "ä", count: 61))
  }

  @Test func unsentBytesAreBounded() async throws {
    let link = try await LinkUnderTest(unsentBytes: 1 << 20)
    let (_, connection) = try await open(link)
    try await connection.channel.setOption(.autoRead, value: false).get()
    // The kernel takes some megabytes before anything waits on our side.
    let megabyte = String(repeating: "a", count: 1 << 20)
    for _ in 0..<64 { link.send(megabyte) }
    let problem = try #require(try await link.next().problem)
    #expect(problem.hasPrefix("the peer does not read: "), "\(problem)")
    #expect(try await link.rest().isEmpty)
  }

  @Test func oneMessageLargerThanTheBoundStillLeaves() async throws {
    let link = try await LinkUnderTest(unsentBytes: 1000)
    let (_, connection) = try await open(link)
    link.send(String(repeating: "a", count: 200_000))
    #expect(try await connection.readFrame()?.payload.count == 200_000)
  }
}
