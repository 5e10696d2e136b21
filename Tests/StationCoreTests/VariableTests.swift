import OCPP
import StationCore
import Testing

@Suite("Variables and reports: many items, and limits of messages")
struct VariableTests {
  private func item(_ component: String, _ variable: String, _ type: String?, value: String? = nil) -> JSONValue {
    var members = [
      JSONMember(name: "component", value: ["name": .string(component)]),
      JSONMember(name: "variable", value: ["name": .string(variable)]),
    ]
    if let type { members.append(JSONMember(name: "attributeType", value: .string(type))) }
    if let value { members.append(JSONMember(name: "attributeValue", value: .string(value))) }
    return .object(members)
  }

  private func results(_ answer: StationBench.Answer?, _ name: String) -> [JSONValue] {
    guard case .result(let payload)? = answer else { return [] }
    return payload[name]?.arrayValue ?? []
  }

  // Proves: B05.FR.01, B05.FR.02, B05.FR.03, B05.FR.09, B05.FR.10, B05.FR.12
  @Test func fiftyItemsWithMixedVerdicts() {
    let bench = StationBench().boot()
    let kinds: [(component: String, variable: String, type: String?, value: String, status: String)] = [
      ("TxCtrlr", "EVConnectionTimeOut", nil, "70", "Accepted"),
      ("OCPPCommCtrlr", "OfflineThreshold", "Actual", "90", "Accepted"),
      ("TxCtrlr", "EVConnectionTimeOut", "Target", "70", "NotSupportedAttributeType"),
      ("NoCtrlr", "X", nil, "1", "UnknownComponent"), ("TxCtrlr", "X", "Actual", "1", "UnknownVariable"),
      ("AuthCtrlr", "LocalPreAuthorize", nil, "perhaps", "Rejected"),
      ("DeviceDataCtrlr", "ReportingValueSize", nil, "1", "Rejected"),
    ]
    let sent = (0..<50).map { kinds[$0 % kinds.count] }
    let answer = bench.call(
      "SetVariables",
      ["setVariableData": .array(sent.map { item($0.component, $0.variable, $0.type, value: $0.value) })])
    let results = results(answer, "setVariableResult")
    #expect(results.count == 50)
    for (sent, result) in zip(sent, results) {
      #expect(result["component"]?["name"]?.stringValue == sent.component)
      #expect(result["variable"]?["name"]?.stringValue == sent.variable)
      #expect(result["attributeType"]?.stringValue == sent.type ?? "Actual")
      #expect(result["attributeStatus"]?.stringValue == sent.status)
    }
  }

  // Proves: B06.FR.01, B06.FR.02, B06.FR.03, B06.FR.04, B06.FR.10, B06.FR.11
  @Test func fiftyItemsAreRead() {
    let bench = StationBench(["TxCtrlr/EVConnectionTimeOut": "71", "OCPPCommCtrlr/OfflineThreshold": "91"]).boot()
    let kinds: [(component: String, variable: String, type: String?, value: String?)] = [
      ("TxCtrlr", "EVConnectionTimeOut", nil, "71"), ("OCPPCommCtrlr", "OfflineThreshold", "Actual", "91"),
      ("OCPPCommCtrlr", "OfflineThreshold", "Target", nil), ("NoCtrlr", "X", nil, nil),
    ]
    let asked = (0..<50).map { kinds[$0 % kinds.count] }
    let answer = bench.call(
      "GetVariables", ["getVariableData": .array(asked.map { item($0.component, $0.variable, $0.type) })])
    let results = results(answer, "getVariableResult")
    #expect(results.count == 50)
    for (asked, result) in zip(asked, results) {
      #expect(result["component"]?["name"]?.stringValue == asked.component)
      #expect(result["variable"]?["name"]?.stringValue == asked.variable)
      #expect(result["attributeType"]?.stringValue == asked.type ?? "Actual")
      #expect(result["attributeValue"]?.stringValue == asked.value)
      #expect((result["attributeStatus"] == "Accepted") == (asked.value != nil))
    }
  }

