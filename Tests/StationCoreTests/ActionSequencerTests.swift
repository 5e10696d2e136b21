import OCPP
import StationCore
import Testing

/// When actions become visible, seen without a ledger: `committed` is called by the test.
struct ActionSequencerTests {
  private let put = LedgerWrite.put(.station, key: "k", value: [1])
  private let full = LedgerFailure(.full, "disk full", keys: [])
  private func failed(_ keys: LedgerKey..., refused: [Action] = []) -> ActionSequencer.Step {
    .input(.commitFailed(LedgerFailure(.full, "disk full", keys: keys), refused: refused))
  }
  private let key = LedgerKey.record(.station, "k")
  private func send(_ text: String) -> Action { .send(Array(text.utf8)) }

  @Test func withoutACommitEverythingIsCarriedOutInOrder() {
    var sequencer = ActionSequencer()
    let steps = sequencer.add([send("a"), .ping, .cancelTimer(TimerID("t")), send("b")])
    #expect(steps == [.perform(send("a")), .perform(.ping), .perform(.cancelTimer(TimerID("t"))), .perform(send("b"))])
    #expect(sequencer.isIdle)
  }

  @Test func whatIsBehindACommitWaitsUntilItIsDurable() {
    var sequencer = ActionSequencer()
    #expect(sequencer.add([send("a"), .commit([put]), send("b")]) == [.perform(send("a")), .submit(0, [put])])
    #expect(sequencer.waitingCount == 2)
    #expect(sequencer.committed(0, failure: nil) == [.perform(send("b"))])
    #expect(sequencer.isIdle)
  }

  @Test func laterHandlesQueueBehindAPendingCommitAndKeepTheirOrder() {
    var sequencer = ActionSequencer()
    _ = sequencer.add([.commit([put]), send("1")])
    #expect(sequencer.add([send("2"), .commit([put]), send("3")]) == [.submit(1, [put])])
    #expect(sequencer.add([send("4")]) == [])
    #expect(sequencer.committed(0, failure: nil) == [.perform(send("1")), .perform(send("2"))])
    #expect(sequencer.committed(1, failure: nil) == [.perform(send("3")), .perform(send("4"))])
  }

  @Test func aCommitThatAnswersEarlyDoesNotOvertakeTheOneBefore() {
    var sequencer = ActionSequencer()
    _ = sequencer.add([.commit([put]), send("1")])
    _ = sequencer.add([.commit([put]), send("2")])
    #expect(sequencer.committed(1, failure: nil) == [])
    #expect(sequencer.committed(0, failure: nil) == [.perform(send("1")), .perform(send("2"))])
  }

