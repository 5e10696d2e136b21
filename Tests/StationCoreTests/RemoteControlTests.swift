import OCPP
import StationCore
import Testing

@Suite("Remote control, availability, limits")
struct RemoteControlTests {
  // Proves: F01.FR.01, F01.FR.13, F01.FR.19, F01.FR.24, F01.FR.25, F03.FR.03, F03.FR.07, TC_F_01_CS, TC_F_08_CS
  @Test func remoteStartAndStopWithCableFirst() {
    let bench = StationBench([
      "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "Authorized",
      "AuthCtrlr/AuthorizeRemoteStart": "true",
    ]).boot()
    bench.plugIn()
    let id = bench.station.snapshot.evses[0].transaction?.id ?? ""
    let start = bench.call(
      "RequestStartTransaction", ["idToken": ["idToken": "A1", "type": "ISO14443"], "remoteStartId": 9, "evseId": 1])
    #expect(start?.text("status") == "Accepted")
    #expect(start?.text("transactionId") == id)
    #expect(bench.calls("Authorize").first?.text("idToken.idToken") == "A1")
    let event = bench.calls("TransactionEvent").last
    #expect(event?.text("triggerReason") == "RemoteStart")
    #expect(event?["transactionInfo.remoteStartId"] == 9)
    #expect(event?.text("idToken.idToken") == "A1")
    bench.pilot(.c)
    let again = bench.call(
      "RequestStartTransaction", ["idToken": ["idToken": "A2", "type": "Central"], "remoteStartId": 10, "evseId": 1])
    #expect(again?.text("status") == "Rejected")
    #expect(bench.call("RequestStopTransaction", ["transactionId": .string(id)])?.text("status") == "Accepted")
    let ended = bench.calls("TransactionEvent").last
    #expect(ended?.text("triggerReason") == "RemoteStop")
    #expect(ended?.text("transactionInfo.stoppedReason") == "Remote")
    #expect(bench.call("RequestStopTransaction", ["transactionId": .string(id)])?.text("status") == "Rejected")
  }

