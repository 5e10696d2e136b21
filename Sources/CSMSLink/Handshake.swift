import OCPP
import StationCore

/// The client's side of the opening handshake (RFC 6455 section 4) as a value: what to send, and what to make of the
/// bytes that come back.
///
/// The answer is read here and not by an HTTP parser of general use: all that is needed of it is one status line and a
/// few header fields, its size is bounded as a whole, and the bytes behind it (the server may send frames at once) stay
/// in order.
struct Handshake {
  /// Longest answer accepted up to the empty line that ends its header, bytes; with the time limit of the attempt this
  /// bounds a server that sends its header drop by drop.
  static let maxAnswerLength = 16_384

  enum Progress: Equatable {
    case needsMore
    /// Agreed on `subprotocol`; the bytes of `rest` are WebSocket frames already.
    case agreed(subprotocol: String, rest: [UInt8])
    case refused(LinkDownReason)
  }

  /// The bytes to send.
  let request: [UInt8]
  private let expectedAccept: String
  private let offered: [String]
  private var received: [UInt8] = []
  /// Start of the header line being received.
  private var lineStart = 0
  /// How far `received` was searched for the end of that line.
  private var scanned = 0
  private var status: Int?
  private var fields: [(name: String, value: String)] = []

  /// - Parameters:
  ///   - key: 16 random bytes.
  ///   - password: `nil` sends no Authorization header.
  init(endpoint: Endpoint, identity: String, password: String?, subprotocols: [String], key: [UInt8]) {
    let encodedKey = base64(key)
    expectedAccept = base64(sha1(Array((encodedKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    offered = subprotocols
    var lines = [
      "GET \(endpoint.target) HTTP/1.1",
      "Host: \(endpoint.hostHeader)",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: \(encodedKey)",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Protocol: \(subprotocols.joined(separator: ", "))",
    ]
    if let password {
      lines.append("Authorization: Basic \(base64(Array("\(identity):\(password)".utf8)))")
    }
    request = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
  }

  /// Bytes of the answer received so far.
  var receivedCount: Int { received.count }

  /// Takes the next bytes of the answer. Not to be called again after anything but `needsMore`.
  mutating func receive(_ bytes: some Collection<UInt8>) -> Progress {
    received.append(contentsOf: bytes)
    while let newline = received[scanned...].firstIndex(of: UInt8(ascii: "\n")) {
      guard newline < Self.maxAnswerLength else { return tooLong }
      guard newline > lineStart, received[newline - 1] == UInt8(ascii: "\r") else {
        return bad("a line of the answer does not end with CR LF")
      }
      let line = received[lineStart..<(newline - 1)]
      lineStart = newline + 1
      scanned = newline + 1
      if let end = take(line: line) { return end }
    }
    scanned = received.count
    if status == nil, let end = implausible { return end }
    return received.count >= Self.maxAnswerLength ? tooLong : .needsMore
  }

  private var tooLong: Progress { bad("the header of the answer is longer than \(Self.maxAnswerLength) bytes") }

  private func bad(_ text: String) -> Progress { .refused(.badHandshake(text)) }

  /// Something that cannot become a status line any more is refused before a line end has come.
  private var implausible: Progress? {
    let begin = received[lineStart...]
    return zip(begin, "HTTP/1.".utf8).allSatisfy(==) ? nil : bad("the answer is not HTTP: \(excerpt(begin))")
  }

  /// Takes one line without its end; returns what ends the handshake.
  private mutating func take(line: ArraySlice<UInt8>) -> Progress? {
    guard let status else {
      guard let code = Self.statusCode(line) else { return bad("the answer is not HTTP/1.1: \(excerpt(line))") }
      status = code
      return nil
    }
    if line.isEmpty {
      if status == 101 { return agreement() }
      guard (100..<200).contains(status) else { return .refused(.httpStatus(status)) }
      // An interim answer: the final one follows.
      self.status = nil
      fields = []
      return nil
    }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
      line[..<colon].allSatisfy(\.isTokenCharacter)
    else { return bad("the answer has no header field where one was expected: \(excerpt(line))") }
    fields.append((lowercased(line[..<colon]), String(decoding: line[(colon + 1)...], as: UTF8.self)))
    return nil
  }

  /// `HTTP/1.x nnn reason`.
  private static func statusCode(_ line: ArraySlice<UInt8>) -> Int? {
    guard line.count >= 12, zip(line, "HTTP/1.".utf8).allSatisfy(==) else { return nil }
    let bytes = Array(line.prefix(13))
    guard bytes[7].isDigit, bytes[8] == 0x20, bytes[9...11].allSatisfy(\.isDigit), bytes[9] != UInt8(ascii: "0"),
      bytes.count == 12 || bytes[12] == 0x20
    else { return nil }
    return bytes[9...11].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }

  /// Checks a 101 answer.
  private func agreement() -> Progress {
    guard values("upgrade").contains(where: { lowercased($0.utf8) == "websocket" }) else {
      return bad("the answer does not upgrade to websocket")
    }
    guard values("connection").contains(where: { lowercased($0.utf8) == "upgrade" }) else {
      return bad("the answer lacks \"Connection: Upgrade\"")
    }
    guard values("sec-websocket-accept") == [expectedAccept] else {
      return bad("Sec-WebSocket-Accept is missing or does not match our key")
    }
    guard values("sec-websocket-extensions").isEmpty else {
      return bad(
        "the server uses an extension that was not offered: \(values("sec-websocket-extensions")[0].prefix(100))")
    }
    let chosen = values("sec-websocket-protocol")
    guard chosen.count <= 1 else { return bad("the server chose more than one subprotocol") }
    guard let subprotocol = chosen.first else { return .refused(.subprotocolMismatch(nil)) }
    guard offered.contains(subprotocol) else {
      return .refused(.subprotocolMismatch(String(subprotocol.prefix(100))))
    }
    return .agreed(subprotocol: subprotocol, rest: Array(received[lineStart...]))
  }

  /// All values of a field, of all its lines, split at commas and trimmed; empty ones are left out.
  private func values(_ name: String) -> [String] {
    fields.filter { $0.name == name }.flatMap { field in
      field.value.split(separator: ",").compactMap { part in
        let text = part.drop { $0 == " " || $0 == "\t" }
        guard let last = text.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return nil }
        return String(text[...last])
      }
    }
  }
}

private func lowercased(_ bytes: some Sequence<UInt8>) -> String {
  String(decoding: bytes.map(\.lowercasedASCII), as: UTF8.self)
}

/// The beginning of what was received, fit for a log line.
func excerpt(_ bytes: ArraySlice<UInt8>) -> String {
  let shown = bytes.prefix(40).map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: ".") }
  return "\"\(String(decoding: shown, as: UTF8.self))\""
}

extension UInt8 {
  /// `tchar` of RFC 9110: what header names and subprotocols consist of.
  var isTokenCharacter: Bool {
    if isLetter || isDigit { return true }
    switch self {
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
      UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
      return true
    default:
      return false
    }
  }
}
