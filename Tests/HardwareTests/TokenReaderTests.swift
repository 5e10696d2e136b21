import OCPP
import StationCore
import Testing
import Threads

@testable import DeviceModel
@testable import Hardware

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct KeyWedgeTests {
  private static func at(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  /// `struct input_event` as the kernel of a 64-bit machine writes it.
  static func event(type: UInt8 = 1, code: UInt8, value: UInt8) -> [UInt8] {
    [UInt8](repeating: 0xA5, count: 16) + [type, 0, code, 0, value, 0, 0, 0]
  }

  /// Pressed and released, with the MSC_SCAN and SYN events that keyboards send around.
  static func key(_ code: UInt8) -> [UInt8] {
    event(type: 4, code: 4, value: code) + event(code: code, value: 1) + event(type: 0, code: 0, value: 0)
      + event(code: code, value: 0) + event(type: 0, code: 0, value: 0)
  }

  static func type(_ text: String) -> [UInt8] {
    let codes: [Character: UInt8] = [
      "1": 2, "2": 3, "3": 4, "4": 5, "5": 6, "6": 7, "7": 8, "8": 9, "9": 10, "0": 11, "A": 30, "B": 48, "C": 46,
      "D": 32, "E": 18, "F": 33, "G": 34, "\n": 28, "^": 42,
    ]
    return text.flatMap { key(codes[$0] ?? 0) }
  }

  private func wedge(hexadecimal: Bool = true, _ lengths: ClosedRange<Int> = 4...10) -> KeyWedge {
    KeyWedge(hexadecimal: hexadecimal, lengths: lengths)
  }

  @Test func aTokenIsWhatIsTypedToEnter() {
    var reader = wedge()
    #expect(reader.take(Self.type("0012345678\n"), at: Self.at(0)) == ["0012345678"])
    #expect(reader.take(Self.type("04^A^B^C\n04FF00\n"), at: Self.at(10)) == ["04ABC", "04FF00"])
  }

  @Test func bytesMayComeInAnyPieces() {
    var reader = wedge()
    let tokens = Self.type("1234\n").flatMap { reader.take([$0], at: Self.at(0)) }
    #expect(tokens == ["1234"])
  }

  @Test func theKeypadTypesToo() {
    var reader = wedge()
    let codes: [UInt8] = [82, 79, 80, 81, 75, 76, 77, 71, 72, 73, 96]
    #expect(reader.take(codes.flatMap(Self.key), at: Self.at(0)) == ["0123456789"])
  }

  @Test func whatIsNoTokenIsRefusedWhole() {
    var reader = wedge()
    // Too short, too long, another letter.
    #expect(reader.take(Self.type("123\n12345678901\n12G4\n"), at: Self.at(0)) == [])
    #expect(reader.refused == 3)
    #expect(reader.take(Self.type("\n\n1234\n"), at: Self.at(0)) == ["1234"])
    var decimal = wedge(hexadecimal: false)
    #expect(decimal.take(Self.type("12A4\n1234\n"), at: Self.at(0)) == ["1234"])
  }

  @Test func heldKeysCountOnce() {
    var reader = wedge()
    let held = Self.event(code: 2, value: 1) + Self.event(code: 2, value: 2) + Self.event(code: 2, value: 2)
    #expect(reader.take(held + Self.type("234\n"), at: Self.at(0)) == ["1234"])
  }

  @Test func whatIsTypedTooSlowlyIsForgotten() {
    var reader = wedge()
    #expect(reader.take(Self.type("12"), at: Self.at(0)) == [])
    #expect(reader.take(Self.type("3456\n"), at: Self.at(1001)) == ["3456"])
    #expect(reader.take(Self.type("12"), at: Self.at(5000)) == [])
    #expect(reader.take(Self.type("34\n"), at: Self.at(6000)) == ["1234"])
  }

  @Test func anyBytes() {
    var random = TestRandom(seed: 4)
    var reader = wedge()
    for step in 0..<2000 {
      for token in reader.take(random.bytes(Int.random(in: 0...100, using: &random)), at: Self.at(step)) {
        #expect((4...10).contains(token.count))
      }
    }
  }

  // MARK: The driver, with a pipe for the device

  /// What the driver reports, for the test's thread.
  private final class Heard: @unchecked Sendable {
    private let lock = Lock()
    private var updates: [DriverUpdate] = []

    func add(_ update: DriverUpdate) {
      lock.with {
        updates.append(update)
        lock.signal()
      }
    }

    /// Waits until there are so many.
    func wait(_ count: Int) -> [DriverUpdate] {
      let end = MonotonicTime.now + .seconds(20)
      return lock.with {
        while updates.count < count, MonotonicTime.now < end { lock.wait(until: end) }
        return updates
      }
    }
  }

  /// Devices to be opened, one after the other.
  private final class Devices: @unchecked Sendable {
    private let lock = Lock()
    private var waiting: [Int32] = []
    func add(_ descriptor: Int32) { lock.with { waiting.append(descriptor) } }
    func take() -> Result<Int32, DeviceFailure> {
      lock.with { waiting.isEmpty ? .failure(DeviceFailure(text: "unplugged")) : .success(waiting.removeFirst()) }
    }
  }

  private func pipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    try #require(Glibc.pipe(&ends) == 0)
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    return (ends[0], ends[1])
  }

  @Test func aReaderThatIsPulledAndPutInAgain() throws {
    let binding = TokenReaderBinding(
      component: ComponentID("TokenReader", evse: 2),
      source: .evdev(TokenReaderBinding.InputDevice(name: "reader"), hexadecimal: true, lengths: 4...10),
      idTokenType: "ISO14443", evses: [2])
    let devices = Devices()
    let first = try pipe()
    devices.add(first.read)
    let reader = DeviceTokenReader(binding) { devices.take() }
    let heard = Heard()
    reader.start { heard.add($0) }
    func type(_ text: String, to descriptor: Int32) {
      let bytes = Self.type(text)
      #expect(write(descriptor, bytes, bytes.count) == bytes.count)
    }
    type("04AB12CD\n", to: first.write)
    let one = heard.wait(1)
    guard case .token(let token)? = one.first?.reading.value else {
      Issue.record("no token: \(one)")
      return
    }
    #expect(token.idToken.idToken == "04AB12CD" && token.idToken.type.rawValue == "ISO14443" && token.evses == [2])
    // Half a token is lost with the device.
    type("11", to: first.write)
    close(first.write)
    let two = heard.wait(2)
    #expect(two.last?.raised.map(\.name) == ["TokenReaderFailure"] && two.last?.raised.first?.severity == .low)
    let second = try pipe()
    devices.add(second.read)
    #expect(heard.wait(3).last?.cleared.map(\.name) == ["TokenReaderFailure"])
    type("2233\n", to: second.write)
    guard case .token(let next)? = heard.wait(4).last?.reading.value else {
      Issue.record("no second token")
      return
    }
    #expect(next.idToken.idToken == "2233")
    reader.stop()
    close(second.write)
  }

  @Test func aFileThatIsNoInputDeviceIsRefused() {
    let result = InputDevice.open(TokenReaderBinding.InputDevice(path: "/dev/null"))
    #expect(result == .failure(DeviceFailure(text: "/dev/null: no input device")))
    guard case .failure(let failure) = InputDevice.open(TokenReaderBinding.InputDevice(vendor: 0xFFFE, product: 0xFFFD))
    else {
      Issue.record("found a device that is not there")
      return
    }
    #expect(failure.text.hasPrefix("no input device is fffe:fffd"))
  }
}

