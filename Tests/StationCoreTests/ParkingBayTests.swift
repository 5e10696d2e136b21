import OCPP
import StationCore
import Testing

@Suite("Parking bay as start and stop point, master pass with a UI, unlocking, stable status")
struct ParkingBayTests {
  private func bench(_ start: String, _ stop: String, _ more: [String: String] = [:]) -> StationBench {
    let settings = ["TxCtrlr/TxStartPoint": start, "TxCtrlr/TxStopPoint": stop].merging(more) { $1 }
    let bench = StationBench(settings, folder: "ac-two-bays").boot()
    bench.forgetCalls()
    return bench
  }

  private func bay(_ bench: StationBench, _ occupied: Bool, evse: Int = 1) {
    bench.input(.hardware(.bay(evse: evse, occupied: occupied)))
  }

  // Proves: E01.FR.01, E06.FR.01, E06.FR.15, TC_E_12_CS, TC_E_19_CS
  @Test func theTransactionLastsAsLongAsTheVehicleIsInTheBay() {
    let bench = bench("ParkingBayOccupancy", "ParkingBayOccupancy")
    bay(bench, true)
    bench.swipe(evses: [1])
    bench.plugIn()
    bench.pilot(.c)
    bench.swipe(evses: [1])
    bench.plugOut()
    bay(bench, false)
    #expect(
      bench.events == [
        "Started EVDetected Idle", "Updated Authorized Idle", "Updated CablePluggedIn EVConnected",
        "Updated ChargingStateChanged Charging", "Updated StopAuthorized Charging",
        "Updated ChargingStateChanged EVConnected", "Updated EVCommunicationLost Idle", "Ended EVDeparted Idle",
      ])
    let events = bench.calls("TransactionEvent")
    #expect(events.last?.text("transactionInfo.stoppedReason") == "Local")
    #expect(events.first?["evse.id"] == 1 && events.first?["evse.connectorId"] == nil)
    #expect(
      events.allSatisfy { $0.text("transactionInfo.transactionId") == events[0].text("transactionInfo.transactionId") })
  }

  /// A sensor that is wrong ends no charging session.
  @Test func aVacantBayWithAConnectedVehicleEndsNothing() {
    let bench = bench("ParkingBayOccupancy", "ParkingBayOccupancy")
    bay(bench, true)
    bench.swipe(evses: [1])
    bench.plugIn()
    bench.pilot(.c)
    bay(bench, false)
    #expect(bench.contactorClosed[1] == true && bench.station.snapshot.evses[0].transaction != nil)
    bench.plugOut()
    #expect(bench.events.suffix(2) == ["Updated EVCommunicationLost Idle", "Ended EVDeparted Idle"])
  }

  // Proves: E03.FR.15
  @Test func noCableInTimeEndsTheAuthorizationOnly() {
    let bench = bench("ParkingBayOccupancy", "ParkingBayOccupancy", ["TxCtrlr/EVConnectionTimeOut": "30"])
    bay(bench, true)
    bench.swipe(evses: [1])
    bench.wait(seconds: 31)
    #expect(bench.events.last == "Updated EVConnectTimeout Idle")
    // The next token gets the same transaction.
    bench.swipe("CAFEBABE", evses: [1])
    #expect(bench.events.last == "Updated Authorized Idle")
    bay(bench, false)
    #expect(bench.events.last == "Ended EVDeparted Idle")
    #expect(bench.station.snapshot.evses[0].transaction == nil)
  }

  /// One transaction for each arrival; one that nothing may begin for begins when it may.
  @Test func oneTransactionForEachArrival() {
    let bench = bench("ParkingBayOccupancy", "Authorized")
    bench.call("ChangeAvailability", ["operationalStatus": "Inoperative", "evse": ["id": 1]])
    bay(bench, true)
    #expect(bench.events == [])
    bench.call("ChangeAvailability", ["operationalStatus": "Operative", "evse": ["id": 1]])
    #expect(bench.events == ["Started EVDetected Idle"])
    bench.swipe(evses: [1])
    bench.plugIn()
    bench.swipe(evses: [1])
    #expect(bench.station.snapshot.evses[0].transaction == nil)
    bench.plugOut()
    bench.wait(seconds: 600)
    #expect(bench.station.snapshot.evses[0].transaction == nil)
    bay(bench, false)
    bay(bench, true)
    #expect(bench.station.snapshot.evses[0].transaction != nil)
  }

  /// A token at the common reader goes to the bay where a vehicle is.
  @Test func theReaderServesTheOccupiedBay() {
    let bench = bench("ParkingBayOccupancy", "ParkingBayOccupancy")
    bay(bench, true, evse: 2)
    bench.swipe()
    #expect(bench.station.snapshot.evses[1].transaction?.idToken == "DEADBEEF")
    #expect(bench.station.snapshot.evses[0].transaction == nil)
  }

  /// A token that turns out invalid keeps no attached cable for its owner: the next driver is served (C10.FR.05).
  @Test func anAttachedCableIsNobodys() {
    let bench = StationBench(
      ["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"], folder: "ac-one-evse"
    ).boot()
    bench.responder = { call in
      call["idToken.idToken"] == "BAD" && call.action == "TransactionEvent"
        ? ["idTokenInfo": ["status": "Invalid"]] : StationBench.accepting(call)
    }
    bench.plugIn()
    bench.swipe("BAD")
    bench.input(.hardware(.pilot(evse: 1, connector: 1, state: .a)))
    bench.forgetCalls()
    bench.input(.hardware(.pilot(evse: 1, connector: 1, state: .b)))
    bench.swipe()
    #expect(bench.events == ["Started CablePluggedIn EVConnected", "Updated Authorized EVConnected"])
  }

  /// A reset that waits does not forbid a session that has begun to get its token.
  @Test func aSessionThatHasBegunGoesOnWhileAResetWaits() {
    let bench = bench("ParkingBayOccupancy", "ParkingBayOccupancy")
    bay(bench, true)
    #expect(bench.call("Reset", ["type": "OnIdle"])?.text("status") == "Scheduled")
    bench.swipe(evses: [1])
    bench.plugIn()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    bench.swipe(evses: [1])
    bench.plugOut()
    bay(bench, false)
    #expect(bench.actions.last == .restart(.scheduledReset))
  }

  // MARK: Master pass

  private func masterPass(_ more: [String: String] = [:]) -> StationBench {
    let bench = bench("Authorized", "Authorized", ["AuthCtrlr/MasterPassGroupId": "MASTER"].merging(more) { $1 })
    bench.responder = { call in
      guard call.action == "Authorize", call.text("idToken.idToken") == "0FF1CE" else {
        return StationBench.accepting(call)
      }
      return ["idTokenInfo": ["status": "Accepted", "groupIdToken": ["idToken": "MASTER", "type": "Central"]]]
    }
    for evse in 1...2 {
      bench.plugIn(evse)
      bench.swipe("TOKEN\(evse)", evses: [evse])
      bench.pilot(.c, evse)
    }
    bench.swipe("0FF1CE")
    return bench
  }

  // Proves: C16.FR.01, C16.FR.03, C16.FR.07, C16.FR.08, TC_C_47_CS, TC_C_48_CS
  @Test(arguments: [nil, [1], []] as [[Int]?]) func whatIsSelectedIsStopped(selected: [Int]?) {
    let bench = masterPass()
    #expect(bench.contactorClosed == [1: true, 2: true])
    bench.input(.hardware(.selection(evses: selected)))
    let stopped = Set(selected ?? [1, 2])
    for evse in 1...2 {
      #expect((bench.station.snapshot.evses[evse - 1].transaction == nil) == stopped.contains(evse))
    }
    let ended = bench.calls("TransactionEvent").filter { $0.text("eventType") == "Ended" }
    #expect(ended.count == stopped.count)
    #expect(ended.allSatisfy { $0.text("transactionInfo.stoppedReason") == "MasterPass" })
    // One pass, one selection.
    bench.input(.hardware(.selection(evses: nil)))
    #expect(bench.calls("TransactionEvent").filter { $0.text("eventType") == "Ended" }.count == stopped.count)
  }

  @Test func withoutASelectionEverythingGoesOn() {
    let bench = masterPass()
    bench.wait(seconds: 61)
    bench.input(.hardware(.selection(evses: nil)))
    #expect(bench.contactorClosed == [1: true, 2: true])
  }

  // Proves: C16.FR.02, TC_C_49_CS
  @Test func withoutInputAllAreStopped() {
    let bench = masterPass(["UIInput/Enabled": "false"])
    #expect(bench.contactorClosed == [1: false, 2: false])
  }

  // MARK: UnlockConnector

  // Proves: F05.FR.01, F05.FR.02, F05.FR.03, F05.FR.04, F05.FR.06, TC_F_05_CS, TC_F_06_CS, TC_F_07_CS, TC_F_10_CS
  @Test func unlockingWhatNobodyUses() {
    let bench = bench("Authorized", "EVConnected", ["OCPPCommCtrlr/UnlockOnEVSideDisconnect": "false"])
    func unlock(_ evse: Int, _ connector: Int = 1) -> String? {
      bench.call("UnlockConnector", ["evseId": .int(evse), "connectorId": .int(connector)])?.text("status")
    }
    #expect(unlock(1) == "Unlocked")
    #expect(unlock(3) == "UnknownConnector" && unlock(1, 2) == "UnknownConnector" && unlock(0) == "UnknownConnector")
    bench.plugIn()
    bench.swipe(evses: [1])
    bench.pilot(.c)
    #expect(unlock(1) == "OngoingAuthorizedTransaction" && bench.contactorClosed[1] == true)
    #expect(unlock(2) == "Unlocked")
    // The cable is kept for its owner; the CSMS helps.
    bench.plugOut()
    #expect(bench.station.snapshot.evses[0].connectors[0].locked)
    #expect(unlock(1) == "Unlocked")
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Available")
  }

  // Proves: F05.FR.05, F05.FR.07
  @Test func aLockThatDoesNotFollow() {
    let bench = bench("Authorized", "EVConnected")
    bench.hardwareFollows = false
    let payload: JSONValue = ["evseId": 1, "connectorId": 1]
    #expect(bench.call("UnlockConnector", payload) == nil)
    bench.input(.hardware(.lockFailed(evse: 1, connector: 1)))
    #expect(bench.answers.values.contains { $0.text("status") == "UnlockFailed" })
    #expect(bench.call("UnlockConnector", payload) == nil)
    bench.wait(seconds: 11)
    #expect(bench.answers.values.filter { $0.text("status") == "UnlockFailed" }.count == 2)
    let captive = StationBench(folder: "ac-one-evse").boot()
    #expect(captive.call("UnlockConnector", payload) == .error("NotSupported"))
  }

  // MARK: Status

  /// MinimumStatusDuration: what does not last is not told.
  @Test func onlyWhatLastsIsTold() {
    let bench = bench("Authorized", "Authorized", ["OCPPCommCtrlr/MinimumStatusDuration": "5"])
    bench.plugIn()
    bench.wait(seconds: 3)
    bench.plugOut()
    bench.wait(seconds: 10)
    #expect(bench.calls("StatusNotification").isEmpty)
    bench.plugIn()
    bench.wait(milliseconds: 4900)
    #expect(bench.calls("StatusNotification").isEmpty)
    bench.wait(milliseconds: 200)
    #expect(bench.calls("StatusNotification").map { $0.text("connectorStatus") } == ["Occupied"])
  }

  // Proves: F06.FR.15, F06.FR.16, TC_F_15_CS, TC_F_18_CS
  @Test(arguments: ["LogStatusNotification", "FirmwareStatusNotification"])
  func triggeredStatusOfWhatIsNotGoingOn(message: String) {
    let bench = StationBench().boot()
    #expect(bench.call("TriggerMessage", ["requestedMessage": .string(message)])?.text("status") == "Accepted")
    #expect(bench.calls(message).map { $0.text("status") } == ["Idle"])
  }
}
