import Hardware
import OCPP
import StationCore
import Testing

@Suite("Simulated hardware: meter readings")
struct MeterTests {
  @Test("A reading every 10 s, every second while power flows, and one at once when it ceases")
  func periods() throws {
    var rig = Rig.twoACEVSEs
    #expect(rig.wait(60_000).readings(1).count == 6)
    #expect(rig.wait(60_000).readings(0).count == 6)
    try rig.charge(2)
    let active = rig.wait(60_000)
    #expect(active.readings(2).count == 60)
    #expect(active.readings(0).count == 60)
    #expect(active.readings(1).count == 6)
    try rig.does(.ev(evse: 2, .stopped, stateOfCharge: nil))
    let stopping = rig.wait(900)
    #expect(stopping.readings(2).last?.power == 0)
    #expect(stopping.readings(0).last?.power == 0)
    #expect(rig.wait(9_000).readings(2) == [])
  }

  @Test("A late call gets one reading, not all that were missed, and the next on the old grid")
  func lateCall() throws {
    var rig = Rig.twoACEVSEs
    rig.now = 95_500
    #expect(rig.hardware.advance(to: rig.time).readings(1).count == 1)
    #expect(rig.hardware.nextDeadline == 100_000)
  }

  @Test("Held values stay, everything else goes on")
  func hold() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    let set = MeterSetting(voltage: [231_000, 229_500], frequency: 49_900, stateOfCharge: 33_300)
    let first = try #require(rig.does(.meter(evse: 2, set, hold: true)).readings(2).first)
    #expect(first.voltage == [231_000, 229_500, 230_000])
    #expect(first.frequency == 49_900)
    #expect(first.stateOfCharge == 33_300)
    #expect(first.power == 7_392_000, "power follows the held voltage")
    #expect(first.acquiredAtWall == nil)
    let later = try #require(rig.wait(3_000).readings(2).last)
    #expect(later.voltage == [231_000, 229_500, 230_000])
    #expect(try #require(later.energyImport) > (try #require(first.energyImport)))
    #expect(later.current == [32_000, 0, 0])
    let more = try rig.does(.meter(evse: 2, MeterSetting(current: [1_000]), hold: true)).readings(2)
    #expect(more.last?.current == [1_000, 0, 0])
    #expect(more.last?.frequency == 49_900, "held on top of what was held")
    let released = try rig.does(.meter(evse: 2, MeterSetting(), hold: false)).readings(2)
    #expect(released.last?.power == 7_360_000)
    #expect(released.last?.frequency == 50_000)
  }

  @Test("A held register stands still and goes on from there when released")
  func holdEnergy() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    try rig.does(.meter(evse: 2, MeterSetting(energyImport: 6_000_000), hold: true))
    rig.wait(3_600_000)
    #expect(try rig.energy(2) == 6_000_000)
    try rig.does(.meter(evse: 2, MeterSetting(), hold: false))
    rig.wait(3_600_000)
    #expect(try rig.energy(2) == 13_360_000)
  }

  @Test("Without hold a value is read once, a register goes on from it, and what was held is released")
  func once() throws {
    var rig = Rig.twoACEVSEs
    try rig.charge(2)
    try rig.does(.meter(evse: 2, MeterSetting(frequency: 51_000), hold: true))
    let now = MeterSetting(energyImport: 6_000_000, power: 1_000, acquiredAtWall: 1_700_000_000_123)
    let events = try rig.does(.meter(evse: 2, now, hold: false))
    let reading = try #require(events.readings(2).last)
    #expect(reading.energyImport == 6_000_000)
    #expect(reading.power == 1_000)
    #expect(reading.acquiredAtWall == 1_700_000_000_123)
    #expect(reading.frequency == 50_000)
    let next = try #require(rig.wait(1_000).readings(2).last)
    #expect(next.power == 7_360_000)
    #expect(next.energyImport == 6_002_044)
    #expect(next.acquiredAtWall == nil)
  }

  @Test("The register counts held power: power times time stays energy")
  func heldPower() throws {
    var rig = Rig.twoACEVSEs
    let events = try rig.does(.meter(evse: 1, MeterSetting(power: 11_000_000), hold: true))
    #expect(events.readings(1).last?.power == 11_000_000)
    #expect(rig.wait(3_600_000).readings(1).count == 3_600)
    #expect(try rig.energy(1) == 11_000_000)
    #expect(rig.hardware.mainMeterReading.power == 11_000_000)
    #expect(rig.hardware.mainMeterReading.energyImport == 11_000_000)
  }

  @Test("The main meter can be set like any other")
  func mainMeter() throws {
    var rig = Rig.twoACEVSEs
    let set = MeterSetting(current: [10_000, 10_000, 10_000])
    let events = try rig.does(.meter(evse: 0, set, hold: true))
    #expect(events.readings(0).last?.power == 6_900_000)
    rig.wait(3_600_000)
    #expect(rig.hardware.mainMeterReading.energyImport == 6_900_000)
    try rig.does(.meter(evse: 0, MeterSetting(energyImport: 5), hold: true))
    rig.wait(60_000)
    #expect(rig.hardware.mainMeterReading.energyImport == 5)
    try rig.does(.meter(evse: 0, MeterSetting(), hold: false))
    #expect(rig.hardware.mainMeterReading.power == 0)
  }

  @Test("A setting without values changes nothing")
  func nothing() throws {
    var rig = Rig.twoACEVSEs
    let before = rig.hardware
    #expect(try rig.does(.meter(evse: 1, MeterSetting(), hold: true)) == [])
    #expect(try rig.does(.meter(evse: 0, MeterSetting(), hold: false)) == [])
    #expect(rig.hardware == before)
  }
}

