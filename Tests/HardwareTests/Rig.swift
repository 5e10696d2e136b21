import Hardware
import StationCore
import Testing

/// A simulated station and its virtual time: monotonic milliseconds, with UTC beside it.
struct Rig {
  static let wallAtZero: Int64 = 1_780_000_000_000

  var hardware: SimulatedHardware
  var now: Int64 = 0

  init(_ topology: [SimulatedEVSE], restoring: SavedSimulation? = nil, keepingCables: Bool = false) {
    hardware = SimulatedHardware(
      topology: topology, at: Rig.time(0), restoring: restoring, keepingCables: keepingCables)
  }

  /// EVSE 1 with a type 2 socket and lock, EVSE 2 with a captive cable; three phases.
  static let topologyOfTwo = [
    SimulatedEVSE(id: 1, supplyPhases: 3, connectors: [SimulatedConnector(id: 1, kind: .socket, hasLock: true)]),
    SimulatedEVSE(
      id: 2, supplyPhases: 3,
      connectors: [SimulatedConnector(id: 1, kind: .captive(ratingAmperes: 32), hasLock: false)]),
  ]

  static var twoACEVSEs: Rig { Rig(topologyOfTwo) }

  /// One DC EVSE with a CCS cable of 63 A.
  static var oneDCEVSE: Rig {
    Rig([
      SimulatedEVSE(
        id: 1, supplyPhases: 0,
        connectors: [SimulatedConnector(id: 1, kind: .captive(ratingAmperes: 63), hasLock: true)])
    ])
  }

  static func time(_ milliseconds: Int64) -> StationTime {
    StationTime(monotonic: milliseconds, wall: wallAtZero + milliseconds)
  }

  var time: StationTime { Rig.time(now) }

  mutating func start() -> [HardwareEvent] { hardware.start(at: time) }

  @discardableResult
  mutating func command(_ command: HardwareCommand) -> [HardwareEvent] { hardware.execute(command, at: time) }

  @discardableResult
  mutating func does(_ stimulus: Stimulus) throws -> [HardwareEvent] {
    try hardware.stimulus(stimulus, at: time).get()
  }

  mutating func refusal(_ stimulus: Stimulus) -> String? {
    let before = hardware
    guard case .failure(let error) = hardware.stimulus(stimulus, at: time) else { return nil }
    #expect(hardware == before, "a refused stimulus changed something")
    return error.text
  }

  /// Lets time pass from deadline to deadline, as the runtime does.
  @discardableResult
  mutating func wait(_ milliseconds: Int64) -> [HardwareEvent] {
    let end = now + milliseconds
    var events: [HardwareEvent] = []
    while let due = hardware.nextDeadline, due <= end {
      now = max(due, now)
      events += hardware.advance(to: time)
    }
    now = end
    events += hardware.advance(to: time)
    return events
  }

  func evse(_ id: Int) throws -> EVSESnapshot { try #require(hardware.snapshot(evse: id)) }

  func power(_ id: Int) throws -> Int64 { try #require(evse(id).meter.power) }

  func energy(_ id: Int) throws -> Int64 { try #require(evse(id).meter.energyImport) }

  /// Plugs in, offers, closes the contactor, and waits until the EV draws what it will.
  mutating func charge(_ evse: Int, _ ev: SimulatedEV = SimulatedEV(), offer: Int64 = 32_000) throws {
    try does(.plugIn(evse: evse, connector: 1, ev: ev))
    command(.offer(evse: evse, connector: 1, milliamperes: offer))
    command(.contactor(evse: evse, close: true))
    wait(ev.chargeDelay + 10_000)
  }
}

extension [HardwareEvent] {
  /// Without the readings.
  var withoutReadings: [HardwareEvent] {
    filter { event in
      if case .meter = event { return false }
      return true
    }
  }

  func readings(_ evse: Int) -> [MeterReading] {
    compactMap { event in
      if case .meter(let reading) = event, reading.evse == evse { return reading }
      return nil
    }
  }
}

/// Deterministic pseudo-random numbers (splitmix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
