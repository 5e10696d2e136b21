import StationCore

/// The physics of one EVSE: supply, contactor, connectors, the EV and the meter between them.
///
/// Time only passes in `run(to:)`; everything falls due at its own millisecond however seldom that is called.
struct EVSESimulation: Hashable, Sendable {
  /// From the command to the mirror contact's feedback, milliseconds.
  static let contactorClosingTime: Int64 = 30
  static let contactorOpeningTime: Int64 = 20
  /// From the command to the lock's feedback, milliseconds.
  static let lockTravelTime: Int64 = 100
  /// Below this an offer in the duty cycle means that no current may be drawn (IEC 61851-1), milliamperes.
  static let smallestOfferAC: Int64 = 6_000

  /// Something that moves a moment after it is told to.
  struct Actuator: Hashable, Sendable {
    var state = false
    var target = false
    /// When the movement ends, monotonic milliseconds.
    var dueAt: Int64?
  }

  struct Connector: Hashable, Sendable {
    let layout: SimulatedConnector
    /// Rating of the cable in the socket, or of the captive cable, amperes.
    var cable: Int?
    var lock = Actuator()
    var lockStuck = false
    /// What the duty cycle offers, milliamperes; `nil` is a steady pilot.
    var offer: Int64?
    /// Since when there is a usable offer, monotonic milliseconds.
    var offeredSince: Int64?
  }

  struct TimedEvent: Sendable {
    var time: Int64
    var event: HardwareEvent
  }

  let layout: SimulatedEVSE
  private(set) var time: Int64
  var connectors: [Connector]
  var contactor = Actuator()
  var ev: ConnectedEV?
  /// A vehicle is in the parking bay.
  var bayIsOccupied = false
  private(set) var current = CurrentRamp()
  var meter: SimulatedMeter
  private var lastReading: MeterReading?
  private var lastReadingTime: Int64 = .min

  init(_ layout: SimulatedEVSE, register: EnergyRegister, at now: Int64) {
    self.layout = layout
    time = now
    connectors = layout.connectors.map { connector in
      switch connector.kind {
      case .socket: return Connector(layout: connector)
      case .captive(let rating): return Connector(layout: connector, cable: rating)
      }
    }
    meter = SimulatedMeter(
      evse: layout.id, phases: layout.meterPhases, nominalVoltage: layout.nominalVoltage,
      frequency: layout.supplyPhases == 0 ? nil : SimulatedEVSE.frequencyAC, register: register, at: now)
  }

  // MARK: What can be seen

  /// What flows now.
  var flow: SimulatedMeter.Flow { flow(current: current.value) }

  private func flow(current: Int64) -> SimulatedMeter.Flow {
    let phases = ev?.phases(of: layout) ?? 0
    return SimulatedMeter.Flow(
      current: (0..<layout.meterPhases).map { $0 < phases ? current : 0 }, power: nil,
      stateOfCharge: ev?.battery?.stateOfCharge)
  }

  func pilot(_ connector: Int) -> PilotState {
    guard let ev, ev.connector == connector else { return .a }
    return ev.s2Closed ? .c : .b
  }

  /// The offer that lets an EV draw current, milliamperes.
  func usableOffer(_ connector: Int) -> Int64? {
    guard let offer = connectors[connector].offer, offer > 0 else { return nil }
    return layout.supplyPhases > 0 && offer < Self.smallestOfferAC ? nil : offer
  }

  /// When something falls due next, monotonic milliseconds.
  var nextDeadline: Int64 { min(nextChange ?? .max, meter.readingDue) }

  private var nextChange: Int64? {
    var next = contactor.dueAt ?? .max
    for connector in connectors { next = min(next, connector.lock.dueAt ?? .max) }
    next = min(next, ev?.nextDeadline ?? .max)
    if current.timeLeft > 0 { next = min(next, time + current.timeLeft) }
    return next == .max ? nil : next
  }

  // MARK: Time

  /// Lets time pass up to `end`. Returns the measured energy in half nanojoules.
  mutating func run(to end: Int64, into events: inout [TimedEvent]) -> Int128 {
    var work: Int128 = 0
    while let due = nextChange, due <= end {
      work += flow(until: due)
      changeWhatIsDue(&events)
      settle(&events)
    }
    work += flow(until: end)
    if meter.takeDueReading(at: time) { read(&events) }
    return work
  }

  private mutating func flow(until end: Int64) -> Int128 {
    var work: Int128 = 0
    let phases = Int128(ev?.phases(of: layout) ?? 0)
    while time < end {
      let before = current.value
      let duration = current.advance(atMost: end - time)
      let taken = Int128(before + current.value) * phases * Int128(layout.nominalVoltage) * Int128(duration)
      if taken > 0 { ev?.take(halfNanojoules: taken) }
      if meter.isHeld {
        work += meter.count(from: flow(current: before), to: flow, milliseconds: duration)
      } else {
        if taken > 0 { meter.register.add(halfNanojoules: taken) }
        work += taken
      }
      time += duration
    }
    return work
  }

