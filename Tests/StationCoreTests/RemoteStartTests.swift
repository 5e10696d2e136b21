import OCPP
import StationCore
import Testing

@Suite("Remote control: start, stop and trigger in detail")
struct RemoteStartTests {
  private func start(_ bench: StationBench, evse: Int? = nil, profile: Bool = false) -> StationBench.Answer? {
    var members = [
      JSONMember(name: "idToken", value: ["idToken": "A1", "type": "ISO14443"]),
      JSONMember(name: "remoteStartId", value: 9),
    ]
    if let evse { members.append(JSONMember(name: "evseId", value: .int(evse))) }
    if profile {
      members.append(
        JSONMember(
          name: "chargingProfile",
          value: [
            "id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
            "chargingSchedule": [
              ["id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [["startPeriod": 0, "limit": 6]]]
            ],
          ]))
    }
    return bench.call("RequestStartTransaction", .object(members))
  }

  /// Asked about, then started as a driver with a token would be.
  // Proves: F02.FR.05, F02.FR.09, F02.FR.13, F02.FR.07, F01.FR.04
  @Test(arguments: [true, false]) func startBeforeTheCable(comes: Bool) {
    let bench = StationBench([
      "TxCtrlr/TxStartPoint": "Authorized", "AuthCtrlr/AuthorizeRemoteStart": "true",
      "TxCtrlr/EVConnectionTimeOut": "30",
    ]).boot()
    #expect(start(bench, evse: 1)?.text("status") == "Accepted")
    #expect(bench.calls("Authorize").first?.text("idToken.idToken") == "A1")
    #expect(bench.events == ["Started RemoteStart Idle"])
    #expect(bench.calls("TransactionEvent").first?.text("idToken.idToken") == "A1")
    if comes {
      bench.plugIn()
      bench.pilot(.c)
      #expect(bench.contactorClosed[1] == true)
    } else {
      bench.wait(seconds: 30)
      #expect(bench.events.last == "Ended EVConnectTimeout Idle")
      #expect(bench.calls("TransactionEvent").last?.text("transactionInfo.stoppedReason") == "Timeout")
    }
  }

  /// Who is not accepted by the CSMS gets nothing, remote or not.
  // Proves: F01.FR.01
  @Test func aTokenThatIsNotAcceptedStartsNothing() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "AuthCtrlr/AuthorizeRemoteStart": "true"]).boot()
    bench.responder = {
      $0.action == "Authorize" ? ["idTokenInfo": ["status": "Blocked"]] : StationBench.accepting($0)
    }
    bench.plugIn()
    bench.pilot(.c)
    #expect(start(bench, evse: 1)?.text("status") == "Accepted")
    #expect(bench.contactorClosed[1] != true)
  }

  // Proves: F01.FR.12
  @Test func aChargingProfileIsIgnored() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.plugIn()
    #expect(start(bench, evse: 1, profile: true)?.text("status") == "Accepted")
    #expect(bench.offers[1] == 32_000)
  }

  // Proves: F01.FR.20
  @Test func theEVSEWithTheVehicleIsChosenAndTold() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "Authorized"]).boot()
    bench.plugIn(2)
    bench.pilot(.c, 2)
    #expect(start(bench)?.text("status") == "Accepted")
    #expect(bench.contactorClosed[2] == true)
    #expect(bench.calls("TransactionEvent").allSatisfy { $0["evse.id"] == 2 })
  }

  // Proves: F01.FR.05, F01.FR.23, F01.FR.24
  @Test func whereNothingCanStart() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.call("ChangeAvailability", ["operationalStatus": "Inoperative", "evse": ["id": 1]])
    #expect(start(bench, evse: 1)?.text("status") == "Rejected")
    bench.call("ChangeAvailability", ["operationalStatus": "Operative", "evse": ["id": 1]])
    let fault = HardwareFault(name: "GroundFailure", evse: 1)
    bench.input(.hardware(.faultRaised(fault)))
    #expect(start(bench, evse: 1)?.text("status") == "Rejected")
    bench.input(.hardware(.faultCleared(fault)))
    bench.plugIn(1)
    bench.swipe("OTHER", evses: [1])
    #expect(start(bench, evse: 1)?.text("status") == "Rejected")
    #expect(start(bench, evse: 3)?.text("status") == "Rejected")
    bench.plugIn(2)
    bench.forgetCalls()
    #expect(start(bench, evse: 2)?.text("status") == "Accepted")
    #expect(bench.events == ["Updated RemoteStart EVConnected"])
  }

  // Proves: F03.FR.02, F03.FR.07, F03.FR.08
  @Test func stopWhereThatIsNoStopPoint() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    let id = JSONValue.string(bench.station.snapshot.evses[0].transaction?.id ?? "")
    bench.forgetCalls()
    #expect(bench.call("RequestStopTransaction", ["transactionId": "none"])?.text("status") == "Rejected")
    #expect(bench.contactorClosed[1] == true)
    #expect(bench.call("RequestStopTransaction", ["transactionId": id])?.text("status") == "Accepted")
    #expect(bench.contactorClosed[1] == false && bench.offers[1] == nil)
    #expect(bench.events.first == "Updated RemoteStop Charging")
    bench.plugOut()
    #expect(bench.events.last == "Ended EVCommunicationLost Idle")
    #expect(bench.call("RequestStopTransaction", ["transactionId": id])?.text("status") == "Rejected")
  }

  /// The answer first, then the message, with what holds now.
  // Proves: F06.FR.03, F06.FR.04, F06.FR.05, F06.FR.09, F06.FR.10, F06.FR.11, F06.FR.12
  @Test func triggeredMessagesInDetail() {
    let bench = StationBench().boot()
    func trigger(_ message: String, _ evse: JSONValue? = nil) -> String? {
      var members = [JSONMember(name: "requestedMessage", value: .string(message))]
      if let evse { members.append(JSONMember(name: "evse", value: evse)) }
      bench.forgetCalls()
      let before = bench.actions.count
      let status = bench.call("TriggerMessage", .object(members))?.text("status")
      let kinds = bench.actions[before...].compactMap { action in
        if case .send(let frame) = action { frame.prefix(2) == [0x5B, 0x33] ? 3 : 2 } else { nil }
      }
      #expect(kinds == [3] + Array(repeating: 2, count: bench.calls.count), "\(message)")
      return status
    }
    #expect(trigger("Heartbeat", ["id": 99]) == "Accepted")
    #expect(bench.calls.map(\.action) == ["Heartbeat"])
    bench.meter(1, wattHours: 100)
    bench.meter(2, wattHours: 200)
    bench.meter(2, wattHours: 201)
    #expect(trigger("MeterValues") == "Accepted")
    #expect(bench.calls("MeterValues").map { $0["evseId"]?.intValue } == [1, 2])
    #expect(bench.calls("MeterValues").last?["meterValue.0.sampledValue.0.value"] == 201)
    bench.plugIn(2)
    #expect(trigger("StatusNotification", ["id": 2, "connectorId": 1]) == "Accepted")
    #expect(bench.calls.map { $0.text("connectorStatus") } == ["Occupied"])
    #expect(trigger("StatusNotification") == "Rejected")
    #expect(trigger("StatusNotification", ["id": 2]) == "Rejected")
    #expect(trigger("StatusNotification", ["id": 9, "connectorId": 1]) == "Rejected")
    #expect(trigger("TransactionEvent", ["id": 1]) == "Rejected")
  }
}
