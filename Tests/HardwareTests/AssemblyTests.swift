import DeviceModel
import OCPP
import StationCore
import Testing

@testable import Hardware

/// What of a station is real, and what its drivers' reports are to the core. Nothing is opened.
struct AssemblyTests {
  private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  private func drivers() -> HardwareDrivers {
    let loaded = DeviceModel.load(directory: Self.root + "/DeviceModel/ac-gpio-modbus")
    #expect(loaded.errorCount == 0)
    var kinds: [ComponentID: String] = [:]
    for component in loaded.model.components { kinds[component.id] = component.driver?.kind }
    return HardwareDrivers(loaded.bindings, kinds: kinds, relayd: .child(program: "/nowhere"))
  }

  private let now = MonotonicTime(nanoseconds: 5_000_000_000)

  /// A vehicle in the parking bay, or a sensor that fails, opens no contactor.
  @Test func aParkingBayIsNoSafetyInput() {
    let bay = ComponentID("BayOccupancySensor", evse: 1)
    let stop = ComponentID("EmergencyStopSensor")
    func input(_ component: ComponentID, _ line: Int) -> DriverBinding {
      .safetyInput(
        GPIOSafetyInputBinding(
          component: component,
          contact: GPIOContact(line: GPIOLine(chip: "c", place: .offset(line)), kind: .normallyOpen)))
    }
    let drivers = HardwareDrivers([input(bay, 1), input(stop, 2)], kinds: [:], relayd: .child(program: "/nowhere"))
    #expect(drivers.interlock.reasons(evse: 1).map(\.component) == [stop])
    let update = DriverUpdate(.good(.tripped(true), at: now))
    #expect(
      DriverReport.driver(bay, update).events(now: now, wall: 0) == [.bay(evse: 1, occupied: true)])
  }

  @Test func theExampleStationIsRealAsAWhole() {
    let drivers = drivers()
    let all = drivers.all.map { "\($0.component) \($0.kind)" }
    #expect(
      all == [
        "EmergencyStopSensor gpio", "TemperatureSensor sysfs-temperature", "TokenReader pn532-serial",
        "CPPWMController@1 mcu-serial", "FiscalMetering@1 modbus-rtu", "PowerContactor@1 gpio", "RCD@1 gpio",
      ])
    for event in [
      HardwareEvent.pilot(evse: 1, connector: 1, state: .b), .cable(evse: 1, connector: 1, ratingAmperes: 32),
      .contactor(evse: 1, closed: true), .meter(MeterReading(evse: 1)),
      .token(TokenPresentation(idToken: IdTokenType(idToken: "A", type: .iso14443))),
    ] {
      #expect(drivers.overrules(event))
    }
    // What the station does not have is not simulated either.
    #expect(drivers.overrules(.meter(MeterReading(evse: 0))))
    #expect(drivers.overrules(.lock(evse: 1, connector: 1, locked: true)))
  }

  @Test func onlyWhatItsFileCallsSimulatedIsSimulated() {
    let drivers = HardwareDrivers(
      [.simulated(ComponentID("FiscalMetering", evse: 1))], kinds: [:], relayd: .child(program: "/nowhere"))
    #expect(!drivers.overrules(.meter(MeterReading(evse: 1))))
    #expect(drivers.overrules(.meter(MeterReading(evse: 2))) && drivers.overrules(.meter(MeterReading(evse: 0))))
    #expect(drivers.overrules(.contactor(evse: 1, closed: true)))
    #expect(drivers.all.isEmpty)
  }

  /// Nothing has reported yet: everybody whose consent is needed objects.
  @Test func beforeTheFirstReportsNothingCloses() {
    let reasons = drivers().execute(.contactor(evse: 1, close: true))
    #expect(Set(reasons.map(\.component.name)) == ["CPPWMController", "EmergencyStopSensor", "RCD"])
  }

  @Test func reportsAreToldAsWhatTheCoreKnows() {
    func events(_ name: String, _ update: DriverUpdate, evse: Int? = 1) -> [HardwareEvent] {
      DriverReport.driver(ComponentID(name, evse: evse), update).events(now: now, wall: 1_000_000)
    }
    func good(_ value: CapabilityValue) -> DriverUpdate { DriverUpdate(.good(value, at: now)) }
    let stop = HardwareFault(name: "EmergencyStop", evse: 0, source: "EmergencyStopSensor")
    #expect(events("EmergencyStopSensor", good(.tripped(true)), evse: nil) == [.faultRaised(stop)])
    #expect(events("EmergencyStopSensor", good(.tripped(false)), evse: nil) == [.faultCleared(stop)])
    #expect(
      events("RCD", good(.tripped(true))) == [
        .faultRaised(HardwareFault(name: "GroundFailure", evse: 1, source: "RCD@1"))
      ])
    #expect(events("CPPWMController", good(.pilot(.c))) == [.pilot(evse: 1, connector: 1, state: .c)])
    #expect(events("PowerContactor", good(.contactor(closed: true))) == [.contactor(evse: 1, closed: true)])
    // Unknown is told by the fault that the driver raises with it, and never as a state; but for a temperature.
    let fault = HardwareFault(name: "PilotFault", evse: 1)
    var told = fault
    told.source = "CPPWMController@1"
    #expect(
      events("CPPWMController", DriverUpdate(.unknown("silent", since: now), raised: [fault])) == [.faultRaised(told)])
    #expect(
      events("TemperatureSensor", DriverUpdate(.unknown("gone", since: now)), evse: nil)
        == [.temperature(sensor: ComponentID("TemperatureSensor"), milliCelsius: nil)])
  }

  /// A reading is as old as it is: the wall time of its acquisition, not of its arrival.
  @Test func aReadingKeepsItsTime() {
    let reading = MeterReading(evse: 1, energyImport: 7)
    let update = MeterUpdate(
      reading: .good(reading, at: MonotonicTime(nanoseconds: 4_250_000_000)), health: .working)
    var told = reading
    told.acquiredAtWall = 1_000_000 - 750
    #expect(DriverReport.meter(update).events(now: now, wall: 1_000_000) == [.meter(told)])
    let suspect = MeterUpdate(reading: .suspect(reading, "it fell", at: now), health: .working)
    #expect(DriverReport.meter(suspect).events(now: now, wall: 1_000_000).isEmpty)
  }
}
