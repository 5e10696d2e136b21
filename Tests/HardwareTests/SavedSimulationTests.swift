import DeviceModel
import Hardware
import OCPP
import StationCore
import Testing

@Suite("Simulated hardware: what outlives the process")
struct SavedSimulationTests {
  @Test("It survives being written as text and read again, at any moment of a busy life", arguments: [UInt64(4), 5])
  func roundTrip(_ seed: UInt64) throws {
    var life = RandomLife(seed: seed)
    var rig = Rig(RandomLife.topology)
    for _ in 0..<300 {
      _ = rig.live(life.deed())
      rig.wait(Int64.random(in: 0...3_000, using: &life.random))
      let saved = rig.hardware.saved
      let read = try SavedSimulation(json: JSONValue.parse(saved.json.text))
      try #require(read == saved)
      let restarted = SimulatedHardware(
        topology: RandomLife.topology, at: rig.time, restoring: read, keepingCables: true)
      try #require(restarted.saved == saved)
    }
    #expect(try rig.energy(1) > 0)
  }

  @Test(
    "What is no saved simulation is refused",
    arguments: [
      ("[]", "the saved simulation is [], expected an object"),
      ("{}", "version is null, expected 1"),
      (#"{"version":2}"#, "version is 2, expected 1"),
      (#"{"version":1}"#, "evses is missing, expected an array of objects"),
      (#"{"version":1,"evses":[]}"#, "mainMeter is missing, expected an object"),
      (
        #"{"version":1,"evses":[],"mainMeter":{"milliwattHours":-1,"halfNanojoules":0}}"#,
        "mainMeter.milliwattHours is -1, expected an integer of at least 0"
      ),
      (
        #"{"version":1,"evses":[{"id":1,"meter":{"milliwattHours":5}}]}"#,
        "evses[0].meter.halfNanojoules is missing, expected an integer of at least 0"
      ),
      (
        #"{"version":1,"evses":[{"id":1,"meter":{"milliwattHours":5,"halfNanojoules":0},"connectors":[{"id":1,"cableA":7,"locked":true}]}]}"#,
        "evses[0].connectors[0].cableA is 7, expected 13, 20, 32 or 63 A"
      ),
      (
        #"{"version":1,"evses":[{"id":1,"meter":{"milliwattHours":5,"halfNanojoules":0},"connectors":[],"ev":{"connector":1,"demand":"charging","taken":{"milliwattHours":0,"halfNanojoules":0},"mode":"AC","maxCurrentMilliamperes":32000,"phases":4,"chargeDelayMs":0,"cableA":32,"batteryCapacityMilliwattHours":1000}}]}"#,
        "ev.phases is 4, expected 1-3"
      ),
    ])
  func refused(_ json: String, _ text: String) throws {
    let value = try JSONValue.parse(json)
    #expect(throws: StimulusError(text)) { try SavedSimulation(json: value) }
  }

  @Test("The shipped stations give their hardware")
  func topology() throws {
    let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let two = DeviceModel.load(directory: "/\(folder)/DeviceModel/ac-two-evse")
    try #require(two.errorCount == 0)
    let socket = SimulatedConnector(id: 1, kind: .socket, hasLock: true)
    #expect(
      SimulatedEVSE.topology(of: two.model) == [
        SimulatedEVSE(id: 1, supplyPhases: 3, connectors: [socket]),
        SimulatedEVSE(id: 2, supplyPhases: 3, connectors: [socket]),
      ])
    let one = DeviceModel.load(
      directory: "/\(folder)/DeviceModel/ac-one-evse", settings: ["EVSE@1/SupplyPhases=1"])
    let cable = SimulatedConnector(id: 1, kind: .captive(ratingAmperes: 96), hasLock: false)
    #expect(
      SimulatedEVSE.topology(of: one.model) == [SimulatedEVSE(id: 1, supplyPhases: 1, connectors: [cable])])
  }

  @Test("Without a model there is no hardware, and nothing fails")
  func empty() {
    var hardware = SimulatedHardware(topology: SimulatedEVSE.topology(of: DeviceModel()), at: Rig.time(0))
    #expect(hardware.start(at: Rig.time(0)).readings(0).count == 1)
    #expect(hardware.snapshot(evse: 1) == nil)
    let result = hardware.stimulus(.plugOut(evse: 1, connector: 1), at: Rig.time(0))
    #expect(result == .failure(StimulusError("evse 1 does not exist, there is none")))
  }
}
