import DeviceModel
import OCPP

/// Functional block G: what the CSMS has set operative or inoperative, and the status of every connector. The device
/// model's AvailabilityState is the status; notifications tell its changes.
struct Availability: Sendable {
  /// Set Inoperative by the CSMS; keys as in the ledger: `station`, `evse/1`, `connector/1/1`.
  private(set) var inoperative: Set<String> = []

  init(restoring records: [String: [UInt8]]) {
    for (key, value) in records where value == Array("Inoperative".utf8) { inoperative.insert(key) }
  }

  static func key(evse: Int? = nil, connector: Int? = nil) -> String {
    guard let evse else { return "station" }
    guard let connector else { return "evse/\(evse)" }
    return "connector/\(evse)/\(connector)"
  }

  func isOperative(_ key: String) -> Bool { !inoperative.contains(key) }

  mutating func set(_ key: String, operative: Bool) {
    if operative { inoperative.remove(key) } else { inoperative.insert(key) }
  }

  /// As the ledger holds them.
  var records: [String: [UInt8]] {
    Dictionary(uniqueKeysWithValues: inoperative.map { ($0, Array("Inoperative".utf8)) })
  }
}

extension Station {
  func isOperative(evse: Int) -> Bool {
    availability.isOperative(Availability.key()) && availability.isOperative(Availability.key(evse: evse))
  }

  func isOperative(evse: Int, connector: Int) -> Bool {
    isOperative(evse: evse) && availability.isOperative(Availability.key(evse: evse, connector: connector))
  }

  mutating func changeAvailability(_ request: ChangeAvailabilityRequest, _ call: IncomingCall) {
    let evse = request.evse?.id == 0 ? nil : request.evse
    if let evse {
      let connectors = evses.indices.contains(evse.id - 1) ? evses[evse.id - 1].connectors.count : 0
      guard connectors > 0, (1...connectors).contains(evse.connectorId ?? 1) else {
        answer(
          call,
          ChangeAvailabilityResponse(
            status: .rejected, statusInfo: StatusInfoType(reasonCode: "InvalidValue", additionalInfo: "evse")))
        return
      }
    }
    let key = Availability.key(evse: evse?.id, connector: evse?.connectorId)
    let operative = request.operationalStatus == .operative
    guard availability.isOperative(key) != operative else {
      answer(call, ChangeAvailabilityResponse(status: .accepted))  // G03.FR.03, G04.FR.04
      // Nothing changes, but the CSMS has asked (G04.FR.05 as TC_G_13_CS reads it).
      if provisioning.registration == .accepted { reportStatus(evse: evse?.id, connector: evse?.connectorId) }
      return
    }
    // In force at once for new sessions, in the ledger before the answer leaves; a transaction is left to finish
    // (G03.FR.05, G04.FR.06) and its connectors become Unavailable then.
    guard !storage.isFailing else {
      answer(
        call,
        ChangeAvailabilityResponse(
          status: .rejected, statusInfo: StatusInfoType(reasonCode: "InternalError", additionalInfo: "storage")))
      return
    }
    rememberUndo(call, .availability(key: key, operative: !operative))
    availability.set(key, operative: operative)
    persist(
      operative
        ? .delete(.availability, key: key) : .put(.availability, key: key, value: Array("Inoperative".utf8)))
    let isBusy = evses.contains { candidate in
      candidate.transaction != nil && (evse == nil || evse?.id == candidate.id)
        && (evse?.connectorId == nil || candidate.transaction?.connector ?? evse?.connectorId == evse?.connectorId)
    }
    answer(call, ChangeAvailabilityResponse(status: isBusy && !operative ? .scheduled : .accepted))
  }

  // MARK: Status (G01)

  /// Derives the status of the EVSE's connectors, puts it into the device model and tells the CSMS of changes.
  mutating func updateStatus(of index: Int) {
    for connector in evses[index].connectors.indices {
      let status = derivedStatus(of: index, connector)
      if evses[index].connectors[connector].status != status { setStatus(status, of: index, connector) }
    }
  }

  /// The first status after the start; nothing is told before registration.
  mutating func initializeStatus() {
    for index in evses.indices {
      for connector in evses[index].connectors.indices {
        setStatus(derivedStatus(of: index, connector), of: index, connector)
      }
    }
  }

  private func derivedStatus(of index: Int, _ connectorIndex: Int) -> ConnectorStatusEnumType {
    let evse = evses[index]
    let connector = evse.connectors[connectorIndex]
    if hasBlockingFault(evse: evse.id, connector: connector.id) { return .faulted }
    let isInUse =
      evse.transaction != nil && !evse.isResuming && (evse.transaction?.connector ?? connector.id) == connector.id
      && (evse.ending == nil || connector.hasPlug)
    if evse.reset?.until != nil { return .unavailable }  // B11.FR.08
    let isOffered =
      isOperative(evse: evse.id, connector: connector.id) && !connector.isWithdrawn
      && !(firmwareWithholdsEVSEs && !isPromised(evse.id))
    if !isOffered, !isInUse { return .unavailable }
    return connector.hasPlug ? .occupied : .available
  }

