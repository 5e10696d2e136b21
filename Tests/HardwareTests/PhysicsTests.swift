import Hardware
import StationCore
import Testing

/// A station with every kind of EVSE, and random things that happen to it.
struct RandomLife {
  static let topology = [
    SimulatedEVSE(
      id: 1, supplyPhases: 3,
      connectors: [
        SimulatedConnector(id: 1, kind: .socket, hasLock: true),
        SimulatedConnector(id: 2, kind: .captive(ratingAmperes: 32), hasLock: false),
      ]),
    SimulatedEVSE(id: 2, supplyPhases: 1, connectors: [SimulatedConnector(id: 1, kind: .socket, hasLock: false)]),
    SimulatedEVSE(
      id: 3, supplyPhases: 0, connectors: [SimulatedConnector(id: 1, kind: .captive(ratingAmperes: 63), hasLock: true)]),
  ]

  enum Deed {
    case stimulus(Stimulus)
    case command(HardwareCommand)
  }

  var random: SeededGenerator

  init(seed: UInt64) { random = SeededGenerator(state: seed) }

  mutating func deed() -> Deed {
    let evse = Int.random(in: 1...3, using: &random)
    let connector = evse == 1 ? Int.random(in: 1...2, using: &random) : 1
    switch Int.random(in: 0..<14, using: &random) {
    case 0, 1, 2: return .stimulus(.plugIn(evse: evse, connector: connector, ev: ev()))
    case 3: return .stimulus(.plugOut(evse: evse, connector: connector))
    case 4, 5:
      let demand = EVDemand.allCases.randomElement(using: &random) ?? .charging
      let soc = Int.random(in: 0..<8, using: &random) == 0 ? Int64.random(in: 0...100_000, using: &random) : nil
      return .stimulus(.ev(evse: evse, demand, stateOfCharge: soc))
    case 6: return .stimulus(.lock(evse: evse, connector: connector, stuck: Bool.random(using: &random)))
    case 7: return .command(.lock(evse: evse, connector: connector, locked: Bool.random(using: &random)))
    case 8: return .command(.offer(evse: evse, connector: connector, milliamperes: nil))
    case 9, 10, 11:
      let offer = Int64.random(in: 5_000...80_000, using: &random)
      return .command(.offer(evse: evse, connector: connector, milliamperes: offer))
    default: return .command(.contactor(evse: evse, close: Int.random(in: 0..<4, using: &random) > 0))
    }
  }

  private mutating func ev() -> SimulatedEV {
    SimulatedEV(
      mode: Bool.random(using: &random) ? .ac : .dc, maxCurrent: Int64.random(in: 1...120_000, using: &random),
      phases: Int.random(in: 1...3, using: &random), chargeDelay: Int64.random(in: 0...1_500, using: &random),
      cableRating: [13, 20, 32, 63].randomElement(using: &random) ?? 32,
      batteryCapacity: Int64.random(in: 1_000...100_000, using: &random),
      energyNeeded: Bool.random(using: &random) ? Int64.random(in: 0...100_000, using: &random) : nil)
  }
}

extension Rig {
  /// Does it, or is refused: both are fine here.
  mutating func live(_ deed: RandomLife.Deed) -> [HardwareEvent] {
    switch deed {
    case .stimulus(let stimulus): return (try? hardware.stimulus(stimulus, at: time).get()) ?? []
    case .command(let command): return hardware.execute(command, at: time)
    }
  }

  /// Readings of all meters, main meter first.
  func meters() -> [MeterReading] {
    [hardware.mainMeterReading] + hardware.evseIDs.compactMap { hardware.snapshot(evse: $0)?.meter }
  }
}

