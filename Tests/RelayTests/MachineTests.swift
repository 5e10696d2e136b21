import CRelay
import Testing

/// relayd's decisions, in virtual time.
@Suite struct MachineTests {
  private let m = Machine()

  @Test func aContactorClosesAndOpensByItsMirror() {
    m.makeReady()
    m.send(RELAY_CLOSE, evse: 1)
    #expect(m.output(1) && m.state(1) == RELAY_IS_CLOSING)
    m.pass(20)
    m.mirror(1, closed: true)
    #expect(m.state(1) == RELAY_IS_CLOSING)  // It may bounce yet.
    m.pass(10)
    #expect(m.state(1) == RELAY_IS_CLOSED)
    #expect(m.channel(1).closing_us == 20_000)
    m.send(RELAY_OPEN, evse: 1)
    #expect(!m.output(1) && m.state(1) == RELAY_IS_OPENING)
    m.pass(8)
    m.mirror(1, closed: false)
    m.pass(10)
    #expect(m.state(1) == RELAY_IS_OPEN)
    #expect(m.channel(1).opening_us == 8000)
    #expect(m.channel(1).faults == 0 && m.channel(1).cause == RELAY_CAUSE_COMMAND)
  }

  @Test func bouncesCountToTheLastEdgeAndOpenNothing() {
    m.makeReady()
    m.send(RELAY_CLOSE, evse: 1)
    m.pass(15)
    for _ in 0..<4 {
      m.mirror(1, closed: true)
      m.pass(1)
      m.mirror(1, closed: false)
      m.pass(1)
    }
    m.mirror(1, closed: true)
    m.pass(10)
    #expect(m.state(1) == RELAY_IS_CLOSED && m.channel(1).closing_us == 23_000)
    m.mirror(1, closed: false)
    m.pass(5)
    m.mirror(1, closed: true)
    m.pass(20)
    #expect(m.state(1) == RELAY_IS_CLOSED && m.output(1))
  }

  @Test func silenceOpens() {
    m.makeReady()
    m.close(1)
    // Renewed up to here; 350 ms of it are left.
    m.pass(349, renewing: false)
    #expect(m.output(1))
    m.pass(1, renewing: false)
    #expect(!m.output(1) && m.channel(1).cause == RELAY_CAUSE_LEASE)
    m.send(RELAY_CLOSE, evse: 1, lease: 0)
    #expect(m.channel(1).refusal == RELAY_REFUSED_LEASE)
  }

  @Test func theLoopKnowsWhenSilenceOpens() {
    m.makeReady()
    m.close(1)
    #expect(relay_machine_deadline(&m.machine.pointee) == m.now + 350 * Machine.ms)
  }

  /// A renewal that waited in the socket is worth what is left of it, and nobody gets more than a lease.
  @Test func aLeaseEndsWhenTheStationSaid() {
    m.makeReady()
    m.close(1)
    m.send(RELAY_RENEW, lease: 40)
    m.pass(40, renewing: false)
    #expect(!m.output(1))
    m.mirror(1, closed: false)
    m.pass(10)
    m.close(1)
    m.send(RELAY_RENEW, lease: 100_000)
    m.pass(349, renewing: false)
    #expect(m.output(1))
    m.pass(1, renewing: false)
    #expect(!m.output(1))
  }

  @Test func aClientThatIsGoneOpensAll() {
    m.makeReady()
    m.close(1)
    m.close(2)
    relay_machine_disconnected(m.machine, RELAY_CAUSE_DISCONNECTED, m.now)
    #expect(!m.output(1) && !m.output(2) && m.channel(2).cause == RELAY_CAUSE_DISCONNECTED)
    m.send(RELAY_CLOSE, evse: 1)
    #expect(!m.output(1) && m.machine.pointee.rejected == 1)
  }

  @Test func aWeldedContactorIsNotClosedUntilSeenOpenAndRechecked() {
    m.makeReady()
    m.close(1)
    m.send(RELAY_OPEN, evse: 1)
    m.pass(109)
    #expect(m.channel(1).faults == 0)
    m.pass(1)
    #expect(m.faults(1, RELAY_FAULT_WELDED) && m.state(1) == RELAY_IS_OPEN)
    m.send(RELAY_CLOSE, evse: 1)
    #expect(!m.output(1) && m.channel(1).refusal == RELAY_REFUSED_FAULT)
    m.send(RELAY_RECHECK, evse: 1)
    #expect(m.faults(1, RELAY_FAULT_WELDED))
    m.mirror(1, closed: false)
    m.pass(10)
    #expect(m.faults(1, RELAY_FAULT_WELDED))
    m.send(RELAY_CLOSE, evse: 1)
    #expect(!m.output(1))
    m.send(RELAY_RECHECK, evse: 1)
    #expect(m.channel(1).faults == 0)
    m.close(1)
    // The other one never noticed.
    #expect(m.channel(2).faults == 0 && m.state(2) == RELAY_IS_OPEN)
  }

