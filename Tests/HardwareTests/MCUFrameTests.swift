import Testing

@testable import Hardware

@Suite struct MCUFrameTests {
  @Test func checksum() {
    #expect(MCUFrame.crc(Array("123456789".utf8)) == 0xD64E)
  }

  @Test func framesAreReadBack() {
    var random = TestRandom(seed: 1)
    for length in 2...MCUFrame.longestMessage {
      for zeros in [0.0, 0.5, 1.0] {
        let message = random.bytes(length).map { Double.random(in: 0..<1, using: &random) < zeros ? 0 : $0 }
        let frame = MCUFrame.encode(message)
        #expect(frame.count <= MCUFrame.longestFrame && frame.last == 0 && !frame.dropLast().contains(0))
        var reader = MCUFrameReader()
        #expect(reader.take(frame) == [message])
        // Byte by byte, with garbage before.
        let garbage = reader.take([9, 9, 0])
        #expect(garbage == [] && reader.bad == 1)
        let pieces = frame.flatMap { reader.take([$0]) }
        #expect(pieces == [message])
      }
    }
  }

  @Test func aKnownFrame() {
    // hello, sequence 1, version 1, 2000 ms: CRC computed with the model of the rig.
    let message = MCUCommand.hello(version: 1, lossMilliseconds: 2000).encoded(sequence: 1)
    #expect(message == [0x01, 0x01, 0x01, 0x07, 0xD0])
    let crc = MCUFrame.crc(message)
    #expect(MCUFrame.encode(message) == [8, 1, 1, 1, 7, 0xD0, UInt8(crc >> 8), UInt8(crc & 0xFF), 0])
  }

  /// Any broken byte is noticed, and the next frame is read.
  @Test func brokenFrames() {
    let message: [UInt8] = [0x82, 7, 1, 0, 3, 0, 0, 9]
    let frame = MCUFrame.encode(message)
    for index in frame.indices {
      for bit in 0..<8 {
        var broken = frame
        broken[index] ^= 1 << bit
        var reader = MCUFrameReader()
        let taken = reader.take(broken + [0] + frame)
        #expect(taken == [message], "byte \(index) bit \(bit)")
      }
      // Without its end alone it is whole.
      guard index < frame.count - 1 else { continue }
      var reader = MCUFrameReader()
      #expect(reader.take(Array(frame[..<index]) + [0] + frame) == [message], "cut at \(index)")
    }
  }

  /// Random bytes are thrown away within bounds, and the frame after the next end is read.
  @Test func anyBytes() {
    var random = TestRandom(seed: 2)
    let frame = MCUFrame.encode([0x83, 1, 0x10, 4, 0])
    for _ in 0..<3000 {
      var reader = MCUFrameReader()
      let noise = random.bytes(Int.random(in: 0...300, using: &random))
      let before = reader.take(noise)
      #expect(before.allSatisfy { (2...MCUFrame.longestMessage).contains($0.count) })
      #expect(reader.take([0] + frame).last == [0x83, 1, 0x10, 4, 0])
    }
  }

  @Test func reports() {
    let state: [UInt8] = [0x82, 5, 0, 0, 1, 0, 0, 7, 0, 0x17, 0x70, 0xD1, 0x20, 0, 1, 32]
    guard case .state(let read)? = MCUReport.decode(state)?.report else {
      Issue.record("no state")
      return
    }
    #expect(read.time == 256 && read.token == 7 && read.pilot == .levels(high: 6000, low: -12_000))
    #expect(read.flags == .closed && read.cable == 32)
    #expect(MCUReport.decode([0x83, 9, 0x11, 3, 2])?.report == .acknowledged(type: 0x11, sequence: 3, .refused))
    let hello: [UInt8] = [0x81, 1, 1, 0, 0, 1, 0] + Array("pilot 1.2".utf8)
    #expect(MCUReport.decode(hello)?.report == .hello(MCUReport.Hello(version: 1, boot: 256, firmware: "pilot 1.2")))
    // Classified, no PWM; unknown cable.
    let classified: [UInt8] = [0x82, 5, 0, 0, 1, 0, 0, 7, 1, 0, 1, 0, 2, 0, 0, 255]
    guard case .state(let other)? = MCUReport.decode(classified)?.report else {
      Issue.record("no state")
      return
    }
    #expect(other.pilot == .classified(PilotSample(.plus9)) && other.cable == nil)
  }

  @Test func whatIsNotExactlySoIsRefused() {
    let state: [UInt8] = [0x82, 5, 0, 0, 1, 0, 0, 7, 0, 0x17, 0x70, 0xD1, 0x20, 0, 1, 32]
    func changed(_ index: Int, _ value: UInt8) -> [UInt8] {
      var message = state
      message[index] = value
      return message
    }
    let wrong: [[UInt8]] = [
      [], [0x82], Array(state.dropLast()), state + [0], changed(0, 0x10), changed(8, 2), changed(9, 0x7F),
      changed(13, 1), changed(15, 16),
      [0x83, 1, 0x10, 1], [0x83, 1, 0x10, 1, 3], [0x81, 1, 1, 0, 0, 0, 1], [0x81, 1, 1, 0, 0, 0, 1, 7],
      [0x81, 1, 1, 0, 0, 0, 1] + [UInt8](repeating: 65, count: 33), [0x01, 1, 1, 7, 0xD0],
    ]
    for message in wrong { #expect(MCUReport.decode(message) == nil, "\(message)") }
    var random = TestRandom(seed: 3)
    for _ in 0..<20_000 {
      var bytes = random.bytes(Int.random(in: 0...20, using: &random))
      if !bytes.isEmpty { bytes[0] = [0x81, 0x82, 0x83][Int.random(in: 0..<3, using: &random)] }
      if case .state(let state)? = MCUReport.decode(bytes)?.report, case .levels(let high, _) = state.pilot {
        #expect(abs(high) <= 15_000)
      }
    }
  }

  @Test func theClockTakesTheLeastDelay() {
    func at(_ milliseconds: Int) -> MonotonicTime { MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000) }
    var clock = MCUClock()
    #expect(clock.time(of: 100, arrived: at(5010)) == at(5010))
    // Quicker: the offset is less.
    #expect(clock.time(of: 200, arrived: at(5105)) == at(5105))
    // 400 ms late; the clocks may have drifted apart by a thousandth.
    let late = clock.time(of: 300, arrived: at(5605))
    #expect(late >= at(5205) && late <= at(5206))
    // Its counter goes round.
    var round = MCUClock()
    _ = round.time(of: .max - 99, arrived: at(1000))
    #expect(round.time(of: 100, arrived: at(1200)) == at(1200))
    #expect(round.time(of: 200, arrived: at(1400)) <= at(1301))
  }
}
