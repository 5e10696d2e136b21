import DeviceModel
import OCPP
import StationCore
import Testing

/// What real hardware can report: temperatures, an emergency stop, a silent meter, and how the CSMS learns of it.
@Suite("Safety: temperature, emergency stop, meter")
struct SafetyTests {
  private static let settings = ["TxCtrlr/TxStartPoint": "EVConnected"]

  private func charging(_ settings: [String: String] = [:]) -> StationBench {
    let bench = StationBench(Self.settings.merging(settings) { $1 }, folder: "ac-gpio-modbus").boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.wait(seconds: 1)
    return bench
  }

  private let sensor = ComponentID("TemperatureSensor")

  private func heat(_ bench: StationBench, _ milliCelsius: Int64?) {
    bench.input(.hardware(.temperature(sensor: sensor, milliCelsius: milliCelsius)))
  }

  @Test func heatLowersTheCurrentBeforeItStopsIt() {
    let bench = charging()
    #expect(bench.contactorClosed[1] == true && bench.offers[1] == 32_000)
    heat(bench, 59_900)
    #expect(bench.offers[1] == 32_000)
    heat(bench, 70_000)
    #expect(bench.offers[1] == 19_000)
    #expect(bench.station.snapshot.evses[0].limits.contains { $0.name == "temperature" && $0.milliamperes == 19_000 })
    heat(bench, 79_900)
    #expect(bench.offers[1] == 6000 && bench.contactorClosed[1] == true)
    heat(bench, 80_000)
    #expect(bench.offers[1] == nil && bench.contactorClosed[1] == false)
    let told = bench.calls("NotifyEvent").last
    #expect(told?.text("eventData.0.component.name") == "TemperatureSensor")
    #expect(told?.text("eventData.0.variable.name") == "Active")
    #expect(told?.text("eventData.0.techInfo") == "OverTemperature: too hot, charging stops")
    // Cooler than MaxSet, but not yet recovered.
    heat(bench, 61_000)
    #expect(bench.contactorClosed[1] == false)
    heat(bench, 59_000)
    bench.wait(seconds: 1)
    #expect(bench.offers[1] == 32_000 && bench.contactorClosed[1] == true)
    #expect(bench.station.model.value(sensor, VariableID("Temperature")) == "59")
  }

  /// IEC 61851-1 Table A.4, G03.FR.05: an EVSE that the CSMS has taken out of service says so to the vehicle, but not to one
  /// that is connected, and not across a restart only because nobody said it again.
  @Test func thePilotShowsThatTheEVSEIsUnavailable() {
    let bench = charging()
    func shown() -> [Bool] {
      bench.actions.compactMap {
        if case .hardware(.available(1, 1, let isAvailable)) = $0 { isAvailable } else { nil }
      }
    }
    let inoperative: JSONValue = ["operationalStatus": "Inoperative", "evse": ["id": 1]]
    #expect(bench.call("ChangeAvailability", inoperative)?.text("status") == "Scheduled")
    #expect(shown() == [])
    bench.swipe()
    bench.wait(seconds: 10)
    #expect(shown() == [])
    bench.plugOut()
    #expect(shown() == [false])
    bench.pilot(.f)
    bench.wait(seconds: 1)
    #expect(shown() == [false])
    let again = StationBench(Self.settings, folder: "ac-gpio-modbus", ledger: bench.ledger).boot()
    #expect(again.actions.contains(.hardware(.available(evse: 1, connector: 1, false))))
    #expect(bench.call("ChangeAvailability", ["operationalStatus": "Operative", "evse": ["id": 1]]) != nil)
    #expect(shown() == [false, true])
  }

  @Test func anUnreadableSensorIsNotTakenForCool() {
    let bench = charging()
    heat(bench, 20_000)
    heat(bench, nil)
    #expect(bench.offers[1] == 6000)
    heat(bench, 20_000)
    bench.wait(seconds: 10)
    #expect(bench.offers[1] == 32_000)
  }

  /// A tenth of a degree up and down does not move the duty cycle.
  @Test func deratingDoesNotFollowEveryTenth() {
    let bench = charging()
    heat(bench, 65_000)
    let offer = bench.offers[1]
    var changes = 0
    for step in 0..<50 {
      heat(bench, 65_000 + (step % 2 == 0 ? 100 : -100))
      if bench.offers[1] != offer { changes += 1 }
    }
    #expect(changes == 0)
  }