@Suite("Simulated hardware: physical laws, with random things happening")
struct PhysicsTests {
  /// An oracle of its own: looks at the power every millisecond and adds up trapezoids.
  @Test("Energy is the integral of power, within 1 mWh", arguments: [UInt64(1), 2])
  func energyIsTheIntegralOfPower(_ seed: UInt64) throws {
    var life = RandomLife(seed: seed)
    var rig = Rig(RandomLife.topology)
    let meters = RandomLife.topology.count + 1
    func powers() -> [Int64] {
      let evses = RandomLife.topology.map { rig.hardware.snapshot(evse: $0.id)?.meter.power ?? 0 }
      return [evses.reduce(0, +)] + evses
    }
    var doubled = [Int64](repeating: 0, count: meters)  // 2 * mW * ms
    for _ in 0..<1_500 {
      _ = rig.live(life.deed())
      var before = powers()
      for _ in 0..<Int.random(in: 0...30, using: &life.random) {
        rig.now += 1
        let events = rig.hardware.advance(to: rig.time)
        let reached = powers()
        var after = reached
        // Where the current was cut at the end of this millisecond, the reading taken just before tells what flowed.
        for meter in 1..<meters { after[meter] = events.readings(meter).first?.power ?? after[meter] }
        after[0] = after[1...].reduce(0, +)
        for meter in 0..<meters { doubled[meter] += before[meter] + after[meter] }
        before = reached
      }
      for (meter, reading) in rig.meters().enumerated() {
        let energy = try #require(reading.energyImport)
        let expected = doubled[meter] / 7_200_000
        try #require(abs(energy - expected) <= 1, "meter \(meter) at \(rig.now) ms")
      }
    }
    #expect(try #require(rig.hardware.mainMeterReading.energyImport) > 50, "something must have flowed")
  }

  @Test(
    "Current flows only through a closed contactor to an EV that asks, and never more than allowed", arguments: [7, 8])
  func currentIsAllowed(_ seed: UInt64) throws {
    var life = RandomLife(seed: seed)
    var rig = Rig(RandomLife.topology)
    var energy = [Int64](repeating: 0, count: 4)
    /// Offers per EVSE and connector, with the time until which they were valid.
    var offers: [[Int]: [(until: Int64, milliamperes: Int64)]] = [:]
    var flowed = 0
    for _ in 0..<4_000 {
      let deed = life.deed()
      if case .command(.offer(let evse, let connector, _)) = deed {
        let offer = try rig.evse(evse).connectors.first { $0.id == connector }?.offer ?? 0
        offers[[evse, connector], default: []].append((rig.now, offer))
      }
      _ = rig.live(deed)
      rig.wait(Int64.random(in: 0...1_200, using: &life.random))
      for (meter, reading) in rig.meters().enumerated() {
        let now = try #require(reading.energyImport)
        try #require(now >= energy[meter], "energy never falls")
        energy[meter] = now
      }
      var total: Int64 = 0
      for id in 1...3 {
        let evse = try rig.evse(id)
        let power = try #require(evse.meter.power)
        total += power
        try #require(power == zip(evse.meter.current, evse.meter.voltage).reduce(0) { $0 + $1.0 * $1.1 / 1_000 })
        let current = evse.meter.current.max() ?? 0
        guard current > 0 else { continue }
        flowed += 1
        try #require(evse.contactorClosed)
        let plugged = evse.connectors.filter(\.plugged)
        try #require(plugged.count == 1 && plugged[0].pilot == .c)
        try #require(current <= Int64(plugged[0].cableRating ?? 0) * 1_000)
        // IEC 61851-1: the EV follows the duty cycle within 5 s.
        let recent = offers[[id, plugged[0].id], default: []].filter { $0.until >= rig.now - 5_000 }
        let most = max(plugged[0].offer ?? 0, recent.map(\.milliamperes).max() ?? 0)
        try #require(current <= most, "evse \(id) at \(rig.now) ms")
      }
      try #require(rig.hardware.mainMeterReading.power == total)
    }
    #expect(flowed > 500, "the test must see currents")
  }

  @Test("The same calls give the same events, and how often time is looked at does not change what happens")
  func determinism() {
    func run(lazily: Bool) -> (state: [EVSESnapshot], saved: SavedSimulation, events: [HardwareEvent]) {
      var life = RandomLife(seed: 99)
      var rig = Rig(RandomLife.topology)
      var events: [HardwareEvent] = []
      for _ in 0..<1_000 {
        events += rig.live(life.deed())
        let pause = Int64.random(in: 0...3_000, using: &life.random)
        if lazily { rig.now += pause } else { events += rig.wait(pause) }
      }
      events += rig.wait(10_000)
      return ((1...3).compactMap { rig.hardware.snapshot(evse: $0) }, rig.hardware.saved, events)
    }
    let first = run(lazily: false)
    let second = run(lazily: false)
    #expect(first.events == second.events)
    #expect(first.state == second.state)
    let lazy = run(lazily: true)
    #expect(lazy.state == first.state)
    #expect(lazy.saved == first.saved)
    #expect(lazy.events.withoutReadings == first.events.withoutReadings)
  }

