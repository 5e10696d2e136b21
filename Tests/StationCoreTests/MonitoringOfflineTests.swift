import DeviceModel
import OCPP
import StationCore
import Testing

/// Events that happen while the CSMS is away, and around a power cut (N07, N08), and faults as notifications.
@Suite("Monitoring: offline, restart, faults")
struct MonitoringOfflineTests {
  private func bench(queued: String = "4", _ settings: [String: String] = [:]) -> StationBench {
    let bench = StationBench(["MonitoringCtrlr/OfflineQueuingSeverity": queued].merging(settings) { $1 }).boot()
    bench.forgetCalls()
    return bench
  }

  private func reconnect(_ bench: StationBench) {
    bench.wait(seconds: 5)
    bench.linkUp()
    bench.wait(seconds: 2)
  }

  // Proves: N07.FR.04, N08.FR.03, TC_N_22_CS
  @Test func severeEventsWaitForTheCSMS() {
    let bench = bench()
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1, severity: 4)
    bench.watch("EVSE@2/AvailabilityState", "Periodic", 10, severity: 4)
    bench.linkDown()
    bench.plugIn()
    bench.plugOut()
    bench.wait(seconds: 21)
    #expect(bench.told == [])
    #expect(bench.ledger.outbox.filter { $0.action == "NotifyEvent" }.count == 4)
    let offline = bench.now.wall
    reconnect(bench)
    #expect(bench.told == ["Delta Occupied", "Delta Available", "Periodic Available", "Periodic Available"])
    let times = bench.notified.compactMap { $0["timestamp"]?.stringValue.flatMap { DateTime($0)?.unixMilliseconds } }
    #expect(times.count == 4 && times.allSatisfy { $0 <= offline })
    #expect(bench.ledger.outbox.isEmpty)
  }

  /// They survive a power cut, too.
  @Test func queuedEventsSurviveAPowerCut() {
    let bench = bench()
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1, severity: 0)
    bench.linkDown()
    bench.plugIn()
    let again = bench.restarted().boot()
    #expect(again.told == ["Delta Occupied"])
  }

  // Proves: N07.FR.04, TC_N_23_CS
  @Test func otherEventsAreNotQueuedButTheStateIsTold() {
    let bench = bench()
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1, severity: 5)
    bench.watch("EVSE@1/Power", "UpperThreshold", 1000, severity: 5)
    bench.watch("EVSE@2/Power", "UpperThreshold", 1000, severity: 5)
    bench.watch("EVSE@2/AvailabilityState", "Periodic", 10, severity: 5)
    bench.plugIn()
    bench.power(5000)
    #expect(bench.told == ["Delta Occupied", "Alerting 5000"])
    bench.forgetCalls()
    bench.linkDown()
    // Gone and back: nothing to tell. A threshold passed and over: nothing. One passed: told as it is.
    bench.plugOut()
    bench.plugIn()
    bench.power(0)
    bench.power(6000)
    bench.power(3000, 2)
    bench.wait(seconds: 30)
    #expect(bench.ledger.outbox.filter { $0.action == "NotifyEvent" }.isEmpty)
    bench.linkUp()
    #expect(bench.told == ["Alerting 3000"])
  }

  /// Nothing is queued when OfflineQueuingSeverity has no value.
  @Test func withoutASeverityNothingIsQueued() {
    let bench = bench(queued: "")
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1, severity: 0)
    bench.linkDown()
    bench.plugIn()
    #expect(bench.ledger.outbox.filter { $0.action == "NotifyEvent" }.isEmpty)
  }

  /// A NotifyEvent that was on its way when the connection broke.
  @Test func eventsOnTheirWayAreNotLost() {
    let bench = bench()
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1, severity: 3)
    bench.watch("Connector@1.1/AvailabilityState", "Delta", 1, severity: 6)
    bench.responder = { $0.action == "NotifyEvent" ? nil : StationBench.accepting($0) }
    bench.plugIn()
    #expect(bench.told == ["Delta Occupied", "Delta Occupied"] || bench.told.count == 2)
    bench.forgetCalls()
    bench.linkDown()
    #expect(bench.ledger.outbox.filter { $0.action == "NotifyEvent" }.count == 1)
    bench.responder = StationBench.accepting
    reconnect(bench)
    // The severe one as it was, the other as it is.
    let places = bench.notified.compactMap { $0["component"]?["name"]?.stringValue }
    #expect(places.sorted() == ["Connector", "EVSE"])
  }

  /// A CSMS that refuses NotifyEvent is not asked again and again.
  @Test func aRefusedNotifyEventIsNotRepeated() {
    let bench = bench()
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1, severity: 3)
    bench.responder = { $0.action == "NotifyEvent" ? .null : StationBench.accepting($0) }
    bench.responder = { call in call.action == "NotifyEvent" ? nil : StationBench.accepting(call) }
    bench.plugIn()
    let id = bench.calls("NotifyEvent").first?.id ?? ""
    bench.input(.link(.message(JSONValue.array([4, .string(id), "NotSupported", "", [:]]).bytes)))
    bench.wait(seconds: 200)
    #expect(bench.calls("NotifyEvent").count == 1)
    #expect(bench.ledger.outbox.isEmpty)
  }

  // Proves: N07.FR.14, N07.FR.13
  @Test func anAlertIsClearedAfterARestart() {
    let bench = bench()
    let id = bench.watch("EVSE@1/Power", "UpperThreshold", 1000, severity: 5)
    bench.power(5000)
    #expect(bench.told == ["Alerting 5000"])
    let again = bench.restarted().boot()
    #expect(again.told == [])
    again.power(0)
    #expect(again.told == ["Alerting 0 cleared"])
    #expect(again.notified[0]["variableMonitoringId"]?.intValue == id)
    // Told once: when it has been over for a while, the ledger knows.
    again.wait(seconds: 120)
    let third = again.restarted().boot()
    third.power(0)
    #expect(third.told == [])
  }

  /// A value that flaps around its threshold does not wear the flash.
  @Test func flappingIsNotWritten() {
    let bench = bench()
    bench.watch("EVSE@1/Power", "UpperThreshold", 1000, severity: 5)
    bench.power(5000)
    bench.power(0)
    let writes = {
      bench.actions.filter { action in
        guard case .commit(let writes) = action else { return false }
        return writes.contains { if case .record(.monitor, _) = $0.key { true } else { false } }
      }.count
    }
    let before = writes()
    for _ in 0..<100 {
      bench.power(5000)
      bench.power(0)
      bench.wait(milliseconds: 500)
    }
    #expect(writes() == before)
    #expect(bench.told.count == 202)
  }

  /// Events keep to the lower half of the outbox.
  @Test func eventsDoNotPushTransactionsOut() {
    let bench = bench(queued: "9", ["InternalCtrlr/OutboxMaxBytes": "65536"])
    bench.watch("EVSE@1/AvailabilityState", "Periodic", 1, severity: 9)
    bench.linkDown()
    bench.wait(seconds: 1000)
    let bytes = bench.ledger.outbox.reduce(0) { $0 + $1.payload.count }
    #expect(bytes < 40_000)
    #expect(bench.ledger.outbox.count > 20)
    #expect(bench.station.snapshot.thinnedMessages == 0)
  }

  // MARK: Faults

  // Proves: N07.FR.05, TC_N_21_CS, G05.FR.02
  @Test func faultsAreHardWiredNotifications() {
    let bench = bench()
    bench.input(.hardware(.faultRaised(HardwareFault(name: "GroundFailure", evse: 1))))
    bench.input(.hardware(.faultCleared(HardwareFault(name: "GroundFailure", evse: 1))))
    let events = bench.notified
    #expect(events.count == 2)
    #expect(events.allSatisfy { $0["eventNotificationType"] == "HardWiredNotification" && $0["trigger"] == "Delta" })
    #expect(events.allSatisfy { $0["techCode"] == "CX002" && $0["variable"]?["name"] == "Problem" })
    #expect(events[0]["techInfo"]?.stringValue?.hasPrefix("GroundFailure: ") == true)
    #expect(events.map { $0["actualValue"]?.stringValue } == ["true", "false"])
    #expect(events[1]["cleared"] == true)
  }

  /// A fault of a name that the table does not have keeps it.
  @Test func otherFaultsKeepTheirName() {
    let bench = bench()
    bench.input(.hardware(.faultRaised(HardwareFault(name: "Vandalism", evse: 0, severity: .low))))
    #expect(bench.notified.first?["techCode"] == "Vandalism")
    #expect(bench.notified.first?["component"]?["name"] == "ChargingStation")
  }

  @Test func severeFaultsAreQueuedOthersToldAsTheyAre() {
    let bench = bench(queued: "2")
    bench.linkDown()
    func fault(_ name: String, _ raised: Bool = true) {
      let fault = HardwareFault(name: name, evse: 1, severity: .low)
      bench.input(.hardware(raised ? .faultRaised(fault) : .faultCleared(fault)))
    }
    fault("ContactorWelded")
    fault("ContactorWelded", false)
    fault("PowerMeterFailure")
    fault("PilotFault")
    fault("PilotFault", false)
    #expect(bench.ledger.outbox.filter { $0.action == "NotifyEvent" }.count == 2)
    reconnect(bench)
    let told = bench.notified.map { "\($0["techCode"]?.stringValue ?? "") \($0["actualValue"]?.stringValue ?? "")" }
    #expect(told.sorted() == ["CX017 false", "CX017 true", "PowerMeterFailure true"])
    bench.forgetCalls()
    bench.linkDown()
    fault("PowerMeterFailure", false)
    reconnect(bench)
    #expect(bench.notified.map { $0["cleared"] } == [true])
  }

  /// Faults found before the CSMS has accepted the station are told then.
  @Test func faultsOfTheStartAreTold() {
    let bench = StationBench()
    bench.input(.start)
    bench.input(.hardware(.faultRaised(HardwareFault(name: "TokenReaderFailure", evse: 0, severity: .low))))
    bench.linkUp()
    #expect(bench.notified.compactMap { $0["techCode"]?.stringValue } == ["TokenReaderFailure"])
  }

  @Test func theLevelHoldsForFaultsToo() {
    let bench = bench()
    bench.call("SetMonitoringLevel", ["severity": 1])
    bench.input(.hardware(.faultRaised(HardwareFault(name: "PilotFault", evse: 1, severity: .low))))
    #expect(bench.notified.isEmpty)
    bench.call("SetMonitoringLevel", ["severity": 9])
    #expect(bench.notified.compactMap { $0["techCode"]?.stringValue } == ["CX014"])
  }

  // MARK: Variables

  // Proves: B07.FR.09
  @Test func measurementsAreInTheDeviceModel() {
    let bench = bench()
    bench.power(7360)
    bench.power(3000, 2)
    #expect(bench.value("EVSE@1/Power") == "7360")
    #expect(bench.value("EVSE@1/ACCurrent.L2") == "15")
    #expect(bench.value("EVSE@1/ACVoltage.L3") == "229.5")
    #expect(bench.value("ChargingStation/Power") == "10360")
    #expect(bench.value("FiscalMetering@1/EnergyImportRegister") == "1000")
    bench.power(0, 2)
    #expect(bench.value("ChargingStation/Power") == "7360")
    bench.plugIn()
    bench.swipe()
    #expect(bench.value("CPPWMController@1/State") == "B" && bench.value("CPPWMController@1/Active") == "true")
    #expect(bench.value("ConnectorPlugRetentionLock@1.1/Active") == "true")
    bench.pilot(.c)
    #expect(bench.value("PowerContactor@1/Active") == "true" && bench.value("CPPWMController@1/State") == "C")
    // The clock is filled in when it is read.
    #expect(bench.variable("ClockCtrlr", "DateTime")?.hasPrefix("2026-01-01T00:00:") == true)
  }

  // Proves: B08.FR.02
  @Test func criteriaThatAreNotSupported() {
    let bench = StationBench(["InternalCtrlr/SupportedCriteria": "Enabled,Problem"]).boot()
    func report(_ criterion: JSONValue) -> String? {
      bench.call("GetReport", ["requestId": 1, "componentCriteria": [criterion]])?.text("status")
    }
    #expect(report("Enabled") == "Accepted" && report("Available") == "NotSupported")
  }
}
