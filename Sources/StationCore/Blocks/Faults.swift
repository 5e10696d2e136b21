import DeviceModel
import OCPP

/// Hardware faults: what they block, and how the CSMS learns of them.
extension Station {
  /// A fault of severity high at the connector, its EVSE or the whole station.
  func hasBlockingFault(evse: Int, connector: Int) -> Bool {
    faults.contains { fault in
      fault.severity == .high && (fault.evse == 0 || fault.evse == evse)
        && (fault.connector == nil || fault.connector == connector)
    }
  }

  /// Faults that may be active at one time; a further one is logged and blocks nothing new.
  private static let maxFaults = 64

  mutating func faultRaised(_ fault: HardwareFault) {
    guard !faults.contains(where: { $0.isSame(as: fault) }) else { return }
    guard faults.count < Self.maxFaults else {
      log(.error, "more than \(Self.maxFaults) faults, \(fault.name) is not recorded")
      return
    }
    faults.append(fault)
    log(.error, "fault \(fault.name) at \(fault.place)")
    notifyProblem(fault, active: true)
    // E06.FR.16 is for transactions that a fault ends; here they are suspended, and told so.
    for index in evses.indices where evses[index].transaction != nil && evses[index].ending == nil {
      let connector = evses[index].transaction?.connector ?? 1
      if fault.severity == .high, fault.evse == 0 || fault.evse == evses[index].id,
        fault.connector == nil || fault.connector == connector
      {
        sendUpdated(at: index, trigger: .abnormalCondition)
      }
    }
  }

  mutating func faultCleared(_ fault: HardwareFault) {
    guard let index = faults.firstIndex(where: { $0.isSame(as: fault) }) else { return }
    let known = faults.remove(at: index)
    log(.notice, "fault \(known.name) at \(known.place) is gone")
    if let index = evses.firstIndex(where: { $0.id == known.evse }) { evses[index].contactorFailures = 0 }
    notifyProblem(known, active: false)
  }

  mutating func setLockProblem(evse index: Int, connector: Int, _ problem: Bool) {
    let component = ComponentID(
      "ConnectorPlugRetentionLock", evse: evses[index].id, connector: evses[index].connectors[connector].id)
    guard setProblem(component, problem), isHeard else { return }
    tell(problemEvent(component, problem, cause: "ConnectorLockFailure"))
  }

  /// Tells a fault (G05.FR.02): each that is raised by its name, its end when it was the last one of its place.
  private mutating func notifyProblem(_ fault: HardwareFault, active: Bool) {
    let others = faults.contains { $0.evse == fault.evse && $0.connector == fault.connector }
    let changed = setProblem(fault.component, active || others)
    guard active || changed, isHeard else { return }
    tell(problemEvent(fault.component, active || others, cause: fault.name))
  }

  /// The ledger was found damaged: told whenever the CSMS can be reached, also after a further restart.
  mutating func reportDamage(_ damage: LedgerDamage) {
    log(.error, damage.text)
    let fault = HardwareFault(name: "LedgerDamaged", evse: 0, severity: .low)
    if !faults.contains(where: { $0.isSame(as: fault) }) { faults.append(fault) }
    _ = setProblem(fault.component, true)
    enqueue(problemEvent(fault.component, true, cause: fault.name), transactionID: nil)
  }

  /// Puts `Problem` into the device model; true when that changed it.
  private mutating func setProblem(_ component: ComponentID, _ problem: Bool) -> Bool {
    let variable = VariableID("Problem")
    let value = problem ? "true" : "false"
    let before = model.value(component, variable)
    guard before != value, before != nil || problem else { return false }
    setByStation(value, VariableAddress(component, variable))
    return true
  }

  private mutating func problemEvent(_ component: ComponentID, _ problem: Bool, cause: String) -> NotifyEventRequest {
    let evse = component.evse.map { EVSEType(id: $0, connectorId: component.connector) }
    let event = EventDataType(
      actualValue: problem ? "true" : "false", component: ComponentType(name: component.name, evse: evse),
      eventId: nextEventID(), eventNotificationType: .hardWiredNotification, timestamp: timestamp,
      trigger: .delta, variable: VariableType(name: "Problem"), cleared: problem ? nil : true, techInfo: cause)
    return NotifyEventRequest(eventData: [event], generatedAt: timestamp, seqNo: 0)
  }

  /// A number for NotifyEvent that was never used before.
  private mutating func nextEventID() -> Int {
    if provisioning.nextEventID >= provisioning.reservedEventIDs {
      provisioning.reservedEventIDs = provisioning.nextEventID + Outbox.reservation
      persistStation(.eventIDs)
    }
    provisioning.nextEventID += 1
    return Int(provisioning.nextEventID)
  }
}

extension HardwareFault {
  func isSame(as other: HardwareFault) -> Bool {
    name == other.name && evse == other.evse && connector == other.connector
  }

  /// The component whose `Problem` it is.
  var component: ComponentID {
    let name = evse == 0 ? "ChargingStation" : connector == nil ? "EVSE" : "Connector"
    return ComponentID(name, evse: evse == 0 ? nil : evse, connector: connector)
  }

  /// `the station`, `EVSE 1` or `EVSE 1 connector 1`.
  var place: String {
    guard evse != 0 else { return "the station" }
    return connector.map { "EVSE \(evse) connector \($0)" } ?? "EVSE \(evse)"
  }
}