  @Test("Time that goes back stands still")
  func timeGoesBack() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    let before = rig.hardware
    #expect(rig.hardware.advance(to: Rig.time(0)) == [])
    #expect(rig.hardware == before)
  }

  @Test("Told late, a reading says when it was taken")
  func lateReading() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    rig.command(.contactor(evse: 2, close: false))
    let opened = rig.now + 20
    rig.now += 11_000
    let events = rig.hardware.advance(to: rig.time)
    let readings = events.readings(2)
    #expect(readings.map(\.power) == [7_360_000, 0, 0])
    #expect(
      readings.map(\.acquiredAtWall) == [Rig.wallAtZero + opened, Rig.wallAtZero + opened, nil])
  }
}

@Suite("Simulated hardware: EVs that get full")
struct BatteryTests {
  @Test("State of charge rises by energy over capacity")
  func stateOfCharge() throws {
    var rig = Rig.oneDCEVSE
    try rig.charge(1, SimulatedEV(mode: .dc, maxCurrent: 50_000, stateOfCharge: 20_000), offer: 60_000)
    #expect(try rig.evse(1).meter.current == [50_000])
    #expect(try rig.evse(1).meter.voltage == [400_000])
    #expect(try rig.evse(1).meter.frequency == nil)
    rig.wait(3_600_000)
    let energy = try rig.energy(1)
    #expect(abs(energy - 20_000_000) < 60_000, "20 kW for an hour, and the ramp before")
    #expect(try rig.evse(1).meter.stateOfCharge == 20_000 + energy * 100_000 / 60_000_000)
  }

  @Test("Near the top it takes less and less, then finishes at 100 %")
  func taper() throws {
    var rig = Rig.oneDCEVSE
    let ev = SimulatedEV(mode: .dc, maxCurrent: 50_000, batteryCapacity: 10_000_000, stateOfCharge: 85_000)
    try rig.charge(1, ev, offer: 60_000)
    var powers: [Int64] = []
    var events: [HardwareEvent] = []
    for _ in 0..<60 {
      powers.append(try rig.power(1))
      events += rig.wait(60_000)
    }
    #expect(powers == powers.sorted(by: >))
    #expect(powers.first.map { $0 < 20_000_000 } == true)
    #expect(powers.contains { $0 > 0 && $0 < 2_000_000 })
    #expect(powers.last == 0)
    #expect(events.withoutReadings == [.pilot(evse: 1, connector: 1, state: .b)])
    #expect(try rig.evse(1).ev?.demand == .stopped)
    #expect(try rig.evse(1).ev?.stateOfCharge == 100_000)
    #expect(try rig.does(.ev(evse: 1, .charging, stateOfCharge: nil)).withoutReadings == [], "it is full")
    #expect(
      try rig.does(.ev(evse: 1, .charging, stateOfCharge: 50_000)).withoutReadings == [
        .pilot(evse: 1, connector: 1, state: .c)
      ])
  }

  @Test("A DC EV at an AC supply draws its battery's power from all phases alike")
  func directCurrentFromAC() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2, SimulatedEV(mode: .dc, maxCurrent: 20_000), offer: 32_000)
    #expect(try rig.evse(2).meter.current == [11_594, 11_594, 11_594])
    #expect(abs(try rig.power(2) - 8_000_000) < 1_000)
    #expect(try #require(rig.evse(2).meter.stateOfCharge) >= 20_000)
  }

  @Test("An AC EV stops after the energy it needs, and tells no state of charge unless it was given one")
  func energyNeeded() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2, SimulatedEV(energyNeeded: 1_000_000))
    #expect(try rig.evse(2).meter.stateOfCharge == nil)
    let events = rig.wait(3_600_000)
    #expect(events.withoutReadings == [.pilot(evse: 2, connector: 1, state: .b)])
    // It looks once a second, and then takes less than a second to stop: at most 7.36 kW * 2 s more.
    #expect((1_000_000...1_004_089).contains(try rig.energy(2)))
    #expect(try rig.evse(2).ev?.energyTaken == rig.energy(2))
    try rig.does(.ev(evse: 2, .charging, stateOfCharge: 70_000))
    #expect(try rig.evse(2).meter.stateOfCharge == 70_000)
  }
}
