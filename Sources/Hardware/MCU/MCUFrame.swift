/// Frames of the protocol with a safety microcontroller (docs/mcu-protocol.md): COBS, ended by 0, with a CRC-16.
enum MCUFrame {
  /// Bytes of a message: type, sequence number, body.
  static let longestMessage = 64
  /// On the wire: message, CRC, one byte of COBS, the end.
  static let longestFrame = longestMessage + 2 + 1 + 1

  /// CRC-16/GENIBUS: polynomial 0x1021, start 0xFFFF, not reflected, inverted at the end, so that a frame that grew by zeros is
  /// noticed; sent high byte first.
  static func crc(_ bytes: some Sequence<UInt8>) -> UInt16 {
    var crc: UInt16 = 0xFFFF
    for byte in bytes {
      crc ^= UInt16(byte) << 8
      for _ in 0..<8 { crc = crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
    }
    return ~crc
  }

  static func encode(_ message: [UInt8]) -> [UInt8] {
    precondition((2...longestMessage).contains(message.count))
    let crc = crc(message)
    var frame: [UInt8] = []
    var block: [UInt8] = []
    // No block reaches 254 bytes, so every one ends at a zero.
    for byte in message + [UInt8(crc >> 8), UInt8(crc & 0xFF), 0] {
      if byte == 0 {
        frame.append(UInt8(block.count + 1))
        frame += block
        block = []
      } else {
        block.append(byte)
      }
    }
    return frame + [0]
  }

  enum Problem: Hashable, Sendable {
    case tooLong, badCOBS, tooShort, badCRC
  }

  /// The message in the bytes between two ends.
  static func decode(_ frame: [UInt8]) -> Result<[UInt8], FrameProblem> {
    guard frame.count < longestFrame else { return .failure(FrameProblem(problem: .tooLong)) }
    var bytes: [UInt8] = []
    var index = 0
    while index < frame.count {
      let code = Int(frame[index])
      guard code > 0, index + code <= frame.count, !frame[(index + 1)..<(index + code)].contains(0) else {
        return .failure(FrameProblem(problem: .badCOBS))
      }
      bytes += frame[(index + 1)..<(index + code)]
      index += code
      if index < frame.count { bytes.append(0) }
    }
    guard bytes.count >= 4 else { return .failure(FrameProblem(problem: .tooShort)) }
    let message = Array(bytes.dropLast(2))
    guard crc(message) == UInt16(bytes[bytes.count - 2]) << 8 | UInt16(bytes[bytes.count - 1]) else {
      return .failure(FrameProblem(problem: .badCRC))
    }
    return .success(message)
  }

  struct FrameProblem: Error, Hashable, Sendable {
    var problem: Problem
  }
}

/// Cuts what arrives into frames. Whatever comes, after the next end it is in step again.
struct MCUFrameReader: Sendable {
  private var bytes: [UInt8] = []
  private var isTooLong = false
  /// Frames that were thrown away.
  private(set) var bad = 0

  /// The messages that end in these bytes.
  mutating func take(_ arrived: [UInt8]) -> [[UInt8]] {
    var messages: [[UInt8]] = []
    for byte in arrived {
      guard byte == 0 else {
        if bytes.count < MCUFrame.longestFrame { bytes.append(byte) } else { isTooLong = true }
        continue
      }
      defer {
        bytes.removeAll(keepingCapacity: true)
        isTooLong = false
      }
      // Ends may be repeated, to get into step.
      guard !bytes.isEmpty else { continue }
      if !isTooLong, case .success(let message) = MCUFrame.decode(bytes) {
        messages.append(message)
      } else {
        bad += 1
      }
    }
    return messages
  }

  mutating func reset() {
    bytes = []
    isTooLong = false
  }
}
