import DeviceModel
import OCPP
import StationCore
import Testing

@Suite("Provisioning: boot, registration, heartbeat, variables, reset")
struct ProvisioningTests {
  // Proves: B01.FR.01, B01.FR.05, B01.FR.08, B01.FR.09, TC_B_01_CS
  @Test func bootsAndReportsEveryConnector() {
    let bench = StationBench().boot()
    #expect(bench.calls.first?.action == "BootNotification")
    #expect(bench.calls.first?.text("reason") == "PowerUp")
    let status = bench.calls("StatusNotification")
    #expect(status.map { $0["evseId"]?.intValue } == [1, 2])
    #expect(status.allSatisfy { $0.text("connectorStatus") == "Available" })
    #expect(bench.calls("SecurityEventNotification").first?.text("type") == "StartupOfTheDevice")
    #expect(bench.station.snapshot.registration == "Accepted")
  }

  // Proves: B02.FR.01, B02.FR.02, B02.FR.04, B02.FR.05, B02.FR.08, F06.FR.17, TC_B_02_CS
  @Test func pendingAnswersButStaysSilent() {
    let bench = StationBench()
    bench.responder = answering("Pending", interval: 20)
    bench.boot()
    #expect(bench.calls.map(\.action) == ["BootNotification"])
    bench.plugIn()
    let variables = bench.call(
      "GetVariables",
      ["getVariableData": [["component": ["name": "TxCtrlr"], "variable": ["name": "EVConnectionTimeOut"]]]])
    #expect(variables?.text("getVariableResult.0.attributeStatus") == "Accepted")
    let start = bench.call(
      "RequestStartTransaction",
      ["idToken": ["idToken": "X", "type": "Central"], "remoteStartId": 1, "evseId": 1])
    #expect(start?.text("status") == "Rejected")
    #expect(bench.calls.count == 1)
    #expect(bench.call("TriggerMessage", ["requestedMessage": "Heartbeat"])?.text("status") == "Accepted")
    #expect(bench.calls.last?.action == "Heartbeat")
    bench.forgetCalls()
    bench.wait(seconds: 19)
    #expect(bench.calls.isEmpty)
    bench.responder = StationBench.accepting
    bench.wait(seconds: 1)
    #expect(bench.calls.first?.action == "BootNotification")
    #expect(bench.calls("StatusNotification").first?.text("connectorStatus") == "Occupied")
  }

  // Proves: B03.FR.02, B03.FR.06, B03.FR.08, TC_B_03_CS, TC_B_30_CS
  @Test func rejectedRefusesEverything() {
    let bench = StationBench()
    bench.responder = answering("Rejected", interval: 0)
    bench.boot()
    #expect(bench.call("GetBaseReport", ["requestId": 1, "reportBase": "FullInventory"]) == .error("SecurityError"))
    bench.wait(seconds: 29)
    #expect(bench.calls.count == 1)
    bench.wait(seconds: 1)  // B03.FR.05: an interval of the station's own
    #expect(bench.calls.map(\.action) == ["BootNotification", "BootNotification"])
  }

  /// A refused station tries again; when that BootNotification is lost with a dead connection, the next one begins with it.
  // Proves: B02.FR.04, B03.FR.06
  @Test(arguments: ["Rejected", "Pending"])
  func aBootNotificationThatIsLostWithTheLinkIsSentAgain(status: String) {
    let bench = StationBench(["OCPPCommCtrlr/WebSocketPingInterval": "15"])
    bench.responder = answering(status, interval: 20)
    bench.boot()
    bench.responder = { $0.action == "BootNotification" ? nil : StationBench.accepting($0) }
    bench.answersPing = false
    bench.wait(seconds: 30)
    #expect(bench.calls("BootNotification").count == 2)
    #expect(!bench.station.snapshot.isConnected)
    bench.responder = StationBench.accepting
    bench.wait(seconds: 5)  // the next attempt
    bench.linkUp()
    #expect(bench.station.snapshot.registration == "Accepted")
  }