@Suite struct PN532Tests {
  private static func at(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  private static let ack: [UInt8] = [0, 0, 0xFF, 0, 0xFF, 0]

  /// A response frame: what follows D5.
  private static func response(_ data: [UInt8]) -> [UInt8] {
    let body = [0xD5] + data
    let length = UInt8(body.count)
    return [0, 0, 0xFF, length, 0 &- length] + body + [0 &- body.reduce(0) { $0 &+ $1 }, 0]
  }

  /// NXP UM0701-02, 7.2.2 and 7.2.10: GetFirmwareVersion and SAMConfiguration on the wire.
  @Test func knownFrames() {
    #expect(PN532Frame.encode([0x02]) == [0, 0, 0xFF, 2, 0xFE, 0xD4, 2, 0x2A, 0])
    #expect(PN532Frame.encode([0x4A, 1, 0]) == [0, 0, 0xFF, 4, 0xFC, 0xD4, 0x4A, 1, 0, 0xE1, 0])
    var reader = PN532FrameReader()
    #expect(reader.take([0, 0, 0xFF, 6, 0xFA, 0xD5, 3, 0x32, 1, 6, 7, 0xE8, 0]) == [.response([3, 0x32, 1, 6, 7])])
    #expect(reader.take(Self.ack) == [.ack])
    #expect(reader.take([0, 0, 0xFF, 0xFF, 0, 0]) == [.nack])
    #expect(reader.take([0, 0, 0xFF, 1, 0xFF, 0x7F, 0x81, 0]) == [.error])
  }

  @Test func brokenFrames() {
    let frame = Self.response([0x4B, 1, 1, 0, 4, 8, 4, 0xDE, 0xAD, 0xBE, 0xEF])
    let good = PN532FrameReader.first(Self.response([0x4B, 0]))
    for index in 1..<(frame.count - 1) {
      for bit in 0..<8 {
        var broken = frame
        broken[index] ^= 1 << bit
        var reader = PN532FrameReader()
        // A length that became longer waits for its bytes.
        let taken = reader.take(broken + [UInt8](repeating: 0x55, count: 260) + Self.response([0x4B, 0]))
        #expect(taken.last == good, "byte \(index) bit \(bit)")
        #expect(
          !taken.contains(.response(Array(frame[6..<(frame.count - 2)]))) || index == 1, "byte \(index) bit \(bit)")
      }
    }
  }

