import StationCore

/// What the station tells the microcontroller.
enum MCUCommand: Hashable, Sendable {
  /// Asks for `hello`; the microcontroller opens when it hears nothing for `lossMilliseconds`.
  case hello(version: UInt8, lossMilliseconds: UInt16)
  /// A number that the states after it repeat.
  case keepAlive(UInt16)
  case signal(PilotStateMachine.Signal)
  case contactor(close: Bool)
  case lock(Bool)
  case rcdTest
  case rcdReset
  /// The microcontroller starts anew, contactor open.
  case restart

  var type: UInt8 {
    switch self {
    case .hello: 0x01
    case .keepAlive: 0x02
    case .signal: 0x10
    case .contactor: 0x11
    case .lock: 0x12
    case .rcdTest: 0x13
    case .rcdReset: 0x14
    case .restart: 0x15
    }
  }

  func encoded(sequence: UInt8) -> [UInt8] {
    var body: [UInt8]
    switch self {
    case .hello(let version, let loss): body = [version, UInt8(loss >> 8), UInt8(loss & 0xFF)]
    case .keepAlive(let token): body = [UInt8(token >> 8), UInt8(token & 0xFF)]
    case .signal(let signal):
      switch signal {
      case .steadyHigh: body = [0, 0, 0]
      case .duty(let duty): body = [1, UInt8(duty.hundredths >> 8), UInt8(duty.hundredths & 0xFF)]
      case .steadyLow: body = [2, 0, 0]
      }
    case .contactor(let close): body = [close ? 1 : 0]
    case .lock(let locked): body = [locked ? 1 : 0]
    case .rcdTest, .rcdReset, .restart: body = []
    }
    body.insert(contentsOf: [type, sequence], at: 0)
    return body
  }
}

/// What the microcontroller tells the station.
enum MCUReport: Hashable, Sendable {
  struct Hello: Hashable, Sendable {
    var version: UInt8
    /// Another one after each start of the microcontroller.
    var boot: UInt32
    /// Printable ASCII, 1 to 32 characters.
    var firmware: String
  }

  struct State: Hashable, Sendable {
    enum Pilot: Hashable, Sendable {
      /// Volts of both halves, thousandths; `low` is `nil` without PWM.
      case levels(high: Int, low: Int?)
      /// Classified by the microcontroller.
      case classified(PilotSample)
    }

    struct Flags: OptionSet, Hashable, Sendable {
      let rawValue: UInt16
      /// The mirror contact says closed.
      static let closed = Flags(rawValue: 1 << 0)
      static let locked = Flags(rawValue: 1 << 1)
      static let rcdTripped = Flags(rawValue: 1 << 2)
      static let emergencyStop = Flags(rawValue: 1 << 3)
      /// The contactor does not open.
      static let welded = Flags(rawValue: 1 << 4)
      static let lockFailed = Flags(rawValue: 1 << 5)
      static let rcdTestFailed = Flags(rawValue: 1 << 6)
      /// It has opened by itself because it did not hear the station.
      static let stationLost = Flags(rawValue: 1 << 7)
      static let known: UInt16 = 0xFF
    }

    /// Milliseconds since the microcontroller started, when the state was read.
    var time: UInt32
    /// The number of the last keep-alive that it had heard.
    var token: UInt16
    var pilot: Pilot
    var flags: Flags
    /// Amperes of the cable, 0: no plug; `nil`: not read.
    var cable: Int?
  }

  enum Outcome: UInt8, Hashable, Sendable {
    case done = 0
    /// It cannot: there is no such device.
    case unsupported = 1
    /// It must not: the mirror does not say open, the RCD has tripped, ...
    case refused = 2
  }

  case hello(Hello)
  case state(State)
  /// Of the command of that type and sequence number.
  case acknowledged(type: UInt8, sequence: UInt8, Outcome)

  /// Nothing but what docs/mcu-protocol.md says; every byte has to be right.
  static func decode(_ message: [UInt8]) -> (sequence: UInt8, report: MCUReport)? {
    guard message.count >= 2 else { return nil }
    let body = Array(message.dropFirst(2))
    let report: MCUReport?
    switch message[0] {
    case 0x81: report = hello(body)
    case 0x82: report = state(body)
    case 0x83:
      report =
        body.count == 3 ? Outcome(rawValue: body[2]).map { .acknowledged(type: body[0], sequence: body[1], $0) } : nil
    default: report = nil
    }
    return report.map { (message[1], $0) }
  }

  private static func hello(_ body: [UInt8]) -> MCUReport? {
    guard (6...37).contains(body.count) else { return nil }
    let name = body.dropFirst(5)
    guard name.allSatisfy({ (0x20...0x7E).contains($0) }) else { return nil }
    return .hello(
      Hello(version: body[0], boot: word32(body[1..<5]), firmware: String(decoding: name, as: UTF8.self)))
  }

  private static func state(_ body: [UInt8]) -> MCUReport? {
    guard body.count == 14 else { return nil }
    let high = Int16(bitPattern: UInt16(body[7]) << 8 | UInt16(body[8]))
    let low = Int16(bitPattern: UInt16(body[9]) << 8 | UInt16(body[10]))
    let pilot: State.Pilot
    switch body[6] {
    case 0:
      guard (-15_000...15_000).contains(high), low == .min || (-15_000...15_000).contains(low) else { return nil }
      pilot = .levels(high: Int(high), low: low == .min ? nil : Int(low))
    case 1:
      let levels: [PilotLevel] = [.plus12, .plus9, .plus6, .plus3, .zero, .minus12, .between]
      guard levels.indices.contains(Int(high)), (0...2).contains(low) else { return nil }
      pilot = .classified(PilotSample(levels[Int(high)], diode: low == 2 ? nil : low == 1))
    default: return nil
    }
    let flags = UInt16(body[11]) << 8 | UInt16(body[12])
    guard flags & ~State.Flags.known == 0 else { return nil }
    let cable: Int?
    switch body[13] {
    case 0, 13, 20, 32, 63: cable = Int(body[13])
    case 255: cable = nil
    default: return nil
    }
    return .state(
      State(
        time: word32(body[0..<4]), token: UInt16(body[4]) << 8 | UInt16(body[5]), pilot: pilot,
        flags: State.Flags(rawValue: flags), cable: cable))
  }

  private static func word32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.reduce(0) { $0 << 8 | UInt32($1) }
  }
}
