import DeviceModel
import StationCore
import Synchronization
import Threads

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The real hardware of a station: every driver that its components are bound to, behind the commands and events that the core
/// knows.
///
/// Drivers report on their threads. A report goes first to the `Interlock`, which opens what may not stay closed, then to
/// `deliver`, which takes it to the loop, where `events` says what the core is told.
///
/// `@unchecked Sendable`: what changes is used under locks.
public final class HardwareDrivers: Sendable {
  public let interlock: Interlock
  private let gpio: GPIODrivers
  private let buses: ModbusBuses
  private let meters: ModbusMeters
  private let pilots: ControlPilots
  private let readers: TokenReaders
  private let sensors: TemperatureSensors
  private let drivers: [any Driver]
  private let simulated: Set<ComponentID>
  private let lastFed = Atomic<Int64>(0)
  private let isStopped = Atomic<Bool>(false)
  /// Nanoseconds without `feed` after which the loop counts as hanging.
  private static let loopLimit: Int64 = 300_000_000
  private let states: Mutex<[ComponentID: DriverState]>
  private let rcdTests = Mutex<[ComponentID: MonotonicTime]>([:])

  /// How soon after a test of an RCD the next vehicle causes another one.
  private static let rcdTestInterval = TimeSpan.seconds(10)

  /// Opens nothing.
  /// - Parameters:
  ///   - bindings: Those of a folder without errors.
  ///   - kinds: The kind of each component's driver, for people.
  ///   - relayd: How station-relayd is reached, when a contactor is on lines.
  public init(_ bindings: [DriverBinding], kinds: [ComponentID: String], relayd: RelayLease.Daemon) {
    gpio = GPIODrivers(bindings, relayd: relayd)
    buses = ModbusBuses(bindings)
    meters = ModbusMeters(
      bindings.compactMap { if case .meter(let binding) = $0 { binding } else { nil } }, buses: buses)
    pilots = ControlPilots(bindings, buses: buses)
    readers = TokenReaders(bindings)
    sensors = TemperatureSensors(bindings)
    drivers = gpio.all + pilots.pilots + pilots.parts + readers.readers + sensors.sensors
    let guards = drivers.filter {
      ($0 is any ControlPilot || $0 is any SafetyInput || $0 is any ResidualCurrentDevice)
        && !$0.component.isNamed(DriverReport.baySensor)
    }
    interlock = Interlock(
      guards: guards.map(\.component), pilots: pilots.pilots, contactors: drivers.compactMap { $0 as? any Contactor })
    var states: [ComponentID: DriverState] = [:]
    simulated = Set(bindings.compactMap { if case .simulated(let component, _) = $0 { component } else { nil } })
    for binding in bindings where !simulated.contains(binding.component) {
      let component = binding.component
      states[component] = DriverState(component: component, kind: kinds[component] ?? "", health: .starting)
    }
    self.states = Mutex(states)
  }

  /// Takes hold of everything, contactors first. To be called once.
  /// - Parameter deliver: Called on drivers' threads; must not block.
  public func start(_ deliver: @escaping @Sendable (DriverReport) -> Void) {
    feed()
    watchLoop()
    for driver in drivers {
      let component = driver.component
      driver.start { [self] update in
        interlock.note(component, update)
        note(component, update)
        deliver(.driver(component, update))
      }
    }
    for meter in meters.meters {
      meter.start { [self] update in
        note(meter, update)
        deliver(.meter(update))
      }
    }
  }

  /// The loop is alive: the contactors may stay closed, if the thread of the safety inputs is alive too. To be called every
  /// 100 ms.
  /// - Returns: false when that thread hangs, so that everything opens.
  @discardableResult
  public func feed() -> Bool {
    if let silence = gpio.silence(), silence.nanoseconds > Self.loopLimit { return false }
    lastFed.store(MonotonicTime.now.nanoseconds, ordering: .relaxed)
    gpio.lease?.feed()
    return true
  }

  /// relayd's lease ends by itself; for controllers, whose keep-alive is not the loop's, somebody has to look.
  private func watchLoop() {
    guard pilots.pilots.contains(where: \.switchesContactor) else { return }
    _ = NamedThread.startDetached("loop-watch") { [self] in
      while !isStopped.load(ordering: .relaxed) {
        usleep(50_000)
        let age = MonotonicTime.now.nanoseconds - lastFed.load(ordering: .relaxed)
        interlock.noteLoop(isAlive: age < Self.loopLimit)
      }
    }
  }

  /// Contactors open, outputs go to their safe state, everything is let go. Waits for that, a few seconds at most.
  public func stop() {
    isStopped.store(true, ordering: .relaxed)
    gpio.stop()
    pilots.stop()
    readers.stop()
    sensors.stop()
    for meter in meters.meters { meter.stop() }
    buses.stop()
  }

  // MARK: Commands

  /// Carries out what concerns a real device.
  /// - Returns: why a contactor was not closed.
  @discardableResult
  public func execute(_ command: HardwareCommand) -> [Interlock.Reason] {
    switch command {
    case .contactor(let evse, let close): return interlock.command(evse: evse, close: close)
    case .offer(let evse, let connector, let milliamperes):
      guard let pilot = pilot(evse, connector) else { return [] }
      let reasons = milliamperes == nil ? [] : interlock.objections(toOffering: evse, by: pilot.component)
      pilot.offer(milliamperes: reasons.isEmpty ? milliamperes : nil)
      return reasons
    case .lock(let evse, let connector, let locked):
      for case let lock as any ConnectorLock in drivers where lock.evse == evse && lock.connector == connector {
        lock.command(locked: locked)
      }
    case .available(let evse, let connector, let isAvailable):
      pilot(evse, connector)?.setUnavailable(!isAvailable)
    case .readMeters:
      for meter in meters.meters { meter.readNow() }
    }
    return []
  }

