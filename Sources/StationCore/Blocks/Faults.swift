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

  /// Faults that end a transaction; all others of severity high suspend it.
  private static let endingFaults: [String: ReasonEnumType] = ["EmergencyStop": .emergencyStop]

  /// Faults of the meter that is billed by.
  private static let meterFaults: Set<String> = [
    "PowerMeterFailure", "EnergyRegisterChanged", "PowerMeterIdentityMismatch",
  ]

  /// Faults that may be active at one time; a further one is logged and blocks nothing new.
  private static let maxFaults = 64

  mutating func faultRaised(_ fault: HardwareFault) {
    var fault = fault
    if Self.meterFaults.contains(fault.name), flag(Setting.continueWithoutMeter, default: false) {
      fault.severity = .low
    }
    guard !faults.contains(where: { $0.isSame(as: fault) }) else { return }
    guard faults.count < Self.maxFaults else {
      log(.error, "more than \(Self.maxFaults) faults, \(fault.name) is not recorded")
      return
    }
    faults.append(fault)
    log(.error, "fault \(fault.name) at \(fault.place)")
    notifyProblem(fault, active: true)
    guard fault.severity == .high else { return }
    for index in evses.indices where evses[index].transaction != nil && evses[index].ending == nil {
      let connector = evses[index].transaction?.connector ?? 1
      guard fault.evse == 0 || fault.evse == evses[index].id, fault.connector == nil || fault.connector == connector
      else { continue }
      if let reason = Self.endingFaults[fault.name] {
        // E06.FR.16
        endTransaction(at: index, trigger: .abnormalCondition, reason: reason)
      } else {
        sendUpdated(at: index, trigger: .abnormalCondition)
      }
    }
  }

  mutating func faultCleared(_ fault: HardwareFault) {
    if fault.source == nil {
      for source in faults.filter({ $0.isAlike(fault) && $0.source != nil }).map(\.source) {
        var one = fault
        one.source = source
        faultCleared(one)
      }
    }
    guard let index = faults.firstIndex(where: { $0.isSame(as: fault) }) else { return }
    let known = faults.remove(at: index)
    log(.notice, "fault \(known.name) at \(known.place) is gone")
    if let index = evses.firstIndex(where: { $0.id == known.evse }) { evses[index].contactorFailures = 0 }
    notifyProblem(known, active: false)
  }

  mutating func setLockProblem(evse index: Int, connector: Int, _ problem: Bool) {
    let component = ComponentID(
      "ConnectorPlugRetentionLock", evse: evses[index].id, connector: evses[index].connectors[connector].id)
    let place = VariableAddress(component, VariableID("Problem"))
    let mark = model.changes.count
    guard setFlag(place, problem) else { return }
    tellFault("ConnectorLockFailure", at: place, problem, changesSince: mark)
  }

  /// Tells a fault (G05.FR.02): each that is raised by its name, its end when it was the last one of its place.
  private mutating func notifyProblem(_ fault: HardwareFault, active: Bool) {
    let place = place(of: fault)
    let others = faults.contains { self.place(of: $0) == place }
    let mark = model.changes.count
    let changed = setFlag(place, active || others)
    guard active || changed else { return }
    tellFault(fault.name, at: place, active || others, changesSince: mark)
  }

  /// The variable that says it: of the standardized component when the station has that, else `Problem` of the connector,
  /// the EVSE or the station.
  func place(of fault: HardwareFault) -> VariableAddress {
    let entry = FaultTable.entry(of: fault.name)
    if let name = entry.component {
      for evse in fault.evse == 0 ? [nil] : [fault.evse, nil] {
        for connector in [fault.connector, nil] {
          let component = ComponentID(name, evse: evse, connector: evse == nil ? nil : connector)
          if model.component(component) != nil { return VariableAddress(component, VariableID(entry.variable)) }
        }
      }
    }
    return VariableAddress(fault.component, VariableID("Problem"))
  }

  /// The ledger was found damaged: told whenever the CSMS can be reached, also after a further restart.
  mutating func reportDamage(_ damage: LedgerDamage) {
    log(.error, damage.text)
    let fault = HardwareFault(name: "LedgerDamaged", evse: 0, severity: .low)
    if !faults.contains(where: { $0.isSame(as: fault) }) { faults.append(fault) }
    let place = place(of: fault)
    _ = setFlag(place, true)
    let event = faultEvent(fault.name, at: place, true)
    enqueue(NotifyEventRequest(eventData: [event], generatedAt: timestamp, seqNo: 0), transactionID: nil)
  }

  /// Puts it into the device model; true when that changed it.
  private mutating func setFlag(_ place: VariableAddress, _ isSet: Bool) -> Bool {
    let value = isSet ? "true" : "false"
    let before = model.value(place.component, place.variable)
    guard before != value, before != nil || isSet else { return false }
    setByStation(value, place)
    return true
  }
}

extension HardwareFault {
  func isSame(as other: HardwareFault) -> Bool { isAlike(other) && source == other.source }

  /// The same fault at the same place, whoever says so.
  func isAlike(_ other: HardwareFault) -> Bool {
    name == other.name && evse == other.evse && connector == other.connector
  }

  /// The component whose `Problem` it is when no other one says it.
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
