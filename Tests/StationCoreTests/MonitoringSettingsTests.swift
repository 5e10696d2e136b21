import DeviceModel
import OCPP
import StationCore
import Testing

/// Setting, replacing, clearing and reporting monitors (N02-N06).
@Suite("Monitoring: settings and reports")
struct MonitoringSettingsTests {
  private typealias Bench = StationBench

  private static let preconfigured = [
    (place: "EVSE@1/AvailabilityState", config: "PreconfiguredMonitor", type: "Delta", value: 1, severity: 6),
    (place: "EVSE@2/AvailabilityState", config: "HardWiredMonitor", type: "Delta", value: 1, severity: 7),
  ]

  private func factoryBench(ledger: LedgerSnapshot = LedgerSnapshot()) -> Bench {
    StationBench(ledger: ledger, model: StationBench.model(monitors: Self.preconfigured)).boot()
  }

  // Proves: N04.FR.01, N04.FR.02, N04.FR.08, N04.FR.11, N02.FR.01, N02.FR.03, N02.FR.04, N02.FR.09, TC_N_08_CS, TC_N_09_CS, TC_N_10_CS
  @Test func setsMonitorsAndReportsThem() {
    let bench = StationBench().boot()
    let results = bench.setMonitors([
      Bench.monitor("EVSE@1/AvailabilityState", "Delta", 1, severity: 8),
      Bench.monitor("EVSE@1/AvailabilityState", "Delta", 1, severity: 7),
      Bench.monitor("ChargingStation/AvailabilityState", "Delta", 1, severity: 8),
    ])
    #expect(results.map { $0["status"]?.stringValue } == ["Accepted", "Accepted", "Accepted"])
    #expect(results.map { $0["id"]?.intValue } == [1, 2, 3])
    #expect(results[2]["component"]?["name"] == "ChargingStation" && results[2]["severity"] == 8)
    let report = bench.monitoringReport(["requestId": 7])
    #expect(report == ["3 Delta 8", "1 Delta 8", "2 Delta 7"] || report == ["1 Delta 8", "2 Delta 7", "3 Delta 8"])
    let parts = bench.calls("NotifyMonitoringReport")
    #expect(parts.count == 1 && parts[0]["requestId"] == 7 && parts[0]["seqNo"] == 0 && parts[0]["tbc"] == nil)
    #expect(parts[0].text("generatedAt") != nil)
    #expect(bench.value("MonitoringCtrlr/ActiveMonitors") == "3")
  }