@Suite("Simulated hardware: faults and tokens")
struct FaultTests {
  @Test("A token is presented with the EVSEs that its reader serves, every time it is shown")
  func swipe() throws {
    var rig = Rig.twoACEVSEs
    let token = IdTokenType(idToken: "DEADBEEF", type: .iso14443)
    #expect(try rig.does(.swipe(token, evses: nil)) == [.token(TokenPresentation(idToken: token))])
    #expect(try rig.does(.swipe(token, evses: [2])) == [.token(TokenPresentation(idToken: token, evses: [2]))])
    #expect(try rig.does(.swipe(token, evses: [2])).count == 1)
    let longest = IdTokenType(idToken: String(repeating: "é", count: 36), type: .local)
    #expect(try rig.does(.swipe(longest, evses: nil)).count == 1)
    let none = IdTokenType(idToken: "", type: .noAuthorization)
    #expect(try rig.does(.swipe(none, evses: nil)).count == 1)
  }

  @Test("A fault is raised once, may change its severity, and is cleared once")
  func faults() throws {
    var rig = Rig.twoACEVSEs
    let high = HardwareFault(name: "GroundFailure", evse: 1)
    let low = HardwareFault(name: "GroundFailure", evse: 1, severity: .low)
    #expect(try rig.does(.raiseFault(high)) == [.faultRaised(high)])
    #expect(try rig.does(.raiseFault(high)) == [])
    #expect(try rig.does(.raiseFault(low)) == [.faultRaised(low)])
    #expect(try rig.evse(1).faults == [low])
    #expect(try rig.evse(2).faults == [])
    #expect(try rig.does(.clearFault(name: "GroundFailure", evse: 2, connector: nil)) == [])
    #expect(try rig.does(.clearFault(name: "GroundFailure", evse: 1, connector: nil)) == [.faultCleared(low)])
    #expect(try rig.does(.clearFault(name: "GroundFailure", evse: 1, connector: nil)) == [])
  }

