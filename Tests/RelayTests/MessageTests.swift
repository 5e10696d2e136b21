import CRelay
import Testing

/// What is no message changes nothing; what is no configuration says where.
@Suite struct MessageTests {
  private static let size = MemoryLayout<relay_message>.size

  private func bytes(_ message: relay_message) -> [UInt8] { withUnsafeBytes(of: message) { Array($0) } }

  private func isTaken(_ bytes: [UInt8]) -> Bool {
    var message = relay_message()
    return relay_message_from_station(bytes, bytes.count, &message) == 1
  }

  @Test func messagesAreOfOneForm() {
    let good = bytes(relay_message_make(RELAY_CLOSE, 1, 7, 1000))
    #expect(isTaken(good))
    #expect(!isTaken([]) && !isTaken(Array(good.dropLast())) && !isTaken(good + [0]))
    // Any other byte makes it another message or none; those that stay valid are its EVSE, number and time.
    let free = Set([5, 6, 7] + Array(8..<12) + Array(16..<23))
    for index in good.indices where !free.contains(index) {
      var changed = good
      changed[index] ^= 0xA5
      #expect(!isTaken(changed), "byte \(index)")
    }
    for kind in [RELAY_HELLO, RELAY_STATE, RELAY_ALIVE] {
      #expect(!isTaken(bytes(relay_message_make(kind, 0, 1, 1))))
    }
    #expect(!isTaken(bytes(relay_message_make(RELAY_CLOSE, 0, 1, 1))))
    #expect(!isTaken(bytes(relay_message_make(RELAY_RENEW, 1, 1, 1))))
    #expect(!isTaken(bytes(relay_message_make(RELAY_RENEW, 0, 0, 1))))
    #expect(!isTaken(bytes(relay_message_make(RELAY_RENEW, 0, 1, -1))))
  }

  @Test func garbageNeverClosesAndNeverExtends() {
    let m = Machine()
    m.makeReady()
    m.close(1)
    var random = SystemRandomNumberGenerator()
    let good = bytes(relay_message_make(RELAY_CLOSE, 2, m.sequence + 1, m.now + 1_000_000_000))
    for round in 0..<20_000 {
      var garbage = good
      if round % 2 == 0 {
        garbage = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      } else {
        garbage[[0, 1, 2, 3, 4, 24, 30, 40, 52, 55].randomElement(using: &random)!] ^= UInt8.random(in: 1...255)
      }
      relay_machine_receive(m.machine, garbage, garbage.count, m.now)
    }
    #expect(m.machine.pointee.rejected == 20_000)
    #expect(!m.output(2))
    m.pass(350, renewing: false)
    #expect(!m.output(1))
  }

  @Test func anOldNumberIsNoMessage() {
    let m = Machine()
    m.makeReady()
    m.sequence -= 1
    m.send(RELAY_CLOSE, evse: 1)
    #expect(!m.output(1) && m.machine.pointee.rejected == 1)
    m.send(RELAY_CLOSE, evse: 3)
    #expect(m.machine.pointee.rejected == 2)
  }

  // MARK: Configuration

  private func problem(_ text: String) -> String {
    var config = relay_config()
    var error = [CChar](repeating: 0, count: 300)
    let line = relay_config_parse(text, text.utf8.count, &config, &error, error.count)
    return line == 0 ? "" : "\(line): " + String(decoding: error.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
  }

  @Test func aConfigurationIsRead() {
    let text = """
      # made by hand
      relayd 1

      lease 200
      heartbeat 5 chip0 active=low name=HEART BEAT
      evse 3 opening=50 closing=60
      power 3 chip0 active=low drive=open-drain offset=4
      power 3 /dev/gpiochip1 name=RELAY 1b
      mirror 3 chip0 contact=NO bias=pull-up name=M
      """
    var config = relay_config()
    var error = [CChar](repeating: 0, count: 300)
    #expect(relay_config_parse(text, text.utf8.count, &config, &error, error.count) == 0)
    #expect(config.lease_ms == 200 && config.channel_count == 1 && config.has_heartbeat == 1)
    #expect(config.heartbeat_ms == 5 && config.heartbeat.active_low == 1)
    let channel = config.channels.0
    #expect(channel.evse == 3 && channel.opening_ms == 50 && channel.closing_ms == 60 && channel.line_count == 2)
    #expect(channel.lines.0.offset == 4 && channel.lines.0.drive == 1 && channel.mirror.bias == 1)
    #expect(channel.mirror_normally_closed == 0)
    let name = withUnsafeBytes(of: channel.lines.1.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    #expect(name == "RELAY 1b")
  }

  @Test func mistakesAreNamed() {
    #expect(problem("lease 350") == "1: expected \"relayd 1\" before everything else")
    #expect(problem("relayd 1\nlease 5000") == "2: lease is 5000, expected a whole number from 100 to 390")
    #expect(problem("relayd 1\nevse 1") == "3: EVSE 1 has no power line")
    #expect(problem("relayd 1\n") == "2: there is no EVSE")
    #expect(problem("relayd 1\npower 1 c offset=1") == "2: there is no \"evse 1\" before this line")
    #expect(problem("relayd 1\nevse 1\nevse 1") == "3: EVSE 1 is there already")
    #expect(problem("relayd 1\nevse 1\npower 1 c") == "3: the line is missing, expected offset= or name=")
    #expect(
      problem("relayd 1\nevse 1\npower 1 c offset=x") == "3: offset is x, expected a whole number from 0 to 65535")
    #expect(
      problem("relayd 1\nevse 1\npower 1 c contact=NC offset=1")
        == "3: unknown word contact=NC, expected active=, bias=, drive=, offset= or name=")
    #expect(
      problem("relayd 1\nevse 1\npower 1 c offset=1\nmirror 1 c offset=2")
        == "4: contact= is missing, expected NC or NO")
    #expect(problem(String(repeating: "x", count: 600)) == "1: the line has more than 511 bytes")
    #expect(problem(String(repeating: "\n", count: 40_000)).hasPrefix("1: the configuration has"))
    let many = (1...17).map { "evse \($0)\npower \($0) c offset=\($0)\n" }.joined()
    #expect(problem("relayd 1\n" + many) == "34: more than 16 EVSEs")
    #expect(
      problem("relayd 1\nnonsense") == "2: unknown word nonsense, expected lease, heartbeat, evse, power or mirror")
  }

  @Test func noTextBreaksTheReader() {
    var random = SystemRandomNumberGenerator()
    let words = [
      "relayd 1", "lease", "evse 1", "power 1", "mirror", "c", "offset=1", "name=", "contact=NC", "\n", " ", "\t",
      "999999999999", "-", "\u{1}",
    ]
    for _ in 0..<5000 {
      let text =
        "relayd 1\n"
        + (0..<Int.random(in: 0..<40)).map { _ in words.randomElement(using: &random)! }.joined(separator: " ")
      _ = problem(text)
    }
  }
}
