import DeviceModel
import OCPP

/// What monitors tell (N07, N08). The device model says which watched variables have changed, whoever changed them;
/// `settleMonitors` looks at their monitors, and at nothing else.
///
/// A monitor whose events reach nobody now, because the CSMS is away and its severity is not one to be queued, or because
/// of the monitoring level, is not looked at; when the CSMS can hear it, it is looked at as things are then (N07,
/// remark). So the CSMS is never left with an alert that has long been over.
extension Station {
  /// Whom events reach now.
  var hearing: Hearing {
    let isDirect = isOnline && provisioning.registration == .accepted
    return Hearing(
      isEnabled: flag(Setting.monitoringEnabled, default: true), level: monitoring.level, isDirect: isDirect,
      queued: number(Setting.offlineQueuingSeverity, default: -1, limit: 9),
      queuesAll: flag(Setting.queueAllMessages, default: false))
  }

  // MARK: Start

  /// The values that are there at the start are what delta monitors compare with; thresholds are looked at.
  mutating func startMonitors() {
    let recorded = monitoring.recordedIDs(in: model)
    for key in storedMonitors where Int(key).map({ recorded.contains($0) }) != true {
      persist(.delete(.monitor, key: key))
    }
    storedMonitors = []
    monitoring.transactions = evses.map { $0.transaction?.id }
    for position in monitoring.monitors.indices { begin(position) }
    watchMonitored()
    monitoring.mustLook = true
    scheduleMonitors()
  }

  /// The monitor begins to watch: from the value that there is.
  mutating func begin(_ position: Int) {
    let monitor = monitoring.monitors[position]
    let isRunning = !monitor.transaction || hasTransaction(at: model.component(of: monitor.variable))
    let value = model.actual(monitor.variable)?.value ?? ""
    let number = monitor.type == .delta ? numberOf(value, monitor.variable) : nil
    let due = monitor.isPeriodic && isRunning ? firstDue(of: monitor) : nil
    monitoring.update(position) {
      $0.isRunning = isRunning
      if $0.type == .delta { ($0.reference, $0.referenceNumber) = (value, number) }
      $0.due = due
    }
  }

  /// The variables with monitors are the ones that the model watches.
  mutating func watchMonitored() {
    model.watch(monitoring.monitors.lazy.filter { !$0.isPeriodic }.map(\.variable))
    let count = monitoring.monitors.count
    setByStation(monitoring.base.rawValue, Setting.activeMonitoringBase)
    setByStation(String(monitoring.level), Setting.activeMonitoringLevel)
    setByStation(monitoring.base.rawValue, Setting.monitoringBase)
    setByStation(String(monitoring.level), Setting.monitoringLevel)
    setByStation(String(count), Setting.activeMonitors)
  }

  private func numberOf(_ value: String, _ variable: VariableHandle) -> DecimalNumber? {
    model.variable(variable).characteristics.dataType.number(value)
  }

  // MARK: After an input

  /// Looks at what has changed. Called twice in an input: for what it changed itself, while the transaction that it may
  /// end is still there, and for what followed from it.
  mutating func settleMonitors(isLast: Bool) {
    let changes = model.takeChanges()
    var cause = faultNews.cause
    if !monitoring.monitors.isEmpty {
      noticeTransactions()
      let hearing = changes.isEmpty ? nil : self.hearing
      for (number, change) in changes.enumerated() {
        let due = cause.flatMap { number >= $0.after ? $0.event : nil }
        if let hearing { look(at: change, hearing, cause: due) }
      }
    }
    cause?.after = 0
    faultNews.cause = isLast ? nil : cause
    guard isLast else { return }
    noticeHearing()
    sendEvents()
  }

  /// When the CSMS can hear more than before, it is told what it could not hear.
  private mutating func noticeHearing() {
    // The settings behind it are looked up only when one of them may have changed.
    let isDirect = isOnline && provisioning.registration == .accepted
    if let heard = monitoring.heard, heard.isDirect == isDirect, heard.level == monitoring.level, !monitoring.mustLook {
      return
    }
    let hearing = self.hearing
    let before = monitoring.heard
    let isMore =
      monitoring.mustLook
      || before.map { heard in (0...9).contains { hearing.reaches($0) && !heard.reaches($0) } } ?? true
    monitoring.heard = hearing
    monitoring.mustLook = false
    guard isMore else { return }
    tellFaultNews()
    tellExpiry()
    for position in monitoring.monitors.indices where !monitoring.monitors[position].isPeriodic {
      let variable = monitoring.monitors[position].variable
      let value = model.actual(variable)?.value ?? ""
      look(at: position, value, numberOf(value, variable), hearing, cause: nil)
    }
  }

  private mutating func look(at change: VariableChange, _ hearing: Hearing, cause: Int?) {
    let positions = monitoring.positions(of: change.variable)
    guard !positions.isEmpty else { return }
    let number = numberOf(change.value, change.variable)
    for position in positions { look(at: position, change.value, number, hearing, cause: cause) }
  }