  @Test("Clearing for an EVSE clears its connectors' faults of that name, for a connector only that one's")
  func places() throws {
    var rig = Rig.twoACEVSEs
    let station = HardwareFault(name: "X", evse: 0)
    let evse = HardwareFault(name: "X", evse: 1)
    let connector = HardwareFault(name: "X", evse: 1, connector: 1)
    for fault in [station, evse, connector] { try rig.does(.raiseFault(fault)) }
    #expect(rig.hardware.stationFaults == [station])
    #expect(try rig.does(.clearFault(name: "X", evse: 1, connector: 1)) == [.faultCleared(connector)])
    try rig.does(.raiseFault(connector))
    #expect(
      try rig.does(.clearFault(name: "X", evse: 1, connector: nil)) == [.faultCleared(evse), .faultCleared(connector)])
    #expect(rig.hardware.stationFaults == [station])
  }

  @Test("There is a limit to faults")
  func limit() throws {
    var rig = Rig.twoACEVSEs
    for number in 1...SimulatedHardware.faultLimit {
      try rig.does(.raiseFault(HardwareFault(name: "F\(number)", evse: 0)))
    }
    #expect(
      rig.refusal(.raiseFault(HardwareFault(name: "Last", evse: 0)))
        == "fault Last: 100 faults are active, at most 100 can be")
  }

  @Test("What cannot be is refused with field, value and expectation", arguments: Refusal.all)
  func refusals(_ refusal: Refusal) throws {
    var rig = Rig.twoACEVSEs
    for stimulus in refusal.before { try rig.does(stimulus) }
    if refusal.locked {
      rig.command(.lock(evse: 1, connector: 1, locked: true))
      rig.wait(100)
    }
    #expect(rig.refusal(refusal.stimulus) == refusal.text)
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    var stimulus: Stimulus
    var before: [Stimulus] = []
    var locked = false
    var text: String

    init(_ stimulus: Stimulus, _ text: String, before: [Stimulus] = [], locked: Bool = false) {
      self.stimulus = stimulus
      self.text = text
      self.before = before
      self.locked = locked
    }

    var testDescription: String { text }

    static func plug(_ ev: SimulatedEV) -> Stimulus { .plugIn(evse: 1, connector: 1, ev: ev) }
    static func meter(_ setting: MeterSetting) -> Stimulus { .meter(evse: 1, setting, hold: true) }

    static func swipe(_ text: String, _ type: IdTokenEnumType = .iso14443, _ evses: [Int]? = nil) -> Stimulus {
      .swipe(IdTokenType(idToken: text, type: type), evses: evses)
    }

    static let all: [Refusal] = [
      Refusal(swipe(String(repeating: "x", count: 37)), "idToken has 37 characters, expected 1-36"),
      Refusal(swipe(""), "idToken has 0 characters, expected 1-36"),
      Refusal(
        swipe("A", IdTokenEnumType(unchecked: "RFID")),
        "type is RFID, expected one of Central, eMAID, ISO14443, ISO15693, KeyCode, Local, MacAddress, NoAuthorization"),
      Refusal(swipe("A", .iso14443, [1, 7]), "evses 7 does not exist, expected 1-2"),
      Refusal(swipe("A", .iso14443, []), "evses is empty, expected at least one EVSE id"),
      Refusal(.plugIn(evse: 9, connector: 1, ev: SimulatedEV()), "evse 9 does not exist, expected 1-2"),
      Refusal(.plugIn(evse: 0, connector: 1, ev: SimulatedEV()), "evse 0 does not exist, expected 1-2"),
      Refusal(.plugIn(evse: 2, connector: 2, ev: SimulatedEV()), "connector 2 of evse 2 does not exist, expected 1"),
      Refusal(.plugOut(evse: -1, connector: 1), "evse -1 does not exist, expected 1-2"),
      Refusal(.plugOut(evse: 1, connector: 7), "connector 7 of evse 1 does not exist, expected 1"),
      Refusal(
        plug(SimulatedEV(maxCurrent: 16_000)),
        "connector 1 of evse 1 has another ev plugged in, expected plugOut first", before: [plug(SimulatedEV())]),
      Refusal(
        plug(SimulatedEV()), "connector 1 of evse 1 is locked without a plug in it, expected an open socket",
        locked: true),
      Refusal(plug(SimulatedEV(maxCurrent: 1_000_001)), "ev.maxCurrentA is 1000.001, expected 0-1000 A"),
      Refusal(plug(SimulatedEV(maxCurrent: -500)), "ev.maxCurrentA is -0.5, expected 0-1000 A"),
      Refusal(plug(SimulatedEV(phases: 0)), "ev.phases is 0, expected 1-3"),
      Refusal(plug(SimulatedEV(phases: 4)), "ev.phases is 4, expected 1-3"),
      Refusal(plug(SimulatedEV(chargeDelay: -1)), "ev.chargeDelayMs is -1, expected 0-3600000 ms"),
      Refusal(plug(SimulatedEV(cableRating: 16)), "ev.cableA is 16, expected 13, 20, 32 or 63 A"),
      Refusal(plug(SimulatedEV(batteryCapacity: 0)), "ev.batteryCapacityWh is 0, expected 1-10000000 Wh"),
      Refusal(plug(SimulatedEV(stateOfCharge: 100_001)), "ev.soc is 100.001, expected 0-100 %"),
      Refusal(plug(SimulatedEV(energyNeeded: -1_000)), "ev.energyNeededWh is -1, expected 0-10000000 Wh"),
      Refusal(.ev(evse: 1, .charging, stateOfCharge: nil), "evse 1 has no ev plugged in, expected plugIn first"),
      Refusal(.ev(evse: 3, .charging, stateOfCharge: nil), "evse 3 does not exist, expected 1-2"),
      Refusal(
        .ev(evse: 1, .charging, stateOfCharge: -1), "soc is -0.001, expected 0-100 %", before: [plug(SimulatedEV())]),
      Refusal(.lock(evse: 2, connector: 1, stuck: true), "connector 1 of evse 2 has no lock"),
      Refusal(.lock(evse: 1, connector: 2, stuck: true), "connector 2 of evse 1 does not exist, expected 1"),
      Refusal(.raiseFault(HardwareFault(name: "X", evse: 3)), "evse 3 does not exist, expected 1-2"),
      Refusal(
        .raiseFault(HardwareFault(name: "X", evse: 1, connector: 2)),
        "connector 2 of evse 1 does not exist, expected 1"),
      Refusal(
        .raiseFault(HardwareFault(name: "X", evse: 0, connector: 1)),
        "connector 1 needs an evse, 0 is the station as a whole"),
      Refusal(.raiseFault(HardwareFault(name: "", evse: 0)), "fault has 0 characters, expected 1-50"),
      Refusal(.clearFault(name: "X", evse: 4, connector: nil), "evse 4 does not exist, expected 1-2"),
      Refusal(
        .meter(evse: 3, MeterSetting(power: 1), hold: true),
        "evse 3 does not exist, expected 1-2, or 0 for the main meter"),
      Refusal(meter(MeterSetting(energyImport: -1)), "energyWh is -0.001, expected 0-1000000000000 Wh"),
      Refusal(meter(MeterSetting(power: .max)), "powerW is 9223372036854775.807, expected 0-10000000 W"),
      Refusal(meter(MeterSetting(current: [])), "currentA has 0 values, expected 1-3"),
      Refusal(meter(MeterSetting(current: [1, 2, 3, 4])), "currentA has 4 values, expected 1-3"),
      Refusal(meter(MeterSetting(current: [0, .min])), "currentA[1] is -9223372036854775.808, expected 0-10000 A"),
      Refusal(meter(MeterSetting(voltage: [1_000_001])), "voltageV[0] is 1000.001, expected 0-1000 V"),
      Refusal(meter(MeterSetting(frequency: -1_500)), "frequencyHz is -1.5, expected 0-1000 Hz"),
      Refusal(meter(MeterSetting(stateOfCharge: 100_010)), "soc is 100.01, expected 0-100 %"),
    ]
  }

  @Test("A phase that the meter does not have can only be given as 0")
  func surplusPhase() throws {
    var rig = Rig.oneDCEVSE
    #expect(
      rig.refusal(.meter(evse: 1, MeterSetting(current: [16_000, 5_500]), hold: true))
        == "currentA[1] is 5.5 A, but the meter has 1 phase")
    let events = try rig.does(.meter(evse: 1, MeterSetting(current: [16_000, 0, 0]), hold: true))
    #expect(events.readings(1).last?.current == [16_000])
  }

  @Test("One plug at a time, in an EVSE with two connectors")
  func oneAtATime() throws {
    var rig = Rig(RandomLife.topology)
    try rig.does(.plugIn(evse: 1, connector: 2, ev: SimulatedEV()))
    #expect(
      rig.refusal(.plugIn(evse: 1, connector: 1, ev: SimulatedEV()))
        == "connector 1: evse 1 is in use by connector 2, expected one plug at a time")
    #expect(try rig.does(.plugOut(evse: 1, connector: 1)) == [], "nothing is plugged in there")
  }

  @Test("What is so already changes nothing")
  func unchanged() throws {
    var rig = Rig.twoACEVSEs
    #expect(try rig.does(.plugOut(evse: 1, connector: 1)) == [])
    try rig.does(.plugIn(evse: 1, connector: 1, ev: SimulatedEV()))
    let before = rig.hardware
    #expect(try rig.does(.plugIn(evse: 1, connector: 1, ev: SimulatedEV())) == [])
    #expect(rig.hardware == before)
  }
}

