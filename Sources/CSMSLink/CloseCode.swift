import NIOCore

/// The close codes with which this side fails a connection, and the rules for codes in general (RFC 6455 section 7.4).
enum CloseCode: Int {
  case protocolError = 1002
  case unacceptableData = 1003
  case invalidData = 1007
  case messageTooBig = 1009

  /// Stands for "the close frame carried no code"; never on the wire.
  static let none = 1005
  /// Stands for "no close frame at all"; never on the wire.
  static let abnormal = 1006

  /// Codes a close frame may carry: those registered, and those of libraries and applications.
  static func mayAppearOnTheWire(_ code: Int) -> Bool {
    switch code {
    case 1000...1003, 1007...1014, 3000...4999: return true
    default: return false
    }
  }

  /// The data of a close frame. A code that may not appear on the wire gives an empty one; the reason is cut to the 123
  /// bytes a control frame has room for, between characters.
  static func frameData(code: Int, reason: String) -> ByteBuffer {
    guard mayAppearOnTheWire(code) else { return ByteBuffer() }
    var data = ByteBuffer()
    data.writeInteger(UInt16(code))
    for character in reason {
      let bytes = character.utf8
      guard data.readableBytes + bytes.count <= 125 else { break }
      data.writeBytes(bytes)
    }
    return data
  }
}
