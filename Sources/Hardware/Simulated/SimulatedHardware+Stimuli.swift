import OCPP
import StationCore

extension SimulatedHardware {
  /// Does something to the hardware from outside.
  /// - Returns: What happened, or why it cannot happen; then nothing has changed and no time has passed. Something that is
  ///   as it should be already changes nothing and succeeds.
  public mutating func stimulus(_ stimulus: Stimulus, at now: StationTime) -> Result<[HardwareEvent], StimulusError> {
    do throws(StimulusError) {
      return .success(try apply(stimulus, at: now))
    } catch {
      return .failure(error)
    }
  }

  private mutating func apply(_ stimulus: Stimulus, at now: StationTime) throws(StimulusError) -> [HardwareEvent] {
    switch stimulus {
    case .plugIn(let evse, let connector, let ev):
      try ev.check()
      return try plugIn(evse, connector, ev, at: now)
    case .plugOut(let evse, let connector):
      let (evseIndex, index) = try find(evse, connector)
      guard evses[evseIndex].ev?.connector == index else { return advance(to: now) }
      return change(evse, at: now) { $0.plugOut(&$1) }
    case .swipe(let token, let served):
      return try swipe(token, served, at: now)
    case .ev(let evse, let demand, let stateOfCharge):
      return try change(evse, demand, stateOfCharge, at: now)
    case .raiseFault(let fault):
      return try raise(fault, at: now)
    case .clearFault(let name, let evse, let connector):
      try checkPlace(evse, connector)
      return clear(name, evse, connector, at: now)
    case .meter(let evse, let setting, let hold):
      return try set(evse, setting, hold: hold, at: now)
    case .lock(let evse, let connector, let stuck):
      let (evseIndex, index) = try find(evse, connector)
      guard evses[evseIndex].connectors[index].layout.hasLock else {
        throw StimulusError("connector \(connector) of evse \(evse) has no lock")
      }
      return change(evse, at: now) { evse, _ in evse.connectors[index].lockStuck = stuck }
    case .park(let evse, let occupied):
      let index = try find(evse)
      guard evses[index].layout.hasBaySensor else {
        throw StimulusError("evse \(evse) has no sensor in its parking bay")
      }
      guard evses[index].bayIsOccupied != occupied else { return advance(to: now) }
      return change(evse, at: now) { evse, events in
        evse.bayIsOccupied = occupied
        evse.emit(.bay(evse: evse.layout.id, occupied: occupied), &events)
      }
    case .select(let chosen):
      for evse in chosen ?? [] { _ = try find(evse, field: "evses") }
      return advance(to: now) + [.selection(evses: chosen)]
    }
  }

  // MARK: Cable and EV

  private mutating func plugIn(
    _ id: Int, _ connectorID: Int, _ ev: SimulatedEV, at now: StationTime
  ) throws(StimulusError) -> [HardwareEvent] {
    let (evseIndex, index) = try find(id, connectorID)
    let evse = evses[evseIndex]
    if let present = evse.ev {
      guard present.connector == index else {
        let other = evse.connectors[present.connector].layout.id
        throw StimulusError(
          "connector \(connectorID): evse \(id) is in use by connector \(other), expected one plug at a time")
      }
      guard present.spec == ev else {
        throw StimulusError("connector \(connectorID) of evse \(id) has another ev plugged in, expected plugOut first")
      }
      return advance(to: now)
    }
    let connector = evse.connectors[index]
    guard connector.cable != nil || !connector.lock.state else {
      throw StimulusError(
        "connector \(connectorID) of evse \(id) is locked without a plug in it, expected an open socket")
    }
    return change(id, at: now) { $0.plugIn(ev, connector: index, &$1) }
  }

  private mutating func change(
    _ id: Int, _ demand: EVDemand, _ stateOfCharge: Int64?, at now: StationTime
  ) throws(StimulusError) -> [HardwareEvent] {
    let index = try find(id)
    if let stateOfCharge { try Thousandths.check(stateOfCharge, "soc", 0...100, "%") }
    guard evses[index].ev != nil else {
      throw StimulusError("evse \(id) has no ev plugged in, expected plugIn first")
    }
    return change(id, at: now) { evse, _ in
      evse.ev?.demand = demand
      if let stateOfCharge { evse.ev?.set(stateOfCharge: stateOfCharge) }
    }
  }

  // MARK: Reader, faults, meter

  private mutating func swipe(
    _ token: IdTokenType, _ served: [Int]?, at now: StationTime
  ) throws(StimulusError) -> [HardwareEvent] {
    let length = token.idToken.unicodeScalars.count
    guard (token.type == .noAuthorization ? 0...36 : 1...36).contains(length) else {
      throw StimulusError("idToken has \(length) characters, expected 1-36")
    }
    guard IdTokenEnumType.allCases.contains(token.type) else {
      let known = IdTokenEnumType.allCases.map(\.rawValue).joined(separator: ", ")
      throw StimulusError("type is \(token.type), expected one of \(known)")
    }
    if let served {
      guard !served.isEmpty else { throw StimulusError("evses is empty, expected at least one EVSE id") }
      for evse in served { _ = try find(evse, field: "evses") }
    }
    return advance(to: now) + [.token(TokenPresentation(idToken: token, evses: served))]
  }