  // Proves: F02.FR.01, F02.FR.10, F02.FR.21, F01.FR.02, TC_F_03_CS
  @Test func remoteStartFirst() {
    let bench = StationBench([
      "TxCtrlr/TxStartPoint": "PowerPathClosed", "AuthCtrlr/AuthorizeRemoteStart": "false",
    ]).boot()
    #expect(
      bench.call(
        "RequestStartTransaction", ["idToken": ["idToken": "A1", "type": "ISO14443"], "remoteStartId": 9, "evseId": 1]
      )?.text("status") == "Accepted")
    #expect(bench.calls("Authorize").isEmpty)
    bench.plugIn()
    let started = bench.calls("TransactionEvent").first
    #expect(started?.text("eventType") == "Started")
    #expect(started?.text("triggerReason") == "RemoteStart")
    #expect(started?["transactionInfo.remoteStartId"] == 9)
  }

  // Proves: F06.FR.06, F06.FR.07, F06.FR.17, TC_F_11_CS, TC_F_13_CS, TC_F_23_CS, TC_F_26_CS
  @Test func triggeredMessages() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.meter(wattHours: 1000)
    bench.plugIn()
    func trigger(_ message: String, _ evse: JSONValue? = nil) -> String? {
      var members = [JSONMember(name: "requestedMessage", value: .string(message))]
      if let evse { members.append(JSONMember(name: "evse", value: evse)) }
      bench.forgetCalls()
      return bench.call("TriggerMessage", .object(members))?.text("status")
    }
    #expect(trigger("MeterValues", ["id": 1]) == "Accepted")
    #expect(bench.calls("MeterValues").first?["evseId"] == 1)
    #expect(bench.calls("MeterValues").first?.text("meterValue.0.sampledValue.0.context") == "Trigger")
    #expect(trigger("TransactionEvent") == "Accepted")
    #expect(bench.events == ["Updated Trigger EVConnected"])
    #expect(bench.calls.first?["meterValue"] != nil)
    #expect(trigger("StatusNotification", ["id": 1, "connectorId": 1]) == "Accepted")
    #expect(bench.calls.first?.text("connectorStatus") == "Occupied")
    #expect(trigger("StatusNotification") == "Rejected")
    #expect(trigger("BootNotification") == "Rejected")
    #expect(trigger("MeterValues", ["id": 9]) == "Rejected")
  }

  // Proves: B01.FR.07, G01.FR.02, G03.FR.03, G03.FR.05, G03.FR.08, G04.FR.01, G04.FR.06, B11.FR.02, TC_G_03_CS, TC_G_11_CS, TC_G_18_CS
  @Test func availabilityIsScheduledAndSurvives() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"]).boot()
    bench.plugIn()
    let inoperative: JSONValue = ["operationalStatus": "Inoperative", "evse": ["id": 1]]
    #expect(bench.call("ChangeAvailability", inoperative)?.text("status") == "Scheduled")
    #expect(bench.call("ChangeAvailability", inoperative)?.text("status") == "Accepted")
    bench.forgetCalls()
    bench.plugOut()
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Unavailable")
    bench.plugIn()
    bench.swipe(evses: [1])
    #expect(bench.calls("TransactionEvent").count == 1)
    let again = bench.restarted().boot()
    let status = again.calls("StatusNotification").map { $0.text("connectorStatus") }
    #expect(status == ["Unavailable", "Available"])
    #expect(again.call("ChangeAvailability", ["operationalStatus": "Inoperative"])?.text("status") == "Accepted")
    #expect(
      again.call("ChangeAvailability", ["operationalStatus": "Operative", "evse": ["id": 7]])?.text("status")
        == "Rejected")
    again.call("ChangeAvailability", ["operationalStatus": "Operative"])
    #expect(again.calls("StatusNotification").last?.text("connectorStatus") == "Available")
    #expect(again.calls("StatusNotification").last?["evseId"] == 2)
  }

  /// No Available in between, whether the vehicle leaves after the stop or while it charges.
  // Proves: G01.FR.05, TC_G_11_CS
  @Test(arguments: [true, false]) func scheduledConnectorGoesFromOccupiedToUnavailable(stopped: Bool) {
    let bench = StationBench(
      ["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"], folder: "ac-one-evse"
    ).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.call("ChangeAvailability", ["operationalStatus": "Inoperative", "evse": ["id": 1]])
    if stopped { bench.swipe() }
    bench.forgetCalls()
    bench.plugOut()
    #expect(bench.calls("StatusNotification").map { $0.text("connectorStatus") } == ["Unavailable"])
    #expect(bench.events.last == "Ended EVCommunicationLost Idle")
  }

  // Proves: C09.FR.03, C09.FR.11, TC_C_04_CS
  @Test func anotherTokenStopsOnlyWithinItsGroup() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "Authorized"]).boot()
    bench.responder = { call in
      guard call.action == "Authorize" else { return StationBench.accepting(call) }
      let token = call.text("idToken.idToken") ?? ""
      let group: JSONValue = ["idToken": .string(token.hasPrefix("G") ? "GROUP" : "OTHER"), "type": "Central"]
      return ["idTokenInfo": ["status": "Accepted", "groupIdToken": group]]
    }
    bench.plugIn()
    bench.swipe("G1", evses: [1])
    bench.pilot(.c)
    bench.swipe("X1", evses: [1])
    #expect(bench.contactorClosed[1] == true)
    bench.swipe("G2", evses: [1])
    #expect(bench.contactorClosed[1] == false)
    #expect(bench.events.last == "Ended StopAuthorized EVConnected")
    #expect(bench.calls("TransactionEvent").last?.text("idToken.idToken") == "G2")
  }

  /// The offers together never exceed the supply, also while a vehicle still follows a lowered one.
  @Test func supplyIsShared() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    let supply = bench.station.snapshot.evses[0].limits.first { $0.name == "supply" }?.milliamperes ?? 0
    #expect(supply > 0)
    for evse in [1, 2] {
      bench.plugIn(evse, cableAmperes: 63)
      bench.swipe("T\(evse)", evses: [evse])
      bench.pilot(.c, evse)
      #expect((bench.offers[1] ?? 0) + (bench.offers[2] ?? 0) <= supply)
    }
    bench.wait(seconds: 6)
    #expect((bench.offers[1] ?? 0) + (bench.offers[2] ?? 0) <= supply)
    #expect((bench.offers[2] ?? 0) >= 6000)
    bench.plugOut(1)
    bench.wait(seconds: 6)
    #expect(bench.offers[2] == min(supply, bench.station.snapshot.evses[1].limits.map(\.milliamperes).min() ?? 0))
  }

  @Test func cableLimitsTheOffer() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.plugIn(cableAmperes: 13)
    bench.swipe()
    #expect(bench.offers[1] == 13_000)
  }

  @Test func weldedContactorIsAFaultAndEndsTheTransactionAnyway() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "Authorized"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.hardwareFollows = false
    bench.swipe()
    bench.pilot(.b)
    #expect(bench.station.snapshot.evses[0].transaction != nil)
    bench.wait(seconds: 2)
    #expect(bench.station.snapshot.evses[0].transaction == nil)
    #expect(bench.station.snapshot.evses[0].faults == ["ContactorWelded"])
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Faulted")
  }

  /// Found by the simulated world: a close command that waited for a slow ledger is carried out after it was given up.
  @Test func aContactorThatClosesAfterItWasGivenUpIsOpenedAgain() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.hardwareFollows = false
    bench.pilot(.c)
    bench.wait(seconds: 60)
    #expect(bench.station.snapshot.evses[0].faults == ["ContactorFailure"])
    let commands = { bench.actions.filter { $0 == .hardware(.contactor(evse: 1, close: false)) }.count }
    let before = commands()
    bench.input(.hardware(.contactor(evse: 1, closed: true)))
    #expect(commands() == before + 1)
    bench.wait(seconds: 2)
    #expect(bench.station.snapshot.evses[0].faults.contains("ContactorWelded"))
  }

  /// Found by the simulated world: what forbade the transaction at the plug-in is gone, and energy would flow first.
  @Test(arguments: ["PowerPathClosed", "EVConnected", "Authorized"])
  func theTransactionBeginsBeforeTheContactorCloses(startPoint: String) {
    let bench = StationBench(["TxCtrlr/TxStartPoint": startPoint, "TxCtrlr/TxStopPoint": "EVConnected"]).boot()
    bench.swipe("DEADBEEF", evses: [1])
    bench.input(.hardware(.faultRaised(HardwareFault(name: "UnderVoltage", evse: 1))))
    bench.plugIn()
    bench.pilot(.c)
    bench.hardwareFollows = false
    bench.input(.hardware(.lock(evse: 1, connector: 1, locked: true)))
    bench.input(.hardware(.faultCleared(HardwareFault(name: "UnderVoltage", evse: 1))))
    #expect(bench.station.snapshot.evses[0].transaction != nil)
    let started = bench.actions.firstIndex { action in
      guard case .commit(let writes) = action else { return false }
      return writes.contains { $0.key == .record(.transaction, "1") }
    }
    let closed = bench.actions.firstIndex(of: .hardware(.contactor(evse: 1, close: true)))
    #expect(started != nil && closed != nil && started ?? 0 < closed ?? 0)
  }

  // Proves: G05.FR.01, G05.FR.02, TC_G_20_CS
  @Test func noEnergyWithoutLock() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.hardwareFollows = false
    bench.plugIn()
    bench.swipe()
    bench.input(.hardware(.lockFailed(evse: 1, connector: 1)))
    bench.pilot(.c)
    #expect(bench.offers[1] == nil)
    let event = bench.calls("NotifyEvent").first
    #expect(event?.text("eventData.0.component.name") == "ConnectorPlugRetentionLock")
    #expect(event?.text("eventData.0.variable.name") == "Problem")
    #expect(event?.text("eventData.0.actualValue") == "true")
  }

  @Test func faultOpensTheContactorAndItsEndResumes() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    let fault = HardwareFault(name: "GroundFailure", evse: 1)
    bench.input(.hardware(.faultRaised(fault)))
    #expect(bench.contactorClosed[1] == false)
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Faulted")
    bench.input(.hardware(.faultCleared(fault)))
    #expect(bench.contactorClosed[1] == true)
  }

  // Proves: J01.FR.14, J01.FR.22, J02.FR.11, TC_J_01_CS, TC_J_02_CS, TC_J_09_CS
  @Test func meterValuesOnTheClockAndSampled() {
    let bench = StationBench([
      "AlignedDataCtrlr/Interval": "900", "SampledDataCtrlr/TxUpdatedInterval": "60",
      "AlignedDataCtrlr/SendDuringIdle": "false", "TxCtrlr/TxStartPoint": "EVConnected",
    ]).boot()
    bench.wait(seconds: 30)
    bench.plugIn(2)
    bench.forgetCalls()
    bench.wait(seconds: 840)
    bench.meter(1, wattHours: 100)
    bench.meter(2, wattHours: 200)
    bench.wait(seconds: 31)
    #expect(bench.actions.contains(.hardware(.readMeters)))
    let aligned = bench.calls("MeterValues")
    #expect(aligned.map { $0["evseId"]?.intValue } == [1])
    #expect(aligned.first?.text("meterValue.0.sampledValue.0.context") == "Sample.Clock")
    #expect(bench.events.contains("Updated MeterValueClock EVConnected"))
    // A meter that has been silent for over a minute gives no values.
    bench.readings = [:]
    bench.forgetCalls()
    bench.wait(seconds: 900)
    #expect(bench.calls("MeterValues").isEmpty)
    bench.meter(2, wattHours: 300)
    bench.wait(seconds: 60)
    #expect(bench.events.contains("Updated MeterValuePeriodic EVConnected"))
  }
}
