import StationCore

/// The checksum kept beside every message and every record: SQLite notices damage to its structure, not to what is in it,
/// and a wrong digit would be a wrong bill.
///
/// CRC-32 over everything but a message's `attempts`. It is stored: never change it.
enum Checksum {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
  }

  static func of(_ message: QueuedMessage) -> Int64 {
    var state = UInt32.max
    add(bytes(message.id), &state)
    add(message.transactionID.map(bytes) ?? [0xFF], &state)
    for text in [message.action, message.messageID] { add(bytes(text), &state) }
    add(message.unknownTimeBoot.map(bytes) ?? [0xFF], &state)
    add(message.payload, &state)
    return Int64(~state)
  }

  static func of(_ collection: String, _ key: String, _ value: [UInt8]) -> Int64 {
    var state = UInt32.max
    for text in [collection, key] { add(bytes(text), &state) }
    add(value, &state)
    return Int64(~state)
  }

  private static func bytes(_ text: String) -> [UInt8] { bytes(Int64(text.utf8.count)) + Array(text.utf8) }
  private static func bytes(_ value: Int64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

  private static func add(_ bytes: [UInt8], _ state: inout UInt32) {
    table.withUnsafeBufferPointer { table in
      for byte in bytes { state = state >> 8 ^ table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] }
    }
  }
}
