import DeviceModel
import StationCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Which colours show a state, and how long they are on and off in turn; `nil`: steadily on.
///
/// fault: red blinking (0.5 s); unavailable: red; charging: blue; suspended: blue blinking (1 s); occupied: green blinking (1 s);
/// reserved: red and green; available: green.
struct IndicatorPattern: Hashable, Sendable {
  var colours: Set<GPIOIndicatorBinding.Colour>
  var half: TimeSpan?

  init(_ state: IndicatedState) {
    switch state {
    case .fault: (colours, half) = ([.red], .milliseconds(500))
    case .unavailable: (colours, half) = ([.red], nil)
    case .charging: (colours, half) = ([.blue], nil)
    case .suspended: (colours, half) = ([.blue], .seconds(1))
    case .occupied: (colours, half) = ([.green], .seconds(1))
    case .reserved: (colours, half) = ([.red, .green], nil)
    case .available: (colours, half) = ([.green], nil)
    }
  }
}

/// Lights on lines, and LEDs of /sys/class/leds. It reports nothing but faults of its lines.
struct IndicatorLogic: GPIOLogic {
  private let binding: GPIOIndicatorBinding
  private let lineColours: [GPIOIndicatorBinding.Colour]
  private let leds: [(colour: GPIOIndicatorBinding.Colour, led: SystemLED)]
  private var pattern: IndicatorPattern?
  private var isOn = true
  private var nextChange: MonotonicTime?
  private var isReady = false
  private var isFaulty = false
  private var outputs: [(line: Int, active: Bool)] = []
  private var updates: [DriverUpdate] = []

  init(_ binding: GPIOIndicatorBinding, leds directory: String = "/sys/class/leds") {
    self.binding = binding
    let sorted = binding.lights.sorted { $0.key.rawValue < $1.key.rawValue }
    lineColours = sorted.compactMap { if case .line = $0.value { $0.key } else { nil } }
    leds = sorted.compactMap { colour, light in
      if case .led(let name) = light { (colour, SystemLED(directory: directory, name: name)) } else { nil }
    }
  }

  var requests: [LineRequest] {
    lineColours.compactMap { colour in
      guard case .line(let line) = binding.lights[colour] else { return nil }
      return LineRequest(line: line, direction: .output(active: false))
    }
  }

  private var fault: HardwareFault {
    HardwareFault(
      name: GPIOFault.name, evse: binding.component.evse ?? 0, connector: binding.component.connector, severity: .low)
  }

  mutating func show(_ state: IndicatedState, at now: MonotonicTime) {
    let new = IndicatorPattern(state)
    guard new != pattern else { return }
    pattern = new
    isOn = true
    nextChange = new.half.map { now + $0 }
    light(now)
  }

  private mutating func light(_ now: MonotonicTime) {
    guard let pattern, isReady else { return }
    let lit = isOn ? pattern.colours : []
    for (index, colour) in lineColours.enumerated() { outputs.append((index, lit.contains(colour))) }
    for (colour, led) in leds {
      do throws(LineFailure) { try led.set(lit.contains(colour)) } catch { failed(error, now) }
    }
  }

  mutating func ready(_ values: [Bool], at now: MonotonicTime) {
    isReady = true
    if isFaulty {
      isFaulty = false
      updates.append(DriverUpdate(.unknown("an indicator says nothing", since: now), cleared: [fault]))
    }
    light(now)
  }

  mutating func lost(_ failure: LineFailure, at now: MonotonicTime) {
    isReady = false
    outputs.removeAll()
    failed(failure, now)
  }

  private mutating func failed(_ failure: LineFailure, _ now: MonotonicTime) {
    guard !isFaulty else { return }
    isFaulty = true
    updates.append(
      DriverUpdate(.unknown(failure.text, since: now), raised: [fault], health: .failed(failure.text)))
  }

  mutating func edge(_ line: Int, _ edge: LineEdge, now: MonotonicTime) {}

  mutating func tick(at now: MonotonicTime) {
    guard let next = nextChange, now >= next, let half = pattern?.half else { return }
    isOn.toggle()
    nextChange = now + half
    light(now)
  }

  var deadline: MonotonicTime? { isReady ? nextChange : nil }

  mutating func takeOutputs() -> [(line: Int, active: Bool)] {
    defer { outputs.removeAll() }
    return outputs
  }

  mutating func takeUpdates() -> [DriverUpdate] {
    defer { updates.removeAll() }
    return updates
  }
}

/// One LED of the kernel's LED class, full or dark.
struct SystemLED: Hashable, Sendable {
  let directory: String
  let name: String

  func set(_ on: Bool) throws(LineFailure) {
    let path = directory + "/" + name
    try Self.write(on ? try full(path) : "0", to: path + "/brightness")
  }

  private func full(_ path: String) throws(LineFailure) -> String {
    let file = open(path + "/max_brightness", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Self.failure(path + "/max_brightness") }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = read(file, &bytes, bytes.count)
    let digits = bytes.prefix(max(0, count)).prefix { $0 >= 0x30 && $0 <= 0x39 }
    guard !digits.isEmpty else { throw LineFailure(text: path + "/max_brightness has no number") }
    return String(decoding: digits, as: UTF8.self)
  }

  private static func write(_ text: String, to path: String) throws(LineFailure) {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure(path) }
    defer { close(file) }
    guard Glibc.write(file, text, text.utf8.count) == text.utf8.count else { throw failure(path) }
  }

  private static func failure(_ path: String) -> LineFailure {
    LineFailure(text: "\(path): \(String(cString: strerror(errno)))")
  }
}
