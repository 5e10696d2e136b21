import DeviceModel
import StationCore
import Synchronization
import Testing

@testable import Hardware

/// What opens contactors before the core has heard of it, and what keeps them open.
struct InterlockTests {
  private final class FakeContactor: Contactor {
    let component: ComponentID
    private let commands = Mutex<[Bool]>([])
    init(_ evse: Int) { component = ComponentID("PowerContactor", evse: evse) }
    var heard: [Bool] { commands.withLock { $0 } }
    func command(close: Bool) { commands.withLock { $0.append(close) } }
    func start(report: @escaping @Sendable (DriverUpdate) -> Void) {}
    func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {}
    func stop() {}
  }

  private let pilot = ComponentID("CPPWMController", evse: 1)
  private let stop = ComponentID("EmergencyStopSensor")
  private let now = MonotonicTime(nanoseconds: 0)
  private let first = FakeContactor(1)
  private let second = FakeContactor(2)

  private func interlock() -> Interlock { Interlock(guards: [pilot, stop], contactors: [first, second]) }

  private func good(_ value: CapabilityValue) -> DriverUpdate { DriverUpdate(.good(value, at: now)) }

  private func consent(_ interlock: Interlock) {
    interlock.note(pilot, good(.pilot(.c)))
    interlock.note(stop, good(.tripped(false)))
  }

  @Test func nothingClosesBeforeEverybodyHasConsented() {
    let interlock = interlock()
    #expect(interlock.command(evse: 1, close: true).count == 2)
    interlock.note(stop, good(.tripped(false)))
    #expect(interlock.command(evse: 1, close: true).map(\.component) == [pilot])
    interlock.note(pilot, good(.pilot(.b)))
    #expect(interlock.command(evse: 1, close: true).map(\.text) == ["the pilot is in state B"])
    #expect(first.heard.allSatisfy { !$0 })
    interlock.note(pilot, good(.pilot(.c)))
    #expect(interlock.command(evse: 1, close: true).isEmpty)
    #expect(first.heard.last == true)
    // The other EVSE has no pilot of ours, and its own consent.
    #expect(interlock.command(evse: 2, close: true).isEmpty && second.heard == [true])
  }

  @Test(arguments: [
    CapabilityValue.pilot(.a), .pilot(.b), .pilot(.e), .pilot(.f),
  ]) func aPilotThatLeavesCOpensItsContactorAtOnce(value: CapabilityValue) {
    let interlock = interlock()
    consent(interlock)
    interlock.command(evse: 1, close: true)
    interlock.command(evse: 2, close: true)
    interlock.note(pilot, good(value))
    #expect(first.heard == [true, false] && second.heard == [true])
    // It does not close by itself when the pilot is back.
    interlock.note(pilot, good(.pilot(.c)))
    #expect(first.heard == [true, false])
  }

  @Test func theStationsInputsOpenAllContactors() {
    let interlock = interlock()
    consent(interlock)
    interlock.command(evse: 1, close: true)
    interlock.command(evse: 2, close: true)
    interlock.note(stop, good(.tripped(true)))
    #expect(first.heard == [true, false] && second.heard == [true, false])
    #expect(interlock.command(evse: 2, close: true).map(\.text) == ["tripped"])
  }

  @Test func unknownAndSuspectAreDangerous() {
    let interlock = interlock()
    consent(interlock)
    interlock.command(evse: 1, close: true)
    interlock.note(pilot, DriverUpdate(.unknown("the line is gone", since: now)))
    #expect(first.heard == [true, false])
    #expect(interlock.reasons(evse: 1).map(\.text) == ["unknown: the line is gone"])
    interlock.note(pilot, DriverUpdate(.suspect(.pilot(.c), "it jumps", at: now)))
    #expect(interlock.command(evse: 1, close: true).map(\.text) == ["suspect: it jumps"])
  }

