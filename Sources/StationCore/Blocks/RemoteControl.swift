import DeviceModel
import OCPP

/// Functional block F: RequestStartTransaction, RequestStopTransaction, TriggerMessage.
extension Station {
  mutating func requestStartTransaction(_ request: RequestStartTransactionRequest, _ call: IncomingCall) {
    func reject(_ reason: String, _ detail: String) -> RequestStartTransactionResponse {
      RequestStartTransactionResponse(
        status: .rejected, statusInfo: StatusInfoType(reasonCode: reason, additionalInfo: detail))
    }
    guard provisioning.registration == .accepted else {
      answer(call, reject("NotEnabled", "registration is not Accepted"))  // B02.FR.05
      return
    }
    let evse: Int
    if let id = request.evseId {
      guard evses.indices.contains(id - 1) else {
        answer(call, reject("InvalidValue", "evseId"))
        return
      }
      guard isFree(at: id - 1) else {
        answer(call, reject(isUsable(at: id - 1) ? "TxInProgress" : "NotEnabled", "evseId"))  // F01.FR.23-24
        return
      }
      evse = id
    } else {
      // F01.FR.20: an EVSE with a waiting vehicle first, then the first free one.
      let free = evses.filter { isFree(at: $0.id - 1) }
      guard let chosen = free.first(where: \.isConnected) ?? free.first else {
        answer(call, reject("TxInProgress", "no EVSE is free"))
        return
      }
      evse = chosen.id
    }
    // F01.FR.12: no smart charging yet, a ChargingProfile is ignored.
    answer(
      call,
      RequestStartTransactionResponse(status: .accepted, transactionId: evses[evse - 1].transaction?.id))
    let start = Authorization.RemoteStart(
      evse: evse, remoteStartId: request.remoteStartId, groupIdToken: request.groupIdToken)
    let needsNoCheck = request.idToken.type == .central || request.idToken.type == .noAuthorization
    if flag(Setting.authorizeRemoteStart, default: true), flag(Setting.authEnabled, default: true), !needsNoCheck {
      check(request.idToken, served: [evse], remoteStart: start)
    } else {
      authorize(
        at: evse - 1, request.idToken, group: request.groupIdToken, evses: [evse],
        remoteStartId: request.remoteStartId)
    }
  }

  mutating func requestStopTransaction(_ request: RequestStopTransactionRequest, _ call: IncomingCall) {
    guard provisioning.registration == .accepted,
      let index = evses.firstIndex(where: { $0.transaction?.id == request.transactionId && $0.ending == nil })
    else {
      answer(call, RequestStopTransactionResponse(status: .rejected))  // F03.FR.08
      return
    }
    rememberUndo(call, .nothing)
    answer(call, RequestStopTransactionResponse(status: .accepted))
    deauthorize(at: index, trigger: .remoteStop, reason: .remote)
  }

  // MARK: TriggerMessage (F06)

  mutating func triggerMessage(_ request: TriggerMessageRequest, _ call: IncomingCall) {
    func finish(_ status: TriggerMessageStatusEnumType) { answer(call, TriggerMessageResponse(status: status)) }
    let isAccepted = provisioning.registration == .accepted
    // F06.FR.03: an EVSE does not matter to the others.
    let concernsEVSE = [.statusNotification, .meterValues, .transactionEvent].contains(request.requestedMessage)
    if concernsEVSE, let evse = request.evse, evse.id != 0, !evses.indices.contains(evse.id - 1) {
      return finish(.rejected)
    }
    let targets = request.evse.map { $0.id == 0 ? [] : [$0.id - 1] } ?? Array(evses.indices)
    switch request.requestedMessage {
    case .bootNotification:
      guard !isAccepted else { return finish(.rejected) }  // F06.FR.17
      finish(.accepted)
      provisioning.bootIsTriggered = true
      sendBootNotification()
    case .heartbeat:
      finish(.accepted)
      sendHeartbeat(requested: true)
    case .statusNotification:
      guard let evse = request.evse, let connector = evse.connectorId, evse.id >= 1,
        evses[evse.id - 1].connectors.indices.contains(connector - 1)
      else { return finish(.rejected) }  // F06.FR.12
      finish(.accepted)
      sendStatus(evse: evse.id - 1, connector: connector - 1, requested: true)
    case .meterValues:
      let values = targets.compactMap { index in
        triggeredValues(of: evses[index].meter).map { (evses[index].id, $0) }
      }
      let main = request.evse == nil || request.evse?.id == 0 ? triggeredValues(of: mainMeter).map { (0, $0) } : nil
      let all = (main.map { [$0] } ?? []) + values
      guard !all.isEmpty else { return finish(.rejected) }
      finish(.accepted)
      for (evse, value) in all { self.call(MeterValuesRequest(evseId: evse, meterValue: [value]), requested: true) }
    case .transactionEvent:
      let open = targets.filter { evses[$0].transaction != nil && evses[$0].ending == nil }
      guard isAccepted, !open.isEmpty else { return finish(.rejected) }
      finish(.accepted)
      for index in open {
        sendUpdated(
          at: index, trigger: .trigger,
          values: triggeredValues(of: evses[index], Setting.sampledTxUpdatedMeasurands).map { [$0] })
      }
    case .logStatusNotification:
      finish(.accepted)
      // F06.FR.14-15, N01.FR.13
      self.call(
        LogStatusNotificationRequest(status: logs.upload?.status ?? .idle, requestId: logs.upload?.requestId),
        requested: true)
    case .firmwareStatusNotification:
      finish(.accepted)
      sendTriggeredFirmwareStatus()
    case .signChargingStationCertificate:
      guard canWork(), !keepsKeyInToken() else { return finish(.rejected) }
      finish(.accepted)
      startSigning(isRequested: true)  // A02.FR.02
    default: finish(.notImplemented)  // F06.FR.08
    }
  }
}
