import DeviceModel
import Glibc
import StationCore
import Testing
import Threads

@testable import Hardware

/// The drivers on a chip of the kernel's: gpio-sim with the label "rig", whose sysfs folder is /run/gpio-sim, as in the VM of the
/// GPIO rig. Elsewhere there is nothing to test. Lines 8 to 11 are used.
@Suite(.serialized, .enabled(if: access("/run/gpio-sim/sim_gpio8/pull", W_OK) == 0, "no gpio-sim chip"))
struct KernelLineTests {
  private final class Seen: @unchecked Sendable {
    private let lock = Lock()
    private var updates: [DriverUpdate] = []
    func add(_ update: DriverUpdate) { lock.with { updates.append(update) } }
    var all: [DriverUpdate] { lock.with { updates } }

    func waits(_ condition: ([DriverUpdate]) -> Bool) -> Bool {
      for _ in 0..<5000 {
        if condition(all) { return true }
        usleep(1000)
      }
      return false
    }
  }

  private func pull(_ line: Int, _ up: Bool) throws {
    let file = open("/run/gpio-sim/sim_gpio\(line)/pull", O_WRONLY)
    try #require(file >= 0)
    let text = up ? "pull-up" : "pull-down"
    #expect(write(file, text, text.utf8.count) == text.utf8.count)
    close(file)
  }

  private func value(_ line: Int) throws -> Bool {
    let file = open("/run/gpio-sim/sim_gpio\(line)/value", O_RDONLY)
    try #require(file >= 0)
    defer { close(file) }
    var byte: UInt8 = 0
    try #require(read(file, &byte, 1) == 1)
    return byte == 0x31
  }

  private func wait(for line: Int, active: Bool) throws {
    for _ in 0..<2000 {
      if try value(line) == active { return }
      usleep(1000)
    }
    Issue.record("line \(line) did not change")
  }

  private func line(_ offset: Int, activeLow: Bool = false) -> GPIOLine {
    GPIOLine(chip: "rig", place: .offset(offset), activeLow: activeLow)
  }

  @Test func aSafetyInputTripsAtItsEdge() throws {
    try pull(8, true)
    let binding = GPIOSafetyInputBinding(
      component: ComponentID("EmergencyStopSensor"), contact: GPIOContact(line: line(8), kind: .normallyClosed),
      debounceMs: 20)
    let drivers = GPIODrivers([.safetyInput(binding)], relayd: .child(program: "/nonexistent"))
    let seen = Seen()
    drivers.safetyInputs[0].start { seen.add($0) }
    #expect(seen.waits { $0.last?.reading.value == .tripped(false) })
    let before = MonotonicTime.now
    try pull(8, false)
    #expect(seen.waits { $0.last?.reading.value == .tripped(true) })
    // By the kernel's stamp, not by the reading.
    let edge = try #require(seen.all.last?.reading.acquiredAt)
    #expect(edge >= before && edge <= .now && edge - before < .milliseconds(200))
    try pull(8, true)
    #expect(seen.waits { $0.last?.reading.value == .tripped(false) })
    drivers.stop()
  }

  @Test func outputsAreOffFromTheRequestOn() throws {
    let lines = KernelLines()
    let request = LineRequest(line: line(9, activeLow: true), direction: .output(active: false))
    let taken = try lines.take(request)
    // Off is the high level.
    #expect(try value(9))
    try taken.set(true)
    #expect(try !value(9))
    #expect(throws: LineFailure(text: "cannot take output line 9 of chip rig: Device or resource busy")) {
      _ = try lines.take(request)
    }
    taken.release()
    #expect(try lines.describe(line(9)).hasPrefix("chip rig (rig, "))
  }

  @Test func aSelfTestOnRealLines() throws {
    try pull(10, true)
    let binding = GPIORCDBinding(
      component: ComponentID("RCD", evse: 1), trip: GPIOContact(line: line(10), kind: .normallyClosed), debounceMs: 20,
      test: GPIOPulse(line: line(11), pulseMs: 300, timeoutMs: 3000))
    let drivers = GPIODrivers([.rcd(binding)], relayd: .child(program: "/nonexistent"))
    let seen = Seen()
    drivers.rcds[0].start { seen.add($0) }
    #expect(seen.waits { $0.last?.reading.value == .tripped(false) })
    #expect(drivers.rcds[0].selfTest() && !drivers.rcds[0].reset())
    // The device: it trips while the test line is active.
    try wait(for: 11, active: true)
    try pull(10, false)
    try wait(for: 11, active: false)
    try pull(10, true)
    #expect(seen.waits { $0.count == 2 })
    #expect(seen.all.allSatisfy { $0.raised.isEmpty && $0.reading.value == .tripped(false) })
    drivers.stop()
  }
}