  @Test func bootIsRepeatedWhenNoAnswerComes() {
    let bench = StationBench()
    bench.responder = { $0.action == "BootNotification" ? nil : StationBench.accepting($0) }
    bench.boot()
    bench.responder = StationBench.accepting
    bench.wait(seconds: 61)
    #expect(bench.station.snapshot.registration == "Accepted")
  }

  // Proves: G02.FR.01, G02.FR.02, G02.FR.05, B01.FR.04
  @Test func heartbeatCountsFromTheLastMessage() {
    let bench = StationBench().boot()
    bench.forgetCalls()
    bench.wait(seconds: 200)
    bench.plugIn()
    bench.forgetCalls()
    bench.wait(seconds: 299)
    #expect(bench.calls.isEmpty)
    bench.wait(seconds: 2)
    #expect(bench.calls.map(\.action) == ["Heartbeat"])
    bench.wait(seconds: 300)
    #expect(bench.calls("Heartbeat").count == 2)
  }

  // Proves: B01.FR.06, G02.FR.06
  @Test func clockFollowsTheCSMS() {
    let bench = StationBench(["ClockCtrlr/TimeSource": "Heartbeat"])
    bench.responder = { call in
      call.action == "BootNotification"
        ? ["currentTime": "2026-05-05T12:00:00Z", "interval": 300, "status": "Accepted"]
        : StationBench.accepting(call)
    }
    bench.boot()
    #expect(bench.calls("StatusNotification").first?.text("timestamp") == "2026-05-05T12:00:00.000Z")
  }

