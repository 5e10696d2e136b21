import DeviceModel
import StationCore
import Testing

@testable import Hardware

@Suite struct SafetyInputTests {
  private static let line = GPIOLine(chip: "c", place: .name("STOP"))

  private func bench(_ kind: GPIOContact.Kind = .normallyClosed, active: Bool = true, missing: Bool = false)
    -> DeviceBench
  {
    DeviceBench(
      SafetyInputLogic(
        GPIOSafetyInputBinding(
          component: ComponentID("EmergencyStopSensor"), contact: GPIOContact(line: Self.line, kind: kind))),
      levels: [Self.line: active], missing: missing ? [Self.line] : [])
  }

  @Test func whatIsFoundIsReportedAtOnce() {
    #expect(bench().values() == [.tripped(false)])
    // A wire that was broken before the start.
    #expect(bench(active: false).values() == [.tripped(true)])
    #expect(bench(.normallyOpen, active: false).values() == [.tripped(false)])
    #expect(bench(.normallyOpen, active: true).values() == [.tripped(true)])
  }

  @Test func theFirstEdgeTripsAndBouncesDoNotClear() {
    let bench = bench()
    _ = bench.values()
    bench.pass(1000)
    bench.pull(0, Self.line, false, ago: 3)
    #expect(bench.log.updates.last?.reading.acquiredAt == at(997))
    #expect(bench.values() == [.tripped(true)])
    for _ in 0..<10 {
      bench.pass(20)
      bench.pull(0, Self.line, true)
      bench.pass(20)
      bench.pull(0, Self.line, false)
    }
    #expect(bench.values() == [])
    bench.pull(0, Self.line, true)
    bench.pass(49)
    #expect(bench.values() == [])
    bench.pass(1)
    #expect(bench.values() == [.tripped(false)])
  }

  @Test func aPulseOfMicrosecondsTrips() {
    let bench = bench()
    _ = bench.values()
    let taken = bench.backend.lines[Self.line]
    taken?.edges = [LineEdge(active: false, at: at(-1)), LineEdge(active: true, at: at(0))]
    bench.device.read(0, at: at(0))
    #expect(bench.values() == [.tripped(true)])
    bench.pass(50)
    #expect(bench.values() == [.tripped(false)])
  }

  /// The kernel keeps so many edges; the value decides.
  @Test func lostEdgesAreFound() {
    let bench = bench()
    _ = bench.values()
    bench.backend.lines[Self.line]?.active = false
    bench.device.read(0, at: at(0))
    #expect(bench.values() == [.tripped(true)])
  }

  @Test func aLineThatIsMissingIsUnknownAndAskedForAgain() {
    let bench = bench(missing: true)
    #expect(bench.raised == ["GPIOFailure"])
    #expect(bench.values() == [nil])
    bench.pass(1000)
    bench.pass(2000)
    bench.pass(4000)
    #expect(bench.backend.requests.count == 4)
    // The wait is bounded, and so is what is said of it.
    bench.pass(600_000)
    #expect((12...16).contains(bench.backend.requests.count))
    #expect(bench.raised == [])
    bench.backend.missing = []
    bench.pass(60_000)
    #expect(bench.cleared == ["GPIOFailure"])
    #expect(bench.values().last == .tripped(false))
  }

  @Test func aLineThatBreaksIsUnknown() {
    let bench = bench()
    _ = bench.values()
    bench.backend.lines[Self.line]?.isBroken = true
    bench.device.read(0, at: at(0))
    #expect(bench.raised == ["GPIOFailure"])
    #expect(bench.values() == [nil])
    bench.pass(1000)
    #expect(bench.values() == [.tripped(false)])
  }

  @Test func theKernelDoesNotDebounceTrips() {
    #expect(bench().backend.requests.map(\.direction) == [.input(debounce: .zero)])
  }
}
