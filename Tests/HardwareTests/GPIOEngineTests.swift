import DeviceModel
import Glibc
import StationCore
import Testing
import Threads

@testable import Hardware

/// The engine with its thread, on pipes instead of a kernel's lines.
@Suite struct GPIOEngineTests {
  private final class PipeLine: TakenLine {
    let ends: [Int32]
    var active: Bool

    init(_ active: Bool) {
      var ends: [Int32] = [0, 0]
      pipe(&ends)
      self.ends = ends
      self.active = active
    }

    var descriptor: Int32 { ends[0] }
    func value() throws(LineFailure) -> Bool { active }
    func set(_ active: Bool) throws(LineFailure) { self.active = active }

    func nextEdge() throws(LineFailure) -> LineEdge? {
      var poller = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
      guard poll(&poller, 1, 0) == 1 else { return nil }
      var byte: UInt8 = 0
      guard read(ends[0], &byte, 1) == 1 else { throw LineFailure(text: "the pipe has ended") }
      active = byte == 1
      return LineEdge(active: active, at: .now)
    }

    func release() { for end in ends { close(end) } }
  }

  private final class Pipes: LineBackend, @unchecked Sendable {
    let lock = Lock()
    var lines: [GPIOLine: PipeLine] = [:]

    func take(_ request: LineRequest) throws(LineFailure) -> any TakenLine {
      let line = PipeLine(!request.isOutput)
      lock.with { lines[request.line] = line }
      return line
    }

    func describe(_ line: GPIOLine) throws(LineFailure) -> String {
      if line.chip == "none" { throw LineFailure(text: "there is no \(line.text)") }
      return line.text
    }

    func pull(_ line: GPIOLine, _ active: Bool) {
      let end = lock.with { lines[line]?.ends[1] }
      var byte: UInt8 = active ? 1 : 0
      if let end { _ = write(end, &byte, 1) }
    }
  }

  private final class Seen: @unchecked Sendable {
    let lock = Lock()
    private var updates: [DriverUpdate] = []
    private var probes: [ProbeResult<DeviceIdentity>] = []

    func add(_ update: DriverUpdate) { lock.with { updates.append(update) } }
    func add(_ probe: ProbeResult<DeviceIdentity>) { lock.with { probes.append(probe) } }
    var values: [CapabilityValue?] { lock.with { updates.map(\.reading.value) } }
    var answers: [ProbeResult<DeviceIdentity>] { lock.with { probes } }

    func waits(_ condition: () -> Bool) -> Bool {
      for _ in 0..<5000 {
        if condition() { return true }
        usleep(1000)
      }
      return false
    }
  }

  private static let stop = GPIOLine(chip: "c", place: .name("STOP"))
  private static let door = GPIOLine(chip: "c", place: .offset(4))

  private func input(_ name: String, _ line: GPIOLine) -> DriverBinding {
    .safetyInput(
      GPIOSafetyInputBinding(
        component: ComponentID(name), contact: GPIOContact(line: line, kind: .normallyClosed), debounceMs: 20))
  }

  @Test func driversShareOneThread() {
    let pipes = Pipes()
    let drivers = GPIODrivers(
      [input("EmergencyStopSensor", Self.stop), input("AccessBarrier", Self.door), .simulated(ComponentID("RCD"))],
      relayd: .child(program: "/nonexistent"), backend: pipes)
    #expect(drivers.lease == nil && drivers.all.count == 2)
    let stop = Seen()
    let door = Seen()
    drivers.safetyInputs[0].start { stop.add($0) }
    drivers.safetyInputs[1].start { door.add($0) }
    #expect(stop.waits { stop.values == [.tripped(false)] && door.values == [.tripped(false)] })
    pipes.pull(Self.stop, false)
    #expect(stop.waits { stop.values == [.tripped(false), .tripped(true)] })
    #expect(door.values.count == 1)
    pipes.pull(Self.stop, true)
    #expect(stop.waits { stop.values.last == .tripped(false) })
    drivers.safetyInputs[0].stop()
    #expect(pipes.lock.with { pipes.lines[Self.stop]?.ends[0] }.map { fcntl($0, F_GETFD) } == -1)
    let count = stop.values.count
    pipes.pull(Self.door, false)
    #expect(door.waits { door.values.last == .tripped(true) })
    #expect(stop.values.count == count)
    drivers.stop()
  }

  /// Whoever renews the contactors' lease asks: a thread that hangs reads no emergency stop.
  @Test func aThreadThatHangsOwesASignOfLife() {
    let pipes = Pipes()
    let drivers = GPIODrivers(
      [input("EmergencyStopSensor", Self.stop)], relayd: .child(program: "/nonexistent"), backend: pipes)
    #expect(drivers.silence() == nil)
    let gate = Signal<Void>()
    let seen = Seen()
    drivers.safetyInputs[0].start {
      seen.add($0)
      gate.wait()
    }
    #expect(seen.waits { seen.values.count == 1 && (drivers.silence() ?? .zero) > .milliseconds(50) })
    gate.set(())
    #expect(seen.waits { drivers.silence() == .zero })
    drivers.stop()
    #expect(drivers.silence() == nil)
  }

  @Test func probesTakeNothing() {
    let pipes = Pipes()
    let drivers = GPIODrivers(
      [input("FloodSensor", Self.stop), input("TiltSensor", GPIOLine(chip: "none", place: .offset(1)))],
      relayd: .child(program: "/nonexistent"), backend: pipes)
    let seen = Seen()
    drivers.safetyInputs[0].probe { seen.add($0) }
    #expect(seen.waits { seen.answers == [.found(DeviceIdentity("line STOP on c"))] })
    drivers.safetyInputs[1].probe { seen.add($0) }
    #expect(seen.waits { seen.answers.last == .absent("there is no line 1 on none") })
    #expect(pipes.lines.isEmpty)
  }

  /// The kernel's chips: this machine may have none.
  @Test func aChipThatIsNotThereIsNamed() {
    let lines = KernelLines()
    #expect(throws: LineFailure(text: "chip gpiochip63: No such file or directory")) {
      try lines.describe(GPIOLine(chip: "gpiochip63", place: .offset(1)))
    }
    #expect(throws: LineFailure(text: "chip no-such-label: no GPIO chip has this label")) {
      _ = try lines.take(
        LineRequest(line: GPIOLine(chip: "no-such-label", place: .name("X")), direction: .output(active: false)))
    }
  }
}
