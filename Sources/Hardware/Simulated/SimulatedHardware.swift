import StationCore

/// The simulated charging hardware: EVSEs with supply, contactor, pilot, sockets, locks and meters, and the EVs that are
/// plugged in, as one value.
///
/// It reads no clock and draws no random numbers: the same calls with the same times give the same events. Times must
/// not go back; one that does is taken as the latest one seen. Every call first lets time pass and returns what fell due
/// meanwhile, in order. `nextDeadline` says when `advance(to:)` must be called at the latest to be told in time.
///
/// It obeys as hardware does: it refuses no command, closes a contactor without a vehicle and opens it under load.
public struct SimulatedHardware: Hashable, Sendable {
  /// Most faults that can be active at a time.
  public static let faultLimit = 100

  var evses: [EVSESimulation]
  var mainMeter: SimulatedMeter
  var faults: [HardwareFault] = []
  private var time: Int64

  /// - Parameters:
  ///   - topology: The EVSEs; of several with one id only the first is taken.
  ///   - restoring: What `saved` gave before. Meter registers always go on from it. What it says of EVSEs and connectors
  ///     that are not in the topology is dropped.
  ///   - keepingCables: Cables, EVs and locks are as they were, too. Otherwise the sockets are empty and unlocked.
  public init(
    topology: [SimulatedEVSE], at now: StationTime, restoring saved: SavedSimulation? = nil,
    keepingCables: Bool = false
  ) {
    time = now.monotonic
    evses = []
    for layout in topology where !evses.contains(where: { $0.layout.id == layout.id }) {
      let former = saved?.evses.first { $0.id == layout.id }
      var evse = EVSESimulation(layout, register: former?.register ?? EnergyRegister(), at: now.monotonic)
      if keepingCables, let former { evse.restore(former) }
      evses.append(evse)
    }
    let phases = evses.map(\.layout.supplyPhases).filter { $0 > 0 }.max() ?? 3
    mainMeter = SimulatedMeter(
      evse: 0, phases: phases, nominalVoltage: SimulatedEVSE.voltageAC, frequency: SimulatedEVSE.frequencyAC,
      register: saved?.mainRegister ?? EnergyRegister(), at: now.monotonic)
  }

  /// Monotonic milliseconds at which something falls due next: a movement, a change of current, a reading.
  public var nextDeadline: Int64? {
    evses.reduce(mainMeter.readingDue) { min($0, $1.nextDeadline) }
  }

  /// Tells the state of everything once: meters, contactors, locks, cables, pilots.
  public mutating func start(at now: StationTime) -> [HardwareEvent] {
    var events = pass(to: now)
    for index in evses.indices {
      var told: [EVSESimulation.TimedEvent] = []
      evses[index].tellAll(&told)
      events += told.map(\.event)
    }
    events.append(.meter(mainMeter.reading(mainFlow)))
    return events
  }

  /// Lets time pass.
  public mutating func advance(to now: StationTime) -> [HardwareEvent] { pass(to: now) }

  /// Carries a command out. One for an EVSE or connector that does not exist does nothing; a lock command for a connector
  /// without a lock fails. Every command to a contactor or a lock that is not replaced by a newer one before its movement
  /// ends is answered by one `contactor`, `lock` or `lockFailed`, also when nothing had to move.
  public mutating func execute(_ command: HardwareCommand, at now: StationTime) -> [HardwareEvent] {
    switch command {
    case .offer(let evse, let connector, let milliamperes):
      return change(evse, at: now) { evse, _ in evse.offer(milliamperes, connector: connector) }
    case .contactor(let evse, let close):
      return change(evse, at: now) { evse, _ in evse.move(contactorClosed: close) }
    case .lock(let evse, let connector, let locked):
      return change(evse, at: now) { $0.move(locked: locked, connector: connector, &$1) }
    case .available:
      // A simulated vehicle is seen in state F too: a test may plug in wherever it likes.
      return pass(to: now)
    case .readMeters:
      var events = pass(to: now)
      for index in evses.indices {
        var told: [EVSESimulation.TimedEvent] = []
        evses[index].read(&told)
        events += told.map(\.event)
      }
      events.append(.meter(mainMeter.reading(mainFlow)))
      return events
    }
  }

  // MARK: Time

  /// What happens to an EVSE from outside at one moment, after time has passed up to it.
  func index(_ evse: Int) -> Int? { evses.firstIndex { $0.layout.id == evse } }

