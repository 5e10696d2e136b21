import DeviceModel
import OCPP

/// A report that is being sent part by part, the next when the CSMS has taken the last (B07, B08, N02, N09).
struct ReportInProgress: Sendable {
  enum Contents: Sendable {
    case variables([ReportDataType])
    case monitors([MonitoringDataType])
    /// Customer information: each is one message.
    case customer([String])

    var count: Int {
      switch self {
      case .variables(let entries): return entries.count
      case .monitors(let entries): return entries.count
      case .customer(let parts): return parts.count
      }
    }

    /// What an entry takes of a message, counted in variables with one attribute, or in monitors.
    func weight(_ index: Int) -> Int {
      switch self {
      case .variables: return 1
      case .monitors(let entries): return 1 + entries[index].variableMonitoring.count / 2
      case .customer: return ReportInProgress.weightPerMessage
      }
    }
  }

  var requestId: Int
  var contents: Contents
  var next = 0
  var seqNo = 0
  let generatedAt: DateTime

  /// Weight of one message.
  static let weightPerMessage = 40
  /// Reports that may wait at one time; another request is Rejected (B07.FR.13).
  static let limit = 4

  /// The entries of the next message: as many as its weight allows, at least one.
  var part: Range<Int> {
    var end = next
    var weight = 0
    while end < contents.count, end == next || weight + contents.weight(end) <= Self.weightPerMessage {
      weight += contents.weight(end)
      end += 1
    }
    return next..<end
  }
}

extension Station {
  mutating func getBaseReport(_ request: GetBaseReportRequest, _ call: IncomingCall) {
    guard provisioning.reports.count < ReportInProgress.limit else {
      answer(call, GetBaseReportResponse(status: .rejected))
      return
    }
    refreshClock()
    let entries = model.baseReport(request.reportBase, conditions: faults.map { place(of: $0) })
    answer(call, GetBaseReportResponse(status: entries.isEmpty ? .emptyResultSet : .accepted))
    send(report: .variables(entries), requestId: request.requestId)
  }

  mutating func getReport(_ request: GetReportRequest, _ call: IncomingCall) {
    guard (request.componentVariable?.count ?? 0) <= number(Setting.itemsPerGetReport, default: .max) else {
      refuse(call, .occurrenceConstraintViolation, "more items than ItemsPerMessage of GetReport")  // B08.FR.17
      return
    }
    let criteria = request.componentCriteria ?? []
    let supported = list(Setting.supportedCriteria)
    if !supported.isEmpty, let unsupported = criteria.first(where: { !supported.contains($0.rawValue) }) {
      // B08.FR.02
      let info = StatusInfoType(reasonCode: "UnsupportedParam", additionalInfo: unsupported.rawValue)
      answer(call, GetReportResponse(status: .notSupported, statusInfo: info))
      return
    }
    guard provisioning.reports.count < ReportInProgress.limit else {
      answer(call, GetReportResponse(status: .rejected))  // B08.FR.16
      return
    }
    refreshClock()
    let entries = model.report(criteria: criteria, componentVariables: request.componentVariable ?? [])
    answer(call, GetReportResponse(status: entries.isEmpty ? .emptyResultSet : .accepted))
    send(report: .variables(entries), requestId: request.requestId)
  }

  mutating func send(report contents: ReportInProgress.Contents, requestId: Int) {
    guard contents.count > 0 else { return }
    provisioning.reports.append(
      ReportInProgress(requestId: requestId, contents: contents, generatedAt: timestamp))
    if provisioning.reports.count == 1 { sendReportPart() }
  }

  private mutating func sendReportPart() {
    guard let report = provisioning.reports.first else { return }
    let part = report.part
    let tbc = part.upperBound == report.contents.count ? nil : true
    switch report.contents {
    case .variables(let entries):
      call(
        NotifyReportRequest(
          generatedAt: report.generatedAt, requestId: report.requestId, seqNo: report.seqNo,
          reportData: Array(entries[part]), tbc: tbc),
        for: .notifyReport, requested: true)
    case .monitors(let entries):
      call(
        NotifyMonitoringReportRequest(
          generatedAt: report.generatedAt, requestId: report.requestId, seqNo: report.seqNo,
          monitor: Array(entries[part]), tbc: tbc),
        for: .notifyReport, requested: true)
    case .customer(let parts):
      call(
        NotifyCustomerInformationRequest(
          data: parts[part.lowerBound], generatedAt: report.generatedAt, requestId: report.requestId,
          seqNo: report.seqNo, tbc: tbc),
        for: .notifyReport, requested: true)
    }
    provisioning.reports[0].next = part.upperBound
    provisioning.reports[0].seqNo += 1
  }

  /// A part that failed is not repeated; the CSMS sees the gap in seqNo.
  mutating func reportPartDelivered() {
    guard let report = provisioning.reports.first else { return }
    if report.next >= report.contents.count { provisioning.reports.removeFirst() }
    sendReportPart()
  }
}
