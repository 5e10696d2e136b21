import DeviceModel
import OCPP

/// SetVariableMonitoring, ClearVariableMonitoring, SetMonitoringBase and SetMonitoringLevel (N03-N06).
extension Station {
  /// Whether the station has monitoring; without it these messages are answered NotSupported.
  var hasMonitoring: Bool { flag(Setting.monitoringAvailable, default: false) }

  /// The most monitors that there may be: maxLimit of ActiveMonitors.
  private var monitorLimit: Int {
    let limit = model.variable(Setting.activeMonitors.component, Setting.activeMonitors.variable)?.characteristics
      .maxLimit?.rounded.int
    return min(limit ?? Monitoring.defaultLimit, Monitoring.greatestLimit)
  }

  // MARK: N04

  mutating func setVariableMonitoring(_ request: SetVariableMonitoringRequest, _ call: IncomingCall) {
    guard request.setMonitoringData.count <= number(Setting.itemsPerSetMonitoring, default: .max) else {
      refuse(call, .occurrenceConstraintViolation, "more items than ItemsPerMessage of SetVariableMonitoring")
      return
    }
    let before = monitoring
    var accepted: [Int] = []
    let results = request.setMonitoringData.map { item in
      let verdict = set(item)
      if let id = verdict.id { accepted.append(id) }
      return SetMonitoringResultType(
        component: item.component, severity: item.severity, status: verdict.status, type: item.type,
        variable: item.variable, id: verdict.id, statusInfo: verdict.info)
    }
    if !accepted.isEmpty {
      rememberUndo(call, .monitoring(monitoring.undo(to: before)))
      persistStation(.monitoring)
      for id in accepted { persistMonitor(id) }
      watchMonitored()
    }
    answer(call, SetVariableMonitoringResponse(setMonitoringResult: results))
    let hearing = self.hearing
    for id in accepted { startMonitor(id, replacing: before.monitor(id), hearing) }
    scheduleMonitors()
  }

  private struct MonitorVerdict {
    var status: SetMonitoringStatusEnumType
    var id: Int?
    var info: StatusInfoType?

    static func refused(
      _ status: SetMonitoringStatusEnumType, _ reason: String, _ text: String
    ) -> MonitorVerdict {
      MonitorVerdict(status: status, info: StatusInfoType(reasonCode: reason, additionalInfo: text))
    }
  }

  private mutating func set(_ item: SetMonitoringDataType) -> MonitorVerdict {
    let component = ComponentID(item.component)
    let id = VariableID(item.variable)
    let found = model.variableHandle(component, id)
    if let wanted = item.id {
      // N04.FR.13, FR.16, FR.18
      guard let monitor = monitoring.monitor(wanted) else {
        return .refused(.rejected, "NotFound", "no monitor has the id \(wanted)")
      }
      guard monitor.variable == found else {
        return .refused(.rejected, "InvalidValue", "monitor \(wanted) is of another variable")
      }
      guard monitor.kind != .hardWired else {
        return .refused(.rejected, "ReadOnly", "monitor \(wanted) is hard-wired")
      }
    }
    guard let variable = found else { return unknown(item.component, component, id) }
    guard model.canMonitor(variable, item.type) else {
      let text = "\(component)/\(id) has no monitors of type \(item.type.rawValue)"
      return .refused(.unsupportedMonitorType, "UnsupportedParam", text)  // N04.FR.05
    }
    if let refusal = refusal(of: item, model.variable(variable).characteristics) { return refusal }
    guard !monitoring.hasTwin(variable, item.type, item.severity, except: item.id) else {
      let text = "a monitor of this type and severity exists"
      return .refused(.duplicate, "InvalidValue", text)  // N04.FR.10
    }
    guard item.id != nil || monitoring.monitors.count < monitorLimit else {
      return .refused(.rejected, "TooManyElements", "there are \(monitoring.monitors.count) monitors")
    }
    guard !storage.isFailing else {
      return .refused(.rejected, "InternalError", "it could not be stored")
    }
    let monitor = Monitor(
      id: item.id ?? monitoring.takeID(), variable: variable, kind: .custom, type: item.type, value: item.value,
      severity: item.severity, transaction: item.transaction ?? false)
    monitoring.put(monitor)
    return MonitorVerdict(status: .accepted, id: monitor.id)
  }

  /// N04.FR.03, FR.04. A component that is there, but not without an EVSE, is known.
  private func unknown(
    _ component: ComponentType, _ id: ComponentID, _ variable: VariableID
  ) -> MonitorVerdict {
    let isKnown =
      model.component(id) != nil
      || (component.evse == nil
        && !model.report(criteria: [], componentVariables: [ComponentVariableType(component: component)]).isEmpty
        && model.report(
          criteria: [],
          componentVariables: [ComponentVariableType(component: component, variable: VariableType(variable))]
        ).isEmpty)
    guard isKnown else { return .refused(.unknownComponent, "NotFound", "no component \(id)") }
    return .refused(.unknownVariable, "NotFound", "\(id) has no variable \(variable)")
  }

