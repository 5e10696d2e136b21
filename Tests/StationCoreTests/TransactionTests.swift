import OCPP
import StationCore
import Testing

@Suite("Transactions: start and stop points, sessions")
struct TransactionTests {
  // Proves: G01.FR.03, G01.FR.04, E02.FR.01, E02.FR.05, E02.FR.13, E02.FR.20, C01.FR.02, E07.FR.02, E06.FR.10, TC_E_03_CS, TC_E_06_CS
  @Test func cableFirstThenTokenChargesAndStops() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"]).boot()
    bench.meter(wattHours: 1000)
    bench.forgetCalls()
    bench.plugIn()
    #expect(bench.calls.map(\.action) == ["StatusNotification", "TransactionEvent"])
    #expect(bench.calls[0].text("connectorStatus") == "Occupied")
    bench.swipe()
    #expect(bench.contactorClosed[1] != true)
    #expect(bench.offers[1] == 32_000)
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    bench.swipe()
    #expect(bench.contactorClosed[1] == false)
    bench.plugOut()
    #expect(
      bench.events == [
        "Started CablePluggedIn EVConnected", "Updated Authorized EVConnected",
        "Updated ChargingStateChanged Charging", "Updated StopAuthorized Charging",
        "Updated ChargingStateChanged EVConnected", "Ended EVCommunicationLost Idle",
      ])
    let ended = bench.calls("TransactionEvent").last
    #expect(ended?.text("transactionInfo.stoppedReason") == "Local")
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Available")
    #expect(bench.ledger.outbox.isEmpty)
    #expect(bench.ledger.records[.transaction]?.isEmpty ?? true)
  }

  // Proves: E03.FR.01, E01.FR.05, E02.FR.09, E06.FR.03, E06.FR.11, E07.FR.05, TC_E_04_CS, TC_E_01_CS, TC_E_15_CS
  @Test func tokenFirstThenCable() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "PowerPathClosed", "TxCtrlr/TxStopPoint": "Authorized"]).boot()
    bench.meter(wattHours: 1000)
    bench.swipe(evses: [1])
    #expect(bench.events == [])
    bench.plugIn()
    bench.pilot(.c)
    bench.meter(wattHours: 3500)
    bench.swipe()
    #expect(
      bench.events == [
        "Started CablePluggedIn EVConnected", "Updated ChargingStateChanged Charging",
        "Ended StopAuthorized EVConnected",
      ])
    let events = bench.calls("TransactionEvent")
    #expect(events[0].text("idToken.idToken") == "DEADBEEF")
    #expect(events[0]["meterValue.0.sampledValue.0.context"] == "Transaction.Begin")
    #expect(events[2].text("transactionInfo.stoppedReason") == "Local")
    let last = events[2]["meterValue"]?.arrayValue?.last
    #expect(last?["sampledValue"]?.arrayValue?.first?["context"] == "Transaction.End")
    #expect(last?["sampledValue"]?.arrayValue?.first?["value"] == 3500)
  }

  /// Every start point with every stop point: complete sequences, whatever the order of the driver's steps.
  // Proves: E01.FR.02, E01.FR.03, E01.FR.05, E01.FR.06, E01.FR.07, E01.FR.14, E06.FR.02, E06.FR.03, E06.FR.06, E06.FR.07
  @Test(arguments: ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"])
  func everyCombinationIsGapless(start: String) {
    for stop in ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"] {
      for cableFirst in [true, false] {
        let bench = StationBench(["TxCtrlr/TxStartPoint": start, "TxCtrlr/TxStopPoint": stop]).boot()
        bench.meter(wattHours: 1000)
        if cableFirst { bench.plugIn() }
        bench.swipe(evses: [1])
        if !cableFirst { bench.plugIn() }
        bench.pilot(.c)
        #expect(bench.contactorClosed[1] == true)
        bench.meter(wattHours: 2000)
        bench.swipe()
        bench.plugOut()
        let events = bench.calls("TransactionEvent")
        let context = "\(start) \(stop) \(cableFirst ? "cable" : "token") first: \(bench.events)"
        #expect(events.first?.text("eventType") == "Started", "\(context)")
        #expect(events.last?.text("eventType") == "Ended", "\(context)")
        #expect(events.map { $0["seqNo"]?.intValue } == Array(0..<events.count), "\(context)")
        #expect(Set(events.map { $0.text("transactionInfo.transactionId") }).count == 1, "\(context)")
        #expect(events.contains { $0.text("idToken.idToken") == "DEADBEEF" }, "\(context)")
        #expect(events.last?.text("transactionInfo.stoppedReason") == "Local", "\(context)")
        #expect(bench.contactorClosed[1] == false)
        #expect(bench.station.snapshot.evses[0].transaction == nil)
      }
    }
  }

  // Proves: E03.FR.05, C01.FR.26, E06.FR.08, TC_E_05_CS, TC_E_39_CS
  @Test func noVehicleWithinTimeOutEndsTheTransaction() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/EVConnectionTimeOut": "30"]).boot()
    bench.swipe()
    bench.wait(seconds: 29)
    #expect(bench.events == ["Started Authorized Idle"])
    bench.wait(seconds: 1)
    #expect(bench.events == ["Started Authorized Idle", "Ended EVConnectTimeout Idle"])
    #expect(bench.calls("TransactionEvent").last?.text("transactionInfo.stoppedReason") == "Timeout")
    bench.forgetCalls()
    bench.plugIn()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] != true)
    #expect(bench.events == [])
  }

  // Proves: E01.FR.16, E01.FR.17, E03.FR.11, TC_J_08_CS
  @Test func driverChoosesTheEVSEAfterAuthorization() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "Authorized"]).boot()
    bench.meter(1, wattHours: 1000)
    bench.meter(2, wattHours: 5000)
    bench.swipe()
    #expect(bench.calls("TransactionEvent").last?["evse"] == nil)
    #expect(bench.calls("TransactionEvent").last?["meterValue"] == nil)
    bench.plugIn(2)
    let plugged = bench.calls("TransactionEvent").last
    #expect(plugged?["evse"] == ["id": 2, "connectorId": 1])
    bench.pilot(.c, 2)
    let charging = bench.calls("TransactionEvent").last
    #expect(charging?.text("transactionInfo.chargingState") == "Charging")
    #expect(charging?["meterValue.0.sampledValue.0.context"] == "Transaction.Begin")
    #expect(charging?["meterValue.0.sampledValue.0.value"] == 5000)
    #expect(bench.calls("TransactionEvent").map { $0["seqNo"]?.intValue } == [0, 1, 2])
  }

  // Proves: E09.FR.01, E09.FR.02, TC_E_24_CS, TC_E_17_CS
  @Test func vehicleLeavesAndCableIsReleased() {
    let bench = StationBench([
      "TxCtrlr/TxStopPoint": "Authorized", "TxCtrlr/StopTxOnEVSideDisconnect": "true",
      "OCPPCommCtrlr/UnlockOnEVSideDisconnect": "true",
    ]).boot()
    charge(bench)
    bench.plugOut()
    #expect(bench.events.last == "Ended EVCommunicationLost Idle")
    #expect(bench.calls("TransactionEvent").last?.text("transactionInfo.stoppedReason") == "EVDisconnected")
    #expect(bench.contactorClosed[1] == false)
    #expect(bench.calls("StatusNotification").last?.text("connectorStatus") == "Available")
  }

  // Proves: E09.FR.03, TC_E_25_CS
  @Test func cableWaitsForItsOwner() {
    let bench = StationBench([
      "TxCtrlr/TxStopPoint": "Authorized", "TxCtrlr/StopTxOnEVSideDisconnect": "true",
      "OCPPCommCtrlr/UnlockOnEVSideDisconnect": "false",
    ]).boot()
    charge(bench)
    bench.plugOut()
    #expect(bench.station.snapshot.evses[0].connectors[0].locked)
    bench.swipe("STRANGER", evses: [1])
    #expect(bench.station.snapshot.evses[0].connectors[0].locked)
    bench.forgetCalls()
    bench.swipe()
    #expect(!bench.station.snapshot.evses[0].connectors[0].locked)
    #expect(bench.calls.map(\.action) == ["StatusNotification"])
    #expect(bench.calls.first?.text("connectorStatus") == "Available")
  }

  // Proves: E10.FR.01, TC_E_26_CS
  @Test func transactionIsSuspendedWhileTheVehicleIsAway() {
    let bench = StationBench([
      "TxCtrlr/TxStopPoint": "Authorized", "TxCtrlr/StopTxOnEVSideDisconnect": "false",
    ]).boot()
    charge(bench)
    bench.forgetCalls()
    bench.plugOut()
    #expect(bench.events == ["Updated EVCommunicationLost Idle"])
    #expect(bench.contactorClosed[1] == false)
    #expect(bench.station.snapshot.evses[0].connectors[0].locked)
    bench.pilot(.b)
    bench.pilot(.c)
    #expect(bench.events.suffix(2) == ["Updated CablePluggedIn EVConnected", "Updated ChargingStateChanged Charging"])
  }

  // Proves: E05.FR.10, E05.FR.11, TC_E_16_CS
  @Test func invalidTokenEndsTheTransaction() {
    let bench = StationBench(["TxCtrlr/TxStopPoint": "Authorized", "TxCtrlr/StopTxOnInvalidId": "true"]).boot()
    bench.responder = { call in
      call.action == "TransactionEvent" && call["idToken"] != nil
        ? ["idTokenInfo": ["status": "Invalid"]] : StationBench.accepting(call)
    }
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] != true)
    #expect(bench.events.last == "Ended Deauthorized EVConnected")
    #expect(bench.calls("TransactionEvent").last?.text("transactionInfo.stoppedReason") == "DeAuthorized")
    #expect(bench.station.snapshot.evses[0].connectors[0].locked)
    bench.swipe()
    #expect(!bench.station.snapshot.evses[0].connectors[0].locked)
  }

  /// Energy that never flowed does not stop either: the transaction ends with its deauthorization, and the EVSE is free.
  // Proves: E09.FR.01
  @Test func aVehicleThatLeavesBeforeTheEnergyEndsItsTransaction() {
    let bench = StationBench(
      ["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EnergyTransfer"], folder: "ac-one-evse"
    ).boot()
    bench.plugIn()
    bench.swipe()
    bench.plugOut()
    #expect(bench.calls("TransactionEvent").last?.text("eventType") == "Ended")
    #expect(bench.calls("TransactionEvent").last?.text("transactionInfo.stoppedReason") == "EVDisconnected")
    bench.plugIn()
    bench.swipe("CAFEBABE")
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
  }

  // Proves: E05.FR.02, E05.FR.03
  @Test(arguments: [0, 500])
  func invalidTokenMayGetAllowedEnergy(allowed: Int) {
    let bench = StationBench([
      "TxCtrlr/TxStopPoint": "Authorized", "TxCtrlr/StopTxOnInvalidId": "false",
      "TxCtrlr/MaxEnergyOnInvalidId": "\(allowed)",
    ]).boot()
    bench.responder = { call in
      call.action == "TransactionEvent" && call["idToken"] != nil
        ? ["idTokenInfo": ["status": "Expired"]] : StationBench.accepting(call)
    }
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    if allowed > 0 {
      #expect(bench.contactorClosed[1] == true)
      bench.meter(wattHours: 1499)
      #expect(bench.contactorClosed[1] == true)
      bench.meter(wattHours: 1500)
    }
    #expect(bench.contactorClosed[1] != true)
    bench.wait(seconds: 4)
    #expect(bench.events.last == "Updated ChargingStateChanged SuspendedEVSE")
  }

  // Proves: TC_E_38_CS, E01.FR.19
  @Test func vehicleThatIsNotReadySuspends() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.forgetCalls()
    bench.wait(seconds: 4)
    #expect(bench.events == ["Updated ChargingStateChanged SuspendedEV"])
    bench.pilot(.c)
    bench.pilot(.b)
    #expect(bench.contactorClosed[1] == false)
    #expect(
      bench.events.suffix(2) == [
        "Updated ChargingStateChanged Charging", "Updated ChargingStateChanged SuspendedEV",
      ])
  }

  // Proves: E14.FR.01, E14.FR.02, E14.FR.03, E14.FR.04, E14.FR.06, TC_E_28_CS, TC_E_30_CS
  @Test func transactionStatus() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    #expect(
      bench.call("GetTransactionStatus", ["transactionId": "none"])
        == .result(["messagesInQueue": false, "ongoingIndicator": false]))
    bench.plugIn()
    let id = bench.station.snapshot.evses[0].transaction?.id ?? ""
    #expect(
      bench.call("GetTransactionStatus", ["transactionId": .string(id)])
        == .result(["messagesInQueue": false, "ongoingIndicator": true]))
    #expect(bench.call("GetTransactionStatus", [:]) == .result(["messagesInQueue": false]))
  }

  /// The ledger holds the event before it is on the wire, and the transaction before the contactor closes.
  // Proves: E04.FR.01, E01.FR.08
  @Test func everythingIsDurableBeforeItIsVisible() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "PowerPathClosed"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    var committed: Set<String> = []
    var transactionIsCommitted = false
    for action in bench.actions {
      switch action {
      case .commit(let writes):
        for write in writes {
          if case .enqueue(let message) = write { committed.insert(message.messageID) }
          if case .put(.transaction, _, _) = write { transactionIsCommitted = true }
        }
      case .send(let frame):
        let items = (try? JSONValue.parse(frame))?.arrayValue ?? []
        if items[2] == "TransactionEvent" { #expect(committed.contains(items[1].stringValue ?? "")) }
      case .hardware(.contactor(_, let close)) where close: #expect(transactionIsCommitted)
      default: break
      }
    }
    #expect(transactionIsCommitted)
  }

  private func charge(_ bench: StationBench) {
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
  }
}