  private mutating func raise(_ fault: HardwareFault, at now: StationTime) throws(StimulusError) -> [HardwareEvent] {
    try checkPlace(fault.evse, fault.connector)
    guard (1...50).contains(fault.name.unicodeScalars.count) else {
      throw StimulusError("fault has \(fault.name.unicodeScalars.count) characters, expected 1-50")
    }
    if let index = faults.firstIndex(where: { $0.isSameFault(as: fault) }) {
      guard faults[index] != fault else { return advance(to: now) }
      faults[index] = fault
    } else {
      guard faults.count < Self.faultLimit else {
        throw StimulusError("fault \(fault.name): \(faults.count) faults are active, at most \(Self.faultLimit) can be")
      }
      faults.append(fault)
    }
    return advance(to: now) + [.faultRaised(fault)]
  }

  private mutating func clear(_ name: String, _ evse: Int, _ connector: Int?, at now: StationTime) -> [HardwareEvent] {
    let isMeant = { (fault: HardwareFault) in
      fault.name == name && fault.evse == evse && (connector == nil || fault.connector == connector)
    }
    let cleared = faults.filter(isMeant)
    faults.removeAll(where: isMeant)
    return advance(to: now) + cleared.map { .faultCleared($0) }
  }

  private mutating func set(
    _ id: Int, _ setting: MeterSetting, hold: Bool, at now: StationTime
  ) throws(StimulusError) -> [HardwareEvent] {
    let index = id == 0 ? nil : try find(id, orZero: true)
    let meter = index.map { evses[$0].meter } ?? mainMeter
    try setting.check(phases: meter.phases)
    guard !setting.isEmpty || (!hold && !meter.held.isEmpty) else { return advance(to: now) }
    guard index != nil else {
      var events = advance(to: now)
      mainMeter.apply(setting, hold: hold)
      events.append(.meter(mainMeter.reading(mainFlow, once: setting)))
      _ = settleMainMeter()
      return events
    }
    return change(id, at: now) { evse, events in
      evse.meter.apply(setting, hold: hold)
      evse.read(&events, once: setting)
    }
  }

  // MARK: Finding and checking

  private func find(_ evse: Int, field: String = "evse", orZero: Bool = false) throws(StimulusError) -> Int {
    if let index = index(evse) { return index }
    let zero = orZero ? ", or 0 for the main meter" : ""
    throw StimulusError("\(field) \(evse) does not exist, \(expected(evses.map(\.layout.id)))\(zero)")
  }

  private func find(_ evse: Int, _ connector: Int) throws(StimulusError) -> (Int, Int) {
    let evseIndex = try find(evse)
    if let index = evses[evseIndex].index(connector) { return (evseIndex, index) }
    let ids = evses[evseIndex].connectors.map(\.layout.id)
    throw StimulusError("connector \(connector) of evse \(evse) does not exist, \(expected(ids))")
  }

  /// The place of a fault: the station (0), an EVSE, or a connector.
  private func checkPlace(_ evse: Int, _ connector: Int?) throws(StimulusError) {
    guard evse != 0 else {
      guard let connector else { return }
      throw StimulusError("connector \(connector) needs an evse, 0 is the station as a whole")
    }
    if let connector { _ = try find(evse, connector) } else { _ = try find(evse) }
  }

  /// "expected 1-3", or "expected 1, 4" when there are gaps.
  private func expected(_ ids: [Int]) -> String {
    let ids = ids.sorted()
    guard let first = ids.first, let last = ids.last else { return "there is none" }
    let isRun = ids.count > 1 && last - first == ids.count - 1
    return "expected " + (isRun ? "\(first)-\(last)" : ids.map(String.init).joined(separator: ", "))
  }
}

extension HardwareFault {
  /// The same fault at the same place; its severity may differ.
  fileprivate func isSameFault(as other: HardwareFault) -> Bool {
    name == other.name && evse == other.evse && connector == other.connector
  }
}

extension SimulatedMeter {
  fileprivate mutating func apply(_ setting: MeterSetting, hold keep: Bool) {
    if keep {
      hold(setting)
    } else {
      release()
      preset(setting)
    }
  }
}

extension EVSESimulation {
  fileprivate mutating func plugIn(_ newEV: SimulatedEV, connector index: Int, _ events: inout [TimedEvent]) {
    read(&events)
    if connectors[index].cable == nil {
      connectors[index].cable = newEV.cableRating
      emit(
        .cable(evse: layout.id, connector: connectors[index].layout.id, ratingAmperes: newEV.cableRating), &events)
    }
    ev = ConnectedEV(newEV, connector: index, at: time)
    emitPilot(index, &events)
  }

  fileprivate mutating func plugOut(_ events: inout [TimedEvent]) {
    guard let index = ev?.connector else { return }
    read(&events)
    ev = nil
    emitPilot(index, &events)
    takeLooseCable(index, &events)
  }
}