  // Proves: E06.FR.16
  @Test func anEmergencyStopEndsTheTransaction() {
    let bench = charging()
    let fault = HardwareFault(name: "EmergencyStop", evse: 0)
    bench.input(.hardware(.faultRaised(fault)))
    bench.wait(seconds: 2)
    #expect(bench.contactorClosed[1] == false)
    let ended = bench.calls("TransactionEvent").last
    #expect(ended?.text("eventType") == "Ended" && ended?.text("triggerReason") == "AbnormalCondition")
    #expect(ended?.text("transactionInfo.stoppedReason") == "EmergencyStop")
    let told = bench.calls("NotifyEvent").last
    #expect(told?.text("eventData.0.component.name") == "EmergencyStopSensor")
    #expect(told?.text("eventData.0.variable.name") == "Tripped")
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Faulted")
    bench.swipe()
    #expect(bench.contactorClosed[1] == false)
    bench.input(.hardware(.faultCleared(fault)))
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Occupied")
  }

  /// The last energy is billed: the meter is read once more when the contactor has opened, and not waited for longer than 1 s.
  @Test(arguments: [true, false]) func theMeterIsReadAfterTheContactorHasOpened(answers: Bool) {
    let bench = charging()
    bench.meter(wattHours: 1000)
    bench.wait(seconds: 1)
    bench.readings[1] = answers ? MeterReading(evse: 1, energyImport: 1_003_000) : nil
    bench.swipe()
    #expect(bench.contactorClosed[1] == false)
    if !answers {
      #expect(bench.calls("TransactionEvent").last?.text("eventType") != "Ended")
      bench.wait(seconds: 1)
    }
    let ended = bench.calls("TransactionEvent").last
    #expect(ended?.text("eventType") == "Ended")
    let samples = ended?.payload["meterValue"]?.arrayValue?.last?["sampledValue"]?.arrayValue ?? []
    let register = samples.first { $0["measurand"] == "Energy.Active.Import.Register" || $0["measurand"] == nil }
    #expect(register?["value"] == (answers ? 1003 : 1000))
  }

  /// Two wires that broke: the one that is whole again does not make the other one so.
  @Test func aFaultIsTakenBackByWhoRaisedIt() {
    let bench = charging()
    let wires = ["RCD@1", "PowerContactor@1"].map { HardwareFault(name: "GPIOFailure", evse: 1, source: $0) }
    for wire in wires { bench.input(.hardware(.faultRaised(wire))) }
    bench.input(.hardware(.faultCleared(wires[0])))
    bench.wait(seconds: 2)
    #expect(bench.contactorClosed[1] == false)
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Faulted")
    bench.input(.hardware(.faultCleared(wires[1])))
    bench.wait(seconds: 2)
    #expect(bench.contactorClosed[1] == true)
  }

  /// A closing command that still waits for the ledger must not be outlived by a session that has ended.
  @Test func nothingIsEasedThatIsNotClosed() {
    let bench = charging()
    bench.carsFollow = false
    bench.pilot(.b)
    bench.hardwareFollows = false
    bench.pilot(.c)
    bench.swipe()
    #expect(
      bench.actions.last { if case .hardware(.contactor) = $0 { true } else { false } }
        == .hardware(.contactor(evse: 1, close: false)))
  }

  /// IEC 61851-1:2017 Table A.6, sequence 10.2: a vehicle that does not leave C is cut off under load after 6 s, one that does at
  /// once, and a fault waits for nobody.
  @Test func theContactorOpensWithoutLoadWhereItCan() {
    let bench = charging()
    bench.carsFollow = false
    bench.swipe()
    #expect(bench.offers[1] == nil && bench.contactorClosed[1] == true)
    bench.wait(milliseconds: 5900)
    #expect(bench.contactorClosed[1] == true)
    #expect(bench.calls("TransactionEvent").last?.text("eventType") != "Ended")
    bench.wait(milliseconds: 200)
    #expect(bench.contactorClosed[1] == false)
    #expect(bench.calls("TransactionEvent").last?.text("eventType") == "Ended")

    let other = charging()
    other.carsFollow = false
    other.swipe()
    other.wait(seconds: 1)
    other.pilot(.b)
    #expect(other.contactorClosed[1] == false)

    let faulty = charging()
    faulty.carsFollow = false
    faulty.swipe()
    faulty.input(.hardware(.faultRaised(HardwareFault(name: "GroundFailure", evse: 1))))
    #expect(faulty.contactorClosed[1] == false)
  }

  @Test(arguments: [false, true]) func aSilentMeterSuspendsUnlessConfigured(goesOn: Bool) {
    let bench = charging(["InternalCtrlr/ContinueWithoutMeter": "\(goesOn)"])
    let fault = HardwareFault(name: "PowerMeterFailure", evse: 1)
    bench.input(.hardware(.faultRaised(fault)))
    bench.wait(seconds: 2)
    #expect(bench.contactorClosed[1] == goesOn)
    #expect(bench.calls("NotifyEvent").last?.text("eventData.0.component.name") == "FiscalMetering")
    bench.input(.hardware(.faultCleared(fault)))
    bench.wait(seconds: 2)
    #expect(bench.contactorClosed[1] == true)
  }
}
