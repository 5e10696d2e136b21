import OCPP
import StationCore
import Testing

/// Between the vehicle's leaving, which makes the connector Available, and the last reading of its transaction.
@Suite("Drivers who come while the last transaction ends")
struct WaitingTokenTests {
  /// One session, whose vehicle has just left. The meter does not answer, so that its end takes a second.
  private func left(_ settings: [String: String] = [:], token: String = "DEADBEEF") -> StationBench {
    let all = ["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "EVConnected"]
    let bench = StationBench(all.merging(settings) { $1 }, folder: "ac-one-evse").boot()
    bench.plugIn()
    bench.swipe(token)
    bench.pilot(.c)
    bench.wait(seconds: 5)
    bench.meter(wattHours: 1000)
    bench.readings = [:]
    bench.wait(seconds: 1)
    bench.plugOut()
    bench.forgetCalls()
    return bench
  }

  private func events(_ bench: StationBench) -> [String] {
    bench.calls("TransactionEvent").map {
      "\($0.text("eventType") ?? "") \($0.text("triggerReason") ?? "") \($0.text("idToken.idToken") ?? "")"
    }
  }

  // Proves: C01.FR.02, E03.FR.01
  @Test(arguments: ["DEADBEEF", "CAFEBABE"]) func theTokenWaitsForTheEnd(next: String) throws {
    let bench = left()
    #expect(bench.station.snapshot.evses[0].status == "Available")
    bench.swipe(next)
    #expect(events(bench) == [])
    bench.wait(seconds: 1)
    #expect(events(bench) == ["Ended EVCommunicationLost ", "Started Authorized \(next)"])
    bench.plugIn()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// The same token shown again and again is one driver.
  // Proves: C01.FR.02
  @Test func onlyOneGetsIt() {
    let bench = left()
    for token in ["CAFEBABE", "CAFEBABE", "FEEDBEEF"] { bench.swipe(token) }
    bench.wait(seconds: 20)
    #expect(events(bench) == ["Ended EVCommunicationLost ", "Started Authorized CAFEBABE"])
  }

  /// A vehicle that is still there is the last driver's: who has just stopped does not start again by a bouncing reader.
  // Proves: E07.FR.01
  @Test func nobodyWaitsForAVehicleThatStays() {
    let bench = StationBench(
      ["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "Authorized"], folder: "ac-one-evse"
    ).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.wait(seconds: 5)
    bench.meter(wattHours: 1000)
    bench.readings = [:]
    bench.wait(seconds: 1)
    bench.forgetCalls()
    bench.swipe()
    bench.swipe()
    bench.wait(seconds: 20)
    #expect(events(bench).last == "Ended StopAuthorized DEADBEEF")
  }

  // Proves: G03.FR.02
  @Test func anEVSEThatGoesOutOfOperationIsNotWaitedFor() {
    let bench = left()
    bench.swipe("CAFEBABE")
    bench.call("ChangeAvailability", ["operationalStatus": "Inoperative", "evse": ["id": 1]])
    bench.wait(seconds: 20)
    #expect(events(bench) == ["Ended EVCommunicationLost "])
    bench.call("ChangeAvailability", ["operationalStatus": "Operative", "evse": ["id": 1]])
    bench.wait(seconds: 20)
    #expect(events(bench).count == 1)
  }

  /// The next vehicle begins its own transaction, and takes nothing from the last one's.
  // Proves: E01.FR.02, E02.FR.01
  @Test func theNextVehicleWaitsToo() throws {
    let bench = left(["TxCtrlr/TxStartPoint": "EVConnected"])
    bench.plugIn()
    #expect(events(bench) == [])
    bench.swipe("CAFEBABE")
    bench.wait(milliseconds: 900)
    bench.input(
      .hardware(
        .meter(
          MeterReading(evse: 1, energyImport: 1_003_000, current: [0, 0, 0], voltage: [230_000, 230_000, 230_000]))))
    bench.wait(seconds: 1)
    #expect(
      events(bench) == [
        "Ended EVCommunicationLost ", "Started CablePluggedIn ", "Updated Authorized CAFEBABE",
      ])
    let ended = bench.calls("TransactionEvent").first
    let last = ended?["meterValue"]?.arrayValue?.last
    #expect(last?["sampledValue"]?.arrayValue?.first?["value"] == 1003)
    let ids = Set(bench.calls("TransactionEvent").map { $0.text("transactionInfo.transactionId") })
    #expect(ids.count == 2)
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// One that has left again begins nothing.
  // Proves: E01.FR.02
  @Test func aVehicleThatWasThereForAMoment() {
    let bench = left(["TxCtrlr/TxStartPoint": "EVConnected"])
    bench.plugIn()
    bench.plugOut()
    bench.wait(seconds: 20)
    #expect(events(bench) == ["Ended EVCommunicationLost "])
  }
}