  @Test func timersLogsAndOpeningAContactorDoNotWait() {
    var sequencer = ActionSequencer()
    let open = Action.hardware(.contactor(evse: 1, close: false))
    let withdraw = Action.hardware(.offer(evse: 1, connector: 1, milliamperes: nil))
    let timer = Action.setTimer(TimerID("t"), at: 5)
    let steps = sequencer.add([.commit([put]), send("a"), timer, open, withdraw, .log(.info, "x")])
    #expect(
      steps == [
        .submit(0, [put]), .perform(timer), .perform(open), .perform(withdraw), .perform(.log(.info, "x")),
      ])
  }

  @Test func anOpenedContactorIsNotClosedByAnOlderCommandThatWaitedForTheDisk() {
    var sequencer = ActionSequencer()
    let close1 = Action.hardware(.contactor(evse: 1, close: true))
    let close2 = Action.hardware(.contactor(evse: 2, close: true))
    let open1 = Action.hardware(.contactor(evse: 1, close: false))
    _ = sequencer.add([.commit([put]), close1, close2])
    #expect(sequencer.add([open1]) == [.perform(open1)])
    #expect(sequencer.committed(0, failure: nil) == [.perform(close2)])
  }

  @Test func aLoweredOfferDoesNotWaitAndCancelsTheWaitingRise() {
    var sequencer = ActionSequencer()
    func offer(_ milliamperes: Int64?, connector: Int = 1) -> Action {
      .hardware(.offer(evse: 1, connector: connector, milliamperes: milliamperes))
    }
    #expect(sequencer.add([offer(16_000)]) == [.perform(offer(16_000))])
    #expect(sequencer.add([.commit([put]), offer(32_000), offer(20_000, connector: 2)]) == [.submit(0, [put])])
    #expect(sequencer.add([offer(10_000)]) == [.perform(offer(10_000))])
    #expect(sequencer.committed(0, failure: nil) == [.perform(offer(20_000, connector: 2))])
  }

  @Test func aFailedCommitRefusesTheRestOfItsHandleAndTellsTheCore() {
    var sequencer = ActionSequencer()
    let event = Action.event(StationEvent(event: "csms", fields: []))
    _ = sequencer.add([.commit([put]), send("a"), event])
    _ = sequencer.add([send("b")])
    #expect(
      sequencer.committed(0, failure: full) == [
        failed(key, refused: [send("a"), event]), .refuse(send("a"), why: "disk full"),
        .refuse(event, why: "disk full"), .perform(send("b")),
      ])
  }

  /// The core decided them before it could know: a message must not leave without the ledger, nor energy begin to flow.
  @Test func aFailedCommitRefusesWhatReliesOnItInLaterHandles() {
    var sequencer = ActionSequencer()
    let message = QueuedMessage(id: 7, transactionID: "t", action: "TransactionEvent", messageID: "m7", payload: [])
    let call = send("[2,\"m7\",\"TransactionEvent\",{}]")
    let other = send("[2,\"m70\",\"TransactionEvent\",{}]")
    let close = Action.hardware(.contactor(evse: 1, close: true))
    let raise = Action.hardware(.offer(evse: 1, connector: 1, milliamperes: 16_000))
    let lock = Action.hardware(.lock(evse: 1, connector: 1, locked: true))
    _ = sequencer.add([.commit([put]), .commit([.enqueue(message)])])
    _ = sequencer.add([call, other, raise])
    _ = sequencer.add([lock, close])
    #expect(sequencer.committed(0, failure: nil) == [])
    #expect(
      sequencer.committed(1, failure: full) == [
        failed(.message(7), refused: [call, raise, close]), .refuse(call, why: "disk full"), .perform(other),
        .refuse(raise, why: "disk full"), .perform(lock), .refuse(close, why: "disk full"),
      ])
    #expect(sequencer.isIdle)
  }

  @Test func endingTheProcessDoesNotDependOnACommitThatFailed() {
    var sequencer = ActionSequencer()
    _ = sequencer.add([.commit([put]), .disconnect(code: 1001, reason: ""), .stopped])
    #expect(
      sequencer.committed(0, failure: full) == [
        failed(key), .perform(.disconnect(code: 1001, reason: "")), .perform(.stopped),
      ])
  }

  @Test func aFurtherCommitOfTheSameHandleStandsOnItsOwn() {
    var sequencer = ActionSequencer()
    #expect(
      sequencer.add([.commit([put]), send("a"), .commit([put]), send("b")]) == [.submit(0, [put]), .submit(1, [put])])
    #expect(
      sequencer.committed(0, failure: full) == [
        failed(key, refused: [send("a"), send("b")]), .refuse(send("a"), why: "disk full"),
      ])
    #expect(sequencer.committed(1, failure: nil) == [.refuse(send("b"), why: "disk full")])
    #expect(sequencer.isIdle)
  }

  /// What is committed before the core has handled a failure belongs with what failed.
  @Test func aHandledFailureBeginsANewEpoch() {
    var sequencer = ActionSequencer()
    _ = sequencer.add([.commit([put]), .commit([put])], of: .start)
    _ = sequencer.committed(0, failure: full)
    _ = sequencer.add([.commit([put])], of: .stored)
    #expect(sequencer.epoch == 0)
    _ = sequencer.add([.commit([put])], of: .commitFailed(full, refused: []))
    #expect(sequencer.epoch == 1)
  }

  /// A frame that waits for the disk while the link is lost and found again must not leave on the new connection.
  @Test func framesOfALostConnectionAreDropped() {
    var sequencer = ActionSequencer()
    _ = sequencer.add([.commit([put]), send("a"), .disconnect(code: 1000, reason: ""), .ping])
    _ = sequencer.add([.commit([put])], of: .link(.down(.lost("test"))))
    _ = sequencer.add([send("b")], of: .link(.up(subprotocol: "ocpp2.0.1")))
    #expect(sequencer.committed(0, failure: nil) == [])
    #expect(sequencer.committed(1, failure: nil) == [.perform(send("b"))])
    #expect(sequencer.isIdle)
  }

  @Test func takingMessagesOutOfTheOutboxHoldsNothingUp() {
    var sequencer = ActionSequencer()
    let steps = sequencer.add([send("a"), .commit([.dequeue(id: 1)])])
    #expect(steps == [.perform(send("a")), .submit(0, [.dequeue(id: 1)])])
    #expect(sequencer.add([send("b")]) == [.perform(send("b"))])
    #expect(sequencer.committed(0, failure: nil) == [])
    _ = sequencer.add([.commit([.dequeue(id: 2)])])
    #expect(sequencer.committed(1, failure: full) == [failed(.message(2))])
  }

  @Test func anEmptyCommitIsNothing() {
    var sequencer = ActionSequencer()
    #expect(sequencer.add([.commit([]), send("a")]) == [.perform(send("a"))])
  }

  @Test func tooManyWaitingActionsAreNoticed() {
    var sequencer = ActionSequencer()
    _ = sequencer.add([.commit([put])])
    _ = sequencer.add(Array(repeating: .ping, count: ActionSequencer.limit - 1))
    #expect(!sequencer.isOverfull)
    _ = sequencer.add([.ping])
    #expect(sequencer.isOverfull)
  }

  @Test func tooManyWaitingBytesAreNoticedAndFreedAgain() {
    var sequencer = ActionSequencer()
    let frame = Action.send([UInt8](repeating: 0x20, count: ActionSequencer.byteLimit / 4))
    _ = sequencer.add([.commit([put]), frame, frame, frame, frame])
    #expect(!sequencer.isOverfull)
    _ = sequencer.add([frame])
    #expect(sequencer.isOverfull)
    let steps = sequencer.committed(0, failure: nil)
    #expect(steps.count == 5)
    #expect(!sequencer.isOverfull)
  }

  @Test func theOrderHoldsOverThousandsOfHandles() {
    var sequencer = ActionSequencer()
    var performed: [Action] = []
    var submitted: [UInt64] = []
    func take(_ steps: [ActionSequencer.Step]) {
      for step in steps {
        if case .perform(let action) = step { performed.append(action) }
        if case .submit(let id, _) = step { submitted.append(id) }
      }
    }
    var expected: [Action] = []
    for number in 0..<3000 {
      let action = send("\(number)")
      expected.append(action)
      take(sequencer.add(number % 3 == 0 ? [.commit([put]), action] : [action]))
      if number % 7 == 0, !submitted.isEmpty { take(sequencer.committed(submitted.removeFirst(), failure: nil)) }
    }
    while !submitted.isEmpty { take(sequencer.committed(submitted.removeFirst(), failure: nil)) }
    #expect(performed == expected)
    #expect(sequencer.isIdle)
  }
}