  /// Tells what the monitor has to say about the value.
  mutating func look(
    at position: Int, _ value: String, _ number: DecimalNumber?, _ hearing: Hearing, cause: Int?, isNew: Bool = false
  ) {
    let monitor = monitoring.monitors[position]
    guard monitor.isRunning else { return }
    switch monitor.type {
    case .upperThreshold, .lowerThreshold:
      // What is not known is neither beyond the threshold nor within.
      guard let number else { return }
      let exceeds = monitor.exceeds(number)
      guard exceeds != monitor.isExceeded || monitor.isDoubtful || (isNew && exceeds) else { return }
      guard hearing.reaches(monitor.severity) else { return }
      // A cleared alert refers to the event that raised it.
      let event = tell(
        position, value, .alerting, cleared: exceeds ? nil : true, cause: cause ?? (exceeds ? nil : monitor.alert))
      monitoring.update(position) {
        $0.isExceeded = exceeds
        $0.isDoubtful = false
        $0.alert = exceeds ? event : nil
      }
      storeExceeded(position)
    case .delta:
      let isNumeric = model.variable(monitor.variable).characteristics.dataType.isNumeric
      if isNumeric, monitor.referenceNumber == nil {
        // The first value that is known is where it begins.
        return monitoring.update(position) { $0.referenceNumber = number }
      }
      guard monitor.isDoubtful || monitor.differs(value, number, isNumeric: isNumeric),
        hearing.reaches(monitor.severity)
      else { return }
      monitoring.update(position) {
        ($0.reference, $0.referenceNumber) = (value, number)
        $0.isDoubtful = false
      }
      tell(position, value, .delta, cleared: nil, cause: cause)
    default: break
    }
  }

  /// - Returns: the id of the event.
  @discardableResult
  mutating func tell(
    _ position: Int, _ value: String, _ trigger: EventTriggerEnumType, cleared: Bool?, cause: Int?
  ) -> Int {
    let monitor = monitoring.monitors[position]
    let component = model.component(of: monitor.variable)
    let id = nextEventID()
    monitoring.pending.append(
      EventDataType(
        actualValue: model.eventValue(value, of: monitor.variable), component: ComponentType(component), eventId: id,
        eventNotificationType: monitor.kind.notification, timestamp: timestamp, trigger: trigger,
        variable: VariableType(model.variable(monitor.variable).id), cause: cause, cleared: cleared,
        severity: monitor.severity, transactionId: transactionID(at: component), variableMonitoringId: monitor.id))
    return id
  }

  // MARK: Transactions

  /// A transaction is going on at the component: at its EVSE, or at any one for those of the station.
  private func hasTransaction(at component: ComponentID) -> Bool {
    guard let evse = component.evse else { return evses.contains { $0.transaction != nil } }
    return evses.indices.contains(evse - 1) && evses[evse - 1].transaction != nil
  }

  /// Monitors of transactions begin and end with them. An end is no event: the monitor is not active any more.
  private mutating func noticeTransactions() {
    guard !monitoring.transactional.isEmpty else { return }
    let transactions = evses.map { $0.transaction?.id }
    guard transactions != monitoring.transactions else { return }
    monitoring.transactions = transactions
    let hearing = self.hearing
    for position in monitoring.transactional {
      let monitor = monitoring.monitors[position]
      let runs = hasTransaction(at: model.component(of: monitor.variable))
      guard runs != monitor.isRunning else { continue }
      monitoring.update(position) {
        $0.isExceeded = false
        $0.isDoubtful = false
        $0.alert = nil
      }
      storeExceeded(position)
      begin(position)
      if runs, monitor.isThreshold {
        let value = model.actual(monitor.variable)?.value ?? ""
        look(at: position, value, numberOf(value, monitor.variable), hearing, cause: nil)
      }
    }
    scheduleMonitors()
  }

  // MARK: What outlives a restart

  /// N07.FR.14: an alert is in the ledger at once; that it is over, when it has been so for a while. Should that be lost,
  /// the CSMS is told once more that it is over.
  mutating func storeExceeded(_ position: Int) {
    let monitor = monitoring.monitors[position]
    guard monitor.isExceeded != monitor.isStoredExceeded else {
      monitoring.unstored.remove(monitor.id)
      return
    }
    if monitor.isExceeded {
      monitoring.update(position) { $0.isStoredExceeded = true }
      persistMonitor(monitor.id)
    } else if monitoring.unstored.insert(monitor.id).inserted, monitoring.unstored.count == 1 {
      startTimer(.monitorState, after: Monitoring.storeAfter)
    }
  }

  mutating func monitorStateDue() {
    for id in monitoring.unstored.sorted() {
      guard let position = monitoring.position(of: id) else { continue }
      monitoring.update(position) { $0.isStoredExceeded = false }
      lateWrites.append(monitorWrite(id))
    }
    monitoring.unstored = []
  }

  mutating func persistMonitor(_ id: Int) { persist(monitorWrite(id)) }

  private func monitorWrite(_ id: Int) -> LedgerWrite {
    let key = String(id)
    return monitoring.record(key, in: model).map { .put(.monitor, key: key, value: $0) } ?? .delete(.monitor, key: key)
  }
}
