import DeviceModel
import OCPP
import StationCore
import Testing

/// What monitors tell (N07, N08), in virtual time.
@Suite("Monitoring: events")
struct MonitoringEventTests {
  private static let charging = ["TxCtrlr/TxStartPoint": "EVConnected"]

  private func bench(_ settings: [String: String] = [:]) -> StationBench {
    let bench = StationBench(Self.charging.merging(settings) { $1 }).boot()
    bench.forgetCalls()
    return bench
  }

  // Proves: N07.FR.02, N07.FR.06, N07.FR.07, N07.FR.16, N07.FR.17, TC_N_20_CS
  @Test func thresholdsAreToldWhenPassedAndWhenOver() {
    let bench = bench()
    bench.plugIn()
    let transaction = bench.calls("TransactionEvent").first?.text("transactionInfo.transactionId")
    let upper = bench.watch("EVSE@1/Power", "UpperThreshold", 7000)
    let lower = bench.watch("EVSE@1/Power", "LowerThreshold", 1000)
    bench.forgetCalls()
    // On the threshold is within.
    for watts: Int64 in [7000, 7000, 8000, 9000, 7000, 1000, 999, 0, 1000] { bench.power(watts) }
    #expect(
      bench.told == [
        "Alerting 8000", "Alerting 7000 cleared", "Alerting 999", "Alerting 1000 cleared",
      ])
    let events = bench.notified
    #expect(events.map { $0["variableMonitoringId"]?.intValue } == [upper, upper, lower, lower])
    #expect(
      events.allSatisfy {
        $0["eventNotificationType"] == "CustomMonitor" && $0["transactionId"]?.stringValue == transaction
      })
    #expect(events.allSatisfy { $0["component"]?["name"] == "EVSE" && $0["variable"]?["name"] == "Power" })
    #expect(Set(events.compactMap { $0["eventId"]?.intValue }).count == 4)
    // That it is over refers to the alert.
    #expect(events[1]["cause"] == events[0]["eventId"] && events[0]["cause"] == nil)
    #expect(bench.calls("NotifyEvent").allSatisfy { $0["seqNo"] == 0 && $0["tbc"] == nil })
  }

  // Proves: N07.FR.11, TC_N_51_CS
  @Test func aChangedThresholdIsLookedAtAtOnce() {
    let bench = bench()
    bench.power(5000)
    let id = bench.watch("EVSE@1/Power", "UpperThreshold", 7000)
    #expect(bench.told == [])
    bench.watch("EVSE@1/Power", "UpperThreshold", 4000, id: id)
    bench.watch("EVSE@1/Power", "UpperThreshold", 3000, id: id)
    bench.watch("EVSE@1/Power", "UpperThreshold", 6000, id: id)
    #expect(bench.told == ["Alerting 5000", "Alerting 5000", "Alerting 5000 cleared"])
  }

  // Proves: N07.FR.12, TC_N_52_CS
  @Test func aClearedMonitorSaysNothingMore() {
    let bench = bench()
    let id = bench.watch("EVSE@1/Power", "UpperThreshold", 0)
    bench.power(5000)
    #expect(bench.told == ["Alerting 5000"])
    bench.call("ClearVariableMonitoring", ["id": [.int(id)]])
    bench.power(0)
    #expect(bench.told == ["Alerting 5000"])
    #expect(bench.monitoringReport() == ["EmptyResultSet"])
  }

  // Proves: N07.FR.18, TC_N_45_CS, TC_N_61_CS
  @Test func numericDeltasCountFromTheLastEvent() {
    let bench = bench()
    bench.set("OCPPCommCtrlr/OfflineThreshold", "60")
    bench.watch("OCPPCommCtrlr/OfflineThreshold", "Delta", 1)
    for value in ["61", "62", "63", "64", "62", "59", "60"] { bench.set("OCPPCommCtrlr/OfflineThreshold", value) }
    #expect(bench.told == ["Delta 62", "Delta 64", "Delta 62", "Delta 59"])
  }

  /// The first reading is where a delta begins, not a change.
  @Test func aDeltaBeginsWithTheFirstReading() {
    let bench = bench()
    bench.watch("EVSE@1/Power", "Delta", 100)
    for watts: Int64 in [5000, 5100, 5101] { bench.power(watts) }
    #expect(bench.told == ["Delta 5101"])
  }

  // Proves: N07.FR.19, G01.FR.01, TC_N_56_CS, TC_G_01_CS
  @Test func otherDeltasTellEveryChangeWhoeverMadeIt() {
    let bench = bench()
    let id = bench.watch("EVSE@1/AvailabilityState", "Delta", 1)
    bench.watch("Connector@1.1/AvailabilityState", "Delta", 1)
    bench.watch("CPPWMController@1/State", "Delta", 1)
    bench.watch("PowerContactor@1/Active", "Delta", 1)
    bench.watch("TxCtrlr/TxStartPoint", "Delta", 1)
    bench.plugIn()
    #expect(bench.told == ["Delta Occupied", "Delta Occupied", "Delta B"])
    bench.forgetCalls()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.told.contains("Delta C") && bench.told.contains("Delta true"))
    bench.forgetCalls()
    bench.call("ChangeAvailability", ["operationalStatus": "Inoperative"])
    bench.set("TxCtrlr/TxStartPoint", "Authorized")
    bench.pilot(.b)
    bench.plugOut()
    bench.wait(seconds: 10)
    #expect(bench.told.first == "Delta Authorized")
    #expect(bench.told.filter { $0 == "Delta Unavailable" }.count == 2)
    #expect(bench.notified.contains { $0["variableMonitoringId"]?.intValue == id })
  }

  // Proves: N07.FR.10, TC_N_48_CS
  @Test func whatCanOnlyBeWrittenIsNotShown() {
    let bench = bench()
    bench.watch("SecurityCtrlr/BasicAuthPassword", "Delta", 1)
    bench.set("SecurityCtrlr/BasicAuthPassword", "another-password-0002")
    // The new password brings a new connection.
    bench.wait(seconds: 5)
    bench.linkUp()
    #expect(bench.told == ["Delta "])
    let all = bench.calls("NotifyEvent").map { String(decoding: $0.payload.bytes, as: UTF8.self) }
    #expect(!all.contains { $0.contains("another-password") })
  }

  // Proves: N08.FR.04, N08.FR.05, N08.FR.06, TC_N_24_CS
  @Test func periodicMonitorsTellAtTheirInterval() {
    let bench = bench()
    bench.watch("EVSE@1/AvailabilityState", "Periodic", 2)
    bench.wait(milliseconds: 1999)
    #expect(bench.told == [])
    bench.wait(milliseconds: 1)
    bench.wait(seconds: 6)
    #expect(bench.told == [String](repeating: "Periodic Available", count: 4))
    #expect(bench.calls("NotifyEvent").allSatisfy { $0["seqNo"] == 0 })
    let id = bench.notified[0]["variableMonitoringId"]?.intValue ?? 0
    bench.call("ClearVariableMonitoring", ["id": [.int(id)]])
    bench.wait(seconds: 60)
    #expect(bench.told.count == 4)
    #expect(!bench.timers.keys.contains { $0.name == "monitors" })
  }

  // Proves: N08.FR.07
  @Test func clockAlignedMonitorsTellOnTheClock() {
    let bench = bench()
    bench.wait(seconds: 100)
    bench.watch("EVSE@1/AvailabilityState", "PeriodicClockAligned", 900)
    bench.wait(seconds: 4000)
    let times = bench.notified.compactMap { $0["timestamp"]?.stringValue.flatMap { DateTime($0)?.unixMilliseconds } }
    #expect(times.count == 4)
    #expect(times.allSatisfy { $0 % 900_000 == 0 })
    // The clock is put forward by ten minutes: the next is on the new quarter of an hour.
    bench.forgetCalls()
    bench.jumpWall(milliseconds: 600_000)
    bench.input(.hardware(.token(TokenPresentation(idToken: IdTokenType(idToken: "X", type: .iso14443), evses: [9]))))
    bench.wait(seconds: 900)
    let later = bench.notified.compactMap { $0["timestamp"]?.stringValue.flatMap { DateTime($0)?.unixMilliseconds } }
    #expect(!later.isEmpty && later.allSatisfy { $0 % 900_000 == 0 })
  }

  // Proves: N05.FR.03, N07.FR.15, TC_N_16_CS
  @Test func theLevelSilencesLessSevereMonitors() {
    let bench = bench()
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1, severity: 8)
    bench.watch("Connector@1.1/AvailabilityState", "Delta", 1, severity: 7)
    bench.watch("EVSE@1/Power", "Periodic", 1, severity: 8)
    bench.call("SetMonitoringLevel", ["severity": 7])
    bench.plugIn()
    bench.wait(seconds: 5)
    #expect(bench.notified.map { $0["component"]?["name"]?.stringValue } == ["Connector"])
    // What could not be told is told as it is then.
    bench.forgetCalls()
    bench.call("SetMonitoringLevel", ["severity": 8])
    #expect(bench.told == ["Delta Occupied"])
  }

  /// Several events of one moment come in one message, in bounded parts.
  @Test func eventsOfOneMomentAreGrouped() {
    let bench = bench()
    for evse in 1...2 {
      for severity in 0...9 { bench.watch("EVSE@\(evse)/AvailabilityState", "Delta", 1, severity: severity) }
    }
    for severity in 0...9 { bench.watch("ChargingStation/Problem", "Delta", 1, severity: severity) }
    for severity in 0...9 { bench.watch("Connector@1.1/AvailabilityState", "Delta", 1, severity: severity) }
    for severity in 0...9 { bench.watch("Connector@2.1/AvailabilityState", "Delta", 1, severity: severity) }
    for severity in 0...9 { bench.watch("ChargingStation/AvailabilityState", "Delta", 1, severity: severity) }
    bench.forgetCalls()
    bench.input(.hardware(.faultRaised(HardwareFault(name: "Vandalism", evse: 0))))
    let messages = bench.calls("NotifyEvent")
    #expect(messages.map { $0["eventData"]?.arrayValue?.count } == [50, 11])
    #expect(messages.allSatisfy { $0["seqNo"] == 0 && $0["tbc"] == nil })
    // The fault is the cause of all that followed from it.
    let fault = bench.notified[0]
    #expect(fault["eventNotificationType"] == "HardWiredNotification" && fault["cause"] == nil)
    #expect(bench.notified.dropFirst().allSatisfy { $0["cause"] == fault["eventId"] })
  }

  /// A monitor of transactions watches while there is one.
  @Test func monitorsOfTransactionsEndWithThem() {
    let bench = bench()
    bench.power(5000)
    bench.watch("EVSE@1/Power", "UpperThreshold", 4000, transaction: true)
    bench.watch("EVSE@1/Power", "Periodic", 10, transaction: true)
    bench.power(0)
    bench.power(5000)
    bench.wait(seconds: 60)
    #expect(bench.told == [])
    bench.plugIn()
    #expect(bench.told == ["Alerting 5000"])
    bench.wait(seconds: 10)
    #expect(bench.told == ["Alerting 5000", "Periodic 5000"])
    bench.plugOut()
    bench.wait(seconds: 60)
    bench.power(0)
    #expect(bench.told == ["Alerting 5000", "Periodic 5000"])
    bench.plugIn()
    bench.power(4500)
    #expect(bench.told.last == "Alerting 4500")
  }

  @Test func withoutEnabledNothingIsTold() {
    let bench = bench()
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1)
    bench.set("MonitoringCtrlr/Enabled", "false")
    bench.plugIn()
    #expect(bench.told == [])
    bench.set("MonitoringCtrlr/Enabled", "true")
    #expect(bench.told == ["Delta Occupied"])
  }

  /// A meter that falls silent: its values are unknown, which is no alert and clears none.
  @Test func unknownIsNeitherAboveNorBelow() {
    let bench = bench()
    bench.power(5000)
    bench.watch("EVSE@1/Power", "UpperThreshold", 4000)
    bench.watch("EVSE@1/Power", "LowerThreshold", 1000)
    #expect(bench.told == ["Alerting 5000"])
    bench.input(.hardware(.faultRaised(HardwareFault(name: "PowerMeterFailure", evse: 1))))
    #expect(bench.value("EVSE@1/Power") == "")
    #expect(bench.told == ["Alerting 5000"])
    bench.power(2000)
    #expect(bench.told == ["Alerting 5000", "Alerting 2000 cleared"])
  }

  /// A journal with monitoring replays to the byte.
  @Test func itReplays() throws {
    let bench = bench()
    bench.watch("EVSE@1/Power", "UpperThreshold", 4000)
    bench.watch("EVSE@1/Power", "Periodic", 10)
    bench.plugIn()
    bench.power(5000)
    bench.wait(seconds: 60)
    bench.linkDown()
    bench.power(0)
    var replay = Replay()
    for (number, line) in bench.journal.split(separator: 0x0A).enumerated() {
      #expect(try replay.take(Array(line), number: number + 1) == nil)
    }
  }
}