  @Test func anyBytes() {
    var random = TestRandom(seed: 5)
    var reader = PN532FrameReader()
    for _ in 0..<2000 { _ = reader.take(random.bytes(Int.random(in: 0...300, using: &random))) }
    #expect(reader.bad > 0)
    #expect(reader.take([UInt8](repeating: 0x11, count: 300) + Self.ack).last == .ack)
  }

  private struct Bench {
    var session = PN532Session(rearm: .milliseconds(1500))
    var now = 0
    var card: [UInt8]?
    var isDead = false
    var asked: [UInt8] = []
    var log: [String] = []

    mutating func exchange() {
      var reader = PN532FrameReader()
      // A host's frame has D4 where a response has D5; read as bytes.
      let bytes = session.takeBytes()
      if let start = PN532Tests.commandStart(bytes), !isDead {
        let command = bytes[start]
        asked.append(command)
        session.received(PN532Tests.ack, at: PN532Tests.at(now))
        let answer: [UInt8]
        switch command {
        case 0x02: answer = [3, 0x32, 1, 6, 7]
        case 0x4A: answer = card.map { [0x4B, 1, 1, 0, 4, 8, UInt8($0.count)] + $0 } ?? [0x4B, 0]
        default: answer = [command + 1]
        }
        session.received(PN532Tests.response(answer), at: PN532Tests.at(now))
      }
      _ = reader.take([])
      for output in session.takeOutputs() {
        switch output {
        case .card(let uid): log.append("\(now) \(uid)")
        case .ready(let name): log.append("\(now) ready \(name)")
        case .lost(let why): log.append("\(now) lost \(why)")
        }
      }
    }

    mutating func pass(_ milliseconds: Int) {
      let end = now + milliseconds
      while now < end {
        now += 10
        if let deadline = session.deadline, deadline <= PN532Tests.at(now) { session.timeIsUp(at: PN532Tests.at(now)) }
        for _ in 0..<4 { exchange() }
      }
    }

    mutating func take() -> [String] {
      defer { log = [] }
      return log
    }
  }

  static func commandStart(_ bytes: [UInt8]) -> Int? {
    bytes.indices.dropLast().last { bytes[$0] == 0xD4 }.map { $0 + 1 }
  }

  @Test func aCardIsToldOncePerPlacement() {
    var bench = Bench()
    bench.session.opened(at: Self.at(0))
    bench.pass(100)
    #expect(bench.take() == ["10 ready PN532 1.6"])
    #expect(bench.asked.prefix(4) == [0x02, 0x14, 0x32, 0x4A])
    bench.card = [0xDE, 0xAD, 0x0E, 0xEF]
    bench.pass(5000)
    #expect(bench.take().map { $0.split(separator: " ").last } == ["DEAD0EEF"])
    // A moment's loss is no new placement.
    bench.card = nil
    bench.pass(1000)
    bench.card = [0xDE, 0xAD, 0x0E, 0xEF]
    bench.pass(1000)
    #expect(bench.take() == [])
    bench.card = nil
    bench.pass(2000)
    bench.card = [0xDE, 0xAD, 0x0E, 0xEF]
    bench.pass(1000)
    #expect(bench.take().count == 1)
    // Another card counts at once.
    bench.card = [4, 1, 2, 3, 4, 5, 6]
    bench.pass(300)
    #expect(bench.take().map { $0.split(separator: " ").last } == ["04010203040506"])
  }

  @Test func aReaderThatDiesIsOpenedAnew() {
    var bench = Bench()
    bench.session.opened(at: Self.at(0))
    bench.pass(500)
    _ = bench.take()
    bench.isDead = true
    bench.pass(3000)
    let log = bench.take()
    #expect(log.count == 1 && log[0].contains("lost no acknowledgement"), "\(log)")
    let reopens = bench.session.takeReopen()
    #expect(reopens)
    bench.isDead = false
    bench.session.opened(at: Self.at(bench.now))
    bench.pass(100)
    #expect(bench.take().map { $0.contains("ready") } == [true])
  }

  @Test func otherChipsAndNonsenseAreNoCards() {
    var session = PN532Session(rearm: .seconds(1))
    session.opened(at: Self.at(0))
    session.received(Self.ack + Self.response([3, 0x33, 1, 6, 7]), at: Self.at(10))
    session.received(Self.ack + Self.response([0x4B, 1, 1, 0, 4, 8, 4, 1, 2, 3, 4]), at: Self.at(20))
    #expect(session.takeOutputs().isEmpty)
  }
}

extension PN532FrameReader {
  fileprivate static func first(_ bytes: [UInt8]) -> PN532Frame.Content? {
    var reader = PN532FrameReader()
    return reader.take(bytes).first
  }
}