  /// A cable or a temperature is nobody's consent, and takes none away.
  @Test func otherReportsOfAGuardAreNoObjection() {
    let interlock = interlock()
    consent(interlock)
    interlock.note(ComponentID("TemperatureSensor"), good(.temperature(milliCelsius: 900_000)))
    #expect(interlock.command(evse: 1, close: true).isEmpty)
  }

  /// Found by reading: the device that makes the pilot also tells of the cable.
  @Test func aCableIsNoConsent() {
    let interlock = interlock()
    interlock.note(stop, good(.tripped(false)))
    interlock.note(pilot, good(.pilot(.b)))
    interlock.note(pilot, good(.cable(ratingAmperes: 32)))
    #expect(interlock.command(evse: 1, close: true).map(\.text) == ["the pilot is in state B"])
  }

  private final class FakePilot: ControlPilot {
    let component: ComponentID
    let switchesContactor: Bool
    private let offers = Mutex<[Int64?]>([])
    init(_ connector: Int?, switches: Bool) {
      component = ComponentID("CPPWMController", evse: 1, connector: connector)
      switchesContactor = switches
    }
    var heard: [Int64?] { offers.withLock { $0 } }
    func offer(milliamperes: Int64?) { offers.withLock { $0.append(milliamperes) } }
    func setUnavailable(_ unavailable: Bool) {}
    func start(report: @escaping @Sendable (DriverUpdate) -> Void) {}
    func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {}
    func stop() {}
  }

  /// A controller that closes by itself is not asked to while somebody else objects, and is told when somebody does.
  @Test func anOfferToADeviceThatSwitchesNeedsConsent() {
    let device = FakePilot(nil, switches: true)
    let interlock = Interlock(guards: [device.component, stop], pilots: [device], contactors: [first])
    #expect(interlock.objections(toOffering: 1, by: device.component).map(\.component) == [stop])
    consent(interlock)
    #expect(interlock.objections(toOffering: 1, by: device.component).isEmpty)
    interlock.note(stop, good(.tripped(true)))
    #expect(device.heard == [nil] && first.heard == [false])
    let other = FakePilot(nil, switches: false)
    #expect(
      Interlock(guards: [stop], pilots: [other], contactors: []).objections(toOffering: 1, by: other.component).isEmpty)
  }

  @Test func ofTwoPilotsOneIsEnough() {
    let pilots = [FakePilot(1, switches: false), FakePilot(2, switches: false)]
    let interlock = Interlock(guards: pilots.map(\.component), pilots: pilots, contactors: [first])
    interlock.note(pilots[0].component, good(.pilot(.a)))
    interlock.note(pilots[1].component, good(.pilot(.c)))
    #expect(interlock.command(evse: 1, close: true).isEmpty)
    // Somebody plugs in at the other connector.
    interlock.note(pilots[0].component, good(.pilot(.b)))
    #expect(first.heard == [false, true])
    interlock.note(pilots[1].component, good(.pilot(.b)))
    #expect(first.heard == [false, true, false] && interlock.command(evse: 1, close: true).count == 2)
  }

  @Test func aHangingLoopOpensEverythingAndClosesNothing() {
    let device = FakePilot(nil, switches: true)
    let interlock = Interlock(guards: [device.component], pilots: [device], contactors: [first])
    interlock.note(device.component, good(.pilot(.c)))
    interlock.command(evse: 1, close: true)
    interlock.noteLoop(isAlive: true)
    #expect(first.heard == [true])
    interlock.noteLoop(isAlive: false)
    interlock.noteLoop(isAlive: false)
    #expect(first.heard == [true, false] && device.heard == [nil])
    #expect(interlock.command(evse: 1, close: true).map(\.text) == ["the station's loop does not answer"])
    interlock.noteLoop(isAlive: true)
    #expect(interlock.command(evse: 1, close: true).isEmpty)
  }

  @Test func openingIsAlwaysDone() {
    let interlock = interlock()
    interlock.command(evse: 1, close: false)
    #expect(first.heard == [false])
  }
}