  private mutating func changeWhatIsDue(_ events: inout [TimedEvent]) {
    if let due = contactor.dueAt, due <= time {
      contactor.dueAt = nil
      if contactor.state != contactor.target { read(&events) }
      contactor.state = contactor.target
      emit(.contactor(evse: layout.id, closed: contactor.state), &events)
    }
    for index in connectors.indices {
      if let due = connectors[index].lock.dueAt, due <= time { finishLock(index, &events) }
    }
    if let ev { changeWhatIsDue(at: ev, &events) }
  }

  private mutating func changeWhatIsDue(at former: ConnectedEV, _ events: inout [TimedEvent]) {
    let offer = usableOffer(former.connector)
    if let due = former.limitChangesAt, due <= time {
      ev?.limitChangesAt = nil
      ev?.limit = offer
    }
    if let due = former.s2ClosesAt, due <= time {
      read(&events)
      ev?.s2ClosesAt = nil
      ev?.s2Closed = true
      ev?.limit = offer
      emitPilot(former.connector, &events)
    }
    if let due = former.controlDue, due <= time { ev?.controlDue = nil }
  }

  private mutating func finishLock(_ index: Int, _ events: inout [TimedEvent]) {
    let connector = connectors[index]
    connectors[index].lock.dueAt = nil
    if connector.lockStuck && connector.lock.state != connector.lock.target {
      connectors[index].lock.target = connector.lock.state
      emit(.lockFailed(evse: layout.id, connector: connector.layout.id), &events)
      return
    }
    connectors[index].lock.state = connector.lock.target
    emit(.lock(evse: layout.id, connector: connector.layout.id, locked: connector.lock.target), &events)
    takeLooseCable(index, &events)
  }

  /// A plug that nothing retains and that is at no EV leaves the socket: the driver takes the cable along.
  mutating func takeLooseCable(_ index: Int, _ events: inout [TimedEvent]) {
    let connector = connectors[index]
    guard connector.layout.kind == .socket, connector.cable != nil, !connector.lock.state, ev?.connector != index
    else { return }
    connectors[index].cable = nil
    emit(.cable(evse: layout.id, connector: connector.layout.id, ratingAmperes: nil), &events)
  }

  /// Brings the EV and the current in line with the present state of everything else.
  mutating func settle(_ events: inout [TimedEvent]) {
    settleS2(&events)
    let flows = current.value > 0 || current.target > 0
    if meter.noteActivity(flows || (meter.isHeld && meter.power(flow) > 0), at: time) { read(&events) }
  }

  private mutating func settleS2(_ events: inout [TimedEvent]) {
    guard var ev else {
      current.cut()
      return
    }
    defer { self.ev = ev }
    if ev.demand == .charging && ev.isFull { ev.demand = .stopped }
    let wantsEnergy = ev.demand == .charging
    let offer = usableOffer(ev.connector)
    if ev.s2Closed {
      if ev.limit == offer {
        ev.limitChangesAt = nil
      } else if ev.limitChangesAt == nil {
        ev.limitChangesAt = time + ConnectedEV.reactionTime
      }
      var allowed: Int64 = 0
      if wantsEnergy, let limit = ev.limit {
        let cable = Int64(connectors[ev.connector].cable ?? 0) * 1_000
        allowed = min(ev.appetite(at: layout), limit, cable)
      }
      if contactor.state { current.head(for: allowed) } else { current.cut() }
      if (!wantsEnergy || ev.limit == nil) && current.value == 0 {
        read(&events)
        ev.s2Closed = false
        ev.limitChangesAt = nil
        self.ev = ev
        emitPilot(ev.connector, &events)
      }
    }
    if ev.s2Closed && contactor.state && ev.getsFull {
      ev.controlDue = ev.controlDue ?? time + ConnectedEV.controlPeriod
    } else {
      ev.controlDue = nil
    }
    if !ev.s2Closed, wantsEnergy, offer != nil, let since = connectors[ev.connector].offeredSince {
      ev.s2ClosesAt = max(time, max(since, ev.pluggedAt) + ev.spec.chargeDelay)
    } else {
      ev.s2ClosesAt = nil
    }
  }

  // MARK: Telling

  func emit(_ event: HardwareEvent, _ events: inout [TimedEvent]) {
    events.append(TimedEvent(time: time, event: event))
  }

  func emitPilot(_ connector: Int, _ events: inout [TimedEvent]) {
    emit(.pilot(evse: layout.id, connector: connectors[connector].layout.id, state: pilot(connector)), &events)
  }

  /// Reads the meter, unless this moment's reading has just been told. `once` as in `SimulatedMeter.reading`.
  mutating func read(_ events: inout [TimedEvent], once: MeterSetting = MeterSetting()) {
    let reading = meter.reading(flow, once: once)
    guard reading != lastReading || time != lastReadingTime else { return }
    lastReading = reading
    lastReadingTime = time
    emit(.meter(reading), &events)
  }
}
