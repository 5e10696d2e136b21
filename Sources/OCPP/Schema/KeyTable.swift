/// Finds a name among a fixed set, by hash. Made once per type and kept for the life of the process.
struct KeyTable: @unchecked Sendable {
  /// The first and last eight bytes of a name tell almost all names apart; they may overlap. Of a shorter name, `head`
  /// has all bytes, then zeros, and `tail` is zero.
  private struct Entry {
    var head: UInt64
    var tail: UInt64
    var name: UnsafeBufferPointer<UInt8>
  }

  private static let empty: UInt8 = 255

  private let entries: UnsafeMutablePointer<Entry>
  private let slots: UnsafeMutablePointer<UInt8>
  private let shift: UInt64
  private let mask: Int
  let count: Int

  /// The names must be distinct, not empty, live for ever, and number at most 254.
  init(_ names: [UnsafeBufferPointer<UInt8>]) {
    precondition(names.count < Int(KeyTable.empty), "KeyTable: too many names")
    var bits: UInt64 = 3
    while 1 << bits < names.count * 3 { bits += 1 }
    count = names.count
    shift = 64 - bits
    mask = 1 << Int(bits) - 1
    entries = .allocate(capacity: max(1, names.count))
    slots = .allocate(capacity: mask + 1)
    slots.initialize(repeating: KeyTable.empty, count: mask + 1)
    for (index, name) in names.enumerated() {
      guard let base = name.baseAddress else { continue }
      let (head, tail) = KeyTable.ends(base, name.count)
      (entries + index).initialize(to: Entry(head: head, tail: tail, name: name))
      var slot = KeyTable.slot(head, tail, shift)
      while slots[slot] != KeyTable.empty { slot = (slot + 1) & mask }
      slots[slot] = UInt8(truncatingIfNeeded: index)
    }
  }

  /// Text of the name with that index.
  func text(_ index: Int) -> String {
    index >= 0 && index < count ? String(decoding: entries[index].name, as: UTF8.self) : ""
  }

  /// The bytes of the name with that index, which must be less than `count`.
  @inline(__always)
  func name(_ index: Int) -> UnsafeBufferPointer<UInt8> { entries[index].name }

  /// The index of the name in these bytes, or -1.
  func find(_ base: UnsafePointer<UInt8>, _ length: Int) -> Int {
    let (head, tail) = KeyTable.ends(base, length)
    return find(base, length, head, tail)
  }

  @inline(__always)
  private func find(_ base: UnsafePointer<UInt8>, _ length: Int, _ head: UInt64, _ tail: UInt64) -> Int {
    var slot = KeyTable.slot(head, tail, shift)
    while true {
      let index = slots[slot]
      if index == KeyTable.empty { return -1 }
      let entry = entries + Int(index)
      if entry.pointee.head == head, entry.pointee.tail == tail, entry.pointee.name.count == length,
        length <= 16 || KeyTable.sameMiddle(entry.pointee.name, base)
      {
        return Int(index)
      }
      slot = (slot &+ 1) & mask
    }
  }

  /// Finds the name that begins at `base` and ends before the first quote within `limit` bytes; both the index and the
  /// length are -1 when there is no such name. Escapes are not looked at: no name of OCPP has anything to escape.
  @inline(__always)
  func findQuoted(_ base: UnsafePointer<UInt8>, _ limit: Int) -> (index: Int, length: Int) {
    let raw = UnsafeRawPointer(base)
    var length = 0
    while length &+ 8 <= limit {
      let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: length, as: UInt64.self))
      let difference = word ^ 0x2222_2222_2222_2222
      let quotes = (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
      if quotes == 0 {
        length &+= 8
        continue
      }
      // The mark of the first quote is the top bit of its byte.
      let bits = UInt64(truncatingIfNeeded: quotes.trailingZeroBitCount &- 7)
      if length == 0 {
        let short = word & ~(UInt64.max &<< bits)
        length = Int(truncatingIfNeeded: bits &>> 3)
        return (find(base, length, short, 0), length)
      }
      length &+= Int(truncatingIfNeeded: bits &>> 3)
      let head = UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self))
      let tail = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: length &- 8, as: UInt64.self))
      return (find(base, length, head, tail), length)
    }
    return (-1, -1)
  }

  /// Compares what lies between the first and the last eight bytes.
  @inline(__always)
  private static func sameMiddle(_ name: UnsafeBufferPointer<UInt8>, _ other: UnsafePointer<UInt8>) -> Bool {
    guard let base = name.baseAddress else { return false }
    let (a, b) = (UnsafeRawPointer(base), UnsafeRawPointer(other))
    var index = 8
    while index < name.count &- 8 {
      // The last of these words may reach into the tail, never beyond it.
      let left = a.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      let right = b.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      if left != right { return false }
      index &+= 8
    }
    return true
  }

  @inline(__always)
  private static func slot(_ head: UInt64, _ tail: UInt64, _ shift: UInt64) -> Int {
    let mixed = (head ^ (tail &<< 23 | tail &>> 41)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed &>> shift)
  }

  private static func ends(_ base: UnsafePointer<UInt8>, _ count: Int) -> (UInt64, UInt64) {
    let raw = UnsafeRawPointer(base)
    if count >= 8 {
      return (
        UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self)),
        UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self))
      )
    }
    var head: UInt64 = 0
    for index in 0..<max(0, count) { head |= UInt64(base[index]) &<< UInt64(8 * index) }
    return (head, 0)
  }
}
