import Hardware
import OCPP
import StationCore
import Testing

@testable import StationRuntime

/// The loop around a scripted core, in virtual time.
struct StationRuntimeTests {
  private let put = LedgerWrite.put(.station, key: "k", value: [1])

  @Test func startComesFirstThenWhatTheHardwareSays() {
    let bench = Bench()
    bench.runtime.start(bench.link)
    #expect(bench.script.inputs.first == .start)
    #expect(bench.script.told == [.start])
    #expect(bench.script.inputs.contains(.hardware(.pilot(evse: 1, connector: 1, state: .a))))
  }

  @Test func aMessageIsSentOnlyWhenItsCommitIsDurable() {
    let bench = Bench()
    bench.start()
    bench.script.answer = { input in
      if case .link(.pong) = input { return [.commit([self.put]), send("x")] }
      return []
    }
    bench.runtime.linkEvent(.pong)
    #expect(bench.ledger.commits == [[put]])
    #expect(bench.link.calls.isEmpty)
    bench.commitDone()
    #expect(bench.link.calls == [.send("x")])
  }

  @Test func aFailedCommitIsToldAndItsMessageIsNotSent() {
    let bench = Bench()
    bench.start()
    bench.script.answer = { input in
      switch input {
      case .link(.pong): return [.commit([self.put]), send("x"), .connect(request)]
      case .commitFailed(let failure, _): return [send(failure.text)]
      default: return []
      }
    }
    bench.runtime.linkEvent(.pong)
    bench.commitDone("no space")
    #expect(bench.link.calls == [.send("no space")])
    #expect(
      bench.script.told == [
        .link(.pong),
        .commitFailed(
          LedgerFailure(.full, "no space", keys: [.record(.station, "k")]), refused: [send("x"), .connect(request)]),
        .link(.down(.connectFailed("the ledger could not be written: no space"))),
      ])
  }

  @Test func timersFireInStationTimeAndNotBefore() {
    let bench = Bench(scale: 60)
    bench.start()
    let start = bench.runtime.now
    bench.script.answer = { input in
      if case .link(.pong) = input {
        return [
          .setTimer(TimerID("b"), at: start.monotonic + 60_000), .setTimer(TimerID("a"), at: start.monotonic + 1),
        ]
      }
      return []
    }
    bench.runtime.linkEvent(.pong)
    bench.advance(milliseconds: 1)
    #expect(bench.script.told == [.link(.pong), .timer(TimerID("a"))])
    bench.advance(milliseconds: 998)
    #expect(bench.script.told.count == 2)
    bench.advance(milliseconds: 1)
    #expect(bench.script.told.last == .timer(TimerID("b")))
    #expect(bench.runtime.now.wall - start.wall == 60_000)
  }

  @Test func aCancelledTimerDoesNotFireAndAReplacedOneFiresOnce() {
    let bench = Bench()
    bench.start()
    let now = bench.runtime.now.monotonic
    bench.script.answer = { input in
      guard case .link(.pong) = input else { return [] }
      return [
        .setTimer(TimerID("gone"), at: now + 10), .setTimer(TimerID("moved"), at: now + 10),
        .cancelTimer(TimerID("gone")), .setTimer(TimerID("moved"), at: now + 30),
      ]
    }
    bench.runtime.linkEvent(.pong)
    bench.advance(milliseconds: 20)
    #expect(bench.script.told == [.link(.pong)])
    bench.advance(milliseconds: 10)
    #expect(bench.script.told == [.link(.pong), .timer(TimerID("moved"))])
  }

  @Test func whatACommandCausesIsQueuedAndNeverRecurses() {
    let bench = Bench()
    bench.start()
    var depth = 0
    bench.script.answer = { input in
      depth += 1
      defer { depth -= 1 }
      #expect(depth == 1)
      switch input {
      // Both sides answer each other at once, hundreds of times.
      case .link(.pong): return [.hardware(.lock(evse: 1, connector: 9, locked: true))]
      case .hardware(.lockFailed) where bench.script.inputs.count < 500:
        return [.hardware(.lock(evse: 1, connector: 9, locked: true))]
      default: return []
      }
    }
    bench.runtime.linkEvent(.pong)
    bench.runtime.linkEvent(.pong)
    #expect(bench.script.told == [.link(.pong), .link(.pong)])
  }

  @Test func theSimulatedHardwareMovesInItsOwnTime() throws {
    let bench = Bench()
    bench.start()
    bench.script.answer = { input in
      if case .link(.pong) = input { return [.hardware(.contactor(evse: 1, close: true))] }
      return []
    }
    bench.runtime.linkEvent(.pong)
    #expect(!bench.script.inputs.contains(.hardware(.contactor(evse: 1, closed: true))))
    bench.advance(milliseconds: 1000)
    #expect(bench.script.inputs.contains(.hardware(.contactor(evse: 1, closed: true))))
  }

  @Test func aCutUplinkDropsTheConnectionAtOnceAndAllowsNoOther() {
    let bench = Bench()
    bench.start()
    bench.script.answer = { input in
      if case .link(.pong) = input { return [.connect(request)] }
      return []
    }
    bench.runtime.setNetwork(online: false)
    #expect(bench.link.calls == [.disconnect(1006)])
    bench.runtime.setNetwork(online: false)
    bench.runtime.linkEvent(.pong)
    #expect(bench.link.calls == [.disconnect(1006)])
    #expect(
      bench.script.told == [.network(online: false), .link(.pong), .link(.down(.connectFailed("the uplink is cut")))])
    bench.runtime.setNetwork(online: true)
    bench.runtime.linkEvent(.pong)
    #expect(bench.link.calls == [.disconnect(1006), .connect("ws://csms")])
  }

  @Test func aRestoredUplinkIsToldWhenTheCutConnectionIsGone() {
    let bench = Bench()
    bench.start()
    bench.script.answer = { input in
      if case .link(.pong) = input { return [.connect(request)] }
      return []
    }
    bench.runtime.linkEvent(.pong)
    bench.runtime.setNetwork(online: false)
    bench.runtime.setNetwork(online: true)
    bench.runtime.setNetwork(online: false)
    bench.runtime.setNetwork(online: true)
    #expect(bench.script.told == [.link(.pong), .network(online: false)])
    let down = LinkEvent.down(.lost("cut"))
    bench.runtime.linkEvent(down)
    #expect(bench.script.told == [.link(.pong), .network(online: false), .link(down), .network(online: true)])
  }

  @Test func anOrderlyStopWaitsForTheCoreAndThenClosesTheLedger() {
    let bench = Bench()
    bench.start()
    bench.script.answer = { input in
      switch input {
      case .shutdown: return [.commit([self.put]), .disconnect(code: 1001, reason: "stop")]
      case .link(.down): return [.stopped]
      default: return []
      }
    }
    bench.runtime.stop()
    bench.commitDone()
    #expect(bench.link.calls == [.disconnect(1001)])
    #expect(bench.endings.isEmpty)
    bench.runtime.linkEvent(.down(.closedByUs(code: 1001, reason: "stop")))
    #expect(bench.endings == [.exit(.success)])
    #expect(bench.ledger.isClosed)
  }

  @Test func aStopThatHangsIsCutShort() {
    let bench = Bench()
    bench.start()
    bench.runtime.stop()
    bench.runtime.stop()
    bench.advance(milliseconds: 2999)
    #expect(bench.endings.isEmpty)
    bench.advance(milliseconds: 1)
    #expect(bench.endings == [.exit(.success)])
    #expect(bench.script.told == [.shutdown])
  }

  @Test func aRestartIsCarriedOutAfterWhatMustBeDurable() {
    let bench = Bench()
    bench.start()
    bench.script.answer = { input in
      if case .link(.pong) = input { return [.commit([self.put]), .restart(.remoteReset)] }
      return []
    }
    bench.runtime.linkEvent(.pong)
    #expect(bench.endings.isEmpty)
    bench.commitDone()
    #expect(bench.endings == [.restart(.remoteReset, abrupt: false)])
  }

  @Test func aLocalRestartGoesThroughTheOrderlyStop() {
    let bench = Bench()
    bench.start()
    bench.script.answer = { $0 == .shutdown ? [.stopped] : [] }
    bench.runtime.stop(.restart(.localReset, abrupt: false))
    #expect(bench.endings == [.restart(.localReset, abrupt: false)])
  }

  @Test func aPowerLossFlushesNothing() {
    let bench = Bench()
    bench.start()
    bench.runtime.restartAbruptly(.powerUp)
    #expect(bench.endings == [.restart(.powerUp, abrupt: true)])
    #expect(!bench.ledger.isClosed)
    bench.runtime.linkEvent(.pong)
    #expect(bench.script.told.isEmpty)
  }

  @Test func aLedgerThatNeverAnswersEndsTheProcess() {
    let bench = Bench()
    bench.start()
    bench.script.answer = { input in
      if case .link(.pong) = input { return [.commit([self.put]), send("x")] }
      return []
    }
    for _ in 0...ActionSequencer.limit / 2 { bench.runtime.linkEvent(.pong) }
    #expect(bench.endings == [.exit(.storageStalled)])
    #expect(bench.link.calls.isEmpty)
  }
}