  // Proves: B06.FR.17, B08.FR.17, B08.FR.18
  @Test func messagesBeyondTheirLimits() {
    let bench = StationBench([
      "DeviceDataCtrlr/BytesPerMessage.GetVariables": "300", "DeviceDataCtrlr/BytesPerMessage.GetReport": "300",
      "DeviceDataCtrlr/ItemsPerMessage.GetReport": "2",
    ]).boot()
    let long = String(repeating: "x", count: 40)
    func read(_ count: Int) -> StationBench.Answer? {
      bench.call("GetVariables", ["getVariableData": .array(Array(repeating: item(long, long, nil), count: count))])
    }
    #expect(read(2)?.text("getVariableResult.0.attributeStatus") == "UnknownComponent")
    #expect(read(3) == .error("FormatViolation"))
    func report(_ name: String, _ count: Int) -> StationBench.Answer? {
      let items = Array(
        repeating: JSONValue.object([JSONMember(name: "component", value: ["name": .string(name)])]), count: count)
      return bench.call("GetReport", ["requestId": 1, "componentVariable": .array(items)])
    }
    #expect(report("TxCtrlr", 2)?.text("status") == "Accepted")
    #expect(report("TxCtrlr", 3) == .error("OccurrenceConstraintViolation"))
    #expect(report(String(repeating: "x", count: 150), 2) == .error("FormatViolation"))
  }

  // Proves: B08.FR.01, B08.FR.04, B08.FR.12, B08.FR.14, B08.FR.15
  @Test func aReportInParts() {
    let bench = StationBench().boot()
    bench.forgetCalls()
    let components = [
      "OCPPCommCtrlr", "DeviceDataCtrlr", "AuthCtrlr", "TxCtrlr", "SampledDataCtrlr", "LocalAuthListCtrlr",
    ]
    let criteria: JSONValue = [
      "requestId": 31, "componentVariable": .array(components.map { ["component": ["name": .string($0)]] }),
    ]
    #expect(bench.call("GetReport", criteria)?.text("status") == "Accepted")
    let parts = bench.calls("NotifyReport")
    #expect(parts.count > 1)
    #expect(parts.map { $0["seqNo"]?.intValue } == Array(0..<parts.count))
    #expect(parts.allSatisfy { $0["requestId"] == 31 })
    let entries = parts.flatMap { $0["reportData"]?.arrayValue ?? [] }
    #expect(entries.allSatisfy { $0["variableCharacteristics"]?["dataType"] != nil })
    bench.forgetCalls()
    let nothing: JSONValue = ["requestId": 32, "componentVariable": [["component": ["name": "NoCtrlr"]]]]
    #expect(bench.call("GetReport", nothing)?.text("status") == "EmptyResultSet")
    #expect(bench.calls("NotifyReport").isEmpty)
  }

  /// A CSMS that does not take the parts it asked for: reports wait, then further ones are refused until one is through.
  // Proves: B07.FR.13, B08.FR.16, B07.FR.12
  @Test func tooManyReportsAtOnce() {
    let bench = StationBench().boot()
    bench.responder = { $0.action == "NotifyReport" ? nil : StationBench.accepting($0) }
    for base in ["FullInventory", "ConfigurationInventory", "SummaryInventory", "FullInventory"] {
      let request: JSONValue = ["requestId": 1, "reportBase": .string(base)]
      #expect(bench.call("GetBaseReport", request)?.text("status") == "Accepted")
    }
    let base: JSONValue = ["requestId": 5, "reportBase": "FullInventory"]
    let custom: JSONValue = ["requestId": 6, "componentCriteria": ["Available"]]
    #expect(bench.call("GetBaseReport", base)?.text("status") == "Rejected")
    #expect(bench.call("GetReport", custom)?.text("status") == "Rejected")
    bench.responder = StationBench.accepting
    bench.wait(seconds: 31)  // the part that was given up
    #expect(bench.call("GetReport", custom)?.text("status") == "Accepted")
    #expect(bench.calls("NotifyReport").contains { $0["requestId"] == 6 })
  }
}