  // Proves: N04.FR.03, N04.FR.04, N04.FR.05, N04.FR.06, N04.FR.10, N04.FR.14, N04.FR.20, TC_N_11_CS, TC_N_12_CS, TC_N_13_CS, TC_N_15_CS, TC_N_37_CS, TC_N_38_CS, TC_N_43_CS
  @Test func refusesWhatCannotBe() {
    let bench = StationBench().boot()
    let results = bench.setMonitors([
      Bench.monitor("EVSE@99/AvailabilityState", "Delta", 1),
      Bench.monitor("NonExistent/Power", "UpperThreshold", 1234),
      Bench.monitor("EVSE@1/unknownVariable", "Delta", 1),
      Bench.monitor("EVSE/unknownVariable", "Delta", 1),
      Bench.monitor("EVSE@1/AvailabilityState", "UpperThreshold", 1),
      Bench.monitor("ChargingStation/Model", "Delta", 1),
      Bench.monitor("EVSE@1/AvailabilityState", "Delta", -1),
      Bench.monitor("EVSE@1/AvailabilityState", "Delta", 0),
      Bench.monitor("EVSE@1/Power", "UpperThreshold", 100_000),
      Bench.monitor("EVSE@1/Power", "LowerThreshold", -1),
      Bench.monitor("EVSE@1/Power", "UpperThreshold", 100, severity: 10),
      Bench.monitor("EVSE@1/Power", "Periodic", 0.5),
      Bench.monitor("EVSE@1/Power", "PeriodicClockAligned", 86_401),
      Bench.monitor("EVSE@1/Power", "UpperThreshold", 100),
      Bench.monitor("EVSE@1/Power", "UpperThreshold", 200),
    ])
    #expect(
      results.map { $0["status"]?.stringValue } == [
        "UnknownComponent", "UnknownComponent", "UnknownVariable", "UnknownVariable", "UnsupportedMonitorType",
        "UnsupportedMonitorType", "Rejected", "Rejected", "Rejected", "Rejected", "Rejected", "Rejected", "Rejected",
        "Accepted", "Duplicate",
      ])
    #expect(results.map { $0["id"] != nil } == [Bool](repeating: false, count: 13) + [true, false])
    #expect(results[6]["statusInfo"]?["reasonCode"] == "ValuePositiveOnly")
    #expect(results[8]["statusInfo"]?["reasonCode"] == "ValueOutOfRange")
    #expect(bench.monitoringReport() == ["1 UpperThreshold 5"])
  }

  // Proves: N04.FR.12, N04.FR.13, N04.FR.16, N04.FR.18, TC_N_39_CS, TC_N_40_CS
  @Test func replacesByID() {
    let bench = factoryBench()
    let id = bench.watch("EVSE@1/Power", "Delta", 500, severity: 5)
    bench.watch("EVSE@1/Power", "Delta", 700, severity: 4, id: id)
    #expect(
      bench.monitoringReport(["requestId": 1, "monitoringCriteria": ["DeltaMonitoring"]]).contains("\(id) Delta 4"))
    let hardWired = bench.station.model.variableHandles.count > 0 ? hardWiredID(bench) : 0
    let results = bench.setMonitors([
      Bench.monitor("ChargingStation/Power", "UpperThreshold", 1, id: id),
      Bench.monitor("EVSE@1/Power", "Delta", 1, id: 4711),
      Bench.monitor("EVSE@2/AvailabilityState", "Delta", 1, severity: 1, id: hardWired),
      Bench.monitor("NonExistent/Power", "Delta", 1, id: id),
    ])
    #expect(results.map { $0["status"]?.stringValue } == ["Rejected", "Rejected", "Rejected", "Rejected"])
    #expect(bench.monitoringReport().contains("\(id) Delta 4"))
  }

  private func hardWiredID(_ bench: Bench) -> Int {
    let report = bench.monitoringReport(
      [
        "requestId": 3,
        "componentVariable": [
          ["component": ["name": "EVSE", "evse": ["id": 2]], "variable": ["name": "AvailabilityState"]]
        ],
      ])
    return report.first.flatMap { Int($0.prefix { $0 != " " }) } ?? -1
  }

  private func preconfiguredID(_ bench: Bench) -> Int {
    let report = bench.monitoringReport(
      ["requestId": 3, "componentVariable": [["component": ["name": "EVSE", "evse": ["id": 1]]]]])
    return report.first.flatMap { Int($0.prefix { $0 != " " }) } ?? -1
  }

  // Proves: N03.FR.01, N03.FR.03, N03.FR.04, N03.FR.05, N04.FR.15, TC_N_05_CS, TC_N_06_CS, TC_N_41_CS
  @Test func basesDecideWhichMonitorsThereAre() {
    let bench = factoryBench()
    let id = preconfiguredID(bench)
    let fixed = hardWiredID(bench)
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1, severity: 3, id: id)
    let own = bench.watch("EVSE@1/Power", "Delta", 10)
    #expect(Set(bench.monitoringReport()) == ["\(id) Delta 3", "\(fixed) Delta 7", "\(own) Delta 5"])
    func base(_ name: String) -> Set<String> {
      #expect(bench.call("SetMonitoringBase", ["monitoringBase": .string(name)])?.text("status") == "Accepted")
      #expect(bench.value("MonitoringCtrlr/ActiveMonitoringBase") == name)
      return Set(bench.monitoringReport())
    }
    // What was changed is left as it is.
    #expect(base("All") == ["\(id) Delta 3", "\(fixed) Delta 7", "\(own) Delta 5"])
    // The preconfigured one comes back, under its id.
    #expect(base("FactoryDefault") == ["\(id) Delta 6", "\(fixed) Delta 7"])
    #expect(base("HardWiredOnly") == ["\(fixed) Delta 7"])
    // What is not active is not there.
    let result = bench.setMonitors([Bench.monitor("EVSE@1/AvailabilityState", "Delta", 1, severity: 3, id: id)])
    #expect(result.first?["status"] == "Rejected")
    // Base and monitors survive a power cut.
    let again = factoryBench(ledger: bench.ledger)
    #expect(again.monitoringReport() == ["\(fixed) Delta 7"])
    #expect(again.value("MonitoringCtrlr/ActiveMonitoringBase") == "HardWiredOnly")
    again.call("SetMonitoringBase", ["monitoringBase": "All"])
    #expect(Set(again.monitoringReport()) == ["\(id) Delta 6", "\(fixed) Delta 7"])
  }

  // Proves: N06.FR.01, N06.FR.02, N06.FR.03, N06.FR.05, TC_N_18_CS, TC_N_19_CS, TC_N_44_CS
  @Test func clearsWhatMayBeCleared() {
    let bench = factoryBench()
    let own = bench.watch("EVSE@1/Power", "Delta", 10)
    let id = preconfiguredID(bench)
    let fixed = hardWiredID(bench)
    guard
      case .result(let answer)? = bench.call(
        "ClearVariableMonitoring", ["id": [.int(own), .int(fixed), .int(id), 123_456, .int(own)]])
    else { return #expect(Bool(false)) }
    let results = answer["clearMonitoringResult"]?.arrayValue ?? []
    #expect(
      results.map { $0["status"]?.stringValue } == ["Accepted", "Rejected", "Accepted", "NotFound", "NotFound"])
    #expect(results.map { $0["id"]?.intValue } == [own, fixed, id, 123_456, own])
    #expect(bench.monitoringReport() == ["\(fixed) Delta 7"])
    // A cleared preconfigured monitor stays away after a restart, until a base brings it back.
    let again = factoryBench(ledger: bench.ledger)
    #expect(again.monitoringReport() == ["\(fixed) Delta 7"])
    again.call("SetMonitoringBase", ["monitoringBase": "All"])
    #expect(Set(again.monitoringReport()) == ["\(id) Delta 6", "\(fixed) Delta 7"])
  }

  // Proves: N07.FR.13, N04.FR.11, TC_N_53_CS
  @Test func idsAndMonitorsSurviveAPowerCut() {
    let bench = StationBench().boot()
    let first = bench.watch("EVSE@1/Power", "UpperThreshold", 10_000.5, severity: 3, transaction: true)
    let second = bench.watch("EVSE@2/Power", "Periodic", 600)
    bench.call("ClearVariableMonitoring", ["id": [.int(second)]])
    let again = bench.restarted().boot()
    again.forgetCalls()
    #expect(again.monitoringReport() == ["\(first) UpperThreshold 3"])
    let entry = again.calls("NotifyMonitoringReport").first
    #expect(entry?["monitor.0.variableMonitoring.0.value"] == .number(DecimalNumber(mantissa: 100_005, exponent: -1)))
    #expect(entry?["monitor.0.variableMonitoring.0.transaction"] == true)
    // An id is not used twice.
    #expect(again.watch("EVSE@2/Power", "Periodic", 600) == second + 1)
  }

  /// Monitors whose variable has gone with a new firmware are gone, and forgotten (N04, remark).
  @Test func monitorsOfVariablesThatAreGoneAreRemoved() {
    let bench = StationBench().boot()
    bench.watch("EVSE@2/Power", "Delta", 10)
    let id = bench.watch("EVSE@1/Power", "Delta", 10)
    #expect(bench.ledger.records[.monitor]?.count == 2)
    let smaller = StationBench(folder: "ac-one-evse", ledger: bench.ledger).boot()
    #expect(smaller.monitoringReport() == ["\(id) Delta 5"])
    #expect(smaller.ledger.records[.monitor]?.count == 1)
  }

  // Proves: N05.FR.01, N05.FR.02, TC_N_17_CS
  @Test func levelsOutOfRangeAreRejected() {
    let bench = StationBench().boot()
    for (severity, status) in [(10, "Rejected"), (-1, "Rejected"), (9, "Accepted"), (0, "Accepted"), (4, "Accepted")] {
      #expect(bench.call("SetMonitoringLevel", ["severity": .int(severity)])?.text("status") == status)
    }
    #expect(bench.value("MonitoringCtrlr/ActiveMonitoringLevel") == "4")
    #expect(bench.restarted().boot().value("MonitoringCtrlr/ActiveMonitoringLevel") == "4")
  }

  // Proves: N02.FR.05, N02.FR.06, N02.FR.08, N02.FR.10, N02.FR.11, N02.FR.12, N02.FR.13, N02.FR.14, TC_N_01_CS, TC_N_02_CS, TC_N_03_CS, TC_N_47_CS
  @Test func reportsByCriteriaAndVariable() {
    let bench = StationBench().boot()
    bench.watch("EVSE@1/Power", "UpperThreshold", 100)
    bench.watch("EVSE@1/Power", "LowerThreshold", 100)
    bench.watch("EVSE@1/AvailabilityState", "Delta", 1)
    bench.watch("ChargingStation/Power", "Periodic", 60)
    bench.watch("EVSE@2/Power", "PeriodicClockAligned", 900)
    func types(_ criteria: JSONValue, _ variables: JSONValue? = nil) -> Set<String> {
      var request = [JSONMember(name: "requestId", value: 1)]
      if criteria != .array([]) { request.append(JSONMember(name: "monitoringCriteria", value: criteria)) }
      if let variables { request.append(JSONMember(name: "componentVariable", value: variables)) }
      return Set(
        bench.monitoringReport(.object(request)).map {
          $0.split(separator: " ").dropFirst().first.map(String.init) ?? $0
        })
    }
    #expect(types(["ThresholdMonitoring"]) == ["UpperThreshold", "LowerThreshold"])
    #expect(types(["ThresholdMonitoring", "DeltaMonitoring"]) == ["UpperThreshold", "LowerThreshold", "Delta"])
    #expect(types(["DeltaMonitoring", "PeriodicMonitoring"]) == ["Delta", "Periodic", "PeriodicClockAligned"])
    #expect(types([]) == ["UpperThreshold", "LowerThreshold", "Delta", "Periodic", "PeriodicClockAligned"])
    let evse: JSONValue = [["component": ["name": "EVSE", "evse": ["id": 1]]]]
    #expect(types([], evse) == ["UpperThreshold", "LowerThreshold", "Delta"])
    #expect(types(["DeltaMonitoring"], evse) == ["Delta"])
    #expect(types(["PeriodicMonitoring"], evse) == ["EmptyResultSet"])
    let power: JSONValue = [["component": ["name": "EVSE"], "variable": ["name": "Power"]]]
    #expect(types([], power) == ["UpperThreshold", "LowerThreshold", "PeriodicClockAligned"])
  }

  // Proves: N02.FR.07, N02.FR.16, N02.FR.17, N02.FR.18, N02.FR.19, N02.FR.20, N02.FR.21
  @Test func whatIsAbsentInARequestIsAWildcard() {
    let bench = StationBench(["DeviceDataCtrlr/ItemsPerMessage.GetReport": "2"]).boot()
    let first = bench.watch("EVSE@1/ACCurrent.L1", "Delta", 1)
    let second = bench.watch("EVSE@1/ACCurrent.L2", "Delta", 1)
    let other = bench.watch("EVSE@2/ACCurrent.L1", "Delta", 1)
    let socket = bench.watch("Connector@1.1/AvailabilityState", "Delta", 1)
    func ids(_ component: JSONValue, _ variable: JSONValue? = nil) -> Set<Int> {
      var item = [JSONMember(name: "component", value: component)]
      if let variable { item.append(JSONMember(name: "variable", value: variable)) }
      let report = bench.monitoringReport(["requestId": 1, "componentVariable": [.object(item)]])
      return Set(report.compactMap { Int($0.prefix { $0 != " " }) })
    }
    let evse1: JSONValue = ["name": "EVSE", "evse": ["id": 1]]
    #expect(ids(evse1) == [first, second])
    #expect(ids(evse1, ["name": "ACCurrent"]) == [first, second])
    #expect(ids(evse1, ["name": "ACCurrent", "instance": "L2"]) == [second])
    #expect(ids(["name": "EVSE"], ["name": "ACCurrent", "instance": "L1"]) == [first, other])
    #expect(ids(["name": "Connector", "evse": ["id": 1]]) == [socket])
    #expect(ids(["name": "Connector", "evse": ["id": 1, "connectorId": 2]]) == [])
    #expect(ids(["name": "EVSE", "instance": "X"]) == [])
    let three: JSONValue = [["component": evse1], ["component": evse1], ["component": evse1]]
    #expect(
      bench.call("GetMonitoringReport", ["requestId": 1, "componentVariable": three])
        == .error("OccurrenceConstraintViolation"))
  }

  /// A long report comes in parts, numbered, the next when the last was taken.
  @Test func longReportsComeInParts() {
    let bench = StationBench().boot()
    var items: [JSONValue] = []
    for handle in bench.station.model.variableHandles.prefix(400) {
      let place = "\(bench.station.model.address(of: handle))"
      for severity in 0..<4 { items.append(Bench.monitor(place, "Delta", 1, severity: severity)) }
    }
    var count = 0
    for start in stride(from: 0, to: items.count, by: 100) {
      count +=
        bench.setMonitors(Array(items[start..<min(start + 100, items.count)])).filter { $0["status"] == "Accepted" }
        .count
    }
    #expect(count > 200)
    #expect(bench.monitoringReport().count == count)
    let parts = bench.calls("NotifyMonitoringReport")
    #expect(parts.count > 3)
    #expect(parts.map { $0["seqNo"]?.intValue } == Array(0..<parts.count))
    #expect(parts.dropLast().allSatisfy { $0["tbc"] == true } && parts.last?["tbc"] == nil)
    #expect(Set(parts.map { $0.text("generatedAt") }).count == 1)
  }

  // Proves: N04.FR.09, N06.FR.06, N06.FR.07
  @Test func messagesThatAreTooLongAreRefused() {
    let bench = StationBench([
      "MonitoringCtrlr/ItemsPerMessage.SetVariableMonitoring": "1",
      "MonitoringCtrlr/ItemsPerMessage.ClearVariableMonitoring": "1",
      "MonitoringCtrlr/BytesPerMessage.ClearVariableMonitoring": "20",
    ]).boot()
    let one = Bench.monitor("EVSE@1/Power", "Delta", 1)
    #expect(
      bench.call("SetVariableMonitoring", ["setMonitoringData": [one, one]]) == .error("OccurrenceConstraintViolation"))
    #expect(bench.call("ClearVariableMonitoring", ["id": [1, 2]]) == .error("OccurrenceConstraintViolation"))
    #expect(bench.call("ClearVariableMonitoring", ["id": [1_000_000, 2_000_000]]) == .error("FormatViolation"))
  }

  @Test func thereIsALimit() {
    let bench = StationBench().boot()
    let places = bench.station.model.variableHandles.map { "\(bench.station.model.address(of: $0))" }
    var statuses: [String] = []
    outer: for severity in 0...9 {
      for start in stride(from: 0, to: places.count, by: 100) {
        let items = places[start..<min(start + 100, places.count)].map {
          Bench.monitor($0, "Delta", 1, severity: severity)
        }
        statuses += bench.setMonitors(Array(items)).compactMap { $0["status"]?.stringValue }
        if statuses.last == "Rejected" { break outer }
      }
    }
    #expect(statuses.filter { $0 == "Accepted" }.count == 1024)
    #expect(statuses.last == "Rejected")
    #expect(bench.value("MonitoringCtrlr/ActiveMonitors") == "1024")
  }

  /// What could not be stored was not set.
  @Test func whatTheLedgerRefusesIsTakenBack() {
    let bench = factoryBench()
    let own = bench.watch("EVSE@1/Power", "Delta", 10)
    let before = Set(bench.monitoringReport())
    bench.ledgerFails = .medium
    #expect(
      bench.call("SetVariableMonitoring", ["setMonitoringData": [Bench.monitor("EVSE@2/Power", "Delta", 10)]])
        == .error("InternalError"))
    #expect(Set(bench.monitoringReport()) == before)
    #expect(bench.call("SetMonitoringBase", ["monitoringBase": "HardWiredOnly"])?.text("status") == "Rejected")
    #expect(
      bench.call("ClearVariableMonitoring", ["id": [.int(own)]])?.text("clearMonitoringResult.0.status") == "Rejected")
    #expect(Set(bench.monitoringReport()) == before)
    #expect(bench.value("MonitoringCtrlr/ActiveMonitors") == "3")
  }

  @Test func withoutMonitoringTheMessagesAreNotSupported() {
    let bench = StationBench(["MonitoringCtrlr/Available": "false"]).boot()
    #expect(bench.call("GetMonitoringReport", ["requestId": 1]) == .error("NotSupported"))
    #expect(bench.call("SetMonitoringLevel", ["severity": 1]) == .error("NotSupported"))
  }
}
