/// Registers or coils to read from one unit.
public struct ModbusRead: Hashable, Sendable {
  public enum Function: UInt8, Hashable, Sendable {
    /// Answered as registers of 0 and 1, one for each coil.
    case coils = 1
    case discreteInputs = 2
    case holdingRegisters = 3
    case inputRegisters = 4
  }

  /// 1 to 247; on TCP also 0 and 255.
  public var unit: UInt8
  public var function: Function
  /// As on the wire, from 0.
  public var address: UInt16
  /// 1 to 125.
  public var count: Int

  public init(unit: UInt8, function: Function, address: UInt16, count: Int) {
    precondition((1...125).contains(count) && Int(address) + count <= 65_536)
    self.unit = unit
    self.function = function
    self.address = address
    self.count = count
  }

  /// Function code, address, number of registers.
  var pdu: [UInt8] {
    [function.rawValue, UInt8(address >> 8), UInt8(address & 0xFF), UInt8(count >> 8), UInt8(count & 0xFF)]
  }

  var readsBits: Bool { function == .coils || function == .discreteInputs }

  var shape: ModbusShape { ModbusShape(function: function, count: readsBits ? (count + 7) / 8 : count) }
}

/// Values to write to one unit. Writing them twice is the same as once, so a write that was not answered is tried again.
public struct ModbusWrite: Hashable, Sendable {
  public enum Values: Hashable, Sendable {
    /// Function 5.
    case coil(Bool)
    /// Function 6.
    case register(UInt16)
    /// Function 15, 1 to 1968 coils.
    case coils([Bool])
    /// Function 16, 1 to 123 registers.
    case registers([UInt16])
  }

  /// 1 to 247; on TCP also 0 and 255.
  public var unit: UInt8
  /// As on the wire, from 0.
  public var address: UInt16
  public var values: Values

  public init(unit: UInt8, address: UInt16, values: Values) {
    switch values {
    case .coil, .register: break
    case .coils(let list): precondition((1...1968).contains(list.count) && Int(address) + list.count <= 65_536)
    case .registers(let list): precondition((1...123).contains(list.count) && Int(address) + list.count <= 65_536)
    }
    self.unit = unit
    self.address = address
    self.values = values
  }

  var function: UInt8 {
    switch values {
    case .coil: 5
    case .register: 6
    case .coils: 15
    case .registers: 16
    }
  }

  /// What the answer repeats after the address: the value, or the number of values.
  var echo: UInt16 {
    switch values {
    case .coil(let on): on ? 0xFF00 : 0
    case .register(let word): word
    case .coils(let list): UInt16(list.count)
    case .registers(let list): UInt16(list.count)
    }
  }

  var pdu: [UInt8] {
    let head = [function, UInt8(address >> 8), UInt8(address & 0xFF), UInt8(echo >> 8), UInt8(echo & 0xFF)]
    switch values {
    case .coil, .register: return head
    case .coils(let list):
      var bytes = [UInt8](repeating: 0, count: (list.count + 7) / 8)
      for (index, on) in list.enumerated() where on { bytes[index / 8] |= 1 << (index % 8) }
      return head + [UInt8(bytes.count)] + bytes
    case .registers(let list):
      return head + [UInt8(2 * list.count)] + list.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
    }
  }

  var shape: ModbusShape { .written(function: function, address: address, echo: echo) }
}

/// What a unit is asked.
public enum ModbusQuestion: Hashable, Sendable {
  case read(ModbusRead)
  case write(ModbusWrite)

  public var unit: UInt8 {
    switch self {
    case .read(let read): read.unit
    case .write(let write): write.unit
    }
  }

  var pdu: [UInt8] {
    switch self {
    case .read(let read): read.pdu
    case .write(let write): write.pdu
    }
  }

  var shape: ModbusShape {
    switch self {
    case .read(let read): read.shape
    case .write(let write): write.shape
    }
  }
}

/// All that a Modbus answer tells of its question: two questions of one shape cannot be told apart by their answers.
enum ModbusShape: Hashable, Sendable {
  /// Registers, or bytes of coils.
  case read(function: ModbusRead.Function, count: Int)
  case written(function: UInt8, address: UInt16, echo: UInt16)

  init(function: ModbusRead.Function, count: Int) { self = .read(function: function, count: count) }

  /// Of an answer that is no exception; `nil`: it is no answer to anything asked here.
  init?(answer pdu: [UInt8]) {
    guard let function = pdu.first, pdu.count >= 2 else { return nil }
    if let known = ModbusRead.Function(rawValue: function) {
      let count = pdu.count - 2
      guard count > 0, Int(pdu[1]) == count else { return nil }
      guard known == .holdingRegisters || known == .inputRegisters else {
        self = .read(function: known, count: count)
        return
      }
      guard count % 2 == 0 else { return nil }
      self = .read(function: known, count: count / 2)
      return
    }
    guard [5, 6, 15, 16].contains(function), pdu.count == 5 else { return nil }
    self = .written(
      function: function, address: UInt16(pdu[1]) << 8 | UInt16(pdu[2]), echo: UInt16(pdu[3]) << 8 | UInt16(pdu[4]))
  }
}

