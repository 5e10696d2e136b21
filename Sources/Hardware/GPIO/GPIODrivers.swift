import DeviceModel
import StationCore

/// All drivers of kind `gpio` that a station's components are bound to, and what they share: one thread for the lines, and one
/// that looks after station-relayd when there is a contactor.
///
///     let gpio = GPIODrivers(result.bindings, relayd: .child(program: "/usr/libexec/station-relayd"))
///     for driver in gpio.all { driver.start { update in ... } }   // any thread: hop to the loop
///     loop.scheduleRepeatedTask(every: 100 ms) { gpio.lease?.feed() }
///     ...
///     gpio.stop()
///
/// Nothing is opened before a driver's `start`. The contactors close only while `lease.feed()` is called by the loop.
public final class GPIODrivers: Sendable {
  public let contactors: [RelayContactor]
  public let safetyInputs: [GPIOSafetyInput]
  public let rcds: [GPIOResidualCurrentDevice]
  public let locks: [GPIOConnectorLock]
  public let indicators: [GPIOIndicator]
  /// `nil` without a contactor.
  public let lease: RelayLease?
  private let engine: GPIOEngine
  /// Lights have a thread of their own: a LED of the kernel's may be behind a slow bus, and safety inputs must not wait for it.
  private let lights: GPIOEngine

  /// - Parameters:
  ///   - bindings: of a folder without errors; those of other kinds are passed over.
  ///   - relayd: how station-relayd is reached; not used without a contactor.
  public convenience init(_ bindings: [DriverBinding], relayd: RelayLease.Daemon) {
    self.init(bindings, relayd: relayd, backend: KernelLines())
  }

  init(_ bindings: [DriverBinding], relayd: RelayLease.Daemon, backend: any LineBackend) {
    let engine = GPIOEngine(backend: backend)
    let lights = GPIOEngine(backend: backend)
    let contactorBindings = bindings.compactMap { if case .contactor(let binding) = $0 { binding } else { nil } }
    let lease =
      contactorBindings.isEmpty ? nil : RelayLease(relayd, configuration: RelayConfiguration(contactorBindings))
    contactors = lease.map { lease in contactorBindings.map { RelayContactor($0, lease: lease) } } ?? []
    safetyInputs = bindings.compactMap {
      if case .safetyInput(let binding) = $0 { GPIOSafetyInput(binding, engine, backend) } else { nil }
    }
    rcds = bindings.compactMap {
      if case .rcd(let binding) = $0 { GPIOResidualCurrentDevice(binding, engine, backend) } else { nil }
    }
    locks = bindings.compactMap {
      if case .lock(let binding) = $0 { GPIOConnectorLock(binding, engine, backend) } else { nil }
    }
    indicators = bindings.compactMap {
      if case .indicator(let binding) = $0 { GPIOIndicator(binding, lights, backend) } else { nil }
    }
    self.lease = lease
    self.engine = engine
    self.lights = lights
  }

  /// How long the thread of the safety inputs has owed a sign of life, which this asks for; `nil`: there is none.
  public func silence(at now: MonotonicTime = .now) -> TimeSpan? { engine.silence(at: now) }

  /// Every driver, contactors first.
  public var all: [any Driver] { contactors + safetyInputs + rcds + locks + indicators }

  /// Contactors open, outputs go to their safe state, lines are let go. Waits, at most two seconds.
  public func stop() {
    lease?.stop()
    engine.stop()
    lights.stop()
  }
}

/// Emergency stop, door, tilt, flood or supply-good on a line. A trip is reported at its first edge. A line that cannot be had is
/// `unknown` with the fault `GPIOFailure`, and asked for again after 1 s at first and 60 s at last.
public final class GPIOSafetyInput: SafetyInput {
  public let component: ComponentID
  public let binding: GPIOSafetyInputBinding
  private let port: GPIOPort

  init(_ binding: GPIOSafetyInputBinding, _ engine: GPIOEngine, _ backend: any LineBackend) {
    component = binding.component
    self.binding = binding
    port = GPIOPort(engine, backend)
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) {
    port.start(SafetyInputLogic(binding), report)
  }
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    port.probe(SafetyInputLogic(binding), answer)
  }
  public func stop() { port.stop() }
}

/// A residual current device on lines: trip contact, optional outputs for test and reset.
public final class GPIOResidualCurrentDevice: ResidualCurrentDevice {
  public let component: ComponentID
  public let binding: GPIORCDBinding
  private let port: GPIOPort

  init(_ binding: GPIORCDBinding, _ engine: GPIOEngine, _ backend: any LineBackend) {
    component = binding.component
    self.binding = binding
    port = GPIOPort(engine, backend)
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { port.start(RCDLogic(binding), report) }

  /// The contactor should be open, and stays so: the state is unknown during the test. One that fails raises `RCDSelfTestFailed`.
  public func selfTest() -> Bool {
    guard binding.test != nil else { return false }
    port.perform(RCDLogic.self) { $0.selfTest(at: $1) }
    return true
  }

  public func reset() -> Bool {
    guard binding.reset != nil else { return false }
    port.perform(RCDLogic.self) { $0.reset(at: $1) }
    return true
  }

  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    port.probe(RCDLogic(binding), answer)
  }
  public func stop() { port.stop() }
}

/// A connector lock on lines. Its position is what the feedback contact says.
public final class GPIOConnectorLock: ConnectorLock {
  public let component: ComponentID
  public let binding: GPIOLockBinding
  private let port: GPIOPort

  init(_ binding: GPIOLockBinding, _ engine: GPIOEngine, _ backend: any LineBackend) {
    component = binding.component
    self.binding = binding
    port = GPIOPort(engine, backend)
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { port.start(LockLogic(binding), report) }
  public func command(locked: Bool) { port.perform(LockLogic.self) { $0.command(locked: locked, at: $1) } }
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    port.probe(LockLogic(binding), answer)
  }
  public func stop() { port.stop() }
}

/// Lights on lines or LEDs of the kernel. What shows which state: `IndicatorPattern`.
public final class GPIOIndicator: Indicator {
  public let component: ComponentID
  public let binding: GPIOIndicatorBinding
  private let port: GPIOPort

  init(_ binding: GPIOIndicatorBinding, _ engine: GPIOEngine, _ backend: any LineBackend) {
    component = binding.component
    self.binding = binding
    port = GPIOPort(engine, backend)
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { port.start(IndicatorLogic(binding), report) }
  public func show(_ state: IndicatedState) { port.perform(IndicatorLogic.self) { $0.show(state, at: $1) } }
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    port.probe(IndicatorLogic(binding), answer)
  }
  public func stop() { port.stop() }
}

/// A driver's place at the engine.
final class GPIOPort: Sendable {
  private let engine: GPIOEngine
  private let backend: any LineBackend
  private let id: Int

  init(_ engine: GPIOEngine, _ backend: any LineBackend) {
    self.engine = engine
    self.backend = backend
    id = engine.reserve()
  }

  func start(_ logic: any GPIOLogic, _ report: @escaping @Sendable (DriverUpdate) -> Void) {
    engine.start(id, logic, report: report)
  }

  func perform<L: GPIOLogic>(_ type: L.Type, _ body: @escaping @Sendable (inout L, MonotonicTime) -> Void) {
    engine.perform(id) { logic, now in
      guard var own = logic as? L else { return }
      body(&own, now)
      logic = own
    }
  }

  func probe(_ logic: any GPIOLogic, _ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    GPIOProbe.run(logic.requests.map(\.line), backend: backend, answer)
  }

  func stop() { engine.stop(id) }
}