  // Proves: B05.FR.01, B05.FR.04, B05.FR.05, B05.FR.06, B05.FR.07, B05.FR.09, B05.FR.12, TC_B_10_CS, TC_B_11_CS
  @Test func setVariablesWithMixedVerdicts() {
    let bench = StationBench().boot()
    func item(_ component: String, _ variable: String, _ value: String, _ type: String? = nil) -> JSONValue {
      var members = [
        JSONMember(name: "component", value: ["name": .string(component)]),
        JSONMember(name: "variable", value: ["name": .string(variable)]),
        JSONMember(name: "attributeValue", value: .string(value)),
      ]
      if let type { members.append(JSONMember(name: "attributeType", value: .string(type))) }
      return .object(members)
    }
    let answer = bench.call(
      "SetVariables",
      [
        "setVariableData": [
          item("TxCtrlr", "EVConnectionTimeOut", "77"), item("NoCtrlr", "X", "1"), item("TxCtrlr", "NoVariable", "1"),
          item("TxCtrlr", "EVConnectionTimeOut", "1", "Target"), item("TxCtrlr", "EVConnectionTimeOut", "soon"),
          item("SecurityCtrlr", "SecurityProfile", "0"),
        ]
      ])
    let statuses = (0..<6).map { answer?.text("setVariableResult.\($0).attributeStatus") }
    #expect(
      statuses == [
        "Accepted", "UnknownComponent", "UnknownVariable", "NotSupportedAttributeType", "Rejected", "Rejected",
      ])
    #expect(answer?.text("setVariableResult.0.attributeType") == "Actual")
    // The change is in the ledger before the answer is on the wire, and survives a restart, factory values or not.
    let restarted = bench.restarted(["TxCtrlr/EVConnectionTimeOut": "5"]).boot()
    let read = restarted.call(
      "GetVariables",
      ["getVariableData": [["component": ["name": "txctrlr"], "variable": ["name": "EVConnectionTimeout"]]]])
    #expect(read?.text("getVariableResult.0.attributeValue") == "77")
  }

  // Proves: B06.FR.06, B06.FR.07, B06.FR.08, B06.FR.09, B06.FR.16, TC_B_32_CS, TC_B_33_CS, TC_B_34_CS
  @Test func getVariablesVerdicts() {
    let bench = StationBench(["DeviceDataCtrlr/ItemsPerMessage.GetVariables": "10"]).boot()
    func read(_ component: String, _ variable: String, _ type: String = "Actual") -> String? {
      bench.call(
        "GetVariables",
        [
          "getVariableData": [
            [
              "component": ["name": .string(component)], "variable": ["name": .string(variable)],
              "attributeType": .string(type),
            ]
          ]
        ])?.text("getVariableResult.0.attributeStatus")
    }
    #expect(read("NoCtrlr", "X") == "UnknownComponent")
    #expect(read("TxCtrlr", "X") == "UnknownVariable")
    #expect(read("TxCtrlr", "TxStartPoint", "MaxSet") == "NotSupportedAttributeType")
    #expect(read("SecurityCtrlr", "BasicAuthPassword") == "Rejected")
    let item: JSONValue = ["component": ["name": "TxCtrlr"], "variable": ["name": "TxStartPoint"]]
    let many = bench.call("GetVariables", ["getVariableData": .array(Array(repeating: item, count: 11))])
    #expect(many == .error("OccurrenceConstraintViolation"))
  }

  // Proves: B07.FR.01, B07.FR.03, B07.FR.04, B07.FR.08, B07.FR.10, TC_B_13_CS
  @Test func fullInventoryComesInOrderedParts() {
    let bench = StationBench().boot()
    bench.forgetCalls()
    #expect(
      bench.call("GetBaseReport", ["requestId": 77, "reportBase": "FullInventory"])?.text("status") == "Accepted")
    let parts = bench.calls("NotifyReport")
    #expect(parts.count > 1)
    #expect(parts.map { $0["seqNo"]?.intValue } == Array(0..<parts.count))
    #expect(parts.allSatisfy { $0["requestId"] == 77 })
    #expect(parts.dropLast().allSatisfy { $0["tbc"] == true })
    #expect(parts.last?["tbc"] != true)
    let count = parts.reduce(0) { $0 + ($1["reportData"]?.arrayValue?.count ?? 0) }
    #expect(count == bench.station.model.variables.count)
  }

  // Proves: B12.FR.01, B12.FR.02, B12.FR.04, E07.FR.06, B11.FR.09, TC_B_21_CS, TC_B_22_CS, TC_B_28_CS
  @Test func resetEndsOrAwaitsTransactions() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected"]).boot()
    #expect(bench.call("Reset", ["type": "Immediate", "evseId": 1])?.text("status") == "Rejected")
    bench.plugIn()
    #expect(bench.call("Reset", ["type": "OnIdle"])?.text("status") == "Scheduled")
    #expect(!bench.actions.contains(.restart(.remoteReset)))
    #expect(bench.call("Reset", ["type": "Immediate"])?.text("status") == "Accepted")
    let ended = bench.calls("TransactionEvent").last
    #expect(ended?.text("triggerReason") == "ResetCommand")
    #expect(ended?.text("transactionInfo.stoppedReason") == "ImmediateReset")
    #expect(bench.actions.last == .restart(.remoteReset))
  }

  // Proves: TC_P_01_CS, P01.FR.05, F06.FR.08
  @Test func whatIsNotThereSaysSo() {
    let bench = StationBench().boot()
    #expect(bench.call("DataTransfer", ["vendorId": "x"])?.text("status") == "UnknownVendorId")
    #expect(bench.call("CancelReservation", ["reservationId": 1]) == .error("NotSupported"))
    #expect(bench.call("Nonsense", [:]) == .error("NotImplemented"))
    #expect(bench.call("GetVariables", ["getVariableData": []]) == .error("OccurrenceConstraintViolation"))
    let trigger = bench.call("TriggerMessage", ["requestedMessage": "SignCombinedCertificate"])
    #expect(trigger?.text("status") == "NotImplemented")
  }

  private func answering(_ status: String, interval: Int) -> (StationBench.Call) -> JSONValue? {
    { call in
      call.action == "BootNotification"
        ? ["currentTime": "2026-01-01T00:00:00Z", "interval": .int(interval), "status": .string(status)]
        : StationBench.accepting(call)
    }
  }
}
