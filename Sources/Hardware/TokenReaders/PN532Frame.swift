/// Frames of the PN532 (NXP UM0701-02, 6.2.1).
enum PN532Frame {
  enum Content: Hashable, Sendable {
    case ack
    case nack
    /// The chip refuses what it was told: error frame.
    case error
    /// What follows D5: code of the response and data.
    case response([UInt8])
  }

  /// Bytes of data of a normal frame.
  static let longest = 255

  /// A command (what follows D4) as a normal frame.
  static func encode(_ command: [UInt8]) -> [UInt8] {
    let data = [0xD4] + command
    precondition((2...longest).contains(data.count))
    let length = UInt8(data.count)
    let sum = data.reduce(UInt8(0)) { $0 &+ $1 }
    return [0, 0, 0xFF, length, 0 &- length] + data + [0 &- sum, 0]
  }
}

/// Finds frames in what arrives; garbage between them is skipped.
struct PN532FrameReader: Sendable {
  private var bytes: [UInt8] = []
  /// Frames with a wrong checksum, and bytes that were in none.
  private(set) var bad = 0

  mutating func reset() { bytes = [] }

  mutating func take(_ arrived: [UInt8]) -> [PN532Frame.Content] {
    var contents: [PN532Frame.Content] = []
    for byte in arrived {
      bytes.append(byte)
      scan(&contents)
    }
    return contents
  }

  private mutating func scan(_ contents: inout [PN532Frame.Content]) {
    while true {
      // The start code, 00 FF.
      while bytes.count >= 2, !(bytes[0] == 0 && bytes[1] == 0xFF) {
        if bytes[0] != 0 { bad += 1 }
        bytes.removeFirst()
      }
      guard bytes.count >= 4 else { return }
      if bytes[2] == 0, bytes[3] == 0xFF { return found(.ack, 4, &contents) }
      if bytes[2] == 0xFF, bytes[3] == 0 { return found(.nack, 4, &contents) }
      let length = Int(bytes[2])
      guard bytes[2] &+ bytes[3] == 0, length > 0 else {
        skip()
        continue
      }
      guard bytes.count >= 4 + length + 1 else { return }
      let data = bytes[4..<(4 + length)]
      guard data.reduce(bytes[4 + length], { $0 &+ $1 }) == 0 else {
        skip()
        continue
      }
      if length == 1, data.first == 0x7F { return found(.error, 6, &contents) }
      guard data.first == 0xD5, length >= 2 else {
        skip()
        continue
      }
      return found(.response(Array(data.dropFirst())), 5 + length, &contents)
    }
  }

  /// No frame begins here.
  private mutating func skip() {
    bad += 1
    bytes.removeFirst()
  }

  private mutating func found(_ content: PN532Frame.Content, _ length: Int, _ contents: inout [PN532Frame.Content]) {
    contents.append(content)
    bytes.removeFirst(min(length, bytes.count))
  }
}
