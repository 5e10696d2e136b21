import DeviceModel
import OCPP

/// A report that is being sent: NotifyReport by NotifyReport, the next when the CSMS has taken the last (B07, B08).
struct ReportInProgress: Sendable {
  var requestId: Int
  var entries: [ReportDataType]
  var next = 0
  var seqNo = 0
  let generatedAt: DateTime

  /// Entries of one NotifyReport.
  static let entriesPerMessage = 40
  /// Reports that may wait at one time; another request is Rejected (B07.FR.13).
  static let limit = 4
}

extension Station {
  mutating func getBaseReport(_ request: GetBaseReportRequest, _ call: IncomingCall) {
    guard provisioning.reports.count < ReportInProgress.limit else {
      answer(call, GetBaseReportResponse(status: .rejected))
      return
    }
    let entries = model.baseReport(request.reportBase)
    answer(call, GetBaseReportResponse(status: entries.isEmpty ? .emptyResultSet : .accepted))
    send(report: entries, requestId: request.requestId)
  }

  mutating func getReport(_ request: GetReportRequest, _ call: IncomingCall) {
    guard (request.componentVariable?.count ?? 0) <= number(Setting.itemsPerGetReport, default: .max) else {
      refuse(call, .occurrenceConstraintViolation, "more items than ItemsPerMessage of GetReport")  // B08.FR.17
      return
    }
    guard provisioning.reports.count < ReportInProgress.limit else {
      answer(call, GetReportResponse(status: .rejected))  // B08.FR.16
      return
    }
    let entries = model.report(
      criteria: request.componentCriteria ?? [], componentVariables: request.componentVariable ?? [])
    answer(call, GetReportResponse(status: entries.isEmpty ? .emptyResultSet : .accepted))
    send(report: entries, requestId: request.requestId)
  }

  private mutating func send(report entries: [ReportDataType], requestId: Int) {
    guard !entries.isEmpty else { return }
    provisioning.reports.append(
      ReportInProgress(requestId: requestId, entries: entries, generatedAt: timestamp))
    if provisioning.reports.count == 1 { sendReportPart() }
  }

  private mutating func sendReportPart() {
    guard let report = provisioning.reports.first else { return }
    let end = min(report.next + ReportInProgress.entriesPerMessage, report.entries.count)
    let isLast = end == report.entries.count
    call(
      NotifyReportRequest(
        generatedAt: report.generatedAt, requestId: report.requestId, seqNo: report.seqNo,
        reportData: Array(report.entries[report.next..<end]), tbc: isLast ? nil : true),
      for: .notifyReport, requested: true)
    provisioning.reports[0].next = end
    provisioning.reports[0].seqNo += 1
  }

  /// A part that failed is not repeated; the CSMS sees the gap in seqNo.
  mutating func reportPartDelivered() {
    guard let report = provisioning.reports.first else { return }
    if report.next >= report.entries.count { provisioning.reports.removeFirst() }
    sendReportPart()
  }
}
