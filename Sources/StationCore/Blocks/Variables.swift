import DeviceModel
import OCPP

/// GetVariables and SetVariables (B05, B06), and what a changed value sets in motion.
extension Station {
  mutating func getVariables(_ request: GetVariablesRequest, _ call: IncomingCall) {
    guard request.getVariableData.count <= number(Setting.itemsPerGetVariables, default: .max) else {
      refuse(call, .occurrenceConstraintViolation, "more items than ItemsPerMessage of GetVariables")  // B06.FR.16
      return
    }
    if request.getVariableData.contains(where: { ComponentID($0.component) == Setting.dateTime.component }) {
      refreshClock()
    }
    let results = request.getVariableData.map { item in
      let attribute = item.attributeType ?? .actual
      let found = model.get(ComponentID(item.component), VariableID(item.variable), attribute)
      return GetVariableResultType(
        attributeStatus: found.status, component: item.component, variable: item.variable,
        attributeStatusInfo: nil, attributeType: attribute, attributeValue: found.value)
    }
    answer(call, GetVariablesResponse(getVariableResult: results))
  }

  mutating func setVariables(_ request: SetVariablesRequest, _ call: IncomingCall) {
    guard request.setVariableData.count <= number(Setting.itemsPerSetVariables, default: .max) else {
      refuse(call, .occurrenceConstraintViolation, "more items than ItemsPerMessage of SetVariables")
      return
    }
    var changed: [VariableAddress] = []
    let results = request.setVariableData.map { item in
      let attribute = item.attributeType ?? .actual
      let address = VariableAddress(ComponentID(item.component), VariableID(item.variable), attribute)
      let (status, reason) = set(item.attributeValue, address, call)
      if status == .accepted { changed.append(address) }
      return SetVariableResultType(
        attributeStatus: status, component: item.component, variable: item.variable,
        attributeStatusInfo: reason, attributeType: attribute)
    }
    answer(call, SetVariablesResponse(setVariableResult: results))
    for address in changed { variableChanged(address) }
  }

  private mutating func set(
    _ value: String, _ address: VariableAddress, _ call: IncomingCall
  ) -> (SetVariableStatusEnumType, StatusInfoType?) {
    guard !storage.isFailing else {
      return (.rejected, StatusInfoType(reasonCode: "InternalError", additionalInfo: "it could not be stored"))
    }
    if address == Setting.basicAuthPassword {
      // Own checks, whose words do not repeat the value (A01.FR.12).
      guard let refusal = setPassword(value, call) else { return (.accepted, nil) }
      return (.rejected, refusal.statusInfo)
    }
    let isPriority = address == Setting.networkConfigurationPriority
    if isPriority, let refusal = priorityRefusal(value) { return (.rejected, refusal.statusInfo) }
    let before = model.value(address.component, address.variable, address.attribute)
    let verdict = model.set(value, address.component, address.variable, address.attribute, by: .csms)
    if verdict.accepted {
      let stored = provisioning.changedVariables[address.persistentKey]
      rememberUndo(call, .variable(address, value: before, stored: stored))
      rememberVariable(address)
      if isPriority, list(address).compactMap({ Int($0) }) != network.priorityAtStart {
        // B10.FR.01; with RebootRequired the CSMS knows what is missing (TC_A_19_CS, TC_B_45_CS).
        return (.rebootRequired, nil)
      }
    }
    let info = verdict.reasonCode.map { StatusInfoType(reasonCode: $0, additionalInfo: verdict.reason) }
    return (verdict.status, info)
  }

  /// Writes a value that the station itself owns; it survives only when it was changed by the CSMS' word.
  mutating func setByStation(_ value: String, _ address: VariableAddress, persistent: Bool = false) {
    guard model.value(address.component, address.variable) != value else { return }
    let verdict = model.set(value, address.component, address.variable, address.attribute, by: .station)
    if verdict.status == .accepted, persistent { rememberVariable(address) }
  }

  mutating func rememberVariable(_ address: VariableAddress) {
    let key = address.persistentKey
    guard let value = model.value(address.component, address.variable, address.attribute) else { return }
    provisioning.changedVariables[key] = value
    persist(.put(.variable, key: key, value: Array(value.utf8)))
  }

  /// A value changed at run time wins over the factory value, unless the variable is gone.
  mutating func restoreVariable(key: String, value: [UInt8]) {
    let value = String(decoding: value, as: UTF8.self)
    guard let address = try? VariableAddress(parsing: key),
      model.set(value, address.component, address.variable, address.attribute, by: .station).status == .accepted
    else { return }
    provisioning.changedVariables[key] = value
  }

  mutating func setIdentity(_ identity: String) {
    setByStation(identity, Setting.identity)
    setByStation(identity, Setting.chargePointId)
  }

  /// What a new value sets in motion at once. Everything else is read when it is used.
  private mutating func variableChanged(_ address: VariableAddress) {
    switch address {
    case Setting.heartbeatInterval: startHeartbeat()
    case Setting.basicAuthPassword: passwordChanged()
    case Setting.webSocketPingInterval: startPing()
    case Setting.sampledTxUpdatedInterval, Setting.sampledTxEndedInterval:
      for index in evses.indices where evses[index].transaction != nil { startSampling(at: index) }
    case Setting.alignedInterval, Setting.alignedTxEndedInterval: scheduleAlignedData()
    case Setting.diagnosticsLogMaxBytes: tellLogBound()
    case Setting.monitoringEnabled, Setting.offlineQueuingSeverity, Setting.queueAllMessages:
      monitoring.mustLook = true
    default: break
    }
  }
}

extension ComponentID {
  init(_ component: ComponentType) {
    self.init(
      component.name, instance: component.instance, evse: component.evse?.id, connector: component.evse?.connectorId)
  }
}

extension VariableID {
  init(_ variable: VariableType) { self.init(variable.name, instance: variable.instance) }
}
