import DeviceModel
import OCPP

/// GetMonitoringReport (N02).
extension Station {
  mutating func getMonitoringReport(_ request: GetMonitoringReportRequest, _ call: IncomingCall) {
    // N02.FR.07
    guard (request.componentVariable?.count ?? 0) <= number(Setting.itemsPerGetReport, default: .max) else {
      refuse(call, .occurrenceConstraintViolation, "more items than ItemsPerMessage of GetReport")
      return
    }
    guard provisioning.reports.count < ReportInProgress.limit else {
      answer(call, GetMonitoringReportResponse(status: .rejected))
      return
    }
    let entries = monitoringReport(
      criteria: request.monitoringCriteria ?? [], componentVariables: request.componentVariable ?? [])
    answer(call, GetMonitoringReportResponse(status: entries.isEmpty ? .emptyResultSet : .accepted))
    send(report: .monitors(entries), requestId: request.requestId)
  }

  /// The monitors that meet one of the criteria and whose variable is named (N02.FR.05, FR.08, FR.12-14), by variable in
  /// the order of the component files. An empty list does not limit (N02.FR.11).
  private func monitoringReport(
    criteria: [MonitoringCriterionEnumType], componentVariables: [ComponentVariableType]
  ) -> [MonitoringDataType] {
    model.variableHandles.compactMap { variable in
      let monitors = monitoring.positions(of: variable).map { monitoring.monitors[$0] }.filter { monitor in
        criteria.isEmpty || criteria.contains { $0.contains(monitor.type) }
      }
      guard !monitors.isEmpty, componentVariables.isEmpty || model.names(componentVariables, variable) else {
        return nil
      }
      return MonitoringDataType(
        component: ComponentType(model.component(of: variable)), variable: VariableType(model.variable(variable).id),
        variableMonitoring: monitors.map { monitor in
          VariableMonitoringType(
            id: monitor.id, severity: monitor.severity, transaction: monitor.transaction, type: monitor.type,
            value: monitor.value, eventNotificationType: monitor.kind.notification)
        })
    }
  }
}

extension MonitoringCriterionEnumType {
  fileprivate func contains(_ type: MonitorEnumType) -> Bool {
    switch self {
    case .thresholdMonitoring: return type == .upperThreshold || type == .lowerThreshold
    case .deltaMonitoring: return type == .delta || type == .targetDelta || type == .targetDeltaRelative
    case .periodicMonitoring: return type == .periodic || type == .periodicClockAligned
    }
  }
}
