import DeviceModel
import StationCore
import Testing

@testable import Hardware

@Suite struct EVSEControllerTests {
  private static func at(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  private static func logic(_ model: EVSEControllerModel = .evseDIN, ventilation: Bool = false) -> EVSEControllerLogic {
    EVSEControllerLogic(
      EVSEControllerLogic.Settings(
        evse: 1, connector: 1, most: 32_000, ventilation: ventilation, reportsCable: true,
        staleAfter: .milliseconds(3000), limitInterval: .seconds(10)),
      map: EVSEControllerMap(model: model, unit: 1), at: at(0))
  }

  /// An EVSE-DIN's registers 1000 to 1007.
  private static func registers(
    set: UInt16 = 0, output: UInt16 = 0, state: UInt16 = 1, cable: UInt16 = 32, off: UInt16 = 0, rcd: UInt16 = 0
  ) -> [[UInt16]] {
    [[set, output, state, cable, off, 18, 1, rcd]]
  }

  private static func values(_ updates: [EVSEControllerLogic.Update]) -> [CapabilityValue] {
    updates.compactMap(\.update.reading.value)
  }

  private static func write(_ writes: [ModbusWrite]?) -> [String] {
    (writes ?? []).map { write in
      switch write.values {
      case .register(let value): "\(write.address)=\(value)"
      case .coil(let on): "\(write.address)=\(on)"
      default: "?"
      }
    }
  }

  // MARK: Maps

  @Test func limitsAreRoundedDownAndBounded() {
    var map = EVSEControllerMap(model: .evseDIN, unit: 1)
    #expect(map.settable(5999, most: 32_000) == 0)
    #expect(map.settable(16_999, most: 32_000) == 16_000)
    #expect(map.settable(63_000, most: 32_000) == 32_000)
    map.isFine = true
    #expect(map.settable(16_999, most: 32_000) == 16_990)
    #expect(Self.write(map.writes(limit: 16_990)) == ["1000=1699", "1004=0"])
    map.isFine = false
    #expect(Self.write(map.writes(limit: 16_000)) == ["1000=16", "1004=0"])
    // Off before anything else.
    #expect(Self.write(map.writes(limit: 0)) == ["1004=1", "1000=0"])
    let phoenix = EVSEControllerMap(model: .phoenixEMCPPPETH, unit: 180)
    #expect(Self.write(phoenix.writes(limit: 16_000)) == ["300=16", "400=true"])
    #expect(Self.write(phoenix.writes(limit: 0)) == ["400=false"])
    let other = EVSEControllerMap(model: .phoenixEVCCAC1ETH, unit: 255)
    #expect(Self.write(other.writes(limit: 6000)) == ["528=6", "400=true"])
  }

  @Test func statesOfTheModels() throws {
    let din = EVSEControllerMap(model: .evseDIN, unit: 1)
    let states: [(UInt16, EVSEControllerReading.Vehicle)] = [
      (1, .pilot(.a)), (2, .pilot(.b)), (3, .pilot(.c)), (4, .pilot(.d)), (5, .failure(5)),
    ]
    for (number, vehicle) in states {
      #expect(try din.reading(Self.registers(state: number)).get().vehicle == vehicle)
    }
    for number in [UInt16(0), 6, 65_535] {
      #expect(throws: EVSEControllerNonsense.self) { try din.reading(Self.registers(state: number)).get() }
    }
    #expect(throws: EVSEControllerNonsense.self) { try din.reading(Self.registers(set: 81)).get() }
    let phoenix = EVSEControllerMap(model: .phoenixEMCPPPETH, unit: 180)
    let read = try phoenix.reading([[0x43, 20], [16], [1]]).get()
    #expect(read == EVSEControllerReading(vehicle: .pilot(.c), limit: 16_000, isEnabled: true, cable: 20))
    #expect(throws: EVSEControllerNonsense.self) { try phoenix.reading([[0x47, 20], [16], [1]]).get() }
  }

  // MARK: What it is told

  @Test func anOfferIsWrittenAndRepeated() {
    var logic = Self.logic()
    // Off first, whatever it did before.
    #expect(Self.write(logic.due(at: Self.at(0))?.writes) == ["1004=1", "1000=0"])
    logic.wrote(0, at: Self.at(100))
    #expect(logic.due(at: Self.at(5000)) == nil)
    logic.offer(16_500)
    #expect(Self.write(logic.due(at: Self.at(5000))?.writes) == ["1000=16", "1004=0"])
    logic.wrote(16_000, at: Self.at(5100))
    #expect(logic.due(at: Self.at(15_099)) == nil)
    #expect(logic.due(at: Self.at(15_100))?.limit == 16_000)
    logic.offer(nil)
    #expect(logic.due(at: Self.at(6000))?.limit == 0)
  }

  @Test func anOpeningHoldsUntilItIsToldToCloseOrTheNextOffer() {
    var logic = Self.logic()
    logic.offer(16_000)
    _ = logic.read(logic.map.reading(Self.registers(set: 16, output: 16, state: 3)), askedAt: Self.at(10))
    logic.contactor(close: false)
    #expect(logic.target == 0)
    logic.contactor(close: true)
    #expect(logic.target == 16_000)
    logic.contactor(close: false)
    // Another limit is no reason to close.
    logic.offer(10_000)
    #expect(logic.target == 0)
    logic.offer(nil)
    logic.offer(10_000)
    #expect(logic.target == 10_000)
    // The vehicle has left C by itself: the pilot goes on.
    _ = logic.read(logic.map.reading(Self.registers(set: 10, output: 10, state: 2)), askedAt: Self.at(20))
    logic.contactor(close: false)
    #expect(logic.target == 10_000)
    logic.setUnavailable(true)
    #expect(logic.target == 0)
  }

  @Test func nothingKnownIsTakenForAVehicleThatAsks() {
    var logic = Self.logic()
    logic.offer(16_000)
    logic.contactor(close: false)
    #expect(logic.target == 0)
  }

  @Test func ventilation() {
    for ventilation in [false, true] {
      var logic = Self.logic(ventilation: ventilation)
      logic.offer(16_000)
      let updates = logic.read(
        logic.map.reading(Self.registers(set: 16, output: 16, state: 4)), askedAt: Self.at(10))
      #expect(updates.flatMap(\.update.raised).map(\.name) == (ventilation ? [] : ["VentilationNotAvailable"]))
      #expect(logic.target == (ventilation ? 16_000 : 0))
    }
  }

  // MARK: What it says

  @Test func changesAreToldOnce() {
    var logic = Self.logic()
    let first = logic.read(logic.map.reading(Self.registers()), askedAt: Self.at(10))
    #expect(Self.values(first) == [.cable(ratingAmperes: 32), .pilot(.a), .contactor(closed: false)])
    #expect(logic.read(logic.map.reading(Self.registers()), askedAt: Self.at(20)).isEmpty)
    let charging = logic.read(
      logic.map.reading(Self.registers(set: 16, output: 16, state: 3)), askedAt: Self.at(30))
    #expect(Self.values(charging) == [.pilot(.c), .contactor(closed: true)])
    #expect(charging.allSatisfy { $0.update.reading.acquiredAt == Self.at(30) })
    // State 3 is the vehicle's: off, it asks, and nothing is closed.
    let off = logic.read(
      logic.map.reading(Self.registers(set: 16, output: 0, state: 3, off: 1)), askedAt: Self.at(40))
    #expect(Self.values(off) == [.contactor(closed: false)])
    let unplugged = logic.read(logic.map.reading(Self.registers(cable: 0)), askedAt: Self.at(50))
    #expect(Self.values(unplugged) == [.cable(ratingAmperes: nil), .pilot(.a)])
  }

  @Test func silenceIsUnknownAfterTheLimit() {
    var logic = Self.logic()
    _ = logic.read(logic.map.reading(Self.registers(state: 3)), askedAt: Self.at(1000))
    #expect(logic.missed("no answer", at: Self.at(3999)).isEmpty)
    let unknown = logic.missed("no answer", at: Self.at(4000))
    #expect(unknown.map(\.facet) == [.pilot, .cable, .contactor])
    #expect(unknown.allSatisfy { $0.update.reading == .unknown("no answer", since: Self.at(1000)) })
    #expect(unknown.flatMap(\.update.raised).map(\.name) == ["CommunicationFault"])
    #expect(logic.missed("no answer", at: Self.at(5000)).isEmpty)
    let back = logic.read(logic.map.reading(Self.registers(state: 3)), askedAt: Self.at(6000))
    #expect(back.flatMap(\.update.cleared).map(\.name) == ["CommunicationFault"])
    #expect(Self.values(back).contains(.pilot(.c)))
    // It may have started anew.
    #expect(logic.due(at: Self.at(6000)) != nil)
  }

  @Test func nonsenseIsNoValue() {
    var logic = Self.logic()
    #expect(logic.read(logic.map.reading(Self.registers(state: 9)), askedAt: Self.at(100)).isEmpty)
    let updates = logic.read(logic.map.reading(Self.registers(state: 9)), askedAt: Self.at(3000))
    #expect(updates.first?.update.reading == .unknown("vehicle state 9, expected 1 to 5", since: Self.at(0)))
  }

  @Test func failuresAndResidualCurrent() {
    var logic = Self.logic()
    let failed = logic.read(logic.map.reading(Self.registers(state: 5, rcd: 1)), askedAt: Self.at(10))
    #expect(Set(failed.flatMap(\.update.raised).map(\.name)) == ["EVSEControllerFailure", "GroundFailure"])
    #expect(Self.values(failed).contains(.pilot(.e)))
    let good = logic.read(logic.map.reading(Self.registers(state: 1)), askedAt: Self.at(20))
    #expect(Set(good.flatMap(\.update.cleared).map(\.name)) == ["EVSEControllerFailure", "GroundFailure"])
  }

  @Test func whatIsNotTakenIsAFault() {
    var logic = Self.logic()
    logic.offer(16_000)
    logic.wrote(16_000, at: Self.at(100))
    // Asked before the write was answered.
    _ = logic.read(logic.map.reading(Self.registers(set: 6, off: 1)), askedAt: Self.at(90))
    #expect(logic.due(at: Self.at(100)) == nil)
    var raised: [String] = []
    for look in 1...3 {
      let updates = logic.read(logic.map.reading(Self.registers(set: 6)), askedAt: Self.at(100 + 1600 * look))
      raised += updates.flatMap(\.update.raised).map(\.name)
      #expect(logic.due(at: Self.at(100 + 1600 * look))?.limit == 16_000)
      #expect(raised == (look < 3 ? [] : ["EVSEControllerRefuses"]))
    }
    let taken = logic.read(logic.map.reading(Self.registers(set: 16)), askedAt: Self.at(5000))
    #expect(taken.flatMap(\.update.cleared).map(\.name) == ["EVSEControllerRefuses"])
  }
}
