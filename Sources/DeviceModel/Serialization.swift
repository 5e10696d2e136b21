import OCPP

/// The model as one JSON text, for the journal: a list of components in the format of the component files, with the
/// values of the moment.
extension DeviceModel {
  /// Reading it back with `init(serialized:)` gives a model with the same components, variables, attributes, order and
  /// values, and hence the same handles.
  public func serialized() -> [UInt8] {
    var writer = JSONWriter(capacity: 64 * 1024)
    writer.beginArray()
    for component in components {
      writer.element()
      write(component, to: &writer)
    }
    writer.endArray()
    return writer.bytes
  }

  private func write(_ component: Component, to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", component.id.name)
    writer.member("instance", component.id.instance)
    writer.member("evse_id", component.id.evse)
    writer.member("connector_id", component.id.connector)
    if let driver = component.driver {
      writer.key("driver")
      writer.value(driver.configuration)
    }
    writer.key("properties")
    writer.beginObject()
    for index in component.variables {
      // The label only has to be unique in the component.
      writer.key(named: String(index))
      write(variables[index], to: &writer)
    }
    writer.endObject()
    writer.endObject()
  }

  private func write(_ variable: Variable, to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("variable_name", variable.id.name)
    writer.member("instance", variable.id.instance)
    let characteristics = variable.characteristics
    writer.key("characteristics")
    writer.beginObject()
    writer.member("dataType", characteristics.dataType.rawValue)
    writer.member("supportsMonitoring", characteristics.supportsMonitoring)
    writer.member("unit", characteristics.unit)
    writer.member("valuesList", characteristics.valuesList)
    writer.member("minLimit", characteristics.minLimit)
    writer.member("maxLimit", characteristics.maxLimit)
    writer.endObject()
    writer.key("attributes")
    writer.beginArray()
    for attribute in attributes[variable.attributes] {
      writer.element()
      writer.beginObject()
      writer.member("type", attribute.type.rawValue)
      writer.member("mutability", attribute.mutability.rawValue)
      writer.member("value", attribute.value)
      writer.endObject()
    }
    writer.endArray()
    if !variable.monitors.isEmpty {
      writer.key("monitors")
      writer.beginArray()
      for monitor in variable.monitors {
        writer.element()
        write(monitor, to: &writer)
      }
      writer.endArray()
    }
    writer.endObject()
  }

  private func write(_ monitor: PreconfiguredMonitor, to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("config_type", monitor.configType.rawValue)
    writer.member("type", monitor.type.rawValue)
    writer.member("value", monitor.value)
    writer.member("severity", monitor.severity)
    writer.member("transaction", monitor.transaction)
    writer.member("reference_value", monitor.referenceValue)
    writer.endObject()
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
      loader.model.reserve(components: root.elements.reduce(0) { count, _ in count + 1 })
      for element in root.elements { loader.add(element) }
    }
    if let error = loader.problems.problems.first(where: { $0.severity == .error }) { throw error }
    self = loader.model
  }
}
