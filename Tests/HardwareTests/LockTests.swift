import DeviceModel
import StationCore
import Testing

@testable import Hardware

@Suite struct LockTests {
  private static let direction = GPIOLine(chip: "c", place: .name("DIR"))
  private static let pulse = GPIOLine(chip: "c", place: .name("RUN"))
  private static let hold = GPIOLine(chip: "c", place: .name("HOLD"))
  private static let feedback = GPIOLine(chip: "c", place: .name("LOCKED"))

  private func bench(_ actuator: GPIOLockBinding.Actuator) -> DeviceBench {
    let bench = DeviceBench(
      LockLogic(
        GPIOLockBinding(
          component: ComponentID("ConnectorPlugRetentionLock", evse: 1, connector: 1), actuator: actuator,
          feedback: GPIOContact(line: Self.feedback, kind: .normallyOpen))))
    #expect(bench.values() == [.lock(locked: false)])
    return bench
  }

  private var motor: DeviceBench { bench(.motor(direction: Self.direction, pulse: Self.pulse, pulseMs: 600)) }

  private func command(_ bench: DeviceBench, _ locked: Bool) {
    bench.perform(LockLogic.self) { $0.command(locked: locked, at: $1) }
  }

  private func move(_ bench: DeviceBench, _ locked: Bool) {
    command(bench, locked)
    bench.pass(300)
    bench.pull(0, Self.feedback, locked)
    bench.pass(400)
  }

  @Test func aMotorLocksAndUnlocks() {
    let bench = motor
    command(bench, true)
    #expect(bench.output(Self.direction) && !bench.output(Self.pulse))
    bench.pass(20)
    #expect(bench.output(Self.pulse))
    bench.pass(300)
    bench.pull(0, Self.feedback, true)
    bench.pass(20)
    #expect(bench.values() == [.lock(locked: true)])
    #expect(bench.output(Self.pulse))
    bench.pass(280)
    #expect(!bench.output(Self.pulse) && !bench.output(Self.direction))
    command(bench, false)
    bench.pass(20)
    #expect(!bench.output(Self.direction) && bench.output(Self.pulse))
    bench.pull(0, Self.feedback, false)
    bench.pass(2000)
    #expect(bench.values() == [.lock(locked: false)])
  }

  @Test func aLockThatDoesNotFollowFailsOnce() {
    let bench = motor
    command(bench, true)
    bench.pass(1499)
    #expect(bench.values() == [])
    bench.pass(1)
    #expect(bench.values() == [.lockFailed])
    bench.pass(60_000)
    #expect(bench.values() == [])
    #expect(!bench.output(Self.pulse))
    move(bench, true)
    #expect(bench.values() == [.lock(locked: true)])
  }

  @Test func aForcedLockIsSeen() {
    let bench = motor
    move(bench, true)
    _ = bench.values()
    bench.pull(0, Self.feedback, false)
    bench.pass(20)
    #expect(bench.values() == [.lock(locked: false)])
    #expect(!bench.output(Self.pulse))
  }

  @Test func aMotorMovesTenTimesAMinute() {
    let bench = motor
    for index in 0..<10 { move(bench, index % 2 == 0) }
    _ = bench.values()
    command(bench, true)
    bench.pass(40)
    #expect(!bench.output(Self.pulse))
    // It is not forgotten: the first move leaves the minute at 60 s.
    bench.pass(60_000 - bench.now)
    bench.pass(20)
    #expect(bench.output(Self.pulse))
  }

  @Test func theLastCommandCounts() {
    let bench = motor
    command(bench, true)
    bench.pass(100)
    bench.pull(0, Self.feedback, true)
    bench.pass(30)
    command(bench, false)
    // The pulse that runs is not cut: the motor ends where it was sent, then comes back.
    bench.pass(490)
    #expect(!bench.output(Self.direction) || !bench.output(Self.pulse))
    bench.pass(50)
    #expect(!bench.output(Self.direction) && bench.output(Self.pulse))
  }

  @Test func aMagnetHolds() {
    let bench = bench(.hold(Self.hold))
    command(bench, true)
    #expect(bench.output(Self.hold))
    bench.pull(0, Self.feedback, true)
    bench.pass(20)
    #expect(bench.values() == [.lock(locked: true)])
    bench.pass(10_000)
    #expect(bench.output(Self.hold))
    command(bench, false)
    #expect(!bench.output(Self.hold))
    bench.pass(1500)
    #expect(bench.values() == [.lockFailed])
  }

  @Test func whatIsSoAlreadyMovesNothing() {
    let bench = motor
    command(bench, false)
    bench.pass(100)
    #expect(!bench.output(Self.pulse))
    #expect(bench.values() == [.lock(locked: false)])
  }
}
