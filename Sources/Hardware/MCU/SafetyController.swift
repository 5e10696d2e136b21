import DeviceModel
import StationCore
import Threads

/// A safety microcontroller on a serial line: the control pilot, and the other things that it does for its EVSE as `parts`.
/// It speaks docs/mcu-protocol.md on a thread of its own, which begins with the first part that is started.
public final class SafetyController: ControlPilot, Proximity, Sendable {
  public let component: ComponentID
  public var switchesContactor: Bool { true }
  private let binding: SafetyControllerBinding
  private let loop: DeviceLoop<MCUSession>
  private let audience: Audience
  /// What it serves beside the pilot, in the order of the components given.
  public let parts: [any Driver]

  /// `parts`: the components of the same EVSE that are bound to this controller.
  public convenience init(_ binding: SafetyControllerBinding, parts: [ComponentID]) {
    self.init(binding, parts: parts) { SerialPort.open(binding.device, baud: binding.baud) }
  }

  init(
    _ binding: SafetyControllerBinding, parts: [ComponentID],
    open: @escaping @Sendable () -> Result<Int32, DeviceFailure>
  ) {
    component = binding.component
    self.binding = binding
    let facets = parts.compactMap { Self.facet($0) }
    let settings = MCUSession.Settings(
      evse: binding.component.evse ?? 0, connector: binding.component.connector ?? 1,
      keepAlive: .milliseconds(binding.keepAliveMs), loss: .milliseconds(binding.lossAfterMs),
      most: Int64(binding.maxCurrentA) * 1000, ventilation: binding.ventilation,
      facets: Set(facets + [.pilot] + (binding.socket ? [.cable] : [])))
    let audience = Audience()
    self.audience = audience
    let loop = DeviceLoop("mcu", MCUSession(settings, at: .now), open: open) { audience.hear($0) }
    self.loop = loop
    let facing = Facing(loop: loop, audience: audience, binding: binding)
    self.parts = parts.compactMap { component in
      switch Self.facet(component) {
      case .contactor: SafetyControllerContactor(component, facing)
      case .lock: SafetyControllerLock(component, facing)
      case .rcd: SafetyControllerRCD(component, facing)
      case .emergencyStop: SafetyControllerEmergencyStop(component, facing)
      default: nil
      }
    }
  }

  private static func facet(_ component: ComponentID) -> MCUSession.Facet? {
    switch component.name.lowercased() {
    case "powercontactor": .contactor
    case "connectorplugretentionlock": .lock
    case "rcd": .rcd
    case "emergencystopsensor": .emergencyStop
    default: nil
    }
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) {
    if binding.socket { audience.add(.cable, report) }
    Facing(loop: loop, audience: audience, binding: binding).begin(.pilot, report)
  }

  public func offer(milliamperes: Int64?) { loop.with { $0.offer(milliamperes, at: $1) } }

  public func setUnavailable(_ unavailable: Bool) { loop.with { $0.setUnavailable(unavailable, at: $1) } }

  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    Facing(loop: loop, audience: audience, binding: binding).probe(answer)
  }

  /// Opens the contactor, withdraws the offer and lets the line go, for all parts.
  public func stop() {
    loop.with { $0.shutDown(at: $1) }
    loop.stop()
    audience.clear()
  }
}

/// Who hears what of a controller.
///
/// `@unchecked Sendable`: everything is used under `lock`.
final class Audience: @unchecked Sendable {
  private let lock = Lock()
  private var reports: [MCUSession.Facet: @Sendable (DriverUpdate) -> Void] = [:]
  /// For who begins to listen later.
  private var last: [MCUSession.Facet: DriverUpdate] = [:]

  func add(_ facet: MCUSession.Facet, _ report: @escaping @Sendable (DriverUpdate) -> Void) {
    let known = lock.with {
      reports[facet] = report
      return last[facet]
    }
    if let known { report(known) }
  }

  func remove(_ facet: MCUSession.Facet) { lock.with { reports[facet] = nil } }

  func clear() { lock.with { reports = [:] } }

  func hear(_ outputs: [MCUSession.Output]) {
    for output in outputs {
      let report = lock.with {
        last[output.facet] = output.update
        return reports[output.facet]
      }
      report?(output.update)
    }
  }
}

/// What every part of a controller needs of it.
struct Facing: Sendable {
  let loop: DeviceLoop<MCUSession>
  let audience: Audience
  let binding: SafetyControllerBinding

  func begin(_ facet: MCUSession.Facet, _ report: @escaping @Sendable (DriverUpdate) -> Void) {
    audience.add(facet, report)
    guard loop.start() else {
      let why = "cannot start a thread for \(binding.device)"
      return report(DriverUpdate(.unknown(why, since: .now), health: .failed(why)))
    }
  }

  func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    let started = NamedThread.startDetached("mcu-probe") {
      // It says hello at the latest a second after the line was opened.
      let end = MonotonicTime.now + .seconds(3)
      let pause = Lock()
      while true {
        let (firmware, isTalking) = loop.with { session, _ in (session.firmware, session.phase == .talking) }
        if let firmware, isTalking {
          return answer(.found(DeviceIdentity("\(firmware) on \(binding.device)", details: ["firmware": firmware])))
        }
        guard MonotonicTime.now < end else { return answer(.absent("nothing says hello on \(binding.device)")) }
        pause.with { pause.wait(until: .now + .milliseconds(50)) }
      }
    }
    if !started { answer(.absent("cannot start a thread")) }
  }
}

public final class SafetyControllerContactor: Contactor, Sendable {
  public let component: ComponentID
  private let facing: Facing

  init(_ component: ComponentID, _ facing: Facing) {
    self.component = component
    self.facing = facing
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { facing.begin(.contactor, report) }
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) { facing.probe(answer) }
  public func command(close: Bool) { facing.loop.with { $0.contactor(close: close, at: $1) } }
  public func stop() {
    facing.loop.with { $0.contactor(close: false, at: $1) }
    facing.audience.remove(.contactor)
  }
}

public final class SafetyControllerLock: ConnectorLock, Sendable {
  public let component: ComponentID
  private let facing: Facing

  init(_ component: ComponentID, _ facing: Facing) {
    self.component = component
    self.facing = facing
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { facing.begin(.lock, report) }
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) { facing.probe(answer) }
  public func command(locked: Bool) { facing.loop.with { $0.lock(locked, at: $1) } }
  public func stop() { facing.audience.remove(.lock) }
}

public final class SafetyControllerRCD: ResidualCurrentDevice, Sendable {
  public let component: ComponentID
  private let facing: Facing

  init(_ component: ComponentID, _ facing: Facing) {
    self.component = component
    self.facing = facing
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { facing.begin(.rcd, report) }
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) { facing.probe(answer) }
  public func selfTest() -> Bool { facing.loop.with { $0.rcdTest(at: $1) } }
  public func reset() -> Bool { facing.loop.with { $0.rcdReset(at: $1) } }
  public func stop() { facing.audience.remove(.rcd) }
}

public final class SafetyControllerEmergencyStop: SafetyInput, Sendable {
  public let component: ComponentID
  private let facing: Facing

  init(_ component: ComponentID, _ facing: Facing) {
    self.component = component
    self.facing = facing
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { facing.begin(.emergencyStop, report) }
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) { facing.probe(answer) }
  public func stop() { facing.audience.remove(.emergencyStop) }
}
