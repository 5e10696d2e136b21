import Testing

@testable import Hardware

@Suite struct ModbusFrameTests {
  /// The example of Modbus over serial line V1.02: 01 03 00 00 00 0A has the checksum C5 CD on the wire.
  @Test func checksum() {
    #expect(ModbusFraming.crc([0x01, 0x03, 0x00, 0x00, 0x00, 0x0A] as [UInt8]) == 0xCDC5)
  }

  private func rtu(_ body: [UInt8]) -> [UInt8] {
    let crc = ModbusFraming.crc(body)
    return body + [UInt8(crc & 0xFF), UInt8(crc >> 8)]
  }

  @Test func serialFrames() {
    let frame = rtu([1, 4, 4, 0x43, 0x66, 0, 0])
    #expect(ModbusFraming.rtu(frame[...]) == .frame(ModbusFrame(unit: 1, pdu: [4, 4, 0x43, 0x66, 0, 0]), length: 9))
    for count in 0..<3 { #expect(ModbusFraming.rtu(frame[..<count]) == .needs(3)) }
    for count in 3..<9 { #expect(ModbusFraming.rtu(frame[..<count]) == .needs(9)) }
    #expect(
      ModbusFraming.rtu((frame + [9, 9])[...])
        == .frame(ModbusFrame(unit: 1, pdu: [4, 4, 0x43, 0x66, 0, 0]), length: 9))
    #expect(ModbusFraming.rtu(rtu([7, 0x84, 2])[...]) == .frame(ModbusFrame(unit: 7, pdu: [0x84, 2]), length: 5))
    for index in frame.indices {
      var broken = frame
      broken[index] ^= 0x10
      if case .frame = ModbusFraming.rtu(broken[...]) { Issue.record("a frame with a broken byte \(index) was taken") }
    }
    #expect(ModbusFraming.rtu([1, 77, 0][...]) == .bad(.garbled("function code 77")))
    #expect(ModbusFraming.rtu([1, 4, 255][...]) == .bad(.garbled("a length of 260")))
  }

  @Test func networkFrames() {
    let frame: [UInt8] = [0, 5, 0, 0, 0, 5, 9, 4, 2, 0x12, 0x34]
    let taken = ModbusFrame(unit: 9, pdu: [4, 2, 0x12, 0x34])
    #expect(ModbusFraming.tcp(frame[...], transaction: 5) == .frame(taken, length: 11))
    #expect(ModbusFraming.tcp(frame[...], transaction: 6) == .stranger(transaction: 5, length: 11))
    #expect(ModbusFraming.tcp(frame[..<6], transaction: 5) == .needs(7))
    #expect(ModbusFraming.tcp(frame[..<10], transaction: 5) == .needs(11))
    #expect(ModbusFraming.tcp([0, 5, 0, 1, 0, 5, 9][...], transaction: 5) == .bad(.garbled("protocol 1")))
    #expect(ModbusFraming.tcp([0, 5, 0, 0, 0, 2, 9][...], transaction: 5) == .bad(.garbled("a length of 8")))
    #expect(ModbusFraming.tcp([0, 5, 0, 0, 1, 0, 9][...], transaction: 5) == .bad(.garbled("a length of 262")))
  }

  /// Random bytes are a frame only with a right checksum, and what is asked for is always more than is there.
  @Test func anyBytes() {
    for _ in 0..<3000 {
      let bytes = (0..<Int.random(in: 0...300)).map { _ in UInt8.random(in: 0...255) }
      for scan in [ModbusFraming.rtu(bytes[...]), ModbusFraming.tcp(bytes[...], transaction: 1)] {
        switch scan {
        case .needs(let count): #expect(count > bytes.count)
        case .frame(_, let length), .stranger(_, let length): #expect(length <= bytes.count && length > 0)
        case .bad: break
        }
      }
    }
  }

  // MARK: Exchanges

  /// A wire with what will arrive on it.
  private final class ScriptedLine: ModbusLine {
    var sharesWire: Bool
    var isOpen = true
    var arriving: [Result<ModbusFrame, ModbusFailure>]
    var sent: [[UInt8]] = []

    init(sharesWire: Bool, _ arriving: [Result<ModbusFrame, ModbusFailure>]) {
      self.sharesWire = sharesWire
      self.arriving = arriving
    }

    func open() throws(ModbusFailure) {}
    func close() { isOpen = false }
    func settle() {}
    func send(unit: UInt8, pdu: [UInt8]) throws(ModbusFailure) -> MonotonicTime {
      sent.append([unit] + pdu)
      return MonotonicTime(nanoseconds: 42)
    }
    func receive(until deadline: MonotonicTime) throws(ModbusFailure) -> ModbusFrame {
      guard !arriving.isEmpty else { throw .silent }
      return try arriving.removeFirst().get()
    }
  }

  private let read = ModbusRead(unit: 5, function: .inputRegisters, address: 0x0102, count: 2)

  private func run(
    serial: Bool = true, doubtful: Set<ModbusShape> = [], _ arriving: [(UInt8, [UInt8])]
  ) -> ModbusExchange {
    let line = ScriptedLine(sharesWire: serial, arriving.map { .success(ModbusFrame(unit: $0.0, pdu: $0.1)) })
    let exchange = ModbusExchange.run(.read(read), on: line, timeout: .milliseconds(100), doubtful: doubtful)
    #expect(line.sent == [[5, 4, 1, 2, 0, 2]])
    return exchange
  }

  private let answer: [UInt8] = [4, 4, 0, 1, 0xFF, 0xFE]
  private let registers = ModbusExchange.Result.answer(
    ModbusAnswer(registers: [1, 0xFFFE], acquiredAt: MonotonicTime(nanoseconds: 42)))

  @Test func theAnswerIsStampedWithTheQuestion() {
    #expect(run([(5, answer)]).result == registers)
  }

  @Test func framesOfOtherUnits() {
    #expect(run([(7, answer), (8, answer), (5, answer)]).result == registers)
    #expect(run([(7, answer)]).result == .failed(.otherUnit(7)))
    #expect(run(serial: false, [(7, answer), (5, answer)]).result == .failed(.otherUnit(7)))
    let flood = run(Array(repeating: (7, answer), count: 20))
    #expect(flood.result == .failed(.garbled("more than 8 frames of others")))
  }

  @Test func answersToOtherQuestions() {
    #expect(run([(5, [4, 2, 0, 1])]).result == .failed(.otherAnswer))
    #expect(run([(5, [3, 4, 0, 1, 0, 2])]).result == .failed(.otherAnswer))
    #expect(run([(5, [4, 3, 0, 1, 0])]).result == .failed(.otherAnswer))
    #expect(run([(5, [4, 6, 0, 1, 0, 2])]).result == .failed(.otherAnswer))
    #expect(run([(5, [6, 4, 0, 1, 0, 2])]).result == .failed(.otherAnswer))
    #expect(run([(5, [4])]).result == .failed(.otherAnswer))
  }

  @Test func lateAnswersAreThrownAway() {
    let shape = ModbusShape(function: .inputRegisters, count: 1)
    let exchange = run(doubtful: [shape], [(5, [4, 2, 0, 9]), (5, answer)])
    #expect(exchange.result == registers)
    #expect(exchange.late == [shape])
  }

  @Test func refusals() {
    #expect(run([(5, [0x84, 2])]).result == .failed(.exception(2)))
    #expect(run([(5, [0x83, 2])]).result == .failed(.otherAnswer))
    #expect(run([]).result == .failed(.silent))
  }

  // MARK: Writes and coils

  private func ask(
    _ question: ModbusQuestion, serial: Bool = true, doubtful: Set<ModbusShape> = [], _ arriving: [[UInt8]]
  ) -> (exchange: ModbusExchange, sent: [[UInt8]]) {
    let line = ScriptedLine(
      sharesWire: serial, arriving.map { .success(ModbusFrame(unit: question.unit, pdu: $0)) })
    let exchange = ModbusExchange.run(question, on: line, timeout: .milliseconds(100), doubtful: doubtful)
    return (exchange, line.sent)
  }

  private let done = ModbusExchange.Result.answer(
    ModbusAnswer(registers: [], acquiredAt: MonotonicTime(nanoseconds: 42)))

  /// Examples of the Modbus application protocol V1.1b3, sections 6.5, 6.6, 6.11 and 6.12.
  @Test func writesOnTheWire() {
    let cases: [(ModbusWrite.Values, UInt16, [UInt8], [UInt8])] = [
      (.coil(true), 172, [5, 0, 172, 0xFF, 0], [5, 0, 172, 0xFF, 0]),
      (.coil(false), 172, [5, 0, 172, 0, 0], [5, 0, 172, 0, 0]),
      (.register(3), 1, [6, 0, 1, 0, 3], [6, 0, 1, 0, 3]),
      (
        .coils([true, false, true, true, false, false, true, true, true, false]), 19,
        [15, 0, 19, 0, 10, 2, 0xCD, 1], [15, 0, 19, 0, 10]
      ),
      (.registers([10, 0x102]), 1, [16, 0, 1, 0, 2, 4, 0, 10, 1, 2], [16, 0, 1, 0, 2]),
    ]
    for (values, address, request, answer) in cases {
      let write = ModbusQuestion.write(ModbusWrite(unit: 5, address: address, values: values))
      let (exchange, sent) = ask(write, [answer])
      #expect(sent == [[5] + request])
      #expect(exchange.result == done)
      // One bit of the answer is another: it is not the answer.
      for index in 1..<answer.count {
        var other = answer
        other[index] ^= 1
        #expect(ask(write, [other]).exchange.result == .failed(.otherAnswer), "byte \(index) of \(answer)")
      }
      #expect(ask(write, [[answer[0] | 0x80, 3]]).exchange.result == .failed(.exception(3)))
      #expect(ask(write, [Array(answer.dropLast())]).exchange.result == .failed(.otherAnswer))
    }
  }

  /// The answer to a write that was given up is not that to another value.
  @Test func lateAnswersToWrites() {
    let write = ModbusWrite(unit: 5, address: 1000, values: .register(16))
    let late = ModbusWrite(unit: 5, address: 1000, values: .register(6))
    let exchange = ask(.write(write), doubtful: [late.shape], [late.pdu, write.pdu]).exchange
    #expect(exchange.result == done && exchange.late == [late.shape])
    #expect(ask(.write(write), [late.pdu]).exchange.result == .failed(.otherAnswer))
  }

  @Test func coils() {
    let read = ModbusRead(unit: 5, function: .coils, address: 400, count: 10)
    let (exchange, sent) = ask(.read(read), [[1, 2, 0b0000_0101, 0b10]])
    #expect(sent == [[5, 1, 1, 0x90, 0, 10]])
    #expect(
      exchange.result
        == .answer(
          ModbusAnswer(registers: [1, 0, 1, 0, 0, 0, 0, 0, 0, 1], acquiredAt: MonotonicTime(nanoseconds: 42))))
    #expect(ask(.read(read), [[1, 1, 5]]).exchange.result == .failed(.otherAnswer))
    // An echo of the request is no answer.
    #expect(ask(.read(read), [[1, 1, 0x90, 0, 10]]).exchange.result == .failed(.otherAnswer))
  }
}
