import Hardware
import StationCore
import Testing

@Suite("Simulated hardware: an EV charges")
struct ChargingTests {
  @Test("At the start everything tells its state")
  func start() {
    var rig = Rig.twoACEVSEs
    let events = rig.start()
    #expect(
      events.withoutReadings == [
        .contactor(evse: 1, closed: false), .lock(evse: 1, connector: 1, locked: false),
        .pilot(evse: 1, connector: 1, state: .a),
        .contactor(evse: 2, closed: false), .cable(evse: 2, connector: 1, ratingAmperes: 32),
        .pilot(evse: 2, connector: 1, state: .a),
      ])
    let idle = MeterReading(
      evse: 1, energyImport: 0, power: 0, current: [0, 0, 0], voltage: [230_000, 230_000, 230_000], frequency: 50_000)
    #expect(events.readings(1) == [idle])
    #expect(events.readings(2).count == 1)
    #expect(events.readings(0).count == 1)
  }

  @Test("A whole session: plug, offer, S2, contactor, ramp, stop, unplug")
  func session() throws {
    var rig = Rig.twoACEVSEs
    _ = rig.start()
    let plugged = try rig.does(.plugIn(evse: 1, connector: 1, ev: SimulatedEV(phases: 3)))
    #expect(
      plugged.withoutReadings == [
        .cable(evse: 1, connector: 1, ratingAmperes: 32), .pilot(evse: 1, connector: 1, state: .b),
      ])
    #expect(rig.wait(5_000).withoutReadings == [], "without an offer the EV asks for nothing")

    rig.command(.offer(evse: 1, connector: 1, milliamperes: 16_000))
    #expect(rig.wait(999).withoutReadings == [])
    #expect(rig.wait(1).withoutReadings == [.pilot(evse: 1, connector: 1, state: .c)])

    rig.command(.contactor(evse: 1, close: true))
    #expect(rig.wait(29).withoutReadings == [])
    #expect(try rig.power(1) == 0)
    #expect(rig.wait(1).withoutReadings == [.contactor(evse: 1, closed: true)])
    rig.wait(500)
    #expect(try rig.evse(1).meter.current == [4_000, 4_000, 4_000], "8 A/s")
    rig.wait(1_500)
    #expect(try rig.evse(1).meter.current == [16_000, 16_000, 16_000])
    #expect(try rig.power(1) == 11_040_000)
    let before = try rig.energy(1)
    rig.wait(3_600_000)
    #expect(try rig.energy(1) - before == 11_040_000, "11.04 kW for an hour is 11.04 kWh")

    rig.command(.offer(evse: 1, connector: 1, milliamperes: nil))
    #expect(rig.wait(999).withoutReadings == [])
    #expect(rig.wait(4_000).withoutReadings == [.pilot(evse: 1, connector: 1, state: .b)])
    #expect(try rig.power(1) == 0)
    rig.command(.contactor(evse: 1, close: false))
    #expect(rig.wait(20).withoutReadings == [.contactor(evse: 1, closed: false)])
    #expect(
      try rig.does(.plugOut(evse: 1, connector: 1)).withoutReadings == [
        .pilot(evse: 1, connector: 1, state: .a), .cable(evse: 1, connector: 1, ratingAmperes: nil),
      ])
  }

  @Test("A captive cable stays, and a change comes with a reading taken just before it")
  func captive() throws {
    var rig = Rig.twoACEVSEs
    let events = try rig.does(.plugIn(evse: 2, connector: 1, ev: SimulatedEV()))
    #expect(events.withoutReadings == [.pilot(evse: 2, connector: 1, state: .b)])
    #expect(events.readings(2).count == 1)
    #expect(events.first == .meter(try #require(events.readings(2).first)))
    #expect(
      try rig.does(.plugOut(evse: 2, connector: 1)).withoutReadings == [.pilot(evse: 2, connector: 1, state: .a)])
    #expect(try rig.evse(2).connectors[0].cableRating == 32)
  }

  @Test("Without a charging delay S2 closes as soon as energy is offered")
  func noDelay() throws {
    var rig = Rig.twoACEVSEs
    try rig.does(.plugIn(evse: 2, connector: 1, ev: SimulatedEV(chargeDelay: 0)))
    let events = rig.command(.offer(evse: 2, connector: 1, milliamperes: 6_000))
    #expect(events.withoutReadings == [.pilot(evse: 2, connector: 1, state: .c)])
  }

  @Test("The charging delay also counts from plugging in when energy is offered already")
  func delayFromPlugIn() throws {
    var rig = Rig.twoACEVSEs
    rig.command(.offer(evse: 2, connector: 1, milliamperes: 6_000))
    rig.wait(60_000)
    try rig.does(.plugIn(evse: 2, connector: 1, ev: SimulatedEV(chargeDelay: 700)))
    #expect(rig.wait(699).withoutReadings == [])
    #expect(rig.wait(1).withoutReadings == [.pilot(evse: 2, connector: 1, state: .c)])
  }

  @Test("An offer below 6 A is none (IEC 61851-1)", arguments: [Int64(-1), 0, 5_999])
  func tooSmallOffer(_ offer: Int64) throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2, offer: offer)
    #expect(try rig.evse(2).connectors[0].pilot == .b)
    #expect(try rig.power(2) == 0)
  }

  @Test(
    "The EV draws the least of what it can take, what is offered, and what the cable carries",
    arguments: [
      (SimulatedEV(maxCurrent: 10_000, phases: 3), 32_000, [10_000, 10_000, 10_000]),
      (SimulatedEV(maxCurrent: 32_000, phases: 1), 20_500, [20_500, 0, 0]),
      (SimulatedEV(maxCurrent: 32_000, phases: 2, cableRating: 13), 32_000, [13_000, 13_000, 0]),
      (SimulatedEV(maxCurrent: 0, phases: 1), 32_000, [0, 0, 0]),
    ] as [(SimulatedEV, Int64, [Int64])])
  func least(_ ev: SimulatedEV, _ offer: Int64, _ current: [Int64]) throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(1, ev, offer: offer)
    #expect(try rig.evse(1).meter.current == current)
  }

  @Test("A three-phase EV at a single-phase supply uses one phase")
  func singlePhaseSupply() throws {
    var rig = Rig([
      SimulatedEVSE(id: 1, supplyPhases: 1, connectors: [SimulatedConnector(id: 1, kind: .socket, hasLock: false)])
    ])
    try rig.charge(1, SimulatedEV(phases: 3))
    #expect(try rig.evse(1).meter.current == [32_000])
    #expect(try rig.evse(1).meter.voltage == [230_000])
    #expect(try rig.power(1) == 7_360_000)
    #expect(rig.hardware.mainMeterReading.current == [32_000])
  }

  @Test("A lowered offer is followed after the reaction time, a raised one at 8 A/s")
  func offerChanges() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    rig.command(.offer(evse: 2, connector: 1, milliamperes: 10_000))
    rig.wait(1_000)
    #expect(try rig.evse(2).meter.current == [32_000, 0, 0])
    rig.wait(440)
    #expect(try rig.evse(2).meter.current == [10_000, 0, 0], "50 A/s")
    rig.command(.offer(evse: 2, connector: 1, milliamperes: 18_000))
    rig.wait(1_500)
    #expect(try rig.evse(2).meter.current == [14_000, 0, 0])
  }

  @Test("Offers that keep changing do not keep the EV from reacting")
  func restlessOffers() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    for offer in stride(from: Int64(20_000), through: 12_000, by: -1_000) {
      rig.command(.offer(evse: 2, connector: 1, milliamperes: offer))
      rig.wait(500)
    }
    #expect(try #require(rig.evse(2).meter.current.first) <= 15_000)
  }

  @Test("An offer that is back before the EV reacts changes nothing")
  func shortGap() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    rig.command(.offer(evse: 2, connector: 1, milliamperes: nil))
    rig.wait(900)
    rig.command(.offer(evse: 2, connector: 1, milliamperes: 32_000))
    #expect(rig.wait(5_000).withoutReadings == [])
    #expect(try rig.power(2) == 7_360_000)
  }

  @Test("Suspended, charging, stopped: S2 follows the EV's demand")
  func demand() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    try rig.does(.ev(evse: 2, .suspended, stateOfCharge: nil))
    let paused = rig.wait(2_000)
    #expect(paused.withoutReadings == [.pilot(evse: 2, connector: 1, state: .b)])
    #expect(paused.readings(2).last?.power == 0)
    #expect(try rig.does(.ev(evse: 2, .suspended, stateOfCharge: nil)).withoutReadings == [])
    #expect(
      try rig.does(.ev(evse: 2, .charging, stateOfCharge: nil)).withoutReadings == [
        .pilot(evse: 2, connector: 1, state: .c)
      ])
    rig.wait(5_000)
    #expect(try rig.power(2) == 7_360_000)
    try rig.does(.ev(evse: 2, .stopped, stateOfCharge: nil))
    #expect(rig.wait(60_000).withoutReadings == [.pilot(evse: 2, connector: 1, state: .b)])
    #expect(try rig.evse(2).ev?.demand == .stopped)
  }

  @Test("Pulling the plug under load: no current at once, the contactor stays until it is told")
  func plugOutUnderLoad() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(1)
    let energy = try rig.energy(1)
    rig.now += 500
    let events = try rig.does(.plugOut(evse: 1, connector: 1))
    #expect(
      events.withoutReadings == [
        .pilot(evse: 1, connector: 1, state: .a), .cable(evse: 1, connector: 1, ratingAmperes: nil),
      ])
    #expect(events.readings(1).map(\.power) == [7_360_000, 0])
    let charged = 7_360_000 * 500 / 3_600_000 as Int64
    #expect((charged...charged + 1).contains(try #require(events.readings(1).first?.energyImport) - energy))
    #expect(try rig.evse(1).contactorClosed)
    #expect(rig.hardware.mainMeterReading.power == 0)
    rig.command(.contactor(evse: 1, close: false))
    #expect(rig.wait(100).withoutReadings == [.contactor(evse: 1, closed: false)])
  }

  @Test("A plug that is locked stays in the socket when the EV goes, and leaves when it is unlocked")
  func lockedCable() throws {
    var rig = Rig.twoACEVSEs
    try rig.does(.plugIn(evse: 1, connector: 1, ev: SimulatedEV()))
    rig.command(.lock(evse: 1, connector: 1, locked: true))
    rig.wait(100)
    #expect(
      try rig.does(.plugOut(evse: 1, connector: 1)).withoutReadings == [.pilot(evse: 1, connector: 1, state: .a)])
    #expect(
      try rig.does(.plugIn(evse: 1, connector: 1, ev: SimulatedEV())).withoutReadings == [
        .pilot(evse: 1, connector: 1, state: .b)
      ], "the EV comes back to the cable that is there")
    try rig.does(.plugOut(evse: 1, connector: 1))
    rig.command(.lock(evse: 1, connector: 1, locked: false))
    #expect(
      rig.wait(100).withoutReadings == [
        .lock(evse: 1, connector: 1, locked: false), .cable(evse: 1, connector: 1, ratingAmperes: nil),
      ])
  }

  @Test("Unlocked while the EV is connected, the cable stays with the EV")
  func unlockedCable() throws {
    var rig = Rig.twoACEVSEs
    try rig.does(.plugIn(evse: 1, connector: 1, ev: SimulatedEV()))
    rig.command(.lock(evse: 1, connector: 1, locked: true))
    rig.wait(100)
    rig.command(.lock(evse: 1, connector: 1, locked: false))
    #expect(rig.wait(100).withoutReadings == [.lock(evse: 1, connector: 1, locked: false)])
    #expect(try rig.evse(1).connectors[0].cableRating == 32)
  }

  @Test("The EVSEs' meters add up to the main meter")
  func mainMeter() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(1, SimulatedEV(phases: 3), offer: 16_000)
    try rig.charge(2, SimulatedEV(phases: 1), offer: 10_000)
    rig.wait(1_234_567)
    let main = rig.hardware.mainMeterReading
    #expect(main.current == [26_000, 16_000, 16_000])
    #expect(main.power == 13_340_000)
    let sum = try rig.energy(1) + rig.energy(2)
    #expect((sum...sum + 1).contains(try #require(main.energyImport)))
  }
}

