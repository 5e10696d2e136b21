import OCPP
import StationCore
import Testing

/// One EVSE with an attached cable (connector 1) and a socket (connector 2): only one vehicle is served at a time.
@Suite("Two vehicles at one EVSE")
struct TwoConnectorTests {
  private static let settings = ["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "EVConnected"]

  private func bench(_ more: [String: String] = [:]) -> StationBench {
    let bench = StationBench(Self.settings.merging(more) { $1 }, folder: "ac-two-connectors").boot()
    bench.carsFollow = false
    return bench
  }

  private func pilot(_ bench: StationBench, _ connector: Int, _ state: PilotState) {
    bench.input(.hardware(.pilot(evse: 1, connector: connector, state: state)))
  }

  private func plugIn(_ bench: StationBench, _ connector: Int) {
    if connector == 2 { bench.input(.hardware(.cable(evse: 1, connector: 2, ratingAmperes: 32))) }
    pilot(bench, connector, .b)
  }

  private func session(_ bench: StationBench, at connector: Int) {
    plugIn(bench, connector)
    bench.swipe()
    pilot(bench, connector, .c)
    bench.wait(seconds: 4)
    #expect(bench.contactorClosed[1] == true)
    bench.forgetCalls()
  }

  private func isLocked(_ bench: StationBench) -> Bool { bench.station.snapshot.evses[0].connectors[1].locked }

  /// What the hardware was told since then.
  private func commands(_ bench: StationBench, since start: Int) -> [HardwareCommand] {
    bench.actions[start...].compactMap { action -> HardwareCommand? in
      guard case .hardware(let command) = action, command != .readMeters else { return nil }
      return command
    }
  }

  private func connectors(_ bench: StationBench) -> [JSONValue] {
    bench.calls("TransactionEvent").compactMap { $0["evse.connectorId"] }
  }

  /// Somebody plugs in at the other connector, asks for energy, and leaves: nothing of the session changes.
  // Proves: E02.FR.01
  @Test(arguments: [(1, 2), (2, 1)]) func aStrangerChangesNothing(mine: Int, other: Int) throws {
    let bench = bench()
    session(bench, at: mine)
    let start = bench.actions.count
    plugIn(bench, other)
    pilot(bench, other, .c)
    bench.wait(seconds: 10)
    pilot(bench, other, .a)
    bench.wait(seconds: 10)
    #expect(commands(bench, since: start) == [])
    #expect(bench.events == [])
    #expect(bench.contactorClosed[1] == true)
    #expect(isLocked(bench) == (mine == 2))
    pilot(bench, mine, .a)
    bench.wait(seconds: 2)
    #expect(bench.events.last?.hasPrefix("Ended EVCommunicationLost") == true)
    #expect(connectors(bench).last == .int(mine))
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// A stranger who asks for energy does not keep the contactor closed when the one that is served has enough.
  @Test func theContactorIsOfTheOneThatIsServed() {
    let bench = bench()
    session(bench, at: 2)
    pilot(bench, 1, .c)
    pilot(bench, 2, .b)
    #expect(bench.contactorClosed[1] == false)
  }

  /// The one that waits is served when the session is over, by its own driver; the contactor does not wait for it.
  // Proves: E03.FR.01
  @Test(arguments: [(1, 2), (2, 1)]) func theNextOneIsServedThen(mine: Int, other: Int) throws {
    let bench = bench()
    session(bench, at: mine)
    plugIn(bench, other)
    pilot(bench, other, .c)
    pilot(bench, mine, .a)
    #expect(bench.contactorClosed[1] == false)
    bench.wait(seconds: 2)
    #expect(bench.events.last?.hasPrefix("Ended") == true)
    #expect(bench.contactorClosed[1] == false && !isLocked(bench))
    bench.forgetCalls()
    bench.swipe("CAFEBABE")
    bench.wait(seconds: 4)
    #expect(bench.events.first?.hasPrefix("Started Authorized") == true)
    #expect(connectors(bench).allSatisfy { $0 == .int(other) })
    #expect(bench.contactorClosed[1] == true)
    #expect(isLocked(bench) == (other == 2))
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// While the last transaction waits for its meter: the one that came leaves again, the other one goes on waiting.
  // Proves: E01.FR.02
  @Test func whoLeavesWhileTheLastTransactionEnds() {
    let bench = bench(["TxCtrlr/TxStartPoint": "EVConnected"])
    session(bench, at: 1)
    bench.meter(wattHours: 1000)
    bench.readings = [:]
    bench.wait(seconds: 1)
    bench.forgetCalls()
    pilot(bench, 1, .a)
    plugIn(bench, 2)
    plugIn(bench, 1)
    pilot(bench, 1, .a)
    #expect(bench.events == [])
    bench.wait(seconds: 2)
    #expect(bench.events.map { $0.split(separator: " ").first } == ["Ended", "Started"])
    #expect(connectors(bench).last == 2)
  }

  /// Its vehicle is away for a while, its cable is locked in the socket: nobody else is served, and it goes on.
  // Proves: E10.FR.01
  @Test func aSuspendedSessionIsNotTakenOver() {
    let bench = bench(["TxCtrlr/StopTxOnEVSideDisconnect": "false", "TxCtrlr/TxStopPoint": "Authorized"])
    session(bench, at: 2)
    pilot(bench, 2, .a)
    pilot(bench, 1, .b)
    pilot(bench, 1, .c)
    bench.wait(seconds: 5)
    #expect(bench.contactorClosed[1] == false)
    #expect(isLocked(bench))
    pilot(bench, 2, .c)
    bench.wait(seconds: 5)
    #expect(bench.contactorClosed[1] == true)
    #expect(connectors(bench).allSatisfy { $0 == 2 })
  }

  private func setConnector(_ bench: StationBench, _ connector: Int, _ status: String) {
    let answer = bench.call(
      "ChangeAvailability",
      ["evse": ["id": 1, "connectorId": .int(connector)], "operationalStatus": .string(status)])
    #expect(answer?.text("status") == "Accepted")
  }

  /// The other connector being Operative helps no vehicle at one that is not.
  // Proves: G04.FR.01, F01.FR.24
  @Test(arguments: [(1, 2), (2, 1)]) func nothingBeginsAtAnInoperativeConnector(mine: Int, other: Int) throws {
    let bench = bench()
    plugIn(bench, mine)
    pilot(bench, mine, .c)
    setConnector(bench, mine, "Inoperative")
    let start: JSONValue = ["idToken": ["idToken": "CAFEBABE", "type": "ISO14443"], "remoteStartId": 7, "evseId": 1]
    #expect(bench.call("RequestStartTransaction", start)?.text("status") == "Rejected")
    bench.swipe()
    bench.wait(seconds: 10)
    #expect(bench.events == [] && bench.contactorClosed[1] != true)
    // One at the other connector does not wait for it.
    plugIn(bench, other)
    pilot(bench, other, .c)
    bench.swipe()
    bench.wait(seconds: 4)
    #expect(bench.contactorClosed[1] == true)
    #expect(connectors(bench).allSatisfy { $0 == .int(other) })
    pilot(bench, other, .a)
    bench.wait(seconds: 10)
    bench.forgetCalls()
    setConnector(bench, mine, "Operative")
    bench.swipe()
    bench.wait(seconds: 4)
    #expect(bench.contactorClosed[1] == true)
    #expect(connectors(bench).allSatisfy { $0 == .int(mine) } && !connectors(bench).isEmpty)
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// A cable that is held for its owner is let go by nothing that happens at the other connector.
  // Proves: E05.FR.11
  @Test func aHeldCableIsOfItsConnector() {
    let bench = bench(["TxCtrlr/TxStopPoint": "Authorized"])
    bench.responder = { call in
      call.action == "TransactionEvent" && call["idToken"] != nil
        ? ["idTokenInfo": ["status": "Blocked"]] : StationBench.accepting(call)
    }
    plugIn(bench, 2)
    bench.swipe()
    bench.wait(seconds: 10)
    #expect(bench.events.last?.hasPrefix("Ended Deauthorized") == true)
    #expect(isLocked(bench))
    for rating in [32, nil] { bench.input(.hardware(.cable(evse: 1, connector: 1, ratingAmperes: rating))) }
    #expect(isLocked(bench))
    bench.swipe()
    #expect(!isLocked(bench))
  }

  /// After a power cut the hardware tells of the stranger first.
  @Test func aTransactionIsResumedAtItsConnector() {
    let settings = Self.settings.merging(["InternalCtrlr/ResumeTransactionsOnBoot": "true"]) { $1 }
    let bench = bench(settings)
    session(bench, at: 2)
    let id = bench.station.snapshot.evses[0].transaction?.id
    for stays in [true, false] {
      let again = StationBench(settings, folder: "ac-two-connectors", ledger: bench.ledger)
      again.carsFollow = false
      again.input(.start)
      pilot(again, 1, .c)
      if stays {
        plugIn(again, 2)
        pilot(again, 2, .c)
      }
      again.linkUp()
      again.wait(seconds: 10)
      #expect(again.contactorClosed[1] == (stays ? true : nil))
      #expect(again.station.snapshot.evses[0].transaction?.id == (stays ? id : nil))
      #expect(isLocked(again) == stays)
      #expect(connectors(again).allSatisfy { $0 == 2 })
    }
  }
}
