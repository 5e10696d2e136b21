import OCPP
import StationCore
import Testing

/// The ledger cannot be written: what goes on, what does not, and that nothing is missing afterwards.
@Suite("Storage: a failing ledger and its recovery")
struct StorageTests {
  private let settings = ["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"]

  private func outboxIDs(_ bench: StationBench) -> [Int64] { bench.ledger.outbox.map(\.id) }

  @Test func noNewTransactionBeginsAndTheCSMSIsTold() {
    let bench = StationBench(settings).boot()
    bench.ledgerFails = .full
    bench.call(
      "SetVariables",
      [
        "setVariableData": [
          [
            "component": ["name": "TxCtrlr"], "variable": ["name": "EVConnectionTimeOut"], "attributeValue": "33",
          ]
        ]
      ])
    #expect(bench.calls("SecurityEventNotification").last?.text("type") == "MemoryExhaustion")
    #expect(
      bench.calls("NotifyEvent").last?.text("eventData.0.techInfo") == "StorageFailure: the ledger cannot be written")
    bench.forgetCalls()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.calls("TransactionEvent").isEmpty)
    #expect(bench.contactorClosed[1] != true)
    #expect(!bench.station.snapshot.storageIsHealthy)
  }

  /// The answer did not leave, so the value must not stay in force.
  @Test func anAnswerThatCouldNotBeStoredBecomesARefusal() {
    let bench = StationBench(settings).boot()
    bench.ledgerFails = .medium
    let set: JSONValue = [
      "setVariableData": [
        ["component": ["name": "TxCtrlr"], "variable": ["name": "EVConnectionTimeOut"], "attributeValue": "33"]
      ]
    ]
    let get: JSONValue = [
      "getVariableData": [["component": ["name": "TxCtrlr"], "variable": ["name": "EVConnectionTimeOut"]]]
    ]
    let before = bench.call("GetVariables", get)?.text("getVariableResult.0.attributeValue")
    #expect(before != "33")
    #expect(bench.call("SetVariables", set) == .error("InternalError"))
    #expect(bench.call("GetVariables", get)?.text("getVariableResult.0.attributeValue") == before)
    #expect(bench.call("SetVariables", set)?.text("setVariableResult.0.attributeStatus") == "Rejected")
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.call("SetVariables", set)?.text("setVariableResult.0.attributeStatus") == "Accepted")
    #expect(bench.ledger.records[.variable]?.values.contains(Array("33".utf8)) == true)
  }

  /// A stop is carried out whatever the ledger holds, and the CSMS hears that it is.
  // Proves: F03.FR.03
  @Test func aStopThatCouldNotBeStoredIsAccepted() throws {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "Authorized"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    let id = try #require(bench.station.snapshot.evses[0].transaction?.id)
    bench.ledgerFails = .medium
    #expect(bench.call("RequestStopTransaction", ["transactionId": .string(id)])?.text("status") == "Accepted")
    bench.wait(seconds: 10)
    #expect(bench.contactorClosed[1] == false && bench.station.snapshot.evses[0].transaction == nil)
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    let ended = bench.calls("TransactionEvent").last
    #expect(ended?.text("eventType") == "Ended" && ended?.text("triggerReason") == "RemoteStop")
    #expect(bench.ledger.records[.transaction]?["1"] == nil)
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  @Test func anAvailabilityThatCouldNotBeStoredIsTakenBack() {
    let bench = StationBench(settings).boot()
    bench.ledgerFails = .readOnly
    let change: JSONValue = ["operationalStatus": "Inoperative", "evse": ["id": 1]]
    #expect(bench.call("ChangeAvailability", change) == .error("InternalError"))
    #expect(bench.station.snapshot.evses[0].operative)
    #expect(bench.call("ChangeAvailability", change)?.text("status") == "Rejected")
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.call("ChangeAvailability", change)?.text("status") == "Accepted")
    #expect(bench.ledger.records[.availability]?["evse/1"] != nil)
  }

  /// The first thing that fails is the Started event: no energy without a record, then all is made good.
  @Test func aTransactionWhoseBeginIsNotStoredGetsNoEnergyUntilItIs() {
    let bench = StationBench(settings.merging(["AuthCtrlr/OfflineTxForUnknownIdEnabled": "true"]) { $1 }).boot()
    bench.linkDown()
    bench.ledgerFails = .full
    bench.plugIn()
    #expect(bench.station.snapshot.evses[0].transaction != nil)
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] != true)
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.station.snapshot.storageIsHealthy)
    #expect(bench.contactorClosed[1] == true)
    #expect(bench.ledger.outbox.contains { $0.transactionID == bench.station.snapshot.evses[0].transaction?.id })
  }

  @Test(arguments: [true, false])
  func chargingInProgressFollowsConfiguration(continues: Bool) {
    let bench = StationBench(
      settings.merging(["InternalCtrlr/ContinueTransactionsWithoutStorage": continues ? "true" : "false"]) { $1 }
    ).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    bench.ledgerFails = .full
    bench.forgetCalls()
    bench.pilot(.b)
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == continues)
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.contactorClosed[1] == true)
    bench.swipe()
    bench.plugOut()
    let numbers = bench.calls("TransactionEvent").compactMap { $0["seqNo"]?.intValue }
    #expect(numbers == Array(numbers[0]..<numbers[0] + numbers.count))
    #expect(bench.events.last?.hasPrefix("Ended") == true)
    #expect(bench.ledger.outbox.isEmpty)
    #expect(bench.ledger.records[.transaction]?.isEmpty != false)
  }

  /// Offline and without a ledger: everything is in memory, and on the medium once it takes it again.
  @Test func whatHappenedMeanwhileIsWrittenAfterwards() {
    let bench = StationBench(settings).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.linkDown()
    bench.ledgerFails = .medium
    bench.pilot(.b)
    bench.swipe()
    bench.plugOut()
    #expect(bench.ledger.outbox.isEmpty)
    bench.wait(seconds: 60)
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.station.snapshot.queuedMessages == bench.ledger.outbox.count)
    #expect(bench.ledger.outbox.count >= 3)
    #expect(bench.ledger.records[.transaction]?.isEmpty != false)
    let again = bench.restarted(settings).boot()
    #expect(again.events.last?.hasPrefix("Ended") == true)
    #expect(again.ledger.outbox.isEmpty)
  }

  /// A pilot offer that was refused with its commit is not believed to be in force.
  @Test func aRefusedOfferIsMadeAgain() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "EVConnected"]).boot()
    bench.responder = { $0.action == "TransactionEvent" ? nil : StationBench.accepting($0) }
    bench.plugIn()
    bench.ledgerFails = .medium
    bench.swipe()
    #expect(bench.offers[1] == nil)
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.offers[1] == 32_000)
  }

  /// Were they sent, a power cut would let the station tell the same events again with other contents.
  @Test func eventsThatAreNotStoredAreNotSent() {
    let bench = StationBench(settings).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.forgetCalls()
    bench.ledgerFails = .medium
    bench.pilot(.b)
    bench.swipe()
    bench.plugOut()
    #expect(bench.calls("TransactionEvent").isEmpty)
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.events.last?.hasPrefix("Ended") == true)
    let numbers = bench.calls("TransactionEvent").compactMap { $0["seqNo"]?.intValue }
    #expect(numbers.count >= 3 && numbers == Array(numbers[0]..<numbers[0] + numbers.count))
  }

  /// Nor in the very step in which they come into being, when the wire is free.
  @Test func anEventMadeWhileTheLedgerFailsIsNotSentAtOnce() {
    let bench = StationBench(settings).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.ledgerFails = .medium
    bench.call("ChangeAvailability", ["operationalStatus": "Inoperative", "evse": ["id": 2]])
    #expect(!bench.station.snapshot.storageIsHealthy)
    bench.forgetCalls()
    bench.pilot(.b)
    bench.wait(seconds: 60)
    #expect(bench.calls("TransactionEvent").isEmpty)
    bench.ledgerFails = nil
    bench.wait(seconds: 30)
    #expect(bench.calls("TransactionEvent").count >= 1)
  }

  /// A transaction's record that is older than its queued events: no number comes twice, and nothing ends twice.
  @Test(arguments: [false, true])
  func queuedEventsThatTheRecordDoesNotKnowOfCount(hasEnded: Bool) {
    let bench = StationBench(settings.merging(["AuthCtrlr/OfflineTxForUnknownIdEnabled": "true"]) { $1 }).boot()
    bench.plugIn()
    bench.linkDown()
    let record = bench.ledger.records[.transaction]
    bench.swipe()
    bench.wait(seconds: 10)
    if hasEnded { bench.plugOut() }
    let last = bench.ledger.outbox.count
    #expect(last >= 2 && record?["1"] != nil)
    var ledger = bench.ledger
    ledger.records[.transaction] = record
    let again = StationBench(settings, ledger: ledger).boot()
    again.wait(seconds: 10)
    let numbers = again.calls("TransactionEvent").compactMap { $0["seqNo"]?.intValue }
    #expect(numbers == Array(1...numbers.count))
    #expect(again.events.filter { $0.hasPrefix("Ended") }.count == 1)
    #expect(again.ledger.records[.transaction]?.isEmpty != false)
  }

  @Test func damageFoundWhileInUseIsTold() {
    let bench = StationBench(settings).boot()
    bench.input(.ledgerDamaged(LedgerDamage("damaged", salvagedMessages: 0, salvagedRecords: 0)))
    #expect(
      bench.calls("NotifyEvent").last?.text("eventData.0.techInfo") == "LedgerDamaged: the ledger was found damaged")
  }

  @Test func damageFoundAtTheStartIsToldOverRestarts() {
    let damage = LedgerDamage("ledger.sqlite was damaged", salvagedMessages: 1, salvagedRecords: 2)
    let bench = StationBench(settings, ledger: LedgerSnapshot(damage: damage))
    bench.input(.start)
    let again = bench.restarted(settings)
    #expect(again.ledger.outbox.count == 1)
    again.boot()
    #expect(
      again.calls("NotifyEvent").compactMap { $0.text("eventData.0.techInfo") } == [
        "LedgerDamaged: the ledger was found damaged"
      ])
  }

  @Test func lowSpaceIsASecurityEvent() {
    let bench = StationBench(settings).boot()
    bench.input(.storageLow(true))
    bench.input(.storageLow(true))
    #expect(bench.calls("SecurityEventNotification").filter { $0.text("type") == "MemoryExhaustion" }.count == 1)
    bench.plugIn()
    #expect(bench.events == ["Started CablePluggedIn EVConnected"])
  }
}
