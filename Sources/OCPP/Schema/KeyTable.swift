/// Finds a name among a fixed set, by hash. Made once per type and kept for the life of the process.
struct KeyTable: @unchecked Sendable {
  /// The first and last eight bytes of a name (overlapping, or fewer, when it is shorter) tell almost all names apart.
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

  /// The names must be distinct, live for ever, and number at most 254.
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
      let (head, tail) = KeyTable.ends(name)
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

  /// The index of `name`, or -1.
  func find(_ name: UnsafeBufferPointer<UInt8>) -> Int {
    let (head, tail) = KeyTable.ends(name)
    var slot = KeyTable.slot(head, tail, shift)
    while true {
      let index = slots[slot]
      if index == KeyTable.empty { return -1 }
      let entry = entries + Int(index)
      if entry.pointee.head == head, entry.pointee.tail == tail, entry.pointee.name.count == name.count,
        name.count <= 16 || entry.pointee.name.elementsEqual(name)
      {
        return Int(index)
      }
      slot = (slot + 1) & mask
    }
  }

  @inline(__always)
  private static func slot(_ head: UInt64, _ tail: UInt64, _ shift: UInt64) -> Int {
    let mixed = (head ^ (tail << 23 | tail >> 41)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed >> shift)
  }

  @inline(__always)
  private static func ends(_ name: UnsafeBufferPointer<UInt8>) -> (UInt64, UInt64) {
    guard let base = name.baseAddress else { return (0, 0) }
    let raw = UnsafeRawPointer(base)
    let count = name.count
    if count >= 8 {
      return (raw.loadUnaligned(as: UInt64.self), raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
    }
    if count >= 4 {
      return (
        UInt64(raw.loadUnaligned(as: UInt32.self)),
        UInt64(raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
      )
    }
    if count == 0 { return (0, 0) }
    return (UInt64(base[0]) | UInt64(base[count / 2]) << 8 | UInt64(base[count - 1]) << 16, 0)
  }
}