  mutating func change(
    _ evse: Int, at now: StationTime, _ body: (inout EVSESimulation, inout [EVSESimulation.TimedEvent]) -> Void
  ) -> [HardwareEvent] {
    var events = pass(to: now)
    guard let index = index(evse) else { return events }
    var told: [EVSESimulation.TimedEvent] = []
    body(&evses[index], &told)
    evses[index].settle(&told)
    // What falls due at once (an EV without charging delay) happens now.
    _ = evses[index].run(to: time, into: &told)
    events += told.map(\.event)
    events += settleMainMeter()
    return events
  }

  mutating func pass(to now: StationTime) -> [HardwareEvent] {
    let end = max(now.monotonic, time)
    let elapsed = end - time
    var events: [EVSESimulation.TimedEvent] = []
    var work: Int128 = 0
    let held = mainMeter.isHeld ? mainFlow : nil
    for index in evses.indices { work += evses[index].run(to: end, into: &events) }
    if let held, mainMeter.measuresItself {
      _ = mainMeter.count(from: held, to: held, milliseconds: elapsed)
    } else if mainMeter.held.energyImport == nil {
      mainMeter.register.add(halfNanojoules: work)
    }
    time = end
    if events.count > 1 {
      events = events.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
        .map(\.element)
    }
    var result = events.map { timed in
      guard case .meter(var reading) = timed.event, timed.time < end, reading.acquiredAtWall == nil else {
        return timed.event
      }
      reading.acquiredAtWall = now.wall - (end - timed.time)
      return .meter(reading)
    }
    result += settleMainMeter()
    if mainMeter.takeDueReading(at: time) { result.append(.meter(mainMeter.reading(mainFlow))) }
    return result
  }

  mutating func settleMainMeter() -> [HardwareEvent] {
    let active = evses.contains { $0.meter.isActive } || (mainMeter.isHeld && mainMeter.power(mainFlow) > 0)
    return mainMeter.noteActivity(active, at: time) ? [.meter(mainMeter.reading(mainFlow))] : []
  }

  /// What flows through the main meter: the sum of what the EVSEs' meters measure. The current of a DC supply is spread
  /// over the main meter's phases.
  var mainFlow: SimulatedMeter.Flow {
    var flow = SimulatedMeter.Flow(current: [Int64](repeating: 0, count: mainMeter.phases), power: 0)
    for evse in evses {
      let power = evse.meter.power(evse.flow)
      flow.power = (flow.power ?? 0) + power
      if evse.layout.supplyPhases == 0 {
        let share = power / (SimulatedEVSE.voltageAC * Int64(mainMeter.phases))
        for phase in flow.current.indices { flow.current[phase] += share }
      } else {
        for (phase, current) in evse.meter.current(evse.flow).enumerated() { flow.current[phase] += current }
      }
    }
    return flow
  }
}

extension EVSESimulation {
  mutating func tellAll(_ events: inout [TimedEvent]) {
    read(&events)
    emit(.contactor(evse: layout.id, closed: contactor.state), &events)
    if layout.hasBaySensor { emit(.bay(evse: layout.id, occupied: bayIsOccupied), &events) }
    for index in connectors.indices {
      let connector = connectors[index]
      let id = connector.layout.id
      if connector.layout.hasLock {
        emit(.lock(evse: layout.id, connector: id, locked: connector.lock.state), &events)
      }
      if let cable = connector.cable {
        emit(.cable(evse: layout.id, connector: id, ratingAmperes: cable), &events)
      }
      emitPilot(index, &events)
    }
  }

  func index(_ connector: Int) -> Int? { connectors.firstIndex { $0.layout.id == connector } }

  mutating func offer(_ milliamperes: Int64?, connector id: Int) {
    guard let index = index(id) else { return }
    connectors[index].offer = milliamperes
    if usableOffer(index) == nil {
      connectors[index].offeredSince = nil
    } else if connectors[index].offeredSince == nil {
      connectors[index].offeredSince = time
    }
  }

  mutating func move(contactorClosed close: Bool) {
    contactor.target = close
    contactor.dueAt = time + (close ? Self.contactorClosingTime : Self.contactorOpeningTime)
  }

  mutating func move(locked: Bool, connector id: Int, _ events: inout [TimedEvent]) {
    guard let index = index(id) else { return }
    guard connectors[index].layout.hasLock else {
      emit(.lockFailed(evse: layout.id, connector: id), &events)
      return
    }
    connectors[index].lock.target = locked
    connectors[index].lock.dueAt = time + Self.lockTravelTime
  }
}
