import CRelay
import DeviceModel
import Glibc
import StationCore
import Testing

@testable import Hardware

/// The client and relayd as processes, on lines that keep their level when their process dies. Real time: one after the other.
@Suite(.serialized) struct LeaseTests {
  private final class Station {
    let lines: FakeLines
    let lease: RelayLease
    let loop: Loop
    let contactors: [RelayContactor]
    let reports: [Reports]

    init(_ lines: FakeLines) {
      self.lines = lines
      let bindings = lines.bindings()
      lease = RelayLease(.child(program: program("relayd-fake")), configuration: RelayConfiguration(bindings))
      loop = Loop(lease)
      contactors = bindings.map { [lease] in RelayContactor($0, lease: lease) }
      reports = bindings.map { _ in Reports() }
      for (contactor, report) in zip(contactors, reports) { contactor.start { report.add($0) } }
    }

    func isReady() -> Bool { elapsed { reports.allSatisfy { $0.closed == false && $0.faults == [] } } != nil }

    func close(_ evse: Int) -> Bool {
      contactors[evse - 1].command(close: true)
      return elapsed { lines.level("RELAY\(evse)") && reports[evse - 1].closed == true } != nil
    }

    func end() {
      loop.end()
      lease.stop()
    }
  }

  @Test func aSessionIsSwitchedByCommand() throws {
    let lines = try FakeLines()
    let station = Station(lines)
    defer { station.end() }
    #expect(station.isReady())
    #expect(station.close(1) && station.close(2))
    usleep(700_000)
    #expect(lines.level("RELAY1") && lines.level("RELAY2"))
    station.contactors[0].command(close: false)
    #expect(elapsed { station.reports[0].closed == false } != nil)
    #expect(!lines.level("RELAY1") && lines.level("RELAY2"))
    let times = station.contactors[0].switchingTimes
    #expect((times.closing ?? 0) > 0 && (times.opening ?? 0) > 0)
    #expect(station.reports[0].faults == [])
  }

  @Test func aLoopThatHangsOpens() throws {
    let lines = try FakeLines()
    let station = Station(lines)
    defer { station.end() }
    #expect(station.isReady() && station.close(1))
    station.loop.hang(true)
    let took = try #require(elapsed { !lines.level("RELAY1") })
    #expect(took < 450)
    #expect(elapsed { station.reports[0].closed == false } != nil)
    // Nobody closes it again but the core.
    station.loop.hang(false)
    usleep(500_000)
    #expect(!lines.level("RELAY1"))
    #expect(station.close(1))
  }

  @Test func aKilledRelaydIsReplacedByOneThatOpens() throws {
    let lines = try FakeLines()
    let station = Station(lines)
    defer { station.end() }
    #expect(station.isReady() && station.close(1))
    let first = try #require(station.lease.childProcess)
    kill(first, SIGKILL)
    // The lines keep their level: only another relayd opens.
    let took = try #require(elapsed { !lines.level("RELAY1") })
    #expect(took < 1000)
    #expect(station.isReady())
    #expect(station.lease.childProcess != first)
    #expect(station.reports[0].all.contains { $0.raised.map(\.name) == ["RelayDaemonFailure"] })
    #expect(station.close(1))
  }

  @Test func aStoppedRelaydIsReplaced() throws {
    let lines = try FakeLines()
    let station = Station(lines)
    defer { station.end() }
    #expect(station.isReady() && station.close(2))
    kill(try #require(station.lease.childProcess), SIGSTOP)
    let took = try #require(elapsed { !lines.level("RELAY2") })
    #expect(took < 2500)
    #expect(station.isReady())
  }

  @Test func aRelaydThatIsToldToEndOpensFirst() throws {
    let lines = try FakeLines()
    let station = Station(lines)
    defer { station.end() }
    #expect(station.isReady() && station.close(1))
    kill(try #require(station.lease.childProcess), SIGTERM)
    #expect(try #require(elapsed { !lines.level("RELAY1") }) < 100)
  }

  @Test func stoppingOpensEvenWhenRelaydHangs() throws {
    let lines = try FakeLines()
    let station = Station(lines)
    #expect(station.isReady() && station.close(1))
    kill(try #require(station.lease.childProcess), SIGSTOP)
    station.end()
    #expect(!lines.level("RELAY1"))
    #expect(station.lease.childProcess == nil)
  }

  @Test func aWeldedContactorIsAFaultUntilRechecked() throws {
    let lines = try FakeLines()
    let station = Station(lines)
    defer { station.end() }
    #expect(station.isReady() && station.close(1))
    lines.stick(1, closed: true)
    station.contactors[0].command(close: false)
    #expect(elapsed { station.reports[0].faults == ["ContactorWelded"] } != nil)
    #expect(!lines.level("RELAY1") && station.reports[0].closed == true)
    station.contactors[0].command(close: true)
    usleep(200_000)
    #expect(!lines.level("RELAY1"))
    lines.follow(1)
    station.contactors[0].command(close: false)
    #expect(elapsed { station.reports[0].closed == false } != nil)
    #expect(station.reports[0].faults == ["ContactorWelded"])
    station.contactors[0].recheck()
    #expect(elapsed { station.reports[0].faults == [] } != nil)
    #expect(station.reports[1].faults == [])
  }

  @Test func aContactorThatDoesNotCloseIsAFault() throws {
    let lines = try FakeLines()
    let station = Station(lines)
    defer { station.end() }
    #expect(station.isReady())
    lines.stick(2, closed: false)
    station.contactors[1].command(close: true)
    #expect(elapsed { station.reports[1].faults == ["ContactorFailedToClose"] } != nil)
    #expect(!lines.level("RELAY2"))
  }

  @Test func aLineThatCannotBeHadIsAFaultOfItsEVSE() throws {
    let lines = try FakeLines()
    lines.refuse("RELAY2", true)
    let station = Station(lines)
    defer { station.end() }
    #expect(elapsed { station.reports[1].faults == ["GPIOFailure"] && station.reports[0].closed == false } != nil)
    #expect(station.close(1))
    lines.refuse("RELAY2", false)
    station.contactors[1].recheck()
    #expect(elapsed { station.reports[1].faults == [] } != nil)
    #expect(station.close(2))
  }

  @Test func aProgramThatIsNotThereIsAFault() throws {
    let lines = try FakeLines()
    let bindings = lines.bindings()
    let lease = RelayLease(.child(program: "/nonexistent/relayd"), configuration: RelayConfiguration(bindings))
    let reports = Reports()
    let contactor = RelayContactor(bindings[0], lease: lease)
    contactor.start { reports.add($0) }
    #expect(elapsed { reports.faults == ["RelayDaemonFailure"] } != nil)
    lease.stop()
  }
}
