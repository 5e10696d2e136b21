import OCPP
import StationCore
import Testing

@Suite("Reset of the station and of an EVSE")
struct ResetTests {
  private func status(_ answer: StationBench.Answer?) -> String? { answer?.text("status") }

  private func charging(_ settings: [String: String] = [:], folder: String = "ac-two-bays") -> StationBench {
    let settings = ["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "Authorized"].merging(settings) { $1 }
    let bench = StationBench(settings, folder: folder).boot()
    bench.plugIn()
    bench.swipe(evses: [1])
    bench.pilot(.c)
    return bench
  }

  // Proves: B11.FR.01, B11.FR.03, TC_B_20_CS
  @Test func anIdleStationRestartsAtOnce() {
    let bench = StationBench().boot()
    #expect(status(bench.call("Reset", ["type": "OnIdle"])) == "Accepted")
    #expect(bench.actions.last == .restart(.remoteReset))
  }

  // Proves: B11.FR.07, B12.FR.01, B12.FR.03, TC_B_21_CS
  @Test func onIdleWaitsForTheSessionAndItsCable() {
    let bench = charging()
    bench.forgetCalls()
    #expect(status(bench.call("Reset", ["type": "OnIdle"])) == "Scheduled")
    // Step 3a: what is Available becomes Unavailable, charging goes on.
    let reports = bench.calls("StatusNotification")
    #expect(reports.map { $0.text("connectorStatus") } == ["Unavailable"] && reports[0]["evseId"] == 2)
    #expect(bench.contactorClosed[1] == true)
    // Nothing new begins.
    bench.plugIn(2)
    bench.swipe("CAFEBABE", evses: [2])
    #expect(bench.station.snapshot.evses[1].transaction == nil)
    // A second request joins the first.
    #expect(status(bench.call("Reset", ["type": "OnIdle"])) == "Scheduled")
    bench.hardwareFollows = false
    bench.swipe(evses: [1])
    bench.input(.hardware(.contactor(evse: 1, closed: false)))
    #expect(bench.calls("TransactionEvent").last?.text("eventType") == "Ended")
    #expect(!bench.actions.contains(.restart(.scheduledReset)))
    bench.input(.hardware(.lock(evse: 1, connector: 1, locked: false)))
    #expect(bench.actions.last == .restart(.scheduledReset))
  }

  /// Somebody who was authorized before may still plug in; who does not, holds it up no longer than EVConnectionTimeOut.
  @Test(arguments: [true, false]) func onIdleLetsAPromisedSessionBegin(comes: Bool) {
    let bench = StationBench(
      ["TxCtrlr/TxStartPoint": "PowerPathClosed", "TxCtrlr/EVConnectionTimeOut": "30"], folder: "ac-two-bays"
    ).boot()
    bench.swipe(evses: [1])
    #expect(status(bench.call("Reset", ["type": "OnIdle"])) == "Scheduled")
    if comes {
      bench.plugIn()
      bench.pilot(.c)
      #expect(bench.contactorClosed[1] == true)
      bench.swipe(evses: [1])
    } else {
      bench.wait(seconds: 31)
    }
    #expect(bench.actions.last == .restart(.scheduledReset))
  }

  // Proves: B12.FR.02, B12.FR.04, B12.FR.05, E07.FR.06, TC_B_22_CS
  @Test func immediateEndsEverythingAndKeepsWhatTheCSMSDidNotTake() {
    let bench = charging()
    bench.plugIn(2)
    bench.swipe("CAFEBABE", evses: [2])
    bench.pilot(.c, 2)
    bench.forgetCalls()
    bench.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    #expect(status(bench.call("Reset", ["type": "Immediate"])) == "Accepted")
    // The vehicles stop, the contactors open; the first Ended is on the wire, without an answer.
    #expect(bench.contactorClosed == [1: false, 2: false])
    let ended = bench.calls("TransactionEvent")
    #expect(ended.count == 1 && ended[0].text("transactionInfo.stoppedReason") == "ImmediateReset")
    #expect(ended[0].text("triggerReason") == "ResetCommand" && ended[0]["idToken"] == nil)
    // It is going down already.
    #expect(status(bench.call("Reset", ["type": "Immediate"])) == "Rejected")
    #expect(!bench.actions.contains(.restart(.remoteReset)))
    bench.wait(seconds: 61)
    #expect(bench.actions.contains(.restart(.remoteReset)))
    #expect(bench.ledger.outbox.count == 2)
    let next = bench.restarted()
    next.boot()
    #expect(next.events.count == 2 && next.ledger.outbox.isEmpty)
  }

  @Test func immediateOvertakesAScheduledReset() {
    let bench = charging()
    #expect(status(bench.call("Reset", ["type": "OnIdle"])) == "Scheduled")
    bench.hardwareFollows = false
    #expect(status(bench.call("Reset", ["type": "Immediate"])) == "Accepted")
    // While the contactor is on its way, OnIdle changes nothing any more.
    #expect(status(bench.call("Reset", ["type": "OnIdle"])) == "Scheduled")
    bench.input(.hardware(.pilot(evse: 1, connector: 1, state: .b)))
    bench.input(.hardware(.contactor(evse: 1, closed: false)))
    #expect(bench.actions.contains(.restart(.remoteReset)))
  }

  /// Offline nothing is waited for: the events are in the ledger.
  @Test func theLastEventsAreInTheLedgerWhenTheCSMSIsAway() {
    let bench = charging()
    #expect(status(bench.call("Reset", ["type": "OnIdle"])) == "Scheduled")
    bench.linkDown()
    bench.swipe(evses: [1])
    #expect(bench.actions.last == .restart(.scheduledReset))
    #expect(bench.ledger.outbox.last.map { String(decoding: $0.payload, as: UTF8.self).contains("Ended") } == true)
  }

  // Proves: B11.FR.06, B12.FR.10
  @Test func noResetThatWouldLoseATransaction() {
    let bench = charging()
    bench.ledgerFails = .full
    bench.meter(wattHours: 5)
    bench.pilot(.b)
    #expect(!bench.station.snapshot.storageIsHealthy)
    #expect(status(bench.call("Reset", ["type": "Immediate"])) == "Rejected")
    #expect(bench.station.snapshot.evses[0].transaction != nil)
  }

  // Proves: B11.FR.02, B11.FR.03, TC_B_23_CS
  @Test func unavailableAsBefore() {
    let bench = StationBench().boot()
    bench.call("ChangeAvailability", ["operationalStatus": "Inoperative", "evse": ["id": 1]])
    bench.call("Reset", ["type": "OnIdle"])
    let next = bench.restarted().boot()
    let states = next.calls("StatusNotification").map { $0.text("connectorStatus") }
    #expect(states == ["Unavailable", "Available"])
  }

  /// A report is finished before an OnIdle reset; an Immediate one cuts it off, and it is not gone on with.
  @Test func reportsAndResets() {
    let bench = StationBench().boot()
    bench.responder = { $0.action == "NotifyReport" ? nil : StationBench.accepting($0) }
    bench.call("GetBaseReport", ["requestId": 1, "reportBase": "FullInventory"])
    #expect(status(bench.call("Reset", ["type": "OnIdle"])) == "Scheduled")
    #expect(!bench.actions.contains(.restart(.scheduledReset)))
    bench.responder = StationBench.accepting
    let open = bench.calls("NotifyReport").last
    bench.input(.link(.message(JSONValue.array([3, .string(open?.id ?? ""), [:]]).bytes)))
    #expect(bench.actions.last == .restart(.scheduledReset))
    let parts = bench.calls("NotifyReport")
    #expect(parts.last?["tbc"] != true)

    let other = StationBench().boot()
    other.responder = { $0.action == "NotifyReport" ? nil : StationBench.accepting($0) }
    other.call("GetBaseReport", ["requestId": 1, "reportBase": "FullInventory"])
    #expect(status(other.call("Reset", ["type": "Immediate"])) == "Accepted")
    other.wait(seconds: 61)
    #expect(other.actions.contains(.restart(.remoteReset)) && other.calls("NotifyReport").count == 1)
  }

  // MARK: One EVSE

  // Proves: B11.FR.09, B12.FR.09, TC_B_28_CS, TC_B_29_CS
  @Test func anEVSEThatCannotBeResetSaysSo() {
    let bench = charging(folder: "ac-two-evse")
    for evse in 1...3 {
      for type in ["OnIdle", "Immediate"] {
        #expect(status(bench.call("Reset", ["type": .string(type), "evseId": .int(evse)])) == "Rejected")
      }
    }
    #expect(bench.contactorClosed[1] == true)
  }

  // Proves: B11.FR.08, B11.FR.10, TC_B_25_CS
  @Test func anIdleEVSEIsReset() {
    let bench = StationBench(folder: "ac-two-bays").boot()
    bench.forgetCalls()
    #expect(status(bench.call("Reset", ["type": "OnIdle", "evseId": 1])) == "Accepted")
    bench.wait(seconds: 3)
    let states = bench.calls("StatusNotification").map { $0.text("connectorStatus") }
    #expect(states == ["Unavailable", "Available"])
    #expect(!bench.calls.contains { $0.action == "BootNotification" })
  }

  // Proves: B12.FR.02, B12.FR.06, B12.FR.08, TC_B_27_CS
  @Test func anImmediateResetEndsTheTransactionOfThatEVSEOnly() {
    let bench = charging()
    bench.plugIn(2)
    bench.swipe("CAFEBABE", evses: [2])
    bench.pilot(.c, 2)
    bench.call("ChangeAvailability", ["operationalStatus": "Inoperative", "evse": ["id": 1]])
    bench.forgetCalls()
    #expect(status(bench.call("Reset", ["type": "Immediate", "evseId": 1])) == "Accepted")
    let ended = bench.calls("TransactionEvent").last
    #expect(ended?.text("triggerReason") == "ResetCommand" && ended?.text("eventType") == "Ended")
    #expect(ended?.text("transactionInfo.stoppedReason") == "ImmediateReset")
    #expect(ended?.text("transactionInfo.chargingState") == "EVConnected")
    #expect(bench.contactorClosed[2] == true)
    bench.wait(seconds: 3)
    #expect(bench.calls("StatusNotification").map { $0.text("connectorStatus") } == ["Unavailable"])
    bench.call("ChangeAvailability", ["operationalStatus": "Operative", "evse": ["id": 1]])
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Occupied")
    #expect(!bench.actions.contains(.restart(.remoteReset)))
  }

  // Proves: B12.FR.01, B12.FR.07, TC_B_26_CS
  @Test func anOnIdleResetOfAnEVSEWaitsForItsSession() {
    let bench = charging()
    bench.forgetCalls()
    #expect(status(bench.call("Reset", ["type": "OnIdle", "evseId": 1])) == "Scheduled")
    // The other EVSE is as free as before.
    bench.plugIn(2)
    bench.swipe("CAFEBABE", evses: [2])
    #expect(bench.station.snapshot.evses[1].transaction != nil)
    bench.swipe(evses: [1])
    #expect(bench.calls("TransactionEvent").contains { $0.text("transactionInfo.stoppedReason") == "Local" })
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Unavailable")
    // While it restarts nobody gets it, afterwards everybody.
    bench.swipe(evses: [1])
    #expect(bench.station.snapshot.evses[0].transaction == nil)
    bench.wait(seconds: 3)
    bench.swipe(evses: [1])
    #expect(bench.station.snapshot.evses[0].transaction != nil)
  }

  /// What the core concluded from failures is forgotten, so that the EVSE is tried anew.
  @Test func aResetTriesAFailedContactorAgain() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"], folder: "ac-two-bays").boot()
    bench.plugIn()
    bench.swipe(evses: [1])
    bench.hardwareFollows = false
    bench.pilot(.c)
    bench.wait(seconds: 40)
    #expect(bench.station.snapshot.evses[0].faults == ["ContactorFailure"])
    bench.hardwareFollows = true
    #expect(status(bench.call("Reset", ["type": "Immediate", "evseId": 1])) == "Accepted")
    bench.wait(seconds: 3)
    #expect(bench.station.snapshot.evses[0].faults == [])
    bench.swipe(evses: [1])
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
  }
}