  private func refusal(
    of item: SetMonitoringDataType, _ characteristics: VariableCharacteristicsType
  ) -> MonitorVerdict? {
    guard (0...9).contains(item.severity) else {
      return .refused(.rejected, "ValueOutOfRange", "severity \(item.severity); expected 0 to 9")
    }
    switch item.type {
    case .upperThreshold, .lowerThreshold:
      // N04.FR.06
      if let low = characteristics.minLimit, item.value < low {
        return .refused(.rejected, "ValueOutOfRange", "\(item.value) is below minLimit, \(low)")
      }
      if let high = characteristics.maxLimit, high < item.value {
        return .refused(.rejected, "ValueOutOfRange", "\(item.value) is above maxLimit, \(high)")
      }
    case .delta:
      // N04.FR.14, FR.20
      if item.value < .zero { return .refused(.rejected, "ValuePositiveOnly", "value \(item.value) of a Delta") }
      if item.value == .zero { return .refused(.rejected, "ValueZeroNotAllowed", "value 0 of a Delta") }
    default:
      let longest = item.type == .periodic ? Monitoring.longestInterval : Monitoring.longestAligned
      let range = DecimalNumber(Int(Monitoring.shortestInterval))...DecimalNumber(Int(longest))
      guard range.contains(item.value) else {
        let text = "\(item.value) s; expected \(range.lowerBound) to \(range.upperBound)"
        return .refused(.rejected, "ValueOutOfRange", text)
      }
    }
    return nil
  }

  /// The monitor is in force. One that replaces another tells whether the value is beyond its threshold, and when it is no
  /// longer, that too (N07.FR.11).
  private mutating func startMonitor(_ id: Int, replacing before: Monitor?, _ hearing: Hearing) {
    guard let position = monitoring.position(of: id) else { return }
    begin(position)
    let monitor = monitoring.monitors[position]
    guard monitor.isThreshold else { return }
    if let before, before.type == monitor.type {
      monitoring.update(position) {
        ($0.isExceeded, $0.alert) = (before.isExceeded, before.alert)
        $0.isStoredExceeded = before.isStoredExceeded
      }
    }
    let value = model.actual(monitor.variable)?.value ?? ""
    let number = model.variable(monitor.variable).characteristics.dataType.number(value)
    look(at: position, value, number, hearing, cause: nil, isNew: true)
  }

  // MARK: N06

  mutating func clearVariableMonitoring(_ request: ClearVariableMonitoringRequest, _ call: IncomingCall) {
    guard request.id.count <= number(Setting.itemsPerClearMonitoring, default: .max) else {
      refuse(call, .occurrenceConstraintViolation, "more ids than ItemsPerMessage of ClearVariableMonitoring")
      return
    }
    let before = monitoring
    var gone: Set<Int> = []
    let results = request.id.map { id in
      let status: ClearMonitoringStatusEnumType
      var reason: String?
      switch monitoring.monitor(id)?.kind {
      case nil: (status, reason) = (.notFound, "NotFound")
      case .hardWired: (status, reason) = (.rejected, "ReadOnly")
      case .custom, .preconfigured:
        if storage.isFailing {
          (status, reason) = (.rejected, "InternalError")
        } else if gone.insert(id).inserted {
          status = .accepted
        } else {
          (status, reason) = (.notFound, "NotFound")
        }
      }
      return ClearMonitoringResultType(
        id: id, status: status, statusInfo: reason.map { StatusInfoType(reasonCode: $0) })
    }
    if !gone.isEmpty {
      // N07.FR.12: no event tells that an exceeded threshold is gone.
      monitoring.clear(gone)
      rememberUndo(call, .monitoring(monitoring.undo(to: before)))
      for id in gone.sorted() { persistMonitor(id) }
      watchMonitored()
    }
    answer(call, ClearVariableMonitoringResponse(clearMonitoringResult: results))
    scheduleMonitors()
  }

  // MARK: N03, N05

  mutating func setMonitoringBase(_ request: SetMonitoringBaseRequest, _ call: IncomingCall) {
    guard !storage.isFailing else {
      let info = StatusInfoType(reasonCode: "InternalError", additionalInfo: "it could not be stored")
      answer(call, SetMonitoringBaseResponse(status: .rejected, statusInfo: info))
      return
    }
    let before = monitoring
    let recorded = monitoring.recordedIDs(in: model)
    monitoring.apply(request.monitoringBase)
    rememberUndo(call, .monitoring(monitoring.undo(to: before)))
    persistStation(.monitoring)
    for id in recorded.union(monitoring.recordedIDs(in: model)).sorted()
    where before.record(String(id), in: model) != monitoring.record(String(id), in: model) {
      persistMonitor(id)
    }
    watchMonitored()
    answer(call, SetMonitoringBaseResponse(status: .accepted))
    let hearing = self.hearing
    for monitor in monitoring.monitors where before.monitor(monitor.id)?.kind != monitor.kind {
      startMonitor(monitor.id, replacing: nil, hearing)
    }
    scheduleMonitors()
  }

  mutating func setMonitoringLevel(_ request: SetMonitoringLevelRequest, _ call: IncomingCall) {
    guard (0...9).contains(request.severity) else {
      // N05.FR.02
      let info = StatusInfoType(reasonCode: "ValueOutOfRange", additionalInfo: "expected 0 to 9")
      answer(call, SetMonitoringLevelResponse(status: .rejected, statusInfo: info))
      return
    }
    guard !storage.isFailing else {
      let info = StatusInfoType(reasonCode: "InternalError", additionalInfo: "it could not be stored")
      answer(call, SetMonitoringLevelResponse(status: .rejected, statusInfo: info))
      return
    }
    let before = monitoring
    monitoring.level = request.severity
    rememberUndo(call, .monitoring(monitoring.undo(to: before)))
    persistStation(.monitoring)
    watchMonitored()
    answer(call, SetMonitoringLevelResponse(status: .accepted))
  }
}
