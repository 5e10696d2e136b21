import DeviceModel
import StationCore
import Testing

@testable import Hardware

@Suite struct RCDTests {
  private static let trip = GPIOLine(chip: "c", place: .name("TRIP"))
  private static let test = GPIOLine(chip: "c", place: .name("TEST"))
  private static let reset = GPIOLine(chip: "c", place: .name("RESET"))

  private func bench(hasReset: Bool = false) -> DeviceBench {
    let bench = DeviceBench(
      RCDLogic(
        GPIORCDBinding(
          component: ComponentID("RCD", evse: 1), trip: GPIOContact(line: Self.trip, kind: .normallyClosed),
          test: GPIOPulse(line: Self.test, pulseMs: 200, timeoutMs: 500),
          reset: hasReset ? GPIOPulse(line: Self.reset, pulseMs: 300, timeoutMs: 1000) : nil)),
      levels: [Self.trip: true])
    #expect(bench.values() == [.tripped(false)])
    return bench
  }

  private func selfTest(_ bench: DeviceBench) { bench.perform(RCDLogic.self) { $0.selfTest(at: $1) } }

  @Test func aTripIsReported() {
    let bench = bench()
    bench.pull(0, Self.trip, false)
    #expect(bench.values() == [.tripped(true)])
    bench.pull(0, Self.trip, true)
    bench.pass(50)
    #expect(bench.values() == [.tripped(false)])
  }

  @Test func aTestThatTripsAndClearsIsNoTrip() {
    let bench = bench()
    selfTest(bench)
    #expect(bench.output(Self.test))
    // Unknown while it lasts: nothing closes.
    #expect(bench.values() == [nil])
    bench.pass(40)
    bench.pull(0, Self.trip, false)
    bench.pass(159)
    #expect(bench.output(Self.test))
    bench.pass(1)
    #expect(!bench.output(Self.test))
    bench.pass(30)
    bench.pull(0, Self.trip, true)
    #expect(bench.values() == [])
    bench.pass(50)
    #expect(bench.raised == [] && bench.values() == [.tripped(false)])
    // Everything is as before.
    bench.pull(0, Self.trip, false)
    #expect(bench.values() == [.tripped(true)])
  }

  @Test func aTestThatDoesNotTripFails() {
    let bench = bench()
    selfTest(bench)
    bench.pass(499)
    #expect(bench.raised == [] && !bench.output(Self.test))
    bench.pass(1)
    #expect(bench.raised == ["RCDSelfTestFailed"])
    _ = bench.values()
    selfTest(bench)
    bench.pull(0, Self.trip, false)
    bench.pass(200)
    bench.pull(0, Self.trip, true)
    bench.pass(50)
    #expect(bench.cleared == ["RCDSelfTestFailed"])
  }

  @Test func aTripThatStaysAfterTheTestIsATrip() {
    let bench = bench()
    selfTest(bench)
    bench.pull(0, Self.trip, false)
    bench.pass(1200)
    #expect(bench.raised == ["RCDSelfTestFailed"])
    #expect(bench.values() == [nil, .tripped(true)])
  }

  @Test func theResetFollowsTheTest() {
    let bench = bench(hasReset: true)
    selfTest(bench)
    bench.pass(30)
    bench.pull(0, Self.trip, false)
    #expect(bench.output(Self.reset))
    bench.pass(250)
    bench.pull(0, Self.trip, true)
    bench.pass(51)
    #expect(!bench.output(Self.reset))
    #expect(bench.raised == [] && bench.values() == [nil, .tripped(false)])
  }

  @Test func oneThatHasTrippedIsNotTested() {
    let bench = bench()
    bench.pull(0, Self.trip, false)
    selfTest(bench)
    #expect(!bench.output(Self.test))
    #expect(bench.raised == ["RCDSelfTestFailed"])
  }

  @Test func aResetIsAPulse() {
    let bench = bench(hasReset: true)
    bench.perform(RCDLogic.self) { $0.reset(at: $1) }
    #expect(bench.output(Self.reset))
    bench.pass(300)
    #expect(!bench.output(Self.reset))
  }

  @Test func lettingGoSwitchesOff() {
    let bench = bench()
    selfTest(bench)
    let test = bench.backend.lines[Self.test]
    bench.device.release()
    #expect(test?.active == false && test?.isReleased == true)
  }
}
