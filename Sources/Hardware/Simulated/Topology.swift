import DeviceModel
import OCPP

extension SimulatedEVSE {
  /// The hardware that a device model describes:
  /// - EVSE/SupplyPhases: 0 is DC; 3 when it has no value.
  /// - Connector/ConnectorType: those that begin with `s` are sockets (ConnectorEnumType), all others have a cable.
  /// - Component ConnectorPlugRetentionLock of a connector: it has a lock.
  /// - Component BayOccupancySensor of an EVSE: its parking bay has a sensor.
  /// - EVSE/Power (maxLimit): the captive cable carries as much, to the next ampere; 32 A when there is no limit.
  public static func topology(of model: DeviceModel) -> [SimulatedEVSE] {
    (0..<model.evseCount).map { index in
      let id = index + 1
      let evse = ComponentID("EVSE", evse: id)
      var result = SimulatedEVSE(
        id: id, supplyPhases: model.int(evse, VariableID("SupplyPhases")) ?? 3, connectors: [],
        hasBaySensor: model.component(ComponentID("BayOccupancySensor", evse: id)) != nil)
      let rating = result.captiveRating(power: model.variable(evse, VariableID("Power"))?.characteristics.maxLimit)
      result.connectors = (0..<model.connectorCount(evse: id)).map { index in
        let connector = ComponentID("Connector", evse: id, connector: index + 1)
        let lock = ComponentID("ConnectorPlugRetentionLock", evse: id, connector: index + 1)
        let type = model.value(connector, VariableID("ConnectorType")) ?? ""
        return SimulatedConnector(
          id: index + 1, kind: type.hasPrefix("s") ? .socket : .captive(ratingAmperes: rating),
          hasLock: model.component(lock) != nil)
      }
      return result
    }
  }

  /// Amperes per phase at which the EVSE delivers this power in watts.
  private func captiveRating(power: DecimalNumber?) -> Int {
    guard let watts = power?.rounded.int, (1...1_000_000).contains(watts) else { return 32 }
    let wattsPerAmpere = Int(nominalVoltage / 1_000) * meterPhases
    return max((watts + wattsPerAmpere - 1) / wattsPerAmpere, 6)
  }
}