public enum ModbusPriority: Int, Hashable, Sendable, Comparable {
  /// Writes that switch or limit. However long a unit has been silent, it is tried once a second.
  case command
  /// States of control pilots. A silent unit is tried every 5 seconds.
  case control
  /// Periodic reading.
  case poll
  /// What a person waits for, and searches.
  case search
  /// Values that nobody waits for: when nothing else is due.
  case leisure

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A question and what the bus needs to know to plan it.
public struct ModbusRequest: Hashable, Sendable {
  public var question: ModbusQuestion
  public var priority: ModbusPriority
  /// Not before this.
  public var notBefore: MonotonicTime
  /// When it has not been answered by then, it fails.
  public var deadline: MonotonicTime
  /// Silence on the bus before it.
  public var pause: TimeSpan
  /// Tries before it fails; 1 or more.
  public var attempts: Int
  /// Reads of other lengths that the unit is known to answer, for getting back into step with it.
  public var alternatives: [ModbusRead]

  public init(
    _ read: ModbusRead, priority: ModbusPriority = .poll, notBefore: MonotonicTime = MonotonicTime(nanoseconds: 0),
    deadline: MonotonicTime, pause: TimeSpan = .zero, attempts: Int = 3, alternatives: [ModbusRead] = []
  ) {
    self.init(
      .read(read), priority: priority, notBefore: notBefore, deadline: deadline, pause: pause, attempts: attempts,
      alternatives: alternatives)
  }

  /// A write needs alternatives to be tried again: without, its repetition waits until its late answer is out of the question.
  public init(
    _ question: ModbusQuestion, priority: ModbusPriority,
    notBefore: MonotonicTime = MonotonicTime(nanoseconds: 0), deadline: MonotonicTime, pause: TimeSpan = .zero,
    attempts: Int = 3, alternatives: [ModbusRead]
  ) {
    precondition(attempts >= 1)
    self.question = question
    self.priority = priority
    self.notBefore = notBefore
    self.deadline = deadline
    self.pause = pause
    self.attempts = attempts
    self.alternatives = alternatives
  }
}

/// Registers (coils as 0 and 1; none of a write), and the moment at which they were asked for.
public struct ModbusAnswer: Hashable, Sendable {
  public var registers: [UInt16]
  public var acquiredAt: MonotonicTime
}

/// Why a question was not answered.
public enum ModbusFailure: Error, Hashable, Sendable {
  /// The device or host cannot be opened: why.
  case notOpen(String)
  /// No answer in time.
  case silent
  /// An answer that stopped before its end.
  case incomplete
  /// The answer's checksum, transaction or protocol is wrong: how.
  case garbled(String)
  /// Another unit answered.
  case otherUnit(UInt8)
  /// The unit answered something that was not asked.
  case otherAnswer
  /// The unit refused: exception code.
  case exception(UInt8)
  /// The unit has failed before and is left alone for a while: its last failure.
  case backingOff(String)
  /// More requests wait than the bus takes.
  case queueFull
  /// The bus was stopped.
  case stopped

  public var text: String {
    switch self {
    case .notOpen(let why): return why
    case .silent: return "no answer"
    case .incomplete: return "the answer stopped in the middle"
    case .garbled(let how): return "garbled answer: \(how)"
    case .otherUnit(let unit): return "unit \(unit) answered instead"
    case .otherAnswer: return "an answer to another question"
    case .exception(let code): return "refused: \(Self.exceptionText(code))"
    case .backingOff(let last): return "left alone after failures, the last: \(last)"
    case .queueFull: return "too many requests wait for the bus"
    case .stopped: return "the bus was stopped"
    }
  }

  /// Modbus application protocol V1.1b3, section 7.
  private static func exceptionText(_ code: UInt8) -> String {
    switch code {
    case 1: return "illegal function (exception 1)"
    case 2: return "illegal register address (exception 2)"
    case 3: return "illegal value (exception 3)"
    case 4: return "device failure (exception 4)"
    case 5: return "accepted, not finished (exception 5)"
    case 6: return "busy (exception 6)"
    case 8: return "memory parity error (exception 8)"
    case 10: return "gateway path unavailable (exception 10)"
    case 11: return "no answer behind the gateway (exception 11)"
    default: return "exception \(code)"
    }
  }
}

/// How a bus is reached.
public enum ModbusEndpoint: Hashable, Sendable, CustomStringConvertible {
  case serial(device: String, baud: Int, parity: Character, stopBits: Int)
  case tcp(host: String, port: Int)

  public var description: String {
    switch self {
    case .serial(let device, let baud, let parity, let stopBits): return "\(device) (\(baud) 8\(parity)\(stopBits))"
    case .tcp(let host, let port): return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
  }

  /// The time that a number of bytes takes on the line, rounded up; none on TCP.
  func duration(ofBytes count: Int) -> TimeSpan {
    guard case .serial(_, let baud, let parity, let stopBits) = self else { return .zero }
    let bits = 9 + (parity == "N" ? 0 : 1) + stopBits
    return .microseconds((count * bits * 1_000_000 + baud - 1) / baud)
  }

  /// The silence that separates frames: 3.5 characters, 1.75 ms above 19200 baud (Modbus over serial line V1.02, 2.5.1.1).
  var frameGap: TimeSpan {
    guard case .serial(_, let baud, _, _) = self else { return .zero }
    return baud > 19_200 ? .microseconds(1750) : .microseconds(38_500_000 / baud + 1)
  }
}