@Suite("Simulated hardware: restart")
struct RestartTests {
  /// Charging, locked, with a second EV that is suspended.
  private func busyRig() throws -> Rig {
    var rig = Rig.twoACEVSEs
    try rig.does(.plugIn(evse: 1, connector: 1, ev: SimulatedEV(phases: 3, stateOfCharge: 40_000)))
    rig.command(.lock(evse: 1, connector: 1, locked: true))
    rig.command(.offer(evse: 1, connector: 1, milliamperes: 16_000))
    rig.command(.contactor(evse: 1, close: true))
    rig.wait(1_234_567)
    try rig.does(.plugIn(evse: 2, connector: 1, ev: SimulatedEV(energyNeeded: 5_000_000)))
    try rig.does(.ev(evse: 2, .suspended, stateOfCharge: nil))
    return rig
  }

  @Test("With cables kept, cable, lock, EV and registers are as they were; the contactor is open and nothing offered")
  func kept() throws {
    let rig = try busyRig()
    let before = try rig.evse(1)
    var restarted = Rig(Rig.topologyOfTwo, restoring: rig.hardware.saved, keepingCables: true)
    #expect(restarted.hardware.saved == rig.hardware.saved)
    #expect(
      restarted.start().withoutReadings == [
        .contactor(evse: 1, closed: false), .lock(evse: 1, connector: 1, locked: true),
        .cable(evse: 1, connector: 1, ratingAmperes: 32), .pilot(evse: 1, connector: 1, state: .b),
        .contactor(evse: 2, closed: false), .cable(evse: 2, connector: 1, ratingAmperes: 32),
        .pilot(evse: 2, connector: 1, state: .b),
      ])
    let after = try restarted.evse(1)
    #expect(after.meter.energyImport == before.meter.energyImport)
    #expect(after.ev == before.ev)
    #expect(after.meter.power == 0)
    #expect(try restarted.evse(2).ev?.demand == .suspended)
    #expect(restarted.hardware.mainMeterReading.energyImport == rig.hardware.mainMeterReading.energyImport)
    restarted.command(.offer(evse: 1, connector: 1, milliamperes: 16_000))
    restarted.command(.contactor(evse: 1, close: true))
    restarted.wait(10_000)
    #expect(try restarted.power(1) == 11_040_000)
  }

  @Test("Without, the sockets are empty and unlocked, but the registers go on")
  func notKept() throws {
    let rig = try busyRig()
    var restarted = Rig(Rig.topologyOfTwo, restoring: rig.hardware.saved)
    #expect(
      restarted.start().withoutReadings == [
        .contactor(evse: 1, closed: false), .lock(evse: 1, connector: 1, locked: false),
        .pilot(evse: 1, connector: 1, state: .a),
        .contactor(evse: 2, closed: false), .cable(evse: 2, connector: 1, ratingAmperes: 32),
        .pilot(evse: 2, connector: 1, state: .a),
      ])
    #expect(try restarted.energy(1) == rig.energy(1))
    #expect(try restarted.energy(1) > 3_000_000)
    try restarted.does(.plugIn(evse: 1, connector: 1, ev: SimulatedEV()))
  }

  @Test("A vehicle drives into the parking bay and stays there over a restart; bays without a sensor take none")
  func parkingBay() throws {
    var layout = Rig.topologyOfTwo
    layout[0].hasBaySensor = true
    var rig = Rig(layout)
    #expect(rig.start().contains(.bay(evse: 1, occupied: false)))
    func park(_ evse: Int, _ occupied: Bool) -> Result<[HardwareEvent], StimulusError> {
      rig.hardware.stimulus(.park(evse: evse, occupied: occupied), at: rig.time)
    }
    #expect(park(1, true) == .success([.bay(evse: 1, occupied: true)]))
    #expect(park(1, true) == .success([]))
    #expect(park(2, true) == .failure(StimulusError("evse 2 has no sensor in its parking bay")))
    #expect(park(3, true) == .failure(StimulusError("evse 3 does not exist, expected 1-2")))
    let saved = try SavedSimulation(json: rig.hardware.saved.json)
    var kept = Rig(layout, restoring: saved, keepingCables: true)
    #expect(kept.start().contains(.bay(evse: 1, occupied: true)))
    var fresh = Rig(layout, restoring: saved)
    #expect(fresh.start().contains(.bay(evse: 1, occupied: false)))
  }

  @Test("Who stands at the UI selects EVSEs that exist")
  func selection() {
    var rig = Rig.twoACEVSEs
    for chosen in [nil, [], [2]] as [[Int]?] {
      #expect(rig.hardware.stimulus(.select(evses: chosen), at: rig.time) == .success([.selection(evses: chosen)]))
    }
    #expect(
      rig.hardware.stimulus(.select(evses: [3]), at: rig.time)
        == .failure(StimulusError("evses 3 does not exist, expected 1-2")))
  }

  @Test("Saved EVSEs that are gone are dropped, new ones begin at zero")
  func otherTopology() throws {
    let rig = try busyRig()
    let restarted = Rig(
      [
        SimulatedEVSE(id: 2, supplyPhases: 3, connectors: [SimulatedConnector(id: 5, kind: .socket, hasLock: true)]),
        SimulatedEVSE(id: 3, supplyPhases: 1, connectors: [SimulatedConnector(id: 1, kind: .socket, hasLock: true)]),
      ], restoring: rig.hardware.saved, keepingCables: true)
    #expect(try restarted.energy(2) == rig.energy(2))
    #expect(try restarted.evse(2).ev == nil)
    #expect(try restarted.energy(3) == 0)
    #expect(restarted.hardware.evseIDs == [2, 3])
  }
}
