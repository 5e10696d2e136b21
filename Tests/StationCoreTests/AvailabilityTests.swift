import OCPP
import StationCore
import Testing

@Suite("Availability: what is inoperative, and what the CSMS hears of it")
struct AvailabilityTests {
  private func change(_ bench: StationBench, _ status: String, _ evse: JSONValue? = nil) -> String? {
    var members = [JSONMember(name: "operationalStatus", value: .string(status))]
    if let evse { members.append(JSONMember(name: "evse", value: evse)) }
    bench.forgetCalls()
    return bench.call("ChangeAvailability", .object(members))?.text("status")
  }

  private func told(_ bench: StationBench) -> [String] {
    bench.calls("StatusNotification").map {
      "\($0["evseId"]?.intValue ?? 0).\($0["connectorId"]?.intValue ?? 0) \($0.text("connectorStatus") ?? "")"
    }
  }

  /// EVSE or connector: told, faulty ones left as they are, and back to what they were.
  // Proves: G01.FR.01, G01.FR.07, G03.FR.01, G03.FR.02, G03.FR.04, G03.FR.06, G03.FR.07
  @Test(arguments: [["id": 1] as JSONValue, ["id": 1, "connectorId": 1]])
  func anEVSEAndBack(evse: JSONValue) {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EnergyTransfer"]).boot()
    bench.plugIn(1)
    #expect(change(bench, "Inoperative", evse) == "Accepted")
    #expect(told(bench) == ["1.1 Unavailable"])
    bench.swipe(evses: [1])
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] != true)
    bench.pilot(.b)
    let fault = HardwareFault(name: "GroundFailure", evse: 1)
    bench.input(.hardware(.faultRaised(fault)))
    #expect(told(bench).last == "1.1 Faulted")
    bench.input(.hardware(.faultCleared(fault)))
    #expect(told(bench).last == "1.1 Unavailable")
    #expect(change(bench, "Operative", evse) == "Accepted")
    #expect(told(bench) == ["1.1 Occupied"])
    #expect(change(bench, "Inoperative", ["id": 1, "connectorId": 2]) == "Rejected")
  }

  // Proves: G04.FR.01, G04.FR.02, G04.FR.03, G04.FR.04, G04.FR.05, G04.FR.07, G04.FR.08
  @Test func theStationAndBack() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EnergyTransfer"]).boot()
    bench.plugIn(2)
    #expect(change(bench, "Inoperative", ["id": 1]) == "Accepted")
    bench.input(.hardware(.faultRaised(HardwareFault(name: "GroundFailure", evse: 2))))
    #expect(change(bench, "Inoperative") == "Accepted")
    #expect(told(bench) == [])  // one is unavailable already, the other one faulty
    bench.input(.hardware(.faultCleared(HardwareFault(name: "GroundFailure", evse: 2))))
    #expect(told(bench) == ["2.1 Unavailable"])
    #expect(change(bench, "Inoperative") == "Accepted")
    #expect(change(bench, "Operative") == "Accepted")
    #expect(told(bench) == ["2.1 Occupied"])  // the first EVSE was set by itself
  }

  /// Nobody can use the other connector of the EVSE, and yet its own status does not change.
  // Proves: G01.FR.08
  @Test func theOtherConnectorOfTheEVSESaysNothing() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EnergyTransfer"], folder: "ac-two-connectors").boot()
    #expect(told(bench) == ["1.1 Available", "1.2 Available"])
    bench.forgetCalls()
    bench.plugIn(1)
    #expect(told(bench) == ["1.1 Occupied"])
    bench.plugOut(1)
    #expect(told(bench) == ["1.1 Occupied", "1.1 Available"])
  }

  // Proves: G04.FR.06, G04.FR.09, G03.FR.05
  @Test func theStationWaitsForATransactionAndStaysUnavailable() {
    let settings = ["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"]
    let bench = StationBench(settings).boot()
    bench.plugIn(2)
    bench.swipe(evses: [2])
    bench.pilot(.c, 2)
    #expect(change(bench, "Inoperative") == "Scheduled")
    #expect(told(bench) == ["1.1 Unavailable"])
    #expect(bench.contactorClosed[2] == true)
    bench.swipe(evses: [2])
    bench.plugOut(2)
    #expect(told(bench).last == "2.1 Unavailable")
    let again = bench.restarted(settings).boot()
    #expect(told(again) == ["1.1 Unavailable", "2.1 Unavailable"])
  }
}
