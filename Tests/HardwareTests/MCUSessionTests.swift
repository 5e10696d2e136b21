import StationCore
import Testing

@testable import Hardware

@Suite struct MCUSessionTests {
  /// A session in virtual time, and a microcontroller that acknowledges all and sends a state every 100 ms.
  private struct Bench {
    var session: MCUSession
    var now = 0
    var reader = MCUFrameReader()
    var boot: UInt8 = 1
    var bootTime = 0
    var token: (UInt8, UInt8) = (0, 0)
    var sequence: UInt8 = 0
    var high = 12_000
    var flags: UInt16 = 0
    var answers = true
    var isHeard = false
    /// What it was told, without hellos and keep-alives.
    var commands: [[UInt8]] = []
    var outputs: [MCUSession.Output] = []

    init(facets: Set<MCUSession.Facet> = Set(MCUSession.Facet.allCases)) {
      session = MCUSession(
        MCUSession.Settings(
          evse: 1, connector: 1, keepAlive: .milliseconds(500), loss: .milliseconds(2000), most: 32_000,
          ventilation: false, facets: facets), at: MonotonicTime(nanoseconds: 0))
      session.opened(at: time)
    }

    var time: MonotonicTime { MonotonicTime(nanoseconds: Int64(now) * 1_000_000) }

    mutating func send(_ type: UInt8, _ body: [UInt8]) {
      sequence &+= 1
      session.received(MCUFrame.encode([type, sequence] + body), at: time)
    }

    mutating func hello() { send(0x81, [1, 0, 0, 0, boot] + Array("model".utf8)) }

    mutating func state(time stamp: Int? = nil) {
      let stamp = UInt32(stamp ?? now - bootTime)
      let isOn = if case .duty = session.machine.signal { true } else { false }
      let low: UInt16 = isOn ? UInt16(bitPattern: -12_000) : 0x8000
      let volts = UInt16(bitPattern: Int16(high))
      send(
        0x82,
        [
          UInt8(stamp >> 24), UInt8(stamp >> 16 & 255), UInt8(stamp >> 8 & 255), UInt8(stamp & 255), token.0, token.1,
          0,
        ]
          + [UInt8(volts >> 8), UInt8(volts & 255), UInt8(low >> 8), UInt8(low & 255)]
          + [UInt8(flags >> 8), UInt8(flags & 255), 255])
    }

    mutating func exchange() {
      for message in reader.take(session.takeBytes()) where answers {
        switch message[0] {
        case 0x01: hello()
        case 0x02: token = (message[2], message[3])
        default:
          commands.append(message)
          send(0x83, [message[0], message[1], 0])
        }
      }
      outputs += session.takeOutputs()
    }

    mutating func pass(_ milliseconds: Int) {
      for _ in 0..<(milliseconds / 10) {
        now += 10
        if answers, now % 100 == 0 { state() }
        if let deadline = session.deadline, deadline <= time { session.timeIsUp(at: time) }
        exchange()
        exchange()
      }
    }

    mutating func take() -> [CapabilityValue] {
      defer { outputs = [] }
      return outputs.compactMap(\.update.reading.value)
    }

    static func charging() -> Bench {
      var bench = Bench()
      bench.exchange()
      bench.pass(200)
      bench.high = 9000
      bench.session.offer(16_000, at: bench.time)
      bench.pass(200)
      bench.high = 6000
      bench.pass(800)
      bench.session.contactor(close: true, at: bench.time)
      bench.pass(50)
      #expect(bench.commands.last?.first == 0x11 && bench.commands.last?.last == 1)
      bench.flags |= 1
      bench.pass(200)
      #expect(bench.outputs.contains { $0.update.reading.value == .contactor(closed: true) })
      bench.outputs = []
      bench.commands = []
      return bench
    }
  }

