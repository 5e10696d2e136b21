import OCPP

/// The model as one JSON text, for the journal: a list of components in the format of the component files, with the
/// values of the moment.
extension DeviceModel {
  /// Reading it back with `init(serialized:)` gives a model with the same components, variables, attributes, order and
  /// values, and hence the same handles.
  public func serialized() -> [UInt8] {
    var writer = ObjectWriter()
    writer.beginArray()
    for component in components { write(component, to: &writer) }
    writer.endArray()
    return writer.bytes
  }

  private func write(_ component: Component, to writer: inout ObjectWriter) {
    writer.begin()
    writer.member("name", component.id.name)
    if let instance = component.id.instance { writer.member("instance", instance) }
    if let evse = component.id.evse { writer.member("evse_id", evse) }
    if let connector = component.id.connector { writer.member("connector_id", connector) }
    if let driver = component.driver { writer.member("driver", source: driver.json) }
    writer.object("properties")
    for index in component.variables {
      // The label only has to be unique in the file.
      writer.object(String(index))
      write(variables[index], to: &writer)
      writer.end()
    }
    writer.end()
    writer.end()
  }

  private func write(_ variable: Variable, to writer: inout ObjectWriter) {
    writer.member("variable_name", variable.id.name)
    if let instance = variable.id.instance { writer.member("instance", instance) }
    let characteristics = variable.characteristics
    writer.object("characteristics")
    writer.member("dataType", characteristics.dataType.rawValue)
    writer.member("supportsMonitoring", characteristics.supportsMonitoring)
    if let unit = characteristics.unit { writer.member("unit", unit) }
    if let list = characteristics.valuesList { writer.member("valuesList", list) }
    if let low = characteristics.minLimit { writer.member("minLimit", source: low.description) }
    if let high = characteristics.maxLimit { writer.member("maxLimit", source: high.description) }
    writer.end()
    writer.array("attributes")
    for index in variable.attributes {
      let attribute = attributes[index]
      writer.begin()
      writer.member("type", attribute.type.rawValue)
      writer.member("mutability", attribute.mutability.rawValue)
      writer.member("value", attribute.value)
      writer.end()
    }
    writer.endArray()
    if !variable.monitors.isEmpty { write(variable.monitors, to: &writer) }
  }

  private func write(_ monitors: [PreconfiguredMonitor], to writer: inout ObjectWriter) {
    writer.array("monitors")
    for monitor in monitors {
      writer.begin()
      writer.member("config_type", monitor.configType.rawValue)
      writer.member("type", monitor.type.rawValue)
      writer.member("value", source: monitor.value.description)
      writer.member("severity", monitor.severity)
      writer.member("transaction", monitor.transaction)
      if let reference = monitor.referenceValue { writer.member("reference_value", reference) }
      writer.end()
    }
    writer.endArray()
  }

  /// Reads what `serialized()` wrote. Throws the first error that is found.
  public init(serialized bytes: [UInt8]) throws(Problem) {
    var loader = Loader()
    let file = JSONFileParser.parse(name: "device model", bytes: bytes, problems: &loader.problems)
    if let root = file?.root {
      if root.kind != .array {
        loader.problems.add(
          .error, at: root, "the device model is \(root.kind.text)", expected: "an array of components")
      }
      for element in root.elements { loader.add(element) }
    }
    if let error = loader.problems.problems.first(where: { $0.severity == .error }) { throw error }
    self = loader.model
  }
}