  @Test func aMirrorThatSaysClosedAtTheStartIsWelded() {
    m.mirror(1, closed: true)
    m.mirror(2, closed: false)
    m.pass(111)
    #expect(m.faults(1, RELAY_FAULT_WELDED) && m.channel(2).faults == 0)
    #expect(!m.output(1))
  }

  @Test func aContactorThatDoesNotCloseIsOpenedAgain() {
    m.makeReady()
    m.send(RELAY_CLOSE, evse: 2)
    m.pass(209)
    #expect(m.output(2))
    m.pass(1)
    #expect(!m.output(2) && m.faults(2, RELAY_FAULT_NOT_CLOSED) && m.channel(2).cause == RELAY_CAUSE_FAULT)
    m.pass(10)
    #expect(m.state(2) == RELAY_IS_OPEN)
    m.send(RELAY_CLOSE, evse: 2)
    #expect(m.channel(2).refusal == RELAY_REFUSED_FAULT)
    m.send(RELAY_RECHECK, evse: 2)
    m.close(2)
  }

  @Test func aContactorThatDropsOutIsSwitchedOff() {
    m.makeReady()
    m.close(1)
    m.mirror(1, closed: false)
    m.pass(10)
    #expect(!m.output(1) && m.faults(1, RELAY_FAULT_DROPPED_OUT))
  }

  @Test func aMirrorThatCannotBeReadOpensAtOnce() {
    m.makeReady()
    m.close(1)
    m.mirror(1, closed: nil)
    #expect(!m.output(1) && m.faults(1, RELAY_FAULT_MIRROR))
    m.pass(500)
    #expect(!m.faults(1, RELAY_FAULT_WELDED))
    m.send(RELAY_CLOSE, evse: 1)
    #expect(m.channel(1).refusal == RELAY_REFUSED_FAULT)
  }

  @Test func closingWaitsForAnOpenMirror() {
    m.makeReady()
    m.close(1)
    m.send(RELAY_OPEN, evse: 1)
    m.send(RELAY_CLOSE, evse: 1)
    #expect(m.channel(1).refusal == RELAY_REFUSED_BUSY && !m.output(1))
    m.mirror(1, closed: false)
    m.pass(10)
    m.mirror(1, closed: true)
    m.send(RELAY_CLOSE, evse: 1)
    #expect(m.channel(1).refusal == RELAY_REFUSED_MIRROR && !m.output(1))
  }

  @Test func aLineThatCannotBeSetIsAFaultOfItsEVSEAlone() {
    m.makeReady()
    m.close(1)
    m.close(2)
    relay_machine_line(m.machine, 0, 1, m.now)
    #expect(!m.output(1) && m.output(2))
    m.send(RELAY_RECHECK, evse: 1)
    #expect(m.channel(1).retry == 1)
    relay_machine_line(m.machine, 0, 0, m.now)
    m.mirror(1, closed: false)
    m.pass(10)
    m.close(1)
  }

  @Test func withoutAMirrorTheCommandIsAllThatIsKnown() {
    let m = Machine(mirrors: false)
    m.pass(1)
    m.send(RELAY_CLOSE, evse: 1)
    #expect(m.state(1) == RELAY_IS_CLOSED && m.channel(1).mirror == RELAY_MIRROR_NONE)
    m.pass(5000)
    m.send(RELAY_OPEN, evse: 1)
    #expect(m.state(1) == RELAY_IS_OPEN && m.channel(1).faults == 0)
  }

  @Test func theHeartbeatStopsWhenALineDoesNotObey() {
    let m = Machine(heartbeat: true)
    var toggles = 0
    var last = m.machine.pointee.heartbeat
    func count(_ milliseconds: Int) {
      for _ in 0..<milliseconds {
        m.pass(1)
        if m.machine.pointee.heartbeat != last { toggles += 1 }
        last = m.machine.pointee.heartbeat
      }
    }
    count(200)
    #expect(toggles == 4)
    relay_machine_line(m.machine, 0, 1, m.now)
    count(200)
    #expect(toggles == 4)
  }
}
