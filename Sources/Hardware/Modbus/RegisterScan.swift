import DeviceModel

/// Reads the registers of a plan from one unit, block by block, and stops at the first that fails.
final class RegisterScan: @unchecked Sendable {
  struct Unit: Sendable {
    var bus: ModbusBus
    var unit: UInt8
    var pause: TimeSpan
    var priority: ModbusPriority
    /// Tries of one block.
    var attempts: Int
  }

  struct Registers: Sendable {
    var values: RegisterDecoder.Registers
    /// When the first block was asked for: nothing in it is older.
    var acquiredAt: MonotonicTime
  }

  enum Outcome: Sendable {
    case registers(Registers)
    /// The device refuses a block (illegal address or value).
    case refused(BlockPlan.Block, UInt8)
    case failed(ModbusFailure)
  }

  private let unit: Unit
  private let blocks: [BlockPlan.Block]
  private let deadline: MonotonicTime
  private let done: @Sendable (Outcome) -> Void
  // Used by the bus's thread, one call after the other.
  private var values: RegisterDecoder.Registers = [:]
  private var acquiredAt: MonotonicTime?

  /// `done` is called once, on the bus's thread.
  static func run(
    _ blocks: [BlockPlan.Block], of unit: Unit, notBefore: MonotonicTime = MonotonicTime(nanoseconds: 0),
    deadline: MonotonicTime, _ done: @escaping @Sendable (Outcome) -> Void
  ) {
    let scan = RegisterScan(unit, blocks, deadline, done)
    scan.ask(0, notBefore)
  }

  private init(
    _ unit: Unit, _ blocks: [BlockPlan.Block], _ deadline: MonotonicTime, _ done: @escaping @Sendable (Outcome) -> Void
  ) {
    self.unit = unit
    self.blocks = blocks
    self.deadline = deadline
    self.done = done
  }

  private func read(_ block: BlockPlan.Block) -> ModbusRead {
    ModbusRead(
      unit: unit.unit, function: block.function == 4 ? .inputRegisters : .holdingRegisters,
      address: UInt16(truncatingIfNeeded: block.address), count: block.count)
  }

  private func ask(_ index: Int, _ notBefore: MonotonicTime) {
    guard blocks.indices.contains(index) else {
      return done(.registers(Registers(values: values, acquiredAt: acquiredAt ?? .now)))
    }
    let block = blocks[index]
    let request = ModbusRequest(
      read(block), priority: unit.priority, notBefore: notBefore, deadline: deadline, pause: unit.pause,
      attempts: unit.attempts, alternatives: blocks.filter { $0 != block }.map { self.read($0) })
    unit.bus.request(request) { [self] result in
      switch result {
      case .success(let answer):
        acquiredAt = acquiredAt ?? answer.acquiredAt
        for (offset, word) in answer.registers.enumerated() {
          values[block.function, default: [:]][block.address + offset] = word
        }
        ask(index + 1, MonotonicTime(nanoseconds: 0))
      case .failure(.exception(let code)) where code == 2 || code == 3: done(.refused(block, code))
      case .failure(let failure): done(.failed(failure))
      }
    }
  }
}

/// Reads fields, and learns on the way which reads a device refuses: first without gaps, then value by value; what is
/// refused even alone is left out from then on.
struct FieldReader: Sendable {
  var unit: RegisterScan.Unit
  var maxRegisters: Int
  var maxGap: Int
  var level = BlockPlan.Level.gaps
  /// Values that the device has refused, by the first register of the read.
  var refused: Set<MeterField.Span> = []

  enum Outcome: Sendable {
    case registers(RegisterScan.Registers)
    case failed(ModbusFailure)
  }

  func plan(_ fields: [MeterField]) -> BlockPlan {
    let asked = fields.filter { field in !field.spans.contains { refused.contains($0) } }
    return BlockPlan(asked, maxRegisters: maxRegisters, maxGap: maxGap, level: level)
  }

  /// `done` gets what was learned, on the bus's thread.
  func read(
    _ fields: [MeterField], notBefore: MonotonicTime = MonotonicTime(nanoseconds: 0), deadline: MonotonicTime,
    _ done: @escaping @Sendable (Outcome, FieldReader) -> Void
  ) {
    let blocks = plan(fields).blocks
    guard !blocks.isEmpty else { return done(.failed(.exception(2)), self) }
    RegisterScan.run(blocks, of: unit, notBefore: notBefore, deadline: deadline) { outcome in
      switch outcome {
      case .registers(let registers): done(.registers(registers), self)
      case .failed(let failure): done(.failed(failure), self)
      case .refused(let block, _):
        var learned = self
        if let next = level.next {
          learned.level = next
        } else {
          let first = block.address..<(block.address + block.count)
          for span in fields.flatMap(\.spans)
          where span.function == block.function && first.contains(span.address) {
            learned.refused.insert(span)
          }
        }
        learned.read(fields, deadline: deadline, done)
      }
    }
  }
}
