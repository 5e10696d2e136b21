import DeviceModel

/// The reads that give a number of fields, as few as the meter's limits allow.
struct BlockPlan: Hashable {
  struct Block: Hashable {
    var function: UInt8
    var address: Int
    var count: Int
  }

  /// How boldly reads are joined. A device that refuses a read (exception 2 or 3) gets the next one.
  enum Level: Int, Comparable {
    /// Over gaps, as far as the model allows.
    case gaps
    /// Only what lies side by side.
    case adjacent
    /// Each value by itself.
    case single

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    var next: Level? { Level(rawValue: rawValue + 1) }
  }

  private(set) var blocks: [Block] = []

  /// `maxRegisters`, `maxGap`: of the meter model, or less.
  init(_ fields: [MeterField], maxRegisters: Int, maxGap: Int, level: Level = .gaps) {
    let gap = level == .gaps ? maxGap : 0
    var lastIsAlone = true
    for span in Set(fields.flatMap(\.spans)).sorted(by: Self.order) {
      let end = span.address + span.registers
      if let last = blocks.last, last.function == span.function, !span.alone, !lastIsAlone {
        let lastEnd = last.address + last.count
        if end <= lastEnd { continue }
        if level != .single, span.address - lastEnd <= gap, end - last.address <= maxRegisters {
          blocks[blocks.count - 1].count = end - last.address
          continue
        }
      }
      blocks.append(Block(function: span.function, address: span.address, count: span.registers))
      lastIsAlone = span.alone
    }
  }

  /// A read of the plan brings all of it.
  func covers(_ span: MeterField.Span) -> Bool {
    blocks.contains {
      $0.function == span.function && $0.address <= span.address
        && span.address + span.registers <= $0.address + $0.count
    }
  }

  private static func order(_ a: MeterField.Span, _ b: MeterField.Span) -> Bool {
    (a.function, a.address, a.registers) < (b.function, b.address, b.registers)
  }
}
