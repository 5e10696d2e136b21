/// A PN532 on HSU (UART, 115200 8N1): wakes it, sets it up, and asks for cards (NXP UM0701-02). In virtual time.
///
/// A card is told once: again only after it was away for `rearm`, or when another one comes.
struct PN532Session: DeviceSession {
  enum Output: Hashable, Sendable {
    /// A card was put on: its UID, upper-case hexadecimal.
    case card(String)
    /// It answers: firmware `PN532 1.6`.
    case ready(String)
    case lost(String)
  }

  static let ackTime = TimeSpan.milliseconds(100)
  static let answerTime = TimeSpan.seconds(1)
  /// Between two looks for a card.
  static let pollInterval = TimeSpan.milliseconds(150)
  /// Failures in a row before the reader counts as lost and is set up anew.
  static let maxFailures = 5

  private enum Step: Int {
    case firmware, samConfiguration, retries, poll
  }

  let rearm: TimeSpan
  private var reader = PN532FrameReader()
  private var step: Step?
  private var isAcknowledged = false
  private var due: MonotonicTime?
  private var waits = false
  private var failures = 0
  private var bytes: [UInt8] = []
  private var outputs: [Output] = []
  private var mustReopen = false
  private var isReady = false
  private var firmware = ""
  private var present: (uid: String, seen: MonotonicTime)?

  init(rearm: TimeSpan) { self.rearm = rearm }

  mutating func opened(at now: MonotonicTime) {
    reader.reset()
    failures = 0
    // Wake-up: a long preamble (HSU wakes by the fifth rising edge), then a command within its time.
    bytes = [0x55, 0x55] + [UInt8](repeating: 0, count: 14)
    ask(.firmware, at: now)
  }

  mutating func lost(_ why: String, at now: MonotonicTime) {
    step = nil
    due = nil
    bytes = []
    isReady = false
    outputs.append(.lost(why))
  }

  private mutating func ask(_ next: Step, at now: MonotonicTime) {
    let command: [UInt8]
    switch next {
    case .firmware: command = [0x02]
    // Normal mode, no time-out, no IRQ.
    case .samConfiguration: command = [0x14, 0x01, 0x00, 0x00]
    // RFConfiguration, item 5: a look for a card is tried twice and then answered, so that its absence is known.
    case .retries: command = [0x32, 0x05, 0xFF, 0x01, 0x02]
    // InListPassiveTarget: one card, 106 kbit/s type A.
    case .poll: command = [0x4A, 0x01, 0x00]
    }
    step = next
    isAcknowledged = false
    waits = true
    bytes += PN532Frame.encode(command)
    due = now + Self.ackTime
  }

  private static func answer(to step: Step) -> UInt8 {
    switch step {
    case .firmware: 0x03
    case .samConfiguration: 0x15
    case .retries: 0x33
    case .poll: 0x4B
    }
  }

  mutating func received(_ arrived: [UInt8], at now: MonotonicTime) {
    for content in reader.take(arrived) {
      guard let step, waits else { continue }
      switch content {
      case .ack:
        isAcknowledged = true
        due = now + Self.answerTime
      case .nack, .error: failed("it refused a command", at: now)
      case .response(let data):
        // A late answer to an earlier command, or one that was not acknowledged.
        guard isAcknowledged, data[0] == Self.answer(to: step) else { continue }
        answered(step, Array(data.dropFirst()), at: now)
      }
    }
  }

  private mutating func answered(_ step: Step, _ data: [UInt8], at now: MonotonicTime) {
    switch step {
    case .firmware:
      guard data.count == 4, data[0] == 0x32 else { return failed("it is no PN532", at: now) }
      firmware = "PN532 \(data[1]).\(data[2])"
      ask(.samConfiguration, at: now)
    case .samConfiguration: ask(.retries, at: now)
    case .retries:
      isReady = true
      outputs.append(.ready(firmware))
      ask(.poll, at: now)
    case .poll:
      guard let found = Self.uid(data) else { return failed("an answer that makes no sense", at: now) }
      failures = 0
      looked(found, at: now)
      waits = false
      due = now + Self.pollInterval
    }
  }

  /// Of the answer to InListPassiveTarget; an empty text is no card, `nil` no answer that there can be.
  private static func uid(_ data: [UInt8]) -> String? {
    if data == [0] { return "" }
    guard data.count >= 6, data[0] == 1, data[1] == 1 else { return nil }
    let length = Int(data[5])
    guard [4, 7, 10].contains(length), data.count >= 6 + length else { return nil }
    let digits = Array("0123456789ABCDEF")
    return String(data[6..<(6 + length)].flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  private mutating func looked(_ uid: String, at now: MonotonicTime) {
    if uid.isEmpty {
      if let seen = present?.seen, now >= seen + rearm { present = nil }
      return
    }
    if present?.uid != uid { outputs.append(.card(uid)) }
    present = (uid, now)
  }

  private mutating func failed(_ why: String, at now: MonotonicTime) {
    failures += 1
    guard failures < Self.maxFailures else {
      mustReopen = true
      return lost(why, at: now)
    }
    // An ACK of the host ends what the chip is doing.
    bytes += [0, 0, 0xFF, 0, 0xFF, 0]
    waits = false
    due = now + Self.pollInterval
  }

  var deadline: MonotonicTime? { due }

  mutating func timeIsUp(at now: MonotonicTime) {
    guard let due, now >= due, let step else { return }
    if waits { return failed(isAcknowledged ? "no answer" : "no acknowledgement", at: now) }
    // Not set up yet: from the beginning.
    guard isReady else {
      bytes += [0x55, 0x55] + [UInt8](repeating: 0, count: 14)
      return ask(.firmware, at: now)
    }
    ask(step, at: now)
  }

  mutating func takeBytes() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  mutating func takeOutputs() -> [Output] {
    defer { outputs = [] }
    return outputs
  }

  mutating func takeReopen() -> Bool {
    defer { mustReopen = false }
    return mustReopen
  }
}
