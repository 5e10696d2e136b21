import DeviceModel
import OCPP

/// A call of the CSMS that waits for its answer.
struct IncomingCall: Hashable, Sendable {
  var id: String
  var action: String
}

extension Station {
  /// Answers a call of the CSMS: the registration gate first, then the block that the action belongs to.
  mutating func answerCall(_ call: IncomingCall, _ payload: [UInt8]) {
    if provisioning.registration == .rejected {
      refuse(call, .securityError, "the CSMS has rejected this station")  // B03.FR.08
      return
    }
    switch call.action {
    case GetVariablesRequest.action:
      if tooLong(payload, Setting.bytesPerGetVariables, call) { return }  // B06.FR.17
      decode(payload, call) { $0.getVariables($1, call) }
    case SetVariablesRequest.action:
      if tooLong(payload, Setting.bytesPerSetVariables, call) { return }
      decode(payload, call) { $0.setVariables($1, call) }
    case GetBaseReportRequest.action: decode(payload, call) { $0.getBaseReport($1, call) }
    case GetReportRequest.action:
      if tooLong(payload, Setting.bytesPerGetReport, call) { return }  // B08.FR.18
      decode(payload, call) { $0.getReport($1, call) }
    case SetNetworkProfileRequest.action: decode(payload, call) { $0.setNetworkProfile($1, call) }
    case GetInstalledCertificateIdsRequest.action: decode(payload, call) { $0.getInstalledCertificateIds($1, call) }
    case InstallCertificateRequest.action: decode(payload, call) { $0.installCertificate($1, call) }
    case DeleteCertificateRequest.action: decode(payload, call) { $0.deleteCertificate($1, call) }
    case CertificateSignedRequest.action: decode(payload, call) { $0.certificateSigned($1, call) }
    case SetVariableMonitoringRequest.action where hasMonitoring:
      if tooLong(payload, Setting.bytesPerSetMonitoring, call) { return }  // N04.FR.09
      decode(payload, call) { $0.setVariableMonitoring($1, call) }
    case ClearVariableMonitoringRequest.action where hasMonitoring:
      if tooLong(payload, Setting.bytesPerClearMonitoring, call) { return }  // N06.FR.07
      decode(payload, call) { $0.clearVariableMonitoring($1, call) }
    case SetMonitoringBaseRequest.action where hasMonitoring:
      decode(payload, call) { $0.setMonitoringBase($1, call) }
    case SetMonitoringLevelRequest.action where hasMonitoring:
      decode(payload, call) { $0.setMonitoringLevel($1, call) }
    case GetMonitoringReportRequest.action where hasMonitoring:
      if tooLong(payload, Setting.bytesPerGetReport, call) { return }
      decode(payload, call) { $0.getMonitoringReport($1, call) }
    case UpdateFirmwareRequest.action: decode(payload, call) { $0.updateFirmware($1, call) }
    case ResetRequest.action: decode(payload, call) { $0.reset($1, call) }
    case ChangeAvailabilityRequest.action: decode(payload, call) { $0.changeAvailability($1, call) }
    case RequestStartTransactionRequest.action: decode(payload, call) { $0.requestStartTransaction($1, call) }
    case RequestStopTransactionRequest.action: decode(payload, call) { $0.requestStopTransaction($1, call) }
    case GetTransactionStatusRequest.action: decode(payload, call) { $0.getTransactionStatus($1, call) }
    case UnlockConnectorRequest.action: decode(payload, call) { $0.unlockConnector($1, call) }
    case TriggerMessageRequest.action: decode(payload, call) { $0.triggerMessage($1, call) }
    case ClearCacheRequest.action: decode(payload, call) { $0.clearCache($1, call) }
    case SendLocalListRequest.action:
      if tooLong(payload, Setting.bytesPerSendLocalList, call) { return }  // D01.FR.11
      decode(payload, call) { $0.sendLocalList($1, call) }
    case GetLocalListVersionRequest.action: decode(payload, call) { $0.getLocalListVersion($1, call) }
    case GetLogRequest.action: decode(payload, call) { $0.getLog($1, call) }
    case CustomerInformationRequest.action: decode(payload, call) { $0.customerInformation($1, call) }
    case DataTransferRequest.action: decode(payload, call) { $0.dataTransfer($1, call) }
    default:
      if OCPPAction.isKnown(call.action, version: .v201) {
        refuse(call, .notSupported, "\(call.action) is not supported")
      } else {
        refuse(call, .notImplemented, "\(limitedName(call.action)) is not an action of OCPP 2.0.1")
      }
    }
  }

  private func limitedName(_ name: String) -> String { String(name.unicodeScalars.prefix(50)) }

  private mutating func decode<Request: OCPPRequest>(
    _ payload: [UInt8], _ call: IncomingCall, then body: (inout Station, Request) -> Void
  ) {
    let request: Request
    do throws(PayloadError) {
      request = try Request.decode(payload, version: .v201)
    } catch {
      refuse(call, error.code, error.path.isEmpty ? error.message : "\(error.path): \(error.message)")
      return
    }
    body(&self, request)
  }

  private mutating func tooLong(_ payload: [UInt8], _ limit: VariableAddress, _ call: IncomingCall) -> Bool {
    guard payload.count > number(limit, default: .max) else { return false }
    refuse(call, .formatViolation, "longer than BytesPerMessage of \(call.action)")
    return true
  }

  mutating func answer(_ call: IncomingCall, _ response: some OCPPPayload) {
    guard let frame = connection.rpc.result(id: call.id, payload: response.encode(version: .v201)) else { return }
    emit(.send(frame))
    calls.lastSent = now.monotonic
  }

  mutating func refuse(_ call: IncomingCall, _ code: RPCErrorCode, _ description: String) {
    log(.info, "\(limitedName(call.action)) refused: \(code.rawValue), \(description)")
    guard let frame = connection.rpc.error(id: call.id, code, description: description) else { return }
    emit(.send(frame))
  }

  // MARK: DataTransfer (P01)

  /// No vendor extension is implemented (P01.FR.05).
  mutating func dataTransfer(_ request: DataTransferRequest, _ call: IncomingCall) {
    answer(call, DataTransferResponse(status: .unknownVendorId))
  }
}