  /// Somebody is authorized already, and may plug in here.
  private func isPromised(_ id: Int) -> Bool {
    evses.contains { evse in
      evse.authorization != nil
        && (evse.id == id || (!evse.isConnected && evse.authorization?.evses.contains(id) == true))
    }
  }

  private mutating func setStatus(_ status: ConnectorStatusEnumType, of index: Int, _ connector: Int) {
    let id = evses[index].id
    evses[index].connectors[connector].status = status
    setByStation(
      status.rawValue,
      VariableAddress("Connector", evse: id, connector: evses[index].connectors[connector].id, "AvailabilityState"))
    setByStation(
      Self.summary(of: evses[index].connectors.map(\.status)).rawValue,
      VariableAddress("EVSE", evse: id, "AvailabilityState"))
    setByStation(
      Self.summary(of: evses.flatMap { $0.connectors.map(\.status) }).rawValue,
      VariableAddress("ChargingStation", "AvailabilityState"))
    emit(
      .event(
        StationEvent(
          event: "connector",
          fields: [
            JSONMember(name: "evse", value: .number(DecimalNumber(id))),
            JSONMember(name: "connector", value: .number(DecimalNumber(connector + 1))),
            JSONMember(name: "status", value: .string(status.rawValue)),
          ])))
    let minimum = milliseconds(Setting.minimumStatusDuration, default: 0)
    if minimum > 0, isHeard {
      evses[index].connectors[connector].reportDueAt = now.monotonic + minimum
      startStatusTimer(at: index)
    } else if isHeard {
      sendStatus(evse: index, connector: connector)
    }
  }

  private mutating func startStatusTimer(at index: Int) {
    guard let due = evses[index].connectors.compactMap(\.reportDueAt).min() else { return }
    startTimer(.evse(TimerID.statusName, evses[index].id), after: due - now.monotonic)
  }

  /// MinimumStatusDuration has passed: what is still another status than the CSMS knows is told.
  mutating func statusIsStable(at index: Int) {
    for connector in evses[index].connectors.indices {
      guard let due = evses[index].connectors[connector].reportDueAt, due <= now.monotonic else { continue }
      evses[index].connectors[connector].reportDueAt = nil
      let state = evses[index].connectors[connector]
      if state.status != state.reported, isHeard { sendStatus(evse: index, connector: connector) }
    }
    startStatusTimer(at: index)
  }

  /// The state of a whole from its connectors: in use when one is, usable when one is.
  static func summary(of states: [ConnectorStatusEnumType]) -> ConnectorStatusEnumType {
    for state in [ConnectorStatusEnumType.occupied, .reserved, .available, .faulted] where states.contains(state) {
      return state
    }
    return .unavailable
  }

  mutating func sendStatus(evse index: Int, connector: Int, requested: Bool = false) {
    let state = evses[index].connectors[connector]
    evses[index].connectors[connector].reported = state.status
    evses[index].connectors[connector].reportDueAt = nil
    let request = StatusNotificationRequest(
      connectorId: state.id, connectorStatus: state.status, evseId: evses[index].id, timestamp: timestamp)
    if requested {
      call(request, for: .status(evse: index, connector: connector), requested: true)
    } else {
      tell(request, for: .status(evse: index, connector: connector))
    }
  }

  /// After every accepted BootNotification (B01.FR.05).
  mutating func reportAllStatus() { reportStatus(evse: nil, connector: nil) }

  /// Reports the connectors of the station, of an EVSE, or one connector, by their ids.
  private mutating func reportStatus(evse: Int?, connector: Int?) {
    for index in evses.indices where evse == nil || evse == evses[index].id {
      for position in evses[index].connectors.indices
      where connector == nil || connector == evses[index].connectors[position].id {
        sendStatus(evse: index, connector: position)
      }
    }
  }

  /// B04: all connectors after a long time offline, otherwise those that changed.
  mutating func reportStatusAfterOffline(milliseconds offline: Int64) {
    if offline > milliseconds(Setting.offlineThreshold, default: 60) { return reportAllStatus() }
    for index in evses.indices {
      for connector in evses[index].connectors.indices
      where evses[index].connectors[connector].status != evses[index].connectors[connector].reported {
        sendStatus(evse: index, connector: connector)
      }
    }
  }
}

extension TimerID {
  static let statusName = "status"
}
