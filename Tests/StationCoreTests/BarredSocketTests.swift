import OCPP
import StationCore
import Testing

/// ConnectorProtectionRelease: the lock bars the empty socket until somebody is authorized (Part 5, AQ-2).
@Suite("A socket that is locked before authorization")
struct BarredSocketTests {
  private func bench(_ settings: [String: String] = [:]) -> StationBench {
    let all = ["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "EVConnected,Authorized"]
    return StationBench(all.merging(settings) { $1 }, folder: "ac-locked-socket").boot()
  }

  private func isLocked(_ bench: StationBench) -> Bool { bench.station.snapshot.evses[0].connectors[0].locked }
  private func isOpen(_ bench: StationBench) -> Bool {
    bench.value("ConnectorProtectionRelease@1.1/Active") == "true"
  }

  // Proves: C01.FR.02, TC_C_05_CS
  @Test func aTokenThatIsInvalidDoesNotOpenIt() {
    let bench = bench()
    #expect(isLocked(bench) && !isOpen(bench))
    bench.responder = { call in
      call.action == "Authorize" ? ["idTokenInfo": ["status": "Invalid"]] : StationBench.accepting(call)
    }
    bench.swipe()
    #expect(bench.calls("Authorize").count == 1)
    #expect(isLocked(bench))
    #expect(bench.calls("TransactionEvent").isEmpty)
  }

  /// Open for the one who is authorized, locked around the plug, barred again when it has left.
  // Proves: C01.FR.02, E03.FR.01
  @Test func aWholeSession() throws {
    let bench = bench()
    bench.swipe()
    #expect(!isLocked(bench) && isOpen(bench))
    bench.plugIn()
    #expect(isLocked(bench))
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    bench.swipe()
    bench.wait(seconds: 8)
    #expect(!isLocked(bench), "the driver fetches the plug")
    bench.plugOut()
    #expect(isLocked(bench))
    #expect(bench.calls("TransactionEvent").last?.text("eventType") == "Ended")
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  // Proves: E03.FR.05
  @Test func whoDoesNotPlugInLosesIt() {
    let bench = bench(["TxCtrlr/EVConnectionTimeOut": "30"])
    bench.swipe()
    bench.wait(seconds: 29)
    #expect(!isLocked(bench))
    bench.wait(seconds: 2)
    #expect(isLocked(bench))
  }

  // Proves: F01.FR.01
  @Test func aRemoteStartOpensIt() {
    let bench = bench()
    bench.call(
      "RequestStartTransaction", ["idToken": ["idToken": "APP1", "type": "Central"], "remoteStartId": 3, "evseId": 1])
    #expect(!isLocked(bench))
  }

  /// It is tried whatever is in the socket; then the bar is back.
  // Proves: F05.FR.06
  @Test func unlockConnectorOpensItForAMoment() {
    let bench = bench()
    let answer = bench.call("UnlockConnector", ["evseId": 1, "connectorId": 1])
    #expect(answer?.text("status") == "Unlocked")
    #expect(isLocked(bench))
  }

  /// C02: a vehicle is all it takes, so it must find an open socket.
  // Proves: C02.FR.01
  @Test func withoutAuthorizationItIsOpen() {
    let bench = bench(["AuthCtrlr/Enabled": "false"])
    #expect(!isLocked(bench))
    bench.plugIn()
    let started = bench.calls("TransactionEvent").first
    #expect(started?.text("eventType") == "Started")
    #expect(started?.text("idToken.type") == "NoAuthorization" && started?.text("idToken.idToken") == "")
  }

  /// The lock lets go when the station stops.
  @Test func aStationThatStopsBarsNothing() {
    let bench = bench()
    bench.input(.shutdown)
    #expect(!isLocked(bench))
  }
}