@Suite("Simulated hardware: contactor and lock")
struct ActuatorTests {
  @Test("A contactor opened under load cuts the current; the reading before it is fresh")
  func openUnderLoad() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    rig.command(.contactor(evse: 2, close: false))
    let events = rig.wait(20)
    #expect(events.withoutReadings == [.contactor(evse: 2, closed: false)])
    #expect(events.readings(2).map(\.power) == [7_360_000, 0])
    #expect(try rig.evse(2).connectors[0].pilot == .c, "the EV still asks")
    rig.command(.contactor(evse: 2, close: true))
    rig.wait(5_000)
    #expect(try rig.power(2) == 7_360_000)
  }

  @Test("It closes without a vehicle when told so")
  func closeWithoutVehicle() throws {
    var rig = Rig.twoACEVSEs
    rig.command(.contactor(evse: 1, close: true))
    #expect(rig.wait(30).withoutReadings == [.contactor(evse: 1, closed: true)])
    #expect(try rig.power(1) == 0)
  }

  @Test("Every command is answered once, a newer one replaces the one under way")
  func feedback() throws {
    var rig = Rig.twoACEVSEs
    rig.command(.contactor(evse: 1, close: false))
    #expect(rig.wait(20).withoutReadings == [.contactor(evse: 1, closed: false)])
    rig.command(.contactor(evse: 1, close: true))
    rig.wait(10)
    rig.command(.contactor(evse: 1, close: false))
    #expect(rig.wait(1_000).withoutReadings == [.contactor(evse: 1, closed: false)])
    rig.command(.lock(evse: 1, connector: 1, locked: true))
    rig.command(.lock(evse: 1, connector: 1, locked: true))
    #expect(rig.wait(1_000).withoutReadings == [.lock(evse: 1, connector: 1, locked: true)])
  }

  @Test("A stuck lock neither opens nor closes, and obeys again when freed", arguments: [true, false])
  func stuck(_ locked: Bool) throws {
    var rig = Rig.twoACEVSEs
    rig.command(.lock(evse: 1, connector: 1, locked: !locked))
    rig.wait(100)
    #expect(try rig.does(.lock(evse: 1, connector: 1, stuck: true)).withoutReadings == [])
    rig.command(.lock(evse: 1, connector: 1, locked: locked))
    #expect(rig.wait(100).withoutReadings == [.lockFailed(evse: 1, connector: 1)])
    #expect(try rig.evse(1).connectors[0].locked == !locked)
    rig.command(.lock(evse: 1, connector: 1, locked: !locked))
    #expect(rig.wait(100).withoutReadings == [.lock(evse: 1, connector: 1, locked: !locked)])
    try rig.does(.lock(evse: 1, connector: 1, stuck: false))
    rig.command(.lock(evse: 1, connector: 1, locked: locked))
    #expect(rig.wait(100).withoutReadings == [.lock(evse: 1, connector: 1, locked: locked)])
  }

  @Test("Commands to what is not there do nothing; a lock that is not there fails")
  func absent() throws {
    var rig = Rig.twoACEVSEs
    let before = rig.hardware
    #expect(rig.command(.contactor(evse: 9, close: true)) == [])
    #expect(rig.command(.offer(evse: 1, connector: 2, milliamperes: 16_000)) == [])
    #expect(rig.command(.lock(evse: 1, connector: 2, locked: true)) == [])
    #expect(rig.hardware == before)
    #expect(
      rig.command(.lock(evse: 2, connector: 1, locked: true)) == [.lockFailed(evse: 2, connector: 1)])
  }
}
