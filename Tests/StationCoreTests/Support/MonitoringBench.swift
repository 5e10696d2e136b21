import DeviceModel
import OCPP
import StationCore
import Testing

/// What tests of monitoring ask of a station again and again.
extension StationBench {
  /// The SetMonitoringData of a monitor; `place` like `EVSE@1/Power`.
  static func monitor(
    _ place: String, _ type: String, _ value: Double, severity: Int = 5, id: Int? = nil, transaction: Bool? = nil
  ) -> JSONValue {
    guard let address = try? VariableAddress(parsing: place) else { return .null }
    var members = [
      JSONMember(name: "component", value: component(address.component)),
      JSONMember(name: "variable", value: variable(address.variable)),
      JSONMember(name: "type", value: .string(type)), JSONMember(name: "severity", value: .int(severity)),
      JSONMember(name: "value", value: .number(DecimalNumber(mantissa: Int64(value * 1000), exponent: -3))),
    ]
    if let id { members.append(JSONMember(name: "id", value: .int(id))) }
    if let transaction { members.append(JSONMember(name: "transaction", value: .bool(transaction))) }
    return .object(members)
  }

  static func component(_ id: ComponentID) -> JSONValue {
    var members = [JSONMember(name: "name", value: .string(id.name))]
    if let instance = id.instance { members.append(JSONMember(name: "instance", value: .string(instance))) }
    if let evse = id.evse {
      var place = [JSONMember(name: "id", value: .int(evse))]
      if let connector = id.connector { place.append(JSONMember(name: "connectorId", value: .int(connector))) }
      members.append(JSONMember(name: "evse", value: .object(place)))
    }
    return .object(members)
  }

  static func variable(_ id: VariableID) -> JSONValue {
    var members = [JSONMember(name: "name", value: .string(id.name))]
    if let instance = id.instance { members.append(JSONMember(name: "instance", value: .string(instance))) }
    return .object(members)
  }

  /// Sets monitors; the results in order.
  func setMonitors(_ monitors: [JSONValue]) -> [JSONValue] {
    guard case .result(let answer)? = call("SetVariableMonitoring", ["setMonitoringData": .array(monitors)]) else {
      return []
    }
    return answer["setMonitoringResult"]?.arrayValue ?? []
  }

  /// Sets one monitor that must be accepted; its id.
  @discardableResult
  func watch(
    _ place: String, _ type: String, _ value: Double, severity: Int = 5, id: Int? = nil, transaction: Bool? = nil,
    _ location: SourceLocation = #_sourceLocation
  ) -> Int {
    let results = setMonitors([
      Self.monitor(place, type, value, severity: severity, id: id, transaction: transaction)
    ])
    #expect(results.first?["status"] == "Accepted", "\(results)", sourceLocation: location)
    return results.first?["id"]?.intValue ?? -1
  }

  /// The events of all NotifyEvents since the last `forgetCalls`.
  var notified: [JSONValue] { calls("NotifyEvent").flatMap { $0["eventData"]?.arrayValue ?? [] } }

  /// Events of monitors, shortly: `Delta Occupied`, `Alerting 7000`, `Alerting 0 cleared`.
  var told: [String] {
    notified.filter { $0["variableMonitoringId"] != nil }.map { event in
      [
        event["trigger"]?.stringValue, event["actualValue"]?.stringValue,
        event["cleared"] == true ? "cleared" : nil,
      ].compactMap { $0 }.joined(separator: " ")
    }
  }

  /// The ids, types and severities that a GetMonitoringReport gives: `7 Delta 5`; the status when it gives none.
  func monitoringReport(_ request: JSONValue = ["requestId": 1]) -> [String] {
    forgetCalls()
    guard case .result(let answer)? = call("GetMonitoringReport", request) else { return ["refused"] }
    guard answer["status"] == "Accepted" else { return [answer["status"]?.stringValue ?? ""] }
    return calls("NotifyMonitoringReport").flatMap { $0["monitor"]?.arrayValue ?? [] }.flatMap { entry in
      (entry["variableMonitoring"]?.arrayValue ?? []).map { one in
        "\(one["id"]?.intValue ?? -1) \(one["type"]?.stringValue ?? "") \(one["severity"]?.intValue ?? -1)"
      }
    }
  }

  func set(_ place: String, _ value: String) {
    guard let address = try? VariableAddress(parsing: place) else { return }
    call(
      "SetVariables",
      [
        "setVariableData": [
          [
            "component": Self.component(address.component), "variable": Self.variable(address.variable),
            "attributeValue": .string(value),
          ]
        ]
      ])
  }

  func value(_ place: String) -> String? {
    (try? VariableAddress(parsing: place)).flatMap { station.model.value($0.component, $0.variable) }
  }

  /// A meter reading of so many watts.
  func power(_ watts: Int64, _ evse: Int = 1) {
    input(
      .hardware(
        .meter(
          MeterReading(
            evse: evse, energyImport: 1_000_000, power: watts * 1000, current: [16_000, 15_000, 17_000],
            voltage: [230_000, 231_000, 229_500]))))
  }

  /// The model with monitors of its own: `EVSE@1/AvailabilityState` gets one of each entry.
  static func model(
    _ folder: String = "ac-two-evse",
    monitors: [(place: String, config: String, type: String, value: Int, severity: Int)]
  ) -> DeviceModel {
    let model = Self.model(folder, [:])
    guard case .array(var components)? = try? JSONValue.parse(model.serialized()) else { return model }
    for (place, config, type, value, severity) in monitors {
      guard let address = try? VariableAddress(parsing: place) else { continue }
      let monitor: JSONValue = [
        "config_type": .string(config), "type": .string(type), "value": .int(value), "severity": .int(severity),
      ]
      for index in components.indices
      where components[index]["name"]?.stringValue == address.component.name
        && components[index]["evse_id"]?.intValue == address.component.evse
      {
        guard case .object(var component) = components[index],
          let at = component.firstIndex(where: { $0.name == "properties" }),
          case .object(var properties) = component[at].value,
          let label = properties.firstIndex(where: {
            $0.value["variable_name"]?.stringValue == address.variable.name && $0.value["instance"] == nil
          }), case .object(var variable) = properties[label].value
        else { continue }
        let before = properties[label].value["monitors"]?.arrayValue ?? []
        variable.removeAll { $0.name == "monitors" }
        variable.append(JSONMember(name: "monitors", value: .array(before + [monitor])))
        properties[label].value = .object(variable)
        component[at].value = .object(properties)
        components[index] = .object(component)
      }
    }
    guard let result = try? DeviceModel(serialized: JSONValue.array(components).bytes) else {
      Issue.record("the model with monitors cannot be read")
      return model
    }
    return result
  }
}
