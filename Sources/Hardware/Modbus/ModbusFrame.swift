/// A frame that arrived whole, with its checksum or header checked.
struct ModbusFrame: Hashable {
  var unit: UInt8
  /// Function code and data.
  var pdu: [UInt8]
}

/// Finds frames in what arrives.
enum ModbusFraming {
  enum Scan: Equatable {
    /// More bytes are needed; at least so many in all.
    case needs(Int)
    case frame(ModbusFrame, length: Int)
    /// The answer to another transaction: one that was given up. To be thrown away.
    case stranger(transaction: Int, length: Int)
    case bad(ModbusFailure)
  }

  /// The first RTU frame in `bytes`. Its length follows from its function code; what is no answer that this program can
  /// have asked for is bad.
  static func rtu(_ bytes: ArraySlice<UInt8>) -> Scan {
    let start = bytes.startIndex
    guard bytes.count >= 3 else { return .needs(3) }
    let function = bytes[start + 1]
    let length: Int
    switch function {
    case 0x80...: length = 5
    case 1...4: length = 5 + Int(bytes[start + 2])
    case 5, 6, 15, 16: length = 8
    default: return .bad(.garbled("function code \(function)"))
    }
    guard length <= 256 else { return .bad(.garbled("a length of \(length)")) }
    guard bytes.count >= length else { return .needs(length) }
    let body = bytes[start..<(start + length - 2)]
    let sent = UInt16(bytes[start + length - 2]) | UInt16(bytes[start + length - 1]) << 8
    guard crc(body) == sent else { return .bad(.garbled("wrong checksum")) }
    return .frame(ModbusFrame(unit: bytes[start], pdu: Array(body.dropFirst())), length: length)
  }

  /// The first TCP frame in `bytes`, and whether it belongs to a transaction.
  static func tcp(_ bytes: ArraySlice<UInt8>, transaction: UInt16) -> Scan {
    let start = bytes.startIndex
    guard bytes.count >= 7 else { return .needs(7) }
    func word(_ offset: Int) -> Int { Int(bytes[start + offset]) << 8 | Int(bytes[start + offset + 1]) }
    guard word(2) == 0 else { return .bad(.garbled("protocol \(word(2))")) }
    let length = 6 + word(4)
    guard (9...260).contains(length) else { return .bad(.garbled("a length of \(length)")) }
    guard bytes.count >= length else { return .needs(length) }
    guard word(0) == Int(transaction) else { return .stranger(transaction: word(0), length: length) }
    return .frame(
      ModbusFrame(unit: bytes[start + 6], pdu: Array(bytes[(start + 7)..<(start + length)])), length: length)
  }

  /// CRC-16 of Modbus over serial line (polynomial 0xA001, start 0xFFFF).
  static func crc(_ bytes: some Sequence<UInt8>) -> UInt16 {
    var crc: UInt16 = 0xFFFF
    for byte in bytes {
      crc ^= UInt16(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xA001 : crc >> 1 }
    }
    return crc
  }
}

/// What one exchange on the bus gave.
struct ModbusExchange {
  enum Result: Hashable {
    case answer(ModbusAnswer)
    case failed(ModbusFailure)
  }

  var result: Result
  /// Answers to earlier questions to the unit that came late and were thrown away.
  var late: [ModbusShape] = []

  /// Frames of others that one exchange throws away before it gives up.
  static let maxStrangers = 8

  /// Asks and waits for the answer. Frames of other units, and answers to questions that were given up (`doubtful`), are
  /// thrown away within the same time; anything else that is not the answer ends the exchange.
  static func run(
    _ question: ModbusQuestion, on line: any ModbusLine, timeout: TimeSpan, doubtful: Set<ModbusShape>
  ) -> ModbusExchange {
    var exchange = ModbusExchange(result: .failed(.silent))
    let pdu = question.pdu
    do throws(ModbusFailure) {
      let asked = try line.send(unit: question.unit, pdu: pdu)
      for _ in 0...maxStrangers {
        let frame = try line.receive(until: asked + timeout)
        if frame.unit != question.unit {
          // On TCP the transaction was ours, so this is not someone else's late answer but a wrong one.
          guard line.sharesWire else { throw .otherUnit(frame.unit) }
          exchange.result = .failed(.otherUnit(frame.unit))
          continue
        }
        if frame.pdu[0] == pdu[0] | 0x80 {
          guard frame.pdu.count == 2 else { throw .garbled("an exception of \(frame.pdu.count) bytes") }
          throw .exception(frame.pdu[1])
        }
        guard let shape = ModbusShape(answer: frame.pdu) else { throw .otherAnswer }
        if shape == question.shape {
          exchange.result = .answer(ModbusAnswer(registers: values(question, frame.pdu), acquiredAt: asked))
          return exchange
        }
        guard doubtful.contains(shape), line.sharesWire else { throw .otherAnswer }
        exchange.late.append(shape)
      }
      throw .garbled("more than \(maxStrangers) frames of others")
    } catch {
      // Silence after someone else's frame is told as that frame.
      if case .silent = error, case .failed(.otherUnit) = exchange.result { return exchange }
      exchange.result = .failed(error)
      return exchange
    }
  }

  /// Of an answer of the right shape.
  private static func values(_ question: ModbusQuestion, _ pdu: [UInt8]) -> [UInt16] {
    guard case .read(let read) = question else { return [] }
    guard !read.readsBits else {
      return (0..<read.count).map { UInt16(pdu[2 + $0 / 8] >> UInt8($0 % 8) & 1) }
    }
    return stride(from: 2, to: pdu.count, by: 2).map { UInt16(pdu[$0]) << 8 | UInt16(pdu[$0 + 1]) }
  }
}

/// A wire to Modbus units. Used by one thread.
protocol ModbusLine: AnyObject {
  /// Answers of several units arrive on it without a number that ties them to their question.
  var sharesWire: Bool { get }
  var isOpen: Bool { get }
  func open() throws(ModbusFailure)
  func close()
  /// Throws away what has arrived, sends a request, and returns the moment just before it left.
  func send(unit: UInt8, pdu: [UInt8]) throws(ModbusFailure) -> MonotonicTime
  /// The next frame. `silent` when none has begun by then.
  func receive(until deadline: MonotonicTime) throws(ModbusFailure) -> ModbusFrame
  /// Waits for silence and throws away what arrives, for a bounded time.
  func settle()
}
