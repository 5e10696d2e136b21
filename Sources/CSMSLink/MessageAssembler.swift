import NIOCore
import NIOWebSocket

/// Makes messages of the frames of one connection and checks what RFC 6455 asks of a server's frames and the frame
/// decoder does not: no mask, no reserved bits, known opcodes, fragments in order, text that is UTF-8, close codes.
struct MessageAssembler {
  enum Outcome: Equatable {
    case needsMore
    /// One whole text message, valid UTF-8.
    case message([UInt8])
    /// To be answered by a pong with the same data.
    case ping(ByteBuffer)
    case pong
    /// The peer's close frame; `code` is 1005 when it carries none.
    case close(code: Int, reason: String)
    /// The connection must be failed with this close code.
    case failure(CloseCode, String)
  }

  /// Largest message accepted, bytes.
  let maxMessageSize: Int
  /// The fragments so far of a message whose last one has not come.
  private var partial: [UInt8]?

  init(maxMessageSize: Int) {
    self.maxMessageSize = maxMessageSize
  }

  mutating func take(_ frame: WebSocketFrame) -> Outcome {
    guard frame.maskKey == nil else { return .failure(.protocolError, "masked frame from the server") }
    guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return .failure(.protocolError, "reserved bit set in a frame") }
    let data = frame.data
    switch frame.opcode {
    case .text:
      guard partial == nil else { return .failure(.protocolError, "new message inside a fragmented one") }
      return append(data, to: [], isLast: frame.fin)
    case .continuation:
      guard let begun = partial.take() else { return .failure(.protocolError, "continuation of no message") }
      return append(data, to: begun, isLast: frame.fin)
    case .binary:
      return .failure(.unacceptableData, "binary frame; OCPP-J is text")
    case .ping:
      return .ping(data)
    case .pong:
      return .pong
    case .connectionClose:
      return Self.close(data)
    default:
      return .failure(.protocolError, "unknown opcode in a frame")
    }
  }

  private mutating func append(_ data: ByteBuffer, to begun: consuming [UInt8], isLast: Bool) -> Outcome {
    guard data.readableBytes <= maxMessageSize - begun.count else {
      return .failure(.messageTooBig, "message longer than \(maxMessageSize) bytes")
    }
    data.withUnsafeReadableBytes { begun.append(contentsOf: $0) }
    guard isLast else {
      partial = begun
      return .needsMore
    }
    guard isUTF8(begun) else { return .failure(.invalidData, "text message is not UTF-8") }
    return .message(begun)
  }

  private static func close(_ data: ByteBuffer) -> Outcome {
    var data = data
    guard data.readableBytes > 0 else { return .close(code: CloseCode.none, reason: "") }
    guard let code = data.readInteger(as: UInt16.self).map(Int.init), CloseCode.mayAppearOnTheWire(code) else {
      return .failure(.protocolError, "close frame with an invalid code")
    }
    let reason = Array(data.readableBytesView)
    guard isUTF8(reason) else { return .failure(.invalidData, "close reason is not UTF-8") }
    return .close(code: code, reason: String(decoding: reason, as: UTF8.self))
  }
}

private func isUTF8(_ bytes: [UInt8]) -> Bool {
  (try? UTF8Span(validating: bytes.span)) != nil
}