  private func pilot(_ evse: Int, _ connector: Int) -> (any ControlPilot)? {
    pilots.pilots.first { $0.evse == evse && ($0.component.connector == nil || $0.connector == connector) }
  }

  /// Lets the lights of an EVSE, or of the station, show a state.
  public func show(evse: Int, _ state: IndicatedState) {
    for case let light as any Indicator in drivers where light.evse == evse { light.show(state) }
  }

  public var hasIndicators: Bool { drivers.contains { $0 is any Indicator } }

  /// RCDs prove that they trip, before the next session: when they have been heard of for the first time, and when a vehicle has
  /// left. Their state is unknown meanwhile, which keeps the contactor open.
  public func testRCDs(evse: Int) {
    let now = MonotonicTime.now
    for case let device as any ResidualCurrentDevice in drivers where device.evse == evse {
      let isDue = rcdTests.withLock { tests in
        if let last = tests[device.component], now - last < Self.rcdTestInterval { return false }
        tests[device.component] = now
        return true
      }
      if isDue { _ = device.selfTest() }
    }
  }

  /// A report that may be an RCD's first one.
  public func testNewRCD(_ report: DriverReport) {
    guard case .driver(let component, let update) = report, case .tripped(false)? = update.reading.value,
      drivers.contains(where: { $0.component == component && $0 is any ResidualCurrentDevice }),
      rcdTests.withLock({ $0[component] == nil })
    else { return }
    testRCDs(evse: component.evse ?? 0)
  }

  /// Closes the RCDs of an EVSE again after a trip. False when none of them can do that.
  public func resetRCD(evse: Int) -> Bool {
    var didReset = false
    for case let device as any ResidualCurrentDevice in drivers where device.component.evse ?? evse == evse {
      if device.reset() { didReset = true }
    }
    return didReset
  }

  /// A welded contactor was repaired: relayd looks at its mirror again. False when it is none of relayd's.
  public func recheckContactor(evse: Int) -> Bool {
    guard let contactor = gpio.contactors.first(where: { $0.evse == evse }) else { return false }
    contactor.recheck()
    return true
  }

  /// What the meter of an EVSE shows now is where counting goes on. False when it has no meter of ours.
  public func acceptMeter(evse: Int) -> Bool {
    guard let meter = meters.meters.first(where: { $0.evse == evse }) else { return false }
    meter.acceptChange()
    return true
  }

  // MARK: What is real

  /// A real device stands behind the component.
  public func serves(_ name: String, evse: Int) -> Bool {
    states.withLock { states in
      states.keys.contains { $0.isNamed(name) && ($0.evse == nil || evse == 0 || $0.evse == evse) }
    }
  }

  /// Something of the EVSE, or of the station (0), is real.
  public func servesAny(evse: Int) -> Bool {
    states.withLock { $0.keys.contains { evse == 0 || $0.evse == nil || $0.evse == evse } }
  }

  /// The simulated hardware has no say in this event: the device is real, or the station does not have it. Only what its file calls
  /// simulated is simulated beside real hardware, so that nothing invents energy by oversight.
  public func overrules(_ event: HardwareEvent) -> Bool {
    switch event {
    case .pilot(let evse, _, _), .cable(let evse, _, _): !isSimulated("CPPWMController", evse: evse)
    case .contactor(let evse, _): !isSimulated("PowerContactor", evse: evse)
    case .lock(let evse, _, _), .lockFailed(let evse, _): !isSimulated("ConnectorPlugRetentionLock", evse: evse)
    case .meter(let reading): !isSimulated("FiscalMetering", evse: reading.evse)
    case .token: !simulated.contains { $0.isNamed("TokenReader") }
    case .bay(let evse, _): !isSimulated("BayOccupancySensor", evse: evse)
    case .selection: false
    case .temperature, .faultRaised, .faultCleared: false
    }
  }

  private func isSimulated(_ name: String, evse: Int) -> Bool {
    simulated.contains { $0.isNamed(name) && ($0.evse ?? 0) == evse }
  }

  /// How every driver is doing, in the order of EVSEs and names.
  public var all: [DriverState] {
    states.withLock { states in
      states.values.sorted {
        ($0.component.evse ?? 0, $0.component.name, $0.component.connector ?? 0)
          < ($1.component.evse ?? 0, $1.component.name, $1.component.connector ?? 0)
      }
    }
  }

  public func state(_ name: String, evse: Int) -> DriverState? {
    states.withLock { states in
      states.values.first { $0.component.isNamed(name) && $0.component.evse == evse }
    }
  }

  private func note(_ component: ComponentID, _ update: DriverUpdate) {
    states.withLock { states in
      states[component]?.health = update.health
      guard case .good = update.reading.quality, let value = update.reading.value else { return }
      states[component]?.lastGood = update.reading.acquiredAt
      states[component]?.lastValue = value
    }
  }

  private func note(_ meter: ModbusMeter, _ update: MeterUpdate) {
    states.withLock { states in
      guard
        let component = states.keys.first(where: {
          $0.isNamed("FiscalMetering") && ($0.evse ?? 0) == meter.evse
        })
      else { return }
      states[component]?.health = update.health
      if case .good = update.reading.quality { states[component]?.lastGood = update.reading.acquiredAt }
    }
  }
}