  @Test func aSession() {
    var bench = Bench()
    bench.exchange()
    bench.pass(300)
    #expect(
      bench.take() == [.tripped(false), .tripped(false), .pilot(.a), .contactor(closed: false), .lock(locked: false)])
    #expect(bench.session.firmware == "model")
    // Open first, then steady high.
    #expect(bench.commands.map { Array($0.dropFirst(2)) }.prefix(2) == [[0], [0, 0, 0]])
    bench.high = 9000
    bench.session.offer(64_000, at: bench.time)
    bench.pass(200)
    #expect(bench.commands.last?[0] == 0x10)
    // No more than 32 A: 53.33 %.
    #expect(bench.commands.last.map { Array($0.dropFirst(2)) } == [1, 0x14, 0xD5])
    #expect(bench.take() == [.pilot(.b)])
    bench.high = 6000
    bench.pass(700)
    #expect(bench.take() == [.pilot(.c)])
    bench.high = 9000
    bench.pass(100)
    #expect(bench.take() == [.pilot(.b)])
  }

  @Test func theContactorClosesOnlyWhenAsked() {
    var bench = Bench()
    bench.exchange()
    bench.pass(300)
    bench.commands = []
    bench.outputs = []
    bench.session.contactor(close: true, at: bench.time)
    bench.pass(100)
    // Not sent; what it is is told again.
    #expect(bench.commands.isEmpty)
    #expect(bench.take() == [.contactor(closed: false)])
  }

  @Test func leavingCOpensWithoutBeingTold() {
    var bench = Bench.charging()
    bench.high = 9000
    bench.pass(100)
    #expect(bench.commands.map { [$0[0], $0[2]] } == [[0x11, 0]])
    #expect(bench.take() == [.pilot(.b)])
  }

  @Test func silenceIsUnknownAfterTheLossTimeAndNeverNewer() {
    var bench = Bench.charging()
    bench.answers = false
    bench.pass(2100)
    let unknown = bench.outputs.filter { $0.update.reading.value == nil }
    #expect(Set(unknown.map(\.facet)) == Set(MCUSession.Facet.allCases))
    #expect(
      unknown.flatMap(\.update.raised).map(\.name) == ["CommunicationFault"])
    let silentSince = bench.now - 2100
    for output in unknown {
      #expect(output.update.reading.acquiredAt.nanoseconds <= Int64(silentSince) * 1_000_000)
    }
    let reopens = bench.session.takeReopen()
    #expect(reopens)
    // It comes back: open, until it is commanded anew.
    bench.outputs = []
    bench.answers = true
    bench.session.opened(at: bench.time)
    bench.exchange()
    bench.commands = []
    bench.pass(1000)
    #expect(bench.outputs.flatMap(\.update.cleared).map(\.name).contains("CommunicationFault"))
    #expect(!bench.commands.contains { $0[0] == 0x11 && $0[2] == 1 })
  }

  @Test func aRebootOpensAndIsNotedByItsHello() {
    var bench = Bench.charging()
    bench.boot = 2
    bench.bootTime = bench.now
    bench.flags = 1 << 7
    bench.hello()
    bench.pass(1500)
    // What it is to put out is told again, the contactor is to be open.
    #expect(bench.commands.contains { $0[0] == 0x11 && $0[2] == 0 })
    #expect(bench.commands.contains { $0[0] == 0x10 && $0[2] == 1 })
    #expect(!bench.commands.contains { $0[0] == 0x11 && $0[2] == 1 })
    #expect(bench.outputs.contains { $0.update.reading.value == .contactor(closed: false) })
  }

  @Test func lateStatesAreNotBelieved() {
    var bench = Bench.charging()
    bench.high = 9000
    let before = bench.session.late
    // Read before what is known.
    bench.state(time: bench.now - 300)
    #expect(bench.session.late == before + 1)
    // With a keep-alive of long ago.
    bench.token = (0xFF, 0xFF)
    bench.state()
    #expect(bench.session.late == before + 2)
    #expect(bench.session.machine.state == .c)
  }

  /// A line that has delayed everything from its beginning shows no other delay; the numbers of the keep-alives do.
  @Test func aLineThatIsAlwaysLateIsFoundOutByTheKeepAlives() {
    var bench = Bench()
    bench.exchange()
    bench.pass(50)
    let old = bench.token
    bench.answers = false
    // Two more keep-alives have left when a state with the first number comes.
    for _ in 0..<165 {
      bench.now += 10
      bench.session.timeIsUp(at: bench.time)
      _ = bench.session.takeBytes()
    }
    bench.token = old
    let before = bench.session.late
    bench.high = 9000
    bench.state()
    #expect(bench.session.late == before + 1)
    #expect(bench.session.machine.state != .b)
  }

  @Test func aRepeatedFrameIsIgnored() {
    var bench = Bench()
    bench.exchange()
    bench.pass(200)
    let frame = MCUFrame.encode([0x83, bench.sequence, 0x10, 1, 2])
    bench.session.received(frame, at: bench.time)
    #expect(bench.session.faults.isEmpty)
  }

  @Test func commandsAreRepeatedAndThenAFault() {
    var bench = Bench.charging()
    bench.session.lock(true, at: bench.time)
    var sent = 0
    for _ in 0..<60 {
      bench.now += 10
      if bench.now % 100 == 0 { bench.state() }
      bench.session.timeIsUp(at: bench.time)
      // Nothing is acknowledged.
      sent += bench.reader.take(bench.session.takeBytes()).filter { $0[0] == 0x12 }.count
      bench.outputs += bench.session.takeOutputs()
    }
    #expect(sent == MCUSession.tries)
    #expect(bench.outputs.flatMap(\.update.raised).map(\.name) == ["EVSEControllerRefuses"])
  }

  @Test func anotherVersionIsAFaultAndNothingIsBelieved() {
    var bench = Bench()
    _ = bench.session.takeBytes()
    bench.send(0x81, [2, 0, 0, 0, 1] + Array("new".utf8))
    bench.state()
    bench.outputs += bench.session.takeOutputs()
    #expect(bench.outputs.flatMap(\.update.raised).map(\.name) == ["EVSEControllerFailure"])
    #expect(bench.take().isEmpty)
  }

  @Test func tripsAndWelds() {
    var bench = Bench.charging()
    bench.flags |= 1 << 2 | 1 << 3 | 1 << 4
    bench.pass(100)
    #expect(bench.outputs.contains { $0.facet == .rcd && $0.update.reading.value == .tripped(true) })
    #expect(bench.outputs.contains { $0.facet == .emergencyStop && $0.update.reading.value == .tripped(true) })
    #expect(bench.outputs.flatMap(\.update.raised).map(\.name) == ["ContactorWelded"])
    let hasTest = bench.session.rcdTest(at: bench.time)
    #expect(hasTest)
  }

  /// Garbage and half frames never stop it, and never make a value.
  @Test func garbage() {
    var bench = Bench.charging()
    var random = TestRandom(seed: 7)
    for _ in 0..<500 {
      bench.session.received(random.bytes(Int.random(in: 0...200, using: &random)), at: bench.time)
      _ = bench.session.takeBytes()
    }
    bench.outputs += bench.session.takeOutputs()
    #expect(bench.take().isEmpty)
    #expect(bench.session.invalid > 100)
    bench.session.received([0], at: bench.time)
    bench.high = 9000
    bench.pass(200)
    #expect(bench.take() == [.pilot(.b)])
  }
}
