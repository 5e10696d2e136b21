import OCPP
import StationCore
import Testing

/// Between the vehicle's leaving, which makes the connector Available, and the last reading of its transaction.
@Suite("Drivers who come while the last transaction ends")
struct WaitingTokenTests {
  /// One session, whose vehicle has just left. The meter does not answer, so that its end takes a second.
  private func left(_ settings: [String: String] = [:]) -> StationBench {
    let bench = charging(settings)
    bench.plugOut()
    bench.forgetCalls()
    return bench
  }

  private func charging(
    _ settings: [String: String] = [:], responder: @escaping (StationBench.Call) -> JSONValue? = StationBench.accepting
  ) -> StationBench {
    let all = ["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "EVConnected"]
    let bench = StationBench(all.merging(settings) { $1 }, folder: "ac-one-evse").boot()
    bench.responder = responder
    bench.plugIn()
    if settings["AuthCtrlr/Enabled"] != "false" { bench.swipe() }
    bench.pilot(.c)
    bench.wait(seconds: 5)
    bench.meter(wattHours: 1000)
    bench.readings = [:]
    bench.wait(seconds: 1)
    return bench
  }

  private func events(_ bench: StationBench) -> [String] {
    bench.calls("TransactionEvent").map {
      "\($0.text("eventType") ?? "") \($0.text("triggerReason") ?? "") \($0.text("idToken.idToken") ?? "")"
    }
  }

  // Proves: C01.FR.02, E03.FR.01
  @Test func theTokenWaitsForTheEnd() throws {
    let bench = left()
    #expect(bench.station.snapshot.evses[0].status == "Available")
    bench.swipe("CAFEBABE")
    #expect(events(bench) == [])
    bench.wait(seconds: 1)
    #expect(events(bench) == ["Ended EVCommunicationLost ", "Started Authorized CAFEBABE"])
    bench.plugIn()
    bench.pilot(.c)
    #expect(bench.contactorClosed[1] == true)
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// Who has just unplugged and shows the token once more meant to stop; with a vehicle that has arrived, to go on.
  // Proves: C01.FR.02
  @Test(arguments: [false, true]) func theSameTokenWaitsWithAVehicle(arrives: Bool) {
    let bench = left()
    if arrives { bench.plugIn() }
    bench.swipe()
    bench.wait(seconds: 20)
    let begun = events(bench).filter { !$0.hasPrefix("Updated") }
    #expect(begun == ["Ended EVCommunicationLost "] + (arrives ? ["Started Authorized DEADBEEF"] : []))
  }

  /// Another token of the group is shown to stop the session, the CSMS takes its time, and the vehicle leaves meanwhile: nobody
  /// wants a transaction at the empty EVSE.
  // Proves: C09.FR.03
  @Test(arguments: [0, 20] as [Int64]) func aTokenOfTheGroupThatCameToStopBeginsNothing(later: Int64) throws {
    let accepted: JSONValue = [
      "idTokenInfo": ["status": "Accepted", "groupIdToken": ["idToken": "FLEET", "type": "Central"]]
    ]
    let bench = charging { $0.action == "Authorize" ? accepted : StationBench.accepting($0) }
    bench.responder = { $0.action == "Authorize" ? nil : StationBench.accepting($0) }
    bench.swipe("CAFEBABE")
    let asked = try #require(bench.calls("Authorize").last)
    #expect(asked.text("idToken.idToken") == "CAFEBABE")
    bench.wait(seconds: 3)
    bench.forgetCalls()
    bench.plugOut()
    bench.wait(seconds: later)
    bench.input(.link(.message(JSONValue.array([3, .string(asked.id), accepted]).bytes)))
    bench.wait(seconds: 20)
    #expect(events(bench) == ["Ended EVCommunicationLost "])
  }

  /// The link is lost while the CSMS is asked: what is known of the token here begins nothing either.
  // Proves: C09.FR.03
  @Test func norWhenTheLinkIsLostMeanwhile() throws {
    let accepted: JSONValue = [
      "idTokenInfo": ["status": "Accepted", "groupIdToken": ["idToken": "FLEET", "type": "Central"]]
    ]
    let bench = StationBench([
      "TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "EVConnected",
      "AuthCtrlr/LocalPreAuthorize": "false", "AuthCtrlr/LocalAuthorizeOffline": "true",
    ]).boot()
    bench.responder = { $0["idToken"] != nil ? accepted : StationBench.accepting($0) }
    // Known from a session before.
    for token in ["CAFEBABE", "DEADBEEF"] {
      bench.plugIn(1)
      bench.swipe(token, evses: [1])
      if token == "CAFEBABE" { bench.plugOut(1) }
      bench.wait(seconds: 5)
    }
    bench.plugIn(2)
    bench.responder = { $0.action == "Authorize" ? nil : $0["idToken"] != nil ? accepted : StationBench.accepting($0) }
    bench.swipe("CAFEBABE", evses: [1, 2])
    #expect(bench.calls("Authorize").last?.text("idToken.idToken") == "CAFEBABE")
    for evse in [1, 2] { bench.plugOut(evse) }
    bench.wait(seconds: 3)
    #expect(bench.station.snapshot.evses.allSatisfy { $0.transaction == nil })
    bench.linkDown()
    bench.wait(seconds: 1)
    #expect(bench.station.snapshot.evses.allSatisfy { $0.transaction == nil })
  }

  /// A second token that waits gives the first no more time.
  @Test func eachHasItsOwnDeadline() {
    let bench = left()
    bench.swipe("CAFEBABE")
    let due = bench.timers[TimerID("waitingTokens")]
    #expect(due == bench.now.monotonic + 10_000)
    bench.wait(milliseconds: 500)
    bench.swipe("FEEDBEEF")
    #expect(bench.timers[TimerID("waitingTokens")] == due)
    bench.wait(seconds: 1)
    #expect(bench.timers[TimerID("waitingTokens")] == nil)
  }

  /// What the next vehicle may have, it gets in the turn in which the last transaction ends.
  // Proves: E01.FR.02
  @Test func theNextVehicleIsServedAtOnce() {
    let bench = charging(["AuthCtrlr/Enabled": "false", "TxCtrlr/TxStartPoint": "EVConnected"])
    bench.plugOut()
    bench.plugIn()
    // Nothing comes in any more but the timer of the last reading.
    bench.responder = { _ in nil }
    let before = bench.actions.count
    bench.wait(seconds: 1)
    let lock = HardwareCommand.lock(evse: 1, connector: 1, locked: true)
    let offered = bench.actions[before...].contains {
      if case .hardware(.offer(1, 1, .some(_))) = $0 { true } else { $0 == .hardware(lock) }
    }
    #expect(offered)
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
